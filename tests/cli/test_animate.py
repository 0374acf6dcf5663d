"""What ``sedtalker animate`` says of the emotion that it found."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from sedtalker.cli.animate import LIKELY, say_of
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import Prediction
from tests.support.moving import moving_cube


@pytest.mark.parametrize(
    ("label", "confidence", "given", "doubted"),
    [("angry", LIKELY - 0.01, None, True), ("angry", LIKELY + 0.01, None, False)]
    + [("angry", LIKELY - 0.01, "angry:0.6", False), ("neutral", LIKELY - 0.01, None, False)],
)
def test_an_emotion_that_is_likelier_wrong_is_said_to_be(
    label: str, confidence: float, given: str | None, doubted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    track = constant_track(f"{label}:0.6", 1.0)
    posterior = np.full((len(track), 7), (1 - confidence) / 6, np.float32)
    posterior[:, track.labels.index(label)] = confidence
    found = dataclasses.replace(track, predicted=Prediction(posterior, track.intensity))
    animation = dataclasses.replace(moving_cube(2), track=found, provenance={"licences": {"decoder": "CC-BY-4.0"}})
    with caplog.at_level(logging.INFO, "sedtalker"):
        say_of(animation, Path("a.wav"), given)
    assert ("more likely wrong than right" in caplog.text) == doubted
    assert "weights: CC-BY-4.0" in caplog.text
