"""Speaker normalisation and the support vector machine on made-up clips."""

import numpy as np
import pytest

from sedtalker.training.published.functionals_svm import Described, recalls, svm_labels


def clips(seed: int, speakers: int, spread: float) -> Described:
    """Three categories as blobs, each speaker moved by ``spread``."""
    rng = np.random.default_rng(seed)
    speaker, category = (v.ravel() for v in np.indices((speakers, 60)))
    category = category % 3
    corners = 3.0 * np.eye(3, 8)
    values = corners[category] + rng.normal(size=(len(category), 8)) + spread * rng.normal(size=(speakers, 8))[speaker]
    corpus = np.where(speaker % 2 == 0, "a", "b")
    return Described(values, category, corpus, np.array([f"{s}" for s in speaker]))


def test_normalised_speakers_have_no_mean_and_no_scale():
    made = clips(0, 4, 10.0)
    for values in (made.normalised(), made.centred()):
        for speaker in "0123":
            assert values[made.speaker == speaker].mean(0) == pytest.approx(np.zeros(8), abs=1e-9)
    assert made.normalised()[made.speaker == "1"].std(0) == pytest.approx(np.ones(8))


def test_normalisation_of_speakers_pays():
    train, valid, test = clips(0, 6, 6.0), clips(1, 2, 6.0), clips(2, 4, 6.0)
    plain = recalls(test, svm_labels(train, valid, test.values))
    parts = [Described(c.normalised(), c.category, c.corpus, c.speaker) for c in (train, valid)]
    known = recalls(test, svm_labels(*parts, test.normalised()))
    assert set(known) == {"a", "b"}
    assert min(known.values()) > 0.85
    assert min(known.values()) > max(plain.values())
