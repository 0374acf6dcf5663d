"""Messages, progress and errors of a command."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import typer
from rich.progress import TimeRemainingColumn

from sedtalker.cli.console import PIPE, ShownProgress, compared_to_speech, fail_clearly, sound_pieces
from sedtalker.errors import InputError
from sedtalker.progress import counted, in_parts, one_step, share


def test_steps_are_lines_with_their_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with ShownProgress() as shown:
        with one_step(shown.hook, "reading"):
            pass
        assert list(counted(range(3), shown.hook, "rendering", 3)) == [0, 1, 2]
        shown.hook("searching", 4, 0)
    assert list(shown.seconds) == ["reading", "rendering", "searching"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["✓", "reading"], ["✓", "rendering"], ["✓", "searching"]]
    assert all(line.endswith(" s") for line in lines)


def test_parts_of_a_step_that_are_made_of_parts_are_one_way() -> None:
    """No report is the last but that of the step, which ends its bar."""
    reports = list[tuple[int, int]]()
    with one_step(lambda step, done, total: reports.append((done, total)), "finding"):
        with share(0.0, 0.5):
            assert list(in_parts("ab")) == ["a", "b"]
        with share(0.5, 1.0):
            for first in (0.0, 0.5):
                with share(first, first + 0.5):
                    assert len(list(in_parts(range(2000)))) == 2000
    assert reports[:4] == [(0, 1), (0, 1000), (250, 1000), (500, 1000)]
    assert reports[-1] == (1, 1)
    made = [done for done, _ in reports[1:-1]]
    assert made == sorted(made)
    assert made[-1] == 999


def test_a_bar_says_how_long_it_still_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command whose result is a table shows bars, which vanish, and leaves no lines."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ShownProgress(lines=False) as shown:
        shown.hook("encoding", 1, 4)
        assert shown._bars is not None
        ends = [column for column in shown._bars.columns if isinstance(column, TimeRemainingColumn)]
        assert [shown._bars.columns.index(column) for column in ends] == [len(shown._bars.columns) - 2]
        shown.hook("encoding", 4, 4)
    assert "✓" not in capsys.readouterr().err


def test_progress_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with ShownProgress("json", quiet=True) as shown:
        for done in range(1000):
            shown.hook("rendering", done, 1000)
        shown.hook("rendering", 1000, 1000)
        shown.hook("searching", 0, 0)
        with one_step(shown.hook, "writing"):
            pass
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(set(line) == {"step", "done", "total", "seconds"} for line in lines)
    assert [(line["step"], line["done"], line["total"]) for line in lines if line["done"] == line["total"] > 0] == [
        ("rendering", 1000, 1000),
        ("searching", 1, 1),
        ("writing", 1, 1),
    ]
    assert lines[0]["done"] == 0
    assert len(lines) < 50


def test_a_step_that_fails_is_not_finished(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), ShownProgress() as shown, one_step(shown.hook, "reading"):
        raise ValueError("broken")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("style", "quiet"), [("none", False), ("bar", True)])
def test_nothing_is_shown(style: str, quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with ShownProgress(style, quiet) as shown, one_step(shown.hook, "reading"):  # type: ignore[arg-type]
        pass
    shown.summary(3.0)
    assert capsys.readouterr().err == ""


def test_the_summary_comes_after_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    with ShownProgress() as shown:
        shown.hook("rendering", 551, 552)  # a generator whose last item was taken, and no more asked for
        shown.summary(3.0)
    lines = capsys.readouterr().err.splitlines()
    assert ["rendering" in line for line in lines] == [True, False]
    assert "3.0 s of speech" in lines[1]


def test_the_factor_is_said_as_people_say_it() -> None:
    assert compared_to_speech(18.4, 11.8) == "18.4 s of speech in 11.8 s: 1.6 x faster than real time"
    assert compared_to_speech(2.0, 14.2) == "2.0 s of speech in 14.2 s: 7.1 x slower than real time"
    assert compared_to_speech(2.0, 2.01) == "2.0 s of speech in 2.0 s: as fast as real time"


@pytest.mark.parametrize("quiet", [False, True])
def test_messages_of_the_library(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    @fail_clearly
    def command(quiet: bool) -> None:
        logging.getLogger("sedtalker.anything").info("head.obj: fitted")
        logging.getLogger("sedtalker.anything").warning("the recording is clipped")

    command(quiet=quiet)
    assert capsys.readouterr().err == "head.obj: fitted\n" * (not quiet) + "note: the recording is clipped\n"


def ended(error: BaseException) -> int:
    """The exit code of a command that the error ends."""

    @fail_clearly
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as left:
        command()
    return left.value.exit_code


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.wav: no such file"), 2, "error: a.wav: no such file"),
        (KeyboardInterrupt(), 130, "interrupted; nothing is half-written"),
        (PermissionError(13, "Permission denied", "a.npz"), 1, "error: a.npz (Permission denied)"),
    ],
)
def test_an_early_end_is_one_line(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error) == code
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="/dev/full is of Linux")
def test_results_that_cannot_be_printed_are_one_line() -> None:
    code = "from sedtalker.cli.console import fail_clearly, write_json\nfail_clearly(write_json)(['x' * 100] * 5000)"
    done = subprocess.run(
        ["bash", "-c", '"$1" -c "$2" > /dev/full', "bash", sys.executable, code], capture_output=True, text=True
    )
    assert "error: the results could not be printed (" in done.stderr
    assert "OSError" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of bash")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--help"], ["models", "list"], ["models", "list", "--json"], ["say", "-h"]])
def test_a_reader_that_goes_away_is_no_error(words: list[str], unbuffered: str) -> None:
    script = '"$@" | true; exit "${PIPESTATUS[0]}"'
    command = ["bash", "-c", script, "bash", sys.executable, "-m", "sedtalker", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of bash")
def test_a_socket_that_breaks_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(BrokenPipeError(errno.EPIPE, "Broken pipe")) == 1
    assert "(Broken pipe)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MemoryError(), 2, "error: the input asks for more memory than there is"),
        (RecursionError(), 2, "error: the input asks for more levels than can be followed"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), 2, "no such file (File name too long)"),
        (ModuleNotFoundError("", name="torch"), 2, "error: torch is not installed: pip install 'sedtalker[torch]'"),
        (ModuleNotFoundError("", name="sklearn.metrics"), 2, "pip install 'sedtalker[train]'"),
        (KeyError("x\x1b[2J"), 1, "error: a fault of sedtalker (KeyError at test_console.py:"),
    ],
)
def test_no_error_is_a_traceback(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(error) == code
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.strip().isprintable()
    assert said in line
    if code == 1:
        monkeypatch.setenv("SEDTALKER_TRACEBACK", "1")
        with pytest.raises(KeyError):
            ended(error)


@pytest.mark.parametrize("count", [1, 1599, 1600])
def test_a_pipe_is_as_long_as_a_file_must_be(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(bytes(2 * count))))
    pieces = sound_pieces(PIPE, 60.0)
    if count == 1600:
        assert sum(map(len, pieces)) == count
    else:
        said = rf"raw 16-bit samples, is {'0.1' if count == 1 else '100'} ms long: at least 100 ms"
        with pytest.raises(InputError, match=said):
            list(pieces)
