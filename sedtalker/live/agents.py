"""The face of a voice agent: its speech in pieces in, the same speech with the face of each moment out.

Text to speech comes faster than it is played. So a piece of sound is held until its face is final, which takes
look-ahead and hop of more sound and no time, and both leave together: frame, then the sound from it to the next one.
``pipecat_face`` and ``livekit_face`` put this into the two frameworks.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np

from sedtalker.animation.animation_stream import AnimationStream, StreamedFrame
from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio.pipe import PcmStream
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.senders import neutral_frame
from sedtalker.live.session import to_rest
from sedtalker.nn import torch_threads

AGENT_SETTINGS = StreamSettings(fps=30.0)
"""What an agent's face has where nobody says otherwise: half the frames of a local program, for the network's sake."""
REST_SECONDS = 0.2
"""In which the face comes to rest at the end, and where somebody interrupts."""
SAMPLE_BYTES = 2
"""Bytes of a sample."""


class Step(NamedTuple):
    """A frame, and the sound from it to the next one: mono, 16 bits, at the rate that came in."""

    frame: StreamedFrame
    sound: bytes


class AgentFace:
    """Speech of an agent to steps, one utterance after another; times begin anew with each.

    Its methods may be called from any thread.

    Args:
        animator: one that streams; default: the built-in one.
        settings: frames a second, emotion and how the face moves.
    """

    def __init__(self, animator: Animator | None = None, settings: StreamSettings = AGENT_SETTINGS):
        self.animator, self.settings = animator or Animator.from_pretrained(), settings
        self.lock = threading.Lock()
        self.emotion: str | None = None
        self.newest: StreamedFrame | None = None
        self._rest()

    def _rest(self) -> None:
        self.stream: AnimationStream | None = None
        self.pcm: PcmStream | None = None
        self.sound, self.given = bytearray(), 0

    def push(self, data: bytes, rate: int) -> list[Step]:
        """The next sound of the utterance: mono PCM of 16 bits, ``rate`` samples a second."""
        with self.lock, torch_threads(1):
            if self.stream is None or self.pcm is None:
                self.stream, self.pcm = self.animator.open_stream(self.settings), PcmStream("s16le", rate)
            self.sound += data
            return self._steps(list(self.stream.push(self.pcm.push(data))))

    def flush(self) -> list[Step]:
        """The utterance has ended: what is left of it, and a short silence in which the face comes to rest."""
        with self.lock, torch_threads(1):
            if self.stream is None or self.pcm is None:
                return []
            del self.sound[len(self.sound) // SAMPLE_BYTES * SAMPLE_BYTES :]
            steps = self._steps([*self.stream.push(self.pcm.flush()), *self.stream.flush()])
            newest = self.newest if self.given else None  # else it is that of the utterance before
            rest = self._at_rest(newest or neutral_frame(0.0))
            self.sound += bytes(self._place(rest[-1].time) - min(len(self.sound), self._place(rest[-1].time)))
            steps += self._steps(rest)
            if steps:
                steps[-1] = Step(steps[-1].frame, steps[-1].sound + bytes(self.sound[self.given :]))
            self._rest()
            return steps

    def interrupt(self, shown: StreamedFrame | None = None) -> list[StreamedFrame]:
        """Somebody interrupts: what waits is dropped, and the face comes to rest within ``REST_SECONDS``.

        Args:
            shown: the frame that is shown now; None: the newest that left.
        """
        with self.lock:
            last, self.newest = shown or self.newest, None
            self._rest()
            return [] if last is None else self._at_rest(last)

    def event(self, frame: StreamedFrame) -> tuple[str, float] | None:
        """Emotion and strength in [0, 1] where another emotion begins with this frame, for a language model."""
        if frame.emotion == self.emotion:
            return None
        self.emotion = frame.emotion
        return frame.emotion, frame.intensity

    def _at_rest(self, last: StreamedFrame) -> list[StreamedFrame]:
        fps = self.settings.fps
        return to_rest(last, fps, max(1, int(REST_SECONDS * fps + 1e-6)))

    def _place(self, time: float) -> int:
        """The byte of the utterance's sound at a time."""
        assert self.pcm is not None
        return SAMPLE_BYTES * round(time * self.pcm.rate)

    def _steps(self, frames: list[StreamedFrame]) -> list[Step]:
        made = list[Step]()
        for frame in frames:
            end = min(self._place(frame.time + 1.0 / self.settings.fps), len(self.sound))
            made.append(Step(frame, bytes(self.sound[self.given : end])))
            self.given, self.newest = max(self.given, end), frame
        return made


def mono(data: bytes, channels: int) -> bytes:
    """The mean of interleaved channels of 16 bits."""
    if channels == 1:
        return data
    return np.frombuffer(data, "<i2").reshape(-1, channels).mean(1).astype("<i2").tobytes()


def face_message(frame: StreamedFrame) -> dict[str, Any]:
    """A frame as programs get it: weights by ARKit's names, rotation vector of the head in radians, emotion."""
    return {
        "type": "sedtalker.face",
        "time": round(frame.time, 4),
        "weights": {name: round(float(w), 3) for name, w in zip(ARKIT_52, frame.weights, strict=True)},
        "head": [round(float(angle), 4) for angle in frame.head],
        "emotion": frame.emotion,
        "intensity": round(frame.intensity, 3),
    }
