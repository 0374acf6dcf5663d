"""From speech features and an emotion track to an animation of a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import Decoder, DecoderStream, decoder_speech
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.emotion.stream import FRAME_LENGTH, DiarizerStream, StreamFrames
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face

if TYPE_CHECKING:
    from sedtalker.speech.encoder import SpeechFeatures


Floats = NDArray[np.float32]


@dataclass(frozen=True)
class IdleMotion:
    """Which procedural motions are added."""

    blinks: bool = True
    gaze: bool = True
    head: bool = True


def assemble(
    spoken: Floats,
    features: SpeechFeatures,
    track: EmotionTrack,
    face: Face,
    *,
    duration: float,
    fps: float = 30.0,
    seed: int = 0,
    idle: IdleMotion | None = None,
    expressivity: float = 1.0,
    provenance: Mapping[str, Any] | None = None,
) -> Animation:
    """Put the decoder's motion on the video clock, add idle motion and bind both to a face.

    Args:
        spoken: (T, 52) ARKit coefficients on the clock of ``features``.
        features: what the encoder heard.
        track: the emotion that conditioned ``spoken``.
        face: the face to animate; coefficients are matched to its shapes by name.
        duration: seconds of audio; the animation lasts ``⌈duration · fps⌉`` frames.
        fps: frames a second.
        seed: of the idle motion; one independent stream for each kind, so switching one off leaves the others.
        idle: which idle motions to add; all by default.
        expressivity: of the head's posture and liveliness; what ``spoken`` was made with.
        provenance: stored with the animation.
    """
    idle = idle or IdleMotion()
    clock = FrameClock(fps)
    times = clock.times(clock.frames(duration))
    heard = features.clock.times(len(spoken))
    weights = dict(zip(ARKIT_52, resample_frames(spoken, heard, times).T, strict=True))
    on_frames = track.at(times)
    blink_rng, gaze_rng, head_rng = idle_motion.idle_generators(seed)
    speech = resample_frames(features.speech.astype(np.float32), heard, times) > 0.5
    if idle.gaze:
        weights |= idle_motion.eye_look(idle_motion.gaze(times, gaze_rng))
    if idle.blinks:
        weights = idle_motion.close_lids(weights, idle_motion.blinks(times, blink_rng, speech))
    head = np.zeros((len(times), 3), np.float32)
    if idle.head:
        energy = resample_frames(_loudness(features), heard, times)
        shown = on_frames if expressivity == 1.0 else on_frames.scaled(expressivity)
        head = idle_motion.head_rotation(times, fps, head_rng, energy, shown)
    zeros = np.zeros(len(times), np.float32)
    coefficients = np.stack([weights.get(name, zeros) for name in face.shapes], axis=1).astype(np.float32)
    return Animation(coefficients, fps, face, head, on_frames, dict(provenance or {}))


def _loudness(features: SpeechFeatures) -> Floats:
    """Loudness (T,) in [0, 1]: 0 is 20 dB below the loud frames of the recording, or silence."""
    level = features.prosody[:, 0]
    return np.asarray(np.clip((level - np.percentile(level, 95)) / 4.6 + 1.0, 0.0, 1.0) * features.speech, np.float32)


# --- The moving face while somebody is still speaking: ARKit weights a stated time after the sound.


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
        sound = decoder_speech(decoder.config.hidden, heard.features)[None].to(device)
        posterior, intensity = (torch.from_numpy(c)[None].to(device) for c in (frames.posterior, frames.intensity))
        moved = self.decoder.push(sound[:, first : first + len(frames.times)], posterior, intensity, last)
        made = moved[0].clamp(0.0, 1.0).cpu().numpy()
        times, self.times = self.times[: len(made)], self.times[len(made) :]
        return MovedFrames(times, made, frames)
