"""Heads whose lids open onto nothing get eyeballs, and only these; what is the user's stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sedtalker.face.builtin import load_face
from sedtalker.face.eye_fitting import GROUPS, with_eyes
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.registration.parts import fit_sphere
from sedtalker.mesh.rasteriser import View, rasterise, turn
from tests.support.mouths import REPORT, without

WARNING = "no separate eyeballs found: the gaze cannot move"
EYELESS = replace(REPORT, eyeballs=(False, False), warnings=(WARNING,))


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module", params=["walter", "amara"])
def bare(request: pytest.FixtureRequest) -> Face:
    """Lids that open onto the inside of the skull."""
    return without(load_face(request.param), GROUPS)


@pytest.fixture(scope="module")
def given(bare: Face, source: Face) -> tuple[Face, RegistrationReport]:
    return with_eyes(bare, EYELESS, source)


def ball(face: Face, group: str) -> NDArray[np.float64]:
    """Vertices of an eyeball."""
    mesh = face.mesh
    assert mesh.polygon_groups is not None
    mine = (mesh.polygon_groups == mesh.group_names.index(group))[mesh.triangle_polygons]
    return mesh.vertices[np.unique(mesh.triangles[mine])].astype(np.float64)


def seen(bare: Face, face: Face, yaw: float = 0.0, **weights: float) -> int:
    """Pixels of the added eyeballs, some degrees from the front."""
    coefficients = np.zeros((1, len(face.shapes)), np.float32)
    for name, weight in weights.items():
        for side in ("Left", "Right"):
            coefficients[0, face.shape_index[name + side]] = weight
    assert face.landmarks is not None
    middle = face.mesh.vertices[face.landmarks[36:48]].mean(0).astype(np.float64)
    moved = face.mesh.vertices + np.tensordot(face.expand(coefficients)[0], face.basis, 1)
    ids, _ = rasterise(View(turn(yaw, 0.0), middle, 0.06).project(moved), face.mesh.triangles, 400)
    return int((ids >= len(bare.mesh.triangles)).sum())


def test_eyeballs_come_after_the_files_own(bare: Face, given: tuple[Face, RegistrationReport], source: Face) -> None:
    face, report = given
    count, polygons = len(bare.mesh.vertices), len(bare.mesh.polygon_sizes)
    np.testing.assert_array_equal(face.mesh.vertices[:count], bare.mesh.vertices)
    np.testing.assert_array_equal(face.mesh.polygon_vertices[: 3 * polygons], bare.mesh.polygon_vertices)
    np.testing.assert_array_equal(face.basis[:, :count], bare.basis)
    assert report.eyeballs == (True, True)
    assert report.added_parts == ("right eyeball", "left eyeball")
    assert report.added_vertices == len(face.mesh.vertices) - count
    assert WARNING not in report.warnings
    assert f"{report.added_vertices} vertices" in report.warnings[-1]
    assert face.regions["eyes"].sum() == report.added_vertices
    np.testing.assert_array_equal(face.mesh.vertices, with_eyes(bare, EYELESS, source)[0].mesh.vertices)


@pytest.mark.parametrize("name", ["walter", "amara"])
def test_they_lie_where_eyes_were(name: str, source: Face) -> None:
    whole = load_face(name)
    face, _ = with_eyes(without(whole, GROUPS), EYELESS, source)
    for group in GROUPS:
        (centre, radius), (wanted, size) = fit_sphere(ball(face, group)), fit_sphere(ball(whole, group))
        assert radius == pytest.approx(size, rel=0.05)
        assert np.abs(centre - wanted)[:2].max() < 0.0015
        assert -0.004 < centre[2] - wanted[2] < 0.0005  # a little behind the lids, never through them


def test_lids_close_over_them(bare: Face, given: tuple[Face, RegistrationReport]) -> None:
    face, _ = given
    for yaw in (-30.0, 0.0, 30.0):
        assert seen(bare, face, yaw) > 1500
        assert seen(bare, face, yaw, eyeBlink=1.0) < 0.02 * seen(bare, face, yaw)


def test_they_look_about(bare: Face, given: tuple[Face, RegistrationReport]) -> None:
    face, _ = given
    first = len(bare.mesh.vertices)
    for side, shape in (("eye_left", "eyeLookOutLeft"), ("eye_right", "eyeLookInRight")):
        points, centre = ball(face, side), fit_sphere(ball(face, side))[0]
        mine = np.isin(face.mesh.vertices[first:], points.astype(np.float32)).all(axis=1)
        offset = face.basis[face.shape_index[shape], first:]
        pupil = np.argmax(points[:, 2])
        assert offset[mine][pupil][0] > 0.003  # towards the subject's left
        assert not offset[~mine].any()
        away = np.linalg.norm(points + offset[mine] - centre, axis=1) / np.linalg.norm(points - centre, axis=1)
        assert np.percentile(np.abs(away - 1.0), 95) < 0.2  # a turn, as far as straight paths can make one
    assert not face.basis[face.shape_index["jawOpen"], first:].any()


def test_one_eye_may_be_missing(source: Face) -> None:
    bare = without(load_face("walter"), ("eye_left",))
    face, report = with_eyes(bare, replace(REPORT, eyeballs=(True, False)), source)
    assert report.added_parts == ("left eyeball",)
    assert "no left eyeball" in report.warnings[-1]
    assert ball(face, "eye_left")[:, 0].min() > 0.0


def test_nothing_is_added_unasked_or_behind_shut_lids(bare: Face, source: Face) -> None:
    shut = replace(EYELESS, eyes_found=(False, False))
    for report, wanted in ((EYELESS, "keep"), (REPORT, "auto"), (shut, "auto")):
        face, told = with_eyes(bare, report, source, wanted)
        assert face is bare
        assert told == report
