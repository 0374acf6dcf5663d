"""Published models of others: any ``transformers`` audio classifier as a diarizer.

A classifier answers with one label a clip. Here a window of two seconds slides over the recording, and a frame's
posterior is the mean of the answers of the windows around it, near ones counting more. It says nothing of strength:
confidence is not intensity, so the intensity, and where somebody speaks, stay those of the built-in diarizer.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import SAMPLE_RATE, Audio
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError, extra
from sedtalker.speech.backbone import load_pretrained

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
        categories: of each of its outputs, ``None`` for words that are none of ours; their share is left out and the
            rest scaled up.
    """

    model: Any
    extractor: Any
    categories: tuple[str | None, ...]


def load_classifier(name: str, device: str = "cpu") -> AudioClassifier:
    """A classifier of emotions from a local folder or the hub; safetensors only. What it lacks is logged.

    Raises:
        InputError: it cannot be loaded, its answers are no categories of emotion, or part of it was never trained.
    """
    with extra("hub"):
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

    if not name.strip():
        raise InputError("hf: lacks a name: hf:OWNER/NAME of the Hugging Face hub, or hf:FOLDER")
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
    if unknown := [label for label, known in zip(labels, categories, strict=True) if known is None]:
        log.warning("labels without a category, left out: %s", ", ".join(unknown))
    if missing := [category for category in CATEGORIES if category not in categories]:
        log.warning("%s never answers %s", name, ", ".join(missing))
    log.warning("intensity is the built-in diarizer's")
    return AudioClassifier(model.eval().requires_grad_(False).to(device), extractor, categories)


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
