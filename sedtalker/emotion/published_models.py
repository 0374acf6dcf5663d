"""Published models of others: any ``transformers`` audio classifier as a diarizer, and heads of fine-grained emotions.

A classifier answers with one label a clip. Here a window of two seconds slides over the recording, and a frame's
posterior is the mean of the answers of the windows around it, near ones counting more. It says nothing of strength:
confidence is not intensity, so the intensity, and where somebody speaks, stay those of the built-in diarizer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import SAMPLE_RATE, Audio
from sedtalker.emotion.fine import EMPATHIC_INSIGHT
from sedtalker.emotion.inference import FrameEmotions
from sedtalker.emotion.taxonomy import known_category, known_kind
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError, extra
from sedtalker.foreign_weights import read_foreign_weights
from sedtalker.speech.backbone import BackboneConfig, load_backbone, load_pretrained
from sedtalker.speech.features import SpeechFeatures
from sedtalker.speech.whisper import WhisperEncoder

log = logging.getLogger(__name__)

WINDOW_SECONDS, HOP_SECONDS = 2.0, 0.5
"""Length and distance of the windows that a classifier reads."""
SHORTEST_SECONDS = 0.5
"""Shorter sound is padded."""
BATCH = 16
"""Windows that are classified at once."""
DIMENSIONS = {"arousal", "valence", "dominance", "activation"}
"""Outputs of models that regress dimensions instead of categories."""


@dataclass(frozen=True, eq=False)
class AudioClassifier:
    """A classifier and what its labels mean here.

    Attributes:
        model: ``…ForAudioClassification`` or ``…ForSequenceClassification``.
        extractor: the feature extractor that belongs to it.
        labels: its own words, in the order of its outputs.
        categories: category of each label, ``None`` for words that are none of ours.
    """

    model: Any
    extractor: Any
    labels: tuple[str, ...]
    categories: tuple[str | None, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Labels without a category; their share is left out and the rest scaled up."""
        return tuple(label for label, known in zip(self.labels, self.categories, strict=True) if known is None)

    @property
    def missing(self) -> tuple[str, ...]:
        """Categories that it never answers."""
        return tuple(category for category in CATEGORIES if category not in self.categories)


def load_classifier(name: str, device: str = "cpu") -> AudioClassifier:
    """A classifier of emotions from a local folder or the hub; safetensors only. What it lacks is logged.

    Raises:
        InputError: it cannot be loaded, its answers are no categories of emotion, or part of it was never trained.
    """
    with extra("hub"):
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    extractor = load_pretrained(AutoFeatureExtractor, name)
    model, loaded = load_pretrained(
        AutoModelForAudioClassification, name, use_safetensors=True, dtype=torch.float32, output_loading_info=True
    )
    if loaded["missing_keys"]:
        raise InputError(f"{name}: no weights for {sorted(loaded['missing_keys'])[0]}; it would answer at random")
    if extractor.sampling_rate != SAMPLE_RATE:
        raise InputError(f"{name}: made for {extractor.sampling_rate} Hz; only {SAMPLE_RATE} Hz is supported")
    labels = tuple(str(model.config.id2label[i]) for i in range(model.config.num_labels))
    if model.config.problem_type == "regression" or DIMENSIONS & {label.lower() for label in labels}:
        raise InputError(f"{name}: answers with dimensions ({', '.join(labels)}); a model of categories is needed")
    categories = tuple(label_category(label) for label in labels)
    if len({c for c in categories if c}) < 2:
        raise InputError(f"{name}: its labels are not emotions: {', '.join(labels[:8])}")
    classifier = AudioClassifier(model.eval().requires_grad_(False).to(device), extractor, labels, categories)
    if classifier.unknown:
        log.warning("labels without a category, left out: %s", ", ".join(classifier.unknown))
    if classifier.missing:
        log.warning("%s never answers %s", name, ", ".join(classifier.missing))
    log.warning("intensity is the built-in diarizer's")
    return classifier


def label_category(label: str) -> str | None:
    """The category of a model's label: ``Fearful``, ``hap``, ``female_angry``; ``None`` if there is not exactly one."""
    found = known_category(label)
    if found is not None:
        return found
    parts = {known_category(word) for word in re.findall(r"[a-z]+", label.lower())} - {None}
    return parts.pop() if len(parts) == 1 else None


@torch.no_grad()
def classify(classifier: AudioClassifier, audio: Audio, times: Reals) -> Floats:
    """Posterior over our categories (T, 7) at ``times`` (T,), from overlapping windows.

    A window counts by a raised cosine around its centre. Recordings shorter than a window are taken as they are.
    """
    window = round(WINDOW_SECONDS * SAMPLE_RATE)
    last = max(0, len(audio.samples) - window)
    starts = np.unique(np.append(np.arange(0, last, round(HOP_SECONDS * SAMPLE_RATE)), last))
    answers = []
    for first in range(0, len(starts), BATCH):
        clips = [audio.samples[s : s + window] for s in starts[first : first + BATCH]]
        answers.append(_answer(classifier, clips))
    answer = np.concatenate(answers)
    centre = (starts + min(window, len(audio.samples)) / 2) / SAMPLE_RATE
    total = np.zeros((len(times), len(CATEGORIES)))
    weight = np.full((len(times), 1), 1e-9)
    for at, row in zip(centre, answer, strict=True):
        near = slice(*np.searchsorted(times, [at - WINDOW_SECONDS / 2, at + WINDOW_SECONDS / 2]))
        share = 1e-3 + 0.5 + 0.5 * np.cos(2 * np.pi * (np.asarray(times[near])[:, None] - at) / WINDOW_SECONDS)
        total[near] += share * row
        weight[near] += share
    posterior = (total + 1e-9 * answer[-1]) / weight
    return (posterior / posterior.sum(1, keepdims=True)).astype(np.float32)


def _answer(classifier: AudioClassifier, clips: list[Floats]) -> Doubles:
    """Posterior (B, 7) of clips of equal length."""
    shortage = max(0, round(SHORTEST_SECONDS * SAMPLE_RATE) - len(clips[0]))
    clips = [np.pad(clip, (0, shortage)) for clip in clips]
    inputs = classifier.extractor(clips, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    name = classifier.model.main_input_name
    logits = classifier.model(inputs[name].to(classifier.model.device)).logits
    own = torch.softmax(logits.double(), -1).cpu().numpy()
    posterior = np.full((len(clips), len(CATEGORIES)), 1e-6)
    for share, category in zip(own.T, classifier.categories, strict=True):
        if category is not None:
            posterior[:, CATEGORIES.index(category)] += share
    return posterior / posterior.sum(1, keepdims=True)


def classified_emotions(classifier: AudioClassifier, audio: Audio, own: FrameEmotions, times: Reals) -> FrameEmotions:
    """Categories of the classifier with the intensity and the speech of the built-in diarizer."""
    return FrameEmotions(classify(classifier, audio, times), own.intensity, own.speech)


# --- Heads of Empathic Insight - Voice (Schuhmann et al. 2025, arXiv 2506.09827), read from files of a user.
#
# Each ``model_NAME_best.pth`` is one head: a projection and a perceptron on the last states of a Whisper encoder over
# thirty seconds. There are two layouts: heads on all states one after another (1500 × 768 numbers, "Small" and
# "Large"), and heads on their mean, minimum, maximum and deviation (4 × 768, the quality heads of "Plus"). Scores are
# from 0 to 4. A window that is shorter than thirty seconds is padded with silence, as the heads were trained.


ENCODER = "laion/BUD-E-Whisper"
"""The Whisper on the Hugging Face hub whose states the heads were trained on."""
HIGHEST = 4.0
"""Greatest score of the annotations the heads were trained on; curves are divided by it."""
HEAD_SECONDS, HEAD_HOP_SECONDS = 6.0, 3.0
"""Length and distance of the windows that the heads read; the rest of the thirty seconds is silence."""


@dataclass(frozen=True, eq=False)
class EmotionHead:
    """One head.

    Attributes:
        layers: weight and bias of each linear layer in order, the projection first; ReLU stands between them.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def inputs(self) -> int:
        """Numbers that it reads."""
        return int(self.layers[0][0].shape[1])

    def __call__(self, values: Tensor) -> Tensor:
        """Scores (N,) of inputs (N, F)."""
        *inner, last = self.layers
        for weight, bias in inner:
            values = F.relu(F.linear(values, weight, bias))
        return F.linear(values, *last)[:, 0]


def read_heads(folder: Path) -> dict[str, EmotionHead]:
    """The heads of a folder by their kind, or by the name of the file where it is none of ours (``arousal``).

    Raises:
        InputError: no such files, or one is not of the published layout.
    """
    heads = {}
    for path in sorted(folder.glob(EMPATHIC_INSIGHT)):
        name = path.stem.removeprefix("model_").removesuffix("_best")
        heads[known_kind(name) or name.replace("_", " ").lower()] = _head(path, read_foreign_weights(path))
    if not heads:
        raise InputError(f"{folder}: no heads of Empathic Insight in it; their files are called {EMPATHIC_INSIGHT}")
    return heads


def _head(path: Path, tensors: Mapping[str, Tensor]) -> EmotionHead:
    """Layers of a file: ``proj``, then ``mlp.2``, ``mlp.5`` …; dropout and ReLU have numbers too."""
    numbers = sorted(int(m[1]) for name in tensors if (m := re.fullmatch(r"mlp\.(\d+)\.weight", name)))
    names = ["proj", *(f"mlp.{number}" for number in numbers)]
    try:
        layers = tuple((tensors[f"{n}.weight"].float(), tensors[f"{n}.bias"].float()) for n in names)
    except KeyError as error:
        raise InputError(f"{path}: not a head of Empathic Insight: there is no {error.args[0]} in it") from None
    before = [weight.shape[0] for weight, _ in layers[:-1]]
    fits = all(w.ndim == 2 and b.shape == w.shape[:1] for w, b in layers) and len(tensors) == 2 * len(layers)
    if not fits or [w.shape[1] for w, _ in layers[1:]] != before or layers[-1][0].shape[0] != 1:
        raise InputError(f"{path}: not a head of Empathic Insight: its layers do not follow one another")
    return EmotionHead(layers)


@dataclass(frozen=True, eq=False)
class EmpathicInsight:
    """Curves of published heads, see ``sedtalker.emotion.fine.FineCurves``.

    Attributes:
        encoder: of Whisper, with all its layers.
        heads: by name.
    """

    encoder: Any
    heads: Mapping[str, EmotionHead]

    @property
    def seconds(self) -> float:
        """Input of the encoder."""
        return 0.02 * int(self.encoder.config.max_source_positions)

    @torch.no_grad()
    def scores(self, samples: Floats) -> Doubles:
        """Scores (K,) of at most ``seconds`` of sound, in the order of ``heads``."""
        states = self.encoder(self._mel(samples)).last_hidden_state.float()
        pooled = torch.cat([states.mean(1), states.amin(1), states.amax(1), states.std(1)], -1)
        inputs = {states[0].numel(): states.flatten(1), pooled.shape[-1]: pooled}
        return np.array([float(head(inputs[head.inputs])[0]) for head in self.heads.values()])

    def _mel(self, samples: Floats) -> Tensor:
        with extra("hub"):
            from transformers import WhisperFeatureExtractor

        bands, seconds = int(self.encoder.config.num_mel_bins), self.seconds
        extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=seconds)
        extractor.n_samples, extractor.nb_max_frames = round(seconds * SAMPLE_RATE), round(100 * seconds)
        made = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        return made.to(next(self.encoder.parameters()).device)

    def __call__(self, audio: Audio, features: SpeechFeatures) -> dict[str, Floats]:
        """Scores over ``HIGHEST`` in [0, 1]; between the middles of windows they are interpolated."""
        window = min(HEAD_SECONDS, self.seconds)
        starts = np.arange(0.0, max(audio.duration - 0.5 * window, 1e-6), min(HEAD_HOP_SECONDS, 0.5 * window))
        pieces = [audio.samples[round(s * SAMPLE_RATE) : round((s + window) * SAMPLE_RATE)] for s in starts]
        values = np.clip(np.stack([self.scores(piece) for piece in pieces]) / HIGHEST, 0.0, 1.0)
        middles = starts + 0.5 * np.array([len(piece) / SAMPLE_RATE for piece in pieces])
        times = features.clock.times(len(features))
        return {
            name: np.interp(times, middles, curve).astype(np.float32)
            for name, curve in zip(self.heads, values.T, strict=True)
        }


def open_empathic_insight(folder: Path, encoder: str | None = None, device: str = "cpu") -> EmpathicInsight:
    """Heads of a folder on their Whisper.

    Args:
        folder: with files ``model_NAME_best.pth``.
        encoder: folder or hub name of the Whisper; None: ``ENCODER``.

    Raises:
        InputError: no heads, no Whisper, or the heads are not for states of this one.
    """
    heads = read_heads(folder)
    name = encoder or ENCODER
    whisper = cast("WhisperEncoder", load_backbone(BackboneConfig(name=name, side_by_side=(1,)))).to(device).model
    length, width = int(whisper.config.max_source_positions), int(whisper.config.d_model)
    for kind, head in heads.items():
        if head.inputs not in (length * width, 4 * width):
            raise InputError(
                f"{folder}: the head for {kind} reads {head.inputs} numbers; {name} gives {length} states of {width}"
            )
    moved = {kind: EmotionHead(tuple((w.to(device), b.to(device)) for w, b in h.layers)) for kind, h in heads.items()}
    log.info("%d heads of Empathic Insight on %s", len(moved), name)
    return EmpathicInsight(whisper, moved)
