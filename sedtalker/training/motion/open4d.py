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

import numpy as np

from sedtalker.animation.conditioning import Style
from sedtalker.arrays import Floats, Reals
from sedtalker.audio import load_audio
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.speech.features import FRAME_CLOCK, analyse
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.motion.alignment import READ_SPEECH, PhoneSpan, Utterance, align_corpus
from sedtalker.training.motion.expressive_motion import (
    compose,
    emphasised,
    measured_poses,
    prominence_of,
    random_emotion,
)
from sedtalker.training.motion.spoken_motion import (
    LipMeasure,
    SpokenMotion,
    measure_lips,
    rest_pose,
    speak_phones,
    spoken_motion,
    train_phone_motion,
)

DRAWN = "1"
"""Changed when all scenes are to be drawn anew."""
INTENSITIES = (0.33, 0.67, 1.0)
"""Intensities of the constant scenes."""
SCENES = ("neutral", "constant", "changing")
"""No emotion; one emotion at one of three intensities, with an onset and an offset; at least two changes."""


@dataclass(frozen=True, eq=False)
class SceneTake:
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
    times: Reals
    posterior: Floats
    intensity: Floats
    spans: list[PhoneSpan]

    @property
    def track(self) -> EmotionTrack:
        """The scene as a track that conditions a decoder."""
        zero = np.zeros(len(self.times), np.float32)
        end = float(self.times[-1] + 0.5 / FRAME_CLOCK.rate)
        return EmotionTrack(
            np.asarray(self.times, np.float64), self.posterior, self.intensity, zero, zero, CATEGORIES, end
        )

    def motion(self, prosody: Floats, lip_measure: LipMeasure, poses: Floats) -> Floats:
        """(T, 52) reference motion, given the prosody (T, 4) of the recording."""
        voice = prominence_of(prosody)
        return compose(self.spoken, self.posterior, self.intensity, Style(), lip_measure, poses, voice)


def _constant(rng: np.random.Generator, times: Reals) -> tuple[Floats, Floats]:
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


def scene(kind: str, key: str, times: Reals, seed: int = 0) -> tuple[Floats, Floats]:
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
class KnownSpeech:
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


def takes(recording: KnownSpeech, scenes: tuple[str, ...] = SCENES) -> Iterator[SceneTake]:
    """The recording in every scene."""
    frames = len(recording.spoken.gap)
    times = (np.arange(frames) + 0.5) / FRAME_CLOCK.rate
    r = recording
    for kind in scenes:
        posterior, intensity = scene(kind, r.key, times)
        name = f"{r.key}_{kind}"
        head = (name, r.kind, r.split, r.corpus, r.speaker, r.language, kind, r.audio)
        yield SceneTake(*head, r.spoken, times, posterior, intensity, r.spans)


# --- The takes of the training data.


@dataclass(frozen=True, eq=False)
class Parts:
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
    return Parts(measure_lips(load_face()), measured_poses(table))


def recordings(
    data: Path, cache: Path, lip_measure: LipMeasure, split: str | None = None, workers: int = 1
) -> Iterator[KnownSpeech]:
    """The tracked talker's sentences, then read speech with motion from its phones; of one split, or all."""
    clips = read_grid(data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache, workers)
    rest = rest_pose([c for c in clips if c.split == "train"])
    spoken = {c.name: spoken_motion(c, spans[c.name], rest, lip_measure) for c in clips}
    for c in clips:
        if split in (None, c.split):
            yield KnownSpeech(c.name, "tracked", c.split, "grid", "s1", "en", c.audio, spoken[c.name], spans[c.name])
    network = train_phone_motion([(spans[c.name], spoken[c.name]) for c in clips if c.split == "train"])
    for clip, phones in _read_clips(data, cache, split, workers):
        if phones:
            motion = speak_phones(network, phones, int(np.ceil(clip.duration * FRAME_CLOCK.rate)), lip_measure)
            head = (clip.path.stem, "phones", clip.split, clip.corpus, clip.speaker, clip.language, clip.path)
            yield KnownSpeech(*head, motion, phones)


def _read_clips(data: Path, cache: Path, split: str | None, workers: int) -> Iterator[tuple[Clip, list[PhoneSpan]]]:
    clips = read_manifest(data)
    for corpus in READ_SPEECH:
        mine = [c for c in clips if c.corpus == corpus and split in (None, c.split)]
        spans = align_corpus(corpus, [Utterance(c.path.stem, c.path, c.transcript) for c in mine], cache, workers)
        yield from ((c, spans[c.path.stem]) for c in mine)


def composed(take: SceneTake, parts: Parts, prosody: Floats) -> tuple[SceneTake, Floats]:
    """The take cut to the analysed length, and its motion (T, 52); read speech opens wider where it is louder."""
    frames = min(len(prosody), len(take.times))
    spoken = take.spoken.at(np.arange(float(frames)))
    if take.kind == "phones":
        spoken = emphasised(spoken, prosody[:frames, 0])
    cut = replace(
        take,
        spoken=spoken,
        times=take.times[:frames],
        posterior=take.posterior[:frames],
        intensity=take.intensity[:frames],
    )
    return cut, cut.motion(prosody[:frames], parts.lip_measure, parts.poses)


def prosody_of(audio: Path) -> Floats:
    """(T, 4) prosody of a recording at 50 frames a second."""
    return analyse(load_audio(audio).samples).frames[0]
