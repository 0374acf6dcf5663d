"""From what a voice expresses to what a face shows: one function, for recordings and for streams.

Intensity is brought to a scale that people see: what listeners rated as a middling expression is a full one on a face,
and the intensity of calm reading is none. And the emotion is *decided*: a posterior over seven categories is flat where
the speaker and the language are new, and a mixture of six expressions at a fifth each is no expression. So it is
sharpened, which leaves a blend only where two emotions are nearly as likely.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats

SHARPNESS = 40.0
"""Power that posteriors are raised to: an emotion a tenth likelier than another has fifty times its share."""
UNNOTICED, NOTICED = 0.2, 0.4
"""Shares of a full expression up to which nobody sees one, and from which on people do."""
MILD, STRONG = 0.2, 0.95
"""Quantiles of a recording's intensity that are not seen and that are a full expression where they set the scale."""
FAMILIAR = (1.0, 1.5)
"""Distances from the training data (``DiarizerNetwork.distances``) between which the expression fades out.

Speech of corpora never trained on lies at 0.6 to 0.9, animals, machines and words over bad telephones above 1."""


Scale = tuple[float, float] | None
"""Intensities that are not seen at all and that are a full expression; None where a diarizer does not know them."""


def decided(posterior: NDArray[np.floating], strength: NDArray[np.floating], scale: Scale) -> Floats:
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
    neutral = np.clip((NOTICED - np.asarray(strength, np.float64)) / (NOTICED - UNNOTICED), 0.0, 1.0)[..., None]
    return np.concatenate([neutral, (1.0 - neutral) * emotions], -1).astype(np.float32)


def _sharpened(posterior: NDArray[np.floating]) -> NDArray[np.float64]:
    log = SHARPNESS * np.log(np.maximum(np.asarray(posterior, np.float64), 1e-8))
    power = np.exp(log - log.max(-1, keepdims=True))
    return np.asarray(power / power.sum(-1, keepdims=True))


def visible(intensity: NDArray[np.floating], scale: Scale) -> Floats:
    """Intensity (…,) on the scale of faces, in [0, 1].

    Args:
        intensity: as listeners rate it, in [0, 1].
        scale: of faces; None leaves the intensity as it is.
    """
    nothing, full = scale or (0.0, 1.0)
    return np.clip((np.asarray(intensity, np.float32) - nothing) / (full - nothing), 0.0, 1.0).astype(np.float32)


def own_scale(scale: Scale, intensity: NDArray[np.floating]) -> Scale:
    """The scale of faces stretched over a recording, so that a reserved voice moves a face, and a loud one has degrees.

    Args:
        scale: of faces, to which the least and the greatest intensity of the recording are compared.
        intensity: (T,) of its speech, as listeners rate it.

    Returns:
        What is mild for this recording, or for anybody; and what is strong for it, never closer together than before.
    """
    nothing, full = scale or (0.0, 1.0)
    mild, strong = np.quantile(intensity, [MILD, STRONG])
    low = min(nothing, float(mild))
    return low, max(float(strong), low + full - nothing)


def from_strengths(strengths: NDArray[np.floating]) -> tuple[Floats, Floats]:
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


def attenuation(distance: NDArray[np.floating] | None, trust: float = 1.0) -> Floats | float:
    """Factor (T,) of the intensity in recordings unlike those of training, where the emotion is a guess.

    Args:
        distance: (T,) from the training data, or None where it is not known: the factor is 1.
        trust: 0 leaves the intensity as it is, 1 applies the whole factor.
    """
    if distance is None:
        return 1.0
    begin, end = FAMILIAR
    familiar = np.clip((end - distance) / (end - begin), 0.0, 1.0)
    return np.asarray(1.0 - trust * (1.0 - familiar), np.float32)
