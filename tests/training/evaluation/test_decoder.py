from __future__ import annotations

import pytest

from sedtalker.training.evaluation.decoder_measures import evaluate_decoder


@pytest.mark.data
@pytest.mark.slow
def test_decoder_figures(data_dir):
    pytest.importorskip("pocketsphinx")
    figures = evaluate_decoder(data_dir)
    assert figures["lip_r"] >= 0.86
    assert figures["lip_r"] > figures["lip_r_shuffled"] + 0.4
    assert figures["lip_r"] > figures["lip_r_energy"] + 0.3
    assert figures["lve_mm2"] < 0.5 * figures["static_lve_mm2"]
    assert figures["closure_rate"] > 0.9
    assert figures["closure_rate_worst_emotion"] > 0.8
    assert figures["false_closure_rate"] < 0.1
    assert figures["control_accuracy"] > 0.8
    assert figures["lip_leak"] < 0.15
    assert figures["lve_mm2"] < figures["shuffled_lve_mm2"]
    assert figures["controllability"] == 1.0
