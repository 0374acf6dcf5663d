"""Short hair of tapering locks that fall from the crown, and a collar that closes the neck."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs

HAIR = np.array([0.345, 0.215, 0.135])
HAIR_LIGHT = np.array([0.56, 0.37, 0.23])
COLLAR = np.array([0.20, 0.26, 0.33])
HEAD = np.array([0.0, 3.5, -0.5])
"""Centre from which the hair's paths are directions, centimetres."""
CROWN = np.array([0.10, 0.80, -0.52])
PARTING = -27.0
"""Azimuth (degrees, positive to the subject's left) at which the fringe divides."""
LOCKS, PER_LOCK, ROWS = 50, 2, 16

END_AZIMUTH = (0, 18, 35, 50, 60, 70, 77, 84, 95, 106, 116, 130, 150, 180)
END_HEIGHT = (7.9, 7.5, 6.9, 5.8, 3.9, 1.3, 1.0, 3.2, 3.7, 3.0, -0.6, -4.2, -6.0, -6.4)
"""Height at which the locks end, by azimuth from the front."""


def hairline(azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height (cm) of the ends of the hair at azimuths in degrees."""
    return PchipInterpolator(END_AZIMUTH, END_HEIGHT)(np.abs((azimuth + 180) % 360 - 180))


def scalp(vertices: Points) -> NDArray[np.float64]:
    """(V,) how far points lie above the hair's root line, centimetres."""
    azimuth = np.degrees(np.arctan2(vertices[:, 0], vertices[:, 2] - HEAD[2]))
    inset = 0.9 + 2.0 * np.exp(-((azimuth / 45) ** 2)) + 1.2 * np.clip((np.abs(azimuth) - 100) / 40, 0, 1)
    return vertices[:, 1] - hairline(azimuth) - inset


def build_hair(skin: Skin) -> Part:
    """One surface from the crown to pointed ends, ridged by its locks."""
    rng = np.random.default_rng(5)
    azimuth, across, lock = _columns(rng)
    length = rng.normal(0, 0.32, LOCKS)[lock]
    fall = rng.normal(0, 1.0, LOCKS)[lock]
    turn = azimuth - PARTING
    fringe = np.exp(-((azimuth / 62) ** 2))
    end_azimuth = azimuth + fringe * 15 * np.tanh(turn / 9) + 1.5 * fall
    tip = (0.55 + 0.5 * fringe) * (1 - np.abs(across)) + length
    gap = 2.0 * np.exp(-((turn / 10) ** 2))
    end_height = hairline(end_azimuth) + gap - tip + 0.35
    s = np.linspace(0, 1, ROWS) ** 0.9
    paths = _paths(end_azimuth, end_height, s)
    tree, radii = _radius(skin)
    base = HEAD + paths * _lookup(tree, radii, paths)[..., None]
    lift = _thickness(s, azimuth, across, turn, rng, lock)
    points = base + paths * lift[..., None]
    vertices = np.concatenate([[points[:, 0].mean(0) + CROWN * 0.05], points.transpose(1, 0, 2).reshape(-1, 3)])
    roots = np.concatenate([[base[:, 0].mean(0)], base.transpose(1, 0, 2).reshape(-1, 3)])
    quads = _quads(len(azimuth))
    colours = _colours(s, across, rng, lock, azimuth)
    return Part("hair", vertices, quads, colours, skin.glued(glue_nearest(skin, roots)), flat_uvs(vertices, quads, (0.18, 0.79), 0.05))


def _columns(rng: np.random.Generator) -> tuple[Points, Points, NDArray[np.int64]]:
    """Azimuth (degrees), place across its lock (−1 … 1) and lock of each column."""
    widths = rng.uniform(0.75, 1.3, LOCKS)
    turns = np.concatenate([[0], np.cumsum(widths)]) / widths.sum() * 360 - 180
    edges = turns - 27 * np.sin(np.radians(turns))
    azimuth = [np.linspace(a, b, PER_LOCK + 1)[:-1] for a, b in zip(edges[:-1], edges[1:], strict=True)]
    across = np.tile(np.linspace(-1, 1, PER_LOCK + 1)[:-1], LOCKS)
    return np.concatenate(azimuth), across, np.repeat(np.arange(LOCKS), PER_LOCK)


def _paths(azimuth: Points, height: Points, s: Points) -> Points:
    """(columns, rows, 3) directions on the great arcs from the crown to the ends."""
    a = np.radians(azimuth)
    reach = 8.2 + 0.9 * np.cos(a) ** 2
    end = np.stack([reach * np.sin(a), height - HEAD[1], reach * np.cos(a)], axis=1)
    end /= np.linalg.norm(end, axis=1, keepdims=True)
    crown = CROWN / np.linalg.norm(CROWN)
    angle = np.arccos(np.clip(end @ crown, -1, 1))[:, None]
    share = 0.05 + 0.95 * s[None]
    first, second = np.sin((1 - share) * angle), np.sin(share * angle)
    return (first[..., None] * crown + second[..., None] * end[:, None]) / np.sin(angle)[..., None]


def _radius(skin: Skin) -> tuple[cKDTree, Points]:
    """The head's radius by direction, without ears."""
    ray = skin.vertices - HEAD
    radius = np.linalg.norm(ray, axis=1)
    keep = (skin.vertices[:, 1] > -8) & (radius > 6) & ~skin.ears
    return cKDTree(ray[keep] / radius[keep, None]), radius[keep]


def _lookup(tree: cKDTree, radii: Points, directions: Points) -> Points:
    distance, at = tree.query(directions.reshape(-1, 3), k=8)
    weight = 1 / (distance + 0.01) ** 2
    return ((weight * radii[at]).sum(1) / weight.sum(1)).reshape(directions.shape[:-1])


def _thickness(
    s: Points, azimuth: Points, across: Points, turn: Points, rng: np.random.Generator, lock: NDArray[np.int64]
) -> Points:
    """(columns, rows) height of the hair above the skin, centimetres."""
    front = np.exp(-((azimuth / 55) ** 2))
    side = np.exp(-(((np.abs(azimuth) - 85) / 30) ** 2))
    body = np.interp(s, [0, 0.35, 0.7, 0.9, 1], [0.95, 1.05, 0.85, 0.50, 0.16])[None]
    lift = body + 0.55 * front[:, None] * np.exp(-(((s - 0.62) / 0.22) ** 2))[None] - 0.25 * side[:, None] * body
    parting = np.exp(-((turn / 4.0) ** 2))[:, None] * np.exp(-(((s - 0.62) / 0.35) ** 2))[None]
    ridge = (1 - across**2)[:, None] * np.interp(s, [0, 0.3, 1], [0.05, 0.22, 0.30])[None]
    height = rng.normal(0, 0.11, LOCKS)[lock][:, None] * np.interp(s, [0, 0.4, 1], [0, 1, 0.6])[None]
    return np.maximum(lift + ridge + height - 0.45 * parting, 0.10)


def _quads(columns: int) -> NDArray[np.int64]:
    quads = []
    for k in range(columns):
        m = (k + 1) % columns
        for r in range(ROWS - 1):
            a, b = 1 + r * columns, 1 + (r + 1) * columns
            quads.append([a + k, b + k, b + m, a + m])
    for k in range(0, columns, 2):
        quads.append([0, 1 + k, 1 + (k + 1) % columns, 1 + (k + 2) % columns])
    return np.array(quads)


def _colours(
    s: Points, across: Points, rng: np.random.Generator, lock: NDArray[np.int64], azimuth: Points
) -> Points:
    tone = rng.uniform(0.80, 1.18, LOCKS)[lock] * rng.uniform(0.90, 1.10, len(lock))
    crease = 0.62 + 0.38 * (1 - np.abs(across) ** 1.5)
    shine = np.exp(-(((s - 0.42) / 0.16) ** 2))[None] * (0.25 + 0.75 * (1 - across**2))[:, None] * 0.40
    tips = np.interp(s, [0, 0.6, 1], [0.0, 0.05, 0.30])[None]
    mix = np.clip(shine + tips, 0, 1)[..., None]
    colour = (HAIR + mix * (HAIR_LIGHT - HAIR)) * (tone * crease)[:, None, None]
    grid = np.clip(colour, 0, 1).transpose(1, 0, 2).reshape(-1, 3)
    return np.concatenate([[HAIR * 0.85], grid])


def build_collar(skin: Skin) -> Part:
    """A round collar with a turned edge on the shoulders of a jumper."""
    columns = 48
    a = np.arange(columns) * 2 * np.pi / columns
    profile = (  # radius factor, height at the front, at the side, at the back
        (0.99, -12.6, -11.9, -10.6), (1.10, -11.7, -11.0, -9.7), (1.20, -11.9, -11.2, -9.9), (1.25, -12.7, -12.0, -10.7),
        (1.42, -13.5, -12.7, -11.6), (1.95, -14.9, -13.9, -13.2), (2.70, -16.8, -15.6, -15.2), (3.15, -19.5, -18.6, -18.6),
    )  # fmt: skip
    rings = []
    for factor, front, side, back in profile:
        facing = np.cos(a)
        y = side + np.where(facing > 0, front - side, back - side) * facing**2
        wide = np.where(factor > 1.3, 1 + 0.24 * (factor - 1.3), 1.0)
        x = 5.75 * factor * wide * np.sin(a)
        z = -2.3 + 5.6 * np.minimum(factor, 1.25 + 0.45 * (factor - 1.25)) * facing + 0.16 * (-12 - y) * -1.0
        rings.append(np.stack([x, y, z], axis=1))
    vertices = np.concatenate(rings)
    quads = [
        [r * columns + k, (r + 1) * columns + k, (r + 1) * columns + (k + 1) % columns, r * columns + (k + 1) % columns]
        for r in range(len(profile) - 1) for k in range(columns)
    ]  # fmt: skip
    shade = np.repeat([0.5, 1.05, 1.1, 0.8, 1.0, 1.0, 1.0, 0.9], columns)
    rib = np.where(np.arange(len(vertices)) // columns < 4, 1 + 0.07 * np.tile((-1.0) ** np.arange(columns), len(profile)), 1)
    offsets = np.zeros((len(skin.offsets), len(vertices), 3), np.float32)
    faces = np.array(quads)
    uvs = flat_uvs(vertices, faces, (0.92, 0.02), 0.07)
    return Part("collar", vertices, faces, COLLAR * (shade * rib)[:, None], offsets, uvs)


def glue_nearest(skin: Skin, points: Points) -> sparse.csr_matrix:
    """Weights (n, V) of the four nearest skin vertices."""
    distance, at = cKDTree(skin.vertices).query(points, k=4)
    weight = 1 / (distance + 0.05)
    weight /= weight.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), 4)
    return sparse.coo_matrix((weight.reshape(-1), (rows, at.reshape(-1))), shape=(len(points), len(skin.vertices))).tocsr()
