"""Files of models that are no part of the package: fetched once by ``sedtalker models pull`` into the user's cache."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from sedtalker.errors import InputError
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import is_file
from sedtalker.storage import user_cache, whole_file

logger = logging.getLogger(__name__)

SERVER_SECONDS = 30.0
"""Seconds without a byte after which a server is given up."""
FETCHED_BYTES = 1 << 20
"""Bytes that are fetched at once."""


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: its name, its size, and its SHA-256 where that is known."""

    name: str
    megabytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class PulledModel:
    """A model that ``sedtalker models pull`` fetches.

    Attributes:
        name: what the command takes, and the package's extra that uses it.
        folder: its folder in the user's cache.
        files: what it consists of.
        source: the address of their folder.
        licence: SPDX identifier.
    """

    name: str
    folder: str
    files: tuple[ModelFile, ...]
    source: str
    licence: str

    @property
    def path(self) -> Path:
        """Where its files are kept."""
        return user_cache() / self.folder

    @property
    def paths(self) -> list[Path]:
        """Its files there, whether or not they have been fetched."""
        return [self.path / file.name for file in self.files]

    def missing(self, path: Path) -> InputError:
        """What to raise where a file of it is not there."""
        return InputError(f"{path}: no such file; fetch it with sedtalker models pull {self.name}")


def pull(model: PulledModel, source: str | None = None, hook: Hook = no_progress) -> Sequence[Path]:
    """A model's files in the user's cache; what is there already is not fetched again.

    Args:
        source: the address of a folder on a server, or a folder here; default: the model's own.

    Raises:
        InputError: a file cannot be had, or its hash is another one.
    """
    for file, path in zip(model.files, model.paths, strict=True):
        if is_file(path):
            continue
        place = f"{(source or model.source).rstrip('/')}/{file.name}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as temporary, _opened(place) as held, temporary.open("wb") as out:
                found = _copied(held, out, file, hook)
                if file.sha256 not in (None, found):
                    raise InputError(f"{place}: damaged, or another file: its SHA-256 is {found}, not {file.sha256}")
        except OSError as error:
            raise InputError(f"{place}: cannot be had ({getattr(error, 'reason', error)}); see --from") from None
        if file.sha256 is None:
            logger.warning("%s: no hash of it is known to compare with; its SHA-256 is %s", file.name, found)
    return model.paths


def _opened(place: str) -> IO[bytes]:
    if "://" not in place:
        return Path(place).open("rb")
    if not place.startswith(("https://", "http://")):
        raise InputError(f"{place}: files are fetched by https:// or http://, or copied from a folder")
    answer: IO[bytes] = urlopen(place, timeout=SERVER_SECONDS)
    return answer


def _copied(held: IO[bytes], out: IO[bytes], file: ModelFile, hook: Hook) -> str:
    """Copy a file, not much larger than it should be; its SHA-256."""
    digest, done = hashlib.sha256(), 0
    while piece := held.read(FETCHED_BYTES):
        done += len(piece)
        if done > 2e6 * file.megabytes:
            raise InputError(f"{file.name}: larger than the {file.megabytes} MB that it should have")
        digest.update(piece)
        out.write(piece)
        hook(f"fetching {file.name}", done >> 20, file.megabytes)
    return digest.hexdigest()
