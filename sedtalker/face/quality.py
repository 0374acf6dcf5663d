"""How well a registered mesh will talk, in one figure, what it is made of, and what to do when it is poor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face, RegistrationReport

GOOD, USABLE = 0.8, 0.6
"""Scores from which on a fit is called good, or usable."""
PARTS: dict[str, tuple[float, float, float]] = {
    "landmarks": (0.25, 0.04, 0.16),  # RMS distance to a human face's, in outer-eye-corner distances
    "fit": (0.25, 1.0, 6.0),  # median distance to the fitted face, millimetres
    "lips": (0.2, 0.5, 3.0),  # what closed lips leave open, millimetres
    "blink": (0.15, 0.5, 3.0),  # what a blink leaves open, millimetres
    "inverted": (0.15, 0.002, 0.03),  # share of polygons that a shape turns over, mean over the shapes
}
"""The parts of the score: weight, the value that is perfect, and the value that is useless."""
ADVICE = {
    "landmarks": "eyes, nose and mouth lie unlike a person's: look at the landmarks with `sedtalker mesh inspect`",
    "fit": "the surface differs much from a person's: remove what covers the face (mask, beard, helmet, scan noise)",
    "lips": "the lips do not meet: model the neutral face with closed, relaxed lips",
    "blink": "the lids do not meet: model the neutral face with open eyes and lids that lie on the eyeballs",
    "inverted": "shapes fold the surface: give lips and lids more and evener polygons, without overlaps",
}
"""What to do where a part is poor."""
NO_LIPS = "the lips are one surface and cannot open: use --open-mouth, or cut them apart and give the mouth an inside"
"""Advice for sealed lips."""
NO_LIDS = "no open lids: cut out the eyes and put eyeballs there, or it cannot blink"
"""Advice for eyes that cannot close."""


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
    """The quality of a registered ``face``; lips or lids that the mesh does not have count as useless."""
    measured: dict[str, float | None] = {
        "landmarks": report.landmark_residual,
        "fit": report.fit_residual,
        "lips": report.lip_gap if report.mouth_opens else None,
        "blink": report.blink_gap if all(report.eyes_found) else None,
        "inverted": inverted_share(face),
    }
    parts = {name: _grade(name, value) for name, value in measured.items()}
    score = sum(weight * parts[name] for name, (weight, _, _) in PARTS.items())
    advice = []
    for name in sorted(parts, key=lambda name: parts[name]):
        if measured[name] is None:
            advice.append(NO_LIPS if name == "lips" else NO_LIDS)
        elif parts[name] < USABLE:
            advice.append(ADVICE[name])
    return Quality(float(score), parts, measured, tuple(advice))


def inverted_share(face: Face) -> float:
    """Share of the skin's triangles that a full shape turns over, mean over the shapes of ARKit.

    Turned over is by more than a right angle; triangles that shrink to nothing do not count.
    """
    skin = face.regions.get("skin", np.ones(len(face.mesh.vertices), bool))
    triangles = face.mesh.triangles[skin[face.mesh.triangles].all(axis=1)]
    used, local = np.unique(triangles, return_inverse=True)
    corners = local.reshape(-1, 3)
    rest = face.mesh.vertices[used].astype(np.float64)
    before = _normals(rest, corners)
    area = np.linalg.norm(before, axis=1)
    shapes = [i for i, name in enumerate(face.shapes) if name in ARKIT_52]
    turned = 0
    for i in shapes:
        after = _normals(rest + face.basis[i][used], corners)
        size = np.linalg.norm(after, axis=1)
        turned += int((((before * after).sum(1) < 0) & (size > 0.05 * area) & (area > 0)).sum())
    return turned / max(len(corners) * len(shapes), 1)


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a))


def _grade(name: str, value: float | None) -> float:
    """1 at the perfect value, 0 at the useless one and without a value, linear between."""
    if value is None:
        return 0.0
    _, perfect, useless = PARTS[name]
    return float(np.clip((useless - value) / (useless - perfect), 0.0, 1.0))
