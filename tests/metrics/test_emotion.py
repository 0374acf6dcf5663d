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


def test_ranking_auc_counts_ties_half():
    assert m.ranking_auc(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx((1 + 0.5 + 1 + 1) / 4)


def test_boundaries_match_at_most_once():
    assert m.boundary_f1([1.0, 2.0], [1.1, 1.2, 5.0]) == pytest.approx(2 * 1 / 5)
    assert m.boundary_f1([], []) == 1.0
    assert m.boundary_f1([1.0], []) == 0.0


def test_calibration_by_hand():
    posterior = np.array([[0.95, 0.05], [0.85, 0.15], [0.4, 0.6], [0.45, 0.55]])
    error = m.expected_calibration_error(np.array([0, 1, 1, 0]), posterior, bins=4)
    assert error == pytest.approx(0.5 * (0.575 - 0.5) + 0.5 * (0.9 - 0.5))


def test_what_is_right_in_part_and_counts_more():
    confidence, right = np.array([0.2, 0.9, 0.95]), np.array([0.5, 1.0, 0.0])
    error = m.calibration_error(confidence, right, 10, np.array([0.5, 0.3, 0.2]))
    assert error == pytest.approx(0.5 * 0.3 + abs(0.3 * 0.1 - 0.2 * 0.95))


def test_the_most_confident_are_answered_first_and_at_least_one():
    posterior = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.45, 0.55]])
    truth = np.array([1, 1, 1, 0, 1])
    assert m.accuracy_at_coverage(truth, posterior, 0.2) == 0.0, "of equal confidences the earlier"
    assert m.accuracy_at_coverage(truth, posterior, 0.4) == pytest.approx(1 / 2)
    assert m.accuracy_at_coverage(truth, posterior, 0.6) == pytest.approx(2 / 3)
    assert m.accuracy_at_coverage(truth, posterior, 1.0) == pytest.approx(3 / 5)
    assert m.accuracy_at_coverage(truth, posterior, 0.01) == 0.0


def test_logits_move_by_the_ratio_of_shares():
    logits, train, target = np.zeros((1, 2)), np.log([0.8, 0.2]), np.log([0.5, 0.5])
    moved = m.adjusted_logits(logits, train, target)
    assert np.exp(moved[0]).tolist() == pytest.approx([0.5 / 0.8, 0.5 / 0.2])


def test_there_are_fifteen_bins_of_equal_width_and_the_last_holds_certainty():
    posterior = np.array([[1.0, 0.0], [0.94, 0.06], [0.93, 0.07], [0.53, 0.47], [0.54, 0.46]])
    assert m.expected_calibration_error(np.array([0, 0, 1, 1, 0]), posterior) == pytest.approx(
        0.2 * (0.53 + 0.46 + 0.93) + 0.4 * 0.03
    )


def test_nothing_scored_is_no_error():
    assert m.diarization_error(np.array([0, 1]), np.array([1, 0]), np.zeros(2, bool)) == 0.0


def test_a_boundary_is_found_within_a_quarter_of_a_second():
    assert m.boundary_f1([1.0], [1.25]) == m.boundary_f1([1.0], [0.75]) == 1.0
    assert m.boundary_f1([1.0], [1.26]) == m.boundary_f1([1.0], [0.74]) == 0.0
    assert m.boundary_f1([1.0], [1.4], tolerance=0.5) == 1.0
    assert m.boundary_f1([1.0, 1.1, 3.0], [1.2, 1.3]) == pytest.approx(4 / 5)
    assert m.boundary_f1([], [1.0]) == 0.0
    assert m.boundary_f1([1.0, 1.2], [0.9, 1.1]) == 1.0, "the earlier boundary leaves the later one free"


def test_recall_of_a_class_that_does_not_occur_is_not_a_number():
    found = m.recalls(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    assert found[[0, 2]].tolist() == [0.5, 1.0]
    assert np.isnan(found[1])
    assert m.macro_f1(np.array([0, 0]), np.array([1, 1]), 2) == 0.0
