"""What a format of emotion tracks says of itself: one row of the table in ``files``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sedtalker.emotion.densify import densify
from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.errors import InputError


@dataclass(frozen=True)
class TrackFormat:
    """A file format of emotion tracks.

    Attributes:
        suffix: how names of such files end, lower case; the longest that fits wins.
        about: one line for help texts.
        read: (text, seconds of the recording or None, name for messages) → track.
        write: (track, name of the recording) → text.
    """

    suffix: str
    about: str
    read: Callable[[str, float | None, str], EmotionTrack]
    write: Callable[[EmotionTrack, str], str]


def segment_format(
    suffix: str,
    about: str,
    read: Callable[[str, str], list[Segment]],
    write: Callable[[Sequence[Segment], str, float], str],
) -> TrackFormat:
    """A format that holds segments; they are made dense when read.

    Args:
        suffix: see ``TrackFormat``.
        about: see ``TrackFormat``.
        read: (text, name for messages) → segments.
        write: (segments, name of the recording, seconds of the recording) → text.
    """

    def read_track(text: str, duration: float | None, name: str) -> EmotionTrack:
        segments = read(text, name)
        try:
            return densify(segments, duration or max(s.end for s in segments))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None

    return TrackFormat(suffix, about, read_track, lambda track, stem: write(track.segments(), stem, track.duration))
