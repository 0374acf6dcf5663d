"""What ``sedtalker diarize`` says on stderr of how far it is: which steps there are, and that each ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from tests.support.clips import cut_sample
from tests.support.talk import wrote_rttm

ONE = ["reading the audio", "encoding the speech", "recognising the emotion"]
"""Steps of a recording of one speaker."""
TWO = [
    "finding the speakers",
    "finding vocal bursts",
    "recognising the emotion of ann",
    "recognising the emotion of bob",
]
"""Steps of one of two."""


@pytest.mark.parametrize(("words", "steps"), [((), ONE), (("--speakers", "who.rttm"), TWO)])
def test_every_step_is_said_and_ends_at_its_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], steps: list[str]
) -> None:
    cut_sample(tmp_path / "talk.wav", 0.0, 8.0)
    wrote_rttm(tmp_path / "who.rttm")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["diarize", "talk.wav", *words, "--progress", "json"])
    assert done.exit_code == 0, done.output
    assert "emotion" in done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    last = {line["step"]: line for line in lines}
    assert list(last) == steps
    assert all(line["done"] == line["total"] > 0 for line in last.values())
    assert [line["step"] for line in lines] == sorted((line["step"] for line in lines), key=steps.index)
    for step in steps:
        shares = [line["done"] / line["total"] for line in lines if line["step"] == step]
        assert shares == sorted(shares)
