"""Timestamped emotion keys, read and written as Audio2Face takes them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.json import track_from_json
from sedtalker.emotion.formats.keys import KEY_FRAMES, LIST, WORDS, track_from_keys, track_to_keys
from sedtalker.emotion.taxonomy import COORDINATES, project
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError

STRENGTHS = st.dictionaries(st.sampled_from(sorted(WORDS.values())), st.integers(1, 1600).map(lambda n: n / 1e4))


@settings(max_examples=40)
@given(st.lists(STRENGTHS, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_keys_come_back_in_any_order(strengths, random):
    keys = [
        {"time_code": round(0.01 + 0.02 * KEY_FRAMES * i, 2), "emotion": strength}
        for i, strength in enumerate(strengths)
    ]
    shuffled = random.sample(keys, len(keys))
    back = json.loads(track_to_keys(track_from_keys(shuffled, keys[-1]["time_code"] + 0.01)))[LIST]
    assert [key["time_code"] for key in back] == [key["time_code"] for key in keys]
    for a, b in zip(keys, back, strict=True):
        assert a["emotion"] == pytest.approx(b["emotion"], abs=2e-4)


def test_strengths_between_keys_are_linear():
    keys = [{"time_code": 0.0, "emotion": {"joy": 0.0}}, {"time_code": 1.0, "emotion": {"grief": 0.5, "joy": 0.5}}]
    track = track_from_json(json.dumps({LIST: keys}), 2.0)
    at = track.at(np.array([0.0, 0.5, 1.5]))
    assert at.intensity == pytest.approx([0.01, 0.5, 1.0], abs=1e-2)
    assert at.posterior[1, [CATEGORIES.index("happy"), CATEGORIES.index("sad")]] == pytest.approx([0.5, 0.5], abs=1e-3)
    assert len(track) == 100


def test_labels_that_are_other_words_for_the_categories_are_written() -> None:
    track = constant_track("happy:0.5", 1.0)
    other = replace(track, labels=("calm", "joy", *CATEGORIES[2:]))
    assert track_to_keys(other) == track_to_keys(track)
    assert np.array_equal(project(other, COORDINATES).valence, track.valence)


def test_a_track_without_frames_has_no_keys() -> None:
    assert json.loads(track_to_keys(constant_track("happy:0.5", 1.0).at(np.zeros(0)))) == {LIST: []}


def test_labels_of_one_category_count_together() -> None:
    posterior = np.tile(np.float32([0.2, 0.5, 0.3]), (50, 1))
    track = replace(constant_track("happy:1", 1.0), labels=("neutral", "joy", "happy"), posterior=posterior)
    assert json.loads(track_to_keys(track))[LIST][0]["emotion"] == {"joy": 0.8}


def test_no_emotion_is_neutral_and_all_ten_words_are_known():
    track = track_from_json('[{"time_code": 0.5, "emotion": {"pain": 0.0, "outofbreath": 0.0}}]', 1.0)
    assert np.allclose(track.posterior[:, 0], 1.0)
    assert not track.intensity.any()
    track = track_from_json('[{"time_code": 0.5, "emotion": {"pain": 1.0}}]', 1.0)
    assert dict(zip(CATEGORIES, track.posterior[0].round(3).tolist(), strict=True)) == pytest.approx(
        {"neutral": 0, "happy": 0, "sad": 0.4, "angry": 0.3, "fear": 0, "disgust": 0.3, "surprise": 0}
    )
    assert track.intensity[0] == pytest.approx(1.0)
    tired = track_from_json('[{"time_code": 0.5, "emotion": {"outofbreath": 1.0}}]', 1.0)  # mostly neutral
    assert (tired.intensity[0], tired.posterior[0, CATEGORIES.index("sad")]) == pytest.approx((0.3, 1.0))
    assert track_from_json('[{"time_code": 0, "emotion": {"happiness": 0.5}}]', 1.0).intensity[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text",
    [
        '[{"time_code": 0}]',
        '[{"time_code": -1, "emotion": {}}]',
        '[{"time_code": NaN, "emotion": {}}]',
        '[{"time_code": 0, "emotion": {"bored": 1}}]',
        '[{"time_code": 0, "emotion": {"joy": 2}}]',
        '[{"time_code": 0, "emotion": {"joy": "x"}}]',
        '[{"time_code": 0, "emotion": {}}, {"time_code": 0, "emotion": {}}]',
        '[{"time_code": 0, "emotion": {}}, 3]',
    ],
)
def test_damaged_keys_are_refused(text):
    with pytest.raises(InputError):
        track_from_json(text, 1.0)
