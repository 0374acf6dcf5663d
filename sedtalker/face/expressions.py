"""Six emotions and five mouth shapes that every face should show, and how well it shows them, by distances.

A face is compared with the one its shapes come from: how far its emotions lie from each other, how far it moves, and
whether its two halves move alike. Distances are those of the landmarks, in outer-eye-corner distances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import SIDES, Face, RegistrationReport, outer_eyes, pose
from sedtalker.reading import read_own_table

_HELD = read_own_table(__file__, "expressions.toml")
"""The tables as they are written: weights of ARKit's shapes without side."""
EMOTIONS: dict[str, dict[str, float]] = _HELD["emotions"]
"""Each emotion at full intensity."""
MOUTH_SHAPES: dict[str, dict[str, float]] = _HELD["mouth_shapes"]
"""Mouth shapes of speech."""
INNER = slice(17, 68)
"""Landmarks that expressions move: all but the jaw line's."""
SHUT = 0.13
"""Height of an eye over its width below which it is shut."""
LEAST_MOTION = 0.004
"""Outer-eye-corner distances: a shape that moves its landmarks less on the source is not compared."""


def can_be_measured(face: Face) -> bool:
    """Whether a face has landmarks and all the shapes of ARKit."""
    return face.landmarks is not None and len(face.landmarks) == 68 and set(ARKIT_52) <= set(face.shapes)


def with_expressiveness(face: Face, report: RegistrationReport, source: Face) -> RegistrationReport:
    """The report on a face with landmarks and ARKit's shapes, with its emotions in comparison with ``source``."""
    apart, known = distances(face), distances(source)
    ratios = {pair: apart[pair] / known[pair] for pair in known}
    pair = min(ratios, key=lambda pair: ratios[pair])
    own, theirs = sizes(face), sizes(source)
    moved = [name for name in ARKIT_52 if theirs[name] > LEAST_MOTION]
    size = float(np.median([own[name] / theirs[name] for name in moved])) if moved else 0.0
    return replace(report, distinct=ratios[pair], alike=pair, motion_size=size, asymmetry=asymmetry(own))


def distances(face: Face) -> dict[tuple[str, str], float]:
    """RMS distance of the inner landmarks between any two emotions, rest among them."""
    poses: Mapping[str, Mapping[str, float]] = {"neutral": {}, **EMOTIONS}
    shown = face.expand(np.stack([pose(face, weights) for weights in poses.values()]))
    assert face.landmarks is not None
    unit = max(outer_eyes(face.marks), 1e-9)
    moved = np.tensordot(shown, face.basis[:, face.landmarks[INNER]], 1).astype(np.float64) / unit
    at = dict(zip(poses, moved, strict=True))
    return {(a, b): float(np.sqrt(((at[a] - at[b]) ** 2).sum(-1).mean())) for a, b in combinations(poses, 2)}


def sizes(face: Face) -> dict[str, float]:
    """RMS motion of the inner landmarks under each of ARKit's shapes, in outer-eye-corner distances."""
    assert face.landmarks is not None
    rows = [face.shape_index[name] for name in ARKIT_52]
    moved = face.basis[rows][:, face.landmarks[INNER]].astype(np.float64) / max(outer_eyes(face.marks), 1e-9)
    return dict(zip(ARKIT_52, np.sqrt((moved**2).sum(-1).mean(-1)).tolist(), strict=True))


def asymmetry(moved: Mapping[str, float]) -> float:
    """Median over paired shapes of ``|left − right| / (left + right)``, by how far each moves."""
    found = []
    for name, left in moved.items():
        right = moved.get(name.removesuffix(SIDES[0]) + SIDES[1]) if name.endswith(SIDES[0]) else None
        if right is not None and left + right > LEAST_MOTION:
            found.append(abs(left - right) / (left + right))
    return float(np.median(found)) if found else 0.0


def eye_opening(face: Face) -> float:
    """Height of the eyes at rest over their width, mean of both; some .3 in people, below ``SHUT`` they are shut."""
    marks = face.marks

    def apart(a: int, b: int) -> float:
        return float(np.linalg.norm(marks[a] - marks[b]))

    eyes = [(apart(k + 1, k + 5) + apart(k + 2, k + 4)) / (2.0 * apart(k, k + 3) + 1e-12) for k in (36, 42)]
    return sum(eyes) / len(eyes)
