"""The open 4D set: talking × expression on the 52 shapes, the emotion changing inside a clip.

Built as EmoVOCA was (Nocentini et al. 2024), from free parts: talking motion of a tracked talker and of aligned read
speech, expressions after measured action units. A take is one recording in one scene; its motion is ``compose``'s.
``scripts/build_open4d.py`` writes the set with a datasheet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sedtalker.animation.conditioning import Style
from sedtalker.animation.vertex_decoder import one_hot
from sedtalker.arrays import Floats, Reals
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.motion.alignment import PhoneSpan, frame_times, read_speech_clips, read_speech_phones
from sedtalker.training.motion.expressive_motion import compose, emphasised, poses, prominence_of, random_emotion
from sedtalker.training.motion.spoken_motion import LipMeasure, SpokenMotion, measure_lips, read_talker, speak_phones

DRAWN = "1"
"""Changed when all scenes are to be drawn anew."""
INTENSITIES = (0.33, 0.67, 1.0)
"""Intensities of the constant scenes."""
SCENES = ("neutral", "constant", "changing")
"""No emotion; one emotion at one of three intensities, with an onset and an offset; at least two changes."""


@dataclass(frozen=True, eq=False)
class KnownSpeech:
    """A recording whose speech motion is known: what takes are made of.

    Attributes:
        kind: tracked (a real talker's lips) or phones (motion made from aligned phones).
        split: train, valid or test; by sentence for the tracked talker, by speaker for read speech.
        spoken: what speech does, at 50 frames a second.
        spans: aligned phones.
    """

    key: str
    kind: str
    split: str
    corpus: str
    speaker: str
    language: str
    audio: Path
    spoken: SpokenMotion
    spans: list[PhoneSpan]


@dataclass(frozen=True, eq=False)
class SceneTake:
    """One recording in one scene.

    Attributes:
        recording: what speech does in it.
        times: (T,) seconds at 50 frames a second.
        posterior: (T, 7).
        intensity: (T,).
    """

    recording: KnownSpeech
    scene: str
    times: Reals
    posterior: Floats
    intensity: Floats

    @property
    def name(self) -> str:
        """Recording, scene."""
        return f"{self.recording.key}_{self.scene}"

    @property
    def track(self) -> EmotionTrack:
        """The scene as a track that conditions a decoder."""
        zero = np.zeros(len(self.times), np.float32)
        end = float(self.times[-1] + 0.5 / FRAME_CLOCK.rate)
        return EmotionTrack(
            np.asarray(self.times, np.float64), self.posterior, self.intensity, zero, zero, CATEGORIES, end
        )


def _constant(rng: np.random.Generator, times: Reals) -> tuple[Floats, Floats]:
    """One emotion that comes within the first second and goes within the last, over 0.3 to 1 s each."""
    posterior = one_hot(CATEGORIES, CATEGORIES[1 + rng.integers(len(CATEGORIES) - 1)], len(times))
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


def scene(kind: str, key: str, times: Reals, seed: int = 0) -> tuple[Floats, Floats]:
    """Posterior (T, 7) and intensity (T,) of a recording's scene, always the same for the same key."""
    digest = hashlib.sha256(f"{DRAWN} {kind} {key} {seed}".encode()).digest()
    rng = np.random.default_rng(np.frombuffer(digest, np.uint32))
    if kind == "neutral":
        return one_hot(CATEGORIES, None, len(times)), np.zeros(len(times), np.float32)
    if kind == "constant":
        return _constant(rng, times)
    for _ in range(50):
        posterior, intensity = random_emotion(rng, times)
        if changes(posterior, intensity) >= 2:
            break
    return posterior, intensity


def takes(recording: KnownSpeech, scenes: tuple[str, ...] = SCENES) -> Iterator[SceneTake]:
    """The recording in every scene."""
    times = frame_times(len(recording.spoken.gap))
    for kind in scenes:
        yield SceneTake(recording, kind, times, *scene(kind, recording.key, times))


# --- The takes of the training data.


class Parts(NamedTuple):
    """What every take is composed with.

    Attributes:
        lip_measure: lips of the built-in face.
        poses: (7, 52) expressions.
    """

    lip_measure: LipMeasure
    poses: Floats


def read_parts(data: Path) -> Parts:
    """The built-in face's lips and the expressions calibrated on ``emotion_au_table.json``."""
    path = data / "motion/ravdess_au/emotion_au_table.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))["table"]
    except OSError:
        raise InputError(f"{path}: the table of measured expressions is missing") from None
    return Parts(measure_lips(load_face()), poses({name: row["mean_delta"] for name, row in table.items()}))


def recordings(
    data: Path, cache: Path, lip_measure: LipMeasure, split: str | None = None, workers: int = 1
) -> Iterator[KnownSpeech]:
    """The tracked talker's sentences, then read speech with motion from its phones; of one split, or all."""
    talker = read_talker(data, lip_measure, cache, workers)
    for name, c in talker.clips.items():
        if split in (None, c.split):
            known = talker.spoken[name], talker.spans[name]
            yield KnownSpeech(name, "tracked", c.split, "grid", "s1", "en", c.audio, *known)
    network = talker.phone_motion()
    clips = [clip for clip in read_speech_clips(data) if split in (None, clip.split)]
    spans = read_speech_phones(clips, cache, workers)
    for clip in clips:
        if phones := spans[clip.path.stem]:
            motion = speak_phones(network, phones, int(np.ceil(clip.duration * FRAME_CLOCK.rate)), lip_measure)
            head = (clip.path.stem, "phones", clip.split, clip.corpus, clip.speaker, clip.language, clip.path)
            yield KnownSpeech(*head, motion, phones)


def composed(take: SceneTake, parts: Parts, prosody: Floats) -> tuple[SceneTake, Floats]:
    """The take cut to the analysed length, and its motion (T, 52); read speech opens wider where it is louder."""
    frames = min(len(prosody), len(take.times))
    spoken = take.recording.spoken.at(np.arange(float(frames)))
    if take.recording.kind == "phones":
        spoken = emphasised(spoken, prosody[:frames, 0])
    recording = replace(take.recording, spoken=spoken)
    times, posterior, intensity = (v[:frames] for v in (take.times, take.posterior, take.intensity))
    motion = compose(spoken, posterior, intensity, Style(), *parts, prominence_of(prosody[:frames]))
    return SceneTake(recording, take.scene, times, posterior, intensity), motion
