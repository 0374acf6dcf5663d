"""Results appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from sedtalker.errors import InputError


class OutputFolder:
    """A folder of results that are written beside their place and moved in when all of them are done.

    Raises:
        InputError: on entry, when a result already exists and ``force`` is off, or the folder cannot be made.
    """

    def __init__(self, folder: Path, names: Sequence[str], force: bool):
        self.folder, self.names, self.force = folder, tuple(names), force

    def __enter__(self) -> OutputFolder:
        existing = [name for name in self.names if (self.folder / name).exists()]
        if existing and not self.force:
            raise InputError(
                f"{self.folder / existing[0]} exists; use --force to overwrite or --output for another folder"
            )
        self.made = [p for p in (self.folder, *self.folder.parents) if not p.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=".sedtalker-", dir=self.folder))
        except OSError as error:
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
            for folder in self.made:
                folder.rmdir()


def check_writable(path: Path, force: bool) -> None:
    """Raise ``InputError`` when a single result file already exists and ``force`` is off."""
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to overwrite")
