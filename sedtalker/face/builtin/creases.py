"""Details on the skin of the built-in head: attached points, strips that keep their form, and wrinkles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats
from sedtalker.face.builtin.cage import fixed_arrays
from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs
from sedtalker.face.builtin.shapes import SHAPES
from sedtalker.mesh.mesh import face_normals, quad_triangles, vertex_normals
from sedtalker.mesh.surface import picks

# --- Points glued to the skin, and strips that shift and turn with it.

STILL = 0.01
"""Centimetres: a shape that moves the middle line less carries the strip point by point."""
BEND = 0.40
"""Largest bend of a strip towards the skin and away from it to keep its height, centimetres."""
HANGING, CLIMB, CLIMBS = 0.3, 0.03, 10
"""Where a strip hangs so far before the skin, below the edge of a fold, it climbs so far up, centimetres, so often."""


def flipped(skin: Skin, weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Weights on the skin's vertices of the other side."""
    return sparse.csr_matrix((weights.data, skin.mirror[weights.indices], weights.indptr), shape=weights.shape)


def glue_front(skin: Skin, xy: Points) -> tuple[sparse.csr_matrix, Points]:
    """Weights (n, V) and normals (n, 3) of the foremost skin points that lie at (x, y) in front view."""
    triangles = quad_triangles(skin.quads)
    normal = face_normals(skin.vertices, triangles)
    facing = (normal[:, 2] > 0) & (skin.vertices[triangles[:, 0], 2] > 3)
    triangles, normal = triangles[facing], normal[facing]
    a, b, c = (skin.vertices[triangles[:, k]] for k in range(3))
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
    out = normal[chosen]
    return picks(triangles[chosen], share, len(skin.vertices)), out / np.linalg.norm(out, axis=1, keepdims=True)


def reflected(skin: Skin) -> Skin:
    """The skin seen in a mirror: what is done to its left side is done to the right one."""
    flip = np.array([-1, 1, 1], np.float32)
    return replace(skin, vertices=skin.vertices[skin.mirror] * flip, offsets=skin.offsets[:, skin.mirror] * flip)


def ride(skin: Skin, points: Points, weights: sparse.csr_matrix, middle: Points, along: Doubles) -> Floats:
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
        over = moved[:, 2] - _depth(posed, moved) - height
        for _ in range(CLIMBS):
            hanging = low[(height > 0) & (over > HANGING)]
            if not len(hanging):
                break
            rise = np.isin(np.arange(len(axis)), [hanging, hanging + 1])
            moved[:, 1] += CLIMB * np.interp(along, np.arange(len(axis)), rise)
            over = moved[:, 2] - _depth(posed, moved) - height
        moved[:, 2] -= np.clip(over, -BEND, BEND)
        out[row] = moved - points
    return out


def _turns(before: Points, after: Points) -> Points:
    """(m, 3, 3) rotations about the view axis, for row vectors, of a line (m, 3) in front view."""
    lines = (np.gradient(line[:, :2], axis=0) for line in (before, after))
    start, end = (np.arctan2(step[:, 1], step[:, 0]) for step in lines)
    c, s, zero = np.cos(end - start), np.sin(end - start), np.zeros(len(before))
    return np.stack([c, s, zero, -s, c, zero, zero, zero, zero + 1], axis=1).reshape(-1, 3, 3)


def _depth(skin: Skin, points: Points) -> Doubles:
    """(n,) how far forward the skin is at points (n, 3), seen from the front."""
    return (glue_front(skin, points[:, :2])[0] @ skin.vertices)[:, 2]


# --- Wrinkles that come with expressions: shallow folds that rest under the skin and surface with their shapes.

HIDDEN = np.array([-0.026, -0.022, -0.018, -0.016, -0.018, -0.022, -0.026])
"""Height of the cross-section over the skin at rest, centimetres."""
RISE = np.array([0.026, 0.036, 0.040, 0.031, 0.040, 0.036, 0.026])
"""Centimetres that it rises at weight 1: two low ridges with a groove between them, whose edges stay with the skin."""
DEEPER = 0.018
"""Centimetres that the ends of a line lie deeper: so it grows from its middle, then widens."""
SHADE = np.array([0.78, 0.70, 0.68])
"""Colour of the darkest place, relative to the skin."""


def build_creases(base: Skin, skin: Skin, colours: Points, depth: float, lines: float) -> Part:
    """All wrinkles of both sides.

    Args:
        base: skin of neutral identity, on which they are placed.
        skin: the head's own skin, which carries them.
        colours: (V, 3) of the skin.
        depth: factor on how far they surface.
        lines: share of it that stays at rest.
    """
    drawn = fixed_arrays("wrinkles")
    weights, _ = glue_front(base, drawn["xy"])
    normals = weights @ vertex_normals(skin.vertices.astype(np.float32), quad_triangles(skin.quads))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rise = depth * RISE[drawn["across"]]
    lift = HIDDEN[drawn["across"]] - DEEPER * (1 - drawn["taper"]) + lines * rise
    rows = (1 - lines) * drawn["shapes"] * rise
    vertices, offsets = [], []
    for sign, glue in ((1.0, weights), (-1.0, flipped(skin, weights))):
        up = normals * (sign, 1, 1)
        vertices.append(glue @ skin.vertices + up * lift[:, None])
        own = rows if sign > 0 else rows[_OTHER_SIDE]
        carried = skin.glued(glue)
        carried[: len(SHAPES)] += (own[..., None] * up).astype(np.float32)
        offsets.append(carried)
    dark = drawn["dark"] * min(depth, 1.2) / 1.2 * (1 - 0.3 * lines)
    painted = np.clip(weights @ colours * (1 + dark[:, None] * (SHADE - 1)), 0, 1)
    both = np.concatenate(vertices)
    all_quads = np.concatenate([drawn["quads"], drawn["quads"][:, ::-1] + len(drawn["xy"])])
    uvs = flat_uvs(both, all_quads, (0.26, 0.79), 0.07)
    return Part("creases", both, all_quads, np.tile(painted, (2, 1)), np.concatenate(offsets, axis=1), uvs)


def _other_side(name: str) -> str:
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


_OTHER_SIDE = np.array([SHAPES.index(_other_side(name)) for name in SHAPES])
"""Index of each shape's counterpart on the other side of the face."""
