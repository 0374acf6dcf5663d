"""Sound that is made on the device is that of the same pieces put together by hand, and is changed as NumPy does it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.audio import SAMPLE_RATE
from sedtalker.progress import no_progress
from sedtalker.speech.features import level_gain, log_mel
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.device_dialogues import (
    DeviceSounds,
    PlannedVoice,
    SoundBank,
    SoundChanges,
    level_gains,
    plan_dialogue,
    to_batch,
)
from sedtalker.training.corpora.joined_speech import CLIP_FADE, SPEAKER_FRAME, DialogueRule
from sedtalker.training.corpora.transfer_recipe import TransferAugmenter, telephone

UNCHANGED = TransferAugmenter(room=0.0, microphone=0.0, noise=0.0, telephone=0.0, transcoded=0.0, clipped=0.0)
SPEEDS = (1.0, 1.25)
CPU = torch.device("cpu")


@pytest.fixture
def bank(tmp_path: Path) -> SoundBank:
    """Two recordings, of one and of two seconds, at two speeds."""
    rng = np.random.default_rng(0)
    sounds = [(3000 * rng.standard_normal(seconds * SAMPLE_RATE)).astype(np.int16) for seconds in (1, 2)]
    starts = np.cumsum([0, *map(len, sounds)]).astype(np.int64)
    return SoundBank.open(WaveformStore(np.concatenate(sounds), starts), SPEEDS, tmp_path, no_progress)


def test_a_bank_holds_every_recording_at_every_speed(bank: SoundBank) -> None:
    lengths = [bank.place(clip, speed)[1] * SPEAKER_FRAME / SAMPLE_RATE for clip in (0, 1) for speed in (0, 1)]
    assert lengths == pytest.approx([1.0, 0.8, 2.0, 1.6], abs=0.04)
    assert bank.starts[-1] == len(bank.frames) == len(bank.spoken)
    assert bank.spoken.all()  # noise that never stops


def test_unchanged_dialogues_are_their_pieces(bank: SoundBank) -> None:
    sounds = DeviceSounds([bank], SoundChanges(UNCHANGED), CPU)
    first, length = bank.place(1, 0)
    batch = to_batch([[(0, first, 5, length), (1, bank.place(0, 0)[0], 60, 10)]], np.array([[1.0, 0.5, 1.0]]))
    torch.manual_seed(0)
    mel, active = sounds.dialogues(batch["turns"], batch["levels"], 75)
    assert mel.shape == (1, 300, 80)
    assert active[0, 0].nonzero()[:, 0].tolist() == list(range(5, 5 + length))
    assert active[0, 1].nonzero()[:, 0].tolist() == list(range(60, 70))
    assert not active[0, 2].any()
    by_hand = np.zeros(75 * SPEAKER_FRAME, np.float32)
    for (place, gain), frames, at in (((1, 1.0), length, 5), ((0, 0.5), 10, 60)):
        begin = bank.place(place, 0)[0]
        piece = bank.frames[begin : begin + frames].reshape(-1) / 32767 * bank.gains[2 * place] * gain
        ramp = np.minimum(np.arange(len(piece)), np.arange(len(piece))[::-1]) / CLIP_FADE
        by_hand[at * SPEAKER_FRAME :][: len(piece)] += piece * ramp.clip(0, 1)
    torch.manual_seed(0)
    expected = sounds.changes(torch.from_numpy(by_hand)[None])
    assert torch.allclose(mel, expected, atol=1e-3)


def test_short_recordings_are_repeated_in_crops(bank: SoundBank) -> None:
    sounds = DeviceSounds([bank], SoundChanges(UNCHANGED), CPU)
    first, length = bank.place(0, 0)
    mel = sounds.crops(torch.tensor([[first, 3, length]]), length + 20)
    inside = slice(8, 4 * 16)
    assert torch.allclose(mel[0, inside], mel[0, 4 * length + inside.start : 4 * length + inside.stop], atol=1e-3)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 0.9))
def test_spectra_levels_and_telephones_are_those_of_numpy(seed: int, scale: float) -> None:
    sound = (scale * np.random.default_rng(seed).standard_normal(6400)).astype(np.float32)
    changes = SoundChanges(UNCHANGED)
    there = torch.from_numpy(sound)[None]
    assert np.abs(changes.log_mel(there)[0].numpy() - log_mel(sound)).max() < 1e-3
    assert float(level_gains(there)) == pytest.approx(level_gain(sound), rel=1e-4)
    phone = SoundChanges(replace(UNCHANGED, telephone=1.0))
    apart = np.abs(phone.degrade(there)[0].numpy() - telephone(sound)) > 1e-3 * np.abs(sound).max()
    assert apart.mean() < 0.01  # in single precision a few samples are rounded to the next step of the μ-law


def test_every_change_changes_the_sound_and_noise_keeps_its_distance() -> None:
    rng = np.random.default_rng(1)
    noises, rooms = [rng.standard_normal(5000).astype(np.float32)], [np.float32([0.1, 1.0, 0.5])]
    material = replace(UNCHANGED, noises=noises, responses=rooms, snr=(10.0, 20.0))
    sound = torch.from_numpy(0.1 * rng.standard_normal((16, 16_000)).astype(np.float32))
    for name in ("room", "microphone", "noise", "telephone", "clipped"):
        torch.manual_seed(2)
        changes = SoundChanges(replace(material, **{name: 1.0}))
        changed = changes.degrade(sound)
        assert changed.shape == sound.shape
        assert torch.isfinite(changed).all()
        assert ((changed - sound).abs().amax(1) > 1e-3).all(), name
        if name == "noise":
            ratio = 10 * torch.log10(sound.square().mean(1) / (changed - sound).square().mean(1))
            assert ((ratio > 9.9) & (ratio < 20.1)).all()


@given(st.integers(0, 2**32 - 1))
def test_turns_lie_in_the_dialogue_and_in_one_recording(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 120, 12)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    held = SoundBank(np.zeros((0, 640), np.int16), np.zeros(0, bool), starts, np.ones(12, np.float32), 2)
    voices = [PlannedVoice([0, 1], 0), PlannedVoice([2, 5], 1)]
    turns = plan_dialogue(held, voices, 200, rng, DialogueRule(overlap=0.5))
    assert turns
    assert {place for place, *_ in turns} <= {0, 1}
    for place, first, at, length in turns:
        assert 0 <= at < at + length <= 200
        item = int(np.searchsorted(starts, first, side="right")) - 1
        assert first + length <= starts[item + 1]
        assert item % 2 == voices[place].speed
        assert item // 2 in voices[place].clips
