"""A GLB as SEDTalker exports it: vertex order kept, so that it also lands on the mesh it was made for."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from .face_animation import BROKEN, FaceAnimation, UnusableFile, continuous

_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_glb(path: Path) -> FaceAnimation:
    """The animated face of a file whose generator is SEDTalker.

    Raises:
        UnusableFile: another program's file, or a broken one.
    """
    try:
        file = _Glb(path.read_bytes())
        if not file.document["asset"].get("generator", "").startswith("SEDTalker"):
            raise UnusableFile(f"{path.name} is not from SEDTalker: use File ▸ Import ▸ glTF 2.0")
        if not file.document.get("animations"):
            raise UnusableFile(f"{path.name}: there is no animation in it")
        if len(file.document["meshes"]) > 1:
            raise UnusableFile(
                f"{path.name} is a scene of several heads: use File ▸ Import ▸ glTF 2.0, or one head's GLB"
            )
        return _animation(file)
    except BROKEN:
        raise UnusableFile(f"{path.name} is no GLB, or it is damaged") from None


class _Glb:
    """The JSON and the numbers of a binary glTF."""

    def __init__(self, data: bytes) -> None:
        magic, version, _ = struct.unpack_from("<4sII", data)
        if magic != b"glTF" or version != 2:
            raise ValueError("not a glTF 2.0 binary")
        length, _ = struct.unpack_from("<I4s", data, 12)
        self.document = json.loads(data[20 : 20 + length])
        self._binary = memoryview(data)[28 + length :]

    def accessor(self, index: int) -> np.ndarray:
        """Values (N, width)."""
        accessor = self.document["accessors"][index]
        count, width = accessor["count"], _WIDTHS[accessor["type"]]
        dtype = _DTYPES[accessor["componentType"]]
        if "bufferView" in accessor:
            values = self._numbers(accessor, dtype, count * width).reshape(count, width)
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self._numbers(sparse["indices"], _DTYPES[sparse["indices"]["componentType"]], sparse["count"])
            values = values.copy()
            values[rows] = self._numbers(sparse["values"], dtype, sparse["count"] * width).reshape(-1, width)
        return values / np.iinfo(dtype).max if accessor.get("normalized") else values

    def _numbers(self, place: dict, dtype: type, count: int) -> np.ndarray:
        view = self.document["bufferViews"][place["bufferView"]]
        if "byteStride" in view:
            raise ValueError("interleaved buffers are not SEDTalker's")
        start = view.get("byteOffset", 0) + place.get("byteOffset", 0)
        return np.frombuffer(self._binary, dtype, count, start)


def _animation(file: _Glb) -> FaceAnimation:
    document = file.document
    mesh = document["meshes"][0]
    primitives = mesh["primitives"]
    attributes = primitives[0]["attributes"]
    positions = file.accessor(attributes["POSITION"])
    split = np.array(mesh.get("extras", {}).get("splitVertices", ()), np.int64)
    count = len(positions) - len(split)
    owner = np.concatenate([np.arange(count), split])
    corners = [file.accessor(p["indices"]).reshape(-1).astype(np.int64) + _first_vertex(p) for p in primitives]
    everywhere = np.concatenate(corners)
    names = mesh.get("extras", {}).get("targetNames", ())
    offsets = _offsets(file, primitives, len(positions))[:, :count]
    times, weights, turns = _channels(file, len(offsets))
    followers = np.ones(count, np.float32)
    if "WEIGHTS_0" in attributes:
        followers = file.accessor(attributes["WEIGHTS_0"])[:count, 1]
    uvs = None
    if "TEXCOORD_0" in attributes:
        uvs = file.accessor(attributes["TEXCOORD_0"])[everywhere] * [1, -1] + [0, 1]
    colours = _srgb(file.accessor(attributes["COLOR_0"])[:count, :3]) if "COLOR_0" in attributes else None
    return FaceAnimation(
        name=mesh.get("name", "face"),
        vertices=positions[:count],
        polygon_sizes=np.full(len(everywhere) // 3, 3),
        polygon_vertices=owner[everywhere],
        corner_uvs=uvs,
        colours=colours,
        group_names=tuple(document["materials"][p["material"]].get("name", "") for p in primitives),
        polygon_groups=np.repeat(np.arange(len(corners)), [len(c) // 3 for c in corners]),
        shapes=tuple(names),
        offsets=offsets,
        weights=weights,
        fps=(len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else 30.0,
        head_turns=turns,
        pivot=np.array(document["nodes"][0].get("translation", (0, 0, 0)), np.float64),
        followers=followers,
        audio=document["asset"].get("extras", {}).get("audio"),
    )


def _first_vertex(primitive: dict) -> int:
    """Where a primitive's vertices begin among those of the first, which has all."""
    return int(primitive.get("extras", {}).get("firstVertex", 0))


def _offsets(file: _Glb, primitives: list[dict], count: int) -> np.ndarray:
    """(S, W, 3) of the morph targets: each primitive moves its own vertices."""
    offsets = np.zeros((len(primitives[0].get("targets", ())), count, 3), np.float32)
    for primitive in primitives:
        first = _first_vertex(primitive)
        for whole, target in zip(offsets, primitive.get("targets", ()), strict=True):
            part = file.accessor(target["POSITION"])
            moved = part.any(axis=1)
            whole[first : first + len(part)][moved] = part[moved]
    return offsets


def _channels(file: _Glb, targets: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (T,), weights (T, S) and head turns (T, 4) w x y z."""
    animation = file.document["animations"][0]
    values = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        values[channel["target"]["path"]] = file.accessor(sampler["output"])
        times = file.accessor(sampler["input"]).reshape(-1)
    frames = len(times)
    weights = values["weights"].reshape(frames, targets) if "weights" in values else np.zeros((frames, targets))
    turns = values.get("rotation", np.tile([0.0, 0.0, 0.0, 1.0], (frames, 1)))
    return times, weights, continuous(np.roll(turns, 1, axis=1).astype(np.float64))


def _srgb(linear: np.ndarray) -> np.ndarray:
    low, high = 12.92 * linear, 1.055 * np.clip(linear, 0, None) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, low, high)
