"""Words for emotions mapped to the seven categories: the vocabulary of every corpus, and fine-grained emotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from sedtalker.arrays import Floats, Reals
from sedtalker.emotion.track import CATEGORIES, UNCERTAIN, EmotionTrack
from sedtalker.errors import InputError, check_share, one_of
from sedtalker.reading import read_json, read_own_table

_HELD = read_own_table(__file__, "taxonomy.toml")
"""The tables as they are written."""
SYNONYMS: Mapping[str, str] = _HELD["synonyms"]
"""Other words for a category, as corpora and users write them."""
EMOVOCA: Mapping[str, str | None] = {name: word or None for name, word in _HELD["emovoca"].items()}
"""EmoVOCA's eleven expressions, in the order of their ids, in our categories; ``None``: none of ours."""
SEDTALKER_PAPER: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "upset")
"""The seven classes of the published SEDTalker (arXiv 2604.13335), in its order; it has no surprise."""


def category(word: str) -> str:
    """The category a word stands for."""
    plain = word.strip().lower().replace("_", " ")
    plain = SYNONYMS.get(plain, plain)
    if plain not in CATEGORIES:
        raise InputError(f"unknown emotion '{word}': {one_of(word, CATEGORIES)}")
    return plain


def known_category(word: str) -> str | None:
    """The category a corpus label stands for, or ``None`` for words that are none of ours (``other:awe``)."""
    try:
        return category(word)
    except InputError:
        return None


def known_label(word: str) -> bool:
    """Whether a segment may carry the word: a category's, or ``uncertain``."""
    return known_category(word) is not None or word.strip().lower() == UNCERTAIN


def check_label(word: str) -> None:
    """Raise ``InputError`` where a word is no label of a segment."""
    if not known_label(word):
        category(word)


# --- Valence and arousal from categories and intensity, by rated coordinates or by measured ones of one's own.

COORDINATE_TABLES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    name: {category: (valence, arousal) for category, (valence, arousal) in table.items()}
    for name, table in _HELD["coordinates"].items()
}
"""(valence, arousal) in [-1, 1] of the categories by a short name, for ``read_coordinates``."""
COORDINATES = COORDINATE_TABLES["russell1977"]
"""Mean ratings, those that are used where no others are given."""


def valence_arousal(
    posterior: Reals,
    intensity: Reals,
    labels: tuple[str, ...] = CATEGORIES,
    coordinates: Mapping[str, tuple[float, float]] = COORDINATES,
) -> tuple[Floats, Floats]:
    """Expected coordinates, moved towards the origin where the expression is weak.

    ``v = sqrt(i) · Σ_c p_c v_c``: strong expressions lie at the rated coordinates, a normal one (0.5) at 71 % of the
    way. The square root is our choice: it keeps weak expressions apart from neutral.

    Args:
        posterior: (T, C), rows sum to 1.
        intensity: (T,) in [0, 1].
        labels: (C,) categories, or words for them.
        coordinates: (valence, arousal) of each category at full strength, from ``read_coordinates`` or the ratings.

    Returns:
        valence (T,) and arousal (T,) in [-1, 1].

    Raises:
        InputError: a label is no emotion, or has no coordinates.
    """
    names = [category(name) for name in labels]
    if missing := [name for name in names if name not in coordinates]:
        raise InputError(f"coordinates without {', '.join(missing)}: give [valence, arousal] of every category")
    points = np.array([coordinates[name] for name in names])
    scaled = np.sqrt(np.clip(intensity, 0.0, 1.0))[:, None] * (posterior @ points)
    return scaled[:, 0].astype(np.float32), scaled[:, 1].astype(np.float32)


def project(track: EmotionTrack, coordinates: Mapping[str, tuple[float, float]]) -> EmotionTrack:
    """The same track with the valence and arousal that other coordinates give its categories and intensity."""
    valence, arousal = valence_arousal(track.posterior, track.intensity, track.labels, coordinates)
    return replace(track, valence=valence, arousal=arousal)


def read_coordinates(source: Path | str) -> Mapping[str, tuple[float, float]]:
    """Coordinates by a name of ``COORDINATE_TABLES``, or from JSON: ``{"happy": [0.7, 0.4], "anger": [-0.4, 0.8]}``.

    In a file any word of the taxonomy will do; categories that are not in it keep their ratings.

    Raises:
        InputError: no such file or name, not of this form, an unknown or repeated emotion, or a number outside [-1, 1].
    """
    if str(source) in COORDINATE_TABLES:
        return COORDINATE_TABLES[str(source)]
    path = Path(source)
    try:
        held = read_json(path, "coordinates")
    except InputError as error:
        raise InputError(f"{error}; of the built-in tables: {one_of(str(source), COORDINATE_TABLES)}") from None
    try:
        given = TypeAdapter(dict[str, tuple[float, float]]).validate_python(held)
    except ValidationError:
        raise InputError(f'{path}: give {{"happy": [valence, arousal], …}} as JSON') from None
    measured: dict[str, tuple[float, float]] = {}
    for word, point in given.items():
        name = category(word)
        if name in measured:
            raise InputError(f"{path}: {name} is there twice")
        if not all(-1.0 <= value <= 1.0 for value in point):
            raise InputError(f"{path}: {word} lies outside [-1, 1]")
        measured[name] = point
    return {**COORDINATES, **measured}


# --- Fine-grained emotions: their families, and what of seven categories a face shows.
#
# A kind is a word such as "awe"; a family a group of kinds that people hold together. The face knows the seven
# categories alone, so each family says how they share in it. The table is a judgement after the sources named; nothing
# was fitted.


@dataclass(frozen=True)
class Family:
    """Properties shared by a group of kinds.

    Attributes:
        shares: of the categories in it; they sum to one.
        source: who groups or describes these kinds so.
    """

    shares: Mapping[str, float]
    source: str


_FINE = read_own_table(__file__, "fine_families.toml")
"""The tables as they are written."""
FAMILIES: Mapping[str, Family] = {
    name: Family(row["shares"], _FINE["sources"].get(row["source"], row["source"]))
    for name, row in _FINE["families"].items()
}
"""All of them."""
KINDS: Mapping[str, str] = {kind: name for name, row in _FINE["families"].items() for kind in row["kinds"]}
"""Family of each kind."""
OTHER_NAMES: Mapping[str, str] = _FINE["other_names"]
"""Other names of kinds in corpora and published heads."""


def known_kind(word: str) -> str | None:
    """The kind that a corpus or a published head means by a word (``Jealousy_&_Envy``), None where it is none."""
    plain = " ".join(word.lower().replace("&", " and ").replace("/", " ").replace("_", " ").split())
    plain = OTHER_NAMES.get(plain, plain)
    return plain if plain in KINDS else None


def family_shares(kinds: Sequence[str]) -> Floats:
    """Shares (K, 7) of the categories in each kind; rows sum to one."""
    out = np.zeros((len(kinds), len(CATEGORIES)), np.float32)
    for row, kind in zip(out, kinds, strict=True):
        for name, share in FAMILIES[KINDS[kind]].shares.items():
            row[CATEGORIES.index(name)] = share
    return out


def projected(curves: Mapping[str, Reals]) -> Floats:
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
        InputError: the track has no curve of a known kind, or other categories, or the share is out of range.
    """
    check_share("share", share)
    if not set(track.extras) & set(KINDS) or track.labels != CATEGORIES:
        raise InputError("the track has no curves of fine-grained emotions that the seven categories could follow")
    posterior = ((1.0 - share) * track.posterior + share * projected(track.extras)).astype(np.float32)
    valence, arousal = valence_arousal(posterior, track.intensity)
    return replace(track, posterior=posterior, valence=valence, arousal=arousal)
