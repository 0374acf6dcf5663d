"""How long work says how far it is.

Everything that takes more than a second accepts a hook and calls it as ``hook(step, done, total)``: the name of the
step, how much of it is done, and how much there is (0 where nobody knows). A step is finished when ``done`` reaches
``total``. The command line draws bars from it; the Blender add-on and other programs read it as JSON lines
(``--progress json``). Messages go to ``logging``; ``messages_to`` says who gets them meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

Hook = Callable[[str, int, int], None]
"""``hook(step, done, total)``."""

Item = TypeVar("Item")

_STEP: ContextVar[Callable[[int, int], None]] = ContextVar("step", default=lambda done, total: None)
"""Reports parts of the step that is under way."""


def no_progress(step: str, done: int, total: int) -> None:
    """The hook that does nothing: the default everywhere."""


@contextmanager
def one_step(hook: Hook, step: str) -> Iterator[None]:
    """Report the block as a step: 0 of 1 when it begins, what ``part_done`` reports, 1 of 1 when it ends well."""
    hook(step, 0, 1)
    outer = _STEP.set(partial(hook, step))
    try:
        yield
    finally:
        _STEP.reset(outer)
    hook(step, 1, 1)


def part_done(done: int, total: int) -> None:
    """Report how much is done of the step that is under way, which gets no hook; its end is the step's to report."""
    if 0 < done < total:
        _STEP.get()(done, total)


def in_parts(items: Sequence[Item]) -> Iterator[Item]:
    """Pass the items on, and report those that are done, see ``part_done``."""
    for done, item in enumerate(items):
        part_done(done, len(items))
        yield item


@contextmanager
def share(first: float, last: float) -> Iterator[None]:
    """What ``part_done`` reports in the block is from one to another share of the step, or of the share, under way."""
    report = _STEP.get()

    def part(done: int, total: int) -> None:
        report(int(1000 * (first + (last - first) * done / total)), 1000)

    outer = _STEP.set(part)
    try:
        part(0, 1)
        yield
    finally:
        _STEP.reset(outer)


def counted(items: Iterable[Item], hook: Hook, step: str, total: int) -> Generator[Item, None, None]:
    """Pass the items on and report each; the step ends with the items, also where they are fewer than ``total``."""
    hook(step, 0, total)
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        if count < total:
            hook(step, count, total)
    hook(step, max(count, total, 1), max(count, total, 1))


@contextmanager
def messages_to(handler: logging.Handler, level: int) -> Iterator[None]:
    """Hand what the library logs from ``level`` on to ``handler``, and to nobody else, while the block runs."""
    logger = logging.getLogger("sedtalker")
    before = logger.level, logger.propagate
    logger.setLevel(level)
    logger.propagate = False  # other libraries put handlers on the root logger, which would print it twice
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
