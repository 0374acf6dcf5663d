"""The constants by which speakers are counted are fitted as they should be, on made evidence."""

from __future__ import annotations

import numpy as np

from scripts.fit_speaker_count import error_of, fit_evidence, fit_same
from sedtalker.speakers.diarization import EVIDENCE, known_of_pairs


def test_evidence_that_tells_the_best_guess_is_weighed() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        errors = rng.uniform(0.0, 0.5, 6)
        rows = rng.standard_normal((6, len(EVIDENCE)))
        rows[:, 1] = -errors + 0.02 * rng.standard_normal(6)
        found.append(list(zip(rows, errors.tolist(), strict=True)))
    weights = fit_evidence(found, np.ones(len(found)))
    least = float(np.mean([min(error for _, error in guessed) for guessed in found]))
    assert weights[1] > 0
    assert error_of(found, weights) < least + 0.02
    assert error_of(found, np.zeros(len(EVIDENCE))) > least + 0.1


def test_a_higher_cosine_is_likelier_of_one_person() -> None:
    rng, found = np.random.default_rng(0), []
    for k in range(400):
        same, lengths = k % 2 == 0, rng.integers(12, 200, 2)
        cosine = np.clip((0.6 if same else 0.1) + 0.15 * rng.standard_normal(), -1.0, 1.0)
        other = np.array([[cosine, np.sqrt(1 - cosine**2)]])
        known = known_of_pairs(np.array([1.0, 0.0]), int(lengths[0]), other, lengths[1:])
        found.append((known[:, 0], same))
    weights = np.array(fit_same(found))
    for cosine, likelier in ((0.7, True), (0.0, False)):
        known = known_of_pairs(np.array([1.0, 0.0]), 50, np.array([[cosine, np.sqrt(1 - cosine**2)]]), np.array([50]))
        assert bool(weights @ known[:, 0] > 0) is likelier
