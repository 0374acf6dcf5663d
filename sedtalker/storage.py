"""Files appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from types import TracebackType

from sedtalker.errors import InputError


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


# --- Results appear whole or not at all.


class OutputFolder:
    """A folder of results that are written beside their place and moved in when all of them are done.

    Raises:
        InputError: on entry, when a result already exists and ``force`` is off, or the folder cannot be made.
    """

    def __init__(self, folder: Path, names: Sequence[str], force: bool):
        self.folder, self.names, self.force = folder, tuple(names), force

    def __enter__(self) -> OutputFolder:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file: the results need a folder; name one with --output")
        for path in (self.folder / name for name in self.names):
            if path.is_dir():
                raise InputError(f"{path} is a folder where a result would go; use --output for another place")
            if path.exists() and not self.force:
                raise InputError(f"{path} exists; use --force to overwrite or --output for another folder")
        self.made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=".sedtalker-", dir=self.folder))
        except OSError as error:
            self._remove_made()
            raise InputError(f"{self.folder}: cannot write there ({error.strerror})") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for name in self.names:
                (self.path / name).replace(self.folder / name)
        shutil.rmtree(self.path, ignore_errors=True)
        if kind is not None:
            self._remove_made()

    def _remove_made(self) -> None:
        """Remove the folders made on entry, as far as nobody else has put something there."""
        with suppress(OSError):
            for folder in self.made:
                folder.rmdir()


def check_writable(path: Path, force: bool) -> None:
    """Raise ``InputError`` when a single result file already exists and ``force`` is off."""
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to overwrite")
