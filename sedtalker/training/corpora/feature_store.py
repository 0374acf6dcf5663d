"""Analysis features of many recordings in several augmented copies, computed once and read through a memory map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.speech.encoder import analyse
from sedtalker.speech.features import MEL_BANDS, MEL_CLOCK, PROSODY_CHANNELS
from sedtalker.storage import whole_file
from sedtalker.training.corpora.augmentation import Surroundings, place, resample_speed
from sedtalker.training.corpora.waveforms import save_array

FORMAT = 2
COLUMNS = MEL_BANDS + len(PROSODY_CHANNELS) + 1
SLOWEST, FASTEST = 0.8, 1.25


@dataclass(frozen=True)
class Copy:
    """One augmented copy of a recording: rows ``start : start + frames`` of the store.

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

    mel: NDArray[np.float32]
    prosody: NDArray[np.float32]
    times: NDArray[np.floating]
    inside: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Copies and their features (rows, 85) float16: centred log-mel 80, prosody 4, speech 1."""

    copies: tuple[Copy, ...]
    values: NDArray[np.float16]

    def of(self, key: str) -> list[Copy]:
        """All copies of one recording, the unchanged one first."""
        return [c for c in self.copies if c.key == key]

    def rows(self, copy: Copy) -> NDArray[np.float32]:
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
        low = np.minimum(position.astype(np.int64), max(copy.frames - 2, 0))
        first, last = int(low[0]), int(low[-1]) + 2
        rows = np.asarray(self.values[copy.start + first : copy.start + last, : COLUMNS - 1], np.float32)
        weight = (position - low)[:, None].astype(np.float32)
        values = rows[low - first] * (1 - weight) + rows[np.minimum(low - first + 1, len(rows) - 1)] * weight
        return Crop(values[:, :MEL_BANDS], values[:, MEL_BANDS:], times, inside)


def _features(
    item: tuple[int, str, Path], copies: int, seed: int, surroundings: Surroundings
) -> list[tuple[str, int, float, NDArray[np.float16]]]:
    torch.set_num_threads(1)
    index, key, path = item
    samples = load_audio(path).samples
    made = []
    for copy in range(copies):
        rng = np.random.default_rng((seed, index, copy))
        speed = 1.0 if copy == 0 else float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST))))
        sound = samples if copy == 0 else place(resample_speed(samples, speed), rng, surroundings)
        mel, track, speech = analyse(torch.from_numpy(np.ascontiguousarray(sound, np.float32)))
        rows = torch.cat([mel, track, speech[:, None].float()], dim=1).numpy().astype(np.float16)
        made.append((key, copy, speed, rows))
    return made


def open_features(
    name: str,
    recordings: Sequence[tuple[str, Path]],
    copies: int,
    surroundings: Surroundings,
    cache: Path,
    seed: int = 0,
    workers: int = 1,
) -> FeatureStore:
    """The store of (key, file) recordings, computed if the cache lacks it.

    Copy 0 is the recording as it is; the others have another speed (0.8 to 1.25, so pitch and formants change) and
    other surroundings, drawn from (seed, recording, copy).
    """
    stem = cache / f"features_{name}_{copies}_{seed}_v{FORMAT}_{len(recordings)}"
    index_path, values_path = stem.with_suffix(".json"), stem.with_suffix(".npy")
    if not index_path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        work = partial(_features, copies=copies, seed=seed, surroundings=surroundings)
        items = [(i, key, path) for i, (key, path) in enumerate(recordings)]
        index, parts, start = [], [], 0
        with ProcessPoolExecutor(workers) as pool:
            for made in pool.map(work, items, chunksize=16):
                for key, copy, speed, rows in made:
                    index.append(Copy(key, copy, start, len(rows), speed))
                    parts.append(rows)
                    start += len(rows)
        save_array(values_path, np.concatenate(parts))
        with whole_file(index_path) as temporary:
            temporary.write_text(json.dumps([asdict(c) for c in index]))
    copies_made = tuple(Copy(**c) for c in json.loads(index_path.read_text()))
    return FeatureStore(copies_made, np.load(values_path, mmap_mode="r"))
