from __future__ import annotations

import itertools

import numpy as np
import pytest

from sedtalker.render.scene import BACKCHANNEL, LEAD, LEAST_SECONDS, CameraCut, cuts_of
from sedtalker.speakers.turns import Turn, Turns

NAMES = ("ann", "bob")


def cuts(*turns: tuple[float, float, str], names: tuple[str, ...] = NAMES) -> list[CameraCut]:
    return cuts_of(Turns(tuple(Turn(*turn) for turn in turns), 60.0, names), names)


def test_the_camera_follows_whoever_begins_to_talk_a_little_before() -> None:
    assert cuts((1, 5, "bob"), (6, 9, "ann"), (9.5, 12, "bob")) == [
        CameraCut(0.0, "bob"),
        CameraCut(6 - LEAD, "ann"),
        CameraCut(9.5 - LEAD, "bob"),
    ]


def test_nobody_talks_and_strangers_are_not_shown() -> None:
    assert cuts() == [CameraCut(0.0, "ann")]
    assert cuts((1, 5, "carl"), (6, 8, "bob")) == [CameraCut(0.0, "bob")]


def test_a_backchannel_is_not_shown_and_a_turn_in_pieces_is() -> None:
    assert cuts((0, 4, "ann"), (4.2, 4.8, "bob"), (5, 9, "ann")) == [CameraCut(0.0, "ann")]
    assert cuts((0, 4, "ann"), (4.2, 4.6, "bob"), (4.8, 5.2, "bob")) == [
        CameraCut(0.0, "ann"),
        CameraCut(4.2 - LEAD, "bob"),
    ]


def test_an_interjection_within_a_turn_is_not_shown_but_an_interruption_is() -> None:
    assert cuts((0, 10, "ann"), (4, 6, "bob")) == [CameraCut(0.0, "ann")]
    assert cuts((0, 10, "ann"), (8, 14, "bob")) == [CameraCut(0.0, "ann"), CameraCut(8 - LEAD, "bob")]


def test_a_cut_that_comes_too_soon_waits_or_is_left_out() -> None:
    assert cuts((0, 0.9, "ann"), (1.0, 4, "bob")) == [CameraCut(0.0, "ann"), CameraCut(LEAST_SECONDS, "bob")]
    shown = cuts((0, 4, "ann"), (5, 5.8, "bob"), (5.9, 9, "ann"))
    assert shown == [CameraCut(0.0, "ann"), CameraCut(5 - LEAD, "bob"), CameraCut(5 - LEAD + LEAST_SECONDS, "ann")]
    assert cuts((0, 4, "ann"), (5, 5.8, "bob"), (5.9, 6.7, "ann")) == shown[:2]


@pytest.mark.parametrize("seed", range(20))
def test_shots_last_and_show_somebody_who_talks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("ann", "bob", "cat")
    starts = np.sort(rng.uniform(0, 55, 40))
    turns = Turns(
        tuple(Turn(float(s), float(s + rng.uniform(0.1, 5)), str(rng.choice(names))) for s in starts), 60.0, names
    )
    found = cuts_of(turns, names)
    assert found == cuts_of(turns, names)
    times = np.array([cut.at for cut in found])
    assert times[0] == 0.0
    assert (np.diff(times) >= LEAST_SECONDS - 1e-9).all()
    for before, cut in itertools.pairwise(found):
        assert before.speaker != cut.speaker
        talks = turns.of(cut.speaker)
        assert any(start - LEAD - 1e-9 <= cut.at < end + BACKCHANNEL for start, end in talks)
