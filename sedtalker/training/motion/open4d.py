"""The open 4D set: talking × expression on the 52 shapes, the emotion changing inside a clip.

Built as EmoVOCA was (Nocentini et al. 2024), from free parts: talking motion of a tracked talker and of aligned read
speech, expressions after measured action units. A take is one recording in one scene; its motion is ``compose``'s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.conditioning import Style
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.training.motion.alignment import PhoneSpan
from sedtalker.training.motion.expressive_motion import compose, random_emotion
from sedtalker.training.motion.lip_gauge import LipGauge
from sedtalker.training.motion.spoken_motion import SpokenMotion
from sedtalker.training.motion.visemes import prominence_of

VERSION = "2"
"""1: sound and picture as recorded; 2: in step."""
DRAWN = "1"
"""Changed when all scenes are to be drawn anew."""
RATE = 50.0
INTENSITIES = (0.33, 0.67, 1.0)
SCENES = ("neutral", "constant", "changing")
"""No emotion; one emotion at one of three intensities, with an onset and an offset; at least two changes."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Take:
    """One recording in one scene.

    Attributes:
        name: recording, scene.
        kind: tracked (a real talker's lips) or phones (motion made from aligned phones).
        split: train, valid or test; by sentence for the tracked talker, by speaker for read speech.
        spoken: what speech does, at ``times``.
        times: (T,) seconds at 50 frames a second.
        posterior: (T, 7).
        intensity: (T,).
        spans: aligned phones.
    """

    name: str
    kind: str
    split: str
    corpus: str
    speaker: str
    language: str
    scene: str
    audio: Path
    spoken: SpokenMotion
    times: NDArray[np.floating]
    posterior: Floats
    intensity: Floats
    spans: list[PhoneSpan]

    @property
    def track(self) -> EmotionTrack:
        """The scene as a track that conditions a decoder."""
        zero = np.zeros(len(self.times), np.float32)
        end = float(self.times[-1] + 0.5 / RATE)
        return EmotionTrack(
            np.asarray(self.times, np.float64), self.posterior, self.intensity, zero, zero, CATEGORIES, end
        )

    def motion(self, prosody: Floats, gauge: LipGauge, poses: Floats) -> Floats:
        """(T, 52) reference motion, given the prosody (T, 4) of the recording."""
        voice = prominence_of(prosody)
        return compose(self.spoken, self.posterior, self.intensity, Style(), gauge, poses, voice)


def _constant(rng: np.random.Generator, times: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """One emotion that comes within the first second and goes within the last, over 0.3 to 1 s each."""
    posterior = np.zeros((len(times), len(CATEGORIES)), np.float32)
    posterior[:, 1 + rng.integers(len(CATEGORIES) - 1)] = 1.0
    onset, offset = rng.uniform(0.3, 1.0, 2)
    first, last = rng.uniform(0.0, 0.3), times[-1] - rng.uniform(0.0, 0.3)
    rise = np.clip((times - first) / onset, 0.0, 1.0)
    fall = np.clip((last - times) / offset, 0.0, 1.0)
    eased = 0.5 - 0.5 * np.cos(np.pi * np.minimum(rise, fall))
    return posterior, (rng.choice(INTENSITIES) * eased).astype(np.float32)


def changes(posterior: Floats, intensity: Floats) -> int:
    """How often the loudest emotion of a scene changes, neutral counting as one."""
    shown = np.where(intensity > 0.1, posterior.argmax(1), 0)
    return int((np.diff(shown) != 0).sum())


def scene(kind: str, key: str, times: NDArray[np.floating], seed: int = 0) -> tuple[Floats, Floats]:
    """Posterior (T, 7) and intensity (T,) of a recording's scene, always the same for the same key."""
    digest = hashlib.sha256(f"{DRAWN} {kind} {key} {seed}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
    if kind == "neutral":
        neutral = np.zeros((len(times), len(CATEGORIES)), np.float32)
        neutral[:, 0] = 1.0
        return neutral, np.zeros(len(times), np.float32)
    if kind == "constant":
        return _constant(rng, times)
    for _ in range(50):
        posterior, intensity = random_emotion(rng, times)
        if changes(posterior, intensity) >= 2:
            break
    return posterior, intensity


@dataclass(frozen=True, eq=False)
class Recording:
    """A recording whose speech motion is known: what takes are made of."""

    key: str
    kind: str
    split: str
    corpus: str
    speaker: str
    language: str
    audio: Path
    spoken: SpokenMotion
    spans: list[PhoneSpan]


def takes(recording: Recording, scenes: tuple[str, ...] = SCENES) -> Iterator[Take]:
    """The recording in every scene."""
    frames = len(recording.spoken.gap)
    times = (np.arange(frames) + 0.5) / RATE
    r = recording
    for kind in scenes:
        posterior, intensity = scene(kind, r.key, times)
        name = f"{r.key}_{kind}"
        head = (name, r.kind, r.split, r.corpus, r.speaker, r.language, kind, r.audio)
        yield Take(*head, r.spoken, times, posterior, intensity, r.spans)
