"""The shapes of the built-in head: what each coefficient does to skin, jaw, eyeballs and tongue, without folds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse

from sedtalker.arrays import Floats, Mask, Reals, nearest_rotation
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin.cage import Cage, patch
from sedtalker.face.builtin.identity import Parameters
from sedtalker.face.builtin.parts import (
    GAZE_ANGLES,
    TONGUE_CORRECTIVES,
    TONGUE_SHAPES,
    Index,
    Points,
    Skin,
    gaze_rotation,
)
from sedtalker.face.face import Corrective

SHAPES = (*ARKIT_52, *TONGUE_SHAPES)
"""Names of the coefficients, in the order of the basis."""
TONGUE_OUT = {"jawOpen": 0.24, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15}
"""The lips and jaw make way for the tongue."""
LAP_RINGS, LAP = (6.0, 6.5, 7.0, 7.5, 8.0), (0.0, 0.065, 0.115, 0.060, 0.0)
"""Further overlap of each lip, centimetres, by ring of the mouth behind the contact line."""
NOSTRIL = (0.9, 1.6), (0.0, 0.1)
"""Rings of the nostrils, and centimetres that they lie further back there."""


def correctives(parameters: Parameters) -> tuple[Corrective, ...]:
    """The correctives in the order of their basis rows: those of the skin, then the tongue's."""
    of_skin = tuple(
        Corrective("fix_" + names.replace("-", "_beyond_"), tuple(names.split("-")), beyond=True)
        if "-" in names
        else Corrective("fix_" + names.replace("*", "_"), tuple(names.split("*")))
        for names in parameters.correctives
    )
    return (*of_skin, *TONGUE_CORRECTIVES)


def row_count(parameters: Parameters) -> int:
    """K + C: rows of the basis."""
    return len(SHAPES) + len(parameters.correctives) + len(TONGUE_CORRECTIVES)


def refine_skin(cage: Cage, parameters: Parameters) -> Skin:
    """Subdivide the neutral cage and every offset once."""
    sub = cage.subdivision
    rows = mixed(parameters, parameters.offsets.astype(np.float32))
    of_tongue = np.zeros((len(TONGUE_CORRECTIVES), *rows.shape[1:]), np.float32)
    rows = np.concatenate([rows, parameters.corrective_offsets.astype(np.float32), of_tongue])
    k, n, _ = rows.shape
    offsets = sub.matrix.astype(np.float32) @ rows.transpose(1, 0, 2).reshape(n, 3 * k)
    ears = np.maximum(*(cage.place(patch(f"ear_{side}"))[0] for side in ("left", "right"))) >= 0.9
    return Skin(
        vertices=sub.matrix @ parameters.cage.astype(float) + _tucked(cage),
        quads=sub.quads,
        offsets=offsets.reshape(-1, k, 3).transpose(1, 0, 2).copy(),
        mirror=cage.refined_mirror,
        ears=ears,
    )


def _tucked(cage: Cage) -> Points:
    """(V, 3) how much further than the cage says the lips overlap behind the line where they meet, so that no tooth
    glints through the hair's breadth that a smile opens, and how far nostrils lie behind the wings of a thin nose."""
    ring, height = cage.place(patch("mouth"))
    lap = np.interp(ring, LAP_RINGS, LAP, left=0.0, right=0.0) * np.clip(height / 0.4, -1, 1)
    within = np.maximum(*(cage.place(patch(f"nostril_{side}"))[0] for side in ("left", "right")))
    return np.stack([np.zeros_like(lap), -lap, -np.interp(within, *NOSTRIL)], axis=1)


def mixed(parameters: Parameters, values: Floats) -> Floats:
    """Rows of ``values`` (one per fitted shape) in the order of ``SHAPES``; shapes of our own are mixtures."""
    at = {name: i for i, name in enumerate(parameters.shapes)}
    out = np.zeros((len(SHAPES), *values.shape[1:]), np.float32)
    for i, name in enumerate(SHAPES):
        if name in at:
            out[i] = values[at[name]]
        elif name == "tongueOut":
            out[i] = sum(share * values[at[other]] for other, share in TONGUE_OUT.items())
    return out


def eye_offsets(parameters: Parameters, points: Points, centre: Points, side: str) -> Floats:
    """(K + C, n, 3) offsets of an eyeball's points: exact rotations at coefficient 1."""
    out = np.zeros((row_count(parameters), len(points), 3), np.float32)
    for name in GAZE_ANGLES:
        if name.endswith(side):
            out[SHAPES.index(name)] = (points - centre) @ (gaze_rotation(name).T - np.eye(3))
    return out


# --- Taking folds out of shapes: quads that a shape turns over are relaxed together with their neighbourhoods.

LIP, LID = 3.9, 1.9
"""Rings from which mouth and eye count as lip and lid."""
LEAST = 0.1
"""Cosine between a quad's normal and the one its neighbourhood carries along, below which it counts as folded."""
SUSPECT = 0.5
"""Quads whose normal keeps this cosine to its rest are not looked at."""
ROUNDS, STEP = 60, 0.6
"""Rounds of laying out folded quads, and how far a vertex goes in one."""
PAIRED = ("browDownLeft", "noseSneerLeft", "mouthLowerDownLeft")
"""Left shapes that meet those of the right in the middle of the face, where both together squeeze the skin."""


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """The neighbourhood of each quad.

    Attributes:
        quads: (Q, 4).
        patch: (Q, V) 1 for the vertices of a quad, its neighbours and theirs, as far as they are of the same lip.
        plain: (Q,) skin that is neither lip nor lid.
    """

    quads: Index
    patch: sparse.csr_matrix
    plain: Mask


def neighbourhoods(cage: Cage) -> Neighbourhoods:
    """Neighbourhoods of the refined quads."""
    quads = cage.subdivision.quads
    corners = _entries(np.repeat(np.arange(len(quads)), 4), quads.reshape(-1), (len(quads), quads.max() + 1))
    touching = (corners @ corners.T).astype(bool).astype(float)
    near = (touching @ touching @ corners).tocoo()
    ring, height = cage.place(patch("mouth"))
    sides = (ring >= LIP) * np.sign(np.round(height, 6))
    lip = np.where(np.ptp(sides[quads], axis=1) < 2, sides[quads].sum(1), 0)
    keep = lip[near.row] * sides[near.col] >= 0
    lids = np.stack([cage.place(patch(f"eye_{side}"))[0] for side in ("left", "right")]).max(axis=0)
    rolls = np.maximum(ring - (LIP - 1), lids - LID)
    plain = rolls[quads].max(axis=1) < 0
    return Neighbourhoods(quads, _entries(near.row[keep], near.col[keep], near.shape), plain)


def _entries(rows: Index, columns: Index, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def quad_normals(points: Points, quads: Index) -> Points:
    """(Q, 3) unit normals."""
    c = points[quads]
    normal = np.cross(c[:, 2] - c[:, 0], c[:, 3] - c[:, 1])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def find_folds(
    around: Neighbourhoods, rest: Points, posed: Points, before: Points | None = None
) -> tuple[Index, Points]:
    """Quads (n,) turned over against their neighbourhoods, whose own rotation is taken out (lips and lids do roll), or,
    on ``around.plain`` skin, against their rest; and the rotations (n, 3, 3, for row vectors) they should have.

    Args:
        around: of the mesh.
        rest: (V, 3).
        posed: (V, 3).
        before: (Q, 3) ``quad_normals`` at rest, where they are known.
    """
    if before is None:
        before = quad_normals(rest, around.quads)
    after = quad_normals(posed, around.quads)
    turned = (before * after).sum(1)
    at = np.flatnonzero(turned < SUSPECT)
    turns = rotations(around.patch[at], rest, posed)
    against = ((before[at, None] @ turns)[:, 0] * after[at]).sum(1) < LEAST
    wrong = around.plain[at] & (turned[at] < LEAST)
    turns[wrong & ~against] = np.eye(3)
    return at[against | wrong], turns[against | wrong]


def rotations(patch: sparse.csr_matrix, rest: Points, posed: Points) -> Points:
    """(n, 3, 3) rotations, for row vectors, that best carry the vertices of each patch (Kabsch 1976)."""
    count = np.asarray(patch.sum(1))[:, :, None]
    products = (rest[:, :, None] * posed[:, None]).reshape(len(rest), 9)
    moment = (patch @ products).reshape(-1, 3, 3) - (patch @ rest)[:, :, None] * (patch @ posed)[:, None] / count
    return nearest_rotation(moment)


def unfold(base: Skin, skin: Skin, around: Neighbourhoods, fixes: tuple[Corrective, ...]) -> Skin:
    """The skin with no quad folded at rest (against the head of neutral identity), in a single shape at weight 1 or in
    both sides of one that meet in the middle.

    A shape with a corrective beyond another (``mouthClose`` beyond ``jawOpen``) shows alone with that corrective, which
    changes in its place; together with the other shape it is what it was.
    """
    rest = base.vertices + relaxed(around, base.vertices, skin.vertices - base.vertices)
    before = quad_normals(rest, around.quads)
    rows = skin.offsets.astype(float)
    beyond = {c.sources: len(SHAPES) + row for row, c in enumerate(fixes) if c.beyond}
    tamed = [SHAPES.index(sources[0]) for sources in beyond]
    for row in (row for row in range(len(SHAPES)) if row not in tamed):
        rows[row] = relaxed(around, rest, rows[row], before)
    for left in PAIRED:
        pair = [SHAPES.index(left), SHAPES.index(left.removesuffix("Left") + "Right")]
        both = rows[pair].sum(axis=0)
        rows[pair] += 0.5 * (relaxed(around, rest, both, before) - both)
    for (first, second), fix in beyond.items():
        shape, other = SHAPES.index(first), SHAPES.index(second)
        alone = rows[shape] + rows[fix]
        rows[shape] -= rows[other] - skin.offsets[other]
        rows[fix] = relaxed(around, rest, alone, before) - rows[shape]
    return replace(skin, vertices=rest, offsets=rows.astype(np.float32))


def relaxed(around: Neighbourhoods, rest: Points, offset: Reals, before: Points | None = None) -> Reals:
    """One shape's offsets (V, 3) without folds, if ``ROUNDS`` suffice.

    Folded quads are laid as they are at rest, turned like their neighbourhoods; a vertex goes to the mean of what its
    folded quads call for. Neighbours that fold in turn are laid out in the next round.
    """
    before = quad_normals(rest, around.quads) if before is None else before
    out = offset.astype(float)
    for _ in range(ROUNDS):
        quads, turns = find_folds(around, rest, rest + out, before)
        if not len(quads):
            break
        corners = around.quads[quads]
        now, flat = (rest + out)[corners], rest[corners]
        want = (flat - flat.mean(1, keepdims=True)) @ turns + now.mean(1, keepdims=True)
        total, count = np.zeros_like(out), np.zeros((len(out), 1))
        np.add.at(total, corners, want - now)
        np.add.at(count, corners, 1)
        out += STEP * total / np.maximum(count, 1)
    return out
