"""A head made ready for registration: its skin, parts, landmarks and lines in one upright frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sedtalker.face.face import Face
from sedtalker.face.landmarks import LandmarkDetector
from sedtalker.face.registration.alignment import Skin
from sedtalker.face.registration.features import SAMPLES, Features, find_features
from sedtalker.face.registration.parts import Eyeball, find_eyes, skin_components, triangle_mask
from sedtalker.face.registration.pose import AVERAGED_VIEWS, FaceFix, locate, snap
from sedtalker.mesh.mesh import Ints, Mask, grid_triangles
from sedtalker.mesh.surface import Points, Surface, face_outwards, first_vertices, weld
from sedtalker.mesh.views import View, turn

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

    @property
    def skin_seen(self) -> Mask:
        """Skin points (S,) visible from outside."""
        return self.skin.bare


def prepare(surface: Surface, points: Points, landmarks: Points, landmark_triangles: Ints, confidence: Points) -> Head:
    """Find skin, eyes and lines of a surface whose ``points`` (N, 3) are upright and at rig scale."""
    # Components: which are skin, which are eyes.
    outer = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    skins = skin_components(surface.component, surface.triangles, landmark_triangles)
    roles, eyes = find_eyes(points, surface.component, skins, landmarks)
    for c in skins:
        roles[int(c)] = 0
    is_skin = np.isin(surface.component, skins)
    balls = np.isin(surface.component, [c for c, role in roles.items() if role != 0])
    skin_triangle = triangle_mask(is_skin, surface.triangles)
    features = find_features(
        points, surface.triangles, skin_triangle, triangle_mask(balls, surface.triangles), landmarks
    )
    # What is seen from outside, with the eyes' openings covered.
    centre = landmarks[[36, 45, 48, 54]].mean(0)
    solid = skin_triangle | triangle_mask(balls, surface.triangles)
    closed = with_curtains(points, surface.triangles[solid], features)
    bare, seen, outwards = face_outwards(*closed, centre, 1.45 * outer)
    is_mine = np.nonzero(skin_triangle[solid])[0]
    # The skin alone, renumbered.
    skin_points = np.nonzero(is_skin)[0].astype(np.int32)
    index = np.full(len(points), -1, np.int32)
    index[skin_points] = np.arange(len(skin_points))
    local = index[outwards[is_mine]]
    weights = np.asarray(confidence, np.float64) * np.where(np.arange(68) < 17, 0.15, 1.0)
    features = type(features)(features.lip_side[skin_points], features.lips, features.lids)
    skin = Skin(points[skin_points], local, seen[is_mine], bare[skin_points], landmarks, weights, features)
    return Head(
        points=points,
        triangles=surface.triangles,
        component=surface.component,
        vertex_point=surface.vertex_point,
        skin=skin,
        skin_points=skin_points,
        landmarks=landmarks,
        outer=outer,
        roles=roles,
        eyes=eyes,
    )


def with_curtains(points: Points, triangles: Ints, features: Features) -> tuple[Points, Ints]:
    """The surface with a strip drawn across each open eye, so that an empty socket counts as unseen."""
    lines = [line for line in features.lids if line.found]
    strip = grid_triangles(2, SAMPLES)
    rims = [np.concatenate([line.upper, line.lower]) - (0, 0, CURTAIN_DEPTH) for line in lines]
    starts = len(points) + 2 * SAMPLES * np.arange(len(lines))
    return np.concatenate([points, *rims]), np.concatenate([triangles, *(strip + start for start in starts)])


def prepare_source(face: Face, detector: LandmarkDetector) -> tuple[Head, Ints]:
    """A known face as a head, and one mesh vertex (N,) for each of its points.

    Its landmarks are those the detector sees, so that what the detector sees on a target means the same places.
    """
    if face.landmarks is None:
        raise ValueError(f"face {face.name} has no landmarks")
    surface = weld(face.mesh)
    landmarks = face.mesh.vertices[face.landmarks].astype(np.float64)
    outer = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    middle = landmarks[[36, 45, 48, 54]].mean(0)
    views = [View(turn(*tilt), middle, 1.45 * outer) for tilt in AVERAGED_VIEWS]
    seen = locate(surface, views, landmarks, detector)
    if seen is not None and seen.residual < 0.1:
        landmarks, triangles = seen.landmarks, seen.triangles
    else:
        _, triangles = snap(surface, landmarks)
    vertex = first_vertices(surface.vertex_point, len(surface.points))
    return prepare(surface, surface.points, landmarks, triangles, np.ones(68)), vertex


def prepare_target(surface: Surface, fix: FaceFix, reference: Points) -> Head:
    """A found face as a head at the scale and place of the reference landmarks (68, 3) it was found with."""
    points = fix.alignment.apply(surface.points)
    landmarks = fix.alignment.apply(fix.landmarks)
    outer = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    oddity = np.linalg.norm(landmarks - reference, axis=1) / outer
    confidence = np.clip(fix.confidence, 0.1, 1.0) / (1.0 + (oddity / 0.15) ** 4)
    return prepare(surface, points, landmarks, fix.triangles, confidence)
