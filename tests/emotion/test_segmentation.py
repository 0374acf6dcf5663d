"""Minimum-duration decoding against exhaustive search."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.arrays import runs
from sedtalker.emotion.segmentation import SegmentRule, change_costs, decode_labels


def score(labels, posterior, rule):
    evidence = sum(np.log(posterior[t, c]) for t, c in enumerate(labels))
    return evidence - rule.cost * (len(runs(np.array(labels))) - 1)


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0.01, 2.0), st.integers(2, 8))
def test_equals_exhaustive_search(seed, shortest, cost, frames):
    posterior = np.random.default_rng(seed).dirichlet([0.3] * 3, frames).clip(1e-3)
    posterior /= posterior.sum(1, keepdims=True)
    rule = SegmentRule(shortest=float(shortest), cost=cost)
    found = decode_labels(posterior, 1.0, rule)
    allowed = [
        labels
        for labels in product(range(3), repeat=frames)
        if all(b - a >= shortest for a, b, _ in runs(np.array(labels))) or len(set(labels)) == 1
    ]
    best = max(score(labels, posterior, rule) for labels in allowed)
    assert np.isclose(score(found, posterior, rule), best)


def test_a_blip_does_not_make_a_segment():
    posterior = np.tile([0.9, 0.1], (100, 1))
    posterior[50:55] = [0.1, 0.9]
    assert (decode_labels(posterior, 50.0) == 0).all()


def test_a_real_change_is_found_at_its_place():
    posterior = np.repeat([[0.9, 0.1], [0.1, 0.9]], 60, axis=0)
    assert runs(decode_labels(posterior, 50.0)) == [(0, 60, 0), (60, 120, 1)]


def test_silence_carries_no_evidence():
    posterior = np.repeat([[0.9, 0.1], [0.1, 0.9]], 60, axis=0)
    speech = np.arange(120) < 60
    assert (decode_labels(posterior, 50.0, speech=speech) == 0).all()


def test_a_heard_boundary_says_where_the_change_is():
    posterior = np.full((200, 2), 0.5)
    posterior[:90] = [0.8, 0.2]
    posterior[110:] = [0.2, 0.8]
    boundary = np.full(200, 0.02)
    boundary[93:97] = 0.9
    assert runs(decode_labels(posterior, 50.0, boundary=boundary))[1][0] in range(93, 97)
    assert (decode_labels(posterior, 50.0, boundary=np.zeros(200)) == decode_labels(posterior, 50.0)).all()


def test_the_price_of_a_change_falls_in_pauses_and_at_boundaries():
    rule = SegmentRule(cost=0.7, pause_discount=0.5, boundary_gain=0.15)
    speech = np.array([True, True, False])
    assert change_costs(rule, speech).tolist() == [0.7, 0.7, 0.35]
    heard = change_costs(rule, speech, np.array([0.01, 0.9, 0.9]))
    assert heard[0] > 0.7 > heard[1] > heard[2] > 0


def test_the_price_is_the_rules_at_the_usual_odds_of_a_boundary() -> None:
    rule, speech = SegmentRule(cost=0.7, boundary_gain=0.15), np.ones(3, bool)
    usual = 1 / (1 + np.exp(1.5))
    odds_of_e = 1 / (1 + np.exp(0.5))
    np.testing.assert_allclose(change_costs(rule, speech, np.array([usual, odds_of_e, 0.5])), [0.7, 0.55, 0.475])


def test_the_price_of_a_sure_boundary_has_a_floor_and_of_a_sure_none_a_ceiling() -> None:
    costs = change_costs(SegmentRule(cost=0.1, boundary_gain=0.15), np.ones(3, bool), np.array([1.0, 0.0, 0.003]))
    assert costs[0] == 0.02
    assert costs[1] == costs[2] == 0.1 + 0.15 * (np.log(0.997 / 0.003) - 1.5)


def test_the_usual_rule_wants_six_tenths_of_a_second() -> None:
    for length in (29, 30, 31):
        posterior = np.tile([0.999, 0.001], (150, 1))
        posterior[60 : 60 + length] = [0.001, 0.999]
        first, middle, last = runs(decode_labels(posterior, 50.0))
        assert middle[1] - middle[0] == max(30, length)
        assert (first[2], middle[2], last[2]) == (0, 1, 0)
    assert (decode_labels(posterior[:100], 50.0, SegmentRule(shortest=2.0)) == 0).all()
    assert runs(np.zeros(0, np.int64)) == []


def test_a_change_costs_1_75_and_half_of_it_in_a_pause() -> None:
    # evidence for the change: 1 s · log(.6/.4) = .405 a second
    posterior = np.repeat([[0.6, 0.4], [0.4, 0.6]], [250, 250], axis=0)
    assert (decode_labels(posterior[:400], 50.0) == 0).all(), "3 s of it are worth 1.22"
    assert runs(decode_labels(posterior, 50.0)) == [(0, 250, 0), (250, 500, 1)], "5 s are worth 2.03"
    speech = np.ones(400, bool)
    speech[245:250] = False
    found = runs(decode_labels(posterior[:400], 50.0, speech=speech))
    assert [label for *_, label in found] == [0, 1], "at .88 in the pause"
    assert 245 <= found[0][1] <= 250


def test_rounding_does_not_move_a_change_in_a_pause() -> None:
    """All frames of a pause may be equally good: the first is taken, whatever the last digits of a posterior are."""
    rng = np.random.default_rng(3)
    posterior = np.repeat(np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]), 100, axis=0)
    speech = np.ones(200, bool)
    speech[90:110] = False
    found = {
        tuple(decode_labels(posterior * (1 + 1e-7 * rng.normal(size=posterior.shape)), 50.0, SegmentRule(), speech))
        for _ in range(10)
    }
    assert len(found) == 1
    assert runs(np.array(next(iter(found))))[0] == (0, 90, 0)
