"""One recording through every stage: seconds of each, and the memory of all. Run by ``isolated``, a process each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator
from sedtalker.animation.conditioning import Style
from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import Moved, assemble
from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.benchmark.machine import Stopwatch, peak_memory
from sedtalker.benchmark.speech import speech_like, write_speech
from sedtalker.export.formats import export
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.nn import torch_threads
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
            analyse(torch.from_numpy(sound.samples))
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
            animation = assemble(Moved(motion, shapes, features, track), Motion(), face, duration=sound.duration)
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
