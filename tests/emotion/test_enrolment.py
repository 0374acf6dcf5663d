"""Other recordings of the speaker, pooled with the one at hand."""

import numpy as np
import pytest
import torch

from sedtalker.emotion.diarizer_model import ENROLLED_SHARE, SPOKEN, VOICED, DiarizerConfig, Voice, pool_voices
from sedtalker.emotion.functionals import centre_on_voice, functionals, moments
from sedtalker.emotion.inference import enrol, frame_emotions, speech_log_posterior
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from tests.support.tracks import diarize


def last_window(values: torch.Tensor, pitch: torch.Tensor) -> torch.Tensor:
    """Functionals of the middle of recordings (1, T, …) that lie within one window."""
    weight = torch.ones(1, values.shape[1])
    return functionals(values, pitch, weight, weight, [500], 500)[:, 0]


def test_pooling_equals_one_recording_of_both():
    rng = torch.Generator().manual_seed(0)
    values, pitch = torch.randn(1, 90, 5, generator=rng), torch.randn(1, 90, VOICED, generator=rng)
    first, second, whole = (last_window(values[:, part], pitch[:, part]) for part in (slice(30), slice(30, 90), ...))
    voice = Voice(torch.tensor([[60.0, 60.0]]), *moments(second))
    pooled = centre_on_voice(first, torch.tensor([[30.0, 30.0]]), voice)
    assert torch.allclose(pooled, whole, atol=1e-4)


def test_a_voice_without_frames_changes_nothing():
    window = last_window(torch.randn(1, 40, 5), torch.randn(1, 40, VOICED))
    empty = Voice(torch.zeros(1, 2), torch.zeros(1, 5 + VOICED), torch.zeros(1, 5 + VOICED))
    assert torch.equal(centre_on_voice(window, torch.full((1, 2), 40.0), empty), window)


def test_order_of_the_clips_does_not_matter():
    rng = np.random.default_rng(0)
    sizes = 2, 5 + VOICED, 5 + VOICED, 7
    voices = [Voice(*(rng.random(size).astype(np.float32) for size in sizes)) for _ in range(3)]
    for a, b in zip(pool_voices(voices), pool_voices(voices[::-1]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_voices_are_pooled_in_arrays_as_in_tensors():
    rng = np.random.default_rng(1)
    first, second = (last_window(torch.randn(1, 50, 5), torch.randn(1, 50, VOICED)) for _ in range(2))
    weights = [torch.from_numpy(rng.integers(1, 90, (1, 2)).astype(np.float32)) for _ in range(2)]
    voices = [Voice(weight, *moments(window)) for weight, window in zip(weights, (first, second), strict=True)]
    pooled = pool_voices([Voice(*(part[0].numpy() for part in voice[:3])) for voice in voices])
    centred = moments(centre_on_voice(first, weights[0], voices[1]))
    for ours, theirs in zip((pooled.mean, pooled.square), centred, strict=True):
        np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-3)


def test_answers_count_by_their_speech() -> None:
    def voice(spoken: float, answer: float | None) -> Voice:
        said = None if answer is None else np.full(7, answer, np.float32)
        return Voice(np.array([spoken, 1.0], np.float32), *(np.zeros(VOICED + 1, np.float32) for _ in range(2)), said)

    pooled = pool_voices([voice(10.0, 1.0), voice(30.0, 2.0), voice(99.0, None)])
    np.testing.assert_allclose(pooled.answer, 1.75)
    assert pool_voices([voice(0.0, None)]).answer is None


def features(count: int, silent: bool = False) -> SpeechFeatures:
    rng = np.random.default_rng(count)
    prosody = rng.normal(size=(count, 4)).astype(np.float32)
    prosody[:, 2] = 0.9
    hidden, mel = rng.normal(size=(count, 4)).astype(np.float32), rng.normal(size=(count, 80)).astype(np.float32)
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, np.full(count, not silent))


@pytest.fixture(scope="module")
def network() -> DiarizerNetwork:
    torch.manual_seed(0)
    return DiarizerNetwork(DiarizerConfig(hidden_channels=4, width=8, members=2, windows=(0.5, 4.0))).eval()


def test_a_recording_enrolled_by_itself_stays_the_same(network):
    clip = features(150)
    alone, known = (diarize(network, clip, 3.0, voice=v) for v in (None, enrol(network, [clip])))
    assert np.abs(alone.posterior - known.posterior).max() < 0.02


def test_another_voice_changes_the_track(network):
    clip, other = features(150), features(400)
    other.prosody[:, 1] += 0.5
    alone, known = (diarize(network, clip, 3.0, voice=v) for v in (None, enrol(network, [other])))
    assert np.abs(alone.posterior - known.posterior).max() > 1e-3


def test_the_first_minute_of_a_clip_counts(network):
    clip = features(3100)
    minute = SpeechFeatures(FRAME_CLOCK, *(x[:3000] for x in (clip.hidden, clip.mel, clip.prosody, clip.speech)))
    for whole, first in zip(enrol(network, [clip]), enrol(network, [minute]), strict=True):
        assert (whole is None) == (first is None)
        if whole is not None:
            np.testing.assert_allclose(whole, first, atol=1e-6)
    assert enrol(network, [clip]).weight.tolist() == [3000, 3000]


def test_what_answers_to_ordinary_speech_differ_by_is_taken_off_in_part(network: DiarizerNetwork) -> None:
    clip = features(150)
    plain = frame_emotions(network, clip)
    own = speech_log_posterior(plain)
    nothing = np.zeros(4 + SPOKEN + VOICED, np.float32)
    voice = Voice(np.zeros(2, np.float32), nothing, nothing, own)
    usual = own + np.array([0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0])
    judged = DiarizerNetwork(network.config.model_copy(update={"usual": tuple(usual)})).eval()
    judged.load_state_dict(network.state_dict())
    moved = speech_log_posterior(frame_emotions(judged, clip, voice)) - own
    np.testing.assert_allclose(moved[1] - moved[0], ENROLLED_SHARE, atol=1e-4)
    np.testing.assert_allclose(moved[3] - moved[0], -ENROLLED_SHARE, atol=1e-4)
    np.testing.assert_array_equal(frame_emotions(network, clip, voice).posterior, plain.posterior)


def test_enrolled_speech_that_is_answered_as_usual_moves_nothing(network: DiarizerNetwork) -> None:
    clip, other = features(150), features(400)
    judged = DiarizerNetwork(network.config.model_copy(update={"usual": (0.0,) * 7})).eval()
    judged.load_state_dict(network.state_dict())
    voice = enrol(judged, [other])
    assert voice.answer is not None
    judged.config = network.config.model_copy(update={"usual": tuple(voice.answer.tolist())})
    with_usual, without = (frame_emotions(one, clip, voice).posterior for one in (judged, network))
    np.testing.assert_allclose(with_usual, without, atol=1e-5)


def test_a_clip_without_voiced_speech_does_not_count(network, caplog):
    """The frames of digital silence are all as loud as the loudest, so all of them are taken for speech."""
    spoken, still = features(200), features(100)
    still.prosody[:, 2] = 0.0
    alone, both = enrol(network, [spoken]), enrol(network, [still, spoken])
    for one, other in zip(alone[:3], both[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert caplog.messages == ["an enrolled recording has no voiced speech: it does not count"]
    with pytest.raises(InputError, match="no speech was found"):
        enrol(network, [still])


def test_silent_clips_are_refused(network):
    silent = features(100, silent=True)
    with pytest.raises(InputError, match="no speech"):
        enrol(network, [silent])
