"""How frames become a track: each number of the rule, on speech and posteriors drawn by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.audio import FrameClock
from sedtalker.emotion.inference import FrameEmotions, TrackRule, emotion_track
from sedtalker.emotion.segmentation import SegmentRule
from sedtalker.emotion.shown import FAMILIAR
from sedtalker.speech.features import FRAME_CLOCK

HAPPY, ANGRY = np.eye(7, dtype=np.float32)[[1, 3]] * 0.86 + 0.02


def frames(*parts: tuple[int, np.ndarray, float, bool]) -> FrameEmotions:
    """So many frames of a posterior, an intensity and speech or not."""
    posterior = np.concatenate([np.tile(row, (count, 1)) for count, row, _, _ in parts])
    intensity = np.concatenate([np.full(count, level, np.float32) for count, _, level, _ in parts])
    speech = np.concatenate([np.full(count, spoken) for count, _, _, spoken in parts])
    return FrameEmotions(posterior, intensity, speech)


def presence(gap: float, before: float = 0.0, **rule: float) -> np.ndarray:
    """Intensity, 1 in speech: ``before`` seconds of silence, 2 s of speech, a gap, 2 s of speech."""
    spans = ((before, False), (2.0, True), (gap, False), (2.0, True))
    given = frames(*((round(50 * seconds), HAPPY, 1.0, spoken) for seconds, spoken in spans if seconds))
    return emotion_track(given, FRAME_CLOCK, 0.0, rule=TrackRule(**rule)).intensity


def test_an_expression_holds_six_tenths_and_is_gone_after_eight_more() -> None:
    shown = presence(4.0)[99:]  # from the last frame of speech on
    time = np.arange(len(shown)) / 50
    fading = 0.5 + 0.5 * np.cos(np.pi * np.clip((time - 0.6) / 0.8, 0, 1))
    np.testing.assert_allclose(shown[:150], fading[:150], atol=1e-5)
    assert fading[50] == pytest.approx(0.5)


def test_the_face_starts_a_quarter_of_a_second_before_the_voice() -> None:
    shown = presence(1.0, before=2.0)[:101]
    until = (100 - np.arange(101)) / 50
    np.testing.assert_allclose(shown, 0.5 + 0.5 * np.cos(np.pi * np.clip(until / 0.25, 0, 1)), atol=1e-5)


def test_a_short_pause_does_not_show_and_the_rule_says_what_is_short() -> None:
    assert presence(0.6).min() == pytest.approx(1.0)
    assert presence(1.2).min() < 0.8
    assert presence(1.2, hold=1.2).min() == pytest.approx(1.0)
    assert presence(1.0, release=9.0).min() > presence(1.0).min() + 0.05
    assert presence(3.0).min() == pytest.approx(0.0, abs=1e-6)


def test_without_expression_the_posterior_is_neutral() -> None:
    shaped = emotion_track(frames((100, HAPPY, 1.0, True), (150, HAPPY, 1.0, False)), FRAME_CLOCK, 0.0)
    np.testing.assert_allclose(shaped.predicted.posterior, np.tile(HAPPY, (250, 1)), atol=1e-5)
    np.testing.assert_allclose(shaped.posterior[50], np.eye(7)[1], atol=1e-5, err_msg="decided")
    np.testing.assert_allclose(shaped.posterior[-1], np.eye(7)[0], atol=1e-6)
    np.testing.assert_allclose(shaped.posterior.sum(1), 1.0, atol=1e-6)


def test_frames_stay_near_the_mean_of_their_segment() -> None:
    given = frames((100, HAPPY, 0.5, True))
    given.intensity[50] = 1.0
    steady = emotion_track(given, FRAME_CLOCK, 0.0).intensity
    mean = (99 * 0.5 + 1.0) / 100
    assert steady[20] == pytest.approx(0.7 * mean + 0.3 * 0.5, abs=1e-5)
    assert steady[50] == pytest.approx(0.7 * mean + 0.3 * 1.0, abs=1e-5)
    loose = emotion_track(given, FRAME_CLOCK, 0.0, rule=TrackRule(steadiness=0.0)).intensity
    np.testing.assert_allclose(loose, given.intensity, atol=1e-6)


def test_the_mean_is_of_speech_where_there_is_some() -> None:
    given = frames((60, HAPPY, 0.8, True), (20, HAPPY, 0.0, False), (60, HAPPY, 0.8, True))
    shown = emotion_track(given, FRAME_CLOCK, 0.0, rule=TrackRule(steadiness=1.0)).intensity
    np.testing.assert_allclose(shown, 0.8, atol=1e-5)


def test_a_pause_is_bridged_from_one_value_to_the_next() -> None:
    given = frames((60, HAPPY, 0.2, True), (21, HAPPY, 1.0, False), (60, HAPPY, 0.6, True))
    shown = emotion_track(
        given, FRAME_CLOCK, 0.0, rule=TrackRule(steadiness=0.0, segments=SegmentRule(shortest=9.0))
    ).intensity
    np.testing.assert_allclose(shown[59:82], np.linspace(0.2, 0.6, 23), atol=1e-5)


def test_a_change_eases_over_three_tenths_of_a_second() -> None:
    given = frames((100, HAPPY, 0.2, True), (100, ANGRY, 0.8, True))
    shaped = emotion_track(given, FRAME_CLOCK, 0.0, rule=TrackRule(steadiness=1.0))
    posterior, shown = shaped.predicted.posterior, shaped.intensity
    moving = np.flatnonzero(np.abs(np.diff(shown)) > 1e-6)
    assert 14 <= moving[-1] - moving[0] + 1 <= 18
    np.testing.assert_allclose(shown + shown[::-1], 1.0, atol=1e-5)
    assert posterior[99:101, 1].mean() == pytest.approx(0.45, abs=0.01)
    slow = emotion_track(given, FRAME_CLOCK, 0.0, rule=TrackRule(steadiness=1.0, ease=1.0)).intensity
    wide = np.flatnonzero(np.abs(np.diff(slow)) > 1e-6)
    assert 48 <= wide[-1] - wide[0] + 1 <= 54


def test_a_track_has_the_clock_the_speech_and_the_trust_of_its_frames() -> None:
    far = np.full(100, np.mean(FAMILIAR), np.float32)
    given = replace(frames((100, HAPPY, 0.5, True)), boundary=np.zeros(100, np.float32), distance=far)
    clock = FrameClock(50.0, 0.01)
    track = emotion_track(given, clock, 2.0)
    np.testing.assert_array_equal(track.times, clock.times(100))
    np.testing.assert_array_equal(track.speech, given.speech)
    assert track.intensity == pytest.approx(0.5 * 0.5, abs=1e-5)
    assert track.predicted.intensity == pytest.approx(0.5, abs=1e-5)
    assert track.duration == 2.0
    bold = emotion_track(given, clock, 2.0, rule=TrackRule(trust=0.0))
    assert bold.intensity == pytest.approx(0.5, abs=1e-5)


def test_a_recording_of_nothing_but_other_sounds_has_no_speech() -> None:
    far = np.full(100, FAMILIAR[1] + 0.1, np.float32)
    given = replace(frames((100, HAPPY, 0.5, True)), distance=far)
    music = emotion_track(given, FRAME_CLOCK, 2.0)
    assert music.segments() == []
    assert music.predicted.intensity.max() == 0.0
    assert emotion_track(given, FRAME_CLOCK, 2.0, rule=TrackRule(trust=0.0)).segments()
    far[:30] = FAMILIAR[0]
    assert emotion_track(given, FRAME_CLOCK, 2.0).segments(), "somebody speaks in it"


def test_music_before_speech_is_a_gap() -> None:
    given = frames((100, ANGRY, 0.9, True), (50, ANGRY, 0.0, False), (100, HAPPY, 0.9, True))
    far = np.where(np.arange(250) < 81, FAMILIAR[1], FAMILIAR[0]).astype(np.float32)
    (spoken,) = emotion_track(replace(given, distance=far), FRAME_CLOCK, 5.0).segments()
    assert (spoken.start, spoken.label) == (pytest.approx(3.0, abs=0.05), "happy")
    far[79:81] = 0.0
    found = emotion_track(replace(given, distance=far), FRAME_CLOCK, 5.0).segments()
    assert found[0].start == 0.0, "too much of it is a voice"
