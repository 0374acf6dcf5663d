"""Heads without a mouth get one, and only these; what is the user's stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.face.builtin import load_face
from sedtalker.face.completion import EMPTY, what_is_missing, with_mouth
from sedtalker.face.face import Face
from sedtalker.face.mouth_interior import (
    LIPS_END,
    OF_A_MOUTH,
    Opening,
    kinds_of,
    look_into_mouth,
    mouth_of,
    outward_triangles,
)
from sedtalker.mesh.mesh import from_triangles
from sedtalker.mesh.rasteriser import View, rasterise, turn
from tests.support.mouths import REPORT, without

INSIDE = ("teeth_upper", "teeth_lower", "gums", "tongue")


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def bare() -> Face:
    """Lips that open onto the inside of the skull."""
    return without(load_face("walter"), INSIDE, bag=False)


@pytest.fixture(scope="module")
def given(bare: Face, source: Face) -> Face:
    face, _, _ = with_mouth(bare, REPORT, source)
    return face


def test_lips_that_open_onto_the_skull_are_told_from_a_mouth(bare: Face) -> None:
    opening = look_into_mouth(bare)
    assert opening.contents[0] == "the back of the head"
    assert opening.mouth < 0.3
    whole = look_into_mouth(without(load_face("walter"), ()))
    assert whole.mouth == pytest.approx(1.0)
    assert "tongue" in whole.contents


def test_a_bare_head_gets_a_mouth_after_its_own_vertices(bare: Face, source: Face, given: Face) -> None:
    face, report, _ = with_mouth(bare, REPORT, source)
    count, polygons = len(bare.mesh.vertices), len(bare.mesh.polygon_sizes)
    np.testing.assert_array_equal(face.mesh.vertices[:count], bare.mesh.vertices)
    np.testing.assert_array_equal(face.mesh.polygon_sizes[:polygons], bare.mesh.polygon_sizes)
    np.testing.assert_array_equal(face.mesh.polygon_vertices[: 3 * polygons], bare.mesh.polygon_vertices)
    np.testing.assert_array_equal(face.basis[:, :count], bare.basis)
    assert report.added_parts == ("bag", "teeth", "tongue")
    assert report.added_vertices == len(face.mesh.vertices) - count
    assert report.mouth_share == pytest.approx(1.0)
    assert any(f"{report.added_vertices} vertices" in warning for warning in report.warnings)
    np.testing.assert_array_equal(face.mesh.vertices, given.mesh.vertices)  # the same each time
    np.testing.assert_array_equal(face.basis, given.basis)


@pytest.mark.parametrize("weights", [{"jawOpen": 1.0}, {"jawOpen": 0.3, "mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}])
def test_an_added_mouth_is_all_that_is_seen_between_the_lips(given: Face, weights: dict[str, float]) -> None:
    assert look_into_mouth(given, weights=weights).mouth == pytest.approx(1.0, abs=0.01)


def test_nothing_of_it_is_seen_while_the_lips_are_closed(bare: Face, given: Face) -> None:
    assert given.landmarks is not None
    mouth = given.mesh.vertices[given.landmarks[48:60]].mean(axis=0).astype(np.float64)
    first = len(bare.mesh.polygon_sizes)
    for yaw, pitch in ((0, 0), (-45, 0), (45, 0), (0, 20)):
        ids, _ = rasterise(View(turn(yaw, pitch), mouth, 0.07).project(given.mesh.vertices), given.mesh.triangles, 300)
        assert (ids >= first).mean() < 2e-4


def test_lower_teeth_and_tongue_go_with_the_jaw(given: Face) -> None:
    jaw = given.basis[given.shape_index["jawOpen"]]
    assert given.landmarks is not None
    chin = jaw[given.landmarks[8], 1]
    assert jaw[given.regions["lower_teeth"], 1].mean() == pytest.approx(chin, rel=0.35)
    assert np.abs(jaw[given.regions["upper_teeth"]]).max() < 0.002


def test_a_mouth_open_at_rest_gets_its_inside_opened(source: Face) -> None:
    ajar = without(load_face("walter"), INSIDE, bag=False, jaw=0.25)
    face, report, _ = with_mouth(ajar, REPORT, source)
    assert report.mouth_share == pytest.approx(1.0, abs=0.01)
    teeth = face.mesh.vertices[face.regions["upper_teeth"], 1].min(), face.mesh.vertices[face.regions["lower_teeth"], 1]
    assert teeth[0] - teeth[1].max() > 0.003


def test_a_bag_without_teeth_keeps_its_bag(source: Face) -> None:
    face, report, _ = with_mouth(without(load_face("walter"), INSIDE), REPORT, source)
    assert report.added_parts == ("teeth", "tongue")
    assert "mouth_socket" not in face.mesh.group_names
    assert face.regions["mouth_socket"].any()  # the file's own, which renders dark


@pytest.mark.parametrize(("wanted", "said"), [("keep", 1), ("none", 0)])
def test_nothing_is_added_unasked(bare: Face, source: Face, wanted: str, said: int) -> None:
    face, report, _ = with_mouth(bare, REPORT, source, wanted)
    assert len(face.mesh.vertices) == len(bare.mesh.vertices)
    assert report.mouth_share is not None
    assert report.mouth_share < 0.3
    lines = [warning for warning in report.warnings if warning == EMPTY.format(what="the back of the head")]
    assert len(lines) == said


def test_whole_mouths_and_sealed_lips_are_left_alone(source: Face) -> None:
    whole = without(load_face("walter"), ())
    face, report, _ = with_mouth(whole, REPORT, source)
    assert (len(face.mesh.vertices), report.added_parts) == (len(whole.mesh.vertices), ())
    sealed, report, lips = with_mouth(whole, replace(REPORT, mouth_opens=False), source)
    assert (sealed, report.mouth_share, lips) == (whole, None, None)


def test_a_second_wall_behind_the_skin_is_no_mouth(bare: Face) -> None:
    mesh, count = bare.mesh, len(bare.mesh.vertices)
    wall = mesh.vertices - np.float32((0.0, 0.0, 0.004))
    skin = np.concatenate([mesh.triangles, mesh.triangles + count])
    double = replace(
        bare,
        mesh=from_triangles(np.concatenate([mesh.vertices, wall]), skin),
        basis=np.concatenate([bare.basis, np.zeros_like(bare.basis)], axis=1),
        regions={name: np.concatenate([mask, np.zeros(count, bool)]) for name, mask in bare.regions.items()},
    )
    opening = look_into_mouth(double)
    assert opening.mouth < 0.3
    assert not opening.has_bag


def test_a_lip_that_folds_is_not_the_back_of_the_head(bare: Face) -> None:
    mouth = mouth_of(bare)
    triangles = outward_triangles(mouth.head)
    from_behind = kinds_of(bare, mouth, triangles, np.full(len(triangles), -1.0))
    deep = mouth.behind(mouth.head.points)[triangles].mean(axis=1)
    skin = np.isin(triangles, mouth.head.skin_points).all(axis=1)
    shell = from_behind == len(OF_A_MOUTH)
    assert not shell[skin & (deep < LIPS_END)].any()
    assert shell[skin & (deep > 2 * LIPS_END)].all()


def test_a_wall_close_behind_the_lips_leaves_no_room_for_teeth(bare: Face) -> None:
    shares = {"bag": 1.0, "teeth": 0.0, "tongue": 0.0, "other pieces": 0.0, "the back of the head": 0.0, "nothing": 0.0}
    assert what_is_missing(bare, Opening(shares, 0.005)) == ()
    assert what_is_missing(bare, Opening(shares, 0.05)) == ("teeth", "tongue")


@pytest.mark.parametrize("jaw", [0.0, 0.12, 0.35])
def test_lips_are_found_however_far_they_are_apart_at_rest(jaw: float) -> None:
    lips = mouth_of(without(load_face("walter"), INSIDE, bag=False, jaw=jaw)).lips.line
    full = load_face("walter")
    assert full.landmarks is not None
    true = (
        jaw * full.basis[full.shape_index["jawOpen"]][full.landmarks[[62, 66]], 1]
        + full.mesh.vertices[full.landmarks[[62, 66]], 1]
    )
    assert lips.found
    middle = len(lips.upper) // 2
    assert (lips.upper - lips.lower)[middle, 1] == pytest.approx(true[0] - true[1], abs=0.002)
