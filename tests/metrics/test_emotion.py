"""Every metric on a case small enough to work out by hand."""

import numpy as np
import pytest

from sedtalker.metrics import emotion as m


def test_diarization_error_counts_wrong_time():
    reference, hypothesis = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 2])
    assert m.diarization_error(reference, hypothesis) == pytest.approx(2 / 5)
    assert m.diarization_error(reference, hypothesis, np.array([1, 1, 1, 1, 0], bool)) == pytest.approx(1 / 4)
    assert m.diarization_error(reference, reference) == 0.0


def test_recognition_figures_of_a_small_table():
    truth, guess = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 2])
    assert m.accuracy(truth, guess) == pytest.approx(4 / 6)
    assert m.confusion(truth, guess, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert m.unweighted_average_recall(truth, guess, 3) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert m.macro_f1(truth, guess, 3) == pytest.approx((4 / 6 + 2 / 4 + 1) / 3)


def test_absent_classes_do_not_count():
    truth, guess = np.array([0, 0, 2]), np.array([0, 1, 2])
    assert m.unweighted_average_recall(truth, guess, 4) == pytest.approx((1 / 2 + 1) / 2)
    assert m.macro_f1(truth, guess, 4) == pytest.approx((2 / 3 + 1) / 2)


def test_expected_calibration_error():
    posterior = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6], [0.4, 0.6]])
    truth = np.array([0, 1, 1, 1])
    assert m.expected_calibration_error(truth, posterior, bins=10) == pytest.approx(0.5 * 0.45 + 0.5 * 0.4)


def test_pearson_and_concordance():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    assert m.pearson(x, y) == pytest.approx(1.0)
    assert m.pearson(x, np.ones(3)) == 0.0
    assert m.concordance(x, y) == pytest.approx(2 * (4 / 3) / (2 / 3 + 8 / 3 + 4))
    assert m.concordance(x, x) == pytest.approx(1.0)
    assert m.mean_absolute_error(x, y) == pytest.approx(2.0)


def test_ranking_auc_counts_ties_half():
    assert m.ranking_auc(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


def test_boundaries_match_at_most_once():
    assert m.boundary_f1([1.0, 2.0], [1.1, 1.2, 5.0]) == pytest.approx(2 * 1 / 5)
    assert m.boundary_f1([], []) == 1.0
    assert m.boundary_f1([1.0], []) == 0.0


def test_reliability_by_hand():
    posterior = np.array([[0.95, 0.05], [0.85, 0.15], [0.4, 0.6], [0.45, 0.55]])
    diagram = m.reliability(np.array([0, 1, 1, 0]), posterior, bins=4)
    assert diagram.confidence == pytest.approx([0.575, 0.9])
    assert diagram.accuracy == pytest.approx([0.5, 0.5])
    assert diagram.share == pytest.approx([0.5, 0.5])


def test_spearman_is_of_ranks_and_shares_ties():
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert m.spearman(x, np.exp(x)) == pytest.approx(1.0)
    assert m.spearman(x, -(x**3)) == pytest.approx(-1.0)
    assert m.spearman(np.array([0.0, 0.0, 1.0, 1.0]), x) == pytest.approx(2 / np.sqrt(5))
