"""Turns, their names, and RTTM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.speakers.turns import MOST_SPEAKERS, Turn, Turns, turns_from_rttm, turns_of, turns_to_rttm

SPANS = st.lists(
    st.tuples(st.integers(0, 60_000), st.integers(1, 9_000), st.sampled_from(["ann", "bob", "Žoë_3"])),
    min_size=1,
    max_size=12,
)
"""Turns in milliseconds: beginning, duration, speaker."""


def made(spans: list[tuple[int, int, str]]) -> Turns:
    turns = tuple(Turn(a / 1000, (a + length) / 1000, who) for a, length, who in spans)
    return Turns(turns, max(turn.end for turn in turns))


@settings(max_examples=60)
@given(SPANS)
def test_rttm_keeps_turns(spans: list[tuple[int, int, str]]) -> None:
    turns = made(spans)
    back = turns_from_rttm(turns_to_rttm(turns, "a talk"))
    assert back.speakers == turns.speakers
    for name in turns.speakers:  # those that touch still touch
        np.testing.assert_allclose(back.of(name), turns.of(name), atol=1e-9)
    assert turns_to_rttm(back, "a talk") == turns_to_rttm(turns, "a talk")


@settings(max_examples=60)
@given(SPANS)
def test_who_speaks_is_the_same_in_turns_and_in_frames(spans: list[tuple[int, int, str]]) -> None:
    turns = made(spans)
    times = (np.arange(round(100 * turns.duration) + 1) + 0.5) / 100
    active = np.stack([turns.active(name, times) for name in turns.speakers])
    back = turns_of(active, times, turns.speakers, turns.duration)
    again = np.stack([back.active(name, times) for name in turns.speakers])
    np.testing.assert_array_equal(again, active)
    for name in turns.speakers:
        assert turns.seconds(name) == pytest.approx(sum(b - a for a, b in turns.of(name)))


@settings(max_examples=40)
@given(SPANS)
def test_merging_and_renaming(spans: list[tuple[int, int, str]]) -> None:
    turns = made(spans)
    swapped = turns.renamed({"ann": "bob", "bob": "ann"})
    assert swapped.of("ann") == turns.of("bob")
    assert swapped.renamed({"ann": "bob", "bob": "ann"}) == turns
    merged = turns.renamed(dict.fromkeys(turns.speakers, "all"))
    assert merged.speakers == ("all",)
    assert max(turns.seconds(name) for name in turns.speakers) <= merged.seconds("all") + 1e-9
    assert merged.seconds("all") <= sum(map(turns.seconds, turns.speakers)) + 1e-9


def test_a_file_of_a_diarizer() -> None:
    text = (
        ";; made by hand\n"
        "SPKR-INFO talk 1 <NA> <NA> <NA> unknown ann <NA>\n"
        "SPEAKER talk 1 2.0 0.000 <NA> <NA> nobody <NA> <NA>\n"
        "SPEAKER talk 1 1.5 1.0 <NA> <NA> bob <NA> <NA>\n"
        "SPEAKER talk 1 0.0 2 <NA> <NA> ann 0.9 <NA>\n"
    )
    found = turns_from_rttm(text)
    assert found.turns == (Turn(0.0, 2.0, "ann"), Turn(1.5, 2.5, "bob"))
    assert (found.speakers, found.duration) == (("ann", "bob"), 2.5)


def test_turns_beyond_the_recording_are_cut_and_said(caplog: pytest.LogCaptureFixture) -> None:
    text = turns_to_rttm(Turns((Turn(0, 2, "ann"), Turn(1, 9, "bob"), Turn(8, 9, "eve")), 9.0))
    found = turns_from_rttm(text, 4.0, "who.rttm")
    assert found.turns == (Turn(0, 2, "ann"), Turn(1, 4, "bob"))
    assert found.speakers == ("ann", "bob")
    assert "who.rttm goes on to 9.00 s, but the recording ends at 4.00 s" in caplog.text
    caplog.clear()
    assert turns_from_rttm(text, 8.9).duration == 8.9
    assert not caplog.text
    with pytest.raises(InputError, match="every turn begins after the end"):
        turns_from_rttm("SPEAKER a 1 5 1 <NA> <NA> ann <NA> <NA>\n", 4.0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("SPEAKER a 1 0 1", "line 1 has 5 words"),
        ("SPEAKER a 1 x 1 <NA> <NA> ann <NA> <NA>", "'x 1' are no seconds"),
        ("SPEAKER a 1 nan 1 <NA> <NA> ann <NA> <NA>", "a turn from nan s"),
        ("SPEAKER a 1 0 -1 <NA> <NA> ann <NA> <NA>", "that lasts -1 s"),
        ("SPEAKER a 1 0 900000 <NA> <NA> ann <NA> <NA>", "are the times in seconds"),
        ("SPEAKER a 1 0 1 <NA> intensity=0.610 happy 0.9 <NA>", "'happy' is an emotion, not a speaker"),
        ("SPEAKER a 1 0 1 <NA> <NA> x/../y <NA> <NA>", "a name cannot hold '/'"),
        ("SPEAKER a 1 0 1 <NA> <NA> .. <NA> <NA>", "no blank or full stop at its ends"),
        (f"SPEAKER a 1 0 1 <NA> <NA> {'x' * 61} <NA> <NA>", "a name has 1 to 60 letters"),
        ("SPEAKER a 1 0 1 <NA> <NA> x <NA> <NA>\nSPEAKER b 1 0 1 <NA> <NA> y <NA> <NA>", "of b, after lines of a"),
        ("SPEAKER a 1 0 1 <NA> <NA> ann <NA> <NA>\nSPEAKER a 1 2 1 <NA> <NA> Ann <NA> <NA>", "capitals alone"),
        ("", "no line 'SPEAKER file 1"),
    ],
)
def test_what_is_no_turn_is_refused_in_one_line(line: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        turns_from_rttm(line)
    assert "\n" not in str(caught.value)


def test_more_speakers_than_faces_are_refused() -> None:
    lines = [f"SPEAKER a 1 {k} 1 <NA> <NA> s{k} <NA> <NA>" for k in range(MOST_SPEAKERS + 1)]
    with pytest.raises(InputError, match="17 speakers; at most 16"):
        turns_from_rttm("\n".join(lines))


def test_names_with_blanks_get_underscores_in_rttm_unless_two_would_be_one() -> None:
    turns = Turns((Turn(0, 1, "Ann  Lee"), Turn(1, 2, "Žoë")), 2.0)
    assert turns_from_rttm(turns_to_rttm(turns)).speakers == ("Ann_Lee", "Žoë")
    with pytest.raises(InputError, match="have one name in RTTM"):
        turns_to_rttm(Turns((Turn(0, 1, "a b"), Turn(1, 2, "a_b")), 2.0))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0b", 'a"b', "c:\\x", "con|", " ann", ".hidden", "\u202egpj"])
def test_names_that_cannot_name_files_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        Turns((Turn(0, 1, "ann"),), 1.0).renamed({"ann": name})
    assert "\n" not in str(caught.value)


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    turns = Turns((Turn(0, 1.25, "ann"), Turn(1, 2, "bob")), 2.0)
    turns.save(tmp_path / "who.rttm", "talk")
    assert Turns.load(tmp_path / "who.rttm") == turns
    assert (tmp_path / "who.rttm").read_text().startswith("SPEAKER talk 1 0.000 1.250 <NA> <NA> ann <NA> <NA>\n")
    with pytest.raises(InputError, match="no such file"):
        Turns.load(tmp_path / "none.rttm")


def test_turns_that_last_no_time_are_not_written() -> None:
    turns = Turns((Turn(0, 0.05, "ann"), Turn(1, 2, "bob"), Turn(1, 1, "eve")), 2.0)
    assert turns_to_rttm(turns).count("SPEAKER") == 2  # one that lasts no time would not be read again


@pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (float("nan"), 1.0)])
def test_a_turn_that_ends_before_it_begins_is_refused(start: float, end: float) -> None:
    with pytest.raises(InputError, match="a turn of 'ann' begins at"):
        Turns((Turn(0, 1, "ann"), Turn(start, end, "ann")), 3.0)


def test_a_last_frame_at_the_end_is_no_turn_backwards() -> None:
    found = turns_of(np.array([[False, True]]), np.array([0.9952, 1.0012]), ["ann"], 0.99828)
    assert found.turns == (Turn(0.998, 0.998, "ann"),)
