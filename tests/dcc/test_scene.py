"""Scenes of two heads in real programs: each head moves and stands as ours does."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.scene import Scene, moved, places_beside
from sedtalker.export.glb import split_at_seams
from sedtalker.export.scene import write_scene
from sedtalker.speakers.turns import Turn, Turns
from tests.dcc.browser import Browser
from tests.dcc.conftest import Blender, Example
from tests.dcc.test_blender_imports import METRES_RMS, in_blenders_order, rms
from tests.dcc.test_browser import browser  # noqa: F401
from tests.dcc.test_validators import khronos_issues

FRAMES = [0, 10, 44]


@pytest.fixture(scope="module")
def scene(builtin: Example, small: dict[str, Example]) -> Scene:
    """The built-in face and a figure, 45 frames each, of speakers ``ann`` and ``bob``."""
    first, figure = builtin.animation, dataclasses.replace(small["standing"].animation, fps=builtin.animation.fps)
    short = dataclasses.replace(
        first, coefficients=first.coefficients[:45], head_rotation=first.head_rotation[:45], track=None
    )
    animations = {"ann": short, "bob": figure}
    turns = Turns((Turn(0.0, 0.7, "ann"), Turn(0.8, 1.5, "bob")), short.duration)
    return Scene(animations, places_beside({name: one.face for name, one in animations.items()}), turns)


def placed(scene: Scene, name: str, frames: list[int]) -> np.ndarray:
    """Vertices (F, V, 3) of a head at its place."""
    animation = scene.animations[name]
    return moved(animation.vertices()[frames], animation.face.pivot, scene.places[name])


def test_blender_shows_both_heads_of_a_glb(blender: Blender, scene: Scene, tmp_path: Path) -> None:
    write_scene(scene, tmp_path / "a.glb", targets="all")
    seen = blender("own_importers.py", file=tmp_path / "a.glb", frames=FRAMES, fps=scene.fps)["vertices"]
    heads = [placed(scene, name, FRAMES)[:, in_blenders_order(scene.animations[name])] for name in scene.names]
    _compare(seen, heads)


def test_blender_shows_both_heads_of_a_usd(blender: Blender, scene: Scene, tmp_path: Path) -> None:
    write_scene(scene, tmp_path / "a.usdc", targets="all")
    seen = blender("own_importers.py", file=tmp_path / "a.usdc", frames=FRAMES, fps=scene.fps)["vertices"]
    _compare(seen, [placed(scene, name, FRAMES) for name in scene.names])


def _compare(seen: np.ndarray, heads: list[np.ndarray]) -> None:
    wanted = np.concatenate(heads, axis=1)
    assert seen.shape == wanted.shape
    first = 0
    for head in heads:
        own = seen[:, first : first + head.shape[1]]
        assert rms(own - head) < METRES_RMS
        assert rms(own[1] - own[0]) > 10 * METRES_RMS, "it moves"
        first += head.shape[1]


def test_three_js_plays_both_heads_with_one_clip(browser: Browser, scene: Scene, tmp_path: Path) -> None:  # noqa: F811
    write_scene(scene, tmp_path / "a.glb", targets="all")
    view = {"position": (0, 0, 3), "target": (0, 0, 0), "fov": 20, "near": 1, "far": 5}
    seen = browser.play(tmp_path / "a.glb", tmp_path, seconds=10 / scene.fps, size=64, **view)
    assert json.loads(seen["done"])["clips"] == 1
    theirs, first = np.frombuffer(seen["vertices"], "<f4").reshape(-1, 3), 0
    for name in scene.names:
        mesh = scene.animations[name].face.mesh
        shown, ours = np.unique(mesh.polygon_vertices), placed(scene, name, [10])[0]
        assert rms((theirs[first : first + len(ours)] - ours)[shown]) < METRES_RMS
        first += len(split_at_seams(mesh)[0])
    assert first == len(theirs)


def test_khronos_finds_nothing_in_a_scene(scene: Scene, tmp_path: Path) -> None:
    write_scene(scene, tmp_path / "a.glb")
    issues = khronos_issues(tmp_path / "a.glb")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"][:5]


def test_pixars_validators_find_nothing_in_a_scene(scene: Scene, tmp_path: Path) -> None:
    from pxr import Usd, UsdValidation

    write_scene(scene, tmp_path / "a.usdc")
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(tmp_path / "a.usdc")))
    assert [f"{e.GetName()}: {e.GetMessage()}" for e in errors] == []
