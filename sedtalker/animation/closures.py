"""Lips that meet on p, b and m and touch the teeth on f and v, under any emotion: where the encoder finds one.

Decoders follow the lips of one talker in the mean; a mean of lips that close now and then is a small gap. The posterior
of p, b, m has a peak at each of them, and there the lips are closed; the jaw stays mostly where it was. On f and v, as
far as a face is emotional, what opens the mouth gives way until the lower lip is at the teeth. ``ClosureStream`` does
the same while somebody speaks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.arrays import Floats
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.speech.features import BILABIAL, LABIODENTAL, PHONE_INDEX

JAW, CLOSE, ROLL = INDEX["jawOpen"], INDEX["mouthClose"], INDEX["mouthRollLower"]
"""Indices of the jaw's opening, of the shape that closes the lips over it, and of the rolled lower lip."""


def lip_posteriors(logits: Tensor) -> Tensor:
    """(…, 2) posteriors of p, b, m and of f, v, of logits (…, 40) over ``PHONES``."""
    posterior = logits.float().softmax(-1)
    kinds = ([PHONE_INDEX[name] for name in names] for names in (BILABIAL, LABIODENTAL))
    return torch.stack([posterior[..., kind].sum(-1) for kind in kinds], -1)


def closures(posteriors: Tensor, rules: MouthRules = RULES) -> Tensor:
    """How far lips must close (B, T, C), from posteriors (B, T, C) of phones that close them: at their peaks."""
    posterior = posteriors.transpose(1, 2)
    low, high = rules.onset
    peak = posterior >= F.max_pool1d(posterior, 2 * rules.peak_frames + 1, 1, rules.peak_frames)
    closed = ((posterior - low) / (high - low)).clamp(0.0, 1.0) * peak
    beside = F.pad(closed, (1, 1))
    return torch.maximum(closed, rules.beside * torch.maximum(beside[..., :-2], beside[..., 2:])).transpose(1, 2)


def lips_apart(motion: Tensor, emotional: Tensor, ahead: int = RULES.peak_frames, rules: MouthRules = RULES) -> Tensor:
    """(B, T, 1) from 0, where the lips of a motion (B, T, 52) close about then anyway, to 1.

    Args:
        motion: with its lips as the decoder moves them.
        emotional: (B, T, 1) how far a frame is from neutral speech.
        ahead: frames after a frame in which lips may close instead, as in the ``peak_frames`` before it.
        rules: the numbers of the mouth.
    """
    gap, before = (motion @ motion.new_tensor(rules.gaps))[:, None], rules.peak_frames
    nearest = -F.max_pool1d(F.pad(-gap, (before, ahead), value=-torch.inf), before + 1 + ahead, 1)
    nearer, wide = 1.0 - rules.emotional_nearer * emotional, rules.apart_gap - rules.closed_gap
    return ((nearest.transpose(1, 2) - nearer * rules.closed_gap) / (nearer * wide)).clamp(0.0, 1.0)


def close_lips(motion: Tensor, closure: Tensor, rules: MouthRules = RULES) -> Tensor:
    """A mouth (B, T, 52) closed as far as ``closure`` (B, T, 1) says, the jaw mostly where it was."""
    keep = torch.ones_like(motion)
    keep[..., rules.parting] = 1.0 - closure
    keep[..., JAW] = 1.0 - rules.jaw_gives * closure[..., 0]
    mouth = motion * keep
    more = (mouth[..., JAW] - mouth[..., CLOSE]).clamp_min(0.0) * closure[..., 0]
    return torch.cat([mouth[..., :CLOSE], (mouth[..., CLOSE] + more)[..., None], mouth[..., CLOSE + 1 :]], dim=-1)


def touch_teeth(motion: Tensor, contact: Tensor, rules: MouthRules = RULES) -> Tensor:
    """A mouth (B, T, 52) whose lower lip is as near the teeth as ``contact`` (B, T, 1) says; nearer ones stay."""
    gap = (motion @ motion.new_tensor(rules.gaps))[..., None]
    away = contact * (1.0 - rules.teeth_gap / gap.clamp_min(rules.teeth_gap))
    keep = torch.ones_like(motion)
    keep[..., [*rules.parting, JAW, CLOSE]] = 1.0 - away
    rolled = torch.zeros_like(motion)
    rolled[..., ROLL] = (rules.rolled * away[..., 0] - motion[..., ROLL]).clamp_min(0.0)
    return motion * keep + rolled


def move_lips(motion: Tensor, closure: Tensor, apart: Tensor, emotional: Tensor, rules: MouthRules = RULES) -> Tensor:
    """A mouth (B, T, 52) with what p, b, m and f, v need.

    Args:
        motion: as the decoder moves it.
        closure: (B, T, 2) from ``closures`` of ``lip_posteriors``.
        apart: (B, T, 1) from ``lips_apart``.
        emotional: (B, T, 1) see there; in neutral speech the decoder's own lips are at the teeth.
        rules: the numbers of the mouth.
    """
    return close_lips(touch_teeth(motion, closure[..., 1:] * emotional, rules), closure[..., :1] * apart, rules)


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
        self.motion, self.posteriors, self.emotional = (torch.zeros(1, 0, n) for n in (len(ARKIT_52), 2, 1))
        """The last frames that were returned, and those that are pending."""
        self.given = 0
        """How many of these frames came out already."""

    def push(self, motion: Tensor, posteriors: Tensor, ahead: Tensor, emotional: Tensor) -> Tensor:
        """The next frames with their lips closed, (1, n, 52).

        Args:
            motion: (1, n, 52), of frames whose posteriors came with it or before.
            posteriors: (1, m, 2) ``lip_posteriors`` of the next frames.
            ahead: (1, k, 2) of the frames after these, not yet certain.
            emotional: (1, m, 1) how far the next frames are from neutral speech.
        """
        self.motion = torch.cat([self.motion.to(motion), motion], 1)
        self.posteriors = torch.cat([self.posteriors.to(posteriors), posteriors], 1)
        self.emotional = torch.cat([self.emotional.to(emotional), emotional], 1)
        if not motion.shape[1]:
            return motion
        first, last = self.given, self.motion.shape[1]
        wanted = closures(torch.cat([self.posteriors, ahead], 1), self.rules)[:, first:last]
        apart = lips_apart(self.motion, self.emotional[:, :last], 0, self.rules)[:, first:]
        made = move_lips(motion, wanted, apart, self.emotional[:, first:last], self.rules)
        gone = max(0, last - self.rules.ahead_frames)
        self.motion, self.posteriors, self.emotional = (
            kept[:, gone:] for kept in (self.motion, self.posteriors, self.emotional)
        )
        self.given = last - gone
        return made
