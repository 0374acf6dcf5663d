"""Lips that meet on p, b and m and touch the teeth on f and v, under any emotion, and the places of the tongue.

Both are where the encoder finds them. Decoders follow the lips of one talker in the mean; a mean of lips that close now
and then is a small gap. The posterior of p, b, m has a peak at each of them, and there the lips are closed; the jaw
stays mostly where it was. On f and v, as far as a face is emotional, what opens the mouth gives way until the lower lip
is at the teeth. ``ClosureStream`` does the same while somebody speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy

from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.animation.opening import OpeningMeasure, opened, opening_of
from sedtalker.arrays import Floats, Reals, clamped, softmax
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52, INDEX, TALKING_SIDES
from sedtalker.phonetics.aligner import Alignment
from sedtalker.speech.features import BILABIAL, FRAME_CLOCK, LABIODENTAL, PHONE_INDEX, PROSODY_CHANNELS

JAW, CLOSE, ROLL = INDEX["jawOpen"], INDEX["mouthClose"], INDEX["mouthRollLower"]
"""Indices of the jaw's opening, of the shape that closes the lips over it, and of the rolled lower lip."""
PUCKER = INDEX["mouthPucker"]
"""Index of the shape that rounds the lips without opening them."""


def mixed_mouth(
    motion: Floats,
    mouth: Floats | None,
    emotional: Floats,
    share: float,
    rules: MouthRules = RULES,
    opening: float | None = None,
) -> Floats:
    """A motion (T, 52) whose mouth is partly the one that is read out of the sound, which knows no emotion.

    It opens as far as people's mouths do, see ``OpeningMeasure``.

    Of the difference, what changes slowly is left to the decoder as far as a face is emotional: a smile is slow, and
    speech is not.

    Args:
        motion: as the decoder moves the face.
        mouth: (T, S) of ``TALKING_SHAPES``; None: there is none.
        emotional: (T, 1) how far a frame is from neutral speech.
        share: of the mouth; the rest is the motion's.
        opening: factor of what opens the mouth, see ``opening_of``; None: as ``OpeningMeasure`` finds it in ``mouth``.
    """
    if mouth is None or not share:
        return motion
    apart = mouth @ TALKING_SIDES - motion * TALKING_SIDES.sum(0)
    slow = scipy.ndimage.uniform_filter1d(apart, rules.slow_frames, axis=0, mode="nearest")
    kept = emotional * slow
    mixed = clamped(motion + share * (apart - kept))
    return opened(mixed, np.float32(opening_of(mouth, None, rules) if opening is None else opening), kept)


def posteriors_of(logits: Floats, groups: Iterable[Iterable[str]]) -> Floats:
    """(…, G) posteriors of groups of phones, of logits (…, 40) over ``PHONES``."""
    posterior = softmax(logits, -1)
    columns = ([PHONE_INDEX[name] for name in names] for names in groups)
    return np.stack([posterior[..., each].sum(-1) for each in columns], -1)


def lip_posteriors(logits: Floats) -> Floats:
    """(…, 2) posteriors of p, b, m and of f, v, of logits (…, 40) over ``PHONES``."""
    return posteriors_of(logits, (BILABIAL, LABIODENTAL))


def closures(posteriors: Floats, rules: MouthRules = RULES) -> Floats:
    """Required closing of the lips (T, C), at the peaks of posteriors (T, C) and less beside them.

    Columns are those of ``lip_posteriors``, or p, b and m alone.
    """
    low, high = rules.onset
    highest = scipy.ndimage.maximum_filter1d(posteriors, 2 * rules.peak_frames + 1, 0, mode="constant", cval=-np.inf)
    closed = clamped((posteriors - low) / (high - low)) * (posteriors >= highest)
    return _strongest(closed, rules.held_shares[:, : closed.shape[1]])


def _strongest(values: Floats, shares: Floats) -> Floats:
    """(T, C) with each frame at the strongest of those around it, weighed by ``shares`` (R, C) of each distance."""
    made = np.array(values, np.float32)
    for away, share in enumerate(shares, 1):
        weighed = share * values
        np.maximum(made[away:], weighed[:-away], out=made[away:])
        np.maximum(made[:-away], weighed[away:], out=made[:-away])
    return made


def required_closures(posteriors: Floats, emotional: Floats, rules: MouthRules = RULES) -> Floats:
    """``closures`` (T, 2) in a recording, as far as ``emotional`` (T, 1) says those of full emotion."""
    calm = closures(posteriors, rules)
    return np.asarray(calm + emotional * (closures(posteriors, rules.emotional) - calm), np.float32)


def lips_apart(motion: Floats, ahead: int = RULES.near_frames, rules: MouthRules = RULES) -> Floats:
    """(T, 1) from 0, where the lips of a motion (T, 52) close about then anyway, to 1.

    Args:
        motion: with its lips as the decoder moves them.
        ahead: frames after a frame in which lips may close instead, as in the ``near_frames`` before it.
    """
    gap, count = motion @ rules.gaps, rules.near_frames + 1 + ahead
    origin = rules.near_frames - count // 2
    nearest = scipy.ndimage.minimum_filter1d(gap, count, mode="constant", cval=np.inf, origin=origin)[:, None]
    return np.asarray(clamped((nearest - rules.met_gap) / (rules.closed_gap - rules.met_gap)), np.float32)


def near(times: Reals, start: float, end: float, fade: float) -> Floats:
    """(T,) 1 from ``start`` to ``end``, falling to 0 over ``fade`` seconds on either side."""
    away = np.maximum(np.maximum(start - times, times - end), 0.0)
    return np.asarray(np.maximum(1.0 - away / fade, 0.0), np.float32)


def near_any(times: Reals, spans: Sequence[tuple[float, float]], fade: float) -> Floats:
    """(T,) the largest ``near`` of the spans; 0 where there are none."""
    return np.max([np.zeros(len(times), np.float32), *(near(times, *span, fade) for span in spans)], axis=0)


def close_lips(motion: Floats, closure: Floats, rules: MouthRules = RULES) -> Floats:
    """A mouth (T, 52) closed as far as ``closure`` (T, 1) says, the jaw mostly where it was."""
    mouth = motion.copy()
    mouth[:, rules.parting] *= 1.0 - closure
    mouth[:, JAW] *= 1.0 - rules.jaw_gives * closure[:, 0]
    mouth[:, CLOSE] += np.maximum(mouth[:, JAW] - mouth[:, CLOSE], 0.0) * closure[:, 0]
    return mouth


def touch_teeth(motion: Floats, contact: Floats, rules: MouthRules = RULES) -> Floats:
    """A mouth (T, 52) whose lower lip is as near the teeth as ``contact`` (T, 1) says; nearer ones stay."""
    gap = (motion @ np.float32(rules.gaps))[:, None]
    away = contact * (1.0 - rules.teeth_gap / np.maximum(gap, rules.teeth_gap))
    mouth = motion.copy()
    mouth[:, [*rules.parting, JAW, CLOSE]] *= 1.0 - away
    mouth[:, ROLL] = np.maximum(mouth[:, ROLL], rules.rolled * away[:, 0])
    return mouth


def move_lips(motion: Floats, closure: Floats, apart: Floats, emotional: Floats, rules: MouthRules = RULES) -> Floats:
    """A mouth (T, 52) as round as people's, with what p, b, m and f, v need.

    Args:
        motion: as the decoder moves it.
        closure: (T, 2) from ``closures`` or ``required_closures`` of ``lip_posteriors``.
        apart: (T, 1) from ``lips_apart``.
        emotional: (T, 1) see there; in neutral speech the decoder's own lips are at the teeth.
    """
    rounder = motion.copy()
    rounder[:, PUCKER] *= rules.rounding
    return close_lips(touch_teeth(rounder, closure[:, 1:] * emotional, rules), closure[:, :1] * apart, rules)


def held_closed(
    weights: Mapping[str, Floats], before: Mapping[str, Floats], where: Floats | float = 1.0
) -> dict[str, Floats]:
    """ARKit weights by name, (T,) each, whose closed lips are as closed as they were.

    Whatever changes a finished mouth comes through here, gains of single shapes, breaths and vocal bursts, so that lips
    which met still meet. Frames whose lips were apart stay as they are.

    Args:
        weights: the face now.
        before: the face with its lips as they should be; the same names and frames.
        where: (T,) from 0 to 1, how far they must stay as closed.
    """
    gaps = {name: gap for name, gap in RULES.shape_gaps.items() if name in before and name in weights}
    gap = sum((size * before[name] for name, size in gaps.items()), np.float32(0.0))
    held = where * np.clip((RULES.apart_gap - gap) / (RULES.apart_gap - RULES.closed_gap), 0.0, 1.0)
    made = dict(weights)
    for name, size in gaps.items():
        limit = np.minimum if size > 0.0 else np.maximum
        made[name] = (weights[name] + held * (limit(weights[name], before[name]) - weights[name])).astype(np.float32)
    return made


class MouthStream:
    """``mixed_mouth`` while somebody speaks: what changes slowly is the mean of the last ``slow_frames``.

    Frames of another emotion count less in it: the smile that was is not taken for the sadness that is.

    Args:
        share: of the mouth that is read.
    """

    def __init__(self, share: float, rules: MouthRules = RULES) -> None:
        self.share, self.rules = share, rules
        sizes = len(TALKING_SIDES), 1, len(CATEGORIES)
        self.mouth, self.emotional, self.emotion = (np.zeros((0, n), np.float32) for n in sizes)
        """What is known of frames whose motion is pending, and the emotion of the last ones."""
        self.apart = np.zeros((0, len(ARKIT_52)))
        """How far the mouth that is read and the decoder's were apart in the last frames."""
        self.opening = OpeningMeasure(rules)
        self.voice = np.zeros((0, len(PROSODY_CHANNELS)), np.float32)
        """The voice of frames whose motion is pending."""

    def push(self, motion: Floats, mouth: Floats, emotional: Floats, emotion: Floats, voice: Floats) -> Floats:
        """The next frames with their mouth mixed, (n, 52).

        Args:
            motion: (n, 52), of frames whose mouth came with it or before.
            mouth: (m, S) of ``TALKING_SHAPES``, of the next frames.
            emotional: (m, 1) how far these are from neutral speech.
            emotion: (m, C) their posterior times intensity.
            voice: (m, 4) their prosody, zero where nobody speaks.
        """
        count = len(motion)
        self.voice = np.concatenate([self.voice, voice])
        self.mouth, self.emotional = np.concatenate([self.mouth, mouth]), np.concatenate([self.emotional, emotional])
        self.emotion = np.concatenate([self.emotion, emotion])
        apart = self.mouth[:count] @ TALKING_SIDES - motion * TALKING_SIDES.sum(0)
        known = np.concatenate([self.apart, apart])
        before = np.arange(len(known) - count, len(known))[:, None] - np.arange(len(known))
        other = np.abs(self.emotion[len(known) - count : len(known), None] - self.emotion[: len(known)]).sum(-1)
        alike = np.exp(-other / self.rules.other_emotion) * ((before >= 0) & (before < self.rules.slow_frames))
        slow = alike @ known / alike.sum(1, keepdims=True)
        kept = self.emotional[:count] * slow
        mixed = clamped(motion + self.share * (apart - kept))
        made = opened(mixed, self.opening.factors(self.mouth[:count], self.voice[:count]), kept)
        gone = max(0, len(known) - self.rules.slow_frames)
        self.mouth, self.emotional, self.emotion = self.mouth[count:], self.emotional[count:], self.emotion[gone:]
        self.voice = self.voice[count:]
        self.apart = known[gone:]
        return made


class ClosureStream:
    """Lips closed while somebody speaks, frame for frame as over the whole recording if posteriors do not change.

    The lips of a frame close by the posteriors of ``ahead_frames`` after it, as far as they are known, and by their own
    gap until then.
    """

    def __init__(self, rules: MouthRules = RULES) -> None:
        self.rules = rules.streamed
        self.motion, self.posteriors, self.emotional = (np.zeros((0, n), np.float32) for n in (len(ARKIT_52), 2, 1))
        """The last frames that were returned, and those that are pending."""
        self.given = 0
        """Number of these frames that were already returned."""

    def push(self, motion: Floats, posteriors: Floats, ahead: Floats, emotional: Floats) -> Floats:
        """The next frames with their lips closed, (n, 52).

        Args:
            motion: (n, 52), of frames whose posteriors came with it or before.
            posteriors: (m, 2) ``lip_posteriors`` of the next frames.
            ahead: (k, 2) of the frames after these, not yet certain.
            emotional: (m, 1) how far the next frames are from neutral speech.
        """
        self.motion = np.concatenate([self.motion, motion])
        self.posteriors = np.concatenate([self.posteriors, posteriors])
        self.emotional = np.concatenate([self.emotional, emotional])
        if not len(motion):
            return motion
        first, last = self.given, len(self.motion)
        wanted = closures(np.concatenate([self.posteriors, ahead]), self.rules)[first:last]
        apart = lips_apart(self.motion, 0, self.rules)[first:]
        made = move_lips(motion, wanted, apart, self.emotional[first:last], self.rules)
        gone = max(0, last - self.rules.ahead_frames)
        self.motion, self.posteriors, self.emotional = (
            kept[gone:] for kept in (self.motion, self.posteriors, self.emotional)
        )
        self.given = last - gone
        return made


# --- The tongue: its tip behind the upper teeth on t, d, n, l, between the teeth on th, its back up on k, g, ng.
#
# ARKit has no shapes for it, so these come beside the 52, under the names of OpenXR's ``XR_FB_face_tracking2``; faces
# that have none of them move as before. The encoder's phones say where. A constriction is made and let go in about a
# tenth of a second (Kent and Moll 1972; Löfqvist and Gracco 2002), and no vowel beside it shortens that: each frame
# takes the strongest of the constrictions within 60 ms, the less the further away they are. ``TongueStream`` does the
# same while somebody speaks.


PLACES: dict[str, tuple[str, ...]] = {
    "tongueTipInterdental": ("TH", "DH"),
    "tongueTipAlveolar": ("T", "D", "N", "L"),
    "tongueBackDorsalVelar": ("K", "G", "NG"),
}
"""Shapes by place of articulation, and their phones."""
TONGUE = tuple(PLACES)
"""Names of the shapes, in the order of all arrays here."""
INTERDENTAL, ALVEOLAR = 0, 1
"""Columns of the two places that the tip cannot be at once."""
REACH = 3
"""Frames on either side from which a constriction shows: 60 ms."""
EASE = tuple(float(np.cos(0.5 * np.pi * k / (REACH + 1)) ** 2) for k in range(REACH + 1))
"""Share of a constriction at each distance in frames."""


class Articulation(NamedTuple):
    """Constraints of a recording's phones, on the clock of its features.

    Attributes:
        tongue: (T, 3) how far the tongue is at the places of ``TONGUE``.
        closure: (T,) from 0 to 1, how far p, b and m close the lips.
    """

    tongue: Floats
    closure: Floats


def tongue_posteriors(logits: Floats) -> Floats:
    """(…, 3) posteriors of the places, of logits (…, 40) over ``PHONES``."""
    return posteriors_of(logits, PLACES.values())


def constrictions(posteriors: Floats) -> Floats:
    """Weight of each place of the tongue (T, 3) in [0, 1], from ``tongue_posteriors`` (T, 3)."""
    low, high = RULES.tongue_onset
    return _eased(clamped((posteriors - low) / (high - low)))


def known_constrictions(found: Floats, phones: Alignment, times: Reals) -> Floats:
    """Those of known phones in words (T, 3), those ``found`` in the sound elsewhere; ``times`` are 20 ms apart."""
    made = np.zeros((len(times), len(TONGUE)), np.float32)
    for column, place in enumerate(PLACES.values()):
        for start, end in phones.of(place):
            made[np.abs(times - 0.5 * (start + end)) <= RULES.held, column] = 1.0
    spoken = [(start, end) for start, end, _ in phones.word_times()]
    known = near_any(times, spoken, REACH / FRAME_CLOCK.rate)[:, None]
    return np.asarray(known * _eased(made) + (1.0 - known) * found, np.float32)


def tongue_weights(reached: Floats, jaw: Floats) -> Floats:
    """Weights (T, 3) of ``TONGUE`` of constrictions (T, 3), where the jaw opens by ``jawOpen`` (T,).

    The tip is at one place at a time: between two it comes back. It goes between the teeth as far as they are apart.
    """
    weights = np.array(reached, np.float32)
    ahead = reached[:, INTERDENTAL] - reached[:, ALVEOLAR]
    low, high = RULES.tongue_passage
    weights[:, INTERDENTAL] = np.maximum(ahead, 0.0) * clamped((jaw - low) / (high - low))
    weights[:, ALVEOLAR] = np.maximum(-ahead, 0.0)
    return weights


def _eased(there: Floats) -> Floats:
    """(T, 3) with each frame at the strongest of those within ``REACH``, weighed by ``EASE``."""
    return _strongest(there, np.array(EASE[1:], np.float32)[:, None])


class TongueStream:
    """Constrictions while somebody speaks, as over the whole recording if posteriors do not change.

    A frame takes the posteriors of ``REACH`` frames after it as far as they are known.
    """

    def __init__(self) -> None:
        self.posteriors = np.zeros((0, len(TONGUE)), np.float32)
        """The last frames that were returned, and those that are pending."""
        self.given = 0
        """Number of these frames that were already returned."""

    def push(self, posteriors: Floats, ahead: Floats, count: int) -> Floats:
        """The next ``count`` frames, (count, 3).

        Args:
            posteriors: (m, 3) ``tongue_posteriors`` of the frames that are new.
            ahead: (k, 3) of the frames after these, not yet certain.
            count: frames that are due; at most those whose posteriors came.
        """
        self.posteriors = np.concatenate([self.posteriors, posteriors])
        first, last = self.given, self.given + count
        wanted = constrictions(np.concatenate([self.posteriors, ahead]))[first:last]
        gone = max(0, last - REACH)
        self.posteriors, self.given = self.posteriors[gone:], last - gone
        return wanted
