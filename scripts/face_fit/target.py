"""What the cage is fitted to: a stylised blend of ICT-FaceKit identities with its expressions, in centimetres."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import splev, splprep
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.csgraph import dijkstra

from sedtalker.face.arkit import ARKIT_52, ict_to_arkit

Points = NDArray[np.float64]
IDENTITY_SEEDS = {1: 0.6, 2: 0.4}
"""Random identities (mean of four draws × 1.5 each) and their share, chosen by eye."""
EYE_SCALE, JAW_SCALE, NOSE_SCALE = 1.19, 0.905, 0.92
EXPRESSION_STRENGTH = {
    "browDown": 1.75, "mouthFrown": 2.25, "eyeWide": 1.45, "eyeSquint": 1.25, "mouthRollLower": 1.4,
    "mouthRollUpper": 1.2,
    "mouthShrugUpper": 1.15, "mouthLowerDown": 1.25, "cheekPuff": 1.3, "noseSneer": 1.15,
}  # fmt: skip
"""Factors on the reference's offsets, both sides, for shapes that are hard to see."""


@dataclass(frozen=True, eq=False)
class Target:
    """The reference surface.

    Attributes:
        vertices: (V, 3) the stylised blend.
        skin: (T, 3) triangles of face, head and neck without ears and sockets.
        everything: (T', 3) the same with ears.
        lower: (V,) bool, vertices that the jaw carries.
        deltas: ARKit name → (V, 3).
        landmarks: (68,).
        curves: named polylines (n, 3), each from the subject's right to the left (mouth) or inner to outer (left eye).
        eyeball: (V,) bool, the left eyeball; lower_teeth: (V,) bool.
    """

    vertices: Points
    skin: NDArray[np.int64]
    everything: NDArray[np.int64]
    lower: NDArray[np.bool_]
    deltas: dict[str, Points]
    landmarks: NDArray[np.int64]
    curves: dict[str, Points]
    eyeball: NDArray[np.bool_]
    lower_teeth: NDArray[np.bool_]
    upper_teeth: NDArray[np.bool_]


def load_target(data: Path) -> Target:
    """Blend, stylise and measure the reference in ``data / face / ict_full.npz``."""
    d = np.load(data / "face" / "ict_full.npz", allow_pickle=False)
    neutral = d["neutral"].astype(float)
    weights = sum(s * np.random.default_rng(k).normal(size=(4, 30)).mean(0) * 1.5 for k, s in IDENTITY_SEEDS.items())
    blend = neutral + np.tensordot(weights, d["identity_deltas"].astype(float), 1)
    landmarks = d["landmarks68"].astype(int)
    warp = _stylisation(blend, landmarks)
    vertices = warp(blend)

    deltas = {name: np.zeros_like(blend) for name in ARKIT_52}
    for name, delta in zip(d["expression_names"], d["expression_deltas"], strict=True):
        ark = ict_to_arkit(str(name))
        deltas[ark] += (warp(blend + delta.astype(float)) - vertices) * EXPRESSION_STRENGTH.get(_sideless(ark), 1.0)

    ranges = {str(n): slice(*r) for n, r in zip(d["region_names"], d["region_vertex_range"], strict=True)}
    triangles = d["triangles"].astype(int)
    everything = triangles[(triangles < ranges["head_neck"].stop).all(1)]
    x, y, z = neutral.T
    ear = (np.abs(x) > 7.25) & (z < 1.3) & (z > -2.2) & (y > -1.7) & (y < 3.9)
    skin = everything[~ear[everything].any(1)]
    jaw = np.abs(deltas["jawOpen"][:, 1])
    teeth = np.zeros(len(blend), bool)
    teeth[ranges["teeth"]] = True
    eyeball = np.zeros(len(blend), bool)
    eyeball[ranges["eyeball_L"]] = True
    quads = d["polygons"][(d["polygons"][:, 3] >= 0)].astype(int)
    quads = quads[(quads < 14062).all(1)]
    curves = _curves(neutral, vertices, quads, landmarks, _border(d, "face", "eye_socket_L"))
    return Target(
        vertices, skin, everything, jaw > 0.9, deltas, landmarks, curves, eyeball,
        teeth & (jaw > 1.0), teeth & (jaw <= 1.0),
    )  # fmt: skip


def _sideless(name: str) -> str:
    return name.removesuffix("Left").removesuffix("Right")


def _stylisation(blend: Points, landmarks: NDArray[np.int64]):
    """Larger eyes, a slightly narrower jaw and a smaller nose."""
    eyes = [blend[landmarks[s]].mean(0) for s in (slice(36, 42), slice(42, 48))]
    nose = blend[landmarks[[30, 31, 33, 35]]].mean(0)
    chin = blend[landmarks[8], 1]

    def warp(points: Points) -> Points:
        out = points.copy()
        for centre in eyes:
            c = centre - (0, 0, 0.9)
            near = np.exp(-((((points - c) / (2.6, 2.2, 3.0)) ** 2).sum(1) ** 2))
            out += (EYE_SCALE - 1) * near[:, None] * (points - c)
        near = np.exp(-((((points - nose) / (2.2, 2.0, 2.4)) ** 2).sum(1)))
        out += (NOSE_SCALE - 1) * near[:, None] * (points - nose + (0, 0, 1.0))
        low = 1 / (1 + np.exp((points[:, 1] - (chin + 2.6)) / 0.9)) / (1 + np.exp((chin - 2.5 - points[:, 1]) / 0.8))
        out[:, 0] += (JAW_SCALE - 1) * low * points[:, 0]
        return out

    return warp


def _border(d: np.lib.npyio.NpzFile, first: str, second: str) -> NDArray[np.int64]:
    """Vertices that polygons of two regions share."""
    names = [str(n) for n in d["region_names"]]
    sets = []
    for name in (first, second):
        start, stop = d["region_polygon_range"][names.index(name)]
        used = np.unique(d["polygons"][start:stop])
        sets.append(used[used >= 0])
    return np.intersect1d(*sets)


def _curves(
    neutral: Points, vertices: Points, quads: NDArray[np.int64], marks: NDArray[np.int64], rim: NDArray[np.int64]
) -> dict[str, Points]:
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    length = np.linalg.norm(neutral[edges[:, 0]] - neutral[edges[:, 1]], axis=1)
    graph = sparse.coo_matrix((length, edges.T), shape=(len(neutral),) * 2).tocsr()
    graph = graph.maximum(graph.T)

    def chain(*ids: int) -> list[int]:
        path = [int(marks[ids[0]])]
        for a, b in pairwise(ids):
            previous = dijkstra(graph, indices=marks[a], return_predecessors=True)[1]
            part = [int(marks[b])]
            while part[-1] != marks[a]:
                part.append(int(previous[part[-1]]))
            path += part[-2::-1]
        return path

    outer_up = _smooth(vertices[chain(48, 49, 50, 51, 52, 53, 54)], 1.9)
    outer_low = _smooth(vertices[chain(48, 59, 58, 57, 56, 55, 54)], 3.0)
    inner_up = _smooth(vertices[chain(60, 61, 62, 63, 64)], 1.0)
    inner_low = _smooth(vertices[chain(60, 67, 66, 65, 64)], 1.0)
    grid = np.cos(np.linspace(np.pi, 0, 81))
    contact = 0.5 * (along(inner_up, grid) + along(inner_low, grid))
    contact = _smooth(contact, 2.0)
    lid_up = _smooth(vertices[chain(42, 43, 44, 45)], 0.8)
    lid_low = _smooth(vertices[chain(42, 47, 46, 45)], 0.8)
    inner, outer = lid_up[0], lid_up[-1]
    order = np.argsort(vertices[rim][:, 0])
    rim_points = vertices[rim][order]
    chord = inner[1] + (rim_points[:, 0] - inner[0]) / (outer[0] - inner[0]) * (outer[1] - inner[1])
    ends = rim_points[[0, -1]]
    up, low = rim_points[rim_points[:, 1] > chord], rim_points[rim_points[:, 1] <= chord]
    curves = {
        "outer_up": outer_up, "outer_low": outer_low, "contact": contact, "lid_up": lid_up, "lid_low": lid_low,
        "rim_up": _smooth(np.concatenate([ends[:1], up[1:-1], ends[1:]]), 1.0),
        "rim_low": _smooth(np.concatenate([ends[:1], low[1:-1], ends[1:]]), 1.0),
    }  # fmt: skip
    for name in ("outer_up", "outer_low", "contact"):
        curves[name] = _symmetric(curves[name])
    return curves


def _smooth(points: Points, sigma: float) -> Points:
    """Resample a polyline evenly and smooth it, ends kept."""
    keep = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-6])
    points = points[keep]
    spline, _ = splprep(points.T, s=0, k=1)
    even = np.array(splev(np.linspace(0, 1, 121), spline)).T
    line = np.linspace(0, 1, 121)[:, None] * (even[-1] - even[0]) + even[0]
    rest = even - line
    odd = np.concatenate([-rest[::-1], rest[1:-1], -rest[::-1]])
    return line + gaussian_filter1d(odd, sigma * 3, axis=0)[120:241]


def _symmetric(points: Points) -> Points:
    return 0.5 * (points + points[::-1] * (-1, 1, 1))


def along(curve: Points, t: NDArray[np.float64]) -> Points:
    """Points of a polyline where its x runs from start (t = −1) to end (t = 1)."""
    x = curve[0, 0] + (t + 1) / 2 * (curve[-1, 0] - curve[0, 0])
    monotone = np.maximum.accumulate(curve[:, 0] + np.arange(len(curve)) * 1e-9)
    return np.stack([x, np.interp(x, monotone, curve[:, 1]), np.interp(x, monotone, curve[:, 2])], axis=1)
