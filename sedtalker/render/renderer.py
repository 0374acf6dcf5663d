"""One interface for the rendering backends, and which of them this machine can use."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from sedtalker.animation.option_fields import Backend
from sedtalker.errors import InputError, one_of
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.processes import run_beside
from sedtalker.render.camera import Camera
from sedtalker.render.light import Lighting, load_lighting
from sedtalker.render.picture import Behind, DrawnMesh, Renderer, Shot, Size, picture_size, read_background, viewpoint
from sedtalker.storage import keep, user_cache

log = logging.getLogger(__name__)

IN_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software", "swiftshader", "basic render")
"""Words in the names of OpenGL drivers that draw on the CPU: slower than the numba renderer."""
_SECONDS = 30
"""That a driver may take to say its name."""
_ASK = """
from sedtalker.render.pyrender_backend import import_pyrender
pyrender = import_pyrender()
screen = pyrender.OffscreenRenderer(16, 16)
screen._platform.make_current()
from OpenGL.GL import GL_RENDERER, glGetString
print("GL_RENDERER", glGetString(GL_RENDERER).decode())
screen.delete()
"""
"""A program that prints the name of the OpenGL driver; a broken one may take its process with it."""


def fastest_backend() -> Literal["numba", "pyrender"]:
    """``pyrender`` where EGL runs on a graphics card, else ``numba``; kept in ``$XDG_CACHE_HOME/sedtalker``.

    Where the extra ``gl`` is not installed, or no card is shown to this system, nothing is asked and nothing is kept.
    """
    if not _cards() or find_spec("pyrender") is None or find_spec("OpenGL") is None:
        return "numba"
    place, here = _place(), _here()
    try:
        held = json.loads(place.read_text(encoding="utf-8"))
        driver = held["driver"] if held["here"] == here else None
    except (OSError, ValueError, KeyError, TypeError):
        driver = None
    if not isinstance(driver, str):
        driver = ask_driver()
        log.info("OpenGL here: %s", driver or "none")
        said = json.dumps({"here": here, "driver": driver})
        keep(place, lambda path: path.write_text(said, encoding="utf-8"))
    return "pyrender" if on_a_card(driver) else "numba"


def on_a_card(driver: str) -> bool:
    """Whether an OpenGL driver of that name draws on a graphics card."""
    return bool(driver) and not any(word in driver.lower() for word in IN_SOFTWARE)


def ask_driver() -> str:
    """Name of the OpenGL driver behind EGL; empty where there is none."""
    try:
        done = run_beside(_ASK, seconds=_SECONDS, isolated=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    names = [line.removeprefix("GL_RENDERER").strip() for line in done.stdout.splitlines() if "GL_RENDERER" in line]
    return names[0] if done.returncode == 0 and names else ""


def _place() -> Path:
    return user_cache() / "graphics.json"


def _cards() -> list[str]:
    """Names of the devices that a driver for EGL would open (Linux; of WSL too)."""
    return sorted(path.name for name in ("dri/render*", "nvidia[0-9]*", "dxg") for path in Path("/dev").glob(name))


def _here() -> str:
    """What the answer depends on: the machine, and which cards are shown to this process."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", ""), os.environ.get("EGL_DEVICE_ID", "")
    return " ".join([platform.node(), platform.release(), *chosen, *_cards()])


def make_renderer(
    mesh: Mesh | Face | Sequence[DrawnMesh],
    camera: Camera,
    size: Size = 512,
    backend: Backend = "auto",
    *,
    background: Behind | None = None,
    lighting: Lighting | None = None,
    threads: int = 0,
) -> Renderer:
    """A renderer of ``mesh`` as ``camera`` sees it.

    Args:
        mesh: the mesh whose vertices will move; a face also brings its regions, for materials and default colours.
            Or several, whose vertices then lie one after another, and which shade each other.
        camera: fixed for the life of the renderer.
        size: side of the square picture, or (width, height), pixels; see ``picture_size``.
        backend: ``numba`` needs no graphics library; ``pyrender`` needs EGL; ``auto`` is pyrender where EGL runs on a
            real GPU.
        background: one sRGB colour, or those of the top and the bottom, a picture (H, W, 3), or ``transparent``; the
            lighting's own by default.
        lighting: lights, fixed to the camera; the preset ``studio`` by default.
        threads: how many share a picture (0: as many as there are cores, at most 4). The picture is the same.

    Raises:
        InputError: an unusable size or backend.
    """
    if isinstance(mesh, Face):
        mesh = [DrawnMesh(mesh.mesh, mesh.regions, mesh.mesh.vertices)]
    subjects = (DrawnMesh(mesh, None, mesh.vertices),) if isinstance(mesh, Mesh) else tuple(mesh)
    lighting = lighting or load_lighting()
    background = lighting.backdrop if background is None else background
    shot = Shot(subjects, camera, picture_size(size), background, lighting)
    if backend == "auto":
        backend = fastest_backend()
    if backend == "pyrender":
        from sedtalker.render.pyrender_backend import PyrenderRenderer

        return PyrenderRenderer(shot)
    if backend != "numba":
        raise InputError(f"unknown render backend '{backend}': {one_of(backend, get_args(Backend))}")
    check_renderer()
    from sedtalker.render.numba_backend import NumbaRenderer

    return NumbaRenderer(shot, threads)


def can_draw() -> bool:
    """Whether what draws pictures and writes videos is installed: the extra ``video``."""
    return all(find_spec(name) is not None for name in ("numba", "av"))


def check_renderer(renderer: Backend = "auto") -> None:
    """Raise ``InputError`` when the renderer that was asked for cannot work here, before anything else is done."""
    if not can_draw():
        extra = "gl" if renderer == "pyrender" else "video"  # the first brings the second
        raise InputError(f"pictures and videos need numba and PyAV: pip install 'sedtalker[{extra}]'")
    if renderer == "pyrender":
        from sedtalker.render.pyrender_backend import import_pyrender

        import_pyrender()


def picture_options(size: Size, camera: str, background: str | None, light: str, renderer: Backend) -> dict[str, Any]:
    """What ``render_video`` and ``render_sequence`` take beside the animation and the file, read from words.

    Raises:
        InputError: one of them cannot be used.
    """
    check_renderer(renderer)
    return {
        "size": picture_size(size),
        "camera": viewpoint(camera),
        "background": read_background(background),
        "light": load_lighting(light),
        "backend": renderer,
    }
