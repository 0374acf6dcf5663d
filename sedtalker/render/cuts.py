"""When the camera of a scene cuts to another speaker: decided by the turns alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sedtalker.speakers.turns import Turn, Turns

LEAST_SECONDS = 1.2
"""A shot lasts at least so long: faster cuts are hard to follow."""
BACKCHANNEL = 0.7
"""Seconds: shorter turns ("mhm", "yes") do not move the camera, and shorter pauses do not part turns."""
LEAD = 0.15
"""Seconds by which a cut comes before a turn: the breath before it is seen."""


class CameraCut(NamedTuple):
    """From ``at`` seconds on the picture shows ``speaker``."""

    at: float
    speaker: str


def cuts_of(turns: Turns, names: Sequence[str]) -> list[CameraCut]:
    """The shots of a scene, the first at 0 s.

    Whoever begins to talk is shown, but for a turn that is a backchannel, or that ends while the one who is shown goes
    on talking. A cut that would come too soon waits; it is left out where too little of the turn remains.

    Args:
        turns: who speaks when.
        names: the speakers who can be shown; the first is shown where nobody talks.
    """
    talks = sorted(talk for name in names for talk in _talks(turns, name))
    shown = talks[0].speaker if talks else names[0]
    cuts, until = [CameraCut(0.0, shown)], 0.0  # until when the one who is shown has been known to talk
    for start, end, speaker in talks:
        if speaker == cuts[-1].speaker:
            until = max(until, end)
            continue
        at = max(start - LEAD, cuts[-1].at + LEAST_SECONDS)
        if end <= until or end - max(at, start) < BACKCHANNEL:
            continue
        cuts.append(CameraCut(at, speaker))
        until = end
    return cuts


def _talks(turns: Turns, speaker: str) -> list[Turn]:
    """The turns of a speaker that are no backchannels, joined over short pauses."""
    joined = list[Turn]()
    for start, end in turns.of(speaker):
        if joined and start - joined[-1].end < BACKCHANNEL:
            joined[-1] = joined[-1]._replace(end=end)
        else:
            joined.append(Turn(start, end, speaker))
    return [turn for turn in joined if turn.end - turn.start >= BACKCHANNEL]
