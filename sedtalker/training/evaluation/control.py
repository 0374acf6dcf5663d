"""Whether a decoder shows the emotion of the track, as strongly as the track has it, and leaves the lips alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sedtalker.animation.conditioning import Style
from sedtalker.animation.pretrained import AnyDecoder
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.face import Face
from sedtalker.metrics.motion import ClosureCounts, count_closures, lip_aperture, lip_width
from sedtalker.speech.features import BILABIAL, SpeechFeatures
from sedtalker.training.evaluation.lips import TrackedSentence, steady_track, tracked_height
from sedtalker.training.motion.alignment import phone_intervals
from sedtalker.training.motion.expressive_motion import Prominence, compose, prominence_of
from sedtalker.training.motion.open4d import Parts
from sedtalker.training.motion.spoken_motion import TRACKED_REST_GAP, LipMeasure, SpokenMotion

Floats = NDArray[np.float32]
LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Commanded intensities of ``intensity_rho``."""
READ_LEVELS = (0.4, 0.7, 1.0)
"""Commanded intensities at which the category is classified."""
RIDGE = 0.1
"""Shrinkage of the classifier's covariance towards a multiple of the identity."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """A test clip: its speech features, and on their frames the motion of speech alone."""

    features: SpeechFeatures
    motion: SpokenMotion

    @property
    def voice(self) -> Prominence:
        """What the voice does that the face follows."""
        return prominence_of(self.features.prosody)


def reference(clip: Spoken, parts: Parts, label: str, intensity: float) -> Floats:
    """(T, 52) the composed motion of a clip under one emotion."""
    frames = len(clip.features)
    posterior = np.zeros((frames, len(CATEGORIES)), np.float32)
    posterior[:, CATEGORIES.index(label)] = 1.0
    level = np.full(frames, intensity, np.float32)
    return compose(clip.motion, posterior, level, Style(), parts.lip_measure, parts.poses, clip.voice)


def landmarks(face: Face, coefficients: Floats) -> Floats:
    """(136,) mean displacement of the 68 landmarks in x and y over the frames, outer-eye distances."""
    assert face.landmarks is not None
    rest = face.mesh.vertices[face.landmarks]
    mean = face.with_rest(coefficients.mean(0, keepdims=True))
    moved = face.deform(mean)[0][face.landmarks] - rest
    return np.asarray(moved[:, :2].ravel() / np.linalg.norm(rest[36] - rest[45]), np.float32)


@dataclass(frozen=True, eq=False)
class ExpressionReader:
    """Linear discriminants over landmarks, (K, 136) and (K,): the category is the largest."""

    weight: Floats
    bias: Floats

    @staticmethod
    def fit(points: Floats, labels: NDArray[np.integer]) -> ExpressionReader:
        """From (N, 136) landmarks and their categories (N,), with one shrunk covariance for all."""
        classes = np.unique(labels)
        means = np.stack([points[labels == c].mean(0) for c in classes])
        within = points - means[np.searchsorted(classes, labels)]
        spread = within.T @ within / len(points)
        spread = spread + RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
        weight = np.linalg.solve(spread, means.T).T
        return ExpressionReader(weight.astype(np.float32), (-0.5 * (weight * means).sum(1)).astype(np.float32))

    def read(self, points: Floats) -> NDArray[np.int64]:
        """Categories of (N, 136) landmarks, as numbers of the classes it was fitted on."""
        return np.asarray((points @ self.weight.T + self.bias).argmax(1))


def _lips(face: Face, coefficients: Floats) -> Floats:
    """(T, 2) inner-lip height and width."""
    return np.stack([lip_aperture(face, coefficients), lip_width(face, coefficients)], 1)


def _rms(x: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def evaluate_control(
    decoder: AnyDecoder, face: Face, parts: Parts, composed: list[Spoken], clips: list[Spoken]
) -> dict[str, float]:
    """How well the output obeys the track.

    ``control_accuracy``: share of outputs in which a classifier fitted on the composed motion of ``composed`` reads the
    commanded category, at three intensities. ``intensity_rho``: Spearman's correlation of five commanded intensities
    with how far the face moves along the category's own direction, mean over clips and categories. ``lip_leak``: RMS of
    the change of lip height and width when only the emotion changes from neutral to full, beyond the same RMS of the
    composed reference, over the RMS of the neutral lip motion; ``lip_leak_rms``: RMS of the difference of both changes,
    likewise.
    """
    emotions = CATEGORIES[1:]
    points, labels = [], []
    for clip in composed:
        for k, label in enumerate(emotions):
            for level in READ_LEVELS:
                points.append(landmarks(face, reference(clip, parts, label, level)))
                labels.append(k)
    reader = ExpressionReader.fit(np.stack(points), np.array(labels))
    right, total, rhos = 0, 0, []
    beyond, apart = [], []
    for clip in clips:
        neutral = decoder.predict(clip.features, steady_track("neutral", 0.0))
        rest = landmarks(face, neutral)
        still, spoken = _lips(face, neutral), _lips(face, reference(clip, parts, "neutral", 0.0))
        scale = _rms(spoken - spoken.mean(0))
        for k, label in enumerate(emotions):
            made = {x: decoder.predict(clip.features, steady_track(label, x)) for x in sorted({*LEVELS, *READ_LEVELS})}
            seen = {x: landmarks(face, c) for x, c in made.items()}
            right += int((reader.read(np.stack([seen[x] for x in READ_LEVELS])) == k).sum())
            total += len(READ_LEVELS)
            way = seen[1.0] - rest
            rhos.append(float(spearmanr(LEVELS, [(seen[x] - rest) @ way for x in LEVELS]).statistic))
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
EXPECTED: dict[str, tuple[str, float]] = {
    "happy": ("corner_height", 1.0),
    "sad": ("corner_height", -1.0),
    "angry": ("brow_height", -1.0),
    "fear": ("brow_height", 1.0),
    "disgust": ("lip_height", 1.0),
    "surprise": ("brow_height", 1.0),
}
"""The landmark measure that moves most from neutral under each emotion, and its direction."""


def landmark_measures(face: Face, coefficients: NDArray[np.float32]) -> dict[str, float]:
    """Mean heights over the frames, outer-eye distances, each against points that expressions do not move.

    ``corner_height``: mouth corners against the nose bridge; ``brow_height``: inner brows against the inner eye corners
    of the resting face; ``lip_height``: middle of the upper lip against the nose bridge.
    """
    assert face.landmarks is not None
    rest = face.mesh.vertices[face.landmarks]
    scale = float(np.linalg.norm(rest[36] - rest[45]))
    mean = face.with_rest(coefficients.mean(0, keepdims=True))
    points = (face.deform(mean)[0][face.landmarks])[:, 1] / scale
    still = rest[:, 1] / scale
    return {
        "corner_height": float(points[[48, 54]].mean() - still[27]),
        "brow_height": float(points[[21, 22]].mean() - still[[39, 42]].mean()),
        "lip_height": float(points[51] - still[27]),
    }


def expression_metrics(
    decoder: AnyDecoder, face: Face, lip_measure: LipMeasure, sentences: list[TrackedSentence]
) -> dict[str, float]:
    """What each emotion does to its own landmark measure, step by step of intensity, and to the closures."""
    metrics: dict[str, float] = {}
    right, total, worst = 0, 0, 1.0
    still = [landmark_measures(face, decoder.predict(h.features, steady_track("neutral", 0.0))) for h in sentences]
    for emotion, (measure, direction) in EXPECTED.items():
        counts = ClosureCounts()
        moved = [direction * float(np.mean([m[measure] for m in still]))]
        for intensity in INTENSITIES:
            values = []
            for h in sentences:
                coefficients = decoder.predict(h.features, steady_track(emotion, intensity))
                values.append(landmark_measures(face, coefficients)[measure])
                if intensity == 1.0:
                    stops = phone_intervals(h.spans, BILABIAL)
                    gap = lip_aperture(face, coefficients) - lip_measure.rest
                    count_closures(counts, h.times, gap, tracked_height(h) - TRACKED_REST_GAP, stops, [])
            moved.append(direction * float(np.mean(values)))
        steps = np.diff(moved)
        right, total = right + int((steps > 1e-4).sum()), total + len(steps)
        worst = min(worst, counts.recall)
        metrics[f"shift_{emotion}"] = moved[-1] - moved[0]
    return metrics | {"controllability": right / total, "closure_rate_worst_emotion": worst}
