"""Projects come back as they were saved, and damaged ones are one line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.errors import InputError
from sedtalker.studio.document import Base
from sedtalker.studio.edits import parse_edit
from sedtalker.studio.project import Project, names_from, parse_project, project_text, read_project, write_project
from tests.studio.conftest import SAMPLE, made_track


@pytest.fixture
def project(tmp_path):
    audio = tmp_path / "sound" / "four_moods.wav"
    audio.parent.mkdir()
    shutil.copy(SAMPLE, audio)
    base = Base(made_track(), 4.0)
    document = parse_edit({"op": "relabel", "index": 2, "label": "surprise"}).apply(base, base.document())
    document = parse_edit({"op": "set_intensity", "points": [[0.1, 0.5], [1.7, 0.25]]}).apply(base, document)
    document = parse_edit({"op": "settings", "gain": {"jawOpen": 1.2}, "seed": 7}).apply(base, document)
    marks = np.full((68, 3), np.nan)
    marks[8] = 1.0, 2.0, 3.0
    return Project(audio, None, "mei", base.track, document, marks)


def test_a_project_comes_back_from_another_folder(project, tmp_path):
    path = tmp_path / "edits" / "one.sedproject"
    path.parent.mkdir()
    write_project(path, project)
    assert json.loads(path.read_text())["audio"]["path"] == "../sound/four_moods.wav"
    first = path.read_bytes()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(path.parent, moved)
    shutil.move(tmp_path / "sound", moved)
    read = read_project(moved / "edits" / "one.sedproject")
    assert read.document == project.document
    assert read.audio.read_bytes() == SAMPLE.read_bytes()
    assert (read.face, read.mesh) == ("mei", None)
    assert (read.track.posterior == project.track.posterior).all()
    assert np.array_equal(read.landmarks, project.landmarks, equal_nan=True)
    rendered = project.rendered
    for name in ("posterior", "intensity", "valence", "arousal"):
        assert (getattr(read.rendered, name) == getattr(rendered, name)).all()
    again = moved / "edits" / "two.sedproject"
    write_project(again, read)
    assert again.read_bytes() == first


def test_a_project_finds_a_recording_that_came_along_beside_it(project, tmp_path):
    path = tmp_path / "one.sedproject"
    write_project(path, project)
    (tmp_path / "sound" / "four_moods.wav").rename(tmp_path / "four_moods.wav")
    assert read_project(path).audio == tmp_path / "four_moods.wav"
    (tmp_path / "four_moods.wav").write_bytes(b"another sound")
    with pytest.raises(InputError, match=r"is missing or has changed .* put it back, or beside the project"):
        read_project(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d.update(format="other"), "not a project"),
        (lambda d: d.update(version=9), "version 9"),
        (lambda d: d.pop("document"), "document"),
        (lambda d: d.update(extra=1), "extra"),
        (lambda d: d["audio"].update(path="gone.wav"), "recording gone.wav is missing"),
        (lambda d: d["audio"].update(path="a\0b"), "missing"),
        (lambda d: d["audio"].update(sha256="0" * 64), "has changed"),
        (lambda d: d["audio"].update(sha256="x"), "sha256"),
        (lambda d: d.update(mesh={"path": "head.obj", "sha256": "0" * 64}), "mesh head.obj is missing"),
        (lambda d: d["base"].update(times=[]), "base"),
        (lambda d: d["base"].update(labels=["sad", *d["base"]["labels"][1:]]), "categories"),
        (lambda d: d["document"]["segments"].pop(), "do not cover"),
        (lambda d: d["document"]["settings"].update(style="/etc/x.json"), "from a file"),
        (lambda d: d["document"]["settings"].update(fps=1e9), "fps"),
        (lambda d: d.update(landmarks=[[0, 0, 0]]), "landmarks"),
    ],
)
def test_a_damaged_project_is_one_line(project, tmp_path, spoil, said):
    held = json.loads(project_text(project, names_from(tmp_path)))
    spoil(held)
    with pytest.raises(InputError, match=said) as caught:
        parse_project(json.dumps(held).encode(), "my.sedproject", [tmp_path])
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("my.sedproject")


def test_a_project_does_not_learn_which_files_there_are(project, tmp_path):
    (tmp_path / "there.txt").write_text("somebody's")
    said = []
    for name in ("there.txt", "gone.txt"):
        held = json.loads(project_text(project, names_from(tmp_path)))
        held["audio"].update(path=name, sha256="0" * 64)
        with pytest.raises(InputError) as caught:
            parse_project(json.dumps(held).encode(), "my.sedproject", [tmp_path])
        said.append(str(caught.value).replace(name, "it"))
    assert said[0] == said[1]


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 50_000, b"[1]", b"null", b'{"format": "sedproject"'])
def test_other_files_are_no_projects(data):
    with pytest.raises(InputError, match="not a project"):
        parse_project(data, "x", [])


def test_the_command_line_refuses_in_one_line(tmp_path):
    for name, said in (("gone.sedproject", "no such file"), ("bad.sedproject", "not a project")):
        (tmp_path / "bad.sedproject").write_text("{}")
        done = CliRunner().invoke(app, ["animate", "--project", str(tmp_path / name)])
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_project_ends_in_its_suffix(project, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.sedproject"):
        write_project(tmp_path / "a.json", project)
