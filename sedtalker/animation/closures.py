"""Lips that meet on p, b and m and touch the teeth on f and v, under any emotion: where the encoder finds one.

Decoders follow the lips of one talker in the mean; a mean of lips that close now and then is a small gap. The posterior
of p, b, m has a peak at each of them, and there the lips are closed; the jaw stays mostly where it was. On f and v, as
far as a face is emotional, what opens the mouth gives way until the lower lip is at the teeth. ``ClosureStream`` does
the same while somebody speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import maximum_filter1d

from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.arrays import Floats, softmax
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.speech.features import BILABIAL, LABIODENTAL, PHONE_INDEX

JAW, CLOSE, ROLL = INDEX["jawOpen"], INDEX["mouthClose"], INDEX["mouthRollLower"]
"""Indices of the jaw's opening, of the shape that closes the lips over it, and of the rolled lower lip."""


def posteriors_of(logits: Floats, groups: Iterable[Iterable[str]]) -> Floats:
    """(…, G) posteriors of groups of phones, of logits (…, 40) over ``PHONES``."""
    posterior = softmax(logits, -1)
    columns = ([PHONE_INDEX[name] for name in names] for names in groups)
    return np.stack([posterior[..., each].sum(-1) for each in columns], -1)


def lip_posteriors(logits: Floats) -> Floats:
    """(…, 2) posteriors of p, b, m and of f, v, of logits (…, 40) over ``PHONES``."""
    return posteriors_of(logits, (BILABIAL, LABIODENTAL))


def closures(posteriors: Floats, rules: MouthRules = RULES) -> Floats:
    """Required closing of the lips (T, C), from posteriors (T, C) of phones that close them: at their peaks."""
    low, high = rules.onset
    peak = posteriors >= maximum_filter1d(posteriors, 2 * rules.peak_frames + 1, 0, mode="constant", cval=-np.inf)
    closed = np.clip((posteriors - low) / (high - low), 0.0, 1.0) * peak
    beside = np.pad(closed, ((1, 1), (0, 0)))
    return np.asarray(np.maximum(closed, rules.beside * np.maximum(beside[:-2], beside[2:])), np.float32)


def lips_apart(motion: Floats, emotional: Floats, ahead: int = RULES.peak_frames, rules: MouthRules = RULES) -> Floats:
    """(T, 1) from 0, where the lips of a motion (T, 52) close about then anyway, to 1.

    Args:
        motion: with its lips as the decoder moves them.
        emotional: (T, 1) how far a frame is from neutral speech.
        ahead: frames after a frame in which lips may close instead, as in the ``peak_frames`` before it.
    """
    gap = np.pad(motion @ np.float32(rules.gaps), (rules.peak_frames, ahead), constant_values=np.inf)
    nearest = sliding_window_view(gap, rules.peak_frames + 1 + ahead).min(-1)[:, None]
    nearer, wide = 1.0 - rules.emotional_nearer * emotional, rules.apart_gap - rules.closed_gap
    return np.asarray(np.clip((nearest - nearer * rules.closed_gap) / (nearer * wide), 0.0, 1.0), np.float32)


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
    """A mouth (T, 52) with what p, b, m and f, v need.

    Args:
        motion: as the decoder moves it.
        closure: (T, 2) from ``closures`` of ``lip_posteriors``.
        apart: (T, 1) from ``lips_apart``.
        emotional: (T, 1) see there; in neutral speech the decoder's own lips are at the teeth.
    """
    return close_lips(touch_teeth(motion, closure[:, 1:] * emotional, rules), closure[:, :1] * apart, rules)


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


class ClosureStream:
    """Lips closed while somebody speaks, frame for frame as over the whole recording if posteriors do not change.

    The lips of a frame close by the posteriors of ``ahead_frames`` after it, as far as they are known, and by their own
    gap until then.
    """

    def __init__(self, rules: MouthRules = RULES) -> None:
        self.rules = rules
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
        apart = lips_apart(self.motion, self.emotional[:last], 0, self.rules)[first:]
        made = move_lips(motion, wanted, apart, self.emotional[first:last], self.rules)
        gone = max(0, last - self.rules.ahead_frames)
        self.motion, self.posteriors, self.emotional = (
            kept[gone:] for kept in (self.motion, self.posteriors, self.emotional)
        )
        self.given = last - gone
        return made
