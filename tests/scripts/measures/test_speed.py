"""Processor time and memory of a process, and the recording it is given."""

import sys
from itertools import cycle

import numpy as np
import pytest
import soundfile
from measures.speed import run_measured, write_speech

from sedtalker.errors import InputError


@pytest.mark.slow
def test_memory_and_time_of_a_process_not_of_its_parent():
    ballast = np.ones(100_000_000)
    spent, peak = run_measured([sys.executable, "-c", "x = bytearray(300_000_000); sum(range(3_000_000))"])
    assert 3.0e8 < peak < 4.0e8 < ballast.nbytes
    assert 0.01 < spent < 5.0


def test_a_failing_process_is_an_error():
    with pytest.raises(InputError, match="exit code 3"):
        run_measured([sys.executable, "-c", "raise SystemExit(3)"])


def test_speech_of_the_asked_length(tmp_path):
    clips = cycle([np.full(5000, 0.1, np.float32), np.full(7001, -0.1, np.float32)])
    write_speech(clips, tmp_path / "a.wav", 2.5, 48_000, 2)
    samples, rate = soundfile.read(tmp_path / "a.wav")
    assert (samples.shape, rate) == ((120_000, 2), 48_000)
    assert np.abs(samples).mean() > 0.09
