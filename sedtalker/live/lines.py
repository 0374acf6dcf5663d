"""The face as JSON lines: on stdout, and to pages and programs over a WebSocket.

The first line is ``{"shapes": [52 names], "tongue_shapes": [3 names], "fps": 60.0}``; then a line a frame, ``{"time":
seconds, "weights": [52], "tongue": [3], "head": [rotation vector, radians], "emotion": name, "intensity": 0 to 1}``.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.animation.tongue import TONGUE
from sedtalker.face.arkit import ARKIT_52

QUEUE = 120
"""Lines that may wait for a reader: two seconds."""
PATIENCE = 1.0
"""Seconds that the end waits for a reader."""


def header_line(fps: float) -> str:
    """The first line."""
    return json.dumps({"shapes": ARKIT_52, "tongue_shapes": TONGUE, "fps": fps})


def frame_line(frame: StreamedFrame) -> str:
    """The line of a frame."""
    return json.dumps(
        {
            "time": round(frame.time, 4),
            "weights": _short(frame.weights),
            "tongue": _short(frame.tongue),
            "head": _short(frame.head),
            "emotion": frame.emotion,
            "intensity": round(frame.intensity, 3),
        }
    )


class LineSender:
    """Writes lines in a thread of its own: a reader that stops holds nobody up, and loses the oldest frames.

    Args:
        write: takes a line without its end; ``BrokenPipeError`` says that nobody reads any more.
        fps: of the frames.
    """

    def __init__(self, write: Callable[[str], None], fps: float):
        self.write = write
        self.lines: deque[str] = deque([header_line(fps)], maxlen=QUEUE)
        self.changed = threading.Condition()
        self.ended = False
        self.error: OSError | None = None
        self.thread = threading.Thread(target=self._run, name="live-lines", daemon=True)
        self.thread.start()

    def send(self, frame: StreamedFrame) -> None:
        """See ``Sender``.

        Raises:
            OSError: what writing raised.
        """
        if self.error is not None:
            raise self.error
        with self.changed:
            self.lines.append(frame_line(frame))
            self.changed.notify()

    def close(self) -> None:
        """See ``Sender``: what waits is written, if somebody reads."""
        with self.changed:
            self.ended = True
            self.changed.notify()
        self.thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            while (line := self._next()) is not None:
                self.write(line)
        except OSError as error:
            self.error = error

    def _next(self) -> str | None:
        with self.changed:
            while not self.lines and not self.ended:
                self.changed.wait()
            return self.lines.popleft() if self.lines else None


def _short(values: Iterable[float]) -> list[float]:
    """Four digits of each; a zero has no sign."""
    return [round(float(value), 4) + 0.0 for value in values]
