"""Dialogues that are put together and degraded on the device that trains: a GPU makes a thousand seconds in one.

A *plan*, drawn from a NumPy generator, says which stretch of which recording stands where. ``SoundBank`` holds the
recordings as frames of 40 ms and adds them up; ``SoundChanges`` puts the sum into a room, before another microphone,
into noise or on a telephone, with the chances of a ``TransferAugmenter``. Codecs are left out: no GPU runs them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.audio import SAMPLE_RATE
from sedtalker.progress import Hook
from sedtalker.speakers.speaker_model import STRIDE
from sedtalker.speech.features import (
    FFT_LENGTH,
    HOP_LENGTH,
    LARGEST_GAIN,
    LOG_FLOOR,
    LOUD,
    WINDOW_LENGTH,
    hann_window,
    level_gain,
    log_mel,
    mel_filters,
    speech_mask,
)
from sedtalker.training.corpora.augmentation import Samples, change_speed, from_direct_sound
from sedtalker.training.corpora.cache import INT16_SCALE, STARTS, WaveformStore, cache_key, open_arrays
from sedtalker.training.corpora.joined_speech import CLIP_FADE, SPEAKER_FRAME, DialogueRule, plan_turns
from sedtalker.training.corpora.transfer_recipe import MU, TELEPHONE_BAND, TransferAugmenter
from sedtalker.training.task import Batch

PLACES = 3
"""Most speakers in a dialogue."""
RESPONSE = SAMPLE_RATE // 2
"""Samples of a room's response that count."""
OCTAVES = 7
"""Points over 7.5 octaves that a microphone's gain is drawn at."""


@dataclass(frozen=True, eq=False)
class SoundBank:
    """Recordings at several speeds, one after another, in whole frames of ``SPEAKER_FRAME`` samples.

    Attributes:
        frames: (F, 640) int16.
        spoken: (F,) bool whether a frame is loud enough to be speech.
        starts: (clips · speeds + 1,) where each recording begins; all speeds of one stand together.
        gains: (clips · speeds,) what brings each to the usual level.
        speeds: how many there are.
    """

    frames: NDArray[np.int16]
    spoken: Mask
    starts: NDArray[np.int64]
    gains: Floats
    speeds: int

    @staticmethod
    def open(store: WaveformStore, speeds: Sequence[float], cache: Path, hook: Hook) -> SoundBank:
        """The bank of a store, made on first use."""
        key = cache_key(store.key, [int(start) for start in store.starts], list(speeds))
        paths = {name: cache / f"bank-{key}-{name}.npy" for name in ("frames", "spoken", "gains", STARTS)}

        def rows(first: int) -> Iterator[dict[str, NDArray[Any]]]:
            for clip in range(first // len(speeds), len(store)):
                skipped = first % len(speeds) if clip == first // len(speeds) else 0
                yield from framed(store[clip], speeds)[skipped:]

        made = open_arrays(paths, rows, "changing speeds", len(store) * len(speeds), hook)
        return SoundBank(made["frames"], made["spoken"], made[STARTS], made["gains"], len(speeds))

    def place(self, clip: int, speed: int) -> tuple[int, int]:
        """First frame of a recording at a speed, and how many it has."""
        first, end = self.starts[clip * self.speeds + speed : clip * self.speeds + speed + 2]
        return int(first), int(end - first)


def framed(samples: Samples, speeds: Sequence[float]) -> list[dict[str, NDArray[Any]]]:
    """A recording at each speed, as ``SoundBank`` holds it; one shorter than a frame is repeated."""
    gain = level_gain(samples)
    spoken = speech_mask(log_mel(np.float32(gain) * samples))
    found = []
    for speed in speeds:
        changed = samples if speed == 1.0 else change_speed(samples, speed)
        count = max(1, len(changed) // SPEAKER_FRAME)
        changed = np.resize(changed, count * SPEAKER_FRAME)
        times = (np.arange(STRIDE * count) * speed).astype(int).clip(0, len(spoken) - 1)
        whole = np.round(changed * INT16_SCALE).clip(-INT16_SCALE, INT16_SCALE).astype("<i2")
        found.append(
            {
                "frames": whole.reshape(count, SPEAKER_FRAME),
                "spoken": spoken[times].reshape(count, STRIDE).mean(1) >= 0.5,
                "gains": np.array([gain], np.float32),
                STARTS: np.array([count], np.int64),
            }
        )
    return found


@dataclass(frozen=True)
class PlannedVoice:
    """A speaker of a dialogue: some of their recordings, all at one speed (an index)."""

    clips: Sequence[int]
    speed: int


def plan_dialogue(
    bank: SoundBank, voices: Sequence[PlannedVoice], frames: int, rng: np.random.Generator, rule: DialogueRule
) -> list[tuple[int, int, int, int]]:
    """Turns of a dialogue (``plan_turns``): place of the speaker, first frame in the bank, first frame in the dialogue,
    and length in frames."""
    places = [[bank.place(clip, voice.speed) for clip in voice.clips] for voice in voices]
    lengths = [[length for _, length in own] for own in places]
    turns = plan_turns(lengths, frames, SAMPLE_RATE / SPEAKER_FRAME, rng, rule)
    return [(t.speaker, places[t.speaker][t.clip][0] + t.first, t.start, t.length) for t in turns]


class DeviceSounds:
    """The frames of some banks on a device, and what is made of them there."""

    def __init__(self, banks: Sequence[SoundBank], changes: SoundChanges, device: torch.device):
        self.frames = torch.cat([torch.from_numpy(np.array(bank.frames)) for bank in banks]).to(device)
        self.spoken = torch.cat([torch.from_numpy(np.array(bank.spoken)) for bank in banks]).to(device)
        gains = [np.repeat(bank.gains, np.diff(bank.starts)) for bank in banks]
        self.gains = torch.from_numpy(np.concatenate(gains)).to(device)
        self.changes = changes
        self.changes.to(device)

    def dialogues(self, turns: Tensor, levels: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Log-mels (B, 4T, 80) of dialogues, and who speaks in them, (B, 3, T).

        Args:
            turns: (P, 5) of all turns: dialogue, place, first frame in the banks, first frame in the dialogue, length.
            levels: (B, 3) gain of each speaker.
            frames: T.
        """
        row, place, first, start, length = turns.unbind(1)
        turn = torch.repeat_interleave(torch.arange(len(turns), device=turns.device), length)
        offset = torch.arange(len(turn), device=turns.device) - (length.cumsum(0) - length)[turn]
        source, target = first[turn] + offset, row[turn] * frames + start[turn] + offset
        gain = self.gains[source] * levels[row, place][turn] / INT16_SCALE
        ramp = torch.ones(SPEAKER_FRAME, device=turns.device)
        ramp[:CLIP_FADE] = torch.arange(CLIP_FADE, device=turns.device) / CLIP_FADE
        begins, ends = (offset == 0)[:, None], (offset == length[turn] - 1)[:, None]
        flat = torch.ones_like(ramp)
        shaped = torch.where(begins, ramp, flat) * torch.where(ends, ramp.flip(0), flat)
        pieces = self.frames[source].float() * gain[:, None] * shaped
        sound = torch.zeros(len(levels) * frames, SPEAKER_FRAME, device=turns.device).index_add_(0, target, pieces)
        active = torch.zeros(len(levels), PLACES, frames, device=turns.device)
        active.view(-1, frames)[row[turn] * PLACES + place[turn], start[turn] + offset] = self.spoken[source].float()
        return self.changes(sound.view(len(levels), -1)), active

    def crops(self, places: Tensor, frames: int) -> Tensor:
        """Log-mels (C, 4T, 80) of single recordings: ``places`` (C, 3) are first frame, offset, and length; a
        recording that is too short is repeated."""
        first, offset, length = places.unbind(1)
        index = first[:, None] + (offset[:, None] + torch.arange(frames, device=places.device)) % length[:, None]
        sound = self.frames[index].float() * self.gains[first][:, None, None] / INT16_SCALE
        return self.changes(sound.flatten(1))


class SoundChanges:
    """Another room, microphone, background and telephone for sounds (B, N), and their log-mels."""

    def __init__(self, recipe: TransferAugmenter):
        self.recipe = recipe
        rooms = [_tail(response) for response in recipe.responses]
        self.rooms = torch.from_numpy(np.stack(rooms)) if rooms else torch.zeros(0, RESPONSE)
        noises = [np.asarray(noise, np.float32) for noise in recipe.noises] or [np.ones(1, np.float32)]
        self.noises = torch.from_numpy(np.concatenate(noises))
        self.noise_lengths = torch.tensor([len(noise) for noise in noises])
        self.window, self.filters = torch.from_numpy(hann_window(WINDOW_LENGTH)), torch.from_numpy(mel_filters())

    def to(self, device: torch.device) -> None:
        for name in ("rooms", "noises", "noise_lengths", "window", "filters"):
            setattr(self, name, getattr(self, name).to(device))

    def __call__(self, sound: Tensor) -> Tensor:
        """Log-mels (B, N / 160, 80) of sounds that were changed, at about their usual level."""
        changed = self.degrade(sound)
        level = 10 ** _even(len(sound), -0.2, 0.2, sound.device)
        return self.log_mel(changed * level_gains(changed) * level)

    def degrade(self, sound: Tensor) -> Tensor:
        """Sounds (B, N) as ``TransferAugmenter.degrade`` changes them, each by itself."""
        recipe, device, (rows, count) = self.recipe, sound.device, sound.shape
        room, microphone, noise, line, clip = torch.rand(5, rows, 1, device=device)
        length = scipy.fft.next_fast_len(count + RESPONSE, real=True)
        spectrum = torch.fft.rfft(sound, length)
        reverberant = spectrum * torch.fft.rfft(self._responses(rows), length)
        spectrum = torch.where(room < recipe.room, reverberant, spectrum)
        gain = self._microphones(rows, spectrum.shape[1])
        spectrum = torch.where(microphone < recipe.microphone, spectrum * gain, spectrum)
        sound = torch.fft.irfft(spectrum, length)[:, :count]
        sound = torch.where(noise < recipe.noise, sound + self._background(sound), sound)
        sound = torch.where(line < recipe.telephone, _telephone(sound), sound)
        limit = _even(rows, 0.1, 0.5, device) * sound.abs().amax(1, keepdim=True)
        return torch.where(clip < recipe.clipped, sound.clamp(-limit, limit), sound)

    def _responses(self, rows: int) -> Tensor:
        """(B, RESPONSE) measured responses, or decaying noise after a gap before the first reflection."""
        recipe, device = self.recipe, self.window.device
        t = torch.arange(RESPONSE, device=device) / SAMPLE_RATE
        seconds = _even(rows, *recipe.reverberation, device)
        made = torch.randn(rows, RESPONSE, device=device) * torch.exp(-6.9 * t / seconds)
        made = made * _even(rows, 0.01, 0.08, device) * (t >= _even(rows, 0.002, 0.02, device)) * (t < seconds)
        if len(self.rooms):
            picked = self.rooms[torch.randint(len(self.rooms), (rows,), device=device)]
            measured = torch.rand(rows, 1, device=device) < recipe.measured
            made = torch.where(measured, picked * _even(rows, *recipe.wet, device), made)
        made[:, 0] = 1.0
        return made

    def _microphones(self, rows: int, bins: int) -> Tensor:
        """(B, F) smooth random gains over frequency, up to ±14 dB, some with limits of their band."""
        device = self.window.device
        hertz = torch.linspace(0, SAMPLE_RATE / 2, bins, device=device).clamp_min(1.0)
        points = (5.0 * torch.randn(rows, OCTAVES, device=device)).clamp(-14, 14)
        position = (torch.log2(hertz / 50) / 7.5 * (OCTAVES - 1)).clamp(0, OCTAVES - 1 - 1e-4)
        low = position.floor().long()
        decibels = points[:, low] * (1 - position + low) + points[:, low + 1] * (position - low)
        lowest, highest = _even(rows, 60, 300, device), _even(rows, 3400, 7500, device)
        limited = torch.rand(rows, 1, device=device) < self.recipe.band_limits
        outside = (lowest / hertz).log2().clamp(0, 1) + (4 * (hertz / highest).log2()).clamp(0, 1)
        return 10 ** ((decibels - 40 * outside * limited) / 20)

    def _background(self, sound: Tensor) -> Tensor:
        """(B, N) recorded or coloured noise at random ratios to the sounds."""
        recipe, device, (rows, count) = self.recipe, sound.device, sound.shape
        bins = count // 2 + 1
        steepness = torch.arange(bins, device=device).clamp_min(1.0) ** -_even(rows, 0.0, 1.1, device)
        coloured = torch.fft.irfft(torch.fft.rfft(torch.randn(rows, count, device=device)) * steepness, count)
        which = torch.randint(len(self.noise_lengths), (rows,), device=device)
        lengths = self.noise_lengths[which][:, None]
        first = (self.noise_lengths.cumsum(0) - self.noise_lengths)[which][:, None]
        offset = (torch.rand(rows, 1, device=device) * lengths).long()
        recorded = self.noises[first + (offset + torch.arange(count, device=device)) % lengths]
        noise = torch.where(torch.rand(rows, 1, device=device) < recipe.recorded, recorded, coloured)
        return noise * _rms(sound) / _rms(noise) * 10 ** (-_even(rows, *recipe.snr, device) / 20)

    def log_mel(self, sound: Tensor) -> Tensor:
        """Log-mels (B, N / 160, 80) as ``sedtalker.speech.features.log_mel`` makes them, N a multiple of 320."""
        spectrum = torch.fft.rfft(_frames(sound) * self.window, FFT_LENGTH)
        return torch.log((spectrum.real.square() + spectrum.imag.square()) @ self.filters.T + LOG_FLOOR)


def level_gains(sound: Tensor) -> Tensor:
    """(B, 1) ``level_gain`` of sounds (B, N)."""
    loud = torch.quantile(_frames(sound).square().mean(-1).sqrt(), LOUD, dim=1, keepdim=True)
    return torch.where(loud > 1e-5, 0.1 / loud, torch.ones_like(loud)).clamp(1 / LARGEST_GAIN, LARGEST_GAIN)


def _frames(sound: Tensor) -> Tensor:
    """(B, N / 160, 400) analysis frames of sounds (B, N), as those of ``sedtalker.speech.features``."""
    around = WINDOW_LENGTH // 2 - HOP_LENGTH // 2
    return F.pad(sound, (around, around)).unfold(1, WINDOW_LENGTH, HOP_LENGTH)


def _tail(response: Samples) -> Samples:
    """A measured response (RESPONSE,) from its direct sound on, which is 1."""
    tail = from_direct_sound(np.asarray(response, np.float32))
    return np.pad(tail, (0, RESPONSE - len(tail))).astype(np.float32)


def _telephone(sound: Tensor) -> Tensor:
    """``transfer_recipe.telephone`` of sounds (B, N)."""
    (low, high), count = TELEPHONE_BAND, sound.shape[1]
    hertz = torch.linspace(0, SAMPLE_RATE / 2, count // 2 + 1, device=sound.device).clamp_min(1.0)
    narrow = torch.fft.irfft(torch.fft.rfft(sound) / (1 + (hertz / high) ** 24) / (1 + (low / hertz) ** 8), count)
    peak = narrow.abs().amax(1, keepdim=True) + 1e-9
    scaled = 0.9 * narrow / peak
    coded = (127 * scaled.sign() * torch.log1p(MU * scaled.abs()) / math.log(MU + 1)).round() / 127
    return coded.sign() * ((MU + 1) ** coded.abs() - 1) / MU * peak / 0.9


def _even(rows: int, low: float, high: float, device: torch.device) -> Tensor:
    """(B, 1) even between two limits."""
    return low + (high - low) * torch.rand(rows, 1, device=device)


def _rms(sound: Tensor) -> Tensor:
    return (sound.square().mean(1, keepdim=True) + 1e-12).sqrt()


def to_batch(turns: Sequence[Sequence[tuple[int, int, int, int]]], levels: Doubles) -> Batch:
    """Plans of dialogues as tensors, see ``DeviceSounds.dialogues``."""
    rows = [(row, *turn) for row, planned in enumerate(turns) for turn in planned]
    return {"turns": torch.tensor(rows, dtype=torch.long), "levels": torch.from_numpy(levels.astype(np.float32))}
