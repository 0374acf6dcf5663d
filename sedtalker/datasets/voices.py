"""Other voices for a recording: pitch and formants changed apart, the timing kept (WORLD, Morise et al. 2016).

One tracked talker is one voice. What the mouth does depends on the words, not on the length of the vocal tract, so a
clip with another voice has the same motion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.errors import InputError
from sedtalker.whole_file import whole_file

FORMANTS = (0.86, 1.28)
"""Factors of the formants: from a large man to a child."""
PITCH = (85.0, 260.0)
"""Median fundamental frequency, Hz."""
LOWEST_F0, HIGHEST_F0 = 60.0, 500.0
FRAME_MS = 5.0


def _world() -> ModuleType:
    try:
        import pyworld
    except ImportError:
        raise InputError("changing voices needs pyworld: pip install 'sedtalker[voices]'") from None
    module: ModuleType = pyworld
    return module


def change_voice(samples: NDArray[np.float32], formants: float, pitch: float) -> NDArray[np.float32]:
    """The same words in the same time (N,) with formants ``formants`` times as high and a median pitch of ``pitch`` Hz.

    Raises:
        InputError: pyworld is not installed.
    """
    world = _world()
    sound = samples.astype(np.float64)
    f0, times = world.dio(sound, SAMPLE_RATE, f0_floor=LOWEST_F0, f0_ceil=HIGHEST_F0, frame_period=FRAME_MS)
    f0 = world.stonemask(sound, f0, times, SAMPLE_RATE)
    envelope = world.cheaptrick(sound, f0, times, SAMPLE_RATE)
    aperiodicity = world.d4c(sound, f0, times, SAMPLE_RATE)
    bins = np.arange(envelope.shape[1], dtype=np.float64)
    low = (bins / formants).clip(0, len(bins) - 1)
    whole, part = low.astype(np.int64), low % 1.0
    above = np.minimum(whole + 1, len(bins) - 1)
    envelope, aperiodicity = (
        np.ascontiguousarray(v[:, whole] * (1 - part) + v[:, above] * part) for v in (envelope, aperiodicity)
    )
    voiced = f0[f0 > 0]
    ratio = pitch / float(np.median(voiced)) if len(voiced) else 1.0
    made = world.synthesize(f0 * ratio, envelope, aperiodicity, SAMPLE_RATE, FRAME_MS)
    made = np.pad(made, (0, max(0, len(samples) - len(made))))[: len(samples)]
    return np.asarray(made.clip(-1.0, 1.0), np.float32)


def _revoice(item: tuple[int, str, Path], folder: Path, count: int, seed: int) -> None:
    index, key, path = item
    samples = load_audio(path).samples
    for n in range(count):
        target = folder / f"{key}.{n}.opus"
        if target.is_file():
            continue
        rng = np.random.default_rng((seed, index, n))
        formants, pitch = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (FORMANTS, PITCH))
        with whole_file(target) as temporary:
            soundfile.write(temporary, change_voice(samples, formants, pitch), SAMPLE_RATE, "OPUS", format="OGG")


def revoice(
    name: str, recordings: Sequence[tuple[str, Path]], count: int, cache: Path, seed: int = 0, workers: int = 1
) -> list[tuple[str, Path]]:
    """``count`` other voices of every (key, file) recording, made once in ``cache/voices_<name>_<seed>``.

    About 20 times real time a process.
    """
    folder = cache / f"voices_{name}_{seed}"
    done = folder / f"done_{count}_{len(recordings)}.json"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        items = [(i, key, path) for i, (key, path) in enumerate(recordings)]
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(partial(_revoice, folder=folder, count=count, seed=seed), items, chunksize=8))
        done.write_text(json.dumps({"formants": FORMANTS, "pitch": PITCH}))
    return [(key, folder / f"{key}.{n}.opus") for key, _ in recordings for n in range(count)]
