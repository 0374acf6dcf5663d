"""How far a voice agent's face is from its sound: LiveKit's output in real time, Pipecat's processor by places.

    python scripts/measure_agents.py -o agents.json

Speech is pushed as text to speech gives it, faster than it is played, into a loopback without a server. LiveKit's
messages leave by the clock: the error is the time at which each leaves, less the time at which its moment is played by
a loudspeaker that stops where it has no sound.
Pipecat's frames stand between pieces of sound: the error is the place in the sound less the frame's time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from sedtalker.live.agents import AgentFace, Step

RATE = 24000
"""Samples a second of usual voices."""
PIECE = 4800
"""Bytes that come at once: 100 ms."""
SPEED = 3.0
"""Times real time at which text to speech gives sound."""


class Room:
    """Keeps when a message was sent, and its time."""

    def __init__(self) -> None:
        self.local_participant, self.sent = self, list[tuple[float, float]]()

    async def publish_data(self, payload: str, *, topic: str) -> None:
        """See LiveKit."""
        self.sent.append((time.time(), json.loads(payload)["time"]))


def loudspeaker() -> Any:
    """An audio output that plays nothing, and says when each moment of its sound would have been played."""
    from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

    class Speaker(AudioOutput):
        def __init__(self) -> None:
            super().__init__(label="speaker", capabilities=AudioOutputCapabilities(pause=False), sample_rate=RATE)
            self.pieces = list[tuple[float, float]]()
            self.seconds = self.end = self.waited = 0.0

        async def capture_frame(self, frame: Any) -> None:
            await super().capture_frame(frame)
            now = time.time()
            if not self.pieces:
                self.end = now
                self.on_playback_started(created_at=now)
            self.waited += max(0.0, now - self.end)
            self.end = max(self.end, now)
            self.pieces.append((self.seconds, self.end))
            self.seconds, self.end = self.seconds + frame.duration, self.end + frame.duration

        def flush(self) -> None:
            super().flush()

        def clear_buffer(self) -> None:
            pass

        def played(self, second: float) -> float:
            place, at = next((p for p in reversed(self.pieces) if p[0] <= second + 1e-6), self.pieces[0])
            return at + second - place

    return Speaker()


class Replay(AgentFace):
    """Gives the steps that another face gave of the same pieces, at no cost: what is left is the output's own error."""

    def __init__(self, face: AgentFace, speech: bytes):
        super().__init__(face.animator, face.settings)
        self.pushed = [face.push(speech[k : k + PIECE], RATE) for k in range(0, len(speech), PIECE)]
        self.last, self.number = face.flush(), 0

    def push(self, data: bytes, rate: int) -> list[Step]:
        """See ``AgentFace``."""
        self.number += 1
        return self.pushed[(self.number - 1) % len(self.pushed)]

    def flush(self) -> list[Step]:
        """See ``AgentFace``."""
        return self.last


async def livekit(face: AgentFace, speech: bytes) -> tuple[list[float], int, float]:
    """Errors of all frames, seconds; frames that an interruption takes to rest; seconds that the sound waited."""
    from livekit import rtc

    from sedtalker.live.livekit_face import FaceOutput

    room, speaker = Room(), loudspeaker()
    output = FaceOutput(speaker, room, face)  # type: ignore[arg-type]

    async def speak() -> None:
        for k in range(0, len(speech), PIECE):
            piece = speech[k : k + PIECE]
            await output.capture_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))
            await asyncio.sleep(len(piece) / (2 * RATE * SPEED))

    await speak()
    output.flush()
    while output._ending is not None:
        await asyncio.sleep(0.01)
    assert output._shown is not None
    await output._shown
    errors, waited = [sent - speaker.played(at) for sent, at in room.sent], speaker.waited
    for k in range(0, 2 * RATE, PIECE):
        await output.capture_frame(rtc.AudioFrame(speech[k : k + PIECE], RATE, 1, PIECE // 2))
    output.on_playback_started(created_at=time.time())
    await asyncio.sleep(0.4)
    output.clear_buffer()
    before = len(room.sent)
    await output._shown
    return errors, len(room.sent) - before, waited


async def pipecat(face: AgentFace, speech: bytes) -> list[float]:
    """Errors of all frames, seconds."""
    from pipecat.frames.frames import TTSAudioRawFrame, TTSStoppedFrame
    from pipecat.tests.utils import run_test

    from sedtalker.live.pipecat_face import FaceFrame, FaceProcessor

    sent = [TTSAudioRawFrame(speech[k : k + PIECE], RATE, 1) for k in range(0, len(speech), PIECE)]
    down, _ = await run_test(FaceProcessor(face), frames_to_send=[*sent, TTSStoppedFrame()], start_timeout=30.0)
    place, errors = 0, list[float]()
    for frame in down:
        if isinstance(frame, FaceFrame) and frame.face is not None:
            errors.append(place / (2 * RATE) - frame.face.time)
        elif isinstance(frame, TTSAudioRawFrame):
            place += len(frame.audio)
    return errors


def described(errors: list[float]) -> dict[str, Any]:
    """Milliseconds."""
    size = 1000 * np.abs(errors)
    return {"frames": len(size)} | {f"p{q}_ms": round(float(np.percentile(size, q)), 2) for q in (50, 95, 100)}


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sound", type=Path, default=Path(__file__).parents[1] / "data/samples/four_moods.wav")
    given = parser.parse_args()
    samples, rate = soundfile.read(given.sound, dtype="float32")
    resampled = soxr.resample(samples[: 8 * rate], rate, RATE)
    speech = (np.clip(resampled, -1.0, 1.0) * 32767).astype("<i2").tobytes()
    face = AgentFace()
    began = time.process_time()
    face.push(speech, RATE)
    face.flush()
    cost = time.process_time() - began
    made: dict[str, Any] = {"seconds": len(speech) / (2 * RATE), "processor_seconds": round(cost, 2)}
    for name, subject in (("livekit", face), ("livekit_replayed", Replay(face, speech))):
        errors, rest, waited = asyncio.run(livekit(subject, speech))
        made[name] = described(errors) | {"frames_to_rest": rest, "sound_waited_s": round(waited, 2)}
    made["pipecat"] = described(asyncio.run(pipecat(face, speech)))
    given.output.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
