"""Constants for programs that run the networks elsewhere: plain data, and those of this package."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sedtalker.animation import conditioning
from sedtalker.animation.mouth_rules import RULES
from sedtalker.audio.activity import ActivityRule
from sedtalker.emotion.inference import TrackRule
from sedtalker.emotion.track import CATEGORIES
from sedtalker.export.model_constants import Section, model_constants
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.features import MEL_BANDS, mel_edges


@pytest.fixture(scope="module")
def constants() -> dict[str, Section]:
    return model_constants()


def test_they_are_plain_data(constants: dict[str, Section]) -> None:
    assert json.loads(json.dumps(constants, allow_nan=False)) == constants


def test_they_are_those_of_the_modules(constants: dict[str, Section]) -> None:
    assert constants["features"]["mel_edges"] == mel_edges().tolist()
    assert len(constants["features"]["mel_edges"]) == MEL_BANDS + 2
    assert constants["activity"]["hysteresis"] == ActivityRule().hysteresis
    assert constants["shape"]["hold"] == TrackRule().hold
    assert constants["track"]["labels"] == list(CATEGORIES)
    assert constants["arkit"]["names"] == list(ARKIT_52)
    assert constants["mouth"]["parting"] == RULES.parting
    assert (constants["idle"]["fps"], constants["streams"]["fps"]) == (30.0, 60.0)


def test_tables_come_back_as_they_were(constants: dict[str, Section]) -> None:
    for name, table in (("up", conditioning.UP), ("down", conditioning.DOWN), ("columns", conditioning.COLUMNS)):
        assert np.array_equal(np.array(constants["upper_face"][name], np.float32), np.float32(table)), name
    assert np.array_equal(np.array(constants["mouth"]["gaps"], np.float32), RULES.gaps)


def test_contexts_are_those_of_the_built_in_networks(constants: dict[str, Section]) -> None:
    assert constants["diarizer"]["context"] > constants["emotion_encoder"]["context"]
    assert constants["shown"]["visible"][0] < constants["shown"]["visible"][1]
