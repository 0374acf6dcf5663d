"""Formats of emotion tracks: what one says of itself, and how segments become a dense track."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sedtalker.arrays import Doubles
from sedtalker.emotion.taxonomy import category, valence_arousal
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack, Prediction, Segment
from sedtalker.errors import InputError, said_of
from sedtalker.speech.features import FRAME_CLOCK

log = logging.getLogger(__name__)

EASE_SECONDS = 0.3
"""An expression takes about a third of a second to change, and to come; half of it before its segment begins."""
FADE = 2.5
"""Times as long as it came an expression goes, after its segment has ended."""
BRIDGED = 0.4
"""Segments no further apart than this (seconds) pass into each other; a face does not become neutral for so short."""
OVERLAPPING = 0.02
"""They also do where they overlap by this (seconds) at most."""
BEYOND = 0.5
"""Seconds that the last segment may end behind the recording before it is said."""
DEFAULT_INTENSITY = 0.7
"""Intensity of a label without a number, in every format that people write by hand."""

LONGEST_SECONDS = 12 * 3600.0
"""Tracks are not longer: each second takes 50 frames of memory, and a file may claim any number."""
MOST_SEGMENTS = 20_000
"""In one file; an hour of lively speech has a tenth of that."""
DEEPEST_OVERLAP = 20.0
"""Times that segments may cover the recording, one above another."""
MOST_EXTRAS = 100
"""Further curves of a track; the finest published sets of emotions have forty to sixty."""


def check_duration(seconds: float, name: str = "the track") -> None:
    """Raise ``InputError`` for a length that no track has."""
    if not 0.0 <= seconds <= LONGEST_SECONDS:
        raise InputError(f"{name}: {seconds:g} s is no length of a track: it is 0 to {LONGEST_SECONDS:.0f} s long")


def check_count(segments: int, name: str = "the track") -> None:
    """Raise ``InputError`` for more segments than a file may hold."""
    if segments > MOST_SEGMENTS:
        raise InputError(f"{name}: more than {MOST_SEGMENTS} segments")


def dense_from(segments: Sequence[Segment], duration: float | None, name: str) -> EmotionTrack:
    """The dense track of a file's segments; a note says where they do not fit the recording, or one another.

    Without any, as files of recordings without speech are, it is neutral.

    Args:
        segments: in order of time.
        duration: seconds of the recording; None: the last segment's end (of none: 1), and nothing is said.
        name: what to call the file.

    Raises:
        InputError: see ``densify``.
    """
    if not segments:
        if duration is not None:
            log.warning(f"{name}: no segments in it: neutral throughout")
        return constant_track("neutral", duration or 1.0)
    end = max(s.end for s in segments)
    with said_of(name):
        track = densify(segments, duration or end)
    if duration is not None and end > duration + BEYOND:
        log.warning(
            f"{name} goes on to {end:g} s, but the recording ends at {duration:.2f} s: is it of another recording, "
            "or are its times not in seconds?"
        )
    ends = itertools.accumulate((s.end for s in segments), max)
    crossed = sum(s.start < before - OVERLAPPING for s, before in zip(segments[1:], ends, strict=False))
    if duration is not None and crossed:
        log.warning(f"{name}: {crossed} of its segments overlap an earlier one; there the one that begins later counts")
    return track


def densify(segments: Sequence[Segment], duration: float, ease: float = EASE_SECONDS) -> EmotionTrack:
    """A dense track of ``duration`` seconds from segments; neutral where there is none, or an uncertain one.

    Values ease over ``ease`` seconds across each boundary (raised cosine, less where a segment is shorter), from one
    segment into the next where nothing lies between them for more than ``BRIDGED``. At its ends a segment has half of
    its probability and still its whole intensity; it fades after its end. What is shown is the label, however confident
    somebody was of it; confidences below 1 are kept as what was predicted, the rest shared by the other categories. Of
    overlapping segments the one that begins later wins.

    Raises:
        InputError: a segment is empty, outside the recording, or its label is unknown; there are too many, or too long.
    """
    check_duration(duration)
    check_count(len(segments))
    times = FRAME_CLOCK.times(FRAME_CLOCK.frames(duration))
    count = len(CATEGORIES)
    values = np.zeros((len(times), 2 * count + 1))
    values[:, [0, count]] = 1.0
    for segment in segments:
        _check(segment, duration)
    if sum(min(s.end, duration) - s.start for s in segments) > DEEPEST_OVERLAP * duration + len(segments):
        raise InputError("the segments overlap one another many times over")
    listed, bridged = sorted(segments, key=lambda s: s.start), False
    for segment, follower in zip(listed, [*listed[1:], None], strict=True):
        from_another, bridged = bridged, follower is not None and _bridged(segment, follower, ease)
        if _uncertain(segment):
            continue
        covered = None
        if bridged and follower is not None:
            covered = follower.start + 0.5 * min(ease, follower.end - follower.start)
        reach = segment.start - ease, max(segment.end, covered or 0.0) + FADE * ease  # beyond, the weight is 0
        part = slice(*np.searchsorted(times, reach))
        weight = _window(times[part], segment, ease, duration, covered)[:, None]
        target = _target(segment)
        rises = from_another & (times[part] < 0.5 * (segment.start + segment.end))
        strength = np.where(rises, weight[:, 0], np.minimum(1.0, 2.0 * weight[:, 0]))
        values[part, :-1] = (1 - weight) * values[part, :-1] + weight * target[:-1]
        values[part, -1] = (1 - strength) * values[part, -1] + strength * target[-1]
    shown, known = values[:, :count], values[:, count:-1]
    posterior, known = ((part / part.sum(1, keepdims=True)).astype(np.float32) for part in (shown, known))
    intensity = values[:, -1].astype(np.float32)
    made = EmotionTrack(times, posterior, intensity, *valence_arousal(posterior, intensity), duration=duration)
    certain = all(segment.confidence == 1.0 for segment in segments)
    return made if certain else replace(made, predicted=Prediction(known, intensity))


def constant_track(text: str, duration: float) -> EmotionTrack:
    """One emotion throughout, from ``happy`` or ``happy:0.8`` (label and intensity).

    Raises:
        InputError: unknown label, or an intensity that is not a number in [0, 1].
    """
    label, intensity = parse_label(text)
    return densify([Segment(0.0, duration, label, intensity, 1.0)], duration, ease=0.0)


def parse_label(text: str) -> tuple[str, float]:
    """Category and intensity of ``happy`` or ``happy:0.8``.

    Raises:
        InputError: unknown label, or an intensity that is not a number in [0, 1].
    """
    word, _, number = text.partition(":")
    label = category(word)
    try:
        intensity = float(number) if number.strip() else float(label != "neutral")
    except ValueError:
        raise InputError(f"{text}: '{number}' is no number") from None
    if not 0.0 <= intensity <= 1.0:
        raise InputError(f"{text}: the intensity must lie between 0 and 1")
    return label, intensity


def _target(segment: Segment) -> Doubles:
    """(2 C + 1) the posterior that is shown, the one that was predicted, and the intensity."""
    label = CATEGORIES.index(category(segment.label))
    shown = np.eye(len(CATEGORIES))[label]
    others = (1.0 - segment.confidence) / (len(CATEGORIES) - 1)
    return np.concatenate([shown, np.where(shown == 1.0, segment.confidence, others), [segment.intensity]])


def _check(segment: Segment, duration: float) -> None:
    """Raise an ``InputError`` for a segment that cannot be."""
    numbers = (segment.start, segment.end, segment.intensity, segment.confidence)
    if segment.start < 0:
        raise InputError(f"segment {segment.start} to {segment.end} s begins before the recording")
    if not all(math.isfinite(n) for n in numbers) or segment.end <= segment.start:
        raise InputError(f"segment {segment.start} to {segment.end} s: its end must come after its start")
    if segment.start >= duration:
        raise InputError(f"segment {segment.start} to {segment.end} s begins after the recording ({duration:.2f} s)")
    if not (0 <= segment.intensity <= 1 and 0 <= segment.confidence <= 1):
        raise InputError(f"segment {segment.start} to {segment.end} s: intensity and confidence must be 0 to 1")


def _window(times: Doubles, segment: Segment, ease: float, duration: float, covered: float | None) -> Doubles:
    """Weight (T,) of a segment: 1 inside, a raised cosine across its ends; no easing at the ends of the recording.

    One that passes into the next stays at 1 until the next has ``covered`` it (seconds).
    """
    width = max(min(ease, segment.end - segment.start), 1e-9)
    rise = np.ones_like(times) if segment.start <= 1e-6 else _step((times - segment.start) / width)
    if covered is not None:
        return rise * (times < covered)
    if segment.end >= duration - 1e-6:
        return rise
    since = times - segment.end
    return rise * (1 - _step(np.where(since > 0, since / FADE, since) / width))


def _uncertain(segment: Segment) -> bool:
    return segment.label.strip().lower() == UNCERTAIN


def _bridged(segment: Segment, follower: Segment, ease: float) -> bool:
    """Whether a segment passes into the one that begins next, of which neither is uncertain."""
    if _uncertain(segment) or _uncertain(follower):
        return False
    return -OVERLAPPING <= follower.start - segment.end <= (BRIDGED if ease else 0.0)


def _step(x: Doubles) -> Doubles:
    """0 below -1/2, 1 above 1/2, a raised cosine between."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(x + 0.5, 0.0, 1.0))


# --- The table.


@dataclass(frozen=True)
class TrackFormat:
    """A file format of emotion tracks.

    Attributes:
        suffix: how names of such files end, lower case; the longest that fits wins.
        about: one line for help texts.
        read: (text, seconds of the recording or None, name for messages) → track.
        write: (track, name of the recording) → text.
        keeps: which of ``extras`` and ``bursts`` of a track it has a place for.
    """

    suffix: str
    about: str
    read: Callable[[str, float | None, str], EmotionTrack]
    write: Callable[[EmotionTrack, str], str]
    keeps: frozenset[str] = frozenset()

    def note_left_out(self, track: EmotionTrack) -> None:
        """Log one line where the format has no place for something of a track."""
        held = {"bursts": (len(track.bursts), "vocal burst"), "extras": (len(track.extras), "further curve")}
        lost = [f"{n} {what}{'s' if n > 1 else ''}" for name, (n, what) in held.items() if n and name not in self.keeps]
        if lost:
            said = " and ".join(lost)
            log.warning(f"{self.suffix} has no place for {said} of the track: left out; .json keeps all")


def segment_format(
    suffix: str,
    about: str,
    read: Callable[[str, str], list[Segment]],
    write: Callable[[Sequence[Segment], str, float], str],
) -> TrackFormat:
    """A format that holds segments; they are made dense when read.

    Args:
        read: (text, name for messages) → segments.
        write: (segments, name of the recording, seconds of the recording) → text.
    """

    def read_track(text: str, duration: float | None, name: str) -> EmotionTrack:
        return dense_from(read(text, name), duration, name)

    return TrackFormat(suffix, about, read_track, lambda track, stem: write(track.segments(), stem, track.duration))
