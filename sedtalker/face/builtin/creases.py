"""Details on the skin of the built-in head: attached points, strips that keep their form, and wrinkles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs
from sedtalker.face.builtin.shapes import SHAPES
from sedtalker.mesh.mesh import vertex_normals

# --- Points glued to the skin, and strips that shift and turn with it.

STILL = 0.01
"""Centimetres: a shape that moves the middle line less carries the strip point by point."""
LOWEST, HIGHEST = -0.10, 0.40
"""Largest bend of a strip towards the skin and away from it to keep its height, centimetres."""


def flipped(skin: Skin, weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Weights on the skin's vertices of the other side."""
    return sparse.csr_matrix((weights.data, skin.mirror[weights.indices], weights.indptr), shape=weights.shape)


def glue_front(skin: Skin, xy: Points) -> tuple[sparse.csr_matrix, Points]:
    """Weights (n, V) and normals (n, 3) of the foremost skin points that lie at (x, y) in front view."""
    triangles = np.concatenate([skin.quads[:, :3], skin.quads[:, [0, 2, 3]]])
    a, b, c = (skin.vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    facing = (normal[:, 2] > 0) & (a[:, 2] > 3)
    triangles, a, b, c, normal = (x[facing] for x in (triangles, a, b, c, normal))
    near = cKDTree((a + b + c)[:, :2] / 3).query(xy, k=48)[1]
    u, v = (b - a)[near], (c - a)[near]
    w = xy[:, None] - a[near][..., :2]
    det = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    s = (w[..., 0] * v[..., 1] - w[..., 1] * v[..., 0]) / det
    t = (u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0]) / det
    inside = np.minimum(np.minimum(s, t), 1 - s - t)
    depth = a[near][..., 2] + s * u[..., 2] + t * v[..., 2]
    rows = np.arange(len(xy))
    best = np.where(inside > -1e-6, 1e3 + depth, inside).argmax(1)
    chosen = near[rows, best]
    share = np.stack([1 - s[rows, best] - t[rows, best], s[rows, best], t[rows, best]], axis=1)
    weights = sparse.coo_matrix(
        (share.reshape(-1), (np.repeat(rows, 3), triangles[chosen].reshape(-1))), shape=(len(xy), len(skin.vertices))
    ).tocsr()
    out = normal[chosen]
    return weights, out / np.linalg.norm(out, axis=1, keepdims=True)


def reflected(skin: Skin) -> Skin:
    """The skin seen in a mirror: what is done to its left side is done to the right one."""
    flip = np.array([-1, 1, 1], np.float32)
    return replace(skin, vertices=skin.vertices[skin.mirror] * flip, offsets=skin.offsets[:, skin.mirror] * flip)


def ride(
    skin: Skin, points: Points, weights: sparse.csr_matrix, middle: Points, along: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Offsets (K, n, 3) of a strip that shifts and turns with its middle line on the skin and keeps its width as seen
    from the front and its height over the skin: it is not squashed where the skin is.

    Args:
        skin: what carries the strip.
        points: (n, 3) of the strip at rest.
        weights: (n, V) glue of its points, for shapes that hardly move it.
        middle: (m, 2) its middle line in front view.
        along: (n,) place of each point on that line, 0 to m - 1.
    """
    glue, _ = glue_front(skin, middle)
    axis, shifts, out = glue @ skin.vertices, skin.glued(glue), skin.glued(weights).copy()
    close = cKDTree(axis).query(skin.vertices)[0] < 3.0
    under = replace(skin, quads=skin.quads[close[skin.quads].all(1)])
    height = points[:, 2] - _depth(under, points)
    low = np.clip(along.astype(int), 0, len(axis) - 2)
    stations = ((low, 1 - (along - low)), (low + 1, along - low))
    for row in np.flatnonzero(np.linalg.norm(shifts, axis=2).max(1) > STILL):
        turns = _turns(axis, axis + shifts[row])
        moved = np.zeros_like(points)
        for k, share in stations:
            turned = np.einsum("ni,nij->nj", points - axis[k], turns[k])
            moved += share[:, None] * (axis[k] + shifts[row, k] + turned)
        posed = replace(under, vertices=skin.vertices + skin.offsets[row])
        moved[:, 2] += np.clip(height - (moved[:, 2] - _depth(posed, moved)), LOWEST, HIGHEST)
        out[row] = moved - points
    return out


def _turns(before: Points, after: Points) -> Points:
    """(m, 3, 3) rotations about the view axis, for row vectors, of a line (m, 3) in front view."""
    lines = (np.gradient(line[:, :2], axis=0) for line in (before, after))
    start, end = (np.arctan2(step[:, 1], step[:, 0]) for step in lines)
    c, s, zero = np.cos(end - start), np.sin(end - start), np.zeros(len(before))
    return np.stack([c, s, zero, -s, c, zero, zero, zero, zero + 1], axis=1).reshape(-1, 3, 3)


def _depth(skin: Skin, points: Points) -> NDArray[np.float64]:
    """(n,) how far forward the skin is at points (n, 3), seen from the front."""
    return (glue_front(skin, points[:, :2])[0] @ skin.vertices)[:, 2]


# --- Wrinkles that come with expressions: fine dark lines that rest under the skin and surface with their shapes.

ACROSS = np.array([-1.0, -0.62, -0.28, 0.0, 0.28, 0.62, 1.0])
"""Places across a line, in half widths."""
DARK = np.array([0.0, 0.14, 0.58, 1.0, 0.58, 0.14, 0.0])
"""Darkness of the line at each of them."""
HIDDEN = np.array([-0.042, -0.036, -0.032, -0.030, -0.032, -0.036, -0.042])
"""Height of the cross-section over the skin at rest, centimetres: nearly flat, so that it is lit like the skin."""
RISE = 0.060
"""Centimetres that a line rises at weight 1."""
DEEPER = 0.018
"""Centimetres that its ends lie deeper: so a line grows from its middle, then widens."""
SHADE = np.array([0.78, 0.70, 0.68])
"""Colour of the darkest place, relative to the skin."""
FADE = 1.7
"""Power of the fall of their colour towards the ends."""
PALER = 0.85
"""Share of their colour that lines lose up to the end, where other shapes bring out their end than their start: a line
of which only a part shows ends softly."""
ROUND = 0.4
"""Share of the way from the flat triangles to the smooth surface that the lines follow."""
STATION = 0.20
"""Centimetres between stations."""


@dataclass(frozen=True)
class Crease:
    """A wrinkle of the left half, placed on the head of neutral identity in front view (centimetres).

    Attributes:
        path: (x, y) points from end to end.
        half: half width.
        shapes: how far each shape brings it out.
        dark: 0 to 1.
        open_start: whether the line does not taper at its start (it meets its mirror image on the midline).
        at_end: ``shapes`` at the end of the line, where these are others; between start and end they change evenly.
    """

    path: tuple[tuple[float, float], ...]
    half: float
    shapes: Mapping[str, float]
    dark: float = 1.0
    open_start: bool = False
    at_end: Mapping[str, float] | None = None


_INNER = {"browInnerUp": 0.8, "browOuterUpLeft": 0.2}
"""How far raised brows bring out the lines of the forehead in its middle; inner brows alone, as in sadness, wrinkle
only this."""
_OUTER = {"browInnerUp": 0.3, "browOuterUpLeft": 0.7}
"""The same at their outer ends."""
_SMILED = {"mouthSmileLeft": 0.50, "cheekSquintLeft": 0.42, "eyeSquintLeft": 0.45}
"""Strength of crow's feet by a smile and by a squint."""
CREASES = (
    Crease(((0, 6.38), (1.2, 6.40), (2.4, 6.52), (3.9, 6.35)), 0.28, _INNER, 0.6, True, _OUTER),
    Crease(((0, 7.18), (1.2, 7.19), (2.6, 7.28), (4.3, 7.05)), 0.32, _INNER, 0.65, True, _OUTER),
    Crease(((0, 8.02), (1.2, 8.03), (2.5, 8.06), (3.7, 7.85)), 0.28, _INNER, 0.5, True, _OUTER),
    Crease(((0.52, 4.0), (0.46, 4.7), (0.52, 5.3), (0.68, 6.0)), 0.20, {"browDownLeft": 1.0}, 1.0),
    Crease(((0.98, 4.5), (1.0, 5.1), (1.15, 5.8)), 0.18, {"browDownLeft": 0.8}, 0.6),
    Crease(((0, 3.74), (0.35, 3.75), (0.75, 3.92)), 0.14, {"noseSneerLeft": 0.55, "noseSneerRight": 0.35}, 0.6, True),
    Crease(((0, 3.26), (0.35, 3.27), (0.80, 3.40)), 0.14, {"noseSneerLeft": 0.60, "noseSneerRight": 0.4}, 0.7, True),
    Crease(((4.95, 3.75), (5.4, 4.02), (5.9, 4.45)), 0.15, _SMILED, 0.4),
    Crease(((5.05, 3.38), (5.6, 3.45), (6.2, 3.62)), 0.15, _SMILED, 0.45),
    Crease(((4.95, 3.00), (5.5, 2.84), (6.1, 2.80)), 0.15, _SMILED, 0.4),
    Crease(((1.75, 2.42), (2.5, 2.08), (3.4, 1.98), (4.2, 2.2)), 0.17,
           {"eyeSquintLeft": 0.6, "cheekSquintLeft": 0.45, "mouthSmileLeft": 0.25}, 0.45),
    Crease(((1.42, 0.0), (1.80, -0.65), (2.50, -1.50), (3.05, -2.25), (3.30, -3.05)), 0.26,
           {"mouthSmileLeft": 0.85, "noseSneerLeft": 0.85, "mouthUpperUpLeft": 0.7, "mouthDimpleLeft": 0.4,
            "cheekSquintLeft": 0.2}, 0.45),
    Crease(((2.80, -2.95), (3.06, -3.6), (3.10, -4.2), (2.95, -4.9)), 0.20,
           {"mouthFrownLeft": 0.9, "mouthShrugLower": 0.25, "mouthStretchLeft": 0.25}, 0.5),
    Crease(((0, -4.58), (0.5, -4.57), (1.35, -4.75)), 0.20,
           {"mouthShrugLower": 0.9}, 0.6, True),
)  # fmt: skip
"""The wrinkles of the left half."""


@dataclass(frozen=True, eq=False)
class _Drawn:
    """All creases of the left side as one mesh in front view.

    Attributes:
        xy: (n, 2) places.
        taper: (n,) 1 in the middle of a line, 0 at its ends.
        across: (n,) column of the cross-section.
        dark: (n,) how dark.
        shapes: (K, n) how far each shape brings it out.
        quads: (Q, 4).
        pairs: (P, 2) neighbours along the lines.
    """

    xy: Points
    taper: NDArray[np.float64]
    across: NDArray[np.int64]
    dark: NDArray[np.float64]
    shapes: NDArray[np.float64]
    quads: NDArray[np.int64]
    pairs: NDArray[np.int64]


def _draw() -> _Drawn:
    xy, tapers, darks, shapes, quads, pairs, total = [], [], [], [], [], [], 0
    m = len(ACROSS)
    for crease in CREASES:
        points, taper = _stations(crease)
        n = len(points)
        along = np.gradient(points, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
        width = crease.half * (0.5 + 0.5 * taper)
        xy.append((points[:, None] + (width[:, None] * ACROSS)[..., None] * normal[:, None]).reshape(-1, 2))
        tapers.append(np.repeat(taper, m))
        paler = 1.0 if crease.at_end is None else 1.0 - PALER * np.linspace(0.0, 1.0, n)[:, None]
        darks.append(crease.dark * (paler * taper[:, None] ** FADE * DARK).reshape(-1))
        rows = np.zeros((len(SHAPES), n * m))
        place = np.repeat(np.linspace(0.0, 1.0, n), m)
        for name, weight in crease.shapes.items():
            end = weight if crease.at_end is None else crease.at_end[name]
            rows[SHAPES.index(name)] = weight + place * (end - weight)
        shapes.append(rows)
        start = total + np.arange(n - 1)[:, None] * m + np.arange(m - 1)
        quads.append(np.stack([start, start + m, start + m + 1, start + 1], axis=-1).reshape(-1, 4))
        one = total + np.arange((n - 1) * m)
        pairs.append(np.stack([one, one + m], axis=1))
        total += n * m
    return _Drawn(
        np.concatenate(xy), np.concatenate(tapers), np.arange(total) % m, np.concatenate(darks),
        np.concatenate(shapes, axis=1), np.concatenate(quads), np.concatenate(pairs),
    )  # fmt: skip


def _rounding(skin: Skin, glue: sparse.csr_matrix, normals: Points) -> Points:
    """(n, 3) from places on the flat triangles to the smooth surface through their corners (Phong tessellation,
    Boubekeur and Alexa 2008): lines that follow it catch the light as the smoothly shaded skin does."""
    at = glue @ skin.vertices
    own = (normals * skin.vertices).sum(1)
    out = np.zeros_like(at)
    for axis in range(3):
        scaled = sparse.diags(normals[:, axis])
        out[:, axis] = glue @ (scaled @ own) - (((glue @ scaled) @ normals) * at).sum(1)
    return ROUND * out


def build_creases(base: Skin, skin: Skin, colours: Points, depth: float, lines: float) -> Part:
    """All wrinkles of both sides.

    Args:
        base: skin of neutral identity, on which they are placed.
        skin: the head's own skin, which carries them.
        colours: (V, 3) of the skin.
        depth: factor on how far they surface.
        lines: share of it that stays at rest.
    """
    drawn = _draw()
    weights, _ = glue_front(base, drawn.xy)
    triangles = np.concatenate([skin.quads[:, :3], skin.quads[:, [0, 2, 3]]]).astype(np.int32)
    corners = vertex_normals(skin.vertices.astype(np.float32), triangles).astype(float)
    normals = weights @ corners
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rise = depth * RISE
    lift = HIDDEN[drawn.across] - DEEPER * (1 - drawn.taper) + lines * rise
    raised = normals * lift[:, None] + _rounding(skin, weights, corners)
    rows = (1 - lines) * drawn.shapes * rise
    vertices, offsets = [], []
    for sign, glue in ((1.0, weights), (-1.0, flipped(skin, weights))):
        up = normals * (sign, 1, 1)
        vertices.append(glue @ skin.vertices + raised * (sign, 1, 1))
        own = rows if sign > 0 else rows[_OTHER_SIDE]
        carried = skin.glued(glue)
        carried[: len(SHAPES)] += (own[..., None] * up).astype(np.float32)
        offsets.append(carried)
    dark = drawn.dark * min(depth, 1.2) / 1.2 * (1 - 0.3 * lines)
    painted = np.clip(weights @ colours * (1 + dark[:, None] * (SHADE - 1)), 0, 1)
    both = np.concatenate(vertices)
    all_quads = np.concatenate([drawn.quads, drawn.quads[:, ::-1] + len(drawn.xy)])
    uvs = flat_uvs(both, all_quads, (0.26, 0.79), 0.07)
    return Part("creases", both, all_quads, np.tile(painted, (2, 1)), np.concatenate(offsets, axis=1), uvs)


def _other_side(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


_OTHER_SIDE = np.array([SHAPES.index(_other_side(name)) for name in SHAPES])
"""Index of each shape's counterpart on the other side of the face."""


def _stations(crease: Crease) -> tuple[Points, NDArray[np.float64]]:
    """Points (n, 2) along the line and how far each is from its tapering ends, 0 to 1."""
    path = np.array(crease.path)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    n = max(5, int(np.ceil(length[-1] / STATION)) + 1)
    t = np.linspace(0, 1, n)
    points = np.stack([PchipInterpolator(length / length[-1], path[:, k])(t) for k in range(2)], axis=1)
    ends = 1 - t if crease.open_start else np.minimum(t, 1 - t) * 2
    return points, np.clip(ends * 1.5, 0, 1) ** 0.7
