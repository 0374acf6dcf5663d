"""Scoring by look-ahead takes the frames that the stream itself gives."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from measures import speed
from measures.speed import stream_speed, streamed

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.emotion_stream import DiarizerStream
from sedtalker.emotion.inference import frame_emotions
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_model import SpeechEncoderConfig
from sedtalker.speech.encoder_networks import SpeechEncoder
from tests.speech.test_stream import voice_like


@pytest.fixture(scope="module")
def small() -> tuple[DiarizerNetwork, MelEncoder]:
    torch.manual_seed(2)
    encoder = MelEncoder(
        SpeechEncoder(SpeechEncoderConfig(channels=16, kernel=3, dilations=(1, 2))).eval().requires_grad_(False)
    )
    config = DiarizerConfig(hidden_channels=16, windows=(0.4, 1.0), width=8, members=2)
    return DiarizerNetwork(config).eval().requires_grad_(False), encoder


def test_every_look_ahead_is_what_the_stream_says(small):
    sound = voice_like(3.1, 1)
    scored = {name: (frames, label) for name, frames, label in streamed(*small, sound)}
    for seconds in (0.5, 1.0):
        stream = DiarizerStream(*small, look_ahead=seconds)
        first, rest = stream.push(sound), stream.flush()
        frames, label = scored[f"{seconds:g}"]
        # the two keep different lengths of sound: equal up to rounding
        assert np.allclose(frames.posterior, np.concatenate([first.predicted, rest.predicted]), atol=1e-5)
        assert np.array_equal(frames.speech, np.concatenate([first.speech, rest.speech]))
        assert np.array_equal(label, np.concatenate([first.label, rest.label]))


def test_offline_is_offline(small):
    from sedtalker.audio import from_samples

    sound = voice_like(2.0, 3)
    *_, (name, frames, _) = streamed(*small, sound)
    whole = frame_emotions(small[0], small[1](from_samples(sound, 16_000)))
    assert name == "offline"
    assert np.abs(frames.posterior - whole.posterior).max() < 1e-3


def test_speed_is_a_ratio_and_leaves_the_threads_alone(small):
    threads = torch.get_num_threads()
    assert stream_speed(*small, voice_like(2.0, 4)) > 0
    assert torch.get_num_threads() == threads


def test_long_recordings_are_not_scored(small):
    with pytest.raises(ValueError, match="a minute"):
        next(iter(streamed(*small, np.zeros(61 * 16_000, np.float32))))


def test_a_diarizer_is_scored_on_the_encoder_that_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Seen(Exception):
        pass

    def look(diarizer: DiarizerNetwork, encoder: MelEncoder, samples: np.ndarray) -> None:
        raise Seen(encoder.sha256())

    folder = tmp_path / "audio" / "ravdess"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", voice_like(1.0, 1), 16_000)
    columns = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"
    (tmp_path / "audio" / "manifest.csv").write_text(f"{columns}\nravdess,a.wav,en,r1,f,happy,normal,,1.0,test\n")
    monkeypatch.setattr(speed, "streamed", look)
    with pytest.raises(Seen, match=str(read_config(builtin_checkpoint("diarizer")).encoder_sha256)):
        speed.evaluate_streaming(tmp_path)
