"""Phone-constrained correction of the lips: the step that a transcript adds, after the decoder and its gains.

Only what the phones determine is enforced: the lower lip comes to the teeth in f and v, lips meet in every p, b and m,
and they are apart in open vowels. Each constraint is enforced only up to its deficit, fades in and out within 50 ms,
and leaves all other frames and shapes unchanged. Lip distances are in outer-eye distances and measured on the face that
is animated.
"""

from __future__ import annotations

import numpy as np

from sedtalker.animation.articulation import CLOSE, JAW, close_lips, near, near_any
from sedtalker.animation.gains import AROUND_THE_MOUTH
from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.arrays import Floats, Reals
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX, both_sides
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture
from sedtalker.phonetics.aligner import Alignment
from sedtalker.speech.features import BILABIAL, LABIODENTAL, OPEN_VOWELS

LOWERING = both_sides("mouthLowerDown")
"""Shapes that take the lower lip from the teeth."""
MOUTH = [INDEX[name] for name in ARKIT_52 if name.startswith(AROUND_THE_MOUTH)]
"""Shapes that move the lips."""


def sharpen(motion: Floats, times: Reals, alignment: Alignment, face: Face, rules: MouthRules = RULES) -> Floats:
    """The motion with what its phones need.

    Args:
        motion: (T, 52) coefficients of ``ARKIT_52`` in [0, 1].
        times: (T,) seconds.
        face: whose lips have to meet; with the ARKit shapes first and landmarks.

    Returns:
        (T, 52) in [0, 1]; frames further than ``fade`` from all phones that need something are the same.

    Raises:
        InputError: the motion is not of the ARKit shapes, or the face has no landmarks.
    """
    if motion.shape[1] != len(ARKIT_52):
        raise InputError("words correct the ARKit shapes; a vertex decoder has none")
    for constrain in (touching, closed, parted):
        motion = constrain(motion, times, alignment, face, rules)
    return motion


def gap_of(face: Face, motion: Floats) -> Floats:
    """(T,) lip gap beyond that of the resting face."""
    return lip_aperture(face, motion) - lip_aperture(face, np.zeros_like(motion[:1]))[0]


# --- The lower lip at the teeth, lips that meet, and lips that are apart.


def touching(motion: Floats, times: Reals, alignment: Alignment, face: Face, rules: MouthRules = RULES) -> Floats:
    """The lower lip at the upper teeth in each f and v."""
    contact = np.zeros(len(motion), np.float32)
    gap = gap_of(face, motion)
    for start, end in alignment.of(LABIODENTAL):
        held = near(times, *_held(start, end, times, rules), rules.fade)
        if gap[held == 1.0].min() > rules.teeth_gap:
            contact = np.maximum(contact, held)
    if not contact.any():
        return motion
    made = motion.copy()
    made[:, LOWERING] *= 1.0 - contact[:, None]
    made[:, INDEX["mouthRollLower"]] = np.maximum(made[:, INDEX["mouthRollLower"]], rules.rolled * contact)
    return _no_wider(made, rules.teeth_gap, face, contact)


def closed(motion: Floats, times: Reals, alignment: Alignment, face: Face, rules: MouthRules = RULES) -> Floats:
    """Lips together in each p, b and m."""
    closure = np.zeros(len(motion), np.float32)
    gap = gap_of(face, motion)
    for start, end in alignment.of(BILABIAL):
        inside = (times >= start - rules.held - 1e-6) & (times <= end + rules.held + 1e-6)
        if (gap[inside] < rules.closed_gap).sum() < rules.met_frames:
            closure = np.maximum(closure, near(times, *_held(start, end, times, rules), rules.fade))
    if not closure.any():
        return motion
    sealed = close_lips(motion, closure[:, None], rules)
    made = np.where(closure[:, None] > 0.0, sealed, motion).astype(np.float32)
    return _no_wider(made, rules.met_gap, face, closure)


def parted(motion: Floats, times: Reals, alignment: Alignment, face: Face, rules: MouthRules = RULES) -> Floats:
    """Lips apart in the middle half of each open vowel: decoders, and closures beside it, close some.

    Where options let the mouth hardly move, or not at all, they are apart as far as it moves elsewhere.
    """
    gap = gap_of(face, motion)
    apart = min(rules.apart_gap, 0.5 * float(np.quantile(gap, 1.0 - rules.widest_part)))
    middles = [(start + 0.25 * (end - start), end - 0.25 * (end - start)) for start, end in alignment.of(OPEN_VOWELS)]
    free = closure_of(times, alignment, rules) < 1.0
    lacking = free * near_any(times, middles, rules.fade) * np.maximum(apart - gap, 0.0)
    if not lacking.any():
        return motion
    made = motion.copy()
    given = np.minimum(made[:, CLOSE], lacking / -rules.gaps[CLOSE])
    made[:, CLOSE] -= given
    made[:, JAW] += (lacking + rules.gaps[CLOSE] * given) / rules.gaps[JAW]
    return np.clip(made, 0.0, 1.0)


def closure_of(times: Reals, alignment: Alignment, rules: MouthRules = RULES) -> Floats:
    """(T,) from 0 to 1, how far the lips are closed by each p, b and m."""
    return near_any(times, [_held(*span, times, rules) for span in alignment.of(BILABIAL)], rules.fade)


def _held(start: float, end: float, times: Reals, rules: MouthRules) -> tuple[float, float]:
    """Seconds, at frames, between which a phone's articulation is held: about its middle, within the recording."""
    middle = 0.5 * (start + end)
    inside = np.flatnonzero((times >= middle - rules.held - 1e-6) & (times <= middle + rules.held + 1e-6))
    nearest = int(np.abs(times - middle).argmin())
    first, last = (inside[0], inside[-1]) if len(inside) else (nearest, nearest)
    return float(times[first]), float(times[last])


def _no_wider(motion: Floats, most: float, face: Face, held: Floats) -> Floats:
    """The motion with its mouth nearer to rest until the gap, as far as ``held`` (T,) says, is ``most`` at most."""
    gap = gap_of(face, motion)
    limit = most + (1.0 - held) * np.maximum(gap - most, 0.0)
    over = np.flatnonzero((gap > limit) & (held > 0.0))
    if not len(over):
        return motion
    kept, tried = np.zeros(len(over), np.float32), np.ones(len(over), np.float32)
    for _ in range(10):
        middle = 0.5 * (kept + tried)
        fits = gap_of(face, _towards_rest(motion[over], middle)) <= limit[over]
        kept, tried = np.where(fits, middle, kept), np.where(fits, tried, middle)
    made = motion.copy()
    made[over] = _towards_rest(motion[over], kept)
    return made


def _towards_rest(motion: Floats, kept: Floats) -> Floats:
    made = motion.copy()
    made[:, MOUTH] *= kept[:, None]
    return made
