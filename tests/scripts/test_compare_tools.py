"""Other tools' results, read for the comparison."""

from __future__ import annotations

import numpy as np

from scripts.compare_tools import RHUBARB_POSES, ease, read_cues
from sedtalker.face.arkit import INDEX
from sedtalker.phonetics.aligner import AlignedPhone, Alignment
from sedtalker.phonetics.visemes import VisemeSheet, to_json


def test_rhubarbs_cues_become_weights() -> None:
    sounds = {"SIL": 0.3, "AA": 0.7, "M": 1.4}
    starts = [0.0, *sounds.values()]
    spoken = [AlignedPhone(start, end, name) for (name, end), start in zip(sounds.items(), starts, strict=False)]
    written = to_json(VisemeSheet(Alignment(tuple(spoken)), "rhubarb", "speech.wav", 1.4))
    weights = read_cues(written, np.arange(0.0, 1.4, 0.02))
    assert weights.shape == (70, 52)
    assert weights[25, INDEX["jawOpen"]] > 0.3 > 0.05 > weights[42, INDEX["jawOpen"]]
    assert weights[42, INDEX["mouthPressLeft"]] > 0.5


def test_all_of_rhubarbs_shapes_have_a_pose() -> None:
    assert set(RHUBARB_POSES) == set("ABCDEFGHX")
    assert all(name in INDEX for pose in RHUBARB_POSES.values() for name in pose)


def test_easing_keeps_what_lasts_and_softens_what_jumps() -> None:
    step = np.repeat([0.0, 1.0], 30)[:, None]
    eased = ease(step, 60.0)
    assert eased[0] == 0.0
    assert eased[-1] == 1.0
    assert np.abs(np.diff(eased[:, 0])).max() < 0.2
