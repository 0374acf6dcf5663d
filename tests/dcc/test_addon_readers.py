"""The parts of the Blender add-on that need no Blender: its readers, and how a face finds its place on a mesh."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from scripts.build_blender_addon import SOURCES
from sedtalker.export.formats import export
from tests.dcc.conftest import Example

PACKAGE = "sedtalker_blender_addon"


def part(name: str) -> Any:
    """A module of the add-on, without what its package does in Blender."""
    if PACKAGE not in sys.modules:
        package = types.ModuleType(PACKAGE)
        package.__path__ = [str(SOURCES)]
        sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}.{name}")


@pytest.mark.parametrize("name", ["cube", "standing"])
def test_both_readers_give_the_vertices_of_every_frame(small: dict[str, Example], tmp_path: Path, name: str) -> None:
    animation = small[name].animation
    export(animation, tmp_path / "a.glb", "glb", targets="all")
    wanted = animation.vertices()
    for read, tolerance in (
        (part("animation_file").read_animation_file(small[name].path), 2e-6),
        (part("glb_file").read_glb(tmp_path / "a.glb"), 1e-4),
    ):
        assert read.fps == pytest.approx(animation.fps)
        np.testing.assert_allclose([read.frame(i) for i in range(len(animation))], wanted, atol=tolerance)
        np.testing.assert_array_equal(np.unique(read.polygon_vertices), np.unique(animation.face.mesh.polygon_vertices))
        assert len(read.corner_uvs if read.corner_uvs is not None else read.polygon_vertices) == sum(read.polygon_sizes)


def test_the_animation_file_says_its_emotions(small: dict[str, Example]) -> None:
    animation = small["cube"].animation
    read = part("animation_file").read_animation_file(small["cube"].path)
    assert animation.track is not None
    assert [(s.label, s.start, s.end) for s in read.segments] == [
        (s.label, s.start, s.end) for s in animation.track.segments()
    ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"glTF\x02\x00\x00\x00"])
def test_what_is_no_animation_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    unusable = part("face_animation").UnusableFile
    with pytest.raises(unusable, match=r"a\.npz"):
        part("animation_file").read_animation_file(tmp_path / "a.npz")
    with pytest.raises(unusable, match=r"a\.npz"):
        part("glb_file").read_glb(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "damage",
    [
        {"face_basis": np.zeros((1, 5, 3), np.float32)},
        {"head_rotation": np.zeros((2, 3), np.float32)},
        {"face_polygon_vertices": np.full(24, 10**6)},
        {"coefficients": np.full((45, 2), np.nan, np.float32)},
        {"animation_json": np.array("[1, 2]")},
        {"animation_json": np.array('{"version": 2, "fps": 0}')},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_an_animation_whose_arrays_do_not_fit_one_another_is_refused(
    small: dict[str, Example], tmp_path: Path, damage: dict[str, Any]
) -> None:
    with np.load(small["cube"].path) as stored:
        np.savez(tmp_path / "a.npz", **{**stored, **damage})
    with pytest.raises(
        part("face_animation").UnusableFile, match=r"a\.npz is no SEDTalker animation, or it is damaged"
    ):
        part("animation_file").read_animation_file(tmp_path / "a.npz")


def test_a_byte_that_changed_is_found(small: dict[str, Example], tmp_path: Path) -> None:
    data = bytearray(small["cube"].path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 40] = bytes(40)
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(
        part("face_animation").UnusableFile, match=r"a\.npz is no SEDTalker animation, or it is damaged"
    ):
        part("animation_file").read_animation_file(tmp_path / "a.npz")


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_a_face_finds_its_place_whatever_the_unit_and_the_axes(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, 3)) * (1.0, 2.0, 0.5)
    turn, shift = Rotation.random(random_state=seed).as_matrix(), scale * rng.normal(size=3)
    place = part("face_animation").place
    found = place(points, scale * points @ turn.T + shift)
    assert found.misfit < 1e-9
    np.testing.assert_allclose(found.scale, scale, rtol=1e-9)
    np.testing.assert_allclose(found.rotation, turn, atol=1e-8)
    shuffled = place(points, points[rng.permutation(30)])
    assert shuffled.misfit > 0.1
    np.testing.assert_allclose(np.linalg.det(shuffled.rotation), 1.0)


PRINTS = """#!{python}
import sys
print("head.obj: fitted by registration", file=sys.stderr)
for line in {lines!r}:
    print(line, file=sys.stderr, flush=True)
sys.exit({code} if "json" in sys.argv else 3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
def test_a_job_follows_the_json_lines_of_progress(tmp_path: Path) -> None:
    lines = [
        '{"step": "fitting head.obj", "done": 0, "total": 1, "seconds": 0.0}',
        '{"step": "fitting head.obj", "done": 1, "total": 1, "seconds": 3.2}',
        '{"step": "encoding", "done": 3, "total": 6, "seconds": 0.1}',
        "[1, 2]",
        '{"step": 1}',
    ]
    program = tmp_path / "sedtalker"
    for code, last in ((0, []), (2, ["error: none.wav: no such file"])):
        program.write_text(PRINTS.format(python=sys.executable, lines=lines + last, code=code))
        program.chmod(0o755)
        job = part("animate_job").AnimateJob(program, tmp_path / "a.wav", tmp_path / "head.obj", tmp_path / "out")
        assert job.wait() == code
        assert (job.done, job.stage) == (1, "encoding")
        assert job.share == pytest.approx(1.5 / part("animate_job").STEPS)
        assert job.result == tmp_path / "out" / "a.npz"
        if last:
            assert job.complaint == "none.wav: no such file"
