"""How fast the diarizer is on one CPU core, and how much memory an hour of audio takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sedtalker.animation.pretrained import load_decoder
from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_builtin
from sedtalker.face.face import Face
from sedtalker.speech.encoder import load_encoder
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.control import Spoken, constant_track, evaluate_control
from sedtalker.training.evaluation.expressions import expression_figures
from sedtalker.training.evaluation.lips import (
    HeardClip,
    evaluate_voices,
    hear_test,
    lip_figures,
    unseen_figures,
    with_pictures,
)
from sedtalker.training.evaluation.open4d import HeardTake, evaluate_open4d, hear_takes
from sedtalker.training.motion.lip_gauge import LipGauge, measure_lips
from sedtalker.training.motion.open4d_build import read_parts
from sedtalker.training.run import cache_folder

FORMATS = {"": (SAMPLE_RATE, 1), "_48k_stereo": (48_000, 2)}
"""Rate and channels of the recordings by the ending of their figures."""
STARTER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def evaluate_speed(
    data: Path, hours: float = 1.0, report: Callable[[str], None] = lambda line: None
) -> dict[str, float]:
    """``sedtalker diarize FILE --json`` as a process of its own with one thread, on ravdess's test clips in a row.

    ``real_time``: seconds of audio for each second of processor time, start of Python and loading of weights included;
    ``peak_rss_gb``: its greatest resident memory, 10^9 bytes. ``_48k_stereo``: the same sound as a 48 kHz stereo
    recording. Processor time rather than the clock's, so that other work on the machine does not count.

    Raises:
        InputError: the command failed.
    """
    clips = [c for c in read_manifest(data) if c.corpus == "ravdess" and c.split == "test"]
    figures: dict[str, float] = {}
    for ending, (rate, channels) in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            write_speech((load_audio(c.path).samples for c in cycle(clips)), path, 3600 * hours, rate, channels)
            spent, peak = run_measured([sys.executable, "-m", "sedtalker", "diarize", str(path), "--json"])
        figures |= {f"real_time{ending}": 3600 * hours / spent, f"peak_rss_gb{ending}": peak / 1e9}
        report(f"{rate} Hz: {3600 * hours / spent:.0f} times real time, {peak / 1e9:.2f} GB")
    return figures


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
    starter = [sys.executable, "-S", "-c", STARTER, *command]
    run = subprocess.run(starter, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **one})
    code, spent, peak = map(float, run.stdout.split())
    if code:
        raise InputError(f"'{' '.join(command)}' failed with exit code {code:.0f}")
    return spent, peak * (1 if sys.platform == "darwin" else 1024)


# --- Figures of the decoder on held-out sentences, beside a static face, shuffled audio and loudness alone.

EMOTIONAL_CLIPS = 10


def evaluate_decoder(
    data: Path,
    checkpoint: Path | None = None,
    encoder: Path | None = None,
    baselines: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """All figures on held-out sentences, with a neutral track where nothing else is said.

    ``lip_…``, ``closure_…``, ``contact_rate``: ``lip_figures`` of the clips as they were recorded; ``…_in_step``: with
    sound and picture in step (``synchrony``), as all motion of the open 4D set is; ``…_unseen``: ``unseen_figures``;
    ``…_voice_changed`` (needs pyworld) and ``…_5db``: ``evaluate_voices``; ``shift_…``, ``controllability``,
    ``closure_rate_worst_emotion``: ``expression_figures``; ``control_accuracy``, ``intensity_rho``, ``lip_leak``:
    ``evaluate_control``; ``mve_mm``, ``lve_mm2``, ``eve_mm2``, ``fdd_mm``, ``jerk_ratio`` with ``static_`` and
    ``shuffled_``: ``evaluate_open4d``.

    Args:
        data: the training data.
        checkpoint: the decoder; the built-in one if None.
        encoder: the speech encoder it was trained on.
        baselines: a folder of other decoders' checkpoints, each measured likewise (``baseline_NAME_…``);
            ``lve_vs_best_baseline`` and ``mve_vs_best_baseline`` are our errors over the smallest of theirs.
        report: takes a line after each part.
    """
    decoder, net, face = load_decoder(checkpoint), load_encoder(encoder), load_builtin()
    gauge = measure_lips(face)
    clips = read_grid(data)
    heard = hear_test(net, [clip.as_recorded() for clip in clips], gauge, cache_folder())
    neutral = [decoder.predict(h.features, constant_track("neutral", 0.0)) for h in heard]
    figures = lip_figures(face, gauge, heard, neutral)
    in_step = lip_figures(face, gauge, with_pictures(heard, clips, gauge), neutral)
    figures |= {f"{name}_in_step": in_step[name] for name in ("lip_r", "lip_width_r")}
    report("lips measured")
    figures |= evaluate_voices(decoder, face, net, [(h.clip, h.features) for h in heard], report)
    figures |= unseen_figures(decoder, face, net, data)
    figures |= expression_figures(decoder, face, gauge, heard)
    parts = read_parts(data)
    spoken = [Spoken(h.features, h.spoken) for h in heard]
    figures |= evaluate_control(decoder, face, parts, spoken[EMOTIONAL_CLIPS:], spoken[:EMOTIONAL_CLIPS])
    report("control measured")
    heard_takes = hear_takes(net, data, cache_folder(), parts)
    figures |= evaluate_open4d(decoder, face, heard_takes)
    report("open 4D set measured")
    if baselines is not None:
        figures |= _baselines(baselines, face, gauge, heard, heard_takes, figures, report)
    return figures


def _baselines(
    folder: Path,
    face: Face,
    gauge: LipGauge,
    heard: list[HeardClip],
    heard_takes: list[HeardTake],
    ours: dict[str, float],
    report: Callable[[str], None],
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for path in sorted(p for p in folder.iterdir() if (p / "config.json").is_file()):
        decoder = load_decoder(path)
        neutral = [decoder.predict(h.features, constant_track("neutral", 0.0)) for h in heard]
        found = lip_figures(face, gauge, heard, neutral) | evaluate_open4d(decoder, face, heard_takes, controls=False)
        figures |= {f"baseline_{path.name}_{k}": v for k, v in found.items() if not k.startswith("static")}
        report(f"baseline {path.name} measured")
    for name in ("lve_mm2", "mve_mm"):
        theirs = [v for k, v in figures.items() if k.endswith(f"_{name}")]
        if theirs:
            figures[f"{name.split('_')[0]}_vs_best_baseline"] = ours[name] / min(theirs)
    return figures
