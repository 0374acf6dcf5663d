"""Vertex errors of a decoder on the test takes of the open 4D set, beside a static face and another clip's audio."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.pretrained import AnyDecoder
from sedtalker.audio import load_audio
from sedtalker.face.face import Face
from sedtalker.metrics.motion import (
    jerk,
    lip_vertex_error,
    mean_vertex_error,
    region_vertex_error,
    upper_face_dynamics_deviation,
)
from sedtalker.speech.encoder import SpeechEncoder, SpeechFeatures, encode
from sedtalker.training.motion.open4d import Take, takes
from sedtalker.training.motion.open4d_build import Parts, composed, recordings

Floats = NDArray[np.float32]
READ_CLIPS = 40
"""Recordings of read speech that are measured, evenly spread over the test speakers."""


@dataclass(frozen=True, eq=False)
class HeardTake:
    """A test take, what the encoder hears of it, and its reference motion (T, 52)."""

    take: Take
    features: SpeechFeatures
    motion: Floats


def hear_takes(net: SpeechEncoder, data: Path, cache: Path, parts: Parts) -> list[HeardTake]:
    """Every test sentence of the tracked talker and some of the read speech; constant and changing emotion by turns."""
    found = list(recordings(data, cache, parts.gauge, "test"))
    read = [r for r in found if r.kind == "phones"]
    kept = [r for r in found if r.kind == "tracked"] + read[:: max(1, len(read) // READ_CLIPS)]
    heard = []
    for i, recording in enumerate(kept):
        features = encode(net, load_audio(recording.audio))
        for take in takes(recording, (("constant", "changing")[i % 2],)):
            cut, motion = composed(take, parts, features.prosody)
            heard.append(HeardTake(cut, features, motion))
    return heard


def _deformed(face: Face, coefficients: Floats) -> Floats:
    return face.deform(face.with_rest(coefficients))


def errors(face: Face, made: Floats, reference: Floats) -> dict[str, float]:
    """``mve_mm``, ``lve_mm2``, ``eve_mm2`` and ``fdd_mm`` of coefficients (T, 52) on a face."""
    a, b = _deformed(face, made), _deformed(face, reference)
    lips, upper = face.regions["lips"], face.regions["upper_face"]
    return {
        "mve_mm": 1e3 * mean_vertex_error(a, b),
        "lve_mm2": 1e6 * lip_vertex_error(a, b, lips),
        "eve_mm2": 1e6 * region_vertex_error(a, b, upper),
        "fdd_mm": 1e3 * abs(upper_face_dynamics_deviation(a, b, face.mesh.vertices, upper)),
    }


def evaluate_open4d(decoder: AnyDecoder, face: Face, heard: list[HeardTake], controls: bool = True) -> dict[str, float]:
    """Means over the takes; ``_tracked`` and ``_read`` of each kind alone.

    ``static_…``: a resting face; ``shuffled_…``: the decoder's output for the next take's audio under this take's
    track.
    ``jerk_ratio``: the lips' jerk over that of the reference.
    """
    rows: dict[str, list[float]] = {}
    lips = face.regions["lips"]
    for i, h in enumerate(heard):
        frames = len(h.motion)
        made = decoder.predict(h.features, h.take.track)[:frames]
        found = errors(face, made, h.motion[: len(made)])
        kind = "tracked" if h.take.kind == "tracked" else "read"
        found |= {f"{name}_{kind}": found[name] for name in ("mve_mm", "lve_mm2")}
        if controls:
            rest = errors(face, 0.0 * h.motion, h.motion)
            found |= {f"static_{name}": value for name, value in rest.items()}
            other = decoder.predict(heard[(i + 1) % len(heard)].features, h.take.track)
            both = min(len(other), frames)
            swapped = errors(face, other[:both], h.motion[:both])
            found |= {f"shuffled_{name}": value for name, value in swapped.items()}
            if kind == "tracked":
                moved, wanted = (_deformed(face, c)[:, lips] for c in (made, h.motion))
                found["jerk"], found["jerk_reference"] = jerk(moved, 50.0), jerk(wanted, 50.0)
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    figures = {name: float(np.mean(values)) for name, values in rows.items()}
    if controls:
        figures["jerk_ratio"] = figures["jerk"] / figures["jerk_reference"]
    return figures
