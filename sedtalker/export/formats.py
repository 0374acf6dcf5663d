"""The formats an animation is written in.

``FORMATS`` has a row for each, which names its function as ``module:function``; the module is imported when the format
is written, so ``--help`` names every format without importing numpy, scipy or USD. Other distributions add rows by
entry points (``sedtalker.plugins``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sedtalker.errors import InputError, one_of
from sedtalker.plugins import load, parts_of_others
from sedtalker.reading import relative_name

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation


Write = Callable[..., dict[str, Any]]
"""``write(path, animation, audio=None, **options)``: writes one file, whole or not at all (``whole_file``).

``audio`` is the path of the sound as the file should name it, relative to the file. What there is to say about the
result is returned as plain data: of blend shapes how many there are and what they lose, as ``MorphTargets.describe``.
"""


@dataclass(frozen=True)
class ExportFormat:
    """A format of other programs.

    Attributes:
        name: the word that ``--to`` takes.
        suffix: how its files end.
        about: what it holds, in a few words.
        place: ``module:function`` of the function that writes it, a ``Write``.
        options: names of the keyword options that ``write`` takes.
        needs: a module that it imports and the extra that brings it, where the base does not.
    """

    name: str
    suffix: str
    about: str
    place: str
    options: tuple[str, ...] = ()
    needs: tuple[str, str] | None = None

    @property
    def write(self) -> Write:
        """The function that writes it."""
        written: Write = load(self.place)
        return written


def _ours(
    name: str, suffix: str, about: str, function: str, *options: str, needs: tuple[str, str] | None = None
) -> ExportFormat:
    """A format that a function of this package writes."""
    return ExportFormat(name, suffix, about, f"sedtalker.export.{function}", options, needs)


CACHES = "every vertex, for the mesh you gave"
"""What files of point caches hold."""
USD = ("pxr", "usd")
"""What OpenUSD needs."""
FORMATS: tuple[ExportFormat, ...] = (
    _ours("anim", ".anim", "an animation clip of Unity, for the model of the FBX", "clips:write_unity", "targets"),
    _ours("arkit", ".arkit.csv", "the 52 ARKit weights as Live Link Face's CSV", "arkit:write_arkit_csv", "names"),
    _ours(
        "fbx",
        ".fbx",
        "mesh, blend shapes, their curves and bones, for Unity, Unreal and Maya",
        "fbx:write_fbx",
        "targets",
    ),
    _ours("glb", ".glb", "glTF 2.0: mesh, blend shapes and their weights", "own_file:write_animation_glb", "targets"),
    _ours("keys", ".keys.json", "the emotion track as keys", "formats:write_emotion_keys"),
    _ours(
        "live2d", ".motion3.json", "a motion for Live2D models with Cubism's standard parameters", "clips:write_live2d"
    ),
    _ours("mdd", ".mdd", CACHES, "point_caches:write_mdd", "metres"),
    _ours("npy", ".npy", "vertices as a numpy array", "point_caches:write_npy"),
    _ours("npz", ".npz", "the animation itself", "formats:write_animation_file"),
    _ours("pc2", ".pc2", CACHES, "point_caches:write_pc2", "metres"),
    _ours(
        "tres", ".tres", "an animation resource of Godot 4, for the scene of the GLB", "clips:write_godot", "targets"
    ),
    _ours("usda", ".usda", "the same as text", "usd:write_usd", "targets", "points", needs=USD),
    _ours(
        "usd",
        ".usdc",
        "OpenUSD, binary: mesh, blend shapes on a skeleton, or every vertex",
        "usd:write_usd",
        "targets",
        "points",
        needs=USD,
    ),
    _ours(
        "vrma",
        ".vrma",
        "an animation for every avatar of VRM: vowels, blinks, emotions, head, gaze",
        "vrm:write_presets",
    ),
    _ours(
        "vrma-arkit",
        ".arkit.vrma",
        'the same of ARKit\'s 52 shapes, for avatars with "perfect sync"',
        "vrm:write_perfect_sync",
    ),
)
"""The formats of this package."""


@cache
def export_formats() -> Mapping[str, ExportFormat]:
    """Every format by its name, in the order of names, those of other distributions too."""
    rows = {row.name: row for row in (*parts_of_others("sedtalker.export_formats").values(), *FORMATS)}
    return MappingProxyType(dict(sorted(rows.items())))


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
            raise InputError(f"there is no format '{name}': {one_of(name, export_formats())}")
        needs = export_formats()[name].needs
        if needs is not None and find_spec(needs[0]) is None:
            raise InputError(f"{name} needs {needs[0]}, which is not installed: pip install 'sedtalker[{needs[1]}]'")
    if not names:
        raise InputError(f"name at least one format: {', '.join(export_formats())}")
    return list(dict.fromkeys(names))


def format_of(path: Path) -> ExportFormat:
    """The format of a file by how its name ends."""
    name = path.name.lower()
    name += "c" if name.endswith(".usd") else ""  # OpenUSD writes it in binary
    rows = [row for row in export_formats().values() if name.endswith(row.suffix)]
    if not rows:
        suffixes = ", ".join(row.suffix for row in export_formats().values())
        raise InputError(f"{path}: no format has this ending: use one of {suffixes}")
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
    reference = None if audio is None else reference_of(audio, place or path)
    registration = animation.provenance.get("registration")
    added = registration.get("added_vertices", 0) if isinstance(registration, dict) else 0
    said = {"vertices_added_to_your_mesh": added} if added else {}
    return said | row.write(path, animation, reference, **options)


def reference_of(audio: Path | str, place: Path) -> str:
    """The sound as a file at ``place`` names it: relative to its folder."""
    return relative_name(Path(audio).resolve(), place.resolve().parent)


def described(made: Mapping[str, Any]) -> str:
    """What was written, for a person: ``3.1 MB, 52 blend shapes, 21.6 % of the motion lost (0.384 mm)``."""
    said = []
    for key, value in made.items():
        if key == "bytes":
            said.append(f"{value / 1e6:.1f} MB" if value >= 1e5 else f"{value} bytes")
        elif key == "targets":
            said.append(f"{value} blend shapes")
        elif key == "residual_share":
            said.append(f"{100 * value:.1f} % of the motion lost ({made['residual_mm']:.3f} mm)")
        elif key not in ("format", "file", "residual_mm"):
            said.append(f"{key.replace('_', ' ')} {value}")
    return ", ".join(said)


# --- Formats of our own, which other modules write.


def write_animation_file(path: Path, animation: Animation, audio: str | None = None) -> dict[str, Any]:
    """The animation itself, see ``sedtalker.animation.animation.Animation.save``."""
    animation.save(path)
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
