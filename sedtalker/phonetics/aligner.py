"""Forced alignment: when each phone of a known text is spoken.

A left-to-right chain of phones, with a silence that may be left out before, between and behind words, runs through the
posteriors of phones in both encoders (Viterbi 1967; posteriors divided by priors stand for likelihoods: Bourlard and
Morgan 1994), tempered. A phone lasts one frame of 20 ms or more. Words whose times are known about are held near them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Reals, runs, softmax
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.phonetics.pronunciation import SpokenWord
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import PHONE_INDEX, PHONES, SILENCE, SpeechFeatures

PRIORS = {
    "SIL": 0.304, "AA": 0.014, "AE": 0.027, "AH": 0.054, "AO": 0.013, "AW": 0.007, "AY": 0.024, "B": 0.008,
    "CH": 0.004, "D": 0.021, "DH": 0.016, "EH": 0.024, "ER": 0.020, "EY": 0.021, "F": 0.014, "G": 0.006,
    "HH": 0.012, "IH": 0.044, "IY": 0.045, "JH": 0.003, "K": 0.021, "L": 0.021, "M": 0.017, "N": 0.040,
    "NG": 0.009, "OW": 0.014, "OY": 0.002, "P": 0.012, "R": 0.020, "S": 0.033, "SH": 0.006, "T": 0.046,
    "TH": 0.005, "UH": 0.004, "UW": 0.016, "V": 0.009, "W": 0.019, "Y": 0.006, "Z": 0.021, "ZH": 0.002,
}  # fmt: skip
"""Share of each class in the frames of aligned read speech (speechocean762 and LJ Speech), at least .002."""
PRIOR_SCALE = 0.5
"""Power of the priors: at 1 rare phones and pauses win too often, on validation sentences."""
LOG_PRIORS = PRIOR_SCALE * np.log([PRIORS[phone] for phone in PHONES])
"""Scaled log priors of ``PHONES``."""
OUTSIDE = 0.5
"""What a frame outside the known time of its word costs, in nats for each frame of distance."""
MOST_OUTSIDE = 25
"""Frames beyond which the distance costs no more: half a second."""
ACOUSTIC_SCALE = 0.8
"""Factor of the logits: the network is surer of the phones of new speakers than it is right."""
POOR_FIT = -1.5
"""``Alignment.fit`` of words that are hardly those of the recording: 19 of 20 right ones of validation sentences are
above -1.0, and 9 of 10 other sentences below this."""


def phone_posteriors(features: SpeechFeatures, sound: Audio) -> Floats:
    """(T, 40) posteriors of ``PHONES`` on the frames of ``features``; found anew in the sound if they hold none."""
    phones = features.phones
    if phones is None:
        phones = open_encoder()(sound).phones
        assert phones is not None
    return softmax(ACOUSTIC_SCALE * phones[: len(features)], -1)


def align(posteriors: Reals, words: Sequence[SpokenWord], rate: float = 50.0) -> Alignment:
    """The likeliest times of the words' phones.

    Args:
        posteriors: (T, 40) of ``PHONES``; frame i is from ``i / rate`` to ``(i + 1) / rate`` seconds.
        words: what is said, in order; those with times are held near them.
        rate: frames a second.

    Raises:
        InputError: no words, or more phones than frames.
    """
    chain = _chain(words, rate)
    needed = int((chain.words >= 0).sum())
    if not needed:
        raise InputError("there are no words to align")
    if needed > len(posteriors):
        raise InputError(
            f"the transcript has {needed} phones, more than can be spoken in {len(posteriors) / rate:.1f} s: "
            "it is of a longer recording"
        )
    log_posteriors = np.log(np.maximum(posteriors, 1e-8)).astype(np.float64)
    path = _best_path(log_posteriors - LOG_PRIORS, chain)
    owner = chain.words[path]
    ratio = log_posteriors[np.arange(len(path)), chain.classes[path]] - log_posteriors.max(1)
    fits = tuple(float(ratio[owner == index].mean()) for index in range(len(words)))
    word_of = [int(word) if word >= 0 else None for word in chain.words]
    spoken = tuple(
        AlignedPhone(start / rate, end / rate, PHONES[chain.classes[state]], word_of[state])
        for start, end, state in runs(path)
    )
    return Alignment(spoken, tuple(word.text for word in words), float(ratio[owner >= 0].mean()), fits)


class _Chain(NamedTuple):
    """The states of an alignment: silences that may be left out, with the phones of a word between two of them.

    Attributes:
        classes: (S,) their phones, as indices of ``PHONES``.
        words: (S,) indices of their words; -1: a silence that may be left out.
        first, last: (S,) frames between which they are expected, from far below to far above where nothing is known.
    """

    classes: NDArray[np.int64]
    words: NDArray[np.int64]
    first: Doubles
    last: Doubles


def _chain(words: Sequence[SpokenWord], rate: float) -> _Chain:
    classes, owners, first, last = [PHONE_INDEX[SILENCE]], [-1], [-np.inf], [np.inf]
    for index, word in enumerate(words):
        start, end = word.within or (-np.inf, np.inf)
        states = [PHONE_INDEX[phone] for phone in word.phones]
        classes += [*states, PHONE_INDEX[SILENCE]]
        owners += [*([index] * len(states)), -1]
        first += [*([start * rate] * len(states)), -np.inf]
        last += [*([end * rate - 1] * len(states)), np.inf]
    return _Chain(np.array(classes), np.array(owners), np.array(first), np.array(last))


def _best_path(scores: Doubles, chain: _Chain) -> NDArray[np.int64]:
    """(T,) the states of the best path of scores (T, 40).

    It keeps the sums of some frames only, and computes a stretch between two of them again when it goes back through
    it: an hour of speech needs some hundred megabytes instead of gigabytes.
    """
    frames, stretch = len(scores), max(1, int(len(scores) ** 0.5))
    sums = np.full(len(chain.classes), -np.inf)
    sums[:2] = _emission(scores, chain, 0)[:2]
    kept = [sums]
    for start in range(0, frames - 1, stretch):
        *_, (sums, _) = _steps(kept[-1], scores, chain, start + 1, min(start + stretch, frames - 1))
        kept.append(sums)
    path = np.zeros(frames, np.int64)
    at = len(sums) - 1 if sums[-1] >= sums[-2] else len(sums) - 2
    path[-1] = at
    for part in range(len(kept) - 2, -1, -1):
        first = part * stretch + 1
        last = min(part * stretch + stretch, frames - 1)
        moves = [moved for _, moved in _steps(kept[part], scores, chain, first, last)]
        for frame in range(last, first - 1, -1):
            at -= int(moves[frame - first][at])
            path[frame - 1] = at
    return path


def _steps(
    sums: Doubles, scores: Doubles, chain: _Chain, first: int, last: int
) -> Iterator[tuple[Doubles, NDArray[np.int8]]]:
    """Sums (S,) after each of the frames ``first`` to ``last``, and by how many states each came forward (0, 1, 2)."""
    may_skip = np.flatnonzero((chain.words[2:] >= 0) & (chain.words[1:-1] < 0)) + 2
    for frame in range(first, last + 1):
        best, moved = sums.copy(), np.zeros(len(sums), np.int8)
        forward = sums[:-1] > best[1:]
        best[1:][forward], moved[1:][forward] = sums[:-1][forward], 1
        skipped = may_skip[sums[may_skip - 2] > best[may_skip]]
        best[skipped], moved[skipped] = sums[skipped - 2], 2
        sums = best + _emission(scores, chain, frame)
        yield sums, moved


def _emission(scores: Doubles, chain: _Chain, frame: int) -> Doubles:
    """(S,) score of a frame in each state."""
    away = np.maximum(np.maximum(chain.first - frame, frame - chain.last), 0.0)
    return np.asarray(scores[frame, chain.classes] - OUTSIDE * np.minimum(away, MOST_OUTSIDE))


@dataclass(frozen=True)
class AlignedPhone:
    """A phone and its time.

    Attributes:
        start: seconds.
        end: seconds.
        phone: one of ``sedtalker.speech.features.PHONES``.
        word: index of its word; None in silence.
    """

    start: float
    end: float
    phone: str
    word: int | None = None


@dataclass(frozen=True)
class Alignment:
    """The phones of a recording: one after the other, without gaps, from its beginning to its end.

    Attributes:
        phones: in order of time.
        words: texts of the spoken words, see ``SpokenWord``.
        fit: mean over the frames of words of the log ratio of the phone's posterior to the likeliest phone's: 0 where
            the encoder agrees throughout, far below where other words are spoken.
        fits: the same of each word.
        language: of the words; None: not known.
    """

    phones: tuple[AlignedPhone, ...]
    words: tuple[str, ...] = ()
    fit: float = 0.0
    fits: tuple[float, ...] = ()
    language: str | None = None

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.phones[-1].end if self.phones else 0.0

    def of(self, classes: Sequence[str]) -> list[tuple[float, float]]:
        """Start and end of each phone of the given classes in words, seconds."""
        return [(p.start, p.end) for p in self.phones if p.phone in classes and p.word is not None]

    def word_times(self) -> tuple[tuple[float, float, str], ...]:
        """Start, end and text of each word as it is written; spoken words without a text belong to the one before."""
        times: dict[int, tuple[float, float]] = {}
        word = 0
        for phone in self.phones:
            if phone.word is not None:
                word = phone.word if self.words[phone.word] else word
                times[word] = (times.get(word, (phone.start,))[0], phone.end)
        return tuple((*times[index], self.words[index]) for index in sorted(times))
