"""Carrying motion, regions and landmarks from the registered source to every vertex of the target.

The skin takes the source's offsets; eyeballs turn about their own centres; teeth and tongue follow those of the source;
hair, lashes and glasses follow the skin near them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats, Ints, Mask, nearest_rotation
from sedtalker.face.face import Face
from sedtalker.face.registration import parts
from sedtalker.face.registration.contacts import meet, still_eye_shapes
from sedtalker.face.registration.parts import Eyeball, Head
from sedtalker.face.registration.pose import robust_similarity
from sedtalker.face.registration.shape_transfer import Transfer, transfer_skin
from sedtalker.mesh.surface import Points, at_vertices, closest_spots, component_bounds
from sedtalker.progress import Hook, no_progress

# --- Offsets of parts that move as a whole, or with what lies near them.

NEAREST = 6
"""Points whose offsets are averaged."""


def rotations(points: Points, offsets: Floats) -> tuple[Points, Points]:
    """Best rotation (K, 3, 3) about the points' mean and shift (K, 3) of it, for offsets (K, N, 3)."""
    local, moved = points - points.mean(0), offsets.astype(np.float64)
    shifts = moved.mean(1)
    return nearest_rotation((local + moved - shifts[:, None]).transpose(0, 2, 1) @ local), shifts


def eye_offsets(source: Points, offsets: Floats, points: Points, ball: Eyeball) -> Doubles:
    """Offsets (K, M, 3) of an eye's points that turn about its own centre as the source's eye (N, 3) turns."""
    turned, _ = rotations(source, offsets)
    local = points - ball.centre
    return np.einsum("kij,mj->kmi", turned - np.eye(3), local)


def affine_offsets(source: Points, offsets: Floats, points: Points) -> Doubles:
    """Offsets (K, M, 3) of points by the affine motion that best explains the source part's (N, 3)."""
    middle = source.mean(0)
    size = float(np.abs(source - middle).max()) + 1e-9
    system = np.concatenate([(source - middle) / size, np.ones((len(source), 1))], axis=1)
    normal = system.T @ system + np.diag([1e-3 * len(source)] * 3 + [0.0])
    flat = offsets.transpose(1, 0, 2).reshape(len(source), -1).astype(np.float64)
    solution = np.linalg.solve(normal, system.T @ flat)
    there = np.concatenate([(points - middle) / size, np.ones((len(points), 1))], axis=1)
    return (there @ solution).reshape(len(points), len(offsets), 3).transpose(1, 0, 2)


def nearby_offsets(source: cKDTree, offsets: Floats, points: Points) -> Doubles:
    """Offsets (K, M, 3) of points as an inverse-distance mean of those of the nearest of the source's N points."""
    count = min(NEAREST, source.n)
    distance, nearest = source.query(points, k=count)
    distance, nearest = distance.reshape(len(points), count), nearest.reshape(len(points), count)
    weight = 1.0 / (distance + 0.2 * distance.mean(axis=1, keepdims=True) + 1e-9) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    return sum((offsets[:, nearest[:, k]] * weight[None, :, k, None] for k in range(count)), np.zeros(())).astype(
        np.float64
    )


def worn_offsets(skin: Points, offsets: Doubles, points: Points, component: Ints, mouth: float) -> Doubles:
    """Offsets (K, M, 3) of hair, lashes, brows, glasses: small or close-lying pieces bend with the skin below them.

    Pieces that stand off the skin (more than 8 mm, at rig scale) keep to the skull, as hair, hats and glasses do, or
    where they lie lower than ``mouth``, the height where the upper lip begins, move as one with the skin near them, as
    beards do. Those that are nowhere near it (3 cm) stay where they are.
    """
    out = np.zeros((len(offsets), len(points), 3))
    tree, near = cKDTree(skin), offsets.astype(np.float32)
    distance, _ = tree.query(points)
    for c in np.unique(component):
        mine = np.nonzero(component == c)[0]
        if distance[mine].min() > 0.03:
            continue
        stiff = np.quantile(distance[mine], 0.8) > 0.008
        if stiff and points[mine, 1].mean() > mouth:
            continue
        own = nearby_offsets(tree, near, points[mine])
        out[:, mine] = own.mean(axis=1, keepdims=True) if stiff else own
    return out


# --- All points of a head, part by part.

MOUTH_PARTS = {parts.UPPER_TEETH: "upper_teeth", parts.LOWER_TEETH: "lower_teeth", parts.TONGUE: "tongue"}
"""The region of each role inside the mouth."""
LIPS = slice(48, 68)
"""Landmarks of the lips."""


@dataclass(frozen=True, eq=False)
class Source:
    """The source face as a head, with what is asked of it per welded point.

    Attributes:
        face: the face; head: its welded form.
        registered: (S, 3) its skin points on the target.
    """

    face: Face
    head: Head
    registered: Points

    def region_points(self, region: str) -> Ints:
        """Points of a region."""
        mask = self.face.regions.get(region)
        return np.nonzero(mask[self.head.vertex])[0].astype(np.int32) if mask is not None else np.zeros(0, np.int32)

    def offsets(self, points: Ints) -> Floats:
        """Shape offsets (K + C, n, 3) of some points."""
        return self.face.basis[:, self.head.vertex[points]]

    def turn(self) -> Doubles:
        """Scale and rotation (3, 3) from the source's motion to the target's, by the whole face, not the landmarks."""
        middle = self.head.landmarks[17:].mean(0)
        face = self.head.skin.bare & (np.linalg.norm(self.head.skin.points - middle, axis=1) < 1.2 * self.head.outer)
        fit, _ = robust_similarity(self.head.skin.points[face], self.registered[face])
        return fit.scale * fit.rotation

    def moved(self, points: Ints, anchors: Mask) -> Points:
        """Positions of inner points (n, 3), by the similarity of the skin points ``anchors`` (S,)."""
        rest = self.head.skin.points
        fit, _ = robust_similarity(rest[anchors], self.registered[anchors])
        return fit.apply(self.head.points[points])


def expected_mouth(source: Source) -> dict[int, tuple[Ints, Points]]:
    """Source points of teeth and tongue by role, and where they would lie in the target."""
    mouth = source.head.landmarks[LIPS].mean(0)
    anchors = np.linalg.norm(source.head.skin.points - mouth, axis=1) < 0.6 * source.head.outer
    anchors &= source.head.skin.bare
    found = {}
    for role, region in MOUTH_PARTS.items():
        points = source.region_points(region)
        if len(points) >= 4:
            found[role] = (points, source.moved(points, anchors))
    return found


def move_points(source: Source, target: Head, hook: Hook = no_progress) -> tuple[Floats, Ints, Transfer]:
    """Offsets (K + C, N, 3) and roles (N,) of all the target's points, and how the skin got its own."""
    # What is what: teeth and tongue are where the source's would come to lie.
    mouth = expected_mouth(source)
    expected = {role: places for role, (_, places) in mouth.items()}
    roles = parts.name_inner_parts(target.points, target.component, target.roles, expected, target.outer)
    role = parts.point_roles(target.component, roles)
    for c, of_points in parts.split_mouths(target.points, target.triangles, target.component, roles, expected).items():
        role[target.component == c] = of_points
    # The skin: offsets of the source beneath it; lids and lips are made to meet.
    out = np.zeros((len(source.face.basis), len(target.points), 3), np.float32)
    turned = source.turn().T.astype(np.float32)
    skin_offsets = source.offsets(source.head.skin_points) @ turned
    skin = transfer_skin(source.head.skin, source.registered, skin_offsets, target.skin, hook)
    meet(skin.offsets, source.face.shape_index, target.skin, target.eyes)
    still = still_eye_shapes(source.face.shapes, target.skin)
    driven = [c.name for c in source.face.correctives if set(c.sources) & set(still)]
    skin.offsets[[source.face.basis_names.index(name) for name in still + driven]] = 0.0
    out[:, target.skin_points] = skin.offsets
    # Eyeballs, the inside of the mouth, and what is worn.
    for eye in (parts.RIGHT_EYE, parts.LEFT_EYE):
        mine = role == eye
        points = eye_points(source, eye)
        if mine.any() and len(points) >= 4:
            offsets = source.offsets(points)
            out[:, mine] = eye_offsets(source.head.points[points], offsets, target.points[mine], target.eyes[eye])
    for part, (points, places) in mouth.items():
        mine = role == part
        if mine.any():
            offsets, there = source.offsets(points) @ turned, target.points[mine]
            is_tongue = part == parts.TONGUE
            out[:, mine] = (
                nearby_offsets(cKDTree(places), offsets, there) if is_tongue else affine_offsets(places, offsets, there)
            )
    worn = role == parts.WORN
    if worn.any():
        out[:, worn] = worn_offsets(
            target.skin.points, skin.offsets, target.points[worn], target.component[worn], target.landmarks[33, 1]
        )
    return out, role, skin


def eye_points(source: Source, eye: int) -> Ints:
    """Source points of one eyeball."""
    points = source.region_points("eyes")
    x = source.head.points[points, 0]
    return points[x < 0] if eye == parts.RIGHT_EYE else points[x >= 0]


def carry_landmarks(source: Source, target: Head) -> Ints:
    """Mesh vertex (68,) nearest to each registered source landmark, on the right lip."""
    skin, seen = target.skin, target.skin.bare
    assert source.face.landmarks is not None
    own = source.head.from_skin(np.arange(len(source.registered)), -1)[source.head.vertex_point[source.face.landmarks]]
    places = np.where((own >= 0)[:, None], source.registered[np.maximum(own, 0)], skin.landmarks)
    sides = np.where(own >= 0, source.head.skin.features.lip_side[np.maximum(own, 0)], 0)
    chosen = np.zeros(68, np.int64)
    for k in range(68):
        usable = np.nonzero(seen & (skin.features.lip_side != -sides[k] if sides[k] else seen))[0]
        chosen[k] = usable[np.argmin(((skin.points[usable] - places[k]) ** 2).sum(1))]
    return target.vertex[target.skin_points[chosen]]


def carry_regions(source: Source, target: Head, roles: Ints, skin: Transfer) -> dict[str, Mask]:
    """Named vertex masks of the target."""
    near = skin.distance < 0.02
    regions: dict[str, Mask] = {}
    for name, mask in source.face.regions.items():
        share = (mask[source.head.vertex[source.head.skin_points]][skin.corners] * skin.weights).sum(1)
        regions[name] = target.from_skin((share > 0.5) & near, False)
    regions |= {name: roles == role for role, name in MOUTH_PARTS.items()}
    regions["skin"], regions["teeth"] = roles == parts.SKIN, regions["upper_teeth"] | regions["lower_teeth"]
    regions["eyes"] = (roles == parts.RIGHT_EYE) | (roles == parts.LEFT_EYE)
    regions["hair"] = hair(target, roles)
    regions.pop("nostrils", None)  # where they lie is not known well enough to shade them
    return {name: at_vertices(points, target.vertex_point, False) for name, points in regions.items()}


def hair(target: Head, roles: Ints) -> Mask:
    """Worn points of components that reach above the brows and are larger than the eyes."""
    bounds, brow = component_bounds(target.points, target.component), target.landmarks[19, 1]
    found = [c for c, (low, high) in bounds.items() if high[1] > brow and (high - low).max() > target.outer]
    return (roles == parts.WORN) & np.isin(target.component, found)


def fit_residual(source: Source, target: Head) -> float:
    """Median distance, metres at rig scale, of the target's visible inner face to the registered source."""
    centre = target.landmarks[17:].mean(0)
    inner = target.skin.bare & (np.linalg.norm(target.skin.points - centre, axis=1) < 0.75 * target.outer)
    if not inner.any():
        return 0.0
    squared, _, _ = closest_spots(source.registered, source.head.skin.triangles, target.skin.points[inner])
    return float(np.sqrt(np.median(squared)))
