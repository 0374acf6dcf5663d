"""From what a voice expresses to what a face shows, and a director's dials on it, for recordings and for streams.

Intensity is brought to a scale that people see: that of calm reading is none, a little more is clearly seen, and from
there it has degrees, up to the full expression of what listeners rate as a middling one. And the emotion is *decided*:
a posterior over seven categories is flat where the speaker and the language are new, and a mixture of six expressions
at a fifth each is no expression. So it is sharpened, which leaves a blend only where two emotions are nearly as likely.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sedtalker.arrays import Doubles, Floats, Reals, clamped, softmax
from sedtalker.emotion.taxonomy import category, valence_arousal
from sedtalker.emotion.track import CATEGORIES, NEUTRAL, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_CLOCK

SHARPNESS = 28.0
"""Power that posteriors are raised to: an emotion a tenth likelier than another has fourteen times its share."""
UNNOTICED, NOTICED = 0.2, 0.4
"""Shares of a full expression up to which nobody sees one, and from which on people do."""
BALANCE, SOFTNESS = 0.5 * (UNNOTICED + NOTICED), 0.4
"""Share of a full expression at which neutral is as likely as an emotion, and the change of it that counts."""
MILD, STRONG = 0.2, 0.95
"""Quantiles of a recording's intensity that are not seen and that are a full expression where they set the scale."""
RATED = (0.005, 0.995)
"""Least and greatest intensity whose odds are taken."""
FAMILIAR = (1.0, 1.5)
"""Distances from the training data (``DiarizerNetwork.unfamiliarity``) between which the expression fades out.

Speech of corpora never trained on lies at 0.6 to 0.9, animals, machines and words over bad telephones above 1."""

CLEAR = 0.7
"""Share of a full expression that is clear at a glance."""
Scale = tuple[float, float, float] | None
"""Intensities that are not seen at all, that are ``CLEAR`` and that are a full expression; None where a diarizer does
not know them. The first two lie close together: calm speech shows nothing, and what is above it shall be seen."""


def decided(posterior: Reals, strength: Reals, scale: Scale) -> Floats:
    """A posterior as a face shows it: the emotions sharpened, and neutral only where the strength is hardly noticed.

    Args:
        posterior: (…, C), the first category is neutral.
        strength: (…,) the visible intensity.
        scale: that it was brought to; where there is none, neutral is sharpened like the emotions.

    Returns:
        (…, C), rows sum to 1.
    """
    if scale is None:
        return _sharpened(posterior).astype(np.float32)
    emotions = _sharpened(posterior[..., 1:])
    neutral = clamped((NOTICED - np.asarray(strength, np.float64)) / (NOTICED - UNNOTICED))[..., None]
    return np.concatenate([neutral, (1.0 - neutral) * emotions], -1).astype(np.float32)


def segment_evidence(posterior: Reals, strength: Reals, scale: Scale) -> Floats:
    """What frames say of the segment that they are in: the emotions by their posterior, neutral by the strength.

    At ``BALANCE`` neutral is as likely as the likeliest emotion; each ``SOFTNESS`` above it makes it e times less so.

    Args:
        posterior: (…, C), the first category is neutral.
        strength: (…,) the visible intensity.
        scale: that it was brought to; where there is none, the posterior says it all.

    Returns:
        (…, C), rows sum to 1.
    """
    if scale is None:
        return np.asarray(posterior, np.float32)
    emotions = np.maximum(np.asarray(posterior, np.float64)[..., 1:], 1e-12)
    odds = np.exp((BALANCE - np.asarray(strength, np.float64)) / SOFTNESS)[..., None]
    both = np.concatenate([odds * emotions.max(-1, keepdims=True), emotions], -1)
    return (both / both.sum(-1, keepdims=True)).astype(np.float32)


def _sharpened(posterior: Reals) -> Doubles:
    return softmax(SHARPNESS * np.log(np.maximum(np.asarray(posterior, np.float64), 1e-8)), -1)


def visible(intensity: Reals, scale: Scale) -> Floats:
    """Intensity (…,) on the scale of faces, in [0, 1].

    Args:
        intensity: as listeners rate it, in [0, 1].
        scale: of faces; None leaves the intensity as it is.
    """
    return np.interp(intensity, scale or (0.0, CLEAR, 1.0), (0.0, CLEAR, 1.0)).astype(np.float32)


def intensity_logit(intensity: Reals) -> Doubles:
    """The logit of intensities within ``RATED``."""
    rated = np.clip(np.asarray(intensity, np.float64), *RATED)
    return np.asarray(np.log(rated / (1.0 - rated)))


def neutral_by_intensity(posterior: Reals, intensity: Reals, odds: tuple[float, float] | None) -> Doubles:
    """A posterior whose neutral is as likely as its intensity makes it; the emotions keep their ratios.

    What a face shows is neutral by intensity, so that is what says how likely neutral is. The categories know less:
    of the read speech of other speakers, all of it calm, their posterior gives neutral a third.

    Args:
        posterior: (…, C), the first category is neutral.
        intensity: (…,) as listeners rate it, in [0, 1].
        odds: log-odds of neutral at an intensity of one half, and how they change with the intensity's logit; None
            leaves the posterior as it is.

    Returns:
        (…, C), rows sum to 1.
    """
    if odds is None:
        return np.asarray(posterior, np.float64)
    at_half, slope = odds
    likely = 1.0 / (1.0 + np.exp(-at_half - slope * intensity_logit(intensity)))[..., None]
    emotions = np.maximum(np.asarray(posterior, np.float64)[..., 1:], 1e-12)
    return np.concatenate([likely, (1.0 - likely) * emotions / emotions.sum(-1, keepdims=True)], -1)


def own_scale(scale: Scale, intensity: Reals) -> Scale:
    """The scale of faces laid over a recording, so that a reserved voice moves a face and a loud one has degrees.

    Args:
        scale: of faces, to which the least and the greatest intensity of the recording are compared.
        intensity: (T,) of its speech, as listeners rate it.

    Returns:
        From what is mild for this recording, or for anybody, evenly to what is strong for it; nowhere steeper than
        the scale.
    """
    nothing, clear, _ = scale or (0.0, CLEAR, 1.0)
    mild, strong = np.quantile(intensity, [MILD, STRONG])
    low = min(nothing, float(mild))
    length = max(float(strong) - low, (clear - nothing) / CLEAR)
    return low, low + CLEAR * length, low + length


def from_strengths(strengths: Reals) -> tuple[Floats, Floats]:
    """Posterior (T, C) and intensity (T,) of strengths (T, C) of the categories, in which neutral, the first, has none.

    The intensity is the sum of the strengths, at most 1; the posterior their shares; neutral where all are zero.
    """
    total = strengths.sum(1)
    shares = np.where(total[:, None] > 0, strengths / np.maximum(total, 1e-12)[:, None], np.eye(strengths.shape[1])[0])
    return shares.astype(np.float32), np.minimum(total, 1.0).astype(np.float32)


def mixed(one: tuple[Floats, Floats], other: tuple[Floats, Floats], share: Floats | float) -> tuple[Floats, Floats]:
    """The emotion, posterior (T, C) and intensity (T,), between ``one`` and ``other``, by strengths.

    Args:
        share: of ``other``, from 0 to 1, or (T,) of them.
    """
    share = np.broadcast_to(np.asarray(share, np.float32), one[1].shape)
    (mine, strong), (theirs, their_strength) = one, other
    strengths = ((1.0 - share) * strong)[:, None] * mine + (share * their_strength)[:, None] * theirs
    strengths[:, 0] = 0.0
    return from_strengths(strengths)


def attenuation(distance: Reals | None, trust: float = 1.0) -> Floats | float:
    """Factor (T,) of the intensity in recordings unlike those of training, where the emotion is a guess.

    Args:
        distance: (T,) from the training data, or None where it is not known: the factor is 1.
        trust: 0 leaves the intensity as it is, 1 applies the whole factor.
    """
    if distance is None:
        return 1.0
    begin, end = FAMILIAR
    familiar = clamped((end - distance) / (end - begin))
    return np.asarray(1.0 - trust * (1.0 - familiar), np.float32)


# --- A director's dials on emotion: contrast, how many emotions at once, a preferred one, and how fast they change.
#
# A track says what a voice expresses; a director may want it plainer, simpler, nearer to one emotion, or slower.
# NVIDIA's Audio2Face has the same dials. All of them look back only, so a stream and a recording come out alike.


EVERY_EMOTION = len(CATEGORIES) - 1
"""As many emotions at once as there are."""
USUAL_SHARE = 0.5
"""Share of a preferred emotion for which none is given."""
SETTLED = 3.0
"""Time constants after which a transition counts as over: 95 % of the way."""


@dataclass(frozen=True)
class Preference:
    """An emotion that is mixed into all others, from ``share`` 0, not at all, to 1, nothing else."""

    label: str
    share: float

    @staticmethod
    def read(text: str) -> Preference:
        """``LABEL`` or ``LABEL:SHARE``.

        Raises:
            InputError: no such emotion, or no share in [0, 1].
        """
        word, _, number = text.partition(":")
        label = category(word)
        try:
            share = float(number) if number else USUAL_SHARE
        except ValueError:
            share = -1.0
        if not 0.0 <= share <= 1.0:
            raise InputError(f"'{text}' is no preferred emotion: give LABEL or LABEL:SHARE, for example happy:0.4")
        return Preference(label, share)


@dataclass(frozen=True)
class Direction:
    """What a director asks of a track; the defaults leave it as it is.

    Attributes:
        strength: factor of the intensity, which stays in [0, 1].
        contrast: exponent of the posterior: above 1 the likeliest category stands out more, below 1 less.
        at_most: emotions that show at once; the share of weaker ones goes to those that stay, neutral keeps its own.
        preference: an emotion mixed into all others.
        transition: seconds in which a change of emotion is 95 % over, beside what the track itself takes.
    """

    strength: float = 1.0
    contrast: float = 1.0
    at_most: int = EVERY_EMOTION
    preference: Preference | None = None
    transition: float = 0.0

    @property
    def only_scales(self) -> bool:
        """Whether nothing but the strength changes."""
        return self == Direction(self.strength)

    def frames(self, posterior: Floats, intensity: Floats) -> tuple[Floats, Floats]:
        """Posterior (T, C) and intensity (T,) as these dials show them, every frame by itself, without transitions."""
        intensity = np.clip(intensity * np.float32(self.strength), 0.0, 1.0)
        if self.contrast != 1.0:
            posterior = posterior**self.contrast
            posterior = posterior / posterior.sum(-1, keepdims=True)
        if self.at_most < EVERY_EMOTION:
            posterior = _strongest(posterior, self.at_most)
        if self.preference is not None:
            posterior, intensity = _mixed(posterior, intensity, self.preference)
        return posterior.astype(np.float32), intensity.astype(np.float32)

    def of(self, track: EmotionTrack) -> EmotionTrack:
        """A track as these dials show it; where more than the strength changes, at 50 frames a second.

        Raises:
            InputError: more than the strength changes, and the track has other categories than ours.
        """
        if self.only_scales:
            return track.scaled(self.strength)
        if track.labels != CATEGORIES:
            raise InputError("contrast, at_most, prefer and transition need a track of the seven categories")
        end = max(track.duration, float(track.times[-1]))
        dense = track.at(FRAME_CLOCK.times(FRAME_CLOCK.frames(end)))
        posterior, intensity = Directed(self).push(dense.posterior, dense.intensity)
        valence, arousal = valence_arousal(posterior, intensity, track.labels)
        return replace(dense, posterior=posterior, intensity=intensity, valence=valence, arousal=arousal)


class Directed:
    """Frames of a stream at 50 a second as a director wants them: ``Direction`` with its transitions."""

    def __init__(self, direction: Direction):
        self.direction = direction
        self.state: Floats | None = None
        """(1, C + 1) what the filter of transitions remembers."""

    def push(self, posterior: Floats, intensity: Floats) -> tuple[Floats, Floats]:
        """The next frames: posterior (T, C) and intensity (T,)."""
        posterior, intensity = self.direction.frames(posterior, intensity)
        if not self.direction.transition or not len(intensity):
            return posterior, intensity
        from scipy.signal import lfilter  # imports for a third of a second what few need

        kept = np.exp(-SETTLED / (self.direction.transition * FRAME_CLOCK.rate))
        columns = np.column_stack([posterior, intensity]).astype(np.float64)
        state = kept * columns[:1] if self.state is None else self.state
        eased, self.state = lfilter([1.0 - kept], [1.0, -kept], columns, axis=0, zi=state)
        return eased[:, :-1].astype(np.float32), eased[:, -1].astype(np.float32)


def _strongest(posterior: Floats, count: int) -> Floats:
    """Posterior (T, C) with ``count`` emotions; of equal ones those that come first stay."""
    emotions = np.delete(posterior, NEUTRAL, -1)
    order = np.argsort(-emotions, -1, kind="stable").argsort(-1, kind="stable")
    kept = np.where(order < count, emotions, 0.0)
    total = kept.sum(-1, keepdims=True)
    kept = kept * np.divide(emotions.sum(-1, keepdims=True), total, out=np.ones_like(total), where=total > 0.0)
    return np.insert(kept, NEUTRAL, posterior[..., NEUTRAL], -1)


def _mixed(posterior: Floats, intensity: Floats, preference: Preference) -> tuple[Floats, Floats]:
    """What shows, share times intensity, moved towards a preferred emotion at full strength; neutral has none."""
    wished = np.eye(len(CATEGORIES), dtype=np.float32)[CATEGORIES.index(preference.label)]
    own = (1.0 - preference.share) * intensity
    new = preference.share * (preference.label != CATEGORIES[NEUTRAL])
    total = own + new
    share = np.divide(new, total, out=np.zeros_like(total), where=total > 0.0)[:, None]
    return posterior + share * (wished - posterior), total
