"""JSON lines, and a reader that stops."""

from __future__ import annotations

import json
import threading
import time

import pytest

from sedtalker.animation.articulation import TONGUE
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.senders import QUEUE, LineSender
from tests.live.conftest import frame


def test_lines_are_the_header_and_the_frames():
    lines: list[str] = []
    sender = LineSender(lines.append, 60.0)
    for k in range(3):
        sender.send(frame(k / 60.0, jawOpen=0.25))
    sender.send(frame(0.05, jawOpen=-1e-6))
    sender.close()
    assert "-0.0" not in lines[-1], "a zero has no sign"
    header, *frames = [json.loads(line) for line in lines]
    assert header == {"shapes": list(ARKIT_52), "tongue_shapes": list(TONGUE), "fps": 60.0}
    assert frames[0]["tongue"] == [0.0, 0.0, 0.0]
    assert [f["time"] for f in frames[:3]] == pytest.approx([0.0, 0.0167, 0.0333])
    assert frames[0]["weights"][ARKIT_52.index("jawOpen")] == 0.25
    assert (frames[0]["emotion"], frames[0]["intensity"]) == ("happy", 0.5)


def test_a_reader_that_stops_holds_nobody_up_and_loses_the_oldest():
    reading, lines = threading.Event(), []

    def write(line: str) -> None:
        reading.wait(5.0)
        lines.append(json.loads(line))

    sender = LineSender(write, 60.0)
    began = time.monotonic()
    for k in range(10 * QUEUE):
        sender.send(frame(float(k)))
    assert time.monotonic() - began < 5.0
    assert len(sender.lines) <= QUEUE
    reading.set()
    sender.close()
    assert lines[-1]["time"] == 10 * QUEUE - 1
    assert len(lines) <= QUEUE + 1


def test_a_reader_that_has_gone_is_reported():
    def write(line: str) -> None:
        raise BrokenPipeError

    sender = LineSender(write, 60.0)
    sender.thread.join(5.0)
    with pytest.raises(BrokenPipeError):
        sender.send(frame())
    sender.close()
