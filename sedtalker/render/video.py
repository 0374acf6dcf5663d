"""Animations as pictures and as files: video with sound, GIF, one PNG or a folder of them."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from sedtalker.animation.animation import Animation
from sedtalker.animation.option_fields import Backend
from sedtalker.audio import Audio, load_audio
from sedtalker.errors import InputError
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.render.codecs import CONTAINERS, check_rate, write_png, write_sequence, write_video
from sedtalker.render.light import Lighting, load_lighting
from sedtalker.render.picture import Behind, Image, Size, Viewpoint, picture_size, read_background, viewpoint
from sedtalker.render.renderer import make_renderer

log = logging.getLogger(__name__)

SIDE = 512
"""Side of a picture whose size is not given, pixels."""
SUFFIXES = tuple(CONTAINERS)
"""Suffixes of the video files that can be written."""
APART = 0.5
"""Seconds that sound and motion may differ in length before it is said."""


class Look(TypedDict, total=False):
    """How an animation or a scene is shown: what ``render_frames`` takes beside it, with its defaults."""

    size: Size | None
    backend: Backend
    light: str | Lighting
    hook: Hook
    camera: str | Viewpoint
    background: str | Behind | None


def render_frames(
    animation: Animation,
    size: Size | None = None,
    backend: Backend = "auto",
    light: str | Lighting = "studio",
    hook: Hook = no_progress,
    *,
    camera: str | Viewpoint = "front",
    background: str | Behind | None = None,
) -> Generator[Image, None, None]:
    """Pictures (H, W, 3) uint8 sRGB of an animation, one a frame, its head framed as a portrait.

    Args:
        size: side of the square picture, (width, height), or either as text (``1280x720``), pixels; 512 by default.
        backend: see ``make_renderer``.
        light: a preset, a ``.json`` file, or a lighting.
        camera: ``front``, ``three-quarter``, ``left``, ``right``, a ``.json`` file, or a ``Portrait`` or ``Standing``.
        background: a colour, two by comma, a picture, or ``transparent``, which makes the pictures (H, W, 4); the
            light's own by default.

    Raises:
        InputError: an unusable size, backend, light, camera or background.
    """
    lighting = load_lighting(light) if isinstance(light, str) else light
    face, (width, height) = animation.face, picture_size(SIDE if size is None else size)
    where, behind = viewpoint(camera).of(face, width / height), read_background(background)
    with (
        make_renderer(face, where, (width, height), backend, background=behind, lighting=lighting) as renderer,
        closing(renderer.render_all(animation.frames())) as pictures,
    ):
        yield from counted(pictures, hook, "rendering", len(animation))


def render_video(
    animation: Animation,
    path: Path | str,
    audio: Audio | Path | str | None = None,
    *,
    at: float = 0.0,
    **look: Unpack[Look],
) -> None:
    """Render an animation into a file, which appears whole or not at all.

    Args:
        path: the file: .mp4, .mov, .mkv, .webm (may be transparent), .gif (too; silent), or .png for one frame.
        audio: its sound, or the file that has it; None: a silent video.
        at: seconds of the frame that a PNG shows.
        look: size, backend, light, hook, camera and background, see ``render_frames``.

    Raises:
        InputError: an unusable path, size, backend, light, camera, background or sound, or an animation without frames.
    """
    path = check_file(Path(path), look.get("background"), animation.fps)
    if path.suffix.lower() == ".png":
        k = frame_at(at, len(animation), animation.fps)
        coefficients, rotation = animation.coefficients[k : k + 1], animation.head_rotation[k : k + 1]
        animation = replace(animation, coefficients=coefficients, head_rotation=rotation, track=None)
    write_drawn(path, render_frames(animation, **look), animation.duration, animation.fps, audio)


def write_drawn(
    path: Path, frames: Generator[Image, None, None], seconds: float, fps: float, audio: Audio | Path | str | None
) -> None:
    """Write the first of some pictures into a PNG, or all, which last so long, into a video with its sound.

    The video is as long as the sound; a note says where the pictures are not.
    """
    with closing(frames):
        if path.suffix.lower() == ".png":
            write_png(path, next(frames))
            return
        sound = load_audio(audio) if isinstance(audio, Path | str) else audio
        if sound is not None and abs(sound.duration - seconds) > max(APART, 1.0 / fps):
            rest = "its end is not shown" if seconds > sound.duration else "its last picture stays"
            log.warning(f"the sound lasts {sound.duration:.2f} s, the motion {seconds:.2f} s: {rest}")
        write_video(path, frames, fps, None if sound is None else (sound.samples, sound.rate))


def render_sequence(animation: Animation, folder: Path | str, *, force: bool = False, **look: Unpack[Look]) -> None:
    """Render every frame as ``000000.png`` and so on into a folder; they appear all or not at all.

    Args:
        folder: made where it is not there.
        force: overwrite pictures that are there.
        look: as for ``render_video``.

    Raises:
        InputError: as ``render_video``, or a picture is there already.
    """
    with closing(render_frames(animation, **look)) as frames:
        write_sequence(Path(folder), frames, len(animation), force)


def frame_at(seconds: float, frames: int, fps: float) -> int:
    """Which of some frames is shown at a time.

    Raises:
        InputError: none.
    """
    if frames == 0:
        raise InputError("there is no frame to write: the animation is empty")
    k = round(seconds * fps)
    if not 0 <= k < frames:
        raise InputError(f"there is no frame at {seconds:g} s: the animation lasts {frames / fps:.2f} s")
    return k


def check_video_name(path: Path) -> Path:
    """The path, if its suffix is that of a video.

    Raises:
        InputError: it is not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: give a file that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return path


def check_file(path: Path, background: str | Behind | None = None, fps: float | None = None) -> Path:
    """The path, if an animation of so many frames a second can be rendered into it, before that background.

    Raises:
        InputError: its suffix is none of a video or of a picture, or it cannot be transparent or so fast.
    """
    suffix = path.suffix.lower()
    if suffix != ".png":
        if suffix not in SUFFIXES:
            raise InputError(f"{path}: give a file that ends in {', '.join(SUFFIXES)} or .png")
        clear = [name for name, kind in CONTAINERS.items() if kind.clear]
        if isinstance(background, str) and background == "transparent" and suffix not in clear:
            raise InputError(f"{path}: this format has no transparency: use {', '.join(clear)} or .png")
        if fps is not None:
            check_rate(path, fps)
    return path
