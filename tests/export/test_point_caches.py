from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from sedtalker.errors import InputError
from sedtalker.export.point_caches import (
    mesh_file_frames,
    read_mdd,
    read_npy,
    read_pc2,
    write_mdd,
    write_npy,
    write_pc2,
)
from tests.support.moving import moving_cube

POINTS = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 7), st.just(3)),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(points=POINTS, fps=st.floats(1, 240))
@settings(max_examples=25, deadline=None)
def test_caches_give_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, points, fps: float) -> None:
    folder = tmp_path_factory.mktemp("cache")
    write_mdd(folder / "a.mdd", points, points.shape, fps)
    write_pc2(folder / "a.pc2", points, points.shape)
    write_npy(folder / "a.npy", points, points.shape)
    for cache in (read_mdd(folder / "a.mdd"), read_pc2(folder / "a.pc2", fps)):
        np.testing.assert_array_equal(cache.points, points)
        np.testing.assert_allclose(cache.times, np.arange(len(points)) / fps, rtol=1e-6)
    np.testing.assert_array_equal(read_npy(folder / "a.npy"), points)


def test_mdd_is_big_endian_as_published(tmp_path: Path) -> None:
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    write_mdd(tmp_path / "a.mdd", points, points.shape, 25.0)
    expected = struct.pack(">ii2f12f", 2, 2, 0.0, 0.04, *range(12))
    assert (tmp_path / "a.mdd").read_bytes() == expected


def test_pc2_has_the_header_of_point_cache_2(tmp_path: Path) -> None:
    points = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    write_pc2(tmp_path / "a.pc2", points, points.shape)
    assert (tmp_path / "a.pc2").read_bytes() == b"POINTCACHE2\0" + struct.pack("<iiffi6f", 1, 2, 0.0, 1.0, 1, *range(6))


@pytest.mark.parametrize("suffix", ["mdd", "pc2"])
def test_broken_files_are_refused(tmp_path: Path, suffix: str) -> None:
    points = np.zeros((3, 4, 3), np.float32)
    path = tmp_path / f"a.{suffix}"
    read = read_mdd if suffix == "mdd" else lambda file: read_pc2(file, 30.0)
    if suffix == "mdd":
        write_mdd(path, points, points.shape, 30.0)
    else:
        write_pc2(path, points, points.shape)
    whole = path.read_bytes()
    for broken in (b"", whole[:20], whole[:-1], whole + b"\0", b"\xff" * len(whole)):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="cut short"):
            read(path)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none")
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    with pytest.raises(InputError, match="expected vertices"):
        read_npy(tmp_path / "a.npy")


def test_frames_that_were_not_announced_leave_no_file(tmp_path: Path) -> None:
    points = np.zeros((3, 4, 3), np.float32)
    for shape in ((2, 4, 3), (4, 4, 3), (3, 5, 3)):
        with pytest.raises(ValueError, match=r"announced|expected"):
            write_mdd(tmp_path / "a.mdd", points, shape, 30.0)
    with pytest.raises(InputError, match="no frames"):
        write_pc2(tmp_path / "a.pc2", [], (0, 4, 3))
    assert list(tmp_path.iterdir()) == []


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
