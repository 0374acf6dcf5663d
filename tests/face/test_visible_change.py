"""Emotions are made visible: fitted shapes are raised until the shaded face changes as much as the built-in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.expressions import EMOTIONS
from sedtalker.face.face import Face
from sedtalker.face.visible_change import (
    EXPRESSIVE,
    MOST,
    MOST_SPOKEN,
    SPOKEN,
    changes_and_folds,
    visible_changes,
    with_visible_emotions,
)
from sedtalker.mesh.mesh import from_triangles
from tests.support.mouths import REPORT


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def faint(source: Face) -> Face:
    """The built-in face with two thirds of its shapes."""
    return replace(source, basis=(source.basis / 1.5).astype(np.float32))


def test_what_does_not_move_is_not_seen(source: Face) -> None:
    changes = visible_changes(source, {"rest": {}, "little": {"mouthSmile": 0.2}, "much": {"mouthSmile": 0.8}})
    assert changes["rest"] == 0.0
    assert 0.0 < changes["little"] < changes["much"]


def test_the_change_does_not_depend_on_unit_place_or_winding(source: Face) -> None:
    mesh = source.mesh
    inside_out = replace(source, mesh=from_triangles(mesh.vertices, mesh.triangles[:, ::-1].copy()))
    far = replace(source, mesh=replace(mesh, vertices=3.0 * mesh.vertices + np.float32(2.0)), basis=3.0 * source.basis)
    smile = {"smile": {"mouthSmile": 0.8}}
    wanted = visible_changes(source, smile)["smile"]
    assert visible_changes(inside_out, smile)["smile"] == pytest.approx(wanted, rel=1e-6)
    assert visible_changes(far, smile)["smile"] == pytest.approx(wanted, rel=0.02)


@pytest.mark.slow
def test_faint_emotions_are_raised_and_the_jaw_and_closed_lips_are_not(source: Face, faint: Face) -> None:
    face, report = with_visible_emotions(faint, REPORT, source)
    wanted, before, after = visible_changes(source), visible_changes(faint), visible_changes(face)
    assert report.visible is not None
    assert report.visible == pytest.approx(min(after[e] / wanted[e] for e in EMOTIONS), abs=1e-3)
    assert min(before[e] / wanted[e] for e in EMOTIONS) < 0.75
    assert report.visible > 0.85
    assert set(report.raised) <= {*EXPRESSIVE, *SPOKEN}
    assert max(report.raised.values()) <= MOST
    for name in ARKIT_52:
        row = faint.shape_index[name]
        if not name.startswith((*EXPRESSIVE, *SPOKEN)):
            np.testing.assert_array_equal(face.basis[row], faint.basis[row])


@pytest.mark.slow
def test_shapes_of_speech_are_as_visible_as_on_the_source(source: Face, faint: Face) -> None:
    face, report = with_visible_emotions(faint, REPORT, source)
    each = {shape: {shape: 1.0} for shape in SPOKEN}
    wanted, before, after = (visible_changes(one, each) for one in (source, faint, face))
    assert all(before[shape] < 0.85 * wanted[shape] for shape in SPOKEN)
    assert all(0.9 * wanted[shape] < after[shape] < 1.15 * wanted[shape] for shape in SPOKEN)
    assert all(1.0 < report.raised[shape] <= MOST_SPOKEN for shape in SPOKEN)


def test_a_face_that_shows_enough_stays(source: Face) -> None:
    face, report = with_visible_emotions(source, REPORT, source)
    np.testing.assert_array_equal(face.basis, source.basis)
    assert (report.raised, report.visible) == ({}, 1.0)


def test_an_artists_shapes_are_measured_and_stay(source: Face, faint: Face) -> None:
    own = replace(REPORT, way="blend shapes", own_shapes=ARKIT_52)
    face, report = with_visible_emotions(faint, own, source)
    assert face is faint
    assert report.raised == {}
    assert report.visible is not None
    assert report.visible < 0.75


def test_a_smaller_strength_is_kept(source: Face) -> None:
    weak = replace(source, basis=(0.4 * source.basis).astype(np.float32))
    face, report = with_visible_emotions(weak, REPORT, source, strength=0.4)
    wanted, shown = visible_changes(source), visible_changes(face)
    assert all(shown[emotion] < 0.75 * wanted[emotion] for emotion in EMOTIONS)
    assert max(report.raised.values(), default=1.0) < 1.5


@pytest.mark.slow
def test_folds_hold_the_factors_back(source: Face, faint: Face) -> None:
    """Where brows that rise turn a patch of the forehead over, nothing may be raised that far."""
    assert faint.landmarks is not None
    row = faint.shape_index["browInnerUp"]
    marks = faint.mesh.vertices[faint.landmarks]
    middle = 0.5 * (marks[21] + marks[22]) + np.array([0.0, 0.01, 0.0], np.float32)
    near = faint.regions["skin"] & (np.linalg.norm(faint.mesh.vertices - middle, axis=1) < 0.03)
    basis = faint.basis.copy()
    above = faint.mesh.vertices[near, 1:2] - middle[1]
    basis[row, near, 1:2] -= 1.05 * above  # at a weight near 1 the patch is turned upside down
    torn = replace(faint, basis=basis)
    face, _ = with_visible_emotions(torn, REPORT, source)
    before = {e: folds for e, (_, folds) in changes_and_folds(torn, EMOTIONS).items()}
    after = {e: folds for e, (_, folds) in changes_and_folds(face, EMOTIONS).items()}
    free, _ = with_visible_emotions(faint, REPORT, source)
    size = {f: float(np.abs(f.basis[row]).sum() / np.abs(g.basis[row]).sum()) for f, g in ((face, torn), (free, faint))}
    assert size[face] < 0.9 * size[free]
    assert all(after[e] <= before[e] + 4 for e in EMOTIONS)
