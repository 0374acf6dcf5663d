"""The studio's files are those of the command line, byte for byte; a cancelled export leaves nothing."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.progress import no_progress
from sedtalker.studio.exports import export_files, file_suffix, parse_request
from tests.studio.conftest import ROOT, SAMPLE, finished

EDITS = (
    {"op": "split", "t": 3.0},
    {"op": "relabel", "index": 1, "label": "happy"},
    {"op": "set_intensity", "points": [[4.0, 0.2], [5.0, 0.9], [7.0, 0.4]]},
    {"op": "settings", "expressivity": 1.2, "gain": {"brows": 1.5, "jawOpen": 1.25}, "seed": 4},
    {"op": "settings", "contrast": 1.4, "at_most": 2, "prefer": "happy:0.2", "transition": 0.4},
    {"op": "settings", "offset": {"lids": 0.1}, "limit": {"jawOpen": 0.6}, "smooth": {"upper": 0.2}},
    {"op": "settings", "style": "clear", "min_confidence": 0.2, "fps": 25, "gaze": False, "intensity": 1.3},
)
OPTIONS = (
    *("--expressivity", "1.2", "--gain", "brows=1.5", "--gain", "jawOpen=1.25", "--seed", "4", "--style", "clear"),
    *("--contrast", "1.4", "--at-most", "2", "--prefer", "happy:0.2", "--transition", "0.4"),
    *("--offset", "lids=0.1", "--limit", "jawOpen=0.6", "--smooth", "upper=0.2"),
    *("--fps", "25", "--no-gaze", "--intensity", "1.3"),
)
"""The same settings for the command line; the confidence is in the saved track."""
FORMATS = ("glb", "npz", "arkit", "mdd", "track.json", "track.rttm")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_files_are_those_of_the_command_line(session, tmp_path, monkeypatch):
    for value in EDITS:
        session.edit(dict(value))
    made = tmp_path / "studio"
    written = export_files(parse_request({"formats": FORMATS}), session.models, session.snapshot(), made, no_progress)
    assert [row["format"] for row in written] == list(FORMATS)
    saved = made / "four_moods.emotion.json"
    (tmp_path / "cli").mkdir()
    monkeypatch.chdir(tmp_path / "cli")
    shutil.copy(SAMPLE, "four_moods.wav")
    arguments = ["four_moods.wav", "--emotion", str(saved), "--no-video", "-q", "--to", "arkit,mdd", *OPTIONS]
    done = CliRunner().invoke(app, ["animate", *arguments])
    assert done.exit_code == 0, done.stderr
    for name in ("glb", "npz", "arkit", "mdd"):
        file = f"four_moods{file_suffix(name)}"
        assert digest(made / file) == digest(tmp_path / "cli" / "four_moods" / file), name


@pytest.mark.slow
def test_a_project_gives_the_same_files_on_the_command_line(session, tmp_path, monkeypatch):
    from sedtalker.studio.project import write_project

    for value in EDITS:
        session.edit(dict(value))
    made = tmp_path / "studio"
    export_files(parse_request({"formats": ["glb", "npz"]}), session.models, session.snapshot(), made, no_progress)
    path = tmp_path / "work" / "mine.sedproject"
    path.parent.mkdir()
    write_project(path, session.snapshot().project)
    monkeypatch.chdir(SAMPLE.parent)  # so that the sound is named alike
    arguments = ["animate", "--project", str(path), "--no-video", "-q"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "one")])
    assert done.exit_code == 0, done.stderr
    assert digest(tmp_path / "one" / "four_moods.npz") == digest(made / "four_moods.npz")
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "two"), "--fps", "30", "--face", "amara"])
    assert done.exit_code == 0, done.stderr
    from sedtalker.animation.animation import Animation

    other = Animation.load(tmp_path / "two" / "four_moods.npz")
    assert (other.fps, other.face.name) == (30.0, "amara")  # options that are given win
    assert other.provenance["seed"] == 4


def test_the_track_is_the_edited_one_in_its_own_frames_whatever_the_settings(session, tmp_path):
    for value in EDITS:
        session.edit(dict(value))
    made = tmp_path / "studio"
    export_files(parse_request({"formats": ["track.json"]}), session.models, session.snapshot(), made, no_progress)
    saved, edited = EmotionTrack.load(made / "four_moods.emotion.json"), session.track
    assert len(saved) == len(edited) == len(session.base.track)
    assert np.allclose(saved.intensity, edited.intensity, atol=1e-4)
    shown = session.animation().track
    assert len(shown) != len(saved)
    assert not np.allclose(shown.at(saved.times).intensity, saved.intensity, atol=1e-2)


def test_results_can_be_fetched(client):
    asked = {"formats": ["track.json", "track.csv"]}
    message = finished(client, lambda: client.post(f"{ROOT}api/export", json=asked), "export")
    assert message["type"] == "done", message
    for file in message["result"]["files"]:
        answer = client.get(ROOT + file["url"])
        assert answer.status_code == 200
        assert len(answer.content) == file["bytes"]
        assert "attachment" in answer.headers["content-disposition"]
    names = [file["name"] for file in message["result"]["files"]]
    assert names == ["four_moods.emotion.json", "four_moods.csv"]
    assert client.get(f"{ROOT}api/state").json()["exports"] == [message["result"]]
    for path in ("api/exports/1/autosave.json", "api/exports/9/four_moods.csv", "api/exports/1/..%2f..%2flock"):
        assert client.get(ROOT + path).status_code == 404


def test_results_of_a_recording_with_signs_of_addresses_in_its_name_are_fetched(client, session, tmp_path):
    session.clip = replace(session.clip, path=tmp_path / "50% #1 😀.wav")
    message = finished(client, lambda: client.post(f"{ROOT}api/export", json={"formats": ["track.csv"]}), "export")
    (file,) = message["result"]["files"]
    assert file["name"] == "50% #1 😀.csv"
    assert len(client.get(ROOT + file["url"]).content) == file["bytes"]


def test_a_cancelled_render_leaves_nothing(client, studio):
    with client.websocket_connect(f"ws://127.0.0.1:8765{ROOT}api/events") as events:
        job = client.post(f"{ROOT}api/export", json={"formats": ["npz", "mp4"], "size": 64}).json()["job"]
        while (message := events.receive_json()).get("step") != "rendering":
            assert message["type"] != "failed", message
        assert [j["job"] for j in client.get(f"{ROOT}api/state").json()["jobs"]] == [job]
        assert client.post(f"{ROOT}api/edit", json={"op": "settings", "seed": 1}).status_code == 200  # meanwhile
        assert client.post(f"{ROOT}api/jobs/{job}/cancel").json() == {"cancelled": True}
        while (message := events.receive_json())["type"] != "failed":
            pass
    assert (message["job"], message["error"]) == (job, "cancelled")
    assert not (studio.folder / "exports").exists()
    assert client.get(f"{ROOT}api/state").json()["jobs"] == []
    assert client.post(f"{ROOT}api/jobs/{job}/cancel").json() == {"cancelled": False}


def test_a_job_goes_on_when_its_page_is_closed(client):
    with client.websocket_connect(f"ws://127.0.0.1:8765{ROOT}api/events"):
        client.post(f"{ROOT}api/export", json={"formats": ["npz", "track.csv"]})
    for _ in range(300):
        state = client.get(f"{ROOT}api/state").json()
        if not state["jobs"]:
            break
        time.sleep(0.1)
    assert [file["format"] for file in state["exports"][-1]["files"]] == ["npz", "track.csv"]


def test_a_video_is_written(client, session, studio):
    asked = {"formats": ["mp4"], "size": 64}
    client.post(f"{ROOT}api/edit", json={"op": "settings", "fps": 1})
    message = finished(client, lambda: client.post(f"{ROOT}api/export", json=asked), "export")
    assert message["type"] == "done", message
    assert "rendering" in message["steps"]
    assert client.get(ROOT + message["result"]["files"][0]["url"]).content[4:8] == b"ftyp"


def test_what_an_export_may_be():
    assert parse_request({"formats": ["mp4", "mp4"]}).names == ["mp4"]
    assert (file_suffix("track"), file_suffix("track.rttm"), file_suffix("glb")) == (".emotion.json", ".rttm", ".glb")
    for wrong in ({}, {"formats": ["abc"]}, {"formats": ["track.docx"]}, {"formats": ["glb"], "size": 1}, {"x": 1}):
        with pytest.raises(InputError):
            parse_request(wrong)
