"""What corpora say of fine-grained emotions: the kind a vocal burst was asked for, and the votes of raters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.fine_families import known_kind
from sedtalker.emotion.track import CATEGORIES
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import known_corpus
from sedtalker.training.corpora.transfer_recipe import Votes, votes_on

BURSTS = (
    *("adoration", "amusement", "anger", "awe", "confusion", "contempt", "contentment", "desire", "disappointment"),
    *("disgust", "distress", "ecstasy", "elation", "embarrassment", "fear", "guilt", "interest", "neutral", "pain"),
    *("pride", "realization", "relief", "romantic love", "sadness", "serenity", "shame", "negative surprise"),
    *("positive surprise", "sympathy", "triumph"),
)
"""EmoGator's thirty kinds in the order of their numbers, which begin with 01."""
VOTED: Mapping[str, tuple[str, ...]] = {
    "neutral": ("neutral",),
    "happy": ("amusement", "elation"),
    "sad": ("sadness",),
    "angry": ("anger",),
    "fear": ("fear",),
    "disgust": ("disgust",),
}
"""The kinds that stand for each category raters could choose among; there was no surprise."""


def clip_kind(clip: Clip) -> str | None:
    """The kind a clip was asked for: by its number in EmoGator, else by the corpus's word; None where it is none."""
    known = known_corpus(clip.corpus)
    if known is not None and known.name == "emogator":
        number = re.search(r"-(\d\d)-\d", clip.path.name)
        return BURSTS[int(number[1]) - 1] if number and 1 <= int(number[1]) <= len(BURSTS) else None
    return known_kind(clip.emotion.removeprefix("other:"))


def kind_numbers(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Index (N,) into ``BURSTS`` of the kind that clips were asked for; -1 where it is none of them."""
    kinds = [clip_kind(clip) for clip in clips]
    return np.array([BURSTS.index(kind) if kind in BURSTS else -1 for kind in kinds], np.int64)


def vote_shares(clips: Sequence[Clip], votes: Mapping[str, Votes]) -> NDArray[np.float32]:
    """Share (N, 6) of the raters who chose each of ``VOTED``; rows of clips without votes are zero."""
    order = [CATEGORIES.index(category) for category in VOTED]
    out = np.zeros((len(clips), len(VOTED)), np.float32)
    for row, clip in zip(out, clips, strict=True):
        rated = votes_on(clip, votes)
        if rated is not None:
            row[:] = rated.share[order]
    return out


def voted_members() -> NDArray[np.float32]:
    """Which of ``BURSTS`` stand for which of ``VOTED``, (30, 6)."""
    return np.array([[kind in kinds for kinds in VOTED.values()] for kind in BURSTS], np.float32)
