"""Text and JSON from elsewhere: what comes back is bounded, what cannot be read is refused in one line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator

from sedtalker.errors import InputError
from sedtalker.reading import DEEPEST, MOST_DIGITS, checked, is_file, is_folder, parse_json, read_bytes, read_json

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**200), 10**200) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(plain)
def test_what_is_json_is_read(value: object) -> None:
    assert parse_json(json.dumps(value), "x") == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode(), "x") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested more than"),
        ('{"a":' * 5000, "nested more than"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested more than"),
        ("[" * 200 + '"' + r"\"" * 200_000, "nested more than"),
        ("1" * (MOST_DIGITS + 1), "digits"),
        ("[" + "[]," * 4_000_000 + "[]]", "lists and objects"),
        (r'"\ud800"', "surrogate"),
        ('"\ud800"', "surrogate"),
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("nothing", "not valid JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_what_would_do_harm_is_refused(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(InputError, match=f"x: .*{said}"):
        parse_json(text, "x")
    assert time.process_time() - began < 5.0


def test_brackets_in_strings_are_no_levels() -> None:
    value = {"a": "[" * 500, "b": ['{"' * 300, "\\"]}
    assert parse_json(json.dumps(value), "x") == value


def test_numbers_can_be_floats() -> None:
    assert float(parse_json("9" * MOST_DIGITS, "x")) > 0
    assert parse_json('[1.12345678901234567890123, "' + "1" * 999 + '"]', "x")[0] == pytest.approx(1.123456789)


def test_names_that_no_file_has(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (Path("a" * 300), Path("a\0b"), tmp_path / "loop", tmp_path / "missing"):
        assert not is_file(path)
        assert not is_folder(path)
        with pytest.raises(InputError):
            read_bytes(path, "a style")
    assert is_folder(tmp_path)


def test_files_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[" + b" " * 100 + b"]")
    assert read_json(tmp_path / "a.json", "a style") == []
    with pytest.raises(InputError, match="too large for a style"):
        read_json(tmp_path / "a.json", "a style", most=100)
    (tmp_path / "b.json").write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match="not text"):
        read_json(tmp_path / "b.json", "a style")


def test_a_refusal_of_ours_is_said_in_our_words_alone() -> None:
    def odd(value: int) -> int:
        if value % 2 == 0:
            raise ValueError("an even tuple")
        return value

    with pytest.raises(InputError, match=r"^a\.json: 1: an even tuple$"):
        checked(list[Annotated[int, AfterValidator(odd)]], [1, 2], "a.json")
