"""Soft labels: the votes of a crowd for the voices of CREMA-D, mixed with what the actor intended.

Raters who had the voice alone chose a category and how strongly it is expressed. The published table is
``processedResults/tabulatedVotes.csv`` of CREMA-D; ``ratings.csv`` of the project's training data is a shorter copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import known_corpus, read_table

LETTERS = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
"""Letters of CREMA-D's categories."""
PUBLISHED = ("processedResults/tabulatedVotes.csv", "tabulatedVotes.csv")
"""Where the published table lies in the folder of the corpus."""
VOICE_ALONE = range(100_000, 200_000)
"""Numbers of the published table's lines about the voice alone; the others are about the face, and about both."""
UNKNOWN_LEVEL = 50.0
"""Level where the table has none."""
MIDDLE_LEVEL, LEVEL_SPREAD = 57.0, 7.0
"""Perceived level (0 to 100) of a middling expression, and the scale on which levels differ."""
NEUTRAL_MOST = 0.08
"""Largest intensity of a clip that is meant to be neutral."""


@dataclass(frozen=True)
class Votes:
    """Votes of those who had the voice alone.

    Attributes:
        share: (C,) of each category; sums to 1.
        level: mean perceived level of the chosen emotion, 0 to 100.
    """

    share: NDArray[np.float32]
    level: float


def read_vote_table(folder: Path) -> dict[str, Votes]:
    """Votes by the names of CREMA-D's files, without their endings. Clips without a vote are left out.

    Raises:
        InputError: there is no table of votes in the folder of the corpus.
    """
    ours, published = folder / "ratings.csv", [folder / name for name in PUBLISHED]
    path = next((p for p in (ours, *published) if p.is_file()), None)
    if path is None:
        raise InputError(f"{folder}: no votes there; {PUBLISHED[0]} is part of CREMA-D's repository")
    prefix, name, level = ("voice_", "file", "voice_level_mean") if path == ours else ("", "fileName", "meanEmoResp")
    votes = {}
    for line in read_table(path, (name, *(prefix + letter for letter in LETTERS))):
        if path != ours and int(line.get("") or 0) not in VOICE_ALONE:
            continue
        share = np.zeros(len(CATEGORIES), np.float32)
        for letter, word in LETTERS.items():
            share[CATEGORIES.index(word)] = float(line[prefix + letter] or 0)
        if share.sum() > 0:
            votes[Path(line[name]).stem] = Votes(share / share.sum(), float(line.get(level) or UNKNOWN_LEVEL))
    return votes


def is_rated(corpus: str) -> bool:
    """Whether raters voted on the clips of a corpus."""
    known = known_corpus(corpus)
    return known is not None and known.ratings is not None


def read_votes(data: Path, corpora: Sequence[str]) -> dict[str, Votes]:
    """Votes by ``corpus/file`` (without its ending) of those of the corpora that are rated.

    Raises:
        InputError: a table is missing.
    """
    votes: dict[str, Votes] = {}
    for name in filter(is_rated, corpora):
        known = known_corpus(name)
        assert known is not None
        folders = [data / "audio" / n for n in (name, known.name, *known.aliases)]
        folder = next((f for f in folders if f.is_dir()), folders[0])
        votes |= {f"{name}/{stem}": value for stem, value in read_vote_table(folder).items()}
    return votes


def votes_on(clip: Clip, votes: Mapping[str, Votes]) -> Votes | None:
    """The votes on a clip; None where there are none."""
    return votes.get(f"{clip.corpus}/{clip.path.stem}")


def soft_targets(
    clips: Sequence[Clip], votes: Mapping[str, Votes], intended: float, other: float
) -> NDArray[np.float32]:
    """Target distribution (N, C) of each clip.

    Args:
        clips: whose labels are categories of ours.
        votes: from ``read_votes``.
        intended: share of the intended category beside the votes.
        other: share of the label of clips without votes, the rest being even.
    """
    out = np.empty((len(clips), len(CATEGORIES)), np.float32)
    for target, clip in zip(out, clips, strict=True):
        name = known_category(clip.emotion)
        assert name is not None
        label = np.eye(len(CATEGORIES), dtype=np.float32)[CATEGORIES.index(name)]
        known = votes_on(clip, votes)
        if known is None:
            target[:] = other * label + (1.0 - other) / len(CATEGORIES)
        else:
            target[:] = intended * label + (1.0 - intended) * known.share
    return out


def intensity_targets(clips: Sequence[Clip], votes: Mapping[str, Votes]) -> NDArray[np.float32]:
    """Intensity (N,) in [0, 1] of rated clips, 0 where there are no votes.

    It is the share of votes for any emotion, times how strong it seemed to the raters; the intended level, which the
    clips of one sentence have, shifts it.
    """
    out = np.zeros(len(clips), np.float32)
    for i, clip in enumerate(clips):
        known = votes_on(clip, votes)
        if known is None:
            continue
        strength = 0.25 + 0.75 / (1.0 + np.exp(-(known.level - MIDDLE_LEVEL) / LEVEL_SPREAD))
        value = (1.0 - known.share[0]) * strength
        if known_category(clip.emotion) == "neutral":
            value = min(value, NEUTRAL_MOST)
        elif clip.intensity in ("high", "strong"):
            value = max(value, 0.5) + 0.2
        elif clip.intensity == "low":
            value *= 0.75
        out[i] = np.clip(value, 0.02, 0.97)
    return out
