"""Figures of the decoder on held-out sentences, beside a static face, shuffled audio and loudness alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sedtalker.animation.decoder import load_decoder, predict
from sedtalker.datasets.grid import read_grid
from sedtalker.datasets.lip_gauge import LipGauge, measure_lips
from sedtalker.face.builtin import load_builtin
from sedtalker.face.face import Face
from sedtalker.speech.encoder import load_encoder
from sedtalker.training.evaluate_control import Spoken, constant_track, evaluate_control
from sedtalker.training.evaluate_expressions import expression_figures
from sedtalker.training.evaluate_lips import HeardClip, hear_test, lip_figures, unseen_figures, with_pictures
from sedtalker.training.evaluate_open4d import HeardTake, evaluate_open4d, hear_takes
from sedtalker.training.evaluate_voices import evaluate_voices
from sedtalker.training.open4d import read_parts
from sedtalker.training.run import cache_folder

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
    neutral = [predict(decoder, h.features, constant_track("neutral", 0.0)) for h in heard]
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
        neutral = [predict(decoder, h.features, constant_track("neutral", 0.0)) for h in heard]
        found = lip_figures(face, gauge, heard, neutral) | evaluate_open4d(decoder, face, heard_takes, controls=False)
        figures |= {f"baseline_{path.name}_{k}": v for k, v in found.items() if not k.startswith("static")}
        report(f"baseline {path.name} measured")
    for name in ("lve_mm2", "mve_mm"):
        theirs = [v for k, v in figures.items() if k.endswith(f"_{name}")]
        if theirs:
            figures[f"{name.split('_')[0]}_vs_best_baseline"] = ours[name] / min(theirs)
    return figures
