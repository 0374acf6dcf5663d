"""Lips that meet on p, b and m, under any emotion: where the encoder finds one and they would stay apart.

Decoders follow the lips of one talker in the mean; a mean of lips that close now and then is a small gap. The posterior
of p, b, m has a peak at each of them, and there the lips are closed; the jaw stays mostly where it was.
``ClosureStream`` does the same while somebody speaks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.face.arkit import ARKIT_52, INDEX, both_sides
from sedtalker.speech.features import BILABIAL, PHONE_INDEX

CLOSURE_ONSET = (0.05, 0.2)
"""Posteriors of p, b, m at which lips begin to close, and are closed."""
PEAK_FRAMES = 2
"""Frames on either side that a peak of the posterior must exceed."""
AHEAD_FRAMES = PEAK_FRAMES + 1
"""Frames after a frame whose posteriors say whether its lips close: a neighbour's peak reaches so far."""
SEALED, BESIDE = 0.85, 0.3
"""How far lips close at the peak, and in the frames beside it."""
STEEPEST = 0.6
"""Change of a closure from one frame to the next, at most; that of a whole recording never changes by more."""
NEAR, APART = 0.03, 0.05
"""Lip gaps, in outer-eye distances: of lips that close anyway, and of lips that have to be closed."""
EMOTIONAL_NEARER = 0.6
"""By which share of these gaps lips must come nearer under emotion, which holds lips apart for longer."""
JAW_GIVES, JAW_SEALED = 0.3, 0.9
"""Shares of the jaw's opening: what it gives up for a closure, and what ``mouthClose`` makes up for of the rest."""
PARTING = both_sides("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper")
"""Indices of the shapes that part the lips."""
JAW, CLOSE = INDEX["jawOpen"], INDEX["mouthClose"]
"""Indices of the jaw's opening and of the shape that closes the lips over it."""
GAP = {"jawOpen": 0.42, "mouthClose": -0.43, "mouthFunnel": 0.13, "mouthShrugUpper": 0.07} | {
    f"mouth{name}{side}": gap for name, gap in (("LowerDown", 0.05), ("UpperUp", 0.03)) for side in ("Left", "Right")
}
"""How far each shape parts the lips of a usual face, outer-eye distances."""


def bilabial_posterior(logits: Tensor) -> Tensor:
    """(…, 1) posterior of p, b and m, of logits (…, 40) over ``PHONES``."""
    return logits.float().softmax(-1)[..., [PHONE_INDEX[name] for name in BILABIAL]].sum(-1, keepdim=True)


def closures(bilabial: Tensor) -> Tensor:
    """How far lips must close (B, T, 1), from the posterior of p, b, m (B, T, 1): at its peaks."""
    posterior = bilabial.transpose(1, 2)
    low, high = CLOSURE_ONSET
    peak = posterior >= F.max_pool1d(posterior, 2 * PEAK_FRAMES + 1, 1, PEAK_FRAMES)
    closed = SEALED * ((posterior - low) / (high - low)).clamp(0.0, 1.0) * peak
    beside = F.pad(closed, (1, 1))
    return torch.maximum(closed, BESIDE * torch.maximum(beside[..., :-2], beside[..., 2:])).transpose(1, 2)


def lips_apart(motion: Tensor, emotional: Tensor, ahead: int = PEAK_FRAMES) -> Tensor:
    """(B, T, 1) from 0, where the lips of a motion (B, T, 52) close about then anyway, to 1.

    Args:
        motion: with its lips as the decoder moves them.
        emotional: (B, T, 1) how far a frame is from neutral speech.
        ahead: frames after a frame in which lips may close instead, as in the ``PEAK_FRAMES`` before it.
    """
    gap = (motion @ motion.new_tensor([GAP.get(name, 0.0) for name in ARKIT_52]))[:, None]
    nearest = -F.max_pool1d(F.pad(-gap, (PEAK_FRAMES, ahead), value=-torch.inf), PEAK_FRAMES + 1 + ahead, 1)
    nearer = 1.0 - EMOTIONAL_NEARER * emotional
    return ((nearest.transpose(1, 2) - nearer * NEAR) / (nearer * (APART - NEAR))).clamp(0.0, 1.0)


def close_lips(motion: Tensor, closure: Tensor) -> Tensor:
    """A mouth (B, T, 52) closed as far as ``closure`` (B, T, 1) says, the jaw mostly where it was."""
    keep = torch.ones_like(motion)
    keep[..., PARTING] = 1.0 - closure
    keep[..., JAW] = 1.0 - JAW_GIVES * closure[..., 0]
    mouth = motion * keep
    more = (JAW_SEALED * mouth[..., JAW] - mouth[..., CLOSE]).clamp_min(0.0) * closure[..., 0]
    return torch.cat([mouth[..., :CLOSE], (mouth[..., CLOSE] + more)[..., None], mouth[..., CLOSE + 1 :]], dim=-1)


class ClosureStream:
    """Lips closed while somebody speaks, frame for frame as over the whole recording if posteriors do not change.

    The lips of a frame close by the posteriors of ``AHEAD_FRAMES`` after it, as far as they are known, and by their own
    gap until then. Where the posteriors of a frame change once more of the sound is known, closures change by
    ``STEEPEST`` a frame at most, so no frame jumps.
    """

    def __init__(self) -> None:
        self.motion, self.bilabial, self.emotional = (torch.zeros(1, 0, n) for n in (len(ARKIT_52), 1, 1))
        """Of the last frames that came out, and of those that have not."""
        self.given = 0
        """How many of these frames came out already."""
        self.closure: float | None = None
        """Of the last of them."""

    def push(self, motion: Tensor, bilabial: Tensor, ahead: Tensor, emotional: Tensor) -> Tensor:
        """The next frames with their lips closed, (1, n, 52).

        Args:
            motion: (1, n, 52), of frames whose posteriors came with it or before.
            bilabial: (1, m, 1) posteriors of p, b, m of the next frames.
            ahead: (1, k, 1) of the frames after these, not yet certain.
            emotional: (1, m, 1) how far the next frames are from neutral speech.
        """
        self.motion = torch.cat([self.motion.to(motion), motion], 1)
        self.bilabial = torch.cat([self.bilabial.to(bilabial), bilabial], 1)
        self.emotional = torch.cat([self.emotional.to(emotional), emotional], 1)
        if not motion.shape[1]:
            return motion
        first, last = self.given, self.motion.shape[1]
        wanted = closures(torch.cat([self.bilabial, ahead], 1))[:, first:last]
        apart = lips_apart(self.motion, self.emotional[:, :last], ahead=0)[:, first:]
        made = close_lips(motion, self._eased(wanted) * apart)
        gone = max(0, last - AHEAD_FRAMES)
        self.motion, self.bilabial, self.emotional = (
            kept[:, gone:] for kept in (self.motion, self.bilabial, self.emotional)
        )
        self.given = last - gone
        return made

    def _eased(self, wanted: Tensor) -> Tensor:
        """Closures (1, n, 1) that go on from the last one."""
        eased = []
        for closure in wanted.flatten().tolist():
            last = closure if self.closure is None else self.closure
            self.closure = min(max(closure, last - STEEPEST), last + STEEPEST)
            eased.append(self.closure)
        return wanted.new_tensor(eased)[None, :, None]
