"""Training of the emotion encoder: the teacher's layers frame by frame and clip by clip, and the raters' votes.

The student reads a degraded copy of a clip, the teacher read the clean one (knowledge distillation, Hinton et al.
2015). Distances between clips are measured in the metric in which clips of the teacher have unit covariance: emotion
sits in directions of small variance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.progress import Hook
from sedtalker.speech.emotion_encoder import GRID, EmotionEncoder, EmotionEncoderConfig
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.layer_features import (
    LayerFeatures,
    clips_of,
    load_teacher,
    open_layer_features,
    read_transfer_augmenter,
)
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import check_free, weights_licence, with_licence
from sedtalker.training.corpora.transfer_recipe import (
    DEGRADED,
    is_rated,
    mask_noisy_spectrum,
    read_votes,
    soft_targets,
    votes_on,
)
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.task import Batch, PreparedTask

MEASURED_CLIPS = 800
"""Clips drawn to measure the mean, the deviation and the metric of the teacher's vectors."""
FEWEST_FRAMES = 20
"""Frames of speech that a clip needs to count in that."""
FEWEST_COARSE_FRAMES = 10
"""Frames of speech at 25 Hz that a crop needs for its mean to be compared."""
CATEGORY_DROPOUT = 0.3
"""Share of the values that training drops before the category."""
SPEECH_SHARE = 0.7
"""Weight of a frame for being speech; the rest it has for being sound at all."""


class EmotionEncoderTaskConfig(BaseModel):
    """What ``configs/experiment/emotion_encoder.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    model: EmotionEncoderConfig = EmotionEncoderConfig()
    """Sizes of the network."""
    corpora: dict[str, float] = {"cremad": 0.62, "librispeech": 0.12, "speechocean762": 0.14, "emogator": 0.12}
    """Share of the crops from each corpus; one of them must have votes."""
    licence_check: bool = True
    """Refuse corpora whose licence does not allow free weights."""
    teacher: str | None = None
    """Weights of Whisper-base: a folder, a name on the hub, an ``.npz`` of its blocks; null: see ``load_teacher``."""
    copies: tuple[int, ...] = (0, 1, 2, 3)
    """Copies of every clip: 0 itself, 1 another voice and microphone, 2 degraded, 3 and more both."""
    most_clips: int = 0
    """Use so many clips of each corpus at most; 0: all."""
    crops: int = 32
    """Crops in a batch."""
    seconds: float = 3.0
    """Length of a crop."""
    intended: float = 0.4
    """Share of the intended emotion in the target, beside the votes."""
    frame_loss: float = 0.5
    """Weight of the squared error of single frames."""
    clip_loss: float = 1.0
    """Weight of the squared distance of the crops' means."""
    deviation_loss: float = 1.0
    """Weight of the squared error of the crops' deviations."""
    category_loss: float = 0.3
    """Weight of the cross-entropy with the votes."""
    shrinkage: float = 0.05
    """Share of the mean variance added to each direction of the metric."""


class DistilledEncoder(nn.Module):
    """The encoder and the heads that only serve training; ``targets`` is the size of the teacher's vectors."""

    def __init__(self, config: EmotionEncoderConfig, targets: int):
        super().__init__()
        self.encoder = EmotionEncoder(config)
        self.distil = nn.Linear(config.channels, targets)
        self.category = nn.Sequential(nn.Dropout(CATEGORY_DROPOUT), nn.Linear(2 * config.channels, len(CATEGORIES)))

    def forward(self, mel: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised vectors of the teacher (B, T, L) at 25 Hz and logits (B, C) over the speech of a crop.

        Args:
            mel: (B, 4T, 80) centred log-mels at 100 Hz.
            speech: (B, T), 1 where there is speech.
        """
        hidden = self.encoder.coarse(mel).float()
        return self.distil(hidden), self.category(torch.cat(moments(hidden, speech), -1))


def moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation (B, C) of values (B, T, C) with weights (B, T)."""
    share = (weight / weight.sum(1, keepdim=True).clamp_min(1.0))[..., None]
    mean = (values * share).sum(1)
    variance = ((values - mean[:, None]).square() * share).sum(1)
    return mean, (variance + 1e-4).sqrt()


class EmotionEncoderTask(PreparedTask):
    """Distils the teacher into an emotion encoder (see ``Task``)."""

    fast: ClassVar = {"copies": (0,), "most_clips": 8}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = EmotionEncoderTaskConfig.model_validate(config)
        self.data, self.cache = data, cache
        self.rated = [name for name in self.config.corpora if is_rated(name)]
        if not self.rated:
            raise InputError("task.corpora: none of them has votes of raters; add cremad")
        if self.config.licence_check:
            check_free(self.config.corpora)

    def read_data(self, hook: Hook) -> None:
        """Features of all copies with the teacher's layers, targets, and the metric between clips."""
        c, every = self.config, read_manifest(self.data)
        votes, teacher = read_votes(self.data, self.rated), load_teacher(self.data, c.teacher)
        augmenter = read_transfer_augmenter(every, c.copies, self.cache, hook)

        def clips(name: str, split: str) -> list[Clip]:
            found = clips_of(every, name, split)
            if name in self.rated:
                found = [clip for clip in found if known_category(clip.emotion) and votes_on(clip, votes)]
            return found[: c.most_clips or None]

        def store(found: list[Clip], copy: int) -> LayerFeatures:
            return open_layer_features(found, copy, augmenter, self.cache, teacher, hook)

        train = {name: clips(name, "train") for name in c.corpora}
        self.targets = {name: soft_targets(train[name], votes, c.intended, 1.0) for name in self.rated}
        self.stores = {(name, copy): store(found, copy) for name, found in train.items() for copy in {0, *c.copies}}
        self.valid_clips = clips(self.rated[0], "valid")
        self.valid = store(self.valid_clips, 0)
        self._measure()

    def _measure(self) -> None:
        """Mean and deviation of the teacher's frames, and the metric between clips."""
        rng, frames, means = np.random.default_rng(0), [], []
        for _ in range(MEASURED_CLIPS):
            store = self._draw(rng)[0]
            assert store.teacher is not None
            index = int(rng.integers(len(store)))
            part = slice(int(store.starts[index]), int(store.starts[index + 1]))
            spoken = np.asarray(store.teacher[part], np.float32)[np.asarray(store.speech[part])]
            if len(spoken) > FEWEST_FRAMES:
                frames.append(spoken[::4])
                means.append(spoken.mean(0))
        if not frames:
            raise InputError("the training data hold no clip with half a second of speech")
        every = np.concatenate(frames)
        self.mean, self.scale = (torch.from_numpy(v) for v in (every.mean(0), every.std(0)))
        values, vectors = np.linalg.eigh(np.cov(np.stack(means).T))
        metric = vectors * (values + self.config.shrinkage * values.mean()) ** -0.5
        self.metric = self.scale[:, None] * torch.from_numpy(metric.astype(np.float32))

    def _draw(self, rng: np.random.Generator) -> tuple[LayerFeatures, LayerFeatures, str]:
        """A store to read, the store of its targets, and their corpus."""
        names, shares = list(self.config.corpora), np.array(list(self.config.corpora.values()))
        name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        copy = self.config.copies[int(rng.integers(len(self.config.copies)))]
        return self.stores[name, copy], self.stores[name, 0 if copy == DEGRADED else copy], name

    def build(self) -> nn.Module:
        """A freshly initialised encoder with its training heads."""
        return DistilledEncoder(self.config.model, len(self.mean))

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` (B, 4T, 80), ``teacher`` (B, T, L), ``speech`` and ``valid`` (B, T) at 25 Hz, votes (B, C)."""
        frames, count = int(self.config.seconds * 50) // GRID * GRID, self.config.crops
        mel = np.zeros((count, 2 * frames, MEL_BANDS), np.float32)
        teacher = np.zeros((count, frames, len(self.mean)), np.float32)
        speech, valid = np.zeros((2, count, frames), np.float32)
        label, labelled = np.zeros((count, len(CATEGORIES)), np.float32), np.zeros(count, np.float32)
        for i in range(count):
            store, targets, name = self._draw(rng)
            assert targets.teacher is not None
            # a stretch of the clip, and its place in the crop; both on the encoder's grid
            index = int(rng.integers(len(store)))
            first, last = int(store.starts[index]), int(store.starts[index + 1])
            length = min(last - first, frames)
            first += GRID * int(rng.integers((last - first - length) // GRID + 1))
            at = GRID * int(rng.integers((frames - length) // GRID + 1))
            part, place = slice(first, first + length), slice(at, at + length)
            piece = np.asarray(store.mel[2 * first : 2 * (first + length)], np.float32)
            mel[i, : 2 * at], mel[i, 2 * (at + length) :] = piece[:6].mean(0), piece[-6:].mean(0)
            mel[i, 2 * at : 2 * (at + length)] = mask_noisy_spectrum(piece, rng)
            teacher[i, place], speech[i, place] = targets.teacher[part], store.speech[part]
            valid[i, place] = 1.0
            if name in self.targets:
                label[i], labelled[i] = self.targets[name][index], 1.0
        pairs = {"teacher": teacher, "speech": speech, "valid": valid}
        out = {n: torch.from_numpy(v).unflatten(1, (-1, GRID)).mean(2) for n, v in pairs.items()}
        out["teacher"] = (out["teacher"] - self.mean) / self.scale
        given = {"mel": mel, "label": label, "labelled": labelled}
        return out | {name: torch.from_numpy(value) for name, value in given.items()}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Frames, crop means and deviations of the teacher, and the category."""
        config, wanted = self.config, batch["teacher"]
        spoken = (batch["speech"] > 0).float()
        guess, logits = (v.float() for v in model(batch["mel"], spoken))
        weight = ((1 - SPEECH_SHARE) * (batch["valid"] > 0.5) + SPEECH_SHARE * spoken)[..., None]
        enough = (spoken.sum(1) > FEWEST_COARSE_FRAMES).float()
        mean, deviation = moments(guess, spoken)
        true_mean, true_deviation = moments(wanted, spoken)
        apart = ((mean - true_mean) @ self.metric.to(mean)).square().mean(1)
        entropy = -(batch["label"] * F.log_softmax(logits, -1)).sum(1) * batch["labelled"]
        losses = {
            "frames": config.frame_loss * ((guess - wanted).square() * weight).sum() / (weight.sum() * len(self.mean)),
            "clips": config.clip_loss * (apart * enough).sum() / enough.sum().clamp_min(1.0),
            "deviations": config.deviation_loss * (deviation - true_deviation).square().mean(),
            "category": config.category_loss * entropy.sum() / batch["labelled"].sum().clamp_min(1.0),
        }
        return losses | {"total": torch.stack(list(losses.values())).sum()}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """R² of the teacher's clip means, and recall of the intended category, on validation speakers."""
        assert isinstance(model, DistilledEncoder)
        assert self.valid.teacher is not None
        device = model.distil.weight.device
        wanted, given, guesses, truths = [], [], [], []
        for index, clip in enumerate(self.valid_clips):
            first, last = (int(v) for v in self.valid.starts[index : index + 2])
            spoken = torch.from_numpy(np.array(self.valid.speech[first:last])).float()[None]
            mel = torch.from_numpy(np.asarray(self.valid.mel[2 * first : 2 * last], np.float32))[None]
            hidden = model.encoder(mel.to(device)).float()
            teacher = torch.from_numpy(np.asarray(self.valid.teacher[first:last], np.float32))[None]
            given.append(moments(model.distil(hidden).cpu(), spoken)[0])
            wanted.append(moments((teacher - self.mean) / self.scale, spoken)[0])
            logits = model.category(torch.cat(moments(hidden, spoken.to(device)), -1))
            guesses.append(int(logits.argmax()))
            truths.append(CATEGORIES.index(known_category(clip.emotion) or CATEGORIES[0]))
        truth, guess = torch.cat(wanted), torch.cat(given)
        explained = 1.0 - float((guess - truth).square().sum() / (truth - truth.mean(0)).square().sum())
        recall = unweighted_average_recall(np.array(truths), np.array(guesses), len(CATEGORIES))
        return {"clip_r2": explained, "recall": recall, "score": explained + recall}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the encoder, its last layer joined with the distillation head: hidden vectors are the teacher's."""
        assert isinstance(model, DistilledEncoder)
        encoder = predict_teacher(model, self.mean, self.scale)
        trained_on = [with_licence(name) for name in self.config.corpora] + ["distilled from Whisper-base (MIT)"]
        config = CheckpointConfig(
            kind="emotion_encoder",
            licence=weights_licence(self.config.corpora),
            trained_on=trained_on,
            model=encoder.config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = fill_card(
            "emotion_encoder",
            run="One run of `sedtalker train experiment=emotion_encoder`.",
            channels=encoder.config.channels,
            licence=config.licence,
            corpora="\n".join(f"- {name}" for name in trained_on),
            metrics=card_table("emotion_encoder", metrics),
        )
        write_checkpoint(folder, config, encoder.state_dict(), card)


def predict_teacher(model: DistilledEncoder, mean: Tensor, scale: Tensor) -> EmotionEncoder:
    """An encoder whose hidden vectors are the predicted projected layers of the teacher.

    Args:
        model: trained on standardised vectors.
        mean: (L,) of the teacher's vectors.
        scale: (L,), their deviation.
    """
    inner, state = model.encoder, {k: v.cpu() for k, v in model.encoder.state_dict().items()}
    out = EmotionEncoder(inner.config.model_copy(update={"channels": len(mean)}))
    weight = scale[:, None] * model.distil.weight.cpu()
    state["project.bias"] = mean + scale * model.distil.bias.cpu() + weight @ state["project.bias"]
    state["project.weight"] = (weight @ state["project.weight"][..., 0])[..., None]
    out.load_state_dict({k: v.detach() for k, v in state.items()})
    return out.eval().requires_grad_(False)
