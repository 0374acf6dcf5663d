"""Pickles are data: what Python writes is read as Python reads it, and nothing is called, claimed or nested."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.pickles import MOST_INSTRUCTIONS, read_pickle
from tests.support.memory import memory_watched

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def read(data: bytes, **options: Any) -> Any:
    return read_pickle(io.BytesIO(data), options.pop("names", {}), **options)


@given(PLAIN, st.sampled_from(range(6)))
def test_plain_data_is_what_python_reads(held: Any, protocol: int) -> None:
    names = {("_codecs", "encode"): lambda text, code: text.encode(code), ("__builtin__", "bytes"): lambda: b""}
    assert read(pickle.dumps(held, protocol), names=names) == held


def test_several_in_a_row_are_read_one_after_the_other() -> None:
    stream = io.BytesIO(pickle.dumps([1, 2], 2) + pickle.dumps({"a": "b"}, 4))
    assert (read_pickle(stream, {}), read_pickle(stream, {}), stream.read()) == ([1, 2], {"a": "b"}, b"")


@pytest.mark.parametrize(
    ("data", "held"),
    [
        (b"S'caf\\xe9'\n.", "café"),
        (b"I01\n.", True),
        (b"(I1\nI2\nl.", [1, 2]),
        (b"(S'a'\nI2\nd.", {"a": 2}),
        (b"(I1\n0I2\n1I3\n.", 3),
        (b"I7\n2\x86.", (7, 7)),
        (b"I1\n(0.", 1),
        (b"]q\x05I1\na0h\x05.", [1]),
    ],
    ids=["text of Python 2", "true", "list", "dictionary", "pop mark", "again", "pop of a mark", "memo"],
)
def test_instructions_that_python_writes_seldom(data: bytes, held: object) -> None:
    assert read(data) == held == pickle.loads(data, encoding="latin1")


def test_what_is_outside_is_asked_for_by_its_mark() -> None:
    assert read(b"(I1\nS'a'\ntQ.", persistent=lambda mark: ("got", mark)) == ("got", (1, "a"))
    assert read(b"Pname\n.", persistent=lambda mark: mark) == "name"
    with pytest.raises(InputError, match="outside"):
        read(b"Pname\n.")


class Filled:
    def build(self, state: Any) -> None:
        self.state = state


def test_only_names_of_the_table_are_called() -> None:
    made = read(b"cmy\nfilled\n)RI5\nb.", names={("my", "filled"): Filled})
    assert made.state == 5
    with pytest.raises(InputError, match=r"asks for os\.system"):
        read(b"cos\nsystem\n(S'true'\ntR.", names={("my", "filled"): Filled})
    with pytest.raises(InputError, match="it calls str"):
        read(b"S'print'\n)R.", names={("my", "filled"): Filled})
    with pytest.raises(InputError, match="it calls str"):
        read(b"cmy\nword\n)R.", names={("my", "word"): "no function"})
    with pytest.raises(InputError, match=r"asks for 1\.2"):
        read(b"I1\nI2\n\x93.")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "ends too soon"),
        (b"I1\n", "ends too soon"),
        (b"\x00.", "no pickle's instruction"),
        (b".", "damaged"),
        (b"I1\n\x86.", "empty stack"),
        (b"h\x00.", "damaged"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x8f.", "EMPTY_SET"),
        (b"\x82\x01.", "EXT1"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"I1\nI2\na.", "appends to int"),
        (b"]I1\nI2\ns.", "items of list"),
        (b"}(I1\nu.", "items of dict"),
        (b"})I1\ns.", "a key of a dictionary is tuple"),
        (b"N)b.", "attributes to NoneType"),
        (b"I" + b"9" * 10_000 + b"\n.", "damaged"),
    ],
)
def test_what_is_no_data_is_one_line(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"Nr\xff\xff\xff\xff.",
        b"Np4294967295\n.",
        b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x8b\xff\xff\xff\x7f.",
        b"(" * 100_000,
        b"}N" + b"\x85" * 200_000 + b"Ns.",
        b"]" + b"2a" * 100_000 + b".",
        b"]" + b"2" * 100_000 + b".",
    ],
    ids=["memo", "memo in text", "bytes that change", "bytes", "number", "marks", "key", "itself", "again"],
)
def test_what_is_claimed_or_nested_takes_no_memory_and_crashes_nothing(data: bytes) -> None:
    with memory_watched(100 * 2**20), suppress(InputError):
        read(data)


def test_a_pickle_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sedtalker.pickles.MOST_INSTRUCTIONS", 10)
    with pytest.raises(InputError, match="over 10 instructions"):
        read(b"N" * 20)
    assert MOST_INSTRUCTIONS >= 10**6


def test_no_instruction_fails_in_another_way() -> None:
    """Each of the standard's instructions is obeyed or refused; anything else than an ``InputError`` fails here."""
    tails: list[Callable[[bytes], bytes]] = [lambda code: code + b".", lambda code: b"(NN" + code + b"\x01a\n\n."]
    for instruction in pickletools.opcodes:
        for tail in tails:
            with suppress(InputError):
                read(tail(instruction.code.encode("latin-1")))
