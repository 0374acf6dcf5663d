from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pygltflib import GLTF2
from typer.testing import CliRunner, Result

from sedtalker.cli.main import app
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import FACES, load_face
from sedtalker.mesh.files import read_mesh

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["face", *map(str, arguments)], catch_exceptions=False)


def test_list_names_every_face() -> None:
    assert all(name in run("list").stdout for name in FACES)
    rows = json.loads(run("list", "--json").stdout)
    assert [row["name"] for row in rows] == list(FACES)
    assert rows[0]["shapes"][:52] == list(ARKIT_52)


def test_show_draws_one_picture_of_given_shapes(tmp_path: Path) -> None:
    pictures = []
    for name, extra in (
        ("rest", ["--shape", "jawOpen:0"]),
        ("open", ["--shape", "jawOpen:0.8", "--shape", "mouthSmile"]),
    ):
        done = run("show", "builtin", "-o", tmp_path / f"{name}.png", "--size", 96, *extra)
        assert done.exit_code == 0, done.stderr
        pictures.append(np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int))
    assert pictures[0].shape == (96, 96, 3)
    assert np.abs(pictures[0] - pictures[1]).max() > 50


@pytest.mark.slow
def test_show_draws_a_sheet_under_another_light(tmp_path: Path) -> None:
    for light in ("studio", "dramatic"):
        assert run("show", "builtin", "-o", tmp_path / f"{light}.png", "--size", 64, "--light", light).exit_code == 0
    studio, dramatic = (np.asarray(Image.open(tmp_path / f"{light}.png")) for light in ("studio", "dramatic"))
    assert studio.shape == dramatic.shape
    assert studio.shape[1] > 8 * 64
    assert dramatic.mean() < studio.mean()


def test_export_writes_the_neutral_as_obj(tmp_path: Path) -> None:
    assert run("export", "builtin", "-o", tmp_path / "head.obj").exit_code == 0
    np.testing.assert_array_equal(read_mesh(tmp_path / "head.obj").vertices, load_face("builtin").mesh.vertices)


@pytest.mark.slow
def test_export_writes_every_shape_as_a_named_target(tmp_path: Path) -> None:
    assert run("export", "builtin", "-o", tmp_path / "head.glb").exit_code == 0
    file = GLTF2().load(str(tmp_path / "head.glb"))
    assert set(file.meshes[0].extras["targetNames"]) == set(load_face("builtin").shapes)
    assert not file.animations


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "nobody", "-o", "{}/a.png"], "no built-in face 'nobody'"),
        (["show", "", "-o", "{}/a.png"], "nothing is named after show"),
        (["show", "builtin", "-o", "{}/a.jpg"], "ends in .png"),
        (["show", "builtin", "-o", "{}/a.png", "--light", "disco"], "no light 'disco'"),
        (["show", "builtin", "-o", "{}/a.png", "--shape", "smile:1"], "no shape 'smile'"),
        (["show", "builtin", "-o", "{}/a.png", "--shape", "jawOpen:x"], "is not SHAPE:WEIGHT"),
        (["export", "builtin", "-o", "{}/a.fbx"], "ends in .obj or .glb"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    done = run(*[argument.format(tmp_path / "new") for argument in arguments])
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    (tmp_path / "head.obj").write_text("mine")
    assert run("export", "builtin", "-o", tmp_path / "head.obj").exit_code == 2
    assert (tmp_path / "head.obj").read_text() == "mine"
    assert run("export", "builtin", "-o", tmp_path / "head.obj", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--face", "nobody"], "no built-in face 'nobody'"),
        (["--face", "builtin", "--mesh", str(SAMPLES / "head.obj")], "choose one of --mesh and --face"),
        (["--light", "disco"], "no light 'disco'"),
    ],
)
def test_animate_refuses_unknown_faces_and_lights(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    sound = SAMPLES / "four_moods.wav"
    done = CliRunner().invoke(app, ["animate", str(sound), "-o", str(tmp_path / "out"), "-q", *arguments])
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()
