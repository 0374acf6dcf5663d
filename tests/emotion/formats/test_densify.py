"""How segments become a dense track: windows, gaps, overlaps, ends, and what cannot be."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.formats import check_count, check_duration, constant_track, densify, keys, segment_format
from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.formats.keys import LIST, track_from_keys, track_to_keys
from sedtalker.emotion.formats.labels import rows_from_csv, segments_from_audacity, segments_from_rttm
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack, Segment
from sedtalker.errors import InputError

HAPPY, SAD = CATEGORIES.index("happy"), CATEGORIES.index("sad")


def at(track: EmotionTrack, *times: float) -> EmotionTrack:
    return track.at(np.array(times))


@pytest.mark.parametrize(("gap", "dips"), [(0.0, False), (0.1, False), (0.39, False), (0.45, True), (-0.018, False)])
def test_segments_pass_into_each_other_where_they_adjoin(gap: float, dips: bool) -> None:
    parts = [Segment(1.0, 2.0, "sad", 0.8, 1.0), Segment(2.0 + gap, 3.0, "happy", 0.8, 1.0)]
    track = densify(parts, 4.0)
    between = track.intensity[(track.times > 1.5) & (track.times < 2.5)]
    assert (between.min() < 0.76) == dips


def test_a_segment_is_as_intense_as_it_says_from_its_beginning_to_its_end() -> None:
    """Its probability eases over three tenths of a second when it comes, and goes more slowly after its end."""
    track = densify([Segment(1.0, 2.0, "happy", 1.0, 1.0)], 3.0)
    inside = (track.times > 1.0) & (track.times < 2.0)
    np.testing.assert_allclose(track.intensity[inside], 1.0, atol=1e-6)
    shown = at(track, 0.85, 0.93, 1.0, 1.07, 1.15, 1.5, 1.85, 2.0, 2.175, 2.375)
    early, late = (0.5 - 0.5 * np.sin(np.pi * after / 0.3) for after in (0.07, 0.07))
    np.testing.assert_allclose(shown.posterior[:, HAPPY], [0, early, 0.5, 1 - early, 1, 1, 1, 0.5, late, 0], atol=0.02)
    np.testing.assert_allclose(shown.intensity[[0, 1, -1]], [0, 2 * early, 0], atol=0.02)


def test_a_short_segment_eases_over_its_own_length() -> None:
    track = densify([Segment(1.0, 1.1, "happy", 1.0, 1.0)], 3.0)
    np.testing.assert_allclose(at(track, 0.93, 1.05, 1.25).intensity, [0, 1, 0], atol=0.05)


def test_nothing_eases_at_the_ends_of_the_recording() -> None:
    track = densify([Segment(0.0, 2.0, "happy", 0.6, 1.0)], 2.0)
    np.testing.assert_allclose(track.intensity, 0.6, atol=1e-6)
    inside = densify([Segment(0.5, 1.5, "happy", 0.6, 1.0)], 2.0)
    assert inside.intensity[0] == inside.intensity[-1] == 0


def test_a_label_is_shown_whole_however_confident_somebody_was_of_it() -> None:
    track = densify([Segment(0.0, 1.0, "happy", 0.6, 0.3)], 1.0)
    np.testing.assert_allclose(track.posterior[:, HAPPY], 1.0)
    np.testing.assert_allclose(track.intensity, 0.6, atol=1e-6)
    assert track.predicted is not None
    np.testing.assert_allclose(track.predicted.posterior[:, HAPPY], 0.3, atol=1e-6)
    np.testing.assert_allclose(track.predicted.posterior.sum(1), 1.0, atol=1e-6)
    assert [(s.label, round(s.confidence, 3)) for s in track.segments()] == [("happy", 0.3)]
    assert densify([Segment(0.0, 1.0, "happy", 0.6, 1.0)], 1.0).predicted is None


def test_a_gap_that_is_bridged_is_of_what_was_before() -> None:
    """And an uncertain segment, or a neutral one, is no gap."""
    parts = [Segment(0.5, 1.0, "happy", 0.8, 1.0), Segment(1.3, 2.0, "happy", 0.8, 1.0)]
    inner = np.linspace(0.7, 1.8, 56)
    np.testing.assert_allclose(at(densify(parts, 2.5), *inner).posterior[:, HAPPY], 1.0, atol=1e-6)
    assert at(densify(parts, 2.5), 0.51, 1.99).intensity == pytest.approx([0.8, 0.8]), "to the end of the second, too"
    for label in (UNCERTAIN, "neutral"):
        between = densify([*parts, Segment(1.0, 1.3, label, 0.0, 1.0)], 2.5)
        assert at(between, 1.15).posterior[0, HAPPY] < 0.5


def test_a_short_one_inside_another_leaves_it_as_it_was() -> None:
    parts = [Segment(1.0, 3.0, "happy", 0.8, 1.0), Segment(2.4, 2.7, "sad", 0.8, 1.0)]
    assert at(densify(parts, 4.0), 2.9).posterior[0, HAPPY] > 0.5


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
        (Segment(-0.1, 1.0, "happy", 0.5, 1.0), "begins before the recording"),
        (Segment(0.0, 1.0, "happy", float("nan"), 1.0), "its end must come after its start"),
        (Segment(2.0, 3.0, "happy", 0.5, 1.0), r"begins after the recording \(2.00 s\)"),
        (Segment(0.0, 1.0, "happy", 1.01, 1.0), "intensity and confidence must be 0 to 1"),
        (Segment(0.0, 1.0, "happy", -0.01, 1.0), "intensity and confidence must be 0 to 1"),
        (Segment(0.0, 1.0, "happy", 0.5, 1.01), "intensity and confidence must be 0 to 1"),
        (Segment(0.0, 1.0, "happy", 0.5, -0.01), "intensity and confidence must be 0 to 1"),
    ],
)
def test_segments_that_cannot_be(segment: Segment, message: str) -> None:
    with pytest.raises(InputError, match=message):
        densify([segment], 2.0)


def test_the_extremes_of_a_segment_can_be() -> None:
    densify([Segment(0.0, 9.0, "happy", 0.0, 0.0), Segment(1.99, 9.0, "sad", 1.0, 1.0)], 2.0)


def test_without_easing_edges_are_hard() -> None:
    shown = densify([Segment(1.0, 2.0, "happy", 0.8, 1.0)], 3.0, ease=0.0).intensity
    np.testing.assert_allclose(shown, np.repeat([0.0, 0.8, 0.0], 50), atol=1e-6)


@pytest.mark.parametrize("seconds", [0.0, 12 * 3600.0])
def test_a_track_lasts_half_a_day_at_most(seconds: float) -> None:
    check_duration(seconds)
    for beyond in (-0.5, 12 * 3600.5, float("nan")):
        with pytest.raises(InputError, match=r"s is no length of a track: it is 0 to 43200 s long"):
            check_duration(beyond)


def test_a_file_holds_twenty_thousand_segments_at_most() -> None:
    check_count(20_000)
    with pytest.raises(InputError, match="more than 20000 segments"):
        check_count(20_001)


def test_segments_lie_twenty_deep_at_most() -> None:
    """A second more for each, so that many short ones in a short recording are no overlap."""
    densify([Segment(0.0, 1000.0, "happy", 0.5, 1.0)] * 20, 1000.0)
    densify([Segment(500.0, 1000.0, "happy", 0.5, 1.0)] * 40, 1000.0)
    densify([Segment(0.0, 1.0, "happy", 0.5, 1.0)] * 200, 1.0 + 180 / 20)
    with pytest.raises(InputError, match="overlap one another many times over"):
        densify([Segment(0.0, 1e9, "happy", 0.5, 1.0)] * 21, 1000.0)


def test_a_segment_passes_into_a_short_one_over_that_ones_length() -> None:
    parts = [Segment(0.0, 1.0, "happy", 0.8, 1.0), Segment(1.0, 1.1, "sad", 0.8, 1.0)]
    track = densify(parts, 3.0)
    assert track.intensity[track.times < 1.04] == pytest.approx(0.8, abs=1e-3), "all of the first until it is covered"
    assert at(track, 1.05).posterior[0, SAD] == pytest.approx(1.0, abs=0.02)
    assert not track.intensity[track.times > 1.24].any()


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
        rows_from_csv("start,end,label\n0,1,happy\n")[0][0].intensity,
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


DENSE = json.loads(track_to_json(constant_track("happy:1", 0.1)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"times": [], "posterior": [], "intensity": [], "valence": [], "arousal": []}, "times: "),
        ({"duration": -0.1}, "-0.1 s is no length of a track"),
        ({"duration": 1e6}, "1e.06 s is no length of a track"),
        ({"times": [0.01, 0.03, 0.05, 0.07, 1e6]}, "1e.06 s is no length of a track"),
        ({"labels": [], "posterior": [[]] * 5}, "each row of the posterior must sum to 1"),
        ({"posterior": [[-0.5, 1.5, 0, 0, 0, 0, 0]] * 5}, "each row of the posterior must sum to 1"),
        ({"posterior": [[0.1, 0.89, 0, 0, 0, 0, 0]] * 5}, "each row of the posterior must sum to 1"),
        ({"posterior": [[0, 1, 0, 0, 0, 0]] * 5}, "must have one entry a frame"),
        ({"speech": [1, 0]}, "must have one entry a frame"),
        ({"speech": []}, "must have one entry a frame"),
        ({"extras": {"awe": [0.5]}}, "must have one entry a frame"),
        ({"extras": {"awe": [0.5, 0.5, 0.5, 0.5, 1.5]}}, "extras awe must lie between 0 and 1"),
        ({"extras": {f"k{k}": [0.5] * 5 for k in range(101)}}, "extras: "),
        ({"min_confidence": 1.1}, "min_confidence: "),
        ({"min_confidence": -0.1}, "min_confidence: "),
        ({"version": 2}, "reads sedtalker-emotion-track version 1, not sedtalker-emotion-track 2"),
        ({"format": "x"}, "not x 1"),
        ({"frames": 5}, "frames: "),
    ],
    ids=str,
)
def test_what_a_dense_track_must_be(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=f"track: .*{said}"):
        track_from_json(json.dumps({**DENSE, **change}))


def test_a_note_says_that_edited_segments_of_a_dense_track_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    data = json.loads(track_to_json(densify([Segment(0.5, 2.0, "happy", 0.6, 0.4)], 3.0)))
    track_from_json(json.dumps(data), 3.0)
    assert not caplog.messages
    for change in ({"label": "sad"}, {"intensity": 0.9}, {"end": 2.9}):
        parts = [{**part, **change} if part["label"] == "happy" else part for part in data["segments"]]
        edited = track_from_json(json.dumps({**data, "segments": parts}), 3.0, "t.json")
        assert [line.split(",")[0] for line in caplog.messages] == [
            "t.json: its segments do not say what its frames do"
        ]
        assert "happy" in [segment.label for segment in edited.segments()]
        caplog.clear()


def test_a_dense_track_says_its_segments_to_the_millisecond() -> None:
    track = replace(densify([Segment(0.0, 1.23456, "happy", 0.12345, 0.98765)], 1.23456), min_confidence=0.5)
    written = json.loads(track_to_json(track))
    assert written["version"] == 1
    assert written["min_confidence"] == 0.5
    assert written["segments"] == [
        {"start": 0.0, "end": 1.235, "label": "happy", "intensity": 0.123, "confidence": 0.988}
    ]
    assert track_from_json(json.dumps(written)).min_confidence == 0.5
    assert "min_confidence" not in DENSE
    assert track_from_json(json.dumps(DENSE)).min_confidence == 0.0


def test_tracks_of_earlier_releases_stay_readable() -> None:
    assert DENSE["version"] == 1
    sample = Path(__file__).parents[3] / "data" / "samples" / "four_moods.emotion.json"
    assert len(track_from_json(sample.read_text()).segments()) >= 4


def test_a_list_may_say_how_long_the_recording_is() -> None:
    listed = {"duration": 5, "segments": [{"start": 0, "end": 1, "label": "happy", "intensity": 0, "confidence": 0}]}
    assert track_from_json(json.dumps(listed)).duration == 5.0
    assert track_from_json(json.dumps(listed), 3.0).duration == 3.0
    assert track_from_json(json.dumps({**listed, "duration": None})).duration == 1.0
    assert track_from_json(json.dumps(listed["segments"])).duration == 1.0


@pytest.mark.parametrize(
    ("entry", "said"),
    [({"start": -0.5, "intensity": 7}, r"0\.start: "), ({"intensity": 1.5}, r"0\.intensity: "), ({"x": 1}, r"0\.x: "),
     ({"intensity": -0.5}, r"0\.intensity: "), ({"confidence": 1.5}, r"0\.confidence: "),
     ({"confidence": -0.5}, r"0\.confidence: "), ({"label": "x"}, "emotion 'x'")],
)  # fmt: skip
def test_the_first_fault_of_an_entry_is_named(entry: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=f"^a.json: .*{said}"):
        track_from_json(json.dumps([{"start": 0, "end": 1, "label": "sad", **entry}]), 1.0, "a.json")


def test_keys_are_written_to_four_digits_and_what_is_nothing_is_left_out() -> None:
    track = replace(constant_track("happy", 0.1), labels=("sad", "happy", "a", "b", "c", "d", "e"))
    track = replace(track, intensity=np.full(5, 1 / 3, np.float32), times=track.times + 0.00004)
    (key,) = json.loads(track_to_keys(track))[LIST]
    assert key == {"time_code": 0.01, "emotion": {"joy": 0.3333}}
    (key,) = json.loads(track_to_keys(constant_track("neutral", 0.1)))[LIST]
    assert key["emotion"] == {}
    (key,) = json.loads(track_to_keys(constant_track("sad:0.00006", 0.1)))[LIST]
    assert key["emotion"] == {"sadness": 0.0001}


def test_keys_are_read_for_the_longest_track_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.MOST_KEYS == 12 * 3600 * 10
    monkeypatch.setattr(keys, "MOST_KEYS", 3)
    listed = [{"time_code": k, "emotion": {}} for k in range(4)]
    assert track_from_keys(listed[:3]).duration == 2.0
    with pytest.raises(InputError, match="4 keys are over the limit of 3"):
        track_from_keys(listed)


def test_the_first_entry_says_whether_a_list_holds_keys() -> None:
    key = {"time_code": 0, "emotion": {"joy": 1, "fear": 0}}
    assert keys.are_keys([key, 3])
    assert not keys.are_keys([3, key])
    assert not keys.are_keys([])
    with pytest.raises(InputError, match=r"^k: 1: "):
        track_from_keys([key, 3], 1.0, "k")
    for strength in (1.01, -0.01):
        with pytest.raises(InputError, match="at 0 s: the strength of joy must lie between 0 and 1"):
            track_from_keys([{"time_code": 0, "emotion": {"joy": strength}}], 1.0)


def test_keys_last_as_long_as_the_track_or_its_frames() -> None:
    track = constant_track("happy", 0.12)
    for changed, count in ((track, 2), (replace(track, duration=0.0), 2), (replace(track, duration=1.0), 10)):
        assert len(json.loads(track_to_keys(changed))[LIST]) == count
    assert len(json.loads(track_to_keys(constant_track("happy", 0.02)))[LIST]) == 1
