"""The emotion track on the timeline: a marker where each emotion begins, coloured strips, and the way back to a file.

A marker's name says the emotion and how strong it is: ``😀 happy 0.80``. Blender's markers have no colour, so the
colours are those of muted strips in the sequencer and of the icons in the sidebar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import bpy

from .face_animation import Segment, UnusableFile, segments_from
from .scene_time import COLOURS, clock, free_channel, remove_strips, strips

FACES = {
    "neutral": "😐", "happy": "😀", "sad": "😢", "angry": "😠", "fear": "😨", "disgust": "🤢", "surprise": "😲",
    "uncertain": "❔",
}  # fmt: skip
PALETTE = {
    "neutral": (0xBB, 0xBB, 0xBB), "happy": (0xE6, 0x9F, 0x00), "sad": (0x00, 0x72, 0xB2), "angry": (0xD5, 0x5E, 0x00),
    "fear": (0x56, 0xB4, 0xE9), "disgust": (0x00, 0x9E, 0x73), "surprise": (0xCC, 0x79, 0xA7),
    "uncertain": (0xFF, 0xFF, 0xFF),
}  # fmt: skip
"""sRGB: Okabe & Ito's palette (2008), distinct with any colour vision; the plots of ``sedtalker diarize`` use it."""

_NAME = re.compile(r"^\W*(?P<label>[a-z]+)\s*(?P<number>\d*\.?\d+)?(?:\.\d{3})?\s*$", re.IGNORECASE)


def marker_name(label: str, intensity: float) -> str:
    """``😀 happy 0.80``."""
    return f"{FACES.get(label, '•')} {label} {intensity:.2f}"


def read_name(name: str) -> tuple[str, float] | None:
    """Emotion and intensity of a marker's name; ``None`` for a marker that is none of ours.

    A bare ``angry`` is 0.7 strong, a bare ``neutral`` 0.
    """
    found = _NAME.match(name)
    label = found["label"].lower() if found else ""
    if label not in FACES:
        return None
    number = found["number"]
    intensity = float(number) if number else (0.0 if label in ("neutral", "uncertain") else 0.7)
    return label, min(max(intensity, 0.0), 1.0)


def set_markers(scene: bpy.types.Scene, segments: Sequence[Segment]) -> None:
    """A marker at the frame nearest to the beginning of each segment, in place of earlier emotion markers."""
    start, end, fps = clock(scene)
    for marker in [m for m in scene.timeline_markers if read_name(m.name)]:
        scene.timeline_markers.remove(marker)
    for segment in segments:
        frame = start + round(segment.start * fps)
        if frame < end:
            scene.timeline_markers.new(marker_name(segment.label, segment.intensity), frame=frame)
    colour_strips(scene)


def marked_segments(scene: bpy.types.Scene) -> list[Segment]:
    """What the markers say now: each emotion lasts until the next marker, the last until the animation ends.

    What stands before the first marker is neutral; markers outside the animation count from its ends.
    """
    start, end, fps = clock(scene)
    read = [(marker.frame, read_name(marker.name)) for marker in scene.timeline_markers]
    marks = sorted((min(max(frame, start), end), name) for frame, name in read if name)
    if marks and marks[0][0] > start:
        marks.insert(0, (start, ("neutral", 0.0)))
    stops = [*(frame for frame, _ in marks[1:]), end]
    return [
        Segment((frame - start) / fps, (stop - start) / fps, label, intensity)
        for (frame, (label, intensity)), stop in zip(marks, stops, strict=False)
        if stop > frame
    ]


def write_markers(scene: bpy.types.Scene, path: Path) -> int:
    """Write what the markers say as a track that ``sedtalker animate --emotion`` reads; gives the number of segments.

    Raises:
        UnusableFile: there are no emotion markers, or the file cannot be written.
    """
    segments = marked_segments(scene)
    if not segments:
        raise UnusableFile("no emotion markers on the timeline: name one 'happy 0.8', say")
    start, end, fps = clock(scene)
    entries = [
        {"start": round(s.start, 6), "end": round(s.end, 6), "label": s.label, "intensity": round(s.intensity, 4)}
        for s in segments
    ]
    lines = ",\n    ".join(json.dumps(entry) for entry in entries)
    text = f'{{\n  "duration": {round((end - start) / fps, 6)},\n  "segments": [\n    {lines}\n  ]\n}}\n'
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise UnusableFile(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
    return len(segments)


def read_segments(path: Path) -> tuple[Segment, ...]:
    """The segments of a SEDTalker track file (JSON), or of a bare list of them.

    Raises:
        UnusableFile: no such track.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
        segments = segments_from(data.get("segments", ()) if isinstance(data, dict) else data)
    except (OSError, ValueError, TypeError):
        raise UnusableFile(f"{path.name}: cannot be read as a JSON track") from None
    if not segments:
        raise UnusableFile(f"{path.name}: there are no segments in it")
    return segments


def colour_strips(scene: bpy.types.Scene) -> None:
    """A strip in the emotion's colour under each segment. Muted: they are for the eye, never in the render."""
    remove_strips(scene, COLOURS)
    start, _, fps = clock(scene)
    channel = free_channel(scene)
    for segment in marked_segments(scene):
        first, last = start + round(segment.start * fps), start + round(segment.end * fps)
        spans = strips(scene)
        length = {"length": last - first} if bpy.app.version >= (5, 0, 0) else {"frame_end": last}
        name = f"{COLOURS}: {segment.label}"
        strip = spans.new_effect(name=name, type="COLOR", channel=channel, frame_start=first, **length)
        strip.color = [value / 255 for value in PALETTE[segment.label]]
        strip.mute = True
