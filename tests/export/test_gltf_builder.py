"""Bytes of a glTF binary, read back by hand after the specification."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.export.gltf_builder import GltfBuilder

KINDS = {5126: "<f4", 5125: "<u4", 5123: "<u2", 5121: "<u1"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class File:
    """A GLB taken apart."""

    def __init__(self, builder: GltfBuilder, folder: Path) -> None:
        path = folder / "a.glb"
        builder.write(path, {"asset": {"version": "2.0"}})
        data = path.read_bytes()
        magic, version, length = struct.unpack("<4sII", data[:12])
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack("<I4s", data[12:20])
        assert (kind, size % 4) == (b"JSON", 0)
        self.document = json.loads(data[20 : 20 + size])
        rest = data[20 + size :]
        size, kind = struct.unpack("<I4s", rest[:8])
        assert (kind, size % 4, size) == (b"BIN\0", 0, len(rest) - 8)
        assert self.document["buffers"] == [{"byteLength": size}]
        self.binary = rest[8:]

    def view(self, index: int) -> bytes:
        view = self.document["bufferViews"][index]
        assert view["byteOffset"] % 4 == 0
        return self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    def values(self, index: int) -> np.ndarray:
        accessor = self.document["accessors"][index]
        width, kind = WIDTHS[accessor["type"]], KINDS[accessor["componentType"]]
        if "bufferView" in accessor:
            found = np.frombuffer(self.view(accessor["bufferView"]), kind).reshape(-1, width)
            assert len(found) == accessor["count"]
            return found
        found = np.zeros((accessor["count"], width), kind)
        sparse: dict[str, Any] = accessor["sparse"]
        at = np.frombuffer(self.view(sparse["indices"]["bufferView"]), KINDS[sparse["indices"]["componentType"]])
        assert len(at) == sparse["count"]
        found[at] = np.frombuffer(self.view(sparse["values"]["bufferView"]), kind).reshape(-1, width)
        return found


def test_values_of_every_kind_come_back(tmp_path: Path) -> None:
    builder, rng = GltfBuilder(), np.random.default_rng(0)
    given = [
        rng.normal(size=(5, 3)).astype(np.float32),
        rng.integers(0, 200, 7).astype(np.uint16),
        rng.integers(0, 200, (3, 4)).astype(np.uint8),
        rng.integers(0, 99, 2).astype(np.uint32),
        rng.normal(size=(2, 16)).astype(np.float32),
        rng.normal(size=(9, 2)).astype(np.float32),
    ]
    assert [builder.accessor(values) for values in given] == list(range(6))
    assert [builder.count(index) for index in range(6)] == [5, 7, 3, 2, 2, 9]
    file = File(builder, tmp_path)
    for index, values in enumerate(given):
        np.testing.assert_array_equal(file.values(index), values.reshape(len(values), -1))


def test_what_an_accessor_is_for_is_stated(tmp_path: Path) -> None:
    builder, rows = GltfBuilder(), np.array([[1, -2, 3], [4, 5, -6]], np.float32)
    builder.accessor(rows, bounds=True)
    builder.accessor(np.arange(3, dtype=np.uint16), indices=True)
    builder.accessor(rows, plain=True)
    builder.accessor(np.arange(3, dtype=np.float32))
    builder.accessor(np.ones((2, 4), np.uint16), normalized=True)
    document = File(builder, tmp_path).document
    assert [view.get("target") for view in document["bufferViews"]] == [34962, 34963, None, None, 34962]
    assert [accessor.get("normalized") for accessor in document["accessors"]] == [None, None, None, None, True]
    assert (document["accessors"][0]["min"], document["accessors"][0]["max"]) == ([1, -2, -6], [4, 5, 3])
    assert "min" not in document["accessors"][2]


@pytest.mark.parametrize(("moved", "sparse"), [(0, True), (1, True), (7, True), (8, False), (10, False)])
def test_mostly_zeros_are_left_out_and_nothing_is_lost(tmp_path: Path, moved: int, sparse: bool) -> None:
    values = np.zeros((10, 3), np.float32)
    values[10 - moved :, 1] = np.arange(1, moved + 1)
    builder = GltfBuilder()
    rows = np.arange(10 - moved, 10)
    index = builder.sparse_accessor(rows, values[rows], 10, bounds=True)
    file = File(builder, tmp_path)
    assert ("sparse" in file.document["accessors"][index]) == sparse
    np.testing.assert_array_equal(file.values(index), values)
    assert file.document["accessors"][index]["max"] == [0, moved, 0]


@pytest.mark.parametrize(("rows", "kind"), [(65_535, 5123), (65_536, 5125)])
def test_many_rows_need_longer_indices(tmp_path: Path, rows: int, kind: int) -> None:
    builder, values = GltfBuilder(), np.zeros((rows, 3), np.float32)
    values[-1] = 1.0
    builder.sparse_accessor(np.array([rows - 1]), values[-1:], rows)
    file = File(builder, tmp_path)
    assert file.document["accessors"][0]["sparse"]["indices"]["componentType"] == kind
    np.testing.assert_array_equal(file.values(0), values)


def test_a_part_is_a_window_on_the_same_bytes(tmp_path: Path) -> None:
    builder = GltfBuilder()
    builder.accessor(np.zeros(3, np.uint8))
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    whole = builder.accessor(values, bounds=True)
    colours = builder.accessor(np.arange(40, dtype=np.uint16).reshape(10, 4), normalized=True)
    stretch, tint = builder.part(whole, 2, 5), builder.part(colours, 2, 5)
    file = File(builder, tmp_path)
    np.testing.assert_array_equal(file.values(stretch), values[2:7])
    np.testing.assert_array_equal(file.values(tint), np.arange(8, 28).reshape(5, 4))
    assert file.document["accessors"][stretch]["min"] == [6, 7, 8]
    assert file.document["accessors"][stretch]["max"] == [18, 19, 20]
    assert "min" not in file.document["accessors"][tint]
    assert len(file.binary) == 4 + 120 + 80


def test_a_picture_is_kept_once_and_says_its_kind(tmp_path: Path) -> None:
    builder = GltfBuilder()
    png, jpeg = b"\x89PNG picture", b"\xff\xd8\xff other"
    builder.accessor(np.zeros((1, 3), np.float32))
    assert [builder.texture(p) for p in (png, jpeg, png)] == [0, 1, 0]
    file = File(builder, tmp_path)
    assert [image["mimeType"] for image in file.document["images"]] == ["image/png", "image/jpeg"]
    assert [file.view(image["bufferView"]) for image in file.document["images"]] == [png, jpeg]
    assert file.document["textures"] == [{"source": 0}, {"source": 1}]
    bare = GltfBuilder()
    bare.accessor(np.zeros((1, 3), np.float32))
    assert "images" not in File(bare, tmp_path).document


def test_numbers_that_json_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        GltfBuilder().write(tmp_path / "a.glb", {"asset": {"extras": float("nan")}})
    assert not list(tmp_path.iterdir())
