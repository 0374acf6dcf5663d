"""A mesh before it is registered: whether it is a head, which way it looks, what it has and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from sedtalker.arrays import Ints, Mask
from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.fitting import foresee
from sedtalker.face.given_landmarks import choose_head, heads_of, other_people
from sedtalker.face.registration import parts
from sedtalker.face.registration.attribute_transfer import LIPS, MOUTH_PARTS, hair
from sedtalker.face.registration.parts import Head, prepare_source, prepare_target
from sedtalker.face.registration.pose import FaceFix, GivenLandmarks, Placement, place
from sedtalker.face.registration.register import face_on, upright
from sedtalker.mesh.mesh import Mesh, Scene
from sedtalker.mesh.surface import Contents, Points, Surface, complaints, count, weld

Vector = tuple[float, float, float]
MIDLINE = (27, 28, 29, 30, 33, 51, 57, 8)
"""Landmarks between the two halves of a face, from the nose to the chin."""
INSIDE_OUT, MIXED = 0.5, 0.05
"""Shares of visible skin polygons that wind the wrong way: the whole mesh is inside-out, or some of it is."""
OTHER = "other"
"""The role of pieces that belong to other people."""
BODY = 8.0
"""A mesh higher than that, in outer-eye-corner distances, is more than a head."""


@dataclass(frozen=True)
class Piece:
    """A connected piece: its role (``skin``, ``left eye``, …, ``worn``, ``other``) and how many points it has."""

    role: str
    points: int


@dataclass(frozen=True, eq=False)
class Found:
    """A face on a mesh, described in the file's own coordinates.

    Attributes:
        score: probability of a face; residual: how unlike a person's its landmarks lie, outer-eye-corner distances.
        unit: the file's unit in metres, or None where a human head in no usual unit has that size.
        scale: metres of one unit of the file.
        up, front: unit vectors; up_axis, front_axis: their names (``+Y``).
        symmetry_point, symmetry_normal: the plane between left and right; the normal points to the subject's left.
        asymmetry: median distance of the face to its mirror image, millimetres.
        mouth_opens: the lips are apart; eyes_open, eyeballs: right and left.
        pieces: of the connected pieces, largest first.
        landmarks: (68, 3); confidence: (68,) in [0, 1].
        upright: the mesh with the head upright and in metres; upright_landmarks: (68, 3) on it.
    """

    score: float
    residual: float
    unit: float | None
    scale: float
    up: Vector
    front: Vector
    up_axis: str
    front_axis: str
    symmetry_point: Vector
    symmetry_normal: Vector
    asymmetry: float
    mouth_opens: bool
    eyes_open: tuple[bool, bool]
    eyeballs: tuple[bool, bool]
    pieces: tuple[Piece, ...]
    landmarks: Points
    confidence: Points
    upright: Mesh
    upright_landmarks: Points


@dataclass(frozen=True, eq=False)
class Inspection:
    """Description of a mesh file.

    Attributes:
        contents: counts; face: the face on it if there is one; problems: one line each.
        targets: names of the file's morph targets.
        way, basis: how ``fit`` would get its shapes; None without a face.
        heads: where each is, between its eyes, if there are several; ``face`` is one of them.
    """

    contents: Contents
    face: Found | None
    problems: tuple[str, ...]
    targets: tuple[str, ...] = ()
    way: str | None = None
    basis: str | None = None
    heads: tuple[Vector, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: without the mesh."""
        face = None
        if self.face is not None:
            face = {name: value for name, value in vars(self.face).items() if not name.startswith("upright")}
            face["pieces"] = [asdict(piece) for piece in self.face.pieces]
            face["landmarks"] = np.round(self.face.landmarks, 6).tolist()
            face["confidence"] = np.round(self.face.confidence, 3).tolist()
        return {
            "contents": asdict(self.contents),
            "blend_shapes": list(self.targets),
            "way": self.way,
            "basis": self.basis,
            "heads": [list(head) for head in self.heads],
            "face": face,
            "problems": list(self.problems),
        }


def inspect(scene: Scene, source: Face, given: GivenLandmarks | None = None, number: int | None = None) -> Inspection:
    """Look at a mesh as ``fit`` does, without fitting anything.

    Args:
        scene: what a file holds.
        source: the face that registration would take shapes from.
        given: where its face is, instead of looking for it.
        number: which of several heads, counted from 1.

    Raises:
        InputError: there is no head of that number.
    """
    mesh, targets = scene.mesh, scene.target_names
    surface = weld(mesh)
    contents = count(mesh, surface)
    problems = [*complaints(contents), *mesh.notes]

    known = prepare_source(source)
    heads = [given] if given else heads_of(mesh, source)
    chosen = choose_head(heads, number, "the mesh")
    try:
        fix = face_on(surface, known.landmarks, chosen)
    except InputError as error:
        return Inspection(contents, None, (f"not a face that can be fitted: {error}", *problems), targets)
    head = prepare_target(surface, fix, known.landmarks)
    placed = place(fix, known.landmarks)
    roles = name_pieces(head, known, source)
    others = np.zeros(len(head.points), bool)
    if chosen and len(heads) > 1:
        others[head.vertex_point[other_people(mesh, heads, chosen)]] = True
    found = describe(mesh, fix, head, placed, roles, others)
    problems = [*face_problems(mesh, surface, head, found), *problems]
    several = tuple(_vector(head.points[36:48].mean(axis=0)) for head in heads) if len(heads) > 1 else ()
    return Inspection(contents, found, tuple(problems), targets, *foresee(scene, source), several)


def name_pieces(head: Head, known: Head, source: Face) -> Ints:
    """Role (N,) of each point of a head: teeth and tongue are where the known face's would be behind its lips."""
    shift = head.landmarks[LIPS].mean(0) - known.landmarks[LIPS].mean(0)
    references = {}
    for role, region in MOUTH_PARTS.items():
        mask = source.regions.get(region)
        if mask is not None and mask[known.vertex].sum() >= 4:
            references[role] = known.points[mask[known.vertex]] + shift
    named = parts.name_inner_parts(head.points, head.component, head.roles, references, head.outer)
    return parts.point_roles(head.component, named)


def describe(mesh: Mesh, fix: FaceFix, head: Head, placed: Placement, roles: Ints, others: Mask) -> Found:
    """The face found by ``fix`` in the file's coordinates; ``others`` are points (N,) of other people."""
    rotation = placed.to_metres.rotation
    middle = fix.landmarks[list(MIDLINE)].mean(0)
    lids = head.skin.features.lids
    woolly = hair(head, roles)
    _, first, counts = np.unique(head.component, return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    named = np.array(parts.ROLES)[roles[first]]
    named[woolly[first]], named[others[first]] = "hair", OTHER
    return Found(
        score=fix.score,
        residual=fix.residual,
        unit=placed.unit,
        scale=placed.to_metres.scale,
        up=_vector(rotation[1]),
        front=_vector(rotation[2]),
        up_axis=axis_name(rotation[1]),
        front_axis=axis_name(rotation[2]),
        symmetry_point=_vector(middle),
        symmetry_normal=_vector(fix.alignment.rotation[0]),
        asymmetry=1000.0 * placed.from_rig.scale * asymmetry(head),
        mouth_opens=head.skin.features.lips.found,
        eyes_open=(lids[0].found, lids[1].found),
        eyeballs=(parts.RIGHT_EYE in head.eyes, parts.LEFT_EYE in head.eyes),
        pieces=tuple(Piece(name, int(counts[k])) for name, k in zip(named[order].tolist(), order, strict=True)),
        landmarks=fix.landmarks,
        confidence=fix.confidence,
        upright=mesh.with_vertices(upright(mesh, placed.to_metres)),
        upright_landmarks=placed.to_metres.apply(fix.landmarks),
    )


def axis_name(direction: Points) -> str:
    """``+Y`` for (0, 1, 0); the nearest axis and how far it is off where that is more than 2°."""
    k = int(np.argmax(np.abs(direction)))
    name = ("-" if direction[k] < 0 else "+") + "XYZ"[k]
    off = float(np.degrees(np.arccos(min(1.0, abs(float(direction[k]))))))
    return name if off < 2.0 else f"{off:.0f}° off {name}"


def asymmetry(head: Head) -> float:
    """Median distance of the visible inner face to its mirror image, metres at rig scale."""
    middle = head.landmarks[list(MIDLINE)].mean(0)
    points = head.skin.points[head.skin.bare]
    points = points[np.linalg.norm(points - middle, axis=1) < 0.75 * head.outer] - (middle[0], 0.0, 0.0)
    if not len(points):
        return 0.0
    return float(np.median(cKDTree(points).query(points * (-1.0, 1.0, 1.0))[0]))


def face_problems(mesh: Mesh, surface: Surface, head: Head, found: Found) -> list[str]:
    """Messages on the face, one line each, the most serious first."""
    problems = []
    if not found.mouth_opens:
        problems.append(
            "the mouth has no opening (the lips are one surface): it will not open when it speaks; "
            "`mesh register --open-mouth` cuts them apart"
        )
    for side, is_open, has_ball in zip(("right", "left"), found.eyes_open, found.eyeballs, strict=True):
        if not is_open:
            problems.append(f"the {side} eye has no open lids: it will not blink")
        if not has_ball:
            then = "one is added behind its lids" if is_open else "its gaze will not move"
            problems.append(f"the {side} eye has no eyeball of its own: {then}")
    wrong = wrong_winding(surface, head)
    if wrong > INSIDE_OUT:
        problems.append("inside-out: polygons wind clockwise (a mirrored copy does that): flip the normals")
    elif wrong > MIXED:
        problems.append(f"{wrong:.0%} of the visible skin winds the other way: recalculate the normals")
    swapped = sides_swapped(mesh, found)
    if swapped:
        problems.append(f"mirrored: '{swapped}' lies on the other side of the face")
    if np.ptp(head.points[:, 1]) > BODY * head.outer:
        problems.append("more than a head: only the head will move")
    if found.unit is None:
        problems.append(f"no usual unit: a human head would make one unit {found.scale:.3g} m; it will be scaled")
    return problems


def wrong_winding(surface: Surface, head: Head) -> float:
    """Share of the visible skin triangles that wind clockwise seen from outside."""
    filed = surface.triangles[head.is_skin[surface.triangles[:, 0]]]
    turned = filed[:, 0] != head.skin_points[head.skin.triangles[:, 0]]
    return float(turned[head.skin.seen].mean()) if head.skin.seen.any() else 0.0


def sides_swapped(mesh: Mesh, found: Found) -> str | None:
    """A group that is named left and lies on the subject's right, or the other way round."""
    if mesh.polygon_groups is None:
        return None
    middle = float(found.upright_landmarks[list(MIDLINE), 0].mean())
    width = float(np.ptp(found.upright_landmarks[[36, 45], 0]))
    group = mesh.polygon_groups[mesh.corner_polygons]
    for k, name in enumerate(mesh.group_names):
        word = name.lower()
        side = 1 if "left" in word else -1 if "right" in word else 0
        corners = mesh.polygon_vertices[group == k]
        if side and len(corners):
            here = found.upright.vertices[corners, 0].mean() - middle
            if side * here < -0.15 * width:
                return name
    return None


def _vector(values: Points) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))
