"""What is dropped on the page: recordings, heads, landmarks, projects; and what is none of these."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.storage import plain_name
from sedtalker.studio.sound import write_wav
from tests.studio.conftest import ROOT, SAMPLE, finished

HEAD = SAMPLE.parent / "head.obj"
UNSAVED = "there are edits that are not saved: save or discard them first"


def speech(path: Path, rate: int = 16000, channels: int = 1, seconds: float = 1.5) -> bytes:
    samples = np.random.default_rng(1).normal(0, 0.05, (int(seconds * rate), channels))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path.read_bytes()


def test_a_recording_is_analysed(client, studio, tmp_path):
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 0, "label": "sad"})
    data = speech(tmp_path / "a.wav")
    address = f"{ROOT}api/audio?name=../../my voice.wav&discard=true"
    message = finished(client, lambda: client.post(address, content=data), "analyse")
    assert message["type"] == "done", message
    assert {"reading the audio", "encoding the speech", "recognising the emotion"} <= set(message["steps"])
    state = client.get(f"{ROOT}api/state").json()
    assert state["audio"]["name"] == "my voice.wav"
    assert state["duration"] == 1.5
    assert (state["can_undo"], state["document"]["edited"]) == (False, False)
    assert client.get(f"{ROOT}api/recording").content == data
    inside = [path.name for path in (studio.folder / "uploads").rglob("*.wav")]
    assert inside == ["my voice.wav"]


@pytest.mark.parametrize("path", ["api/audio?name=a.wav", "api/project?name=a.sedproject"])
def test_edits_that_are_not_saved_are_given_up_only_where_that_is_said(client, session, tmp_path, path):
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 0, "label": "sad"})
    document = session.document
    answer = client.post(ROOT + path, content=speech(tmp_path / "a.wav"))
    assert (answer.status_code, answer.json()) == (409, {"error": UNSAVED})
    assert client.post(f"{ROOT}{path}&discard=yes", content=b"{}").status_code == 409
    assert session.document == document
    client.post(f"{ROOT}api/undo")
    assert finished(client, lambda: client.post(ROOT + path, content=b"{}"))["type"] == "failed", "it is read again"


def test_edits_made_while_a_recording_is_analysed_stay(client, session, monkeypatch):
    def another(*_):
        return lambda hook: session.edit({"op": "relabel", "index": 0, "label": "sad"}), pytest.fail

    monkeypatch.setattr("sedtalker.studio.opening.recording", another)
    session.edit({"op": "settings", "seed": 3})
    message = finished(client, lambda: client.post(f"{ROOT}api/audio?name=a.wav&discard=true", content=b"RIFF"))
    assert "edited in the meantime" in message["error"]
    assert (session.document.settings.seed, session.document.segments[0].label) == (3, "sad")


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("api/audio?name=notes.txt", b"dear diary", "notes.txt: not a readable audio file"),
        ("api/audio?name=a.wav", b"RIFF\0\0\0\0WAVE", "a.wav"),
        ("api/audio", b"\0" * 100, "upload: not a readable audio file"),
        ("api/mesh?name=head.obj", b"not a mesh", "head.obj"),
        ("api/mesh?name=cube.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "too few for a face"),
        ("api/mesh?name=head.glb", b"glTF", "head.glb"),
        ("api/mesh?name=face.sedface", b"PK", "face.sedface"),
        ("api/project?name=p.sedproject", b"{}", "p.sedproject: not a project"),
    ],
)
def test_other_files_change_nothing_and_are_one_line(client, caplog, path, data, said):
    before = client.get(f"{ROOT}api/state").json()
    message = finished(client, lambda: client.post(ROOT + path, content=data))
    assert message["type"] == "failed"
    assert said in message["error"]
    assert "\n" not in message["error"]
    assert "uploads" not in message["error"]
    after = client.get(f"{ROOT}api/state").json()
    assert {k: v for k, v in after.items() if k != "revision"} == {k: v for k, v in before.items() if k != "revision"}
    assert "Traceback" not in caplog.text


def test_files_that_are_too_large_are_not_kept(client, studio, monkeypatch):
    monkeypatch.setattr("sedtalker.studio.file_routes.AUDIO_BYTES", 1000)
    answer = client.post(f"{ROOT}api/audio?name=a.wav", content=b"\0" * 1001)
    assert answer.status_code == 413
    assert list((studio.folder / "uploads").iterdir()) == []


@pytest.mark.slow
def test_a_head_is_registered_and_its_landmarks_moved(client, session):
    message = finished(client, lambda: client.post(f"{ROOT}api/mesh?name=head.obj", content=HEAD.read_bytes()))
    assert (message["kind"], message["type"]) == ("register", "done"), message
    state = client.get(f"{ROOT}api/state").json()
    assert (state["face"]["name"], state["face"]["kind"]) == ("head.obj", "mesh")
    assert state["face"]["report"]["verdict"] in ("good", "usable")
    assert all(isinstance(note, str) for note in state["face"]["report"]["notes"])
    weights = client.get(f"{ROOT}api/weights.bin?from=0&to=1")
    assert int(weights.headers["x-columns"]) == len(state["face"]["shapes"]) + 4
    found = client.get(f"{ROOT}api/landmarks").json()
    assert found["movable"] is True
    points = {point["name"]: np.array(point["position"]) for point in found["points"]}
    places = session.subject.face.mesh.vertices
    assert all(np.linalg.norm(places - place, axis=1).min() < 1e-6 for place in points.values())
    moved = {"chin": (points["chin"] + [0.0, -0.002, 0.0]).tolist()}
    message = finished(client, lambda: client.post(f"{ROOT}api/landmarks", json=moved), "register")
    assert message["type"] == "done", message
    again = {p["name"]: np.array(p["position"]) for p in client.get(f"{ROOT}api/landmarks").json()["points"]}
    assert np.linalg.norm(again["chin"] - moved["chin"]) < 2e-3  # registered again, in its own pose
    assert client.post(f"{ROOT}api/landmarks", json={"chin": "low"}).status_code == 400
    assert client.post(f"{ROOT}api/landmarks", json={"tail": [0, 0, 0]}).status_code == 400


def test_another_built_in_face(client):
    faces = client.get(f"{ROOT}api/faces").json()
    assert [face["name"] for face in faces][:2] == ["builtin", "amara"]
    message = finished(client, lambda: client.post(f"{ROOT}api/face", json={"name": "pip"}), "register")
    assert message["type"] == "done"
    state = client.get(f"{ROOT}api/state").json()
    assert state["face"]["name"] == "pip"
    assert state["project"]["dirty"] is True
    message = finished(client, lambda: client.post(f"{ROOT}api/face", json={"name": "nobody"}), "register")
    assert "nobody" in message["error"]
    assert client.get(f"{ROOT}api/state").json()["face"]["name"] == "pip"


def test_more_than_an_hour_is_refused_in_a_sentence_that_helps(client, tmp_path):
    soundfile.write(tmp_path / "long.flac", np.zeros(3601 * 8000, np.int16), 8000)
    sent = (tmp_path / "long.flac").read_bytes()
    ended = finished(client, lambda: client.post(f"{ROOT}api/audio?name=long.flac", content=sent))
    assert ended["error"] == "long.flac: longer than 3600 s: cut it into parts"


def test_a_dropped_project_says_how_its_recording_is_found(client):
    held = json.loads(client.get(f"{ROOT}api/project").text)
    held["audio"]["path"] = "gone/talk.wav"
    content = json.dumps(held).encode()
    ended = finished(client, lambda: client.post(f"{ROOT}api/project?name=talk.sedproject", content=content))
    assert ended["error"].endswith(": open that file here, then the project again")
    assert client.post(f"{ROOT}api/beside?name=talk.wav", content=SAMPLE.read_bytes()).status_code == 200
    ended = finished(client, lambda: client.post(f"{ROOT}api/project?name=talk.sedproject", content=content))
    assert ended["result"] == {"audio": "talk.wav", "project": None}


def test_a_project_is_saved_fetched_and_opened(client, session, tmp_path):
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 1, "label": "sad"})
    client.post(f"{ROOT}api/edit", json={"op": "settings", "seed": 9})
    document = session.document
    reply = client.post(f"{ROOT}api/project", json={"path": str(tmp_path / "mine")}).json()
    assert reply == {"path": str(tmp_path / "mine.sedproject"), "dirty": False}
    fetched = client.get(f"{ROOT}api/project")
    assert "four_moods.sedproject" in fetched.headers["content-disposition"]
    assert json.loads(fetched.text)["document"] == json.loads((tmp_path / "mine.sedproject").read_text())["document"]
    client.post(f"{ROOT}api/edit", json={"op": "reset"})
    assert session.document != document
    address = f"{ROOT}api/project?name=four_moods.sedproject&discard=true"
    message = finished(client, lambda: client.post(address, content=fetched.content), "open")
    assert message["type"] == "done", message
    assert session.document == document
    state = client.get(f"{ROOT}api/state").json()
    assert state["project"] == {"path": None, "dirty": False}
    assert state["can_undo"] is False


@pytest.mark.parametrize(("rate", "channels", "expected"), [(16000, 1, 16000), (44100, 2, 44100), (96000, 6, 48000)])
def test_the_page_plays_what_the_networks_read(tmp_path, rate, channels, expected):
    speech(tmp_path / "a.wav", rate, channels, 0.7)
    assert write_wav(tmp_path / "a.wav", tmp_path / "b.wav") == expected
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (expected, min(channels, 1 if channels > 2 else channels))
        assert file.getnframes() / expected == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a.wav", "a.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\voices\\me.mp3", "me.mp3"),
        ("", "upload"),
        ("..", "upload"),
        ("a\0b\n?.wav", "a_b__.wav"),
        ("x" * 500 + ".wav", "x" * 116 + ".wav"),
        ("é" * 500 + ".wav", "é" * 58 + ".wav"),
    ],
)
def test_names_of_files_stay_in_their_folder(given, name):
    assert plain_name(given, "upload") == name
