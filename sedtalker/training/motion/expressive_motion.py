"""Expressions: what each emotion does to the 52 shapes, and talking composed with it.

A pose is the sum of two sources: prototypes in action units, after the emotional facial action coding system (EMFACS;
Ekman and Friesen 1983), with strengths of our own so that each reads at a glance, and, where the measured table is at
hand, what 24 actors' faces did on average (differences to their own neutral, RAVDESS, Livingstone and Russo 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from sedtalker.animation.conditioning import Style
from sedtalker.animation.visual_prosody import VOICED
from sedtalker.arrays import Floats, Reals
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52, INDEX, both_sides
from sedtalker.reading import read_own_table
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.motion.spoken_motion import ROUNDING, LipMeasure, SpokenMotion, fit_gap, spoken_mouth

_HELD = read_own_table(__file__, "expressive_motion.toml")
"""The tables as they are written."""
ACTION_UNITS: dict[str, dict[str, float]] = _HELD["action_units"]
"""Action units (Ekman and Friesen 1978) in shapes, at full strength."""
PROTOTYPES: dict[str, dict[str, float]] = _HELD["prototypes"]
"""Strength of the action units at intensity 1, beside the measured part."""
LOUD: dict[str, dict[str, float]] = _HELD["loud"]
"""What a voice from the softest to the loudest changes: quiet anger presses the lips, loud anger bares the teeth."""
MEASURED_GAIN = 0.35
"""Weight of the measured differences: actors' averages are weaker than any one clear expression."""
UNRELIABLE: dict[str, float] = {"AU07": 0.3, "AU11": 0.0, "AU20": 0.5}
"""Detectors that vote on or off; their measured differences count less."""
NOT_MEASURED: dict[str, tuple[str, ...]] = {"surprise": ("AU12", "AU14", "AU20", "AU10")}
"""Units that a detector sees because the mouth talks; they would make the pose smile."""
MEASURED_NAMES: dict[str, str] = {"fear": "fearful_2", "surprise": "surprised_2"}
"""Rows of the measured table whose names are not ``<emotion>_2``."""

ARTICULATION: dict[str, float] = {
    "neutral": 0.0, "happy": 0.12, "sad": -0.22, "angry": 0.25, "fear": 0.05, "disgust": 0.0, "surprise": 0.18,
}  # fmt: skip
"""Relative change of the speaking amplitude at intensity 1."""


def shapes_of(units: Mapping[str, Mapping[str, float]]) -> Floats:
    """(7, 52) coefficients of action units of given strengths, by category."""
    table = np.zeros((len(CATEGORIES), len(ARKIT_52)), np.float32)
    for row, emotion in enumerate(CATEGORIES):
        for unit, strength in units.get(emotion, {}).items():
            for shape, weight in ACTION_UNITS[unit].items():
                table[row, INDEX[shape]] += strength * weight
    return table


def poses(measured: Mapping[str, Mapping[str, float]] | None = None) -> Floats:
    """(7, 52) coefficients of each category at intensity 1, in the order of ``CATEGORIES``; neutral is zero.

    Args:
        measured: mean differences by ``<emotion>_2`` and action unit (``emotion_au_table.json``'s ``mean_delta``).
    """
    units = {emotion: dict(strengths) for emotion, strengths in PROTOTYPES.items()}
    for emotion in CATEGORIES[1:] if measured else ():
        assert measured
        for unit, delta in measured[MEASURED_NAMES.get(emotion, f"{emotion}_2")].items():
            if unit in ACTION_UNITS and unit not in NOT_MEASURED.get(emotion, ()):
                gain = MEASURED_GAIN * UNRELIABLE.get(unit, 1.0)
                units[emotion][unit] = max(0.0, units[emotion].get(unit, 0.0) + gain * delta)
    return shapes_of(units).clip(0.0, 1.0)


def articulation() -> Floats:
    """(7,) relative change of the speaking amplitude by category."""
    return np.array([ARTICULATION[name] for name in CATEGORIES], np.float32)


# --- What the voice does that the face follows, whatever is said: loudness and pitch accents.


EMPHASIS = 0.15
"""Relative change of the lip opening by a unit of log energy."""
ACCENT_RANGE = 0.25
"""Natural-log pitch above what is around it that counts as a full accent."""


def loudness_of(log_energy: Floats) -> Floats:
    """(T,) log energy smoothed over 0.06 s, 0 on loud syllables."""
    smooth = gaussian_filter1d(log_energy, 0.06 * FRAME_CLOCK.rate)
    return np.asarray(smooth - np.quantile(smooth, 0.8), np.float32)


def emphasised(motion: SpokenMotion, log_energy: Floats) -> SpokenMotion:
    """The motion with its lips opening wider on louder syllables, which phones alone do not tell."""
    factor = np.exp(EMPHASIS * (loudness_of(log_energy) + 1.0)).clip(0.6, 1.35).astype(np.float32)
    return replace(motion, gap=motion.gap * factor)


@dataclass(frozen=True, eq=False)
class Prominence:
    """What the voice does that the face follows, whatever is said.

    Attributes:
        liveliness: (T,) in [0, 1], loudness of level-fixed speech smoothed over 0.3 s.
        loudness: (T,) log energy smoothed over 0.06 s, 0 on loud syllables.
        accent: (T,) in [0, 1], how far the pitch stands above what is around it.
    """

    liveliness: Floats
    loudness: Floats
    accent: Floats


def prominence_of(prosody: Floats) -> Prominence:
    """From (T, 4) prosody at 50 frames a second (``PROSODY_CHANNELS``)."""
    energy, pitch, voicing = prosody[:, 0], prosody[:, 1], prosody[:, 2]
    weight = ((voicing > VOICED) & (pitch != 0.0)).astype(np.float32)
    near, around = (
        gaussian_filter1d(pitch * weight, s * FRAME_CLOCK.rate)
        / (gaussian_filter1d(weight, s * FRAME_CLOCK.rate) + 0.05)
        for s in (0.08, 0.8)
    )
    voiced = gaussian_filter1d(weight, 0.08 * FRAME_CLOCK.rate)
    accent = np.clip((near - around - 0.04) / ACCENT_RANGE, 0.0, 1.0) * voiced
    lively = gaussian_filter1d(1.0 / (1.0 + np.exp(-(energy + 6.5) / 1.2)), 0.3 * FRAME_CLOCK.rate)
    return Prominence(lively.astype(np.float32), loudness_of(energy), accent.astype(np.float32))


def even_voice(frames: int) -> Prominence:
    """A voice of middling loudness without accents."""
    zero = np.zeros(frames, np.float32)
    return Prominence(zero + 0.5, zero - 1.0, zero)


# --- Expressive talking: tracked speech motion composed with expressions, the emotion changing inside a clip.

STYLE_RANGE = 0.4
"""A style of ±1 is a factor of 2^±0.4."""
DYNAMICS = 0.25
"""Relative change of the lip opening by a unit of log energy, at dynamics 1."""
ACCENTED_BROWS, ACCENTED_LIDS = 0.16, 0.05
"""What a full pitch accent adds to the brows' and to the lids' shapes."""
OPENING = both_sides("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper", "noseSneer")
"""Expression shapes that part the lips: they give way where speech closes them."""
WIDENING = both_sides("mouthSmile", "mouthStretch", "mouthDimple", "mouthFrown")
"""Expression shapes that widen the mouth: they give way to rounding."""
BROWS = both_sides("browInnerUp", "browOuterUp")
"""Shapes that rise with pitch accents."""
LIDS = both_sides("eyeWide")
"""Shapes of the lids that open with pitch accents."""
PRESSING = both_sides("mouthPress", "mouthRollLower", "mouthRollUpper", "mouthShrugLower")
"""Expression shapes that press the lips: they give way where speech opens them."""


def compose(
    spoken: SpokenMotion,
    posterior: Floats,
    intensity: Floats,
    style: Style,
    lip_measure: LipMeasure,
    pose_table: Floats,
    voice: Prominence,
) -> Floats:
    """(T, 52) expressive talking.

    Args:
        spoken: what speech does.
        posterior: (T, 7) mixture of the categories.
        intensity: (T,) in [0, 1].
        lip_measure: of the face the lips must close on.
        pose_table: (7, 52) from ``poses``.
        voice: expressions are modulated by loudness, and brows rise on accents.
    """
    expression = express(posterior, intensity, pose_table, voice)
    spoken = spoken.spoken_with(style.crispness)
    speaking = 1.0 + intensity * (posterior @ articulation())
    louder = np.exp(DYNAMICS * style.dynamics * (voice.loudness + 1.0)).clip(0.4, 1.6)
    amplitude = speaking * louder * 2.0 ** (STYLE_RANGE * style.articulation)
    speech = spoken_mouth(spoken)
    speech[:, ROUNDING] *= 2.0 ** (STYLE_RANGE * style.rounding)
    speech = fit_gap(speech, spoken.gap * amplitude, lip_measure)
    closed, contact, rounding = (v[:, None] for v in (spoken.closure, spoken.contact, spoken.rounding))
    talking, opened = spoken.talking[:, None], np.clip(spoken.gap[:, None] / 0.08, 0.0, 1.0)
    expression[:, OPENING] *= (1.0 - closed) * (1.0 - 0.6 * contact) * (1.0 - 0.25 * talking)
    expression[:, WIDENING] *= (1.0 - 0.55 * rounding * talking) * (1.0 - 0.2 * closed)
    expression[:, PRESSING] *= 1.0 - opened
    combined = speech + expression - 0.5 * speech * expression * talking
    leak = np.maximum(lip_measure.gap(expression), 0.0) * spoken.closure
    combined[:, INDEX["mouthClose"]] += leak / -lip_measure.gain[INDEX["mouthClose"]]
    return np.asarray(combined.clip(0.0, 1.0), np.float32)


def express(posterior: Floats, intensity: Floats, pose_table: Floats, voice: Prominence) -> Floats:
    """(T, 52) effect of emotion and of the voice's prominence on a silent face."""
    lively = voice.liveliness[:, None] - 0.5
    pose = posterior @ pose_table + lively * (posterior @ shapes_of(LOUD))
    expression = intensity[:, None] * (0.9 + 0.2 * lively) * np.maximum(pose, 0.0)
    frown = intensity * posterior[:, CATEGORIES.index("angry")]
    accent = (voice.accent * (1.0 - 0.8 * frown))[:, None]
    expression[:, BROWS] += ACCENTED_BROWS * accent
    expression[:, LIDS] += ACCENTED_LIDS * accent
    return np.asarray(expression.clip(0.0, 1.0), np.float32)


def random_emotion(rng: np.random.Generator, times: Reals) -> tuple[Floats, Floats]:
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
