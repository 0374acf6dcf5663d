"""Training of the emotion diarizer on single clips and on recordings joined from clips, with true boundaries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.checkpoint import CheckpointConfig, read_checkpoint, write_checkpoint
from sedtalker.emotion.frame_network import FrameNetworkConfig
from sedtalker.emotion.functionals import Voice
from sedtalker.emotion.network import DiarizerConfig, DiarizerNetwork, Scores, average_posterior
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import ranking_auc, unweighted_average_recall
from sedtalker.progress import Hook
from sedtalker.speech.backbone import BackboneConfig, pack_backbone
from sedtalker.training.cards import diarizer_card, with_licences
from sedtalker.training.corpora.emotion_features import DatasetConfig, EmotionFeatures
from sedtalker.training.corpora.emotion_speech import NEUTRAL_LEVEL, NORMAL_LEVEL, SOME_LEVEL, STRONG_LEVEL
from sedtalker.training.corpora.window_statistics import SpeakerVoices, WindowStatistics, open_window_statistics
from sedtalker.training.task import Batch, PreparedTask, naming_settings
from sedtalker.training.tasks.backbone import fit_temperature, open_diarizer_encoder

CORE_METRICS = ("uar_ravdess", "uar_nemo", "uar_emotiontts_ko", "frame_accuracy")
"""Metrics that the score is the mean of."""
LONGEST_SPAN = 40
"""Windows on either side of the middle one that a drawn span has at most."""
SAMPLED_WINDOWS = 20_000
"""Windows that the mean and deviation of the functionals are taken from."""
VALID_JOINED = 150
"""Joined recordings of validation speakers, at most."""


class DiarizerTaskConfig(BaseModel):
    """What ``configs/experiment/diarizer.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    encoder: str | BackboneConfig | None = None
    """Frozen speech encoder: a backbone (``encoder=NAME``), a checkpoint folder, ``none`` (log-mels and prosody only);
    null: the built-in one."""
    corpora: dict[str, float]
    """Corpora and their shares among single clips; speakers and categories are drawn evenly within each."""
    joined_corpora: dict[str, float]
    """Corpora and their shares among joined recordings."""
    quality: dict[str, float] = {}
    """Weight of a corpus in the losses (default 1): how far its labels can be trusted."""
    copies: int = Field(2, ge=0)
    """Augmented copies of every clip."""
    joined: int = Field(3000, ge=0)
    """Recordings joined from clips of one speaker."""
    singles_per_batch: int = 192
    """Spans of single clips in a batch."""
    joined_per_batch: int = 128
    """Spans of joined recordings in a batch."""
    smoothing: float = 0.05
    """Label smoothing of the categories."""
    noise: float = 0.3
    """Standard deviation of noise added to the standardised functionals."""
    enrolment: float = 0.0
    """Share of the draws from unaltered recordings with other clips of the speaker enrolled, see ``SpeakerVoices``."""
    frame_networks: tuple[str, ...] = ()
    """Export folders of ``experiment=frame_network`` to be averaged with."""
    corpus_loss: float = 0.3
    """Weight of the corpus's cross-entropy."""
    intensity_loss: float = 0.5
    """Weight of ``ordinal_loss``."""
    ranking_loss: float = 0.3
    """Weight of ``ranking_loss``."""
    held_out: tuple[str, ...] = ()
    """Training speakers kept out and validated on as well, to choose hyper-parameters."""
    model: dict[str, Any] = {}
    """Differences to ``DiarizerConfig``."""


class DiarizerTask(PreparedTask):
    """See ``sedtalker.training.task.Task``."""

    fast: ClassVar = {"copies": 0, "joined": 8}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = DiarizerTaskConfig.model_validate(config)
        self.data, self.cache = data, cache
        self.names = tuple(self.config.corpora)
        with naming_settings("task.model."):
            DiarizerConfig.model_validate(self.config.model)

    def read_data(self, hook: Hook) -> None:
        """Encode the recordings, compute the functionals of their windows."""
        c = self.config
        dataset = DatasetConfig(self.names, c.joined_corpora, "train", c.copies, c.joined)
        held = replace(dataset, split="valid", copies=0, joined=min(VALID_JOINED, c.joined))
        self.encoder = open_diarizer_encoder(c.encoder, self.data, self.cache, dataset, c.held_out, hook)
        self.model = DiarizerConfig(
            hidden_channels=self.encoder.channels,
            backbone=self.encoder.backbone,
            corpora=self.names,
            **self.config.model,
        )
        network = DiarizerNetwork(self.model)
        self.train = open_window_statistics(self.encoder.features(dataset), network, hook)
        self.valid = open_window_statistics(self.encoder.features(held), network, hook)
        self.sampler = SpanSampler(self.train, self.config, network)
        self.valid_voices = SpeakerVoices(self.valid, np.arange(len(self.valid.features)))

    def build(self) -> nn.Module:
        """A freshly initialised network that knows the mean and scale of the functionals."""
        network = DiarizerNetwork(self.model)
        network.mean.copy_(torch.from_numpy(self.sampler.mean))
        network.scale.copy_(torch.from_numpy(1.0 / self.sampler.scale))
        return network

    def batch(self, rng: np.random.Generator) -> Batch:
        """Functionals (N, F) of random spans of one label, with label, level, corpus and label quality (N,)."""
        return self.sampler.draw(rng)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of category and corpus, ordinal and ranked intensity, averaged over members."""
        config = self.config
        scores: Scores = model(batch["statistics"])
        weight = batch["quality"] / batch["quality"].sum()
        members = len(scores.logits)

        def entropy(logits: Tensor, wanted: Tensor, smoothing: float) -> Tensor:
            each = F.cross_entropy(
                logits.flatten(0, 1), wanted.repeat(members), reduction="none", label_smoothing=smoothing
            )
            return (each.view(members, -1) * weight).sum(1).mean()

        out = {
            "category": entropy(scores.logits, batch["label"], config.smoothing),
            "corpus": config.corpus_loss * entropy(scores.corpus, batch["corpus"], 0.0),
            "intensity": config.intensity_loss
            * (ordinal_loss(scores.intensity, batch["level"]) * weight).sum(1).mean(),
            "ranking": config.ranking_loss * ranking_loss(scores.intensity, batch["level"], batch["label"]),
        }
        out["total"] = torch.stack(list(out.values())).sum()
        return out

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Unweighted average recall of held-out clips by corpus, intensity, and accuracy on joined recordings."""
        assert isinstance(model, DiarizerNetwork)
        every = np.arange(len(self.valid.features))
        metrics = validation_metrics(model, self.valid, every, self.names)
        if self.config.enrolment:
            enrolled = validation_metrics(model, self.valid, every, self.names, self.valid_voices)
            metrics |= {f"enrolled_{name}": value for name, value in enrolled.items()}
        if self.config.held_out:
            chosen = np.flatnonzero(np.isin(self.train.features.speaker, self.config.held_out))
            clean = chosen[chosen < (self.train.features.category >= 0).sum() // (self.config.copies + 1)]
            joined = chosen[self.train.features.category[chosen] < 0]
            held = validation_metrics(model, self.train, np.concatenate([clean, joined]), self.names)
            metrics |= {f"held_{name}": value for name, value in held.items()}
        core = [v for k, v in metrics.items() if k.endswith(CORE_METRICS)]
        metrics["score"] = float(np.mean(core))
        return metrics

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Join the frame networks, fit the temperature on validation speakers and write the checkpoint."""
        assert isinstance(model, DiarizerNetwork)
        model = with_frame_networks(model, [Path(p) for p in self.config.frame_networks])
        config = model.config.model_copy(update={"temperature": fit_temperature(model, self.valid.features)})
        if config.backbone is not None:
            config = config.model_copy(update={"backbone": pack_backbone(config.backbone, folder)})
        checkpoint = CheckpointConfig(
            kind="diarizer",
            licence="CC-BY-NC-SA-4.0",
            trained_on=with_licences(self.names),
            encoder_sha256=self.encoder.sha256,
            model=config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        write_checkpoint(folder, checkpoint, model.state_dict(), diarizer_card(checkpoint))


class SpanSampler:
    """Draws spans of windows that share a recording and a label.

    Singles are drawn evenly by corpus share, speaker and category; the span around a random window is anything from
    one window to all there are, so that the network is trained on a moment of speech and on a whole sentence.
    """

    def __init__(
        self, statistics: WindowStatistics, config: DiarizerTaskConfig, network: DiarizerNetwork | None = None
    ):
        self.statistics, self.config, self.network = statistics, config, network
        self.recording, self.label = np.asarray(statistics.recording), np.asarray(statistics.label)
        self.level = np.asarray(statistics.level)
        features = statistics.features
        names = list(config.corpora)
        self.corpus = np.array([names.index(str(name)) for name in features.corpus])
        change = (np.diff(self.recording) != 0) | (np.diff(self.label) != 0)
        edges = np.concatenate([[0], np.flatnonzero(change) + 1, [len(self.label)]])
        segment = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        self.first, self.last = edges[segment], edges[segment + 1]
        allowed = ~np.isin(features.speaker, config.held_out)
        self.joined = np.flatnonzero(allowed[self.recording] & (features.category[self.recording] < 0))
        self.start = np.searchsorted(self.recording, np.arange(len(features) + 1))
        usable = allowed & (features.category >= 0) & (np.diff(self.start) > 0)
        self.singles = np.flatnonzero(usable)
        self.chance = clip_chances(features, self.singles, config.corpora)
        sample = np.sort(
            np.random.default_rng(0).choice(len(statistics), min(SAMPLED_WINDOWS, len(statistics)), replace=False)
        )
        values = np.asarray(statistics.values[sample], np.float32)
        self.mean, self.scale = values.mean(0), values.std(0).clip(0.02)
        self.unaltered = unaltered_recordings(features, config.copies, config.joined)
        clean = np.flatnonzero(self.unaltered & allowed)
        self.voices = SpeakerVoices(statistics, clean) if config.enrolment else None

    def draw(self, rng: np.random.Generator) -> Batch:
        """A batch, see ``DiarizerTask.batch``."""
        chosen = rng.choice(self.singles, self.config.singles_per_batch, p=self.chance)
        middle = self.start[chosen] + (rng.random(len(chosen)) * np.diff(self.start)[chosen]).astype(np.int64)
        middle = np.concatenate(
            [middle, rng.choice(self.joined, self.config.joined_per_batch if len(self.joined) else 0)]
        )
        reach = np.floor(LONGEST_SPAN ** rng.random(len(middle)) * rng.integers(0, 2, len(middle))).astype(np.int64)
        low = np.maximum(self.first[middle], middle - reach)
        high = np.minimum(self.last[middle], middle + reach + 1)
        values = np.stack(
            [self.statistics.values[a:b].mean(0, dtype=np.float32) for a, b in zip(low, high, strict=True)]
        )
        if self.voices is not None:
            values = self._enrol(values, self.recording[middle], rng)
        spread = self.config.noise * rng.standard_normal(values.shape, np.float32)
        corpus = self.corpus[self.recording[middle]]
        names = list(self.config.corpora)
        quality = np.array([self.config.quality.get(name, 1.0) for name in names], np.float32)[corpus]
        return {
            "statistics": torch.from_numpy(values + spread * self.scale),
            "label": torch.from_numpy(self.label[middle].astype(np.int64)),
            "level": torch.from_numpy(self.level[middle].astype(np.int64)),
            "corpus": torch.from_numpy(corpus.astype(np.int64)),
            "quality": torch.from_numpy(quality),
        }

    def _enrol(
        self, values: NDArray[np.float32], recording: NDArray[np.integer], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Statistics (N, F), some of them centred on one to five other clips of the speaker, any or neutral ones."""
        assert self.voices is not None
        assert self.network is not None
        enrolled = np.flatnonzero(self.unaltered[recording] & (rng.random(len(recording)) < self.config.enrolment))
        chosen = [
            self.voices.choose(int(r), int(rng.integers(1, 6)), rng, neutral=bool(rng.integers(2)))
            for r in recording[enrolled]
        ]
        weight, voice = self.voices.weight[recording[enrolled]], self.voices.pool(chosen)
        chosen_values = torch.from_numpy(values[enrolled])
        values[enrolled] = self.network.centre(chosen_values, torch.from_numpy(weight), voice).numpy()
        return values


def with_frame_networks(model: DiarizerNetwork, folders: list[Path]) -> DiarizerNetwork:
    """A network of these perceptrons and the frame networks of these checkpoint folders, ready for inference."""
    found = [read_checkpoint(folder, "frame_network", FrameNetworkConfig) for folder in folders]
    configs = tuple(config for _, config, _ in found)
    whole = DiarizerNetwork(model.config.model_copy(update={"frame_networks": configs}))
    state = model.state_dict()
    for number, (_, _, weights) in enumerate(found):
        state |= {f"frame_networks.{number}.{name}": value for name, value in weights.items()}
    whole.load_state_dict(state)
    return whole.eval().requires_grad_(False)


def unaltered_recordings(features: EmotionFeatures, copies: int, joined: int) -> NDArray[np.bool_]:
    """Recordings (R,) of a dataset that were not augmented: other speed means another voice, unfit for enrolment."""
    singles = len(features) - joined
    number = np.arange(len(features))
    odd_join = (number >= singles) & ((number - singles) % 2 == 1)
    return ~odd_join & ((number < singles // (copies + 1)) | (number >= singles)) if copies else number >= 0


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


def window_scores(
    model: DiarizerNetwork,
    statistics: WindowStatistics,
    chosen: NDArray[np.integer],
    voices: SpeakerVoices | None = None,
) -> tuple[Tensor, Tensor]:
    """Members' log-posteriors (M, N, C) and their mean intensity score (N,) of windows.

    With ``voices`` five other clips of its speaker are enrolled for each recording, the same ones every time.
    """
    owner = np.asarray(statistics.recording)
    logs, intensities = [], []
    for first in range(0, len(chosen), 4096):
        part = chosen[first : first + 4096]
        values = torch.from_numpy(np.asarray(statistics.values[part], np.float32))
        if voices is not None:
            own, index = np.unique(owner[part], return_inverse=True)
            voice = voices.pool([voices.choose(int(r), 5, np.random.default_rng((5, int(r)))) for r in own])
            voice = Voice(*(v[torch.from_numpy(index)] for v in (voice.weight, voice.mean, voice.square)))
            values = model.centre(values, torch.from_numpy(voices.weight[owner[part]]), voice)
        scores = model(values)
        logs.append(F.log_softmax(scores.logits, -1))
        intensities.append(scores.intensity.mean(0))
    return torch.cat(logs, 1), torch.cat(intensities)


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


def validation_metrics(
    model: DiarizerNetwork,
    statistics: WindowStatistics,
    recordings: NDArray[np.integer],
    names: tuple[str, ...],
    voices: SpeakerVoices | None = None,
) -> dict[str, float]:
    """``uar_<corpus>`` of clips, ``intensity_auc``, and ``frame_accuracy`` of the windows of joined recordings."""
    features = statistics.features
    chosen = np.flatnonzero(np.isin(statistics.recording, recordings))
    logs, intensity = window_scores(model, statistics, chosen, voices)
    posterior = average_posterior(logs).numpy()
    owner, label = np.asarray(statistics.recording)[chosen], np.asarray(statistics.label)[chosen]
    joined = features.category[owner] < 0
    metrics = {"frame_accuracy": float(np.mean(posterior[joined].argmax(1) == label[joined]))} if joined.any() else {}
    count = np.bincount(owner, minlength=len(features)).clip(1)
    clip = np.stack([np.bincount(owner, np.log(p + 1e-8), len(features)) / count for p in posterior.T], 1)
    strength = np.bincount(owner, intensity.numpy(), len(features)) / count
    single = np.intersect1d(np.unique(owner), np.flatnonzero(features.category >= 0))
    return metrics | clip_metrics(features, single, clip[single].argmax(1), strength[single], names)
