"""How long work says how far it is.

Everything that takes more than a second accepts a hook and calls it as ``hook(step, done, total)``: the name of the
step, how much of it is done, and how much there is (0 where nobody knows). The command line draws bars from it, the
Blender add-on and other programs read it as JSON lines (``--progress json``). Messages go to ``logging``, not here.
"""

from __future__ import annotations

from collections.abc import Callable

Hook = Callable[[str, int, int], None]
"""``hook(step, done, total)``."""


def no_progress(step: str, done: int, total: int) -> None:
    """The hook that tells nobody."""
