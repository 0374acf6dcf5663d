"""Segments in the label formats of editors: Audacity, Praat, ELAN, subtitles and spreadsheets; and RTTM.

All but spreadsheets and RTTM have room for one text a span: it reads ``happy:0.80``, label and intensity, like
``--emotion``. A table has a column for everything, so it also keeps the means of a track's further curves over each
segment.
"""

from __future__ import annotations

import csv
import html
import io
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from sedtalker.emotion.formats import (
    DEFAULT_INTENSITY,
    MOST_EXTRAS,
    MOST_SEGMENTS,
    TrackFormat,
    check_count,
    dense_from,
    segment_format,
)
from sedtalker.emotion.taxonomy import check_label, known_label
from sedtalker.emotion.track import EXTRA, EmotionTrack, Segment
from sedtalker.errors import InputError, said_of
from sedtalker.phonetics.pronunciation import joined
from sedtalker.reading import (
    Interval,
    eaf,
    eaf_tiers,
    labelled,
    rows_of,
    srt,
    subtitle_cues,
    textgrid,
    textgrid_tiers,
    vtt,
    without_gaps,
)
from sedtalker.speakers.turns import OF_EMOTION, rttm_lines

log = logging.getLogger(__name__)

CSV_COLUMNS = ("start", "end", "label", "intensity", "confidence")
"""Header of the table; the first three are needed."""
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the beginning of a formula, also after blanks; the last four are of full width."""


def segments_to_audacity(segments: Sequence[Segment]) -> str:
    """Audacity's label track: start, end (seconds) and text, separated by tabs."""
    return "".join(f"{start:.6f}\t{end:.6f}\t{said}\n" for start, end, said in intervals(segments))


def segments_from_audacity(text: str, name: str = "labels") -> list[Segment]:
    """Segments of an Audacity label track; spans without text and frequency lines (``\\``) are skipped.

    Raises:
        InputError: a line is not a label, or its text is no emotion.
    """
    segments = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split("\t")
        if not line.strip() or line.startswith("\\") or (len(fields) > 2 and not fields[2].strip()):
            continue
        if len(fields) < 3:
            raise InputError(f"{name}: line {number} is not 'start<TAB>end<TAB>label'")
        segments.append(_segment(fields[0], fields[1], fields[2], f"{name}: line {number}"))
        check_count(len(segments), name)
    return _sorted(segments)


def text_cell(text: str) -> str:
    """A text for a cell of a table, which no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def segments_to_csv(segments: Sequence[Segment], means: Mapping[str, Sequence[float]] | None = None) -> str:
    """A table with a header, see ``CSV_COLUMNS``; ``means`` are a column each, with a number for each segment."""
    means = means or {}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *(EXTRA + name for name in means)])
    for k, s in enumerate(segments):
        own = [f"{s.start:.3f}", f"{s.end:.3f}", s.label, f"{s.intensity:.3f}", f"{s.confidence:.3f}"]
        writer.writerow([*own, *(f"{values[k]:.4f}" for values in means.values())])
    return stream.getvalue()


def track_to_csv(track: EmotionTrack) -> str:
    """The segments of a track as a table, with the means of its further curves over each."""
    segments = track.segments()
    means = np.array([track.extras_in(s.start, s.end) for s in segments]).reshape(len(segments), len(track.extras))
    return segments_to_csv(segments, dict(zip(track.extras, means.T.tolist(), strict=True)))


def track_from_csv(text: str, duration: float | None = None, name: str = "table") -> EmotionTrack:
    """The track that a table describes; its further curves are constant within each segment, 0 outside of all.

    Args:
        text: the table, see ``rows_from_csv``.
        duration: seconds of the recording; None: the last segment's end.

    Raises:
        InputError: see ``rows_from_csv``.
    """
    rows = rows_from_csv(text, name)
    track = dense_from(_sorted([segment for segment, _ in rows]), duration, name)
    extras = {curve: np.zeros(len(track), np.float32) for curve in (rows[0][1] if rows else ())}
    for segment, means in sorted(rows, key=lambda row: (row[0].start, row[0].end)):
        part = slice(*np.searchsorted(track.times, (segment.start, segment.end)))
        for curve, mean in means.items():
            extras[curve][part] = mean
    return replace(track, extras=extras)


def rows_from_csv(text: str, name: str = "table") -> list[tuple[Segment, dict[str, float]]]:
    """Segments of a table with at least start, end and label, each with its further curves; commas or semicolons.

    Columns ``extras.NAME`` are such curves, from 0 to 1; an empty cell is 0.

    Returns:
        The segment of each row, with the value of each curve by its name.

    Raises:
        InputError: a column is missing, a row is no segment, or a further curve is no number from 0 to 1.
    """
    delimiter = next((mark for mark in text.lstrip().partition("\n")[0] if mark in ",;"), ",")
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    try:
        columns = list(reader.fieldnames or [])
        rows = [(reader.line_num, row) for row in islice(reader, MOST_SEGMENTS + 1)]
    except csv.Error as error:
        raise InputError(f"{name}: not a table ({error})") from None
    if missing := [column for column in CSV_COLUMNS[:3] if column not in columns]:
        raise InputError(f"{name}: no column '{missing[0]}' in its first line")
    check_count(len(rows), name)
    if len({row.get("speaker") for _, row in rows}) > 1:
        log.warning(f"{name} is of several speakers, read as one track; .conversation.json keeps them apart")
    curves = [column for column in columns if column.startswith(EXTRA)]
    if len(curves) > MOST_EXTRAS:
        raise InputError(f"{name}: more than {MOST_EXTRAS} further curves")
    found = list[tuple[Segment, dict[str, float]]]()
    for number, row in rows:
        where = f"{name}: line {number}"
        label = f"{row['label']}:{row['intensity']}" if row.get("intensity") else row["label"]
        segment = _segment(row["start"], row["end"], label or "", where, row.get("confidence") or "1")
        found.append((segment, {curve.removeprefix(EXTRA): _share(row[curve], where, curve) for curve in curves}))
    return found


def _share(cell: str | None, where: str, column: str) -> float:
    """A number from 0 to 1 in a table."""
    try:
        value = _number(cell) if cell else 0.0
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise InputError(f"{where}: {column} must be a number from 0 to 1")
    return value


def segments_to_textgrid(segments: Sequence[Segment], duration: float) -> str:
    """A Praat TextGrid (long form) with one interval tier, ``emotion``; gaps become empty intervals."""
    spans = without_gaps(intervals(segments), duration)
    return textgrid({"emotion": spans}, max(duration, spans[-1][1] if spans else 0.0), 6)


def segments_of_tiers(read: Callable[[str], list[tuple[str, list[Interval]]]], text: str, name: str) -> list[Segment]:
    """Segments of the tier ``emotion``, or of the first whose texts are emotions; ``read`` finds the tiers.

    Raises:
        InputError: what ``read`` raises; no tier with times, or a text is no emotion.
    """
    with said_of(name):
        tiers = read(text)
    found: dict[str, list[Segment]] = {}
    for tier, spans in tiers:
        try:
            made = [_segment(str(a), str(b), c, f"{name}: tier {tier}") for a, b, c in spans if c]
        except InputError:
            if tier == "emotion" or len(tiers) == 1:
                raise
            continue
        found[tier] = found.get(tier, []) + made
    made = found.get("emotion") or next(filter(None, found.values()), [])
    if not made and "emotion" not in found:
        raise InputError(f"{name}: no interval tier with emotions in it")
    return _sorted(made)


def segments_from_subtitles(text: str, name: str = "subtitles") -> list[Segment]:
    """Segments of the cues of SRT or WebVTT that begin with ``LABEL`` or ``LABEL:INTENSITY``; others are skipped.

    Raises:
        InputError: there are cues, but none begins with an emotion; there are too many, or an intensity is no number.
    """
    segments, cues = list[Segment](), list(subtitle_cues(text))
    for start, end, said in cues:
        word = said.partition(" ")[0]
        if known_label(word.partition(":")[0]):
            segments.append(_segment(str(start), str(end), word, f"{name}: cue at {start:g} s"))
            check_count(len(segments), name)
    if cues and not segments:
        raise InputError(f"{name}: no cue begins with an emotion, such as happy:0.8")
    return _sorted(segments)


def are_emotions(text: str, *, tiers: bool) -> bool:
    """Whether every cue of subtitles, or every text of a tier of a TextGrid, is of an emotion and not of words alone.

    That is ``LABEL``, or ``LABEL:INTENSITY`` and perhaps words behind it.

    Args:
        tiers: whether it is a TextGrid.

    Raises:
        InputError: a TextGrid is damaged.
    """
    found = [spans for _, spans in textgrid_tiers(text)] if tiers else [subtitle_cues(text)]
    said = [[each for *_, each in spans if each] for spans in found]
    return any(texts and all(map(_names_emotion, texts)) for texts in said)


def _names_emotion(text: str) -> bool:
    label, colon, strength = text.partition(" ")[0].partition(":")
    try:
        return known_label(label) and (math.isfinite(_number(strength)) if colon else label == text)
    except ValueError:
        return False


def intervals(segments: Sequence[Segment]) -> list[Interval]:
    """Beginning, end and text of each: ``happy:0.800``, label and intensity."""
    return [(s.start, s.end, labelled(s.label, s.intensity)) for s in segments]


ABBREVIATED = re.compile(r"\b(?:(?P<letter>[^\W\d_I])|Mrs?|Ms|Mme|Dr|Prof|St|Sra?|vs)\.$")
"""What ends with a point and not a sentence: titles before names, and single letters of scripts with capitals."""
BEHIND = "\"'”’»“«」』) –—-"
"""What may stand behind them: quotes, and dashes with their space."""


def subtitles(track: EmotionTrack) -> list[Interval]:
    """The cues of ``intervals``; where the words are known, one a sentence, with its words behind the label."""
    cues = list[Interval]()
    for start, end, label in intervals(track.segments()):
        sentences = [(start, [label])]
        ended = False
        for begin, _, word in track.words_in(start, end):
            if ended:
                sentences.append((begin, [label]))
            sentences[-1][1].append(word)
            ended = _ends_sentence(word)
        ends = [*(begin for begin, _ in sentences[1:]), end]
        cues += [(first, last, joined(said)) for (first, said), last in zip(sentences, ends, strict=True)]
    return cues


def _ends_sentence(word: str) -> bool:
    plain = word.rstrip(BEHIND)
    short = ABBREVIATED.search(plain)
    if short and (short["letter"] is None or short["letter"].lower() != short["letter"].upper()):
        return False
    return plain.endswith(tuple(".?!。？！…"))


def _segment(start: str, end: str, text: str, where: str, confidence: str = "1") -> Segment:
    label, _, strength = text.strip().partition(":")
    with said_of(where):
        check_label(label)
    try:
        intensity = _number(strength) if strength.strip() else DEFAULT_INTENSITY
        return Segment(_number(start), _number(end), label.strip(), intensity, _number(confidence))
    except (AttributeError, ValueError):
        raise InputError(f"{where}: a time or the intensity is no number") from None


def _number(text: str) -> float:
    """A number, with a decimal comma where the program's language has one."""
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _sorted(segments: list[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda s: (s.start, s.end))


# --- RTTM: one line a segment, as diarization tools read and write it (NIST Rich Transcription 2009).


def segments_to_rttm(segments: Sequence[Segment], uri: str) -> str:
    """RTTM text: ``SPEAKER <uri> 1 <start> <duration> <NA> <intensity> <label> <confidence> <NA>``.

    The label stands in the name field and the confidence in its own. The sixth field (subtype) stays ``<NA>``; the
    intensity is written to the seventh as ``intensity=0.61``. Times to the millisecond; blanks in the uri become
    underscores.
    """
    said = ((f"{OF_EMOTION}{s.intensity:.3f}", f"{s.confidence:.3f}") for s in segments)
    return rttm_lines(((s.start, s.end, s.label, each) for s, each in zip(segments, said, strict=True)), uri)


def segments_from_rttm(text: str, name: str = "RTTM") -> list[Segment]:
    """Segments of RTTM text, in order of time; the type field may be any (``SPEAKER`` is usual), ``;;`` is a comment.

    Missing intensity reads as ``DEFAULT_INTENSITY``, missing confidence as 1.

    Raises:
        InputError: a line is not RTTM, its label is no emotion, or it is of another recording or channel.
    """
    segments, of = [], list[str]()
    for number, fields in rows_of(text):
        if len(fields) < 8:
            raise InputError(f"{name}: line {number} has {len(fields)} fields, RTTM has 9 or 10")
        try:
            start, length = float(fields[3]), float(fields[4])
            intensity = float(fields[6].removeprefix(OF_EMOTION)) if fields[6] != "<NA>" else DEFAULT_INTENSITY
            confidence = float(fields[8]) if len(fields) > 8 and fields[8] != "<NA>" else 1.0
            if not all(map(math.isfinite, (start, length, intensity, confidence))):
                raise ValueError
        except ValueError:
            raise InputError(f"{name}: line {number}: start, duration, intensity or confidence is no number") from None
        if fields[1:3] != (of := of or fields[1:3]):
            raise InputError(
                f"{name}: line {number}: of {fields[1]}, after lines of {of[0]}: give those of one recording"
            )
        with said_of(f"{name}: line {number}"):
            check_label(fields[7])
        segments.append(Segment(start, start + length, fields[7], intensity, confidence))
        check_count(len(segments), name)
    return _sorted(segments)


AUDACITY = segment_format(
    ".txt", "Audacity's label track", segments_from_audacity, lambda found, *_: segments_to_audacity(found)
)
"""Audacity's label track; see ``sedtalker.emotion.formats.files``."""
CSV = TrackFormat(
    ".csv", "a table of segments", track_from_csv, lambda track, stem: track_to_csv(track), frozenset({"extras"})
)
"""A table of segments; see ``sedtalker.emotion.formats.files``."""
TEXTGRID = segment_format(
    ".textgrid",
    "Praat's TextGrid",
    partial(segments_of_tiers, textgrid_tiers),
    lambda found, stem, duration: segments_to_textgrid(found, duration),
)
"""Praat's TextGrid; see ``sedtalker.emotion.formats.files``."""
RTTM = segment_format(
    ".rttm",
    "RTTM, as speaker diarizers write it",
    segments_from_rttm,
    lambda found, stem, _: segments_to_rttm(found, stem),
)
"""RTTM of speaker diarizers; see ``sedtalker.emotion.formats.files``."""
EAF = segment_format(
    ".eaf",
    "annotations of ELAN",
    partial(segments_of_tiers, eaf_tiers),
    lambda found, *_: eaf({"emotion": intervals(found)}),
)
"""ELAN's annotations; see ``sedtalker.emotion.formats.files``."""
SRT = replace(
    segment_format(".srt", "subtitles", segments_from_subtitles, lambda found, *_: srt(intervals(found))),
    write=lambda track, _: srt(subtitles(track)),
)
"""Subtitles, a cue a segment, or a sentence where the words are known; see ``sedtalker.emotion.formats.files``."""
VTT = replace(
    SRT,
    suffix=".vtt",
    about="subtitles (WebVTT)",
    write=lambda track, _: vtt((a, b, html.escape(said, quote=False)) for a, b, said in subtitles(track)),
)
"""The same as WebVTT; see ``sedtalker.emotion.formats.files``."""
