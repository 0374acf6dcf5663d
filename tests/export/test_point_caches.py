from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.errors import InputError
from sedtalker.export import point_caches
from sedtalker.export.formats import export
from sedtalker.export.point_caches import mesh_file_frames, write_mdd, write_npy, write_pc2
from sedtalker.progress import one_step
from tests.support.exports import read_mdd, read_npy, read_pc2
from tests.support.moving import moving_cube


@given(frames=st.integers(1, 9), fps=st.floats(1, 240))
@settings(max_examples=25)
def test_caches_give_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, frames: int, fps: float) -> None:
    folder, animation = tmp_path_factory.mktemp("cache"), moving_cube(frames, fps)
    points = animation.vertices()
    write_mdd(folder / "a.mdd", animation)
    write_pc2(folder / "a.pc2", animation)
    write_npy(folder / "a.npy", animation)
    for cache in (read_mdd(folder / "a.mdd"), read_pc2(folder / "a.pc2", fps)):
        np.testing.assert_array_equal(cache.points, points)
        np.testing.assert_allclose(cache.times, np.arange(len(points)) / fps, rtol=1e-6)
    np.testing.assert_array_equal(read_npy(folder / "a.npy"), points)


def test_mdd_is_big_endian_as_published(tmp_path: Path) -> None:
    animation = moving_cube(2, 25.0)
    write_mdd(tmp_path / "a.mdd", animation)
    head = struct.pack(">ii2f", 2, 8, 0.0, 0.04)
    assert (tmp_path / "a.mdd").read_bytes() == head + animation.vertices().astype(">f4").tobytes()


def test_pc2_has_the_header_of_point_cache_2(tmp_path: Path) -> None:
    animation = moving_cube(1)
    write_pc2(tmp_path / "a.pc2", animation)
    head = b"POINTCACHE2\0" + struct.pack("<iiffi", 1, 8, 0.0, 1.0, 1)
    assert (tmp_path / "a.pc2").read_bytes() == head + animation.vertices().astype("<f4").tobytes()


def test_a_numpy_array_is_as_numpy_writes_it(tmp_path: Path) -> None:
    animation = moving_cube(3)
    write_npy(tmp_path / "a.npy", animation)
    np.save(tmp_path / "b.npy", animation.vertices())
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_caches_of_a_registered_mesh_are_where_its_file_has_it() -> None:
    """The inverse of what registration did: here a mesh file in centimetres, lying, and moved."""
    animation = moving_cube()
    rotation = Rotation.from_euler("xyz", [90, 0, 30], degrees=True).as_matrix()
    registration = {"scale": 0.01, "rotation": rotation.tolist(), "translation": [0.1, -0.2, 0.3]}
    placed = dataclasses.replace(animation, provenance={"registration": registration})
    ours = animation.vertices()
    back = 0.01 * np.stack([*mesh_file_frames(placed)]) @ rotation.T + [0.1, -0.2, 0.3]
    np.testing.assert_allclose(back, ours, atol=1e-5)
    np.testing.assert_array_equal(np.stack([*mesh_file_frames(placed, metres=True)]), ours)
    np.testing.assert_array_equal(np.stack([*mesh_file_frames(animation)]), ours)


@pytest.mark.parametrize(
    "registration",
    [
        [],
        "x",
        {},
        {"scale": 0, "rotation": np.eye(3).tolist(), "translation": [0, 0, 0]},
        {"scale": -1, "rotation": np.eye(3).tolist(), "translation": [0, 0, 0]},
        {"scale": 1, "rotation": [[float("nan")] * 3] * 3, "translation": [0, 0, 0]},
        {"scale": 1, "rotation": np.eye(3).tolist(), "translation": [0, 0, float("inf")]},
        {"scale": 1, "rotation": np.eye(2).tolist(), "translation": [0, 0, 0]},
        {"scale": 1, "rotation": np.eye(3).tolist(), "translation": [0, 0]},
    ],
)
def test_a_placement_that_cannot_be_undone_is_refused(registration: object, tmp_path: Path) -> None:
    animation = dataclasses.replace(moving_cube(), provenance={"registration": registration})
    with pytest.raises(InputError, match="use --metres"):
        export(animation, tmp_path / "a.mdd")
    assert list(tmp_path.iterdir()) == []
    export(animation, tmp_path / "a.mdd", metres=True)


@pytest.mark.parametrize("write", [write_mdd, write_pc2, write_npy])
def test_a_cache_that_the_disk_cannot_hold_is_refused_before_it_is_written(
    write: Callable[[Path, Animation], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of a built-in face is 25 GB."""
    monkeypatch.setattr(point_caches, "disk_usage", lambda folder: SimpleNamespace(free=95))
    with pytest.raises(InputError, match=r"a\.bin: .* \(No space left .*: all frames take 0 MB, 0 MB are free\)"):
        write(tmp_path / "a.bin", moving_cube(1))
    assert not list(tmp_path.iterdir())


def test_a_cache_says_how_far_it_is(tmp_path: Path) -> None:
    said = list[tuple[int, int]]()
    with one_step(lambda step, done, total: said.append((done, total)), "writing mdd"):
        write_mdd(tmp_path / "a.mdd", moving_cube(3))
    assert said == [(0, 1), (1, 3), (2, 3), (1, 1)]
