"""Fine-grained emotions in the studio: what the command line finds, beside the document, and kept with the track."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sedtalker.emotion.formats.json import track_from_json, track_to_json
from sedtalker.emotion.taxonomy import KINDS
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.studio.recognition import FINER, leading_category
from tests.studio.conftest import ROOT, SAMPLE, SOCKETS, finished, made_track


def state(client) -> dict:
    return client.get(f"{ROOT}api/state").json()


def rows(client) -> np.ndarray:
    answer = client.get(f"{ROOT}api/extras.bin")
    return np.frombuffer(answer.content, "<f4").reshape(int(answer.headers["x-rows"]), -1)


def test_they_are_those_of_the_command_line_and_the_document_stays(client, session, models):
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 1, "label": "happy"})
    client.post(f"{ROOT}api/undo")
    before = state(client)
    assert before["finer"]["curves"] == []
    assert rows(client).shape == (len(session.track), 0)
    message = finished(client, lambda: client.post(f"{ROOT}api/finer"), FINER)
    assert message["result"] == {"kinds": 30}
    assert "recognising fine-grained emotions" in message["steps"]
    after = state(client)
    for name in ("document", "can_undo", "can_redo", "revision", "project"):
        assert after[name] == before[name]
    assert after["project"]["dirty"] is False
    expected = models.animator().diarizer.with_fine()(session.clip.sound).extras
    assert [curve["name"] for curve in after["finer"]["curves"]] == list(expected)
    assert np.allclose(rows(client), np.column_stack([*expected.values()]), atol=1e-6)
    for curve in after["finer"]["curves"]:
        assert curve["peak"] == pytest.approx(float(expected[curve["name"]].max()), abs=1e-4)
        assert curve["category"] in CATEGORIES
    assert client.delete(f"{ROOT}api/finer").json() == {}
    assert state(client)["finer"]["curves"] == []
    assert state(client)["finer"]["number"] > after["finer"]["number"]


def test_they_go_with_the_track_its_edits_and_the_project(client, session):
    finished(client, lambda: client.post(f"{ROOT}api/finer"), FINER)
    client.post(f"{ROOT}api/edit", json={"op": "relabel", "index": 1, "label": "happy"})
    held = session.snapshot()
    assert held.track.extras == held.project.track.extras == session.extras
    assert len(held.track.extras) == 30
    message = finished(client, lambda: client.post(f"{ROOT}api/export", json={"formats": ["track.json"]}), "export")
    saved = client.get(f"{ROOT}{message['result']['files'][0]['url']}").text
    kept = track_from_json(saved)
    assert all(np.array_equal(kept.extras[name], curve) for name, curve in session.extras.items())
    assert kept.posterior.argmax(1)[len(kept) // 2] == session.track.posterior.argmax(1)[len(kept) // 2]
    project = client.get(f"{ROOT}api/project").text
    assert json.loads(project)["base"]["extras"].keys() == session.extras.keys()
    client.delete(f"{ROOT}api/finer")
    reply = client.post(f"{ROOT}api/track?name=saved.emotion.json", content=saved.encode())
    assert reply.status_code == 200
    assert len(state(client)["finer"]["curves"]) == 30
    client.delete(f"{ROOT}api/finer")
    finished(
        client,
        lambda: client.post(f"{ROOT}api/project?name=a.sedproject&discard=true", content=project.encode()),
        "open",
    )
    assert session.extras.keys() == kept.extras.keys()
    assert state(client)["project"]["dirty"] is False


def test_a_file_may_have_any_further_curves_and_bursts(client, session):
    duration = session.clip.sound.duration
    track = made_track(duration)
    curve = np.linspace(0.0, 1.0, len(track), dtype=np.float32)
    burst = Burst(1.0, 1.5, "laugh", 0.75)
    text = track_to_json(replace(track, extras={"boredom": curve}, bursts=(burst,)))
    client.post(f"{ROOT}api/track?name=a.json", content=text.encode())
    found = state(client)
    assert found["finer"]["curves"] == [{"name": "boredom", "peak": 1.0, "category": None}]
    listed = [{"index": 0, "start": 1.0, "end": 1.5, "kind": "laugh", "confidence": 0.75}]
    assert found["document"]["bursts"] == listed
    reply = client.post(f"{ROOT}api/edit", json={"op": "remove_burst", "index": 0}).json()
    assert reply["document"]["bursts"] == []
    assert reply["document"]["edited"] is True
    assert reply["changed"] == pytest.approx([0.3, 2.2])
    assert session.snapshot().track.bursts == ()
    assert client.post(f"{ROOT}api/undo").json()["document"]["bursts"] == listed
    table = b"start,end,label,extras.calm\n0,9,happy,0.25\n9,18,sad,0.75\n"
    client.post(f"{ROOT}api/track?name=a.csv", content=table)
    assert [(c["name"], c["peak"]) for c in state(client)["finer"]["curves"]] == [("calm", 0.75)]


def test_a_removed_laugh_is_off_the_face_and_nothing_else_moves(session):
    laugh = Burst(6.0, 7.0, "laugh", 0.9)
    session.open_track(replace(session.clip.track, bursts=(laugh,)))
    _, with_laugh, fps = session.weight_rows(0.0, np.inf)
    start, end = session.edit({"op": "remove_burst", "index": 0})["changed"]
    _, without, _ = session.weight_rows(0.0, np.inf)
    times = np.arange(len(without)) / fps
    moved = np.abs(with_laugh - without).max(axis=1)
    assert moved[(times > 6.2) & (times < 6.8)].min() > 0.2
    assert moved[(times < start) | (times > end)].max() == 0.0


def test_where_it_is_asked_for_they_follow_every_recording(client, studio, session):
    studio.finer = True
    seen = []
    with client.websocket_connect(f"{SOCKETS}{ROOT}api/events") as events:
        client.post(f"{ROOT}api/audio?name=other.wav", content=SAMPLE.read_bytes())
        while not any(m["kind"] == FINER for m in seen):
            message = events.receive_json()
            if message["type"] in ("done", "failed"):
                seen.append(message)
    assert [(m["type"], m["kind"]) for m in seen] == [("done", "analyse"), ("done", FINER)]
    assert len(session.extras) == 30


def test_without_a_recording_there_is_nothing_to_find(models, subject, home):
    from starlette.testclient import TestClient

    from sedtalker.studio.server import make_app
    from sedtalker.studio.session import Session
    from sedtalker.studio.studio import Studio

    app = make_app(Studio(Session(models, subject), home), "t", 8765)
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        answer = client.post("/t/api/finer", json={})
        assert (answer.status_code, "no recording is open" in answer.json()["error"]) == (400, True)


def test_every_known_kind_has_a_category_to_be_coloured_by():
    assert {leading_category(kind) for kind in KINDS} <= set(CATEGORIES)
    assert leading_category("awe") == "surprise"
    assert leading_category("nothing known") is None
