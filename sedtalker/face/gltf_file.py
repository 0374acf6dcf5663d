"""The parts of a glTF 2.0 file: numbers, images, node transforms (Khronos glTF 2.0 specification)."""

from __future__ import annotations

import base64
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError

_COMPONENT = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_READABLE = {"KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp", "KHR_texture_basisu"}


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
            self._buffers[index] = (self.document.binary_blob() or b"") if uri is None else self._resource(uri)
        return self._buffers[index]

    def _resource(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        file = (self.path.parent / unquote(uri)).resolve()
        if not file.is_relative_to(self.path.parent.resolve()) or not file.is_file():
            raise InputError(f"{self.path}: it needs '{uri}', which is not a file beside it")
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
