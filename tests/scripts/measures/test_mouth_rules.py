"""The figures of the lips' chain: what counts as reached, what as shut, and which difference is more than noise."""

from __future__ import annotations

import numpy as np
from measures.mouth_rules import FIGURES, difference, figure, mouth_rules_table, reached, shut

TIMES = np.arange(50) / 50


def test_a_phone_is_reached_within_20_ms_of_it_and_a_vowel_is_shut_in_its_middle_half() -> None:
    gap = np.full(50, 0.2, np.float32)
    gap[10] = 0.01
    assert reached(gap, TIMES, [(0.215, 0.25), (0.24, 0.3)], 0.03) == (1, 2)
    assert shut(gap, TIMES, [(0.1, 0.3), (0.19, 0.4), (2.0, 2.1)]) == (1, 2), "the last one is beyond the recording"


def test_differences_of_the_same_recordings_show_where_they_are_sure() -> None:
    rng = np.random.default_rng(0)
    whole = np.stack([rng.integers(4, 9, 60), np.full(60, 10)], 1).astype(float)
    one_less, other = whole.copy(), whole.copy()
    one_less[:, 0] -= 1
    other[:, 0] += rng.choice([-2, 2], 60)
    assert figure(whole) == whole[:, 0].sum() / 600
    found, shows = difference(one_less, whole)
    assert shows
    assert np.isclose(found, -0.1)
    assert not difference(other, whole)[1]
    assert difference(whole, whole) == (0.0, False)


def test_the_table_has_the_whole_chain_first_and_what_shows_is_bold() -> None:
    steps = {"whole": dict.fromkeys(FIGURES, (0.5,)), "roll": dict.fromkeys(FIGURES, (-0.1, 1.0))}
    lines = mouth_rules_table({"Streams": steps}).splitlines()
    assert lines[2].startswith("| **Streams** | 0.500 |")
    assert lines[3].startswith("| roll | **-0.100** |")
