import numpy as np
import pytest

from sedtalker.training.tasks.backbone import learn_layer_weights


@pytest.mark.parametrize("telling", [0, 2])
def test_the_layer_that_knows_the_label_gets_most_weight(telling: int) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 120)
    means = rng.normal(size=(120, 4, 8))
    means[:, telling] += 3 * np.eye(8)[label]
    weights = learn_layer_weights(means.astype(np.float16), label, np.ones(120))
    assert sum(weights) == pytest.approx(1.0, abs=1e-3)
    assert np.argmax(weights) == telling
    assert weights[telling] > 0.5
    assert weights == learn_layer_weights(means.astype(np.float16), label, np.ones(120)), "the same every time"


def test_clips_without_weight_count_nothing() -> None:
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 80)
    means = rng.normal(size=(80, 3, 6))
    means[:40, 1] += 4 * np.eye(6)[label[:40]]
    means[40:, 2] += 4 * np.eye(6)[label[40:]]
    assert np.argmax(learn_layer_weights(means, label, np.arange(80) < 40)) == 1
    assert np.argmax(learn_layer_weights(means, label, np.arange(80) >= 40)) == 2
