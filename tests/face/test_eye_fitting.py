"""Heads without eyeballs get some, and only these; what is the user's stays as it is, and the gaze works."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.eye_fitting import with_eyes
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.fitting import FitOptions
from sedtalker.face.mouth_interior import mouth_of
from sedtalker.mesh.mesh import from_triangles
from sedtalker.mesh.rasteriser import View, rasterise, turn
from tests.support.mouths import REPORT, without

BLIND = replace(REPORT, eyeballs=(False, False), warnings=("no separate eyeballs found: the gaze cannot move",))
EYES = ("eye_right", "eye_left")


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def bare() -> Face:
    """Lids that open onto empty sockets."""
    face = without(load_face("walter"), EYES)
    return replace(face, regions={name: mask for name, mask in face.regions.items() if name != "eyes"})


@pytest.fixture(scope="module")
def given(bare: Face, source: Face) -> tuple[Face, RegistrationReport]:
    return with_eyes(bare, BLIND, source)


def moved(face: Face, weights: dict[str, float]) -> np.ndarray:
    coefficients = np.zeros((1, len(face.shapes)), np.float32)
    for name, weight in weights.items():
        coefficients[0, face.shape_index[name]] = weight
    return face.deform(coefficients)[0]


def seen_balls(face: Face, weights: dict[str, float], yaw: float = 0.0) -> int:
    """Pixels of a close view, some degrees from straight ahead, that show an eyeball."""
    assert face.landmarks is not None
    middle = face.mesh.vertices[face.landmarks[36:48]].mean(axis=0).astype(np.float64)
    ids, _ = rasterise(View(turn(yaw, 0.0), middle, 0.06).project(moved(face, weights)), face.mesh.triangles, 400)
    balls = face.regions["eyes"][face.mesh.triangles].all(axis=1)
    return int(balls[ids[ids >= 0]].sum())


def test_empty_sockets_get_balls_after_the_files_own_vertices(
    bare: Face, given: tuple[Face, RegistrationReport]
) -> None:
    face, report = given
    count, corners = len(bare.mesh.vertices), len(bare.mesh.polygon_vertices)
    np.testing.assert_array_equal(face.mesh.vertices[:count], bare.mesh.vertices)
    np.testing.assert_array_equal(face.mesh.polygon_vertices[:corners], bare.mesh.polygon_vertices)
    assert report.eyeballs == (True, True)
    assert report.added_parts == ("eyeballs",)
    assert report.added_vertices == len(face.mesh.vertices) - count > 0
    assert len(report.warnings) == 1
    assert f"{report.added_vertices} vertices" in report.warnings[0]
    assert face.mesh.group_names[-2:] == EYES
    assert not face.regions["eyes"][:count].any()
    assert face.regions["eyes"][count:].all()


def test_the_balls_lie_where_the_head_had_its_own(given: tuple[Face, RegistrationReport]) -> None:
    whole = mouth_of(without(load_face("walter"), ())).head.eyes
    placed = mouth_of(given[0]).head.eyes
    assert set(placed) == set(whole)
    for role, ball in whole.items():
        assert np.linalg.norm(placed[role].centre - ball.centre) < 0.0025
        assert placed[role].radius == pytest.approx(ball.radius, rel=0.15)


def test_they_fill_open_eyes_turn_with_the_gaze_and_vanish_in_a_blink(given: tuple[Face, RegistrationReport]) -> None:
    face, _ = given
    open_eyes = seen_balls(face, {})
    assert open_eyes > 0.8 * seen_balls(without(load_face("walter"), ()), {})
    assert seen_balls(face, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}) < 0.02 * open_eyes
    ball = face.regions["eyes"] & (face.mesh.vertices[:, 0] > 0)
    turned = moved(face, {"eyeLookOutLeft": 1.0})[ball] - face.mesh.vertices[ball]
    front = face.mesh.vertices[ball, 2] > np.quantile(face.mesh.vertices[ball, 2], 0.9)
    assert turned[front, 0].mean() > 0.004  # to the subject's left


@pytest.mark.parametrize("yaw", [-30.0, 30.0])
def test_lids_close_over_them_from_the_side(given: tuple[Face, RegistrationReport], yaw: float) -> None:
    shut = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
    assert seen_balls(given[0], shut, yaw) < 0.02 * seen_balls(given[0], {}, yaw)


def test_the_same_each_time(bare: Face, source: Face, given: tuple[Face, RegistrationReport]) -> None:
    again, _ = with_eyes(bare, BLIND, source)
    np.testing.assert_array_equal(again.mesh.vertices, given[0].mesh.vertices)
    np.testing.assert_array_equal(again.basis, given[0].basis)


def test_nothing_is_added_when_it_is_not_wanted_or_there_are_balls(bare: Face, source: Face) -> None:
    assert with_eyes(bare, BLIND, source, "keep") == (bare, BLIND)
    whole = without(load_face("walter"), ())
    assert with_eyes(whole, REPORT, source) == (whole, REPORT)
    sealed = replace(BLIND, eyes_found=(False, False))
    assert with_eyes(bare, sealed, source) == (bare, sealed)


def test_only_the_side_without_a_ball_gets_one(source: Face) -> None:
    one_eyed = without(load_face("walter"), ("eye_left",))
    face, report = with_eyes(one_eyed, replace(REPORT, eyeballs=(True, False)), source)
    assert report.eyeballs == (True, True)
    assert "left lids" in report.warnings[0]
    assert (face.mesh.vertices[len(one_eyed.mesh.vertices) :, 0] > 0).all()


@pytest.fixture(scope="module")
def flat(bare: Face) -> Face:
    """A disc of its own behind each pair of lids."""
    whole = mouth_of(without(load_face("walter"), ())).head.eyes
    around = np.linspace(0, 2 * np.pi, 33)[:-1]
    vertices, triangles = [bare.mesh.vertices], [bare.mesh.triangles]
    for ball in whole.values():
        ring = np.stack([np.cos(around), np.sin(around), np.zeros(32)], axis=1) * 0.95 * ball.radius
        start = sum(map(len, vertices))
        vertices.append((ball.centre + (0, 0, 0.55 * ball.radius) + np.concatenate([[[0, 0, 0]], ring])).astype("f4"))
        fan = np.stack([np.zeros(32), 1 + np.arange(32), 1 + (np.arange(32) + 1) % 32], axis=1)
        triangles.append((start + fan).astype(np.int32))
    mesh = from_triangles(np.concatenate(vertices), np.concatenate(triangles))
    more = len(mesh.vertices) - len(bare.mesh.vertices)
    return replace(
        bare,
        mesh=mesh,
        basis=np.pad(bare.basis, ((0, 0), (0, more), (0, 0))),
        regions={name: np.pad(mask, (0, more)) for name, mask in bare.regions.items()},
    )


def test_flat_eyes_stay_unless_balls_are_asked_for(flat: Face, source: Face) -> None:
    face, report = with_eyes(flat, BLIND, source)
    assert face is flat
    assert report.eyeballs == (False, False)
    assert sum("--eyes add" in line for line in report.warnings) == 2
    face, report = with_eyes(flat, BLIND, source, "add")
    assert report.eyeballs == (True, True)
    assert seen_balls(face, {}) > 1000


def test_an_eye_of_its_own_that_was_not_taken_for_a_ball_stays(source: Face) -> None:
    whole = without(load_face("walter"), ())
    face, report = with_eyes(whole, BLIND, source, "auto")
    assert face is whole
    assert not any(report.eyeballs)


def test_unknown_eyes_are_refused() -> None:
    with pytest.raises(InputError, match="--eyes big: use one of auto, keep, add"):
        FitOptions(eyes="big")
