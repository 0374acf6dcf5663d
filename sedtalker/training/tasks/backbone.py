"""Backbones of the hub: which layers carry emotion, and fine-tuning of the top layers on emotional clips.

The layer weights are those of a softmax-weighted sum of layers under a linear classifier: the emotion recognition probe
of SUPERB (Yang et al. 2021). It pools by the mean over time, and the mean of a weighted sum is the weighted sum of the
means: learning from one vector a clip and layer is exact, and takes seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.audio import SAMPLE_RATE
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.emotion.network import ROW, DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.backbone import (
    Backbone,
    BackboneConfig,
    load_backbone,
    model_input,
    normalised_states,
    save_backbone,
)
from sedtalker.speech.encoder import load_network
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.storage import OutputFolder
from sedtalker.training.cards import fill_card, with_licences
from sedtalker.training.corpora.augmentation import DIARIZER_RECIPE, Augmenter
from sedtalker.training.corpora.emotion_features import (
    Corpus,
    DatasetAudio,
    DatasetConfig,
    EmotionFeatures,
    clip_layer_means,
    labelled_clips,
    open_augmenter,
    open_corpus,
    open_features,
    with_backbone,
)
from sedtalker.training.corpora.emotion_speech import SILENCE, clip_labels
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.corpora.window_statistics import collate
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.task import Batch, PreparedTask

STEPS, LEARNING_RATE, WEIGHT_DECAY = 300, 0.02, 0.01
"""Settings of AdamW for the probe of the layer weights."""


class LayerProbe(nn.Module):
    """Logits of a weighted sum of layer vectors."""

    def __init__(self, layers: int, channels: int, classes: int):
        super().__init__()
        self.mixture = nn.Parameter(torch.zeros(layers))
        self.head = nn.Linear(channels, classes)

    @property
    def weights(self) -> Tensor:
        """Shares of the layers (L,), sum 1."""
        return torch.softmax(self.mixture, 0)

    def forward(self, means: Tensor) -> Tensor:
        """Logits (B, C) of time means (B, L, D)."""
        logits: Tensor = self.head(torch.einsum("bld,l->bd", means, self.weights.to(means)))
        return logits


def learn_layer_weights(
    means: NDArray[np.floating], label: NDArray[np.integer], weight: NDArray[np.floating], seed: int = 0
) -> tuple[float, ...]:
    """Shares of the layers that serve a linear classifier best.

    Args:
        means: (N, L, D) of clips.
        label: (N,) category of each.
        weight: (N,) of each in the loss.
        seed: of the classifier's initial weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = LayerProbe(means.shape[1], means.shape[2], int(label.max()) + 1)
    values = torch.from_numpy(np.asarray(means, np.float32))
    wanted, share = torch.from_numpy(label.astype(np.int64)), torch.from_numpy(np.asarray(weight, np.float32))
    optimizer = torch.optim.AdamW(probe.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        loss = (F.cross_entropy(probe(values), wanted, reduction="none") * share).sum() / share.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tuple(round(float(w), 4) for w in probe.weights.detach())


# --- Fine-tuning of a backbone's top layers on emotional clips; the diarizer is then trained on the result, frozen.

LONGEST_VALID = 10.0
"""Seconds of a validation clip that are encoded."""


class BackboneTaskConfig(BaseModel):
    """What ``configs/experiment/backbone.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    encoder: BackboneConfig
    """The backbone (``encoder=NAME``)."""
    corpora: dict[str, float]
    """Corpora and their shares; categories, then clips, are drawn evenly within each."""
    trainable_layers: int = Field(2, ge=0)
    """Transformer layers that move, counted from the top; the rest stays frozen."""
    seconds: float = 3.0
    """Length of a crop; shorter clips are repeated."""
    clips_per_batch: int = 16
    """Crops in a batch."""
    degraded: float = 0.5
    """Share of the crops that another room, device or background has spoiled."""
    smoothing: float = 0.05
    """Label smoothing of the categories."""


class TunedBackbone(nn.Module):
    """A backbone whose top layers move, under a probe."""

    def __init__(self, backbone: Backbone, trainable_layers: int):
        super().__init__()
        layers = list(backbone.layers)
        if trainable_layers > len(layers):
            raise InputError(f"the backbone has {len(layers)} layers, fewer than trainable_layers={trainable_layers}")
        self.model = backbone.model.requires_grad_(False)
        self.model.config.layerdrop = 0.0  # a dropped layer would leave its hidden state out
        if hasattr(self.model, "freeze_feature_encoder"):
            self.model.freeze_feature_encoder()
        for layer in layers[len(layers) - trainable_layers :]:
            layer.requires_grad_(True)
        self.probe = LayerProbe(len(layers) + 1, backbone.channels, len(CATEGORIES))

    def forward(self, inputs: Tensor, frames: int) -> Tensor:
        """Logits (B, 7) of what ``model_input`` gives; the first ``frames`` hidden vectors count."""
        states = normalised_states(self.model(inputs, output_hidden_states=True))
        logits: Tensor = self.probe(states[:, :, :frames].mean(2).transpose(0, 1))
        return logits


class BackboneTask(PreparedTask):
    """See ``sedtalker.training.task.Task``."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        if not config.get("encoder"):
            raise InputError("the built-in encoder is not fine-tuned: choose encoder=wavlm_base_plus or another one")
        self.config = BackboneTaskConfig.model_validate(config)
        self.data, self.cache = data, cache

    def read_data(self, hook: Hook) -> None:
        """Clips of every corpus by category, noises and impulse responses, the backbone."""
        c, every = self.config, read_manifest(self.data)
        self.corpora = {name: open_corpus(every, name, self.cache) for name in c.corpora}
        self.augmenter = open_augmenter(every, self.cache) if c.degraded else Augmenter(DIARIZER_RECIPE)
        self.cells = {name: _by_category(corpus) for name, corpus in self.corpora.items()}
        self.backbone = load_backbone(c.encoder)

    def build(self) -> nn.Module:
        """The pre-trained backbone under a fresh probe."""
        return TunedBackbone(self.backbone, self.config.trainable_layers)

    def batch(self, rng: np.random.Generator) -> Batch:
        """``inputs`` of the backbone for random crops, and their ``label`` (B,)."""
        c = self.config
        names, shares = list(c.corpora), np.array(list(c.corpora.values()))
        crops, labels = [], []
        for name in rng.choice(names, c.clips_per_batch, p=shares / shares.sum()):
            cells = self.cells[str(name)]
            label = list(cells)[int(rng.integers(len(cells)))]
            samples = self.corpora[str(name)].read(int(rng.choice(cells[label])))
            crop = random_crop(samples, round(c.seconds * SAMPLE_RATE), rng)
            crops.append(self.augmenter.degrade(crop, rng) if rng.random() < c.degraded else crop)
            labels.append(label)
        return {"inputs": model_input(self.backbone, crops), "label": torch.tensor(labels)}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the category."""
        logits = model(batch["inputs"], _frames(self.config.seconds))
        entropy = F.cross_entropy(logits, batch["label"], label_smoothing=self.config.smoothing)
        return {"category": entropy, "total": entropy}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """``uar_<corpus>``: unweighted average recall of the validation speakers' clips."""
        device = next(model.parameters()).device
        metrics = {}
        for name, corpus in self.corpora.items():
            truth, guess = [], []
            for index in labelled_clips(corpus, "valid"):
                samples = corpus.read(index)[: round(LONGEST_VALID * SAMPLE_RATE)]
                inputs = model_input(self.backbone, [samples]).to(device)
                truth.append(_category(corpus, index))
                guess.append(int(model(inputs, _frames(len(samples) / SAMPLE_RATE)).argmax()))
            if truth:
                metrics[f"uar_{name}"] = unweighted_average_recall(np.array(truth), np.array(guess), len(CATEGORIES))
        return metrics | {"score": float(np.mean(list(metrics.values())))}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write a folder that ``transformers`` reads, with a card."""
        assert isinstance(model, TunedBackbone)
        c = self.config
        card = fill_card(
            "backbone",
            name=c.encoder.name,
            revision=f" ({c.encoder.revision})" if c.encoder.revision else "",
            layers=c.trainable_layers,
            corpora=", ".join(with_licences(c.corpora)),
            metrics=card_table("backbone", metrics),
        )
        with OutputFolder(folder, None, force=True) as results:
            save_backbone(Backbone(model.model, self.backbone.extractor), c.encoder, results.path)
            (results.path / "README.md").write_text(card, encoding="utf-8")


def random_crop(samples: NDArray[np.float32], length: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """``length`` samples from a random place; a shorter clip is repeated."""
    if len(samples) <= length:
        return np.resize(samples, length)
    first = int(rng.integers(0, len(samples) - length + 1))
    return samples[first : first + length]


def _frames(seconds: float) -> int:
    """Hidden vectors of so many seconds; Whisper gives more, of the silence it is padded with."""
    return max(1, round(seconds * FRAME_CLOCK.rate))


def _category(corpus: Corpus, index: int) -> int:
    labels = clip_labels(corpus.clips[index])
    assert labels is not None
    return labels[0]


def _by_category(corpus: Corpus) -> dict[int, list[int]]:
    """Training clips of each category."""
    cells: dict[int, list[int]] = {}
    for index in labelled_clips(corpus, "train"):
        cells.setdefault(_category(corpus, index), []).append(index)
    return cells


TEMPERATURES = tuple(np.exp(np.linspace(np.log(0.5), np.log(4.0), 43)))
"""Tried temperatures, evenly spaced in the logarithm."""


@torch.no_grad()
def fit_temperature(network: DiarizerNetwork, features: EmotionFeatures) -> float:
    """Temperature with the least negative log-likelihood of speech, each corpus of whole speech counting alike.

    ``network`` must have temperature 1.
    """
    log, label, corpus = _log_posteriors(network, features)
    _, group, size = np.unique(corpus, return_inverse=True, return_counts=True)
    weight = torch.from_numpy(1.0 / size[group])
    loss = [float((F.cross_entropy(log / t, label, reduction="none") * weight).sum()) for t in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(loss))]), 4)


def _log_posteriors(network: DiarizerNetwork, features: EmotionFeatures) -> tuple[Tensor, Tensor, NDArray[np.str_]]:
    """Log-posteriors (N, C), labels (N,) and corpora (N,) of every eighth frame that is speech."""
    logs, labels, names = [], [], []
    # how sure to be of whole speech is not learned from bursts and single words
    words = [name for name, corpus in corpora().items() if not corpus.sentences]
    for index in np.flatnonzero(~np.isin(features.corpus, words)):
        batch, label, _ = collate(features, np.array([index]))
        chosen = np.arange(ROW // 2, label.shape[1], ROW)
        chosen = chosen[(label[0, chosen] >= 0) & (label[0, chosen] < SILENCE)]
        logs.append(network.frames(batch).log_posterior[0, torch.from_numpy(chosen)])
        labels.append(torch.from_numpy(label[0, chosen].astype(np.int64)))
        names.append(np.repeat(features.corpus[index], len(chosen)))
    return torch.cat(logs), torch.cat(labels), np.concatenate(names)


# --- The frozen encoder: the built-in one, a backbone of the hub, or none.

Features = Callable[[DatasetConfig], EmotionFeatures]
"""Opens the features of a dataset."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DiarizerEncoder:
    """A frozen encoder and the features it gives.

    Attributes:
        channels: size of its hidden vectors, 0 without an encoder.
        sha256: of its weights.
        features: opens the features of a dataset, computed on first use.
        backbone: which backbone it is, with its layer weights; ``None`` for the built-in encoder.
    """

    channels: int
    sha256: str | None
    features: Features
    backbone: BackboneConfig | None = None


def open_diarizer_encoder(
    encoder: str | BackboneConfig | None,
    data: Path,
    cache: Path,
    dataset: DatasetConfig,
    held_out: tuple[str, ...] = (),
    hook: Hook = no_progress,
) -> DiarizerEncoder:
    """The encoder that a configuration asks for.

    Args:
        encoder: a backbone; folder of an encoder checkpoint; ``none``; ``None``: the built-in encoder.
        data: folder of the training data.
        cache: where features are kept.
        dataset: training recordings, on whose unaltered clips the layer weights of a backbone are learned.
        held_out: speakers that are kept out of it.
        hook: progress.
    """
    if isinstance(encoder, BackboneConfig):
        return _backbone_encoder(encoder, data, cache, dataset, held_out, hook)
    if encoder == "none":
        return DiarizerEncoder(0, None, lambda dataset: open_features(data, cache, dataset, hook=hook))
    folder = Path(encoder) if encoder else builtin_checkpoint("speech_encoder")
    builtin = load_network(folder)
    return DiarizerEncoder(
        builtin.config.channels,
        weights_sha256(folder),
        lambda dataset: open_features(data, cache, dataset, builtin, hook),
    )


def _backbone_encoder(
    config: BackboneConfig,
    data: Path,
    cache: Path,
    dataset: DatasetConfig,
    held_out: tuple[str, ...],
    hook: Hook,
) -> DiarizerEncoder:
    backbone = load_backbone(config)
    backbone.model.to("cuda" if torch.cuda.is_available() else "cpu")
    if config.layer_weights is None:
        features = open_features(data, cache, dataset, hook=hook)
        means = clip_layer_means(features, backbone, DatasetAudio(data, cache, dataset), hook)
        allowed = np.flatnonzero(~np.isin(features.speaker[: len(means)], held_out))
        weight = _even_weights(features.corpus[allowed], features.category[allowed], dataset)
        weights = learn_layer_weights(means[allowed], features.category[allowed], weight)
        logger.info("layer weights %s", " ".join(f"{w:.2f}" for w in weights))
        config = config.model_copy(update={"layer_weights": weights})
    chosen = Backbone(backbone.model, backbone.extractor, config.layer_weights)

    def features_of(dataset: DatasetConfig) -> EmotionFeatures:
        return with_backbone(
            open_features(data, cache, dataset, hook=hook), chosen, DatasetAudio(data, cache, dataset), hook
        )

    return DiarizerEncoder(backbone.channels, backbone.sha256(), features_of, config)


def _even_weights(corpus: NDArray[np.str_], category: NDArray[np.int8], dataset: DatasetConfig) -> NDArray[np.float64]:
    """Weights under which every corpus counts alike, and every category within it."""
    number = np.array([dataset.corpora.index(str(name)) for name in corpus])
    cell = number * 128 + category
    _, index, size = np.unique(cell, return_inverse=True, return_counts=True)
    cells = np.bincount(np.unique(cell) // 128, minlength=len(dataset.corpora))
    return 1.0 / (size[index] * cells[number])
