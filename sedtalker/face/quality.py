"""Quality of a registered mesh: one score, its parts, advice where it is poor, and the artefacts of its picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from sedtalker.arrays import Doubles, Floats, Ints, Mask, nearest_rotation
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face, RegistrationReport, outer_eyes
from sedtalker.mesh.mesh import face_normals
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points, adjacency, component_bounds, label_components, triangle_normals
from sedtalker.reading import read_own_table

GOOD, USABLE = 0.8, 0.6
"""Scores from which on a fit is called good, or usable."""
_PARTS = read_own_table(__file__, "quality.toml")
"""The parts of the score as they are written."""
PARTS: dict[str, tuple[float, float, float]] = {
    name: (row["weight"], row["perfect"], row["useless"]) for name, row in _PARTS.items()
}
"""The parts of the score: weight, the value that is perfect, and the value that is useless."""
NEEDED = ("lips", "mouth", "blink", "surface", "lids", "moved", "halves", "inverted", "emotions")
"""Parts without which no face is good, whatever the others are: where one is missing, a face is usable at best."""
BROKEN = 0.1
"""A needed part below this is broken, and the face poor."""
ADVICE: dict[str, str] = {name: row["advice"] for name, row in _PARTS.items()}
"""Advice for poor parts."""
QUESTIONS: dict[str, str] = {name: row["asks"] for name, row in _PARTS.items()}
"""What each part asks, as a reader says it."""
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
    face without a needed part is not good, and one of which such a part is broken is poor.
    """
    measured: dict[str, float | None] = {
        "landmarks": report.landmark_residual,
        "fit": report.fit_residual,
        "lips": report.lip_gap if report.mouth_opens else None,
        "mouth": None if report.mouth_share is None else 1.0 - report.mouth_share,
        "blink": report.blink_gap if all(report.eyes_found) and not report.eyes_shut else None,
        "surface": report.broken,
        "lids": report.lids_open,
        "moved": report.breaks,
        "halves": unevenness(face),
        "inverted": inverted_share(face),
        "emotions": min((x for x in (report.distinct, report.visible) if x is not None), default=None),
        "size": None if report.motion_size is None else abs(float(np.log2(max(report.motion_size, 1e-3)))),
        "symmetry": report.asymmetry,
    }
    unknown = ("mouth", "surface", "lids", "moved", "halves", "emotions", "size", "symmetry")
    counted = [name for name in PARTS if measured[name] is not None or name not in unknown]
    if not report.mouth_opens and "mouth" not in counted:
        counted.append("mouth")
    parts = {name: _grade(name, measured[name]) for name in PARTS if name in counted}
    score = sum(PARTS[name][0] * parts[name] for name in parts) / sum(PARTS[name][0] for name in parts)
    broken = [name for name in NEEDED if name in parts and parts[name] < BROKEN]
    if broken:
        score = min(score, (GOOD if all(measured[name] is None for name in broken) else USABLE) - 0.01)
    advice = []
    for name in sorted(parts, key=lambda name: parts[name]):
        if measured[name] is None:
            advice.append((SHUT if report.eyes_shut else NO_LIDS) if name == "blink" else NO_LIPS)
        elif parts[name] < USABLE:
            advice.append(ADVICE[name].format(pose=report.breaks_in))
    return Quality(float(score), parts, measured, tuple(dict.fromkeys(advice)))


def inverted_share(face: Face) -> float:
    """Share of the skin's triangles that a full shape turns over, mean over the shapes of ARKit.

    Triangles that shrink to nothing do not count.
    """
    shapes = [i for i, name in enumerate(face.shapes) if name in ARKIT_52]
    return sum(turned_share(face, face.basis[i]) for i in shapes) / max(len(shapes), 1)


STILL = 1e-5
"""Metres: a smaller motion turns nothing over."""


def turned_share(face: Face, offsets: Floats) -> float:
    """Share of the skin's triangles that offsets (V, 3) turn over by more than a right angle."""
    skin = face.regions.get("skin", np.ones(len(face.mesh.vertices), bool))
    triangles = face.mesh.triangles[skin[face.mesh.triangles].all(axis=1)]
    moving = triangles[(np.abs(offsets).max(axis=1) > STILL)[triangles].any(axis=1)]
    rest = face.mesh.vertices.astype(np.float64)
    before, after = face_normals(rest, moving), face_normals(rest + offsets, moving)
    area, size = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    turned = ((before * after).sum(1) < 0) & (size > 0.05 * area) & (area > 0)
    return int(turned.sum()) / max(len(triangles), 1)


def _grade(name: str, value: float | None) -> float:
    """1 at the perfect value and beyond, 0 at the useless one and without a value, linear between."""
    if value is None:
        return 0.0
    _, perfect, useless = PARTS[name]
    return float(np.clip((useless - value) / (useless - perfect), 0.0, 1.0))


# --- Artefacts of a face at rest, seen from the front: holes, turned polygons, protrusions, noise, asymmetry.

PICTURE = 192
"""Pixels a side of the picture of the face."""
OUTLINE = (*range(17), *range(26, 16, -1))
"""Landmarks round the face: the jaw line, then the brows."""
OPENINGS = ((range(36, 42), 1.6), (range(42, 48), 1.6), (range(48, 60), 1.35))
"""Landmarks round eyes and lips, and how much larger what is left out there is."""
WITHIN = 0.8
"""Size of an eye's region that must show a ball, relative to the eye's landmarks."""
BEFORE, BEHIND = 0.05, 0.04
"""Outer-eye-corner distances: what stands so far before eyes or lips, or lies so far behind lids, is out of place."""
FEATURE = 0.15
"""Share of the face that an eye or a mouth counts which is out of place as a whole."""
PROUD = 2.0
"""Weight of pixels with interpenetrating teeth, tongue or eyes."""
SPIKE = 3.0
"""Height of a spike over the ring of its neighbours, in widths of the ring."""
THIN = 0.01
"""Share of the face that a spike counts of which little is seen from the front."""
PARTNERS = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
)  # fmt: skip
"""The landmark of the other half for each of the 68."""
INSIDE = ("eyes", "teeth", "tongue", "gums", "mouth_socket")
"""Regions of which nothing is to be seen but in the openings."""
NEAR = 9
"""Pixels a side of the squares in which normals are compared."""
ROUGH = 0.7
"""Cosine of a pixel's normal with the mean around it, below which the surface is rough there: some 45 degrees."""


def artefact_share(face: Face, strained: Mask | None = None) -> float | None:
    """Share of the picture of a face in which it looks broken; None for a face without landmarks or without skin.

    That is where one sees through it or its skin from within, where teeth, tongue or eyes stand before it, and where
    normals jump from pixel to pixel. Sound faces have less than 0.01, for the wings of the nose. What the head wears
    (hair, glasses, a beard) is not counted. An eye or a mouth out of which something stands, or in which the eye lies
    deep, counts as a seventh of the face, a spike as a hundredth; two faces in one are broken as a whole.

    Args:
        face: the face, with the pose it is looked at as its mesh.
        strained: triangles (T,) that motion broke and that count where they are seen. Where it is given, second
            faces are not looked for: a face in motion had them at rest.
    """
    skin = face.regions.get("skin")
    if face.landmarks is None or skin is None:
        return None
    marks, triangles = face.marks, face.mesh.triangles
    outline, view = outline_of(marks)
    ids, depth = rasterise(view.project(face.mesh.vertices), triangles, PICTURE)
    points, is_skin = face.mesh.vertices.astype(np.float64), _of(skin, triangles)
    if strained is None and faces(points, triangles[is_skin], marks) > 1:
        return 1.0
    # What each pixel shows.
    inner = np.zeros(len(face.mesh.vertices), bool)
    for name in INSIDE:
        inner |= face.regions.get(name, False)
    of_skin = (ids >= 0) & is_skin[ids]
    of_inner = (ids >= 0) & _of(inner, triangles)[ids] & ~of_skin
    # Eyes and mouth, then the face without them.
    area, openings = enclosed(outline, 0.95, view), np.zeros(ids.shape, bool)
    height = np.where(ids >= 0, depth, -1e3) * view.half_width + view.centre[2]
    outer = outer_eyes(marks)
    misplaced = THIN * int((spikes(points, triangles, BEFORE * outer) & skin).sum())
    for corners, larger in OPENINGS:
        ring = marks[list(corners)]
        around, within = enclosed(ring, larger, view), enclosed(ring, WITHIN, view)
        openings |= around
        wrong = around & of_inner & (height > ring[:, 2].max() + BEFORE * outer)
        if corners.start < 48 and (within & (ids >= 0) & ~of_skin).any():  # there is a ball
            wrong |= within & (height < ring[:, 2].min() - BEHIND * outer)
        misplaced += FEATURE * min(float(wrong.sum()) / max(int(within.sum()), 1), 1.0)
    area &= ~openings
    through, bare, inside = area & (ids < 0), area & of_skin, of_inner & ~openings
    normals = triangle_normals(points, triangles)[ids]
    if normals[bare][:, 2].sum() < 0.0:  # wound inside-out as a whole
        normals = -normals
    away = bare & (normals[..., 2] < 0.0)
    smooth = bare & ~away
    broken = through | away | (smooth & is_rough(normals, smooth))
    if strained is not None:  # also what motion carries beyond the outline
        broken |= of_skin & ~openings & strained[ids]
    counted = int((bare | through | inside).sum())
    return min((broken.sum() + PROUD * inside.sum()) / counted + misplaced, 1.0) if counted else None


def outline_of(marks: Points) -> tuple[Points, View]:
    """Landmarks (N, 3) round a face, and the view of it from the front."""
    outline = marks[list(OUTLINE)]
    middle = 0.5 * (outline.min(axis=0) + outline.max(axis=0))
    return outline, View(np.eye(3), middle, 0.52 * float(np.ptp(outline[:, :2], axis=0).max()))


def faces(points: Points, triangles: Ints, marks: Points) -> int:
    """Number of connected pieces of skin (T, 3) that extend over a whole face."""
    used, inner = np.unique(triangles), marks[17:]
    bounds = component_bounds(points[used], label_components(len(points), triangles)[used]).values()
    first, last, middle = inner[:, :2].min(axis=0), inner[:, :2].max(axis=0), np.median(inner[:, 2])
    reach = [(low[:2] <= first).all() and (high[:2] >= last).all() and high[2] > middle for low, high in bounds]
    return sum(map(bool, reach))


def spikes(points: Points, triangles: Ints, least: float) -> Mask:
    """Points (N,) that stand out of the ring of their neighbours by ``SPIKE`` times its radius, and by ``least``."""
    edges = adjacency(len(points), triangles)
    count = np.maximum(np.asarray(edges.sum(axis=1)).reshape(-1, 1), 1.0)
    centred = points - points.mean(axis=0)
    middle = edges @ centred / count
    spread = (edges @ np.square(centred) / count - np.square(middle)).sum(axis=1).clip(0.0)
    apart = np.linalg.norm(centred - middle, axis=1)
    return np.asarray((apart > SPIKE * np.sqrt(spread)) & (apart > least) & (count[:, 0] > 2), dtype=bool)


def unevenness(face: Face) -> float | None:
    """Asymmetry: RMS distance of landmarks from the mirror image of the other half, in outer-eye-corner distances.

    Half the distance between the inner landmarks and their mirrored partners, brought over each other by turning.
    People have less than 0.02, coarse meshes less than 0.04, for landmarks are vertices. None without landmarks.
    """
    if face.landmarks is None or len(face.landmarks) != len(PARTNERS):
        return None
    marks = face.marks
    one, other = marks[17:], (marks[list(PARTNERS)] * (-1.0, 1.0, 1.0))[17:]
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    apart = float(np.sqrt(((one - other @ nearest_rotation(one.T @ other).T) ** 2).sum(axis=1).mean()))
    return 0.5 * apart / max(outer_eyes(marks), 1e-9)


def _of(points: Mask, triangles: Ints) -> Mask:
    """Triangles (T,) all of whose corners are among some points (V,)."""
    return np.asarray(points[triangles].all(axis=1), dtype=bool)


def enclosed(corners: Points, larger: float, view: View) -> Mask:
    """Pixels (P, P) within a ring of points (N, 3), drawn ``larger`` about its middle, from which all of it is seen."""
    middle = corners.mean(axis=0)
    ring = middle + larger * (corners - middle)
    first = np.arange(len(ring))
    fan = np.stack([np.full(len(ring), len(ring)), first, np.roll(first, -1)], axis=1).astype(np.int32)
    ids, _ = rasterise(view.project(np.concatenate([ring, middle[None]])), fan, PICTURE)
    return np.asarray(ids >= 0)


def is_rough(normals: Doubles, among: Mask) -> Mask:
    """Pixels (P, P) whose normal (P, P, 3) differs much from the mean of those near it, ``among`` some."""
    near = np.stack([uniform_filter(np.where(among, normals[..., k], 0.0), NEAR) for k in range(3)], axis=-1)
    near /= np.linalg.norm(near, axis=-1, keepdims=True) + 1e-12
    return np.asarray((normals * near).sum(axis=-1) < ROUGH)
