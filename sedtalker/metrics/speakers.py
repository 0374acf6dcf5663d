"""Measures of speaker diarization: who speaks when. Whose mouth moves is measured in ``metrics.motion``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from sedtalker.arrays import Mask
from sedtalker.speakers.turns import Turns

STEP = 0.01
"""Seconds between the points at which two sets of turns are compared."""


class DiarizationErrors(NamedTuple):
    """Parts of the diarization error rate, each a share of the time that is spoken; the rate is their sum.

    Attributes:
        missed: speech that nobody is given.
        false_alarm: speech given to somebody where fewer speak.
        confusion: speech given to another speaker.
    """

    missed: float
    false_alarm: float
    confusion: float

    @property
    def rate(self) -> float:
        """The diarization error rate (DER)."""
        return self.missed + self.false_alarm + self.confusion


def diarization_errors(reference: Turns, found: Turns, collar: float = 0.25) -> DiarizationErrors:
    """DER = (missed speech + false alarm + speaker confusion) / speech, as NIST's md-eval counts it.

    Speakers are paired one to one so that the confusion is least. Overlapping speech counts for each speaker in it.
    Fiscus et al., "The Rich Transcription 2006 Spring Meeting Recognition Evaluation".

    Args:
        reference: the truth.
        found: what is scored; its names may be others.
        collar: seconds on either side of each boundary of the reference that are not scored.
    """
    times = (np.arange(int(reference.duration / STEP)) + 0.5) * STEP
    true, guess = _table(reference, times), _table(found, times)
    scored = np.ones(len(times), bool)
    for turn in reference.turns if collar else ():
        for edge in (turn.start, turn.end):
            scored[slice(*np.searchsorted(times, (edge - collar, edge + collar)))] = False
    true, guess = true[:, scored], guess[:, scored]
    speech = max(int(true.sum()), 1)
    shared = true.astype(np.int64) @ guess.T.astype(np.int64)
    right = int(shared[linear_sum_assignment(-shared)].sum())
    many, given = true.sum(0), guess.sum(0)
    both = int(np.minimum(many, given).sum())
    return DiarizationErrors(
        float(np.maximum(many - given, 0).sum()) / speech,
        float(np.maximum(given - many, 0).sum()) / speech,
        (both - right) / speech,
    )


def paired(reference: Turns, found: Turns) -> dict[str, str]:
    """The speaker of ``found`` that stands for each speaker of ``reference``, by the longest shared speech."""
    times = (np.arange(int(reference.duration / STEP)) + 0.5) * STEP
    shared = _table(reference, times).astype(np.int64) @ _table(found, times).T.astype(np.int64)
    rows, columns = linear_sum_assignment(-shared)
    pairs = zip(rows, columns, strict=True)
    return {reference.speakers[a]: found.speakers[b] for a, b in pairs if shared[a, b]}


def _table(turns: Turns, times: np.ndarray) -> Mask:
    """(S, T) who speaks at which time; one row of nobody where there are no speakers."""
    rows = [turns.active(name, times) for name in turns.speakers]
    return np.stack(rows) if rows else np.zeros((1, len(times)), bool)
