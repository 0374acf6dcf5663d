"""RTTM: one line a segment, as diarization tools read and write it (NIST Rich Transcription 2009)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sedtalker.emotion.taxonomy import known_label
from sedtalker.emotion.track import Segment
from sedtalker.errors import InputError


def segments_to_rttm(segments: Sequence[Segment], uri: str) -> str:
    """RTTM text: ``SPEAKER <uri> 1 <start> <duration> <NA> <intensity> <label> <confidence> <NA>``.

    The label stands in the name field and the confidence in its own. The sixth field (subtype) stays ``<NA>``; the
    intensity is written to the seventh as ``intensity=0.61``. Times to the millisecond; blanks in the uri become
    underscores.
    """
    name = "_".join(uri.split()) or "audio"
    return "".join(
        f"SPEAKER {name} 1 {s.start:.3f} {round(s.end, 3) - round(s.start, 3):.3f} <NA> intensity={s.intensity:.3f} "
        f"{s.label} {s.confidence:.3f} <NA>\n"
        for s in segments
    )


def segments_from_rttm(text: str, name: str = "RTTM") -> list[Segment]:
    """Segments of RTTM text, in order of time; the type field may be any (``SPEAKER`` is usual), ``;;`` is a comment.

    Missing intensity reads as 0.7, missing confidence as 1.

    Raises:
        InputError: a line is not RTTM, or its label is no emotion.
    """
    segments = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if len(fields) < 8:
            raise InputError(f"{name}: line {number} has {len(fields)} fields, RTTM has 9 or 10")
        try:
            start, length = float(fields[3]), float(fields[4])
            intensity = float(fields[6].removeprefix("intensity=")) if fields[6] != "<NA>" else 0.7
            confidence = float(fields[8]) if len(fields) > 8 and fields[8] != "<NA>" else 1.0
            if not all(map(math.isfinite, (start, length, intensity, confidence))):
                raise ValueError
        except ValueError:
            raise InputError(f"{name}: line {number}: start, duration or confidence is no number") from None
        if not known_label(fields[7]):
            raise InputError(f"{name}: line {number}: unknown emotion '{fields[7]}'")
        segments.append(Segment(start, start + length, fields[7], intensity, confidence))
    if not segments:
        raise InputError(f"{name}: no segments in it")
    return sorted(segments, key=lambda s: (s.start, s.end))
