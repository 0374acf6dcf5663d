"""Features of labelled recordings, computed once: what the frame network trains on, memory-mapped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sedtalker.emotion.frame_network import frame_inputs
from sedtalker.emotion.track import CATEGORIES
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.features import MEL_BANDS, analyse
from sedtalker.training.corpora.augmentation import DIARIZER_RECIPE, Augmenter
from sedtalker.training.corpora.cache import Item, WaveformStore, cache_key, open_array, open_arrays
from sedtalker.training.corpora.joined_speech import (
    JoinRule,
    Recording,
    SpeechPiece,
    choose_pieces,
    clip_labels,
    join,
    single,
)
from sedtalker.training.corpora.manifest import Clip, read_manifest

FORMAT = 1
"""Version of the cached arrays; another one makes them anew."""
ARRAYS = ("mel", "prosody", "speech", "labels", "levels", "starts", "corpus", "speaker", "category", "level")
"""Arrays of ``EmotionFeatures`` that are kept on disk; the last one marks the end of a build."""
TOGETHER = 24
"""Recordings whose inputs of the frame network are computed as one batch."""
INPUTS_FORMAT = 1
"""Version of the cached inputs of the frame network; another one makes them anew."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetConfig:
    """Which recordings a dataset of emotional speech holds; its fields are the key of the cache."""

    corpora: tuple[str, ...]
    """Corpora whose labelled clips are used."""
    joined_corpora: dict[str, float] = field(default_factory=dict)
    """Corpora whose clips are also joined, with the share of each."""
    split: str = "train"
    """``train``, ``valid`` or ``test``."""
    copies: int = 0
    """Augmented copies of every clip besides the clip itself."""
    joined: int = 0
    """Number of joined recordings; half of them augmented if ``copies`` is not zero."""
    seed: int = 0
    """Seed of all random choices."""


@dataclass(frozen=True, eq=False)
class EmotionFeatures:
    """Features of R recordings one after another; recording i owns frames ``starts[i]:starts[i + 1]``.

    Attributes:
        mel: (2 · frames, 80) float16 centred log-mels at 100 Hz.
        prosody: (frames, 4) float16 at 50 Hz.
        speech: (frames,) bool.
        labels: (frames,) int8, see ``Recording``.
        levels: (frames,) int8.
        starts: (R + 1,) int64.
        corpus: (R,) corpus names.
        speaker: (R,) speaker names.
        category: (R,) int8 category of a single clip, -1 for joined recordings.
        level: (R,) int8 intensity step of a single clip, -1 for joined recordings.
        folder: where the arrays lie.
    """

    mel: NDArray[np.float16]
    prosody: NDArray[np.float16]
    speech: NDArray[np.bool_]
    labels: NDArray[np.int8]
    levels: NDArray[np.int8]
    starts: NDArray[np.int64]
    corpus: NDArray[np.str_]
    speaker: NDArray[np.str_]
    category: NDArray[np.int8]
    level: NDArray[np.int8]
    folder: Path

    def __len__(self) -> int:
        return len(self.starts) - 1


def open_features(data: Path, cache: Path, dataset: DatasetConfig, hook: Hook = no_progress) -> EmotionFeatures:
    """The features of a dataset, computed on first use."""
    key = cache_key(FORMAT, asdict(dataset))
    folder = cache / f"emotion-{dataset.split}-{key}"
    if not (folder / "level.npy").is_file():
        _build(data, cache, dataset, folder, hook)
    arrays: dict[str, Any] = {name: open_array(folder / f"{name}.npy") for name in ARRAYS}
    return EmotionFeatures(**arrays, folder=folder)


def _build(data: Path, cache: Path, dataset: DatasetConfig, folder: Path, hook: Hook) -> None:
    """Analyse every recording of the dataset and write the arrays; ``level.npy`` comes last and marks the end."""
    logger.info("analysing the recordings of %s (%s)", ", ".join(dataset.corpora), dataset.split)
    open_arrays(
        {name: folder / f"{name}.npy" for name in ARRAYS},
        lambda first: (_analysed(*each) for each in islice(recordings(data, cache, dataset), first, None)),
        "analysing recordings",
        hook=hook,
    )


def _analysed(recording: Recording, is_single: bool) -> Item:
    """What one recording adds to the arrays."""
    analysis = analyse(recording.samples)
    prosody, speech = analysis.frames
    frames = len(speech)
    voiced = recording.labels < len(CATEGORIES)
    labelled = is_single and bool(voiced.any())
    return {
        "mel": analysis.centred.astype(np.float16),
        "prosody": prosody.astype(np.float16),
        "speech": speech,
        "labels": recording.labels[:frames],
        "levels": recording.levels[:frames],
        "corpus": np.array([recording.corpus]),
        "speaker": np.array([recording.speaker]),
        "category": np.array([recording.labels[voiced][0] if labelled else -1], np.int8),
        "level": np.array([recording.levels[voiced][0] if labelled else -1], np.int8),
        "starts": np.array([frames], np.int64),
    }


# --- The recordings of a dataset: labelled clips, augmented copies of them, and clips of one speaker joined.


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips and how to read the samples of the i-th."""

    clips: list[Clip]
    read: Callable[[int], NDArray[np.float32]]

    def piece(self, index: int, speed: float, augmenter: Augmenter) -> SpeechPiece:
        """A labelled clip, played ``speed`` times as fast."""
        clip, labels = self.clips[index], clip_labels(self.clips[index])
        assert labels is not None
        samples = self.read(index)
        samples = augmenter.change_speed(samples, speed) if speed != 1.0 else samples
        return SpeechPiece(samples, *labels, clip.corpus, clip.speaker)


def open_corpus(every: list[Clip], corpus: str, cache: Path) -> Corpus:
    """The clips of a corpus among those of the manifest, decoded on first use."""
    clips = [clip for clip in every if clip.corpus == corpus]
    return Corpus(clips, WaveformStore.open([clip.path for clip in clips], cache).__getitem__)


def labelled_clips(corpus: Corpus, split: str) -> list[int]:
    """Clips of a split whose label is one of ours."""
    return [i for i, clip in enumerate(corpus.clips) if clip.split == split and clip_labels(clip) is not None]


def open_augmenter(every: list[Clip], cache: Path) -> Augmenter:
    """``DIARIZER_RECIPE`` with the noises and room impulse responses of the manifest's ``noise_rir``."""
    corpus = open_corpus(every, "noise_rir", cache)
    by_kind = {
        kind: [i for i, c in enumerate(corpus.clips) if c.emotion == f"other:{kind}"] for kind in ("noise", "rir")
    }
    noises, responses = ([corpus.read(i) for i in by_kind[kind]] for kind in ("noise", "rir"))
    return Augmenter(DIARIZER_RECIPE, noises, responses)


def recordings(data: Path, cache: Path, dataset: DatasetConfig) -> Iterator[tuple[Recording, bool]]:
    """The dataset's recordings and whether each is a single clip; the same ones every time."""
    every = read_manifest(data)
    corpora = {name: open_corpus(every, name, cache) for name in dataset.corpora}
    augmenter = open_augmenter(every, cache) if dataset.copies else Augmenter(DIARIZER_RECIPE)
    for copy in range(dataset.copies + 1):
        for name, corpus in corpora.items():
            for index in labelled_clips(corpus, dataset.split):
                rng = np.random.default_rng((dataset.seed, copy, len(name), index))
                speed = augmenter.draw_speed(rng) if copy else 1.0
                recording = single(corpus.piece(index, speed, augmenter))
                yield _degraded(recording, augmenter, rng) if copy else recording, True
    for number in range(dataset.joined):
        rng = np.random.default_rng((dataset.seed, 1_000_000, number))
        yield joined_recording(corpora, dataset, augmenter, rng, bool(dataset.copies) and number % 2 == 1), False


def joined_recording(
    corpora: dict[str, Corpus], dataset: DatasetConfig, augmenter: Augmenter, rng: np.random.Generator, augment: bool
) -> Recording:
    """One recording joined from clips of a random speaker of a random corpus."""
    names, shares = list(dataset.joined_corpora), np.array(list(dataset.joined_corpora.values()))
    corpus = corpora[names[rng.choice(len(names), p=shares / shares.sum())]]
    speakers: dict[str, dict[int, list[int]]] = {}
    for index in labelled_clips(corpus, dataset.split):
        labels = clip_labels(corpus.clips[index])
        assert labels is not None
        speakers.setdefault(corpus.clips[index].speaker, {}).setdefault(labels[0], []).append(index)
    speaker = sorted(speakers)[rng.integers(len(speakers))]
    rule = JoinRule()
    chosen = choose_pieces(speakers[speaker], rule, rng)
    speed = augmenter.draw_speed(rng) if augment else 1.0
    recording = join([corpus.piece(i, speed, augmenter) for i in chosen], rule, rng)
    return _degraded(recording, augmenter, rng) if augment else recording


def _degraded(recording: Recording, augmenter: Augmenter, rng: np.random.Generator) -> Recording:
    return replace(recording, samples=augmenter.degrade(recording.samples, rng))


# --- Inputs of the frame network for every recording, computed once.


def open_inputs(features: EmotionFeatures, hook: Hook = no_progress) -> NDArray[np.float16]:
    """(frames, 91) float16 at 50 Hz; recording i owns frames ``features.starts[i]:features.starts[i + 1]``."""
    paths = {"inputs": features.folder / f"inputs-{INPUTS_FORMAT}.npy"}
    batches = -(-len(features) // TOGETHER)
    made = open_arrays(paths, lambda first: _inputs(features, first), "inputs of the frame network", batches, hook)
    return made["inputs"]


@torch.no_grad()
def _inputs(features: EmotionFeatures, first: int) -> Iterator[Item]:
    """Inputs of ``TOGETHER`` recordings each, from batch ``first`` on."""
    for start in range(first * TOGETHER, len(features), TOGETHER):
        bounds = list(pairwise(features.starts[start : start + TOGETHER + 1].tolist()))
        made = frame_inputs(*_padded(features, bounds)).half().numpy()
        yield {"inputs": np.concatenate([row[: last - first] for row, (first, last) in zip(made, bounds, strict=True)])}


def _padded(features: EmotionFeatures, bounds: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-mels (B, T, 80), prosody (B, T, 4), speech and which frames there are (B, T); the last frame is held."""
    size = len(bounds), max(last - first for first, last in bounds)
    mel, prosody = np.zeros((*size, MEL_BANDS), np.float32), np.zeros((*size, 4), np.float32)
    speech, valid = np.zeros(size, bool), np.zeros(size, bool)
    for row, (first, last) in enumerate(bounds):
        count = last - first
        halves = np.asarray(features.mel[2 * first : 2 * last], np.float32)
        mel[row, :count], prosody[row, :count] = halves.reshape(-1, 2, MEL_BANDS).mean(1), features.prosody[first:last]
        mel[row, count:], prosody[row, count:] = mel[row, count - 1], prosody[row, count - 1]
        speech[row, :count], valid[row, :count] = features.speech[first:last], True
    return torch.from_numpy(mel), torch.from_numpy(prosody), torch.from_numpy(speech), torch.from_numpy(valid)
