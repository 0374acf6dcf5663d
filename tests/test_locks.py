"""Locks go with the process that has them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sedtalker import processes
from sedtalker.processes import file_lock, folder_lock, open_locked, try_lock, wait_for_lock


def test_a_lock_has_one_owner_at_a_time(tmp_path: Path) -> None:
    held = open_locked(tmp_path / "lock")
    assert held is not None
    assert open_locked(tmp_path / "lock") is None
    os.close(held[0])
    again = open_locked(tmp_path / "lock")
    assert again is not None
    os.close(again[0])


@pytest.mark.skipif(sys.platform == "win32", reason="kills")
def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sedtalker.processes import open_locked\n"
        "held = open_locked(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert open_locked(tmp_path / "lock") is None
        process.kill()
    held = open_locked(tmp_path / "lock")
    assert held is not None
    os.close(held[0])


def test_a_file_that_its_owner_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removed_meanwhile(descriptor: int) -> bool:
        (tmp_path / "lock").unlink()
        return True

    monkeypatch.setattr(processes, "try_lock", removed_meanwhile)
    assert open_locked(tmp_path / "lock") is None


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="of POSIX")
def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        open_locked(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_waiting_ends_when_the_lock_is_free_or_the_time_is_up(tmp_path: Path) -> None:
    held = open_locked(tmp_path / "lock")
    assert held is not None
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    assert not wait_for_lock(descriptor, 0.05)
    threading.Timer(0.1, os.close, [held[0]]).start()
    began = time.monotonic()
    assert wait_for_lock(descriptor, 10.0)
    assert 0.05 < time.monotonic() - began < 5.0
    os.close(descriptor)


@pytest.mark.skipif(os.name == "nt", reason="folders have no locks there")
def test_a_folder_is_locked_without_a_file(tmp_path: Path) -> None:
    with folder_lock(tmp_path, 0.0) as mine, folder_lock(tmp_path, 0.0) as yours:
        assert (mine, yours) == (True, False)
    with folder_lock(tmp_path, 0.0) as free, folder_lock(tmp_path / "none", 0.0) as nobody_there:
        assert (free, nobody_there) == (True, True)
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_locks_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")

    def none(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    assert try_lock(descriptor) is None
    assert wait_for_lock(descriptor, 0.0)
    os.close(descriptor)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="of POSIX")
def test_a_process_that_was_forked_keeps_no_lock(tmp_path: Path) -> None:
    with file_lock(tmp_path / "lock"):
        assert open_locked(tmp_path / "lock") is None
        forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        forked.start()
        assert open_locked(tmp_path / "lock") is None
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    assert wait_for_lock(descriptor, 30.0)
    assert forked.is_alive()
    os.close(descriptor)
    forked.kill()
    forked.join()


def test_who_waits_for_a_lock_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = open_locked(tmp_path / "lock")
    assert held is not None
    threading.Timer(0.1, os.close, [held[0]]).start()
    with caplog.at_level("INFO"), file_lock(tmp_path / "lock"):
        assert caplog.messages == [f"{tmp_path}: another process is at it; waiting until it is done"]
