"""A Pipecat processor: the speech of the pipeline passes through, with a frame of the face before each of its moments.

```python
Pipeline([transport.input(), stt, user, llm, tts, FaceProcessor(), transport.output(), assistant])
```
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.errors import extra
from sedtalker.live.agents import SAMPLE_BYTES, AgentFace, Step, face_message, mono

with extra("pipecat"):
    from pipecat.frames.frames import (
        BotStartedSpeakingFrame,
        BotStoppedSpeakingFrame,
        EndFrame,
        Frame,
        InterruptionFrame,
        OutputTransportMessageFrame,
        TTSAudioRawFrame,
        TTSStoppedFrame,
    )
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

MOST_REMEMBERED = 9000
"""Frames of an answer that are remembered until it was spoken: five minutes."""


@dataclass
class FaceFrame(OutputTransportMessageFrame):
    """A frame of the face; transports send its ``message`` (``face_message``) in the order of the sound.

    Attributes:
        face: the frame itself, for other processors.
    """

    face: StreamedFrame | None = None


class FaceProcessor(FrameProcessor):
    """Stands between text to speech and the transport's output.

    Event ``on_emotion`` (processor, emotion, intensity): another emotion is shown from now on.

    Args:
        face: default: the built-in one.
        options: of ``FrameProcessor``.
    """

    def __init__(self, face: AgentFace | None = None, **options: Any):
        super().__init__(**options)
        self.face = face or AgentFace()
        self._began: float | None = None
        self._sent = deque[tuple[float, StreamedFrame]](maxlen=MOST_REMEMBERED)
        self._seconds = 0.0
        self._register_event_handler("on_emotion")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame) and direction == FrameDirection.DOWNSTREAM:
            sound = mono(frame.audio, frame.num_channels)
            await self._send(await asyncio.to_thread(self.face.push, sound, frame.sample_rate), frame)
            self._last = frame
            return
        if isinstance(frame, TTSStoppedFrame | EndFrame):
            steps = await asyncio.to_thread(self.face.flush)
            if steps:
                await self._send(steps, self._last)
        elif isinstance(frame, BotStartedSpeakingFrame):
            self._began = time.monotonic()
        await self.push_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            for resting in await asyncio.to_thread(self.face.interrupt, self._shown()):
                await self._show(resting)
        if isinstance(frame, InterruptionFrame | BotStoppedSpeakingFrame):
            self._began, self._seconds = None, 0.0
            self._sent.clear()

    def _shown(self) -> StreamedFrame | None:
        """The frame whose sound is played now, where the transport said when it began to play."""
        if self._began is None:
            return None
        played = time.monotonic() - self._began
        return next((face for place, face in reversed(self._sent) if place <= played), None)

    async def _send(self, steps: list[Step], like: TTSAudioRawFrame) -> None:
        """Frames and their sound, in the format of another piece of sound."""
        for step in steps:
            self._sent.append((self._seconds, step.frame))
            self._seconds += len(step.sound) / (SAMPLE_BYTES * like.sample_rate)
            await self._show(step.frame)
            if step.sound:
                sound = TTSAudioRawFrame(step.sound, like.sample_rate, 1, context_id=like.context_id)
                sound.transport_destination = like.transport_destination
                await self.push_frame(sound)

    async def _show(self, frame: StreamedFrame) -> None:
        await self.push_frame(FaceFrame(face_message(frame), frame))
        if (event := self.face.event(frame)) is not None:
            await self._call_event_handler("on_emotion", *event)
