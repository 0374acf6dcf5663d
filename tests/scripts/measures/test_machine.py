"""Measurements run in processes of their own, with their own threads and memory."""

from __future__ import annotations

import logging
import os

import pytest
from measures.machine import THREAD_VARIABLES, Stopwatch, isolated, machine, peak_memory

from sedtalker.errors import InputError


def process_threads_and_notes() -> tuple[int, dict[str, str | None], int]:
    level = logging.getLogger("sedtalker").getEffectiveLevel()
    return os.getpid(), {name: os.environ.get(name) for name in THREAD_VARIABLES}, level


def killed() -> None:
    os.kill(os.getpid(), 9)


def refused() -> None:
    raise InputError("no such mesh")


def taken(count: int) -> tuple[float, float]:
    before = peak_memory()
    held = bytearray(count)
    held[::4096] = b"x" * len(held[::4096])
    return before, peak_memory()


def test_a_measurement_has_a_process_and_threads_of_its_own_and_no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    process, threads, level = isolated(process_threads_and_notes, threads=3)
    assert process != os.getpid()
    assert set(threads.values()) == {"3"}
    assert level == logging.ERROR  # the sound of a formula is measured without notes on it
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_what_goes_wrong_there_is_one_line_here() -> None:
    with pytest.raises(InputError, match="no such mesh"):
        isolated(refused)
    with pytest.raises(InputError, match="killed was killed: is there too little memory"):
        isolated(killed)


def test_the_peak_counts_what_the_process_took_and_not_its_parent() -> None:
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    before, after = isolated(taken, 50_000_000)
    assert before < peak_memory() - 150e6
    assert 45e6 < after - before < 60e6


def test_a_stopwatch_adds_up_by_name() -> None:
    watch = Stopwatch()
    for name in ("encoder", "decoder", "encoder"):
        with watch.stage(name):
            sum(range(1000))
    assert list(watch.times) == ["encoder", "decoder"]
    assert all(row["seconds"] > 0 and row["cpu_seconds"] >= 0 for row in watch.times.values())


def test_the_machine_is_described() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["torch"][0].isdigit()
