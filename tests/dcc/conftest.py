"""Real programs: Blender, a browser, Pixar's and Khronos' validators.

``make test-dcc`` sets them up and asks for them (SEDTALKER_DCC=1: what is missing fails); otherwise such tests skip.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from scripts.build_blender_addon import build_addon
from sedtalker.animation.animation import Animation
from sedtalker.cli.main import app
from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.face.face import Face
from sedtalker.mesh.obj import write_obj
from tests.support.cube import cube_face
from tests.support.standing import standing

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "in_blender"
SAMPLES = REPOSITORY / "data" / "samples"
SECONDS = 3.0

Blender = Callable[..., dict[str, np.ndarray]]


def missing(what: str) -> NoReturn:
    """Skip, or fail where the programs were asked for."""
    if os.environ.get("SEDTALKER_DCC"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass(frozen=True)
class Example:
    """An animation, its file, and the mesh it was made for as an OBJ."""

    animation: Animation
    path: Path
    mesh: Path


@pytest.fixture(scope="session")
def blender_python() -> Path:
    """A Python that has Blender as the module ``bpy``."""
    named = os.environ.get("SEDTALKER_BLENDER_PYTHON", "")
    if not named or not Path(named).is_file():
        missing("no Blender: set SEDTALKER_BLENDER_PYTHON to a Python with bpy, or use make test-dcc")
    return Path(named)


@pytest.fixture(scope="session")
def blender(blender_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Blender:
    """Run a script of ``in_blender`` with plain data in a fresh Blender; gives the arrays it saved."""
    home = tmp_path_factory.mktemp("blender_home")

    def run(script: str, **request: Any) -> dict[str, np.ndarray]:
        folder = tmp_path_factory.mktemp("blender")
        (folder / "request.json").write_text(json.dumps(request, default=str))
        command = [str(blender_python), str(SCRIPTS / script), str(folder / "request.json"), str(folder / "result.npz")]
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        environment = clean | {"BLENDER_USER_RESOURCES": str(home)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
        assert done.returncode == 0, f"{script}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        with np.load(folder / "result.npz") as stored:
            return dict(stored)

    return run


@pytest.fixture(scope="session")
def addon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The add-on's zip."""
    return build_addon(tmp_path_factory.mktemp("addon"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the sample recording."""
    samples, rate = soundfile.read(SAMPLES / "four_moods.wav", dtype="float32")
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, samples[: int(SECONDS * rate)], rate)
    return path


def _animate(clip: Path, folder: Path, *options: str) -> Path:
    command = ["animate", str(clip), "-o", str(folder), "--no-video", "--quiet", *options]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return folder / f"{clip.stem}.npz"


@pytest.fixture(scope="session")
def builtin(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Real speech on the built-in face, written as ``sedtalker animate`` does."""
    folder = tmp_path_factory.mktemp("builtin")
    path = _animate(clip, folder, "--emotion", "happy:0.8")
    animation = Animation.load(path)
    write_obj(animation.face.mesh, folder / "face.obj")
    return Example(animation, path, folder / "face.obj")


@pytest.fixture(scope="session")
def sample_head(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Real speech on a mesh of a user's: another topology, another unit."""
    folder = tmp_path_factory.mktemp("sample_head")
    path = _animate(clip, folder, "--mesh", str(SAMPLES / "head.obj"))
    return Example(Animation.load(path), path, SAMPLES / "head.obj")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    """Small meshes in wild motion: quads with seams that turn as a whole, and a figure whose shoulders stay."""
    return {
        name: _wild(face, tmp_path_factory.mktemp(name))
        for name, face in {"cube": cube_face(), "standing": standing()}.items()
    }


def _wild(face: Face, folder: Path, frames: int = 45, fps: float = 25.0) -> Example:
    rng = np.random.default_rng(7)
    coefficients = rng.uniform(0, 1, (frames, len(face.shapes))).astype(np.float32)
    turns = rng.normal(scale=0.2, size=(frames, 3)).astype(np.float32)
    track = parse_emotion("angry:0.6", frames / fps)
    animation = Animation(coefficients, fps, face, turns, track)
    animation.save(folder / "wild.npz")
    write_obj(face.mesh, folder / f"{face.name}.obj")
    return Example(animation, folder / "wild.npz", folder / f"{face.name}.obj")


def some_frames(animation: Animation, count: int = 20) -> list[int]:
    """Random frames of an animation, the same every time."""
    chosen = np.random.default_rng(20).choice(len(animation), min(count, len(animation)), replace=False)
    return sorted(int(i) for i in chosen)


def vertices_at(animation: Animation, frames: list[int]) -> np.ndarray:
    """Our vertices (F, V, 3) of those frames."""
    return np.concatenate([animation.vertices(i, i + 1) for i in frames])
