"""Shapes move as far as suits a face, no farther than the user says, and what must meet still meets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.builtin.parts import GAZE_ANGLES
from sedtalker.face.expressions import SHUT, asymmetry, distances, eye_opening, sizes, with_expressiveness
from sedtalker.face.face import Face
from sedtalker.face.quality import turned_share
from sedtalker.face.registration.parts import abduction, prepare, prepare_source
from sedtalker.face.shape_scaling import (
    FAINT,
    FOLDED,
    LEAST_GAZE,
    MOST_GAZE,
    MOST_RAISED,
    OWN_FOLDED,
    REGIONS,
    bounded,
    proportions,
    region_of,
    with_scaled_shapes,
)
from sedtalker.mesh.surface import closest_spots, weld
from tests.support.mouths import REPORT

MEETING = ("jaw", "mouthClose", "mouthPress", "mouthRollLower", "eyeBlink", "eyeLook", "tongue", "mouthPucker")


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


def test_what_must_meet_is_never_scaled(source: Face) -> None:
    face, report = with_scaled_shapes(source, REPORT, source, 1.7)
    for name in ARKIT_52:
        if name.startswith(MEETING):
            assert region_of(name) is None
            np.testing.assert_array_equal(face.basis[face.shape_index[name]], source.basis[face.shape_index[name]])
    assert set(report.gains) == {*REGIONS, "gaze"}
    assert report.gains["gaze"] == 1.0


@settings(max_examples=8)
@given(st.floats(0.3, 1.0))
def test_strength_scales_every_expression_alike(strength: float) -> None:
    source = load_face()
    full, _ = with_scaled_shapes(source, REPORT, source)
    weak, _ = with_scaled_shapes(source, REPORT, source, strength)
    for name in ("browInnerUp", "mouthSmileLeft", "noseSneerRight", "eyeWideLeft"):
        row = source.shape_index[name]
        np.testing.assert_allclose(weak.basis[row], strength * full.basis[row], atol=1e-7)


def test_an_exact_face_stays_as_it_is(source: Face) -> None:
    face, report = with_scaled_shapes(source, replace(REPORT, way="exact"), source)
    assert face is source
    assert report.gains == {}


def test_faint_shapes_of_the_files_own_are_raised_to_be_seen(source: Face) -> None:
    faint = replace(source, basis=0.5 * source.basis)
    face, report = with_scaled_shapes(faint, replace(REPORT, way="blend shapes", own_shapes=ARKIT_52), source)
    row = source.shape_index["mouthSmileLeft"]
    assert report.gains["mouth"] == pytest.approx(min(2 * FAINT, MOST_RAISED), rel=0.01)
    np.testing.assert_allclose(face.basis[row], report.gains["mouth"] * faint.basis[row], atol=1e-6)
    strong, report = with_scaled_shapes(source, replace(REPORT, way="blend shapes", own_shapes=ARKIT_52), source)
    np.testing.assert_array_equal(strong.basis[row], source.basis[row])


def test_an_artists_shape_is_not_raised_until_the_skin_breaks(source: Face) -> None:
    left, right = (source.shape_index[f"cheekSquint{side}"] for side in ("Left", "Right"))
    faint = replace(source, basis=0.5 * source.basis)
    rest = source.mesh.vertices
    middle = rest[np.linalg.norm(source.basis[left], axis=1).argmax()]
    patch = np.linalg.norm(rest - middle, axis=1) < 0.015
    faint.basis[left, patch] = (rest[patch] - middle) * (-0.9, 0.0, 0.0)  # narrow at 1, turned over at 1.6
    before, raised = (turned_share(faint, factor * faint.basis[left]) for factor in (1.0, 1.6))
    assert before < OWN_FOLDED < 0.5 * raised < FOLDED
    face, report = with_scaled_shapes(faint, replace(REPORT, way="blend shapes", own_shapes=ARKIT_52), source)
    assert turned_share(face, face.basis[left]) <= before + OWN_FOLDED
    factors = [np.abs(face.basis[row]).max() / np.abs(faint.basis[row]).max() for row in (left, right)]
    assert factors[0] == pytest.approx(factors[1], abs=1e-6)  # both halves give way
    assert report.gains["cheeks"] == pytest.approx(factors[0], abs=1e-3)
    assert report.gains["mouth"] > 1.5


def test_proportions_are_those_of_the_head(source: Face) -> None:
    assert set(proportions(source, source).values()) == {1.0}
    assert source.landmarks is not None
    wide = source.mesh.vertices.copy()
    corners = source.landmarks[[48, 54]]
    wide[corners] += 0.2 * (wide[corners] - wide[corners].mean(axis=0))
    found = proportions(replace(source, mesh=source.mesh.with_vertices(wide)), source)
    assert found["mouth"] == pytest.approx(1.2, abs=0.01)
    assert set(found) == set(REGIONS)
    assert {found[region] for region in REGIONS if region != "mouth"} == {1.0}
    long = source.mesh.vertices.copy()
    long[source.landmarks[62], 1] -= 0.004
    assert proportions(replace(source, mesh=source.mesh.with_vertices(long)), source)["upper lip"] > 1.15


def test_a_factor_gives_way_where_it_folds_the_skin(source: Face) -> None:
    row = source.shape_index["mouthFrownLeft"]
    assert bounded(source, row, 0.5) == 0.5
    assert bounded(source, row, 1.2) == 1.2
    folding = source.basis.copy()
    folding[row] = source.mesh.vertices * (-0.9, 0.0, 0.0)  # half as far again, and left and right change places
    assert bounded(replace(source, basis=folding), row, 1.5) < 1.12


def angle_of(face: Face, shape: str, eye: np.ndarray) -> tuple[float, float]:
    """Degrees by which a shape turns an eyeball, and how much the ball grows by it."""
    rest = face.mesh.vertices[eye].astype(float)
    moved = rest + face.basis[face.shape_index[shape], eye]
    u, _, vt = np.linalg.svd((moved - moved.mean(0)).T @ (rest - rest.mean(0)))
    turn = np.degrees(np.arccos((np.trace(u @ vt) - 1.0) / 2.0))
    return float(turn), float(np.ptp(moved, axis=0).max() / np.ptp(rest, axis=0).max())


@pytest.mark.parametrize("name", ["builtin", "mei", "pip"])
@pytest.mark.parametrize("beside", [-0.003, 0.0, 0.003])
def test_eyes_have_room_as_they_turn_wherever_the_detector_sees_the_corners_of_the_lids(
    name: str, beside: float
) -> None:
    face = load_face(name)
    head = prepare_source(face)
    marks = head.landmarks.copy()
    marks[[36, 45], 0] += (-beside, beside)  # metres that both outer corners lie too far out
    triangles = closest_spots(head.points, head.triangles, marks)[1]
    room = abduction(prepare(weld(face.mesh), head.points, marks, triangles, np.ones(68)))
    assert room == pytest.approx(GAZE_ANGLES["eyeLookOutLeft"][1], abs=1.0)


def test_skin_before_the_balls_leaves_no_room(source: Face) -> None:
    head = prepare_source(source)
    shut = head.points.copy()
    for side in ("Left", "Right"):
        shut += source.basis[source.shape_index[f"eyeBlink{side}"], head.vertex]
    assert abduction(replace(head, points=shut)) is None


@pytest.mark.parametrize(("room", "share"), [(16.0, 0.5), (32.0, 1.0), (5.0, LEAST_GAZE), (80.0, MOST_GAZE)])
def test_eyes_turn_as_far_as_they_have_room(source: Face, room: float, share: float) -> None:
    face, report = with_scaled_shapes(source, replace(REPORT, abduction=room), source)
    assert report.gains["gaze"] == pytest.approx(share, abs=0.01)
    left = source.regions["eyes"] & (source.mesh.vertices[:, 0] > 0)
    for shape in ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookUpLeft", "eyeLookDownLeft"):
        before, after = (angle_of(one, shape, left) for one in (source, face))
        assert after[0] == pytest.approx(share * before[0], abs=0.3)
        assert after[1] == pytest.approx(1.0, abs=0.02)
        lids = source.regions["eyelids"]
        row = source.shape_index[shape]
        np.testing.assert_allclose(face.basis[row, lids], share * source.basis[row, lids], atol=2e-5)


def test_a_gaze_of_the_files_own_stays(source: Face) -> None:
    report = replace(REPORT, way="blend shapes", own_shapes=ARKIT_52, abduction=16.0)
    face, _ = with_scaled_shapes(source, report, source)
    row = source.shape_index["eyeLookOutLeft"]
    np.testing.assert_array_equal(face.basis[row], source.basis[row])


@pytest.mark.parametrize("strength", [0.0, 0.29, 2.1, float("nan")])
def test_a_strength_out_of_range_is_refused(source: Face, strength: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        with_scaled_shapes(source, REPORT, source, strength)


def test_a_face_is_as_expressive_as_itself(source: Face) -> None:
    own = with_expressiveness(source, REPORT, source)
    assert (own.distinct, own.motion_size) == (1.0, 1.0)
    assert own.asymmetry < 1e-6
    assert all(value > 0.02 for value in distances(source).values())


def test_shut_eyes_and_still_brows_make_emotions_alike(source: Face) -> None:
    basis = source.basis.copy()
    for name in ARKIT_52:
        if name.startswith(("brow", "eye", "mouthFrown", "mouthStretch", "mouthShrug")):
            basis[source.shape_index[name]] = 0.0
    shown = with_expressiveness(replace(source, basis=basis), REPORT, source)
    assert shown.distinct < 0.3
    assert "sad" in shown.alike


def test_shut_eyes_are_told_from_open_ones(source: Face) -> None:
    blink = sum(source.basis[source.shape_index[f"eyeBlink{side}"]] for side in ("Left", "Right"))
    shut = replace(source, mesh=source.mesh.with_vertices((source.mesh.vertices + blink).astype(np.float32)))
    assert eye_opening(source) > 2 * SHUT
    assert eye_opening(shut) < SHUT


def test_one_still_half_is_asymmetric(source: Face) -> None:
    basis = source.basis.copy()
    for name in ARKIT_52:
        if name.endswith("Right"):
            basis[source.shape_index[name]] *= 0.25
    assert asymmetry(sizes(replace(source, basis=basis))) == pytest.approx(0.6, abs=0.05)
