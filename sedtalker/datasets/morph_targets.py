"""Another artist's shapes: the morph targets of a binary glTF file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedtalker.errors import InputError
from sedtalker.face.mesh import Floats

INDEX_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32}


def read_morph_targets(path: Path) -> tuple[list[str], Floats]:
    """Names (K,) and offsets (K, V, 3) of a GLB whose first mesh's primitives share one vertex buffer.

    Raises:
        InputError: the file is missing.
    """
    from pygltflib import GLTF2

    if not path.is_file():
        raise InputError(f"{path}: the morph targets are missing")
    file = GLTF2().load(str(path))
    blob, mesh = file.binary_blob(), file.meshes[0]

    def values(view: int, start: int | None, count: int, kind: type) -> Floats:
        offset = (file.bufferViews[view].byteOffset or 0) + (start or 0)
        return np.frombuffer(blob, kind, count, offset)

    def positions(accessor: int) -> Floats:
        entry = file.accessors[accessor]
        out = np.zeros((entry.count, 3), np.float32)
        if entry.bufferView is not None:
            out[:] = values(entry.bufferView, entry.byteOffset, 3 * entry.count, np.float32).reshape(-1, 3)
        if entry.sparse is not None:
            n, where, what = entry.sparse.count, entry.sparse.indices, entry.sparse.values
            index = values(where.bufferView, where.byteOffset, n, INDEX_TYPES[where.componentType])
            out[index] = values(what.bufferView, what.byteOffset, 3 * n, np.float32).reshape(-1, 3)
        return out

    targets = mesh.primitives[0].targets
    return list(mesh.extras["targetNames"]), np.stack([positions(target["POSITION"]) for target in targets])
