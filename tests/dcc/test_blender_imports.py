"""Blender's own importers show the vertices that we have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.export.formats import export, export_formats
from sedtalker.export.glb import split_at_seams
from sedtalker.export.point_caches import mesh_file_frames
from sedtalker.export.targets import surface_of
from tests.dcc.conftest import Blender, Example, some_frames, vertices_at

METRES_RMS = 5e-5
RELATIVE = 1e-5


@pytest.fixture(params=["builtin", "cube", "standing"])
def example(request: pytest.FixtureRequest) -> Iterator[Example]:
    if request.param == "builtin":
        yield request.getfixturevalue("builtin")
    else:
        yield request.getfixturevalue("small")[request.param]


def rms(error: np.ndarray) -> float:
    """Root mean square distance over vertices and frames."""
    return float(np.sqrt((np.asarray(error, np.float64) ** 2).sum(axis=-1).mean()))


def size(animation: Animation) -> float:
    return float(np.ptp(animation.face.mesh.vertices, axis=0).max())


def in_blenders_order(animation: Animation) -> np.ndarray:
    """Our vertex behind each of Blender's, which takes those that a primitive uses, primitive by primitive."""
    sources, corners, _ = split_at_seams(animation.face.mesh)
    groups = surface_of(animation.face).triangles
    return np.concatenate([sources[np.unique(corners[groups == g])] for g in range(groups.max() + 1)])


@pytest.mark.parametrize("targets", ["few", "all"])
def test_glb(blender: Blender, example: Example, tmp_path: Path, targets: str) -> None:
    animation, frames = example.animation, some_frames(example.animation)
    export(animation, tmp_path / "a.glb", "glb", targets=targets)
    seen = blender("own_importers.py", file=tmp_path / "a.glb", frames=frames, fps=animation.fps)
    wanted = vertices_at(animation, frames)[:, in_blenders_order(animation)]
    assert seen["vertices"].shape == wanted.shape
    assert rms(seen["vertices"] - wanted) < METRES_RMS
    assert seen["keys"].sum() <= (33 if targets == "few" else 1 + len(animation.face.basis))
    assert (seen["uvs"] == (animation.face.mesh.uvs is not None)).all()


def test_fbx(blender: Blender, example: Example, tmp_path: Path) -> None:
    """Its importer puts the first frame at 1."""
    animation, frames = example.animation, some_frames(example.animation)
    export(animation, tmp_path / "a.fbx", "fbx", targets="all")
    seen = blender("own_importers.py", file=tmp_path / "a.fbx", frames=[f + 1 for f in frames], fps=animation.fps)
    wanted = vertices_at(animation, frames)
    assert seen["vertices"].shape == wanted.shape, "one mesh, vertices in their order"
    assert rms(seen["vertices"] - wanted) < METRES_RMS
    assert set(seen["materials"]) == set(surface_of(animation.face).names)
    assert (seen["uvs"] == 1).all(), "its own, or those of a picture of its colours"


@pytest.mark.parametrize("points", [False, True], ids=["shapes", "points"])
def test_usd(blender: Blender, example: Example, tmp_path: Path, points: bool) -> None:
    animation, frames = example.animation, some_frames(example.animation)
    kind = "usda" if animation.face.name == "cube" else "usd"  # one writer; text is slow for a whole head
    path = tmp_path / f"a{export_formats()[kind].suffix}"
    export(animation, path, kind, points=points, targets="all")
    seen = blender("own_importers.py", file=path, frames=frames, fps=animation.fps)["vertices"]
    wanted = vertices_at(animation, frames)
    assert seen.shape == wanted.shape
    if points:
        assert np.abs(seen - wanted).max() < RELATIVE * size(animation)
    else:
        assert rms(seen - wanted) < METRES_RMS


@pytest.mark.parametrize("kind", ["mdd", "pc2"])
def test_point_caches_on_the_mesh_they_were_made_for(
    blender: Blender, example: Example, tmp_path: Path, kind: str
) -> None:
    _check_cache(blender, example, tmp_path / f"a.{kind}")


@pytest.mark.parametrize("kind", ["mdd", "pc2"])
def test_point_caches_on_a_users_mesh_in_its_own_unit(
    blender: Blender, sample_head: Example, tmp_path: Path, kind: str
) -> None:
    _check_cache(blender, sample_head, tmp_path / f"a.{kind}")


def _check_cache(blender: Blender, example: Example, path: Path) -> None:
    animation, frames = example.animation, some_frames(example.animation)
    export(animation, path, path.suffix[1:])
    request = {"file": path, "mesh": example.mesh, "frames": frames, "fps": animation.fps}
    seen = blender("own_importers.py", **request)["vertices"]
    wanted = np.stack(list(mesh_file_frames(animation)))[frames]
    assert seen.shape == wanted.shape
    assert np.abs(seen - wanted).max() < RELATIVE * np.ptp(wanted[0], axis=0).max()
