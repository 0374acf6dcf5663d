"""Every format an animation is written in, by the word that ``--to`` takes. Importing it imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation

SUFFIXES: dict[str, str] = {
    "glb": ".glb",
    "usd": ".usdc",
    "usda": ".usda",
    "mdd": ".mdd",
    "pc2": ".pc2",
    "arkit": ".arkit.csv",
    "keys": ".keys.json",
    "npy": ".npy",
    "npz": ".npz",
}
"""How the files of each format end."""


@dataclass(frozen=True)
class ExportOptions:
    """Choices of the formats that have them.

    Attributes:
        targets: blend shapes of GLB and USD, see ``sedtalker.export.targets``.
        points: USD with vertices over time instead of blend shapes.
        metres: caches in metres, +Y up, even for a mesh of another unit or orientation.
        audio: the sound that GLB and USD refer to.
    """

    targets: Literal["few", "arkit", "all"] = "few"
    points: bool = False
    metres: bool = False
    audio: Path | None = None


def parse_formats(words: list[str]) -> list[str]:
    """Names of ``glb,usd`` or several such words, in order, each once.

    Raises:
        InputError: one is unknown; the message lists those there are.
    """
    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()]
    for name in names:
        if name in ("abc", "alembic"):
            raise InputError("Alembic is not written: no maintained library on PyPI does; use usd --points, mdd or pc2")
        if name not in SUFFIXES:
            raise InputError(f"there is no format '{name}': use {', '.join(SUFFIXES)}")
    if not names:
        raise InputError(f"name at least one format: {', '.join(SUFFIXES)}")
    return list(dict.fromkeys(names))


def export(animation: Animation, name: str, path: Path, options: ExportOptions, place: Path | None = None) -> Any:
    """Write one format; what there is to say about it (residuals, sizes) as plain data.

    Args:
        animation: what is written.
        name: one of ``SUFFIXES``.
        path: the file.
        options: of the formats.
        place: where the file will be moved; references to the sound are relative to it.

    Raises:
        InputError: the animation lacks what the format needs.
    """
    said: dict[str, Any] = {}
    added = animation.provenance.get("registration", {}).get("added_vertices", 0)
    if added:
        said["vertices_added_to_your_mesh"] = added
    shape = (len(animation), len(animation.face.mesh.vertices), 3)
    if name in ("usd", "usda"):
        from sedtalker.export.usd import write_usd

        said |= write_usd(
            path, animation, targets=options.targets, points=options.points, audio=options.audio, place=place
        )
    elif name == "glb":
        from sedtalker.export.glb import write_animation_glb

        said |= write_animation_glb(path, animation, options.targets, audio=options.audio, place=place)
    elif name in ("mdd", "pc2"):
        from sedtalker.export.point_caches import mesh_file_frames, write_mdd, write_pc2

        frames = mesh_file_frames(animation, options.metres)
        if name == "mdd":
            write_mdd(path, frames, shape, animation.fps)
        else:
            write_pc2(path, frames, shape)
    elif name == "npy":
        from sedtalker.export.point_caches import write_npy

        write_npy(path, animation.frames(), shape)
    elif name == "npz":
        from sedtalker.animation.animation import write_animation

        write_animation(path, animation)
    elif name == "arkit":
        from sedtalker.export.arkit import write_arkit_csv

        solved = write_arkit_csv(path, animation)
        said |= {"residual_mm": round(1e3 * solved.residual, 4), "residual_share": round(solved.share, 5)}
    else:
        from sedtalker.emotion.formats.files import write_track

        if animation.track is None:
            raise InputError("the animation has no emotion track: keys cannot be written")
        write_track(path, animation.track)
    return said
