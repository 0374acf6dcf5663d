from __future__ import annotations

import numpy as np
import pytest

from sedtalker.face.face import Face
from sedtalker.mesh.mesh import from_triangles
from sedtalker.metrics.motion import (
    ClosureCounts,
    correlation,
    count_closures,
    jerk,
    lip_aperture,
    lip_vertex_error,
    lip_width,
    mean_vertex_error,
    region_vertex_error,
    upper_face_dynamics_deviation,
)


def _face() -> Face:
    vertices = np.zeros((68, 3), np.float32)
    vertices[36], vertices[45] = (-0.05, 0, 0), (0.05, 0, 0)
    vertices[60], vertices[64] = (-0.02, -0.06, 0), (0.02, -0.06, 0)
    vertices[62], vertices[66] = (0, -0.06, 0), (0, -0.061, 0)
    basis = np.zeros((2, 68, 3), np.float32)
    basis[0, 66, 1] = -0.03
    basis[1, 64, 0] = 0.01
    mesh = from_triangles(vertices, np.array([[0, 1, 2]], np.int32))
    return Face("test", mesh, ("open", "wide"), basis, (), {}, np.arange(68, dtype=np.int32))


def test_lip_distances_by_hand():
    coefficients = np.array([[0, 0], [1, 0], [0, 0.5]], np.float32)
    assert lip_aperture(_face(), coefficients) == pytest.approx([0.01, 0.31, 0.01], abs=1e-5)
    assert lip_width(_face(), coefficients) == pytest.approx([0.4, 0.4, 0.45], abs=1e-5)


def test_missing_columns_rest():
    assert lip_aperture(_face(), np.array([[1.0]], np.float32)) == pytest.approx([0.31], abs=1e-5)


def test_correlation_by_hand():
    assert correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])) == pytest.approx(1)
    assert correlation(np.array([1.0, 2, 3]), np.array([3.0, 1, 2])) == pytest.approx(-0.5)
    assert correlation(np.ones(3), np.array([1.0, 2, 3])) == 0
    assert correlation(np.ones(1), np.ones(1)) == 0


def test_vertex_errors_by_hand():
    reference = np.zeros((2, 2, 3))
    predicted = np.zeros((2, 2, 3))
    predicted[0, 0] = (3, 4, 0)
    predicted[1, 1] = (0, 0, 2)
    assert mean_vertex_error(predicted, reference) == pytest.approx((5 + 0 + 0 + 2) / 4)
    assert lip_vertex_error(predicted, reference, np.array([True, True])) == pytest.approx((25 + 4) / 2)
    assert region_vertex_error(predicted, reference, np.array([False, True])) == pytest.approx((0 + 4) / 2)


def test_dynamics_deviation_by_hand():
    neutral, mask = np.zeros((2, 3)), np.array([True, False])
    reference, still = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    reference[1, 0, 0] = 2.0
    assert upper_face_dynamics_deviation(still, reference, neutral, mask) == pytest.approx(1.0)
    assert upper_face_dynamics_deviation(reference[::-1], reference, neutral, mask) == pytest.approx(0.0)


def test_jerk_of_a_cubic():
    t = np.arange(6)[:, None, None] / 10.0
    cubic = np.concatenate([t**3, 0 * t, 0 * t], axis=2)
    assert jerk(cubic, 10.0) == pytest.approx(6.0)
    assert jerk(cubic[:3], 10.0) == 0


def test_closures_by_hand():
    times = np.arange(10) / 10
    reference = np.array([0.1, 0.0, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1])
    predicted = np.array([0.1, 0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    counts = ClosureCounts()
    stops, vowels = [(0.09, 0.11), (0.49, 0.51), (0.79, 0.81)], [(0.21, 0.39), (0.2, 0.4), (0.6, 0.8)]
    count_closures(counts, times, predicted, reference, stops, vowels)
    assert (counts.closed, counts.missed, counts.false, counts.open_kept) == (1, 1, 2, 1)
    assert counts.recall == 0.5
    assert counts.false_rate == pytest.approx(2 / 3)
    assert counts.f1 == pytest.approx(2 / 5)
