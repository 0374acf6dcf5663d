"""Features of labelled recordings, computed once: what the diarizer trains on, memory-mapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.speech.backbone import Backbone, hidden_vectors, layer_means
from sedtalker.speech.encoder import SpeechEncoder, analyse
from sedtalker.speech.features import MEL_BANDS
from sedtalker.storage import whole_file
from sedtalker.training.corpora.augmentation import Acoustics, change_speed, degrade
from sedtalker.training.corpora.emotion_speech import (
    JoinRule,
    Piece,
    Recording,
    choose_pieces,
    clip_labels,
    join,
    single,
)
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.waveforms import WaveformStore, save_array

FORMAT = 1


@dataclass(frozen=True)
class Pool:
    """Which recordings are made.

    Attributes:
        corpora: corpora whose labelled clips are used.
        joined_corpora: corpora whose clips are also joined, with the share of each.
        split: train, valid or test.
        copies: augmented copies of every clip besides the clip itself.
        joined: number of joined recordings; half of them augmented if ``copies`` is not zero.
        seed: of all choices.
    """

    corpora: tuple[str, ...]
    joined_corpora: dict[str, float] = field(default_factory=dict)
    split: str = "train"
    copies: int = 0
    joined: int = 0
    seed: int = 0


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


ARRAYS = ("mel", "prosody", "speech", "labels", "levels", "starts", "corpus", "speaker", "category", "level")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips and how to read the samples of the i-th."""

    clips: list[Clip]
    read: Callable[[int], NDArray[np.float32]]

    def piece(self, index: int, speed: float) -> Piece:
        """A labelled clip, played ``speed`` times as fast."""
        clip, labels = self.clips[index], clip_labels(self.clips[index])
        assert labels is not None
        samples = self.read(index)
        samples = change_speed(samples, speed) if speed != 1.0 else samples
        return Piece(samples, *labels, clip.corpus, clip.speaker)


def open_features(
    data: Path,
    cache: Path,
    pool: Pool,
    encoder: SpeechEncoder | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> EmotionFeatures:
    """The features of a pool, computed on first use; with ``hidden`` if an encoder is given."""
    key = hashlib.sha256(json.dumps([FORMAT, asdict(pool)], sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / f"emotion-{pool.split}-{key}"
    if not (folder / "level.npy").is_file():
        _build(data, cache, pool, folder, report)
    arrays = {array: np.load(folder / f"{array}.npy", mmap_mode="r") for array in ARRAYS}
    hidden = name = None
    if encoder is not None:
        weights = b"".join(value.detach().cpu().numpy().tobytes() for value in encoder.state_dict().values())
        name = hashlib.sha256(weights).hexdigest()[:16]
        path = folder / f"hidden-{name}.npy"
        if not path.is_file():
            report("encoding the recordings")
            save_array(path, _hidden(encoder, arrays["mel"], arrays["starts"]))
        hidden = np.load(path, mmap_mode="r")
    return EmotionFeatures(**arrays, folder=folder, hidden=hidden, hidden_name=name)


def _build(data: Path, cache: Path, pool: Pool, folder: Path, report: Callable[[str], None]) -> None:
    """Analyse every recording of the pool and write the arrays; ``level.npy`` comes last and marks the end."""
    folder.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Any]] = {name: [] for name in ARRAYS}
    frames = [0]
    for number, (recording, is_single) in enumerate(recordings(data, cache, pool)):
        mel, prosody, speech = analyse(torch.from_numpy(recording.samples))
        count = len(mel) // 2
        columns["mel"].append(mel.half().numpy())
        columns["prosody"].append(prosody.unflatten(0, (-1, 2)).mean(1).half().numpy())
        columns["speech"].append(speech.unflatten(0, (-1, 2)).any(1).numpy())
        columns["labels"].append(recording.labels[:count])
        columns["levels"].append(recording.levels[:count])
        voiced = recording.labels < len(CATEGORIES)
        columns["category"].append(np.int8(recording.labels[voiced][0] if is_single and voiced.any() else -1))
        columns["level"].append(np.int8(recording.levels[voiced][0] if is_single and voiced.any() else -1))
        columns["corpus"].append(np.str_(recording.corpus))
        columns["speaker"].append(np.str_(recording.speaker))
        frames.append(frames[-1] + count)
        if number % 500 == 499:
            report(f"{number + 1} recordings, {frames[-1] / 180000:.1f} h")
    columns["starts"] = [np.array(frames, np.int64)]
    for name in ARRAYS:
        stack = np.concatenate if columns[name][0].ndim else np.array
        save_array(folder / f"{name}.npy", stack(columns[name]))


def recordings(data: Path, cache: Path, pool: Pool) -> Iterator[tuple[Recording, bool]]:
    """The pool's recordings and whether each is a single clip; the same ones every time."""
    every = read_manifest(data)
    corpora = {name: open_corpus(every, name, cache) for name in pool.corpora}
    acoustics = open_acoustics(every, cache) if pool.copies else Acoustics()
    for copy in range(pool.copies + 1):
        for name, corpus in corpora.items():
            for index in labelled_clips(corpus, pool.split):
                rng = np.random.default_rng((pool.seed, copy, len(name), index))
                speed = float(rng.uniform(*acoustics.speed)) if copy else 1.0
                yield _spoil(single(corpus.piece(index, speed)), acoustics, rng, bool(copy)), True
    for number in range(pool.joined):
        rng = np.random.default_rng((pool.seed, 1_000_000, number))
        yield joined_recording(corpora, pool, acoustics, rng, augment=bool(pool.copies) and number % 2 == 1), False


def joined_recording(
    corpora: dict[str, Corpus], pool: Pool, acoustics: Acoustics, rng: np.random.Generator, augment: bool
) -> Recording:
    """One recording joined from clips of a random speaker of a random corpus."""
    names, shares = list(pool.joined_corpora), np.array(list(pool.joined_corpora.values()))
    corpus = corpora[names[rng.choice(len(names), p=shares / shares.sum())]]
    speakers: dict[str, dict[int, list[int]]] = {}
    for index in labelled_clips(corpus, pool.split):
        labels = clip_labels(corpus.clips[index])
        assert labels is not None
        speakers.setdefault(corpus.clips[index].speaker, {}).setdefault(labels[0], []).append(index)
    speaker = sorted(speakers)[rng.integers(len(speakers))]
    rule = JoinRule()
    chosen = choose_pieces(speakers[speaker], rule, rng)
    speed = float(rng.uniform(*acoustics.speed)) if augment else 1.0
    recording = join([corpus.piece(i, speed) for i in chosen], rule, rng)
    return _spoil(recording, acoustics, rng, augment)


def _spoil(recording: Recording, acoustics: Acoustics, rng: np.random.Generator, augment: bool) -> Recording:
    if not augment:
        return recording
    samples = degrade(recording.samples, acoustics, rng)
    return Recording(samples, recording.labels, recording.levels, recording.corpus, recording.speaker)


def open_corpus(every: list[Clip], corpus: str, cache: Path) -> Corpus:
    """The clips of a corpus among those of the manifest, decoded on first use."""
    clips = [clip for clip in every if clip.corpus == corpus]
    return Corpus(clips, WaveformStore.open([clip.path for clip in clips], cache).__getitem__)


def labelled_clips(corpus: Corpus, split: str) -> list[int]:
    """Clips of a split whose label is one of ours."""
    return [i for i, clip in enumerate(corpus.clips) if clip.split == split and clip_labels(clip) is not None]


def open_acoustics(every: list[Clip], cache: Path) -> Acoustics:
    """Rooms and noises to spoil clips with."""
    corpus = open_corpus(every, "noise_rir", cache)
    by_kind = {
        kind: [i for i, c in enumerate(corpus.clips) if c.emotion == f"other:{kind}"] for kind in ("noise", "rir")
    }
    return Acoustics([corpus.read(i) for i in by_kind["noise"]], [corpus.read(i) for i in by_kind["rir"]])


@torch.no_grad()
def _hidden(encoder: SpeechEncoder, mel: NDArray[np.float16], starts: NDArray[np.int64]) -> NDArray[np.float16]:
    parts = []
    for first, last in pairwise(starts):
        frames = torch.from_numpy(np.asarray(mel[2 * first : 2 * last], np.float32))
        parts.append(encoder(frames[None])[0].half().numpy().reshape(-1, encoder.config.channels))
    return np.concatenate(parts) if parts else np.zeros((0, MEL_BANDS), np.float16)


# --- Hidden vectors of a frozen backbone for every recording of a pool, computed once and memory-mapped.

REPORT_EVERY = 500


@dataclass(frozen=True)
class PoolAudio:
    """Where the sound of a pool comes from: folder of the training data, cache, pool."""

    data: Path
    cache: Path
    pool: Pool

    def key(self, *parts: object) -> str:
        """Hash of the names and sizes of the pool's files and whatever else a result depends on."""
        used = {*self.pool.corpora, *self.pool.joined_corpora}
        files = [[clip.path.name, clip.path.stat().st_size] for clip in read_manifest(self.data) if clip.corpus in used]
        return hashlib.sha256(json.dumps([files, *map(str, parts)]).encode()).hexdigest()[:16]


def with_backbone(
    features: EmotionFeatures, backbone: Backbone, audio: PoolAudio, report: Callable[[str], None] = lambda line: None
) -> EmotionFeatures:
    """The same features with the backbone's mixed hidden vectors (frames, D) float16 in the place of ``hidden``."""
    name = audio.key(backbone.sha256(), backbone.layer_weights)
    path = features.folder / f"hidden-{name}.npy"
    if not path.is_file():
        with whole_file(path) as temporary:
            rows = open_memmap(temporary, "w+", np.float16, (int(features.starts[-1]), backbone.channels))
            for number, (recording, _) in enumerate(recordings(audio.data, audio.cache, audio.pool)):
                first, last = _bounds(features, number, recording.samples)
                rows[first:last] = hidden_vectors(backbone, recording.samples, last - first)
                if (number + 1) % REPORT_EVERY == 0:
                    report(f"backbone: {number + 1} of {len(features)} recordings")
            rows.flush()
    return replace(features, hidden=np.load(path, mmap_mode="r"), hidden_name=name)


def clip_layer_means(
    features: EmotionFeatures, backbone: Backbone, audio: PoolAudio, report: Callable[[str], None] = lambda line: None
) -> NDArray[np.float16]:
    """Mean of every hidden state over the speech of each unaltered single clip, (clips, layers + 1, D) float16.

    These clips are the first recordings of the pool.
    """
    path = features.folder / f"layer-means-{audio.key(backbone.sha256())}.npy"
    if not path.is_file():
        count = (len(features) - audio.pool.joined) // (audio.pool.copies + 1)
        means = []
        for number, (recording, _) in enumerate(islice(recordings(audio.data, audio.cache, audio.pool), count)):
            first, last = _bounds(features, number, recording.samples)
            means.append(layer_means(backbone, recording.samples, features.speech[first:last]).astype(np.float16))
            if (number + 1) % REPORT_EVERY == 0:
                report(f"backbone: layers of {number + 1} of {count} clips")
        save_array(path, np.stack(means))
    return np.asarray(np.load(path, mmap_mode="r"))


def _bounds(features: EmotionFeatures, number: int, samples: NDArray[np.float32]) -> tuple[int, int]:
    """The frames of a recording in the cached features; those must be of the same sound."""
    first, last = int(features.starts[number]), int(features.starts[number + 1])
    if last - first != -(-len(samples) // 320):
        raise InputError(f"the audio has changed since {features.folder} was made: delete that folder")
    return first, last
