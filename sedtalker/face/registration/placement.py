"""From the file's coordinates to metres, upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sedtalker.face.registration.pose import FaceFix, Similarity, axis_rotations
from sedtalker.face.registration.surface import Points

UNITS = (1.0, 0.1, 0.01, 0.001)
UNIT_TOLERANCE = 0.22
AXIS_TOLERANCE = 12.0  # degrees


@dataclass(frozen=True, eq=False)
class Placement:
    """Similarities between the file's, the metric and the rig's coordinates, and the guessed unit in metres or None."""

    to_metres: Similarity
    from_rig: Similarity
    unit: float | None


def place(fix: FaceFix, reference: Points) -> Placement:
    """Upright metric coordinates of a found face.

    A head that stands nearly along the file's axes keeps its small tilt, and one of nearly human size in a usual unit
    keeps its size, so that a file in metres, Y up, Z front is only shifted.
    """
    unit = next((u for u in UNITS if abs(fix.alignment.scale / u - 1) < UNIT_TOLERANCE), None)
    scale = unit or fix.alignment.scale
    rotation = fix.alignment.rotation
    for axes in axis_rotations():
        cosine = (np.trace(axes.T @ rotation) - 1) / 2
        if np.degrees(np.arccos(np.clip(cosine, -1, 1))) < AXIS_TOLERANCE:
            rotation = axes
            break
    inner = fix.landmarks[17:].mean(0)
    to_metres = Similarity(scale, rotation, reference[17:].mean(0) - scale * rotation @ inner)
    back = fix.alignment.inverse()
    from_rig = Similarity(
        to_metres.scale * back.scale, to_metres.rotation @ back.rotation, to_metres.apply(back.translation[None])[0]
    )
    return Placement(to_metres, from_rig, unit)
