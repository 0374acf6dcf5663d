"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, of the same ending, that takes its place when the block ends well.

    When the block fails, nothing of it is left and what stood at ``path`` is untouched.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{get_ident()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
