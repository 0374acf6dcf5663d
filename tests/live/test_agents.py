"""The face of a voice agent: sound and frames together, interruptions, and the two frameworks with their own parts."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import StreamSettings
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.live.agents import REST_SECONDS, AgentFace, Step, face_message, mono

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
SETTINGS = StreamSettings(fps=30.0, emotion="happy:0.7", head=False, blinks=False, gaze=False)
RATE = 24000
PIECE = 960
"""Bytes of 20 ms."""


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator.from_pretrained()


@pytest.fixture(scope="module")
def speech() -> bytes:
    """1.5 seconds at 24 kHz."""
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    resampled = soxr.resample(samples[: int(1.5 * rate)], rate, RATE)
    return (np.clip(resampled, -1, 1) * 32767).astype("<i2").tobytes()


@pytest.fixture
def face(animator: Animator) -> AgentFace:
    return AgentFace(animator, SETTINGS)


def spoken(face: AgentFace, speech: bytes) -> list[Step]:
    return [s for k in range(0, len(speech), PIECE) for s in face.push(speech[k : k + PIECE], RATE)]


def test_sound_passes_unchanged_with_a_frame_before_each_of_its_moments(face: AgentFace, speech: bytes) -> None:
    steps = spoken(face, speech)
    before = sum(len(step.sound) for step in steps)
    steps += face.flush()
    sound = b"".join(step.sound for step in steps)
    assert sound[: len(speech)] == speech
    assert not any(sound[len(speech) :])
    assert len(speech) - before <= 2 * RATE * (SETTINGS.look_ahead + SETTINGS.hop + 0.1)
    places = np.cumsum([0, *(len(step.sound) for step in steps)])[:-1] / (2 * RATE)
    assert np.allclose(places, [step.frame.time for step in steps], atol=0.5 / SETTINGS.fps)
    assert np.allclose(np.diff([step.frame.time for step in steps]), 1 / SETTINGS.fps, atol=2e-4)
    assert not steps[-1].frame.weights.any()


@pytest.mark.parametrize("speech_of_none", [b"", b"a"])
def test_an_utterance_without_sound_does_not_last_as_long_as_the_one_before(
    face: AgentFace, speech: bytes, speech_of_none: bytes
) -> None:
    spoken(face, speech)
    face.flush()
    steps = face.push(speech_of_none, RATE) + face.flush()
    assert sum(len(step.sound) for step in steps) <= 2 * RATE * (REST_SECONDS + 1e-3)
    assert steps[0].frame.time < REST_SECONDS


def test_half_a_sample_at_the_end_is_left_out(face: AgentFace, speech: bytes) -> None:
    steps = face.push(speech[:9601], RATE) + face.flush()
    assert not any(len(step.sound) % 2 for step in steps)
    assert b"".join(step.sound for step in steps).startswith(speech[:9600])


def test_frames_are_those_of_the_stream(face: AgentFace, animator: Animator, speech: bytes) -> None:
    """The core adds nothing to the engine's motion."""
    steps = spoken(face, speech)
    stream = animator.open_stream(SETTINGS)
    samples = np.frombuffer(speech, "<i2").astype(np.float32) / 32768
    known = list(stream.push(soxr.resample(samples, RATE, 16000)))
    count = min(len(known), len(steps)) - 2
    assert count > 20
    for step, frame in zip(steps[:count], known, strict=False):
        assert np.abs(step.frame.weights - frame.weights).max() < 0.02


def test_an_interruption_brings_the_face_to_rest_within_a_fifth_of_a_second(face: AgentFace, speech: bytes) -> None:
    steps = spoken(face, speech)
    shown = max((step.frame for step in steps), key=lambda frame: float(frame.weights[INDEX["jawOpen"]]))
    rest = face.interrupt(shown)
    assert 1 <= len(rest) <= REST_SECONDS * SETTINGS.fps
    assert not rest[-1].weights.any()
    jaw = [float(frame.weights[INDEX["jawOpen"]]) for frame in (shown, *rest)]
    assert jaw == sorted(jaw, reverse=True)
    assert face.flush() == []
    assert face.interrupt() == []
    again = spoken(face, speech)
    assert np.array_equal(again[5].frame.weights, steps[5].frame.weights)


def test_an_emotion_is_an_event_once(face: AgentFace, speech: bytes) -> None:
    events = [face.event(step.frame) for step in [*spoken(face, speech), *face.flush()]]
    assert [event[0] for event in events if event] == ["happy", "neutral"]


def test_an_utterance_without_sound_has_no_face(face: AgentFace) -> None:
    assert face.flush() == []
    face.push(b"\0\0" * 100, RATE)
    assert not face.flush()[-1].frame.weights.any()


def test_channels_are_mixed_and_weights_have_names(face: AgentFace, speech: bytes) -> None:
    assert mono(np.array([2, 4, -6, -8], "<i2").tobytes(), 2) == np.array([3, -7], "<i2").tobytes()
    message = face_message(spoken(face, speech)[3].frame)
    assert list(message["weights"]) == list(ARKIT_52)
    assert json.loads(json.dumps(message)) == message


# --- Pipecat, with its own test pipeline.


@pytest.mark.slow
def test_pipecat(face: AgentFace, speech: bytes) -> None:
    pytest.importorskip("pipecat")
    from pipecat.frames.frames import TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame
    from pipecat.tests.utils import run_test

    from sedtalker.live.pipecat_face import FaceFrame, FaceProcessor

    events = list[str]()
    processor = FaceProcessor(face)

    @processor.event_handler("on_emotion")
    async def emotion(_: FaceProcessor, name: str, intensity: float) -> None:
        events.append(name)

    sent = [TTSAudioRawFrame(speech[k : k + 4800], RATE, 1) for k in range(0, len(speech), 4800)]
    down, _ = asyncio.run(run_test(processor, frames_to_send=[TTSStartedFrame(), *sent, TTSStoppedFrame()]))
    sound = b"".join(frame.audio for frame in down if isinstance(frame, TTSAudioRawFrame))
    assert sound[: len(speech)] == speech
    position, worst = 0, 0.0
    for frame in down:
        if isinstance(frame, FaceFrame):
            assert frame.face is not None
            worst = max(worst, abs(position / (2 * RATE) - frame.face.time))
        elif isinstance(frame, TTSAudioRawFrame):
            position += len(frame.audio)
    assert worst < 0.02
    assert events == ["happy", "neutral"]
    assert isinstance(down[0], TTSStartedFrame)
    assert isinstance(down[-1], TTSStoppedFrame)


@pytest.mark.slow
def test_pipecat_comes_to_rest_when_somebody_interrupts(face: AgentFace, speech: bytes) -> None:
    pytest.importorskip("pipecat")
    from pipecat.frames.frames import InterruptionFrame, TTSAudioRawFrame
    from pipecat.tests.utils import SleepFrame, run_test

    from sedtalker.live.pipecat_face import FaceFrame, FaceProcessor

    sent = [TTSAudioRawFrame(speech, RATE, 1), SleepFrame(1.0), InterruptionFrame()]
    down, _ = asyncio.run(run_test(FaceProcessor(face), frames_to_send=sent))
    kinds = [type(frame) for frame in down]
    after = down[kinds.index(InterruptionFrame) + 1 :]
    assert 1 <= len(after) <= REST_SECONDS * SETTINGS.fps
    assert all(isinstance(frame, FaceFrame) for frame in after)
    assert not any(after[-1].message["weights"].values())


# --- LiveKit, its queue in place of a room's loudspeaker and a room that only keeps what is sent.


class Room:
    def __init__(self) -> None:
        self.local_participant, self.sent = self, list[tuple[float, dict[str, Any]]]()

    async def publish_data(self, payload: str, *, topic: str) -> None:
        assert topic == "sedtalker.face"
        self.sent.append((time.time(), json.loads(payload)))


async def loopback(face: AgentFace, speech: bytes, interrupt: bool) -> tuple[Room, bytes, list[str], int]:
    """Speak through the output; the room, the sound at its end, emotions, and messages before the interruption."""
    from livekit import rtc
    from livekit.agents.voice.avatar import QueueAudioOutput

    from sedtalker.live.livekit_face import FaceOutput

    room, events, queue = Room(), list[str](), QueueAudioOutput(sample_rate=RATE)
    output = FaceOutput(queue, room, face)  # type: ignore[arg-type]
    output.on("emotion", lambda name, intensity: events.append(name))
    for k in range(0, len(speech), 4800):
        piece = speech[k : k + 4800]
        await output.capture_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))
    sound, before = b"", 0
    if interrupt:
        while len(room.sent) < 5:
            await asyncio.sleep(0.01)
        output.clear_buffer()
        before = len(room.sent)
    else:
        output.flush()
        stream = aiter(queue)
        while isinstance(piece := await anext(stream), rtc.AudioFrame):
            sound += bytes(piece.data)
    assert output._shown is not None
    await output._shown
    return room, sound, events, before


@pytest.mark.slow
def test_livekit(face: AgentFace, speech: bytes) -> None:
    pytest.importorskip("livekit.agents")
    room, sound, events, _ = asyncio.run(loopback(face, speech, False))
    assert sound[: len(speech)] == speech
    times = [message["time"] for _, message in room.sent]
    assert times == sorted(times)
    assert len(times) >= 1.5 * SETTINGS.fps
    assert all(message["weights"].keys() == set(ARKIT_52) for _, message in room.sent)
    assert not any(room.sent[-1][1]["weights"].values())
    assert events == ["happy", "neutral"]


@pytest.mark.slow
def test_livekit_comes_to_rest_when_somebody_interrupts(face: AgentFace, speech: bytes) -> None:
    pytest.importorskip("livekit.agents")
    room, _, _, before = asyncio.run(loopback(face, speech, True))
    after = [message for _, message in room.sent[before:]]
    assert 1 <= len(after) <= REST_SECONDS * SETTINGS.fps
    assert not any(after[-1]["weights"].values())
