"""Per-region scaling of blend shapes to the proportions of a face.

Deformation transfer scales motion by the size of the whole face. A face with low brows or a wide mouth needs less or
more of it there; an artist's own shapes may be so small that no emotion is visible. The jaw and the shapes that close
lips and lids are not scaled, because they must meet. Shapes that only speech uses take no regional factor. The gaze
turns as far as the eyes have room between the lids.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from sedtalker.arrays import Doubles, Floats
from sedtalker.errors import InputError
from sedtalker.face.expressions import LEAST_MOTION, can_be_measured, sizes
from sedtalker.face.face import Face, RegistrationReport, outer_eyes
from sedtalker.face.quality import turned_share
from sedtalker.face.registration.attribute_transfer import rotations
from sedtalker.reading import read_own_table

_HELD = read_own_table(__file__, "shape_scaling.toml")
"""The tables as they are written."""
REGIONS: dict[str, tuple[str, ...]] = {region: tuple(names) for region, names in _HELD["regions"].items()}
"""Regions and the beginnings of the shapes that are scaled in each."""
FEATURES: dict[str, list[tuple[list[int], list[int]]]] = _HELD["features"]
"""Pairs of landmarks between whose middles a region is measured."""
OF_ARTISTS: dict[str, float] = _HELD["of_artists"]
"""Factors of the built-in face's shapes on other heads, by the beginnings of their names."""
NARROWEST, WIDEST = 0.7, 1.3
"""Limits of what a face's proportions change."""
FAINT = 0.8
"""Share of the source's motion to which a region is raised whose own shapes move less."""
MOST_RAISED = 2.0
"""Largest factor of a region with shapes of its own."""
FOLDED = 0.005
"""Share of skin triangles that a raised shape may turn over beyond what it turned over before."""
OWN_FOLDED = 0.0002
"""The same for shapes that an artist made, which are clean at their size: a triangle or two of a head. A crack beside
an eye has some ten."""
GAZE = "eyeLook"
"""Prefix of the shapes that turn the eyes."""
LEAST_GAZE, MOST_GAZE = 0.45, 1.15
"""Limits of what the room between the lids changes of the angles by which the source's eyes turn."""
STILL = 1e-5
"""Metres: what moves less does not turn."""
LEAST, MOST = 0.3, 2.0
"""Range of the strength that a user may give."""


def check_strength(strength: float) -> None:
    """Raise InputError where a strength is out of range."""
    if not LEAST <= strength <= MOST:
        raise InputError(f"the strength {strength:g} is out of range: use {LEAST:g} to {MOST:g}")


def with_scaled_shapes(
    face: Face, report: RegistrationReport, source: Face, strength: float = 1.0
) -> tuple[Face, RegistrationReport]:
    """A registered face whose shapes move as far as suits its proportions, times ``strength``.

    Fitted shapes take ``OF_ARTISTS`` and the proportions of the region; shapes of the file's own are raised where they
    are faint, and a built-in face's are left as they are. Factors above 1 give way where they would fold the skin, and
    those of the file's own shapes at the first folds, for both halves of a pair. The report holds the factors of the
    regions (``gains``): where shapes are the file's own, the largest that one of them has.

    Raises:
        InputError: the strength is out of range.
    """
    check_strength(strength)
    if report.way == "exact" or not (can_be_measured(face) and can_be_measured(source)):
        automatic = dict.fromkeys(REGIONS, 1.0)
    else:
        automatic = {**proportions(face, source), **faint_regions(face, report, source)}
    fitted = set(face.shapes) - set(report.own_shapes) if report.way != "exact" else set()
    gaze = gaze_share(face, report) if any(name.startswith(GAZE) for name in fitted) else 1.0
    factors = np.ones(len(face.basis))
    for shape, row in face.shape_index.items():
        region = region_of(shape)
        of_artists = (own for name, own in OF_ARTISTS.items() if shape.startswith(name))
        factor = next(of_artists, 1.0) if shape in fitted else 1.0
        allowed = FOLDED if shape in fitted or report.way == "exact" else OWN_FOLDED
        factors[row] = bounded(face, row, factor * (strength * automatic[region] if region else 1.0), allowed)
    own = set() if report.way == "exact" else set(report.own_shapes)
    for left in (shape for shape in own if shape.endswith("Left")):
        pair = [face.shape_index[shape] for shape in (left, f"{left.removesuffix('Left')}Right") if shape in own]
        factors[pair] = factors[pair].min()
    scale_correctives(face, factors)
    if np.all(factors == 1.0) and gaze == 1.0:
        return face, replace(report, gains={})
    basis = (face.basis * factors[:, None, None]).astype(np.float32)
    for shape in fitted if gaze != 1.0 else ():
        if shape.startswith(GAZE):
            row = face.shape_index[shape]
            basis[row] = turned(face, face.basis[row], gaze)
    gains = {region: round(strength * automatic[region], 3) for region in REGIONS}
    for region in {region for shape in own if (region := region_of(shape))}:
        gains[region] = round(float(max(factors[face.shape_index[s]] for s in own if region_of(s) == region)), 3)
    return replace(face, basis=basis), replace(report, gains={**gains, "gaze": round(gaze, 3)})


def scale_correctives(face: Face, factors: Doubles) -> None:
    """Give each corrective the geometric mean of its sources' factors, in place; ``factors`` (B,) are of the basis."""
    for k, corrective in enumerate(face.correctives):
        rows = [face.shape_index[name] for name in corrective.sources]
        factors[len(face.shapes) + k] = float(np.exp(np.log(factors[rows]).mean()))


def region_of(shape: str) -> str | None:
    """The region whose factor a shape takes; None for those that no region scales."""
    return next((region for region, names in REGIONS.items() if shape.startswith(names)), None)


def proportions(face: Face, source: Face) -> dict[str, float]:
    """Size of each region beside the source's, in distances of the outer eye corners."""
    found = dict.fromkeys(REGIONS, 1.0)
    for region, pairs in FEATURES.items():
        found[region] = float(np.clip(_length(face, pairs) / _length(source, pairs), NARROWEST, WIDEST))
    return found


def _length(face: Face, pairs: list[tuple[list[int], list[int]]]) -> float:
    marks = face.marks
    lengths = [np.linalg.norm(marks[list(a)].mean(0) - marks[list(b)].mean(0)) for a, b in pairs]
    return float(np.mean(lengths) / outer_eyes(marks))


def gaze_share(face: Face, report: RegistrationReport) -> float:
    """Largest turn of the eyes between the lids over that at weight 1, one share for all directions.

    The room is known aside, where lids stay and the cornea's edge meets their outer corner; up and down lids go along
    with the eyes. With one share a look aims where it did, only less far, and both eyes stay together.
    """
    eyes, angles = face.regions.get("eyes"), []
    if report.abduction is None or eyes is None:
        return 1.0
    for name in ("eyeLookOutLeft", "eyeLookOutRight"):
        offset = face.basis[face.shape_index[name]]
        moving = eyes & (np.abs(offset) > STILL).any(axis=1)
        if moving.sum() >= 4:
            turn, _ = rotations(face.mesh.vertices[moving].astype(np.float64), offset[None, moving])
            angles.append(Rotation.from_matrix(turn[0]).magnitude())
    angle = float(np.degrees(np.mean(angles))) if angles else 0.0
    return float(np.clip(report.abduction / angle, LEAST_GAZE, MOST_GAZE)) if angle > 1.0 else 1.0


def turned(face: Face, offset: Floats, share: float) -> Floats:
    """A gaze's offsets (V, 3) with a share of its angle: balls turn about the same place, lids go as much less."""
    moving = face.regions["eyes"] & (np.abs(offset) > STILL).any(axis=1)
    out: Floats = (share * offset).astype(np.float32)
    if moving.sum() < 4:
        return out
    points = face.mesh.vertices[moving].astype(np.float64)
    turns, shifts = rotations(points, offset[None, moving])
    middle = points.mean(axis=0)
    centre = middle - np.linalg.pinv(turns[0] - np.eye(3), rcond=1e-6) @ shifts[0]
    less = Rotation.from_rotvec(share * Rotation.from_matrix(turns[0]).as_rotvec()).as_matrix()
    out[moving] = (points - centre) @ (less - np.eye(3)).T
    return out


def faint_regions(face: Face, report: RegistrationReport, source: Face) -> dict[str, float]:
    """Factors of the regions whose shapes are the file's own: above 1 where these move much less than the source's."""
    own, theirs = sizes(face), sizes(source)
    found: dict[str, float] = {}
    for region in REGIONS:
        shapes = [name for name in report.own_shapes if region_of(name) == region]
        compared = [own[name] / theirs[name] for name in shapes if theirs.get(name, 0.0) > LEAST_MOTION]
        if compared:
            found[region] = float(np.clip(FAINT / max(float(np.median(compared)), 1e-6), 1.0, MOST_RAISED))
    return found


def bounded(face: Face, row: int, factor: float, allowed: float = FOLDED) -> float:
    """A factor, taken back towards 1 in steps as long as it folds the skin more than the shape did before.

    ``allowed`` is the share of the skin that it may fold beyond that.
    """
    if factor <= 1.0:
        return factor
    before = turned_share(face, face.basis[row])
    for _ in range(4):
        if turned_share(face, factor * face.basis[row]) <= before + allowed:
            return factor
        factor = 1.0 + 0.5 * (factor - 1.0)
    return 1.0
