"""What streaming costs: the diarizer's figures when it hears only a little ahead of what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.emotion.diarizer import FrameEmotions, TrackRule, load_diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.stream import FRAME_LENGTH, DiarizerStream, LiveSegmentation, emotions_heard
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import unweighted_average_recall
from sedtalker.speech.encoder import SpeechEncoder, load_encoder
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.speech.stream import Listener
from sedtalker.training.corpora.emotion_speech import clip_labels
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.clips import clip_posterior
from sedtalker.training.evaluation.joined import joined_test_recordings, recording_figures

LOOK_AHEADS = (0.25, 0.5, 1.0, 2.0, None)
"""Seconds; ``None``: the whole recording is heard first."""
HOP = 0.32


def evaluate_streaming(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    clips: int = 240,
    recordings: int = 60,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """``uar_ravdess``, ``eder7``, ``eder7_speech`` and ``boundary_f1``, each ``_<look-ahead>``, by the protocol of
    ``evaluate_diarizer`` with every frame said as ``DiarizerStream`` says it at a hop of 0.32 s.

    Look-aheads are 0.25, 0.5, 1 and 2 s and ``offline``, the whole recording heard first (labels by ``decode_labels``).
    A quarter is 13 frames, 0.26 s. ``clips``: at most so many clips of ravdess, evenly taken;
    ``recordings``: the first of the protocol's joined recordings. The stream begins with each of them and knows nothing
    of its speaker before. ``stream_times_real_time``: ``stream_speed`` on joined recordings one after another.
    """
    diarizer, encoder = load_diarizer(checkpoint), load_encoder()
    every = read_manifest(data)
    scored = [c for c in every if c.corpus == "ravdess" and c.split == split and clip_labels(c) is not None]
    scored = [scored[i] for i in np.unique(np.linspace(0, len(scored) - 1, min(clips, len(scored))).astype(int))]
    truth: list[int] = []
    guesses: dict[str, list[int]] = {}
    for number, clip in enumerate(scored):
        labels = clip_labels(clip)
        assert labels is not None
        truth.append(labels[0])
        for name, frames, _ in streamed(diarizer, encoder, load_audio(clip.path).samples):
            guesses.setdefault(name, []).append(int(clip_posterior(frames).argmax()))
        if number % 50 == 49:
            report(f"{number + 1} of {len(scored)} clips")
    figures = {
        f"uar_ravdess_{name}": unweighted_average_recall(np.array(truth), np.array(guess), len(CATEGORIES))
        for name, guess in guesses.items()
    }
    rows: dict[str, list[float]] = {}
    for number, made in enumerate(joined_test_recordings(every, split, recordings, None)):
        for name, frames, label in streamed(diarizer, encoder, made.samples):
            of = recording_figures(made.labels.astype(np.int64), label, frames)
            for key, value in (("eder7", of[""]), ("eder7_speech", of["_speech"]), ("boundary_f1", of["boundary_f1"])):
                rows.setdefault(f"{key}_{name}", []).append(value)
        if number % 20 == 19:
            report(f"{number + 1} of {recordings} joined recordings")
    figures |= {key: float(np.mean(values)) for key, values in rows.items()}
    long = [made.samples for made in joined_test_recordings(every, split, 12, None)]
    return figures | {"stream_times_real_time": stream_speed(diarizer, encoder, np.concatenate(long))}


def stream_speed(diarizer: DiarizerNetwork, encoder: SpeechEncoder, samples: NDArray[np.float32]) -> float:
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
    diarizer: DiarizerNetwork, encoder: SpeechEncoder, samples: NDArray[np.float32]
) -> Iterator[tuple[str, FrameEmotions, NDArray[np.int64]]]:
    """Frames (T,) and their labels of a recording at every look-ahead, from one pass of ``DiarizerStream``'s parts.

    Raises:
        ValueError: the recording is longer than what a listener keeps here, a minute.
    """
    step, frames = round(HOP * FRAME_CLOCK.rate), -(-len(samples) // FRAME_LENGTH)
    if frames > 60 * FRAME_CLOCK.rate:
        raise ValueError("recordings of at most a minute are scored here")
    listener = Listener(encoder, 2 * frames)
    steps = [
        emotions_heard(diarizer, listener.hear(samples[start : start + step * FRAME_LENGTH]))
        for start in range(0, len(samples), step * FRAME_LENGTH)
    ]
    for seconds in LOOK_AHEADS:
        if seconds is None:
            rule, whole = TrackRule().segments, steps[-1]
            labels = decode_labels(whole.posterior, FRAME_CLOCK.rate, rule, whole.speech, whole.boundary)
            yield "offline", whole, labels
            continue
        delay, final = int(np.ceil(seconds * FRAME_CLOCK.rate)), 0
        live = LiveSegmentation(len(diarizer.config.labels), FRAME_CLOCK.rate, TrackRule().segments)
        parts, decided = [], []
        for now in steps:
            last = now is steps[-1]
            count = max(0, len(now.posterior) - (0 if last else delay) - final)
            boundary = None if now.boundary is None else now.boundary[final:]
            decided.append(live.decide(now.posterior[final:], now.speech[final:], count, last, boundary))
            new = slice(final, final + count)
            parts.append((now.posterior[new], now.intensity[new], now.speech[new]))
            final += count
        posterior, intensity, speech = (np.concatenate(column) for column in zip(*parts, strict=True))
        yield f"{seconds:g}", FrameEmotions(posterior, intensity, speech), np.concatenate(decided)
