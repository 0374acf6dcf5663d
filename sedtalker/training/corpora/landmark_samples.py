"""Endless random geometry views of heads with known landmarks, and of things that are no faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sedtalker.arrays import Doubles, Floats, Ints, Mask
from sedtalker.mesh.mesh import grid_triangles
from sedtalker.mesh.rasteriser import View, geometry_channels, turn
from sedtalker.training.task import Example

Points = Doubles


@dataclass(frozen=True, eq=False)
class Rig:
    """A morphable head to draw training heads from; lengths in centimetres, +Y up, +Z front.

    Attributes:
        neutral: (V, 3).
        identity: (M, V, 3) modes of one standard deviation (M may be 0).
        expressions: (E, V, 3) offsets at full strength, expression_names (E,).
        topologies: triangle sets (T, 3) over the vertices: the same head at several resolutions.
        eyes, mouth_inside: (V,) vertices of eyeballs, and of teeth, gums and tongue.
        landmarks: (68,) vertex ids.
    """

    neutral: Points
    identity: Floats
    expressions: Floats
    expression_names: tuple[str, ...]
    topologies: tuple[Ints, ...]
    eyes: Mask
    mouth_inside: Mask
    landmarks: Ints


def draw(rig: Rig, size: int, rng: np.random.Generator) -> Example:
    """One random example: two thirds are faces within ±45° of the viewer, one third is anything else.

    Returns:
        ``channels`` (4, S, S), ``points`` (68, 2) in [-1, 1] with y up, and ``face``, 1 where one is seen, else 0.
    """
    kind = rng.random()
    if kind < 0.18:
        vertices, triangles = random_solids(rng)
        view = View(
            random_rotation(rng), vertices.mean(0), float(np.ptp(vertices, axis=0).max()) * rng.uniform(0.35, 0.9)
        )
        channels = geometry_channels(view.project(vertices), triangles, size)
        return {"channels": channels, "points": np.zeros((68, 2), np.float32), "face": np.zeros((), np.float32)}
    melted = kind < 0.22
    vertices, triangles, landmarks = random_head(rig, rng, melted)
    face = kind > 0.34
    view = face_view(landmarks, rng) if face else blind_view(landmarks, rng, melted)
    channels = geometry_channels(view.project(vertices), triangles, size)
    points = view.project(landmarks)[:, :2]
    if face and (np.abs(points) < 1).all(axis=1).mean() < 0.7:
        face = False
    return {"channels": channels, "points": points.astype(np.float32), "face": np.array(face, np.float32)}


def random_head(rig: Rig, rng: np.random.Generator, melted: bool = False) -> tuple[Points, Ints, Points]:
    """Vertices, triangles and the 68 landmark positions of a random, often stylised, head."""
    shape = rig.neutral.copy()
    if len(rig.identity):
        strength = rng.uniform(0.3, 2.0)
        weights = np.clip(rng.normal(size=len(rig.identity)) * strength, -3.5, 3.5).astype(np.float32)
        shape += np.tensordot(weights, rig.identity, 1)
    shape += expression(rig, rng)
    points = np.concatenate([shape, shape[rig.landmarks]])
    points = stylise(points, points[-68:], rng)
    if melted:
        points = warp(points, rng, count=14, amplitude=2.5, symmetric=False)
    vertices, landmarks = points[:-68], points[-68:]
    triangles = rig.topologies[rng.integers(len(rig.topologies))]
    triangles = triangles[keep_triangles(rig, vertices, triangles, landmarks, rng)]
    if rng.random() < 0.2:
        vertices = vertices + rng.normal(size=vertices.shape) * rng.uniform(0.01, 0.06)
    for extra in extras(vertices, triangles, rig, landmarks, rng):
        triangles = np.concatenate([triangles, extra[1] + len(vertices)]).astype(np.int32)
        vertices = np.concatenate([vertices, extra[0]])
    return vertices, triangles, landmarks


def expression(rig: Rig, rng: np.random.Generator) -> Points:
    """Offsets (V, 3) of a random expression: half of all heads are neutral, some have closed eyes or open mouths."""
    weights = np.zeros(len(rig.expression_names), np.float32)
    if rng.random() < 0.5:
        for _ in range(rng.integers(1, 5)):
            weights[rng.integers(len(weights))] = rng.uniform(0, 0.8)
    for words, chance, limit in ((("jawOpen",), 0.3, 0.5), (("Blink",), 0.2, 1.0), (("Wide",), 0.1, 1.0)):
        if rng.random() < chance:
            value = rng.uniform(0, limit)
            for i, name in enumerate(rig.expression_names):
                if any(word in name for word in words):
                    weights[i] = value
    return np.tensordot(weights, rig.expressions, 1).astype(np.float64)


def stylise(points: Points, landmarks: Points, rng: np.random.Generator) -> Points:
    """Anisotropic scale, exaggerated eyes, nose, mouth, jaw and skull, and a smooth random warp."""
    out = points * np.exp(rng.normal(size=3) * rng.choice([0.03, 0.1]))
    if rng.random() < 0.6:
        spots = [
            (landmarks[36:42].mean(0), 2.6, rng.uniform(0.8, 1.7)),
            (landmarks[42:48].mean(0), 2.6, 0.0),
            (landmarks[30], 2.2, rng.uniform(0.5, 1.5)),
            (landmarks[[48, 54]].mean(0), 3.2, rng.uniform(0.7, 1.4)),
            (landmarks[8], 4.5, rng.uniform(0.7, 1.35)),
            (landmarks[27] + (0, 7, -5), 8.0, rng.uniform(0.8, 1.4)),
        ]
        shift = np.zeros_like(out)
        for i, (centre, radius, factor) in enumerate(spots):
            factor = spots[0][2] if i == 1 else factor
            away = points - centre
            shift += (factor - 1) * np.exp(-(away**2).sum(1) / (2 * radius**2))[:, None] * away
        out = out + shift
    return warp(out, rng, count=5, amplitude=rng.choice([0.15, 0.5, 0.9]), symmetric=rng.random() < 0.8)


def warp(points: Points, rng: np.random.Generator, count: int, amplitude: float, symmetric: bool) -> Points:
    """Points moved by a sum of Gaussian bumps of 3–10 cm."""
    out = points.copy()
    for _ in range(count):
        centre = rng.uniform((-8, -9, 0), (8, 12, 12))
        move = rng.normal(size=3) * amplitude
        radius = rng.uniform(3, 10)
        sides = ((1, 1, 1), (-1, 1, 1)) if symmetric else ((1, 1, 1),)
        for side in sides:
            fall = np.exp(-((points - centre * side) ** 2).sum(1) / (2 * radius**2))
            out += fall[:, None] * (move * side)
    return out


def keep_triangles(rig: Rig, vertices: Points, triangles: Ints, landmarks: Points, rng: np.random.Generator) -> Mask:
    """Triangles left after some parts are taken away: eyes, mouth interior, neck, back of the head."""
    drop = np.zeros(len(vertices), bool)
    if rng.random() < 0.2:
        drop |= rig.eyes
    if rng.random() < 0.4:
        drop |= rig.mouth_inside
    inside = rig.eyes | rig.mouth_inside
    if rng.random() < 0.4:
        drop |= ~inside & (vertices[:, 1] < landmarks[8, 1] - rng.uniform(0.5, 9))
    if rng.random() < 0.2:
        drop |= ~inside & (vertices[:, 2] < landmarks[[0, 16], 2].mean() + rng.uniform(-9, 0.5))
    return np.asarray(~drop[triangles].any(axis=1))


def extras(
    vertices: Points, triangles: Ints, rig: Rig, landmarks: Points, rng: np.random.Generator
) -> list[tuple[Points, Ints]]:
    """Hair caps, glasses, hats, buns and shoulders as further components."""
    parts = []
    if rng.random() < 0.45:
        parts.append(hair_cap(vertices, triangles, rig, landmarks, rng))
    if rng.random() < 0.12:
        rings = []
        for eye in (landmarks[36:42].mean(0), landmarks[42:48].mean(0)):
            ring, faces = torus(rng.uniform(1.8, 3.2), rng.uniform(0.1, 0.3))
            rings.append((ring + eye + (0, -0.2, rng.uniform(0.8, 2.0)), faces))
        parts += rings
    if rng.random() < 0.3:
        ball, faces = sphere(12)
        centre = landmarks[8] + (0, -rng.uniform(13, 22), -8)
        parts.append((ball * rng.uniform((14, 4, 6), (26, 9, 12)) + centre, faces))
    if rng.random() < 0.2:
        ball, faces = sphere(12)
        centre = landmarks[27] + rng.normal(size=3) * (6, 3, 3) + (0, 12, -9)
        parts.append((ball * rng.uniform(2, 7, size=3) + centre, faces))
    return parts


def hair_cap(
    vertices: Points, triangles: Ints, rig: Rig, landmarks: Points, rng: np.random.Generator
) -> tuple[Points, Ints]:
    """A shell over the skull above a slanted hairline, pushed outwards unevenly."""
    slope = np.radians(rng.uniform(5, 75))
    normal = np.array([0.0, np.cos(slope), -np.sin(slope)])
    hairline = landmarks[27] + (0, rng.uniform(2.5, 7.5), 0)
    above = ((vertices - hairline) @ normal > 0) & ~rig.eyes[: len(vertices)] & ~rig.mouth_inside[: len(vertices)]
    faces = triangles[above[triangles].all(axis=1)]
    centre = landmarks[[0, 16]].mean(0) + (0, 2, 0)
    away = vertices - centre
    away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-9
    shell = warp(vertices, rng, 4, 0.8, False) + away * rng.uniform(0.4, 3.0)
    return shell, faces


def face_view(landmarks: Points, rng: np.random.Generator) -> View:
    """A view of the face: within ±40° of yaw, ±35° of pitch and roll, close or far."""
    outer = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    middle = landmarks[[36, 45, 48, 54]].mean(0)
    if rng.random() < 0.5:
        rotation = turn(rng.uniform(-30, 30), rng.uniform(-22, 22), rng.normal() * 6)
        half = outer * rng.uniform(1.2, 1.8)
        offset = rng.normal(size=3) * 0.12 * outer
    else:
        rotation = turn(rng.uniform(-42, 42), rng.uniform(-35, 35), rng.uniform(-35, 35))
        half = outer * np.exp(rng.uniform(np.log(1.3), np.log(4.8)))
        offset = rng.uniform(-1, 1, size=3) * max(half - outer, 0.2 * outer) * 0.8
    return View(rotation, middle + offset @ rotation, half)


def blind_view(landmarks: Points, rng: np.random.Generator, melted: bool) -> View:
    """A view in which no face should be found: sideways, from behind, from above, upside down or a corner of it."""
    outer = float(np.linalg.norm(landmarks[45] - landmarks[36]))
    middle = landmarks[[36, 45, 48, 54]].mean(0)
    sign = rng.choice([-1, 1])
    rotation = (
        turn(sign * rng.uniform(72, 180), rng.uniform(-40, 40), rng.uniform(-180, 180)),
        turn(rng.uniform(-40, 40), sign * rng.uniform(65, 110), rng.uniform(-180, 180)),
        turn(rng.uniform(-40, 40), rng.uniform(-35, 35), sign * rng.uniform(65, 180)),
        turn(rng.uniform(-40, 40), rng.uniform(-35, 35), rng.uniform(-40, 40)),
    )[3 if melted else rng.integers(3)]
    half = outer * np.exp(rng.uniform(np.log(0.9), np.log(4.5)))
    return View(rotation, middle + rng.normal(size=3) * (0.1 if melted else 0.3) * half, half)


def random_rotation(rng: np.random.Generator) -> Points:
    """A uniformly random rotation (3, 3)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def sphere(rings: int) -> tuple[Points, Ints]:
    """A unit sphere of ``rings`` × 2 ``rings`` quads, split."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    return points.reshape(-1, 3), grid_triangles(rings + 1, 2 * rings + 1)


def torus(radius: float, thickness: float) -> tuple[Points, Ints]:
    """A ring in the XY plane."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, 2 * np.pi, 9), indexing="ij")
    around = radius + thickness * np.cos(v)
    points = np.stack([around * np.cos(u), around * np.sin(u), thickness * np.sin(v)], -1)
    return points.reshape(-1, 3), grid_triangles(25, 9)


def random_solids(rng: np.random.Generator) -> tuple[Points, Ints]:
    """One to eight random balls, boxes and rings stuck together and bent."""
    vertices, faces, count = [], [], 0
    for _ in range(rng.integers(1, 9)):
        points, triangles = (sphere(10), sphere(2), torus(1.0, rng.uniform(0.1, 0.6)))[rng.choice(3, p=(0.6, 0.2, 0.2))]
        if rng.random() < 0.3:
            points = np.sign(points) * np.abs(points) ** rng.uniform(0.3, 1)
        points = (points * np.exp(rng.normal(size=3) * 0.5) * rng.uniform(0.3, 1.0)) @ random_rotation(rng)
        vertices.append(points * 8 + rng.normal(size=3) * 6)
        faces.append(triangles + count)
        count += len(points)
    bent = warp(np.concatenate(vertices), rng, 6, rng.choice([0.2, 1.5]), rng.random() < 0.5)
    return bent, np.concatenate(faces).astype(np.int32)
