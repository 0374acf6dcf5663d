"""Which blend shapes an exported file has, and their weights over time; which a user's file has already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.articulation import TONGUE
from sedtalker.animation.option_fields import Targets
from sedtalker.arrays import Doubles, Floats, Ints, Reals
from sedtalker.export.arkit import arkit_parts, motion_lost, solve_arkit
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.face.shape_maps import ShapeMap
from sedtalker.mesh.mesh import Material, weld_map, welded_normals
from sedtalker.render.light import MATERIALS, part_of_group, triangle_parts

FEWEST = 32
"""Targets are joined until so many are left."""
LEAST_OFFSET = 3e-5
"""Metres, at a target's peak weight: what moves less is left out of GLB and FBX."""
CHUNK = 8192
"""Frames of a recording that are worked on at a time in double precision."""
_TOLERANCE = 3e-5
"""Metres RMS over vertices and frames that joining targets may cost."""
_LEAST_WEIGHT = 1e-5
"""What never exceeds this does not move."""


@dataclass(frozen=True, eq=False)
class MorphTargets:
    """Blend shapes of a face, linear in their weights.

    Attributes:
        names: (K,) unique.
        offsets: (K, V, 3) metres at weight 1.
        weights: (T, K); no rows for a face that does not move.
        parts: (K, shapes + correctives of the face): each target as a sum of the face's own.
    """

    names: tuple[str, ...]
    offsets: Floats
    weights: Floats
    parts: Doubles

    @property
    def peaks(self) -> Reals:
        """(K,) the greatest weight of each, at least a thousandth; 1 for a face that does not move."""
        return np.maximum(np.abs(self.weights).max(axis=0), 1e-3) if len(self.weights) else np.ones(len(self.names))

    def residual(self, face: Face, coefficients: Reals) -> tuple[float, float]:
        """What the targets lose: RMS over vertices and frames in metres, and its share of the motion's RMS."""
        return motion_lost(face, coefficients, self.weights, self.parts)

    def describe(self, face: Face, coefficients: Reals) -> dict[str, float]:
        """Number of targets and what they lose, for people and programs."""
        error, share = self.residual(face, coefficients)
        return {"targets": len(self.names), "residual_mm": round(1e3 * error, 5), "residual_share": round(share, 6)}


def choose_targets(
    face: Face, coefficients: Reals | None, kind: Targets | ShapeMap = "arkit", fps: float = 30.0
) -> MorphTargets:
    """The targets of a file.

    ``few``: those that move, joined where they move together until 32 are left, as far as that costs less than
    0.03 mm RMS. ``all``: every shape, and the correctives that move. ``arkit``: the 52 of ARKit, their weights solved,
    see ``solve_arkit``, and the tongue's places of articulation (``TONGUE``) where the face has them, with what
    corrects them, since none of the 52 comes near; ``few`` for a face that has none of the 52. A face that does not
    move has its named shapes. A ``ShapeMap``: the shapes of another rig, with the weights that are nearest to ARKit's.

    Raises:
        InputError: another rig's shapes, and the face has none of ARKit's.
    """
    moves = coefficients is not None
    coefficients = np.zeros((0, len(face.shapes)), np.float32) if coefficients is None else coefficients
    weights = face.expand(coefficients)
    if isinstance(kind, ShapeMap):
        parts = kind.poses @ arkit_parts(face)
        offsets = np.tensordot(parts.astype(np.float32), face.basis, axes=1)
        return MorphTargets(kind.names, offsets, kind.from_arkit(solve_arkit(face, coefficients, fps)), parts)
    if kind == "arkit" and not any(name in face.shape_index for name in ARKIT_52):
        kind = "few"
    if not moves:
        wanted = (*ARKIT_52, *TONGUE) if kind == "arkit" else face.shapes
        return _own(face, [face.shape_index[name] for name in wanted if name in face.shape_index], weights)
    if kind == "arkit":
        return _with_tongue(face, weights, arkit_parts(face), solve_arkit(face, coefficients, fps))
    peak = np.abs(weights).max(axis=0, initial=0.0)
    size = np.abs(face.basis).max(axis=(1, 2), initial=0.0)
    if kind == "all":
        driven = np.arange(len(face.basis)) >= len(face.shapes)
        used = np.flatnonzero((size > 0) & (~driven | (peak > _LEAST_WEIGHT)))
        return _own(face, used.tolist(), weights)
    used = np.flatnonzero(peak * size > 1e-7)
    return _joined(_own(face, used.tolist(), weights), face.gram[np.ix_(used, used)])


def _with_tongue(face: Face, own: Floats, parts: Doubles, weights: Floats) -> MorphTargets:
    """The 52 and the shapes and correctives of the tongue's places.

    Args:
        face: whose shapes they are.
        own: (T, N) the motion in the shapes and correctives of the face.
        parts: (52, N) from ``arkit_parts``: each is a shape of the face, or none.
        weights: (T, 52).
    """
    sources = [(name,) for name in face.shapes] + [corrective.sources for corrective in face.correctives]
    used = [k for k, each in enumerate(sources) if set(TONGUE).intersection(each)]
    tongue = _own(face, used, own)
    known = parts.any(1)
    offsets = np.zeros((len(parts), *face.basis.shape[1:]), np.float32)
    offsets[known] = face.basis[parts[known].argmax(1)]
    return MorphTargets(
        (*ARKIT_52, *tongue.names),
        np.concatenate([offsets, tongue.offsets]),
        np.concatenate([weights, tongue.weights], axis=1),
        np.concatenate([parts, tongue.parts]),
    )


def _own(face: Face, used: list[int], weights: Floats) -> MorphTargets:
    """Shapes and correctives of the face as they are."""
    names = tuple(face.basis_names[k] for k in used)
    return MorphTargets(names, face.basis[used], weights[:, used], np.eye(len(face.basis))[used])


def _joined(targets: MorphTargets, gram: Doubles) -> MorphTargets:
    """The same motion by fewer targets: greedily join the two whose weights are most nearly proportional.

    Weights w_j ≈ a w_i make target i + a · target j with weights w_i; that costs |w_j − a w_i|² · |target j|².
    ``gram`` (K, K) are the inner products of the targets.
    """
    if len(targets.names) <= FEWEST:
        return targets
    names, parts = [*targets.names], targets.parts.copy()
    likeness = _products(targets.weights)
    allowed, spent = _TOLERANCE**2 * len(targets.weights) * targets.offsets.shape[1], 0.0
    mix, kept = np.eye(len(names)), list(range(len(names)))
    while len(names) > FEWEST:
        energy = np.maximum(np.diag(likeness), 1e-30)
        share = likeness / energy[:, None]
        bulk = np.einsum("ik,kl,il->i", mix, gram, mix)
        cost = np.maximum(energy[None] - share * likeness, 0.0) * bulk[None]
        np.fill_diagonal(cost, np.inf)
        i, j = divmod(int(cost.argmin()), len(names))
        if spent + cost[i, j] > allowed:
            break
        spent += cost[i, j]
        names[i] = _joined_name(names[i], names[j], float(share[i, j]))
        mix[i] += share[i, j] * mix[j]
        names.pop(j)
        kept.pop(j)
        mix, likeness = np.delete(mix, j, axis=0), np.delete(np.delete(likeness, j, axis=0), j, axis=1)
    offsets = np.tensordot(mix.astype(np.float32), targets.offsets, axes=1)
    return MorphTargets(tuple(names), offsets, targets.weights[:, kept], mix @ parts)


def _products(weights: Floats) -> Doubles:
    """(K, K) inner products of the columns of (T, K) weights, ``CHUNK`` frames at a time."""
    total = np.zeros((weights.shape[1], weights.shape[1]))
    for start in range(0, len(weights), CHUNK):
        part = weights[start : start + CHUNK].astype(np.float64)
        total += part.T @ part
    return total


def _joined_name(first: str, second: str, share: float) -> str:
    """``mouthSmileLeft`` and ``…Right`` in equal parts make ``mouthSmile``; correctives and traces stay unnamed."""
    stem, other = (name.replace("Left", "").replace("Right", "") for name in (first, second))
    if stem == other and abs(share - 1.0) < 0.05:
        return stem
    if second.startswith("fix_") or abs(share) < 0.1:
        return first
    return second if first.startswith("fix_") else f"{first}+{second}"


# --- Targets that a mesh of a user's file has, and which of them show a target of the face.
# A face keeps the shapes of its file, some of them enlarged: its target is often one of the file's times a factor, or
# the sum of two sides that the file has.

LEAST_FACTOR, MOST_FACTOR = 1e-3, 4.0
"""Least and largest weight of a target of the file that stands for one of the face at weight 1."""
ALIKE = 0.999
"""Cosine of two targets' sketches from which on they are compared, whatever their names are."""
BUCKETS = 64
"""Sums of a target's offsets that make its sketch, at most."""

Factors = dict[int, float]
"""Targets of the file by their index, each with its weight where the face's target has a weight of 1."""


def target_names(mesh: dict[str, Any]) -> list[str]:
    """Names of a mesh's targets: glTF has them at the mesh, files of VRM 0 at its parts."""
    count = len(mesh["primitives"][0].get("targets", ()))
    for part in (mesh, *mesh["primitives"]):
        extras = part.get("extras")
        if isinstance(extras, dict) and isinstance(extras.get("targetNames"), list):
            named = [str(name) for name in extras["targetNames"][:count]]
            return named + [f"target_{k}" for k in range(len(named), count)]
    return [f"target_{k}" for k in range(count)]


def name_targets(mesh: dict[str, Any], names: list[str]) -> None:
    """Name a mesh's targets, new ones after those that had a weight at rest."""
    mesh["weights"] = [*mesh.get("weights", ()), *[0.0] * len(names)][: len(names)]
    held = mesh.get("extras")
    mesh["extras"] = {**(held if isinstance(held, dict) else {}), "targetNames": names}
    for primitive in mesh["primitives"]:
        if "targetNames" in (primitive.get("extras") or {}):
            primitive["extras"] = {**primitive["extras"], "targetNames": names}


class OwnTargets:
    """The targets of one mesh of a file.

    Args:
        names: of the targets.
        shapes: names of the face's shapes, by which targets are understood.
        read: gives the offsets (N, 3) of a target by its index, metres.
    """

    def __init__(self, names: Sequence[str], shapes: Sequence[str], read: Callable[[int], Doubles]) -> None:
        from sedtalker.face.blend_shapes import meanings  # imports what fits heads, and few files need it

        self._names, self._shapes, self._read = names, shapes, read
        self._meanings = {name: set(meaning.shapes) for name, meaning in meanings(names, shapes).items()}

    def showing(self, name: str, parts: Doubles, wanted: Doubles) -> Factors:
        """The targets that move the mesh as one of the face's does; empty where there are none.

        Those of its name come first, then those whose names mean its shapes, one alone or all of them together, then
        any other that is the same but for a factor.

        Args:
            name: of the face's target.
            parts: of which shapes and correctives of the face it is the sum.
            wanted: its offsets (N, 3), metres.
        """
        shapes = {shape for shape, part in zip(self._shapes, parts, strict=False) if part}
        of_name = [j for j, own in enumerate(self._names) if own == name]
        meant = [j for j, own in enumerate(self._names) if own != name and self._meanings.get(own, set()) & shapes]
        named = [*of_name, *meant]
        tried = [[j] for j in named] + ([named] if len(named) > 1 else [])
        found = next(filter(None, (self._factors(some, wanted) for some in tried)), {})
        alike = np.flatnonzero(self._sketches @ _sketch(wanted) > ALIKE) if self._names and not found else ()
        return found or next(filter(None, (self._factors([int(j)], wanted) for j in alike)), {})

    def _factors(self, some: list[int], wanted: Doubles) -> Factors:
        """Weights of some targets that together give wanted offsets; empty where they do not."""
        columns = np.stack([self._read(j).reshape(-1) for j in some], axis=1)
        gram = columns.T @ columns
        factors = np.linalg.pinv(gram, rcond=1e-9, hermitian=True) @ (columns.T @ wanted.reshape(-1))
        factors[np.abs(factors) < LEAST_FACTOR] = 0.0
        if factors.min() < 0.0 or factors.max() > MOST_FACTOR:
            return {}
        missed = np.abs(columns @ factors - wanted.reshape(-1)).max(initial=0.0)
        return {j: float(f) for j, f in zip(some, factors, strict=True) if f} if missed <= LEAST_OFFSET else {}

    @cached_property
    def _sketches(self) -> Doubles:
        return np.stack([_sketch(self._read(j)) for j in range(len(self._names))])


def _sketch(offsets: Doubles) -> Doubles:
    """Sums of offsets (N, 3) in buckets, of length 1: those of targets in proportion are the same."""
    signs = np.where(np.random.default_rng(0).random(len(offsets)) < 0.5, -1.0, 1.0)
    starts = np.unique(np.linspace(0, len(offsets), BUCKETS, endpoint=False).astype(int))
    sums: Doubles = np.add.reduceat(signs[:, None] * offsets, starts, axis=0).reshape(-1)
    return sums / (np.linalg.norm(sums) + 1e-30)


# --- How a face looks in other programs: normals and physically based materials.

_ROUGHNESS = {"eye": 0.12, "teeth": 0.3, "tongue": 0.4, "lips": 0.45, "hair": 0.7, "cloth": 0.9}
"""Roughness of physically based materials, by part of the head; 0.55 elsewhere."""


@dataclass(frozen=True, eq=False)
class MaterialTable:
    """Materials of a mesh: ``names`` (M,), ``roughness`` (M,), the user's own (M,) and that of each triangle (T,)."""

    names: tuple[str, ...]
    roughness: tuple[float, ...]
    materials: tuple[Material | None, ...]
    triangles: Ints


def surface_of(face: Face) -> MaterialTable:
    """One material for each polygon group of the mesh, or for each part of the head where it has no groups."""
    mesh = face.mesh
    groups: NDArray[np.integer]
    if mesh.polygon_groups is not None and mesh.group_names:
        names = list(mesh.group_names)
        groups, parts = mesh.polygon_groups[mesh.triangle_polygons], [part_of_group(name) for name in names]
    else:
        names = parts = list(MATERIALS)
        groups = triangle_parts(mesh, face.regions)
    own: list[Material | None] = [*mesh.materials] if len(mesh.materials) == len(names) else [None] * len(names)
    used, which = np.unique(groups, return_inverse=True)
    return MaterialTable(
        tuple(names[k] for k in used),
        tuple(_ROUGHNESS.get(parts[k], 0.55) for k in used),
        tuple(own[k] for k in used),
        which.reshape(-1).astype(np.int32),
    )


class Normals:
    """Normals of a face at rest, ``rest`` (V, 3), and how offsets bend them; smooth across texture seams."""

    def __init__(self, face: Face) -> None:
        self._mesh, self._weld = face.mesh, weld_map(face.mesh)
        self.rest = welded_normals(face.mesh.vertices, face.mesh.triangles, self._weld)

    def change(self, offsets: Floats, weight: float) -> Floats:
        """What offsets (V, 3) add to the unit normals (V, 3), a weight of 1 judged by what ``weight`` does.

        Normals do not bend in proportion: half the greatest weight in use gives the least error over all of them.
        """
        moved = welded_normals(self._mesh.vertices + weight * offsets, self._mesh.triangles, self._weld)
        return (moved - self.rest) / np.float32(weight)
