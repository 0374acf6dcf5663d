"""Training of the frame network on single clips and on recordings joined from clips, with true boundaries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion.diarizer_model import STRIDE, FrameNetworkConfig
from sedtalker.emotion.frame_network import INPUTS, FrameNetwork, FrameScores
from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import ranking_auc, unweighted_average_recall
from sedtalker.progress import Hook
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS, MEL_SCALE
from sedtalker.training.cards import fill_card, with_licences
from sedtalker.training.corpora.augmentation import mask_spectrum, warp_bands
from sedtalker.training.corpora.emotion_features import DatasetConfig, EmotionFeatures, open_features, open_inputs
from sedtalker.training.corpora.joined_speech import NEUTRAL_LEVEL, NORMAL_LEVEL, SILENCE, SOME_LEVEL, STRONG_LEVEL
from sedtalker.training.corpora.speech import weights_licence
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.task import Batch, PreparedTask, naming_settings

CORE_METRICS = ("uar_ravdess", "uar_nemo", "uar_emotiontts_ko", "frame_accuracy")
"""Metrics that the score is the mean of."""
VALID_JOINED = 150
"""Joined recordings of validation speakers, at most."""
SHORTEST = 25
"""Frames of the shortest recording that is trained on: half a second."""
NEAR = 0.12
"""Seconds on either side of a change that count as the boundary."""
LEVEL_VALUE = (0.0, 0.5, 1.0, 0.65)
"""Intensity that stands for each step (the last: emotional, strength unknown) in the affect targets."""


class FrameNetworkTaskConfig(BaseModel, extra="forbid"):
    """What ``configs/experiment/frame_network.yaml`` says about the task."""

    corpora: dict[str, float]
    """Corpora and their shares among single clips; speakers and categories are drawn evenly within each."""
    joined_corpora: dict[str, float]
    """Corpora and their shares among joined recordings."""
    copies: int = Field(2, ge=0)
    """Augmented copies of every clip."""
    joined: int = Field(3000, ge=0)
    """Recordings joined from clips of one speaker."""
    singles_per_batch: int = 40
    """Crops of single clips in a batch."""
    joined_per_batch: int = 14
    """Crops of joined recordings in a batch."""
    seconds: float = 5.0
    """Longest crop."""
    smoothing: float = 0.05
    """Label smoothing of the categories."""
    warp: float = 0.1
    """Largest change of the vocal tract's length, natural logarithm."""
    frame_loss: float = 0.3
    """Weight of the frames' own cross-entropy; that of spans has 1."""
    intensity_loss: float = 0.4
    """Weight of ``ordinal_loss``."""
    ranking_loss: float = 0.2
    """Weight of ``ranking_loss``."""
    affect_loss: float = 0.3
    """Weight of the squared error of valence and arousal."""
    boundary_loss: float = 0.3
    """Weight of ``boundary_loss``."""
    corpus_loss: float = 0.2
    """Weight of the corpus's cross-entropy."""
    model: dict[str, Any] = {}
    """Differences to ``FrameNetworkConfig``."""


class FrameNetworkTask(PreparedTask):
    """See ``sedtalker.training.task.Task``."""

    fast: ClassVar = {"copies": 0, "joined": 8}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = FrameNetworkTaskConfig.model_validate(config)
        self.data, self.cache = data, cache
        self.names = tuple(self.config.corpora)
        with naming_settings("task.model."):
            self.model = FrameNetworkConfig.model_validate({**self.config.model, "corpora": self.names})

    def read_data(self, hook: Hook) -> None:
        """The inputs of all recordings, and what is drawn from them."""
        c = self.config
        dataset = DatasetConfig(self.names, c.joined_corpora, "train", c.copies, c.joined)
        held = replace(dataset, split="valid", copies=0, joined=min(VALID_JOINED, c.joined))
        self.train, self.valid = (open_features(self.data, self.cache, d, hook=hook) for d in (dataset, held))
        self.inputs, self.valid_inputs = open_inputs(self.train, hook), open_inputs(self.valid, hook)
        self.corpus = np.array([self.names.index(str(name)) for name in self.train.corpus])
        lengths = np.diff(self.train.starts)
        usable = lengths > SHORTEST
        self.singles = np.flatnonzero(usable & (self.train.category >= 0))
        self.joined = np.flatnonzero(usable & (self.train.category < 0))
        self.chance = clip_chances(self.train, self.singles, c.corpora)

    def build(self) -> nn.Module:
        """A fresh network."""
        return FrameNetwork(self.model)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``inputs`` (B, T, 91) at 50 Hz, ``label`` and ``level`` (B, T) with -1 outside, ``corpus`` (B,)."""
        c = self.config
        chosen = np.concatenate(
            [
                rng.choice(self.singles, c.singles_per_batch, p=self.chance),
                rng.choice(self.joined, c.joined_per_batch if len(self.joined) else 0),
            ]
        )
        longest = round(c.seconds * FRAME_CLOCK.rate)
        crops = [self._crop(int(index), longest, rng) for index in chosen]
        size = -(-max(len(labels) for _, labels, _ in crops) // STRIDE) * STRIDE
        inputs = np.zeros((len(crops), size, INPUTS), np.float32)
        label, level = np.full((2, len(crops), size), -1, np.int64)
        for row, (values, labels, levels) in enumerate(crops):
            inputs[row, : len(values)], label[row, : len(values)], level[row, : len(values)] = values, labels, levels
            inputs[row, len(values) :, :MEL_BANDS] = values[-1, :MEL_BANDS]
        corpus = self.corpus[chosen]
        named = {"inputs": inputs, "label": label, "level": level, "corpus": corpus}
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in named.items()}

    def _crop(
        self, index: int, longest: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
        """A stretch of a recording with another vocal tract and parts of the spectrum hidden."""
        first, last = int(self.train.starts[index]), int(self.train.starts[index + 1])
        count = min(last - first, int(longest * rng.uniform(0.4, 1.0)))
        start = first + int(rng.integers(0, last - first - count + 1))
        part = slice(start, start + count)
        values = np.asarray(self.inputs[part], np.float32)
        factor = float(np.exp(rng.uniform(-self.config.warp, self.config.warp)))
        mel = warp_bands(values[:, :MEL_BANDS], factor)
        values[:, :MEL_BANDS] = MEL_SCALE * mask_spectrum(1 / MEL_SCALE * mel, rng) if count > 24 else mel
        return values, np.asarray(self.train.labels[part]), np.asarray(self.train.levels[part])

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Category of spans and of frames, intensity, valence and arousal, boundaries, corpus."""
        c = self.config
        scores: FrameScores = model(batch["inputs"])
        label, level = batch["label"][:, ::STRIDE], batch["level"][:, ::STRIDE]
        spans = label_spans(label)
        pooled = SpanMeans(spans)
        of = pooled.first
        span_label, span_level = label.flatten()[of], level.flatten()[of]
        row = of // label.shape[1]
        logits, intensity = pooled.mean(scores.logits), pooled.mean(scores.intensity[..., None])[:, 0]
        spoken = spans >= 0

        def entropy(values: Tensor, wanted: Tensor) -> Tensor:
            return F.cross_entropy(values, wanted, label_smoothing=c.smoothing)

        known = (span_level >= 0).to(logits.dtype)
        affect = (pooled.mean(scores.affect) - affect_targets(span_label, span_level)).square().mean(-1)
        out = {
            "category": entropy(logits, span_label),
            "frames": c.frame_loss * entropy(scores.logits[spoken], label[spoken]),
            "intensity": c.intensity_loss * (ordinal_loss(intensity, span_level) * known).mean(),
            "ranking": c.ranking_loss * ranking_loss(intensity[None], span_level, span_label),
            "affect": c.affect_loss * affect.mean(),
            "boundary": c.boundary_loss * boundary_loss(scores.boundary, label),
            "corpus": c.corpus_loss * F.cross_entropy(pooled.mean(scores.corpus), batch["corpus"][row]),
        }
        out["total"] = torch.stack(list(out.values())).sum()
        return out

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Recall of held-out clips by corpus, intensity, and accuracy on joined recordings."""
        assert isinstance(model, FrameNetwork)
        metrics = frame_metrics(model, self.valid, self.valid_inputs, np.arange(len(self.valid)), self.names)
        core = [v for k, v in metrics.items() if k.endswith(CORE_METRICS)]
        return metrics | {"score": float(np.mean(core))}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the network; ``experiment=transfer_diarizer`` takes it up."""
        assert isinstance(model, FrameNetwork)
        config = CheckpointConfig(
            kind="frame_network",
            licence=weights_licence(self.names),
            trained_on=with_licences(self.names),
            encoder_sha256=None,
            model=model.config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = fill_card("frame_network", corpora=", ".join(self.names), metrics=card_table("frame_network", metrics))
        write_checkpoint(folder, config, model.state_dict(), card)


# --- Which clips are drawn, and how intensities are compared.


def clip_chances(
    features: EmotionFeatures, singles: NDArray[np.integer], share: dict[str, float]
) -> NDArray[np.float64]:
    """Probability of each single clip: its corpus' share, then speaker, category and clip evenly."""
    keys = [features.corpus[singles], features.speaker[singles], features.category[singles]]
    corpus, speaker, cell = (np.unique(_joined_key(keys[:depth]), return_inverse=True)[1] for depth in (1, 2, 3))
    shares = np.array([share[str(name)] for name in keys[0]])
    chance = shares / (_distinct_per(corpus, speaker) * _distinct_per(speaker, cell) * np.bincount(cell)[cell])
    return chance / chance.sum()


def _joined_key(columns: Iterable[NDArray]) -> NDArray[np.str_]:
    parts = [column.astype(str) for column in columns]
    key = parts[0]
    for part in parts[1:]:
        key = np.char.add(np.char.add(key, "/"), part)
    return key


def _distinct_per(outer: NDArray[np.integer], inner: NDArray[np.integer]) -> NDArray[np.int64]:
    """For each element, how many distinct ``inner`` values its ``outer`` value has."""
    pairs = np.unique(np.stack([outer, inner]), axis=1)
    return np.bincount(pairs[0])[outer]


def ordinal_loss(score: Tensor, level: Tensor, steps: tuple[float, float] = (0.0, 2.0)) -> Tensor:
    """Negative log-likelihood (…) of the proportional-odds model's two thresholds.

    Levels: neutral is below both, normal between, strong above both; an emotion of unlabelled strength only says that
    the first is exceeded. -1 counts nothing.
    """
    level = level.expand(score.shape)
    first = F.softplus(torch.where(level == NEUTRAL_LEVEL, score - steps[0], steps[0] - score))
    second = F.softplus(torch.where(level == STRONG_LEVEL, steps[1] - score, score - steps[1]))
    return torch.where(level >= 0, first, 0.0) + torch.where((level >= 0) & (level != SOME_LEVEL), second, 0.0)


def ranking_loss(score: Tensor, level: Tensor, category: Tensor) -> Tensor:
    """Logistic loss of every (strong, normal) pair of one category in the batch (RankNet, Burges et al. 2005)."""
    pairs = (level[:, None] == STRONG_LEVEL) & (level[None, :] == NORMAL_LEVEL)
    pairs = pairs & (category[:, None] == category[None, :])
    if not pairs.any():
        return score.sum() * 0.0
    return F.softplus(-(score[:, :, None] - score[:, None, :]))[:, pairs].mean()


# --- Spans of one label, and where the emotion changes.


class SpanMeans:
    """Means over spans of frames."""

    def __init__(self, spans: Tensor):
        """``spans`` (B, T): number of the span of each frame, counted over the batch, -1 for none."""
        flat = spans.flatten()
        self.where = torch.nonzero(flat >= 0)[:, 0]
        self.owner = flat[self.where]
        self.count = torch.bincount(self.owner)
        order = torch.flip(torch.arange(len(self.where), device=flat.device), (0,))
        self.first = torch.zeros(len(self.count), dtype=torch.long, device=flat.device)
        self.first[self.owner[order]] = self.where[order]

    def mean(self, values: Tensor) -> Tensor:
        """(B, T, C) → (spans, C)."""
        frames = values.flatten(0, 1)[self.where]
        total = torch.zeros(len(self.count), frames.shape[1], dtype=frames.dtype, device=frames.device)
        return total.index_add(0, self.owner, frames) / self.count[:, None]


def label_spans(label: Tensor) -> Tensor:
    """Number of the span of each frame (B, T): frames of one recording between changes of label; -1 without speech."""
    spoken = (label >= 0) & (label < SILENCE)
    held = torch.zeros_like(label)
    last = torch.full_like(label[:, 0], -1)
    changes = torch.zeros_like(label, dtype=torch.bool)
    for t in range(label.shape[1]):
        here = torch.where(spoken[:, t], label[:, t], last)
        changes[:, t] = here != last
        held[:, t] = here
        last = here
    number = changes.flatten().cumsum(0).view_as(label) - 1
    return torch.where(spoken, number, -1)


def affect_targets(label: Tensor, level: Tensor) -> Tensor:
    """Valence and arousal (S, 2) that the circumplex gives to labels of these strengths."""
    posterior = F.one_hot(label, len(CATEGORIES)).cpu().numpy().astype(np.float32)
    strength = np.array(LEVEL_VALUE, np.float32)[level.clamp_min(0).cpu().numpy()]
    valence, arousal = valence_arousal(posterior, strength, CATEGORIES)
    return torch.from_numpy(np.stack([valence, arousal], -1)).to(label.device)


def boundary_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy (…) of "the emotion changes within 120 ms" over frames of recordings that have a change."""
    spans = label_spans(label)
    reach = round(NEAR * FRAME_CLOCK.rate / STRIDE)
    filled = label.clone()
    for t in range(1, label.shape[1]):
        silent = spans[:, t] < 0
        filled[:, t] = torch.where(silent, filled[:, t - 1], label[:, t])
    first = (filled[:, 1:] != filled[:, :-1]) & (filled[:, :-1] >= 0) & (filled[:, :-1] < SILENCE)
    change = F.pad(first.float(), (1, 0))
    near = F.max_pool1d(change[:, None], 2 * reach + 1, 1, reach)[:, 0]
    changing = change.any(1)
    if not changing.any():
        return logit.sum() * 0.0
    inside = (label >= 0)[changing].float()
    each = F.binary_cross_entropy_with_logits(
        logit[changing], near[changing], reduction="none", pos_weight=logit.new_tensor(4.0)
    )
    return (each * inside).sum() / inside.sum()


@torch.no_grad()
def frame_outputs(
    model: FrameNetwork, features: EmotionFeatures, inputs: NDArray[np.float16], index: int
) -> FrameScores:
    """Scores of a whole recording, leading dimension 1."""
    first, last = int(features.starts[index]), int(features.starts[index + 1])
    values = torch.from_numpy(np.asarray(inputs[first:last], np.float32))[None]
    return model(F.pad(values, (0, 0, 0, (last - first) % STRIDE)))


def frame_metrics(
    model: FrameNetwork,
    features: EmotionFeatures,
    inputs: NDArray[np.float16],
    recordings: NDArray[np.integer],
    names: tuple[str, ...],
) -> dict[str, float]:
    """``uar_<corpus>`` of clips by their mean log-posterior, ``intensity_auc``, ``frame_accuracy`` when joined."""
    clips, strength, right = [], [], []
    single = recordings[features.category[recordings] >= 0]
    for index in map(int, recordings):
        first, last = int(features.starts[index]), int(features.starts[index + 1])
        label = np.asarray(features.labels[first:last:STRIDE]).astype(np.int64)
        spoken = (label >= 0) & (label < SILENCE)
        scores = frame_outputs(model, features, inputs, index)
        logs = F.log_softmax(scores.logits[0], -1).numpy()[: len(label)]
        if features.category[index] >= 0:
            spoken = spoken if spoken.any() else np.ones_like(spoken)
            clips.append(logs[spoken].mean(0))
            strength.append(float(scores.intensity[0].numpy()[: len(label)][spoken].mean()))
        elif spoken.any():
            right.append(logs[spoken].argmax(1) == label[spoken])
    metrics = {"frame_accuracy": float(np.mean(np.concatenate(right)))} if right else {}
    return metrics | clip_metrics(features, single, np.stack(clips).argmax(1), np.array(strength), names)


def clip_metrics(
    features: EmotionFeatures,
    single: NDArray[np.integer],
    guess: NDArray[np.integer],
    strength: NDArray[np.floating],
    names: tuple[str, ...],
) -> dict[str, float]:
    """``uar_<corpus>`` and ``intensity_auc`` of the single clips (N,) from their guessed category and strength (N,)."""
    truth, level = np.asarray(features.category[single]), np.asarray(features.level[single])
    metrics = {}
    for name in names:
        here = features.corpus[single] == name
        if here.any():
            metrics[f"uar_{name}"] = unweighted_average_recall(truth[here], guess[here], len(CATEGORIES))
    each = []
    for c in range(1, len(CATEGORIES)):
        strong, normal = (strength[(truth == c) & (level == step)] for step in (STRONG_LEVEL, NORMAL_LEVEL))
        if len(strong) and len(normal):
            each.append(ranking_auc(strong, normal))
    return metrics | ({"intensity_auc": float(np.mean(each))} if each else {})
