"""The session as the page reads it: plain data for JSON."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from functools import cache, lru_cache
from typing import Any

import numpy as np

from sedtalker.animation.gains import REGIONS
from sedtalker.animation.option_fields import Option, declared
from sedtalker.animation.style import STYLES
from sedtalker.arrays import Doubles, Floats
from sedtalker.emotion.formats.files import track_formats
from sedtalker.emotion.plot import COLOURS
from sedtalker.emotion.track import CATEGORIES, UNSURE, EmotionTrack
from sedtalker.export.formats import export_formats
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.face.quality import judge
from sedtalker.render.camera import frame_head
from sedtalker.render.light import MATERIALS, light_names, load_lighting, part_of_group
from sedtalker.studio.cast import Role
from sedtalker.studio.document import Base, ClipSettings, Document
from sedtalker.studio.exports import TRACK, file_suffix
from sedtalker.studio.opening import SUFFIXES
from sedtalker.studio.recognition import finer_state
from sedtalker.studio.session import Session, Subject
from sedtalker.version import __version__

TOLERANCE = 0.02
"""How far the simplified envelope may be from the intensity."""
AUDIO_BYTES = 512 * 2**20
"""Bytes of an uploaded recording, at most."""
MESH_BYTES = 512 * 2**20
"""Bytes of an uploaded mesh, at most."""
OTHER_BYTES = 128 * 2**20
"""Bytes of an uploaded track, project or text, at most; an hour with fine-grained emotions takes 95 MB."""


def edited_state(session: Session) -> dict[str, Any]:
    """What an edit can change."""
    if session.history is None:
        nothing: dict[str, Any] = {"document": None, "speakers": [], "voice": "", "can_undo": False, "can_redo": False}
        return {**nothing, "revision": session.revision, "project": project_state(session)}
    assert session.base is not None
    history = session.history
    return {
        "document": document_state(session.base, session.document, session.track),
        "speakers": speakers_state(session),
        "voice": session.cast.part.voice.key,
        "base": session.document.base,
        "can_undo": bool(history.past),
        "can_redo": bool(history.future),
        "revision": session.revision,
        "project": project_state(session),
    }


def state(session: Session) -> dict[str, Any]:
    """Everything that the page shows but arrays."""
    clip = session.clip
    audio = None
    if clip is not None:
        audio = {
            "id": clip.key,
            "name": clip.path.name,
            "duration": clip.sound.duration,
            "rate": clip.rate,
            "notes": [*clip.sound.notes],
        }
    return {
        "version": __version__,
        "duration": clip.sound.duration if clip else 0.0,
        "audio": audio,
        "face": face_state(session.subject),
        **edited_state(session),
        "labels": list(CATEGORIES),
        "colours": {label: COLOURS[label] for label in CATEGORIES},
        "pauses": clip.pauses if clip else [],
        "words": [asdict(word) for word in session.words],
        "words_note": session.cast.part.voice.decoding.words_note(session.track) if clip else None,
        "licences": session.models.animator().licences() if clip else {},
        "compare": session.comparing,
        "finer": finer_state(session),
        "options": options_state(),
    }


def project_state(session: Session) -> dict[str, Any]:
    """Where the project is, and whether it has edits that are not saved."""
    return {"path": str(session.project) if session.project else None, "dirty": session.dirty}


@lru_cache(maxsize=2)
def face_state(subject: Subject) -> dict[str, Any]:
    """The face and its morph targets."""
    face, report = subject.face, None
    camera = frame_head(face)
    if face.report is not None:
        judged = judge(face, face.report)
        notes = [*judged.advice, *face.report.warnings]
        report = {**judged.as_dict(), "notes": notes, "way": face.report.way, "basis": face.report.basis}
    return {
        "name": subject.name,
        "kind": "builtin" if subject.path is None else "mesh",
        "vertices": len(face.mesh.vertices),
        "shapes": face.basis_names,
        "arkit": list(ARKIT_52),
        "report": report,
        "id": subject.key,
        "parts": _parts(face),
        "view": {"position": [*camera.position], "target": [*camera.target], "fov": camera.fov},
    }


def _parts(face: Face) -> dict[str, str]:
    """The part of the head that each material of the GLB is, see ``surface_of``."""
    if face.mesh.polygon_groups is not None and face.mesh.group_names:
        return {name: part_of_group(name) for name in face.mesh.group_names}
    return {name: name for name in MATERIALS}


def speakers_state(session: Session) -> list[dict[str, Any]]:
    """The speakers for the page, each with turns, segments and intensity; empty where there is one recording."""
    if session.history is None or session.cast.turns is None:
        return []
    return [_part_state(session, part) for part in session.cast.parts]


def _part_state(session: Session, part: Role) -> dict[str, Any]:
    cast, base = session.cast, session.base_of(part.document)
    assert cast.turns is not None
    segments = [{"start": s.start, "end": s.end, "label": s.label} for s in part.document.segments]
    return {
        "name": part.name,
        "active": part is cast.part,
        "face": session.subject_of(part).name,
        "turns": cast.turns.of(part.name),
        "segments": segments,
        "envelope": envelope(base.track.times, base.intensity(part.document)),
    }


def document_state(base: Base, document: Document, track: EmotionTrack) -> dict[str, Any]:
    """A document, with what its track says of each segment."""
    return {
        "segments": _segments(base, document, track),
        "intensity": [{"points": [list(point) for point in span.points]} for span in document.intensity],
        "settings": asdict(document.settings),
        "envelope": envelope(track.times, track.intensity),
        "bursts": [{"index": index, **asdict(burst)} for index, burst in base.bursts(document)],
        "edited": document.segments != base.segments or bool(document.intensity or document.removed_bursts),
    }


def _segments(base: Base, document: Document, track: EmotionTrack) -> list[dict[str, Any]]:
    edges = np.searchsorted(track.times, [s.start for s in document.segments] + [np.inf])
    doubtful = max(document.settings.min_confidence, UNSURE)
    rows = []
    for segment, first, last in zip(document.segments, edges, edges[1:], strict=False):
        label = CATEGORIES.index(segment.label)
        means = track.recognised_in(slice(first, last)) if last > first else np.eye(len(CATEGORIES))[label]
        confidence = float(means[label])
        own = np.bincount(base.labels[first:last], minlength=len(CATEGORIES)).argmax() if last > first else label
        rows.append(
            {
                "start": segment.start,
                "end": segment.end,
                "label": segment.label,
                "base_label": CATEGORIES[int(own)],
                "confidence": round(confidence, 4),
                "intensity": round(float(track.intensity[first:last].mean()), 4) if last > first else 0.0,
                "uncertain": confidence < doubtful,
                "second": track.second_of(means, segment.label),
            }
        )
    return rows


def envelope(times: Doubles, values: Floats) -> list[list[float]]:
    """[seconds, value] of few points between which a curve is linear within ``TOLERANCE``: Ramer, Douglas, Peucker."""
    kept = np.zeros(len(values), bool)
    # frames that are simplified at a time: long clips cost no more than they are long
    anchors = [*range(0, len(values) - 1, 500), len(values) - 1]
    kept[anchors] = True
    waiting = list(itertools.pairwise(anchors))
    while waiting:
        a, b = waiting.pop()
        if b - a < 2:
            continue
        line = np.interp(times[a + 1 : b], times[[a, b]], values[[a, b]])
        far = np.abs(values[a + 1 : b] - line)
        worst = int(far.argmax())
        if far[worst] > TOLERANCE:
            middle = a + 1 + worst
            kept[middle] = True
            waiting += [(a, middle), (middle, b)]
    return [[round(float(times[i]), 4), round(float(values[i]), 4)] for i in np.flatnonzero(kept)]


@cache
def options_state() -> dict[str, Any]:
    """What can be chosen: names, formats, lights, limits."""
    formats = [{"name": "mp4", "suffix": ".mp4", "about": "video with sound", "kind": "video"}]
    formats += [
        {
            "name": row.name,
            "suffix": row.suffix,
            "about": row.about,
            "kind": "vertices" if row.name in ("mdd", "pc2", "npy") else "animation",
        }
        for row in export_formats().values()
        if row.name != "keys"
    ]
    for suffix, row in sorted(track_formats().items()):
        name = f"{TRACK}{suffix}"
        formats.append({"name": name, "suffix": file_suffix(name), "about": row.about, "kind": "track"})
    return {
        "styles": list(STYLES),
        "settings": {name: setting_state(*about) for name, about in declared(ClipSettings).items()},
        "regions": list(REGIONS),
        "lights": {name: asdict(load_lighting(name)) for name in light_names()},
        "formats": formats,
        "suffixes": {sort: list(suffixes) for sort, suffixes in SUFFIXES.items()},
        "materials": {part: asdict(material) for part, material in MATERIALS.items()},
        "targets": ["arkit", "few", "all"],
        "limits": {"audio_bytes": AUDIO_BYTES, "mesh_bytes": MESH_BYTES, "other_bytes": OTHER_BYTES},
    }


def setting_state(kind: Any, option: Option, default: Any) -> dict[str, Any]:
    """A setting: where it begins, its range, and what it does."""
    whole = {"whole": True} if kind is int else {}
    return {"default": default, "least": option.least, "most": option.most, "help": option.help, **whole}
