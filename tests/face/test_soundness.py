"""A face that looks broken at rest is told from one that does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.face.builtin import FACES, load_face
from sedtalker.face.face import Face
from sedtalker.face.soundness import broken_share
from sedtalker.mesh.mesh import Ints, from_triangles
from tests.support.mouths import without

SOUND, TORN = 0.015, 0.05


@pytest.fixture(scope="module")
def face() -> Face:
    return without(load_face("walter"), ())


def with_triangles(face: Face, triangles: Ints) -> Face:
    return replace(face, mesh=from_triangles(face.mesh.vertices, triangles))


def share(face: Face) -> float:
    found = broken_share(face)
    assert found is not None
    return found


@pytest.mark.parametrize("name", FACES)
def test_the_built_in_faces_are_sound(name: str) -> None:
    assert share(load_face(name)) < SOUND


def test_a_head_that_is_inside_out_as_a_whole_is_sound(face: Face) -> None:
    assert share(with_triangles(face, face.mesh.triangles[:, ::-1])) == share(face) < SOUND


def test_turned_polygons_are_seen(face: Face) -> None:
    turned = np.random.default_rng(0).random(len(face.mesh.triangles)) < 0.2
    triangles = np.where(turned[:, None], face.mesh.triangles[:, ::-1], face.mesh.triangles)
    assert share(with_triangles(face, triangles)) == pytest.approx(0.2, abs=0.04)


def test_holes_are_seen(face: Face) -> None:
    assert face.landmarks is not None
    cheek = face.mesh.vertices[face.landmarks[[3, 33]]].mean(axis=0)
    near = np.linalg.norm(face.mesh.vertices - cheek, axis=1) < 0.02
    assert share(with_triangles(face, face.mesh.triangles[~near[face.mesh.triangles].any(axis=1)])) > TORN


def test_noise_is_seen(face: Face) -> None:
    rough = face.mesh.vertices + np.random.default_rng(0).normal(0.0, 0.002, face.mesh.vertices.shape)
    assert share(replace(face, mesh=face.mesh.with_vertices(rough.astype(np.float32)))) > TORN


def test_teeth_before_the_lips_are_seen(face: Face) -> None:
    forward = face.mesh.vertices.copy()
    forward[face.regions["teeth"]] += (0.0, 0.012, 0.03)
    assert share(replace(face, mesh=face.mesh.with_vertices(forward))) > TORN


def test_hair_over_the_face_is_not_counted(face: Face) -> None:
    hair = np.random.default_rng(0).random(len(face.mesh.vertices)) < 0.1
    regions = {name: mask & ~hair for name, mask in face.regions.items()}
    assert share(replace(face, regions=regions)) < SOUND


def test_a_face_of_which_nothing_is_known_is_not_judged(face: Face) -> None:
    assert broken_share(replace(face, landmarks=None)) is None
    assert broken_share(replace(face, regions={})) is None
