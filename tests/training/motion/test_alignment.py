from __future__ import annotations

import numpy as np
import pytest

from sedtalker.speech.features import PHONE_INDEX, PHONES
from sedtalker.training.motion.alignment import IGNORED, PhoneSpan, align, phone_frames, spell_out, words_of


def test_words():
    assert words_of("Don’t stop, at 5: OK?") == ["don't", "stop", "at", "ok"]


@pytest.mark.parametrize("word", ["kankakee", "xylophone's", "quizz", "a", "thought"])
def test_every_word_has_a_sound(word):
    assert all(phone in PHONES for phone in spell_out(word).split())


def test_phone_frames_by_hand():
    times = np.array([0.0, 0.1, 0.2, 0.3])
    assert phone_frames([PhoneSpan("M", 0.05, 0.2)], times).tolist() == [0, PHONE_INDEX["M"], 0, 0]
    assert (phone_frames([], times) == IGNORED).all()


@pytest.mark.data
def test_a_known_sentence(data_dir):
    pytest.importorskip("pocketsphinx")
    from sedtalker.audio import load_audio

    spans = align(load_audio(data_dir / "motion/grid/s1_bbaf2n.opus").samples, "bin blue at f two now")
    phones = [s.phone for s in spans if s.phone != "SIL"]
    assert phones == ["B", "IH", "N", "B", "L", "UW", "AE", "T", "EH", "F", "T", "UW", "N", "AW"]
    starts = {s.phone: s.start for s in spans}
    assert abs(starts["IH"] - 0.99) < 0.06
    assert all(s.end > s.start for s in spans)
