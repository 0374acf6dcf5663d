"""Training of the emotion diarizer on single clips and on recordings joined from clips, with true boundaries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import CheckpointConfig, weights_sha256, write_checkpoint
from sedtalker.datasets.emotion_features import EmotionFeatures, Pool, open_features
from sedtalker.datasets.emotion_speech import NEUTRAL_LEVEL, NORMAL_LEVEL, SILENCE, SOME_LEVEL, STRONG_LEVEL
from sedtalker.emotion.network import (
    WINDOW_STRIDE,
    DiarizerConfig,
    DiarizerNetwork,
    FrameBatch,
    FrameScores,
    average_posterior,
)
from sedtalker.emotion.track import CATEGORIES
from sedtalker.speech.encoder import load_encoder
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.diarizer_card import diarizer_card
from sedtalker.training.loop import Batch

KINDS = ("single", "joined")


class DiarizerTraining(BaseModel):
    """What ``configs/experiment/diarizer.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    encoder: str | None = None
    """Checkpoint folder of the frozen speech encoder; ``none``: log-mels and prosody only; null: the built-in one."""
    corpora: dict[str, float]
    """Corpora and their shares among single clips; speakers and categories are drawn evenly within each."""
    joined_corpora: dict[str, float]
    quality: dict[str, float] = {}
    """Weight of a corpus in the losses (default 1): how far its labels can be trusted."""
    copies: int = 2
    joined: int = 3000
    singles: int = 20
    joins: int = 6
    single_seconds: tuple[float, float] = (1.2, 3.6)
    joined_seconds: tuple[float, float] = (6.0, 9.0)
    smoothing: float = 0.05
    corpus_dropout: float = 0.5
    model: dict[str, Any] = {}
    held_out: tuple[str, ...] = ()
    """Training speakers kept out and validated on as well, to choose hyper-parameters."""


class DiarizerTask:
    """See ``sedtalker.training.loop.Task``."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = DiarizerTraining.model_validate(config)
        self.encoder = None if self.config.encoder == "none" else load_encoder(_folder(self.config.encoder))
        self.encoder_hash = None if self.encoder is None else weights_sha256(_encoder_folder(self.config.encoder))
        names = tuple(self.config.corpora)
        pool = Pool(names, self.config.joined_corpora, "train", self.config.copies, self.config.joined)
        self.train = open_features(data, cache, pool, self.encoder)
        held = replace(pool, split="valid", copies=0, joined=min(150, self.config.joined))
        self.valid = open_features(data, cache, held, self.encoder)
        self.names = names
        self.single_index = self._index_singles()
        self.joined_index = self._keep(np.flatnonzero(self.train.category < 0))
        self.joined_index = self.joined_index[_has_speech(self.train, self.joined_index)]

    def _keep(self, indices: np.ndarray) -> np.ndarray:
        return indices[~np.isin(self.train.speaker[indices], self.config.held_out)]

    def _index_singles(self) -> dict[str, dict[str, dict[int, np.ndarray]]]:
        """corpus → speaker → category → recordings."""
        index: dict[str, dict[str, dict[int, list[int]]]] = {}
        for i in self._keep(np.flatnonzero(self.train.category >= 0)):
            speakers = index.setdefault(str(self.train.corpus[i]), {})
            speakers.setdefault(str(self.train.speaker[i]), {}).setdefault(int(self.train.category[i]), []).append(i)
        return {
            corpus: {s: {c: np.array(v) for c, v in by.items()} for s, by in speakers.items()}
            for corpus, speakers in index.items()
        }

    def build(self) -> nn.Module:
        """A freshly initialised network."""
        hidden = self.encoder.config.channels if self.encoder else 0
        network = DiarizerNetwork(DiarizerConfig(hidden_channels=hidden, corpora=self.names, **self.config.model))
        standardise(network, [self.batch(np.random.default_rng((1, i))) for i in range(25)])
        return network

    def batch(self, rng: np.random.Generator) -> Batch:
        """Cropped singles and joined recordings, augmented."""
        config = self.config
        shares = np.array([config.corpora[name] for name in self.names])
        singles = []
        for _ in range(config.singles):
            by_speaker = self.single_index[self.names[rng.choice(len(shares), p=shares / shares.sum())]]
            by_category = by_speaker[sorted(by_speaker)[rng.integers(len(by_speaker))]]
            clips = by_category[sorted(by_category)[rng.integers(len(by_category))]]
            singles.append(int(clips[rng.integers(len(clips))]))
        joins = [int(i) for i in rng.choice(self.joined_index, config.joins)] if config.joins else []
        out: Batch = {}
        for kind, chosen, seconds in (
            ("single", singles, config.single_seconds),
            ("joined", joins, config.joined_seconds),
        ):
            if chosen:
                crops = [crop_around_speech(self.train, i, rng.uniform(*seconds), rng) for i in chosen]
                batch = augment(collate(self.train, crops), rng)
                corpus = np.array([self.names.index(str(self.train.corpus[i])) + 1 for i in chosen])
                corpus[rng.random(len(corpus)) < config.corpus_dropout] = 0
                batch["corpus"] = torch.from_numpy(corpus)
                quality = [config.quality.get(str(self.train.corpus[i]), 1.0) for i in chosen]
                batch["quality"] = torch.tensor(quality, dtype=torch.float32)
                out.update({f"{kind}.{name}": value for name, value in batch.items()})
        return out

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of frames and clips, ordinal intensity, speech against silence."""
        out: dict[str, Tensor] = {}
        for kind in KINDS:
            part = {k.split(".", 1)[1]: v for k, v in batch.items() if k.startswith(f"{kind}.")}
            if part:
                scores = model(frame_batch(part), part["corpus"])
                for name, value in recording_losses(scores, part, kind == "single", self.config.smoothing).items():
                    out[f"{kind}_{name}"] = value
        out["total"] = torch.stack(list(out.values())).sum()
        return out

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Unweighted average recall of held-out clips by corpus, and frame accuracy on joined recordings."""
        assert isinstance(model, DiarizerNetwork)
        metrics = validation_figures(model, self.valid, np.arange(len(self.valid)), self.names)
        if self.config.held_out:
            held = np.flatnonzero(np.isin(self.train.speaker, self.config.held_out) & (self.train.category >= 0))
            held = held[held < (self.train.category >= 0).sum() // (self.config.copies + 1)]
            metrics |= {f"held_{k}": v for k, v in validation_figures(model, self.train, held, self.names).items()}
        uar = [v for k, v in metrics.items() if "uar" in k and "emogator" not in k]
        metrics["score"] = float(np.mean([*uar, metrics["frame_accuracy"]]))
        return metrics

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Fit the temperature on the validation speakers and write the checkpoint."""
        assert isinstance(model, DiarizerNetwork)
        config = model.config.model_copy(update={"temperature": fit_temperature(model, self.valid)})
        checkpoint = CheckpointConfig(
            kind="diarizer",
            licence="CC-BY-NC-SA-4.0",
            trained_on=[f"{name} ({LICENCES.get(name, 'see the data')})" for name in self.names],
            encoder_sha256=self.encoder_hash,
            model=config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        write_checkpoint(folder, checkpoint, model.state_dict(), diarizer_card(checkpoint))


@torch.no_grad()
def standardise(network: DiarizerNetwork, batches: list[Batch]) -> None:
    """Set the mean and scale of the functionals to those of the batches' speech."""
    rows = []
    for batch in batches:
        for kind in KINDS:
            part = {k.split(".", 1)[1]: v for k, v in batch.items() if k.startswith(f"{kind}.")}
            if part:
                _, voice, coarse, _ = network.prepare(frame_batch(part))
                spoken = coarse.spoken[:, ::WINDOW_STRIDE]
                rows.append(voice[spoken > 0])
    values = torch.cat(rows)
    network.voice_mean.copy_(values.mean(0))
    network.voice_scale.copy_(1.0 / values.std(0).clamp_min(0.02))


LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0",
    "nemo": "CC BY-NC-SA 4.0",
    "emotiontts_ko": "CC BY-NC-SA 4.0",
    "indian_emospeech": "CC BY-NC-SA 4.0",
    "emogator": "Apache-2.0",
}


def _folder(encoder: str | None) -> Path | None:
    return Path(encoder) if encoder else None


def _encoder_folder(encoder: str | None) -> Path:
    from sedtalker.checkpoint import builtin_checkpoint

    return _folder(encoder) or builtin_checkpoint("speech_encoder")


def _has_speech(features: EmotionFeatures, indices: np.ndarray) -> np.ndarray:
    labels, starts = np.asarray(features.labels), features.starts
    return np.array([(labels[starts[i] : starts[i + 1]] < SILENCE).any() for i in indices], dtype=bool)


def crop_around_speech(
    features: EmotionFeatures, index: int, seconds: float, rng: np.random.Generator
) -> tuple[int, int]:
    """First and last frame of a random crop that holds some speech: clip length must give nothing away."""
    first, last = int(features.starts[index]), int(features.starts[index + 1])
    length = min(last - first, round(50 * seconds))
    spoken = np.flatnonzero(features.labels[first:last] < SILENCE)
    if not len(spoken):
        return first, first + length
    low = max(0, int(spoken[0]) - length // 4)
    high = max(low, min(last - first - length, int(spoken[-1]) + 1 - length // 2))
    start = first + min(int(rng.integers(low, high + 1)), last - first - length)
    return start, start + length


def collate(features: EmotionFeatures, crops: list[tuple[int, int]]) -> Batch:
    """Frames of several crops, padded to the longest (an even number)."""
    longest = max(last - first for first, last in crops)
    longest += longest % 2
    rows = len(crops)
    hidden = features.hidden.shape[1] if features.hidden is not None else 0
    out = {
        "mel": np.zeros((rows, longest, MEL_BANDS), np.float32),
        "prosody": np.zeros((rows, longest, 4), np.float32),
        "hidden": np.zeros((rows, longest, hidden), np.float32),
        "speech": np.zeros((rows, longest), bool),
        "valid": np.zeros((rows, longest), bool),
        "labels": np.full((rows, longest), -1, np.int64),
        "levels": np.full((rows, longest), -1, np.int64),
    }
    for row, (first, last) in enumerate(crops):
        count = last - first
        out["mel"][row, :count] = (
            np.asarray(features.mel[2 * first : 2 * last], np.float32).reshape(count, 2, -1).mean(1)
        )
        for name in ("prosody", "speech", "labels", "levels"):
            out[name][row, :count] = getattr(features, name)[first:last]
        if features.hidden is not None:
            out["hidden"][row, :count] = features.hidden[first:last]
        out["valid"][row, :count] = True
    return {name: torch.from_numpy(value) for name, value in out.items()}


def augment(batch: Batch, rng: np.random.Generator) -> Batch:
    """Warp the mel axis and shift the pitch with it, tilt the level, mask bands and times."""
    mel, prosody, hidden = batch["mel"], batch["prosody"], batch["hidden"]
    for row in range(len(mel)):
        if rng.random() < 0.6:
            factor = float(rng.uniform(0.92, 1.08))
            mel[row] = _warp(mel[row], factor)
            prosody[row, :, 1] += np.log(factor) * (prosody[row, :, 1] != 0)
        mel[row] += torch.from_numpy(np.interp(np.arange(MEL_BANDS), [0, 26, 53, 79], rng.normal(0, 0.5, 4))).float()
        mel[row] *= float(rng.uniform(0.85, 1.15))
        prosody[row, :, 0] += float(rng.normal(0, 0.5))
        prosody[row, :, 3] += float(rng.normal(0, 0.5))
        for _ in range(2):
            width, start = int(rng.integers(0, 12)), int(rng.integers(0, MEL_BANDS - 12))
            mel[row, :, start : start + width] = 0.0
        width, start = int(rng.integers(0, 16)), int(rng.integers(0, max(1, mel.shape[1] - 16)))
        mel[row, start : start + width] = 0.0
        hidden[row, start : start + width] = 0.0
    return batch


def _warp(mel: Tensor, factor: float) -> Tensor:
    """Stretch the mel axis (T, 80) by a factor: another vocal-tract length."""
    position = (torch.arange(MEL_BANDS) * factor).clamp(0, MEL_BANDS - 1.001)
    low = position.long()
    weight = position - low
    return mel[:, low] * (1 - weight) + mel[:, low + 1] * weight


def frame_batch(batch: Batch) -> FrameBatch:
    """The network's inputs."""
    hidden = batch["hidden"] if batch["hidden"].shape[-1] else None
    return FrameBatch(batch["mel"], batch["prosody"], batch["speech"], batch["valid"], hidden)


def recording_losses(scores: FrameScores, batch: Batch, is_single: bool, smoothing: float) -> dict[str, Tensor]:
    """Losses of one sub-batch, each averaged over recordings with the labels' quality as weight."""
    labels, levels, quality = batch["labels"], batch["levels"], batch["quality"]
    spoken = ((labels >= 0) & (labels < SILENCE)).float()
    count = spoken.sum(1).clamp_min(1.0)
    target = labels.clamp(0, SILENCE - 1)
    log_posterior = F.log_softmax(scores.logits, -1)
    members = len(scores.logits)

    def mean(per_recording: Tensor) -> Tensor:
        return (per_recording * quality).sum(-1).mean() / quality.sum()

    def entropy(log_p: Tensor, wanted: Tensor) -> Tensor:
        picked = log_p.gather(-1, wanted.expand(members, *wanted.shape)[..., None])[..., 0]
        return -(1 - smoothing) * picked - smoothing * log_p.mean(-1)

    out = {"frames": mean((entropy(log_posterior, target) * spoken).sum(-1) / count)}
    voiced = spoken / count[:, None]
    if is_single:
        out["frames"] = 0.5 * out["frames"]
        pooled = F.log_softmax((log_posterior * voiced[..., None]).sum(-2), -1)
        wanted = torch.where(spoken.bool(), target, -1).amax(1).clamp_min(0)
        out["clip"] = 0.5 * mean(entropy(pooled, wanted) * (spoken.sum(1) > 0))
        level = torch.where(spoken.bool(), levels, -1).amax(1)
        score = (scores.intensity * voiced).sum(-1)
        out["intensity"] = 0.5 * mean(ordinal_loss(score, level))
        out["ranking"] = 0.3 * ranking_loss(score, level, wanted)
    else:
        out["intensity"] = 0.5 * mean((ordinal_loss(scores.intensity, levels) * spoken).sum(-1) / count)
    known = batch["valid"] & (labels >= 0)
    speech = F.binary_cross_entropy_with_logits(scores.speech, spoken, reduction="none") * known
    out["speech"] = 0.2 * speech.sum() / known.sum().clamp_min(1)
    return out


def ordinal_loss(score: Tensor, level: Tensor, steps: tuple[float, float] = (0.0, 2.0)) -> Tensor:
    """Negative log-likelihood (…) of the proportional-odds model's two thresholds.

    Levels: neutral is below both, normal between, strong above both; an emotion of unlabelled strength only says that
    the first is exceeded. -1 counts nothing.
    """
    level = level.expand(score.shape)
    first = F.softplus(torch.where(level == NEUTRAL_LEVEL, score - steps[0], steps[0] - score))
    second = F.softplus(torch.where(level == STRONG_LEVEL, steps[1] - score, score - steps[1]))
    labelled = (level == NEUTRAL_LEVEL) | (level == NORMAL_LEVEL) | (level == STRONG_LEVEL)
    return torch.where(level >= 0, first, 0.0) + torch.where(labelled & (level != SOME_LEVEL), second, 0.0)


def ranking_loss(score: Tensor, level: Tensor, category: Tensor) -> Tensor:
    """Logistic loss of every (strong, normal) pair of one category in the batch (RankNet, Burges et al. 2005)."""
    pairs = (level[:, None] == STRONG_LEVEL) & (level[None, :] == NORMAL_LEVEL)
    pairs = pairs & (category[:, None] == category[None, :])
    if not pairs.any():
        return score.sum() * 0.0
    return F.softplus(-(score[:, :, None] - score[:, None, :]))[:, pairs].mean()


def frame_outputs(
    model: DiarizerNetwork, features: EmotionFeatures, indices: np.ndarray, size: int = 24
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Logits (M, T, C), intensity (T,) and labels (T,) of whole recordings, in order."""
    lengths = features.starts[indices + 1] - features.starts[indices]
    out: list[Any] = [None] * len(indices)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        crops = [(int(features.starts[i]), int(features.starts[i + 1])) for i in indices[rows]]
        batch = collate(features, crops)
        scores = model(frame_batch(batch))
        intensity = scores.intensity.mean(0)
        for row, where in enumerate(rows):
            count = crops[row][1] - crops[row][0]
            labels = batch["labels"][row, :count].numpy()
            out[where] = (scores.logits[:, row, :count].numpy(), intensity[row, :count].numpy(), labels)
    return out


def validation_figures(
    model: DiarizerNetwork, features: EmotionFeatures, indices: np.ndarray, names: tuple[str, ...]
) -> dict[str, float]:
    """``uar_<corpus>``, ``intensity_auc`` and ``frame_accuracy`` (speech frames of joined recordings)."""
    outputs = frame_outputs(model, features, indices)
    posteriors = [average_posterior(torch.from_numpy(logits)).numpy() for logits, _, _ in outputs]
    metrics: dict[str, float] = {}
    truth, guess = features.category[indices], np.full(len(indices), -1)
    strength = np.zeros(len(indices))
    right = total = 0
    for row, (posterior, (_, intensity, labels)) in enumerate(zip(posteriors, outputs, strict=True)):
        spoken = (labels >= 0) & (labels < SILENCE)
        if truth[row] >= 0:
            guess[row] = np.log(posterior[spoken] + 1e-8).mean(0).argmax()
            strength[row] = intensity[spoken].mean()
        elif spoken.any():
            right += int((posterior[spoken].argmax(1) == labels[spoken]).sum())
            total += int(spoken.sum())
    for name in names:
        rows = (features.corpus[indices] == name) & (truth >= 0)
        classes = np.unique(truth[rows])
        if len(classes):
            metrics[f"uar_{name}"] = float(np.mean([(guess[rows & (truth == c)] == c).mean() for c in classes]))
    level = features.level[indices]
    aucs = []
    for c in range(1, len(CATEGORIES)):
        strong, normal = (strength[(truth == c) & (level == step)] for step in (STRONG_LEVEL, NORMAL_LEVEL))
        if len(strong) and len(normal):
            aucs.append(float((strong[:, None] > normal[None]).mean()))
    if aucs:
        metrics["intensity_auc"] = float(np.mean(aucs))
    if total:
        metrics["frame_accuracy"] = right / total
    return metrics


@torch.no_grad()
def fit_temperature(model: DiarizerNetwork, features: EmotionFeatures) -> float:
    """Temperature with the least negative log-likelihood on speech frames, every recording counting the same."""
    outputs = frame_outputs(model, features, np.flatnonzero(features.corpus != "emogator"))
    grid = np.exp(np.linspace(np.log(0.5), np.log(4.0), 43))
    loss = np.zeros(len(grid))
    for logits, _, labels in outputs:
        spoken = (labels >= 0) & (labels < SILENCE)
        if spoken.any():
            mean = torch.log_softmax(torch.from_numpy(logits[:, spoken]), -1).mean(0)
            wanted = torch.from_numpy(labels[spoken])
            loss += [float(F.cross_entropy(mean / t, wanted)) for t in grid]
    return round(float(grid[loss.argmin()]), 4)
