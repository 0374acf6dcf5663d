"""Metrics of a decoder on held-out data: tracked lips, obedience to the emotion track, vertices of the open 4D set.

Each beside its controls: a static face, shuffled audio, loudness alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.pretrained import AnyDecoder, load_decoder
from sedtalker.audio import load_audio
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics.motion import (
    jerk,
    lip_vertex_error,
    mean_vertex_error,
    region_vertex_error,
    upper_face_dynamics_deviation,
)
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder, open_encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.control import Spoken, evaluate_control, expression_metrics
from sedtalker.training.evaluation.lips import (
    TrackedSentence,
    encode_test_sentences,
    evaluate_voices,
    lip_metrics,
    steady_track,
    unseen_metrics,
    with_tracking,
)
from sedtalker.training.motion.open4d import Parts, Take, composed, read_parts, recordings, takes
from sedtalker.training.motion.spoken_motion import LipMeasure, measure_lips
from sedtalker.training.run import cache_folder

logger = logging.getLogger(__name__)

EMOTIONAL_CLIPS = 10
"""Test sentences that are animated under every emotion; the classifier is fitted on the others."""


def evaluate_decoder(
    data: Path,
    checkpoint: Path | None = None,
    encoder: Path | None = None,
    baselines: Path | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """All metrics on held-out sentences, with a neutral track where nothing else is said.

    By the keys of ``measures.DECODER``. ``lip_…``, ``closure_…``, ``contact_rate``: ``lip_metrics`` of the clips as
    they were recorded; ``…_synchronised``: with sound and picture synchronised (``synchrony``), as all motion of the
    open 4D set is; ``…_unseen``: ``unseen_metrics``;
    ``…_voice_changed`` (needs pyworld) and ``…_5db``: ``evaluate_voices``; ``shift_…``, ``controllability``,
    ``closure_rate_worst_emotion``: ``expression_metrics``; ``control_accuracy``, ``intensity_rho``, ``lip_leak``:
    ``evaluate_control``; ``mve_mm``, ``lve_mm2``, ``eve_mm2``, ``fdd_mm``, ``jerk_ratio`` with ``static_`` and
    ``shuffled_``: ``evaluate_open4d``.

    Args:
        data: the training data.
        checkpoint: the decoder; the built-in one if None.
        encoder: the speech encoder it was trained on.
        baselines: a folder of other decoders' checkpoints, each measured likewise (``baseline_NAME_…``);
            ``lve_vs_best_baseline`` and ``mve_vs_best_baseline`` are our errors over the smallest of theirs.
        hook: progress.
    """
    decoder, net, face = load_decoder(checkpoint), open_encoder(encoder), load_face()
    lip_measure = measure_lips(face)
    clips = read_grid(data)
    sentences = encode_test_sentences(net, [clip.as_recorded() for clip in clips], lip_measure, cache_folder(), hook)
    neutral = [decoder.predict(h.features, steady_track("neutral", 0.0)) for h in sentences]
    metrics = lip_metrics(face, lip_measure, sentences, neutral)
    synchronised = lip_metrics(face, lip_measure, with_tracking(sentences, clips, lip_measure), neutral)
    metrics |= {f"{name}_synchronised": synchronised[name] for name in ("lip_r", "lip_width_r")}
    logger.info("lips measured")
    metrics |= evaluate_voices(decoder, face, net, [(h.clip, h.features) for h in sentences], hook)
    metrics |= unseen_metrics(decoder, face, net, data)
    metrics |= expression_metrics(decoder, face, lip_measure, sentences)
    parts = read_parts(data)
    spoken = [Spoken(h.features, h.spoken) for h in sentences]
    metrics |= evaluate_control(decoder, face, parts, spoken[EMOTIONAL_CLIPS:], spoken[:EMOTIONAL_CLIPS])
    logger.info("control measured")
    open4d_takes = encode_takes(net, data, cache_folder(), parts, hook)
    metrics |= evaluate_open4d(decoder, face, open4d_takes)
    logger.info("open 4D set measured")
    if baselines is not None:
        metrics |= _baselines(baselines, face, lip_measure, sentences, open4d_takes, metrics, hook)
    return metrics


def _baselines(
    folder: Path,
    face: Face,
    lip_measure: LipMeasure,
    sentences: list[TrackedSentence],
    open4d_takes: list[EncodedTake],
    ours: dict[str, float],
    hook: Hook,
) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for path in sorted(p for p in folder.iterdir() if (p / "config.json").is_file()):
        decoder = load_decoder(path)
        neutral = [decoder.predict(h.features, steady_track("neutral", 0.0)) for h in sentences]
        found = lip_metrics(face, lip_measure, sentences, neutral) | evaluate_open4d(
            decoder, face, open4d_takes, controls=False
        )
        metrics |= {f"baseline_{path.name}_{k}": v for k, v in found.items() if not k.startswith("static")}
        logger.info("baseline %s measured", path.name)
    for name in ("lve_mm2", "mve_mm"):
        theirs = [v for k, v in metrics.items() if k.endswith(f"_{name}")]
        if theirs:
            metrics[f"{name.split('_')[0]}_vs_best_baseline"] = ours[name] / min(theirs)
    return metrics


# --- Vertex errors on the test takes of the open 4D set.

Floats = NDArray[np.float32]
READ_CLIPS = 40
"""Recordings of read speech that are measured, evenly spread over the test speakers."""


@dataclass(frozen=True, eq=False)
class EncodedTake:
    """A test take, its speech features, and its reference motion (T, 52)."""

    take: Take
    features: SpeechFeatures
    motion: Floats


def encode_takes(net: Encoder, data: Path, cache: Path, parts: Parts, hook: Hook = no_progress) -> list[EncodedTake]:
    """Every test sentence of the tracked talker and some of the read speech; constant and changing emotion by turns."""
    found = list(recordings(data, cache, parts.lip_measure, "test"))
    read = [r for r in found if r.kind == "phones"]
    kept = [r for r in found if r.kind == "tracked"] + read[:: max(1, len(read) // READ_CLIPS)]
    made = []
    for i, recording in enumerate(counted(kept, hook, "encoding the open 4D set", len(kept))):
        features = net(load_audio(recording.audio))
        for take in takes(recording, (("constant", "changing")[i % 2],)):
            cut, motion = composed(take, parts, features.prosody)
            made.append(EncodedTake(cut, features, motion))
    return made


def _deformed(face: Face, coefficients: Floats) -> Floats:
    return face.deform(face.with_rest(coefficients))


def errors(face: Face, made: Floats, reference: Floats) -> dict[str, float]:
    """``mve_mm``, ``lve_mm2``, ``eve_mm2`` and ``fdd_mm`` of coefficients (T, 52) on a face."""
    a, b = _deformed(face, made), _deformed(face, reference)
    lips, upper = face.regions["lips"], face.regions["upper_face"]
    return {
        "mve_mm": 1e3 * mean_vertex_error(a, b),
        "lve_mm2": 1e6 * lip_vertex_error(a, b, lips),
        "eve_mm2": 1e6 * region_vertex_error(a, b, upper),
        "fdd_mm": 1e3 * abs(upper_face_dynamics_deviation(a, b, face.mesh.vertices, upper)),
    }


def evaluate_open4d(
    decoder: AnyDecoder, face: Face, encoded: list[EncodedTake], controls: bool = True
) -> dict[str, float]:
    """Means over the takes; ``_tracked`` and ``_read`` of each kind alone.

    ``static_…``: a resting face; ``shuffled_…``: the decoder's output for the next take's audio under this take's
    track.
    ``jerk_ratio``: the lips' jerk over that of the reference.
    """
    values: dict[str, list[float]] = {}
    lips = face.regions["lips"]
    for i, h in enumerate(encoded):
        frames = len(h.motion)
        made = decoder.predict(h.features, h.take.track)[:frames]
        found = errors(face, made, h.motion[: len(made)])
        kind = "tracked" if h.take.kind == "tracked" else "read"
        found |= {f"{name}_{kind}": found[name] for name in ("mve_mm", "lve_mm2")}
        if controls:
            rest = errors(face, 0.0 * h.motion, h.motion)
            found |= {f"static_{name}": value for name, value in rest.items()}
            other = decoder.predict(encoded[(i + 1) % len(encoded)].features, h.take.track)
            both = min(len(other), frames)
            swapped = errors(face, other[:both], h.motion[:both])
            found |= {f"shuffled_{name}": value for name, value in swapped.items()}
            if kind == "tracked":
                moved, wanted = (_deformed(face, c)[:, lips] for c in (made, h.motion))
                found["jerk"], found["jerk_reference"] = jerk(moved, 50.0), jerk(wanted, 50.0)
        for name, value in found.items():
            values.setdefault(name, []).append(value)
    metrics = {name: float(np.mean(each)) for name, each in values.items()}
    if controls:
        metrics["jerk_ratio"] = metrics["jerk"] / metrics["jerk_reference"]
    return metrics
