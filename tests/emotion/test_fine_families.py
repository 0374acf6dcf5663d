"""The table of fine-grained emotions: valid names, shares that sum to one, sources; and what a face shows of them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.emotion.formats import densify
from sedtalker.emotion.taxonomy import (
    FAMILIES,
    KINDS,
    OTHER_NAMES,
    family_shares,
    known_kind,
    projected,
    with_share,
)
from sedtalker.emotion.track import CATEGORIES, Segment
from sedtalker.errors import InputError
from sedtalker.training.tasks.fine_emotions import BURSTS, VOTED, voted_members


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_shares_categories_that_there_are_and_says_after_whom(name: str) -> None:
    family = FAMILIES[name]
    assert set(family.shares) <= set(CATEGORIES)
    assert sum(family.shares.values()) == pytest.approx(1.0)
    assert all(share > 0 for share in family.shares.values())
    assert name == "neutral" or re.search(r"\b(19|20)\d\d\b", family.source), "a year of a publication"


def test_every_kind_has_a_family_and_every_family_a_kind() -> None:
    assert set(KINDS.values()) == set(FAMILIES)
    assert set(OTHER_NAMES.values()) <= set(KINDS)
    assert set(BURSTS) <= set(KINDS)
    assert len(set(BURSTS)) == 30
    np.testing.assert_allclose(family_shares(list(KINDS)).sum(1), 1.0, atol=1e-6)


def test_a_kind_that_is_a_category_is_shown_as_it() -> None:
    for category, kinds in VOTED.items():
        assert (family_shares(kinds).argmax(1) == CATEGORIES.index(category)).all()
    assert voted_members().sum(0).tolist() == [1, 2, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Jealousy_&_Envy", "jealousy"), ("Impatience and Irritability", "impatience and irritability"),
        ("Hope/Enthusiasm/Optimism", "hope"), ("Surprise (Negative)", "negative surprise"), ("romantic-love", None),
        ("Arousal", None), ("Emotional_Numbness", "emotional numbness"), ("happy", "happiness"),
    ],
)  # fmt: skip
def test_words_of_others(word: str, kind: str | None) -> None:
    assert known_kind(word) == kind


@given(st.lists(st.floats(0, 1), min_size=30, max_size=30))
def test_a_projection_is_a_posterior(values: list[float]) -> None:
    made = projected({kind: np.full(3, value) for kind, value in zip(BURSTS, values, strict=True)})
    assert made.shape == (3, 7)
    np.testing.assert_allclose(made.sum(1), 1.0, atol=1e-5)
    assert (made >= 0).all()


def test_what_no_kind_claims_is_neutral() -> None:
    made = projected({"awe": np.array([0.0, 1.0]), "arousal": np.ones(2)})
    assert made[0].argmax() == 0
    assert made[1].tolist() == pytest.approx(family_shares(["awe"])[0].tolist())


def test_a_track_follows_its_kinds_a_part_of_the_way() -> None:
    track = densify([Segment(0.0, 2.0, "sad", 0.8, 1.0)], 2.0)
    with pytest.raises(InputError, match="no curves of fine-grained emotions"):
        with_share(track, 0.5)
    from dataclasses import replace

    angry = replace(track, extras={"anger": np.ones(len(track), np.float32)})
    with pytest.raises(InputError, match="share 2: give 0 to 1"):
        with_share(angry, 2.0)
    assert with_share(angry, 0.0).posterior[50].argmax() == CATEGORIES.index("sad")
    half = with_share(angry, 0.5)
    assert half.posterior[50, CATEGORIES.index("angry")] == pytest.approx(0.5)
    assert half.arousal[50] > angry.arousal[50], "valence and arousal follow"
    np.testing.assert_array_equal(half.intensity, track.intensity)
