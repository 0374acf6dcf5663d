"""Options of pictures and videos, which several commands share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sedtalker.cli.options import is_typed, option
from sedtalker.errors import InputError

if TYPE_CHECKING:
    from sedtalker.animation.animation import Animation
    from sedtalker.batch.settings import BatchSettings
    from sedtalker.progress import Hook

log = logging.getLogger(__name__)

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


OF_PICTURES = ("size", "camera", "background", "light", "renderer", "video", "video_format", "frames")
"""Options that ask for a picture where they are given."""


def drawn_where_possible(context: typer.Context, settings: BatchSettings) -> BatchSettings:
    """The settings, without the video where the extra that draws is not installed; a line says so.

    Raises:
        InputError: it is not installed, and an option of pictures is given.
    """
    if not settings.video:
        return settings
    from sedtalker.render.renderer import can_draw, check_renderer

    if can_draw():
        return settings
    if any(is_typed(context, name) for name in OF_PICTURES):
        check_renderer(settings.renderer)
    log.warning("no video, which needs pip install 'sedtalker[video]': see the .glb, or sedtalker render later")
    return replace(settings, video=False)


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


def write_sequence(animation: Animation, folder: Path, picture: Mapping[str, Any], hook: Hook) -> None:
    """Write every frame as a PNG; ``picture``: see ``picture_options``."""
    from sedtalker.render.video import render_sequence

    render_sequence(animation, folder, hook=hook, force=True, **picture)
