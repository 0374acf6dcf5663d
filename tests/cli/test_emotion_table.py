"""What the table of emotions says of segments, and of recordings without any."""

import dataclasses

import numpy as np
import pytest

from sedtalker.cli.emotion_table import print_conversation, print_emotions
from sedtalker.emotion.conversation import Conversation
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import EmotionTrack, Prediction, Segment
from tests.support.talk import speakers_of


def found(label: str, confidence: float, spoken: bool = True) -> EmotionTrack:
    """A second and a half of one emotion, as sure as a diarizer is."""
    track = constant_track(f"{label}:0.6", 1.5)
    posterior = np.full((len(track), 7), (1 - confidence) / 6, np.float32)
    posterior[:, track.labels.index(label)] = confidence
    prediction = Prediction(posterior, track.intensity)
    return dataclasses.replace(track, predicted=prediction, speech=np.full(len(track), spoken))


def test_an_emotion_that_is_hardly_surer_than_a_guess_is_printed_as_uncertain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for label, confidence, printed in (("angry", 0.3, "angry"), ("angry", 0.25, "uncertain (angry?)")):
        print_emotions(found(label, confidence))
        line = capsys.readouterr().out.splitlines()[1]
        guess = ["neutral", f"{(1 - confidence) / 6:.2f}"]
        assert line.split() == ["0.00", "1.50", *printed.split(), "0.60", f"{confidence:.2f}", *guess]
    print_emotions(found("neutral", 0.2), stderr=True)
    output = capsys.readouterr()
    assert output.err.splitlines()[1].split()[2] == "neutral", "to show nothing is no claim"
    assert output.out == ""


def test_the_table_of_a_conversation_has_the_second_guess_too(capsys: pytest.CaptureFixture[str]) -> None:
    tracks = {"ann": found("angry", 0.4), "bob": found("happy", 0.9)}
    print_conversation(Conversation(speakers_of(), tracks))
    heading, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert heading == ["start", "end", "speaker", "emotion", "intensity", "confidence", "or"]
    assert [row[2:] for row in rows] == [
        ["ann", "angry", "0.60", "0.40", "neutral", "0.10"],
        ["bob", "happy", "0.60", "0.90"],
    ]


def test_without_voiced_speech_there_is_no_emotion_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    print_emotions(found("neutral", 1.0, spoken=False))
    assert capsys.readouterr().out.startswith("no voiced speech")


def test_beside_other_messages_a_long_table_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """As a result, on stdout, it is whole."""
    track = constant_track("happy", 100.0)
    every = [Segment(k, k + 1.0, "happy", 0.5, 0.9) for k in range(100)]
    track.__dict__["segments"] = lambda: every
    print_emotions(track, stderr=True)
    print_emotions(track)
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 101
    said = output.err.splitlines()
    assert [line.split()[0] for line in said[1:41]] == [f"{k}.00" for k in range(40)]
    assert said[41:] == ["… and 60 more until 100.00 s: they are in the track"]
