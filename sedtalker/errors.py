"""The one exception that reaches a user, and what is said where an optional package is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that says what is wrong and what to do; the command line prints it and exits with code 2.
    """


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Imports inside need an extra of the package, such as ``train``.

    Raises:
        InputError: it is not installed; the line says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install 'sedtalker[{name}]'") from None


INTERRUPTED = "interrupted; nothing is half-written"
"""What the command line says after Ctrl-C and after a polite kill."""
