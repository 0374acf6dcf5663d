"""Takes of one actor tracked in ARKit shapes: Live Link Face CSV and sound of the same name.

``NAME.csv`` (or ``NAME_cal.csv``, ``NAME_iPhone.csv`` …) beside ``NAME.wav`` (or mp4, mov, m4a …), and, where the take
is emotional, ``NAME.emotion.json``, ``.csv`` or any other track file. Without one a take is neutral.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import load_audio, resample_frames
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.densify import constant_track
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.export.arkit import RATE, read_arkit_csv

SOUNDS = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".mp4", ".mov", ".webm")
TOLERANCE = 1.0
"""Seconds that sound and tracking may differ in length."""


@dataclass(frozen=True, eq=False)
class Take:
    """One take.

    Attributes:
        name: of the sound file, without its ending.
        audio: the sound file.
        times: (T,) seconds.
        weights: (T, 52) tracked ARKit weights.
        track: what was acted.
        duration: seconds of sound.
    """

    name: str
    audio: Path
    times: NDArray[np.float64]
    weights: NDArray[np.float32]
    track: EmotionTrack
    duration: float

    def at(self, times: NDArray[np.floating], lag: float = 0.0) -> NDArray[np.float32]:
        """Weights (n, 52) at seconds of the sound, which the tracking follows by ``lag``."""
        return resample_frames(self.weights, self.times, times + lag)


def read_takes(folder: Path, rate: float = RATE) -> list[Take]:
    """All takes of a folder, by name.

    Args:
        folder: where they lie.
        rate: frames a second that the timecodes count.

    Raises:
        InputError: no takes, a sound without its CSV, or lengths that do not fit.
    """
    sounds = sorted(p for p in folder.glob("*") if p.suffix.lower() in SOUNDS)
    if not sounds:
        raise InputError(f"{folder}: no sound files in it; a take is NAME.wav with NAME.csv of Live Link Face")
    return [_take(sound, rate) for sound in sounds]


def _take(sound: Path, rate: float) -> Take:
    tables = [sound.with_suffix(".csv"), *sorted(sound.parent.glob(f"{sound.stem}_*.csv"))]
    # the app writes calibrated values as well as raw ones: the calibrated sort first
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise InputError(f"{sound}: no {sound.stem}.csv of Live Link Face beside it")
    motion, duration = read_arkit_csv(table, rate), load_audio(sound).duration
    tracked = float(motion.times[-1]) + 1 / rate
    if abs(tracked - duration) > TOLERANCE:
        raise InputError(f"{sound.name}: {duration:.1f} s of sound but {tracked:.1f} s of tracking: cut them alike")
    order = np.argsort(motion.times, kind="stable")
    emotion = sound.with_name(f"{sound.stem}.emotion.json")
    track = parse_emotion(str(emotion), duration) if emotion.is_file() else constant_track("neutral", duration)
    return Take(sound.stem, sound, motion.times[order], motion.weights[order], track, duration)


def find_lag(tracked: NDArray[np.floating], heard: NDArray[np.floating], rate: float, widest: float = 0.4) -> float:
    """Seconds by which a tracked curve (T,) follows one heard from the sound (T,), within ``widest``; 0 if unclear."""
    reach = round(widest * rate)
    a, b = tracked - tracked.mean(), heard - heard.mean()
    if len(a) <= 4 * reach or not a.any() or not b.any():
        return 0.0
    inner = b[reach : len(b) - reach]
    scores = []
    for shift in range(-reach, reach + 1):
        part = a[reach + shift : len(a) - reach + shift]
        scores.append(float(np.corrcoef(part, inner)[0, 1]) if part.std() > 0 else 0.0)
    best = int(np.argmax(scores))
    return (best - reach) / rate if scores[best] > 0.3 else 0.0
