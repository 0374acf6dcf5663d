"""What the page asks for and gets: arrays, edits, messages."""

from __future__ import annotations

import json
import re
import wave
from io import BytesIO

import numpy as np
import pytest
from starlette.testclient import TestClient

from sedtalker.emotion.formats.files import track_formats
from sedtalker.emotion.track import CATEGORIES, UNSURE, EmotionTrack
from sedtalker.reading import textgrid
from sedtalker.studio.server import make_app
from sedtalker.studio.session import Session
from sedtalker.studio.sound import MOST_PEAKS
from sedtalker.studio.state import document_state
from sedtalker.studio.studio import Studio
from tests.studio.conftest import PORT, ROOT, SOCKETS, TOKEN, finished


def rows(answer):
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<f4").reshape(-1, int(answer.headers["x-columns"]))


def test_the_page_and_its_files(client):
    page = client.get(ROOT)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert client.get(f"{ROOT}static/index.html").text == page.text
    assert client.get(f"{ROOT}nothing").status_code == 404
    assert client.get(f"{ROOT}api/edit").status_code == 405


def test_the_state(client, session):
    state = client.get(f"{ROOT}api/state").json()
    assert state["audio"]["name"] == "four_moods.wav"
    assert state["duration"] == session.clip.sound.duration
    assert state["labels"] == list(CATEGORIES)
    assert set(state["colours"]) == set(CATEGORIES)
    assert state["document"]["segments"][-1]["end"] == state["duration"]
    assert state["document"]["edited"] is False
    assert state["project"] == {"path": None, "dirty": False}
    assert state["recovery"] is None
    assert state["jobs"] == []
    assert len(state["face"]["shapes"]) == len(session.subject.face.basis)
    assert state["face"]["report"] is None
    assert set(state["face"]["parts"]) >= {"skin"}
    assert {"glb", "npz", "mp4", "track.json"} <= {row["name"] for row in state["options"]["formats"]}
    assert all(0 <= a < b <= state["duration"] for a, b in state["pauses"])


def test_the_envelope_is_near_the_intensity(client, session):
    envelope = np.array(client.get(f"{ROOT}api/state").json()["document"]["envelope"])
    track = session.track
    assert np.abs(np.interp(track.times, envelope[:, 0], envelope[:, 1]) - track.intensity).max() < 0.021
    assert len(envelope) < len(track) / 3


def test_the_sound_and_its_parts(client, session):
    whole = client.get(f"{ROOT}api/audio.wav")
    with wave.open(BytesIO(whole.content)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (session.clip.rate, 2)
        assert file.getnframes() / file.getframerate() == pytest.approx(session.clip.sound.duration, abs=1e-3)
    part = client.get(f"{ROOT}api/audio.wav", headers={"range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == whole.content[100:200]
    peaks = rows(client.get(f"{ROOT}api/peaks?bins=64"))
    assert peaks.shape == (64, 2)
    assert peaks[:, 0].min() == session.clip.sound.samples.min()
    assert peaks[:, 1].max() == session.clip.sound.samples.max()
    assert client.get(f"{ROOT}api/peaks?bins=many").status_code == 400
    assert len(rows(client.get(f"{ROOT}api/peaks?bins=inf"))) == min(MOST_PEAKS, len(session.clip.sound.samples))


def test_rows_of_the_track(client, session):
    answer = client.get(f"{ROOT}api/track.bin?from=2&to=3")
    part = rows(answer)
    first = int(answer.headers["x-start-index"])
    assert (first, len(part), answer.headers["x-rate"]) == (100, 51, "50")
    track = session.track
    assert np.allclose(part[:, :7], track.posterior[first : first + 51])
    assert np.allclose(part[:, 7], track.intensity[first : first + 51])
    known = track.recognised[first : first + 51]
    assert np.allclose(part[:, 10], known[np.arange(51), part[:, :7].argmax(axis=1)])
    assert len(rows(client.get(f"{ROOT}api/track.bin"))) == len(track)
    assert len(rows(client.get(f"{ROOT}api/track.bin?from=99"))) == 0


def test_a_segment_is_as_confident_as_diarize_says_and_certain_once_it_is_named_by_hand(client, session):
    shown = client.get(f"{ROOT}api/state").json()["document"]["segments"]
    said = [segment.confidence for segment in session.track.segments()]
    assert [segment["confidence"] for segment in shown] == pytest.approx(said, abs=0.02)
    assert all(segment["second"] is None or segment["second"][0] != segment["label"] for segment in shown)
    assert any(segment["second"] for segment in shown)
    assert [segment["uncertain"] for segment in shown] == [segment["confidence"] < UNSURE for segment in shown]
    other = "sad" if shown[1]["label"] != "sad" else "happy"
    reply = client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 1, "label": other}).json()
    assert reply["document"]["segments"][1]["confidence"] == pytest.approx(1.0)
    client.post(f"{ROOT}api/undo")


def test_what_was_recognised_in_a_segment_is_averaged_once(session, monkeypatch):
    parts, average = [], EmotionTrack.recognised_in
    monkeypatch.setattr(EmotionTrack, "recognised_in", lambda track, part: parts.append(part) or average(track, part))
    shown = document_state(session.base, session.document, session.track)
    assert len(parts) == len(shown["segments"])


def test_an_edit_of_a_list_that_has_changed_since_is_refused(client):
    seen = client.get(f"{ROOT}api/state").json()["revision"]
    split = client.post(f"{ROOT}api/edit", json={"op": "split", "t": 0.5, "revision": seen}).json()
    for way, edit in (("edit", {"op": "relabel", "index": 1, "label": "sad"}), ("undo", {}), ("redo", {})):
        answer = client.post(f"{ROOT}api/{way}", json={**edit, "revision": seen})
        assert answer.status_code == 409
        assert "at the same time" in answer.json()["error"]
    state = client.get(f"{ROOT}api/state").json()
    assert (state["document"], state["revision"]) == (split["document"], split["revision"])
    assert client.post(f"{ROOT}api/undo", json={"revision": split["revision"]}).json()["can_redo"] is True


def test_weights_follow_an_edit_and_come_back_with_undo(client):
    before = rows(client.get(f"{ROOT}api/weights.bin"))
    answer = client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 1, "label": "sad"})
    reply = answer.json()
    assert reply["document"]["segments"][1]["label"] == "sad"
    assert reply["document"]["edited"] is True
    assert (reply["can_undo"], reply["can_redo"]) == (True, False)
    assert reply["project"]["dirty"] is True
    start, end = reply["changed"]
    assert reply["decoded"][0] <= start
    assert reply["decoded"][1] >= end
    weights = client.get(f"{ROOT}api/weights.bin?from={start}&to={end}")
    assert int(weights.headers["x-revision"]) == reply["revision"]
    first = int(weights.headers["x-start-frame"])
    after = rows(weights)
    assert np.abs(after - before[first : first + len(after)]).max() > 0.02
    reply = client.post(f"{ROOT}api/undo").json()
    assert (reply["can_undo"], reply["can_redo"]) == (False, True)
    assert reply["project"]["dirty"] is False
    assert (rows(client.get(f"{ROOT}api/weights.bin")) == before).all()
    assert client.post(f"{ROOT}api/redo").json()["document"]["segments"][1]["label"] == "sad"


def test_two_variants_side_by_side(client):
    assert client.get(f"{ROOT}api/weights.bin?variant=b").status_code == 400
    kept = rows(client.get(f"{ROOT}api/weights.bin"))
    assert client.post(f"{ROOT}api/compare", json={"on": True}).json()["compare"] is True
    client.post(f"{ROOT}api/edit", json={"op": "settings", "articulation": 0.2})
    assert (rows(client.get(f"{ROOT}api/weights.bin?variant=b")) == kept).all()
    assert (rows(client.get(f"{ROOT}api/weights.bin?variant=a")) != kept).any()
    client.post(f"{ROOT}api/compare", json={"on": False})
    assert client.get(f"{ROOT}api/weights.bin?variant=b").status_code == 400


def test_frames_a_second_change_the_rows(client):
    client.post(f"{ROOT}api/edit", json={"op": "settings", "fps": 60})
    answer = client.get(f"{ROOT}api/weights.bin?from=1&to=2")
    assert answer.headers["x-fps"] == "60.0"
    assert int(answer.headers["x-start-frame"]) == 60
    assert len(rows(answer)) == 61


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("api/edit", b"not json", 400, "not valid JSON"),
        ("api/edit", b"[1]", 400, "not a JSON object"),
        ("api/edit", b"[" * 100_000, 400, "nested more than 100 levels deep"),
        ("api/edit", b'{"op": "split", "t": 1e400}', 400, "finite"),
        ("api/edit", b'{"op": "split", "t": 0.01}', 400, "cannot be split"),
        ("api/edit", b" " * (2**20 + 1), 413, "too large|larger"),
        ("api/export", b"{}", 400, "at least one format"),
        ("api/export", b'{"formats": ["exe"]}', 400, "no format 'exe'"),
        ("api/export", b'{"formats": ["glb"], "size": 9999}', 400, "size"),
        ("api/words?name=a.doc", b"x", 400, "words are read from"),
        ("api/track?name=a.json", b"x", 400, "a.json: not valid JSON"),
        ("api/track?name=a.json", b"", 400, "a.json: the file is empty"),
        ("api/mesh?name=a.exe", b"x", 400, "a head is read from"),
        ("api/project", b'{"path": "/nowhere/at/all.sedproject"}', 400, "no such folder"),
        ("api/project", b'{"path": "x.txt"}', 400, "ends in .sedproject"),
        ("api/recover", b"", 400, "nothing to recover"),
        ("api/landmarks", b'{"chin": [0, 0, 0]}', 400, "mesh file"),
    ],
)
def test_bad_requests_are_one_line(client, path, body, status, said):
    answer = client.post(ROOT + path, content=body)
    assert answer.status_code == status
    message = answer.json()["error"]
    assert "\n" not in message
    assert "/uploads/" not in message
    assert re.search(said, message), message


def test_a_track_and_words_are_taken_over(client):
    other = client.post(
        f"{ROOT}api/track?name=my.csv", content=b"start,end,label,intensity\n0,9,happy,0.9\n9,18,sad,0.4\n"
    )
    assert [s["label"] for s in other.json()["document"]["segments"]][:2] == ["happy", "sad"]
    assert other.json()["can_undo"] is True
    words = client.post(f"{ROOT}api/words?name=w.ctm", content=b"a 1 0.5 0.5 so\n").json()["words"]
    assert words == [{"start": 0.5, "end": 1.0, "text": "so"}]
    assert client.get(f"{ROOT}api/state").json()["words"] == words


@pytest.mark.parametrize("suffix", sorted(track_formats()))
def test_exported_tracks_are_taken_over_as_tracks(client, session, tmp_path, suffix):
    session.edit({"op": "relabel", "index": 1, "label": "disgust"})
    path = tmp_path / f"take{suffix}"
    session.track.save(path)
    session.undo()
    reply = client.post(f"{ROOT}api/annotation?name={path.name}", content=path.read_bytes())
    assert reply.status_code == 200, reply.text
    assert "disgust" in [segment["label"] for segment in reply.json()["document"]["segments"]]
    assert session.words == []


CUE = "1\n00:00:00,500 --> 00:00:01,000\n{}\n\n"


@pytest.mark.parametrize(
    ("name", "content", "is_track"),
    [
        ("a.srt", CUE.format("happy:0.8"), True),
        ("a.srt", CUE.format("happy:0.800 Hello there"), True),
        ("a.srt", CUE.format("Sad"), True),
        ("a.srt", CUE.format("Happy birthday to you"), False),
        ("a.srt", CUE.format("Angry: go away"), False),
        ("a.srt", CUE.format("sad:0.5") + CUE.format("so it goes"), False),
        ("a.TextGrid", textgrid({"words": [(0.0, 1.0, "so")], "emotion": [(0.0, 1.0, "happy:0.8")]}, 1.0, 3), True),
        ("a.TextGrid", textgrid({"words": [(0.0, 0.5, "happy"), (0.5, 1.0, "birthday")]}, 1.0, 3), False),
        ("a.ctm", "a 1 0.5 0.5 so\n", False),
    ],
)
def test_what_is_in_a_file_says_whether_it_is_a_track_or_words(client, session, name, content, is_track):
    reply = client.post(f"{ROOT}api/annotation?name={name}", content=content.encode()).json()
    assert ("document" in reply, reply.get("kind")) == ((True, None) if is_track else (False, "words"))
    assert bool(session.words) is not is_track


def test_a_loaded_track_is_one_step_and_edits_come_back_with_undo(client, session):
    curves = {"awe": np.linspace(0.0, 1.0, len(session.track), dtype=np.float32)}
    session.open_extras(curves)
    client.post(f"{ROOT}api/edit", json={"op": "settings", "seed": 7})
    finished(client, lambda: client.post(f"{ROOT}api/words?name=w.ctm", content=b"a 1 0.5 0.5 so\n"))
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 0, "label": "fear"})
    before, weights = client.get(f"{ROOT}api/state").json(), rows(client.get(f"{ROOT}api/weights.bin"))
    loaded = client.post(f"{ROOT}api/track?name=my.csv", content=b"start,end,label,intensity\n0,9,happy,0.9\n").json()
    assert loaded["changed"] == [0.0, before["duration"]]
    assert loaded["project"]["dirty"] is True
    assert loaded["document"]["settings"]["seed"] == 7
    assert loaded["voice"] != before["voice"], "the page asks for everything again"
    assert session.extras == {}
    after, others = client.get(f"{ROOT}api/state").json(), rows(client.get(f"{ROOT}api/weights.bin"))
    assert after["words"] == before["words"]
    for step, state, shown in (("undo", before, weights), ("redo", after, others), ("undo", before, weights)):
        client.post(f"{ROOT}api/{step}")
        now = client.get(f"{ROOT}api/state").json()
        assert [now[key] for key in ("document", "voice", "words")] == [
            state[key] for key in ("document", "voice", "words")
        ]
        assert np.allclose(rows(client.get(f"{ROOT}api/weights.bin")), shown, atol=1e-6)
    assert session.extras.keys() == curves.keys()
    client.post(f"{ROOT}api/undo")
    assert client.get(f"{ROOT}api/state").json()["document"]["segments"][0]["label"] != "fear"


def test_every_page_gets_a_message_about_an_edit(client):
    address = f"{SOCKETS}{ROOT}api/events"
    with client.websocket_connect(address) as one, client.websocket_connect(address) as two:
        revision = client.post(f"{ROOT}api/edit", json={"op": "settings", "seed": 5}).json()["revision"]
        for page in (one, two):
            assert page.receive_json() == {"type": "state", "revision": revision}


def test_a_fault_of_ours_is_json_too(studio, monkeypatch):
    def broken():
        raise ZeroDivisionError

    monkeypatch.setattr(studio.session, "undo", broken)
    app = make_app(studio, TOKEN, PORT)
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=False) as page:
        answer = page.post(f"{ROOT}api/undo")
        assert answer.status_code == 500
        assert "ZeroDivisionError" in answer.json()["error"]
        assert page.get(f"{ROOT}api/state").status_code == 200


def test_without_a_recording_the_page_still_works(models, subject, home):
    studio = Studio(Session(models, subject), home)
    with TestClient(
        make_app(studio, "t", 80), base_url="http://127.0.0.1:80", headers={"host": "127.0.0.1:80"}
    ) as page:
        state = page.get("/t/api/state").json()
        assert state["audio"] is None
        assert state["document"] is None
        assert page.get("/t/api/head.glb").status_code == 200
        for path in ("audio.wav", "peaks", "track.bin", "weights.bin", "project"):
            answer = page.get(f"/t/api/{path}")
            assert answer.status_code == 400
            assert "no recording is open" in answer.json()["error"]
        assert json.loads(page.post("/t/api/undo").text)["error"].startswith("no recording")
