"""Deferred network calls, batched across streams.

Work that calls networks is written as a generator: it yields a ``Call`` and receives the result. ``alone`` drives one
such generator; ``together`` drives many at once and stacks the calls of equal shape. Results agree up to the order of
summation: about 1e-6 of the largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from sedtalker.nn.engine import Arrays

R = TypeVar("R")
"""What the work gives in the end."""

MOST_TOGETHER = 128
"""Calls in one batch; more are split, which bounds memory."""


class Call(NamedTuple):
    """A call of a network on one item.

    Attributes:
        run: takes the inputs and the settings; treats every item of the leading dimension on its own.
        inputs: arrays (1, …).
        settings: whatever else it takes; only calls with equal settings are stacked.
    """

    run: Callable[..., Arrays]
    inputs: Arrays
    settings: tuple[Hashable, ...] = ()

    def made(self) -> Arrays:
        """What it gives."""
        return self.run(*self.inputs, *self.settings)

    @property
    def kind(self) -> Hashable:
        """Calls of one kind can be stacked."""
        return self.run, self.settings, tuple((x.shape, x.dtype) for x in self.inputs)


Steps = Generator[Call, Arrays, R]
"""Work that hands out its calls."""


def alone(steps: Steps[R]) -> R:
    """Do the work, call by call."""
    try:
        call = next(steps)
        while True:
            call = steps.send(call.made())
    except StopIteration as end:
        result: R = end.value
        return result


def together(many: Sequence[Steps[Any]]) -> list[Any]:
    """Do several works at once; calls of one kind run as one batch.

    Returns:
        What each of them gave, in their order; where one raised, the exception in place of its result.
    """
    results: list[Any] = [None] * len(many)
    waiting: dict[int, Call] = {}

    def advance(place: int, reply: Arrays | None) -> None:
        try:
            steps = many[place]
            waiting[place] = next(steps) if reply is None else steps.send(reply)
        except StopIteration as end:
            results[place] = end.value
        except Exception as error:  # an error in one stream must not affect other streams
            results[place] = error

    for place in range(len(many)):
        advance(place, None)
    while waiting:
        kinds: dict[Hashable, list[int]] = {}
        for place, call in waiting.items():
            kinds.setdefault(call.kind, []).append(place)
        for places in kinds.values():
            for start in range(0, len(places), MOST_TOGETHER):
                part = places[start : start + MOST_TOGETHER]
                try:
                    replies = _stacked([waiting.pop(place) for place in part])
                except Exception as error:  # of the network: it ends those who called it
                    for place in part:
                        results[place] = error
                    continue
                for place, reply in zip(part, replies, strict=True):
                    advance(place, reply)
    return results


def _stacked(calls: Sequence[Call]) -> list[Arrays]:
    """What calls of one kind give, made as one."""
    if len(calls) == 1:
        return [calls[0].made()]
    inputs = tuple(np.concatenate(parts) for parts in zip(*(call.inputs for call in calls), strict=True))
    made = calls[0].run(*inputs, *calls[0].settings)
    return [tuple(part[index : index + 1] for part in made) for index in range(len(calls))]
