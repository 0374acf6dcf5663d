from __future__ import annotations

import numpy as np
import pytest

from sedtalker.audio import load_audio
from sedtalker.training.corpora.augmentation import change_voice, revoice

pytest.importorskip("pyworld", reason="pyworld (sedtalker[voices]) is not installed")


def _vowel(f0=120.0, seconds=0.8):
    t = np.arange(int(16000 * seconds)) / 16000
    sound = sum(np.sin(2 * np.pi * f0 * k * t) * np.exp(-(((f0 * k - 700) / 400) ** 2)) for k in range(1, 30))
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


def _centre(sound):
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float((power * np.arange(len(power))).sum() / power.sum() * 16000 / len(sound))


def test_formants_move_and_time_does_not():
    vowel = _vowel()
    higher = change_voice(vowel, 1.25, 120.0)
    assert len(higher) == len(vowel)
    assert 1.12 < _centre(higher) / _centre(vowel) < 1.38


def test_pitch_moves_alone():
    vowel = _vowel()
    higher = change_voice(vowel, 1.0, 200.0)
    assert 0.85 < _centre(higher) / _centre(vowel) < 1.15
    spectrum = np.abs(np.fft.rfft(higher * np.hanning(len(higher)), 16000))
    assert spectrum[580:620].max() > 3 * spectrum[480:520].max()


def test_voices_are_made_once(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", _vowel(), 16000)
    made = revoice("x", [("a", tmp_path / "a.wav")], 2, tmp_path)
    assert [key for key, _ in made] == ["a", "a"]
    before = [path.stat().st_mtime_ns for _, path in made]
    assert all(abs(load_audio(path).duration - 0.8) < 0.03 for _, path in made)
    revoice("x", [("a", tmp_path / "a.wav")], 2, tmp_path)
    assert [path.stat().st_mtime_ns for _, path in made] == before
