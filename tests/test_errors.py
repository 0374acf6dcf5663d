"""Messages are one printable line, whatever is quoted in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.errors import LONGEST_MESSAGE, InputError, one_line, one_of, written


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=2000))
def test_any_text_becomes_one_short_line(text: str) -> None:
    said = one_line(text)
    assert len(said.splitlines()) <= 1
    assert len(said) <= LONGEST_MESSAGE
    said.encode("utf-8")
    assert "\x1b" not in said
    assert one_line(said) == said


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=LONGEST_MESSAGE))
def test_a_plain_line_stays_as_it_is(text: str) -> None:
    assert str(InputError(text)) == text


def test_what_would_steer_a_terminal_is_written_out() -> None:
    assert str(InputError("a\x1b[2Jb\nc\udcff")) == r"a\x1b[2Jb\nc\udcff"


def test_a_library_that_says_how_much_it_wrote_met_a_full_disk(tmp_path: Path) -> None:
    said = r"cannot be written \(8 requested and 3 written: is the disk full\?\)"
    with pytest.raises(InputError, match=said), written(tmp_path):
        raise OSError("8 requested and 3 written")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hapy", "did you mean happy? Use one of happy, sad or a file"),
        (" HAPPY", "did you mean happy? Use one of happy, sad or a file"),
        ("bored", "use one of happy, sad or a file"),
    ],
)
def test_the_nearest_name_is_suggested_before_all_names(name: str, said: str) -> None:
    assert one_of(name, iter(["happy", "sad"]), " or a file") == said


def test_where_there_are_no_names_none_is_suggested() -> None:
    assert one_of("ann", []) == "there is none"
