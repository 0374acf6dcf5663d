"""The tongue in speech: its tip behind the upper teeth on t, d, n, l, between the teeth on th, its back up on k, g, ng.

ARKit has no shapes for it, so these come beside the 52, under the names of OpenXR's ``XR_FB_face_tracking2``; faces
that have none of them move as before. The encoder's phones say where. A constriction is made and let go in about a
tenth of a second (Kent and Moll 1972; Löfqvist and Gracco 2002), and no vowel beside it shortens that: each frame takes
the strongest of the constrictions within 60 ms, the less the further away they are. ``TongueStream`` does the same
while somebody speaks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.closures import posteriors_of
from sedtalker.animation.mouth_rules import RULES
from sedtalker.arrays import Floats
from sedtalker.phonetics.aligner import Alignment

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
REACH = RULES.ahead_frames
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
    return _eased(np.clip((posteriors - low) / (high - low), 0.0, 1.0))


def known_constrictions(found: Floats, phones: Alignment, times: NDArray[np.floating]) -> Floats:
    """Those of known phones in words (T, 3), those ``found`` in the sound elsewhere; ``times`` are 20 ms apart."""
    made = np.zeros((len(times), len(TONGUE)), np.float32)
    for column, place in enumerate(PLACES.values()):
        for start, end in phones.of(place):
            made[np.abs(times - 0.5 * (start + end)) <= RULES.held, column] = 1.0
    known = np.zeros((len(times), 1), np.float32)
    for start, end, _ in phones.word_times():
        away = np.maximum(np.maximum(start - times, times - end), 0.0)
        known = np.maximum(known, np.clip(1.0 - away / RULES.fade, 0.0, 1.0)[:, None])
    return np.asarray(known * _eased(made) + (1.0 - known) * found, np.float32)


def tongue_weights(reached: Floats, jaw: Floats) -> Floats:
    """Weights (T, 3) of ``TONGUE`` of constrictions (T, 3), where the jaw opens by ``jawOpen`` (T,).

    The tip is at one place at a time: between two it comes back. It goes between the teeth as far as they are apart.
    """
    weights = np.array(reached, np.float32)
    ahead = reached[:, INTERDENTAL] - reached[:, ALVEOLAR]
    low, high = RULES.tongue_passage
    weights[:, INTERDENTAL] = np.maximum(ahead, 0.0) * np.clip((jaw - low) / (high - low), 0.0, 1.0)
    weights[:, ALVEOLAR] = np.maximum(-ahead, 0.0)
    return weights


def _eased(there: Floats) -> Floats:
    """(T, 3) with each frame at the strongest of those within ``REACH``, weighed by ``EASE``."""
    padded = np.pad(there, ((REACH, REACH), (0, 0)))
    shifts = range(-REACH, REACH + 1)
    parts = [EASE[abs(k)] * padded[REACH + k : REACH + k + len(there)] for k in shifts]
    return np.max(parts, axis=0).astype(np.float32)


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
