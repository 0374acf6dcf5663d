"""Options of clients: what the documentation says of them, and what they come to."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.animation.performance import StreamSettings
from sedtalker.errors import InputError
from sedtalker.server.options import AnimateOptions, DiarizeOptions, StreamHello, parsed
from sedtalker.server.streams import DONE, FAILED, GOING_AWAY, LATER, REFUSED, UNSUPPORTED, WRONG

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text()


@pytest.mark.parametrize("model", [AnimateOptions, DiarizeOptions, StreamHello])
def test_the_documentation_names_every_option(model):
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {held.name for held in fields(model)} <= named


def test_the_documentation_names_every_close_code():
    table = PAGE.split("## How a stream ends")[1].split("##")[0]
    codes = {int(code) for code in re.findall(r"\b1\d{3}\b", table)}
    assert codes == {DONE, GOING_AWAY, UNSUPPORTED, WRONG, REFUSED, 1009, FAILED, LATER}


def test_a_hello_that_says_nothing_is_the_usual_stream():
    assert parsed(StreamHello, "{}", "hello").settings() == StreamSettings()
    assert parsed(StreamHello, '{"hop": 0.32, "look_ahead": 0.1}', "hello").settings().hop == 0.32


def test_nothing_is_the_usual_animation():
    options = parsed(AnimateOptions, "{}", "options")
    options.check()
    assert options.suffixes() == {"glb": ".glb"}
    assert options.track(1.0) is None


def test_a_transcript_is_a_text_and_never_a_file_of_the_server(tmp_path):
    (tmp_path / "said.txt").write_text("one two three four")
    options = parsed(AnimateOptions, {"transcript": "ANN: Bin blue, now."}, "options")
    options.check()
    assert [word.text for word in options.words()] == ["Bin", "blue,", "now."]
    assert AnimateOptions().words() is None
    try:
        named = AnimateOptions(transcript=str(tmp_path / "said.txt")).words()
    except InputError:  # without espeak-ng names of folders are no words
        named = []
    assert "three" not in [word.text for word in named]
    with pytest.raises(InputError, match="no words"):
        parsed(AnimateOptions, {"transcript": "..."}, "options").check()
    with pytest.raises(InputError, match="language"):
        parsed(AnimateOptions, {"transcript": "a", "language": "../x"}, "options")
    with pytest.raises(InputError, match="language: it is that of the transcript"):
        parsed(AnimateOptions, {"language": "de"}, "options").check()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"to": "glb"}, "options: to: Input should be a valid list"),
        ({"to": []}, "options: to: List should have at least 1 item, not 0"),
        ({"gain": -1}, "options: gain: Input should be a valid object"),
        ({"emotion": 1}, "options: emotion: Input should be a valid string"),
        ({"emotion": "a b"}, "options: emotion: 'a b' has the wrong form"),
        ({"language": "../x"}, "options: language: '../x' has the wrong form"),
    ],
)
def test_messages_have_the_words_of_json(values, line):
    with pytest.raises(InputError) as said:
        parsed(AnimateOptions, values, "options")
    assert str(said.value) == line


@given(
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda s: (
            st.lists(s) | st.dictionaries(st.sampled_from(["to", "face", "gain", "style", "emotion", "fps", "x"]), s)
        ),
    )
)
def test_whatever_comes_is_options_or_one_line(values):
    said = ""
    try:
        parsed(AnimateOptions, values, "options").check()
    except InputError as error:
        said = str(error) or "nothing"
    assert "\n" not in said
    assert said != "nothing"
