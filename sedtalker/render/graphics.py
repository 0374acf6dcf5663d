"""Whether OpenGL runs on a graphics card here: asked once, in a process of its own, and remembered."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from sedtalker.processes import run_beside
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
