"""What a glTF 2.0 binary holds: numbers packed, and nodes with what moves them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats
from sedtalker.storage import whole_file
from sedtalker.version import __version__

_COMPONENT = {"float32": 5126, "uint32": 5125, "uint16": 5123, "uint8": 5121}
"""``componentType`` of an accessor, by numpy's name (glTF 2.0, section 3.6.2)."""
_TYPE = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
"""``type`` of an accessor, by the width of its rows."""
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
"""``target`` of a buffer view: vertex attributes, triangle corners."""


class GltfBuilder:
    """Collects what a file holds; nothing but that decides its bytes.

    Args:
        begun: the JSON of a file to which it is added: its own accessors keep their indices, its lists grow.
        binary: the bytes of its first buffer.

    Attributes:
        meshes, materials, nodes, skins: as glTF has them; roots: nodes that were added at the top.
        channels, samplers: of the one animation that is added.
    """

    def __init__(self, begun: Mapping[str, Any] | None = None, binary: bytes = b"") -> None:
        begun = begun or {}
        self.meshes: list[dict[str, Any]] = begun.get("meshes", [])
        self.materials: list[dict[str, Any]] = begun.get("materials", [])
        self.nodes: list[dict[str, Any]] = begun.get("nodes", [])
        self.skins: list[dict[str, Any]] = begun.get("skins", [])
        self.roots: list[int] = []
        self.channels: list[dict[str, Any]] = []
        self.samplers: list[dict[str, Any]] = []
        self._binary = bytearray(binary)
        self._views: list[dict[str, Any]] = list(begun.get("bufferViews", ()))
        self._accessors: list[dict[str, Any]] = list(begun.get("accessors", ()))
        self._further: list[dict[str, Any]] = list(begun.get("buffers", ()))[1:]
        self._images: list[dict[str, Any]] = list(begun.get("images", ()))
        self._textures: list[dict[str, Any]] = list(begun.get("textures", ()))
        self._pictures: dict[bytes, int] = {}

    def accessor(
        self,
        values: NDArray[Any],
        *,
        bounds: bool = False,
        indices: bool = False,
        plain: bool = False,
        normalized: bool = False,
    ) -> int:
        """Index of a new accessor with ``values`` (N,) or (N, width).

        Args:
            values: float32, or unsigned integers.
            bounds: whether to state the least and greatest values, as positions and times must.
            indices: the values are triangle corners.
            plain: the values are no vertex attribute (times, weights, matrices).
            normalized: the integers stand for 0 to 1.
        """
        target = _ELEMENT_ARRAY_BUFFER if indices else None if plain or values.ndim == 1 else _ARRAY_BUFFER
        place: dict[str, Any] = {"bufferView": self._view(values, target)}
        return self._add(values, {**place, "normalized": True} if normalized else place, bounds)

    def sparse_accessor(self, rows: NDArray[np.integer], values: Floats, count: int, *, bounds: bool = False) -> int:
        """Index of a new accessor with ``values`` (N, width) in some ``rows`` (N,) of ``count`` and zeros elsewhere.

        Only these rows are stored, unless that is longer.
        """
        values = np.ascontiguousarray(values, dtype=np.float32)
        if len(rows) > 0.7 * count:
            whole = np.zeros((count, values.shape[1]), np.float32)
            whole[rows] = values
            return self.accessor(whole, bounds=bounds)
        kind = np.uint16 if count <= 65535 else np.uint32
        zero = np.zeros((1, values.shape[1]), np.float32)
        if len(rows) == 0:
            rows, values = np.zeros(1, dtype=np.int64), zero
        sparse = {
            "count": len(rows),
            "indices": {"bufferView": self._view(rows.astype(kind), None), "componentType": _COMPONENT[kind.__name__]},
            "values": {"bufferView": self._view(values, None)},
        }
        index = self._add(np.concatenate([zero, values]), {"sparse": sparse}, bounds)
        self._accessors[index]["count"] = count
        return index

    def texture(self, picture: bytes) -> int:
        """Index of a texture with an encoded PNG or JPEG; the same picture is kept once."""
        if picture not in self._pictures:
            kind = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
            view = self._view(np.frombuffer(picture, np.uint8), None)
            self._pictures[picture] = len(self._textures)
            self._textures.append({"source": len(self._images)})
            self._images.append({"bufferView": view, "mimeType": kind})
        return self._pictures[picture]

    def count(self, index: int) -> int:
        """Number of rows of an accessor."""
        return int(self._accessors[index]["count"])

    def part(self, index: int, first: int, count: int) -> int:
        """Index of a new accessor of ``count`` rows of a vertex attribute, over the same bytes."""
        accessor = self._accessors[index]
        view = self._views[accessor["bufferView"]]
        row = view["byteLength"] // accessor["count"]
        start = view["byteOffset"] + first * row
        self._views.append({**view, "byteOffset": start, "byteLength": count * row})
        self._accessors.append({**accessor, "bufferView": len(self._views) - 1, "count": count})
        if "min" in accessor:
            rows = np.frombuffer(bytes(self._binary[start : start + count * row]), "<f4").reshape(count, -1)
            self._accessors[-1] |= _bounds(rows)
        return len(self._accessors) - 1

    def animate(self, nodes: Sequence[int], path: str, times: int, values: Doubles | Floats) -> None:
        """Let nodes move alike: their ``weights``, ``rotation`` or ``translation``, linear in between.

        Args:
            times: the accessor of seconds (T,).
            values: a row (T, D) at each.
        """
        rows = values.astype(np.float32)
        output = self.accessor(rows.reshape(-1) if path == "weights" else rows, plain=True)
        self.channels += [{"sampler": len(self.samplers), "target": {"node": node, "path": path}} for node in nodes]
        self.samplers.append({"input": times, "interpolation": "LINEAR", "output": output})

    @property
    def speech(self) -> dict[str, Any]:
        return {"name": "speech", "channels": self.channels, "samplers": self.samplers}

    def document(self, extras: Mapping[str, Any] | None) -> dict[str, Any]:
        """The JSON of a file with one scene and the animation; ``extras`` are those of the asset."""
        asset = {"version": "2.0", "generator": f"SEDTalker {__version__}"}
        return {
            "asset": asset | ({"extras": dict(extras)} if extras else {}),
            "scene": 0,
            "meshes": self.meshes,
            "materials": self.materials,
            "scenes": [{"nodes": self.roots}],
            "nodes": self.nodes,
            **({"skins": self.skins} if self.skins else {}),
            **({"animations": [self.speech]} if self.channels else {}),
        }

    def write(self, path: Path, document: dict[str, Any]) -> None:
        """Write a GLB file of ``document`` and the accessors; it appears whole or not at all."""
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        complete = {
            **document,
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(binary)}, *self._further],
        }
        complete |= {"images": self._images} if self._images else {}
        complete |= {"textures": self._textures} if self._textures else {}
        text = json.dumps(complete, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        encoded = text.encode(errors="replace")  # as ``write_text`` does
        encoded += b" " * (-len(encoded) % 4)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, 28 + len(encoded) + len(binary)))
            file.write(struct.pack("<I4s", len(encoded), b"JSON") + encoded)
            file.write(struct.pack("<I4s", len(binary), b"BIN\0") + binary)

    def _view(self, values: NDArray[Any], target: int | None) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        data = np.ascontiguousarray(values).tobytes()
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        self._views.append(view if target is None else {**view, "target": target})
        self._binary += data
        return len(self._views) - 1

    def _add(self, values: NDArray[Any], place: dict[str, Any], bounds: bool) -> int:
        rows = values.reshape(len(values), -1)
        accessor = {
            **place,
            "componentType": _COMPONENT[values.dtype.name],
            "count": len(rows),
            "type": _TYPE[rows.shape[1]],
        }
        if bounds:
            accessor |= _bounds(rows)
        self._accessors.append(accessor)
        return len(self._accessors) - 1


def _bounds(rows: NDArray[Any]) -> dict[str, list[float]]:
    return {"min": [float(x) for x in rows.min(axis=0)], "max": [float(x) for x in rows.max(axis=0)]}
