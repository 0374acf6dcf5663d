"""The solver's minimum, and the CSV's clock and errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.errors import InputError
from sedtalker.export import arkit
from sedtalker.export.arkit import (
    COLUMNS,
    arkit_parts,
    eye_angles,
    motion_lost,
    read_arkit_csv,
    read_motion,
    solve_arkit,
    timecode,
)
from sedtalker.export.arkit import write_arkit_csv as write
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.shape_maps import read_shape_map
from tests.support.cube import cube_face
from tests.support.moving import moving_cube

JAW, CLOSE = ARKIT_52.index("jawOpen"), ARKIT_52.index("mouthClose")


def plain_face():
    face = cube_face()
    return replace(face, basis=face.basis[:2], correctives=())


def objective(weights: np.ndarray, coefficients: np.ndarray, fps: float) -> float:
    """As ``solve_arkit`` says it: squared error of the vertices, and acceleration by the size of each shape."""
    face = cube_face()
    flat = face.basis.reshape(3, -1).astype(np.float64)
    error = face.expand(coefficients) @ flat - weights @ flat[:2]
    bend = np.diff(weights * np.sqrt((flat[:2] ** 2).sum(1)), 2, axis=0)
    return (error**2).sum() + 2e-3 * (fps / 30) ** 3 * (bend**2).sum()


@pytest.mark.parametrize("fps", [30.0, 60.0])
def test_no_other_weights_are_better(fps: float) -> None:
    rng = np.random.default_rng(0)
    coefficients = rng.uniform(0.2, 0.8, (12, 2))
    found = solve_arkit(cube_face(), coefficients, fps)[:, [JAW, CLOSE]].astype(np.float64)
    best = objective(found, coefficients, fps)
    for size in (1e-2, 1e-1):
        for _ in range(40):
            other = np.clip(found + size * rng.standard_normal(found.shape), 0, 1)
            assert objective(other, coefficients, fps) > best
    for frame in range(12):
        for shape in range(2):
            nudge = np.zeros_like(found)
            nudge[frame, shape] = 2e-3
            assert objective(found + nudge, coefficients, fps) > best < objective(found - nudge, coefficients, fps)


def test_the_same_motion_has_the_same_weights_at_any_rate() -> None:
    def weights(fps: float) -> np.ndarray:
        time = np.arange(round(2 * fps)) / fps
        return solve_arkit(cube_face(), np.stack([0.5 + 0.4 * np.sin(9 * time), 0.4 + 0 * time], 1), fps)

    np.testing.assert_allclose(weights(60.0)[::2], weights(30.0), atol=2e-3)


def test_what_is_missed_is_stated_in_metres_and_as_a_share() -> None:
    face = plain_face()
    moved, still = np.array([[1.5, 0.5]] * 3), np.zeros((3, 2))
    solved = solve_arkit(face, moved, 30.0)
    assert solved[:, JAW] == pytest.approx(1.0, abs=1e-3)
    lost, whole = 0.5**2 * 4 * 0.25, 1.5**2 * 4 * 0.25 + 0.5**2 * 4 * 0.0625
    overlap = 2 * 1.5 * 0.5 * (face.basis[0] * face.basis[1]).sum()
    missed, share = motion_lost(face, moved, solved, arkit_parts(face))
    assert missed == pytest.approx(np.sqrt(lost / 8), rel=2e-2)
    assert share == pytest.approx(np.sqrt(lost / (whole + overlap)), rel=2e-2)
    assert motion_lost(face, still, solve_arkit(face, still, 30.0), arkit_parts(face)) == (0.0, 0.0)
    assert motion_lost(face, np.zeros((0, 2)), np.zeros((0, 2), np.float32), np.eye(2)) == (0.0, 0.0)


def test_one_and_two_frames_bend_nothing() -> None:
    for frames in (1, 2):
        given = np.random.default_rng(frames).uniform(0.1, 0.9, (frames, 2))
        np.testing.assert_allclose(solve_arkit(plain_face(), given, 30.0)[:, [JAW, CLOSE]], given, atol=1e-4)


def test_timecodes_by_hand() -> None:
    assert timecode(59) == "00:00:00:59.000"
    assert timecode(60) == "00:00:01:00.000"
    assert timecode(60 * 3600 + 60 * 61 + 7) == "01:01:01:07.000"


def test_the_head_of_the_app_turns_right_down_and_left(tmp_path: Path) -> None:
    turns = np.array([[0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]], np.float32)
    animation = Animation(np.zeros((3, 2), np.float32), 60.0, cube_face(), turns)
    write(tmp_path / "a.csv", animation)
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    at = [COLUMNS.index(f"Head{name}") for name in ("Yaw", "Pitch", "Roll")]
    angles = np.array([[float(row[k]) for k in at] for row in rows[1:]])
    np.testing.assert_allclose(angles, [[0, 0.3, 0], [-0.3, 0, 0], [0, 0, -0.3]], atol=1e-6)
    both = Rotation.from_rotvec(read_arkit_csv(tmp_path / "a.csv").head_rotation).as_rotvec()
    np.testing.assert_allclose(both, turns, atol=1e-6)


def test_eyes_look_up_and_to_the_left() -> None:
    weights = np.zeros((1, 52))
    for name, value in (
        ("eyeLookOutLeft", 1.0),
        ("eyeLookInRight", 0.5),
        ("eyeLookUpLeft", 0.5),
        ("eyeLookUpRight", 1),
    ):
        weights[0, ARKIT_52.index(name)] = value
    expected = np.radians([[[-30, -15, 0], [-15, -30, 0]]])
    np.testing.assert_allclose(eye_angles(weights), expected, atol=1e-9)


def test_motion_from_either_file_at_any_times(tmp_path: Path) -> None:
    animation = moving_cube(30, 60.0)
    write(tmp_path / "a.CSV", animation)
    animation.save(tmp_path / "a.npz")
    times = np.array([0.0, 0.1, 0.25])
    from_csv, no_track, _ = read_motion(tmp_path / "a.CSV", times)
    from_npz, track, _ = read_motion(tmp_path / "a.npz", times)
    assert from_csv.shape == (3, 52)
    np.testing.assert_allclose(from_csv, from_npz, atol=1e-5)
    assert no_track is None
    assert track is not None
    assert track.segments()[0].label == "happy"


def test_columns_may_come_in_any_order_and_case(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", moving_cube(3, 60.0))
    rows = [line.split(",") for line in (tmp_path / "a.csv").read_text().splitlines()]
    rows[0] = [f" {name.upper()} " for name in rows[0]]
    (tmp_path / "b.csv").write_text("".join(",".join(row[::-1]) + "\n" for row in rows))
    for one, other in zip(
        vars(read_arkit_csv(tmp_path / "a.csv")).values(),
        vars(read_arkit_csv(tmp_path / "b.csv")).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_a_file_with_arkits_names_needs_no_others(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", moving_cube(3, 60.0))
    plain = read_arkit_csv(tmp_path / "a.csv")
    np.testing.assert_array_equal(
        read_arkit_csv(tmp_path / "a.csv", names=read_shape_map("vrm")).weights, plain.weights
    )


def test_rows_without_values_are_skipped_and_damaged_ones_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", moving_cube(3, 60.0))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    short = ",".join(lines[2].split(",")[:-1])
    (tmp_path / "b.csv").write_text("\n".join([*lines[:2], short, lines[3]]))
    assert read_arkit_csv(tmp_path / "b.csv").times.tolist() == pytest.approx([0.0, 2 / 60])
    (tmp_path / "c.csv").write_text("\n".join([*lines[:2], lines[2].replace("0.", "x.", 1)]))
    with pytest.raises(InputError, match="line 3 is not a frame"):
        read_arkit_csv(tmp_path / "c.csv")
    with pytest.raises(InputError, match="no such file"):
        read_arkit_csv(tmp_path / "none.csv")


def test_timecodes_count_frames_of_the_rate_that_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", moving_cube(4, 60.0))
    assert read_arkit_csv(tmp_path / "a.csv", 30.0).times.tolist() == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])
    text = (tmp_path / "a.csv").read_text().replace("00:00:00:03.000", "01:02:03:30.500")
    (tmp_path / "b.csv").write_text(text)
    assert read_arkit_csv(tmp_path / "b.csv").times[-1] == pytest.approx(3600 + 120 + 3 + 30.5 / 60)


def test_a_shape_that_moves_nothing_weighs_nothing_wrong() -> None:
    basis = plain_face().basis.copy()
    basis[1] = 0.0
    given = np.array([[0.25, 0.5], [0.5, 0.5], [0.25, 0.5]])
    solved = solve_arkit(replace(plain_face(), basis=basis), given, 30.0)
    assert np.isfinite(solved).all()
    np.testing.assert_allclose(solved[:, JAW], given[:, 0], atol=0.02)


def test_a_minimum_is_found_within_sixty_steps_and_nothing_changes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    given = np.clip(0.5 + np.cumsum(rng.normal(0, 0.1, (40, 2)), axis=0), 0, 1)
    exact = solve_arkit(cube_face(), given, 30.0)
    monkeypatch.setattr(arkit, "MOST_STEPS", 60)
    np.testing.assert_allclose(solve_arkit(cube_face(), given, 30.0), exact, atol=1e-4)
    monkeypatch.setattr(arkit, "MOST_STEPS", 4000)
    np.testing.assert_allclose(solve_arkit(cube_face(), given, 30.0), exact, atol=1e-6)


def test_windows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """In windows of half a minute the weights are those of one; beyond a second its end has no influence."""
    time = np.arange(1500) / 30
    given = np.stack([0.5 + 0.5 * np.sin(5 * time), 0.5 + 0.5 * np.cos(3 * time)], axis=1)
    whole = solve_arkit(cube_face(), given, 30.0)
    monkeypatch.setattr(arkit, "WINDOW", 700)
    parts = solve_arkit(cube_face(), given, 30.0)
    np.testing.assert_allclose(parts, whole, atol=1e-4)
