"""A mouth rests over music, and moves with every voice, in recordings and in streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.synthetic_music import music
from sedtalker.animation.animation_stream import AnimationStream
from sedtalker.animation.animator import Animator
from sedtalker.animation.decoder import at_rest, resting
from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE, Audio, load_audio
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.face.arkit import ARKIT_52, TALKING_SHAPES
from sedtalker.speech.encoder import MelEncoder, open_encoder
from sedtalker.speech.features import PHONE_INDEX, SILENCE, SpeechFeatures
from sedtalker.speech.voice_presence import PresenceStream, described, presence_weights

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
JAW = ARKIT_52.index("jawOpen")


@pytest.fixture(scope="module")
def animator() -> Animator:
    """The built-in one."""
    return Animator.from_pretrained()


@pytest.fixture(scope="module")
def speech() -> Audio:
    """Four seconds of the sample."""
    return Audio(load_audio(SAMPLE).samples[: 4 * SAMPLE_RATE], SAMPLE_RATE)


@pytest.fixture(scope="module")
def tune() -> Audio:
    """Four seconds of music that the classifier was not trained on."""
    return Audio(music(4.0, np.random.default_rng(20)), SAMPLE_RATE)


def opening(animator: Animator, sound: Audio) -> Floats:
    """(T,) opening of the jaw at 25 frames a second, without what is drawn by chance."""
    made = animator(sound, emotion="neutral", fps=25.0, liveliness=0.0, head=False)
    return made.coefficients[:, made.face.shapes.index("jawOpen")]


def test_the_mouth_rests_over_music_and_not_in_speech(animator: Animator, speech: Audio, tune: Audio) -> None:
    """Music leaves it closed; with the classifier off it would open."""
    over_music, over_speech = opening(animator, tune), opening(animator, speech)
    assert over_music.max() < 0.05
    assert over_speech.max() > 0.2
    features = animator.encoder(tune)
    assert features.mouth is not None
    assert features.mouth[50:, TALKING_SHAPES.index("jawOpen")].max() > 0.1


def test_speech_is_what_it_was_to_the_bit(animator: Animator, speech: Audio) -> None:
    """Where all frames are a voice, the features are returned themselves."""
    features = animator.encoder(speech)
    assert resting(features) is features


def test_speech_after_music_moves_the_mouth_at_once(animator: Animator, speech: Audio, tune: Audio) -> None:
    """From a fifth of a second after the first words on the mouth moves as in the speech alone, and rests before."""
    features = animator.encoder(Audio(np.concatenate([tune.samples, speech.samples]), SAMPLE_RATE))
    presence = resting(features).presence
    first = round((tune.duration + 0.2) * 50)
    assert presence is not None
    assert presence[: round(50 * tune.duration) - 10].mean() < 0.1
    spoken = features.speech[first:]
    assert presence[first:][spoken].mean() > 0.97


@pytest.mark.slow
def test_streams_rest_as_recordings_do(animator: Animator, speech: Audio, tune: Audio) -> None:
    """The jaw of a stream is closed over music, and opens in the speech after it."""
    stream: AnimationStream = animator.open_stream()
    frames = [*stream.push(np.concatenate([tune.samples, speech.samples])), *stream.flush()]
    jaw = np.array([frame.weights[JAW] for frame in frames])
    times = np.array([frame.time for frame in frames])
    assert jaw[(times > 1.5) & (times < 3.8)].max() < 0.05
    assert jaw[times > 4.2].max() > 0.2


@settings(max_examples=15)
@given(st.lists(st.integers(0, 70), min_size=1, max_size=6), st.integers(0, 20), st.integers(0, 2**16))
def test_pieces_give_what_the_whole_gives(lengths: list[int], known: int, seed: int) -> None:
    """Streaming = offline: final frames do not depend on how vectors are cut, if enough of what follows is known."""
    rng, known = np.random.default_rng(seed), known + 4
    hidden = rng.standard_normal((sum(lengths) + known, len(presence_weights().rest))).astype(np.float32) * 3.0
    speech = rng.random(len(hidden)) < 0.7
    whole = PresenceStream().push(hidden, speech, len(hidden))
    stream, made, first = PresenceStream(), list[Floats](), 0
    for length in lengths:
        part = slice(first, first + length + known)
        made.append(stream.push(hidden[part], speech[part], length)[:length])
        first += length
    np.testing.assert_allclose(np.concatenate(made), whole[:first], atol=1e-6)
    assert not len(stream.push(hidden[:0], speech[:0], 0))


def test_windows_are_described_by_mean_and_deviation() -> None:
    """The last row is the mean and the deviation of the last 12 and 50 frames, also after a minute."""
    rows = np.random.default_rng(0).standard_normal((3000, 3)).astype(np.float32) + np.float32(8.0)
    short, long = rows[-12:].astype(np.float64), rows[-50:].astype(np.float64)
    expected = np.concatenate([short.mean(0), short.std(0), long.mean(0), long.std(0)])
    np.testing.assert_allclose(described(rows)[-1], expected, atol=1e-6)
    np.testing.assert_allclose(described(rows, 2999)[0], expected, atol=1e-6)


def test_no_voice_is_read_as_a_pause(speech: Audio) -> None:
    """Presence 0 gives the vector of pauses, silence for a phone, and a closed mouth; half of it lies between."""
    encoder = open_encoder()
    assert isinstance(encoder, MelEncoder)
    features: SpeechFeatures = encoder(speech)
    nobody, half = (at_rest(features, np.full(len(features), share, np.float32)) for share in (0.0, 0.5))
    np.testing.assert_array_equal(nobody.hidden, np.broadcast_to(presence_weights().rest, features.hidden.shape))
    assert not nobody.speech.any()
    assert nobody.mouth is not None
    assert nobody.phones is not None
    assert half.mouth is not None
    assert not nobody.mouth.any()
    assert (nobody.phones.argmax(1) == PHONE_INDEX[SILENCE]).all()
    np.testing.assert_allclose(half.mouth, 0.5 * np.asarray(features.mouth), atol=1e-6)
    part = half.part(10, 20)
    assert part.presence is not None
    assert len(part.presence) == 20


def test_it_reads_the_encoder_that_ships() -> None:
    """Its weights were made on the built-in encoder's vectors; their licence is said with the articulation's."""
    trained = read_config(builtin_checkpoint("voice_presence")).encoder_sha256
    assert trained == weights_sha256(builtin_checkpoint("speech_encoder"))
    assert (
        read_config(builtin_checkpoint("voice_presence")).licence
        == read_config(builtin_checkpoint("articulation")).licence
    )
