"""The language of queries: what it means, and what it refuses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.emotion.formats import densify
from sedtalker.emotion.query import Recorded, parse_query, stretches
from sedtalker.emotion.track import Segment
from sedtalker.errors import InputError
from sedtalker.phonetics.words import Word

WORDS = (Word(0.5, 0.9, "I"), Word(1.0, 1.4, "want"), Word(1.5, 1.9, "a"), Word(2.0, 2.6, "Refund,"), Word(6, 7, "ok"))


def recorded(*spans: tuple[float, float, str, float], words: tuple[Word, ...] = ()) -> Recorded:
    return Recorded.of(densify([Segment(*span, 1.0) for span in spans], spans[-1][1], ease=0.02), words)


CALL = recorded((0, 3, "angry", 0.9), (3, 5, "neutral", 0.0), (5, 8, "sad", 0.4), (8, 30, "angry", 0.3), words=WORDS)


def spans(query: str, of: Recorded = CALL) -> list[tuple[float, float]]:
    return [(round(match.start, 1), round(match.end, 1)) for match in parse_query(query).find(of)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("angry", [(0, 3), (8, 30)]),
        ("angry > .7", [(0, 3)]),
        ("ANGER < .5", [(8, 30)]),
        ("angry > .7 then sad within 10 s", [(0, 8)]),
        ("angry > .7 then sad within 1 s", []),
        ("angry then sad then angry", [(0, 30)]),
        ("angry then neutral within 0 s", [(0, 5)]),
        ("sad or neutral", [(3, 8)]),
        ("not angry", [(3, 8)]),
        ("angry and intensity < .5", [(8, 30)]),
        ("angry and (time < 2 or time > 29)", [(0, 2), (29, 30)]),
        ("angry for 4 s", [(8, 30)]),
        ("angry for 1 min", []),
        ("valence < -.4", [(0, 3)]),
        ("p(sad) > .9", [(5, 8)]),
        ("confidence >= .9 and sad", [(5, 8)]),
        ("happy", []),
        ('"a refund"', [(1.5, 2.6)]),
        ('"refund" and angry then sad', [(2, 8)]),
        ('"want refund"', []),
        ("speech and sad", [(5, 8)]),
        ("uncertain", []),
    ],
)
def test_what_is_found(query: str, found: list[tuple[float, float]]) -> None:
    assert spans(query) == [pytest.approx(pair, abs=0.11) for pair in found]


def test_of_matches_that_end_together_the_shortest() -> None:
    track = recorded((0, 1, "happy", 1), (1, 2, "neutral", 0), (2, 3, "happy", 1), (3, 4, "sad", 1))
    assert spans("happy then sad", track) == [(2, 4)]


def test_a_later_stretch_is_taken_where_the_first_leads_nowhere() -> None:
    spoken = ((0, 1, "angry"), (1, 2, "sad"), (2, 9, "neutral"), (9, 10, "sad"), (10, 11, "happy"))
    track = recorded(*((start, end, label, 1.0) for start, end, label in spoken))
    assert spans("angry then sad then happy within 1 s", track) == [(0, 11)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "the query is empty"),
        ("angry >", "column 8: the query ends where a number"),
        ("angry > x", "column 9: 'x' stands where a number"),
        ("furious", "column 1: 'furious' stands where an emotion"),
        ("angry then", "column 11: the query ends where an emotion"),
        ("angry sad", "column 7: 'sad' stands where then"),
        ("intensity", "column 10: the query ends where a comparison of intensity"),
        ("(angry", r"column 7: the query ends where \)"),
        ('"hello', "column 1: a quote that does not end"),
        ('"..."', "column 1: there is no word"),
        ("angry ! 3", "column 7: '!' means nothing"),
        ("angry for -2 s", "column 11: a time of -2 s"),
        ("(" * 60 + "angry", "more than 50 brackets"),
        ("then", "column 1: 'then' stands"),
    ],
)
def test_what_is_refused(query: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        parse_query(query)
    assert "\n" not in str(error.value)


@given(st.text(alphabet='angrysdthewiti>=.<()"0179 -', max_size=40))
def test_any_text_is_a_query_or_one_line(text: str) -> None:
    said = ""
    try:
        parse_query(text).find(CALL)
    except InputError as error:
        said = str(error)
    assert "\n" not in said


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_stretches_cover_the_frames_that_hold(holds: list[bool]) -> None:
    track = densify([Segment(0, len(holds) / 50, "sad", 0.5, 1.0)], len(holds) / 50)
    mask = np.resize(np.array(holds), len(track))
    found = stretches(track, mask, 0.0)
    inside = np.array([any(a <= t < b for a, b in found) for t in track.times])
    assert (inside == mask).all()
    assert all(first[1] < second[0] for first, second in pairwise(found))
