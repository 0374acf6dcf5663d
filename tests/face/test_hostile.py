"""Rigs, faces and kept registrations that are damaged or claim much."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.blend_shapes import read_rig
from sedtalker.face.registration.register import load_entry
from sedtalker.face.sedface import read_sedface
from sedtalker.mesh.mesh import FARTHEST
from tests.fuzz import hostile, seeds
from tests.support.cube import cube_face, cube_mesh
from tests.support.memory import memory_watched


def with_header(data: bytes, header: bytes) -> bytes:
    """An archive in which the first array says something else of itself."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as held, zipfile.ZipFile(made, "w") as out:
        for k, name in enumerate(held.namelist()):
            entry = held.read(name)
            out.writestr(name, entry if k else entry[:10] + header.ljust(118) + entry[128:])
    return made.getvalue()


BROKEN = (
    hostile.claiming_array("(1000000000, 1000000000)", b""),
    hostile.bomb(2**20),
    with_header(seeds.sedface(), b"{'descr': '<f4', 'fortran_order': False, 'shape': (8L, 3"),
    with_header(seeds.sedface(), b"(" * 118),
)


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_archives_that_claim_or_break_off(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    (tmp_path / "a.sedface").write_bytes(data)
    with memory_watched(300 * 2**20):
        with pytest.raises(InputError):
            read_rig(tmp_path / "a.npz", cube_mesh(), ARKIT_52)
        with pytest.raises(InputError):
            read_sedface(tmp_path / "a.sedface")
        assert load_entry(tmp_path / "a.npz", cube_mesh(), "cube") is None


def test_a_kept_registration_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(seeds.registration_entry())
    kept = load_entry(tmp_path / "a.npz", cube_mesh(), "cube")
    assert kept is not None
    assert np.array_equal(kept[0].basis, cube_face().basis)


def test_coordinates_that_overflow_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(f"v 0 0 0\nv {10 * FARTHEST} 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="units away"):
        type(cube_mesh()).load(tmp_path / "a.obj")
