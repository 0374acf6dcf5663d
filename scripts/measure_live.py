"""Measures a live session: how evenly it sends, whether it drifts, what it costs, and whether memory grows.

    python scripts/measure_live.py [--seconds 60] [--soak 3600] [--emotion happy:0.8]

The pace is that of a real session to a UDP socket of this process; a soak streams so many seconds of speech as fast as
they are decoded. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.animation.animation_stream import AnimationStream
from sedtalker.animation.animator import Animator
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.live.livelink import LiveLinkSender
from sedtalker.live.senders import Target
from sedtalker.live.session import play_live

SAMPLE = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
"""The speech that is spoken again and again."""
PIECE = round(0.02 * SAMPLE_RATE)
"""Samples that come at once, as from a sound card."""
WARM_SECONDS = 120.0
"""Seconds of a soak after which memory should not grow."""


def fresh(animator: Animator, emotion: str | None) -> AnimationStream:
    """A stream with the usual settings."""
    settings = StreamSettings(emotion=emotion)
    return animator.open_stream(settings)


def pace(animator: Animator, emotion: str | None, samples: NDArray[np.float32], seconds: float) -> dict[str, float]:
    """A real session over UDP: rate, drift and jitter of the packets that arrive."""
    arrivals: list[float] = []
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(5.0)

    def receive() -> None:
        try:
            while receiver.recv(4096):
                arrivals.append(time.monotonic())
        except OSError:
            return

    def spoken() -> Iterator[NDArray[np.float32]]:
        began, rounds = time.monotonic(), np.resize(samples, round(seconds * SAMPLE_RATE))
        for start in range(0, len(rounds), PIECE):
            time.sleep(max(0.0, began + (start + PIECE) / SAMPLE_RATE - time.monotonic()))
            yield rounds[start : start + PIECE]

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    sender = LiveLinkSender(Target("livelink", "127.0.0.1", receiver.getsockname()[1], {}), 60.0)
    made = play_live(spoken(), fresh(animator, emotion), [sender])
    receiver.close()
    thread.join(1.0)
    times = np.array(arrivals[60:-20])
    beats = (times - times[0]) * 60.0
    off = 1000.0 * (beats - beats.round()) / 60.0
    whole = len(times) // 2
    return {
        "seconds": made.seconds,
        "sent": made.sent,
        "left_out": made.missed,
        "rate_hz": (made.sent + made.missed - 1) / made.seconds,
        "sent_hz": made.rate,
        "off_beat_ms_p50": float(np.median(np.abs(off))),
        "off_beat_ms_p99": float(np.percentile(np.abs(off), 99)),
        "drift_ms": float(np.median(off[whole:]) - np.median(off[:whole])),
    }


def soak(animator: Animator, emotion: str | None, samples: NDArray[np.float32], seconds: float) -> dict[str, float]:
    """Seconds of speech as fast as they are decoded: CPU time for 80 ms of sound, and growth of memory."""
    stream = fresh(animator, emotion)
    step = round(stream.settings.hop * SAMPLE_RATE)
    hops, warm = round(seconds * SAMPLE_RATE) // step, 0.0
    took, lips = np.zeros(hops), np.zeros(hops)
    for k in range(hops):
        piece = np.take(samples, np.arange(k * step, (k + 1) * step), mode="wrap")
        began = ready = time.process_time()
        for _ in stream.push(piece):
            ready = time.process_time()
        took[k] = 1000.0 * (time.process_time() - began)
        lips[k] = 1000.0 * (ready - began)
        if (k + 1) * step <= min(WARM_SECONDS, 0.3 * seconds) * SAMPLE_RATE:
            warm = resident()
    return {
        "seconds": seconds,
        "cpu_ms_per_80ms": float(np.mean(took)),
        "cpu_ms_per_80ms_p95": float(np.percentile(took, 95)),
        "cpu_ms_until_lips": float(np.mean(lips)),
        "cpu_ms_until_lips_p95": float(np.percentile(lips, 95)),
        "memory_growth_mb": resident() - warm,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def resident() -> float:
    """Megabytes in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def arithmetic() -> float:
    """CPU milliseconds of 100 products of 256 x 256 matrices, to compare machines and their load."""
    x = torch.randn(256, 256)
    began = time.process_time()
    for _ in range(100):
        x = torch.nn.functional.normalize(x @ x)
    return 1000.0 * (time.process_time() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the real session; 0: none")
    parser.add_argument("--soak", type=float, default=300.0, help="seconds of speech, as fast as it goes; 0: none")
    parser.add_argument("--emotion", help="shown instead of what is recognised")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    animator, samples = Animator.from_pretrained(), load_audio(SAMPLE).samples
    found: dict[str, object] = {"load": os.getloadavg()[0], "cores": os.cpu_count(), "arithmetic_ms": arithmetic()}
    if arguments.seconds:
        found["pace"] = pace(animator, arguments.emotion, samples, arguments.seconds)
    if arguments.soak:
        found["soak"] = soak(animator, arguments.emotion, samples, arguments.soak)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
