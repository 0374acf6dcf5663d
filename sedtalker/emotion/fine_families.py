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
from sedtalker.reading import read_own_table


@dataclass(frozen=True)
class Family:
    """Properties shared by a group of kinds.

    Attributes:
        shares: of the categories in it; they sum to one.
        source: who groups or describes these kinds so.
    """

    shares: Mapping[str, float]
    source: str


_HELD = read_own_table(__file__, "fine_families.toml")
"""The tables as they are written."""
FAMILIES: Mapping[str, Family] = {
    name: Family(row["shares"], _HELD["sources"].get(row["source"], row["source"]))
    for name, row in _HELD["families"].items()
}
"""All of them."""
KINDS: Mapping[str, str] = {kind: name for name, row in _HELD["families"].items() for kind in row["kinds"]}
"""Family of each kind."""
OTHER_NAMES: Mapping[str, str] = _HELD["other_names"]
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
