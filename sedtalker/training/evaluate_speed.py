"""How fast the diarizer is on one CPU core, and how much memory an hour of audio takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.datasets.manifest import read_manifest
from sedtalker.errors import InputError

FORMATS = {"": (SAMPLE_RATE, 1), "_48k_stereo": (48_000, 2)}
"""Rate and channels of the recordings by the ending of their figures."""
STARTER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def evaluate_speed(
    data: Path, hours: float = 1.0, report: Callable[[str], None] = lambda line: None
) -> dict[str, float]:
    """``sedtalker diarize FILE --json`` as a process of its own with one thread, on ravdess's test clips in a row.

    ``real_time``: seconds of audio for each second of processor time, start of Python and loading of weights included;
    ``peak_rss_gb``: its greatest resident memory, 10^9 bytes. ``_48k_stereo``: the same sound as a 48 kHz stereo
    recording. Processor time rather than the clock's, so that other work on the machine does not count.

    Raises:
        InputError: the command failed.
    """
    clips = [c for c in read_manifest(data) if c.corpus == "ravdess" and c.split == "test"]
    figures: dict[str, float] = {}
    for ending, (rate, channels) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            write_speech((load_audio(c.path).samples for c in cycle(clips)), path, 3600 * hours, rate, channels)
            spent, peak = run_measured([sys.executable, "-m", "sedtalker", "diarize", str(path), "--json"])
        figures |= {f"real_time{ending}": 3600 * hours / spent, f"peak_rss_gb{ending}": peak / 1e9}
        report(f"{rate} Hz: {3600 * hours / spent:.0f} times real time, {peak / 1e9:.2f} GB")
    return figures


def write_speech(clips: Iterator[NDArray[np.float32]], path: Path, seconds: float, rate: int, channels: int) -> None:
    """Clips at 16 kHz one after the other as a WAV file of the given length, rate and number of channels."""
    left = round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, channels) as file:
        for clip in clips:
            samples = soxr.resample(clip, SAMPLE_RATE, rate)[:left]
            file.write(np.repeat(samples[:, None], channels, axis=1))
            left -= len(samples)
            if not left:
                return


def run_measured(command: list[str]) -> tuple[float, float]:
    """Processor time (s) and greatest resident memory (bytes) of a command that is given one thread.

    A small process starts it: Linux counts the memory of whoever starts a process as the process's own.

    Raises:
        InputError: it failed.
    """
    one = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    starter = [sys.executable, "-S", "-c", STARTER, *command]
    run = subprocess.run(starter, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **one})
    code, spent, peak = map(float, run.stdout.split())
    if code:
        raise InputError(f"'{' '.join(command)}' failed with exit code {code:.0f}")
    return spent, peak * (1 if sys.platform == "darwin" else 1024)
