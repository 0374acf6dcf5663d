"""The tongue's shapes: where they take it, and that no part of it goes through teeth or gums."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import cKDTree

from sedtalker.face.builtin import load_face
from sedtalker.face.builtin.parts import TONGUE_SHAPES
from sedtalker.face.completion import with_mouth
from sedtalker.face.face import Face, pose
from tests.support.mouths import REPORT, without
from tests.support.tongues import depth_in_teeth

MM = 1e3
STEPS = (0.15, 0.3, 0.5, 0.7, 0.85, 1.0)


@pytest.fixture(scope="module")
def face() -> Face:
    return load_face()


def posed(face: Face, **weights: float) -> np.ndarray:
    return face.deform(pose(face, weights)[None])[0]


@pytest.mark.parametrize("name", TONGUE_SHAPES)
def test_nothing_but_the_tongue_moves(face: Face, name: str) -> None:
    moved = np.abs(posed(face, **{name: 1.0, "jawOpen": 0.4}) - posed(face, jawOpen=0.4)).max(axis=1) > 0.0
    assert moved[face.regions["tongue"]].any()
    assert not moved[~face.regions["tongue"]].any()


@pytest.mark.parametrize("jaw", [0.0, 0.15, 0.35, 0.6])
@pytest.mark.parametrize("name", ["tongueTipAlveolar", "tongueBackDorsalVelar"])
def test_it_goes_through_no_tooth_however_far_the_jaw_opens(face: Face, name: str, jaw: float) -> None:
    assert max(depth_in_teeth(face, {name: step, "jawOpen": jaw}) for step in STEPS) < 0.1


@pytest.mark.parametrize("jaw", [0.13, 0.2, 0.4])
def test_between_teeth_that_are_apart_it_touches_none(face: Face, jaw: float) -> None:
    depths = [depth_in_teeth(face, {"tongueTipInterdental": step, "jawOpen": jaw}) for step in STEPS]
    assert max(depths) < 0.1


@pytest.mark.parametrize("name", ["builtin", "walter", "random-3"])
def test_coming_out_it_rises_over_the_lower_teeth(name: str) -> None:
    face = load_face(name)
    assert max(depth_in_teeth(face, {"tongueOut": step}) for step in (0.05, 0.1, 0.2, *STEPS)) < 0.5


@pytest.mark.parametrize("jaw", [0.0, 0.2, 0.5])
def test_the_tip_is_at_the_ridge_behind_the_upper_teeth(face: Face, jaw: float) -> None:
    points = posed(face, tongueTipAlveolar=1.0, jawOpen=jaw)
    ridge = cKDTree(points[face.regions["upper_teeth"] | face.regions["gums"]])
    tip = face.mesh.vertices[:, 2] >= np.sort(face.mesh.vertices[face.regions["tongue"], 2])[-8]
    away = ridge.query(points[tip & face.regions["tongue"]])[0]
    assert MM * away.min() < 3.0
    assert (points[tip & face.regions["tongue"], 1] > points[face.regions["upper_teeth"], 1].min()).any()


def test_on_th_the_tip_is_seen_between_the_teeth(face: Face) -> None:
    points = posed(face, tongueTipInterdental=1.0, jawOpen=0.15)
    tongue, upper, lower = (points[face.regions[name]] for name in ("tongue", "upper_teeth", "lower_teeth"))
    front = tongue[tongue[:, 2] > min(upper[:, 2].max(), lower[:, 2].max())]
    middle = np.abs(front[:, 0]) < 0.01
    assert middle.any()
    assert front[middle, 1].max() < upper[np.abs(upper[:, 0]) < 0.01, 1].min() + 1e-4
    assert front[middle, 1].min() > lower[np.abs(lower[:, 0]) < 0.01, 1].max() - 1e-3


def test_its_back_rises_and_its_tip_does_not(face: Face) -> None:
    rise = (posed(face, tongueBackDorsalVelar=1.0) - face.mesh.vertices)[face.regions["tongue"], 1]
    depth = face.mesh.vertices[face.regions["tongue"], 2]
    assert MM * rise[np.abs(depth - 0.06) < 0.004].max() > 8.0
    assert MM * rise[depth > 0.092].max() <= 0.0


def test_the_tip_stays_at_the_ridge_while_the_jaw_opens(face: Face) -> None:
    tip = np.flatnonzero(face.regions["tongue"])[-1]
    places = [posed(face, tongueTipAlveolar=1.0, jawOpen=jaw)[tip] for jaw in (0.0, 0.2, 0.4, 0.8)]
    assert max(np.abs(a - b).max() for a, b in pairwise(places)) < 1e-4


@pytest.mark.slow
def test_a_fitted_mouth_speaks_with_it_too(face: Face) -> None:
    inside = ("teeth_upper", "teeth_lower", "gums", "tongue")
    fitted, *_ = with_mouth(without(load_face("walter"), inside, bag=False), REPORT, face)
    assert fitted.regions["tongue"].any()
    for weights in ({"tongueTipAlveolar": 1.0, "jawOpen": 0.3}, {"tongueTipInterdental": 1.0, "jawOpen": 0.25}):
        assert depth_in_teeth(fitted, weights) < 0.4, weights
        moved = np.abs(posed(fitted, **weights) - posed(fitted, jawOpen=weights["jawOpen"])).max(axis=1) > 1e-6
        assert moved[fitted.regions["tongue"]].any()
        assert not moved[~fitted.regions["tongue"]].any()
