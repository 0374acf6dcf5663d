"""A face in company: it looks at whoever speaks, nods at the ends of their phrases and answers what they express.

None of it is learned; it follows what was measured of people in talk. Listeners look at the speaker for three quarters
of the time, speakers at the listener for two fifths (Argyle and Ingham 1972); speakers look away as they begin, and
back as they end (Kendon 1967). Eyes reach a new speaker a fifth of a second after their first sound, the head follows
later and not as far (Freedman and Sparks 1997). Listeners nod at the ends of phrases, one to three times and each time
less (Hadar et al. 1985), and take on a little of the speaker's face within a second (Dimberg et al. 2000). What happens
is drawn from a seeded generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy

from sedtalker.animation.idle_motion import Fixations
from sedtalker.animation.opening import OPENING
from sedtalker.animation.visual_prosody import Rhythm
from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.emotion.track import EmotionTrack
from sedtalker.face.arkit import ARKIT_52

Direction = tuple[float, float]
"""Degrees from a head at rest: yaw to the subject's left, pitch up."""

REACTION = (0.2, 0.32)
"""Seconds from the beginning of another's turn until the eyes go there."""
NOTICED = 0.4
"""Seconds that a turn lasts at least to draw the eyes: shorter ones are answers such as "mhm"."""
LISTENING_CONTACT, SPEAKING_CONTACT = 0.75, 2.5
"""Powers of ``eye_contact`` that give the shares of a listener and of a speaker: 0.77 and 0.41 of the usual 0.7."""
STARTING, STARTING_AWAY = 0.6, 1.4
"""Seconds around the beginning of an own turn in which eyes look away more often, and how much more often."""
LOOKS_BACK = 0.3
"""Seconds before the end of an own turn at which the eyes return to the listener."""
AWAY_ACROSS, AWAY_UP = (9.0, 20.0), (-5.0, 4.5)
"""Degrees by which an averted look leaves a face: range towards the front; mean and deviation of the height."""
JITTER = (1.3, 1.0)
"""Standard deviation of looks within a face, degrees: from eye to eye and to the mouth."""
LOOK_MOST = 38.0
"""Degrees to the side of a look at most: heads in a picture stand so that both faces are seen."""
HEAD_SHARE, AWAY_SHARE = 0.6, 0.25
"""Share of a look that the head turns, and of what an averted look adds to it."""
HEAD_DELAY, HEAD_SECONDS = 0.18, 0.13
"""Seconds by which the head turns after the eyes, and standard deviation of its smooth turn."""
SHIFT = 8.0
"""Degrees from which on a shift of the gaze may bring a blink with it."""
NOD_SHARE, NOD_PHRASE = 0.5, 0.7
"""Share of the phrases at whose ends somebody nods, and how many seconds such a phrase lasts at least."""
NOD_DELAY, NOD_SIZE, NOD_SECONDS = (-0.1, 0.35), (3.0, 8.0), (0.42, 0.56)
"""Ranges: seconds from the end of a phrase to the nod, degrees of its first dip, and seconds of a dip."""
NOD_MORE, NOD_WANES = 0.35, 0.6
"""Probability of a second dip and of a third, and the factor of each on the one before."""
ANSWER_DELAY, ANSWER_SECONDS = (0.5, 0.8), 0.3
"""Range of the seconds after which an expression is answered, and deviation of its smooth rise."""
ANSWER_SIZE = (0.8, 1.2)
"""Range of the factors by which people answer more or less."""
OWN_FIRST = 0.8
"""Share of an answer that gives way to an emotion of one's own."""
STILLNESS = 0.45
"""Factor on the motion of a listener's head, against that of a speaker's."""
TURN_SECONDS = 0.15
"""Standard deviation of the change from speaking to listening, seconds."""
MOUTH_BESIDE, MOUTH_SECONDS = 0.15, 0.1
"""Seconds beside an own turn in which the mouth still moves, and over which it comes to rest."""
ANSWERS: dict[str, dict[str, float]] = {
    "happy": {"mouthSmile": 0.32, "cheekSquint": 0.25, "eyeSquint": 0.12},
    "sad": {"browInnerUp": 0.38, "browDown": 0.08, "mouthFrown": 0.12},
    "angry": {"browDown": 0.22, "eyeSquint": 0.15, "mouthPress": 0.14},
    "fear": {"browInnerUp": 0.3, "browDown": 0.1, "eyeWide": 0.12},
    "disgust": {"browDown": 0.15, "noseSneer": 0.12, "mouthFrown": 0.1},
    "surprise": {"browInnerUp": 0.25, "browOuterUp": 0.28, "eyeWide": 0.18},
}
"""Weights of what a listener shows when somebody fully expresses an emotion; of shapes with two sides, on both."""


@dataclass(frozen=True, eq=False)
class Other:
    """Somebody whom a face meets.

    Attributes:
        direction: where they are.
        spans: beginnings and ends of their turns, seconds.
        rhythm: of their speech.
        track: what they express.
    """

    direction: Direction
    spans: Sequence[tuple[float, float]]
    rhythm: Rhythm
    track: EmotionTrack


@dataclass(frozen=True, eq=False)
class Attention:
    """Where a face looks.

    Attributes:
        gaze: (T, 2) degrees from straight ahead, yaw and pitch.
        head: (T, 3) degrees of the head: pitch (down positive), yaw and roll.
        shifts: (N,) seconds of large shifts.
    """

    gaze: Floats
    head: Floats
    shifts: Doubles


@dataclass(frozen=True, eq=False)
class Company:
    """The company of a face.

    Attributes:
        own: beginnings and ends of its own turns, seconds.
        others: whom it meets, by name, at least one.
        amount: 1 is natural; at 0 a listener looks at the speaker and blinks, and does nothing else.
        seed: numbers from which everything is drawn.
    """

    own: Sequence[tuple[float, float]]
    others: Mapping[str, Other]
    amount: float = 1.0
    seed: tuple[int, ...] = (0,)

    def speaking(self, times: Reals) -> Floats:
        """(T,) from 0, listening, to 1, speaking; frames are regular."""
        frames = TURN_SECONDS / _step(times)
        return np.asarray(scipy.ndimage.gaussian_filter1d(self._spoken(times), frames, mode="nearest"), np.float32)

    def rested(self, weights: Mapping[str, Floats], times: Reals) -> dict[str, Floats]:
        """ARKit weights (T,) by name whose lips and jaw rest while only others speak.

        A decoder parts the lips well before speech begins, and in a conversation that would be in the words of somebody
        else. Corners and cheeks keep their expression.
        """
        frames = max(1, round(MOUTH_SECONDS / _step(times)))
        free = scipy.ndimage.uniform_filter1d(self._spoken(times, MOUTH_BESIDE), frames, mode="nearest")
        return {**weights, **{name: weights[name] * free for name in (ARKIT_52[k] for k in OPENING)}}

    def calm(self, times: Reals) -> Floats:
        """Factor (T,) on head motion: a listener's head moves less."""
        return np.asarray(1.0 - (1.0 - STILLNESS * self.amount) * (1.0 - self.speaking(times)), np.float32)

    def looks(self, times: Reals, eye_contact: float) -> Attention:
        """Eyes and head on the frames of a recording.

        Args:
            times: (T,) seconds, regular.
            eye_contact: see ``LiveMotion``; here a share of the looks at the others.
        """
        rng = np.random.default_rng((*self.seed, 0))
        gaze, faced = self._fixations(float(times[-1]) if len(times) else 0.0, eye_contact, rng)
        turned = HEAD_SHARE * faced + AWAY_SHARE * (gaze.targets - faced)
        held = turned[np.searchsorted(gaze.onsets, times - HEAD_DELAY, "right").clip(1) - 1]
        head = scipy.ndimage.gaussian_filter1d(held, HEAD_SECONDS / _step(times), axis=0, mode="nearest")
        turns = np.stack([-head[:, 1], head[:, 0], np.zeros(len(times))], 1).astype(np.float32)
        return Attention(gaze.path(times), turns, gaze.shifts(SHIFT))

    def nods(self, times: Reals) -> Floats:
        """(T,) degrees that the head dips at some ends of phrases of the others, while it does not speak."""
        rng, dips = np.random.default_rng((*self.seed, 1)), np.zeros(len(times), np.float32)
        for other in self.others.values():
            for begins, ends in other.rhythm.phrases:
                is_drawn = rng.random() < NOD_SHARE
                delay, size, length = (rng.uniform(*r) for r in (NOD_DELAY, NOD_SIZE, NOD_SECONDS))
                count = 1 + int(rng.binomial(2, NOD_MORE))
                start, end = ends + delay, ends + delay + count * length
                if is_drawn and ends - begins >= NOD_PHRASE and not self._speaks(start, end):
                    near = slice(*np.searchsorted(times, (start, end)))
                    place = (times[near] - start) / length
                    dip = size * NOD_WANES ** np.floor(place) * np.sin(np.pi * place) ** 2
                    dips[near] = np.maximum(dips[near], self.amount * dip)
        return dips

    def answered(self, weights: Mapping[str, Floats], times: Reals, own: Floats) -> dict[str, Floats]:
        """ARKit weights (T,) by name with small expressions that answer those of the others.

        Args:
            weights: the face without them.
            times: (T,) seconds, regular.
            own: (T,) intensity of the face's own emotion, to which the answers give way.
        """
        rng, added = np.random.default_rng((*self.seed, 2)), dict[str, Floats]()
        free = self.amount * (1.0 - self.speaking(times)) * (1.0 - OWN_FIRST * own)
        for other in self.others.values():
            delay, size = rng.uniform(*ANSWER_DELAY), rng.uniform(*ANSWER_SIZE)
            seen = other.track.at(np.maximum(times - delay, 0.0))
            strength = seen.posterior * seen.intensity[:, None]
            shown = scipy.ndimage.gaussian_filter1d(strength, ANSWER_SECONDS / _step(times), axis=0)
            for label, column in zip(seen.labels, shown.T, strict=True):
                for name, most in ANSWERS.get(label, {}).items():
                    answer = np.asarray(most * size * free * column, np.float32)
                    added[name] = np.maximum(added.get(name, np.float32(0.0)), answer)
        return {
            name: _more(curve, added.get(name.removesuffix("Left").removesuffix("Right")))
            for name, curve in weights.items()
        }

    def _spoken(self, times: Reals, beside: float = 0.0) -> Floats:
        """(T,) 1 in its own turns and so many seconds beside them, else 0."""
        spoken = np.zeros(len(times), np.float32)
        for start, end in self.own:
            spoken[slice(*np.searchsorted(times, (start - beside, end + beside)))] = 1.0
        return spoken

    def _speaks(self, start: float, end: float) -> bool:
        """Whether it speaks itself at some time between."""
        return any(begins < end and ends > start for begins, ends in self.own)

    def _attention(self, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
        """From when (N,) it attends to somebody, and where (N, 2) they are: to the first speaker from the beginning."""
        turns = sorted((*span, name) for name, other in self.others.items() for span in other.spans)
        drawn = [(start + rng.uniform(*REACTION), name) for start, end, name in turns if end - start >= NOTICED]
        first = drawn[0][1] if drawn else next(iter(self.others))
        changes = [(0.0, first), *(now for before, now in pairwise([(0.0, first), *drawn]) if now[1] != before[1])]
        directions = [self.others[name].direction for _, name in changes]
        return np.array([time for time, _ in changes]), np.clip(np.array(directions), -LOOK_MOST, LOOK_MOST)

    def _fixations(self, duration: float, eye_contact: float, rng: np.random.Generator) -> tuple[Fixations, Doubles]:
        """Fixations, and where (N, 2) the face is turned in each."""
        changes, directions = self._attention(rng)
        begins, ends = np.array(self.own, np.float64).reshape(-1, 2).T
        drawn_back = np.sort(np.concatenate([changes, ends - LOOKS_BACK]))
        onsets, targets, faced = list[float](), list[Doubles](), list[Doubles]()
        onset, is_due = 0.0, True
        while onset <= duration:
            speaks, opens = self._speaks(onset, onset), bool(np.any(np.abs(onset - begins) < STARTING))
            contact = eye_contact ** (SPEAKING_CONTACT if speaks else LISTENING_CONTACT)
            away = (1.0 - contact) * (STARTING_AWAY if opens else 1.0) * (1.0 if speaks else self.amount)
            looked_at = directions[int(np.searchsorted(changes, onset, "right")) - 1]
            look = looked_at + rng.normal(0.0, JITTER)
            aside = looked_at + (-np.sign(looked_at[0]) * rng.uniform(*AWAY_ACROSS), rng.normal(*AWAY_UP))
            is_away = rng.random() < away and not is_due
            onsets.append(onset)
            targets.append(aside if is_away else look)
            faced.append(looked_at)
            following = onset + 0.4 + float(rng.gamma(2.0, 0.6 if not is_away else 0.3))
            due = drawn_back[(drawn_back > onset + 0.1) & (drawn_back < following)]
            onset, is_due = (float(due[0]), True) if len(due) else (following, False)
        return Fixations(np.array(onsets), np.array(targets)), np.array(faced)


def _step(times: Reals) -> float:
    """Seconds from one frame to the next."""
    return float(times[1] - times[0]) if len(times) > 1 else 1.0


def _more(curve: Floats, added: Floats | None) -> Floats:
    """A weight (T,) with some more, never above 1."""
    return curve if added is None else np.asarray(curve + added * (1.0 - curve), np.float32)
