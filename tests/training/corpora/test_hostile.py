"""Pickles and tables of corpora that are damaged or made to do harm."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import COLUMNS, read_manifest
from sedtalker.training.corpora.meshes import read_array_pickle
from tests.support.memory import memory_watched

HEAD = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_are_read(protocol: int, tmp_path: Path) -> None:
    held = {"neutral": np.arange(12, dtype=np.float32).reshape(4, 3), "lips": np.arange(4), "mean": np.float64(2.5)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held, protocol=protocol))
    read = read_array_pickle(tmp_path / "a.pkl")
    assert all(np.array_equal(read[name], value) for name, value in held.items())


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(dS'a'\ncnumpy\nndarray\n(I1000000000000\ntRs.",
        b"(dS'a'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntRs.",
        b"\x80\x05}\x96\x00\x00\x00\x00\x10\x00\x00\x00.",
        b"(" * 100_000,
        b"",
    ],
    ids=["code", "array", "reconstruct", "bytes", "marks", "empty"],
)
def test_pickles_that_call_or_claim(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with memory_watched(300 * 2**20):
        try:
            read = read_array_pickle(tmp_path / "a.pkl")
        except InputError:
            return
    assert sum(array.size for array in read.values()) == 0


@pytest.mark.parametrize("text", [b"\xff", (HEAD + "a" * 200_000).encode(), b"a,b\n"])
def test_tables_that_are_none(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "manifest.csv").write_bytes(text)
    with pytest.raises(InputError):
        read_manifest(tmp_path)
