"""One recording through every stage: seconds of each, and the memory of all. Run by ``isolated``, a process each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measures.machine import Stopwatch, peak_memory, speech_like, write_speech
from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator
from sedtalker.animation.conditioning import Style
from sedtalker.animation.performance import Motion, StreamSettings
from sedtalker.animation.recipe import Moved, assemble, drawn_of
from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.errors import InputError
from sedtalker.export.formats import export
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.nn import torch_threads
from sedtalker.nn.engine import open_model
from sedtalker.speech.features import analyse
from sedtalker.storage import temporary_folder

ANALYSIS = ("diarizer's encoder", "diarizer", "speech encoder", "decoder", "head and eyes")
"""Stages from sound in memory to an animation: what ``rt_diarize_decode`` counts."""


def measure_pipeline(seconds: float, threads: int, formats: Sequence[str] = ("npz", "glb")) -> dict[str, Any]:
    """A recording from the file to exported files, without the video.

    Args:
        seconds: of the recording.
        threads: of torch; those of other libraries are set by ``isolated``.
        formats: names of ``sedtalker export``.

    Returns:
        ``length``, ``threads``, ``opening`` (seconds of what happens once, such as opening weights), ``stages`` and
        ``peak_bytes``, the most memory that all of it took.
    """
    watch = Stopwatch()
    began = time.perf_counter()
    animator, face = Animator.from_pretrained(), Face.builtin()
    diarizer = animator.diarizer
    with temporary_folder() as folder, torch_threads(threads):
        short = animator(speech_like(1.0), SAMPLE_RATE, face=face)
        for name in formats:
            export(short, folder / f"short.{name}", name)
        opening = time.perf_counter() - began
        path = write_speech(folder / "speech.wav", seconds)
        with watch.stage("reading the audio"):
            sound = load_audio(path, seconds + 1.0)
        with watch.stage("log-mels and prosody, alone"):
            analyse(sound.samples)
        with watch.stage("diarizer's encoder"):
            own = diarizer.encoder(sound)
        with watch.stage("diarizer"):
            track = diarizer.track(sound, own)
        del own
        with watch.stage("speech encoder"):
            features = animator.encoder(sound)
        with watch.stage("decoder"):
            motion = animator.decoder.predict(features, track, Style())
        with watch.stage("head and eyes"):
            shapes = animator.decoder.shapes
            drawn = drawn_of(features, Motion(), sound.duration)
            animation = assemble(Moved(motion, shapes, features, track), drawn, Motion(), face)
        del features, motion
        for name in formats:
            with watch.stage(f"writing {name}"):
                export(animation, folder / f"speech.{name}", name)
    return {
        "length": seconds,
        "threads": threads,
        "frames": len(animation),
        "opening": opening,
        "stages": watch.times,
        "peak_bytes": peak_memory(),
    }


def measure_video(frames: int, threads: int, mesh: Mesh | None, size: int = 512) -> dict[str, Any]:
    """Video frames a second, at 30 frames a second of the animation; the first frames, which compile, are not counted.

    Args:
        frames: how many are counted.
        threads: of torch; those of other libraries are set by ``isolated``.
        mesh: a head to be animated; None: the built-in face.
        size: width and height, pixels.
    """
    animation = _moving(frames, threads, mesh)
    with temporary_folder() as folder:
        warm = replace(
            animation,
            coefficients=animation.coefficients[:2],
            head_rotation=animation.head_rotation[:2],
            track=None,
        )
        warm.render(folder / "warm.mp4", size=size)
        began, cpu = time.perf_counter(), time.process_time()
        animation.render(folder / "video.mp4", size=size)
        took = time.perf_counter() - began
        return {
            "frames": frames,
            "threads": threads,
            "size": size,
            "vertices": len(animation.face.mesh.vertices),
            "seconds": took,
            "cpu_seconds": time.process_time() - cpu,
            "frames_a_second": frames / took,
            "peak_bytes": peak_memory(),
        }


def _moving(frames: int, threads: int, mesh: Mesh | None) -> Animation:
    """So many frames of a talking face."""
    face = Face.builtin() if mesh is None else Face.from_mesh(mesh)
    with torch_threads(threads):
        animation = Animator.from_pretrained()(speech_like(frames / 30.0 + 0.05), SAMPLE_RATE, face=face)
    return replace(
        animation,
        coefficients=animation.coefficients[:frames],
        head_rotation=animation.head_rotation[:frames],
        track=None,
    )


def measure_registration(threads: int) -> dict[str, Any]:
    """A head of a topology of its own becomes a face: the built-in one, coarser and in triangles, as if never seen."""
    from sedtalker.face.registration.register import register
    from sedtalker.face.sources import builtin_face

    source = builtin_face(None, None)
    mesh = _triangles(source.mesh)
    watch = Stopwatch()
    with torch_threads(threads), watch.stage("registration"):
        register(mesh, source, "head")
    return {
        "vertices": len(mesh.vertices),
        "threads": threads,
        **watch.times["registration"],
        "peak_bytes": peak_memory(),
    }


def _triangles(mesh: Mesh) -> Mesh:
    """Its triangles over vertices in another order."""
    order = np.random.default_rng(0).permutation(len(mesh.vertices))
    place = np.argsort(order)
    corners = place[mesh.triangles].astype(np.int32)
    return Mesh(
        vertices=mesh.vertices[order],
        polygon_sizes=np.full(len(corners), 3, np.int32),
        polygon_vertices=corners.reshape(-1),
    )


COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "diarize": ("diarize", "CLIP", "--json"),
    "animate": ("animate", "CLIP", "--no-video", "-q", "--force", "-o", "OUT"),
}
"""What is run; CLIP is three seconds of sound, OUT a folder."""


def measure_start(runs: int = 2) -> dict[str, dict[str, Any]]:
    """Seconds and CPU seconds of each command, the least of so many runs after one that is not counted."""
    with temporary_folder() as folder:
        clip = write_speech(folder / "clip.wav", 3.0)
        words = {"CLIP": str(clip), "OUT": str(folder / "out")}
        # Python keeps compiled modules between runs, also where the environment says not to
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        measured = {}
        for name, arguments in COMMANDS.items():
            command = [sys.executable, "-P", "-m", "sedtalker", *(words.get(word, word) for word in arguments)]
            timed = [time_command(command, environment) for _ in range(1 + runs)]
            measured[name] = {
                "seconds": min(seconds for seconds, _ in timed[1:]),
                "cpu_seconds": min(cpu for _, cpu in timed[1:]),
                "first_seconds": timed[0][0],
                "runs": runs,
            }
        return measured


def time_command(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds and CPU seconds of a program in an environment.

    Raises:
        InputError: it fails.
    """
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, env=environment
    )
    took, after = time.perf_counter() - began, os.times()
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise InputError(f"{' '.join(command[1:4])} …: {last[0]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return took, cpu


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
    animator = Animator.from_pretrained()
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

    decoder = open_model("decoder", in_torch=True).to(device)
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
