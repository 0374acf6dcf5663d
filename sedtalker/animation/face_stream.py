"""The moving face while somebody is still speaking: ARKit weights a stated time after the sound."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import Decoder, sound_of
from sedtalker.animation.decoder_stream import DecoderStream
from sedtalker.emotion.stream import FRAME_LENGTH, DiarizerStream, StreamFrames
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52

Floats = NDArray[np.float32]


class MovedFrames(NamedTuple):
    """Frames that have become final, 20 ms apart.

    Attributes:
        times: (T,) float64 seconds since the beginning.
        weights: (T, 52) in [0, 1], in the order of ``ARKIT_52``: mouth, jaw, cheeks, nose, brows and lids, no blinks.
        emotion: what was heard, for the same frames or fewer by the decoder's look-ahead.
    """

    times: NDArray[np.float64]
    weights: Floats
    emotion: StreamFrames


class FaceStream:
    """A decoder over sound that comes in pieces of any length, in memory that does not grow.

    A frame comes out ``emotions.delay + emotions.hop`` frames after it was said, and the decoder's own look-ahead later
    still (none for the built-in streaming decoder). Its features are what ``DiarizerStream`` heard until then.

    Args:
        emotions: a fresh stream; it listens for both.
        decoder: one that streams.
        style: of talking.

    Raises:
        InputError: the decoder cannot stream, or was trained on another encoder.
    """

    def __init__(self, emotions: DiarizerStream, decoder: object, style: Style | None = None):
        if not isinstance(decoder, Decoder) or not decoder.streams:
            raise InputError("this decoder needs the whole recording: it cannot stream")
        if decoder.config.hidden != emotions.listener.encoder.config.channels:
            raise InputError("the decoder was trained on another encoder than the one that listens")
        self.emotions, self.decoder = emotions, DecoderStream(decoder, style or Style())
        self.times = np.zeros(0)

    def push(self, samples: NDArray[np.floating]) -> list[MovedFrames]:
        """The next samples (N,), mono at 16 kHz; what has become final, hop by hop."""
        step = self.emotions.hop * FRAME_LENGTH
        pieces = [samples[start : start + step] for start in range(0, len(samples), step)]
        return [moved for piece in pieces if len((moved := self._move(self.emotions.push(piece), False)).times)]

    def flush(self) -> MovedFrames:
        """The sound has ended: all frames that are left."""
        return self._move(self.emotions.flush(), True)

    def _move(self, frames: StreamFrames, last: bool) -> MovedFrames:
        self.times = np.concatenate([self.times, frames.times])
        if not len(frames.times) and not (last and len(self.times)):
            return MovedFrames(np.zeros(0), np.zeros((0, len(ARKIT_52)), np.float32), frames)
        heard = self.emotions.heard
        assert heard is not None
        first = heard.features.clock.index(float(frames.times[0])) if len(frames.times) else 0
        decoder = self.decoder.decoder
        device = decoder.coefficients.weight.device
        sound = sound_of(decoder.config, heard.features)[None].to(device)
        posterior, intensity = (torch.from_numpy(c)[None].to(device) for c in (frames.posterior, frames.intensity))
        moved = self.decoder.push(sound[:, first : first + len(frames.times)], posterior, intensity, last)
        made = moved[0].clamp(0.0, 1.0).cpu().numpy()
        times, self.times = self.times[: len(made)], self.times[len(made) :]
        return MovedFrames(times, made, frames)
