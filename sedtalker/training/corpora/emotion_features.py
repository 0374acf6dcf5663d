"""Features of labelled recordings, computed once: what the diarizer trains on, memory-mapped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.backbone import Backbone, hidden_vectors, layer_means
from sedtalker.speech.encoder import SpeechEncoder
from sedtalker.speech.features import analyse
from sedtalker.training.corpora.augmentation import DIARIZER_RECIPE, Augmenter
from sedtalker.training.corpora.cache import Item, WaveformStore, open_array, open_arrays
from sedtalker.training.corpora.emotion_speech import (
    FRAME,
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
        hidden: (frames, D) float16 encoder output, or ``None``.
        hidden_name: tells encoders apart.
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
    hidden: NDArray[np.float16] | None = None
    hidden_name: str | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1


def open_features(
    data: Path,
    cache: Path,
    dataset: DatasetConfig,
    encoder: SpeechEncoder | None = None,
    hook: Hook = no_progress,
) -> EmotionFeatures:
    """The features of a dataset, computed on first use; with ``hidden`` if an encoder is given."""
    key = hashlib.sha256(json.dumps([FORMAT, asdict(dataset)], sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / f"emotion-{dataset.split}-{key}"
    if not (folder / "level.npy").is_file():
        _build(data, cache, dataset, folder, hook)
    arrays: dict[str, Any] = {name: open_array(folder / f"{name}.npy") for name in ARRAYS}
    features = EmotionFeatures(**arrays, folder=folder)
    if encoder is None:
        return features
    weights = b"".join(value.detach().cpu().numpy().tobytes() for value in encoder.state_dict().values())
    name = hashlib.sha256(weights).hexdigest()[:16]
    hidden = open_arrays(
        {"hidden": folder / f"hidden-{name}.npy"},
        lambda first: _encoded(encoder, features, first),
        "encoding recordings",
        len(features),
        hook,
    )["hidden"]
    return replace(features, hidden=hidden, hidden_name=name)


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
    analysis = analyse(torch.from_numpy(recording.samples))
    prosody, speech = analysis.frames
    frames = len(speech)
    voiced = recording.labels < len(CATEGORIES)
    labelled = is_single and bool(voiced.any())
    return {
        "mel": analysis.centred.half().numpy(),
        "prosody": prosody.half().numpy(),
        "speech": speech.numpy(),
        "labels": recording.labels[:frames],
        "levels": recording.levels[:frames],
        "corpus": np.array([recording.corpus]),
        "speaker": np.array([recording.speaker]),
        "category": np.array([recording.labels[voiced][0] if labelled else -1], np.int8),
        "level": np.array([recording.levels[voiced][0] if labelled else -1], np.int8),
        "starts": np.array([frames], np.int64),
    }


@torch.no_grad()
def _encoded(encoder: SpeechEncoder, features: EmotionFeatures, start: int) -> Iterator[Item]:
    """Hidden vectors of the recordings from ``start`` on."""
    for first, last in pairwise(features.starts[start:]):
        frames = torch.from_numpy(np.asarray(features.mel[2 * first : 2 * last], np.float32))
        yield {"hidden": encoder(frames[None])[0].half().numpy().reshape(-1, encoder.config.channels)}


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


# --- Hidden vectors of a frozen backbone for every recording of a dataset.


@dataclass(frozen=True)
class DatasetAudio:
    """Where the sound of a dataset comes from: folder of the training data, cache, dataset."""

    data: Path
    cache: Path
    dataset: DatasetConfig

    def key(self, *parts: object) -> str:
        """Hash of the names and sizes of the dataset's files and whatever else a result depends on."""
        used = {*self.dataset.corpora, *self.dataset.joined_corpora}
        files = [[clip.path.name, clip.path.stat().st_size] for clip in read_manifest(self.data) if clip.corpus in used]
        return hashlib.sha256(json.dumps([files, *map(str, parts)]).encode()).hexdigest()[:16]

    def recordings(self, first: int, count: int) -> Iterable[tuple[int, Recording]]:
        """Number and recording, from ``first`` up to ``count``."""
        every = recordings(self.data, self.cache, self.dataset)
        return ((number, recording) for number, (recording, _) in islice(enumerate(every), first, count))


def with_backbone(
    features: EmotionFeatures, backbone: Backbone, audio: DatasetAudio, hook: Hook = no_progress
) -> EmotionFeatures:
    """The same features with the backbone's mixed hidden vectors (frames, D) float16 in the place of ``hidden``."""

    def make(start: int) -> Iterator[Item]:
        for number, recording in audio.recordings(start, len(features)):
            first, last = _bounds(features, number, recording.samples)
            yield {"hidden": np.asarray(hidden_vectors(backbone, recording.samples, last - first), np.float16)}

    name = audio.key(backbone.sha256(), backbone.layer_weights)
    paths = {"hidden": features.folder / f"hidden-{name}.npy"}
    hidden = open_arrays(paths, make, "backbone", len(features), hook)["hidden"]
    return replace(features, hidden=hidden, hidden_name=name)


def clip_layer_means(
    features: EmotionFeatures, backbone: Backbone, audio: DatasetAudio, hook: Hook = no_progress
) -> NDArray[np.float16]:
    """Mean of every hidden state over the speech of each unaltered single clip, (clips, layers + 1, D) float16.

    These clips are the first recordings of the dataset.
    """
    count = (len(features) - audio.dataset.joined) // (audio.dataset.copies + 1)

    def make(start: int) -> Iterator[Item]:
        for number, recording in audio.recordings(start, count):
            first, last = _bounds(features, number, recording.samples)
            means = layer_means(backbone, recording.samples, features.speech[first:last])
            yield {"means": means.astype(np.float16)[None]}

    paths = {"means": features.folder / f"layer-means-{audio.key(backbone.sha256())}.npy"}
    return open_arrays(paths, make, "backbone layers", count, hook)["means"]


def _bounds(features: EmotionFeatures, number: int, samples: NDArray[np.float32]) -> tuple[int, int]:
    """The frames of a recording in the cached features; those must be of the same sound."""
    first, last = int(features.starts[number]), int(features.starts[number + 1])
    if last - first != -(-len(samples) // FRAME):
        raise InputError(f"the audio has changed since {features.folder} was made: delete that folder")
    return first, last
