from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import SAMPLE, Result

Run = Callable[..., Result]


def test_enrolled_clips_change_the_track_and_bad_ones_are_named(sedtalker: Run, tmp_path: Path) -> None:
    alone = json.loads(sedtalker("diarize", SAMPLE, "--json").out)
    known = sedtalker("diarize", SAMPLE, "--json", "--enroll", SAMPLE, "--enroll", SAMPLE)
    assert known.code == 0, known.err
    assert json.loads(known.out)["times"] == alone["times"]
    assert json.loads(known.out)["posterior"] != alone["posterior"]
    missing = sedtalker("diarize", SAMPLE, "--enroll", tmp_path / "none.wav")
    assert missing.code == 2
    assert "none.wav" in missing.err
    assert sedtalker("animate", SAMPLE, "--emotion", "happy", "--enroll", SAMPLE, "-o", tmp_path / "out").code == 2


def test_segments_below_the_asked_confidence_are_uncertain(sedtalker: Run) -> None:
    lines = sedtalker("diarize", SAMPLE, "--rttm", "--min-confidence", "1").out.splitlines()
    assert len(lines) == 1
    assert "uncertain" in lines[0]
    assert "uncertain" not in sedtalker("diarize", SAMPLE, "--rttm").out
