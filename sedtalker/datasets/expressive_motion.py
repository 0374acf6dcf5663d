"""Expressive talking: tracked speech motion composed with expressions, the emotion changing inside a clip.

EmoVOCA's construction (talking × expression) with free parts, and with the rule that the emotion never opens a
closure, parts a lip-teeth contact or unrounds a rounded mouth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.conditioning import Style
from sedtalker.animation.expressions import articulation, loud_change, poses
from sedtalker.animation.shapes import INDEX, both_sides
from sedtalker.datasets.lip_gauge import LipGauge, fit_gap
from sedtalker.datasets.prominence import Prominence
from sedtalker.datasets.spoken_motion import ROUNDING, SpokenMotion
from sedtalker.datasets.visemes import TONGUE
from sedtalker.emotion.track import CATEGORIES

Floats = NDArray[np.float32]

STYLE_RANGE = 0.4
"""A style of ±1 is a factor of 2^±0.4."""
DYNAMICS = 0.25
"""Relative change of the lip opening by a unit of log energy, at dynamics 1."""
ACCENTED_BROWS, ACCENTED_LIDS = 0.16, 0.05
OPENING = both_sides("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper", "noseSneer")
WIDENING = both_sides("mouthSmile", "mouthStretch", "mouthDimple", "mouthFrown")
BROWS = both_sides("browInnerUp", "browOuterUp")
LIDS = both_sides("eyeWide")
PRESSING = both_sides("mouthPress", "mouthRollLower", "mouthRollUpper", "mouthShrugLower")


def compose(
    spoken: SpokenMotion,
    posterior: Floats,
    intensity: Floats,
    style: Style,
    gauge: LipGauge,
    pose_table: Floats,
    voice: Prominence,
) -> Floats:
    """(T, 52) expressive talking.

    Args:
        spoken: what speech does.
        posterior: (T, 7) mixture of the categories.
        intensity: (T,) in [0, 1].
        style: of speaking.
        gauge: of the face the lips must close on.
        pose_table: (7, 52) from ``poses``.
        voice: expressions breathe with its loudness and brows rise with its accents.
    """
    expression = express(posterior, intensity, pose_table, voice)
    spoken = spoken.spoken_with(style.crispness)
    speaking = 1.0 + intensity * (posterior @ articulation())
    louder = np.exp(DYNAMICS * style.dynamics * (voice.loudness + 1.0)).clip(0.4, 1.6)
    amplitude = speaking * louder * 2.0 ** (STYLE_RANGE * style.articulation)
    speech = spoken.coefficients.copy()
    speech[:, INDEX["tongueOut"]] = TONGUE * spoken.tongue
    speech[:, ROUNDING] *= 2.0 ** (STYLE_RANGE * style.rounding)
    speech = fit_gap(speech, spoken.gap * amplitude, gauge)
    closed, contact, rounding = (v[:, None] for v in (spoken.closure, spoken.contact, spoken.rounding))
    talking, opened = spoken.talking[:, None], np.clip(spoken.gap[:, None] / 0.08, 0.0, 1.0)
    expression[:, OPENING] *= (1.0 - closed) * (1.0 - 0.6 * contact) * (1.0 - 0.25 * talking)
    expression[:, WIDENING] *= (1.0 - 0.55 * rounding * talking) * (1.0 - 0.2 * closed)
    expression[:, PRESSING] *= 1.0 - opened
    combined = speech + expression - 0.5 * speech * expression * talking
    leak = np.maximum(gauge.gap(expression), 0.0) * spoken.closure
    combined[:, INDEX["mouthClose"]] += leak / -gauge.gain[INDEX["mouthClose"]]
    return np.asarray(combined.clip(0.0, 1.0), np.float32)


def express(posterior: Floats, intensity: Floats, pose_table: Floats, voice: Prominence) -> Floats:
    """(T, 52) what the emotion and the voice's prominence do to a face that says nothing."""
    lively = voice.liveliness[:, None] - 0.5
    pose = posterior @ pose_table + lively * (posterior @ loud_change())
    expression = intensity[:, None] * (0.9 + 0.2 * lively) * np.maximum(pose, 0.0)
    frown = intensity * posterior[:, CATEGORIES.index("angry")]
    accent = (voice.accent * (1.0 - 0.8 * frown))[:, None]
    expression[:, BROWS] += ACCENTED_BROWS * accent
    expression[:, LIDS] += ACCENTED_LIDS * accent
    return np.asarray(expression.clip(0.0, 1.0), np.float32)


def random_emotion(rng: np.random.Generator, times: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Posterior (T, 7) and intensity (T,) of a random track: spans of 0.8 to 5 s with eased changes of 0.3 to 1 s."""
    posterior = np.zeros((len(times), len(CATEGORIES)))
    intensity = np.zeros(len(times))
    edge, first = times[0] - rng.uniform(0.0, 3.0), True
    while edge < times[-1]:
        probabilities = np.zeros(len(CATEGORIES))
        probabilities[rng.integers(len(CATEGORIES)) if rng.random() < 0.85 else 0] = 1.0
        if rng.random() < 0.4:
            soft = rng.uniform(0.0, 0.6)
            probabilities = (1 - soft) * probabilities + soft * rng.dirichlet(np.full(len(CATEGORIES), 0.4))
        strength = float(rng.choice([rng.random(), 1.0, 0.0], p=[0.8, 0.15, 0.05]))
        phase = np.clip((times - edge) / rng.uniform(0.3, 1.0), 0.0, 1.0)
        after = np.ones(len(times)) if first else 0.5 - 0.5 * np.cos(np.pi * phase)
        posterior = posterior * (1 - after[:, None]) + after[:, None] * probabilities
        intensity = intensity * (1 - after) + after * strength
        first = False
        edge += rng.uniform(0.8, 5.0)
    return posterior.astype(np.float32), intensity.astype(np.float32)


def measured_poses(table: dict[str, dict[str, dict[str, float]]] | None) -> Floats:
    """``poses`` from the ``table`` of ``emotion_au_table.json``, or from the prototypes alone."""
    return poses({name: row["mean_delta"] for name, row in table.items()} if table else None)
