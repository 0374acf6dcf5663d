"""Streams, and a batch of recordings at once. Run by ``isolated``, a process each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.animator import Animator
from sedtalker.animation.decoder import Decoder
from sedtalker.animation.performance import StreamSettings
from sedtalker.audio import SAMPLE_RATE
from sedtalker.benchmark.machine import peak_memory
from sedtalker.benchmark.speech import speech_like

PIECE = 0.08
"""Seconds of sound that a stream is given at a time."""
SETTLING = 25
"""Pieces at the beginning that are not counted: what is made once is made there."""


def measure_stream(seconds: float) -> dict[str, Any]:
    """The face while somebody speaks, on one thread, as fast as it goes.

    Returns:
        ``piece_ms``: mean, median, 95th percentile and greatest compute for 80 ms of sound; ``first_frame_s``: seconds
        of sound that had to be there before the first frame came, and ``first_frame_compute_ms`` spent until then.
    """
    animator = Animator.from_pretrained("streaming")
    _ = animator.diarizer
    samples = speech_like(seconds)
    pulled: list[float] = []
    first: tuple[int, float] | None = None

    def pieces() -> Iterator[NDArray[np.floating]]:
        step = round(PIECE * SAMPLE_RATE)
        for start in range(0, len(samples), step):
            pulled.append(time.process_time())
            yield samples[start : start + step]

    count = 0
    for _frame in animator.stream(pieces(), StreamSettings()):
        if first is None:
            first = len(pulled), time.process_time()
        count += 1
    spent = 1e3 * np.diff(pulled)[SETTLING:]
    assert first is not None
    return {
        "seconds": seconds,
        "frames": count,
        "piece_ms": {
            "mean": float(spent.mean()),
            "median": float(np.median(spent)),
            "p95": float(np.quantile(spent, 0.95)),
            "most": float(spent.max()),
        },
        "first_frame_s": first[0] * PIECE,
        "first_frame_compute_ms": 1e3 * (first[1] - pulled[0]),
        "peak_bytes": peak_memory(),
    }


def decoder_throughput(batch: int, seconds: float, device: str) -> dict[str, float]:
    """Decoder frames a second of a batch of recordings at once, random input, no gradients."""
    import torch

    animator = Animator.from_pretrained("streaming", device=device)
    decoder = animator.decoder
    assert isinstance(decoder, Decoder)
    frames = round(seconds * 50)
    generator = torch.Generator().manual_seed(0)
    speech = torch.randn(batch, frames, decoder.speech.in_features, generator=generator).to(device)
    posterior = torch.full((batch, frames, 7), 1 / 7, device=device)
    intensity = torch.full((batch, frames), 0.5, device=device)
    style = torch.zeros(batch, len(decoder.styles), device=device)
    with torch.no_grad():
        for repeat in range(2):
            if repeat:
                _wait(device)
                began = time.perf_counter()
            decoder(speech, posterior, intensity, style)
        _wait(device)
    took = time.perf_counter() - began
    return {"batch": batch, "frames": frames, "seconds": took, "frames_a_second": batch * frames / took}


def _wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
