"""Speech features of sound that is still going on: what ``encode`` would say of the recording so far.

Level and spectrum are normalised by all that was heard until now. Features of the last seconds are kept in a form that
no gain and no centring has touched, and are normalised anew whenever more is heard; of what came before only
distributions and sums are kept (``history``). Memory and work for each stretch do not grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sedtalker.audio import FrameClock
from sedtalker.audio.activity import activity_level
from sedtalker.speech.encoder import SpeechEncoder, SpeechFeatures
from sedtalker.speech.features import (
    ENERGY_FLOOR,
    FRAME_CLOCK,
    HOP_LENGTH,
    LARGEST_GAIN,
    LOG_FLOOR,
    LOUD,
    MEL_BANDS,
    PITCH_WINDOW,
    QUIET,
    WINDOW_LENGTH,
    PitchFrames,
    frame_rms,
    gain_of,
    mel_power,
    pitch_frames,
    prosody_tracks,
    smooth_level,
    speech_threshold,
)
from sedtalker.speech.history import BandHistory, LevelHistogram, quantile_with, with_gain, without_gain

ALIGNMENT = 40
"""The kept part begins at a multiple of so many frames (20 ms), so that coarser grids laid over it stay in place."""
BEFORE = PITCH_WINDOW // 2 - HOP_LENGTH // 2
"""Samples that the widest analysis frame sees before its own hop."""
SILENT = 1e-12
STALE = 0.005
"""Hidden vectors are computed anew once the centre of any band has moved by this much (natural log) since."""


@dataclass(frozen=True, eq=False)
class Heard:
    """The end of what was heard.

    Attributes:
        features: of the kept frames, normalised by all that was heard; their clock says when they were.
        first: number of the first kept frame.
        total: frames heard so far, the kept ones being ``first … total - 1``.
        loud: level of loud frames in all that was heard, for ``speech_activity``.
    """

    features: SpeechFeatures
    first: int
    total: int
    loud: float


class Listener:
    """Hears sound piece by piece and remembers the features of its last seconds.

    Args:
        encoder: from ``load_encoder``.
        keep: frames of 20 ms that are kept at least, before the newest piece.
    """

    def __init__(self, encoder: SpeechEncoder, keep: int):
        self.encoder, self.keep = encoder, keep
        self.heard = 0
        self.tail = torch.zeros(BEFORE)
        self.whole = 0
        """Analysis frames (10 ms) that no later sample can change; the buffer holds those after ``first`` of them."""
        self.first = self.counted = 0
        """Analysis frames before ``first`` are gone; those before ``counted`` are in the history."""
        self.rms, self.mel = torch.zeros(0), torch.zeros(0, MEL_BANDS)
        self.pitch = PitchFrames(*(part[:0] for part in pitch_frames(torch.zeros(1, PITCH_WINDOW))))
        self.hidden = torch.zeros(0, encoder.config.channels)
        self.centre = torch.zeros(MEL_BANDS)
        self.rms_history, self.level_history, self.energy_history = (LevelHistogram() for _ in range(3))
        self.band_history = BandHistory(MEL_BANDS, LOG_FLOOR, LARGEST_GAIN)

    @torch.no_grad()
    def hear(self, samples: NDArray[np.float32]) -> Heard:
        """The next samples (N,), a multiple of 320 unless they are the last.

        Returns:
            What ``encode`` says of everything until now, for the kept frames. Equal to it within 1e-4 while nothing
            has left the buffer and the hidden vectors are fresh; see ``STALE`` and ``history`` for the rest.
        """
        known = self.whole
        self._analyse(torch.from_numpy(np.array(samples, np.float32)))
        recent = torch.log(self.rms[self.counted - self.first :] + SILENT).double().numpy()
        loud = quantile_with(self.rms_history, recent, LOUD, np.exp)
        gain = float(gain_of(torch.tensor(loud)))
        mel = torch.log(gain**2 * self.mel + LOG_FLOOR)
        tracks = _pairs(prosody_tracks(self.pitch, gain)).mean(1)
        loudness = smooth_level(torch.logsumexp(mel, -1)[None])[0]
        level = without_gain(loudness.numpy(), MEL_BANDS * LOG_FLOOR, gain)
        speech, centre = self._speech(mel, level, gain)
        energy = without_gain(activity_level(tracks[:, 0].numpy(), FRAME_CLOCK.rate), ENERGY_FLOOR, gain)
        since = (self.counted - self.first) // 2
        features = SpeechFeatures(
            clock=FrameClock(FRAME_CLOCK.rate, FRAME_CLOCK.offset + self.first / 2 / FRAME_CLOCK.rate),
            hidden=self._encode((mel - centre).clamp(-8.0, 8.0), centre - 2 * np.log(gain), known).numpy(),
            mel=_pairs((mel - centre).clamp(-8.0, 8.0)).mean(1).numpy(),
            prosody=tracks.numpy(),
            speech=_pairs(speech).any(1).numpy(),
        )
        overall = quantile_with(
            self.energy_history, energy[since:], LOUD, partial(with_gain, floor=ENERGY_FLOOR, gain=gain)
        )
        heard = Heard(features, self.first // 2, self.first // 2 + len(features), overall)
        self._forget(level, energy)
        return heard

    def _analyse(self, samples: Tensor) -> None:
        """Frames of the new samples; those that saw the end of the old ones are computed again."""
        self.heard += len(samples)
        self.tail = torch.cat([self.tail, samples])
        total = 2 * -(-self.heard // (2 * HOP_LENGTH))
        new = slice(0, total - self.whole)
        padded = F.pad(self.tail, (0, PITCH_WINDOW + 2 * HOP_LENGTH))
        keep = self.whole - self.first
        narrow = padded[BEFORE - WINDOW_LENGTH // 2 + HOP_LENGTH // 2 :].unfold(0, WINDOW_LENGTH, HOP_LENGTH)[new]
        self.rms = torch.cat([self.rms[:keep], frame_rms(narrow)])
        self.mel = torch.cat([self.mel[:keep], mel_power(narrow)])
        pitch = pitch_frames(padded.unfold(0, PITCH_WINDOW, HOP_LENGTH)[new])
        self.pitch = PitchFrames(*(torch.cat([a[:keep], b]) for a, b in zip(self.pitch, pitch, strict=True)))
        whole = max(0, (self.heard - BEFORE) // HOP_LENGTH)
        self.tail = self.tail[(whole - self.whole) * HOP_LENGTH :]
        self.whole = whole

    def _speech(self, mel: Tensor, level: NDArray[np.float64], gain: float) -> tuple[Tensor, Tensor]:
        """Speech mask (T,) of the kept frames and the mean log-mel (80,) of all speech so far."""
        new, floor = self.counted - self.first, MEL_BANDS * LOG_FLOOR
        scale = partial(with_gain, floor=floor, gain=gain)
        quiet, loud = (quantile_with(self.level_history, level[new:], share, scale) for share in (QUIET, LOUD))
        threshold = speech_threshold(torch.tensor(quiet), torch.tensor(loud)).double().numpy()
        limit = float(without_gain(threshold, floor, gain))
        speech = torch.from_numpy(level > limit)
        count, total = self.band_history.above(limit, gain)
        chosen = speech[new:]
        if not count and not chosen.any():
            count, total = self.band_history.above(-np.inf, gain)
            chosen = torch.ones_like(chosen)
        mean = (torch.from_numpy(total) + mel[new:][chosen].double().sum(0)) / (count + int(chosen.sum()))
        return speech, mean.to(mel.dtype)

    def _encode(self, mel: Tensor, centre: Tensor, known: int) -> Tensor:
        """Hidden vectors of the kept frames; ``known`` analysis frames were certain before."""
        context = self.encoder.context
        done = max(0, (known - self.first) // 2 - context)
        if not done or float((centre - self.centre).abs().max()) > STALE:
            self.centre, done = centre, 0
        start = max(0, done - context)
        fresh = self.encoder(mel[None, 2 * start :])[0, done - start :]
        self.hidden = torch.cat([self.hidden[:done], fresh])
        return self.hidden

    def _forget(self, level: NDArray[np.float64], energy: NDArray[np.float64]) -> None:
        """Move old frames to the history; ``ALIGNMENT`` of them stay in the buffer for what smooths over them."""
        spare = (self.whole - self.first) // 2 - self.keep - ALIGNMENT
        drop = max(0, spare // ALIGNMENT * ALIGNMENT)
        if not drop:
            return
        counted = self.first + 2 * (drop + ALIGNMENT)
        old = slice(self.counted - self.first, counted - self.first)
        self.rms_history.add(torch.log(self.rms[old] + SILENT).numpy())
        self.level_history.add(level[old])
        self.energy_history.add(energy[old.start // 2 : old.stop // 2])
        self.band_history.add(self.mel[old].numpy(), level[old])
        self.first, self.counted = self.first + 2 * drop, counted
        self.rms, self.mel = self.rms[2 * drop :], self.mel[2 * drop :]
        self.pitch = PitchFrames(*(part[2 * drop :] for part in self.pitch))
        self.hidden = self.hidden[drop:]


def _pairs(values: Tensor) -> Tensor:
    """(2T, …) → (T, 2, …): two analysis frames for one of the encoder's."""
    return values.unflatten(0, (-1, 2))
