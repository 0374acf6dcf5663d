"""A head made ready for registration: the role of each connected component, its skin, landmarks and lines.

All of it is in one upright frame: metres at the scale of the source ("rig scale"), +Y up, +Z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Ints, Mask
from sedtalker.face.face import Face, outer_eyes
from sedtalker.face.registration.alignment import Skin
from sedtalker.face.registration.features import SAMPLES, Features, find_features
from sedtalker.face.registration.pose import AVERAGED_VIEWS, FaceFix, locate
from sedtalker.mesh.mesh import grid_triangles
from sedtalker.mesh.rasteriser import View, fill, turn
from sedtalker.mesh.surface import (
    Points,
    Surface,
    adjacency,
    closest_spots,
    component_bounds,
    face_outwards,
    first_vertices,
    weld,
)
from sedtalker.nn.engine import open_model

SKIN, RIGHT_EYE, LEFT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, WORN = range(7)
"""Roles of connected components."""
MOUTH = (UPPER_TEETH, LOWER_TEETH, TONGUE)
"""Roles inside the mouth."""
EVENING_ROUNDS = 20
"""Rounds of averaging over neighbours before gums are parted between the jaws."""
NEAR_MOUTH = 0.012
"""Metres at rig scale from where teeth and tongue are expected; twice that for what is known to be of a mouth."""
LIMBUS = 29.2
"""Degrees from the gaze at which people's cornea ends: it is 11.7 mm wide, the eyeball 24 mm."""
NARROWEST = 6.0
"""Degrees: an opening between the lids that is lower is the tail of its corner, which thinned meshes lack."""
FINE = 2
"""Pixels a degree of the picture that an eyeball's centre sees."""
BEHIND = 150.0
"""Degrees from straight ahead beyond which nothing is drawn: there left and right meet."""
ALONG_SKIN = 0.004
"""Metres at rig scale from the skin within which a part lies along it: the thinnest teeth reach further away."""
WITHIN = 0.8
"""Share of an eyeball's radius: nearer to its centre, skin passes behind its surface."""
ROLES = ("skin", "right eye", "left eye", "upper teeth", "lower teeth", "tongue", "worn")
"""Names of the roles, in their order."""


@dataclass(frozen=True, eq=False)
class Eyeball:
    """A found eye: centre (3,), radius and surface (M, 3) in the coordinates of the points."""

    centre: Points
    radius: float
    points: Points = field(default_factory=lambda: np.zeros((0, 3)))

    def reach(self, places: Points) -> Doubles:
        """Distance (N,) of the surface from the centre in the direction of places (N, 3): larger at the cornea."""
        if len(self.points) < 12:
            return np.full(len(places), self.radius)
        away = self.points - self.centre
        far = np.linalg.norm(away, axis=1)
        tree = cKDTree(away / (far[:, None] + 1e-12))
        towards = places - self.centre
        apart, nearest = tree.query(towards / (np.linalg.norm(towards, axis=1, keepdims=True) + 1e-12), k=4)
        weight = 1.0 / (apart + 1e-6)
        return np.asarray((far[nearest] * weight).sum(axis=1) / weight.sum(axis=1))


def skin_components(component: Ints, triangles: Ints, landmark_triangles: Ints) -> NDArray[np.int64]:
    """Components that carry the landmarks: the one with most, and others that carry at least ten."""
    counts = np.bincount(component[triangles[landmark_triangles, 0]], minlength=int(component.max()) + 1)
    return np.nonzero((counts >= 10) | (counts == counts.max()))[0]


def find_eyes(
    points: Points, component: Ints, skin: NDArray[np.int64], landmarks: Points
) -> tuple[dict[int, int], dict[int, Eyeball]]:
    """Eyeball components of an upright face, with whatever lies inside them (iris, pupil, lens).

    Returns:
        role of each eye component; the ball of each eye role found.
    """
    outer = outer_eyes(landmarks)
    roles: dict[int, int] = {}
    balls: dict[int, Eyeball] = {}
    bounds = component_bounds(points, component)
    for role, eye in ((RIGHT_EYE, landmarks[36:42]), (LEFT_EYE, landmarks[42:48])):
        expected = eye.mean(0) - (0, 0, 0.13 * outer)
        near = [
            c
            for c, (low, high) in bounds.items()
            if c not in skin
            and np.linalg.norm((low + high) / 2 - expected) < 0.22 * outer
            and (high - low).max() < 0.6 * outer
        ]
        round_ones = [
            c for c in near if np.ptp(bounds[c], axis=0).min() > 0.55 * np.ptp(bounds[c], axis=0).max() > 0.07 * outer
        ]
        if not round_ones:
            continue
        biggest = max(round_ones, key=lambda c: float(np.ptp(bounds[c], axis=0).max()))
        centre, radius = fit_sphere(points[component == biggest])
        balls[role] = Eyeball(centre, radius, points[component == biggest])
        for c in near:
            away = np.linalg.norm(points[component == c] - centre, axis=1)
            if c == biggest or away.max() < 1.12 * radius:
                roles[c] = role
    return roles, balls


def fit_sphere(points: Points) -> tuple[Points, float]:
    """Least-squares sphere: centre (3,) and radius; flat or tiny clouds give their mean and extent."""
    middle = points.mean(0)
    local = points - middle
    system = np.concatenate([2 * local, np.ones((len(local), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(system, (local**2).sum(1), rcond=None)
    squared = float(solution[3] + (solution[:3] ** 2).sum())
    extent = float(np.ptp(points, axis=0).max()) / 2
    if squared <= 0 or not 0.6 * extent < np.sqrt(squared) < 1.6 * extent:
        return middle, extent
    return middle + solution[:3], float(np.sqrt(squared))


def name_inner_parts(
    points: Points, component: Ints, known: dict[int, int], references: dict[int, Points], outer: float
) -> dict[int, int]:
    """Roles of the remaining components: the nearest of teeth and tongue if inside the mouth, else something worn.

    Args:
        references: expected points of upper teeth, lower teeth and tongue by role.
        outer: outer-eye-corner distance.
    """
    roles = dict(known)
    trees = {role: cKDTree(reference) for role, reference in references.items() if len(reference)}
    inside = np.concatenate(list(references.values())) if trees else np.zeros((0, 3))
    skin = cKDTree(points[point_roles(component, roles) == SKIN])
    bounds = component_bounds(points, component)
    for c, (low, high) in bounds.items():
        if c in roles:
            continue
        roles[c] = WORN
        if not len(inside):
            continue
        mine = points[component == c]
        # In front of the teeth are lips and beards.
        low_box, high_box = inside.min(0) - 0.12 * outer, inside.max(0) + outer * np.array([0.12, 0.12, 0.03])
        middle = (low + high) / 2
        if ((middle < low_box) | (middle > high_box)).any() or (high - low).max() > 1.1 * outer:
            continue
        if low[0] * high[0] > 0.0 and skin.query(mine)[0].max() < ALONG_SKIN:  # all on one side: in a cheek
            continue
        distance = {role: float(np.median(tree.query(mine)[0])) for role, tree in trees.items()}
        roles[c] = min(distance, key=lambda role: distance[role] + misfit(bounds[c], references[role]))
    part_teeth(roles, bounds)
    return roles


def split_mouths(
    points: Points, triangles: Ints, component: Ints, roles: dict[int, int], references: dict[int, Points]
) -> dict[int, Ints]:
    """Components that hold both jaws, such as gums with a tongue: the nearest part's role for each of their points."""
    both = (UPPER_TEETH, LOWER_TEETH)
    if not all(role in references for role in both):
        return {}
    trees = {role: cKDTree(reference) for role, reference in references.items()}
    known = np.array(list(trees))
    upper, lower = (references[role] for role in both)
    top, bottom, width = upper[:, 1].max(), lower[:, 1].min(), 0.95 * np.ptp(upper[:, 0])
    found = {}
    for c, role in roles.items():
        if role not in (*MOUTH, WORN):
            continue
        mine = points[component == c]
        if mine[:, 1].max() < top or mine[:, 1].min() > bottom or np.ptp(mine[:, 0]) < width:
            continue
        distance = np.stack([tree.query(mine)[0] for tree in trees.values()])
        if np.median(distance.min(axis=0)) > (NEAR_MOUTH if role == WORN else 2.0 * NEAR_MOUTH):
            continue
        index = np.cumsum(component == c) - 1
        edges = adjacency(len(mine), index[triangles[component[triangles[:, 0]] == c]])
        degree = np.maximum(np.asarray(edges.sum(axis=1)).reshape(-1), 1.0)
        for _ in range(EVENING_ROUNDS):  # the gums of both jaws reach between each other's teeth
            distance = 0.5 * (distance + (edges @ distance.T).T / degree)
        nearest = known[distance.argmin(axis=0)].astype(np.int32)
        share = [float((nearest == part).mean()) for part in both]
        if min(share) > 0.15:
            found[c] = nearest
    return found


def misfit(bounds: Points, reference: Points) -> float:
    """Difference of a component's box from a reference part's, in height and, unless much smaller, in its corners.

    A row of teeth can be one component or one a tooth; a tongue is longer than a row.
    """
    box = np.stack([reference.min(0), reference.max(0)])
    height = abs(float(bounds[:, 1].mean() - box[:, 1].mean()))
    whole = float(np.ptp(bounds[:, 0])) > 0.4 * float(np.ptp(box[:, 0]))
    return height + (0.5 * float(np.abs(bounds - box).sum()) if whole else 0.0)


def part_teeth(roles: dict[int, int], bounds: dict[int, Points]) -> None:
    """If all rows of teeth got one role, make the lower of them the lower teeth; in place."""
    rows = [c for c, role in roles.items() if role in (UPPER_TEETH, LOWER_TEETH)]
    if len(rows) < 2 or len({roles[c] for c in rows}) > 1:
        return
    heights = [float(bounds[c][:, 1].mean()) for c in rows]
    middle = (max(heights) + min(heights)) / 2
    for c, height in zip(rows, heights, strict=True):
        roles[c] = UPPER_TEETH if height > middle else LOWER_TEETH


def point_roles(component: Ints, roles: dict[int, int]) -> Ints:
    """Role (N,) of each point."""
    table = np.full(int(component.max(initial=0)) + 1, WORN, np.int32)
    for c, role in roles.items():
        table[c] = role
    return table[component]


# --- The head as a whole.

CURTAIN_DEPTH = 0.001
"""Metres at rig scale that curtains hang behind the rims."""


@dataclass(frozen=True, eq=False)
class Head:
    """A welded head in rig coordinates (metres, +Y up, +Z front).

    Attributes:
        points: (N, 3); triangles: (T, 3); component: (N,).
        vertex_point: (V,) point of each mesh vertex, −1 where unused.
        skin: the skin alone; skin_points: (S,) which points it is made of.
        landmarks: (68, 3); outer: outer-eye-corner distance.
        roles: role of each component known so far (skin and eyes); eyes: eyeballs found, by role.
    """

    points: Points
    triangles: Ints
    component: Ints
    vertex_point: Ints
    skin: Skin
    skin_points: Ints
    landmarks: Points
    outer: float
    roles: dict[int, int]
    eyes: dict[int, Eyeball]

    @cached_property
    def vertex(self) -> Ints:
        """A mesh vertex (N,) of each point."""
        return first_vertices(self.vertex_point, len(self.points))

    @property
    def is_skin(self) -> Mask:
        """Points (N,) of the skin."""
        return self.from_skin(np.ones(len(self.skin_points), bool), False)

    def from_skin(self, values: NDArray[Any], elsewhere: Any) -> NDArray[Any]:
        """Values (N,) of all points: those of the skin's (S,), and ``elsewhere``."""
        whole = np.full(len(self.points), elsewhere, values.dtype)
        whole[self.skin_points] = values
        return whole


def prepare(surface: Surface, points: Points, landmarks: Points, landmark_triangles: Ints, confidence: Points) -> Head:
    """Find skin, eyes and lines of a surface whose ``points`` (N, 3) are upright and at rig scale."""
    # Components: which are skin, which are eyes.
    outer = outer_eyes(landmarks)
    skins = skin_components(surface.component, surface.triangles, landmark_triangles)
    roles, eyes = find_eyes(points, surface.component, skins, landmarks)
    for c in skins:
        roles[int(c)] = 0
    balls, of_triangle = [c for c, role in roles.items() if role != 0], surface.component[surface.triangles[:, 0]]
    skin_triangle, ball_triangle = np.isin(of_triangle, skins), np.isin(of_triangle, balls)
    features = find_features(points, surface.triangles, skin_triangle, ball_triangle, landmarks)
    # What is seen from outside, with the eyes' openings covered.
    centre = landmarks[[36, 45, 48, 54]].mean(0)
    solid = skin_triangle | ball_triangle
    closed = with_curtains(points, surface.triangles[solid], features)
    bare, seen, outwards = face_outwards(*closed, centre, 1.45 * outer)
    is_mine = np.nonzero(skin_triangle[solid])[0]
    # The skin alone, renumbered.
    skin_points = np.nonzero(np.isin(surface.component, skins))[0].astype(np.int32)
    local = np.searchsorted(skin_points, outwards[is_mine]).astype(np.int32)
    weights = np.asarray(confidence, np.float64) * np.where(np.arange(68) < 17, 0.15, 1.0)
    features = replace(features, lip_side=features.lip_side[skin_points], upper_share=features.upper_share[skin_points])
    skin = Skin(points[skin_points], local, seen[is_mine], bare[skin_points], landmarks, weights, features)
    whole = points, surface.triangles, surface.component, surface.vertex_point
    return Head(*whole, skin, skin_points, landmarks, outer, roles, eyes)


def abduction(head: Head) -> float | None:
    """Degrees that the eyes can turn aside until the cornea's edge reaches the outer end of the opening of the lids.

    Clinics call it full abduction: the limbus touches the outer canthus. The mean of both, as eyes turn together; None
    where no ball lies behind open lids.
    """
    found = [
        outer_end(head, head.eyes[role], outwards) - LIMBUS
        for role, line, outwards in zip((RIGHT_EYE, LEFT_EYE), head.skin.features.lids, (-1.0, 1.0), strict=True)
        if role in head.eyes and line.found
    ]
    return float(np.nanmean(found)) if np.isfinite(found).any() else None


def outer_end(head: Head, ball: Eyeball, outwards: float) -> float:
    """Degrees from straight ahead at which the opening between the lids ends, as the ball's centre sees them.

    From there they are seen square on, however the ball curves away from the front. NaN where skin hides the front.
    """
    away = (head.points - ball.centre) * (outwards, 1.0, 1.0)
    far = np.linalg.norm(away, axis=1) + 1e-12
    aside, up = np.degrees([np.arctan2(away[:, 0], away[:, 2]), np.arcsin(away[:, 1] / far)])
    screen = np.stack([FINE * (90 + aside), FINE * (90 - up), -far, np.abs(aside) < BEHIND], axis=1)
    _, depth = fill(screen, head.triangles[head.is_skin[head.triangles[:, 0]]], 180 * FINE, 180 * FINE)
    openings, _ = label(-depth < WITHIN * ball.radius)
    ahead = openings[90 * FINE, 90 * FINE]
    open_columns = np.flatnonzero((openings == ahead).sum(axis=0) >= NARROWEST * FINE)
    return float((open_columns[-1] + 1) / FINE - 90.0) if ahead and len(open_columns) else np.nan


def with_curtains(points: Points, triangles: Ints, features: Features) -> tuple[Points, Ints]:
    """The surface with a strip drawn across each open eye, so that an empty socket counts as unseen."""
    lines = [line for line in features.lids if line.found]
    strip = grid_triangles(2, SAMPLES)
    rims = [np.concatenate([line.upper, line.lower]) - (0, 0, CURTAIN_DEPTH) for line in lines]
    starts = len(points) + 2 * SAMPLES * np.arange(len(lines))
    return np.concatenate([points, *rims]), np.concatenate([triangles, *(strip + start for start in starts)])


@lru_cache(maxsize=2)  # every fit starts from the same built-in face
def prepare_source(face: Face) -> Head:
    """A known face as a head.

    Its landmarks are those the detector sees, so that what the detector sees on a target means the same places.
    """
    if face.landmarks is None:
        raise ValueError(f"face {face.name} has no landmarks")
    surface = weld(face.mesh)
    landmarks = face.marks
    outer = outer_eyes(landmarks)
    middle = landmarks[[36, 45, 48, 54]].mean(0)
    views = [View(turn(*tilt), middle, 1.45 * outer) for tilt in AVERAGED_VIEWS]
    seen = locate(surface, views, landmarks, open_model("landmarks"))
    if seen is not None and seen.residual < 0.1:
        landmarks, triangles = seen.landmarks, seen.triangles
    else:
        _, triangles, _ = closest_spots(surface.points, surface.triangles, landmarks)
    return prepare(surface, surface.points, landmarks, triangles, np.ones(68))


def prepare_target(surface: Surface, fix: FaceFix, reference: Points) -> Head:
    """A found face as a head at the scale and place of the reference landmarks (68, 3) it was found with."""
    points = fix.alignment.apply(surface.points)
    landmarks = fix.alignment.apply(fix.landmarks)
    outer = outer_eyes(landmarks)
    oddity = np.linalg.norm(landmarks - reference, axis=1) / outer
    confidence = np.clip(fix.confidence, 0.1, 1.0) / (1.0 + (oddity / 0.15) ** 4)
    return prepare(surface, points, landmarks, fix.triangles, confidence)
