from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import from_triangles
from sedtalker.metrics import motion as m


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
    assert m.lip_aperture(_face(), coefficients) == pytest.approx([0.01, 0.31, 0.01], abs=1e-5)
    assert m.lip_width(_face(), coefficients) == pytest.approx([0.4, 0.4, 0.45], abs=1e-5)


def test_missing_columns_rest():
    assert m.lip_aperture(_face(), np.array([[1.0]], np.float32)) == pytest.approx([0.31], abs=1e-5)


def test_correlation_by_hand():
    assert m.correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])) == pytest.approx(1)
    assert m.correlation(np.array([1.0, 2, 3]), np.array([3.0, 1, 2])) == pytest.approx(-0.5)
    assert m.correlation(np.ones(3), np.array([1.0, 2, 3])) == 0
    assert m.correlation(np.ones(1), np.ones(1)) == 0


def test_vertex_errors_by_hand():
    reference = np.zeros((2, 2, 3))
    predicted = np.zeros((2, 2, 3))
    predicted[0, 0] = (3, 4, 0)
    predicted[1, 1] = (0, 0, 2)
    assert m.mean_vertex_error(predicted, reference) == pytest.approx((5 + 0 + 0 + 2) / 4)
    assert m.lip_vertex_error(predicted, reference, np.array([True, True])) == pytest.approx((25 + 4) / 2)
    assert m.lip_vertex_error(predicted, reference, np.array([False, True])) == pytest.approx((0 + 4) / 2)


def test_dynamics_deviation_by_hand():
    neutral, mask = np.zeros((2, 3)), np.array([True, False])
    reference, still = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    reference[1, 0, 0] = 2.0
    assert m.upper_face_dynamics_deviation(still, reference, neutral, mask) == pytest.approx(1.0)
    assert m.upper_face_dynamics_deviation(reference[::-1], reference, neutral, mask) == pytest.approx(0.0)


def test_jerk_of_a_cubic():
    t = np.arange(6)[:, None, None] / 10.0
    cubic = np.concatenate([t**3, 0 * t, 0 * t], axis=2)
    assert m.jerk(cubic, 10.0) == pytest.approx(6.0)
    assert m.jerk(cubic[:3], 10.0) == 0


def test_closures_by_hand():
    times = np.arange(10) / 10
    reference = np.array([0.1, 0.0, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1])
    predicted = np.array([0.1, 0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    counts = m.ClosureCounts()
    stops, vowels = [(0.09, 0.11), (0.49, 0.51), (0.79, 0.81)], [(0.21, 0.39), (0.2, 0.4), (0.6, 0.8)]
    m.count_closures(counts, times, predicted, reference, stops, vowels)
    assert (counts.closed, counts.missed, counts.false, counts.open_kept) == (1, 1, 2, 1)
    assert counts.recall == 0.5
    assert counts.false_rate == pytest.approx(2 / 3)
    assert counts.f1 == pytest.approx(2 / 5)


def test_correlation_needs_two_frames_and_forgets_the_level():
    assert m.correlation(np.array([1.0, 3.0]), np.array([100.0, 90.0])) == pytest.approx(-1)
    x, y = np.array([5.0, 1.0, 4.0, 4.0]), np.array([-9.0, -3.0, -2.0, -8.0])
    assert m.correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert m.correlation(1e-7 * np.array([1.0, 2, 3]), 1e-7 * np.array([1.0, 2, 3])) == 0, "below all measurement"
    assert m.correlation(1e-5 * np.array([1.0, 2, 3]), 1e-5 * np.array([1.0, 2, 3])) == pytest.approx(1)


def test_a_face_without_landmarks_has_no_lips_to_measure():
    with pytest.raises(InputError, match="no landmarks"):
        m.lip_aperture(replace(_face(), landmarks=None), np.zeros((1, 2), np.float32))


def test_jerk_needs_four_frames():
    rough = np.array([0.0, 0.0, 0.0, 1.0])[:, None, None] * np.array([3.0, 0.0, 4.0])
    assert m.jerk(rough, 2.0) == pytest.approx(5.0 * 8)
    assert m.jerk(rough[:3], 2.0) == 0.0


def test_rates_of_closures():
    counts = m.ClosureCounts(closed=3, missed=1, false=2, open_kept=6)
    assert (counts.recall, counts.false_rate) == (0.75, 0.25)
    assert counts.f1 == pytest.approx(6 / 9)
    nothing = m.ClosureCounts()
    assert (nothing.recall, nothing.false_rate, nothing.f1) == (0.0, 0.0, 0.0)


def _closures(shut_at, bilabials=(), vowels=(), reference_shut_at=(), gap=0.0):
    """What is counted on frames 10 ms apart where a prediction and a reference have the lips shut."""
    times = np.arange(100) / 100
    gaps = []
    for shut, level in ((shut_at, gap), (reference_shut_at, 0.0)):
        lips = np.full(100, 0.1)
        lips[[round(100 * time) for time in shut]] = level
        gaps.append(lips)
    counts = m.ClosureCounts()
    m.count_closures(counts, times, *gaps, list(bilabials), list(vowels))
    return counts


@pytest.mark.parametrize(("time", "closed"), [(0.28, 1), (0.27, 0), (0.42, 1), (0.43, 0), (0.35, 1)])
def test_lips_may_close_20_ms_before_and_after_the_sound(time, closed):
    found = _closures([time], [(0.2999, 0.4001)], reference_shut_at=[0.35])
    assert (found.closed, found.missed) == (closed, 1 - closed)


@pytest.mark.parametrize(("gap", "closed"), [(0.029, 1), (0.03, 0), (0.031, 0)])
def test_lips_are_closed_under_three_hundredths(gap, closed):
    found = _closures([0.35], [(0.3, 0.4)], reference_shut_at=[0.35], gap=gap)
    assert (found.closed, found.missed) == (closed, 1 - closed)
    vowel = _closures([0.35], vowels=[(0.3, 0.4)], gap=gap)
    assert (vowel.false, vowel.open_kept) == (closed, 1 - closed)


@pytest.mark.parametrize(("time", "shut"), [(0.23, 0), (0.25, 1), (0.3, 1), (0.35, 1), (0.37, 0)])
def test_a_vowel_counts_in_its_middle_half(time, shut):
    found = _closures([time], vowels=[(0.2 - 1e-9, 0.4 + 1e-9)])
    assert (found.false, found.open_kept) == (shut, 1 - shut)


def test_what_the_reference_does_not_do_is_not_asked():
    assert _closures([0.35], [(0.3, 0.4)]) == m.ClosureCounts(), "a p that the reference leaves open"
    assert _closures([], vowels=[(0.2, 0.4)], reference_shut_at=[0.3]) == m.ClosureCounts()
    assert _closures([], vowels=[(0.2, 0.4)], reference_shut_at=[0.21]).open_kept == 1
    assert _closures([0.35], [(5.0, 6.0)], [(5.0, 6.0)]) == m.ClosureCounts(), "outside the clip"


def wave(count: int = 200) -> np.ndarray:
    return np.sin(np.linspace(0.0, 25.0, count)) + 0.3 * np.sin(np.linspace(1.0, 71.0, count))


def test_curves_that_are_alike_are_not_misaligned_however_large_they_are() -> None:
    assert m.misalignment(wave(), wave()) == 0.0
    assert m.misalignment(3.0 * wave() + 1.0, wave()) == 0.0


@pytest.mark.parametrize("lag", [2, 5, 9])
def test_a_delay_is_misaligned_by_itself(lag: int) -> None:
    assert m.misalignment(np.roll(wave(), lag), wave()) == pytest.approx(lag, abs=1.0)
    assert m.misalignment(wave(), np.roll(wave(), lag)) == pytest.approx(lag, abs=1.0)


def test_misalignment_is_at_most_the_reach() -> None:
    rng = np.random.default_rng(0)
    assert 0.0 < m.misalignment(rng.standard_normal(80), rng.standard_normal(80), reach=4) <= 4.0
    assert m.misalignment(np.zeros(3), np.ones(3)) == 0.0
