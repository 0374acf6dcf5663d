"""Rules proposed from people's decisions, and accepted only where they help on answers that they were not made from.

A decision tree of depth three at most (CART: Breiman et al. 1984) over the numbers of the description and the
diarizer's own answer; each leaf is a rule. Held-out answers are those of whole recordings, several folds; the proposal
must answer more of them rightly than what there is now, by the exact test of McNemar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.review.deciders import Decider
from sedtalker.review.description import NUMBERS, Description
from sedtalker.review.rules import Rule, Rules

DEEPEST = 3
"""Questions of a tree, one after another."""
SMALLEST_LEAF = 5
"""Answers that a rule rests on, at least."""
FEWEST = 20
"""Answers without which nothing is proposed."""
FOLDS = 5
"""Folds of the held-out test."""
LEVEL = 0.05
"""One-sided probability of such a gain by chance, above which a proposal is refused."""


@dataclass(frozen=True)
class Example:
    """What a person answered.

    Attributes:
        description: of the segment.
        label: the answer.
        recording: its name: answers of one recording are held out together.
    """

    description: Description
    label: str
    recording: str


@dataclass(frozen=True)
class Proposal:
    """Rules, and how they did on held-out answers.

    Attributes:
        rules: made from all answers.
        answers: how many there are.
        machine: share that the diarizer alone has right.
        before: share that the rules so far have right.
        after: share that rules made from the other recordings have right.
        chance: probability of so many more right answers if neither were better.
        accepted: whether they help.
    """

    rules: Rules
    answers: int
    machine: float
    before: float
    after: float
    chance: float

    @property
    def accepted(self) -> bool:
        """Better than the rules so far, and than no rules; hardly by chance."""
        return self.after > max(self.before, self.machine) and self.chance <= LEVEL


def propose(examples: Sequence[Example], current: Decider, seed: int = 0) -> Proposal:
    """Rules from answers, with their held-out gain.

    Args:
        examples: answers of people.
        current: the rules so far.
        seed: of the folds.

    Raises:
        InputError: too few answers, or all of one recording.
    """
    recordings = sorted({example.recording for example in examples})
    if len(examples) < FEWEST or len(recordings) < 2:
        raise InputError(
            f"{len(examples)} answers in {len(recordings)} recordings are too few: {FEWEST} in 2 or more are needed"
        )
    machine = np.array([e.description.first == e.label for e in examples])
    before = _right(current, examples)
    after = np.zeros(len(examples), bool)
    order = np.random.default_rng(seed).permutation(len(recordings))
    for fold in range(min(FOLDS, len(recordings))):
        held = {recordings[k] for k in order[fold::FOLDS]}
        made = grow([e for e in examples if e.recording not in held])
        index = [k for k, e in enumerate(examples) if e.recording in held]
        after[index] = _right(made, [examples[k] for k in index])
    rival = before if before.mean() >= machine.mean() else machine
    better, worse = int((after & ~rival).sum()), int((rival & ~after).sum())
    chance = float(binom.sf(better - 1, better + worse, 0.5)) if better + worse else 1.0
    return Proposal(
        grow(examples), len(examples), float(machine.mean()), float(before.mean()), float(after.mean()), chance
    )


def _right(decider: Decider, examples: Sequence[Example]) -> NDArray[np.bool_]:
    answers = [decider.decide(e.description, CATEGORIES).label or e.description.first for e in examples]
    return np.array([answer == e.label for answer, e in zip(answers, examples, strict=True)])


# --- The tree.


def grow(examples: Sequence[Example]) -> Rules:
    """The rules of a tree over these answers; a leaf that only repeats the diarizer gives none."""
    if not examples:
        return Rules(())
    values = np.array([[e.description.number(name) for name in NUMBERS] for e in examples])
    first = np.array([CATEGORIES.index(e.description.first) for e in examples])
    label = np.array([CATEGORIES.index(e.label) for e in examples])
    return Rules(tuple(_leaves(values, first, label, (), (), DEEPEST)))


Condition = tuple[str, str, float]
"""Name of a number, comparison, threshold."""


def _leaves(
    values: NDArray[np.float64],
    first: NDArray[np.int64],
    label: NDArray[np.int64],
    conditions: tuple[Condition, ...],
    answers: tuple[int, ...],
    depth: int,
) -> list[Rule]:
    """The rules of a node and those below it; ``answers``: what the diarizer may say here, empty for anything."""
    split = _best_split(values, first, label) if depth and len(set(label.tolist())) > 1 else None
    if split is None:
        return _rule(first, label, conditions, answers)
    column, threshold = split
    if column >= len(NUMBERS):
        said = column - len(NUMBERS)
        left, name = first == said, None
    else:
        left, name = values[:, column] <= threshold, NUMBERS[column]
    rules: list[Rule] = []
    for part, sign in ((left, "<="), (~left, ">")):
        deeper = conditions if name is None else (*conditions, (name, sign, threshold))
        allowed = answers or tuple(range(len(CATEGORIES)))
        if name is None:
            allowed = (said,) if sign == "<=" else tuple(a for a in allowed if a != said)
        rules += _leaves(
            values[part], first[part], label[part], deeper, allowed if name is None else answers, depth - 1
        )
    return rules


def _rule(
    first: NDArray[np.int64], label: NDArray[np.int64], conditions: tuple[Condition, ...], answers: tuple[int, ...]
) -> list[Rule]:
    counts = np.bincount(label, minlength=len(CATEGORIES))
    best = int(counts.argmax())
    if counts[best] <= (first == label).sum():  # the diarizer is as good there
        return []
    when: dict[str, str] = {}
    for name, sign, threshold in conditions:
        key = name
        if key in when and when[key].startswith(sign):
            when[key] = f"{sign} {threshold:.3g}"  # the deeper one is the narrower
        elif key in when:
            return []  # a band: rules have one comparison a number
        else:
            when[key] = f"{sign} {threshold:.3g}"
    reason = f"{counts[best]} of {len(label)} answers"
    return [Rule(label=CATEGORIES[best], first=tuple(CATEGORIES[a] for a in answers), when=when, reason=reason)]


def _best_split(
    values: NDArray[np.float64], first: NDArray[np.int64], label: NDArray[np.int64]
) -> tuple[int, float] | None:
    """Column (the numbers, then the diarizer's answers) and threshold that lower Gini's impurity most; None: none."""
    best, found = _impurity(label) * len(label) - 1e-9, None
    for column in range(len(NUMBERS) + len(CATEGORIES)):
        if column < len(NUMBERS):
            ordered = np.unique(values[:, column])
            thresholds = (ordered[1:] + ordered[:-1]) / 2
            thresholds = thresholds[:: max(1, len(thresholds) // 32)]
        else:
            thresholds = np.zeros(1)
        for threshold in thresholds:
            left = values[:, column] <= threshold if column < len(NUMBERS) else first == column - len(NUMBERS)
            count = int(left.sum())
            if min(count, len(label) - count) < SMALLEST_LEAF:
                continue
            cost = _impurity(label[left]) * count + _impurity(label[~left]) * (len(label) - count)
            if cost < best:
                best, found = cost, (column, float(threshold))
    return found


def _impurity(label: NDArray[np.int64]) -> float:
    share = np.bincount(label) / len(label)
    return float(1.0 - (share**2).sum())
