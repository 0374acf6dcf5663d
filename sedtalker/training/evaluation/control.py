"""Whether the decoder shows what the emotion track says, as strongly as it says, and leaves the lips alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sedtalker.animation.conditioning import Style
from sedtalker.animation.pretrained import AnyDecoder
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture, lip_width
from sedtalker.speech.encoder import SpeechFeatures
from sedtalker.training.motion.expressive_motion import compose
from sedtalker.training.motion.open4d_build import Parts
from sedtalker.training.motion.spoken_motion import SpokenMotion
from sedtalker.training.motion.visemes import Prominence, prominence_of

Floats = NDArray[np.float32]
LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
TOLD = (0.4, 0.7, 1.0)
"""Intensities at which the category is read."""
RIDGE = 0.1


@dataclass(frozen=True, eq=False)
class Spoken:
    """A test clip: what the encoder hears and what speech alone does, on the encoder's frames."""

    features: SpeechFeatures
    motion: SpokenMotion

    @property
    def voice(self) -> Prominence:
        """What the voice does that the face follows."""
        return prominence_of(self.features.prosody)


def constant_track(label: str, intensity: float, duration: float = 3600.0) -> EmotionTrack:
    """One emotion throughout."""
    posterior = np.zeros((2, len(CATEGORIES)), np.float32)
    posterior[:, CATEGORIES.index(label)] = 1.0
    level = np.full(2, intensity, np.float32)
    return EmotionTrack(np.array([0.0, duration]), posterior, level, 0 * level, 0 * level, CATEGORIES, duration)


def reference(clip: Spoken, parts: Parts, label: str, intensity: float) -> Floats:
    """(T, 52) the composed motion of a clip under one emotion."""
    frames = len(clip.features)
    posterior = np.zeros((frames, len(CATEGORIES)), np.float32)
    posterior[:, CATEGORIES.index(label)] = 1.0
    level = np.full(frames, intensity, np.float32)
    return compose(clip.motion, posterior, level, Style(), parts.gauge, parts.poses, clip.voice)


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
    decoder: AnyDecoder, face: Face, parts: Parts, taught: list[Spoken], clips: list[Spoken]
) -> dict[str, float]:
    """How well the output obeys the track.

    ``control_accuracy``: share of outputs in which a classifier fitted on the composed motion of ``taught`` reads the
    commanded category, at three intensities. ``intensity_rho``: Spearman's correlation of five commanded intensities
    with how far the face moves along the category's own direction, mean over clips and categories. ``lip_leak``: RMS of
    the change of lip height and width when only the emotion changes from neutral to full, beyond the same RMS of the
    composed reference, over the RMS of the neutral lip motion; ``lip_leak_rms``: RMS of the difference of both changes,
    likewise.
    """
    emotions = CATEGORIES[1:]
    points, labels = [], []
    for clip in taught:
        for k, label in enumerate(emotions):
            for level in TOLD:
                points.append(landmarks(face, reference(clip, parts, label, level)))
                labels.append(k)
    reader = ExpressionReader.fit(np.stack(points), np.array(labels))
    right, total, rhos = 0, 0, []
    beyond, apart = [], []
    for clip in clips:
        neutral = decoder.predict(clip.features, constant_track("neutral", 0.0))
        rest = landmarks(face, neutral)
        still, told = _lips(face, neutral), _lips(face, reference(clip, parts, "neutral", 0.0))
        scale = _rms(told - told.mean(0))
        for k, label in enumerate(emotions):
            made = {x: decoder.predict(clip.features, constant_track(label, x)) for x in sorted({*LEVELS, *TOLD})}
            seen = {x: landmarks(face, c) for x, c in made.items()}
            right += int((reader.read(np.stack([seen[x] for x in TOLD])) == k).sum())
            total += len(TOLD)
            way = seen[1.0] - rest
            rhos.append(float(spearmanr(LEVELS, [(seen[x] - rest) @ way for x in LEVELS]).statistic))
            changed = _lips(face, made[1.0]) - still
            wanted = _lips(face, reference(clip, parts, label, 1.0)) - told
            beyond.append(max(0.0, _rms(changed) - _rms(wanted)) / scale)
            apart.append(_rms(changed - wanted) / scale)
    return {
        "control_accuracy": right / total,
        "intensity_rho": float(np.mean(rhos)),
        "lip_leak": float(np.mean(beyond)),
        "lip_leak_rms": float(np.mean(apart)),
    }
