"""Fine-grained emotions: the family of the literature each belongs to, and what of seven categories a face shows.

A kind is a word such as "awe"; a family a group of kinds that people hold together. The face knows the seven categories
alone, so each family says how they share in it. The table is a judgement after the sources named; nothing was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.taxonomy import valence_arousal
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError


@dataclass(frozen=True)
class Family:
    """Properties shared by a group of kinds.

    Attributes:
        shares: of the categories in it; they sum to one.
        source: who groups or describes these kinds so.
    """

    shares: Mapping[str, float]
    source: str


SHAVER = "Shaver, Schwartz, Kirson & O'Connor 1987, Emotion knowledge, J. Personality and Social Psychology 52"
"""Six clusters of 135 words by how people sort them: love, joy, surprise, anger, sadness, fear."""
EKMAN = "Ekman & Cordaro 2011, What is meant by calling emotions basic, Emotion Review 3"
"""Families of enjoyment, contempt, disgust and others with signals of their own."""

FAMILIES: Mapping[str, Family] = {
    "neutral": Family({"neutral": 1.0}, "by definition"),
    "joy": Family({"happy": 1.0}, SHAVER),
    "love": Family({"happy": 0.7, "neutral": 0.3}, SHAVER),
    "calm pleasure": Family(
        {"happy": 0.4, "neutral": 0.6}, "Russell 1980, A circumplex model of affect: pleasant, low in arousal"
    ),
    "surprise": Family({"surprise": 1.0}, SHAVER),
    "awe": Family({"surprise": 0.7, "happy": 0.3}, "Keltner & Haidt 2003, Approaching awe, Cognition and Emotion 17"),
    "bad surprise": Family(
        {"surprise": 0.6, "fear": 0.4},
        "Noordewier & Breugelmans 2013, On the valence of surprise, Cognition and Emotion 27",
    ),
    "thought": Family(
        {"neutral": 0.6, "surprise": 0.4},
        "Silvia 2010, Confusion and interest: the role of knowledge emotions, Psychology of Aesthetics 4",
    ),
    "anger": Family({"angry": 1.0}, SHAVER),
    "contempt": Family({"disgust": 0.6, "angry": 0.4}, EKMAN),
    "disgust": Family({"disgust": 1.0}, EKMAN),
    "sadness": Family({"sad": 1.0}, SHAVER),
    "shame": Family({"sad": 0.7, "fear": 0.3}, SHAVER),
    "fear": Family({"fear": 1.0}, SHAVER),
    "pain": Family(
        {"sad": 0.4, "disgust": 0.3, "angry": 0.3},
        "Prkachin 1992, The consistency of facial expressions of pain, Pain 51: lowered brows, raised upper lip",
    ),
    "tiredness": Family({"neutral": 0.7, "sad": 0.3}, "Russell 1980: unpleasant, low in arousal"),
}
"""All of them. Shaver et al. count shame, guilt, embarrassment and sympathy to sadness; that shame withdraws as fear
does is the reason for its second share (Ekman & Cordaro 2011)."""

_MEMBERS = {
    "neutral": "neutral, concentration, contemplation, emotional numbness",
    "joy": "amusement, ecstasy, elation, happiness, hope, pleasure, pride, teasing, triumph",
    "love": "adoration, affection, desire, infatuation, romantic love, sexual lust",
    "calm pleasure": "contentment, relief, serenity, thankfulness",
    "surprise": "astonishment, positive surprise",
    "awe": "awe",
    "bad surprise": "negative surprise",
    "thought": "confusion, doubt, interest, realization",
    "anger": "anger, bitterness, impatience and irritability, jealousy, malevolence",
    "contempt": "contempt",
    "disgust": "disgust, sourness",
    "sadness": "disappointment, helplessness, longing, sadness, sympathy",
    "shame": "embarrassment, guilt, shame",
    "fear": "distress, fear",
    "pain": "pain",
    "tiredness": "fatigue, intoxication",
}
"""Kinds of each family: the thirty of EmoGator (Buhl 2023), the forty of EmoNet-Voice (Schuhmann et al. 2025), and
happiness, which CREMA-D's raters voted for."""
KINDS: Mapping[str, str] = {kind: family for family, kinds in _MEMBERS.items() for kind in kinds.split(", ")}
"""Family of each kind."""

OTHER_NAMES: Mapping[str, str] = {
    "surprise (positive)": "positive surprise",
    "surprise (negative)": "negative surprise",
    "astonishment surprise": "astonishment",
    "hope enthusiasm optimism": "hope",
    "fatigue exhaustion": "fatigue",
    "intoxication altered states of consciousness": "intoxication",
    "jealousy and envy": "jealousy",
    "malevolence malice": "malevolence",
    "pleasure ecstasy": "pleasure",
    "thankfulness gratitude": "thankfulness",
    "happy": "happiness",
    "angry": "anger",
    "sad": "sadness",
}
"""Other names of kinds in corpora and published heads."""


def known_kind(word: str) -> str | None:
    """The kind that a corpus or a published head means by a word (``Jealousy_&_Envy``), None where it is none."""
    plain = " ".join(word.lower().replace("&", " and ").replace("/", " ").replace("_", " ").split())
    plain = OTHER_NAMES.get(plain, plain)
    return plain if plain in KINDS else None


def family_shares(kinds: Sequence[str]) -> NDArray[np.float32]:
    """Shares (K, 7) of the categories in each kind; rows sum to one."""
    out = np.zeros((len(kinds), len(CATEGORIES)), np.float32)
    for row, kind in zip(out, kinds, strict=True):
        for name, share in FAMILIES[KINDS[kind]].shares.items():
            row[CATEGORIES.index(name)] = share
    return out


def projected(curves: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float32]:
    """Posterior (T, 7) of the categories that a face shows, from curves (T,) of kinds in [0, 1].

    Every category gets what the kinds give it, and neutral what they leave of one: where no kind shows, a face is
    neutral. Curves of other names count nothing.
    """
    kinds = [name for name in curves if name in KINDS]
    if not kinds:
        raise ValueError("no curve of a known kind")
    values = np.stack([curves[name] for name in kinds], 1)
    given = values @ family_shares(kinds)
    given[:, 0] += np.clip(1.0 - given.sum(1), 0.0, None)
    return np.asarray(given / given.sum(1, keepdims=True), np.float32)


def with_share(track: EmotionTrack, share: float) -> EmotionTrack:
    """The track whose categories partly follow its fine-grained emotions: 0 leaves them, 1 takes the latter alone.

    Raises:
        InputError: the track has no curve of a known kind, or other categories.
    """
    if not set(track.extras) & set(KINDS) or track.labels != CATEGORIES:
        raise InputError("the track has no curves of fine-grained emotions that the seven categories could follow")
    posterior = ((1.0 - share) * track.posterior + share * projected(track.extras)).astype(np.float32)
    valence, arousal = valence_arousal(posterior, track.intensity)
    return replace(track, posterior=posterior, valence=valence, arousal=arousal)
