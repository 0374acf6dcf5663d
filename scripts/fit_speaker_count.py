"""Fit the constants that decide how many people speak: ``same`` and ``evidence`` of ``DiarizationRule``.

    python scripts/fit_speaker_count.py --data DIR

The dialogues are of development speakers: the network was not trained on them, nor does ``evaluate conversation``
measure with them. ``same`` is a logistic regression on groups of stretches of one speaker or of two. ``evidence``
minimises the expected diarization error, where each guess is taken with the softmax of its weighted evidence. Printed
are both, the error with the guesses that they take, and that of each corpus by weights that were fitted without it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from sedtalker.arrays import Floats
from sedtalker.nn.engine import open_model
from sedtalker.speakers.diarization import (
    EVIDENCE,
    RULE,
    DiarizationRule,
    EncodedSound,
    encoded,
    known_of_pairs,
    numbered_turns,
    spans_of,
)
from sedtalker.speakers.speaker_model import SPEAKER_CLOCK
from sedtalker.speakers.turns import Turns
from sedtalker.training.corpora.augmentation import read_material
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.evaluation.conversation import Talk, diarization_errors, make_talks, talk_changes

DEVELOPMENT = {
    "cremad": "valid",
    "speechocean762": "valid",
    "banglaser": "valid",
    "aesdd": None,
    "uem_es": None,
    "nemo": None,
    "emotiontts_ko": None,
}
"""Corpora of the dialogues, and the split of their speakers; None: all."""
TALKS = 24
"""Dialogues of each corpus for each seed."""
MONOLOGUES = 8
"""Recordings of one speaker, of each corpus for each seed."""
SEEDS = (11, 12)
"""Seeds of the dialogues."""
PAIRS = 30
"""Pairs of groups of stretches of each dialogue that ``same`` is fitted on."""
COUNTED = {1: 0.75, 2: 1.5}
"""What a recording of so many speakers counts in the fit of evidence, others 1: mostly two people speak."""
SHRINKAGE = 1e-3
"""Weight of the squared weights (of evidence with unit deviation) beside the expected error."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A dialogue: its corpus, who speaks when, how long it is, and what the network made of it."""

    corpus: str
    turns: Turns
    duration: float
    frames: Floats
    number: Floats


def clips_of(data: Path, corpus: str) -> list[Clip]:
    """The clips of a corpus' development speakers."""
    return [c for c in read_manifest(data) if c.corpus == corpus and DEVELOPMENT[corpus] in (None, c.split)]


def dialogues(data: Path, corpus: str, seed: int) -> Iterator[Talk]:
    """Dialogues of two to four speakers."""
    return make_talks(
        clips_of(data, corpus), corpus, TALKS, talk_changes(read_material(data)[0]), moods=False, seed=seed
    )


def monologues(data: Path, corpus: str, seed: int) -> Iterator[Talk]:
    """Recordings of one speaker each, in all of their moods."""
    clips, made = clips_of(data, corpus), talk_changes(read_material(data)[0])
    people = sorted({clip.speaker for clip in clips})
    for k, speaker in enumerate(np.random.default_rng(seed).permutation(people)[:MONOLOGUES].tolist()):
        own, change = [clip for clip in clips if clip.speaker == speaker], list(made)[k % len(made)]
        yield from make_talks(own, corpus, 1, {change: made[change]}, moods=False, seed=seed)


def encode(data: Path, model: str | Path, task: tuple[str, int]) -> list[Encoded]:
    """The dialogues of a corpus and a seed, encoded."""
    network, made = open_model(model, "speakers"), []
    for talk in (*dialogues(data, *task), *monologues(data, *task)):
        found = encoded(network, talk.sound)
        made.append(Encoded(talk.corpus, talk.turns, talk.sound.duration, found.frames, found.number))
    return made


# --- Whether two groups of stretches are of one person.


def pairs(model: str | Path, talk: Encoded, seed: int) -> list[tuple[NDArray[np.float64], bool]]:
    """What is known of pairs of groups of stretches, and whether they are of one speaker."""
    sound = EncodedSound(open_model(model, "speakers"), talk.frames, talk.number)
    rng = np.random.default_rng(seed)
    times = SPEAKER_CLOCK.times(len(talk.frames))
    active = np.stack([talk.turns.active(name, times) for name in talk.turns.speakers])
    by_speaker = defaultdict[int, list[NDArray[np.int64]]](list)
    for speaker, alone in enumerate(active & (active.sum(0) == 1)):
        for first, last in spans_of(alone, RULE) if alone.any() else []:
            own = first + np.flatnonzero(alone[first:last])
            if len(own) >= RULE.shortest:
                by_speaker[speaker].append(own)
    found = []
    for _ in range(PAIRS):
        one, other = rng.choice(len(active), 2).tolist()
        groups = [[by_speaker[who][k] for k in rng.permutation(len(by_speaker[who]))] for who in (one, other)]
        if one == other:
            groups[1] = groups[0][len(groups[0]) // 2 :]
            groups[0] = groups[0][: len(groups[0]) // 2]
        if not all(groups):
            continue
        sizes = [min(len(group), int(2 ** rng.uniform(0, 4))) for group in groups]
        one_group, other_group = (np.concatenate(group[:size]) for group, size in zip(groups, sizes, strict=True))
        voice, others = sound.pooled_voice(one_group), sound.pooled_voice(other_group)[None]
        known = known_of_pairs(voice, len(one_group), others, np.array([len(other_group)]))
        found.append((known[:, 0].astype(np.float64), one == other))
    return found


def fit_same(found: Sequence[tuple[NDArray[np.float64], bool]]) -> tuple[float, ...]:
    """Weights of what is known of two groups, for the logit of one speaker where both answers are as frequent."""
    known, same = np.stack([row for row, _ in found]), np.array([answer for _, answer in found])
    regression = LogisticRegression(C=10.0, fit_intercept=False, class_weight="balanced", max_iter=5000)
    weights = regression.fit(known, same).coef_[0]
    right = known @ weights > 0
    print(f"pairs distinguished: {0.5 * (right[same].mean() + 1 - right[~same].mean()):.3f} of {len(same)}")
    return tuple(round(float(w), 2) for w in weights)


# --- Which guess is taken.


def judged(model: str | Path, rule: DiarizationRule, talk: Encoded) -> list[tuple[NDArray[np.float64], float]]:
    """Evidence and diarization error of each guess about a dialogue."""
    sound, found = EncodedSound(open_model(model, "speakers"), talk.frames, talk.number, rule), []
    for guess in sound.guesses():
        turns = numbered_turns(sound.decided(guess), talk.duration)
        found.append((guess.evidence, diarization_errors(talk.turns, turns).rate))
    return found


def fit_evidence(
    found: Sequence[Sequence[tuple[NDArray[np.float64], float]]], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights that minimise the expected error; ``counts`` is what each recording counts in it, 1 in the mean."""
    largest = max(map(len, found))
    evidence = np.zeros((len(found), largest, len(EVIDENCE)))
    errors, there = np.zeros((len(found), largest)), np.zeros((len(found), largest), bool)
    for k, guessed in enumerate(found):
        evidence[k, : len(guessed)] = [row for row, _ in guessed]
        errors[k, : len(guessed)], there[k, : len(guessed)] = [error for _, error in guessed], True
    scale = evidence[there].std(0) + 1e-9
    scaled = evidence / scale

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.where(there, scaled @ weights, -np.inf)
        chance = np.exp(logits - logits.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        mean = (chance * errors).sum(1, keepdims=True)
        slope = ((chance * (errors - mean) * counts[:, None])[..., None] * scaled).sum(1).mean(0)
        return float((mean[:, 0] * counts).mean() + SHRINKAGE * weights @ weights), slope + 2 * SHRINKAGE * weights

    starts = [np.zeros(len(EVIDENCE)), scale * RULE.evidence]
    best = min((minimize(loss, start, jac=True) for start in starts), key=lambda each: float(each.fun))
    return np.asarray(best.x / scale)


def error_of(found: Sequence[Sequence[tuple[NDArray[np.float64], float]]], weights: NDArray[np.float64]) -> float:
    """Mean error with the guess that the weights take."""
    return float(np.mean([max(guessed, key=lambda each: float(each[0] @ weights))[1] for guessed in found]))


def main() -> None:
    """Make the dialogues, fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument("--model", default="speakers", help="name of built-in weights, or a checkpoint folder")
    parser.add_argument("--processes", type=int, default=2)
    words = parser.parse_args()
    model = Path(words.model) if Path(words.model).is_dir() else words.model
    tasks = [(corpus, seed) for corpus in DEVELOPMENT for seed in SEEDS]
    with ProcessPoolExecutor(words.processes, get_context("spawn")) as pool:
        talks = [talk for made in pool.map(partial(encode, words.data, model), tasks) for talk in made]
        known = [
            pair for made in pool.map(partial(pairs, model), talks, range(len(talks)), chunksize=8) for pair in made
        ]
        same = fit_same(known)
        rule = replace(RULE, same=same)
        found = list(pool.map(partial(judged, model, rule), talks, chunksize=4))
    report(talks, found, same)


def report(
    talks: Sequence[Encoded], found: Sequence[Sequence[tuple[NDArray[np.float64], float]]], same: tuple[float, ...]
) -> None:
    """Print the constants, and the errors that they bring."""
    counts = np.array([COUNTED.get(len(talk.turns.speakers), 1.0) for talk in talks])
    counts /= counts.mean()
    weights = fit_evidence(found, counts)
    print("same =", same)
    print("evidence =", tuple(round(float(w), 2) for w in weights), "of", ", ".join(EVIDENCE))
    before = error_of(found, np.array(RULE.evidence))
    print(f"error with {RULE.evidence}: {before:.4f}; fitted: {error_of(found, weights):.4f}")
    least = np.mean([min(error for _, error in guessed) for guessed in found])
    print(f"error with the best guess: {least:.4f}")
    apart = []
    for corpus in sorted({talk.corpus for talk in talks}):
        own = [guessed for talk, guessed in zip(talks, found, strict=True) if talk.corpus == corpus]
        others = np.array([talk.corpus != corpus for talk in talks])
        left_out = fit_evidence([found[k] for k in np.flatnonzero(others)], counts[others])
        apart += [error_of([guessed], left_out) for guessed in own]
        print(f"{corpus}: fitted without it {error_of(own, left_out):.4f}, with it {error_of(own, weights):.4f}")
    print(f"error of corpora that the weights were fitted without: {np.mean(apart):.4f}")


if __name__ == "__main__":
    main()
