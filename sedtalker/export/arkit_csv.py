"""ARKit weights as Epic's Live Link Face app writes them: CSV, 60 frames a second.

A header ``Timecode,BlendShapeCount,EyeBlinkLeft,…`` and a row a frame: the 52 weights in [0, 1], then yaw, pitch and
roll of the head and of both eyes in radians. Timecodes are ``HH:MM:SS:FF.mmm``, frame and thousandth of a frame.
Positive yaw is to the subject's right, positive pitch down: in the app's own recordings the eyes' angles go that way
with the look weights; the head is written alike.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.errors import InputError
from sedtalker.export.arkit_solve import ArkitWeights, solve_arkit
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.mesh import Floats
from sedtalker.whole_file import whole_file

RATE = 60
ANGLES = tuple(part + angle for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
COLUMNS = ("Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in ARKIT_52), *ANGLES)
EYE_TURN = np.radians(30.0)
"""Radians that an eye turns at weight 1 of a look shape."""
_TIMECODE = re.compile(r"(\d+):(\d\d):(\d\d):(\d+(?:\.\d+)?)$")


@dataclass(frozen=True, eq=False)
class ArkitMotion:
    """What such a file holds.

    Attributes:
        times: (T,) seconds from the first row.
        weights: (T, 52) in the order of ``ARKIT_52``.
        head_rotation: (T, 3) rotation vectors, radians.
        eyes: (T, 2, 3) yaw, pitch and roll of the left and the right eye, radians.
    """

    times: NDArray[np.float64]
    weights: Floats
    head_rotation: Floats
    eyes: Floats


def write_arkit_csv(path: Path, animation: Animation) -> ArkitWeights:
    """Solve the weights at 60 frames a second and write them; the file appears whole or not at all.

    Raises:
        InputError: no frames, or the face has no ARKit shapes.
    """
    if not len(animation):
        raise InputError(f"{path}: the animation has no frames")
    timed = animation.resampled(float(RATE))
    solved = solve_arkit(timed.face, timed.coefficients, timed.fps)
    turns = Rotation.from_rotvec(timed.head_rotation.astype(np.float64)).as_euler("YXZ")
    angles = np.concatenate([turns * (-1.0, 1.0, -1.0), eye_angles(solved.weights).reshape(-1, 6)], axis=1)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for frame, values in enumerate(np.concatenate([solved.weights, angles], axis=1).tolist()):
            writer.writerow([timecode(frame), len(values), *(f"{value:.10f}" for value in values)])
    return solved


def timecode(frame: int) -> str:
    """``HH:MM:SS:FF.mmm`` of a frame at 60 frames a second."""
    seconds, rest = divmod(frame, RATE)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def eye_angles(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Yaw, pitch and roll (T, 2, 3) of the left and the right eye from ARKit weights (T, 52), radians."""
    at = {name: np.asarray(weights[:, k], dtype=np.float64) for k, name in enumerate(ARKIT_52)}
    zero = np.zeros(len(weights))
    left = np.stack([at["eyeLookInLeft"] - at["eyeLookOutLeft"], at["eyeLookDownLeft"] - at["eyeLookUpLeft"], zero])
    right = np.stack(
        [at["eyeLookOutRight"] - at["eyeLookInRight"], at["eyeLookDownRight"] - at["eyeLookUpRight"], zero]
    )
    return EYE_TURN * np.stack([left, right]).transpose(2, 0, 1)


def read_arkit_csv(path: Path, rate: float = RATE) -> ArkitMotion:
    """A CSV of Live Link Face or of ours; columns are found by name, rows without values are skipped.

    Args:
        path: the file.
        rate: frames a second that its timecodes count.

    Raises:
        InputError: not such a file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: cannot be read as CSV") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    missing = [name for name in (COLUMNS[0], *COLUMNS[2:]) if name.lower() not in header]
    if missing:
        raise InputError(f"{path}: not a Live Link Face CSV: there is no column {missing[0]}")
    columns = [header.index(name.lower()) for name in COLUMNS[2:]]
    times, values = [], []
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(columns):
            continue
        try:
            times.append(_seconds(row[header.index("timecode")], rate))
            values.append([float(row[k]) for k in columns])
        except ValueError:
            raise InputError(f"{path}: line {number} is no frame") from None
    if not times:
        raise InputError(f"{path}: there are no frames in it")
    table = np.asarray(values, dtype=np.float64)
    head = Rotation.from_euler("YXZ", table[:, 52:55] * (-1.0, 1.0, -1.0)).as_rotvec()
    return ArkitMotion(
        np.asarray(times) - times[0],
        table[:, :52].astype(np.float32),
        head.astype(np.float32),
        table[:, 55:].reshape(-1, 2, 3).astype(np.float32),
    )


def _seconds(text: str, rate: float) -> float:
    found = _TIMECODE.match(text.strip())
    if found is None:
        raise ValueError(text)
    hours, minutes, seconds, frames = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(frames) / rate
