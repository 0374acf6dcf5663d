from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.articulation import TONGUE
from sedtalker.arrays import Floats, Reals
from sedtalker.errors import InputError
from sedtalker.export import arkit as arkit_solve
from sedtalker.export.arkit import (
    COLUMNS,
    EYE_TURN,
    arkit_parts,
    eye_angles,
    motion_lost,
    read_arkit_csv,
    solve_arkit,
    timecode,
    write_arkit_csv,
)
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from tests.support.cube import cube_face
from tests.support.moving import moving_cube, speaking_face

PUBLISHED = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,"
    "BrowInnerUp,BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,"
    "NoseSneerRight,TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,"
    "RightEyePitch,RightEyeRoll"
)
"""The header of the app's recordings."""


def missing(face: Face, coefficients: Reals, weights: Floats) -> tuple[float, float]:
    """What ARKit's weights miss of a motion."""
    return motion_lost(face, coefficients, weights, arkit_parts(face))


def test_columns_are_the_published_ones_in_their_order(tmp_path: Path) -> None:
    assert ",".join(COLUMNS) == PUBLISHED
    write_arkit_csv(tmp_path / "a.csv", moving_cube(30))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert list(rows[0]) == PUBLISHED.split(",")
    assert len(rows) == 60  # one second at 60 frames a second
    assert [row["Timecode"] for row in rows[:2]] == ["00:00:00:00.000", "00:00:00:01.000"]
    assert {row["BlendShapeCount"] for row in rows} == {"61"}
    weights = np.array([[float(row[name]) for name in COLUMNS[2:54]] for row in rows])
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0


@given(frame=st.integers(0, 60 * 60 * 60 * 24 - 1))
def test_timecodes_count_hours_minutes_seconds_and_frames(frame: int) -> None:
    hours, minutes, seconds, frames = timecode(frame).split(":")
    assert (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 60 + float(frames) == frame
    assert float(frames) < 60


def test_reading_back_gives_weights_times_and_head(tmp_path: Path) -> None:
    animation = moving_cube(20, fps=60.0)
    said = write_arkit_csv(tmp_path / "a.csv", animation)
    solved = solve_arkit(animation.face, animation.coefficients, animation.fps)
    missed, share = missing(animation.face, animation.coefficients, solved)
    assert said == {"residual_mm": round(1e3 * missed, 4), "residual_share": round(share, 5)}
    read = read_arkit_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(read.weights, solved, atol=1e-7)
    np.testing.assert_allclose(read.times, np.arange(20) / 60.0, atol=1e-9)
    np.testing.assert_allclose(read.head_rotation, animation.head_rotation, atol=1e-6)


def test_a_recording_of_the_app_is_read(tmp_path: Path) -> None:
    """Rows as the app writes them: running clock, thousandths of a frame, a frame without a face."""
    values = ",".join(["0.25"] * 52 + ["0.1"] * 9)
    text = PUBLISHED + f"\n10:59:59:59.500,61,{values}\n11:00:00:00.500,0\n11:00:00:01.500,61,{values}\n"
    (tmp_path / "take.csv").write_text(text)
    read = read_arkit_csv(tmp_path / "take.csv")
    np.testing.assert_allclose(read.times, [0.0, 2 / 60], atol=1e-9)
    np.testing.assert_array_equal(read.weights, np.full((2, 52), 0.25, np.float32))
    np.testing.assert_allclose(read.eyes, 0.1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no column Timecode"),
        ("a,b\n1,2\n", "no column Timecode"),
        (PUBLISHED.replace("JawOpen,", ""), "no column JawOpen"),
        (PUBLISHED, "no frames"),
        (PUBLISHED + "\n00:00:00:00.000," + ",".join(["0"] * 61 + ["nan"]), "are not numbers"),
        (PUBLISHED + "\n00:00:00:00.000," + ",".join(["0"] * 61 + ["1e99"]), "are not numbers"),
        (PUBLISHED + "\n0:0," + ",".join(["0"] * 62), "line 2 is not a frame"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_arkit_csv(tmp_path / "a.csv")


def test_eyes_turn_as_in_recordings_of_the_app() -> None:
    """To the subject's right is positive yaw for both eyes, down is positive pitch."""
    weights = np.zeros((2, 52))
    for name in ("eyeLookInLeft", "eyeLookOutRight"):
        weights[0, ARKIT_52.index(name)] = 1.0
    for name in ("eyeLookDownLeft", "eyeLookDownRight"):
        weights[1, ARKIT_52.index(name)] = 0.5
    np.testing.assert_allclose(
        eye_angles(weights), EYE_TURN * np.array([[[1, 0, 0], [1, 0, 0]], [[0, 0.5, 0], [0, 0.5, 0]]]), atol=1e-12
    )


@given(seed=st.integers(0, 1000), frames=st.integers(1, 6))
@settings(max_examples=20)
def test_without_correctives_the_weights_are_the_coefficients(seed: int, frames: int) -> None:
    face = cube_face()
    plain = dataclasses.replace(face, basis=face.basis[:2], correctives=())
    coefficients = np.repeat(np.random.default_rng(seed).uniform(0, 1, (1, 2)), frames, axis=0)
    solved = solve_arkit(plain, coefficients, 30.0)
    jaw, close = (solved[:, ARKIT_52.index(name)] for name in ("jawOpen", "mouthClose"))
    np.testing.assert_allclose(np.stack([jaw, close], axis=1), coefficients, atol=1e-5)
    assert missing(plain, coefficients, solved)[1] < 1e-4


def test_weights_stay_in_bounds_where_the_motion_goes_beyond() -> None:
    face = cube_face()
    beyond = np.array([[1.7, -0.4]] * 4)
    solved = solve_arkit(face, beyond, 30.0)
    assert solved.min() >= 0.0
    assert solved.max() <= 1.0
    assert missing(face, beyond, solved)[1] > 0.2


def test_the_built_in_face_is_within_a_twentieth_of_its_motion() -> None:
    animation = speaking_face(24)
    solved = solve_arkit(animation.face, animation.coefficients, animation.fps)
    share = missing(animation.face, animation.coefficients, solved)[1]
    assert share < 0.05
    named = animation.face.expand(animation.coefficients).copy()
    left = named.copy()
    left[:, :52] -= solved
    rms = [np.sqrt(((x @ animation.face.flat_basis) ** 2).mean()) for x in (left, named)]
    assert rms[0] / rms[1] == pytest.approx(share, rel=1e-3)


def test_the_tongues_places_of_articulation_leave_the_52_as_they_are() -> None:
    animation = speaking_face(12)
    face, coefficients = animation.face, animation.coefficients
    moved = coefficients.copy()
    moved[:, [face.shape_index[name] for name in TONGUE]] = np.linspace(0.0, 1.0, 12, dtype=np.float32)[:, None]
    plain, spoken = (solve_arkit(face, given, 30.0) for given in (coefficients, moved))
    np.testing.assert_array_equal(plain, spoken)
    assert missing(face, moved, spoken) > missing(face, coefficients, plain), "what the 52 miss is told"


def test_windows_say_what_the_whole_says(monkeypatch: pytest.MonkeyPatch) -> None:
    animation = speaking_face(150)
    whole = solve_arkit(animation.face, animation.coefficients, 30.0)
    monkeypatch.setattr(arkit_solve, "WINDOW", 60)
    monkeypatch.setattr(arkit_solve, "OVERLAP", 30)
    parts = solve_arkit(animation.face, animation.coefficients, 30.0)
    shares = [missing(animation.face, animation.coefficients, weights)[1] for weights in (parts, whole)]
    assert shares[0] == pytest.approx(shares[1], abs=2e-3)
    assert np.abs(parts - whole).mean() < 5e-3


def test_a_face_without_arkit_shapes_is_refused() -> None:
    face = cube_face()
    other = dataclasses.replace(face, shapes=("a", "b"), basis=face.basis[:2], correctives=())
    with pytest.raises(InputError, match="no ARKit shapes"):
        solve_arkit(other, np.zeros((2, 2)), 30.0)
