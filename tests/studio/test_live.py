"""Live rows are those of ``AnimationStream``, and a page that misbehaves gets a line."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from sedtalker.animation.articulation import TONGUE
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn import torch_threads
from sedtalker.studio.document import checked_settings
from sedtalker.studio.live import LiveRows, stream_settings
from tests.studio.conftest import ROOT, SOCKETS

ADDRESS = f"{SOCKETS}{ROOT}api/live"
SECONDS = 3.0


@pytest.fixture(scope="module")
def pcm(clip) -> bytes:
    return np.round(clip.sound.samples[: int(SECONDS * 16000)] * 32767).astype("<i2").tobytes()


def said(socket) -> dict:
    return socket.receive_json()


def rest_of(socket, columns: int) -> tuple[np.ndarray, dict]:
    """The rows until the last message, and that message."""
    rows = []
    while True:
        message = socket.receive()
        if message.get("bytes") is None:
            import json

            return np.concatenate(rows) if rows else np.zeros((0, columns), np.float32), json.loads(message["text"])
        rows.append(np.frombuffer(message["bytes"], "<f4").reshape(-1, columns))


def test_rows_are_those_of_the_stream(client, models, subject, pcm):
    chosen = {"intensity": 1.5, "seed": 2, "expressivity": 1.3, "gain": {"jawOpen": 1.2}}
    client.post(f"{ROOT}api/edit", json={"op": "settings", "settings": chosen})
    with client.websocket_connect(ADDRESS) as socket:
        header = said(socket)
        for start in range(0, len(pcm), 1280):
            socket.send_bytes(pcm[start : start + 1280])
        socket.send_text("stop")
        rows, last = rest_of(socket, header["columns"])
    assert last == {"type": "end"}
    animator = models.animator()
    settings = stream_settings(checked_settings(chosen))
    assert (header["fps"], header["look_ahead"], header["hop"]) == (30.0, settings.look_ahead, settings.hop)
    stream = animator.open_stream(settings)
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0
    with torch_threads(1):
        frames = [f for start in range(0, len(samples), 640) for f in stream.push(samples[start : start + 640])]
        frames += list(stream.flush())
    assert len(rows) == len(frames)
    assert len(rows) > 0.9 * SECONDS * 30
    assert rows[:, 0] == pytest.approx([f.time for f in frames], abs=1e-4)
    assert [CATEGORIES[int(k)] for k in rows[:, 1]] == [f.emotion for f in frames]
    assert (rows[:, 3] > 0).all()
    shapes = [header["shapes"].index(name) for name in ARKIT_52]
    assert (rows[:, 4:][:, shapes] == np.array([f.weights for f in frames])).all()
    tongue = [header["shapes"].index(name) for name in TONGUE]
    assert (rows[:, 4:][:, tongue] == np.array([f.tongue for f in frames])).all()
    assert rows[:, 4:][:, tongue].max() > 0.1, "it moves"
    assert (rows[:, -3:] == np.array([f.head for f in frames])).all()
    coefficients = rows[:, 4 : 4 + len(subject.face.shapes)]
    assert (rows[:, 4:-3] == subject.face.expand(coefficients)).all()


@pytest.mark.parametrize("piece", [b"\0", b"\0" * 40_000, b""])
def test_sound_of_another_kind_is_refused(client, piece):
    with client.websocket_connect(ADDRESS) as socket:
        columns = said(socket)["columns"]
        socket.send_bytes(piece)
        _, last = rest_of(socket, columns)
    assert last["type"] == "error"
    assert "16-bit PCM" in last["error"]


def test_sound_that_cannot_be_computed_ends_in_a_line(client, monkeypatch):
    def refused(*_):
        raise InputError("no such sound")

    monkeypatch.setattr(LiveRows, "push", refused)
    with client.websocket_connect(ADDRESS) as socket:
        columns = said(socket)["columns"]
        socket.send_bytes(b"\0\0")
        assert rest_of(socket, columns)[1] == {"type": "error", "error": "no such sound"}


def test_one_page_at_a_time_and_a_page_that_goes_frees_its_place(client, pcm):
    with client.websocket_connect(ADDRESS) as one:
        said(one)
        one.send_bytes(pcm[:1280])
        with client.websocket_connect(ADDRESS) as two:
            assert "another page" in said(two)["error"]
            with pytest.raises(WebSocketDisconnect):
                two.receive_json()
    for _ in range(50):
        with client.websocket_connect(ADDRESS) as again:
            if "shapes" in said(again):
                return
    pytest.fail("the place was not freed")
