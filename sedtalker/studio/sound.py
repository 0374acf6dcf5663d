"""The recording as the page plays and draws it: a WAV file that every browser decodes alike, and peaks."""

from __future__ import annotations

import secrets
import tempfile
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from sedtalker.animation.animator import Animator
from sedtalker.arrays import Floats, Reals
from sedtalker.audio import Audio, load_audio
from sedtalker.audio.activity import spans
from sedtalker.audio.audio import LONGEST_SECONDS, sound_file
from sedtalker.audio.decoders import CUT_OR_RAISE
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, one_step, share
from sedtalker.speech.features import SpeechFeatures

HIGHEST_RATE = 48_000
"""Samples per second of the file that the page plays, at most."""
MOST_PEAKS = 200_000
"""Pairs of peaks that are given at once."""


@dataclass(frozen=True, eq=False)
class OpenClip:
    """A recording with all that is computed of it once.

    Attributes:
        sound: decoded for the networks.
        wav: decoded for the page.
        rate: samples per second of ``wav``.
        features: what the decoder reads.
        track: what the diarizer found, or what a project begins with.
        key: of no other clip.
    """

    path: Path
    sound: Audio
    wav: Path
    rate: int
    features: SpeechFeatures
    track: EmotionTrack
    key: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def pauses(self) -> list[tuple[float, float]]:
        """Stretches without speech, seconds."""
        found = spans(~self.features.speech, self.features.clock.rate)
        return [(a, min(b, self.sound.duration)) for a, b in found if b - a >= 0.15]  # seconds

    def peaks(self, bins: int) -> Floats:
        """(bins, 2) least and greatest sample of equal parts."""
        samples = self.sound.samples
        count = max(1, min(bins, MOST_PEAKS, len(samples)))
        starts = np.linspace(0, len(samples), count, endpoint=False).astype(np.int64)
        both = [ufunc.reduceat(samples, starts) for ufunc in (np.minimum, np.maximum)]
        return np.ascontiguousarray(np.stack(both, axis=1), dtype="<f4")


def analyse(animator: Animator, path: Path, folder: Path, hook: Hook, track: EmotionTrack | None = None) -> OpenClip:
    """Read, encode and diarize a recording.

    Args:
        animator: whose encoder and diarizer are used.
        folder: where to write what the page plays.
        track: its emotion, where that is known already.
    """
    with one_step(hook, "reading the audio"):
        try:
            with share(0.0, 0.5):
                sound = load_audio(path)
        except InputError as error:
            raise InputError(str(error).replace(CUT_OR_RAISE, ": cut it into parts")) from None
        wav = Path(tempfile.mkdtemp(prefix="sound-", dir=folder)) / "sound.wav"
        with share(0.5, 1.0):
            rate = write_wav(path, wav)
    with torch_threads(1):
        with one_step(hook, "encoding the speech"):
            features = animator.encoder(sound)
        with one_step(hook, "recognising the emotion"):
            track = animator.track(sound, features) if track is None else track
    return OpenClip(path, sound, wav, rate, features, track)


def write_wav(path: Path, wav: Path) -> int:
    """Write a recording as 16-bit PCM, mono or stereo, at its own rate up to 48 kHz; returns the rate."""
    decoder, own = sound_file(path, LONGEST_SECONDS)
    rate = min(own, HIGHEST_RATE)
    resampler: soxr.ResampleStream | None = None
    with wave.open(str(wav), "wb") as file:
        file.setframerate(rate)
        file.setsampwidth(2)
        channels = 0
        for part in decoder.parts():
            part = part if part.shape[1] <= 2 else part.mean(axis=1, keepdims=True)
            if not channels:
                channels = part.shape[1]
                file.setnchannels(channels)
                resampler = None if rate == own else soxr.ResampleStream(own, rate, channels, dtype="float32")
            if part.shape[1] != channels:
                part = np.repeat(part.mean(axis=1, keepdims=True), channels, axis=1)
            file.writeframes(_pcm(part if resampler is None else resampler.resample_chunk(part)))
        if resampler is not None:
            file.writeframes(_pcm(resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)))
    return rate


def _pcm(samples: Reals) -> bytes:
    clean = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.round(np.clip(clean, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
