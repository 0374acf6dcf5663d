"""Geometry of hair: the scalp, and the ribbons, curls and caps that lie on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sedtalker.face.builtin.hair import HEAD, hairline
from sedtalker.face.builtin.parts import Index, Points, Skin
from sedtalker.mesh.mesh import vertex_normals

CROWN = np.array([0.10, 0.80, -0.52])
"""Direction from ``HEAD`` to the crown, where all locks would meet."""


class Scalp:
    """The surface of the head of neutral identity, without ears."""

    def __init__(self, skin: Skin) -> None:
        ray = skin.vertices - HEAD
        radius = np.linalg.norm(ray, axis=1)
        keep = (skin.vertices[:, 1] > -11) & (radius > 5) & ~skin.ears
        self._radii = radius[keep]
        self._tree = cKDTree(ray[keep] / radius[keep, None])
        triangles = np.concatenate([skin.quads[:, :3], skin.quads[:, [0, 2, 3]]]).astype(np.int32)
        self._points = skin.vertices[keep]
        self._normals = vertex_normals(skin.vertices.astype(np.float32), triangles)[keep].astype(float)
        self._places = cKDTree(self._points)

    def direction(self, azimuth: Points, s: Points) -> Points:
        """(..., 3) unit vectors from ``HEAD``: 0 at the crown, 1 at the hairline, on great arcs."""
        a = np.radians(azimuth)
        height = hairline(azimuth)
        reach = np.full_like(a, 8.5)
        for _ in range(6):
            end = np.stack([reach * np.sin(a), height - HEAD[1], reach * np.cos(a)], axis=-1)
            end /= np.linalg.norm(end, axis=-1, keepdims=True)
            reach = self.radius(end) * np.hypot(end[..., 0], end[..., 2])
        return arc(CROWN / np.linalg.norm(CROWN), end, s)

    def radius(self, directions: Points) -> Points:
        """Distance of the surface from ``HEAD`` along unit vectors (..., 3)."""
        distance, at = self._tree.query(directions.reshape(-1, 3), k=4)
        weight = 1 / (distance + 0.01) ** 2
        return ((weight * self._radii[at]).sum(1) / weight.sum(1)).reshape(directions.shape[:-1])

    def surface(self, directions: Points) -> tuple[Points, Points]:
        """Points (..., 3) of the head in those directions, and its smooth normals."""
        flat = (HEAD + directions * self.radius(directions)[..., None]).reshape(-1, 3)
        normal = flat - HEAD
        for _ in range(3):
            distance, at = self._places.query(flat, k=6)
            weight = 1 / (distance + 0.05) ** 2
            weight /= weight.sum(1, keepdims=True)
            normal = np.einsum("nk,nkd->nd", weight, self._normals[at])
            normal /= np.linalg.norm(normal, axis=1, keepdims=True)
            height = np.einsum("nk,nkd,nd->n", weight, flat[:, None] - self._points[at], normal)
            flat = flat - height[:, None] * normal
        return flat.reshape(directions.shape), normal.reshape(directions.shape)


def arc(start: Points, end: Points, share: Points) -> Points:
    """Great-circle interpolation of unit vectors; shares beyond 0 and 1 go on along the circle."""
    angle = np.arccos(np.clip((start * end).sum(-1), -1, 1))
    first, second = np.sin((1 - share) * angle), np.sin(share * angle)
    return (first[..., None] * start + second[..., None] * end) / np.maximum(np.sin(angle), 1e-6)[..., None]


# --- Pieces of which hair is made: arched ribbons, round curls, and the cap beneath them.

ACROSS = np.array([-1.0, 0.0, 1.0])
"""Places across a lock, in half widths."""
CAP_COLUMNS, CAP_ROWS = 48, 9
"""Size of the grid of the cap beneath the locks: round the head, and from the crown to the hairline."""


@dataclass(frozen=True, eq=False)
class Strands:
    """A piece of hair.

    Attributes:
        vertices: (V, 3) centimetres.
        quads: (Q, 4).
        roots: (V, 3) points of the scalp that carry them.
        tones: (V, 4) share of the lighter of two colours, and factors of red, green and blue.
    """

    vertices: Points
    quads: Index
    roots: Points
    tones: Points


def join(pieces: list[Strands]) -> Strands:
    """All pieces as one."""
    starts = np.cumsum([0] + [len(p.vertices) for p in pieces[:-1]])
    return Strands(
        np.concatenate([p.vertices for p in pieces]),
        np.concatenate([p.quads + s for p, s in zip(pieces, starts, strict=True)]),
        np.concatenate([p.roots for p in pieces]),
        np.concatenate([p.tones for p in pieces]),
    )


def ribbons(centre: Points, normal: Points, half: Points, rise: Points, roots: Points, tones: Points) -> Strands:
    """Locks with an arched cross-section.

    Args:
        centre: (L, S, 3) middle of each lock from root to tip.
        normal: (L, S, 3) away from the head.
        half: (L, S) half widths.
        rise: (L, S) height of the arch.
        roots: (L, S, 3) scalp points that carry them.
        tones: (L, S, 4) of the middle; the edges are darker.
    """
    along = np.gradient(centre, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-9)
    side = np.cross(along, normal)
    side /= np.maximum(np.linalg.norm(side, axis=2, keepdims=True), 1e-9)
    up = np.cross(side, along)
    arch = (1 - ACROSS**2) ** 0.7
    vertices = (
        centre[:, :, None]
        + side[:, :, None] * (half[..., None] * ACROSS)[..., None]
        + up[:, :, None] * (rise[..., None] * arch - 0.05)[..., None]
    )
    shade = np.ones((len(ACROSS), 4))
    shade[np.abs(ACROSS) > 0.9, 1:] = 0.72
    n, s, m = vertices.shape[:3]
    start = (np.arange(n)[:, None, None] * s + np.arange(s - 1)[:, None]) * m + np.arange(m - 1)
    quads = np.stack([start, start + 1, start + 1 + m, start + m], axis=-1).reshape(-1, 4)
    return Strands(
        vertices.reshape(-1, 3),
        quads,
        np.repeat(roots[:, :, None], m, axis=2).reshape(-1, 3),
        (tones[:, :, None] * shade).reshape(-1, 4),
    )


def cap(scalp: Scalp, thickness: Points, rng: np.random.Generator) -> Strands:
    """A thin closed surface from the crown to the hairline; ``thickness`` has ``CAP_ROWS`` values, crown first."""
    azimuth = np.linspace(-180, 180, CAP_COLUMNS, endpoint=False)
    s = 1 - (1 - np.linspace(0.04, 1, CAP_ROWS)) ** 1.4
    ragged = 0.05 * rng.uniform(-1, 0.2, CAP_COLUMNS)
    grid_s = s[:, None] * (1 + ragged * s[:, None] ** 4)
    place, normal = scalp.surface(scalp.direction(np.tile(azimuth, (CAP_ROWS, 1)), grid_s))
    points = place + normal * thickness[:, None, None]
    tones = 0.88 * rng.uniform(0.85, 1.1, (CAP_ROWS, CAP_COLUMNS, 1)) * np.array([0.0, 1.0, 1.0, 1.0])
    return closed_shell(points, place, tones)


def closed_shell(points: Points, roots: Points, tones: Points) -> Strands:
    """A surface of rings (R, C, 3) from the crown outwards; a vertex at the crown closes it (C even)."""
    rows, n, _ = points.shape
    quads = [[0, 1 + k, 1 + (k + 1) % n, 1 + (k + 2) % n] for k in range(0, n, 2)]
    quads += [
        [1 + r * n + k, 1 + (r + 1) * n + k, 1 + (r + 1) * n + (k + 1) % n, 1 + r * n + (k + 1) % n]
        for r in range(rows - 1) for k in range(n)
    ]  # fmt: skip
    whole = [np.concatenate([[x[0].mean(0)], x.reshape(-1, x.shape[-1])]) for x in (points, roots, tones)]
    return Strands(whole[0], np.array(quads), whole[1], whole[2])


def streaks(t: NDArray[np.float64], count: int, rng: np.random.Generator, sheen: float = 0.4) -> Points:
    """(L, S, 4) tones of locks: each its own, dark roots, a sheen at mid length."""
    tone = rng.uniform(0.88, 1.12, (count, 1, 1)) * rng.uniform(0.99, 1.01, (count, 1, 3))
    shine = np.interp(t, [0, 0.25, 0.5, 0.8, 1], [0.0, 0.6, 1.0, 0.5, 0.25])[None, :, None]
    light = sheen * shine * rng.uniform(0.5, 1.2, (count, 1, 1))
    return np.concatenate([light, np.broadcast_to(tone, (*light.shape[:2], 3))], axis=2)


def curls(centre: Points, normal: Points, radius: NDArray[np.float64], rng: np.random.Generator) -> Strands:
    """Curls round (n, 3): tapering ribbons bent almost to a circle about an axis that leans any way, so that no two
    show the same ring."""
    n, t = len(centre), np.linspace(0, 1, 9)
    axis = normal + rng.normal(0, 0.55, (n, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    first = np.cross(axis, rng.normal(size=(n, 3)))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(axis, first)
    turn = 2 * np.pi * 0.85 * t * rng.choice([-1.0, 1.0], (n, 1))
    ray = np.cos(turn)[..., None] * first[:, None] + np.sin(turn)[..., None] * second[:, None]
    reach = radius[:, None] * (1.05 - 0.35 * t)
    path = centre[:, None] + reach[..., None] * ray + (radius[:, None] * (0.45 * t - 0.25))[..., None] * axis[:, None]
    half = 0.42 * radius[:, None] * np.interp(t, [0, 0.2, 0.5, 0.8, 1], [0.2, 0.85, 1.0, 0.7, 0.12])
    up = 0.8 * axis[:, None] + 0.6 * ray
    tones = streaks(t, n, rng, 0.45)
    tones[..., 1:] *= np.interp(t, [0, 0.4, 1], [0.72, 0.95, 1.08])[None, :, None]
    return ribbons(path, up, half, 0.55 * half, np.repeat(centre[:, None], len(t), axis=1), tones)
