"""From features to a track, with a small network whose weights are random."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion import inference as module
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.inference import FrameEmotions, TrackRule, emotion_track, frame_emotions, unfamiliarity
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from tests.support.tracks import diarize


@pytest.fixture(scope="module")
def network() -> DiarizerNetwork:
    torch.manual_seed(0)
    return DiarizerNetwork(DiarizerConfig(hidden_channels=4, width=8, members=2, windows=(0.5, 2.0))).eval()


def features(count: int, silent: bool = False) -> SpeechFeatures:
    rng = np.random.default_rng(0)
    prosody = rng.normal(size=(count, 4)).astype(np.float32)
    prosody[:, 0] = -20.0 if silent else -4.0 + rng.normal(size=count)
    prosody[:, 2] = 0.9
    return SpeechFeatures(
        clock=FRAME_CLOCK,
        hidden=rng.normal(size=(count, 4)).astype(np.float32),
        mel=2 * rng.normal(size=(count, 80)).astype(np.float32),
        prosody=prosody,
        speech=rng.random(count) < 0.8,
    )


@pytest.mark.parametrize("count", [5, 6, 50, 173])
def test_a_track_of_any_length(network, count):
    track = diarize(network, features(count), count / 50)
    assert len(track) == count
    assert track.labels == CATEGORIES
    assert np.allclose(track.posterior.sum(1), 1.0, atol=1e-5)
    for values, low in ((track.posterior, 0.0), (track.intensity, 0.0), (track.valence, -1.0), (track.arousal, -1.0)):
        assert np.isfinite(values).all()
        assert low <= values.min() <= values.max() <= 1.0
    assert track.times[0] == pytest.approx(0.01)


def test_windows_equal_one_pass(network, monkeypatch):
    long = features(1500)
    whole = frame_emotions(network, long)
    monkeypatch.setattr(module, "WINDOW_SECONDS", 4.0)
    parts = frame_emotions(network, long)
    assert np.abs(whole.posterior - parts.posterior).max() < 1e-4
    assert np.abs(whole.intensity - parts.intensity).max() < 1e-4


def test_same_input_same_track(network):
    first, second = (diarize(network, features(200), 4.0) for _ in range(2))
    assert first.posterior.tobytes() == second.posterior.tobytes()
    assert first.intensity.tobytes() == second.intensity.tobytes()


def test_silence_is_neutral(network):
    track = diarize(network, features(100, silent=True), 2.0)
    assert (track.posterior[:, 0] == 1.0).all()
    assert not track.intensity.any()
    assert not track.speech.any()


def test_pauses_hold_then_release():
    speech = np.zeros(400, bool)
    speech[100:200] = speech[220:300] = True
    posterior = np.tile(np.eye(7, dtype=np.float32)[1] * 0.94 + 0.01, (400, 1)).astype(np.float32)
    given = FrameEmotions(posterior, np.full(400, 0.8, np.float32), speech)
    track = emotion_track(given, FRAME_CLOCK, 0.0, rule=TrackRule())
    shaped, intensity = track.posterior, track.intensity
    assert intensity[205:215] == pytest.approx(0.8, abs=0.01), "a short pause does not show"
    assert shaped[50, 0] > 0.99, "long before speech: neutral"
    assert intensity[50] == pytest.approx(0.0, abs=1e-6)
    assert intensity[-1] == pytest.approx(0.0, abs=0.01), "long after speech: neutral"
    assert 0.1 < intensity[95] < 0.8, "the face starts before the voice"
    assert np.abs(np.diff(intensity)).max() < 0.12


def test_a_change_is_eased_and_a_blip_is_not_followed():
    posterior = np.full((300, 7), 0.02, np.float32)
    posterior[:150, 1] = posterior[150:, 3] = 0.88
    posterior[60:64] = np.roll(posterior[60:64], 1, axis=1)
    frames = FrameEmotions(posterior, np.full(300, 0.5, np.float32), np.ones(300, bool))
    shaped = emotion_track(frames, FRAME_CLOCK, 0.0, rule=TrackRule(steadiness=1.0)).predicted.posterior
    assert (shaped.argmax(1) == np.repeat([1, 3], 150)).mean() > 0.99
    assert np.abs(np.diff(shaped, axis=0)).max() < 0.15


def test_checkpoints_are_checked(tmp_path, network):
    config = CheckpointConfig(
        kind="diarizer", licence="MIT", trained_on=[], model=network.config.model_dump(mode="json")
    )
    write_checkpoint(tmp_path / "good", config, network.state_dict(), "# card\n")
    assert open_model(tmp_path / "good", "diarizer", in_torch=True).config == network.config
    other = config.model_copy(update={"model": config.model | {"width": 9}})
    write_checkpoint(tmp_path / "bad", other, network.state_dict(), "# card\n")
    with pytest.raises(InputError):
        open_model(tmp_path / "bad", "diarizer", in_torch=True)


def test_another_encoder_is_refused(network):
    given = features(50)
    wide = SpeechFeatures(given.clock, np.zeros((50, 5), np.float32), given.mel, given.prosody, given.speech)
    with pytest.raises(InputError):
        frame_emotions(network, wide)


def test_unfamiliarity_counts_deviations_of_training() -> None:
    torch.manual_seed(0)
    fresh = DiarizerNetwork(DiarizerConfig(hidden_channels=4, width=8, members=2, windows=(0.5, 2.0))).eval()
    sound = features(100)
    assert unfamiliarity(frame_emotions(fresh, sound)) == 0.0, "a network that does not know its training data"
    fresh.scale.fill_(2.0)
    at_two = unfamiliarity(frame_emotions(fresh, sound))
    assert at_two > 0
    fresh.scale.fill_(6.0)
    assert unfamiliarity(frame_emotions(fresh, sound)) == pytest.approx(3 * at_two, rel=1e-4)


def test_unfamiliarity_is_that_of_the_middle_frame_of_the_first_minute() -> None:
    speech = np.ones(4000, bool)
    distance = np.r_[np.linspace(0.0, 2.0, 3000), np.full(1000, 9.0)].astype(np.float32)
    frames = FrameEmotions(np.ones((4000, 7), np.float32) / 7, np.zeros(4000, np.float32), speech, None, distance)
    assert unfamiliarity(frames) == pytest.approx(1.0, abs=1e-3)
    assert unfamiliarity(replace(frames, speech=np.arange(4000) >= 3000)) == 0.0, "nobody speaks in the first minute"
    assert unfamiliarity(replace(frames, distance=None)) == 0.0


def test_distance_is_the_root_mean_square_over_functionals() -> None:
    fresh = DiarizerNetwork(DiarizerConfig(hidden_channels=4, width=8, members=2, windows=(0.5, 2.0))).eval()
    count = fresh.mean.numel()
    fresh.scale.fill_(2.0)
    fresh.mean.fill_(1.0)
    rows = torch.full((5, count), 1.0)
    for row, apart in enumerate((0.0, 1.0, 2.0, 5.0, 100.0)):
        rows[row, : count // 2] += apart
    expected = np.array([0.0, 1.0, 2.0, 5.0, 100.0]) * 2.0 * np.sqrt((count // 2) / count)
    assert fresh.distances(rows).numpy() == pytest.approx(expected, rel=1e-5)
