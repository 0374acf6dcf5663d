"""The formats an animation is written in.

A format is a row: ``ExportFormat(name, suffix, about, write, options)``. A module of this package that writes formats
ends in a table of such rows, ``FORMATS = (ExportFormat(…), …)``, and that is all there is to adding one: the tables are
found by looking through the package, as trimesh does it. A table is first *read*, as text, so that ``--help`` can name
every format without importing numpy, scipy or USD; the module is imported when its format is written.
"""

from __future__ import annotations

import ast
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sedtalker.export
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation


Write = Callable[..., dict[str, Any]]
"""``write(path, animation, audio=None, **options)``: writes one file, whole or not at all (``whole_file``).

``audio`` is the path of the sound as the file should name it, relative to the file. What there is to say about the
result (residuals, number of blend shapes) is returned as plain data.
"""


@dataclass(frozen=True)
class ExportFormat:
    """A format of other programs.

    Attributes:
        name: the word that ``--to`` takes.
        suffix: how its files end.
        about: what it holds, in a few words.
        write: the function that writes it.
        options: names of the keyword options that ``write`` takes.
        needs: a module that it imports and the extra that brings it, where the base does not.
    """

    name: str
    suffix: str
    about: str
    write: Write
    options: tuple[str, ...] = ()
    needs: tuple[str, str] | None = None


@lru_cache(maxsize=1)
def export_formats() -> Mapping[str, ExportFormat]:
    """Every format by its name, in the order of names; their modules are imported when they write."""
    found: dict[str, ExportFormat] = {}
    for module in pkgutil.iter_modules(sedtalker.export.__path__):
        for row in _read_table(f"{sedtalker.export.__name__}.{module.name}"):
            if row.name in found:
                raise ValueError(f"two modules of sedtalker.export write the format '{row.name}'")
            found[row.name] = row
    return MappingProxyType(dict(sorted(found.items())))


def _read_table(module: str) -> list[ExportFormat]:
    """The rows of the table a module ends in: calls of ``ExportFormat`` with plain keywords but ``write``."""
    spec = find_spec(module)
    source = spec.loader.get_source(module) if spec and spec.loader and hasattr(spec.loader, "get_source") else None
    _, found, table = (source or "").rpartition("\nFORMATS = ")
    rows = []
    for call in ast.parse(table).body[0].value.elts if found else []:  # type: ignore[attr-defined]
        plain = {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg != "write"}
        rows.append(ExportFormat(**plain, write=partial(_write, module, plain["name"])))
    return rows


def _write(
    module: str, name: str, path: Path, animation: Animation, audio: str | None = None, **options: Any
) -> dict[str, Any]:
    """Import the module of a format and let it write."""
    row = next(row for row in import_module(module).FORMATS if row.name == name)
    written: dict[str, Any] = row.write(path, animation, audio, **options)
    return written


def parse_formats(words: Sequence[str]) -> list[str]:
    """Names of ``glb,usd`` or several such words, in order, each once.

    Raises:
        InputError: one is unknown; the message lists those there are. Or one needs what is not installed.
    """
    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()]
    for name in names:
        if name in ("abc", "alembic"):
            raise InputError("Alembic is not written: no maintained library on PyPI does; use usd --points, mdd or pc2")
        if name not in export_formats():
            raise InputError(f"there is no format '{name}': use {', '.join(export_formats())}")
        needs = export_formats()[name].needs
        if needs is not None and find_spec(needs[0]) is None:
            raise InputError(f"{name} needs {needs[0]}, which is not installed: pip install 'sedtalker[{needs[1]}]'")
    if not names:
        raise InputError(f"name at least one format: {', '.join(export_formats())}")
    return list(dict.fromkeys(names))


def format_of(path: Path) -> ExportFormat:
    """The format of a file by how its name ends.

    Raises:
        InputError: no format ends so.
    """
    rows = [row for row in export_formats().values() if path.name.lower().endswith(row.suffix)]
    if not rows:
        suffixes = ", ".join(row.suffix for row in export_formats().values())
        raise InputError(f"{path}: no format ends so: use one of {suffixes}")
    return max(rows, key=lambda row: len(row.suffix))


def export(
    animation: Animation,
    path: Path | str,
    format: str | None = None,
    audio: Path | str | None = None,
    *,
    place: Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Write an animation for another program; the file appears whole or not at all.

    Args:
        animation: what is written.
        path: the file.
        format: a name in ``export_formats()``; by default what the name of the file ends in.
        audio: the sound; formats that can refer to it do, by its path relative to the file.
        place: where the file will be moved, if not ``path``.
        options: of the format: ``targets`` of GLB, FBX and USD, ``points`` of USD, ``metres`` of caches.

    Returns:
        What there is to say about it (residuals, number of blend shapes), as plain data.

    Raises:
        InputError: no such format, an option that it does not take, or the animation lacks what it needs.
    """
    path = Path(path)
    row = format_of(path) if format is None else export_formats()[parse_formats([format])[0]]
    for option in options:
        if option not in row.options:
            known = f"it takes {', '.join(row.options)}" if row.options else "it takes none"
            raise InputError(f"the format {row.name} has no option '{option}': {known}")
    if not len(animation):
        raise InputError(f"{path}: the animation has no frames")
    reference = None
    if audio is not None:
        folder = (place or path).resolve().parent
        reference = Path(os.path.relpath(Path(audio).resolve(), folder)).as_posix()
    registration = animation.provenance.get("registration")
    added = registration.get("added_vertices", 0) if isinstance(registration, dict) else 0
    said = {"vertices_added_to_your_mesh": added} if added else {}
    return said | row.write(path, animation, reference, **options)


# --- Formats of our own, which other modules write.


def write_animation_file(path: Path, animation: Animation, audio: str | None = None) -> dict[str, Any]:
    """The animation itself, see ``sedtalker.animation.animation.write_animation``."""
    from sedtalker.animation.animation import write_animation

    write_animation(path, animation)
    return {}


def write_emotion_keys(path: Path, animation: Animation, audio: str | None = None) -> dict[str, Any]:
    """The emotion track as timestamped keys, as Audio2Face-3D reads them.

    Raises:
        InputError: the animation has no track.
    """
    from sedtalker.emotion.formats.files import write_track

    if animation.track is None:
        raise InputError("the animation has no emotion track: keys cannot be written")
    write_track(path, animation.track)
    return {}


FORMATS = (
    ExportFormat(name="keys", suffix=".keys.json", about="the emotion track as keys", write=write_emotion_keys),
    ExportFormat(name="npz", suffix=".npz", about="the animation itself", write=write_animation_file),
)
"""The formats of this module, see ``sedtalker.export.formats``."""
