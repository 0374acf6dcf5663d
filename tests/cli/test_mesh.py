from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sedtalker.cli.main import app
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.registration import register_cached
from sedtalker.face.sedface import STEP, read_sedface
from sedtalker.mesh.files import read_mesh, write_obj
from sedtalker.mesh.mesh import Mesh, from_triangles
from sedtalker.training.corpora.landmark_samples import sphere
from tests.support.cube import cube_mesh

HEAD = Path(__file__).parents[2] / "data" / "samples" / "head.obj"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["mesh", *map(str, arguments)], catch_exceptions=False)


def spoilt(mesh: Mesh) -> Mesh:
    """The mirror image of a mesh, with a stray vertex, a repeated one and a polygon without area."""
    vertices = np.concatenate([mesh.vertices * (-1, 1, 1), [[900, 0, 0]], mesh.vertices[:1] * (-1, 1, 1)])
    corners = np.concatenate([mesh.polygon_vertices, [0, 1, len(vertices) - 1]])
    groups = None if mesh.polygon_groups is None else np.append(mesh.polygon_groups, 0).astype(np.int32)
    return replace(
        mesh,
        vertices=vertices.astype(np.float32),
        colours=None,
        polygon_sizes=np.append(mesh.polygon_sizes, 3).astype(np.int32),
        polygon_vertices=corners.astype(np.int32),
        polygon_groups=groups,
    )


@pytest.mark.slow
def test_a_head_is_described_and_drawn(tmp_path: Path) -> None:
    done = run("inspect", HEAD, "--json", "--picture", tmp_path / "head.png")
    assert done.exit_code == 0, done.stderr
    assert "looking for the face" in done.stderr
    found, mesh = json.loads(done.stdout), read_mesh(HEAD)
    contents, face = found["contents"], found["face"]
    assert contents["vertices"] == len(mesh.vertices)
    assert contents["polygon_sizes"] == {"3": len(mesh.polygon_sizes)}
    assert sum(contents["groups"].values()) == len(mesh.polygon_sizes)
    assert (contents["degenerate"], contents["unused"]) == (0, 0)
    assert (face["unit"], face["up_axis"], face["front_axis"]) == (0.01, "+Z", "-Y")
    assert abs(face["symmetry_normal"][0]) > 0.999
    assert face["asymmetry"] < 1.0
    assert face["mouth_opens"]
    assert face["eyes_open"] == face["eyeballs"] == [True, True]
    roles = {piece["role"] for piece in face["pieces"]}
    assert roles >= {"skin", "left eye", "right eye", "upper teeth", "lower teeth", "tongue", "hair"}
    assert found["problems"] == []
    landmarks = np.array(face["landmarks"])
    assert landmarks[8, 2] < landmarks[30, 2] < landmarks[27, 2]  # chin, nose tip, nose bridge: +Z is up
    picture = np.asarray(Image.open(tmp_path / "head.png")).astype(int)
    assert picture.shape[1] > 2 * 500
    assert ((picture[..., 2] > 190) & (picture[..., 0] < 60)).sum() > 100  # the subject's left is blue


@pytest.mark.slow
def test_a_spoilt_head_is_told_what_is_wrong(tmp_path: Path) -> None:
    write_obj(spoilt(read_mesh(HEAD)), tmp_path / "spoilt.obj")
    done = run("inspect", tmp_path / "spoilt.obj")
    assert done.exit_code == 0, done.stderr
    assert "spoilt.obj: a face" in done.stdout
    for complaint in ("inside-out", "mirrored: 'eye_left'", "1 degenerate", "1 duplicate", "1 vertices belong to no"):
        assert complaint in done.stdout


def test_a_cube_is_no_face(tmp_path: Path) -> None:
    write_obj(cube_mesh(), tmp_path / "cube.obj")
    done = run("inspect", tmp_path / "cube.obj", "--picture", tmp_path / "cube.png")
    assert done.exit_code == 0
    assert "not a face that can be fitted: 12 triangles are too few" in done.stdout
    assert "6 quads" in done.stdout
    assert (tmp_path / "cube.png").exists()
    refused = run("register", tmp_path / "cube.obj", "-o", tmp_path / "cube.sedface", "-q")
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "cube.sedface").exists()


@pytest.mark.slow
def test_a_head_is_registered_judged_and_kept(tmp_path: Path) -> None:
    kept, sheet = tmp_path / "head.sedface", tmp_path / "sheet.png"
    page = tmp_path / "report.html"
    done = run("register", HEAD, "-o", kept, "--picture", sheet, "--report", page, "--json", "-q")
    assert done.exit_code == 0, done.stderr
    quality = json.loads(done.stdout)["quality"]
    assert quality["verdict"] == "good"
    assert quality["score"] > 0.9
    assert quality["advice"] == []
    assert set(quality["parts"]) == {
        *("landmarks", "fit", "lips", "mouth", "blink", "surface", "lids", "moved"),
        *("halves", "inverted", "emotions", "size", "symmetry"),
    }
    assert Image.open(sheet).width > 4 * 240
    text = page.read_text()
    assert "head: good" in text
    assert "http" not in text.replace("http-equiv", "")
    pictured = b64decode(re.findall(r"base64,([^\"]+)", text)[0])
    assert Image.open(BytesIO(pictured)).width > 6 * 200

    mesh = read_mesh(HEAD)
    face = read_sedface(kept)
    again, same = register_cached(mesh, load_face(), "head")  # from the cache
    jaw = face.shape_index["jawOpen"]
    count = len(mesh.vertices)
    np.testing.assert_allclose(face.basis[jaw, :count], again.basis[jaw], rtol=0, atol=STEP / 2)
    np.testing.assert_array_equal(face.mesh.polygon_vertices[: len(mesh.polygon_vertices)], mesh.polygon_vertices)
    assert face.report is not None
    assert (face.report.landmark_residual, face.report.lip_gap) == (same.landmark_residual, same.lip_gap)
    assert face.mesh.group_names[: len(mesh.group_names)] == mesh.group_names
    assert face.shapes[:52] == ARKIT_52
    assert set(face.regions) == set(again.regions)

    shown = CliRunner().invoke(
        app, ["face", "show", str(kept), "-o", str(tmp_path / "open.png"), "--shape", "jawOpen", "--size", "96"]
    )
    assert shown.exit_code == 0, shown.stderr
    assert run("register", HEAD, "-o", kept, "-q").exit_code == 2
    assert run("register", HEAD, "-o", kept, "-q", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("option", "value", "said"), [("--mouth", "big", "--mouth big"), ("--strength", "3", "0.3 to 2")]
)
def test_what_cannot_be_wanted_is_refused_before_any_work(tmp_path: Path, option: str, value: str, said: str) -> None:
    done = run("register", tmp_path / "missing.obj", "-o", tmp_path / "head.sedface", option, value, "-q")
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_landmarks_given_by_hand_take_the_place_of_the_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a head without a face to see: what ``inspect`` prints of the whole head, a few points of it edited."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = json.loads(run("inspect", HEAD, "--json").stdout)
    (tmp_path / "points.json").write_text(json.dumps(found))
    module = import_module("sedtalker.face.registration.register")
    monkeypatch.setattr(module, "find_face", lambda *_: None)
    refused = run("register", HEAD, "-o", tmp_path / "head.sedface", "-q")
    assert refused.exit_code == 2
    assert "--landmarks" in refused.stderr
    done = run(
        "register", HEAD, "--landmarks", tmp_path / "points.json", "-o", tmp_path / "head.sedface", "-q", "--json"
    )
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["quality"]["score"] > 0.9
    wrong = {"landmarks": {"nose_tip": [0, 0, 0]}}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    bad = run("inspect", HEAD, "--landmarks", tmp_path / "wrong.json")
    assert bad.exit_code == 2
    assert bad.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_ball_is_no_face_from_any_side(tmp_path: Path) -> None:
    points, triangles = sphere(12)
    write_obj(from_triangles(points.astype(np.float32), triangles), tmp_path / "ball.obj")
    done = run("inspect", tmp_path / "ball.obj", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["face"] is None
    assert "not a face" in found["problems"][0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["inspect", "{}/none.obj"], "no such mesh file"),
        (["inspect", "{}/broken.obj"], "broken.obj"),
        (["inspect", "{}/broken.obj", "--picture", "{}/a.jpg"], "ends in .png"),
        (["register", "{}/broken.obj", "-o", "{}/a.npz"], "ends in .sedface"),
        (["register", "{}/none.obj", "-o", "{}/a.sedface", "-q"], "no such mesh file"),
        (["register", str(HEAD), "--rig", "{}/none.npz", "-o", "{}/a.sedface", "-q"], "no such rig"),
        (
            ["register", str(HEAD), "--landmarks", "{}/none.json", "-o", "{}/a.sedface", "-q"],
            "none.json: no such file",
        ),
        (["register", str(HEAD), "--head", "2", "-o", "{}/a.sedface", "-q"], "there is no head 2"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    (tmp_path / "broken.obj").write_text("v 1 2\nf 1 2 3\n")
    done = run(*[argument.format(tmp_path) for argument in arguments])
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut off"])
def test_what_is_no_sedface_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.sedface").write_bytes(content)
    sound = HEAD.with_name("four_moods.wav")
    done = CliRunner().invoke(
        app, ["animate", str(sound), "--mesh", str(tmp_path / "bad.sedface"), "-o", str(tmp_path / "out"), "-q"]
    )
    assert done.exit_code == 2
    assert "mesh register" in done.stderr
    assert not (tmp_path / "out").exists()
