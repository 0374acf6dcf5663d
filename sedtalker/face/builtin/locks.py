"""Pieces of which hair is made: arched ribbons, round curls, and the cap beneath them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.builtin.character import Palette
from sedtalker.face.builtin.parts import Index, Points
from sedtalker.face.builtin.scalp import Scalp

ACROSS = np.array([-1.0, 0.0, 1.0])
CAP_COLUMNS, CAP_ROWS = 48, 9


@dataclass(frozen=True, eq=False)
class Strands:
    """A piece of hair: vertices (V, 3), quads (Q, 4), roots (V, 3) on the scalp that carry them, colours (V, 3)."""

    vertices: Points
    quads: Index
    roots: Points
    colours: Points


def join(pieces: list[Strands]) -> Strands:
    """All pieces as one."""
    starts = np.cumsum([0] + [len(p.vertices) for p in pieces[:-1]])
    return Strands(
        np.concatenate([p.vertices for p in pieces]),
        np.concatenate([p.quads + s for p, s in zip(pieces, starts, strict=True)]),
        np.concatenate([p.roots for p in pieces]),
        np.concatenate([p.colours for p in pieces]),
    )


def ribbons(centre: Points, normal: Points, half: Points, rise: Points, roots: Points, colours: Points) -> Strands:
    """Locks with an arched cross-section.

    Args:
        centre: (L, S, 3) middle of each lock from root to tip.
        normal: (L, S, 3) away from the head.
        half: (L, S) half widths.
        rise: (L, S) height of the arch.
        roots: (L, S, 3) scalp points that carry them.
        colours: (L, S, 3) of the middle; the edges are darker.
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
    shade = np.where(np.abs(ACROSS) < 0.9, 1.0, 0.72)
    n, s, m = vertices.shape[:3]
    start = (np.arange(n)[:, None, None] * s + np.arange(s - 1)[:, None]) * m + np.arange(m - 1)
    quads = np.stack([start, start + 1, start + 1 + m, start + m], axis=-1).reshape(-1, 4)
    return Strands(
        vertices.reshape(-1, 3),
        quads,
        np.repeat(roots[:, :, None], m, axis=2).reshape(-1, 3),
        (colours[:, :, None] * shade[:, None]).reshape(-1, 3),
    )


def cap(scalp: Scalp, thickness: Points, palette: Palette, rng: np.random.Generator) -> Strands:
    """A thin closed surface from the crown to the hairline; ``thickness`` has ``CAP_ROWS`` values, crown first."""
    azimuth = np.linspace(-180, 180, CAP_COLUMNS, endpoint=False)
    s = 1 - (1 - np.linspace(0.04, 1, CAP_ROWS)) ** 1.4
    ragged = 0.05 * rng.uniform(-1, 0.2, CAP_COLUMNS)
    grid_s = s[:, None] * (1 + ragged * s[:, None] ** 4)
    place, normal = scalp.surface(scalp.direction(np.tile(azimuth, (CAP_ROWS, 1)), grid_s))
    points = place + normal * thickness[:, None, None]
    vertices = np.concatenate([[points[0].mean(0)], points.reshape(-1, 3)])
    roots = np.concatenate([[place[0].mean(0)], place.reshape(-1, 3)])
    n = CAP_COLUMNS
    quads = [[0, 1 + k, 1 + (k + 1) % n, 1 + (k + 2) % n] for k in range(0, n, 2)]
    quads += [
        [1 + r * n + k, 1 + (r + 1) * n + k, 1 + (r + 1) * n + (k + 1) % n, 1 + r * n + (k + 1) % n]
        for r in range(CAP_ROWS - 1) for k in range(n)
    ]  # fmt: skip
    tone = 0.88 * rng.uniform(0.85, 1.1, (CAP_ROWS, n, 1)) * np.array(palette.hair)
    colours = np.concatenate([[0.88 * np.array(palette.hair)], tone.reshape(-1, 3)])
    return Strands(vertices, np.array(quads), roots, colours)


def streaks(
    palette: Palette, t: NDArray[np.float64], count: int, rng: np.random.Generator, sheen: float = 0.4
) -> Points:
    """(L, S, 3) colours of locks: each its own tone, dark roots, a sheen at mid length."""
    hair, light = np.array(palette.hair), np.array(palette.hair_light)
    tone = rng.uniform(0.88, 1.12, (count, 1, 1)) * rng.uniform(0.96, 1.04, (count, 1, 3))
    shine = np.interp(t, [0, 0.25, 0.5, 0.8, 1], [0.0, 0.6, 1.0, 0.5, 0.25])[None, :, None]
    return (hair + sheen * shine * rng.uniform(0.5, 1.2, (count, 1, 1)) * (light - hair)) * tone


def curls(centre: Points, normal: Points, radius: NDArray[np.float64], palette: Palette,
          rng: np.random.Generator) -> Strands:  # fmt: skip
    """Round curls at (n, 3): flattened balls, each turned and toned at random."""
    ball, faces = _ball()
    n = len(centre)
    turn = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))[:, None, None]
    stretch = rng.uniform(0.8, 1.15, (n, 1, 3))
    shape = np.einsum("vk,nkj->nvj", ball, turn) * stretch
    vertices = centre[:, None] + radius[:, None, None] * shape
    outward = np.einsum("nvj,nj->nv", shape, normal)
    hair, light = np.array(palette.hair), np.array(palette.hair_light)
    tone = rng.uniform(0.9, 1.12, (n, 1, 1)) * (0.8 + 0.2 * np.clip(outward + 0.2, 0, 1))[..., None]
    colours = (hair + 0.35 * np.clip(outward, 0, 1)[..., None] ** 2 * (light - hair)) * tone
    quads = (faces + len(ball) * np.arange(n)[:, None, None]).reshape(-1, 4)
    roots = np.repeat(centre, len(ball), axis=0)
    return Strands(vertices.reshape(-1, 3), quads, roots, colours.reshape(-1, 3))


def _ball() -> tuple[Points, Index]:
    """A sphere of 26 vertices and 24 quads, wound outwards."""
    grid = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)])
    index = {tuple(p): i for i, p in enumerate(grid.tolist())}
    faces = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            for a in (-1, 0):
                for b in (-1, 0):
                    corners = []
                    for da, db in ((0, 0), (1, 0), (1, 1), (0, 1)):
                        p = [0, 0, 0]
                        p[axis], p[u], p[v] = side, a + da, b + db
                        corners.append(index[tuple(p)])
                    faces.append(corners if side > 0 else corners[::-1])
    return grid / np.linalg.norm(grid, axis=1, keepdims=True), np.array(faces)
