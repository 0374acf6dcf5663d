"""From speech features and an emotion track to an animation of a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.emotion.track import EmotionTrack
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
