"""``sedtalker search``: lines, JSON, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from sedtalker.cli.main import app
from tests.batch.test_report import write


def test_lines_json_and_one_line_of_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path / "calls/anna.emotion.json", (0, 2, "angry", 0.9), (2, 4, "sad", 0.4))
    write(tmp_path / "calls/ben.emotion.json", (0, 3, "sad", 0.2), (3, 5, "angry", 0.8))
    (tmp_path / "calls/anna.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nI want a refund\n")

    def run(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["search", str(tmp_path / "calls"), *words], catch_exceptions=False)
        return done.exit_code, done.stdout, done.stderr

    code, out, err = run("--emotion", "anger", "--said", "REFUND")
    assert (code, err) == (0, "1 segment in 1 of 2 recordings\n")
    assert out.startswith("anna  0.00-2.00 s  angry 0.8")
    assert out.endswith('"I want a refund"\n')
    held = json.loads(run("--emotion", "angry", "--limit", "1", "--json")[1])
    assert (held["segments"], len(held["hits"]), held["recordings"]) == (2, 1, 2)
    assert (held["hits"][0]["start"], held["hits"][0]["end"]) == (0.0, 2.0)
    code, out, err = run("--emotion", "bored?")
    assert (code, out) == (2, "")
    assert err.startswith("error: 'bored?' is no emotion")
