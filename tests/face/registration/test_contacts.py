"""Lids and lips of few polygons still meet, closed lids lie outside the eyeball, and filling is one linear system."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import diags
from scipy.sparse.linalg import spsolve

from sedtalker.face.registration.alignment import Borders, Skin, resolution, tighten
from sedtalker.face.registration.contacts import OVERLAP, along_rim, clear_eyeball, dips, lift_hanging, smooth_lids
from sedtalker.face.registration.features import SAMPLES, Features, Line, without_corners
from sedtalker.face.registration.parts import Eyeball
from sedtalker.face.registration.shape_transfer import FILL, agreement, fill, mouth_corners, of_both_lips
from sedtalker.mesh.mesh import grid_triangles
from sedtalker.mesh.surface import laplacian, picks
from sedtalker.training.corpora.landmark_samples import sphere


def sheet(side: int, width: float, depth: float) -> Skin:
    """A flat square of ``side`` × ``side`` points that faces +Z, without a line or a landmark that matters."""
    x, y = np.meshgrid(np.linspace(-width, width, side), np.linspace(width, -width, side))
    points = np.stack([x.ravel(), y.ravel(), np.full(side * side, depth)], axis=1)
    triangles = grid_triangles(side, side)
    a, b, c = (points[triangles[0, k]] for k in range(3))
    if np.cross(b - a, c - a)[2] < 0:
        triangles = triangles[:, ::-1]
    line = Line(np.zeros((SAMPLES, 3)), np.zeros((SAMPLES, 3)), False)
    features = Features(np.zeros(len(points), np.int8), np.full(len(points), np.nan), line, (line, line))
    seen, bare = np.ones(len(triangles), bool), np.ones(len(points), bool)
    return Skin(points, np.ascontiguousarray(triangles), seen, bare, np.zeros((68, 3)), np.ones(68), features)


def coarse_borders(upper: int, lower: int) -> Borders:
    """Two straight borders, 3 cm long, whose samples hang on few points: ``upper`` and then ``lower`` ones."""
    at = np.linspace(0, 1, SAMPLES)
    line = np.stack([0.03 * at, np.zeros(SAMPLES), np.zeros(SAMPLES)], axis=1)
    matrices = []
    for count, start in ((upper, 0), (lower, upper)):
        first = np.minimum((at * (count - 1)).astype(int), count - 2)
        share = at * (count - 1) - first
        corners = start + np.stack([first, first + 1, first], axis=1)
        weights = np.stack([1 - share, share, np.zeros(SAMPLES)], axis=1)
        matrices.append(picks(corners.astype(np.int32), weights, upper + lower))
    return Borders(Line(line, line, True), *matrices)


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 10_000))
def test_borders_of_few_points_meet(upper: int, lower: int, seed: int) -> None:
    borders = coarse_borders(upper, lower)
    offset = np.random.default_rng(seed).normal(size=(upper + lower, 3)) * 0.003
    before = offset.copy()
    tighten(offset, borders, overlap=0.0, lower_effort=4.0)
    assert borders.opening(offset) < 0.0003
    assert np.array_equal(offset[:, [0, 2]], before[:, [0, 2]])  # up and down alone
    assert np.abs(offset - before).max() < 2.5 * np.abs(before[:, 1]).max()


@pytest.mark.parametrize("side", [4, 12])
def test_a_closed_lid_comes_to_lie_outside_the_eyeball(side: int) -> None:
    radius = 0.012
    ball = Eyeball(np.zeros(3), radius, radius * sphere(24)[0])
    skin = sheet(side, 0.009, 0.010)  # 2 mm of the ball stand through it
    offset = np.zeros_like(skin.points)
    clear_eyeball(offset, skin, ball, np.ones(len(offset)))
    assert dips(skin.points, skin.triangles, ball)[2].max() > 0.002
    assert dips(skin.points + offset, skin.triangles, ball)[2].max() < 0.0006
    assert np.linalg.norm(offset, axis=1).max() < 0.004


def test_no_point_of_a_closed_lid_hangs_over_the_lower_one() -> None:
    """Closed lids of MakeHuman's head were like a saw, whose teeth hung 1.8 mm."""
    skin, borders = sheet(12, 0.015, 0.0), coarse_borders(4, 4)
    line = borders.line
    count, nothing = len(skin.points), picks(np.zeros((SAMPLES, 3), np.int32), np.zeros((SAMPLES, 3)), 144)
    lids = Borders(Line(line.upper - (0.015, 0.0, 0.0), line.lower - (0.015, 0.003, 0.0), True), nothing, nothing)
    offset, share = np.zeros((count, 3)), (skin.points[:, 1] > 0.0).astype(float)
    offset[:, 1] = share * (np.random.default_rng(0).uniform(-0.002, 0.002, count) - 0.003 - skin.points[:, 1])
    before, heights = offset.copy(), skin.points[:, 1] + offset[:, 1]
    lift_hanging(offset, skin, lids, along_rim(lids.line.upper, skin.points), share)
    lifted = skin.points[:, 1] + offset[:, 1]
    fine = heights > -0.003 - 2 * OVERLAP
    assert lifted[share > 0.0].min() == pytest.approx(-0.003 - 2 * OVERLAP, abs=1e-9)
    assert np.array_equal(offset[fine | (share == 0.0)], before[fine | (share == 0.0)])
    assert np.array_equal(offset[:, [0, 2]], before[:, [0, 2]])


def test_places_at_a_corner_that_runs_back_follow_the_rim_in_depth() -> None:
    rim = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 0, -1], [2, 0, -2]], float)
    found = along_rim(rim, np.array([[0.5, 3, 0], [2.0, 1, 0.2], [2.1, 0, -1.5]]))
    assert found == pytest.approx([0.125, 0.5, 0.875], abs=0.01)


def test_torn_edges_are_not_trusted() -> None:
    """A strip that goes with the other side of a fold agrees with itself, so only its edges give it away."""
    skin = sheet(30, 0.05, 0.0)
    count, strip = len(skin.points), np.abs(skin.points[:, 0] - 0.01) < 0.003
    offsets = np.zeros((1, count, 3))
    offsets[0, :, 1] = 0.01
    sure = np.ones(count)
    assert agreement(offsets, skin.points, skin.triangles, sure).min() > 0.99
    offsets[0, strip, 1] = -0.02
    trusted = agreement(offsets, skin.points, skin.triangles, sure)
    assert (trusted[strip] == 0.0).all()
    assert (trusted[skin.points[:, 0] < 0.0] > 0.99).all()


def test_filling_is_what_the_whole_system_says() -> None:
    skin, rng = sheet(30, 0.05, 0.0), np.random.default_rng(2)
    count = len(skin.points)
    smooth = np.stack([np.sin(40 * skin.points[:, :1] * (k + 1)) * (0.001, 0.002, 0.003) for k in range(3)])
    confidence = np.where(rng.random(count) < 0.9, 0.98, 0.01)
    confidence[np.linalg.norm(skin.points, axis=1) < 0.02] = 0.0
    operator = laplacian(count, skin.triangles)
    matrix = (FILL * (operator.T @ operator) + diags(confidence + 1e-5)).tocsc()
    filled = smooth.copy()
    fill(filled, confidence, np.ones(count, bool), skin)
    for k in range(3):
        whole = np.stack([spsolve(matrix, confidence * smooth[k, :, axis]) for axis in range(3)], axis=1)
        assert np.abs(filled[k] - whole).max() < 2e-5


def test_a_finer_source_bends_alike() -> None:
    coarse, fine = sheet(11, 0.05, 0.0), sheet(21, 0.05, 0.0)
    assert resolution(fine) == pytest.approx(16 * resolution(coarse), rel=0.01)


def coarse_mouth() -> Skin:
    """Six points on an arch each of the upper and the lower lip, joined at two corners that count to the upper lip."""
    x = np.linspace(-0.02, 0.02, 4)
    upper, lower = (np.stack([x[1:3], np.full(2, y), np.zeros(2)], axis=1) for y in (0.002, -0.002))
    above, below = (np.stack([x, np.full(4, y), np.zeros(4)], axis=1) for y in (0.015, -0.015))
    corners = np.array([[x[0], 0.0, 0.0], [x[3], 0.0, 0.0]])
    points = np.concatenate([corners, upper, lower, above, below])
    triangles = np.array([
        (0, 2, 6), (2, 7, 6), (2, 3, 7), (3, 8, 7), (3, 1, 9), (3, 9, 8),
        (0, 10, 4), (4, 10, 11), (4, 11, 5), (5, 11, 12), (5, 12, 13), (5, 13, 1),
    ], np.int32)  # fmt: skip
    side = np.array([1, 1, 1, 1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1], np.int8)
    line = Line(np.zeros((SAMPLES, 3)), np.zeros((SAMPLES, 3)), False)
    seen, bare = np.ones(len(triangles), bool), np.ones(len(points), bool)
    features = Features(side, np.full(len(points), np.nan), line, (line, line))
    return Skin(points, triangles, seen, bare, np.zeros((68, 3)), np.ones(68), features)


def test_corners_of_a_coarse_mouth_go_half_with_each_lip() -> None:
    mouth = coarse_mouth()
    nearer_upper = np.where(np.arange(14) < 2, 0.001, 0.02)
    side = without_corners(mouth.features.lip_side, nearer_upper, mouth.triangles)
    assert side[:2].tolist() == [0, 0]
    np.testing.assert_array_equal(side[2:6], mouth.features.lip_side[2:6])
    share = np.where(side == 0, 0.5, np.nan)
    parted = replace(mouth, features=replace(mouth.features, lip_side=side, upper_share=share))
    assert set(mouth_corners(parted)) == {0, 1}
    down = np.zeros((1, 14, 3))
    down[0, :, 1] = np.where(mouth.features.lip_side < 0, -0.01, 0.0)
    halves = of_both_lips(mouth, mouth.points, down.astype(np.float32), mouth.points[2:4], np.full(2, 0.5))
    assert np.all(halves[0, :, 1] < -0.0035)
    assert np.all(halves[0, :, 1] > -0.0065)


def test_a_blink_is_spread_only_where_edges_are_short() -> None:
    """Pleats of a fine lid go, the motion of lids of few polygons stays."""
    pleats = []
    for size in (8, 120):
        skin = sheet(size, 0.02, 0.0)
        across = np.linspace(-0.015, 0.015, SAMPLES)[:, None] * (1.0, 0.0, 0.0)
        line = Line(across, across, True)
        offset = np.zeros_like(skin.points)
        offset[:, 1] = -0.01 + 0.001 * (-1.0) ** np.arange(len(skin.points))
        smooth_lids(offset, skin, line)
        near = np.linalg.norm(skin.points, axis=1) < 0.01
        assert offset[near, 1].mean() == pytest.approx(-0.01, abs=2e-4)
        pleats.append(float(offset[near, 1].std()))
    assert pleats[0] > 0.0007 > 0.0002 > pleats[1]
