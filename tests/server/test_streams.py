"""A stream over a socket equals the stream in Python, however it is cut, and a client that misbehaves is closed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import socket as sockets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol
from websockets.asyncio.client import connect as async_connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State
from websockets.sync.client import connect
from websockets.uri import parse_uri

from sedtalker.animation.animation_stream import StreamedFrame
from sedtalker.audio.pipe import PcmStream
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52
from sedtalker.server import server as server_module
from sedtalker.server.access import UNREAD, EndingProtocol
from sedtalker.server.options import StreamHello
from sedtalker.server.server import more_files
from sedtalker.server.service import Limits, return_memory
from tests.server.conftest import running

HELLO = {"rate": 16000, "format": "s16le", "reply": "binary", "emotion": "happy:0.7", "fps": 25}
END = json.dumps({"type": "end"})


def spoken(models, samples: np.ndarray, hello: dict) -> np.ndarray:
    """Rows (T, 58) of the same stream in Python."""
    settings = StreamHello(**hello).settings()
    frames: list[StreamedFrame] = list(models.animator().stream([samples], settings))
    return np.array([[f.time, CATEGORIES.index(f.emotion), f.intensity, *f.head, *f.weights] for f in frames])


def exchanged(server, hello: dict, pieces: list[bytes]) -> tuple[dict, np.ndarray, dict]:
    """Header, rows and last message of a stream."""
    with connect(server.socket_url, additional_headers=server.headers) as socket:
        socket.send(json.dumps(hello))
        header = json.loads(socket.recv())
        sending = threading.Thread(target=lambda: [socket.send(piece) for piece in pieces] + [socket.send(END)])
        sending.start()
        rows = []
        for message in socket:
            if isinstance(message, str):
                last = json.loads(message)
                continue
            rows.append(np.frombuffer(message, "<f4").reshape(-1, header["columns"]))
        sending.join()
        assert socket.close_code == 1000
    return header, np.concatenate(rows), last


@pytest.fixture(scope="module")
def expected(models, samples):
    return spoken(models, samples, HELLO)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 64_000), min_size=1, max_size=12, unique=True))
def test_the_stream_is_that_of_python_however_it_is_cut(server, pcm, expected, cuts):
    at = [0, *sorted(cut for cut in cuts if cut < len(pcm)), len(pcm)]
    header, rows, last = exchanged(server, HELLO, [pcm[a:b] for a, b in itertools.pairwise(at)])
    assert header["shapes"] == list(ARKIT_52)
    assert rows.shape == expected.shape
    assert np.abs(rows - expected).max() < 1e-5
    assert last == {"type": "end", "seconds": 2.0, "count": len(rows)}


def test_emotion_that_the_diarizer_finds_and_gains(server, models, samples, pcm):
    hello = {**HELLO, "emotion": None, "gain": {"brows": 1.4, "jawOpen": 1.2}, "expressivity": 1.3, "style": "clear"}
    _, rows, _ = exchanged(server, hello, [pcm])
    expected = spoken(models, samples, hello)
    assert rows.shape == expected.shape
    assert np.abs(rows - expected).max() < 1e-4


def test_frames_as_json_by_name(server, pcm, expected):
    hello = {**HELLO, "reply": "json", "shapes": ["jawOpen", "mouthSmileLeft"]}
    with connect(server.socket_url, additional_headers=server.headers) as socket:
        for message in (json.dumps(hello), pcm, END):
            socket.send(message)
        header, *messages, last = [json.loads(message) for message in socket]
    assert (header["type"], last["type"]) == ("ready", "end")
    assert header["labels"] == list(CATEGORIES)
    frames = [frame for message in messages for frame in message["frames"]]
    assert len(frames) == len(expected)
    place = 6 + ARKIT_52.index("jawOpen")
    for frame, row in zip(frames, expected, strict=True):
        assert list(frame["weights"]) == hello["shapes"]
        assert frame["weights"]["jawOpen"] == pytest.approx(row[place], abs=1e-4)
        assert (frame["time"], frame["emotion"]) == (pytest.approx(row[0]), "happy")


@settings(max_examples=20)
@given(
    st.lists(st.integers(0, 5000), max_size=20),
    st.sampled_from([8000, 16000, 44100]),
    st.sampled_from(["s16le", "f32le"]),
)
def test_sound_does_not_depend_on_the_cuts(cuts, rate, layout):
    sound = 0.5 * np.sin(np.arange(1200) / 9)
    data = np.round(sound * 32767).astype("<i2").tobytes() if layout == "s16le" else sound.astype("<f4").tobytes()
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    whole, cut = PcmStream(layout, rate), PcmStream(layout, rate)
    one = np.concatenate([whole.push(data), whole.flush()])
    two = np.concatenate([*(cut.push(data[a:b]) for a, b in itertools.pairwise(at)), cut.flush()])
    assert abs(len(one) - 1200 * 16000 / rate) <= 1
    assert np.array_equal(one, two)
    assert whole.seconds == cut.seconds == pytest.approx(1200 / rate)


def ended(server, *messages: str | bytes) -> tuple[int, str, list[dict]]:
    """Close code, reason and JSON messages of a stream."""
    with connect(server.socket_url, additional_headers=server.headers) as socket:
        said = []
        try:
            for message in messages:
                socket.send(message)
            while True:
                said.append(json.loads(socket.recv()))
        except ConnectionClosed:
            return socket.close_code, socket.close_reason, said


@pytest.mark.parametrize(
    ("messages", "code", "why"),
    [
        ([b"\0\0"], 1003, "the first message is JSON"),
        (["no json"], 1007, "not valid JSON"),
        (["[]"], 1007, "JSON object"),
        (['{"rate": "fast"}'], 1007, "the first message: rate"),
        (['{"colour": 1}'], 1007, "colour"),
        (['{"rate": 1}'], 1008, "1 Hz"),
        (['{"shapes": ["hair"]}'], 1008, "hair"),
        (['{"emotion": "joyful"}'], 1008, "joyful"),
        (['{"emotion": "../happy"}'], 1007, "emotion"),
        (['{"style": "mine.json"}'], 1008, "reads no files"),
        (['{"hop": 0.123}'], 1008, "0.02"),
        (["{}", "more"], 1007, "binary"),
        (["{}", "null"], 1007, "binary"),
    ],
)
def test_messages_that_cannot_be_used_close_with_a_code_and_a_line(server, messages, code, why):
    found, reason, said = ended(server, *messages)
    assert found == code
    assert why in said[-1]["error"]
    assert "\n" not in said[-1]["error"]
    assert reason
    assert server.service.streams == 0


def test_little_is_received_ahead_so_that_a_ping_is_answered(server, monkeypatch):
    held = []

    async def noted(self) -> None:
        held.append(self.transport.get_extra_info("socket").getsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF))
        await AutoWebSocketsProtocol.run_asgi(self)

    monkeypatch.setattr(EndingProtocol, "run_asgi", noted)
    assert ended(server, "{}", '{"type": "end"}')[0] == 1000
    with sockets.socket() as other:
        other.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, UNREAD)
        assert held == [other.getsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF)]


def test_a_message_that_is_too_large_closes(server):
    code, reason, said = ended(server, "{}", bytes(2**20 + 2))
    assert code == 1009
    assert reason, "the close itself says why, as docs/serve.md has it"
    assert not any(one["type"] == "error" for one in said)


def test_nothing_an_end_at_once_and_a_client_that_goes(server, pcm):
    code, _, said = ended(server, json.dumps(HELLO), END)
    assert (code, said[-1]) == (1000, {"type": "end", "seconds": 0.0, "count": 0})
    for _ in range(3):
        with connect(server.socket_url, additional_headers=server.headers, close_timeout=0.1) as socket:
            socket.send(json.dumps(HELLO))
            socket.send(pcm[:20_000])
            socket.socket.shutdown(sockets.SHUT_RDWR)
    until = time.monotonic() + 30
    while (server.service.streams or server.service.pool.members) and time.monotonic() < until:
        time.sleep(0.05)
    assert server.service.streams == 0
    assert server.service.pool.members == []


def test_silence_on_the_wire_and_too_much_sound_close(models, pcm):
    with running(models, Limits(idle=0.3)) as server:
        code, why, _ = ended(server, json.dumps(HELLO))
        assert (code, why) == (1008, "no sound came for 0 s")
    with running(models, Limits(seconds=1.0)) as server:
        assert ended(server, json.dumps(HELLO), pcm)[:2] == (1008, "a stream of this server ends after 1 s")


def test_more_clients_than_there_is_room_for(models):
    with running(models, Limits(clients=2)) as server:
        with contextlib.ExitStack() as held:
            for _ in range(2):
                socket = held.enter_context(connect(server.socket_url, additional_headers=server.headers))
                socket.send(json.dumps(HELLO))
                socket.recv()
            code, why, _ = ended(server)
            assert (code, why) == (1013, "the server is full: try again later")
        until = time.monotonic() + 30
        while server.service.streams and time.monotonic() < until:
            time.sleep(0.02)
        assert ended(server, json.dumps(HELLO), END)[0] == 1000


def test_who_has_not_read_yet_how_a_stream_ended_is_waited_for(models, pcm, monkeypatch):
    """Where the socket went at once, sound that still came would have reset it, before the client reads its end."""
    monkeypatch.setattr(server_module, "GRACE", 60.0)
    with running(models, token=None) as server, sockets.create_connection(("127.0.0.1", server.port)) as wire:
        client = ClientProtocol(parse_uri(server.socket_url))
        client.send_request(client.connect())
        client_sent(client, wire)
        until(client, wire, lambda: client.state is State.OPEN)
        client.send_text(json.dumps(HELLO).encode())
        client.send_binary(pcm[:8000])
        client_sent(client, wire)
        server.uvicorn.handle_exit(signal.SIGINT, None)
        until(client, wire, lambda: client.close_rcvd is not None)
        time.sleep(0.3)
        assert (client.close_rcvd.code, server.uvicorn.should_exit) == (1001, False)
        client_sent(client, wire)  # its answer
        assert wire.recv(1) == b""


def test_who_has_not_said_what_it_wants_does_not_keep_the_server(models, monkeypatch):
    monkeypatch.setattr(server_module, "GRACE", 60.0)
    with running(models) as server, connect(server.socket_url, additional_headers=server.headers) as socket:
        while not server.service.streams:
            time.sleep(0.01)
        server.uvicorn.handle_exit(signal.SIGINT, None)
        assert json.loads(socket.recv(5)) == {"type": "error", "error": "the server is closing"}
        with pytest.raises(ConnectionClosed) as error:
            socket.recv(5)
        assert error.value.rcvd.code == 1001


def client_sent(client: ClientProtocol, wire: sockets.socket) -> None:
    wire.sendall(b"".join(client.data_to_send()))


def until(client: ClientProtocol, wire: sockets.socket, reached: Callable[[], bool]) -> None:
    """Read until something has come."""
    while not reached():
        client.receive_data(wire.recv(65_536))


def test_who_comes_while_the_server_ends_is_told_so(models, wav):
    with running(models) as server:
        server.service.closing.set()
        assert ended(server, json.dumps(HELLO))[:2] == (1001, "the server is closing")
        answer = server.post("/v1/diarize", wav)
        assert (answer.status_code, answer.json()["error"]) == (503, "the server is closing")


@pytest.mark.slow
def test_a_thousand_clients_are_refused_cleanly_and_the_others_go_on(models, pcm):
    async def codes(server, many: int) -> list[int | None]:
        async def one() -> int | None:
            try:
                async with async_connect(
                    server.socket_url, additional_headers=server.headers, open_timeout=300
                ) as socket:
                    with contextlib.suppress(ConnectionClosed):
                        await socket.recv()
                    return socket.close_code
            except InvalidStatus as refused:
                return refused.response.status_code

        return await asyncio.gather(*(one() for _ in range(many)))

    more_files()
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(models, Limits(clients=1, idle=300.0)))
        held = stack.enter_context(connect(server.socket_url, additional_headers=server.headers, ping_timeout=None))
        held.send(json.dumps(HELLO))
        held.recv()
        before = server.counted("process_resident_memory_bytes")
        assert set(asyncio.run(codes(server, 1000))) <= {1013, 503}
        assert server.counted("process_resident_memory_bytes") - before < 300e6  # of the clients too: one process
        assert server.counted("sedtalker_streams") == 1
        for message in (pcm, END):
            held.send(message)
        assert json.loads(list(held)[-1])["type"] == "end"


@pytest.mark.slow
def test_a_client_that_does_not_read_is_closed_and_memory_is_bounded(models, pcm, monkeypatch):
    monkeypatch.setattr("sedtalker.server.access.LINGER", 0.5)
    hello = {**HELLO, "fps": 120, "reply": "json"}
    limits = Limits(stalled=0.5, frames_waiting=50, sound_waiting=0.5)
    with running(models, limits, buffer=4096) as server:
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)  # before it connects, or it holds megabytes
        raw.connect(("127.0.0.1", server.port))
        with connect(server.socket_url, additional_headers=server.headers, sock=raw, max_queue=1) as socket:
            socket.send(json.dumps(hello))
            socket.recv()

            def speak() -> None:
                try:
                    for _ in range(400):
                        socket.send(pcm[:16_000])
                except ConnectionClosed:
                    pass

            speaking = threading.Thread(target=speak, daemon=True)
            speaking.start()
            until = time.monotonic() + 120
            while not server.counted("sedtalker_streams_closed_total") and time.monotonic() < until:
                for member in server.service.pool.members:
                    assert member.waiting <= 16_000
                    assert len(member._frames) <= 50 + 2 * 120
                time.sleep(0.1)
            assert server.service.streams == 0
            assert server.service.pool.members == []
            assert server.counted("sedtalker_sound_waiting_seconds") == 0
            speaking.join(timeout=10)
            assert not speaking.is_alive(), "the connection stays, of whoever does not read"
            raw.close()


@pytest.mark.slow
def test_streams_at_the_same_time_do_not_meet(server, models, samples):
    """Different sounds and settings, decoded together."""
    hellos = [{**HELLO, "emotion": emotion, "seed": k} for k, emotion in enumerate(("happy:0.7", "sad:0.9", None))]
    sounds = [samples[k * 4000 :] for k in range(3)]
    data = [np.round(sound * 32768).astype("<i2").tobytes() for sound in sounds]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda k: exchanged(server, hellos[k], [data[k]])[1], range(3)))
    for k, rows in enumerate(found):
        expected = spoken(models, sounds[k], hellos[k])
        assert rows.shape == expected.shape
        assert np.abs(rows - expected).max() < 1e-4


def test_sound_of_a_client_that_is_no_number_is_silence() -> None:
    sent = np.tile(np.array([np.nan, np.inf, -1e38, 0.5], "<f4"), 2000).tobytes()
    for rate in (16_000, 44_100):
        sound = PcmStream("f32le", rate)
        heard = np.concatenate([sound.push(sent[:777]), sound.push(sent[777:]), sound.flush()])
        assert np.isfinite(heard).all()


def test_memory_is_returned_when_the_last_stream_has_ended(models, pcm, monkeypatch):
    """And not while others go on."""
    returned = list[int]()
    with running(models) as server:
        monkeypatch.setattr("sedtalker.server.streams.return_memory", lambda: returned.append(server.service.streams))
        with connect(server.socket_url, additional_headers=server.headers) as first:
            first.send(json.dumps(HELLO))
            first.recv(timeout=60)
            exchanged(server, HELLO, [pcm])
            assert returned == []
        until = time.monotonic() + 60
        while not returned and time.monotonic() < until:
            time.sleep(0.02)
    assert returned == [0]
    return_memory()  # here, and where the library of C has no such function
