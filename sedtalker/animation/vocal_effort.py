"""Mouth opening predicted from vocal effort (``--style auto``).

All mouth motion was learned from a talker who opens little, and predictions for unseen voices are shrunk towards the
mean. So the opening is scaled to a typical one. People open further the louder they talk:
jaw and lips by half as much again in loud speech (Schulman 1989; Geumann 2001). At any level of the recording, the
balance of the spectrum above and below 1 kHz tells how loud somebody talks (Sluijter and van Heuven 1996; Traunmüller
and Eriksson 2000), but rooms and microphones change it as much as voices do, so
the estimate is strongly shrunk.
"""

from __future__ import annotations

import numpy as np

from sedtalker.arrays import Floats
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture
from sedtalker.speech.features import SpeechFeatures

USUAL_OPENING = 0.175
"""95th percentile of the lips' opening in talk, outer-eye distances: the mean of two tracked talkers, one of GRID
(0.158) and one of FACEGOOD (0.193)."""
USUAL_TILT, TILT_STEP = -3.2, 0.06
"""Spectral tilt of usual voices, and the change of the opening (natural log) by a unit more: 0.22 by the literature,
times the share of the variance between recordings that voices have in it (0.29, see ``docs/motion.md``)."""
SMALLEST, LARGEST = 0.7, 2.0
"""Limits of the factor."""
LEAST_FRAMES = 50
"""Frames of speech (20 ms) below which nothing is changed."""


def vocal_effort(features: SpeechFeatures) -> float:
    """Change of mouth opening predicted from vocal effort, natural log; 0 for an average voice.

    The median spectral tilt of the louder half of the voiced speech.
    """
    energy, log_f0, _, tilt = features.prosody.T
    voiced = features.speech & (log_f0 != 0.0)
    if voiced.sum() < LEAST_FRAMES:
        return 0.0
    loud = voiced & (energy >= np.median(energy[voiced]))
    return float(np.clip(TILT_STEP * (np.median(tilt[loud]) - USUAL_TILT), -0.35, 0.35))


def fitting_articulation(features: SpeechFeatures, neutral: Floats, face: Face) -> float:
    """The factor of ``Gains.articulation`` under which a neutral motion opens the mouth as far as the voice asks.

    Args:
        features: speech features of the recording.
        neutral: (T, 52) the decoder's motion under a neutral track, at ``features.clock``.
        face: the built-in one, or any whose first shapes are ``ARKIT_52``.
    """
    speech = features.speech
    if speech.sum() < LEAST_FRAMES:
        return 1.0
    made = neutral if len(face.shapes) == neutral.shape[1] else face.with_rest(neutral)
    rest = float(lip_aperture(face, 0.0 * made[:1])[0])
    shown = float(np.percentile(lip_aperture(face, made[speech]) - rest, 95))
    wanted = USUAL_OPENING * np.exp(vocal_effort(features))
    return round(float(np.clip(wanted / max(shown, 1e-3), SMALLEST, LARGEST)), 2)
