"""The streaming diarizer says of every frame what the offline one would of the recording so far."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import from_samples, load_audio
from sedtalker.emotion.diarizer_model import DiarizerConfig, FrameBatch, FrameEstimate, Voice
from sedtalker.emotion.emotion_stream import DiarizerStream, StreamFrames
from sedtalker.emotion.inference import FrameEmotions, enrol, frame_emotions
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.segmentation import SegmentRule, decode_labels
from sedtalker.emotion.shown import CLEAR, decided, neutral_by_intensity, visible
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import MelEncoder, open_encoder
from sedtalker.speech.encoder_model import SpeechEncoderConfig, with_silence
from sedtalker.speech.encoder_networks import SpeechEncoder
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures, analysis_of
from tests.speech.test_stream import voice_like

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def small() -> tuple[DiarizerNetwork, MelEncoder]:
    """Random weights and short windows: quick to run."""
    torch.manual_seed(1)
    sizes = SpeechEncoderConfig(channels=16, kernel=3, dilations=(1, 2))
    encoder = MelEncoder(SpeechEncoder(sizes).eval().requires_grad_(False))
    config = DiarizerConfig(hidden_channels=16, windows=(0.4, 1.0, 2.0), width=8, members=2)
    return DiarizerNetwork(config).eval().requires_grad_(False), encoder


@pytest.fixture(scope="module")
def builtin() -> tuple[DiarizerNetwork, MelEncoder]:
    return open_model("diarizer", in_torch=True), open_encoder("emotion_encoder")


def run(stream: DiarizerStream, pieces: list[np.ndarray]) -> StreamFrames:
    parts = [stream.push(piece) for piece in pieces]
    return StreamFrames(*map(np.concatenate, zip(*parts, stream.flush(), strict=True)))


def so_far(encoder: MelEncoder, samples: np.ndarray) -> SpeechFeatures:
    """Features of sound that goes on: what comes after its end is not silence, but unknown, as in a stream."""
    analysis, network = analysis_of(from_samples(samples, 16_000)), encoder.network
    mel = with_silence(analysis.centred if network.centred else analysis.mel, network.around, 0)
    return analysis.features(network.stretch(mel[None])[0, network.around :])


def law_holds(network, encoder, sound, look_ahead, hop, every, voice=None) -> None:
    """Compare every so many frames with the offline diarizer on the prefix that the definition names."""
    config = network.config

    def odds(frames: FrameEmotions) -> np.ndarray:
        return neutral_by_intensity(frames.posterior, frames.intensity, config.neutral_odds)

    got = run(DiarizerStream(network, encoder, look_ahead, hop, voice, trust=0.0), [sound])
    assert np.allclose(got.times, FRAME_CLOCK.times(-(-len(sound) // 320)))
    for frame in range(0, len(got.times), every):
        hops = -(-(frame + 1 + round(50 * look_ahead)) // round(50 * hop))
        prefix = sound[: round(hops * hop * 16_000)]
        goes_on = round(hops * hop * 16_000) <= len(sound)
        features = so_far(encoder, prefix) if goes_on else encoder(from_samples(prefix, 16_000))
        offline = frame_emotions(network, features, voice, not goes_on)
        assert np.abs(odds(offline)[frame] - got.predicted[frame]).max() < DiarizerStream.TOLERANCE, frame
        nothing, clear, _ = network.config.visible or (0.0, CLEAR, 1.0)
        shown = visible(offline.intensity[frame], network.config.visible)
        assert (clear - nothing) / CLEAR * abs(shown - got.intensity[frame]) < DiarizerStream.TOLERANCE, frame
        assert offline.speech[frame] == got.speech[frame], frame


@settings(max_examples=4)
@given(
    st.integers(0, 500),
    st.floats(0.3, 5.0),
    st.integers(0, 50).map(lambda frames: frames / 50),
    st.sampled_from([0.1, 0.16, 0.32, 0.7]),
)
def test_frames_equal_the_offline_ones_of_the_recording_so_far(small, seed, seconds, look_ahead, hop):
    law_holds(*small, voice_like(seconds, seed), look_ahead, hop, every=117)


@pytest.mark.slow
def test_the_built_in_weights_obey_the_law_beyond_their_context(builtin):
    law_holds(*builtin, voice_like(27.0, 7), 0.5, 0.96, every=449)


def test_an_enrolled_voice_counts(builtin):
    network, encoder = builtin
    voice = enrol(network, [encoder(from_samples(voice_like(3.0, 8), 16_000))])
    law_holds(network, encoder, voice_like(3.0, 9), 0.5, 0.32, every=37, voice=voice)


@settings(max_examples=6)
@given(st.integers(0, 500), st.lists(st.integers(0, 40_000), max_size=12))
def test_how_the_sound_is_cut_does_not_matter(small, seed, cuts):
    sound = voice_like(2.6, seed)
    whole = run(DiarizerStream(*small), [sound])
    parts = run(DiarizerStream(*small), np.split(sound, sorted(c for c in cuts if c < len(sound))))
    for a, b in zip(whole, parts, strict=True):
        assert a.tobytes() == b.tobytes()


def test_frames_come_as_early_as_promised(small):
    stream, sound = DiarizerStream(*small, look_ahead=0.2, hop=0.1), voice_like(3.0, 2)
    until = 0.0
    for end in range(0, len(sound), 400):
        frames = stream.push(sound[end : end + 400])
        until = frames.times[-1] if len(frames.times) else until
        heard = (end + 400) / 16_000
        assert until + 0.01 <= heard - 0.2 + 1e-9 or not until
        assert until >= heard - 0.2 - 0.1 - 0.03


@pytest.mark.slow
def test_memory_does_not_grow(small):
    stream = DiarizerStream(*small)
    sizes = []
    for number in range(27):
        stream.push(voice_like(1.0, number % 3))
        listener = stream.encoder_stream
        sizes.append(
            len(listener.frames[1]) + len(listener.hidden.hidden) + len(listener.tail) + sum(map(len, stream.waiting))
        )
    assert max(sizes[23:]) <= max(sizes[19:23])


def test_labels_are_steady(builtin):
    frames = run(DiarizerStream(*builtin, look_ahead=0.5, trust=0.0), [voice_like(8.0, 5)])
    changes = np.flatnonzero(np.diff(frames.label))
    assert (np.diff(changes) >= 30).all(), "a segment lasts at least 0.6 s"
    assert len(frames.label) == 400


class Steady(DiarizerNetwork):
    """Finds anger likely in every frame, at one intensity."""

    level: np.float32

    def estimate(self, batch: FrameBatch, voice: Voice | None = None, since: int = 0) -> FrameEstimate:
        shape = batch.mel.shape[:2]
        log = np.log(np.full((*shape, len(CATEGORIES)), 0.05, np.float32))
        log[..., CATEGORIES.index("angry")] = np.log(0.7)
        rows = np.zeros(shape, np.float32)
        return FrameEstimate(log, rows + self.level, rows, rows)


def test_the_label_is_what_a_face_shows_and_its_confidence_that_of_the_prediction(small):
    config = small[0].config.model_copy(update={"visible": (0.2, 0.55, 0.7), "neutral_odds": (-4.0, -2.5)})
    network, sound = Steady(config).eval(), voice_like(4.0, 5)
    for level, label in ((0.1, "neutral"), (0.6, "angry")):
        network.level = np.float32(level)
        frames = run(DiarizerStream(network, small[1]), [sound])
        strength = visible(np.full(len(frames.times), level), config.visible)
        np.testing.assert_allclose(frames.posterior, decided(frames.predicted, strength, config.visible), atol=1e-6)
        neutral = 1 / (1 + np.exp(4.0 + 2.5 * np.log(level / (1 - level))))
        sure = neutral if label == "neutral" else (1 - neutral) * 0.7 / 0.95
        assert set(frames.label) == {CATEGORIES.index(label)}
        np.testing.assert_allclose(frames.confidence, sure, atol=1e-5)


def test_labels_of_four_moods_are_those_of_the_shown_posterior(builtin):
    network, encoder = builtin
    sound = load_audio(Path(__file__).parents[2] / "data/samples/four_moods.wav")
    frames = run(DiarizerStream(network, encoder, look_ahead=0.0, hop=30.0), [sound.samples])
    boundary = frame_emotions(network, encoder(sound)).boundary
    labels = decode_labels(frames.posterior, FRAME_CLOCK.rate, SegmentRule(), frames.speech, boundary)
    assert len(set(labels)) > 2
    assert np.array_equal(frames.label, labels)


def test_an_empty_stream_and_sound_that_is_no_number(small):
    stream = DiarizerStream(*small)
    assert not len(stream.push(np.zeros(0)).times)
    assert not len(stream.flush().times)
    with pytest.raises(ValueError, match="ended"):
        stream.push(np.zeros(10))
    frames = run(DiarizerStream(*small), [np.array([np.nan, np.inf, 3.0, 1e30] * 4000)])
    assert np.isfinite(frames.posterior).all()
    assert np.allclose(frames.posterior.sum(1), 1.0, atol=1e-5)


def test_integers_are_taken_in_their_full_scale_and_one_channel_alone(small):
    network, encoder = small
    samples = voice_like(1.0, 4)
    streams = [DiarizerStream(network, encoder, 0.1, 0.1) for _ in range(2)]
    plain, whole = (s.push(x) for s, x in zip(streams, (samples, (32768 * samples).astype(np.int16)), strict=True))
    np.testing.assert_allclose(plain.predicted, whole.predicted, atol=0.01)
    with pytest.raises(InputError, match=r"one channel, not an array of the shape \(1600, 2\)"):
        streams[0].push(np.zeros((1600, 2)).tolist())


def test_the_shortest_times_are_no_look_ahead_and_one_frame(small):
    stream = DiarizerStream(*small, look_ahead=0.0, hop=0.02)
    assert (stream.delay, stream.hop) == (0, 1)


@pytest.mark.parametrize(("look_ahead", "hop"), [(0.01, 0.32), (-0.5, 0.32), (0.5, 0.0), (0.5, 0.33)])
def test_times_off_the_grid_are_refused(small, look_ahead, hop):
    with pytest.raises(InputError, match=r"give a multiple|give 0 to 60 s"):
        DiarizerStream(*small, look_ahead=look_ahead, hop=hop)


def test_by_default_half_a_second_is_waited_for_and_sound_is_bounded(small) -> None:
    network, encoder = small
    stream = DiarizerStream(network, encoder)
    assert (stream.delay, stream.hop, stream.trust) == (25, 16, 1.0)
    assert len(stream.push(np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 0.5])).times) == 0
    assert stream.waiting[0].tolist() == [0.0, 0.0, 0.0, 1.0, -1.0, 0.5]
    assert stream.waiting[0].dtype == np.float32
    stream.flush()
    with pytest.raises(ValueError, match="the stream has ended"):
        stream.push(np.zeros(1))
