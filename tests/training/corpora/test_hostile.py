"""Pickles and tables of corpora that are damaged or made to do harm."""

from __future__ import annotations

import pickle
import pickletools
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import COLUMNS, read_manifest
from sedtalker.training.corpora.meshes.pickles import MOST_INSTRUCTIONS, read_array_pickle
from tests.support.memory import memory_watched

HEAD = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("protocol", range(6))
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


def test_pickles_of_python_2_are_read(tmp_path: Path) -> None:
    """As ``cPickle`` of Python 2 wrote ``{"a": np.array([[1.0, -2.0]])}``, by protocol 0: the numbers are text."""
    numbers = "".join(f"\\x{byte:02x}" for byte in np.array([[1.0, -2.0]]).tobytes())
    text = (
        "(dp1\nS'a'\np2\ncnumpy.core.multiarray\n_reconstruct\np3\n(cnumpy\nndarray\np4\n(I0\ntS'b'\ntRp5\n"
        "(I1\n(I1\nI2\ntcnumpy\ndtype\np6\n(S'f8'\nI0\nI1\ntRp7\n(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        f"S'{numbers}'\ntbs."
    )
    (tmp_path / "a.pkl").write_bytes(text.encode())
    assert read_array_pickle(tmp_path / "a.pkl")["a"].tolist() == [[1.0, -2.0]]


def test_arrays_of_any_order_and_lists_are_read(tmp_path: Path) -> None:
    turned = np.arange(6, dtype=">i2").reshape(2, 3).T
    held = {"turned": turned, "empty": np.zeros((0, 3)), "list": [1, 2.5], "pair": (True, False), 3: 7}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held))
    read = read_array_pickle(tmp_path / "a.pkl")
    assert read["turned"].tolist() == turned.tolist()
    assert read["empty"].shape == (0, 3)
    assert [read[name].tolist() for name in ("list", "pair", "3")] == [[1.0, 2.5], [True, False], 7]


def state(shape: str = "I1\nt", kind: str = "S'f4'\n", order: str = "S'<'\n", raw: str = "S'abcd'\n") -> bytes:
    """A pickle of one array of four bytes, with parts of it said otherwise."""
    made = f"cnumpy\ndtype\n({kind}I0\nI1\ntR(I3\n{order}NNNI-1\nI-1\nI0\ntb"
    start = "(dS'a'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    return f"{start}(I1\n({shape}{made}I00\n{raw}tbs.".encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (state(shape="I9\nt"), "cannot reshape"),
        (state(shape="I-1\nI-1\nt"), "damaged"),
        (state(shape="I1\n" * 80 + "t"), "damaged"),
        (state(shape="I0\nI99999999999999999999\nt", raw="S''\n"), "damaged"),
        (state(kind="S'O'\n"), "does not hold numbers"),
        (state(kind="S'V4'\n"), "does not hold numbers"),
        (state(kind="S'M8[s]'\n"), "does not hold numbers"),
        (state(kind="N"), "damaged"),
        (state(order="S'?'\n"), "damaged"),
        (state(raw="I4\n"), "damaged"),
        (b"(dS'a'\n(dS'b'\nI1\nsss.", "damaged"),
        (b"cos\nsystem\n(S'true'\ntR.", r"asks for os\.system"),
        (b"S'print'\n)R.", "damaged"),
        (b"I1\nI2\n\x93.", "damaged"),
        (b"", "damaged"),
        (b"I1\n", "damaged"),
        (b"\x00.", "damaged"),
        (b".", "damaged"),
        (b"I1\n\x86.", "damaged"),
        (b"h\x00.", "damaged"),
        (b"\x80\x06N.", "damaged"),
        (b"\x8f(N\x90.", "damaged"),
        (b"\x82\x01.", "damaged"),
        (b"\x97.", "damaged"),
        (b"Pname\n.", "damaged"),
        (b"(cnumpy\ndtype\no.", "it holds _Type"),
        (b"cnumpy\ndtype\n)\x81.", "it holds _Type"),
        (b"I1\nI2\na.", "damaged"),
        (b"]I1\nI2\ns.", "damaged"),
        (b"}(I1\nu.", "damaged"),
        (b"})I1\ns.", "a key of a dictionary is tuple"),
        (b"()I1\nd.", "in a way that Python does not"),
        (b"N)b.", "attributes to NoneType"),
        (b"c_codecs\nencode\n}b.", "attributes to function"),
        (b"I" + b"9" * 10_000 + b"\n.", "damaged"),
        (b"(dS'a'\n(ds.", "one of its values is _Plain"),
        (b"(dS'a'\n((I1\nlls.", "one of its values is list"),
        (b"(dS'a'\nL99999999999999999999999L\ns.", "too large"),
        (b"]I1\na.", "it holds list"),
        (pickle.dumps(dict.fromkeys("abcdefghijkl", np.ones(1000))), "larger than the file"),
    ],
)
def test_arrays_that_are_not_what_they_say(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with memory_watched(), pytest.raises(InputError, match=said):
        read_array_pickle(tmp_path / "a.pkl")


def test_text_that_becomes_bytes_again_and_again_takes_no_memory(tmp_path: Path) -> None:
    text, calls = b"a" * 100_000, b"c_codecs\nencode\nh\x00S'latin1'\n\x86R0"
    (tmp_path / "a.pkl").write_bytes(b"X\xa0\x86\x01\x00" + text + b"q\x000" + calls * 1000 + b"}.")
    with memory_watched():
        assert read_array_pickle(tmp_path / "a.pkl") == {}


def test_one_text_as_many_arrays_is_refused_before_they_are_made(tmp_path: Path) -> None:
    """The same megabyte of Python 2 in 500 arrays; also one long list under many names."""
    start, end = state(raw="h\x00").split(b"(dS'a'\n")[1].split(b"h\x00")
    one = start.replace(b"I1\n(I1\nt", b"I1\n(I250000\nt") + b"h\x00" + end.removesuffix(b"s.")
    names = b"".join(b"I%d\n" % number + one + b"s" for number in range(500))
    (tmp_path / "a.pkl").write_bytes(b"T\x40\x42\x0f\x00" + b"a" * 1_000_000 + b"q\x000}" + names + b".")
    with memory_watched(), pytest.raises(InputError, match="larger than the file"):
        read_array_pickle(tmp_path / "a.pkl")
    numbers = b"](" + b"K\x01" * 100_000 + b"eq\x000}" + b"".join(b"I%d\nh\x00s" % n for n in range(1000)) + b"."
    (tmp_path / "a.pkl").write_bytes(numbers)
    with memory_watched(), pytest.raises(InputError, match="larger than the file"):
        read_array_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "data",
    [
        b"Nr\xff\xff\xff\xff.",
        b"Np4294967295\n.",
        b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\x7f.",
        b"\x95\x00\x00\x00\x00\x10\x00\x00\x00N.",
        b"(" * 100_000,
        b"}N" + b"\x85" * 200_000 + b"Ns.",
        b"]q\x00" + b"h\x00a" * 100_000 + b".",
        b"})q\x000" + b"h\x00h\x00\x86q\x000" * 60 + b"h\x00Ns.",
    ],
    ids=["memo", "memo in text", "bytes that change", "bytes", "number", "frame", "marks", "key", "itself", "doubled"],
)
def test_what_is_claimed_or_nested_takes_no_memory_and_crashes_nothing(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with memory_watched(100 * 2**20), pytest.raises(InputError):
        read_array_pickle(tmp_path / "a.pkl")


def test_a_pickle_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"N" * (MOST_INSTRUCTIONS + 1))
    with pytest.raises(InputError, match="over 1000000 instructions"):
        read_array_pickle(tmp_path / "a.pkl")


def test_no_instruction_fails_in_another_way(tmp_path: Path) -> None:
    """Each of the standard's instructions is obeyed or refused; anything else than an ``InputError`` fails here."""
    for instruction in pickletools.opcodes:
        code = instruction.code.encode("latin-1")
        for data in (code + b".", b"(NN" + code + b"\x01a\n\n."):
            (tmp_path / "a.pkl").write_bytes(data)
            with suppress(InputError):
                read_array_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("cremad,a.wav,en,1001,f,angyr,normal,,1.0,train", "unknown emotion 'angyr': did you mean angry?"),
        ("cremad,a.wav,en,1001,f,angry,normal,,nan,train", "duration_s nan"),
        ("cremad,a.wav,en,1001,f,angry,normal,,1.0,training", "split 'training': use one of train, valid, test"),
        ("cremad,a.wav,en,1001", "split None"),
    ],
)
def test_rows_that_cannot_be_understood(row: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    good = "cremad,b.wav,en,1001,f,other:bored,normal,,1.0,train"
    (tmp_path / "audio" / "manifest.csv").write_text("\n".join([",".join(COLUMNS), good, row]))
    with pytest.raises(InputError, match=r"the row of a\.wav cannot be understood") as told:
        read_manifest(tmp_path)
    assert said in str(told.value)


@pytest.mark.parametrize("text", [b"\xff", (HEAD + "a" * 200_000).encode(), b"a,b\n"])
def test_tables_that_are_none(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "manifest.csv").write_bytes(text)
    with pytest.raises(InputError):
        read_manifest(tmp_path)
