"""Taking folds out of shapes: quads that a shape turns over are relaxed together with what lies round them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from sedtalker.face.builtin.cage import Cage, patch
from sedtalker.face.builtin.parts import Index, Points, Skin
from sedtalker.face.builtin.shapes import SHAPES
from sedtalker.face.face import Corrective
from sedtalker.mesh.mesh import Mask

LIP, LID = 3.9, 1.9
"""Rings from which mouth and eye count as lip and lid."""
LEAST = 0.1
"""Cosine between a quad's normal and the one its surroundings carry along, below which it counts as folded."""
SUSPECT = 0.5
"""Quads whose normal keeps this cosine to its rest are not looked at."""
ROUNDS, STEP = 60, 0.6
"""Rounds of laying out folded quads, and how far a vertex goes in one."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What lies round each quad.

    Attributes:
        quads: (Q, 4).
        patch: (Q, V) 1 for the vertices of a quad, its neighbours and theirs, as far as they are of the same lip.
        plain: (Q,) skin that is neither lip nor lid.
    """

    quads: Index
    patch: sparse.csr_matrix
    plain: Mask


def surroundings(cage: Cage) -> Surroundings:
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
    return Surroundings(quads, _entries(near.row[keep], near.col[keep], near.shape), plain)


def _entries(rows: Index, columns: Index, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()


def quad_normals(points: Points, quads: Index) -> Points:
    """(Q, 3) unit normals."""
    c = points[quads]
    normal = np.cross(c[:, 2] - c[:, 0], c[:, 3] - c[:, 1])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True, eq=False)
class Folds:
    """Quads that a shape turns over: which (n,), and the rotations (n, 3, 3, for row vectors) they should have."""

    quads: Index
    rotations: Points


def find_folds(around: Surroundings, rest: Points, posed: Points) -> Folds:
    """Quads turned over against their surroundings, whose own rotation is taken out (lips and lids do roll), or, on
    ``around.plain`` skin, against their rest.

    Args:
        around: of the mesh.
        rest: (V, 3).
        posed: (V, 3).
    """
    before, after = quad_normals(rest, around.quads), quad_normals(posed, around.quads)
    turned = (before * after).sum(1)
    at = np.flatnonzero(turned < SUSPECT)
    turns = rotations(around.patch[at], rest, posed)
    against = ((before[at, None] @ turns)[:, 0] * after[at]).sum(1) < LEAST
    wrong = around.plain[at] & (turned[at] < LEAST)
    turns[wrong & ~against] = np.eye(3)
    return Folds(at[against | wrong], turns[against | wrong])


def rotations(patch: sparse.csr_matrix, rest: Points, posed: Points) -> Points:
    """(n, 3, 3) rotations, for row vectors, that best carry the vertices of each patch (Kabsch 1976)."""
    count = np.asarray(patch.sum(1))[:, :, None]
    products = (rest[:, :, None] * posed[:, None]).reshape(len(rest), 9)
    moment = (patch @ products).reshape(-1, 3, 3) - (patch @ rest)[:, :, None] * (patch @ posed)[:, None] / count
    u, _, v = np.linalg.svd(moment)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
    return u @ v


def unfold(base: Skin, skin: Skin, around: Surroundings, fixes: tuple[Corrective, ...]) -> Skin:
    """The skin with no quad folded at rest (against the head of neutral identity) or in any single shape at weight 1.

    A shape with a corrective beyond another (``mouthClose`` beyond ``jawOpen``) shows alone with that corrective, which
    changes in its place; together with the other shape it is what it was.
    """
    rest = base.vertices + relaxed(around, base.vertices, skin.vertices - base.vertices)
    rows = skin.offsets.astype(float)
    beyond = {c.sources: len(SHAPES) + row for row, c in enumerate(fixes) if c.beyond}
    tamed = [SHAPES.index(sources[0]) for sources in beyond]
    for row in (row for row in range(len(SHAPES)) if row not in tamed):
        rows[row] = relaxed(around, rest, rows[row])
    for (first, second), fix in beyond.items():
        shape, other = SHAPES.index(first), SHAPES.index(second)
        alone = rows[shape] + rows[fix]
        rows[shape] -= rows[other] - skin.offsets[other]
        rows[fix] = relaxed(around, rest, alone) - rows[shape]
    return replace(skin, vertices=rest, offsets=rows.astype(np.float32))


def relaxed(around: Surroundings, rest: Points, offset: NDArray[np.floating]) -> NDArray[np.floating]:
    """One shape's offsets (V, 3) without folds, if ``ROUNDS`` suffice.

    Folded quads are laid as they are at rest, turned like their surroundings; a vertex goes to the mean of what its
    folded quads want. Neighbours that fold in turn are laid out in the next round.
    """
    folds = find_folds(around, rest, rest + offset)
    out = offset.astype(float)
    for _ in range(ROUNDS):
        if not len(folds.quads):
            break
        corners = around.quads[folds.quads]
        now, flat = (rest + out)[corners], rest[corners]
        want = (flat - flat.mean(1, keepdims=True)) @ folds.rotations + now.mean(1, keepdims=True)
        total, count = np.zeros_like(out), np.zeros((len(out), 1))
        np.add.at(total, corners, want - now)
        np.add.at(count, corners, 1)
        out += STEP * total / np.maximum(count, 1)
        folds = find_folds(around, rest, rest + out)
    return out
