"""The numbers of the mouth, in the order in which they are applied between the decoder and the finished lips.

Decoders follow the lips of one talker in the mean, so lips that should meet stay a little apart. What follows mends
that, step by step: ``opening`` (how far a mouth opens), ``articulation`` (a mouth that is read out of the sound,
rounding, p, b, m, f and v that the encoder finds, and the tongue), ``gains`` (options that scale the motion),
``known_phones`` (a transcript) and ``recipe`` (whatever moves the jaw afterwards).
``docs/lips.md`` says what each of them brings. Gaps between the lips are in distances of the outer corners of the eyes,
beyond the gap of the resting face; weights are those of ARKit's shapes; frames are 20 ms long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.face import SIDES
from sedtalker.metrics.motion import CLOSED_GAP


def _shape_gaps() -> dict[str, float]:
    sides = {f"mouth{name}{side}": gap for name, gap in (("LowerDown", 0.05), ("UpperUp", 0.03)) for side in SIDES}
    return {"jawOpen": 0.42, "mouthClose": -0.43, "mouthFunnel": 0.13, "mouthShrugUpper": 0.07} | sides


@dataclass(frozen=True, eq=False)
class MouthRules:
    """Constants of lip and tongue motion for phones. Values other than the default are for measurements."""

    # --- 0. The mouth that is read out of the sound, beside the decoder's.
    streamed_share: float = 0.8
    """Its share in streams, for decoders that take one; that of recordings is ``DecoderConfig.mouth_share``."""
    slow_frames: int = 75
    """Frames whose mean of the difference stays the decoder's under full emotion: a smile is slow, speech is not."""
    other_emotion: float = 0.2
    """Change of the emotion, summed over categories, at which an earlier frame of a stream counts 1/e in this mean."""

    # --- 1. How far the mouth opens: networks shrink the mouths of people whom they were not trained on.
    usual_opening: float = 0.181
    """Gap that the widest twentieth of the read mouth's open frames exceeds, once it opens as far as people do."""
    read_opening: float = 0.133
    """The same where nobody was measured yet: the mean of development recordings."""
    few_frames: int = 50
    """Open frames that this counts as."""
    widest_part: float = 0.05
    """Share of the open frames that are the widest ones."""
    usual_tilt: float = -3.2
    """Spectral tilt of the louder half of average voices; above it a mouth opens further, because voices do so that
    are raised (Traunmüller and Eriksson 2000)."""
    tilt_opens: float = 0.06
    """Change of the opening, natural log, by a unit of the tilt: 0.22 by the literature, times the share of the
    variance between recordings that voices have in it (0.29, see ``docs/lips.md``); rooms and microphones have more."""
    most_effort: float = 0.35
    """Largest change by the tilt, natural log."""
    opening_range: tuple[float, float] = (0.7, 2.0)
    """Least and largest factor of the shapes that open and close the mouth."""

    # --- 2. How round lips get.
    rounding: float = 1.25
    """Factor of the decoder's ``mouthPucker``: its talker rounds o, u and w less than other people."""

    # --- 3. Where lips close: posteriors of p, b, m (and f, v) to closures.
    onset: tuple[float, float] = (0.05, 0.2)
    """Posteriors at which lips begin to close, and are closed: lower ones close lips on many a t, d, n and k, too."""
    streamed_onset: tuple[float, float] = (0.04, 0.16)
    """The same while somebody speaks: less is known of the sound after a frame, and phones are less certain."""
    emotional_onset: tuple[float, float] = (0.04, 0.17)
    """The same under full emotion, in recordings: phones are less certain in shouts and cries."""
    peak_frames: int = 2
    """Frames on either side that a peak of the posterior must exceed."""
    beside: tuple[float, ...] = (0.6, 0.25)
    """Share of a peak's closure in the frames beside it, by their distance: a frame of any video shows it, and lips
    come and go in a few frames."""
    streamed_beside: tuple[float, ...] = (0.7, 0.35, 0.1)
    """The same while somebody speaks: the mouth that is read then closes lips less, so that they have a longer way."""
    emotional_beside: tuple[float, ...] = (0.75, 0.35, 0.08)
    """The same under full emotion, in recordings: lips are further apart there and have a longer way."""
    teeth_beside: tuple[float, ...] = (0.85, 0.5, 0.15)
    """The same of f and v, in files and streams: a fricative is held longer than a stop."""

    # --- 4. Whether they are apart at all: lips that meet anyway are left alone.
    shape_gaps: Mapping[str, float] = field(default_factory=_shape_gaps)
    """Gap that each shape adds on a usual face."""
    closed_gap: float = CLOSED_GAP
    """Gap below which lips have met; from ``met_gap`` up to it they count as apart more and more."""
    apart_gap: float = 0.035
    """Gap from which on lips that were made are open: they are not held closed afterwards (10), and known open vowels
    have at least this (9)."""

    # --- 5. The lower lip at the upper teeth on f and v.
    teeth_gap: float = 0.05
    """Gap of a lower lip that is brought to the teeth; on the built-in faces it passes their edge at 0.03 to 0.04."""
    rolled: float = 0.3
    """``mouthRollLower`` of a lip that had to be brought there."""

    # --- 6. Lips that meet on p, b and m.
    jaw_gives: float = 0.3
    """Share of ``jawOpen`` that a closure takes away; ``mouthClose`` makes up for the rest."""

    # --- 7. The tongue.
    tongue_onset: tuple[float, float] = (0.1, 0.4)
    """Posteriors of a place's phones at which the tongue begins to move, and is there."""
    tongue_passage: tuple[float, float] = (0.07, 0.13)
    """``jawOpen`` at which the teeth begin to make way for the tip between them, and have."""

    # --- 8. Gains that scale the motion.
    slack: float = 0.003
    """Gap by which a closed mouth may open, and by which it stays below ``closed_gap``: a quarter of a millimetre."""
    ease_frames: int = 2
    """Frames on either side of a held closure over which a gain comes back."""

    # --- 9. Phones that are known from a transcript.
    fade: float = 0.05
    """Seconds over which a known phone's mouth comes and goes."""
    held: float = 0.02
    """Seconds on either side of its middle that a known phone is held, so that a frame of any video shows it."""
    met: float = 0.6
    """Gap of lips that have met, in ``closed_gap``."""
    met_frames: int = 2
    """Frames that lips must be closed in a known p, b or m if they are to stay as the decoder moved them."""

    # --- 10. Breaths, vocal bursts and factors of single shapes, once the lips are made.
    held_frames: int = 1
    """Frames on either side of a closure that are held, too: its peak may fall between two frames of a video."""

    @property
    def streamed(self) -> MouthRules:
        """The rules while somebody speaks."""
        return replace(self, onset=self.streamed_onset, beside=self.streamed_beside)

    @cached_property
    def emotional(self) -> MouthRules:
        """The rules of recordings under full emotion."""
        return replace(self, onset=self.emotional_onset, beside=self.emotional_beside)

    @cached_property
    def held_shares(self) -> Floats:
        """(R, 2) share of a peak's closure in the frames beside it, by their distance: of p, b, m and of f, v."""
        rows = zip_longest(self.beside, self.teeth_beside, fillvalue=0.0)
        return np.array([*rows], np.float32).reshape(-1, 2)

    @property
    def near_frames(self) -> int:
        """Frames on either side of a frame in which lips may meet by themselves: then they are left alone."""
        return self.peak_frames + len(self.beside) - 1

    @property
    def ahead_frames(self) -> int:
        """Frames after a frame whose posteriors say whether its lips close: the furthest peak that reaches it."""
        return self.peak_frames + len(self.held_shares)

    @property
    def met_gap(self) -> float:
        """Gap of lips that a p, b or m has closed, well below ``closed_gap``."""
        return self.met * self.closed_gap

    @cached_property
    def gaps(self) -> Floats:
        """(52,) ``shape_gaps`` in the order of ``ARKIT_52``."""
        return np.array([self.shape_gaps.get(name, 0.0) for name in ARKIT_52], np.float32)

    @cached_property
    def parting(self) -> list[int]:
        """Indices of the shapes that part the lips, but for the jaw."""
        return [INDEX[name] for name, gap in self.shape_gaps.items() if gap > 0.0 and name != "jawOpen"]


RULES = MouthRules()
"""The rules that every command uses."""
