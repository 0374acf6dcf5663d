"""glTF 2.0 binary: the face, its shapes as morph targets, and their weights over time.

A few named morph targets and a number a frame for each say the same as all vertices of all frames, in a hundredth of
the size, and stay editable in Blender, Unreal and on the web. Follows the Khronos glTF 2.0 specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sedtalker import __version__
from sedtalker.errors import InputError
from sedtalker.export.gltf_builder import GltfBuilder
from sedtalker.face.face import Face
from sedtalker.face.head import head_weights
from sedtalker.face.mesh import Floats, Ints, Mesh
from sedtalker.render.light import MATERIALS, default_colours, part_of_group, triangle_parts
from sedtalker.render.renderer import weld_map
from sedtalker.render.shading import to_linear, welded_normals

_LEAST_OFFSET = 2e-6  # metres: smaller offsets are left out
_LEAST_NORMAL = 5e-3  # smaller changes of a unit normal are left out
_LEAST_WEIGHT = 1e-5  # a corrective that never exceeds this is left out
_ROUGHNESS = {"eye": 0.12, "teeth": 0.3, "tongue": 0.4, "lips": 0.45, "hair": 0.7, "cloth": 0.9}


def write_glb(
    path: Path,
    face: Face,
    coefficients: NDArray[np.floating] | None = None,
    fps: float = 30.0,
    head_rotation: NDArray[np.floating] | None = None,
    extras: Mapping[str, Any] | None = None,
    *,
    normals: bool = True,
) -> None:
    """Write a face, animated or still; the file appears whole or not at all, and the same input gives the same bytes.

    Vertex i of the file is vertex i of ``face.mesh``; vertices that texture seams split follow at the end, and
    ``mesh.extras.splitVertices`` says which ones they double. Every shape that moves anything becomes a morph
    target under its own name, and so does every corrective the animation needs, with its own weights. Head rotation
    turns the node ``head`` about ``face.pivot``; where the mesh has shoulders, it is a joint that the neck follows.

    Args:
        path: the file.
        face: what is animated, metres.
        coefficients: (T, K), T ≥ 1; without them there is no animation, only the face and its named targets.
        fps: frames a second; frame i is at ``i / fps`` seconds, linear in between.
        head_rotation: (T, 3) rotation vectors in radians, or (T, 4) quaternions x y z w.
        extras: plain data kept in ``asset.extras``.
        normals: whether morph targets also bend the normals, so that viewers light a moved face rightly.

    Raises:
        InputError: nothing to write.
    """
    weights = face.expand(np.zeros((1, len(face.shapes))) if coefficients is None else coefficients)
    if len(weights) == 0:
        raise InputError(f"{path}: the animation has no frames")
    names = (*face.shapes, *(corrective.name for corrective in face.correctives))
    moves = np.abs(face.basis).max(axis=(1, 2)) > _LEAST_OFFSET
    moves[len(face.shapes) :] &= np.abs(weights[:, len(face.shapes) :]).max(axis=0, initial=0.0) > _LEAST_WEIGHT
    used = np.flatnonzero(moves)

    builder = GltfBuilder()
    sources, corners, uvs = split_at_seams(face.mesh)
    weld = weld_map(face.mesh)
    targets = [_target(builder, face, sources, weld, int(k), normals) for k in used]
    attributes = _attributes(builder, face, sources, weld, uvs)
    followers = head_weights(face)[sources] if head_rotation is not None else np.ones(1, dtype=np.float32)
    if (followers < 1.0).any():
        attributes |= _skin_attributes(builder, followers)
    primitives, materials = _primitives(builder, face, corners, attributes, targets)
    mesh: dict[str, Any] = {"name": face.name, "primitives": primitives}
    mesh_extras: dict[str, Any] = {}
    if targets:
        mesh["weights"] = [0.0] * len(targets)
        mesh_extras["targetNames"] = [names[k] for k in used]
    if len(sources) > len(face.mesh.vertices):
        mesh_extras["splitVertices"] = [int(v) for v in sources[len(face.mesh.vertices) :]]
    if mesh_extras:
        mesh["extras"] = mesh_extras
    document: dict[str, Any] = {
        "asset": {
            "version": "2.0",
            "generator": f"SEDTalker {__version__}",
            **({"extras": dict(extras)} if extras else {}),
        },
        "scene": 0,
        "meshes": [mesh],
        "materials": materials,
        **_nodes(builder, face, followers),
    }
    if coefficients is not None:
        animation = _animation(builder, weights[:, used], fps, head_rotation)
        if animation["channels"]:
            document["animations"] = [animation]
    builder.write(path, document)


def split_at_seams(mesh: Mesh) -> tuple[Ints, Ints, Floats | None]:
    """Vertices as glTF wants them, one texture coordinate each.

    Returns:
        sources: (W,) the mesh vertex of each; the first V are 0 … V − 1, the rest are splits.
        corners: (T, 3) triangles over them.
        uvs: (W, 2), origin at the top left as in glTF, or None.
    """
    count = len(mesh.vertices)
    if mesh.uvs is None or mesh.polygon_uvs is None:
        return np.arange(count, dtype=np.int32), mesh.triangles, None
    corner_uvs = np.where(mesh.polygon_uvs < 0, len(mesh.uvs), mesh.polygon_uvs).astype(np.int64)
    pairs = mesh.polygon_vertices.astype(np.int64) * (len(mesh.uvs) + 1) + corner_uvs
    distinct, first, which = np.unique(pairs, return_index=True, return_inverse=True)
    order = np.argsort(first)
    owner = mesh.polygon_vertices[first[order]]
    _, keeps = np.unique(owner, return_index=True)
    slot = np.empty(len(distinct), dtype=np.int64)
    kept = np.zeros(len(distinct), dtype=bool)
    kept[keeps] = True
    slot[kept] = owner[kept]
    slot[~kept] = count + np.arange((~kept).sum())
    sources = np.concatenate([np.arange(count), owner[~kept]]).astype(np.int32)
    table = np.concatenate([mesh.uvs, np.zeros((1, 2), dtype=np.float32)])
    uvs = np.zeros((len(sources), 2), dtype=np.float32)
    uvs[slot] = table[corner_uvs[first[order]]]
    place = np.empty(len(distinct), dtype=np.int64)
    place[order] = slot
    corners = place[which.reshape(-1)][mesh.corner_triangles].astype(np.int32)
    return sources, corners, np.stack([uvs[:, 0], 1.0 - uvs[:, 1]], axis=1)


def _target(builder: GltfBuilder, face: Face, sources: Ints, weld: Ints, index: int, normals: bool) -> dict[str, int]:
    """The accessors of one morph target."""
    offsets = face.basis[index]
    moved = np.abs(offsets).max(axis=1) > _LEAST_OFFSET
    target = {"POSITION": builder.sparse_accessor(np.where(moved[:, None], offsets, 0)[sources], bounds=True)}
    if normals:
        triangles, vertices = face.mesh.triangles, face.mesh.vertices
        change = welded_normals(vertices + offsets, triangles, weld) - welded_normals(vertices, triangles, weld)
        change[np.abs(change).max(axis=1) < _LEAST_NORMAL] = 0.0
        target["NORMAL"] = builder.sparse_accessor(change[sources])
    return target


def _attributes(builder: GltfBuilder, face: Face, sources: Ints, weld: Ints, uvs: Floats | None) -> dict[str, int]:
    """The vertices that all primitives share."""
    mesh = face.mesh
    attributes = {
        "POSITION": builder.accessor(mesh.vertices[sources], bounds=True),
        "NORMAL": builder.accessor(welded_normals(mesh.vertices, mesh.triangles, weld)[sources]),
        "COLOR_0": builder.accessor(to_linear(default_colours(mesh, face.regions))[sources]),
    }
    if uvs is not None:
        attributes["TEXCOORD_0"] = builder.accessor(uvs)
    return attributes


def _primitives(
    builder: GltfBuilder, face: Face, corners: Ints, attributes: dict[str, int], targets: list[dict[str, int]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One primitive and one material for each polygon group (or part of the head), all over the same vertices."""
    mesh = face.mesh
    if mesh.polygon_groups is not None and mesh.group_names:
        names = list(mesh.group_names)
        groups = mesh.polygon_groups[mesh.triangle_polygons]
        parts = [part_of_group(name) for name in names]
    else:
        names = parts = list(MATERIALS)
        groups = triangle_parts(mesh, face.regions)
    primitives: list[dict[str, Any]] = []
    materials: list[dict[str, Any]] = []
    for group in np.unique(groups):
        primitive: dict[str, Any] = {
            "attributes": attributes,
            "indices": builder.accessor(corners[groups == group].reshape(-1).astype(np.uint32), indices=True),
            "material": len(materials),
        }
        if targets:
            primitive["targets"] = targets
        primitives.append(primitive)
        roughness = _ROUGHNESS.get(parts[group], 0.55)
        surface = {"metallicFactor": 0.0, "roughnessFactor": roughness}
        materials.append({"name": names[group], "pbrMetallicRoughness": surface, "doubleSided": True})
    return primitives, materials


def _skin_attributes(builder: GltfBuilder, followers: Floats) -> dict[str, int]:
    """Joints and weights of every vertex: joint 0 is the body, joint 1 the head."""
    joints = np.zeros((len(followers), 4), dtype=np.uint8)
    joints[:, 1] = followers > 0.0
    weights = np.zeros((len(followers), 4), dtype=np.float32)
    weights[:, 0], weights[:, 1] = 1.0 - followers, followers
    return {"JOINTS_0": builder.accessor(joints), "WEIGHTS_0": builder.accessor(weights)}


def _nodes(builder: GltfBuilder, face: Face, followers: Floats) -> dict[str, Any]:
    """Scene, nodes and skin; node 0 is the head and node 1 shows the mesh."""
    pivot = [float(x) for x in face.pivot]
    head: dict[str, Any] = {"name": "head", "translation": pivot}
    shown: dict[str, Any] = {"name": face.name, "mesh": 0}
    if (followers >= 1.0).all():
        head["children"] = [1]
        shown["translation"] = [-x for x in pivot]
        return {"scenes": [{"nodes": [0]}], "nodes": [head, shown]}
    inverse = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))
    inverse[1, 3, :3] = -face.pivot  # columns first, as glTF has it
    skin = {
        "joints": [2, 0],
        "inverseBindMatrices": builder.accessor(inverse.reshape(2, 16), plain=True),
        "skeleton": 2,
    }
    shown["skin"] = 0
    nodes = [head, shown, {"name": "body", "children": [0]}]
    return {"scenes": [{"nodes": [2, 1]}], "nodes": nodes, "skins": [skin]}


def _animation(
    builder: GltfBuilder, weights: Floats, fps: float, head_rotation: NDArray[np.floating] | None
) -> dict[str, Any]:
    """Channels for the weights of node 1 and the rotation of node 0."""
    seconds = (np.arange(len(weights)) / fps).astype(np.float32)
    times = builder.accessor(seconds, bounds=True)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def add(node: int, path: str, values: NDArray[np.float32]) -> None:
        output = builder.accessor(values, plain=True)
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": times, "interpolation": "LINEAR", "output": output})

    if weights.shape[1]:
        add(1, "weights", np.ascontiguousarray(weights, dtype=np.float32).reshape(-1))
    if head_rotation is not None:
        turns = np.asarray(head_rotation, dtype=np.float64)
        if len(turns) != len(weights) or turns.shape[1:] not in ((3,), (4,)):
            raise ValueError(f"expected ({len(weights)}, 3) or (…, 4) head rotations, got {turns.shape}")
        rotation = Rotation.from_rotvec(turns) if turns.shape[1] == 3 else Rotation.from_quat(turns)
        quaternions = rotation.as_quat(canonical=True)
        # Neighbours in one hemisphere: linear interpolation then takes the short way.
        flips = np.cumprod(np.concatenate([[1.0], np.where((quaternions[1:] * quaternions[:-1]).sum(1) < 0, -1, 1)]))
        add(0, "rotation", (quaternions * flips[:, None]).astype(np.float32))
    return {"name": "speech", "channels": channels, "samplers": samplers}
