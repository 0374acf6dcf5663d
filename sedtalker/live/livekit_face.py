"""The face of an agent of LiveKit: an audio output around the room's, which sends weights as data messages.

```python
await session.start(agent, room=ctx.room)
session.output.audio = FaceOutput(session.output.audio, ctx.room)
```

Sound passes on as it comes, as soon as its face is known; the messages, JSON of ``face_message`` on ``TOPIC``, leave
when their moment is played.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.errors import extra
from sedtalker.live.agents import AgentFace, Step, face_message, mono

with extra("livekit"):
    from livekit import rtc
    from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

TOPIC = "sedtalker.face"
"""Topic of the data messages."""


class _Utterance:
    """Frames that wait for their moment, and when the first one is due (``time.time``)."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[StreamedFrame | None] = asyncio.Queue()
        self.began: asyncio.Future[float] = asyncio.get_running_loop().create_future()


class FaceOutput(AudioOutput):
    """An audio output of ``AgentSession``.

    Event ``emotion`` (emotion, intensity): another emotion is shown from now on.

    Args:
        output: where the sound goes on to.
        room: whose local participant sends the messages.
        face: default: the built-in one.
    """

    def __init__(self, output: AudioOutput, room: rtc.Room, face: AgentFace | None = None):
        able = AudioOutputCapabilities(pause=False)
        super().__init__(label="SEDTalker", capabilities=able, next_in_chain=output, sample_rate=output.sample_rate)
        self.room, self.face = room, face or AgentFace()
        self._utterances = list[_Utterance]()
        self._shown: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._rate = 0
        self._last: StreamedFrame | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self._ending is not None:
            await self._ending
        await super().capture_frame(frame)
        if not self._rate:
            self._begin()
        self._rate, sound = frame.sample_rate, mono(bytes(frame.data), frame.num_channels)
        await self._forward(await asyncio.to_thread(self.face.push, sound, frame.sample_rate))

    def flush(self) -> None:
        """See ``AudioOutput``: the end of an utterance."""
        super().flush()
        if self._rate:
            self._ending = asyncio.create_task(self._end())

    def clear_buffer(self) -> None:
        """See ``AudioOutput``: somebody interrupts; the face comes to rest from what is shown now."""
        assert self.next_in_chain is not None
        for task in (self._shown, self._ending):
            if task is not None:
                task.cancel()
        self._utterances, self._shown, self._ending, self._rate = [], None, None, 0
        last, self._last = self._last, None
        resting = self.face.interrupt(last)
        if last is not None:
            self._begin(resting)
            self._utterances[0].began.set_result(time.time() - resting[0].time)
        self.next_in_chain.clear_buffer()

    def on_playback_started(self, *, created_at: float) -> None:
        """See ``AudioOutput``: the first sound of an utterance is played."""
        waiting = next((u for u in self._utterances if not u.began.done()), None)
        if waiting is not None:
            waiting.began.set_result(created_at)
        super().on_playback_started(created_at=created_at)

    def _begin(self, frames: Iterable[StreamedFrame] = ()) -> None:
        """An utterance, shown after the one before; given ``frames`` are all of it."""
        utterance = _Utterance()
        for frame in (*frames, None) if frames else ():
            utterance.frames.put_nowait(frame)
        self._utterances.append(utterance)
        self._shown = asyncio.create_task(self._show(utterance, self._shown))

    async def _forward(self, steps: list[Step]) -> None:
        assert self.next_in_chain is not None
        for step in steps:
            self._utterances[-1].frames.put_nowait(step.frame)
            if step.sound:
                sound = rtc.AudioFrame(step.sound, self._rate, 1, len(step.sound) // 2)
                await self.next_in_chain.capture_frame(sound)

    async def _end(self) -> None:
        assert self.next_in_chain is not None
        await self._forward(await asyncio.to_thread(self.face.flush))
        self._utterances[-1].frames.put_nowait(None)
        self._rate, self._ending = 0, None
        self.next_in_chain.flush()

    async def _show(self, utterance: _Utterance, before: asyncio.Task[None] | None) -> None:
        """Send each frame when it is due."""
        if before is not None:
            await before
        began = await utterance.began
        while True:
            waits = utterance.frames.empty()
            if (frame := await utterance.frames.get()) is None:
                break
            if waits:  # its sound came with it: where both are late, the sound was interrupted, and goes on from here
                began = max(began, time.time() - frame.time)
            await asyncio.sleep(max(0.0, began + frame.time - time.time()))
            self._last = frame
            await self.room.local_participant.publish_data(json.dumps(face_message(frame)), topic=TOPIC)
            if (event := self.face.event(frame)) is not None:
                emit: Any = self.emit
                emit("emotion", *event)
        if utterance in self._utterances:
            self._utterances.remove(utterance)
