"""The front door: faces by name, from meshes and from files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face import Face
from sedtalker.face.builtin import load_face
from sedtalker.face.face import RegistrationReport
from sedtalker.face.sedface import STEP
from tests.support.bodies import parts_of
from tests.support.cube import cube_face, cube_mesh

HEAD = Path(__file__).parents[2] / "data" / "samples" / "head.obj"


def test_the_class_is_quick_to_import() -> None:
    heavy = "numba scipy torch PIL trimesh igl"
    code = f"import sys; from sedtalker.face import Face; print([m for m in {heavy.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_mesh_without_polygons_is_refused() -> None:
    none = np.zeros(0, np.int32)
    with pytest.raises(InputError, match="0 triangles are too few"):
        Face.from_mesh(replace(cube_mesh(), polygon_sizes=none, polygon_vertices=none, uvs=None, polygon_uvs=None))


def test_built_in_faces_by_name_and_seed() -> None:
    assert Face.builtin().name == "builtin"
    assert Face.builtin("mei").name == "mei"
    named, seeded = Face.builtin("random-3"), Face.builtin(seed=3)
    np.testing.assert_array_equal(named.mesh.vertices, seeded.mesh.vertices)
    assert Face.builtin().provenance == {"face": "builtin"}
    with pytest.raises(InputError, match="amara"):
        Face.builtin("nobody")
    with pytest.raises(InputError, match="not both"):
        Face.builtin("mei", seed=3)
    with pytest.raises(InputError, match="give 0 or more"):
        Face.builtin(seed=-1)


@pytest.mark.slow
def test_a_mesh_becomes_a_face(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    steps: list[tuple[str, int, int]] = []
    caplog.set_level("INFO", "sedtalker")
    face = Face.from_mesh(HEAD, hook=lambda *step: steps.append(step))
    assert face.report is not None
    assert face.report.way == "registration"
    assert face.name == "head"
    assert face.provenance["registration"]["scale"] == face.report.scale
    assert "head.obj: registration: fitted to this mesh" in caplog.messages
    ended = {step for step, done, total in steps if done == total}
    assert ended == {step for step, _, _ in steps}

    face.save(tmp_path / "head.sedface")
    for again in (Face.load(tmp_path / "head.sedface"), Face.from_mesh(tmp_path / "head.sedface")):
        np.testing.assert_allclose(again.basis, face.basis, rtol=0, atol=STEP / 2)
        assert again.report == face.report
    with pytest.raises(InputError, match="finished face"):
        Face.from_mesh(tmp_path / "head.sedface", head=1)


@pytest.mark.slow
def test_a_mesh_in_memory_and_landmarks_of_it() -> None:
    walter = load_face("walter")
    mesh = parts_of(walter, ("skin", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue"))
    points = walter.mesh.vertices[walter.landmarks].astype(float)
    points[:36:3] = np.nan
    steps: list[str] = []
    face = Face.from_mesh(mesh, landmarks=points, hook=lambda step, *_: steps.append(step))
    assert face.report is not None
    assert face.report.score == 1.0  # of a detector, which was not asked
    assert {"aligning the face", "carrying the shapes"} <= set(steps)
    with pytest.raises(InputError, match=r"\(68, 3\)"):
        Face.from_mesh(mesh, landmarks=points[:5])
    with pytest.raises(InputError, match="too few"):
        Face.from_mesh(mesh, landmarks=np.full((68, 3), np.nan))


def test_what_is_no_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few"):
        Face.from_mesh(cube_mesh())
    with pytest.raises(InputError, match="no such mesh file"):
        Face.from_mesh(tmp_path / "none.obj")


def test_any_face_is_saved_and_loaded(tmp_path: Path) -> None:
    face = cube_face()
    face.save(tmp_path / "cube.sedface")
    again = Face.load(tmp_path / "cube.sedface")
    assert again.report is None
    assert again.shapes == face.shapes
    np.testing.assert_allclose(again.basis, face.basis, rtol=0, atol=STEP / 2)
    with pytest.raises(InputError, match=r"ends in \.sedface"):
        face.save(tmp_path / "cube.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["cube.sedface"]


@pytest.mark.slow
def test_a_report_survives_json() -> None:
    from sedtalker.face.face import report_from_json

    report = Face.from_mesh(HEAD).report
    assert isinstance(report, RegistrationReport)
    assert report_from_json(report.to_json()) == report
