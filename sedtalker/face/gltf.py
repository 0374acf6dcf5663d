"""Reading glTF 2.0: meshes in scene coordinates, and their morph targets.

Follows the Khronos glTF 2.0 specification; buffer entries are kept one for one, so vertices
split at texture seams stay split.
"""

from __future__ import annotations

import base64
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.mesh import Floats, Ints, Mesh

_COMPONENT = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_READABLE = {"KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp", "KHR_texture_basisu"}


@dataclass(frozen=True, eq=False)
class GltfScene:
    """All meshes of a file as one, and its morph targets: ``targets`` (K, V, 3) offsets called ``target_names``."""

    mesh: Mesh
    target_names: tuple[str, ...]
    targets: Floats


@dataclass
class _Block:
    """One vertex buffer as one node shows it."""

    vertices: NDArray[np.float64]
    uvs: NDArray[np.float64] | None
    colours: NDArray[np.float64]
    targets: dict[str, NDArray[np.float64]]
    triangles: list[Ints] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    start: int = 0


class GltfFile:
    """A parsed glTF file and the numbers of its accessors."""

    def __init__(self, path: Path) -> None:
        import pygltflib

        self.path = path
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loader = pygltflib.GLTF2()
                document = (
                    loader.load_binary(str(path)) if path.suffix.lower() == ".glb" else loader.load_json(str(path))
                )
        except Exception:  # pygltflib raises whatever its parser meets
            document = None
        if document is None:
            raise InputError(f"{path}: not a glTF file, or a broken one")
        unknown = sorted(
            name
            for name in document.extensionsRequired or []
            if name not in _READABLE and not name.startswith("KHR_materials")
        )
        if unknown:
            raise InputError(f"{path}: needs {', '.join(unknown)}, which is not read: export it without compression")
        self.document: Any = document
        self._buffers: dict[int, bytes] = {}

    def accessor(self, index: int) -> NDArray[np.float64]:
        """(N, width) numbers of an accessor, normalised integers and sparse entries resolved."""
        accessor = self.document.accessors[index]
        kind, width = np.dtype(_COMPONENT[accessor.componentType]), _WIDTH[accessor.type]
        if accessor.bufferView is None:
            values = np.zeros((accessor.count, width))
        else:
            values = self._view(accessor.bufferView, accessor.byteOffset or 0, kind, accessor.count, width)
        if accessor.sparse is not None:
            sparse = accessor.sparse
            index_kind = np.dtype(_COMPONENT[sparse.indices.componentType])
            rows = self._view(sparse.indices.bufferView, sparse.indices.byteOffset or 0, index_kind, sparse.count, 1)
            values[rows[:, 0].astype(int)] = self._view(
                sparse.values.bufferView, sparse.values.byteOffset or 0, kind, sparse.count, width
            )
        if accessor.normalized and kind.kind in "iu":
            values = np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def _view(self, index: int, offset: int, kind: np.dtype[Any], count: int, width: int) -> NDArray[np.float64]:
        view = self.document.bufferViews[index]
        start, row = (view.byteOffset or 0) + offset, kind.itemsize * width
        shape, strides = (count, width), (view.byteStride or row, kind.itemsize)
        data = self._buffer(view.buffer)
        if start < 0 or count < 1 or start + (count - 1) * strides[0] + row > len(data):
            raise ValueError("an accessor leaves its buffer")
        return np.ndarray(shape, kind, data, start, strides).astype(np.float64)

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self.document.buffers[index].uri
            if uri is None:
                self._buffers[index] = self.document.binary_blob() or b""
            elif uri.startswith("data:"):
                self._buffers[index] = base64.b64decode(uri.partition(",")[2])
            else:
                file = (self.path.parent / uri).resolve()
                if not file.is_relative_to(self.path.parent.resolve()) or not file.is_file():
                    raise InputError(f"{self.path}: its buffer '{uri}' is not a file beside it")
                self._buffers[index] = file.read_bytes()
        return self._buffers[index]

    def node_matrices(self) -> dict[int, NDArray[np.float64]]:
        """(4, 4) node to scene transform of every node of the scene."""
        nodes = self.document.nodes or []
        if self.document.scenes:
            roots = self.document.scenes[self.document.scene or 0].nodes or []
        else:
            children = {c for node in nodes for c in node.children or []}
            roots = [i for i in range(len(nodes)) if i not in children]
        matrices: dict[int, NDArray[np.float64]] = {}
        waiting = [(root, np.eye(4)) for root in reversed(roots)]
        while waiting:
            index, parent = waiting.pop()
            if index in matrices:
                raise ValueError("the nodes are not a tree")
            matrices[index] = parent @ _local_matrix(nodes[index])
            waiting.extend((child, matrices[index]) for child in reversed(nodes[index].children or []))
        return matrices


def read_gltf(path: Path) -> GltfScene:
    """All meshes of a .glb or .gltf file, skins at rest, in scene order; polygon groups are called ``node/material``.

    Vertex colours are ``COLOR_0`` times the materials' plain colours (sRGB); textures are not read.

    Raises:
        InputError: the file is broken, compressed, or has no triangles.
    """
    file = GltfFile(path)
    try:
        blocks: dict[tuple[int, int], _Block] = {}
        matrices = file.node_matrices()
        for node, matrix in matrices.items():
            if file.document.nodes[node].mesh is not None:
                _add_node(file, node, matrix, matrices, blocks)
        if not blocks:
            raise InputError(f"{path}: there is no mesh in it")
        return _join(list(blocks.values()))
    except InputError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError):
        raise InputError(f"{path}: a broken glTF file: an index or a size in it is out of range") from None


def read_morph_targets(path: Path) -> tuple[tuple[str, ...], Floats]:
    """Names and (K, V, 3) offsets of a file's morph targets, vertices as in ``read_mesh``; the names come from
    ``mesh.extras.targetNames`` where given."""
    scene = read_gltf(path)
    return scene.target_names, scene.targets


def _local_matrix(node: Any) -> NDArray[np.float64]:
    if node.matrix:
        return np.array(node.matrix, dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.rotation or (0.0, 0.0, 0.0, 1.0)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= node.scale or (1.0, 1.0, 1.0)
    matrix[:3, 3] = node.translation or (0.0, 0.0, 0.0)
    return matrix


def _vertex_matrices(
    file: GltfFile, node: int, matrix: NDArray[np.float64], matrices: dict[int, NDArray[np.float64]], attributes: Any
) -> NDArray[np.float64]:
    """(4, 4), or (V, 4, 4) for a skinned mesh at rest: mesh to scene."""
    skin_index = file.document.nodes[node].skin
    if skin_index is None or attributes.JOINTS_0 is None or attributes.WEIGHTS_0 is None:
        return matrix
    skin = file.document.skins[skin_index]
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


def _move(matrix: NDArray[np.float64], points: NDArray[np.float64], offset: bool = False) -> NDArray[np.float64]:
    """Points (V, 3), or offsets, through (4, 4) or (V, 4, 4)."""
    turned = np.einsum("...ij,...j->...i", matrix[..., :3, :3], points)
    return turned if offset else turned + matrix[..., :3, 3]


def _add_node(
    file: GltfFile,
    node: int,
    matrix: NDArray[np.float64],
    matrices: dict[int, NDArray[np.float64]],
    blocks: dict[tuple[int, int], _Block],
) -> None:
    document = file.document
    mesh = document.meshes[document.nodes[node].mesh]
    names = (mesh.extras or {}).get("targetNames") if isinstance(mesh.extras, dict) else None
    for primitive in mesh.primitives:
        mode = _TRIANGLES if primitive.mode is None else primitive.mode
        attributes = primitive.attributes
        if mode not in (_TRIANGLES, _STRIP, _FAN) or attributes.POSITION is None:
            continue
        material = document.materials[primitive.material] if primitive.material is not None else None
        key = (node, attributes.POSITION)
        if key not in blocks:
            place = _vertex_matrices(file, node, matrix, matrices, attributes)
            positions = file.accessor(attributes.POSITION)
            targets = {}
            for k, target in enumerate(primitive.targets or []):
                source = target.get("POSITION") if isinstance(target, dict) else target.POSITION
                name = str(names[k]) if names is not None and k < len(names) else f"target_{k}"
                if source is not None:
                    targets[name] = _move(place, file.accessor(source), offset=True)
            blocks[key] = _Block(
                vertices=_move(place, positions),
                uvs=file.accessor(attributes.TEXCOORD_0) if attributes.TEXCOORD_0 is not None else None,
                colours=np.full((len(positions), 3), np.nan),
                targets=targets,
            )
        block = blocks[key]
        count = len(block.vertices)
        indices = np.arange(count) if primitive.indices is None else file.accessor(primitive.indices)[:, 0].astype(int)
        triangles = _triangles(indices, mode)
        if triangles.size and triangles.max() >= count:
            raise ValueError("an index leaves its vertex buffer")
        if np.linalg.det(matrix[:3, :3]) < 0:
            triangles = triangles[:, ::-1]
        block.triangles.append(triangles)
        label = [document.nodes[node].name or mesh.name, material.name if material is not None else None]
        block.groups.append("/".join(dict.fromkeys(part for part in label if part)) or "default")
        _paint(file, block, triangles, attributes.COLOR_0, material)


def _triangles(indices: NDArray[np.int64], mode: int) -> Ints:
    if mode == _TRIANGLES:
        triangles = indices[: len(indices) // 3 * 3].reshape(-1, 3)
    elif mode == _FAN:
        triangles = np.stack([np.full(len(indices) - 2, indices[0]), indices[1:-1], indices[2:]], axis=1)
    else:
        triangles = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
        triangles[1::2] = triangles[1::2, [1, 0, 2]]
    return triangles.astype(np.int32)


def _paint(file: GltfFile, block: _Block, triangles: Ints, colour: int | None, material: Any) -> None:
    """Linear colours of the vertices that ``triangles`` use, left NaN where neither vertex nor material has one."""
    pbr = material.pbrMetallicRoughness if material is not None else None
    factor = pbr.baseColorFactor if pbr is not None and pbr.baseColorTexture is None else None
    plain = factor is None or list(factor)[:3] == [1.0, 1.0, 1.0]
    if colour is None and plain:
        return
    used = np.unique(triangles)
    painted = np.ones((len(used), 3)) if colour is None else file.accessor(colour)[used, :3]
    block.colours[used] = painted if factor is None else painted * np.asarray(factor)[:3]


def _join(blocks: list[_Block]) -> GltfScene:
    starts = np.cumsum([0, *(len(block.vertices) for block in blocks)])
    total = int(starts[-1])
    names = list(dict.fromkeys(name for block in blocks for name in block.targets))
    targets = np.zeros((len(names), total, 3), dtype=np.float32)
    order: dict[str, int] = {}
    triangles, groups = [], []
    for block, start in zip(blocks, starts, strict=False):
        rows = slice(start, start + len(block.vertices))
        for name, offsets in block.targets.items():
            targets[names.index(name), rows] = offsets
        for part, label in zip(block.triangles, block.groups, strict=True):
            triangles.append(part + start)
            groups.append(np.full(len(part), order.setdefault(label, len(order))))
    corners = np.concatenate(triangles).astype(np.int32).reshape(-1)
    uvs = None
    if any(block.uvs is not None for block in blocks):
        uvs = np.concatenate([np.zeros((len(b.vertices), 2)) if b.uvs is None else b.uvs for b in blocks])
        uvs = np.stack([uvs[:, 0], 1.0 - uvs[:, 1]], axis=1).astype(np.float32)
    linear = np.concatenate([block.colours for block in blocks])
    colours = None
    if np.isfinite(linear).any():
        linear = np.clip(np.nan_to_num(linear, nan=0.6), 0.0, 1.0)
        colours = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
    mesh = Mesh(
        vertices=np.concatenate([block.vertices for block in blocks]).astype(np.float32),
        polygon_sizes=np.full(len(corners) // 3, 3, dtype=np.int32),
        polygon_vertices=corners,
        uvs=uvs,
        polygon_uvs=None if uvs is None else corners,
        colours=colours,
        group_names=tuple(order),
        polygon_groups=np.concatenate(groups).astype(np.int32),
    )
    return GltfScene(mesh, tuple(names), targets)
