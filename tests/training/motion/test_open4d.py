from __future__ import annotations

import numpy as np

from sedtalker.training.motion.open4d import SCENES, changes, scene


def test_scenes_are_the_same_every_time_and_as_described():
    times = (np.arange(150) + 0.5) / 50
    for kind in SCENES:
        first, second = scene(kind, "s1_bbaf2n", times), scene(kind, "s1_bbaf2n", times)
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        posterior, intensity = first
        assert np.allclose(posterior.sum(1), 1.0, atol=1e-4)
        assert intensity.min() >= 0
        assert intensity.max() <= 1
    assert not scene("neutral", "x", times)[1].any()
    peaks = {round(float(scene("constant", str(k), times)[1].max()), 2) for k in range(30)}
    assert peaks == {0.33, 0.67, 1.0}
    posterior, intensity = scene("constant", "x", times)
    assert intensity[0] < 0.1
    assert intensity[-1] < 0.1
    assert np.mean([changes(*scene("changing", str(k), times)) >= 2 for k in range(20)]) > 0.9
