"""How fast the diarizer is on one CPU core, what memory an hour takes, and what streaming costs in accuracy."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.diarizer_model import EmotionModel
from sedtalker.emotion.emotion_stream import DiarizerStream, streamed_speech
from sedtalker.emotion.inference import FrameEmotions, TrackRule, frame_emotions, shown_frames
from sedtalker.emotion.segmentation import LiveSegmentation, decode_labels
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import MelEncoder, open_trained_encoder
from sedtalker.speech.features import FRAME_CLOCK, FRAME_LENGTH
from sedtalker.speech.speech_stream import EncoderStream, StreamedFeatures
from sedtalker.storage import temporary_folder
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.clips import clip_posterior, joined_test_recordings, recording_metrics

logger = logging.getLogger(__name__)

FORMATS = {"": (SAMPLE_RATE, 1), "_48k_stereo": (48_000, 2)}
"""Rate and channels of the recordings by the ending of their metrics."""
STARTER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Starts a command and prints its exit code, processor seconds and greatest resident memory."""


def evaluate_speed(data: Path, hours: float = 1.0, hook: Hook = no_progress) -> dict[str, float]:
    """``sedtalker diarize FILE --json`` as a process of its own with one thread, on ravdess's test clips in a row.

    ``real_time``: seconds of audio for each second of processor time, start of Python and loading of weights included;
    ``peak_rss_gb``: its greatest resident memory, 10^9 bytes. ``_48k_stereo``: the same sound as a 48 kHz stereo
    recording. Processor time rather than the clock's, so that other work on the machine does not count.

    Raises:
        InputError: the command failed, or the system does not say what a process took.
    """
    if sys.platform == "win32":
        raise InputError("the speed is measured on Linux and macOS: Windows does not say what a process took")
    clips = [c for c in read_manifest(data) if c.corpus == "ravdess" and c.split == "test"]
    metrics: dict[str, float] = {}
    for ending, (rate, channels) in counted(list(FORMATS.items()), hook, "diarizing a long recording", len(FORMATS)):
        with temporary_folder() as folder:
            path = folder / "speech.wav"
            write_speech((load_audio(c.path).samples for c in cycle(clips)), path, 3600 * hours, rate, channels)
            spent, peak = run_measured([sys.executable, "-P", "-m", "sedtalker", "diarize", str(path), "--json"])
        metrics |= {f"real_time{ending}": 3600 * hours / spent, f"peak_rss_gb{ending}": peak / 1e9}
        logger.info("%d Hz: %.0f times as fast as real time, %.2f GB", rate, 3600 * hours / spent, peak / 1e9)
    return metrics


def write_speech(clips: Iterator[NDArray[np.float32]], path: Path, seconds: float, rate: int, channels: int) -> None:
    """Clips at 16 kHz one after the other as a WAV file of the given length, rate and number of channels."""
    left = round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, channels) as file:
        for clip in clips:
            samples = soxr.resample(clip, SAMPLE_RATE, rate)[:left]
            file.write(np.repeat(samples[:, None], channels, axis=1))
            left -= len(samples)
            if not left:
                return


def run_measured(command: list[str]) -> tuple[float, float]:
    """Processor time (s) and greatest resident memory (bytes) of a command that is given one thread.

    A small process starts it: Linux counts the memory of whoever starts a process as the process's own.

    Raises:
        InputError: it failed.
    """
    one = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    starter = [sys.executable, "-I", "-S", "-c", STARTER, *command]
    run = subprocess.run(starter, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **one})
    code, spent, peak = map(float, run.stdout.split())
    if code:
        raise InputError(f"'{' '.join(command)}' failed with exit code {code:.0f}")
    return spent, peak * (1 if sys.platform == "darwin" else 1024)


# --- Streaming: the metrics by look-ahead.

LOOK_AHEADS = (0.25, 0.5, 1.0, 2.0, None)
"""Seconds; ``None``: offline, the whole recording is there first."""
HOP = 0.32
"""Seconds between two decisions of the stream."""


def evaluate_streaming(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    clips: int = 240,
    recordings: int = 60,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """``uar_ravdess``, ``eder7``, ``eder7_speech`` and ``boundary_f1``, each ``_<look-ahead>``, by the protocol of
    ``joined_scores`` with every frame decided as ``DiarizerStream`` decides it at a hop of 0.32 s.

    Look-aheads are 0.25, 0.5, 1 and 2 s and ``offline``, the whole recording there first (labels by ``decode_labels``).
    A quarter is 13 frames, 0.26 s. ``clips``: at most so many clips of ravdess, evenly taken;
    ``recordings``: the first of the protocol's joined recordings. The stream begins with each of them with nothing
    of its speaker enrolled. ``stream_times_real_time``: ``stream_speed`` on joined recordings one after another.

    Raises:
        InputError: the diarizer reads an encoder of the hub.
    """
    folder = checkpoint or builtin_checkpoint("diarizer")
    diarizer: EmotionModel = open_model(folder, "diarizer")
    encoder = open_trained_encoder(folder, diarizer.config)
    if not isinstance(encoder, MelEncoder):
        raise InputError(f"{checkpoint}: its encoder is of the hub and cannot stream; give another diarizer")
    every = read_manifest(data)
    scored = [c for c in every if c.corpus == "ravdess" and c.split == split and category_of(c) >= 0]
    scored = [scored[i] for i in np.unique(np.linspace(0, len(scored) - 1, min(clips, len(scored))).astype(int))]
    truth: list[int] = []
    guesses: dict[str, list[int]] = {}
    for clip in counted(scored, hook, "streaming clips", len(scored)):
        truth.append(category_of(clip))
        for name, frames, _ in streamed(diarizer, encoder, load_audio(clip.path).samples):
            guesses.setdefault(name, []).append(int(clip_posterior(frames).argmax()))
    metrics = {
        f"uar_ravdess_{name}": unweighted_average_recall(np.array(truth), np.array(guess), len(CATEGORIES))
        for name, guess in guesses.items()
    }
    joined = joined_test_recordings(every, split, recordings, None)
    by_key: dict[str, list[float]] = {}
    for made in counted(joined, hook, "streaming joined recordings", recordings):
        for name, frames, label in streamed(diarizer, encoder, made.samples):
            of = recording_metrics(made.labels.astype(np.int64), label, frames)
            for key, value in (("eder7", of[""]), ("eder7_speech", of["_speech"]), ("boundary_f1", of["boundary_f1"])):
                by_key.setdefault(f"{key}_{name}", []).append(value)
    metrics |= {key: float(np.mean(values)) for key, values in by_key.items()}
    long = [made.samples for made in joined_test_recordings(every, split, 12, None)]
    return metrics | {"stream_times_real_time": stream_speed(diarizer, encoder, np.concatenate(long))}


def stream_speed(diarizer: EmotionModel, encoder: MelEncoder, samples: NDArray[np.float32]) -> float:
    """Seconds of sound for each second of processor time on one thread, once the first half has filled the buffer."""
    threads, half = torch.get_num_threads(), len(samples) // 2
    torch.set_num_threads(1)
    try:
        stream = DiarizerStream(diarizer, encoder)
        stream.push(samples[:half])
        began = time.process_time()
        stream.push(samples[half:])
        return (len(samples) - half) / SAMPLE_RATE / (time.process_time() - began)
    finally:
        torch.set_num_threads(threads)


def streamed(
    diarizer: EmotionModel, encoder: MelEncoder, samples: NDArray[np.float32]
) -> Iterator[tuple[str, FrameEmotions, NDArray[np.int64]]]:
    """Frames (T,) and their labels of a recording at every look-ahead, from one pass of ``DiarizerStream``'s parts.

    Raises:
        ValueError: the recording is longer than what the stream keeps here, a minute.
    """
    step, frames = round(HOP * FRAME_CLOCK.rate), -(-len(samples) // FRAME_LENGTH)
    if frames > 60 * FRAME_CLOCK.rate:
        raise ValueError("recordings of at most a minute are scored here")
    encoder_stream = EncoderStream(encoder, 2 * frames)
    steps = [
        _emotions(diarizer, alone(encoder_stream.steps(samples[start : start + step * FRAME_LENGTH])))
        for start in range(0, len(samples), step * FRAME_LENGTH)
    ]
    shown = [shown_frames(now, diarizer.config.visible)[0] for now in steps]
    for seconds in LOOK_AHEADS:
        if seconds is None:
            rule, whole = TrackRule().segments, steps[-1]
            labels = decode_labels(shown[-1], FRAME_CLOCK.rate, rule, whole.speech, whole.boundary)
            yield "offline", whole, labels
            continue
        delay, final = int(np.ceil(seconds * FRAME_CLOCK.rate)), 0
        live = LiveSegmentation(len(diarizer.config.labels), FRAME_CLOCK.rate, TrackRule().segments)
        parts, decided = [], []
        for now, face in zip(steps, shown, strict=True):
            last = now is steps[-1]
            count = max(0, len(now.posterior) - (0 if last else delay) - final)
            boundary = None if now.boundary is None else now.boundary[final:]
            decided.append(live.decide(face[final:], now.speech[final:], count, last, boundary))
            new = slice(final, final + count)
            parts.append((now.posterior[new], now.intensity[new], now.speech[new]))
            final += count
        posterior, intensity, speech = (np.concatenate(column) for column in zip(*parts, strict=True))
        yield f"{seconds:g}", FrameEmotions(posterior, intensity, speech), np.concatenate(decided)


def _emotions(diarizer: EmotionModel, streamed: StreamedFeatures) -> FrameEmotions:
    """Frame emotions of the features that a stream keeps."""
    return replace(frame_emotions(diarizer, streamed.features), speech=streamed_speech(streamed))
