"""Labels decided with a lag: never taken back, no shorter than the rule, and the best path where all is known."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.arrays import runs
from sedtalker.emotion.segmentation import LiveSegmentation, SegmentRule, change_costs, decode_labels


def scene(seed: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors (T, 4) that change now and then, noisily, and speech with pauses."""
    rng = np.random.default_rng(seed)
    steady = np.repeat(rng.dirichlet([0.3] * 4, frames // 25 + 1), 25, 0)[:frames]
    return 0.7 * steady + 0.3 * rng.dirichlet([0.5] * 4, frames), rng.random(frames) < 0.9


def worth(labels: np.ndarray, posterior: np.ndarray, speech: np.ndarray, rule: SegmentRule, cost: np.ndarray) -> float:
    """Log-likelihood of a sequence under the rule; minus infinity where a segment is too short."""
    spans = runs(labels)
    if len(spans) > 1 and min(last - first for first, last, _ in spans) < round(rule.shortest * 50):
        return -np.inf
    evidence = np.log(np.maximum(posterior[np.arange(len(labels)), labels], 1e-6)) * speech / 50
    return float(evidence.sum() - sum(cost[first] for first, _, _ in spans[1:]))


RULES = st.builds(SegmentRule, shortest=st.sampled_from([0.04, 0.1, 0.6]), cost=st.sampled_from([0.02, 0.3]))


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 160), RULES, st.booleans())
def test_with_all_known_it_is_the_best_path(seed, frames, rule, listened):
    posterior, speech = scene(seed, frames)
    boundary = np.random.default_rng(seed).random(frames) ** 4 if listened else None
    live = LiveSegmentation(4, 50.0, rule).decide(posterior, speech, frames, last=True, boundary=boundary)
    best = decode_labels(posterior, 50.0, rule, speech, boundary)
    cost = change_costs(rule, speech, boundary)
    assert np.isclose(worth(live, posterior, speech, rule, cost), worth(best, posterior, speech, rule, cost), atol=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 160), st.integers(1, 20), st.integers(0, 40), RULES)
def test_decided_segments_keep_the_minimum_duration(seed, frames, hop, lag, rule):
    posterior, speech = scene(seed, frames)
    live, labels = LiveSegmentation(4, 50.0, rule), []
    for first in range(0, frames, hop):
        end = min(frames, first + hop)
        known = slice(first, min(frames, end + lag))
        labels.extend(live.decide(posterior[known], speech[known], end - first, last=end == frames))
    assert len(labels) == frames
    lengths = [last - first for first, last, _ in runs(np.array(labels))]
    assert all(length >= round(rule.shortest * 50) for length in lengths[:-1])


def test_a_long_lag_gives_the_offline_labels():
    posterior, _ = scene(4, 300)
    speech, rule = np.ones(300, bool), SegmentRule(0.2, 0.05)
    live, labels = LiveSegmentation(4, 50.0, rule), []
    for first in range(0, 300, 10):
        known = slice(first, first + 10 + 150)
        labels.extend(live.decide(posterior[known], speech[known], 10, last=first == 290))
    offline = decode_labels(posterior, 50.0, rule, speech)
    assert np.mean(np.array(labels) == offline) > 0.98
    assert len(runs(offline)) > 3
