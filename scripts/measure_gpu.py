"""What a GPU gives: equality of the scans, decoder frames a second, many streams at once, EGL, a training step.

    python scripts/measure_gpu.py [--device cuda] [--json FILE]

Everything that needs what is not there (a GPU, ``mamba_ssm``, EGL) is skipped and says so; the rest runs on the CPU
too, so that the script itself can be tried anywhere. docs/speed.md says how to set a machine up.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measures.machine import machine, speech_like
from measures.stages import decoder_throughput
from torch import Tensor

from sedtalker import Animator, Face
from sedtalker.audio import SAMPLE_RATE
from sedtalker.errors import InputError
from sedtalker.nn import mamba
from sedtalker.nn.engine import open_model

TOLERANCES = {"float32": 1e-4, "bfloat16": 1e-2}
"""Relative to the largest value."""
BATCHES = (1, 8, 64)
"""Recordings at once; the published system is said to do 600 to 800 frames a second on an RTX 3090."""
SECONDS = 10.0
"""Length of each recording."""


def main() -> None:
    """Measure what can be measured here and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device: str = arguments.device
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"
    report: dict[str, Any] = {"machine": machine(), "device": name}
    for part, measure in PARTS.items():
        report[part] = measure(device)
        print(part, json.dumps(report[part]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


# --- Scans.


def scan_inputs(device: str, dtype: torch.dtype, length: int = 500) -> list[Tensor]:
    """u, delta, A, B, C, D and z of two recordings; all but A in ``dtype``."""
    g = torch.Generator().manual_seed(0)
    channels, states = 256, 8

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    delta = torch.nn.functional.softplus(draw(2, channels, length) - 3.0)
    values = [draw(2, channels, length), delta, -torch.exp(draw(channels, states)), draw(2, states, length)]
    values += [draw(2, states, length), draw(channels), draw(2, channels, length)]
    return [v.to(device, torch.float32 if k in (2, 5) else dtype).requires_grad_() for k, v in enumerate(values)]


@contextmanager
def without_kernel() -> Iterator[None]:
    """The scan in plain torch although ``mamba_ssm`` is there."""
    kept = mamba.cuda_kernel
    mamba.cuda_kernel = lambda: None  # type: ignore[assignment]
    try:
        yield
    finally:
        mamba.cuda_kernel = kept


def outputs_and_gradients(values: list[Tensor]) -> list[Tensor]:
    """What a scan gives, and the gradient of its sum at each input."""
    y, _ = mamba.selective_scan(*values)
    gradients = torch.autograd.grad((y * torch.linspace(-1, 1, y.shape[-1], device=y.device)).sum(), values)
    return [y.detach(), *gradients]


def scans_are_equal(device: str) -> dict[str, Any]:
    """``mamba_ssm``'s kernel against ours, output and gradients; on the CPU the compiled scan against plain torch."""
    if device.startswith("cuda") and mamba.cuda_kernel() is None:
        return {"skipped": "mamba_ssm cannot be imported: pip install 'sedtalker[cuda]'"}
    rows: dict[str, Any] = {}
    for name, most in TOLERANCES.items():
        if not device.startswith("cuda") and name != "float32":
            rows[name] = {"skipped": "half precision is for GPUs"}
            continue
        values = scan_inputs(device, getattr(torch, name))
        fast = outputs_and_gradients(values)
        plain = scan_inputs(device, torch.float64)  # without a compiled scan, and more exact than both
        with without_kernel():
            right = outputs_and_gradients(plain)
        pairs = zip(fast, right, strict=True)
        errors = [float((a.double() - b).abs().max() / b.abs().max().clamp_min(1e-12)) for a, b in pairs]
        rows[name] = {"output": errors[0], "gradients": max(errors[1:]), "most": most, "equal": max(errors) <= most}
    return rows


# --- Decoders.


def decoder_frames(device: str) -> dict[str, Any]:
    """Frames a second of batches of recordings, with the kernel and without it."""
    seconds = SECONDS if device.startswith("cuda") else 2.0
    batches = BATCHES if device.startswith("cuda") else BATCHES[:2]
    rows: dict[str, Any] = {"plain": [], "kernel": []}
    with without_kernel():
        rows["plain"] = [decoder_throughput(batch, seconds, device) for batch in batches]
    if device.startswith("cuda") and mamba.cuda_kernel() is not None:
        rows["kernel"] = [decoder_throughput(batch, seconds, device) for batch in batches]
    else:
        rows["kernel"] = {"skipped": "mamba_ssm or a GPU is missing"}
    return rows


def training_step(device: str, batch: int = 16, frames: int = 200) -> dict[str, float]:
    """Seconds of a training step of the decoder on random input, the first left out."""
    decoder = open_model("decoder", in_torch=True, device=device).train().requires_grad_()
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=1e-4)
    g = torch.Generator().manual_seed(0)
    batch = batch if device.startswith("cuda") else 2
    speech = torch.randn(batch, frames, decoder.speech.in_features, generator=g).to(device)
    posterior = torch.full((batch, frames, 7), 1 / 7, device=device)
    intensity = torch.full((batch, frames), 0.5, device=device)
    style = torch.zeros(batch, len(decoder.styles), device=device)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        loss = decoder(speech, posterior, intensity, style).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # waits for the device
        times.append(time.perf_counter() - began)
    return {"batch": float(batch), "frames": float(frames), "seconds": min(times[1:])}


# --- The whole job.


def whole_recording(device: str) -> dict[str, Any]:
    """Sound to motion, on the processor (onnxruntime) and on the device (torch): times, and how far they are apart."""
    minutes = 10.0 if device.startswith("cuda") else 0.1
    sound, rows = speech_like(60 * minutes), {}
    made = {}
    for name in dict.fromkeys(("cpu", device)):
        animator = Animator.from_pretrained(device=name)
        animator(sound[: 2 * SAMPLE_RATE], SAMPLE_RATE, face=Face.builtin())
        began = time.perf_counter()
        made[name] = animator(sound, SAMPLE_RATE, face=Face.builtin())
        rows[name] = {"times_real_time": 60 * minutes / (time.perf_counter() - began)}
    first, last = made["cpu"], made[device]
    assert first.track is not None
    assert last.track is not None
    rows["largest_difference"] = {
        "coefficients": float(np.abs(first.coefficients - last.coefficients).max()),
        "posterior": float(np.abs(first.track.posterior - last.track.posterior).max()),
    }
    return rows


# --- Pictures.


def egl_frames(device: str, frames: int = 150) -> dict[str, Any]:
    """Video frames a second of pyrender on the GPU, 512 × 512."""
    if not device.startswith("cuda"):
        return {"skipped": "no GPU: EGL would draw in software"}
    animation = Animator.from_pretrained()(speech_like(frames / 30 + 0.05), 16_000, face=Face.builtin())
    rows = {"coefficients": animation.coefficients[:frames], "head_rotation": animation.head_rotation[:frames]}
    animation = replace(animation, **rows, track=None)
    try:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            animation.render(Path(folder) / "video.mp4", backend="pyrender")
            return {"frames_a_second": frames / (time.perf_counter() - began)}
    except InputError as error:
        return {"skipped": str(error)}


PARTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "scans": scans_are_equal,
    "decoder": decoder_frames,
    "training": training_step,
    "recording": whole_recording,
    "egl": egl_frames,
}
"""What is measured, in this order."""

if __name__ == "__main__":
    main()
