"""Weights of other programs are read as torch reads them, in a process of its own that ends where a file does harm."""

from __future__ import annotations

import struct
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sedtalker import foreign_weights
from sedtalker.errors import InputError
from sedtalker.foreign_weights import convert_foreign_weights, convert_here, named_tensors
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


def here(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other process does, in this one, which is quicker."""
    monkeypatch.setattr(foreign_weights, "_limit", lambda memory, seconds: None)
    convert_here(str(path), str(path.with_suffix(".safetensors")))


@pytest.mark.slow
@LAYOUTS
def test_tensors_are_those_that_torch_reads(archive: bool, tmp_path: Path) -> None:
    made = network()
    held = {
        "epoch": 3,
        "state_dict": made.state_dict(),
        "optimizer": torch.optim.Adam(made.parameters()).state_dict(),
        "seen": Counter(a=2),
        "size": torch.Size([2, 3]),
        "kind": torch.float32,
    }
    path = written(held, tmp_path / "a.pth", archive)
    convert_foreign_weights(path, tmp_path / "a.safetensors")
    read = load_file(tmp_path / "a.safetensors")
    assert read.keys() == held["state_dict"].keys()
    for name, value in held["state_dict"].items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda network: network.state_dict(),
        lambda network: dict(network.named_parameters()),
        lambda network: {"model": {"net": {f"module.{k}": v for k, v in network.state_dict().items()}}, "epoch": 3},
        lambda network: {f"_orig_mod.module.{k}": v for k, v in network.state_dict().items()},
    ],
    ids=["state", "parameters", "wrapped", "compiled"],
)
def test_wrappers_are_taken_off(wrapped: Callable[[torch.nn.Module], dict]) -> None:
    made = network()
    read = named_tensors(wrapped(made), 10_000)
    assert read.keys() <= made.state_dict().keys()
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in read.items())


@pytest.mark.parametrize("held", [{}, [torch.ones(1)], {"a": 1}, {"model": {"b": "c"}}, torch.ones(1), "a"])
def test_what_holds_no_named_tensors_is_refused(held: Any) -> None:
    with pytest.raises(InputError, match="no named tensors"):
        named_tensors(held, 1000)


def test_tensors_that_repeat_their_numbers_are_refused() -> None:
    with memory_watched(), pytest.raises(InputError, match="larger than the file"):
        named_tensors({"a": torch.ones(1).expand(10_000, 10_000)}, 1000)


def changed(path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The archive with one part changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in parts.items():
            archive.writestr(entry, change(data) if entry.endswith(name) else data)
    return path


@LAYOUTS
@pytest.mark.parametrize(
    ("held", "claimed", "more"),
    [
        (torch.ones(3, 2), b"K\x03K\x02\x86", b"J\xff\xff\xff\x0fK\x02\x86"),
        (torch.ones(77), b"cpuq\x06KM", b"cpuq\x06J\xff\xff\xff\x7f"),
    ],
    ids=["shape", "row"],
)
def test_claims_of_more_numbers_than_there_are(
    held: torch.Tensor,
    claimed: bytes,
    more: bytes,
    archive: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = written({"a": held}, tmp_path / "a.pth", archive)
    before = path.read_bytes()
    if archive:
        changed(path, "data.pkl", lambda data: data.replace(claimed, more))
    else:
        path.write_bytes(before.replace(claimed, more))
    assert path.read_bytes() != before
    with pytest.raises(InputError, match="nothing else is read: "):
        here(path, monkeypatch)


def pickled(instructions: bytes, path: Path) -> Path:
    """An archive of torch around a pickle."""
    return changed(written({}, path, archive=True), "data.pkl", lambda _: b"\x80\x02" + instructions)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"cos\nsystem\nX\x09\x00\x00\x00touch ran\x85R.", r"GLOBAL os\.system"),
        (b"c__builtin__\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R.", "MemoryError"),
        (b"}N" + b"\x85" * 200_000 + b"Ns.", "crashed"),
        pytest.param(
            b")q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"}h\x00Ns.",
            "too much memory or time|is not read within",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["code", "claim", "nested", "doubled"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_a_file_that_calls_claims_or_never_ends_is_one_line(
    data: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        convert_foreign_weights(pickled(data, tmp_path / "a.pth"), tmp_path / "a.safetensors")
    assert not Path("ran").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_damaged_files_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written({"a": torch.ones(77)}, tmp_path / "a.pth", archive=False)
    row = path.read_bytes()
    whole = written({"a": torch.ones(77)}, path, archive=True).read_bytes()
    longer = row.replace(struct.pack("<q", 77), struct.pack("<q", 2**40))
    for data in (b"", b"text", row[:-1], row[:10], longer, whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(InputError, match="not weights alone, and nothing else is read: "):
            here(path, monkeypatch)


def test_a_folder_and_a_missing_file_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pth", tmp_path / "a\0b"):
        with pytest.raises(InputError, match="no such file"):
            convert_foreign_weights(path, tmp_path / "a.safetensors")


def test_a_file_that_is_not_read_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_weights, "READING_SECONDS", 0)
    with pytest.raises(InputError, match="within 0 seconds"):
        convert_foreign_weights(written({"a": torch.ones(1)}, tmp_path / "a.pth", True), tmp_path / "a.safetensors")
