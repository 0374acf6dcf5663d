"""``sedtalker diarize --stream``: the track while it is being spoken, from a file or a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sedtalker.emotion.stream import DiarizerStream, StreamFrames

PIPE = Path("-")


def diarize_stream(
    source: Path,
    as_json: bool,
    look_ahead: float,
    model: str | None,
    enrolled: Sequence[Path],
    device: str,
    longest: float,
) -> None:
    """Print what the stream says as soon as it is final: segments as they end, or a JSON line every 0.32 s."""
    from sedtalker.audio import load_audio
    from sedtalker.emotion.diarizer import enrol, load_diarizer
    from sedtalker.emotion.stream import DiarizerStream
    from sedtalker.speech.encoder import encode, load_encoder

    if model is not None and not Path(model).is_dir():
        raise InputError(f"--model {model}: a checkpoint folder is needed with --stream")
    diarizer = load_diarizer(None if model is None else Path(model)).to(device)
    if diarizer.config.backbone is not None:
        raise InputError(f"--model {model} hears through {diarizer.config.backbone.name}, which cannot stream")
    encoder = load_encoder().to(device)
    voice = enrol(diarizer, (encode(encoder, load_audio(path)) for path in enrolled)) if enrolled else None
    stream = DiarizerStream(diarizer, encoder, look_ahead, voice=voice)
    frames = _final_frames(stream, sound_pieces(source, longest))
    lines = _json_lines(frames, diarizer.config.labels) if as_json else _segment_lines(frames, diarizer.config.labels)
    try:
        for line in lines:
            print(line, flush=True)
    except BrokenPipeError:
        # the reader has gone; keep Python from failing again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def sound_pieces(source: Path, longest: float) -> Iterator[NDArray[np.float32]]:
    """A file at once, a pipe as it comes."""
    from sedtalker.audio import load_audio
    from sedtalker.audio.pipe import pipe_samples

    if source == PIPE:
        yield from pipe_samples(sys.stdin.buffer)
    else:
        yield load_audio(source, longest).samples


def _final_frames(stream: DiarizerStream, sound: Iterable[NDArray[np.float32]]) -> Iterator[StreamFrames]:
    """Frames as they become final, a hop at a time; Ctrl-C ends the sound."""
    from sedtalker.emotion.stream import FRAME_LENGTH

    step = stream.hop * FRAME_LENGTH
    try:
        for samples in sound:
            for start in range(0, len(samples), step):
                yield stream.push(samples[start : start + step])
    except KeyboardInterrupt:
        pass
    yield stream.flush()


def _segment_lines(frames: Iterable[StreamFrames], labels: tuple[str, ...]) -> Iterator[str]:
    from sedtalker.emotion.live_segmentation import EndedSegments
    from sedtalker.speech.features import FRAME_CLOCK

    ended = EndedSegments(labels, FRAME_CLOCK.rate)
    yield f"{'start':>8}{'end':>9}  {'emotion':<9}{'intensity':>10}{'confidence':>12}"
    for now in frames:
        for s in ended.push(now.label, now.posterior, now.intensity, now.speech):
            yield f"{s.start:8.2f}{s.end:9.2f}  {s.label:<9}{s.intensity:10.2f}{s.confidence:12.2f}"
    for s in ended.end():
        yield f"{s.start:8.2f}{s.end:9.2f}  {s.label:<9}{s.intensity:10.2f}{s.confidence:12.2f}"


def _json_lines(frames: Iterable[StreamFrames], labels: tuple[str, ...]) -> Iterator[str]:
    """One line for each stretch of a hop or less."""
    from sedtalker.emotion.stream import HOP_SECONDS
    from sedtalker.speech.features import FRAME_CLOCK

    step = round(HOP_SECONDS * FRAME_CLOCK.rate)
    for now in frames:
        for first in range(0, len(now.times), step):
            yield json.dumps(_summary(now.part(slice(first, first + step)), labels), ensure_ascii=False)


def _summary(now: StreamFrames, labels: tuple[str, ...]) -> dict[str, Any]:
    """Means over the stretch: over its speech where there is some."""
    import numpy as np

    from sedtalker.emotion.circumplex import valence_arousal

    heard = now.speech if now.speech.any() else np.ones_like(now.speech)
    posterior, intensity = now.posterior[heard].mean(0), now.intensity[heard].mean()
    valence, arousal = valence_arousal(posterior[None], np.array([intensity]), labels)
    counts = np.bincount(now.label, minlength=len(labels))
    return {
        "start": round(float(now.times[0]) - 0.01, 2),
        "end": round(float(now.times[-1]) + 0.01, 2),
        "speech": bool(now.speech.mean() >= 0.5),
        "emotion": labels[int(counts.argmax())],
        "intensity": round(float(intensity), 3),
        "valence": round(float(valence[0]), 3),
        "arousal": round(float(arousal[0]), 3),
        "posterior": {label: round(float(p), 3) for label, p in zip(labels, posterior, strict=True)},
    }
