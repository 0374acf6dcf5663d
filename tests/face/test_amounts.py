"""Shapes move as far as suits a face, no farther than the user says, and what must meet still meets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.face.amounts import FAINT, MOST_RAISED, bounded, proportions, region_of, with_right_amount
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.expressions import SHUT, asymmetry, distances, expressiveness, eye_opening, sizes
from sedtalker.face.face import Face
from tests.support.mouths import REPORT

MEETING = ("jaw", "mouthClose", "mouthPress", "mouthRollLower", "eyeBlink", "eyeLook", "tongue", "mouthPucker")


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


def test_what_must_meet_is_never_scaled(source: Face) -> None:
    face, report = with_right_amount(source, REPORT, source, 1.7)
    for name in ARKIT_52:
        if name.startswith(MEETING):
            assert region_of(name) is None
            np.testing.assert_array_equal(face.basis[face.shape_index[name]], source.basis[face.shape_index[name]])
    assert set(report.gains) == {"brows", "eyes", "nose", "mouth"}


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 1.0))
def test_strength_scales_every_expression_alike(strength: float) -> None:
    source = load_face()
    full, _ = with_right_amount(source, REPORT, source)
    weak, _ = with_right_amount(source, REPORT, source, strength)
    for name in ("browInnerUp", "mouthSmileLeft", "noseSneerRight", "eyeWideLeft"):
        row = source.shape_index[name]
        np.testing.assert_allclose(weak.basis[row], strength * full.basis[row], atol=1e-7)


def test_an_exact_face_stays_as_it_is(source: Face) -> None:
    face, report = with_right_amount(source, replace(REPORT, way="exact"), source)
    assert face is source
    assert report.gains == {}


def test_faint_shapes_of_the_files_own_are_raised_to_be_seen(source: Face) -> None:
    faint = replace(source, basis=0.5 * source.basis)
    face, report = with_right_amount(faint, replace(REPORT, way="blend shapes", own_shapes=ARKIT_52), source)
    row = source.shape_index["mouthSmileLeft"]
    assert report.gains["mouth"] == pytest.approx(min(2 * FAINT, MOST_RAISED), rel=0.01)
    np.testing.assert_allclose(face.basis[row], report.gains["mouth"] * faint.basis[row], atol=1e-6)
    strong, report = with_right_amount(source, replace(REPORT, way="blend shapes", own_shapes=ARKIT_52), source)
    np.testing.assert_array_equal(strong.basis[row], source.basis[row])


def test_proportions_are_those_of_the_head(source: Face) -> None:
    assert set(proportions(source, source).values()) == {1.0}
    assert source.landmarks is not None
    wide = source.mesh.vertices.copy()
    corners = source.landmarks[[48, 54]]
    wide[corners] += 0.2 * (wide[corners] - wide[corners].mean(axis=0))
    found = proportions(replace(source, mesh=source.mesh.with_vertices(wide)), source)
    assert found["mouth"] == pytest.approx(1.2, abs=0.01)
    assert found["brows"] == 1.0


def test_a_factor_gives_way_where_it_folds_the_skin(source: Face) -> None:
    row = source.shape_index["mouthFrownLeft"]
    assert bounded(source, row, 0.5) == 0.5
    assert bounded(source, row, 1.2) == 1.2
    folding = source.basis.copy()
    folding[row] = source.mesh.vertices * (-0.9, 0.0, 0.0)  # half as far again, and left and right change places
    assert bounded(replace(source, basis=folding), row, 1.5) < 1.12


@pytest.mark.parametrize("strength", [0.0, 0.29, 2.1, float("nan")])
def test_a_strength_out_of_range_is_refused(source: Face, strength: float) -> None:
    with pytest.raises(InputError, match="out of range"):
        with_right_amount(source, REPORT, source, strength)


def test_a_face_is_as_expressive_as_itself(source: Face) -> None:
    own = expressiveness(source, source)
    assert (own.distinct, own.size) == (1.0, 1.0)
    assert own.asymmetry < 1e-6
    assert all(value > 0.02 for value in distances(source).values())


def test_shut_eyes_and_still_brows_make_emotions_alike(source: Face) -> None:
    basis = source.basis.copy()
    for name in ARKIT_52:
        if name.startswith(("brow", "eye", "mouthFrown", "mouthStretch", "mouthShrug")):
            basis[source.shape_index[name]] = 0.0
    shown = expressiveness(replace(source, basis=basis), source)
    assert shown.distinct < 0.3
    assert "sad" in shown.pair


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
