"""Fine-tuning of the emotion encoder with labels, held near the encoder that it starts from.

Imitating a teacher gives vectors that say many things; labels turn them towards emotion. All weights learn, and two
things keep what transfers to other corpora: the squared distance between the hidden vectors and those of the frozen
encoder (self-distillation), and crops of which no two are alike. Runs of other seeds start from the same encoder, so
that the mean of their weights is an encoder too (``scripts/average_encoders.py``; model soups, Wortsman et al. 2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, write_checkpoint
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook
from sedtalker.speech.emotion_encoder import EmotionEncoder
from sedtalker.speech.encoder import GRID
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.layer_features import (
    LayerFeatures,
    clips_of,
    open_layer_features,
    read_transfer_augmenter,
)
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.mel_augmentation import LARGEST, MelRecipe, Mels, loudness, resample_frames
from sedtalker.training.corpora.speech import check_free, weights_licence, with_licence
from sedtalker.training.corpora.transfer_recipe import Votes, is_rated, read_votes, soft_targets, votes_on
from sedtalker.training.task import Batch, PreparedTask
from sedtalker.training.tasks.emotion_encoder import MEASURED_CLIPS, moments
from sedtalker.training.tasks.encoder_heads import HEAD, FoldedHead
from sedtalker.training.tasks.whitened_perceptrons import category_of

RAREST = 1e-3
"""Smallest prior of a category."""
LEAST_VARIANCE = 1e-4
"""Added to the variance over a crop before its root is taken."""
AROUND = 10
"""Frames at 100 Hz kept on either side of the speech of a clip."""
PAUSES = 0.15
"""Weight of frames without speech in the distance to the frozen encoder."""


class FineTunedEncoderTaskConfig(BaseModel, extra="forbid"):
    """What ``configs/experiment/fine_tuned_encoder.yaml`` says about the task."""

    start: str | None = None
    """Checkpoint folder of the emotion encoder to start from and to stay near; null: the built-in one."""
    corpora: dict[str, float] = {"cremad": 0.65, "banglaser": 0.35}
    """Share of the labelled crops from each corpus; every category of a corpus is as likely."""
    calm: dict[str, float] = {"speechocean762": 0.5, "librispeech": 0.5}
    """Corpora of read speech, which has no label here and only holds the vectors, and the share of each."""
    calm_share: float = 0.2
    """Share of the crops of read speech."""
    copies: tuple[int, ...] = (0, 3)
    """Copies of labelled clips, see ``TransferAugmenter.copy``."""
    development: tuple[str, ...] = ("aesdd", "uem_es", "indian_emospeech")
    """Corpora never trained on, by which runs are compared; the validation speakers where none is there."""
    licence_check: bool = True
    """Refuse corpora whose licence does not allow free weights."""
    most_clips: int = 0
    """Use so many clips of each corpus at most; 0: all."""
    batch: int = 32
    """Crops in a batch."""
    seconds: float = 2.5
    """Length of a crop."""
    intended: float = 0.7
    """Share of the intended emotion in the target, beside the votes."""
    unrated: float = 0.9
    """Share of the label in the target of clips without votes; the rest is even."""
    hold: float = 1.0
    """Weight of the squared distance to the frozen encoder's vectors, in units of their deviation."""
    head_first: int = 150
    """Steps in which the labels train the head alone: a random head would spoil the encoder."""
    head_width: int = 160
    """Units of the head."""
    dropout: float = 0.4
    """Dropout of the head."""


class LabelledEncoder(nn.Module):
    """An emotion encoder with a head that names the emotion of a crop from the mean and deviation of its vectors."""

    lr_scales: ClassVar = {"encoder": 0.1}
    """See ``make_optimizer``."""
    steps: Tensor

    def __init__(self, encoder: EmotionEncoder, config: FineTunedEncoderTaskConfig):
        super().__init__()
        self.encoder, inputs = encoder, 2 * encoder.config.channels
        self.norm = nn.BatchNorm1d(inputs, affine=False, momentum=0.02)
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(inputs, config.head_width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.head_width, len(CATEGORIES)),
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, hidden: Tensor, speech: Tensor) -> Tensor:
        """Logits (B, C) of vectors (B, T, D) over speech (B, T)."""
        mean, variance = moments(hidden, speech)
        logits: Tensor = self.head(self.norm(torch.cat([mean, (variance + LEAST_VARIANCE).sqrt()], 1)))
        return logits

    @torch.no_grad()
    def folded_head(self) -> FoldedHead:
        """The head without its normalisation."""
        mean, variance = self.norm.running_mean, self.norm.running_var
        first, last = cast(nn.Linear, self.head[1]), cast(nn.Linear, self.head[4])
        assert mean is not None
        assert variance is not None
        weight = first.weight / (variance + self.norm.eps).sqrt()
        parts = (weight, first.bias - weight @ mean, last.weight, last.bias)
        return FoldedHead(*(part.cpu().numpy().copy() for part in parts))


class FineTunedEncoderTask(PreparedTask):
    """Fine-tunes an emotion encoder (see ``Task``)."""

    fast: ClassVar = {"copies": (0,), "most_clips": 8, "batch": 8}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = c = FineTunedEncoderTaskConfig.model_validate(config)
        self.data, self.cache, self.recipe = data, cache, MelRecipe()
        if not any(is_rated(name) for name in c.corpora):
            raise InputError("task.corpora: none of them has votes of raters; add cremad")
        if c.licence_check:
            check_free({**c.corpora, **c.calm})

    # --- The clips.

    def read_data(self, hook: Hook) -> None:
        """Log-mels of all copies, targets, and the frozen encoder."""
        c, every = self.config, read_manifest(self.data)
        self.folder = Path(c.start) if c.start else builtin_checkpoint("emotion_encoder")
        self.frozen = open_model(self.folder, "emotion_encoder", in_torch=True)
        self.augmenter = read_transfer_augmenter(every, c.copies, self.cache, hook)
        votes = read_votes(self.data, [name for name in c.corpora if is_rated(name)])
        clips = {name: self._labelled(clips_of(every, name, "train"), votes) for name in c.corpora}
        self.stores = {(n, copy): self._open(found, copy, hook) for n, found in clips.items() for copy in c.copies}
        present = {clip.corpus for clip in every}
        calm = [name for name in c.calm if name in present]
        self.calm = {name: self._open(clips_of(every, name, "train"), 0, hook) for name in calm}
        self.target = {name: soft_targets(found, votes, c.intended, c.unrated) for name, found in clips.items()}
        category = {name: np.array([category_of(clip) for clip in found]) for name, found in clips.items()}
        self.members = {n: [np.flatnonzero(of == k) for k in np.unique(of)] for n, of in category.items()}
        prior = np.zeros(len(CATEGORIES))
        for name, share in c.corpora.items():
            for chosen in self.members[name]:
                prior += share / len(self.members[name]) * self.target[name][chosen].mean(0)
        self.prior = torch.from_numpy(np.log(prior.clip(RAREST))).float()
        known = [name for name in c.development if name in present]
        judged = {name: clips_of(every, name) for name in known} or {
            name: clips_of(every, name, "valid") for name in c.corpora if any(x.split == "valid" for x in every)
        }
        self.development = {name: self._development(found, hook) for name, found in judged.items()}
        self._measure()

    def _labelled(self, clips: list[Clip], votes: dict[str, Votes]) -> list[Clip]:
        """Clips of our categories; of rated corpora those with votes."""
        known = [x for x in clips if category_of(x) >= 0 and (not is_rated(x.corpus) or votes_on(x, votes))]
        return known[: self.config.most_clips or None]

    def _open(self, clips: list[Clip], copy: int, hook: Hook) -> LayerFeatures:
        kept = clips[: self.config.most_clips or None]
        return open_layer_features(kept, copy, self.augmenter, self.cache, None, hook)

    def _development(self, clips: list[Clip], hook: Hook) -> tuple[LayerFeatures, NDArray[np.int64]]:
        known = [clip for clip in clips if category_of(clip) >= 0][: self.config.most_clips or None]
        return self._open(known, 0, hook), np.array([category_of(clip) for clip in known])

    def _measure(self) -> None:
        """The level of the clips, and the deviation of the frozen encoder's vectors."""
        rng, stores = np.random.default_rng(0), list(self.stores.values())
        self.spectra = [store.means for store in (*stores, *self.calm.values())]
        levels = []
        for _ in range(MEASURED_CLIPS):
            store = stores[int(rng.integers(len(stores)))]
            mel, speech, spectrum = _clip(store, int(rng.integers(len(store))))
            if speech.any():
                levels.append(loudness(mel + spectrum, speech))
        if not levels:
            raise InputError("the training data hold no clip with speech")
        self.level = float(np.median(levels))
        first = self.batch(rng)
        with torch.no_grad():
            hidden = self.frozen.coarse(first["mel"])
        self.scale = hidden[first["speech"] > 0].std(0)

    # --- Batches.

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` (B, 4T, 80), ``speech`` (B, T) at 25 Hz, ``target`` (B, C), zeros where there is no label."""
        drawn, targets = [], []
        for _ in range(self.config.batch):
            store, index, target = self._draw(rng)
            drawn.append(self._crop(store, index, rng))
            targets.append(target)
        mels = []
        for number, (mel, speech, spectrum) in enumerate(drawn):
            if rng.random() > self.recipe.own_channel:
                means = self.spectra[int(rng.integers(len(self.spectra)))]
                spectrum = means[int(rng.integers(len(means)))]
            degraded = self.recipe.degrade(mel, speech, drawn[(number + 1) % len(drawn)][0], rng)
            mels.append(self.recipe.channel(degraded, speech, spectrum, self.level, rng))
        spoken = np.stack([speech for _, speech, _ in drawn]).reshape(len(drawn), -1, 2 * GRID).any(2)
        found = {"mel": np.stack(mels), "speech": spoken.astype(np.float32), "target": np.stack(targets)}
        return {name: torch.from_numpy(values) for name, values in found.items()}

    def _draw(self, rng: np.random.Generator) -> tuple[LayerFeatures, int, NDArray[np.float32]]:
        """A clip and its target (C,)."""
        c = self.config
        if self.calm and rng.random() < c.calm_share:
            store = self.calm[_choose(rng, {name: c.calm[name] for name in self.calm})]
            return store, int(rng.integers(len(store))), np.zeros(len(CATEGORIES), np.float32)
        name = _choose(rng, c.corpora)
        chosen = self.members[name][int(rng.integers(len(self.members[name])))]
        index = int(rng.choice(chosen))
        return self.stores[name, c.copies[int(rng.integers(len(c.copies)))]], index, self.target[name][index]

    def _crop(self, store: LayerFeatures, index: int, rng: np.random.Generator) -> tuple[Mels, NDArray[np.bool_], Mels]:
        """Speech of a clip at another rate, with a background before and after where it is short: centred log-mels
        (4T, 80), where there is speech (4T,), and its long-term spectrum (80,)."""
        mel, speech, spectrum = _clip(store, index)
        count, rate = int(self.config.seconds * 100) // (2 * GRID) * 2 * GRID, self.recipe.draw_rate(rng)
        needed = int(np.ceil(count * rate)) + 2
        if speech.any():
            spoken = np.flatnonzero(speech)
            around = slice(max(0, spoken[0] - AROUND), spoken[-1] + AROUND)
            mel, speech = mel[around], speech[around]
        missing = needed - len(mel)
        if missing > 0:
            floor = np.quantile(mel, 0.03, axis=0) + 0.5 * rng.standard_normal((missing, mel.shape[1]))
            before = int(rng.integers(missing + 1))
            mel = np.concatenate([floor[:before], mel, floor[before:]]).astype(np.float32)
            speech = np.pad(speech, (before, missing - before))
        first = int(rng.integers(len(mel) - needed + 1))
        mel, speech = mel[first : first + needed], speech[first : first + needed]
        kept = speech[np.minimum((np.arange(count) * rate).astype(int), needed - 1)]
        return self.recipe.voice(resample_frames(mel, rate, count), rng), kept, spectrum

    # --- The objective.

    def build(self) -> nn.Module:
        """The encoder to start from, with a new head."""
        return LabelledEncoder(
            open_model(self.folder, "emotion_encoder", in_torch=True).requires_grad_(True), self.config
        )

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the labelled crops with the prior taken out, and the distance to the frozen vectors."""
        c, speech, target = self.config, batch["speech"], batch["target"]
        steps = model.steps
        assert isinstance(steps, Tensor)
        with torch.set_grad_enabled(model.training and int(steps) >= c.head_first):
            hidden = model.encoder.coarse(batch["mel"])  # type: ignore[union-attr, operator]
        with torch.no_grad():
            before = self.frozen.to(hidden.device).coarse(batch["mel"])
        weight = PAUSES + (1.0 - PAUSES) * speech
        apart = ((hidden - before) / self.scale.to(hidden)).square().mean(-1)
        hold = (apart * weight).sum() / weight.sum()
        logits = model(hidden, speech)
        steps += model.training
        likely = F.log_softmax(logits + self.prior.to(logits), -1)
        entropy = -(target * likely).sum() / target.sum().clamp_min(1.0)
        return {"category": entropy, "hold": c.hold * hold, "total": entropy + c.hold * hold}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Recall of the head over their own categories on corpora never trained on; ``score`` is its mean."""
        assert isinstance(model, LabelledEncoder)
        recalls = {}
        for name, (store, category) in self.development.items():
            logits = torch.cat([_logits(model, store, index) for index in range(len(store))])
            recalls[f"uar_{name}"] = own_recall(category, logits.double().cpu().numpy())
        return recalls | {"score": float(np.mean(list(recalls.values())))}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the encoder, and its head beside it."""
        assert isinstance(model, LabelledEncoder)
        encoder, before = model.encoder.cpu().eval(), read_config(self.folder)
        trained_on = list(dict.fromkeys([*before.trained_on, *map(with_licence, self.config.corpora)]))
        config = CheckpointConfig(
            kind="emotion_encoder",
            licence=weights_licence({**self.config.corpora, **self.config.calm}),
            trained_on=trained_on,
            model=encoder.config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        write_checkpoint(folder, config, encoder.state_dict(), fine_tuned_card(config))
        save_file(model.folded_head()._asdict(), folder / HEAD)


def fine_tuned_card(config: CheckpointConfig, runs: str = "One run") -> str:
    """The card of a fine-tuned encoder; ``runs``: whose weights it has."""
    return fill_card(
        "fine_tuned_encoder",
        runs=runs,
        channels=config.model["channels"],
        licence=config.licence,
        corpora="\n".join(f"- {name}" for name in config.trained_on),
    )


def _choose(rng: np.random.Generator, shares: dict[str, float]) -> str:
    """One of the names, each with its share."""
    values = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(values), p=values / values.sum()))]


def _clip(store: LayerFeatures, index: int) -> tuple[Mels, NDArray[np.bool_], Mels]:
    """Centred log-mels (T, 80) at 100 Hz of a clip, where there is speech (T,), and its long-term spectrum (80,)."""
    first, last = int(store.starts[index]), int(store.starts[index + 1])
    spectrum = np.asarray(store.means[index])
    mel = np.asarray(store.mel[2 * first : 2 * last], np.float32) - spectrum
    return mel.clip(-LARGEST, LARGEST), np.repeat(store.speech[first:last], 2), spectrum


def _logits(model: LabelledEncoder, store: LayerFeatures, index: int) -> Tensor:
    """Logits (1, C) of the speech of a whole clip."""
    mel, speech, spectrum = _clip(store, index)
    whole = torch.from_numpy(mel + spectrum)[None].to(model.norm.running_mean)
    hidden = model.encoder.coarse(whole)
    spoken = np.pad(speech, (0, -len(speech) % (2 * GRID))).reshape(-1, 2 * GRID).any(1)
    weight = torch.from_numpy(spoken if spoken.sum() > 2 else np.ones_like(spoken)).to(hidden)[None]
    return model(hidden, weight)
