"""The recipe: speech features, an emotion track and options become an animation.

``move`` decodes and scales, ``sharpened`` closes lips where the words are known, ``assemble`` adds what nobody decodes
and binds all to a face. ``Animator`` and the studio call these and nothing beside them, so what one of them shows is
what the other one writes. A stream has the same steps for a few frames at a time, see
``sedtalker.animation.animation_stream``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import scipy

from sedtalker.animation import idle_motion
from sedtalker.animation.animation import Animation
from sedtalker.animation.articulation import TONGUE, Articulation, held_closed, known_constrictions, tongue_weights
from sedtalker.animation.burst_motion import burst_nods, pulses, show_bursts
from sedtalker.animation.conditioning import Style
from sedtalker.animation.gains import Gains, apply_gains, smoothed
from sedtalker.animation.known_phones import closure_of, sharpen
from sedtalker.animation.listening import Company
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.performance import Motion
from sedtalker.animation.visual_prosody import Rhythm, Signs, enliven, find_rhythm, lively_signs, nods
from sedtalker.arrays import Doubles, Floats
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.phonetics.aligner import Alignment
from sedtalker.speech.features import SpeechFeatures

Decode = Callable[[EmotionTrack, Style], Floats]
"""A decoder over the features of one recording: a track and a style to motion (T, K)."""


@dataclass(frozen=True, eq=False)
class Moved:
    """Motion on the clock of the features, and what it was made with.

    Attributes:
        weights: (T, K) coefficients.
        shapes: (K,) their names.
        features: speech features of the recording.
        track: the emotion, as strong as the options make it.
        articulation: what the phones ask of tongue and lips, if that is known.
        phones: what is said, where the words are known.
    """

    weights: Floats
    shapes: Sequence[str]
    features: SpeechFeatures
    track: EmotionTrack
    style: Style = field(default_factory=Style)
    gains: Gains = field(default_factory=Gains)
    articulation: Articulation | None = None
    phones: Alignment | None = None


class Drawn(NamedTuple):
    """What a face does by sound and seed alone, on the frames of a video; no edit of the emotion changes it.

    ``times`` (T,) are seconds, ``drift`` and ``nods`` (T, 3) of the head, ``gaze`` that of a face that meets nobody.
    """

    recording: str
    times: Doubles
    rhythm: Rhythm
    signs: Signs
    drift: Doubles
    nods: Floats
    gaze: idle_motion.Fixations


def drawn_of(features: SpeechFeatures, motion: Motion, duration: float, recording: str = "") -> Drawn:
    """Draw what serves again for the same features, seed, rate and eye contact.

    Args:
        duration: seconds of audio; the animation lasts ``⌈duration · fps⌉`` frames.
        recording: SHA-256 of the sound: with the same seed, other recordings move otherwise.
    """
    _, gaze_rng, head_rng, speech_rng = idle_motion.idle_generators(motion.seed, recording)
    clock, rhythm = FrameClock(motion.fps), find_rhythm(features)
    times = clock.times(clock.frames(duration))
    signs = lively_signs(times, rhythm, speech_rng)
    drift = idle_motion.head_drift(len(times), motion.fps, head_rng)
    gaze = idle_motion.fixations(duration, gaze_rng, motion.eye_contact, rhythm.phrases)
    return Drawn(recording, times, rhythm, signs, drift, nods(times, rhythm, head_rng), gaze)


def shown_track(track: EmotionTrack, motion: Motion) -> EmotionTrack:
    """The track that conditions the motion: neutral where it is uncertain, and as the director wants it."""
    return motion.direction.of(track.without_uncertain() if track.min_confidence else track)


def move(
    decode: Decode,
    shapes: Sequence[str],
    features: SpeechFeatures,
    track: EmotionTrack,
    motion: Motion,
    face: Face,
    *,
    articulation: Articulation | None = None,
    without_emotion: Decode | None = None,
    rows: slice = slice(None),
) -> Moved:
    """Decode a recording, and scale its motion.

    Args:
        decode: gives the motion of the recording.
        shapes: (K,) names of what it moves.
        track: the emotion, before any option.
        face: whose lips stay closed.
        articulation: what the phones of the recording ask of tongue and lips, if that is known.
        without_emotion: gives the motion under a neutral track; default: ``decode``.
        rows: frames that are wanted; the gains of all others may be missing.

    Raises:
        InputError: gains with a decoder of vertices or a face without landmarks, or an option that says nothing.
    """
    directed, gains, style = motion.direction.of(track), motion.gains, motion.talking_style
    shown = shown_track(track, motion) if track.min_confidence else directed
    if not gains.leaves_motion_as_is and tuple(shapes) != ARKIT_52:
        raise InputError("gains work on the ARKit shapes; a vertex decoder has none")
    weights = decode(shown, style)
    if gains.split_motion:
        neutral = (without_emotion or decode)(shown.scaled(0.0), style)
        scaled = apply_gains(weights[rows], neutral[rows], gains, face)
        weights = weights.copy()
        weights[rows] = scaled
    return Moved(weights, shapes, features, directed, style, gains, articulation)


def sharpened(moved: Moved, phones: Alignment, face: Face) -> Moved:
    """The motion with lips and tongue where phones are known to need them."""
    times = moved.features.clock.times(len(moved.weights))
    asked = moved.articulation
    if asked is not None:
        closure = np.maximum(asked.closure, closure_of(times, phones))
        asked = Articulation(known_constrictions(asked.tongue, phones, times), closure)
    weights = sharpen(moved.weights, times, phones, face)
    track = replace(moved.track, words=phones.word_times(), language=phones.language)
    return replace(moved, weights=weights, track=track, articulation=asked, phones=phones)


def assemble(
    moved: Moved,
    drawn: Drawn,
    motion: Motion,
    face: Face,
    *,
    provenance: Mapping[str, Any] | None = None,
    company: Company | None = None,
) -> Animation:
    """Put motion on the video clock, add idle motion and bind both to a face.

    Args:
        moved: what the decoder gives.
        drawn: from ``drawn_of`` the same features and options.
        motion: the options. Expressivity scales the head's posture, too, and gains of single shapes are applied here.
        face: the face to animate; coefficients are matched to its shapes by name.
        provenance: stored with the animation.
        company: the others of a conversation, at whom the face looks, and whom it answers.
    """
    features, track, times = moved.features, moved.track, drawn.times
    own = features.clock.times(len(moved.weights))
    weights = dict(zip(moved.shapes, resample_frames(moved.weights, own, times).T, strict=True))
    on_frames = track.at(times)
    speech = resample_frames(features.speech.astype(np.float32), own, times) > 0.5
    pulse = pulses(features, times)
    arkit, asked = "eyeBlinkLeft" in weights, moved.articulation
    if company is not None and arkit:
        weights = company.rested(weights, times)
    if motion.liveliness and arkit:
        lively = enliven(weights, drawn.signs, motion.liveliness)
        spoken = lively | {"jawOpen": weights["jawOpen"]}
        weights = show_bursts(lively, times, track.bursts, pulse, motion.liveliness)
        if asked is not None:  # breaths and bursts open the jaw, but not in p, b and m
            beside = scipy.ndimage.maximum_filter1d(asked.closure, 2 * RULES.held_frames + 1)
            weights = held_closed(weights, spoken, resample_frames(beside, own, times))
    if motion.smooth and arkit:
        weights = smoothed(weights, motion.smooth, motion.fps)
    shifts, looks = None, None if company is None else company.looks(times, motion.eye_contact)
    if company is not None and arkit:
        weights = company.answered(weights, times, on_frames.intensity)
    head = np.zeros((len(times), 3), np.float32)
    if motion.head:
        energy = resample_frames(_loudness(features), own, times)
        shown = on_frames if motion.expressivity == 1.0 else on_frames.scaled(motion.expressivity)
        head = idle_motion.head_rotation(drawn.drift, motion.fps, energy, shown)
        active = idle_motion.head_activity(shown, motion.fps)[:, None] / idle_motion.CALM_ACTIVITY
        turns = active * drawn.nods + burst_nods(times, track.bursts, pulse)
        head = head + np.radians(motion.liveliness * turns)
        if company is not None and looks is not None:
            dips = np.pad(company.nods(times)[:, None], ((0, 0), (0, 2)))
            head = company.calm(times)[:, None] * head + np.radians(looks.head + dips)
    if motion.gaze and arkit:
        if looks is None:
            gaze, shifts = drawn.gaze.path(times), drawn.gaze.shifts()
        else:
            gaze, shifts = looks.gaze, looks.shifts
        weights = weights | idle_motion.eye_look(idle_motion.in_head(gaze, head))
    if motion.blinks and arkit:
        blink_rng = idle_motion.idle_generators(motion.seed, drawn.recording)[0]
        weights = weights | idle_motion.close_lids(weights, idle_motion.blinks(times, blink_rng, speech, shifts))
    if asked is not None and "jawOpen" in weights:
        placed = tongue_weights(resample_frames(asked.tongue, own, times), weights["jawOpen"])
        weights |= dict(zip(TONGUE, placed.T, strict=True))
    zeros = np.zeros(len(times), np.float32)
    coefficients = np.stack([weights.get(name, zeros) for name in face.shapes], axis=1).astype(np.float32)
    coefficients = moved.gains.of_shapes(coefficients, face.shapes)
    head = head.astype(np.float32)
    return Animation(coefficients, motion.fps, face, head, on_frames, dict(provenance or {}), phones=moved.phones)


def _loudness(features: SpeechFeatures) -> Floats:
    """Loudness (T,) in [0, 1]: 0 is 20 dB below the loud frames of the recording, or silence."""
    level = features.prosody[:, 0]
    return np.asarray(np.clip((level - np.percentile(level, 95)) / 4.6 + 1.0, 0.0, 1.0) * features.speech, np.float32)
