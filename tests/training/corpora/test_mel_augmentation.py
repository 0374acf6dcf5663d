"""Log-mels of other voices, rates and rooms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.training.corpora.mel_augmentation import LARGEST, MelRecipe, loudness

NOTHING = MelRecipe(warped=0, stretched=0, noise=0, narrow=0, room=0, microphone=0)


def crop(seed: int = 0, count: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 80)).astype(np.float32)


def test_without_chances_a_crop_is_only_centred() -> None:
    mel, speech, rng = crop(), np.arange(60) < 40, np.random.default_rng(0)
    assert NOTHING.draw_rate(rng) == 1.0
    assert NOTHING.voice(mel, rng) is mel
    out = NOTHING.degrade(mel, speech, crop(1), rng)
    assert out == pytest.approx(mel - mel[speech].mean(0), abs=1e-5)


@pytest.mark.parametrize("name", ["noise", "narrow", "room", "microphone"])
def test_each_chance_changes_a_crop_and_keeps_it_finite(name: str) -> None:
    mel, speech = crop(), np.ones(60, bool)
    out = replace(NOTHING, **{name: 1.0}).degrade(mel, speech, crop(1), np.random.default_rng(2))
    assert out.shape == mel.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= LARGEST + 2
    assert np.abs(out - mel).max() > 0.05


def test_another_voice_moves_the_bands() -> None:
    peak = np.zeros((5, 80), np.float32)
    peak[:, 40] = 1
    tops = {int(replace(NOTHING, warped=1.0).voice(peak, np.random.default_rng(s))[0].argmax()) for s in range(20)}
    assert len(tops) > 5
    assert all(28 <= top <= 56 for top in tops)


def test_background_covers_quiet_frames_more_than_loud_ones() -> None:
    mel = np.where(np.arange(60)[:, None] < 30, -6.0, 3.0) * np.ones((1, 80))
    loud = replace(NOTHING, noise=1.0, talker=0.0).degrade(
        mel.astype(np.float32), np.zeros(60, bool), crop(1), np.random.default_rng(1)
    )
    assert loud[30:].mean() - loud[:30].mean() < 9.0


def test_a_channel_brings_a_crop_to_the_level() -> None:
    mel, speech, rng = crop(), np.arange(60) < 40, np.random.default_rng(0)
    spectrum = np.linspace(-1.0, -4.0, 80)
    plain = replace(MelRecipe(), equaliser=0.0, level_deviation=0.0)
    out = plain.channel(mel, speech, spectrum, 5.0, rng)
    assert out.dtype == np.float32
    assert loudness(out, speech) == pytest.approx(5.0, abs=0.01)
    assert out - mel == pytest.approx(np.broadcast_to(spectrum + (out - mel - spectrum).mean(), out.shape), abs=0.05)
    again = plain.channel(mel + 3.0, speech, spectrum, 5.0, rng)  # louder or not, the same
    assert again == pytest.approx(out, abs=1e-3)


def test_an_equaliser_changes_the_spectrum_and_not_the_level() -> None:
    mel, speech = crop(), np.ones(60, bool)
    always = replace(MelRecipe(), equaliser=1.0, level_deviation=0.0)
    one, two = (always.channel(mel, speech, np.full(80, -6.0), 5.0, np.random.default_rng(s)) for s in (1, 2))
    assert np.abs((one - two).mean(0)).max() > 0.2
    assert loudness(one, speech) == pytest.approx(loudness(two, speech), abs=0.02)
