"""Options of pictures and videos, which several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sedtalker.animation.performance import Performance
from sedtalker.cli.options import option
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.progress import Hook

Backend = Literal["auto", "numba", "pyrender"]
"""What ``--renderer`` takes: ``sedtalker.render.Backend``, here so that ``--help`` need not import it."""

SizeOption = Annotated[str, option("size")]
"""Size of the picture."""
CameraOption = Annotated[str, option("camera")]
"""Where it is seen from."""
BackgroundOption = Annotated[str | None, option("background")]
"""What is behind the head."""
LightOption = Annotated[str, option("light")]
"""How it is lit."""
RendererOption = Annotated[Backend, option("renderer")]
"""Who draws it."""
FramesOption = Annotated[bool, typer.Option("--frames", help="Every frame as a PNG in a folder, instead of a video.")]
"""Pictures one by one."""


@dataclass(frozen=True)
class PictureLooks:
    """Options of a picture that were looked at before any work.

    Attributes:
        options: what ``render_video`` and ``render_sequence`` take beside the animation and the file.
    """

    options: dict[str, Any]

    @staticmethod
    def checked(size: str, camera: str, background: str | None, light: str, renderer: Backend) -> PictureLooks:
        """The options, read.

        Raises:
            InputError: one of them cannot be used.
        """
        from sedtalker.render.renderer import picture_options

        return PictureLooks(picture_options(size, camera, background, light, renderer))

    @staticmethod
    def of(options: Performance) -> PictureLooks:
        """Those of a performance; see ``checked``."""
        return PictureLooks.checked(options.size, options.camera, options.background, options.light, options.renderer)

    def check_file(self, path: Path) -> Path:
        """The path, if it can be written with these options; ``InputError`` if not."""
        from sedtalker.render.video import check_file

        return check_file(path, self.options["background"])

    def video(self, animation: Animation, path: Path, audio: Any, hook: Hook, at: float = 0.0) -> None:
        """Write a video, or a PNG of the frame at a second."""
        from sedtalker.render.video import render_video

        render_video(animation, path, audio, hook=hook, at=at, **self.options)

    def sequence(self, animation: Animation, folder: Path, force: bool, hook: Hook) -> None:
        """Write every frame as a PNG."""
        from sedtalker.render.video import render_sequence

        render_sequence(animation, folder, hook=hook, force=force, **self.options)


def check_sequence(folder: Path, force: bool) -> Path:
    """The folder, if pictures can be written into it.

    Raises:
        InputError: there are some and ``force`` is off, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: the pictures need a folder")
    if (folder / "000000.png").exists() and not force:
        raise InputError(f"{folder} has pictures; use --force to overwrite them")
    return folder
