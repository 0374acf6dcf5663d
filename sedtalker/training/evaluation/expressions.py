"""What each emotion does to its telling landmark, step by step of intensity, and to the closures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.pretrained import AnyDecoder
from sedtalker.face.face import Face
from sedtalker.metrics.motion import ClosureCounts, count_closures, lip_aperture
from sedtalker.speech.features import BILABIAL
from sedtalker.training.evaluation.control import constant_track
from sedtalker.training.evaluation.lips import HeardClip, tracked_height
from sedtalker.training.motion.alignment import phone_intervals
from sedtalker.training.motion.lip_gauge import LipGauge
from sedtalker.training.motion.spoken_motion import TRACKED_REST_GAP

INTENSITIES = (0.33, 0.67, 1.0)
EXPECTED: dict[str, tuple[str, float]] = {
    "happy": ("corner_height", 1.0),
    "sad": ("corner_height", -1.0),
    "angry": ("brow_height", -1.0),
    "fear": ("brow_height", 1.0),
    "disgust": ("lip_height", 1.0),
    "surprise": ("brow_height", 1.0),
}
"""The landmark measure that tells each emotion from neutral, and its direction."""


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


def expression_figures(decoder: AnyDecoder, face: Face, gauge: LipGauge, heard: list[HeardClip]) -> dict[str, float]:
    """What each emotion does to its telling landmark, step by step of intensity, and to the closures."""
    figures: dict[str, float] = {}
    right, total, worst = 0, 0, 1.0
    still = [landmark_measures(face, decoder.predict(h.features, constant_track("neutral", 0.0))) for h in heard]
    for emotion, (measure, direction) in EXPECTED.items():
        counts = ClosureCounts()
        moved = [direction * float(np.mean([m[measure] for m in still]))]
        for intensity in INTENSITIES:
            values = []
            for h in heard:
                coefficients = decoder.predict(h.features, constant_track(emotion, intensity))
                values.append(landmark_measures(face, coefficients)[measure])
                if intensity == 1.0:
                    stops = phone_intervals(h.spans, BILABIAL)
                    gap = lip_aperture(face, coefficients) - gauge.rest
                    count_closures(counts, h.times, gap, tracked_height(h) - TRACKED_REST_GAP, stops, [])
            moved.append(direction * float(np.mean(values)))
        steps = np.diff(moved)
        right, total = right + int((steps > 1e-4).sum()), total + len(steps)
        worst = min(worst, counts.recall)
        figures[f"shift_{emotion}"] = moved[-1] - moved[0]
    return figures | {"controllability": right / total, "closure_rate_worst_emotion": worst}
