"""Expressive talking: tracked speech motion composed with expressions, the emotion changing inside a clip.

EmoVOCA's construction (talking × expression) with free parts, and with the rule that the emotion never opens a
closure, parts a lip-teeth contact or unrounds a rounded mouth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sedtalker.animation.conditioning import Style
from sedtalker.animation.expressions import articulation, loud_change, poses
from sedtalker.animation.shapes import INDEX, speech_only
from sedtalker.audio import resample_frames
from sedtalker.datasets.alignment import PhoneSpan
from sedtalker.datasets.grid import TrackedClip
from sedtalker.datasets.prominence import RATE, Prominence
from sedtalker.datasets.visemes import TONGUE, tongue_curve
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture, lip_width
from sedtalker.speech.phones import BILABIAL, LABIODENTAL, SILENCE

Floats = NDArray[np.float32]

TRACKED_REST_GAP = 0.0045
"""Inner-lip height the tracker gives for closed lips, outer-eye distances."""
CLOSING, OPEN = 0.010, 0.030
PAUSE_SECONDS = 0.4
ROUNDED = 0.45
"""Sum of pucker and funnel of a fully rounded mouth in speech."""
STYLE_RANGE = 0.4
"""A style of ±1 is a factor of 2^±0.4."""
DYNAMICS = 0.25
"""Relative change of the lip opening by a unit of log energy, at dynamics 1."""
SLUR = 0.045
"""Seconds over which the lips slur at crispness -1 (standard deviation)."""
ACCENTED_BROWS, ACCENTED_LIDS = 0.16, 0.05


def _columns(*names: str) -> list[int]:
    return [INDEX[n + side] for n in names for side in ("", "Left", "Right") if n + side in INDEX]


OPENING = _columns("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper", "noseSneer")
WIDENING = _columns("mouthSmile", "mouthStretch", "mouthDimple", "mouthFrown")
BROWS = _columns("browInnerUp", "browOuterUp")
LIDS = _columns("eyeWide")
PRESSING = _columns("mouthPress", "mouthRollLower", "mouthRollUpper", "mouthShrugLower")
ROUNDING = _columns("mouthPucker", "mouthFunnel")


@dataclass(frozen=True, eq=False)
class LipGauge:
    """How far each shape parts the lips of a face, to first order.

    Attributes:
        rest: inner-lip gap of the resting face, outer-eye distances.
        gain: (52,) change of the gap at coefficient 1, with the jaw a little open.
        width: (52,) change of the inner-lip width, likewise.
    """

    rest: float
    gain: Floats
    width: Floats

    def gap(self, coefficients: Floats) -> Floats:
        """(T,) gap beyond the resting one."""
        return np.asarray(coefficients @ self.gain, np.float32)


def measure_lips(face: Face) -> LipGauge:
    """The gauge of a face whose first shapes are ``ARKIT_52`` (jaw open a little, as in speech)."""
    ajar = np.zeros((2, len(face.shapes)), np.float32)
    ajar[1, INDEX["jawOpen"]] = 0.3
    rest, open_gap = lip_aperture(face, ajar)
    trials = np.repeat(ajar[1:], len(ARKIT_52), axis=0)
    trials[:, : len(ARKIT_52)] += 0.1 * np.eye(len(ARKIT_52), dtype=np.float32)
    gain = (lip_aperture(face, trials) - open_gap) / 0.1
    gain[INDEX["jawOpen"]] = (open_gap - rest) / 0.3
    width = (lip_width(face, trials) - lip_width(face, ajar)[1]) / 0.1
    return LipGauge(float(rest), gain, width)


def fit_gap(coefficients: Floats, wanted: Floats, gauge: LipGauge) -> Floats:
    """Coefficients whose lip gap (beyond rest) is ``wanted`` (T,): by mouthClose first, then by the jaw."""
    fitted = np.array(coefficients, np.float32)
    jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
    for _ in range(2):
        missing = wanted - gauge.gap(fitted)
        open_more = np.maximum(missing, 0.0)
        less_close = np.minimum(fitted[:, close], open_more / -gauge.gain[close])
        fitted[:, close] -= less_close
        fitted[:, jaw] += (open_more + less_close * gauge.gain[close]) / gauge.gain[jaw]
        too_open = np.maximum(-missing, 0.0)
        limit = np.maximum(0.7 * fitted[:, jaw] * gauge.gain[jaw] / -gauge.gain[close] - fitted[:, close], 0.0)
        more_close = np.minimum(too_open / -gauge.gain[close], limit)
        fitted[:, close] += more_close
        fitted[:, jaw] -= (too_open + more_close * gauge.gain[close]) / gauge.gain[jaw]
        fitted = fitted.clip(0.0, 1.0)
    return fitted


def fit_width(coefficients: Floats, wanted: Floats, gauge: LipGauge) -> Floats:
    """Coefficients whose lip width (beyond rest) is ``wanted`` (T,): stretched wider or puckered narrower."""
    fitted = np.array(coefficients, np.float32)
    stretch, pucker = _columns("mouthStretch"), INDEX["mouthPucker"]
    wider, narrower = float(gauge.width[stretch].sum()), -float(gauge.width[pucker])
    missing = wanted - fitted @ gauge.width
    unpucker = np.clip(missing / narrower, 0.0, fitted[:, pucker])
    unstretch = np.clip(-missing / wider, 0.0, fitted[:, stretch].mean(1))
    missing = missing - unpucker * narrower + unstretch * wider
    fitted[:, pucker] += np.maximum(-missing, 0.0) / narrower - unpucker
    fitted[:, stretch] += (np.maximum(missing, 0.0) / wider - unstretch)[:, None]
    return fitted.clip(0.0, 1.0)


@dataclass(frozen=True, eq=False)
class SpokenMotion:
    """A tracked clip on the analysis clock: what speech alone does to the face.

    Attributes:
        coefficients: (T, 52) speech shapes, rest removed, lip gap as tracked.
        gap: (T,) tracked inner-lip gap beyond closed lips, outer-eye distances.
        closure: (T,) in [0, 1], lips of a p, b or m held together.
        contact: (T,) in [0, 1], lip on teeth (f, v).
        rounding: (T,) in [0, 1].
        talking: (T,) in [0, 1], 0 in pauses.
        tongue: (T,) in [0, 1], the tip between the teeth (th).
    """

    coefficients: Floats
    gap: Floats
    closure: Floats
    contact: Floats
    rounding: Floats
    talking: Floats
    tongue: Floats

    def at(self, position: NDArray[np.floating]) -> SpokenMotion:
        """The same motion at other places (n,), counted in frames; held at both ends."""
        curves = (self.gap, self.closure, self.contact, self.rounding, self.talking, self.tongue)
        columns = np.column_stack([self.coefficients, *curves])
        values = resample_frames(columns, np.arange(float(len(columns))), position)
        return SpokenMotion(values[:, : len(ARKIT_52)], *values[:, len(ARKIT_52) :].T)

    def spoken_with(self, crispness: float) -> SpokenMotion:
        """The same motion slurred (below 0) or sharpened (above), closures kept."""
        if crispness == 0.0:
            return self
        columns = np.column_stack([self.coefficients, self.gap])
        slow = gaussian_filter1d(columns, SLUR * RATE, axis=0)
        columns = np.maximum(columns + crispness * (columns - slow), 0.0).astype(np.float32)
        gap = columns[:, -1] * (1.0 - self.closure * min(1.0, -2.0 * min(crispness, 0.0)))
        return replace(self, coefficients=columns[:, :-1].clip(0.0, 1.0), gap=gap)


@dataclass(frozen=True, eq=False)
class Rest:
    """A talker's closed mouth before speaking: speech shapes (52,) and inner-lip width in outer-eye distances."""

    coefficients: Floats
    width: float


def rest_pose(clips: list[TrackedClip]) -> Rest:
    """Medians over the first 0.3 s of clips, where the lips are closed."""
    closed = [c.feature("inner_lip_height")[:8] < 0.01 for c in clips]
    first = np.concatenate([speech_only(c.coefficients[:8])[k] for c, k in zip(clips, closed, strict=True)])
    width = np.concatenate([c.feature("inner_lip_width")[:8][k] for c, k in zip(clips, closed, strict=True)])
    return Rest(np.median(first, axis=0).astype(np.float32), float(np.median(width)))


def phone_curve(spans: list[PhoneSpan], phones: tuple[str, ...], times: NDArray[np.floating], margin: float) -> Floats:
    """(T,) 1 inside the given phones, falling to 0 over ``margin`` seconds on either side."""
    curve = np.zeros(len(times), np.float32)
    for span in spans:
        if span.phone in phones:
            away = np.maximum(np.maximum(span.start - times, times - span.end), 0.0)
            curve = np.maximum(curve, 1.0 - away / margin).astype(np.float32)
    return curve.clip(0.0, 1.0)


def talking_curve(spans: list[PhoneSpan], times: NDArray[np.floating]) -> Floats:
    """(T,) 1 while words are spoken, 0 in pauses and outside the alignment."""
    if not spans:
        return np.ones(len(times), np.float32)
    outside = (times < spans[0].start) | (times > spans[-1].end)
    return np.where(outside, 0.0, 1.0 - phone_curve(spans, (SILENCE,), times, 0.08)).astype(np.float32)


def speaking_curve(spans: list[PhoneSpan], times: NDArray[np.floating]) -> Floats:
    """(T,) 1 in and near words, 0 from 0.4 s away: mouths rest in longer pauses, whatever the tracked talker did."""
    if not spans:
        return np.ones(len(times), np.float32)
    words = tuple(sorted({span.phone for span in spans} - {SILENCE}))
    near = np.minimum(1.33 * phone_curve(spans, words, times, PAUSE_SECONDS), 1.0)
    return np.asarray(near * near * (3.0 - 2.0 * near), np.float32)


def rounding_of(coefficients: Floats) -> Floats:
    """(T,) how rounded a mouth is, in [0, 1]."""
    return np.clip(coefficients[:, ROUNDING].sum(1) / ROUNDED, 0.0, 1.0).astype(np.float32)


def speak(
    clip: TrackedClip, spans: list[PhoneSpan], rest: Rest, gauge: LipGauge, times: NDArray[np.floating]
) -> SpokenMotion:
    """The motion of a tracked clip at ``times`` (T,) seconds."""
    raw = resample_frames(np.maximum(speech_only(clip.coefficients) - rest.coefficients, 0.0), clip.times, times)
    gap = resample_frames(clip.feature("inner_lip_height")[:, None], clip.times, times)[:, 0]
    speaking = speaking_curve(spans, times)
    width = resample_frames(clip.feature("inner_lip_width")[:, None], clip.times, times)[:, 0] - rest.width
    raw, gap = raw * speaking[:, None], np.maximum(gap - TRACKED_REST_GAP, 0.0) * speaking
    shut = 1.0 - np.clip((gap - CLOSING) / (OPEN - CLOSING), 0.0, 1.0)
    return SpokenMotion(
        coefficients=fit_gap(fit_width(raw, width * speaking, gauge), gap, gauge),
        gap=gap.astype(np.float32),
        closure=(shut * phone_curve(spans, BILABIAL, times, 0.06)).astype(np.float32),
        contact=phone_curve(spans, LABIODENTAL, times, 0.05),
        rounding=rounding_of(raw),
        talking=talking_curve(spans, times),
        tongue=tongue_curve(spans, times),
    )


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


def pause(frames: int) -> SpokenMotion:
    """A closed, resting mouth: the target for silence and noise."""
    zero = np.zeros(frames, np.float32)
    return SpokenMotion(np.zeros((frames, len(ARKIT_52)), np.float32), zero, zero, zero, zero, zero, zero)


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
