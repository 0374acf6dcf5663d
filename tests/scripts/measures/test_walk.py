"""The way from the command to the video stays short."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from measures import walk

MOST_ROOMS, MOST_RETURNS = 22, 2


@pytest.mark.slow
def test_a_newcomer_walks_through_few_rooms_and_seldom_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = Path(__file__).parents[3] / "data" / "samples" / "four_moods.wav"
    monkeypatch.setattr(sys, "argv", ["walk.py", "--recording", str(sample)])
    walk.main()
    rooms, returns = (int(line.split()[0]) for line in capsys.readouterr().out.splitlines())
    assert rooms <= MOST_ROOMS
    assert returns <= MOST_RETURNS
