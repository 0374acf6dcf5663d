"""A take of a phone on any face."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.animation.gains import Gains
from sedtalker.errors import InputError
from sedtalker.export.arkit import COLUMNS, fitting_rate, perform, read_take, write_arkit_csv
from sedtalker.face.arkit import INDEX
from sedtalker.face.shape_maps import read_shape_map
from tests.support.cube import cube_face

JAW = np.clip(np.sin(np.linspace(0, 9, 90)), 0, 1).astype(np.float32)


def take(path: Path, names: str | None = None) -> Path:
    """A CSV of the cube's jaw, three seconds long."""
    face = replace(cube_face(), correctives=(), basis=cube_face().basis[:2])
    coefficients = np.stack([JAW, np.zeros_like(JAW)], axis=1)
    turns = np.zeros((90, 3), np.float32)
    turns[:, 1] = 0.2 * JAW
    animation = Animation(coefficients, 30.0, face, turns)
    write_arkit_csv(path, animation, names=None if names is None else read_shape_map(names))
    return path


@pytest.mark.parametrize("names", [None, "reallusion", "metahuman"])
def test_what_was_written_moves_another_face(tmp_path: Path, names: str | None) -> None:
    held = read_take(take(tmp_path / "a.csv", names), None if names is None else read_shape_map(names))
    moved = perform(cube_face(), held, 30.0)
    assert abs(len(moved) - 90) <= 1
    count = min(len(moved), 90)
    assert np.abs(moved.coefficients[:count, 0] - JAW[:count]).mean() < 0.02
    assert np.abs(moved.head_rotation[:count, 1] - 0.2 * JAW[:count]).mean() < 0.01
    assert moved.track is None


def test_gains_and_a_still_head(tmp_path: Path) -> None:
    held = read_take(take(tmp_path / "a.csv"))
    half = perform(cube_face(), held, gains=Gains(shapes={"jawOpen": 0.5}), head=False)
    full = perform(cube_face(), held)
    np.testing.assert_allclose(half.coefficients[:, 0], 0.5 * full.coefficients[:, 0], atol=1e-6)
    assert not half.head_rotation.any()


def test_offsets_and_limits_move_a_take_too(tmp_path: Path) -> None:
    held = read_take(take(tmp_path / "a.csv"))
    full = perform(cube_face(), held)
    moved = perform(cube_face(), held, gains=Gains(offsets={"jawOpen": 0.2}, limits={"jawOpen": 0.6}))
    wanted = np.clip(full.coefficients[:, 0] + 0.2, 0.0, 0.6)
    is_open = full.coefficients[:, 0] > 0.2  # lips that have met stay so
    np.testing.assert_allclose(moved.coefficients[is_open, 0], wanted[is_open], atol=1e-6)
    assert (moved.coefficients[~is_open, 0] <= wanted[~is_open] + 1e-6).all()


def test_the_timecode_may_be_the_last_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("aa,Timecode\n0.5,00:00:00:00.000\n0.7\n0.6,00:00:00:01.000\n")
    held = read_take(path, read_shape_map("vrm"))
    assert len(held.times) == 2, "a row that breaks off is skipped"


def rows(path: Path, codes: list[str], jaw: str = "0.5") -> Path:
    """A CSV with these timecodes."""
    values = ["0"] * (len(COLUMNS) - 2)
    values[INDEX["jawOpen"]] = jaw
    lines = [",".join(COLUMNS), *(",".join([code, "61", *values]) for code in codes)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("rate", "expected"), [(60, 60.0), (30, 30.0), (24, 24.0)])
def test_timecodes_tell_their_rate(tmp_path: Path, rate: int, expected: float) -> None:
    codes = [f"10:00:{k // rate:02d}:{k % rate:02d}.000" for k in range(2 * rate)]
    held = read_take(rows(tmp_path / "a.csv", codes))
    assert fitting_rate(np.arange(2 * rate) % rate * 1.0) == expected
    np.testing.assert_allclose(held.times, np.arange(2 * rate) / rate, atol=1e-9)


@pytest.mark.parametrize(
    ("codes", "jaw", "said"),
    [
        ([], "0", "no frames"),
        (["00:00:02:00.000", "00:00:01:00.000"], "0", "go backwards"),
        (["00:00:00:00.000", "02:00:00:00.000"], "0", "longer than an hour"),
        (["00:00:00:00.000"], "nan", "are not numbers"),
        (["first"], "0", "line 2 is not a frame"),
    ],
)
def test_bad_takes_give_one_line(tmp_path: Path, codes: list[str], jaw: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_take(rows(tmp_path / "a.csv", codes, jaw))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Live Link"):
        read_take(tmp_path / "a.npz")
    with pytest.raises(InputError, match="no such file"):
        read_take(tmp_path / "a.csv")
    other = tmp_path / "b.csv"
    other.write_text("Timecode,foo\n00:00:00:00.000,1\n")
    with pytest.raises(InputError, match="no column EyeBlinkLeft; --map says"):
        read_take(other)
    with pytest.raises(InputError, match="none of its columns"):
        read_take(other, read_shape_map("vrm"))


def test_a_face_without_these_shapes_is_refused(tmp_path: Path) -> None:
    held = read_take(take(tmp_path / "a.csv"))
    with pytest.raises(InputError, match="no ARKit shapes"):
        perform(replace(cube_face(), shapes=("a", "b"), correctives=(), basis=cube_face().basis[:2]), held)


def test_an_hour_is_taken_and_not_a_frame_more(tmp_path: Path) -> None:
    held = read_take(rows(tmp_path / "a.csv", ["00:00:00:00.000", "01:00:00:00.000"]))
    assert held.times.tolist() == [0.0, 3600.0]
    with pytest.raises(InputError, match="longer than an hour"):
        read_take(rows(tmp_path / "a.csv", ["00:00:00:00.000", "01:00:00:01.000"]))
    assert read_take(rows(tmp_path / "a.csv", ["00:00:01:00.000"] * 2)).times.tolist() == [0.0, 0.0]


def test_a_take_over_half_a_gibibyte_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    os.truncate(tmp_path / "a.csv", 512 * 2**20 + 1)
    with pytest.raises(InputError, match="over 512 MiB, too large for a take"):
        read_take(tmp_path / "a.csv")


def test_the_last_frame_of_a_take_lasts_as_long_as_the_others(tmp_path: Path) -> None:
    held = read_take(rows(tmp_path / "a.csv", [f"00:00:00:{k:02d}.000" for k in range(30)], "1.5"))
    moved = perform(cube_face(), held)
    assert (moved.fps, len(moved)) == (30.0, 15)
    assert len(perform(cube_face(), held, 60.0)) == 30
    assert (moved.coefficients[:, 0] == 1.0).all(), "bounded"
    single = read_take(rows(tmp_path / "a.csv", ["00:00:00:00.000"], "-0.5"))
    moved = perform(cube_face(), single, 1.0, gains=Gains(shapes={"jawOpen": 2.0}))
    assert moved.coefficients.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("rate", [24, 25, 30, 48, 50, 60, 120])
def test_the_rate_is_the_least_that_counts_so_far(rate: int) -> None:
    assert fitting_rate(np.tile(np.arange(float(rate)), 3)) == rate


def test_less_than_a_second_in_a_row_is_at_the_apps_rate() -> None:
    assert fitting_rate(np.arange(10.0)) == 60.0
    assert fitting_rate(np.array([*range(9), 0.0])) == 24.0, "it began again"
    assert fitting_rate(np.arange(90.0)) == 120.0
    assert fitting_rate(np.arange(500.0)) == 120.0, "there is no faster one"
