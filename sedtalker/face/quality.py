"""How well a registered mesh will talk, in one figure, what it is made of, and what to do when it is poor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats, Ints
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.soundness import unevenness

GOOD, USABLE = 0.8, 0.6
"""Scores from which on a fit is called good, or usable."""
PARTS: dict[str, tuple[float, float, float]] = {
    "landmarks": (0.1, 0.04, 0.16),  # RMS distance to a human face's, in outer-eye-corner distances
    "fit": (0.1, 1.0, 6.0),  # median distance to the fitted face, millimetres
    "lips": (0.15, 0.5, 3.0),  # what closed lips leave open, millimetres
    "mouth": (0.15, 0.02, 0.3),  # share of what open lips show that is no mouth
    "blink": (0.1, 0.5, 3.0),  # what a blink leaves open, millimetres
    "surface": (0.1, 0.015, 0.05),  # share of the face at rest with holes, turned polygons, what sticks out, noise
    "halves": (0.05, 0.03, 0.06),  # how unlike the halves of the face at rest are, in outer-eye-corner distances
    "inverted": (0.1, 0.002, 0.03),  # share of polygons that a shape turns over, mean over the shapes
    "emotions": (0.1, 0.6, 0.15),  # least distance of two emotions, over the built-in face's
    "size": (0.05, 0.6, 1.6),  # how far shapes move beside the built-in face's: |log2| of the median over the shapes
    "symmetry": (0.05, 0.1, 0.5),  # how much the halves of paired shapes differ, median
}
"""The parts of the score: weight, the value that is perfect, and the value that is useless."""
NEEDED = ("lips", "mouth", "blink", "surface", "halves", "inverted", "emotions")
"""Parts without which no face is good, whatever the others are."""
BROKEN = 0.1
"""A needed part below this is broken."""
ADVICE = {
    "landmarks": "eyes, nose and mouth lie unlike a person's: look at the landmarks with `sedtalker mesh inspect`",
    "fit": "the surface differs much from a person's: remove what covers the face (mask, beard, helmet, scan noise)",
    "lips": "the lips do not meet: model the neutral face with closed, relaxed lips",
    "blink": "the lids do not meet: model the neutral face with open eyes and lids that lie on the eyeballs",
    "mouth": "the lips open onto no mouth: use --mouth auto, or model a mouth's inside",
    "emotions": "two emotions look nearly alike: open the eyes, and give brows and lids more polygons",
    "size": "the shapes move much more or less than a person's: scale them with --strength",
    "symmetry": "left and right move differently: look whether the landmarks lie evenly (`sedtalker mesh inspect`)",
    "halves": "the halves of the face are unlike: put upright what is slanted, and look at the landmarks",
    "surface": "the face at rest has holes, turned or jagged polygons, or teeth before the skin: mend them",
    "inverted": "shapes fold the surface: give lips and lids more and evener polygons, without overlaps",
}
"""What to do where a part is poor."""
NO_LIPS = "the lips are one surface and cannot open: use --open-mouth, or cut them apart and give the mouth an inside"
"""Advice for sealed lips."""
NO_LIDS = "no open lids: cut out the eyes and put eyeballs there, or it cannot blink"
"""Advice for eyes that cannot close."""


SHUT = "the eyes are shut at rest: open them in the neutral face"
"""Advice for lids that lie together."""


@dataclass(frozen=True)
class Quality:
    """A registration, judged.

    Attributes:
        score: 0 useless … 1 as the built-in face: the weighted mean of ``parts``.
        parts: what it is made of, each in [0, 1].
        measured: the figure behind each part, in the units of ``PARTS``; None where the mesh has no such thing.
        advice: one line each, the worst part first; empty for a good one.
    """

    score: float
    parts: dict[str, float]
    measured: dict[str, float | None]
    advice: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``good``, ``usable`` or ``poor``."""
        return "good" if self.score >= GOOD else "usable" if self.score >= USABLE else "poor"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"verdict": self.verdict, **asdict(self)}

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.as_dict())


def judge(face: Face, report: RegistrationReport) -> Quality:
    """The quality of a registered ``face``.

    Lips, lids or a mouth that the mesh does not have count as useless; what the report does not say counts nothing. A
    face of which a needed part is broken is not good.
    """
    measured: dict[str, float | None] = {
        "landmarks": report.landmark_residual,
        "fit": report.fit_residual,
        "lips": report.lip_gap if report.mouth_opens else None,
        "mouth": None if report.mouth_share is None else 1.0 - report.mouth_share,
        "blink": report.blink_gap if all(report.eyes_found) and not report.eyes_shut else None,
        "surface": report.broken,
        "halves": unevenness(face),
        "inverted": inverted_share(face),
        "emotions": report.distinct,
        "size": None if report.motion_size is None else abs(float(np.log2(max(report.motion_size, 1e-3)))),
        "symmetry": report.asymmetry,
    }
    unknown = ("mouth", "surface", "halves", "emotions", "size", "symmetry")
    counted = [name for name in PARTS if measured[name] is not None or name not in unknown]
    if not report.mouth_opens and "mouth" not in counted:
        counted.append("mouth")
    parts = {name: _grade(name, measured[name]) for name in PARTS if name in counted}
    score = sum(PARTS[name][0] * parts[name] for name in parts) / sum(PARTS[name][0] for name in parts)
    if any(parts[name] < BROKEN for name in NEEDED if name in parts):
        score = min(score, GOOD - 0.01)
    advice = []
    for name in sorted(parts, key=lambda name: parts[name]):
        if measured[name] is None:
            advice.append((SHUT if report.eyes_shut else NO_LIDS) if name == "blink" else NO_LIPS)
        elif parts[name] < USABLE:
            advice.append(ADVICE[name])
    return Quality(float(score), parts, measured, tuple(dict.fromkeys(advice)))


def inverted_share(face: Face) -> float:
    """Share of the skin's triangles that a full shape turns over, mean over the shapes of ARKit.

    Triangles that shrink to nothing do not count.
    """
    shapes = [i for i, name in enumerate(face.shapes) if name in ARKIT_52]
    return sum(turned_share(face, face.basis[i]) for i in shapes) / max(len(shapes), 1)


def turned_share(face: Face, offsets: Floats) -> float:
    """Share of the skin's triangles that offsets (V, 3) turn over by more than a right angle."""
    skin = face.regions.get("skin", np.ones(len(face.mesh.vertices), bool))
    triangles = face.mesh.triangles[skin[face.mesh.triangles].all(axis=1)]
    moving = triangles[(offsets != 0.0).any(axis=1)[triangles].any(axis=1)]
    rest = face.mesh.vertices.astype(np.float64)
    before, after = _normals(rest, moving), _normals(rest + offsets, moving)
    area, size = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    turned = ((before * after).sum(1) < 0) & (size > 0.05 * area) & (area > 0)
    return int(turned.sum()) / max(len(triangles), 1)


def _normals(points: NDArray[np.float64], triangles: Ints) -> NDArray[np.float64]:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a))


def _grade(name: str, value: float | None) -> float:
    """1 at the perfect value and beyond, 0 at the useless one and without a value, linear between."""
    if value is None:
        return 0.0
    _, perfect, useless = PARTS[name]
    return float(np.clip((useless - value) / (useless - perfect), 0.0, 1.0))
