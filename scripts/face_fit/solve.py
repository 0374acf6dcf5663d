"""Fitting the cage to the target: rounds of closest points, each a sparse linear least-squares problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import igl
import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from face_fit.target import Points, Target, along
from sedtalker.face.builtin.cage import (  # fmt: skip
    EYE_EDGE,
    EYE_RIM,
    EYE_SOCKET,
    MOUTH_CONTACT,
    MOUTH_INNER,
    MOUTH_VERMILION,
    Cage,
    Patch,
    patch,
)

Index = NDArray[np.int64]
LIP_OVERLAP = 0.006
"""Centimetres by which each lip passes the common contact curve, so that no light shows."""


@dataclass(frozen=True, eq=False)
class Pins:
    """Refined points with fixed targets: rows of the subdivision matrix, places (n, 3), weights (n,)."""

    rows: Index
    places: Points
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Roles:
    """Which refined points are fitted to what.

    Attributes:
        skin: free points matched with the whole skin.
        upper, lower: points of the lips matched only with that lip.
        still: (N,) bool, cage vertices that keep their first place (sock, ears, inside of the nostrils, neck's end).
    """

    skin: Index
    upper: Index
    lower: Index
    still: NDArray[np.bool_]


class Fitter:
    """The cage, the target, and who is matched with whom."""

    def __init__(self, cage: Cage, target: Target, start: Points) -> None:
        self.cage, self.target, self.start = cage, target, start
        self.matrix = cage.subdivision.matrix
        self.roles = _roles(cage)
        lower = target.lower[target.skin].all(1)
        centre = target.vertices[target.skin].mean(1)
        corner = target.curves["contact"][-1]
        near_corner = np.abs(centre[:, 0]) > corner[0] - 0.25
        mouth = (np.abs(centre[:, 1] - corner[1]) < 3.0) & (centre[:, 2] > 7.5)
        self.upper_triangles = target.skin[mouth & (~lower | near_corner)]
        self.lower_triangles = target.skin[mouth & (lower | near_corner)]
        self.normals = _vertex_normals(target.vertices, target.skin)

    @cached_property
    def laplacian(self) -> sparse.csr_matrix:
        """Umbrella operator of the cage."""
        q = self.cage.quads
        i = np.concatenate([q[:, k] for k in range(4)] * 2)
        j = np.concatenate([q[:, (k + 1) % 4] for k in range(4)] + [q[:, k - 1] for k in range(4)])
        n = len(self.cage.keys)
        a = sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
        a.data[:] = 1.0
        return (sparse.identity(n) - sparse.diags(1 / np.asarray(a.sum(1)).ravel()) @ a).tocsr()

    def match(self, refined: Points) -> tuple[Index, Index, Points, Points]:
        """Closest points: rows, triangles (n, 3) vertex ids, barycentric weights (n, 3), places (n, 3)."""
        found = []
        sets = ((self.roles.skin, self.target.skin), (self.roles.upper, self.upper_triangles),
                (self.roles.lower, self.lower_triangles))  # fmt: skip
        quads = self.cage.subdivision.quads
        normals = _vertex_normals(refined, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]]))
        for rows, triangles in sets:
            _, face, place = igl.point_mesh_squared_distance(
                refined[rows], self.target.vertices, np.ascontiguousarray(triangles)
            )[:3]
            tri = triangles[face]
            weights = _barycentric(place, self.target.vertices[tri])
            across = np.einsum("ij,ij->i", np.einsum("nk,nkd->nd", weights, self.normals[tri]), normals[rows])
            ok = (across > 0.2) & (np.linalg.norm(place - refined[rows], axis=1) < 2.0)
            found.append((rows[ok], tri[ok], weights[ok], place[ok]))
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))  # type: ignore[return-value]

    def fit(self, rounds: int = 14, smooth: float = 0.03) -> Points:
        """Cage positions (N, 3), left and right equal."""
        points = self.start.copy()
        pins = curve_pins(self.cage, self.target)
        for turn in range(rounds):
            weight = max(smooth * 9 * 0.6**turn, smooth)
            points = self._round(points, pins, weight)
            points = 0.5 * (points + points[self.cage.mirror] * (-1, 1, 1))
        return points

    def _round(self, points: Points, pins: Pins, smooth: float) -> Points:
        rows, tri, weights, place = self.match(self.matrix @ points)
        normal = np.einsum("nk,nkd->nd", weights, self.normals[tri])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        n = len(points)
        picked = self.matrix[rows]
        plane = sparse.hstack([sparse.diags(normal[:, k]) @ picked for k in range(3)])
        three = sparse.identity(3)
        still = sparse.identity(n).tocsr()[self.roles.still]
        smoothing = self.laplacian[~self.roles.still]
        blocks = [
            (plane, (normal * place).sum(1), np.ones(len(rows))),
            (sparse.kron(three, picked), place.T.ravel(), np.full(3 * len(rows), 0.06)),
            (sparse.kron(three, self.matrix[pins.rows]), pins.places.T.ravel(), np.tile(pins.weights, 3)),
            (sparse.kron(three, still), self.start[self.roles.still].T.ravel(), np.full(3 * still.shape[0], 30.0)),
            (sparse.kron(three, smoothing), np.zeros(3 * smoothing.shape[0]), np.full(3 * smoothing.shape[0], smooth)),
            (sparse.identity(3 * n), points.T.ravel(), np.full(3 * n, 0.02)),
        ]
        return least_squares(blocks).reshape(3, n).T

    def error(self, points: Points) -> dict[str, float]:
        """Mean distance to the target in millimetres of the skin, the lips, the lids and the nose."""
        refined = self.matrix @ points
        rows, _, _, place = self.match(refined)
        distance = 10 * np.linalg.norm(refined[rows] - place, axis=1)
        nose = np.linalg.norm(refined[rows] - self.target.vertices[self.target.landmarks[30]], axis=1) < 2.0
        owner = np.array(_owners(self.cage))[rows]
        parts = {"skin": owner == "grid", "mouth": owner == "mouth", "eyes": np.char.startswith(owner, "eye")}
        return {k: float(distance[m].mean()) for k, m in {**parts, "nose": nose}.items()}


def least_squares(blocks: list[tuple[sparse.spmatrix, NDArray[np.float64], NDArray[np.float64]]]) -> Points:
    """Minimise Σ w ‖A x − b‖² over (A, b, w)."""
    size = blocks[0][0].shape[1]
    normal, right = sparse.csr_matrix((size, size)), np.zeros(size)
    for a, b, w in blocks:
        normal = normal + a.T @ sparse.diags(w) @ a
        right += a.T @ (w * b)
    return splu(sparse.csc_matrix(normal)).solve(right)


def curve_pins(cage: Cage, target: Target) -> Pins:
    """The feature curves that the rings must follow, at cage vertices and at the refined points between them."""
    c, sub = target.curves, cage.subdivision
    parts: list[tuple[Index, Points, float]] = []
    mouth = patch("mouth")
    t, upper = _ring_parameter(mouth)
    sides = np.where(upper, 1.0, -1.0)
    open_ = np.sqrt(np.clip(1 - t**2, 0, 1))
    contact = along(c["contact"], t) - LIP_OVERLAP * (sides * np.minimum(open_ * 3, 1))[:, None] * (0, 1, 0)
    parts.append((sub.loop(cage.ring(mouth, MOUTH_CONTACT)), contact, 6.0))
    vermilion = np.where(upper[:, None], along(c["outer_up"], t), along(c["outer_low"], t))
    parts.append((sub.loop(cage.ring(mouth, MOUTH_VERMILION)), vermilion, 0.3))
    for side, sign in (("left", 1), ("right", -1)):
        eye = patch(f"eye_{side}")
        t, upper = _ring_parameter(eye)
        for ring, name, weight in ((EYE_EDGE, "lid", 6.0), (EYE_RIM, "rim", 3.0)):
            s = t * sign
            place = np.where(upper[:, None], along(c[f"{name}_up"], s), along(c[f"{name}_low"], s)) * (sign, 1, 1)
            parts.append((sub.loop(cage.ring(eye, ring)), place, weight))
    return Pins(
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] for p in parts]),
        np.concatenate([np.full(len(p[0]), p[2]) for p in parts]),
    )


def _ring_parameter(p: Patch) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Disc x of a ring's refined points and whether they belong to the upper half (both ends do)."""
    angle = np.unwrap(np.arctan2(p.disc[:, 1], p.disc[:, 0]))
    following = np.append(angle[1:], angle[0] + 2 * np.pi)
    refined = np.stack([angle, 0.5 * (angle + following)], axis=1).ravel()
    return np.cos(refined), np.sin(refined) >= -1e-9


def _owners(cage: Cage) -> list[str]:
    """Feature of each refined point: the most special one of the cage vertices it is made of."""
    rank = {"grid": 0, "crown": 0}
    kinds = [key[0] for key in cage.keys]
    sub = cage.subdivision
    owners = list(kinds)
    for a, b in sub.edges:
        owners.append(max(kinds[a], kinds[b], key=lambda k: rank.get(k, 1)))
    owners += [max((kinds[v] for v in quad), key=lambda k: rank.get(k, 1)) for quad in cage.quads]
    return ["grid" if k == "crown" else k for k in owners]


def _roles(cage: Cage) -> Roles:
    still = np.array([_is_still(key) for key in cage.keys])
    support = cage.subdivision.matrix.copy()
    support.data[:] = np.abs(support.data)
    frozen = np.asarray(support @ still.astype(float)).ravel() > 0.3
    ring, height = cage.place(patch("mouth"))
    lips = (ring >= 2.4) & (ring <= 6.6)
    socket = np.maximum(*(cage.place(patch(f"eye_{side}"))[0] for side in ("left", "right"))) > EYE_RIM + 0.1
    free = ~frozen & ~(ring > 6.6) & ~socket
    return Roles(
        np.flatnonzero(free & ~lips), np.flatnonzero(free & lips & (height >= 0)),
        np.flatnonzero(free & lips & (height < 0)), still,
    )  # fmt: skip


def _is_still(key: tuple[str, int, int, int]) -> bool:
    name, ring, _, _ = key
    return (
        (name == "mouth" and ring > MOUTH_INNER - 1)
        or name.startswith("ear")
        or (name.startswith("nostril") and ring >= 1)
        or (name == "grid" and ring == 0)
        or (name.startswith("eye") and ring == EYE_SOCKET)
    )


def _barycentric(points: Points, corners: Points) -> Points:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, points - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    det = uu * vv - uv * uv
    s, t = (vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det
    return np.stack([1 - s - t, s, t], axis=1)


def _vertex_normals(points: Points, triangles: Index) -> Points:
    face = np.cross(
        points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    )
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
