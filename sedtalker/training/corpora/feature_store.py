"""Features of recordings that decoders and encoders train on, computed once and read through memory maps.

``FeatureStore`` holds log-mels and prosody of many recordings in several augmented copies; ``SpeechSource`` holds what
a frozen encoder makes of single sound files, for vertex decoders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Mask, Reals
from sedtalker.audio import Audio, load_audio, resample_frames
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import Encoder, open_encoder
from sedtalker.speech.features import MEL_BANDS, MEL_CLOCK, PROSODY_CHANNELS, analyse
from sedtalker.training.corpora.augmentation import Augmenter, change_speed
from sedtalker.training.corpora.cache import Item, cache_key, open_array, open_arrays, save_array, sounds_key, starts_of

FORMAT = 2
"""Version of the cached arrays; another one makes them anew."""
SEED = 0
"""Seed of the generators that copies are drawn from."""
COLUMNS = MEL_BANDS + len(PROSODY_CHANNELS) + 1
"""Centred log-mel 80, prosody 4, speech 1."""


@dataclass(frozen=True)
class Copy:
    """One augmented copy of a recording: frames ``start : start + frames`` of the store.

    Time in the recording = time in the copy × ``speed``.
    """

    key: str
    copy: int
    start: int
    frames: int
    speed: float

    @property
    def duration(self) -> float:
        """Seconds of the recording."""
        return self.frames / MEL_CLOCK.rate * self.speed


@dataclass(frozen=True, eq=False)
class Crop:
    """Features of a stretch of one copy on the analysis grid.

    Attributes:
        mel: (n, 80) centred log-mels.
        prosody: (n, 4).
        times: (n,) seconds in the recording.
        inside: (n,) bool, within the recording.
    """

    mel: Floats
    prosody: Floats
    times: Reals
    inside: Mask


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Copies and their features (frames, 85) float16: centred log-mel 80, prosody 4, speech 1."""

    copies: tuple[Copy, ...]
    values: NDArray[np.float16]

    def rows(self, copy: Copy) -> Floats:
        """Features (n, 85) of a whole copy, 100 frames a second."""
        return np.asarray(self.values[copy.start : copy.start + copy.frames], np.float32)

    def crop(self, copy: Copy, start: float, frames: int, tempo: float = 1.0) -> Crop:
        """``frames`` analysis frames from ``start`` seconds of the recording on, spoken ``tempo`` times faster.

        Frames are interpolated in time, which changes tempo and leaves pitch and formants alone.
        """
        times = start + (np.arange(frames) + 0.5) / MEL_CLOCK.rate * tempo
        position = (times / copy.speed - MEL_CLOCK.offset) * MEL_CLOCK.rate
        inside = (position >= 0) & (position <= copy.frames - 1)
        position = position.clip(0, copy.frames - 1)
        first, last = int(position[0]), min(int(position[-1]) + 2, copy.frames)
        part = np.asarray(self.values[copy.start + first : copy.start + last, : COLUMNS - 1], np.float32)
        values = resample_frames(part, np.arange(float(first), last), position)
        return Crop(values[:, :MEL_BANDS], values[:, MEL_BANDS:], times, inside)


OpenStore = Callable[[str, Sequence[tuple[str, Path]], int], FeatureStore]
"""``open_features`` of a name, recordings and copies, all else given."""


def open_features(
    name: str,
    recordings: Sequence[tuple[str, Path]],
    copies: int,
    augmenter: Augmenter,
    cache: Path,
    workers: int = 1,
    hook: Hook = no_progress,
) -> FeatureStore:
    """The store of (key, file) recordings, computed if the cache lacks it.

    Copy 0 is the recording as it is; the others have another speed (so pitch and formants change) and are degraded,
    drawn from (``SEED``, recording, copy).
    """
    key = cache_key([key for key, _ in recordings], sounds_key(path for _, path in recordings))
    stem = cache / f"features_{name}_{copies}_{SEED}_v{FORMAT}_{key}"
    paths = {"values": stem.with_suffix(".npy")}
    paths |= {part: stem.with_name(f"{stem.name}-{part}.npy") for part in ("speeds", "frames")}
    make = partial(_items, recordings, copies, augmenter, workers)
    made = open_arrays(paths, make, f"features of {name}", len(recordings), hook)
    numbered = enumerate(zip(starts_of(made["frames"])[:-1], made["frames"], made["speeds"], strict=True))
    listed = (
        Copy(recordings[number // copies][0], number % copies, int(start), int(frames), float(speed))
        for number, (start, frames, speed) in numbered
    )
    return FeatureStore(tuple(listed), made["values"])


def _items(
    recordings: Sequence[tuple[str, Path]], copies: int, augmenter: Augmenter, workers: int, first: int
) -> Iterator[Item]:
    """The copies of each recording from the one numbered ``first`` on, computed by several processes."""
    work = partial(_features, copies=copies, augmenter=augmenter)
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(work, [(i, path) for i, (_, path) in enumerate(recordings)][first:], chunksize=16)


def _features(item: tuple[int, Path], copies: int, augmenter: Augmenter) -> Item:
    """Features of all copies of a recording, with speed and frames of each."""
    torch.set_num_threads(1)
    index, path = item
    samples = load_audio(path).samples
    speeds, values = [], []
    for copy in range(copies):
        rng = np.random.default_rng((SEED, index, copy))
        speed = 1.0 if copy == 0 else augmenter.draw_speed(rng)
        sound = samples if copy == 0 else augmenter.degrade(change_speed(samples, speed, "HQ"), rng)
        found = analyse(np.asarray(sound, np.float32))
        columns = [found.centred, found.prosody, found.speech[:, None]]
        values.append(np.concatenate(columns, 1).astype(np.float16))
        speeds.append(speed)
    frames = np.array([len(v) for v in values], np.int64)
    return {"values": np.concatenate(values), "speeds": np.array(speeds), "frames": frames}


# --- What a frozen encoder makes of single sound files, cached by the hash of the sound.


class SpeechCache:
    """Arrays (T, D) float16 by sound file: computed once for each model and sound, memory-mapped, safe to share."""

    def __init__(self, folder: Path, model: str, encode: Callable[[Audio], Reals]):
        """``model`` is a hash of the weights behind ``encode``."""
        self.model, self.encode = model, encode
        self.folder = folder / f"speech-{model[:16]}"
        self._hashes: dict[Path, str] = {}

    def get(self, path: Path) -> NDArray[np.float16]:
        """What ``encode`` makes of a sound file, memory-mapped."""
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        stored = self.folder / f"{self._hashes[path]}.npy"
        if not stored.is_file():
            save_array(stored, np.asarray(self.encode(load_audio(path)), np.float16))
        return open_array(stored)


@dataclass(frozen=True, eq=False)
class SpeechSource:
    """A frozen source of speech features, 50 frames a second.

    Attributes:
        channels: size D of a hidden vector; the cache's frames are D + 4 of prosody.
        cache: features by sound file.
        folder: checkpoint of the built-in encoder, or None.
        backbone: the hub model, or None.
    """

    channels: int
    cache: SpeechCache
    folder: Path | None = None
    backbone: BackboneConfig | None = None


def open_speech_source(source: str | dict[str, Any] | None, cache: Path) -> SpeechSource:
    """The built-in encoder (None), its checkpoint folder (a name) or a backbone (``BackboneConfig`` as plain data)."""
    backbone = BackboneConfig.model_validate(source) if isinstance(source, dict) else None
    folder = Path(source) if isinstance(source, str) and source else builtin_checkpoint("speech_encoder")
    encoder = open_encoder(backbone or folder, articulates=False)
    hidden = SpeechCache(cache, encoder.sha256(), partial(_hidden_and_prosody, encoder))
    return SpeechSource(encoder.channels, hidden, None if backbone else folder, backbone)


def _hidden_and_prosody(encoder: Encoder, audio: Audio) -> Floats:
    """Hidden vectors and prosody (T, D + 4) of a recording."""
    features = encoder(audio)
    return np.concatenate([features.hidden, features.prosody], axis=1)
