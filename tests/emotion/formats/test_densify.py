"""How segments become a dense track: windows, gaps, overlaps, ends, and what cannot be."""

import json

import numpy as np
import pytest

from sedtalker.emotion.formats import constant_track, densify, segment_format
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.formats.keys import LIST, track_from_keys, track_to_keys
from sedtalker.emotion.formats.labels import segments_from_audacity, segments_from_csv, segments_from_rttm
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack, Segment
from sedtalker.errors import InputError

HAPPY, SAD = CATEGORIES.index("happy"), CATEGORIES.index("sad")


def at(track: EmotionTrack, *times: float) -> EmotionTrack:
    return track.at(np.array(times))


@pytest.mark.parametrize(("gap", "dips"), [(0.0, False), (0.018, False), (0.04, True), (0.1, True), (-0.018, False)])
def test_segments_pass_into_each_other_where_they_adjoin(gap: float, dips: bool) -> None:
    parts = [Segment(1.0, 2.0, "sad", 0.8, 1.0), Segment(2.0 + gap, 3.0, "happy", 0.8, 1.0)]
    track = densify(parts, 4.0)
    between = track.intensity[(track.times > 1.5) & (track.times < 2.5)]
    assert (between.min() < 0.76) == dips


def test_a_boundary_eases_over_three_tenths_of_a_second() -> None:
    track = densify([Segment(1.0, 2.0, "happy", 1.0, 1.0)], 3.0)
    shown = at(track, 0.85, 0.93, 1.0, 1.07, 1.15, 1.5, 1.85, 2.0, 2.15).intensity
    half = 0.5 - 0.5 * np.sin(np.pi * 0.07 / 0.3)
    np.testing.assert_allclose(shown, [0, half, 0.5, 1 - half, 1, 1, 1, 0.5, 0], atol=0.01)


def test_a_short_segment_eases_over_its_own_length() -> None:
    track = densify([Segment(1.0, 1.1, "happy", 1.0, 1.0)], 3.0)
    np.testing.assert_allclose(at(track, 0.93, 1.05, 1.17).intensity, [0, 1, 0], atol=0.05)


def test_nothing_eases_at_the_ends_of_the_recording() -> None:
    track = densify([Segment(0.0, 2.0, "happy", 0.6, 1.0)], 2.0)
    np.testing.assert_allclose(track.intensity, 0.6, atol=1e-6)
    inside = densify([Segment(0.5, 1.5, "happy", 0.6, 1.0)], 2.0)
    assert inside.intensity[0] == inside.intensity[-1] == 0


def test_confidence_is_the_labels_share_and_the_rest_is_neutral() -> None:
    track = densify([Segment(0.0, 1.0, "happy", 0.6, 0.75)], 1.0)
    np.testing.assert_allclose(track.posterior[:, [0, HAPPY]], np.tile([0.25, 0.75], (50, 1)), atol=1e-6)
    assert track.posterior.sum(1) == pytest.approx(1.0)


def test_of_overlapping_segments_the_later_one_wins() -> None:
    parts = [Segment(1.5, 2.5, "sad", 0.4, 1.0), Segment(0.5, 3.5, "happy", 0.8, 1.0)]
    track = at(densify(parts, 4.0), 1.0, 2.0, 3.0)
    assert track.posterior.argmax(1).tolist() == [HAPPY, SAD, HAPPY]
    assert track.intensity == pytest.approx([0.8, 0.4, 0.8], abs=1e-3)


def test_an_uncertain_segment_is_neutral_and_hides_nothing() -> None:
    parts = [Segment(0.0, 2.0, "happy", 0.8, 1.0), Segment(0.5, 1.5, f" {UNCERTAIN.title()} ", 0.5, 0.2)]
    np.testing.assert_array_equal(densify(parts, 2.0).posterior, densify(parts[:1], 2.0).posterior)


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (Segment(1.0, 1.0, "happy", 0.5, 1.0), "its end must come after its start"),
        (Segment(-0.1, 1.0, "happy", 0.5, 1.0), "its end must come after its start"),
        (Segment(0.0, 1.0, "happy", float("nan"), 1.0), "its end must come after its start"),
        (Segment(2.0, 3.0, "happy", 0.5, 1.0), r"begins after the recording \(2.00 s\)"),
        (Segment(0.0, 1.0, "happy", 1.01, 1.0), "intensity must lie between 0 and 1"),
        (Segment(0.0, 1.0, "happy", -0.01, 1.0), "intensity must lie between 0 and 1"),
        (Segment(0.0, 1.0, "happy", 0.5, 1.01), "intensity must lie between 0 and 1"),
        (Segment(0.0, 1.0, "happy", 0.5, -0.01), "intensity must lie between 0 and 1"),
    ],
)
def test_segments_that_cannot_be(segment: Segment, message: str) -> None:
    with pytest.raises(InputError, match=message):
        densify([segment], 2.0)


def test_the_extremes_of_a_segment_can_be() -> None:
    densify([Segment(0.0, 9.0, "happy", 0.0, 0.0), Segment(1.99, 9.0, "sad", 1.0, 1.0)], 2.0)


@pytest.mark.parametrize(
    ("text", "intensity"), [("happy", 1.0), ("happy:", 1.0), ("neutral", 0.0), ("sad:0", 0.0), ("sad:1", 1.0)]
)
def test_a_constant_without_a_number_is_full_and_neutral_none(text: str, intensity: float) -> None:
    np.testing.assert_allclose(constant_track(text, 1.0).intensity, intensity)


@pytest.mark.parametrize("text", ["happy:1.01", "happy:-0.01", "happy:nan"])
def test_a_constants_intensity_lies_between_0_and_1(text: str) -> None:
    with pytest.raises(InputError, match="the intensity must lie between 0 and 1"):
        constant_track(text, 1.0)
    with pytest.raises(InputError, match="'much' is no number"):
        constant_track("happy:much", 1.0)


def test_a_label_without_a_number_is_equally_strong_in_every_format() -> None:
    read = [
        segments_from_audacity("0\t1\thappy\n")[0].intensity,
        segments_from_csv("start,end,label\n0,1,happy\n")[0].intensity,
        segments_from_rttm("SPEAKER a 1 0 1 <NA> <NA> happy <NA> <NA>\n")[0].intensity,
        float(track_from_json('[{"start": 0, "end": 1, "label": "happy"}]', 1.0).intensity.max()),
    ]
    assert read == pytest.approx([0.7] * 4), "marked, and weaker than what is asked for by name alone"


def test_ten_keys_a_second_are_written_from_the_first_frame_on() -> None:
    text = track_to_keys(constant_track("happy:0.8", 2.0))
    times = [key["time_code"] for key in json.loads(text)[LIST]]
    assert times == pytest.approx([0.01 + 0.1 * k for k in range(20)], abs=1e-4)


def test_keys_of_one_moment_last_as_long_as_asked_or_a_frame() -> None:
    key = [{"time_code": 0.0, "emotion": {"joy": 0.6, "fear": 0.6}}]
    assert track_from_keys(key).duration == 0.02
    track = track_from_keys(key, 1.0)
    assert len(track) == 50
    assert track.intensity.max() == 1.0, "strengths add up to at most 1"
    assert track.posterior[0].max() == pytest.approx(0.5)


def test_the_length_of_a_file_without_a_recording_is_its_last_segments_end() -> None:
    row = segment_format(".x", "", lambda text, name: [Segment(0.0, float(text), "sad", 0.5, 1.0)], lambda *_: "")
    assert row.read("3.5", None, "a.x").duration == 3.5
    assert row.read("3.5", 5.0, "a.x").duration == 5.0
    with pytest.raises(InputError, match=r"^a\.x: segment"):
        row.read("nan", 5.0, "a.x")


def test_a_dense_track_may_have_posteriors_of_zero_and_one() -> None:
    track = constant_track("happy:1", 1.0)
    back = track_from_json(track_to_json(track))
    np.testing.assert_array_equal(back.posterior, track.posterior)
    assert set(back.posterior.ravel()) == {0.0, 1.0}


def test_a_dense_track_may_lie_at_the_ends_of_its_ranges_and_not_beyond() -> None:
    data = json.loads(track_to_json(constant_track("happy:1", 1.0)))
    for name, lowest in (("intensity", 0.0), ("valence", -1.0), ("arousal", -1.0)):
        changed = {**data, name: [lowest, 1.0, *data[name][2:]]}
        assert getattr(track_from_json(json.dumps(changed)), name)[:2].tolist() == [lowest, 1.0]
        for beyond in (lowest - 0.01, 1.01):
            with pytest.raises(InputError, match=f"{name} must lie between {lowest:g} and 1"):
                track_from_json(json.dumps({**data, name: [beyond, *data[name][1:]]}))
