"""ARKit weights of an animation, by least squares on its vertices; and a phone's weights as an animation."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.animation.animation import Animation
from sedtalker.animation.articulation import TONGUE
from sedtalker.animation.gains import Gains
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import LONGEST_SECONDS, FrameClock, resample_frames
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.face import Face
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.reading import read_text
from sedtalker.storage import whole_file
from sedtalker.version import __version__

SMOOTHNESS = 2e-3
"""Cost of acceleration at 30 frames a second, against that of a vertex error of the same size."""

WINDOW, OVERLAP = 3600, 120
"""Frames solved at once, so that memory does not grow with the recording, and those two neighbours share."""
MOST_STEPS, SETTLED = 400, 1e-7
"""Limits of the solver: number of steps, and the change of a weight at which it stops."""


def solve_arkit(face: Face, coefficients: Reals, fps: float) -> Floats:
    """Weights x (T, 52) that minimise Σ_t |B x_t − d_t|² + s Σ_t |x_{t+1} − 2 x_t + x_{t−1}|² with 0 ≤ x ≤ 1.

    They are in the order of ``ARKIT_52``. B are the ARKit shapes of the face and d the offsets of its vertices, head at
    rest. The 52 are nearly its own coefficients; what correctives and further shapes add is spread over them as well as
    it goes, but for the tongue's places of articulation, which none of the 52 comes near. Shapes that the face does not
    have stay 0. ``s`` weighs each shape by the size of its motion. Solved over windows of 3600 frames, which overlap by
    120: beyond a second the end of a window has no influence.

    Raises:
        InputError: the face has none of the shapes.
    """
    known = [k for k, name in enumerate(ARKIT_52) if name in face.shape_index]
    own = [face.shape_index[ARKIT_52[k]] for k in known]
    if not own:
        raise InputError(f"the face '{face.name}' has no ARKit shapes: its weights cannot be solved")
    gram = face.gram
    size = np.sqrt(np.maximum(np.diag(gram)[own], 1e-18))
    inner = gram[np.ix_(own, own)] / np.outer(size, size)
    start = np.clip(np.asarray(coefficients, dtype=np.float64)[:, own], 0.0, 1.0) * size
    of_tongue = np.isin(face.shapes, TONGUE)
    smooth = SMOOTHNESS * (fps / 30.0) ** 3  # the same motion has (30 / fps)² the acceleration, in fps / 30 the frames

    for first in range(0, len(start), WINDOW - OVERLAP):
        window = slice(first, first + WINDOW)
        pull = face.expand(np.where(of_tongue, 0.0, coefficients[window])).astype(np.float64) @ gram[:, own] / size
        solved = _solve(start[window], pull, inner, size, smooth)
        settled = OVERLAP // 2 if first else 0  # the window before knows better
        start[first + settled : first + WINDOW] = solved[settled:]
    weights = np.zeros((len(start), len(ARKIT_52)), dtype=np.float32)
    weights[:, known] = np.clip(start / size, 0.0, 1.0)
    return weights


def arkit_parts(face: Face) -> Doubles:
    """(52, shapes + correctives): ARKit's shapes among the face's own; zeros for those it lacks."""
    parts = np.zeros((len(ARKIT_52), len(face.basis)))
    for row, name in enumerate(ARKIT_52):
        if name in face.shape_index:
            parts[row, face.shape_index[name]] = 1.0
    return parts


def motion_lost(face: Face, coefficients: Reals, weights: Floats, parts: Doubles) -> tuple[float, float]:
    """What a motion loses when it is made of other targets: RMS over vertices and frames in metres, and its share of
    the motion's RMS, 0 where nothing moves.

    Args:
        coefficients: (T, K) of the motion.
        weights: (T, N) of the targets.
        parts: (N, shapes + correctives): each target as a sum of the face's own.
    """
    lost, whole = 0.0, 0.0
    for first in range(0, len(weights), WINDOW):
        rows = slice(first, first + WINDOW)
        own = face.expand(coefficients[rows]).astype(np.float64)
        missed = own - weights[rows] @ parts
        lost += float(((missed @ face.gram) * missed).sum())
        whole += float(((own @ face.gram) * own).sum())
    count = max(len(weights) * len(face.mesh.vertices), 1)
    error, motion = (float(np.sqrt(max(square, 0.0) / count)) for square in (lost, whole))
    return error, error / motion if motion > 0 else 0.0


def _solve(start: Doubles, pull: Doubles, inner: Doubles, size: Doubles, smooth: float) -> Doubles:
    """Scaled weights (T, K) in [0, size] of one window; ``inner`` (K, K), ``pull`` (T, K): the normal equations.

    FISTA (Beck and Teboulle 2009) with restarts (O'Donoghue and Candès 2015): to the same minimum in a fifth of the
    time that SciPy's L-BFGS-B takes, and SciPy's optimisers need not be imported.
    """
    step = 1.0 / (np.linalg.eigvalsh(inner)[-1] + 16.0 * smooth)
    found, ahead, momentum = start, start, 1.0
    for _ in range(MOST_STEPS):
        slope = ahead @ inner - pull
        if len(ahead) > 2:
            bend = smooth * np.diff(ahead, 2, axis=0)
            slope[:-2] += bend
            slope[1:-1] -= 2.0 * bend
            slope[2:] += bend
        latest = np.clip(ahead - step * slope, 0.0, size)
        if ((ahead - latest) * (latest - found)).sum() > 0.0:  # it would climb
            momentum = 1.0
        longer = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = latest + (momentum - 1.0) / longer * (latest - found)
        moved, found, momentum = float(np.abs(latest - found).max()), latest, longer
        if moved < SETTLED * float(size.max()):
            break
    return found


# --- ARKit weights as Epic's Live Link Face app writes them: CSV, 60 frames a second.

RATE = 60
"""Frames a second of the app's recordings."""
ANGLES = tuple(part + angle for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
"""Columns behind the weights."""
COLUMNS = ("Timecode", "BlendShapeCount", *(name[0].upper() + name[1:] for name in ARKIT_52), *ANGLES)
"""Every column, in the app's order."""
EYE_TURN = np.radians(30.0)
"""Radians that an eye turns at weight 1 of a look shape."""
MOST_BYTES = 512 * 2**20
"""Larger files are refused."""
_TIMECODE = re.compile(r"(\d+):(\d\d):(\d\d):(\d+(?:\.\d+)?)$")
"""Hours, minutes, seconds, frames."""


@dataclass(frozen=True, eq=False)
class ArkitMotion:
    """What such a file holds.

    Attributes:
        times: (T,) seconds from the first row.
        weights: (T, 52) in the order of ``ARKIT_52``.
        head_rotation: (T, 3) rotation vectors, radians.
        eyes: (T, 2, 3) yaw, pitch and roll of the left and the right eye, radians.
    """

    times: Doubles
    weights: Floats
    head_rotation: Floats
    eyes: Floats


def write_arkit_csv(
    path: Path, animation: Animation, audio: str | None = None, names: ShapeMap | None = None
) -> dict[str, Any]:
    """Solve the weights at 60 frames a second and write them; the file appears whole or not at all.

    With ``names`` the columns are the shapes of another rig, which come nearest to these weights.

    Returns:
        What the weights miss: ``residual_mm``, RMS over vertices and frames, and ``residual_share`` of the motion.

    Raises:
        InputError: the face has no ARKit shapes.
    """
    from scipy.spatial.transform import Rotation

    timed = animation.resampled(float(RATE))
    solved = solve_arkit(timed.face, timed.coefficients, timed.fps)
    turns = Rotation.from_rotvec(timed.head_rotation.astype(np.float64)).as_euler("YXZ")
    angles = np.concatenate([turns * (-1.0, 1.0, -1.0), eye_angles(solved).reshape(-1, 6)], axis=1)
    weights = solved if names is None else names.from_arkit(solved)
    header = COLUMNS if names is None else (*COLUMNS[:2], *names.names, *ANGLES)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for first in range(0, len(angles), WINDOW):  # a few frames as Python's numbers, not an hour of them
            rows = slice(first, first + WINDOW)
            for frame, values in enumerate(np.concatenate([weights[rows], angles[rows]], axis=1).tolist(), first):
                writer.writerow([timecode(frame), len(values), *(f"{value:.10f}" for value in values)])
    error, share = motion_lost(timed.face, timed.coefficients, solved, arkit_parts(timed.face))
    return {"residual_mm": round(1e3 * error, 4), "residual_share": round(share, 5)}


def timecode(frame: int) -> str:
    """``HH:MM:SS:FF.mmm`` of a frame at 60 frames a second."""
    seconds, rest = divmod(frame, RATE)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def eye_angles(weights: Reals) -> Doubles:
    """Yaw, pitch and roll (T, 2, 3) of the left and the right eye from ARKit weights (T, 52), radians."""
    at = {name: np.asarray(weights[:, k], dtype=np.float64) for k, name in enumerate(ARKIT_52)}
    zero = np.zeros(len(weights))
    left = np.stack([at["eyeLookInLeft"] - at["eyeLookOutLeft"], at["eyeLookDownLeft"] - at["eyeLookUpLeft"], zero])
    right = np.stack(
        [at["eyeLookOutRight"] - at["eyeLookInRight"], at["eyeLookDownRight"] - at["eyeLookUpRight"], zero]
    )
    return EYE_TURN * np.stack([left, right]).transpose(2, 0, 1)


def read_motion(path: Path, times: Reals) -> tuple[Floats, EmotionTrack | None, float]:
    """ARKit weights (T, 52) at ``times``, the emotion they were made with where the file has it, and its end, seconds.

    After its end the last pose is held.

    Args:
        path: a Live Link CSV, or an ``.npz`` of ``sedtalker animate``.
        times: (T,) seconds.
    """
    if path.suffix.lower() == ".csv":
        take = read_arkit_csv(path)
        return resample_frames(take.weights, take.times, times), None, float(take.times[-1])
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path}: give motion as a CSV of Live Link Face, or as an .npz of sedtalker animate")
    animation = Animation.load(path)
    solved = solve_arkit(animation.face, animation.coefficients, animation.fps)
    at = animation.clock.times(len(animation))
    return resample_frames(solved, at, times), animation.track, float(at[-1])


def read_arkit_csv(path: Path, rate: float | None = RATE, names: ShapeMap | None = None, hint: str = "") -> ArkitMotion:
    """A CSV of Live Link Face or of ours; columns are found by name, rows without values are skipped.

    Args:
        rate: frames a second that its timecodes count; None: the usual rate that fits the frame numbers in it.
        names: what its columns are called, where they are not all of ARKit's; shapes without a column rest.
        hint: what is said behind the name of a shape without a column, where ``names`` are not given.
    """
    from scipy.spatial.transform import Rotation

    try:
        rows = list(csv.reader(StringIO(read_text(path, "a take", MOST_BYTES), newline="")))
    except csv.Error:
        raise InputError(f"{path}: cannot be read as CSV") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    arkit = COLUMNS[2 : 2 + len(ARKIT_52)]
    if names is not None and all(name.lower() in header for name in arkit):
        names = None
    shapes = arkit if names is None else names.names
    needed = (COLUMNS[0], *shapes, *ANGLES) if names is None else (COLUMNS[0],)
    missing = [name for name in needed if name.lower() not in header]
    if missing:
        raise InputError(
            f"{path}: not a Live Link Face CSV: there is no column {missing[0]}{hint * (missing[0] in shapes)}"
        )
    present = [k for k, name in enumerate(shapes) if name.lower() in header]
    if not present:
        assert names is not None
        raise InputError(f"{path}: none of its columns has a name of --map {names.name}")
    angles = [k for k, name in enumerate(ANGLES) if name.lower() in header]
    read = (COLUMNS[0], *(shapes[k] for k in present), *(ANGLES[k] for k in angles))
    code, *columns = (header.index(name.lower()) for name in read)
    codes, values = [], []
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(code, *columns):
            continue
        try:
            codes.append(_timecode(row[code]))
            values.append([float(row[k]) for k in columns])
        except ValueError:
            raise InputError(f"{path}: line {number} is not a frame") from None
    if not codes:
        raise InputError(f"{path}: there are no frames in it")
    table = np.asarray(values, dtype=np.float64)
    if not (np.abs(table) <= GREATEST).all():
        raise InputError(f"{path}: some of its weights or angles are not numbers")
    weights = np.zeros((len(table), len(shapes)))
    weights[:, present] = table[:, : len(present)]
    turns = np.zeros((len(table), len(ANGLES)))
    turns[:, angles] = table[:, len(present) :]
    head = Rotation.from_euler("YXZ", turns[:, :3] * (-1.0, 1.0, -1.0)).as_rotvec()
    whole, frames = np.asarray(codes, dtype=np.float64).T
    times = whole + frames / (fitting_rate(frames) if rate is None else rate)
    return ArkitMotion(
        times - times[0],
        weights.astype(np.float32) if names is None else names.to_arkit(weights),
        head.astype(np.float32),
        turns[:, 3:].reshape(-1, 2, 3).astype(np.float32),
    )


GREATEST = 1e6
"""The greatest weight or angle of a file, of either sign; more is no number of a capture."""
RATES = (24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 120.0)
"""Frames a second that timecodes count."""


def fitting_rate(frames: Doubles) -> float:
    """The least usual rate with frame numbers as high as these; 60 where there is less than a second of them."""
    highest = float(frames.max())
    if len(frames) < RATE and float(np.ptp(frames)) + 1 >= len(frames):
        highest = max(highest, RATE - 1.0)
    return next((rate for rate in RATES if highest < rate), RATES[-1])


def _timecode(text: str) -> tuple[float, float]:
    """Whole seconds, and frames."""
    found = _TIMECODE.match(text.strip())
    if found is None:
        raise ValueError(text)
    hours, minutes, seconds, frames = found.groups()
    return int(hours) * 3600.0 + int(minutes) * 60 + int(seconds), float(frames)


def read_take(path: Path, names: ShapeMap | None = None) -> ArkitMotion:
    """A CSV of Live Link Face, or one with the names of another rig.

    Raises:
        InputError: no such file, not such a file, its times go backwards, or it is longer than an hour.
    """
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: a performance is a .csv of Live Link Face, or of sedtalker animate --to arkit")
    take = read_arkit_csv(path, rate=None, names=names, hint="; --map says how another rig calls its shapes")
    if len(take.times) > 1 and float(np.diff(take.times).min()) < 0.0:
        raise InputError(f"{path}: its timecodes go backwards: cut the take where they do")
    if take.times[-1] > LONGEST_SECONDS:
        raise InputError(f"{path}: longer than an hour: cut it into parts")
    return take


def perform(
    face: Face, take: ArkitMotion, fps: float = 30.0, *, gains: Gains = Gains(), head: bool = True, source: str = ""
) -> Animation:
    """A take on a face, at ``fps`` frames a second; a shape that the face lacks is left out.

    Args:
        face: what moves, with ARKit shapes.
        take: of ``read_take``.
        fps: frames a second.
        gains: of which those of single shapes are used, offsets and limits too; there is no emotion beside speech.
        head: whether the head turns.
        source: hash of the take, for the provenance.

    Raises:
        InputError: the face has none of the shapes.
    """
    known = [name for name in ARKIT_52 if name in face.shape_index]
    if not known:
        raise InputError(f"the face '{face.name}' has no ARKit shapes: a performance cannot move it")
    times = FrameClock(fps).times(max(round((float(take.times[-1]) + 1.0 / 60) * fps), 1))
    weights = np.clip(resample_frames(take.weights, take.times, times), 0.0, 1.0)
    coefficients = np.zeros((len(times), len(face.shapes)), np.float32)
    for name in known:
        coefficients[:, face.shape_index[name]] = weights[:, INDEX[name]]
    coefficients = gains.of_shapes(coefficients, face.shapes)
    turns = resample_frames(take.head_rotation, take.times, times)
    provenance = {**face.provenance, "sedtalker": __version__, "performance_sha256": source, "licences": {}}
    return Animation(coefficients, fps, face, turns if head else np.zeros_like(turns), None, provenance)
