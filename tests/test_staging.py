"""Files are moved to their place together; what killed programs leave is finished or removed by the next."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sedtalker import processes, staging
from sedtalker.errors import InputError
from sedtalker.staging import ABANDONED, NEW, WHOLE, Staging, clear_left_over, is_staged
from sedtalker.storage import OutputFolder, whole_file


def left_by_a_killed_program(folder: Path, step: str, **texts: str) -> Path:
    """What a program that was killed at that step has left: files in ``new`` or in ``whole``."""
    left = folder / ".sedtalker-abcdefgh"
    (left / step).mkdir(parents=True)
    (left / "lock").touch()
    for name, text in texts.items():
        (left / step / name).write_text(text)
    return left


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_what_was_half_made_is_removed_at_once(tmp_path: Path) -> None:
    left_by_a_killed_program(tmp_path, NEW, a="half")
    (tmp_path / ".sedtalker-older").mkdir()  # of a version that had no locks
    (tmp_path / "a").write_text("old")
    (tmp_path / "mine").mkdir()
    with OutputFolder(tmp_path, ["b"], force=False) as results:
        (results.path / "b").write_text("new")
    assert contents(tmp_path) == {"a": "old", "b": "new"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "mine"]


def test_a_single_file_clears_its_folder_too(tmp_path: Path) -> None:
    left_by_a_killed_program(tmp_path, NEW, a="half")
    with whole_file(tmp_path / "b") as temporary:
        temporary.write_text("new")
    assert contents(tmp_path) == {"b": "new"}


def test_what_was_whole_is_finished(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (1.0, 1.0))
    left_by_a_killed_program(tmp_path, WHOLE, a="new", b="new", c="new")
    clear_left_over(tmp_path)
    assert contents(tmp_path) == dict.fromkeys("abc", "new")


def test_a_file_that_somebody_has_written_since_stays(tmp_path: Path) -> None:
    left = left_by_a_killed_program(tmp_path, WHOLE, a="late", b="late")
    os.utime(left / WHOLE / "a", (1.0, 1.0))
    (tmp_path / "a").write_text("mine")
    clear_left_over(tmp_path)
    assert contents(tmp_path) == {"a": "mine", "b": "late"}


def test_a_living_program_keeps_what_it_makes(tmp_path: Path) -> None:
    with OutputFolder(tmp_path, ["a"], force=False) as first:
        (first.path / "a").write_text("1")
        with OutputFolder(tmp_path, ["b"], force=False) as second:
            (second.path / "b").write_text("2")
        clear_left_over(tmp_path)
    assert contents(tmp_path) == {"a": "1", "b": "2"}


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """A folder from elsewhere may hold anything under these names."""
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "precious").write_text("mine")
    (folder / ".sedtalker-aaaaaaaa").symlink_to(outside)
    left = left_by_a_killed_program(folder, NEW)
    (left / WHOLE).symlink_to(outside)
    other = folder / ".sedtalker-bbbbbbbb"
    (other / WHOLE / "inner").mkdir(parents=True)
    (other / WHOLE / "inner" / "x").write_text("x")
    (other / WHOLE / "link").symlink_to(outside / "precious")
    clear_left_over(folder)
    assert contents(outside) == {"precious": "mine"}
    assert [p.name for p in folder.iterdir()] == [".sedtalker-aaaaaaaa"]


def test_where_there_are_no_locks_a_day_must_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "try_lock", lambda descriptor: None)
    left = left_by_a_killed_program(tmp_path, NEW)
    clear_left_over(tmp_path)
    assert left.exists()
    os.utime(left, (time.time() - ABANDONED - 60,) * 2)
    clear_left_over(tmp_path)
    assert not left.exists()


def test_a_folder_that_was_not_there_appears_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Staging, "move_to", lambda *_: pytest.fail("moved one by one"))
    with OutputFolder(tmp_path / "out", ["a", "b"], force=False) as results:
        for name in results.names or ():
            (results.path / name).write_text("new")
    assert contents(tmp_path) == {"out/a": "new", "out/b": "new"}


def test_a_result_that_another_program_wrote_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with (
        pytest.raises(InputError, match="another program wrote it"),
        OutputFolder(folder, ["a", "b"], force=False) as results,
    ):
        for name in "ab":
            (results.path / name).write_text("late")
        (folder / "b").write_text("theirs")
    assert contents(tmp_path) == {"out/b": "theirs"}


def test_a_program_that_moves_its_files_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PATIENCE", 0.0)
    with processes.folder_lock(tmp_path, 0.0):
        if os.name != "nt":
            with (
                pytest.raises(InputError, match="another program is writing there"),
                OutputFolder(tmp_path / "out", ["a"], force=False) as results,
            ):
                (results.path / "a").write_text("1")
    assert contents(tmp_path) == {}


def test_two_programs_at_once_leave_the_results_of_one(tmp_path: Path) -> None:
    def write(text: str) -> None:
        with OutputFolder(tmp_path / "out", [f"{k}" for k in range(20)], force=True) as results:
            for name in results.names or ():
                (results.path / name).write_text(text)

    for _ in range(20):
        threads = [threading.Thread(target=write, args=(f"{k}",)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(contents(tmp_path).values())) == 1
        assert [p.name for p in tmp_path.rglob(".sedtalker-*")] == []


def test_work_in_progress_is_known_by_its_path(tmp_path: Path) -> None:
    assert is_staged(tmp_path / ".sedtalker-abcdefgh" / NEW / "a")
    assert not is_staged(tmp_path / ".sedtalker-abcdefgh")


PROGRAM = """
import sys
from pathlib import Path
from sedtalker.storage import OutputFolder
print("ready", flush=True)
number = 0
while True:
    number += 1
    with OutputFolder(Path(sys.argv[1]), [f"{k}" for k in range(40)], force=True) as results:
        for name in results.names:
            (results.path / name).write_text(str(number))
"""
"""Replaces forty files again and again."""


@pytest.mark.skipif(sys.platform == "win32", reason="kills")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_program_leaves_no_mixture_to_the_next(tmp_path: Path, number: signal.Signals) -> None:
    rng = random.Random(int(number))
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "out")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.01, 0.05))
            process.send_signal(number)
        clear_left_over(tmp_path / "out")
        clear_left_over(tmp_path)
        held = contents(tmp_path)
        assert len(set(held.values())) <= 1
        assert len(held) in (0, 40)
        assert [p.name for p in tmp_path.rglob(".sedtalker-*")] == []
