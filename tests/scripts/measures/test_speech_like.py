"""Sound like speech from a formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measures.machine import PAUSE, PHRASE, speech_like, write_speech

from sedtalker.audio import load_audio
from sedtalker.audio.activity import spans, speech_activity
from sedtalker.speech.features import analyse


def test_a_longer_one_begins_like_a_shorter_one() -> None:
    short, long = speech_like(3.0), speech_like(30.0)
    assert len(short) == 48_000
    assert len(long) == 480_000
    assert np.array_equal(short, long[: len(short)])
    assert np.abs(long).max() <= 1.0


def test_it_is_taken_for_speech_with_pauses() -> None:
    prosody = analyse(speech_like(12.0)).prosody
    found = spans(speech_activity(prosody[:, 0], prosody[:, 2], 100.0), 100.0)
    spoken = sum(end - start for start, end in found)
    assert 0.5 * PHRASE / (PHRASE + PAUSE) < spoken / 12.0 < 1.0
    assert len(found) >= 3


def test_the_file_holds_it(tmp_path: Path) -> None:
    sound = load_audio(write_speech(tmp_path / "speech.wav", 1.5))
    assert np.abs(sound.samples - speech_like(1.5)).max() < 1e-4
