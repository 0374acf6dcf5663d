"""Tracked faces: the talkers that are trained and tested on, takes of one's own, and the rig they were fitted with."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import load_audio, resample_frames
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.export.arkit import RATE as LIVE_LINK_RATE
from sedtalker.export.arkit import read_arkit_csv
from sedtalker.face.arkit import ARKIT_52, ict_to_arkit
from sedtalker.metrics.motion import correlation
from sedtalker.training.corpora.manifest import as_wanted

logger = logging.getLogger(__name__)

# --- GRID: one English talker (Cooke, Barker, Cunningham and Shao 2006; CC BY 4.0).


@dataclass(frozen=True, eq=False)
class TrackedClip:
    """A recording and the face that was tracked in it.

    Attributes:
        name: file stem.
        split: train, valid or test.
        text: what is said; empty where unknown.
        times: (T,) seconds of the video frames' centres, synchronised with the sound.
        coefficients: (T, 52) float32, the fitted weights under their ARKit names, as tracked (both sides, eyes too).
        features: (T, F) float32 lip features by ``feature_names``, in outer-eye distances.
        feature_names: their names.
        lag: seconds by which the picture came late in the recording (``grid_lags``); ``times`` make up for it.
    """

    name: str
    split: str
    audio: Path
    text: str
    times: Reals
    coefficients: Floats
    features: Floats
    feature_names: tuple[str, ...] = ()
    lag: float = 0.0

    def feature(self, name: str) -> Floats:
        """(T,) one feature."""
        return self.features[:, self.feature_names.index(name)]

    def feature_at(self, name: str, times: Reals) -> Floats:
        """(T,) one feature at other times."""
        return resample_frames(self.feature(name)[:, None], self.times, times)[:, 0]

    def as_recorded(self) -> TrackedClip:
        """The clip with sound and picture as far apart as they came."""
        return replace(self, times=self.times + self.lag, lag=0.0)


MOST_TRACKED = {"train": 24, "valid": 4, "test": 4}
"""Clips that ``few_clips`` leaves of each split."""


def split_of(name: str) -> str:
    """Test where the MD5 (hex) of the clip's name ends in 0, valid where it ends in 1, else train."""
    last = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[-1]
    return {"0": "test", "1": "valid"}.get(last, "train")


@lru_cache(maxsize=1)
def ict_matrix(names: tuple[str, ...]) -> Floats:
    """(K, 52) matrix from ICT-FaceKit weights to ARKit's shapes; shapes that ICT splits in two are averaged."""
    matrix = np.zeros((len(names), len(ARKIT_52)), np.float32)
    for row, name in enumerate(names):
        matrix[row, ARKIT_52.index(ict_to_arkit(name))] = 1.0
    return matrix / np.maximum(matrix.sum(0), 1.0)


LAGS = files("sedtalker.training.corpora").joinpath("grid_lags.csv")
"""The table of lags by clip, milliseconds, that ``scripts/measure_lags.py`` writes."""


@lru_cache(maxsize=1)
def grid_lags() -> dict[str, float]:
    """Seconds by which the picture of each clip comes late, as ``scripts/measure_lags.py`` found them."""
    table = LAGS.read_text(encoding="utf-8")
    return {row["name"]: float(row["milliseconds"]) / 1e3 for row in csv.DictReader(table.splitlines())}


def read_grid(data_dir: Path) -> list[TrackedClip]:
    """All tracked clips, in order of their names, sound and picture synchronised (but see ``few_clips``).

    Raises:
        InputError: the folder holds no tracked clips.
    """
    folder = data_dir / "motion/grid"
    try:
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{folder}: no GRID motion here (names.json is missing); see docs/data.md") from None
    matrix = ict_matrix(tuple(names["ict_names"]))
    clips = []
    for path in as_wanted(sorted(folder.glob("*.npz")), lambda path: split_of(path.stem), MOST_TRACKED.__getitem__):
        lag = grid_lags().get(path.stem, 0.0)
        with np.load(path, allow_pickle=False) as data:
            weights = data["ict"].astype(np.float32) / 255.0
            clips.append(
                TrackedClip(
                    name=path.stem,
                    split=split_of(path.stem),
                    audio=path.with_suffix(".opus"),
                    text=str(data["text"]),
                    times=(np.arange(len(weights)) + 0.5) / float(data["fps"]) - lag,
                    coefficients=weights @ matrix,
                    features=data["features"].astype(np.float32),
                    feature_names=tuple(names["feature_names"]),
                    lag=lag,
                )
            )
    return clips


# --- FACEGOOD Audio2Face: cleaned mouth motion of one Mandarin speaker (MIT). Never trained on: an unseen speaker.

TEST_TAKE = "1114_3_15"
"""The take that figures are given for."""


def read_facegood(data_dir: Path) -> list[TrackedClip]:
    """All takes; ``1114_3_15`` is the test take. The only feature is ``jaw_open``, the rig's jaw channel."""
    takes = []
    for path in sorted((data_dir / "motion/facegood").glob("*.npz")):
        with np.load(path, allow_pickle=False) as data:
            names = [str(n) for n in data["arkit_names"]]
            weights = data["arkit"].astype(np.float32)[:, [names.index(n) for n in ARKIT_52]]
            takes.append(
                TrackedClip(
                    name=path.stem,
                    split="test" if path.stem == TEST_TAKE else "train",
                    audio=path.with_suffix(".opus"),
                    text="",
                    times=(np.arange(len(weights)) + 0.5) / float(data["fps"]),
                    coefficients=weights,
                    features=weights[:, [ARKIT_52.index("jawOpen")]],
                    feature_names=("jaw_open",),
                )
            )
    return takes


# --- Takes of one actor tracked in ARKit shapes: Live Link Face CSV and sound of the same name.
#
# ``NAME.csv`` (or ``NAME_cal.csv``, ``NAME_iPhone.csv`` …) beside ``NAME.wav`` (or mp4, mov, m4a …), and, where the
# take is emotional, ``NAME.emotion.json``. Without it a take is neutral.

SOUNDS = (".wav", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".mp4", ".mov", ".webm")
"""Endings of sound files of takes."""


@dataclass(frozen=True, eq=False)
class Take:
    """One take.

    Attributes:
        name: of the sound file, without its ending.
        times: (T,) seconds.
        weights: (T, 52) tracked ARKit weights.
        duration: seconds of sound.
    """

    name: str
    audio: Path
    times: Doubles
    weights: Floats
    track: EmotionTrack
    duration: float

    def at(self, times: Reals, lag: float = 0.0) -> Floats:
        """Weights (n, 52) at seconds of the sound, which the tracking follows by ``lag``."""
        return resample_frames(self.weights, self.times, times + lag)


def read_takes(folder: Path, rate: float = LIVE_LINK_RATE) -> list[Take]:
    """All takes of a folder, by name.

    Args:
        rate: frames a second that the timecodes count.

    Raises:
        InputError: no takes, a sound without its CSV, or lengths that do not fit.
    """
    sounds = sorted(p for p in folder.glob("*") if p.suffix.lower() in SOUNDS)
    if not sounds:
        raise InputError(f"{folder}: no sound files in it; a take is NAME.wav with NAME.csv of Live Link Face")
    for table in sorted(folder.glob("*.csv")):
        if not any(f"{table.stem}_".startswith(f"{sound.stem}_") for sound in sounds):
            logger.warning("%s: no sound of that name beside it, so it is no take", table)
    return [_take(sound, rate) for sound in sounds]


def _take(sound: Path, rate: float) -> Take:
    tables = [sound.with_suffix(".csv"), *sorted(sound.parent.glob(f"{sound.stem}_*.csv"))]
    # the app writes calibrated values as well as raw ones: the calibrated sort first
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise InputError(f"{sound}: no {sound.stem}.csv of Live Link Face beside it")
    motion, duration = read_arkit_csv(table, rate), load_audio(sound).duration
    tracked = float(motion.times[-1]) + 1 / rate
    if abs(tracked - duration) > 1.0:  # seconds
        raise InputError(f"{sound.name}: {duration:.1f} s of sound but {tracked:.1f} s of tracking: cut them alike")
    order = np.argsort(motion.times, kind="stable")
    emotion = sound.with_name(f"{sound.stem}.emotion.json")
    track = parse_emotion(str(emotion), duration) if emotion.is_file() else constant_track("neutral", duration)
    return Take(sound.stem, sound, motion.times[order], motion.weights[order], track, duration)


def find_lag(tracked: Reals, predicted: Reals, rate: float) -> float:
    """Seconds by which a tracked curve (T,) follows one predicted from sound (T,), within 0.4 s; 0 if unclear."""
    reach = round(0.4 * rate)
    if len(tracked) <= 4 * reach:
        return 0.0
    inner = predicted[reach : len(predicted) - reach]
    shifts = range(-reach, reach + 1)
    scores = [correlation(tracked[reach + shift : len(tracked) - reach + shift], inner) for shift in shifts]
    best = int(np.argmax(scores))
    return (best - reach) / rate if scores[best] > 0.3 else 0.0
