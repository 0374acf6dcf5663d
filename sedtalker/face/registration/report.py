"""What registration found, for people and programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class RegistrationReport:
    """How a mesh became a face.

    Attributes:
        score: probability that a face was seen, in [0, 1].
        landmark_confidence: mean over the 51 inner landmarks, in [0, 1].
        landmark_residual: RMS distance of the landmarks to the source face's, in outer-eye-corner distances.
        fit_residual: median distance of the visible face to the registered source, millimetres.
        blink_gap: largest opening that a full blink leaves, millimetres; None without open lids.
        lip_gap: the same of the lips, jaw half open and mouth closed; None where they are sealed.
        mouth_opens: the lips are separate; if False, mouth shapes only move the skin.
        eyes_found, eyeballs: open lids and eyeballs found, subject's right and left.
        components: role of each connected component with its vertex count, largest first.
        unit: the file's guessed unit in metres, or None.
        scale, rotation, translation: the similarity from file coordinates to metres: ``s R x + t``.
        warnings: one line each.
        way: how the shapes came: ``exact``, ``blend shapes`` or ``registration``; basis: one line that says whose.
        own_shapes: shapes that are the file's or its rig's own; the others are fitted.
        added_vertices: how many come after the file's own, where a sealed mouth was cut open.
    """

    score: float
    landmark_confidence: float
    landmark_residual: float
    fit_residual: float
    blink_gap: float | None
    lip_gap: float | None
    mouth_opens: bool
    eyes_found: tuple[bool, bool]
    eyeballs: tuple[bool, bool]
    components: tuple[tuple[str, int], ...]
    unit: float | None
    scale: float
    rotation: tuple[tuple[float, float, float], ...]
    translation: tuple[float, float, float]
    warnings: tuple[str, ...] = field(default=())
    way: str = "registration"
    basis: str = "fitted to this mesh"
    own_shapes: tuple[str, ...] = ()
    added_vertices: int = 0

    def to_json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(asdict(self), indent=2)


def report_from_json(text: str) -> RegistrationReport:
    """Read what ``to_json`` wrote."""
    data = json.loads(text)
    data["rotation"] = tuple(tuple(row) for row in data["rotation"])
    data["components"] = tuple((str(name), int(count)) for name, count in data["components"])
    for key in ("eyes_found", "eyeballs", "translation", "warnings", "own_shapes"):
        data[key] = tuple(data.get(key, ()))
    return RegistrationReport(**data)
