"""``sedtalker diarize --stream`` and ``sedtalker diarize -``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sedtalker.emotion.track import CATEGORIES
from tests.e2e.conftest import Result

Run = Callable[..., Result]
COMMAND = [sys.executable, "-m", "sedtalker", "diarize"]


def test_segments_are_printed_as_they_end(sedtalker: Run, clip: Path) -> None:
    done = sedtalker("diarize", clip, "--stream")
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()[1:]]
    assert rows[0][0] == "0.00"
    assert rows[-1][1] == "1.48", "where the speech ends, not the sound"
    assert all(row[2] in CATEGORIES for row in rows)
    assert [row[1] for row in rows[:-1]] == [row[0] for row in rows[1:]]


def test_json_lines_cover_the_recording(sedtalker: Run, clip: Path) -> None:
    done = sedtalker("diarize", clip, "--stream", "--json", "--look-ahead", "0.2")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert lines[0]["start"] == 0.0
    assert lines[-1]["end"] == 2.0
    assert [line["end"] for line in lines[:-1]] == [line["start"] for line in lines[1:]]
    assert max(line["end"] - line["start"] for line in lines) <= 0.33
    for line in lines:
        assert sum(line["posterior"].values()) == pytest.approx(1.0, abs=5e-3)
        assert line["emotion"] in CATEGORIES
    assert any(line["speech"] for line in lines)


def test_a_pipe_gives_what_the_file_gives_while_it_is_open(sedtalker: Run, clip: Path) -> None:
    file = sedtalker("diarize", clip, "--stream", "--json").out.splitlines()
    with subprocess.Popen([*COMMAND, "-", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as live:
        assert live.stdin is not None
        assert live.stdout is not None
        live.stdin.write(clip.read_bytes())
        live.stdin.flush()
        first = live.stdout.readline().decode().strip()
        assert live.poll() is None, "a line comes before the sound has ended"
        live.stdin.close()
        rest = live.stdout.read().decode().splitlines()  # communicate() loses lines that readline() has buffered
    assert live.returncode == 0
    assert [first, *rest][:4] == file[:4]
    assert json.loads(rest[-1])["end"] == 2.0


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(clip: Path) -> None:
    script = f"{' '.join(COMMAND)} {clip} --stream --json | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--rttm"], ["-o", "t.json"], ["--plot", "t.png"], ["--look-ahead", "0.33"], ["--model", "hf:x"]]
)
def test_what_a_stream_cannot_do_is_one_line(sedtalker: Run, clip: Path, arguments: list[str]) -> None:
    done = sedtalker("diarize", clip, "--stream", *arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
