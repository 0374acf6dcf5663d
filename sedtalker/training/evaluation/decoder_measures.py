"""Metrics of a decoder on held-out data: tracked lips, obedience to the emotion track, vertices of the open 4D set.

Each beside its controls: a static face, shuffled audio, loudness alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sedtalker.animation.animator import AnyDecoder
from sedtalker.animation.conditioning import Style
from sedtalker.animation.vertex_decoder import one_hot
from sedtalker.arrays import Floats, Reals
from sedtalker.audio import load_audio
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics import motion as motion_metrics
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder, open_trained_encoder
from sedtalker.speech.features import BILABIAL, SpeechFeatures
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.lips import (
    TrackedSentence,
    encode_test_sentences,
    evaluate_voices,
    lip_metrics,
    steady_track,
    tracked_height,
    unseen_metrics,
    with_tracking,
)
from sedtalker.training.evaluation.wild import wild_metrics
from sedtalker.training.motion.alignment import phone_intervals
from sedtalker.training.motion.expressive_motion import compose, prominence_of
from sedtalker.training.motion.open4d import Parts, SceneTake, composed, read_parts, recordings, takes
from sedtalker.training.motion.spoken_motion import TRACKED_REST_GAP, LipMeasure, measure_lips
from sedtalker.training.run import cache_folder

LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Commanded intensities of ``intensity_rho``."""
READ_LEVELS = (0.4, 0.7, 1.0)
"""Commanded intensities at which the category is classified."""
SHRINKAGE = 1 / 11
"""Share of a multiple of the identity in the classifier's covariance."""


def reference(clip: TrackedSentence, parts: Parts, label: str, intensity: float) -> Floats:
    """(T, 52) the composed motion of a clip under one emotion."""
    frames = len(clip.features)
    posterior, level = one_hot(CATEGORIES, label, frames), np.full(frames, intensity, np.float32)
    voice = prominence_of(clip.features.prosody)
    return compose(clip.spoken, posterior, level, Style(), parts.lip_measure, parts.poses, voice)


def landmarks(face: Face, coefficients: Floats) -> Floats:
    """(68, 2) mean displacement of the landmarks in x and y over the frames, outer-eye distances."""
    assert face.landmarks is not None
    rest = face.mesh.vertices[face.landmarks]
    mean = face.with_rest(coefficients.mean(0, keepdims=True))
    moved = face.deform(mean)[0][face.landmarks] - rest
    return np.asarray(moved[:, :2] / np.linalg.norm(rest[36] - rest[45]), np.float32)


def _lips(face: Face, coefficients: Floats) -> Floats:
    """(T, 2) inner-lip height and width."""
    return np.stack([motion_metrics.lip_aperture(face, coefficients), motion_metrics.lip_width(face, coefficients)], 1)


def _rms(x: Reals) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def evaluate_control(
    decoder: AnyDecoder, face: Face, parts: Parts, composed: list[TrackedSentence], clips: list[TrackedSentence]
) -> dict[str, float]:
    """How well the output obeys the track.

    ``control_accuracy``: share of outputs in which a classifier fitted on the composed motion of ``composed`` reads the
    commanded category, at three intensities. ``intensity_rho``: Spearman's correlation of five commanded intensities
    with how far the face moves along the category's own direction, mean over clips and categories; 0 where it does not
    move. ``lip_leak``: RMS of the change of lip height and width when only the emotion changes from neutral to full,
    beyond the same RMS of the composed reference, over the RMS of the neutral lip motion; ``lip_leak_rms``: RMS of the
    difference of both changes, likewise.
    """
    emotions = CATEGORIES[1:]
    points, labels = [], []
    for clip in composed:
        for k, label in enumerate(emotions):
            for level in READ_LEVELS:
                points.append(landmarks(face, reference(clip, parts, label, level)).ravel())
                labels.append(k)
    reader = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE).fit(np.stack(points), labels)
    right, total, rhos = 0, 0, []
    beyond, apart = [], []
    for clip in clips:
        neutral = decoder.predict(clip.features, steady_track("neutral", 0.0))
        rest = landmarks(face, neutral).ravel()
        still, spoken = _lips(face, neutral), _lips(face, reference(clip, parts, "neutral", 0.0))
        scale = _rms(spoken - spoken.mean(0))
        for k, label in enumerate(emotions):
            made = {x: decoder.predict(clip.features, steady_track(label, x)) for x in sorted({*LEVELS, *READ_LEVELS})}
            seen = {x: landmarks(face, c).ravel() for x, c in made.items()}
            right += int((reader.predict(np.stack([seen[x] for x in READ_LEVELS])) == k).sum())
            total += len(READ_LEVELS)
            way = seen[1.0] - rest
            along = [(seen[x] - rest) @ way for x in LEVELS]
            rhos.append(motion_metrics.correlation(np.array(LEVELS), rankdata(along)))
            changed = _lips(face, made[1.0]) - still
            wanted = _lips(face, reference(clip, parts, label, 1.0)) - spoken
            beyond.append(max(0.0, _rms(changed) - _rms(wanted)) / scale)
            apart.append(_rms(changed - wanted) / scale)
    return {
        "control_accuracy": right / total,
        "intensity_rho": float(np.mean(rhos)),
        "lip_leak": float(np.mean(beyond)),
        "lip_leak_rms": float(np.mean(apart)),
    }


# --- The landmark of each emotion, step by step of intensity, and the closures under it.

INTENSITIES = (0.33, 0.67, 1.0)
"""Commanded intensities, one step after another."""
MOUTH_CORNERS, INNER_BROWS, LIP_MIDDLE = [48, 54], [21, 22], [51]
"""Landmarks: mouth corners, inner brows, middle of the upper lip."""
EXPECTED: dict[str, tuple[list[int], float]] = {
    "happy": (MOUTH_CORNERS, 1.0),
    "sad": (MOUTH_CORNERS, -1.0),
    "angry": (INNER_BROWS, -1.0),
    "fear": (INNER_BROWS, 1.0),
    "disgust": (LIP_MIDDLE, 1.0),
    "surprise": (INNER_BROWS, 1.0),
}
"""The landmarks whose height moves most from neutral under each emotion, and its direction."""


def height(face: Face, coefficients: Floats, points: list[int]) -> float:
    """Mean height over the frames of some landmarks above that at rest, outer-eye distances."""
    return float(landmarks(face, coefficients)[points, 1].mean())


def expression_metrics(
    decoder: AnyDecoder, face: Face, lip_measure: LipMeasure, sentences: list[TrackedSentence]
) -> dict[str, float]:
    """What each emotion does to the height of its own landmarks, step by step of intensity, and to the closures."""
    metrics: dict[str, float] = {}
    right, total, worst = 0, 0, 1.0
    still = [decoder.predict(h.features, steady_track("neutral", 0.0)) for h in sentences]
    for emotion, (points, direction) in EXPECTED.items():
        counts = motion_metrics.ClosureCounts()
        moved = [direction * float(np.mean([height(face, each, points) for each in still]))]
        for intensity in INTENSITIES:
            values = []
            for h in sentences:
                coefficients = decoder.predict(h.features, steady_track(emotion, intensity))
                values.append(height(face, coefficients, points))
                if intensity == 1.0:
                    stops = phone_intervals(h.spans, BILABIAL)
                    gap = motion_metrics.lip_aperture(face, coefficients) - lip_measure.rest
                    motion_metrics.count_closures(counts, h.times, gap, tracked_height(h) - TRACKED_REST_GAP, stops, [])
            moved.append(direction * float(np.mean(values)))
        steps = np.diff(moved)
        right, total = right + int((steps > 1e-4).sum()), total + len(steps)
        worst = min(worst, counts.recall)
        metrics[f"shift_{emotion}"] = moved[-1] - moved[0]
    return metrics | {"controllability": right / total, "closure_rate_worst_emotion": worst}


# --- Metrics of a decoder on held-out data: tracked lips, obedience to the emotion track, vertices of the open 4D set.

logger = logging.getLogger(__name__)

EMOTIONAL_CLIPS = 10
"""Test sentences that are animated under every emotion; the classifier is fitted on the others."""


def evaluate_decoder(
    data: Path,
    checkpoint: Path | None = None,
    encoder: str | Path | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """All metrics on held-out sentences, with a neutral track where nothing else is said.

    By the keys of ``measures.TEST["decoder"]``. ``lip_…``, ``closure_…``, ``contact_rate``: ``lip_metrics`` of the
    clips as they were recorded; ``…_synchronised``: with sound and picture synchronised (``with_tracking``), as all
    motion of the open 4D set is; ``…_unseen``: ``unseen_metrics``; ``…_wild``: ``wild_metrics``;
    ``…_voice_changed`` (needs pyworld) and ``…_5db``: ``evaluate_voices``; ``shift_…``, ``controllability``,
    ``closure_rate_worst_emotion``: ``expression_metrics``; ``control_accuracy``, ``intensity_rho``, ``lip_leak``:
    ``evaluate_control``; ``mve_mm``, ``lve_mm2``, ``eve_mm2``, ``fdd_mm``, ``jerk_ratio`` with ``static_`` and
    ``shuffled_``: ``evaluate_open4d``.

    Args:
        checkpoint: the decoder; the built-in one if None.
        encoder: folder of the hub encoder's weights that it reads; default: the hub's cache, or the hub.
    """
    folder = checkpoint or builtin_checkpoint("decoder")
    decoder: AnyDecoder = open_model(folder, "decoder", "readout_decoder")
    face = load_face()
    net = open_trained_encoder(folder, decoder.config, encoder)
    lip_measure = measure_lips(face)
    clips = read_grid(data)
    sentences = encode_test_sentences(net, [clip.as_recorded() for clip in clips], lip_measure, cache_folder(), hook)
    neutral = [decoder.predict(h.features, steady_track("neutral", 0.0)) for h in sentences]
    metrics = lip_metrics(face, lip_measure, sentences, neutral)
    synchronised = lip_metrics(face, lip_measure, with_tracking(sentences, clips, lip_measure), neutral)
    metrics |= {f"{name}_synchronised": synchronised[name] for name in ("lip_r", "lip_width_r")}
    logger.info("lips measured")
    metrics |= evaluate_voices(decoder, face, net, sentences, hook)
    metrics |= unseen_metrics(decoder, face, net, data) | wild_metrics(decoder, face, net, data, hook)
    metrics |= expression_metrics(decoder, face, lip_measure, sentences)
    parts = read_parts(data)
    metrics |= evaluate_control(decoder, face, parts, sentences[EMOTIONAL_CLIPS:], sentences[:EMOTIONAL_CLIPS])
    logger.info("control measured")
    open4d_takes = encode_takes(net, data, cache_folder(), parts, hook)
    metrics |= evaluate_open4d(decoder, face, open4d_takes)
    logger.info("open 4D set measured")
    return metrics


# --- Vertex errors on the test takes of the open 4D set.

READ_CLIPS = 40
"""Recordings of read speech that are measured, evenly spread over the test speakers."""


@dataclass(frozen=True, eq=False)
class EncodedTake:
    """A test take, its speech features, and its reference motion (T, 52)."""

    take: SceneTake
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
    a, b, upper = _deformed(face, made), _deformed(face, reference), face.regions["upper_face"]
    found = motion_metrics.vertex_errors(a, b, face.mesh.vertices, face.regions["lips"], upper, upper)
    return found | {"fdd_mm": abs(found["fdd_mm"])}


def evaluate_open4d(decoder: AnyDecoder, face: Face, encoded: list[EncodedTake]) -> dict[str, float]:
    """Means over the takes; ``_tracked`` and ``_read`` of each kind alone.

    ``static_…``: a resting face; ``shuffled_…``: the decoder's output for the next take's audio under this take's
    track.
    ``jerk_ratio``: the lips' jerk over that of the reference.
    """
    rows = list[dict[str, float]]()
    lips = face.regions["lips"]
    for i, h in enumerate(encoded):
        frames = len(h.motion)
        made = decoder.predict(h.features, h.take.track)[:frames]
        found = errors(face, made, h.motion[: len(made)])
        kind = "tracked" if h.take.recording.kind == "tracked" else "read"
        found |= {f"{name}_{kind}": found[name] for name in ("mve_mm", "lve_mm2")}
        rest = errors(face, 0.0 * h.motion, h.motion)
        found |= {f"static_{name}": value for name, value in rest.items()}
        other = decoder.predict(encoded[(i + 1) % len(encoded)].features, h.take.track)
        both = min(len(other), frames)
        swapped = errors(face, other[:both], h.motion[:both])
        found |= {f"shuffled_{name}": value for name, value in swapped.items()}
        if kind == "tracked":
            moved, wanted = (_deformed(face, c)[:, lips] for c in (made, h.motion))
            found["jerk"] = motion_metrics.jerk(moved, 50.0)
            found["jerk_reference"] = motion_metrics.jerk(wanted, 50.0)
        rows.append(found)
    metrics = motion_metrics.means(rows)
    return metrics | {"jerk_ratio": metrics["jerk"] / metrics["jerk_reference"]}
