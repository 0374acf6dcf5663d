"""The bundled network on two voices that it never met: the sample's own, and the sample played slower."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from sedtalker.audio import SAMPLE_RATE, Audio, load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.nn.engine import GraphNetwork
from sedtalker.progress import one_step
from sedtalker.speakers import diarization
from sedtalker.speakers.diarization import find_turns
from sedtalker.speakers.separation import separate
from sedtalker.speakers.speaker_model import encoder_vectors
from sedtalker.speakers.turns import Turn, Turns
from sedtalker.speech import features
from sedtalker.training.evaluation.conversation import diarization_errors

SAMPLE = Path(__file__).parents[2] / "data/samples/four_moods.wav"
SECONDS = 3.0


@pytest.fixture(scope="module")
def talk() -> tuple[Audio, Turns]:
    """Four turns of three seconds, the two voices in turn, and who speaks when."""
    high = load_audio(SAMPLE).samples
    low = soxr.resample(high, SAMPLE_RATE, 1.35 * SAMPLE_RATE).astype(np.float32)
    count = int(SECONDS * SAMPLE_RATE)
    pieces = [voice[k * count : (k + 1) * count] for k in range(2) for voice in (high, low)]
    turns = [Turn(k * SECONDS, (k + 1) * SECONDS, ("high", "low")[k % 2]) for k in range(4)]
    return Audio(np.concatenate(pieces)), Turns(tuple(turns), 4 * SECONDS)


def test_two_voices_are_found(talk: tuple[Audio, Turns]) -> None:
    sound, truth = talk
    found = find_turns(sound, 2)
    assert found.speakers == ("speaker1", "speaker2")
    assert found.duration == sound.duration
    errors = diarization_errors(truth, found)
    assert errors.confusion < 0.1
    assert errors.false_alarm < 0.05


@pytest.mark.slow
def test_the_same_sound_gives_the_same_turns(talk: tuple[Audio, Turns]) -> None:
    sound, _ = talk
    again = Audio(sound.samples.copy())
    assert find_turns(sound) == find_turns(again)


@pytest.mark.slow
def test_one_voice_is_one_speaker() -> None:
    assert len(find_turns(load_audio(SAMPLE)).speakers) == 1


@pytest.mark.parametrize("count", ["auto", "2"])
def test_the_bar_moves_from_the_beginning_to_the_end(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setattr(features, "ANALYSED_FRAMES", 100)
    monkeypatch.setattr(diarization, "WHOLE_WINDOW", 50)
    reports = list[float]()
    with one_step(lambda step, done, total: reports.append(done / total), "finding the speakers"):
        separate(SAMPLE, count)
    assert reports == sorted(reports)
    assert max(after - before for before, after in pairwise(reports)) < 0.2


def test_each_found_speaker_gets_a_track_as_long_as_the_recording(talk: tuple[Audio, Turns]) -> None:
    sound, _ = talk
    speakers = separate(sound, "2")
    conversation = Diarizer.from_pretrained().conversation(sound, speakers)
    assert set(conversation.tracks) == {"speaker1", "speaker2"}
    for name, track in conversation.tracks.items():
        assert track.duration == sound.duration
        silent = ~speakers.turns.active(name, track.times)
        assert track.speech is not None
        assert track.speech[silent].mean() < 0.2


def test_networks_read_a_bounded_part_of_a_long_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that their memory does not grow with it: of three minutes they read as much at once as of one and a half."""
    largest, run = [0], GraphNetwork.__call__

    def counted(network: GraphNetwork, *inputs: np.ndarray) -> Any:
        largest[-1] = max(largest[-1], *(array.size for array in inputs))
        return run(network, *inputs)

    monkeypatch.setattr(GraphNetwork, "__call__", counted)
    for seconds in (90, 180):
        noise = np.random.default_rng(0).standard_normal(seconds * SAMPLE_RATE)
        assert len(encoder_vectors(Audio(0.1 * noise.astype(np.float32)))) == seconds * 25
        largest.append(0)
    assert largest[0] == largest[1] > 0
