"""A glTF 2.0 file (Khronos specification) as it is: its JSON, and the numbers and pictures that the JSON points at."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from sedtalker.arrays import Doubles
from sedtalker.errors import InputError
from sedtalker.mesh.mesh import MAX_BYTES, MAX_VERTICES, file_beside
from sedtalker.reading import parse_json, read_bytes

_COMPONENT = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
"""NumPy types of an accessor's ``componentType`` (glTF 2.0 specification, 3.6.2.2)."""
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
"""Numbers of one element by an accessor's ``type``."""
_READABLE = {"KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp", "KHR_texture_basisu"}
"""Required extensions that can be read, or do not change the geometry; those of materials besides."""

MOST_ELEMENTS = 16 * MAX_VERTICES
"""Greatest ``count`` of an accessor; a mesh has some six indices a vertex."""
MOST_NODES = 20_000
"""Nodes of a scene; a film's set has that many, a head a few dozen."""


class GltfObject:
    """An object of the JSON: its values are attributes, and None where the file has none."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        return None


def plain(value: Any) -> dict[str, Any]:
    """The values of an object by name; empty for anything else."""
    return vars(value) if isinstance(value, GltfObject) else {}


def chunks(path: Path) -> tuple[bytes, bytes]:
    """The JSON and the binary chunk of a ``.glb``; the whole file and nothing of a ``.gltf``.

    Raises:
        InputError: a ``.glb`` whose chunks are not as its header says.
    """
    data = read_bytes(path, "a mesh", MAX_BYTES)
    if path.suffix.lower() == ".gltf":
        return data, b""
    if len(data) < 20 or data[:4] != b"glTF" or struct.unpack_from("<I", data, 4)[0] != 2 or data[16:20] != b"JSON":
        raise InputError(f"{path}: not a glTF file of version 2")
    end = 20 + struct.unpack_from("<I", data, 12)[0]
    if end > len(data):
        raise InputError(f"{path}: a glTF file that is cut short")
    text, blob = data[20:end], b""
    if len(data) >= end + 8 and data[end + 4 : end + 8] == b"BIN\0":
        blob = data[end + 8 : end + 8 + struct.unpack_from("<I", data, end)[0]]
    return text, blob


class GltfFile:
    """A parsed glTF file and the numbers of its accessors.

    Attributes:
        notes: on pictures that could not be read, as they were asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        text, self._blob = chunks(path)
        self.document: Any = parse_json(text, str(path), GltfObject)
        if not isinstance(self.document, GltfObject) or not isinstance(self.document.asset, GltfObject):
            raise InputError(f"{path}: not a glTF file, or a broken one")
        required = self.document.extensionsRequired
        names = [str(name) for name in required] if isinstance(required, list) else []
        unknown = sorted(n for n in names if n not in _READABLE and not n.startswith("KHR_materials"))
        if unknown:
            raise InputError(f"{path}: needs {', '.join(unknown)}, which is not read: export it without compression")
        self._buffers: dict[int, bytes] = {}
        self.notes: list[str] = []

    def accessor(self, index: int) -> Doubles:
        """(N, width) numbers of an accessor, normalised integers and sparse entries resolved."""
        accessor = self.document.accessors[index]
        if accessor.count > MOST_ELEMENTS:
            raise ValueError("an accessor claims more elements than any mesh has")
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

    def _view(self, index: int, offset: int, kind: np.dtype[Any], count: int, width: int) -> Doubles:
        view = self.document.bufferViews[index]
        start, row = (view.byteOffset or 0) + offset, kind.itemsize * width
        shape, strides = (count, width), (view.byteStride or row, kind.itemsize)
        data = self._buffer(view.buffer)
        if start < 0 or count < 1 or strides[0] < row or start + (count - 1) * strides[0] + row > len(data):
            raise ValueError("an accessor leaves its buffer")
        return np.ndarray(shape, kind, data, start, strides).astype(np.float64)

    def _buffer(self, index: int) -> bytes:
        if index not in self._buffers:
            uri = self.document.buffers[index].uri
            self._buffers[index] = self._blob if uri is None else self._resource(uri)
        return self._buffers[index]

    def _resource(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        file = file_beside(self.path, unquote(uri), MAX_BYTES)
        if file is None:
            raise InputError(f"{self.path}: it needs '{uri[:60]}', which is not a file beside it")
        return file.read_bytes()

    def texture(self, index: int) -> bytes:
        """The encoded image (PNG, JPEG …) of a texture."""
        texture = self.document.textures[index]
        image = self.document.images[texture.source]
        if image.bufferView is None:
            return self._resource(image.uri)
        view = self.document.bufferViews[image.bufferView]
        start = view.byteOffset or 0
        return self._buffer(view.buffer)[start : start + view.byteLength]

    def picture_name(self, index: Any) -> str:
        """What people call the image of a texture: its file, its name, or else the number of the texture."""
        with suppress(IndexError, TypeError, AttributeError):
            image = self.document.images[self.document.textures[index].source]
            if isinstance(image.uri, str) and not image.uri.startswith("data:"):
                return unquote(image.uri)
            if isinstance(image.name, str) and image.name:
                return image.name
        return f"{index}"

    def node_matrices(self) -> dict[int, Doubles]:
        """(4, 4) node to scene transform of every node of the scene."""
        nodes = self.document.nodes or []
        if self.document.scenes:
            roots = self.document.scenes[self.document.scene or 0].nodes or []
        else:
            children = {c for node in nodes for c in node.children or []}
            roots = [i for i in range(len(nodes)) if i not in children]
        if len(nodes) > MOST_NODES:
            raise InputError(f"{self.path}: {len(nodes)} nodes are over the limit of {MOST_NODES}: join meshes")
        matrices: dict[int, Doubles] = {}
        waiting = [(root, np.eye(4)) for root in reversed(roots)]
        while waiting:
            index, parent = waiting.pop()
            if index in matrices:
                raise ValueError("the nodes are not a tree")
            matrices[index] = parent @ _local_matrix(nodes[index])
            waiting.extend((child, matrices[index]) for child in reversed(nodes[index].children or []))
        return matrices


def _local_matrix(node: Any) -> Doubles:
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
