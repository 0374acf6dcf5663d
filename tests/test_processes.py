"""Programs beside this one end with it and import only what they should; signals wait where they must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import pytest

from sedtalker.processes import run_beside, signals_kept, signals_wait


def test_a_program_gets_its_arguments_and_says_its_results() -> None:
    done = run_beside("import sys\nprint(sys.argv[1:], sys.stdin.read() == '')\nsys.exit(3)", ["a b", "-c"])
    assert (done.stdout, done.returncode) == ("['a b', '-c'] True\n", 3)


@pytest.mark.parametrize("isolated", [True, False])
def test_nothing_of_the_working_directory_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated: bool
) -> None:
    (tmp_path / "colorsys.py").write_text("print('run')")
    monkeypatch.chdir(tmp_path)
    assert run_beside("import colorsys", isolated=isolated).stdout == ""


def test_a_program_that_never_comes_back_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_beside("import time\ntime.sleep(60)", seconds=1)


BESIDE = "import sys\nfrom sedtalker.processes import run_beside\nrun_beside(sys.argv[1], [sys.argv[2]])"
"""Runs a program by ``run_beside``, with one word for it."""
TORCHRUN = """
import os, subprocess, sys
begin = "from sedtalker.processes import end_with_torchrun\\nend_with_torchrun()\\n"
subprocess.run([sys.executable, "-c", begin + sys.argv[1], sys.argv[2]], env=os.environ | {"TORCHELASTIC_RUN_ID": "1"})
"""
"""Starts it as torchrun starts a training."""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
@pytest.mark.parametrize("code", [BESIDE, TORCHRUN])
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path, code: str) -> None:
    beside = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()))\ntime.sleep(60)"
    place = tmp_path / "number"
    with subprocess.Popen([sys.executable, "-c", code, beside, str(place)]) as parent:
        while not (place.is_file() and place.read_text()):
            time.sleep(0.02)
        parent.kill()
    number = int(place.read_text())
    deadline = time.monotonic() + 10.0
    while _runs(number) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(number)


def _runs(number: int) -> bool:
    """Whether a process runs; one that waits to be buried by its new parent does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_number_of_this_process_runs() -> None:
    assert sys.platform != "linux" or _runs(os.getpid())


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_kill_waits_until_all_is_moved(number: signal.Signals) -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = False
    try:
        with pytest.raises(KeyboardInterrupt), signals_wait():
            signal.raise_signal(number)
            done = True
    finally:
        signal.signal(signal.SIGTERM, before)
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_a_signal_is_kept_until_asked_for_and_handlers_of_others_stay() -> None:
    def others(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    seen, before = list[int](), signal.signal(signal.SIGTERM, others)
    try:
        with signals_kept() as came, signals_wait():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            assert not came()
        assert came(), "one that waited for what lies within"
        assert seen == []
    finally:
        assert signal.signal(signal.SIGTERM, before) is others
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
