"""The dense track: its segments, its samples at other times, its summary."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sedtalker.audio import FrameClock
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack, Prediction
from sedtalker.errors import InputError

HAPPY, SAD = CATEGORIES.index("happy"), CATEGORIES.index("sad")


def stretches(*parts: tuple[int, int, float]) -> EmotionTrack:
    """Frames at 50 Hz: so many of a label, with a confidence; the intensity is the confidence."""
    rows = []
    for count, label, confidence in parts:
        row = np.full(7, (1 - confidence) / 6)
        row[label] = confidence
        rows += [row] * count
    posterior = np.array(rows, np.float32)
    intensity = posterior.max(1)
    times = FrameClock(50.0, 0.01).times(len(rows))
    return EmotionTrack(times, posterior, intensity, intensity, -intensity, duration=len(rows) / 50)


def labels(track: EmotionTrack, **options: float) -> list[str]:
    return [segment.label for segment in track.segments(**options)]


def test_a_change_of_a_third_of_a_second_is_a_segment_and_of_a_quarter_is_not() -> None:
    assert labels(stretches((50, HAPPY, 0.9), (16, SAD, 0.9), (50, HAPPY, 0.9))) == ["happy", "sad", "happy"]
    short = stretches((50, HAPPY, 0.9), (6, SAD, 0.9), (50, HAPPY, 0.9))
    assert labels(short) == ["happy"]
    assert labels(short, shortest=0.1) == ["happy", "sad", "happy"]


@pytest.mark.parametrize("blip", range(1, 30))
def test_no_segment_is_shorter_than_three_tenths_of_a_second(blip: int) -> None:
    found = stretches((40, HAPPY, 0.95), (blip, SAD, 0.95), (40, HAPPY, 0.95)).segments()
    assert min(s.end - s.start for s in found) >= 0.3 - 1e-9
    assert len(found) in (1, 3)
    assert len(found) == 3 or blip < 15


def test_segments_touch_between_frames_and_cover_the_recording() -> None:
    first, second = replace(stretches((50, HAPPY, 0.9), (50, SAD, 0.8)), duration=2.5).segments()
    assert (first.start, first.end, second.start, second.end) == (0.0, pytest.approx(1.0), first.end, 2.5)
    assert [first.confidence, first.intensity] == pytest.approx([0.9, 0.9], abs=1e-6)
    assert [second.confidence, second.intensity] == pytest.approx([0.8, 0.8], abs=1e-6)


def test_a_track_of_one_frame_and_of_none() -> None:
    one = stretches((1, SAD, 0.9)).segments()
    assert [(s.start, s.end, s.label) for s in one] == [(0.0, 0.02, "sad")]
    none = stretches((2, SAD, 0.9)).at(np.zeros(0))
    assert none.segments() == []
    with pytest.raises(InputError, match="no frames"):
        none.at(np.zeros(1))


def test_uncertain_neighbours_are_one_weighted_by_their_lengths() -> None:
    track = stretches((50, HAPPY, 0.4), (100, SAD, 0.5), (50, HAPPY, 0.9)).confident(0.6)
    first, second = track.segments()
    assert (first.label, second.label) == (UNCERTAIN, "happy")
    assert first.confidence == first.intensity == pytest.approx((0.4 + 2 * 0.5) / 3, abs=1e-6)
    assert (first.start, first.end) == (0.0, pytest.approx(3.0))


def test_mean_confidence_counts_long_segments_more() -> None:
    assert stretches((50, HAPPY, 0.4), (150, SAD, 0.8)).mean_confidence() == pytest.approx(0.7, abs=0.01)
    assert stretches((2, SAD, 0.9)).at(np.zeros(0)).mean_confidence() == 0.0


def test_a_segment_just_confident_enough_is_certain() -> None:
    assert labels(replace(stretches((50, HAPPY, 0.75)), min_confidence=0.75)) == ["happy"]


def test_the_second_guess_is_the_likeliest_other_category_of_the_speech() -> None:
    track = constant_track("angry:0.8", 1.0)
    posterior = np.zeros((len(track), len(CATEGORIES)), np.float32)
    posterior[:, CATEGORIES.index("angry")], posterior[:, HAPPY] = 0.5, 0.3
    posterior[:20, SAD], posterior[20:, SAD] = 1.0, 0.05
    found = replace(track, predicted=Prediction(posterior, track.intensity), speech=np.arange(len(track)) >= 20)
    assert found.second_guess(0.0, 1.0, "angry") == ("happy", pytest.approx(0.3))
    assert found.second_guess(0.0, 1.0, UNCERTAIN) == ("angry", pytest.approx(0.5))
    posterior[:, HAPPY] = 0.09
    assert found.second_guess(0.5, 1.0, "angry") is None


def test_an_uncertain_segment_drives_nothing() -> None:
    track = stretches((50, HAPPY, 0.9), (50, SAD, 0.4)).confident(0.6)
    shown = track.without_uncertain()
    assert shown.intensity[:50] == pytest.approx(0.9)
    assert not shown.intensity[50:].any()
    certain = stretches((50, HAPPY, 0.9)).confident(0.6)
    assert certain.without_uncertain() is certain


def test_confidence_of_a_segment_without_speech_is_of_all_of_it() -> None:
    track = stretches((25, HAPPY, 0.9), (24, HAPPY, 0.7))
    assert replace(track, speech=np.arange(49) < 25).segments()[0].confidence == pytest.approx(0.9, abs=1e-6)
    track = stretches((25, SAD, 0.9), (25, HAPPY, 0.9), (24, HAPPY, 0.7), (25, SAD, 0.9))
    speech = np.abs(np.arange(99) - 49) > 24
    assert replace(track, speech=speech).segments()[1].confidence == pytest.approx(0.802, abs=1e-3)


def test_silence_before_the_first_word_and_after_the_last_is_in_no_segment() -> None:
    track = stretches((20, 0, 0.9), (60, HAPPY, 0.9), (30, 0, 0.9))
    speech = (np.arange(110) >= 25) & (np.arange(110) < 70)
    assert len(replace(track, speech=speech).segments()) == 3, "a given emotion lasts as long as it was given"
    (segment,) = replace(track, speech=speech, predicted=Prediction(track.posterior, track.intensity)).segments()
    assert (segment.label, segment.start, segment.end) == ("happy", pytest.approx(0.5), pytest.approx(1.4))


def test_no_segment_covers_a_long_pause() -> None:
    track = stretches((100, HAPPY, 0.9), (100, SAD, 0.7))
    speech = np.ones(200, bool)
    speech[:60] = speech[90:110] = speech[150:] = False
    spans = [(s.label, s.start, s.end) for s in replace(track, speech=speech).segments()]
    assert spans == [("happy", pytest.approx(1.2), pytest.approx(2.0)), ("sad", pytest.approx(2.0), pytest.approx(3.0))]
    assert replace(track, speech=np.zeros(200, bool)).segments() == []
    short = stretches((25, HAPPY, 0.9))
    assert replace(short, speech=np.zeros(25, bool)).segments() == [], (
        "however short, a recording without speech has none"
    )
    assert len(short.segments()) == 1, "where it is not known who speaks when, all of it counts"
    doubtful = replace(track, speech=np.abs(np.arange(200) - 100) > 30).confident(0.95).segments()
    assert [s.label for s in doubtful] == [UNCERTAIN, UNCERTAIN], "the pause stands between them"


@pytest.mark.parametrize("change", range(40, 140, 3))
def test_a_change_of_emotion_in_or_beside_a_pause_leaves_no_sliver_of_a_segment(change: int) -> None:
    speech = np.abs(np.arange(200) - 90) > 30
    found = replace(stretches((change, HAPPY, 0.9), (200 - change, SAD, 0.9)), speech=speech).segments()
    assert min(s.end - s.start for s in found) >= 0.3 - 1e-9
    assert not any(s.start < 1.5 < s.end for s in found)


def test_samples_between_frames_are_interpolated_each_column_in_its_place() -> None:
    track = replace(stretches((1, HAPPY, 1.0), (1, SAD, 0.5)), speech=np.array([True, False]))
    between = track.at(np.array([-1.0, 0.018, 0.022, 9.0]))
    assert between.posterior[:, HAPPY] == pytest.approx([1.0, 0.6 + 0.4 / 12, 0.4 + 0.6 / 12, 0.5 / 6], abs=1e-5)
    assert between.intensity == pytest.approx([1.0, 0.8, 0.7, 0.5], abs=1e-5)
    assert between.valence == pytest.approx(between.intensity)
    assert between.arousal == pytest.approx(-between.intensity)
    assert between.speech is not None
    assert between.speech.tolist() == [True, True, False, False]
    assert replace(track, speech=None).at(np.zeros(1)).speech is None


def test_scaled_intensity_stays_between_0_and_1() -> None:
    track = constant_track("happy:0.6", 1.0)
    assert track.scaled(0.5).intensity == pytest.approx(0.3)
    assert track.scaled(2.0).intensity == pytest.approx(1.0)
    assert track.scaled(-1.0).intensity == pytest.approx(0.0)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_scales_no_track(number: float) -> None:
    with pytest.raises(InputError, match=f"cannot be scaled by {number}"):
        constant_track("neutral", 1.0).scaled(number)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_confidence_lies_between_0_and_1(share: float) -> None:
    with pytest.raises(InputError, match=r"min_confidence .*: give 0 to 1"):
        constant_track("happy", 1.0).confident(share)


def test_one_frame_without_a_duration_has_a_confidence() -> None:
    frame = stretches((1, HAPPY, 0.75)).at(np.zeros(1))
    assert replace(frame, duration=0.0).mean_confidence() == pytest.approx(0.75)


def test_a_track_of_one_category_has_no_second_guess() -> None:
    track = stretches((50, HAPPY, 0.9))
    alone = replace(track, labels=("happy",), posterior=np.ones((50, 1), np.float32))
    assert alone.second_guess(0.0, 1.0, "happy") is None
    assert track.second_guess(0.0, 1.0, "happy") is None
    assert stretches((50, HAPPY, 0.4)).second_guess(0.0, 1.0, "happy") == ("neutral", pytest.approx(0.1))


def test_a_table_of_frames_has_a_column_for_each_category_and_each_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    track = stretches((50, HAPPY, 0.9))
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    table = replace(track, extras={"fear": np.full(50, 0.25, np.float32)}).to_dataframe()
    assert list(table) == ["time", *CATEGORIES, "intensity", "valence", "arousal", "extras.fear"]
    np.testing.assert_array_equal(table["fear"], track.posterior[:, CATEGORIES.index("fear")])
    assert table["extras.fear"][0] == 0.25


def test_the_summary_is_one_line() -> None:
    track = stretches((50, HAPPY, 0.9), (50, SAD, 0.75))
    assert track.summary() == "happy 0.9 (confidence 0.90) 0.0-1.0 s, sad 0.8 (confidence 0.75) 1.0-2.0 s"


def test_load_and_save_go_by_the_name(tmp_path) -> None:
    track = stretches((50, HAPPY, 0.9))
    track.save(tmp_path / "a.json")
    np.testing.assert_array_equal(EmotionTrack.load(tmp_path / "a.json").posterior, track.posterior)
    with pytest.raises(InputError, match="tracks are written as"):
        track.save(tmp_path / "a.xyz")


def test_segments_meet_halfway_between_their_frames() -> None:
    track = stretches((50, HAPPY, 0.9), (50, SAD, 0.9))
    first, second = track.segments()
    assert (first.start, second.end) == (0.0, 2.0)
    assert first.end == second.start == pytest.approx((track.times[49] + track.times[50]) / 2)


def test_a_frame_at_the_very_beginning_of_a_doubtful_segment_is_doubtful() -> None:
    track = stretches((50, HAPPY, 0.3), (50, SAD, 0.9))
    track = replace(track, times=track.times - 0.01).confident(0.5)
    assert [segment.label for segment in track.segments()] == [UNCERTAIN, "sad"]
    shown = track.without_uncertain()
    assert not shown.intensity[:49].any()
    np.testing.assert_array_equal(shown.intensity[50:], track.intensity[50:])
