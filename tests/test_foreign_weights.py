"""Weights of other programs are read as torch reads them, and what they claim is compared with what is there."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sedtalker.errors import InputError
from sedtalker.foreign_weights import MAGIC, read_foreign_weights
from tests.support.memory import memory_watched

LAYOUTS = pytest.mark.parametrize("archive", [True, False], ids=["archive", "row"])


def network() -> torch.nn.Module:
    """One with every kind of number, views, tied and empty tensors."""
    made = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    made[0].tied = made[0].weight
    for name, value in {
        "halves": torch.ones(3).half(),
        "brain": torch.ones(3).bfloat16(),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "turned": torch.arange(12).reshape(3, 4).T,
        "part": torch.arange(12)[3:7],
        "truth": torch.tensor([True, False]),
        "complex": torch.ones(2, dtype=torch.complex64),
        "repeated": torch.ones(1).expand(1, 1),
    }.items():
        made.register_buffer(name, value)
    return made


def written(held: Any, path: Path, archive: bool) -> Path:
    torch.save(held, path, _use_new_zipfile_serialization=archive)
    return path


@LAYOUTS
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda network: network.state_dict(),
        lambda network: dict(network.named_parameters()),
        lambda network: {
            "epoch": 3,
            "state_dict": network.state_dict(),
            "optimizer": torch.optim.Adam(network.parameters()).state_dict(),
            "seen": Counter(a=2),
            "size": torch.Size([2, 3]),
            "kind": torch.float32,
        },
    ],
    ids=["state", "parameters", "checkpoint"],
)
def test_tensors_are_those_that_torch_reads(
    wrapped: Callable[[torch.nn.Module], dict], archive: bool, tmp_path: Path
) -> None:
    held = wrapped(network())
    wanted = held.get("state_dict", held)
    read = read_foreign_weights(written(held, tmp_path / "a.pth", archive))
    assert read.keys() == wanted.keys()
    for name, value in wanted.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value)


@LAYOUTS
def test_numbers_do_not_depend_on_the_file_any_more(archive: bool, tmp_path: Path) -> None:
    path = written({"a": torch.arange(1000.0)}, tmp_path / "a.pth", archive)
    read = read_foreign_weights(path)
    path.write_bytes(b"")
    read["a"] += 1
    assert torch.equal(read["a"], torch.arange(1000.0) + 1)


def changed(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The archive with one part changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in parts.items():
            archive.writestr(entry, change(data) if entry.endswith(name) else data)
    return path


@LAYOUTS
def test_shapes_larger_than_the_numbers_are_refused(archive: bool, tmp_path: Path) -> None:
    """torch itself makes such a tensor, and takes the memory for it."""
    path = written({"a": torch.ones(3, 2)}, tmp_path / "a.pth", archive)
    shape, larger = b"K\x03K\x02\x86", b"J\xff\xff\xff\x0fK\x02\x86"
    if archive:
        changed(path, "data.pkl", lambda data: data.replace(shape, larger))
    else:
        path.write_bytes(path.read_bytes().replace(shape, larger))
    with memory_watched(), pytest.raises(InputError, match="a tensor has more numbers than the file"):
        read_foreign_weights(path)


@LAYOUTS
def test_rows_that_claim_more_numbers_than_there_are(archive: bool, tmp_path: Path) -> None:
    path = written({"a": torch.ones(77)}, tmp_path / "a.pth", archive)
    count, larger = b"KMt", b"J\xff\xff\xff\x7ft"
    if archive:
        changed(path, "data.pkl", lambda data: data.replace(count, larger))
    else:
        path.write_bytes(path.read_bytes().replace(b"KMNt", b"J\xff\xff\xff\x7fNt"))
    with memory_watched(), pytest.raises(InputError, match="a tensor has more numbers than the file"):
        read_foreign_weights(path)


@LAYOUTS
def test_tensors_that_repeat_their_numbers_are_refused(archive: bool, tmp_path: Path) -> None:
    path = written({"a": torch.ones(1).expand(10_000, 10_000)}, tmp_path / "a.pth", archive)
    with memory_watched(), pytest.raises(InputError, match="larger than the file"):
        read_foreign_weights(path)


def test_a_row_that_ends_too_soon_is_refused(tmp_path: Path) -> None:
    path = written({"a": torch.ones(77)}, tmp_path / "a.pth", archive=False)
    data = path.read_bytes()
    for end in (len(data) - 1, len(data) - 77 * 4 - 1, len(data) // 2, 10, 0):
        path.write_bytes(data[:end])
        with pytest.raises(InputError, match="not weights"):
            read_foreign_weights(path)
    count = struct.pack("<q", 77)
    path.write_bytes(data.replace(count, struct.pack("<q", 2**40)))
    with memory_watched(), pytest.raises(InputError, match="not those that it names"):
        read_foreign_weights(path)


def archive_of(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in parts.items():
            archive.writestr(f"a/{name.replace('_', '.')}", data)
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "damaged"),
        (b"text", "damaged"),
        (b"\0", "instruction"),
        (b"N.", "no file of torch"),
        (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.M\xe9\x03.}.", "order of bytes"),
        (archive_of(other=b""), "something else"),
        (archive_of(data_pkl=b"}."), "no named tensors"),
        (archive_of(data_pkl=b"].", byteorder=b"big"), "order of bytes"),
        (archive_of(data_pkl=b"(S'storage'\nI1\nS'0'\nS'cpu'\nI5\ntQ."), "outside"),
        (archive_of(data_pkl=b"ctorch\nload\n."), "asks for torch.load"),
        (archive_of(data_pkl=b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n))NNtR."), "no shape"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_weights_is_refused(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_foreign_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("damage", ["stream", "end"])
def test_a_packed_part_that_cannot_be_unpacked_is_refused(damage: str, tmp_path: Path) -> None:
    """zlib's own error, and the end of its stream before its time, came out as tracebacks."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/byteorder", np.random.default_rng(0).bytes(2000) + bytes(20))
        archive.writestr("a/data.pkl", b"}.")
    data = bytearray(made.getvalue())
    begin, directory = 30 + len("a/byteorder"), data.index(b"PK\x01\x02")
    if damage == "stream":
        data[begin : begin + 8] = b"\xff" * 8
    else:
        data[directory + 20 : directory + 24] = struct.pack("<I", 1900)
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(InputError, match="not weights, or damaged"):
        read_foreign_weights(tmp_path / "a.pth")


def test_the_first_pickle_of_the_older_layout_is_torchs() -> None:
    assert MAGIC == torch.serialization.MAGIC_NUMBER


def test_an_archive_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    path = written({"a": torch.zeros(100_000)}, tmp_path / "a.pth", archive=True)
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with memory_watched(), pytest.raises(InputError, match="too much"):
        read_foreign_weights(path)


def test_a_folder_and_a_missing_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_foreign_weights(tmp_path / "none.pth")
    with pytest.raises(InputError, match="not weights"):
        read_foreign_weights(tmp_path)
