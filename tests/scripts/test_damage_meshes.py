"""Damaged files are read, or refused in one line; the script registers three hundred of them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.fitting import fit
from sedtalker.face.registration import register
from sedtalker.face.registration.pose import GivenLandmarks
from sedtalker.mesh.files import read_mesh, read_scene
from sedtalker.mesh.mesh import Scene, from_triangles
from sedtalker.training.corpora.landmark_samples import sphere
from tests.support.bodies import scan

SCRIPT = Path(__file__).parents[2] / "scripts" / "damage_meshes.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("damage_meshes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["damage_meshes"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


def test_three_hundred_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path, script: ModuleType) -> None:
    points, triangles = sphere(8)
    mesh = from_triangles(points.astype(np.float32), triangles, colours=np.abs(points).astype(np.float32))
    recipes, complaints, read = set(), [], 0
    for case in script.damaged_files(mesh, 300, tmp_path, usd=False):
        recipes.add(case.recipe)
        path = tmp_path / f"damaged{case.name}"
        path.write_bytes(case.data)
        try:
            scene = read_scene(path)
        except InputError as error:
            complaints.append((path.name, str(error)))
            continue
        read += 1
        assert np.isfinite(scene.mesh.vertices).all()
        assert scene.mesh.polygon_vertices.max() < len(scene.mesh.vertices)
        assert len(scene.mesh.polygon_vertices) == scene.mesh.polygon_sizes.sum()
    assert [c for name, c in complaints if "\n" in c or name not in c] == []
    assert recipes == {recipe.__name__ for recipe in (*script.BYTES, *script.SHAPES)}
    assert 60 < read < 240


@pytest.mark.parametrize("number", [4, *(pytest.param(number, marks=pytest.mark.slow) for number in (8, 9)), 14])
def test_a_damaged_head_is_fitted_or_refused(tmp_path: Path, script: ModuleType, source: Face, number: int) -> None:
    cases = script.damaged_files(scan(source, 45), number + 1, tmp_path, usd=False)
    (tmp_path / "damaged.obj").write_bytes(list(cases)[number].data)
    complaint = ""
    try:
        mesh = read_mesh(tmp_path / "damaged.obj")
        face, _ = fit(Scene(mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32)), source, "damaged")
        whole = np.isfinite(face.basis).all() and len(face.mesh.vertices) == len(mesh.vertices)
    except InputError as error:
        whole, complaint = False, str(error)
    assert whole or (complaint and "\n" not in complaint)


def test_a_head_in_loose_triangles_is_refused(source: Face) -> None:
    """It looks like a face from outside, and has no surface."""
    mesh = scan(source, 60)
    triangles = mesh.vertices[mesh.triangles] + np.random.default_rng(0).normal(0, 3e-5, (len(mesh.triangles), 1, 3))
    corners = np.arange(3 * len(triangles), dtype=np.int32).reshape(-1, 3)
    loose = from_triangles(triangles.reshape(-1, 3).astype(np.float32), corners)
    points = (source.mesh.vertices[source.landmarks]).astype(np.float64)
    with pytest.raises(InputError, match="merge vertices"):
        register(loose, source, "loose", GivenLandmarks(points, np.ones(68)))
