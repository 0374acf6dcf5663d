"""The weights that ship with the package."""

import json
from copy import copy
from pathlib import Path

import numpy as np
import pytest
import scipy

from sedtalker.audio import from_samples, load_audio
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.diarizer_model import FrameBatch
from sedtalker.emotion.inference import frame_emotions, note_unfamiliar
from sedtalker.emotion.shown import NOTICED, attenuation
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speakers.separation import by_channels
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.joined_speech import clip_labels
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.clips import clip_posterior
from tests.emotion.test_network import frames as random_frames
from tests.support.tracks import diarize
from tests.support.tunes import tune

MOODS = Path(__file__).parents[2] / "data/samples/four_moods.wav"


def test_belongs_to_the_builtin_encoder():
    config = read_config(builtin_checkpoint("diarizer"))
    assert config.encoder_sha256 == weights_sha256(builtin_checkpoint("emotion_encoder")), "train the diarizer again"
    assert tuple(config.model["labels"]) == CATEGORIES
    assert config.licence == "ODbL-1.0"


def test_card_and_config_name_the_same_licence():
    folder = builtin_checkpoint("diarizer")
    licence = json.loads((folder / "config.json").read_text())["licence"]
    assert licence in (folder / "README.md").read_text()


def test_runs_and_repeats_itself():
    rng = np.random.default_rng(0)
    time = np.arange(48_000) / 16_000
    wave = sum(np.sin(2 * np.pi * 140 * k * time + np.sin(3 * time)) / k for k in range(1, 20))
    audio = from_samples(0.1 * wave * (np.sin(2 * np.pi * 3 * time) > -0.5) + 1e-3 * rng.normal(size=48_000), 16_000)
    encoder, diarizer = open_encoder("emotion_encoder"), open_model("diarizer", in_torch=True)
    first, second = (diarize(diarizer, encoder(audio), audio.duration) for _ in range(2))
    assert len(first) == 150
    assert first.posterior.tobytes() == second.posterior.tobytes()
    assert first.speech is not None
    assert first.speech.mean() > 0.5


@pytest.mark.parametrize("trust", [-0.1, 2.0, float("nan")])
def test_trust_lies_between_0_and_1(trust: float) -> None:
    with pytest.raises(InputError, match=r"trust .*: give 0 to 1"):
        Diarizer.from_pretrained(trust=trust)


def test_a_confidence_out_of_range_is_refused_before_any_work():
    diarizer = Diarizer.from_pretrained()
    for work in (diarizer, diarizer.conversation):
        with pytest.raises(InputError, match="min_confidence 2: give 0 to 1"):
            work("there is no such file", min_confidence=2.0)


def test_what_is_no_device_is_said() -> None:
    with pytest.raises(InputError, match="device gpu: give cpu, cuda or auto"):
        Diarizer.from_pretrained(device="gpu")


@pytest.mark.parametrize(
    ("device", "said"), [("mpsx", "give cpu"), ("cuda:x", "give cpu"), ("cuda:99", "no such"), ("mps:99", "no such")]
)
def test_a_device_that_is_not_there_is_said_not_by_torch(device: str, said: str) -> None:
    with pytest.raises(InputError, match=f"device {device}: {said}"):
        Diarizer.from_pretrained().to(device)


def struck(times: np.ndarray, sound: np.ndarray, seconds: float = 5.0) -> np.ndarray:
    """A sound at some times (s), at 16 kHz."""
    made = np.zeros(round(seconds * 16_000) + len(sound))
    for start in np.round(times * 16_000).astype(int):
        made[start : start + len(sound)] += sound
    return 0.3 * made / np.abs(made).max()


def piano() -> np.ndarray:
    """Chords of three decaying strings, two in three seconds."""
    time = np.arange(22_400) / 16_000
    chords = ((262, 330, 392), (220, 262, 330), (175, 220, 262))
    strings = [sum(np.sin(2 * np.pi * f * k * time) / k**1.3 for f in c for k in range(1, 6)) for c in chords]
    notes = [struck(np.array([1.5 * i]), np.exp(-time / 0.6) * string, 3.2) for i, string in enumerate(strings)]
    return np.sum(notes, 0)


def clicks() -> np.ndarray:
    """Keys of a keyboard."""
    rng = np.random.default_rng(1)
    click = rng.normal(size=400) * np.exp(-np.arange(400) / 96)
    return struck(np.sort(rng.uniform(0, 5, 40)), click)


def engine() -> np.ndarray:
    """The harmonics of 38 Hz, and noise."""
    rng, time = np.random.default_rng(1), np.arange(80_000) / 16_000
    hum = sum(np.sin(2 * np.pi * 38 * k * time + rng.uniform(0, 6)) / k for k in range(1, 25))
    return 0.2 * (hum + 0.3 * rng.normal(size=80_000)) / 4


@pytest.mark.parametrize("sound", [piano, clicks, engine])
def test_a_sound_that_is_no_voice_shows_nothing(sound):
    audio = from_samples(sound(), 16_000)
    diarizer = Diarizer.from_pretrained()
    assert diarizer(audio).intensity.mean() < 0.1
    stream = diarizer.stream()
    frames = [stream.push(audio.samples), stream.flush()]
    assert np.concatenate([part.intensity for part in frames])[-100:].mean() < 0.1


def test_a_voice_still_shows_with_a_piano_beside_it():
    diarizer, voice = Diarizer.from_pretrained(), load_audio(MOODS)
    music = np.resize(piano(), len(voice.samples)) * np.sqrt(np.mean(voice.samples**2) / np.mean(piano() ** 2))
    with_music = from_samples(voice.samples + 0.1 * music, 16_000)  # 20 dB below
    alone, both = diarizer(voice), diarizer(with_music)
    assert alone.intensity.max() > 0.7
    assert both.intensity.max() > 0.6 * alone.intensity.max()
    for sound in (voice, with_music):
        frames = frame_emotions(diarizer.network, diarizer.encoder(sound))
        assert np.min(attenuation(frames.distance)[frames.speech]) == 1.0, "nothing of it counts as no voice"


def slam() -> np.ndarray:
    """Half a second of a door that slams: noise below 800 Hz, and a panel that rings at 85 Hz."""
    time = np.arange(8000) / 16_000
    noise = scipy.signal.lfilter(*scipy.signal.butter(2, 0.1), np.random.default_rng(3).normal(size=8000))
    sound = 3.0 * noise * np.exp(-14 * time) + np.sin(2 * np.pi * 85 * time) * np.exp(-10 * time)
    return 0.8 * sound / np.abs(sound).max()


@pytest.mark.parametrize("spoken", [True, False])
def test_a_door_that_slams_after_speech_is_no_speech_and_shows_nothing(spoken: bool) -> None:
    diarizer, voice = Diarizer.from_pretrained(), load_audio(MOODS).samples
    last = voice[26_000:42_000] if spoken else slam()
    room = np.random.default_rng(0).normal(scale=2e-4, size=24_000)
    sound = from_samples(np.concatenate([voice[:48_000], room, last, room]), 16_000)
    begins, stream = 4.4, diarizer.stream()
    shown = [stream.push(sound.samples), stream.flush()]
    speech, intensity = (np.concatenate([getattr(part, name) for part in shown]) for name in ("speech", "intensity"))
    track = diarizer(sound)
    after = track.times > begins
    for found, strength in ((track.speech, track.intensity), (speech, intensity)):
        assert found[~after].any()
        assert found[after].any() == spoken
        assert (strength[after].max() > 0.5) == spoken, strength[after]


def test_music_alone_has_no_segments_and_no_note(caplog):
    track = Diarizer.from_pretrained()(from_samples(tune(), 16_000))
    assert track.segments() == []
    assert not caplog.records


def test_music_before_speech_is_a_gap():
    speech = load_audio(MOODS).samples[: 16_000 * 6]
    sound = from_samples(np.concatenate([tune(), tune(), np.zeros(16_000), speech]), 16_000)
    track = Diarizer.from_pretrained()(sound)
    assert track.segments()[0].start > 8.9


def test_a_channel_of_music_is_no_speaker(caplog):
    voice = from_samples(load_audio(MOODS).samples[: 16_000 * 8], 16_000)
    found = by_channels([from_samples(np.concatenate([tune(), tune()]), 16_000), voice], "a.wav")
    assert found.names == ("speaker1", "speaker2")
    diarizer = Diarizer.from_pretrained()
    made = diarizer.conversation(found.mixed, found)
    assert caplog.messages == ["left out, with no voice in their channels: speaker1"]
    assert made.names == made.turns.speakers == tuple(made.tracks) == tuple(made.speakers.channels) == ("speaker2",)
    alone = diarizer.conversation(found.mixed, found.only(["speaker1"]))
    assert alone.names == ("speaker1",), "somebody has to be left"


def test_a_recording_unlike_anything_heard_in_training_is_noted(monkeypatch, caplog):
    diarizer = Diarizer.from_pretrained()
    for apart, noted in ((0.99, 0), (1.0, 0), (1.01, 1)):
        caplog.clear()
        monkeypatch.setattr("sedtalker.emotion.inference.unfamiliarity", lambda *_, apart=apart: apart)
        note_unfamiliar(None, 50.0)
        assert len(caplog.records) == noted
    assert diarizer._threads == 1
    large = copy(diarizer)
    large.classifier = "any"
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert large._threads == 6
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert large._threads == 1


@pytest.mark.slow
@pytest.mark.data
def test_its_categories_stand_in_the_order_of_the_package(data_dir):
    """Other speakers of CREMA-D: every category is answered for itself more often than for its neighbour in the list.

    Weights made elsewhere may have another order, in which anger is answered for sadness.
    """
    clips = [c for c in read_manifest(data_dir) if c.corpus == "cremad" and c.split == "test"]
    diarizer, encoder, found = (
        open_model("diarizer", in_torch=True),
        open_encoder("emotion_encoder"),
        np.zeros((7, 7), int),
    )
    for clip in clips[:: len(clips) // 45]:
        labels = clip_labels(clip)
        assert labels is not None
        found[labels[0], clip_posterior(frame_emotions(diarizer, encoder(load_audio(clip.path)))).argmax()] += 1
    sad, angry = CATEGORIES.index("sad"), CATEGORIES.index("angry")
    assert found[angry, angry] > 2 * found[angry, sad]
    assert found[sad, sad] > 2 * found[sad, angry]
    assert np.trace(found) > 0.4 * found.sum()


@pytest.mark.slow
@pytest.mark.data
def test_sad_voices_move_a_face_and_reading_ones_hardly_do(data_dir):
    """Speakers that nothing was trained on; listeners rate both as weak. How strong sadness is, and where noticed."""
    diarizer, listed = Diarizer.from_pretrained(), read_manifest(data_dir)

    def shown(corpus, emotion, split):
        clips = [c for c in listed if c.corpus == corpus and c.emotion == emotion and split in (None, c.split)]
        tracks = [diarizer(load_audio(clip.path)) for clip in clips[:: max(1, len(clips) // 24)]]
        sad = CATEGORIES.index("sad")
        strengths = [(t.posterior[:, sad] * t.intensity)[t.speech] for t in tracks if t.speech.any()]
        return np.mean([[each.mean(), (each >= NOTICED).mean()] for each in strengths], axis=0)

    strangers, noticed = shown("aesdd", "sad", None)
    assert noticed > 0.17
    assert shown("cremad", "sad", "valid").min() > 0.2
    assert shown("aesdd", "angry", None).max() < 0.05
    assert shown("speechocean762", "neutral", "valid")[0] < 0.4 * strangers


def test_a_graph_cuts_its_windows_where_the_network_of_torch_does():
    """Of other numbers of recordings and of frames than those that it was made with."""
    graph, network = open_model("diarizer"), open_model("diarizer", in_torch=True)
    for count, items in ((800, 1), (1200, 3)):
        batch = FrameBatch(*(part.numpy() for part in random_frames(count, graph.config.encoder_channels, 1, items)))
        spans, _ = network._changes(network.channels(network.tensors(batch)), 0)
        assert len(spans.first.unique()) > 3
        for whole, expected in zip(graph.estimate(batch), network.estimate(batch), strict=True):
            assert np.abs(whole - expected).max() < 1e-4
        newest, expected = graph.estimate(batch, since=count - 40), network.estimate(batch, since=count - 40)
        for part, whole in zip(newest, expected, strict=True):
            assert np.abs(part - whole).max() < 1e-4


def test_the_newest_frames_are_those_of_the_whole():
    """The graph that streams run, of a number of frames that is no multiple of its rows."""
    rng, diarizer = np.random.default_rng(0), open_model("diarizer")
    mel, prosody, hidden = (
        rng.normal(size=(1, 501, n)).astype(np.float32) for n in (80, 4, diarizer.config.encoder_channels)
    )
    known = np.ones((1, 501), bool)
    batch = FrameBatch(mel, prosody, known, known, hidden)
    for whole, newest in zip(diarizer.estimate(batch), diarizer.estimate(batch, since=460), strict=True):
        assert newest.shape[1] == 41
        assert np.abs(whole[:, 460:] - newest).max() < 1e-4
