"""GRID: tracked mouth motion of one English talker (Cooke, Barker, Cunningham and Shao 2006; CC BY 4.0)."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, ict_to_arkit


@dataclass(frozen=True, eq=False)
class TrackedClip:
    """A recording and the face that was tracked in it.

    Attributes:
        name: file stem.
        split: train, valid or test.
        audio: the recording.
        text: what is said; empty where unknown.
        times: (T,) seconds of the video frames' centres, in step with the sound.
        coefficients: (T, 52) float32, the fitted weights under their ARKit names, as tracked (both sides, eyes too).
        features: (T, F) float32 lip features by ``feature_names``, in outer-eye distances.
        feature_names: their names.
        lag: seconds by which the picture came late in the recording (``grid_lags``); ``times`` make up for it.
    """

    name: str
    split: str
    audio: Path
    text: str
    times: NDArray[np.floating]
    coefficients: NDArray[np.float32]
    features: NDArray[np.float32]
    feature_names: tuple[str, ...] = ()
    lag: float = 0.0

    def feature(self, name: str) -> NDArray[np.float32]:
        """(T,) one feature."""
        return self.features[:, self.feature_names.index(name)]

    def as_recorded(self) -> TrackedClip:
        """The clip with sound and picture as far apart as they came."""
        return replace(self, times=self.times + self.lag, lag=0.0)


def split_of(name: str) -> str:
    """Test where the MD5 (hex) of the clip's name ends in 0, valid where it ends in 1, else train."""
    last = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[-1]
    return {"0": "test", "1": "valid"}.get(last, "train")


@lru_cache(maxsize=1)
def ict_matrix(names: tuple[str, ...]) -> NDArray[np.float32]:
    """(K, 52) matrix from ICT-FaceKit weights to ARKit's shapes; shapes that ICT splits in two are averaged."""
    matrix = np.zeros((len(names), len(ARKIT_52)), np.float32)
    for row, name in enumerate(names):
        matrix[row, ARKIT_52.index(ict_to_arkit(name))] = 1.0
    return matrix / np.maximum(matrix.sum(0), 1.0)


@lru_cache(maxsize=1)
def grid_lags() -> dict[str, float]:
    """Seconds by which the picture of each clip comes late, as ``scripts/measure_lags.py`` found them."""
    table = files("sedtalker.datasets").joinpath("grid_lags.csv").read_text(encoding="utf-8")
    return {row["name"]: float(row["milliseconds"]) / 1e3 for row in csv.DictReader(table.splitlines())}


def read_grid(data_dir: Path) -> list[TrackedClip]:
    """All tracked clips, in order of their names, each with its sound and its picture in step.

    Raises:
        InputError: the folder holds no tracked clips.
    """
    folder = data_dir / "motion/grid"
    try:
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{folder}: no GRID motion here (names.json is missing); see docs/training.md") from None
    matrix = ict_matrix(tuple(names["ict_names"]))
    clips = []
    for path in sorted(folder.glob("*.npz")):
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
