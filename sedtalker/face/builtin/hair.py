"""Short hair, swept back from a hairline that fades into the skin, and a collar that closes the neck."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs
from sedtalker.face.mesh import vertex_normals

HAIR = np.array([0.345, 0.215, 0.135])
HAIR_LIGHT = np.array([0.56, 0.37, 0.23])
SCALP = np.array([0.62, 0.46, 0.38])
COLLAR = np.array([0.20, 0.26, 0.33])
HEAD = np.array([0.0, 3.5, -0.5])
"""Centre from which the hair's paths are directions, centimetres."""
CROWN = np.array([0.10, 0.80, -0.52])
PARTING = -27.0
"""Azimuth (degrees, positive to the subject's left) at which the fringe divides."""
LOCKS, PER_LOCK, ROWS = 50, 2, 16

LINE_AZIMUTH = (0, 14, 26, 36, 46, 56, 64, 69, 74, 80, 88, 97, 106, 114, 123, 136, 152, 180)
LINE_HEIGHT = (9.5, 9.75, 9.9, 9.5, 8.5, 6.9, 4.5, 2.6, 2.0, 2.7, 3.9, 4.3, 3.5, 1.4, -1.6, -4.3, -5.7, -6.3)
"""Height of the hairline by azimuth from the front."""


def hairline(azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height (cm) of the hairline at azimuths in degrees."""
    return PchipInterpolator(LINE_AZIMUTH, LINE_HEIGHT)(np.abs((azimuth + 180) % 360 - 180))


def scalp(vertices: Points) -> NDArray[np.float64]:
    """(V,) how far points lie above the hairline, centimetres."""
    azimuth = np.degrees(np.arctan2(vertices[:, 0], vertices[:, 2] - HEAD[2]))
    return vertices[:, 1] - hairline(azimuth)


def build_hair(skin: Skin) -> Part:
    """One surface from the crown to the hairline, ridged by its locks, risen over the forehead and parted."""
    rng = np.random.default_rng(5)
    azimuth, across, lock = _columns(rng)
    s = 1 - (1 - np.linspace(0, 1, ROWS)) ** 1.5
    head = Head(skin)
    paths = _paths(azimuth, hairline(azimuth) - 0.25, s, head)
    base = HEAD + paths * head.radius(paths)[..., None]
    lift = _thickness(s, azimuth, across, rng, lock)
    base, normals = head.project(base)
    points = base + 0.5 * (paths + normals) * lift[..., None] + _sweep(s, azimuth, lift)
    vertices = np.concatenate([[points[:, 0].mean(0)], points.transpose(1, 0, 2).reshape(-1, 3)])
    roots = np.concatenate([[base[:, 0].mean(0)], base.transpose(1, 0, 2).reshape(-1, 3)])
    quads = _quads(len(azimuth))
    colours = _colours(s, across, rng, lock)
    uvs = flat_uvs(vertices, quads, (0.18, 0.79), 0.05)
    return Part("hair", vertices, quads, colours, skin.glued(glue_nearest(skin, roots)), uvs)


def _columns(rng: np.random.Generator) -> tuple[Points, Points, NDArray[np.int64]]:
    """Azimuth (degrees), place across its lock (−1 … 1) and lock of each column."""
    widths = rng.uniform(0.75, 1.3, LOCKS)
    turns = np.concatenate([[0], np.cumsum(widths)]) / widths.sum() * 360 - 180
    edges = turns - 27 * np.sin(np.radians(turns))
    azimuth = [np.linspace(a, b, PER_LOCK + 1)[:-1] for a, b in pairwise(edges)]
    across = np.tile(np.linspace(-1, 1, PER_LOCK + 1)[:-1], LOCKS)
    return np.concatenate(azimuth), across, np.repeat(np.arange(LOCKS), PER_LOCK)


def _paths(azimuth: Points, height: Points, s: Points, head: Head) -> Points:
    """(columns, rows, 3) directions on the great arcs from the crown to the hairline."""
    a = np.radians(azimuth)
    reach = np.full_like(a, 8.5)
    for _ in range(6):
        end = np.stack([reach * np.sin(a), height - HEAD[1], reach * np.cos(a)], axis=1)
        end /= np.linalg.norm(end, axis=1, keepdims=True)
        reach = head.radius(end) * np.hypot(end[:, 0], end[:, 2])
    crown = CROWN / np.linalg.norm(CROWN)
    angle = np.arccos(np.clip(end @ crown, -1, 1))[:, None]
    share = 0.05 + 0.95 * s[None]
    first, second = np.sin((1 - share) * angle), np.sin(share * angle)
    return (first[..., None] * crown + second[..., None] * end[:, None]) / np.sin(angle)[..., None]


class Head:
    """The head's surface without ears."""

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

    def radius(self, directions: Points) -> Points:
        """Radii (...) of unit directions (..., 3)."""
        distance, at = self._tree.query(directions.reshape(-1, 3), k=8)
        weight = 1 / (distance + 0.01) ** 2
        return ((weight * self._radii[at]).sum(1) / weight.sum(1)).reshape(directions.shape[:-1])

    def project(self, points: Points) -> tuple[Points, Points]:
        """The head's surface nearest to points (..., 3), and its normals there."""
        flat = points.reshape(-1, 3)
        for _ in range(3):
            distance, at = self._places.query(flat, k=6)
            weight = 1 / (distance + 0.05) ** 2
            weight /= weight.sum(1, keepdims=True)
            normal = np.einsum("nk,nkd->nd", weight, self._normals[at])
            normal /= np.linalg.norm(normal, axis=1, keepdims=True)
            height = np.einsum("nk,nkd,nd->n", weight, flat[:, None] - self._points[at], normal)
            flat = flat - height[:, None] * normal
        return flat.reshape(points.shape), normal.reshape(points.shape)


def _thickness(s: Points, azimuth: Points, across: Points, rng: np.random.Generator, lock: NDArray[np.int64]) -> Points:
    """(columns, rows) height of the hair above the skin, centimetres; under the skin at the very end."""
    top = np.exp(-((azimuth / 58) ** 4))[:, None]
    body = np.interp(s, [0, 0.4, 0.75, 0.93, 1], [0.95, 0.95, 0.60, 0.24, -0.10])[None]
    crest = np.interp(s, [0, 0.3, 0.7, 0.86, 0.94, 1], [0, 0.10, 0.95, 1.25, 0.75, 0.0])[None]
    side = np.exp(-(((np.abs(azimuth) - 95) / 35) ** 2))[:, None]
    turn = azimuth - PARTING
    heavy = (0.75 + 0.25 * np.tanh(turn / 14))[:, None]
    parting = np.exp(-((turn / 3.4) ** 2))[:, None] * np.interp(s, [0.25, 0.6, 1], [0, 1, 1])[None]
    ridge = ((1 - np.abs(across)) * (0.07 + 0.11 * top[:, 0]))[:, None] * np.interp(
        s, [0, 0.3, 0.85, 1], [0.2, 1, 1, 0]
    )
    uneven = rng.normal(0, 0.045, LOCKS)[lock][:, None] * np.interp(s, [0, 0.4, 0.9, 1], [0, 1, 1, 0])[None]
    lift = body * (1 - 0.35 * side) + crest * top * heavy + ridge + uneven * (0.5 + top)
    return lift - 0.75 * parting * np.maximum(lift, 0)


def _sweep(s: Points, azimuth: Points, lift: Points) -> Points:
    """(columns, rows, 3) sideways lean of the raised front, away from the parting."""
    top = np.exp(-((azimuth / 55) ** 4)) * np.tanh((azimuth - PARTING) / 10)
    lean = top[:, None] * np.interp(s, [0, 0.5, 0.85, 1], [0, 0.5, 1, 0.2])[None] * np.maximum(lift, 0) * 0.55
    return lean[..., None] * np.array([1.0, 0.0, -0.1])


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


def _colours(s: Points, across: Points, rng: np.random.Generator, lock: NDArray[np.int64]) -> Points:
    """Streaks by lock, dark between them, and a soft end where the scalp shows through."""
    tone = rng.uniform(0.84, 1.16, LOCKS)[lock] * rng.uniform(0.92, 1.08, len(lock))
    crease = 0.66 + 0.34 * (1 - np.abs(across))
    light = (
        np.interp(s, [0, 0.5, 0.85, 1], [0.10, 0.12, 0.38, 0.20])[None] * (0.4 + 0.6 * (1 - np.abs(across)))[:, None]
    )
    colour = (HAIR + light[..., None] * (HAIR_LIGHT - HAIR)) * (tone * crease)[:, None, None]
    bare = np.interp(s, [0, 0.93, 0.97, 1], [0, 0, 0.2, 0.45])[None, :, None]
    colour = colour + bare * (SCALP - colour)
    grid = np.clip(colour, 0, 1).transpose(1, 0, 2).reshape(-1, 3)
    return np.concatenate([[HAIR * 0.85], grid])


def build_collar(skin: Skin) -> Part:
    """A round collar with a turned edge on the shoulders of a jumper."""
    columns = 48
    a = np.arange(columns) * 2 * np.pi / columns
    profile = (  # radius factor, height at the front, at the side, at the back
        (0.97, -12.6, -11.8, -10.2), (1.08, -11.7, -10.9, -9.2), (1.18, -11.9, -11.1, -9.4),
        (1.25, -12.7, -12.0, -10.4),
        (1.42, -13.5, -12.7, -11.6), (1.95, -14.9, -13.9, -13.2), (2.70, -16.8, -15.6, -15.2),
        (3.15, -19.5, -18.6, -18.6),
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
    rib = np.where(
        np.arange(len(vertices)) // columns < 4, 1 + 0.07 * np.tile((-1.0) ** np.arange(columns), len(profile)), 1
    )
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
    return sparse.coo_matrix(
        (weight.reshape(-1), (rows, at.reshape(-1))), shape=(len(points), len(skin.vertices))
    ).tocsr()
