"""The head of the web page: a built-in face as a small GLB, with the shapes that speech moves as morph targets.

Positions and offsets are 16-bit fractions of a metre (a step is 0.03 mm), changes of normals, colours and joints 8-bit
(``KHR_mesh_quantization``), and offsets that nobody would see are left out. ``mesh.extras.correctives`` says what
weighs each corrective target, as ``Face.expand`` does.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.articulation import TONGUE
from sedtalker.export.glb import write_glb
from sedtalker.export.targets import MorphTargets
from sedtalker.face import Face
from sedtalker.face.arkit import ARKIT_52
from sedtalker.storage import temporary_folder

LEAST_OFFSET = 1.5e-4
"""Metres: what a target at weight 1 moves less is left out, half a pixel of a head 800 pixels high."""
LEAST_NORMAL = 0.06
"""Smaller changes of a unit normal are left out."""
FLOAT, BYTE, UNSIGNED_BYTE, SHORT, UNSIGNED_SHORT = 5126, 5120, 5121, 5122, 5123
"""``componentType`` of an accessor (glTF 2.0, section 3.6.2)."""
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
TYPES: dict[int, str] = {
    FLOAT: "<f4",
    BYTE: "i1",
    UNSIGNED_BYTE: "u1",
    SHORT: "<i2",
    UNSIGNED_SHORT: "<u2",
    5125: "<u4",
}
PACKED = {
    "POSITION": (SHORT, 32767),
    "NORMAL": (SHORT, 32767),
    "target NORMAL": (BYTE, 127),
    "COLOR_0": (UNSIGNED_BYTE, 255),
    "WEIGHTS_0": (UNSIGNED_BYTE, 255),
}
"""Integers that an attribute is kept in, and the one that stands for 1."""


def head_targets(face: Face) -> tuple[MorphTargets, list[dict[str, Any]]]:
    """ARKit's 52, the tongue's three places and what corrects them; and the correctives as plain data."""
    moved = {*ARKIT_52, *TONGUE}
    rows = [face.shape_index[name] for name in (*ARKIT_52, *TONGUE) if name in face.shape_index]
    names = [face.shapes[row] for row in rows]
    correctives = []
    for row, corrective in enumerate(face.correctives, len(face.shapes)):
        if moved.issuperset(corrective.sources):
            rows.append(row)
            names.append(corrective.name)
            described = {"name": corrective.name, "sources": list(corrective.sources), "gain": float(corrective.gain)}
            correctives.append({**described, "beyond": bool(corrective.beyond)})
    parts = np.eye(len(face.basis))[rows]
    return MorphTargets(tuple(names), face.basis[rows], np.zeros((0, len(rows)), np.float32), parts), correctives


def head_glb(face: Face) -> bytes:
    """The face at rest with its targets, packed."""
    targets, correctives = head_targets(face)
    with temporary_folder() as folder:
        path = folder / "head.glb"
        write_glb(path, face, head_rotation=np.zeros((1, 3), np.float32), targets=targets)
        return packed(path, {"correctives": correctives})


def moving(values: NDArray[Any], name: str) -> NDArray[np.bool_]:
    """(N,) which vertices a target changes by what is seen; ``values`` (N, 3)."""
    if name == "NORMAL":
        return np.asarray(np.linalg.norm(values, axis=1) >= LEAST_NORMAL)
    return np.asarray(np.abs(values).max(axis=1) >= LEAST_OFFSET)


class _Buffer:
    """One buffer and few views: a view for each kind of vertex attribute, one for everything else."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.data = bytearray()

    def add(self, values: NDArray[Any], like: dict[str, Any] | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        packed_bytes = np.ascontiguousarray(values).tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(packed_bytes), **(like or {})})
        self.data += packed_bytes
        return len(self.views) - 1


class _Pool:
    """Numbers of one kind in one view, each block at an offset of four bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, values: NDArray[Any]) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        offset = len(self.data)
        self.data += np.ascontiguousarray(values).tobytes()
        return offset


def packed(path: Path, mesh_extras: dict[str, Any]) -> bytes:
    """A GLB of ``write_glb`` in small integers, with ``mesh_extras`` added to those of its mesh."""
    document, binary = read_glb(path)
    accessors, out, pool = document["accessors"], _Buffer(), _Pool()
    made: dict[tuple[Any, ...], int] = {}
    kept: list[dict[str, Any]] = []

    def keep(index: int, kind: str) -> int:
        """A new accessor in place of an old one; targets that move nothing share theirs."""
        values, name = read_accessor(document, binary, index), kind.removeprefix("target ")
        still = kind != name and not moving(values, name).any()
        key = (kind, len(values)) if still else (kind, index)
        if key not in made:
            made[key] = len(kept)
            kept.append(_accessor(values, accessors[index], kind, out, pool))
        return made[key]

    mesh = document["meshes"][0]
    mesh["extras"] = {**mesh.get("extras", {}), **mesh_extras}
    for primitive in mesh["primitives"]:
        primitive["attributes"] = {k: keep(i, k) for k, i in primitive["attributes"].items() if k != "TEXCOORD_0"}
        primitive["indices"] = keep(primitive["indices"], "indices")
        primitive["targets"] = [{k: keep(i, "target " + k) for k, i in each.items()} for each in primitive["targets"]]
    for skin in document.get("skins", []):
        skin["inverseBindMatrices"] = keep(skin["inverseBindMatrices"], "matrices")
    view = out.add(np.frombuffer(bytes(pool.data), np.uint8))
    for accessor in kept:
        for part in ("indices", "values"):
            if "sparse" in accessor:
                accessor["sparse"][part]["bufferView"] = view
    needed = ["KHR_mesh_quantization"]
    document |= {"accessors": kept, "bufferViews": out.views, "extensionsUsed": needed, "extensionsRequired": needed}
    return write_glb_bytes(document, bytes(out.data))


def _accessor(values: NDArray[Any], old: dict[str, Any], kind: str, out: _Buffer, pool: _Pool) -> dict[str, Any]:
    """``values`` (N, width) packed as their kind allows; targets are sparse."""
    shape = {"count": len(values), "type": old["type"]}
    name = kind.removeprefix("target ")
    if name not in PACKED:
        if name in ("indices", "JOINTS_0"):
            target = {"target": 34963 if name == "indices" else 34962}
            return {**shape, "componentType": old["componentType"], "bufferView": out.add(values, target)}
        return {**shape, "componentType": old["componentType"], "bufferView": out.add(values)}
    component, one = PACKED.get(kind, PACKED[name])
    whole = np.round(np.clip(values, -1.0, 1.0) * one).astype(TYPES[component])
    if name == "WEIGHTS_0":
        whole[:, 0] = one - whole[:, 1]  # they have to sum to one
    accessor: dict[str, Any] = {**shape, "componentType": component, "normalized": True}
    if kind == name:
        if name == "POSITION":
            accessor |= {"min": whole.min(0).tolist(), "max": whole.max(0).tolist()}
        row = -(-whole[0].nbytes // 4) * 4  # vertex attributes begin at multiples of four bytes
        rows = np.zeros((len(whole), row), np.uint8)
        rows[:, : whole[0].nbytes] = np.ascontiguousarray(whole).view(np.uint8).reshape(len(whole), -1)
        return {**accessor, "bufferView": out.add(rows, {"target": 34962, "byteStride": row})}
    whole[~moving(values, name)] = 0
    moved = np.flatnonzero(whole.any(axis=1)) if whole.any() else np.zeros(1, np.int64)
    if name == "POSITION":
        accessor |= {"min": whole.min(0).tolist(), "max": whole.max(0).tolist()}
    index_type = UNSIGNED_SHORT if len(values) <= 65535 else 5125
    return {
        **accessor,
        "sparse": {
            "count": len(moved),
            "indices": {"byteOffset": pool.add(moved.astype(TYPES[index_type])), "componentType": index_type},
            "values": {"byteOffset": pool.add(whole[moved])},
        },
    }


# --- Reading and writing the container.


def read_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary of a GLB."""
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def read_accessor(document: dict[str, Any], binary: bytes, index: int) -> NDArray[Any]:
    """(N, width) of an accessor; normalised integers as fractions."""
    accessor = document["accessors"][index]
    width = WIDTHS[accessor["type"]]
    component = TYPES[accessor["componentType"]]

    def rows(view: dict[str, Any], offset: int, count: int, kind: str, width: int) -> NDArray[Any]:
        start = view.get("byteOffset", 0) + offset
        inside = np.dtype(kind).itemsize * width
        stride = view.get("byteStride", inside)
        if stride == inside:
            return np.frombuffer(binary, kind, count * width, start).reshape(count, width)
        raw = np.frombuffer(binary, np.uint8, count * stride, start).reshape(count, stride)
        return np.ascontiguousarray(raw[:, :inside]).view(kind)

    views = document["bufferViews"]
    found = np.zeros((accessor["count"], width), component)
    if "bufferView" in accessor:
        found = rows(views[accessor["bufferView"]], accessor.get("byteOffset", 0), len(found), component, width).copy()
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        at, values = sparse["indices"], sparse["values"]
        kind, offset = TYPES[at["componentType"]], at.get("byteOffset", 0)
        where = rows(views[at["bufferView"]], offset, sparse["count"], kind, 1)[:, 0]
        offset = values.get("byteOffset", 0)
        found[where] = rows(views[values["bufferView"]], offset, sparse["count"], component, width)
    if accessor.get("normalized"):
        return np.asarray(found / np.float32(np.iinfo(found.dtype).max), dtype=np.float32)
    return found


def write_glb_bytes(document: dict[str, Any], binary: bytes) -> bytes:
    """The GLB of a JSON and a binary."""
    binary += b"\0" * (-len(binary) % 4)
    document = {**document, "buffers": [{"byteLength": len(binary)}]}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary)) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
