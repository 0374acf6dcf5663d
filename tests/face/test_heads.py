"""Bodies, several people in a file, and what heads wear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face, head_weights
from sedtalker.face.fitting import apart_from, fit
from sedtalker.face.given_landmarks import alone, choose_head, figures, heads_of, other_people
from sedtalker.face.registration import RegistrationReport, pose
from sedtalker.face.registration.attribute_transfer import worn_offsets
from sedtalker.face.registration.pose import GivenLandmarks
from sedtalker.mesh.mesh import Mesh, Scene, from_triangles
from sedtalker.mesh.surface import adjacency, weld
from sedtalker.training.corpora.landmark_samples import sphere, torus
from tests.support.bodies import HEAD_PARTS, on_body, parts_of, side_by_side

BALD = tuple(part for part in HEAD_PARTS if part != "hair")
"""Locks of hair take most of the time of a fit; brows and lashes are worn, too."""


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def head() -> Mesh:
    return parts_of(load_face("walter"), BALD)


def ball(size: float = 1.0) -> Mesh:
    points, triangles = sphere(12)
    return from_triangles((size * points).astype(np.float32), triangles)


def test_pieces_that_touch_are_one_figure_and_others_are_not() -> None:
    far = weld(side_by_side(ball(), ball(0.5), ball(0.05), apart=5.0))
    parts = figures(far)
    assert [len(part) for part in parts] == [len(weld(ball()).triangles)] * 2  # the speck is none
    for part in parts:
        own = alone(far, part)
        assert np.ptp(own.points, axis=0).max() < 2.1
        assert own.component.max() == 0
        seen = own.vertex_point >= 0
        np.testing.assert_array_equal(own.points[own.vertex_point[seen]], far.points[far.vertex_point[seen]])
    assert len(figures(weld(side_by_side(ball(), ball(), apart=1.5)))) == 1


@pytest.mark.slow
def test_the_heads_of_a_file_are_found_and_chosen(source: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    # what is no head is looked at from between the axes too, three times as long: see tests/cli/test_mesh.py
    monkeypatch.setattr(pose, "tilted_rotations", lambda: pose.axis_rotations()[:1])
    head = parts_of(load_face("walter"), ("skin", "eye_left", "eye_right"))
    thing = from_triangles(0.1 * torus(1.0, 0.4)[0].astype(np.float32), torus(1.0, 0.4)[1])
    scene = side_by_side(head, thing, head, apart=0.7)
    heads = heads_of(scene, source)
    assert [round(float(h.points[27, 0]), 1) for h in heads] == [0.0, 1.4]
    assert choose_head(heads, None, "file") is heads[0]
    assert choose_head(heads, 2, "file") is heads[1]
    assert choose_head([], 1, "file") is None
    with pytest.raises(InputError, match="lists 2"):
        choose_head(heads, 3, "file")
    assert heads_of(head, source) == []


@pytest.fixture(scope="module")
def standing(source: Face, head: Mesh) -> tuple[Face, RegistrationReport, int, int]:
    """A head on a body, and another one beside; how many vertices are the head's and the first body's."""
    body, count = on_body(head)
    both = side_by_side(body, parts_of(load_face("walter"), ("skin", "eye_left", "eye_right")), apart=0.9)
    scene = Scene(both, (), np.zeros((0, len(both.vertices), 3), np.float32))
    return *fit(scene, source, "body"), count, len(body.vertices)


@pytest.mark.slow
def test_only_the_head_of_a_body_moves_and_the_seam_is_smooth(
    standing: tuple[Face, RegistrationReport, int, int],
) -> None:
    face, report, count, body = standing
    assert any("2 heads" in warning for warning in report.warnings)
    reach = np.abs(face.basis).max(axis=(0, 2))
    assert reach[:count].max() > 0.03
    assert not reach[body:].any()  # the other person
    down = face.mesh.vertices[:count, 1].min() - face.mesh.vertices[count:body, 1]
    assert reach[count:body][down > 0.06].max() == 0.0
    assert reach[count:body].max() < 0.005  # the neck goes a little with the jaw
    edges = adjacency(len(reach), face.mesh.triangles).tocoo()
    across = (edges.row < count) & (edges.col >= count) & (edges.col < body)
    assert across.any()
    jump = np.linalg.norm(face.basis[:, edges.row[across]] - face.basis[:, edges.col[across]], axis=2)
    assert jump.max() < 0.002


@pytest.mark.slow
def test_only_the_head_turns(standing: tuple[Face, RegistrationReport, int, int]) -> None:
    face, _, count, body = standing
    weights = head_weights(face)
    assert weights[count:].max() < 0.01
    assert weights[:count].mean() > 0.95
    assert weights[body:].max() == 0.0
    assert not face.regions["hair"][body:].any()


@pytest.mark.slow
def test_eyes_lashes_and_teeth_move_with_the_right_part(
    standing: tuple[Face, RegistrationReport, int, int],
) -> None:
    face, report, count, _ = standing
    walter = load_face("walter")
    kept = parts_of(walter, BALD).vertices
    origin = {tuple(v): i for i, v in enumerate(walter.mesh.vertices.tolist())}
    index = np.array([origin[tuple(v)] for v in kept.tolist()])
    for region, shape in (("lashes", "eyeBlinkLeft"), ("lower_teeth", "jawOpen"), ("eyes", "eyeLookInLeft")):
        mine = walter.regions[region][index]
        k = face.shape_index[shape]
        got, truth = face.basis[k, :count][mine], walter.basis[k][index][mine]
        cosine = (got * truth).sum() / (np.linalg.norm(got) * np.linalg.norm(truth))
        assert cosine > 0.9, region
        assert (0.9 if region == "eyes" else 0.75) < np.linalg.norm(got) / np.linalg.norm(truth) < 1.3, region
    upper = walter.regions["upper_teeth"][index]
    assert np.abs(face.basis[face.shape_index["jawOpen"], :count][upper]).max() < 0.001
    assert {role for role, _ in report.components} >= {"skin", "right eye", "left eye", "worn"}


def test_what_stands_off_the_skin_keeps_to_the_skull_or_moves_as_one() -> None:
    x, y = np.meshgrid(np.linspace(-0.1, 0.1, 21), np.linspace(-0.1, 0.1, 21))
    skin = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    offsets = np.zeros((1, len(skin), 3))
    offsets[0, :, 2] = skin[:, 0]  # a shape that bends it
    ring = 0.03 * np.stack([np.cos(a := np.linspace(0, 6, 30)), np.sin(a), np.zeros(30)], axis=1)
    places = np.concatenate(
        [ring + (0, 0.05, z) for z in (0.015, 0.002)] + [ring + (0, -0.05, 0.015), ring + (0, 0, 0.2)]
    )
    moved = worn_offsets(skin, offsets, places, np.repeat(np.arange(4, dtype=np.int32), 30), mouth=0.0)[0]
    glasses, brow, beard, far = moved.reshape(4, 30, 3)
    assert not glasses.any()
    np.testing.assert_allclose(brow[:, 2], ring[:, 0], atol=0.004)
    assert np.ptp(beard, axis=0).max() == 0.0
    assert not far.any()


def test_what_is_nearest_to_another_person_is_theirs() -> None:
    speck = ball(0.05)
    mesh = side_by_side(ball(), ball(), speck, apart=2.4)
    count, specks = len(ball().vertices), len(speck.vertices)
    marks = [GivenLandmarks(np.tile([2.4 * k, 0.0, 1.0], (68, 1)), np.ones(68), 1.0) for k in range(2)]
    theirs = other_people(mesh, marks, marks[0])
    assert theirs.tolist() == [False] * count + [True] * (count + specks)
    assert other_people(mesh, marks, marks[1]).tolist() == [True] * count + [False] * (count + specks)
    assert not other_people(mesh, marks[:1], marks[0]).any()
    face = Face("a", mesh, ("jawOpen",), np.ones((1, len(mesh.vertices), 3), np.float32))
    face = replace(face, landmarks=marked(mesh), regions={"hair": np.ones(len(mesh.vertices), bool)})
    assert head_weights(face)[theirs].max() > 0.5  # by the distance alone
    apart = apart_from(face, theirs)
    assert not head_weights(apart)[theirs].any()
    assert not apart.basis[:, theirs].any()
    assert not (apart.regions["hair"] & theirs).any()
    assert (apart.basis[:, ~theirs] == 1.0).all()
    assert apart_from(face, None).regions.keys() == {"hair"}


def marked(mesh: Mesh) -> NDArray[np.int32]:
    """Landmarks of the first ball, as far as they say where the head is: its chin and eyes."""
    mine = mesh.vertices[:, 0] < 1.1
    found = np.full(68, np.flatnonzero(mine)[mesh.vertices[mine, 1].argmax()], np.int32)
    found[8] = np.flatnonzero(mine)[mesh.vertices[mine, 1].argmin()]
    return found


@pytest.mark.slow
def test_a_person_close_by_stays(source: Face) -> None:
    one = parts_of(load_face("walter"), ("skin", "eye_left", "eye_right"))
    both = side_by_side(one, one, apart=0.3)
    face, _ = fit(Scene(both, (), np.zeros((0, len(both.vertices), 3), np.float32)), source, "two")
    count, whole = len(one.vertices), len(both.vertices)  # teeth that were added come after both
    assert head_weights(face)[:count].max() == 1.0
    assert not head_weights(face)[count:whole].any()
    assert not face.regions["hair"][count:whole].any()
    assert not face.basis[:, count:whole].any()
