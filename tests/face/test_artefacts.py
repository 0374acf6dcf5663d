"""A face that looks broken at rest is told from one that does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.arrays import Ints
from sedtalker.face.builtin import FACES, load_face
from sedtalker.face.face import Face
from sedtalker.face.quality import artefact_share, unevenness
from sedtalker.mesh.mesh import from_triangles
from tests.support.mouths import without

SOUND, TORN = 0.015, 0.05


@pytest.fixture(scope="module")
def face() -> Face:
    return without(load_face("walter"), ())


def with_triangles(face: Face, triangles: Ints) -> Face:
    return replace(face, mesh=from_triangles(face.mesh.vertices, triangles))


def share(face: Face) -> float:
    found = artefact_share(face)
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


def test_a_tongue_on_the_cheek_is_seen(face: Face) -> None:
    aside = face.mesh.vertices.copy()
    aside[face.regions["tongue"]] += (0.05, 0.0, 0.06)
    assert share(replace(face, mesh=face.mesh.with_vertices(aside))) > TORN


@pytest.mark.parametrize("part", ["teeth", "tongue"])
def test_what_stands_out_of_the_mouth_is_seen(face: Face, part: str) -> None:
    out = face.mesh.vertices.copy()
    out[face.regions[part]] += (0.0, 0.0, 0.05)
    assert share(replace(face, mesh=face.mesh.with_vertices(out))) > TORN


@pytest.mark.parametrize("step", [(0.0, 0.0, 0.012), (0.0, 0.0, -0.025), (0.0, -0.015, 0.02)])
def test_an_eye_out_of_its_place_is_seen(face: Face, step: tuple[float, float, float]) -> None:
    moved = face.mesh.vertices.copy()
    moved[face.regions["eyes"] & (moved[:, 0] < 0.0)] += step
    assert share(replace(face, mesh=face.mesh.with_vertices(moved))) > TORN


def test_eyes_too_small_for_their_lids_are_seen(face: Face) -> None:
    small = face.mesh.vertices.copy()
    for side in (-1.0, 1.0):
        eye = face.regions["eyes"] & (side * small[:, 0] > 0.0)
        small[eye] = 0.5 * (small[eye] + small[eye].mean(axis=0))
    assert share(replace(face, mesh=face.mesh.with_vertices(small))) > 0.04


def test_thin_spikes_are_seen(face: Face) -> None:
    assert face.landmarks is not None
    skin = np.flatnonzero(face.regions["skin"] & (face.mesh.vertices[:, 2] > face.mesh.vertices[face.landmarks[0], 2]))
    pulled = face.mesh.vertices.copy()
    pulled[np.random.default_rng(0).choice(skin, 12, replace=False), 2] += 0.03
    spiked = replace(face, mesh=face.mesh.with_vertices(pulled))
    assert share(spiked) > share(face) + 0.05
    assert share(spiked) > TORN


def test_sockets_without_eyes_are_no_fault_of_the_surface(face: Face) -> None:
    empty = face.mesh.triangles[~face.regions["eyes"][face.mesh.triangles].any(axis=1)]
    assert share(with_triangles(face, empty)) < SOUND


def test_two_faces_in_one_are_broken(face: Face) -> None:
    double = np.concatenate([face.mesh.vertices, face.mesh.vertices + np.float32([0.015, 0.005, 0.005])])
    triangles = np.concatenate([face.mesh.triangles, face.mesh.triangles + len(face.mesh.vertices)])
    regions = {name: np.tile(mask, 2) for name, mask in face.regions.items()}
    mesh, basis = from_triangles(double, triangles), np.tile(face.basis, (1, 2, 1))
    assert share(replace(face, mesh=mesh, basis=basis, regions=regions)) == 1.0


def test_halves_that_are_unlike_are_told(face: Face) -> None:
    def unlike(vertices: np.ndarray) -> float:
        found = unevenness(replace(face, mesh=face.mesh.with_vertices(vertices.astype(np.float32))))
        assert found is not None
        return found

    at = face.mesh.vertices
    assert unlike(at) < 0.005
    turn = np.array([[0.96, 0.28, 0.0], [-0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])
    assert unlike(3.0 * at @ turn) == pytest.approx(unlike(at), abs=1e-4)
    assert unlike(at + np.where(at[:, :1] > 0.0, (0.0, -0.015, 0.0), 0.0)) > 0.05
    assert unlike(at * (1.3, 1.0, 1.0)) < 0.005
    assert unevenness(replace(face, landmarks=None)) is None


def test_hair_over_the_face_is_not_counted(face: Face) -> None:
    hair = np.random.default_rng(0).random(len(face.mesh.vertices)) < 0.1
    regions = {name: mask & ~hair for name, mask in face.regions.items()}
    assert share(replace(face, regions=regions)) < SOUND


def test_a_face_of_which_nothing_is_known_is_not_judged(face: Face) -> None:
    assert artefact_share(replace(face, landmarks=None)) is None
    assert artefact_share(replace(face, regions={})) is None
