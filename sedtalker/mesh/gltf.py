"""Reading glTF 2.0 (Khronos specification): meshes in scene coordinates, their materials and morph targets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Ints
from sedtalker.errors import InputError
from sedtalker.mesh.gltf_file import MOST_NODES, GltfFile, GltfObject, plain
from sedtalker.mesh.mesh import (
    MAX_VERTICES,
    NO_FILE,
    NO_PICTURE,
    Material,
    Scene,
    ScenePart,
    joined,
    kept_picture,
    note,
    sample_image,
)
from sedtalker.mesh.surface import same_places, smoothing_of_normals

MOST_OFFSETS = 120 * MAX_VERTICES
"""Greatest number of vertices times morph targets of a mesh."""


# --- Meshes in scene coordinates, and their morph targets.

_TRIANGLES, _STRIP, _FAN = 4, 5, 6
"""``mode`` of the primitives that are read: triangle list, strip and fan."""


@dataclass
class _Block:
    """One vertex buffer as one node shows it."""

    vertices: Doubles
    uvs: Doubles | None
    colours: Doubles
    place: Doubles
    normals: Doubles | None = None
    targets: dict[str, Doubles] = field(default_factory=dict)
    triangles: list[Ints] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    materials: list[Material | None] = field(default_factory=list)


def read_gltf(path: Path) -> Scene:
    """All meshes of a .glb or .gltf file, skins at rest, in scene order; polygon groups are called ``node/material``.

    Vertex colours (sRGB) are ``COLOR_0`` times the materials' base colours; textures are read at the vertices.

    Raises:
        InputError: the file is broken, compressed, has no triangles, or more than ``MAX_VERTICES``.
    """
    file = GltfFile(path)
    blocks = list(_read_blocks(file).values())
    try:
        has_uvs = any(block.uvs is not None for block in blocks)
        scene = joined([_part(block, has_uvs) for block in blocks])
        smoothing = _smoothing(blocks, scene.mesh.polygon_vertices)
        mesh = replace(scene.mesh, polygon_smoothing=smoothing, notes=tuple(dict.fromkeys(file.notes)))
        return replace(scene, mesh=mesh, shown=_shown(file, len(mesh.vertices)))
    except _BROKEN:
        raise _broken(path) from None


@dataclass(frozen=True, eq=False)
class PlacedBuffer:
    """A vertex buffer as a node shows it: some of the vertices of what ``read_gltf`` gives.

    Attributes:
        node: that shows it; accessor: index of its ``POSITION``.
        rows: its vertices among all.
        place: (4, 4), or (V, 4, 4) for a skinned mesh at rest: from the buffer to the scene.
        vertices: (V, 3) in the scene.
    """

    node: int
    accessor: int
    rows: slice
    place: Doubles
    vertices: Doubles


def placed_buffers(file: GltfFile) -> list[PlacedBuffer]:
    """The vertex buffers of a file, in the order of ``read_gltf``.

    Raises:
        InputError: see ``read_gltf``.
    """
    found, start = [], 0
    for (node, accessor), block in _read_blocks(file).items():
        rows = slice(start, start + len(block.vertices))
        found.append(PlacedBuffer(node, accessor, rows, block.place, block.vertices))
        start = rows.stop
    return found


_BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError)
"""What an index or a size that is out of range raises."""


def _broken(path: Path) -> InputError:
    return InputError(f"{path}: a broken glTF file: an index or a size in it is out of range")


def _read_blocks(file: GltfFile) -> dict[tuple[int, int], _Block]:
    """The vertex buffers by the node that shows them and their ``POSITION``."""
    blocks: dict[tuple[int, int], _Block] = {}
    held = 0
    try:
        matrices = file.node_matrices()
        for node, matrix in matrices.items():
            if file.document.nodes[node].mesh is not None:
                held = _check_claims(file, node, held)
                _add_node(file, node, matrix, matrices, blocks)
    except InputError:
        raise
    except _BROKEN:
        raise _broken(file.path) from None
    if not blocks:
        raise InputError(f"{file.path}: there is no mesh in it")
    return blocks


def _check_claims(file: GltfFile, node: int, held: int) -> int:
    """Vertices with those of a node's mesh, ``held`` before it; InputError where it claims more than is read, before
    memory is taken for it.

    An accessor without data stands for zeros, so that a few bytes can claim any number of vertices and targets.
    """
    vertices, offsets = held, 0
    seen = set()
    for primitive in file.document.meshes[file.document.nodes[node].mesh].primitives:
        position = primitive.attributes.POSITION
        if position is None or _first_vertex(primitive) is not None:
            continue
        count = file.document.accessors[position].count
        vertices += 0 if position in seen else count
        offsets = max(offsets, len(primitive.targets or []) * vertices)
        seen.add(position)
    if vertices > MAX_VERTICES:
        raise InputError(f"{file.path}: more than the limit of {MAX_VERTICES} vertices: decimate the mesh first")
    if offsets > MOST_OFFSETS:
        raise InputError(f"{file.path}: its morph targets hold more than {MOST_OFFSETS} offsets: export fewer of them")
    return vertices


def _shown(file: GltfFile, count: int) -> Ints | None:
    """(V,) which vertex each one shows, of a file with one mesh that says which ones its last vertices double."""
    meshes = file.document.meshes
    doubled = plain(meshes[0].extras if len(meshes) == 1 else None).get("splitVertices")
    if not isinstance(doubled, list) or not all(isinstance(v, int) and 0 <= v < count - len(doubled) for v in doubled):
        return None
    return np.concatenate([np.arange(count - len(doubled)), doubled]).astype(np.int32)


def _vertex_matrices(
    file: GltfFile, node: int, matrix: Doubles, matrices: dict[int, Doubles], attributes: Any
) -> Doubles:
    """(4, 4), or (V, 4, 4) for a skinned mesh at rest: mesh to scene."""
    skin_index = file.document.nodes[node].skin
    if skin_index is None or attributes.JOINTS_0 is None or attributes.WEIGHTS_0 is None:
        return matrix
    skin = file.document.skins[skin_index]
    if len(skin.joints) > MOST_NODES:
        raise ValueError("more joints than nodes")
    joints = np.stack([matrices.get(joint, np.eye(4)) for joint in skin.joints])
    if skin.inverseBindMatrices is not None:
        joints = joints @ file.accessor(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    weights = file.accessor(attributes.WEIGHTS_0)
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    mixed = np.zeros((len(weights), 4, 4))
    which = file.accessor(attributes.JOINTS_0).astype(int)
    for k in range(4):
        mixed += weights[:, k, None, None] * joints[which[:, k]]
    return mixed


def _move(matrix: Doubles, points: Doubles, offset: bool = False) -> Doubles:
    """Points (V, 3), or offsets, through (4, 4) or (V, 4, 4)."""
    turned = np.einsum("...ij,...j->...i", matrix[..., :3, :3], points)
    return turned if offset else turned + matrix[..., :3, 3]


def _add_node(
    file: GltfFile,
    node: int,
    matrix: Doubles,
    matrices: dict[int, Doubles],
    blocks: dict[tuple[int, int], _Block],
) -> None:
    document = file.document
    mesh = document.meshes[document.nodes[node].mesh]
    named = (mesh, *mesh.primitives)  # glTF names targets at the mesh, files of VRM 0 at its parts
    names = next((found for part in named if (found := plain(part.extras).get("targetNames"))), None)
    for primitive in mesh.primitives:
        mode = _TRIANGLES if primitive.mode is None else primitive.mode
        first = _first_vertex(primitive)
        attributes = primitive.attributes if first is None else mesh.primitives[0].attributes
        if mode not in (_TRIANGLES, _STRIP, _FAN) or attributes.POSITION is None:
            continue
        material = document.materials[primitive.material] if primitive.material is not None else None
        key = (node, attributes.POSITION)
        if key not in blocks:
            place = _vertex_matrices(file, node, matrix, matrices, attributes)
            positions = file.accessor(attributes.POSITION)
            blocks[key] = _Block(
                vertices=_move(place, positions),
                uvs=file.accessor(attributes.TEXCOORD_0) if attributes.TEXCOORD_0 is not None else None,
                colours=np.full((len(positions), 3), np.nan),
                place=place,
                normals=_normals(file, attributes, place, len(positions)),
            )
        block = blocks[key]
        if first is not None or not block.targets:
            _add_targets(file, primitive, names, block, first or 0)
        count = len(block.vertices)
        indices = np.arange(count) if primitive.indices is None else file.accessor(primitive.indices)[:, 0].astype(int)
        indices = indices + (first or 0)
        triangles = _triangles(indices, mode)
        if triangles.size and triangles.max() >= count:
            raise ValueError("an index leaves its vertex buffer")
        if np.linalg.det(matrix[:3, :3]) < 0:
            triangles = triangles[:, ::-1]
        block.triangles.append(triangles)
        label = [document.nodes[node].name or mesh.name, material.name if material is not None else None]
        block.groups.append("/".join(dict.fromkeys(part for part in label if part)) or "default")
        block.materials.append(_material(file, material))
        colours = None if attributes.COLOR_0 is None else file.accessor(attributes.COLOR_0)
        _paint(block, triangles, colours, block.materials[-1] or Material(""))


def _normals(file: GltfFile, attributes: Any, place: Doubles, count: int) -> Doubles | None:
    """Normals (V, 3) in the scene, of any length; None where the file has none."""
    if attributes.NORMAL is None:
        return None
    normals = file.accessor(attributes.NORMAL)
    return _move(place, normals, offset=True) if normals.shape == (count, 3) else None


def _material(file: GltfFile, source: Any) -> Material | None:
    """A material with its base colour texture, as far as that can be had."""
    if source is None:
        return None
    nothing = GltfObject({})
    pbr, bumps = source.pbrMetallicRoughness or nothing, source.normalTexture
    red, green, blue, opacity = (*(pbr.baseColorFactor or (1.0,) * 4), 1.0)[:4]
    return Material(
        name=source.name or "",
        colour=(float(red), float(green), float(blue), float(opacity)),
        metallic=1.0 if pbr.metallicFactor is None else float(pbr.metallicFactor),
        roughness=1.0 if pbr.roughnessFactor is None else float(pbr.roughnessFactor),
        alpha=source.alphaMode if source.alphaMode in ("MASK", "BLEND") else "OPAQUE",
        texture=_picture(file, pbr.baseColorTexture),
        cutoff=0.5 if source.alphaCutoff is None else float(source.alphaCutoff),
        double_sided=source.doubleSided is True,
        normal=_picture(file, bumps),
        normal_scale=1.0 if bumps is None or bumps.scale is None else float(bumps.scale),
    )


def _picture(file: GltfFile, texture: Any) -> bytes | None:
    """The file of a texture that the first coordinates place; None, and a note, where there is none that can be had."""
    if texture is None or texture.texCoord:
        return None
    picture, message = None, NO_PICTURE
    try:
        picture = kept_picture(file.texture(texture.index))
    except InputError:
        message = NO_FILE
    except (OSError, ValueError, IndexError, TypeError, AttributeError):
        pass
    if picture is None:
        file.notes.append(note(message, file.picture_name(texture.index)))
    return picture


def _first_vertex(primitive: Any) -> int | None:
    """Where the vertices of a primitive begin among those of its mesh's first one, as our own export says."""
    extras = plain(primitive.extras)
    return int(extras["firstVertex"]) if "firstVertex" in extras else None


def _add_targets(file: GltfFile, primitive: Any, names: Any, block: _Block, first: int) -> None:
    """Morph targets of the block's vertices from ``first`` on; what another primitive moves there stays."""
    for k, target in enumerate(primitive.targets or []):
        source = target.POSITION
        if source is None:
            continue
        offsets = file.accessor(source)
        rows = slice(first, first + len(offsets))
        moved = _move(block.place[rows] if block.place.ndim == 3 else block.place, offsets, offset=True)
        name = str(names[k]) if names is not None and k < len(names) else f"target_{k}"
        whole = block.targets.setdefault(name, np.zeros_like(block.vertices))
        whole[rows] = np.where(np.any(offsets != 0.0, axis=1, keepdims=True), moved, whole[rows])


def _triangles(indices: NDArray[np.int64], mode: int) -> Ints:
    if mode == _TRIANGLES:
        triangles = indices[: len(indices) // 3 * 3].reshape(-1, 3)
    elif mode == _FAN:
        triangles = np.stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]], axis=1)
    else:
        triangles = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
        triangles[1::2] = triangles[1::2, [1, 0, 2]]
    return triangles.astype(np.int32)


def _paint(block: _Block, triangles: Ints, colours: Doubles | None, material: Material) -> None:
    """Linear colours of the vertices that ``triangles`` use, left NaN where neither vertex nor material has one."""
    factor, used = np.array(material.colour[:3]), np.unique(triangles)
    picture, uvs = material.texture, block.uvs
    texture = None if picture is None or uvs is None else sample_image(picture, uvs[used])
    if colours is None and texture is None and (factor == 1.0).all():
        return
    painted = np.tile(factor, (len(used), 1))
    if colours is not None:
        painted *= colours[used, :3]
    if texture is not None:
        painted *= texture
    block.colours[used] = painted


def _part(block: _Block, has_uvs: bool) -> ScenePart:
    """What a vertex buffer adds to the scene; where others have texture coordinates, it has some, too."""
    corners = np.concatenate(block.triangles).astype(np.int32).reshape(-1)
    uvs = np.zeros((len(block.vertices), 2)) if block.uvs is None else block.uvs
    return ScenePart(
        vertices=block.vertices,
        sizes=np.full(len(corners) // 3, 3, dtype=np.int32),
        corners=corners,
        groups=np.repeat(np.arange(len(block.groups)), [len(part) for part in block.triangles]),
        names=block.groups,
        uvs=np.stack([uvs[:, 0], 1.0 - uvs[:, 1]], axis=1) if has_uvs else None,
        corner_uvs=corners if has_uvs else None,
        colours=block.colours,
        materials=block.materials,
        targets=block.targets,
    )


def _smoothing(blocks: list[_Block], corners: Ints) -> Ints | None:
    """``Mesh.polygon_smoothing`` of the joined blocks; None where no normal of the file makes an edge."""
    if all(block.normals is None for block in blocks):
        return None
    normals = np.concatenate([np.zeros_like(b.vertices) if b.normals is None else b.normals for b in blocks])
    places = same_places(np.concatenate([block.vertices for block in blocks]))
    return smoothing_of_normals(places[corners], normals[corners])
