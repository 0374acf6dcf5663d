"""Visual prosody: brows, head, lids and breath that follow the rhythm of speech.

None of it is learned: there is no free recording of whole heads in natural talk. It follows what was measured of
people. Heads nod on most accented syllables, brows rise on a part of them, some 60 ms ahead (Cavé et al. 1996; Graf et
al. 2002; Flecha-García 2010). Brows rise with questions (Ekman 1979). Speakers look away where a phrase begins and back
where it ends (Kendon 1967), blink where phrases end, and breathe in before the next (Winkworth et al. 1995).
Expressions are a little stronger on one side (Borod et al. 1997). What happens is drawn from a seeded generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Mask, Reals, clamped, stretches
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.features import SpeechFeatures

VOICED = 0.45
"""Voicing above which the pitch counts."""
PAUSE = 0.25
"""Seconds without speech that end a phrase."""
ACCENT_APART = 0.35
"""Least seconds between two accents."""
ACCENT_LEAST = 0.35
"""Least prominence of an accent: standard deviations of pitch and loudness together."""
QUESTION = 1.5
"""Semitones by which the pitch of the last 0.3 s of a phrase lies above its median, for the phrase to be a question."""
BROW_SHARE = 0.5
"""Share of accents of middling strength on which the brows rise."""
BROW_LEAD, BROW_RISE, BROW_FALL = 0.06, 0.14, 0.35
"""Seconds: brows begin before the accent, rise and fall."""
BROW_RAISED = 0.36
"""``browInnerUp`` of a strong accent."""
NOD, TURN, TILT = 3.0, 2.6, 1.8
"""Degrees by which the head dips on a strong accent; of turns and tilts to either side, the standard deviation."""
NOD_SECONDS, TURN_SECONDS = 0.17, 0.24
"""Standard deviations of a nod's and of a turn's bell curve, seconds."""
NOD_REACH = 1.7
"""Seconds on either side of an accent beyond which nothing of these curves is left (seven standard deviations)."""
SWAY = (1.5, 2.4, 1.6)
"""Standard deviation of slow pitch, yaw and roll while somebody talks, degrees (of 3 to 5 in free conversation)."""
SWAY_SECONDS = 0.9
"""Seconds between two poses of the slow motion."""
BREATH_SECONDS, BREATH_OPEN, BREATH_LIFT = 0.4, 0.05, 0.8
"""A breath before a phrase: seconds, ``jawOpen`` and degrees by which the head lifts."""
LONG_PAUSE = 0.45
"""Seconds of silence in which somebody breathes in visibly."""
ONE_SIDED = (
    *("browOuterUp", "browDown", "eyeSquint", "cheekSquint", "noseSneer"),
    *("mouthSmile", "mouthFrown", "mouthDimple"),
)
"""Beginnings of the names of shapes that are stronger on one side."""
SIDE, SIDE_CHANGE, SIDE_SECONDS = 0.07, 0.05, 2.0
"""Share by which one side is stronger: always, and now and then, changing within so many seconds."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """Accents and phrases of a recording, in seconds.

    Attributes:
        accents: (N,) middles of accented syllables.
        strength: (N,) of each, in [0, 1].
        phrases: (M, 2) where each begins and ends.
        questions: (M,) whether its pitch rises at the end.
    """

    accents: Doubles
    strength: Floats
    phrases: Doubles
    questions: Mask


def find_rhythm(features: SpeechFeatures) -> Rhythm:
    """Accents where pitch and loudness stand out together, and phrases between pauses."""
    rate, speech = features.clock.rate, features.speech
    times = features.clock.times(len(features))
    phrases = _phrases(speech, times, 0.5 / rate)
    energy, log_f0, voicing = features.prosody[:, 0], features.prosody[:, 1], features.prosody[:, 2]
    voiced = (voicing > VOICED) & (log_f0 != 0.0) & speech
    if voiced.sum() < rate / 2:
        none = np.zeros(0, np.float32)
        return Rhythm(np.zeros(0), none, phrases, np.zeros(len(phrases), np.bool_))
    pitch = 12.0 / np.log(2.0) * np.interp(times, times[voiced], log_f0[voiced])  # semitones
    prominence = _standing_out(pitch, voiced, rate) + _standing_out(energy, speech, rate)
    prominence = scipy.ndimage.gaussian_filter1d(prominence, 0.05 * rate)
    peaks = _peaks(np.where(speech, prominence, 0.0), int(ACCENT_APART * rate))
    strength = np.clip(prominence[peaks] / 3.0, 0.0, 1.0).astype(np.float32)
    questions = [_rises(times, pitch, voiced, begins, ends) for begins, ends in phrases]
    return Rhythm(times[peaks], strength, phrases, np.array(questions, np.bool_))


def _phrases(speech: Mask, times: Doubles, half: float) -> Doubles:
    """(M, 2) stretches of speech between pauses; ``half``: seconds from the middle of a frame to its end."""
    spans: list[list[float]] = []
    for first, last in stretches(speech):
        begins, ends = float(times[first]) - half, float(times[last - 1]) + half
        if spans and begins - spans[-1][1] < PAUSE:
            spans[-1][1] = ends
        else:
            spans.append([begins, ends])
    return np.array(spans, np.float64).reshape(-1, 2)


def _standing_out(curve: Reals, counted: Mask, rate: float) -> Doubles:
    """A curve above its mean over a second, in standard deviations of the counted frames."""
    weight, blurred = counted.astype(np.float64), scipy.ndimage.gaussian_filter1d
    around = blurred(curve * weight, rate) / (blurred(weight, rate) + 1e-3)
    above = np.where(counted, blurred(curve.astype(np.float64), 0.05 * rate) - around, 0.0)
    return np.asarray(above / (above[counted].std() + 1e-3), np.float64)


def _peaks(curve: Reals, apart: int) -> NDArray[np.intp]:
    """Frames of the maxima above ``ACCENT_LEAST`` that nothing within ``apart`` frames exceeds."""
    highest = scipy.ndimage.maximum_filter1d(curve, 2 * apart + 1, mode="constant", cval=-np.inf)
    return np.flatnonzero((curve == highest) & (curve > ACCENT_LEAST))


def _rises(times: Doubles, pitch: Reals, voiced: Mask, begins: float, ends: float) -> bool:
    phrase = _frames(times, begins, ends)
    inside = pitch[phrase][voiced[phrase]]
    last = inside[times[phrase][voiced[phrase]] > ends - 0.3]
    if len(last) < 4 or len(inside) < 20:
        return False
    return bool(np.median(last) - np.median(inside) > QUESTION)


def _frames(times: Reals, begins: float, ends: float) -> slice:
    """The frames from ``begins`` to ``ends``, seconds; what happens there is made for these alone."""
    first, after = np.searchsorted(times, begins, "left"), np.searchsorted(times, ends, "right")
    return slice(int(first), int(after))


def rise_and_fall(up: Reals, down: Reals) -> Floats:
    """A curve that eases from 0 to 1 while ``up`` goes from 0 to 1, and back while ``down`` does."""
    up, down = clamped(up), clamped(down)
    return np.asarray(up * up * (3 - 2 * up) * (1 - down * down * (3 - 2 * down)), np.float32)


def _bump(times: Reals, begins: float, rise: float, fall: float) -> Floats:
    """A curve (T,) that eases from 0 to 1 in ``rise`` seconds and back in ``fall``."""
    return rise_and_fall((times - begins) / rise, (times - begins - rise) / fall)


def _raise(curve: Floats, times: Reals, size: float | np.floating, begins: float, rise: float, fall: float) -> None:
    """Raise a curve (T,), in place, to a bump of this size where it is lower."""
    near = _frames(times, begins, begins + rise + fall)
    curve[near] = np.maximum(curve[near], size * _bump(times[near], begins, rise, fall))


def brow_raises(times: Reals, rhythm: Rhythm, rng: np.random.Generator) -> Floats:
    """(T,) in [0, 1]: brows rise on some accents, the stronger the more often, and with questions."""
    raised = np.zeros(len(times), np.float32)
    for accent, strength in zip(rhythm.accents, rhythm.strength, strict=True):
        drawn, size = rng.random(), float(rng.uniform(0.7, 1.2))
        if drawn < BROW_SHARE * (0.5 + strength):
            size *= 0.4 + 0.6 * strength
            _raise(raised, times, size, accent - BROW_LEAD - BROW_RISE, BROW_RISE, BROW_FALL)
    for (_, ends), asks in zip(rhythm.phrases, rhythm.questions, strict=True):
        if asks:
            _raise(raised, times, 0.9, ends - 0.5, 0.25, 0.6)
    return raised


def nods(times: Reals, rhythm: Rhythm, rng: np.random.Generator) -> Floats:
    """(T, 3) degrees, pitch (down positive), yaw and roll: a dip on accents and at ends, a lift with a breath."""
    turns = _sway(times, rng)
    side = float(rng.choice([-1.0, 1.0]))
    for accent, strength in zip(rhythm.accents, rhythm.strength, strict=True):
        size, turn, tilt = rng.uniform(0.4, 1.3), rng.normal(0.0, TURN), rng.normal(0.0, TILT)
        near = _frames(times, accent - NOD_REACH, accent + NOD_REACH)
        away = times[near] - accent
        after, ahead = ((away + shift) / NOD_SECONDS for shift in (-0.04, 0.22))
        dip = size * (0.35 + 0.65 * strength) * (np.exp(-0.5 * after**2) - 0.35 * np.exp(-0.5 * ahead**2))
        aside = np.exp(-0.5 * np.square(away / TURN_SECONDS)) * (0.35 + 0.65 * strength)
        turns[near] += np.stack([NOD * dip, turn * aside, tilt * aside], 1).astype(np.float32)
    for (begins, ends), asks in zip(rhythm.phrases, rhythm.questions, strict=True):
        near = _frames(times, begins - BREATH_SECONDS, max(ends + 0.7, begins + 0.3))
        lift = BREATH_LIFT * _bump(times[near], begins - BREATH_SECONDS, BREATH_SECONDS, 0.3)
        last = _bump(times[near], ends - 0.35, 0.35, 0.7)
        turns[near, 0] += (-1.5 if asks else 1.2) * last - lift
        turns[near, 2] += (2.0 if asks else 0.6) * side * last
        side = -side
    return turns


def _sway(times: Reals, rng: np.random.Generator) -> Floats:
    """(T, 3) degrees: from one pose to the next, and smooth."""
    last = float(times[-1]) if len(times) else 0.0
    knots = np.arange(-SWAY_SECONDS, last + 3 * SWAY_SECONDS, SWAY_SECONDS)
    poses = rng.standard_normal((len(knots), 3)) * SWAY
    place = (np.asarray(times, np.float64) + SWAY_SECONDS) / SWAY_SECONDS
    first = place.astype(np.int64)
    x = (place - first)[:, None]
    before, here, after, beyond = (poses[np.clip(first + k, 0, len(poses) - 1)] for k in (-1, 0, 1, 2))
    # Catmull-Rom spline: smooth, through every pose
    bend = 2 * before - 5 * here + 4 * after - beyond + (3 * (here - after) + beyond - before) * x
    return np.asarray(here + 0.5 * x * (after - before + bend * x), np.float32)


def breaths(times: Reals, rhythm: Rhythm) -> Floats:
    """(T,) in [0, 1]: 1 at the height of a breath, taken before phrases that follow a long pause."""
    drawn = np.zeros(len(times), np.float32)
    before = 0.0
    for begins, ends in rhythm.phrases:
        if begins - before > LONG_PAUSE:
            _raise(drawn, times, 1.0, begins - BREATH_SECONDS, 0.7 * BREATH_SECONDS, 0.3 * BREATH_SECONDS)
        before = float(ends)
    return drawn


def sides(times: Reals, rng: np.random.Generator) -> Floats:
    """(T,) by which share the left side is stronger than the right."""
    if not len(times):
        return np.zeros(0, np.float32)
    knots = np.arange(float(times[0]), float(times[-1]) + 2 * SIDE_SECONDS, SIDE_SECONDS)
    change = np.interp(times, knots, rng.standard_normal(len(knots)))
    constant = SIDE * abs(rng.normal(1.0, 0.4)) * (1.0 if rng.random() < 0.65 else -1.0)
    return np.asarray(constant + SIDE_CHANGE * change, np.float32)


Signs = tuple[Floats, Floats, Floats]
"""What ``brow_raises``, ``sides`` and ``breaths`` give."""


def lively_signs(times: Reals, rhythm: Rhythm, rng: np.random.Generator) -> Signs:
    """What of the rhythm a face shows, under any emotion."""
    return brow_raises(times, rhythm, rng), sides(times, rng), breaths(times, rhythm)


def enliven(weights: dict[str, Floats], signs: Signs, liveliness: float) -> dict[str, Floats]:
    """ARKit weights (T,) by name with raised brows, breaths and one side stronger.

    Args:
        weights: the face without them.
        signs: from ``lively_signs``.
        liveliness: 0 changes nothing, 1 is usual.
    """
    raised, left, breath = (liveliness * curve for curve in signs)
    left = np.clip(left, -0.3, 0.3)
    frown = 0.5 * (weights["browDownLeft"] + weights["browDownRight"])
    added = {"browInnerUp": BROW_RAISED, "browOuterUpLeft": 0.7 * BROW_RAISED, "browOuterUpRight": 0.7 * BROW_RAISED}
    changed = {
        name: weights[name] + size * raised * (1.0 - np.clip(2.0 * frown, 0.0, 0.8)) for name, size in added.items()
    }
    for side in ("Left", "Right"):
        changed[f"eyeWide{side}"] = weights[f"eyeWide{side}"] + 0.06 * raised
        changed[f"noseSneer{side}"] = weights[f"noseSneer{side}"] + 0.04 * breath
    changed["jawOpen"] = np.maximum(weights["jawOpen"], np.minimum(weights["jawOpen"] + BREATH_OPEN * breath, 0.2))
    made = weights | changed
    for name in ARKIT_52:
        if name.startswith(ONE_SIDED) and name.endswith(("Left", "Right")):
            made[name] = made[name] * (1.0 + (left if name.endswith("Left") else -left))
    return {name: np.clip(curve, 0.0, 1.0).astype(np.float32) for name, curve in made.items()}
