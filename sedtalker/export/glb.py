"""glTF 2.0 binary: the face, its shapes as morph targets, and their weights over time.

A few named morph targets and a number a frame for each say the same as all vertices of all frames, in a hundredth of
the size, and stay editable in Blender, Unreal and on the web. Follows the Khronos glTF 2.0 specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.option_fields import Targets
from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.errors import InputError
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.export.targets import LEAST_OFFSET, MorphTargets, Normals, choose_targets, surface_of
from sedtalker.face.face import Face, head_weights
from sedtalker.mesh.mesh import Material, Mesh
from sedtalker.mesh.surface import split_by
from sedtalker.render.light import default_colours, to_linear

LEAST_NORMAL = 3e-2
"""Smaller changes of a unit normal, at the peak weight, are left out."""


def write_glb(
    path: Path,
    face: Face,
    coefficients: Reals | None = None,
    fps: float = 30.0,
    head_rotation: Reals | None = None,
    extras: Mapping[str, Any] | None = None,
    *,
    targets: MorphTargets | Targets = "few",
) -> None:
    """Write a face, animated or still; the file appears whole or not at all, and the same input gives the same bytes.

    Vertex i of the file is vertex i of ``face.mesh``; vertices that texture seams split follow at the end, and
    ``mesh.extras.splitVertices`` says which ones they double. Each material is a primitive; those after the first have
    only a stretch of these vertices, from ``primitive.extras.firstVertex`` on. Head rotation turns the node ``head``
    about ``face.pivot``; where the mesh has shoulders, it is a joint that the neck follows.

    Args:
        face: what is animated, metres.
        coefficients: (T, K), T ≥ 1; without them there is no animation, only the face and its named targets.
        fps: frames a second; frame i is at ``i / fps`` seconds, linear in between.
        head_rotation: (T, 3) rotation vectors in radians, or (T, 4) quaternions x y z w.
        extras: plain data kept in ``asset.extras``.
        targets: which morph targets there are, see ``choose_targets``; a face that does not move has all its shapes.

    Raises:
        InputError: nothing to write.
    """
    if coefficients is not None and len(coefficients) == 0:
        raise InputError(f"{path}: the animation has no frames")
    chosen = choose_targets(face, coefficients, targets, fps) if isinstance(targets, str) else targets
    builder = GltfBuilder()
    add_head(builder, face, chosen, fps, head_rotation)
    builder.write(path, builder.document(extras))


@dataclass(frozen=True)
class Standpoint:
    """Where a head stands among others.

    Attributes:
        name: of the node that everything of the head hangs on, and the beginning of its other names.
        position: where the pivot of the face is, metres.
        rotation: quaternion x y z w.
    """

    name: str
    position: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


def add_head(
    builder: GltfBuilder,
    face: Face,
    targets: MorphTargets,
    fps: float,
    head_rotation: Reals | None = None,
    *,
    at: Standpoint | None = None,
) -> None:
    """Add a head to a file, see ``write_glb``: its mesh, materials and nodes, and its part of the animation.

    Args:
        targets: morph targets, with their weights where the face moves.
        at: where it stands among others; None: alone, at the place of its mesh.
    """
    sources, corners, uvs = split_at_seams(face.mesh)
    bend = Normals(face)
    attributes = _attributes(builder, face, sources, uvs, bend.rest)
    followers = head_weights(face)[sources] if head_rotation is not None else np.ones(1, dtype=np.float32)
    if (followers < 1.0).any():
        attributes |= skin_attributes(builder, followers)
    changes = _Targets(builder, targets, sources, bend)
    primitives, materials = _primitives(builder, face, corners, attributes, changes)
    for primitive in primitives:
        primitive["material"] += len(builder.materials)
    name = face.name if at is None else f"{at.name} {face.name}"
    mesh: dict[str, Any] = {"name": name, "primitives": primitives}
    mesh_extras: dict[str, Any] = {}
    if targets.names:
        mesh["weights"] = [0.0] * len(targets.names)
        mesh_extras["targetNames"] = list(targets.names)
    if len(sources) > len(face.mesh.vertices):
        mesh_extras["splitVertices"] = [int(v) for v in sources[len(face.mesh.vertices) :]]
    if mesh_extras:
        mesh["extras"] = mesh_extras
    builder.materials += materials
    builder.meshes.append(mesh)
    head, shown = _add_nodes(builder, face, followers, at)
    if len(targets.weights):
        _add_motion(builder, head, shown, targets.weights, fps, head_rotation)


def split_at_seams(mesh: Mesh) -> tuple[Ints, Ints, Floats | None]:
    """Vertices as glTF wants them, one texture coordinate each.

    Returns:
        sources: (W,) the mesh vertex of each; the first V are 0 … V − 1, the rest are splits.
        corners: (T, 3) triangles over them.
        uvs: (W, 2), origin at the top left as in glTF, or None.
    """
    if mesh.uvs is None or mesh.polygon_uvs is None:
        return np.arange(len(mesh.vertices), dtype=np.int32), mesh.triangles, None
    split = split_by(mesh, mesh.polygon_uvs)
    return split.sources, split.triangles, split.places(mesh)


def _largest(offsets: Floats) -> Floats:
    """(V,) the largest of the three magnitudes of each row of (V, 3)."""
    x, y, z = np.abs(offsets.T)
    return np.maximum(np.maximum(x, y), z)


class _Targets:
    """Morph targets of the file's vertices, without what nobody would see."""

    def __init__(self, builder: GltfBuilder, targets: MorphTargets, sources: Ints, bend: Normals) -> None:
        self._builder = builder
        self._changes: list[dict[str, tuple[Ints, Floats]]] = []
        for offsets, most in zip(targets.offsets, targets.peaks, strict=True):
            turned = bend.change(offsets, most / 2)  # so that viewers light a moved face rightly
            seen, bent = _seen(offsets, LEAST_OFFSET / most, sources), _seen(turned, LEAST_NORMAL / most, sources)
            self._changes.append({"POSITION": seen, "NORMAL": bent})

    def of(self, used: Mask, first: int, count: int) -> list[dict[str, int]]:
        """The accessors of each target over ``count`` vertices from ``first`` on, moving those ``used`` (W,)."""
        accessors: list[dict[str, int]] = []
        for changes in self._changes:
            accessors.append({})
            for name, (rows, values) in changes.items():
                part = slice(*np.searchsorted(rows, (first, first + count)))
                mine = used[rows[part]]
                rows, values = rows[part][mine] - first, values[part][mine]
                accessors[-1][name] = self._builder.sparse_accessor(rows, values, count, bounds=name == "POSITION")
        return accessors


def _seen(values: Floats, least: float, sources: Ints) -> tuple[Ints, Floats]:
    """The rows (N,) of the file's vertices, made of ``sources`` (W,) of (V, 3), that exceed the least, and (N, 3)."""
    rows = np.flatnonzero((_largest(values) > least)[sources]).astype(np.int32)
    return rows, values[sources[rows]]


def _attributes(builder: GltfBuilder, face: Face, sources: Ints, uvs: Floats | None, normals: Floats) -> dict[str, int]:
    """The vertices that all primitives share; ``normals`` (V, 3) at rest."""
    mesh = face.mesh
    colours = np.ones((len(mesh.vertices), 4))
    colours[:, :3] = to_linear(default_colours(mesh, face.regions))
    attributes = {
        "POSITION": builder.accessor(mesh.vertices[sources], bounds=True),
        "NORMAL": builder.accessor(normals[sources]),
        "COLOR_0": builder.accessor(_sixteen_bits(colours)[sources], normalized=True),
    }
    if uvs is not None:
        inside = uvs.min(initial=0.0) >= 0.0 and uvs.max(initial=0.0) <= 1.0
        attributes["TEXCOORD_0"] = builder.accessor(_sixteen_bits(uvs) if inside else uvs, normalized=inside)
    return attributes


def _sixteen_bits(values: Reals) -> NDArray[np.uint16]:
    """[0, 1] as normalised integers."""
    return np.round(np.clip(values, 0.0, 1.0) * 65535.0).astype(np.uint16)


def _primitives(
    builder: GltfBuilder, face: Face, corners: Ints, attributes: dict[str, int], targets: _Targets
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One primitive and one material for each polygon group (or part of the head).

    The first has all vertices, those that no polygon uses too; the others the stretch from their least to their
    greatest: viewers keep every target for every vertex of each primitive, which would be the whole face many times.
    """
    surface, total = surface_of(face), builder.count(attributes["POSITION"])
    primitives: list[dict[str, Any]] = []
    materials: list[dict[str, Any]] = []
    unused = np.bincount(corners.reshape(-1), minlength=total) == 0
    for index, (name, roughness) in enumerate(zip(surface.names, surface.roughness, strict=True)):
        chosen = corners[surface.triangles == index].reshape(-1)
        used = np.bincount(chosen, minlength=total) > 0
        first, count, own = 0, total, attributes
        if index:
            first, count = int(chosen.min()), int(np.ptp(chosen)) + 1
            own = {name: builder.part(accessor, first, count) for name, accessor in attributes.items()}
        local = (chosen - first).astype(np.uint16 if count <= 65535 else np.uint32)
        primitive: dict[str, Any] = {
            "attributes": own,
            "indices": builder.accessor(local, indices=True),
            "material": index,
        }
        moving = targets.of(used if index else used | unused, first, count)
        if moving:
            primitive["targets"] = moving
        if index:
            primitive["extras"] = {"firstVertex": first}
        primitives.append(primitive)
        material = surface.materials[index]
        if material is not None and material.texture is not None and "TEXCOORD_0" in own:
            # The texture has the colours; ours by vertex, read from it, would darken it.
            primitive["attributes"] = {key: accessor for key, accessor in own.items() if key != "COLOR_0"}
        materials.append(_look(builder, name, roughness, material, "TEXCOORD_0" in own))
    return primitives, materials


def _look(
    builder: GltfBuilder, name: str, roughness: float, material: Material | None, has_uvs: bool
) -> dict[str, Any]:
    """A glTF material: the user's own with its texture, or one of ours that takes its colours from the vertices."""
    look: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": roughness}
    made: dict[str, Any] = {"name": name, "pbrMetallicRoughness": look, "doubleSided": True}
    if material is None:
        return made
    look |= {"metallicFactor": material.metallic, "roughnessFactor": material.roughness}
    made["doubleSided"] = material.double_sided
    if material.normal is not None and has_uvs:
        made["normalTexture"] = {"index": builder.texture(material.normal), "scale": material.normal_scale}
    if material.alpha == "MASK":
        made["alphaCutoff"] = material.cutoff
    if material.alpha != "OPAQUE":
        made["alphaMode"] = material.alpha
        look["baseColorFactor"] = [1.0, 1.0, 1.0, material.colour[3]]
    if material.texture is not None and has_uvs:
        look["baseColorTexture"] = {"index": builder.texture(material.texture)}
        look["baseColorFactor"] = [float(x) for x in material.colour]
    return made


def skin_attributes(builder: GltfBuilder, followers: Floats) -> dict[str, int]:
    """Joints and weights of every vertex: joint 0 is the body, joint 1 the head."""
    joints = np.zeros((len(followers), 4), dtype=np.uint8)
    weights = np.zeros((len(followers), 4), dtype=np.uint16)
    weights[:, 1] = _sixteen_bits(followers)
    weights[:, 0] = 65535 - weights[:, 1]
    joints[:, 1] = weights[:, 1] > 0
    return {"JOINTS_0": builder.accessor(joints), "WEIGHTS_0": builder.accessor(weights, normalized=True)}


def _add_nodes(builder: GltfBuilder, face: Face, followers: Floats, at: Standpoint | None) -> tuple[int, int]:
    """Nodes and skin of a head: the nodes that turn it and show its mesh.

    A mesh with a skin is a root: only its joints place it, which hang on the node of the standpoint.
    """
    first, prefix = len(builder.nodes), "" if at is None else f"{at.name} "
    pivot = [float(x) for x in face.pivot]
    head: dict[str, Any] = {"name": f"{prefix}head", "translation": pivot}
    shown: dict[str, Any] = {"name": f"{prefix}{face.name}", "mesh": len(builder.meshes) - 1}
    builder.nodes += [head, shown]
    skinned = bool((followers < 1.0).any())
    top, back = first, [-x for x in pivot]
    if skinned:
        inverse = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
        inverse[1, 3, :3] = -face.pivot  # columns first, as glTF has it
        matrices = builder.accessor(inverse.reshape(2, 16), plain=True)
        top = first + 2
        builder.skins.append({"joints": [top, first], "inverseBindMatrices": matrices, "skeleton": top})
        shown["skin"] = len(builder.skins) - 1
        builder.nodes.append({"name": f"{prefix}body", "children": [first]})
    else:
        head["children"] = [first + 1]
        shown["translation"] = back
    if at is not None:
        builder.nodes[top]["translation"] = back if skinned else [0.0, 0.0, 0.0]
        where = {"translation": list(at.position), "rotation": list(at.rotation)}
        builder.nodes.append({"name": at.name, **where, "children": [top]})
        top = len(builder.nodes) - 1
    builder.roots += [top, first + 1] if skinned else [top]
    return first, first + 1


def _add_motion(
    builder: GltfBuilder, head: int, shown: int, weights: Floats, fps: float, head_rotation: Reals | None
) -> None:
    """Channels for the weights of the node that shows a mesh, and for the rotation of that of its head."""
    seconds = (np.arange(len(weights)) / fps).astype(np.float32)
    times = builder.accessor(seconds, bounds=True)
    if weights.shape[1]:
        builder.animate([shown], "weights", times, weights)
    if head_rotation is not None:
        if len(head_rotation) != len(weights):
            raise ValueError(f"expected {len(weights)} head rotations, got {len(head_rotation)}")
        builder.animate([head], "rotation", times, quaternions_of(head_rotation))


def quaternions_of(turns: Reals) -> Doubles:
    """Rotation vectors (T, 3) in radians, or quaternions (T, 4), as unit quaternions x y z w (T, 4).

    Neighbours are in one hemisphere, so that linear interpolation takes the short way.
    """
    if turns.shape[1:] not in ((3,), (4,)):
        raise ValueError(f"expected (T, 3) or (T, 4) head rotations, got {turns.shape}")
    precise = np.asarray(turns, dtype=np.float64)
    if turns.shape[1] == 3:  # as scipy's Rotation, whose import is a tenth of a short command
        half = 0.5 * np.linalg.norm(precise, axis=1, keepdims=True)
        precise = np.concatenate([0.5 * np.sinc(half / np.pi) * precise, np.cos(half)], axis=1)
    quaternions = precise / np.linalg.norm(precise, axis=1, keepdims=True)
    quaternions[:1] *= np.where(quaternions[:1, 3:] < 0, -1, 1)
    flips = np.cumprod(np.concatenate([[1.0], np.where((quaternions[1:] * quaternions[:-1]).sum(1) < 0, -1, 1)]))
    return np.asarray(quaternions * flips[:, None])
