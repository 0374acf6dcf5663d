"""The WebSocket server, with the library's own client and with sockets that misbehave."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from sedtalker.animation.articulation import TONGUE
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.live.senders import frame_line, parse_target, plain_origin
from sedtalker.live.websocket import MOST_CLIENTS, QUEUE, WebSocketSender
from tests.live.conftest import frame, target


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def server(stack: ExitStack) -> WebSocketSender:
    sender = WebSocketSender(target("127.0.0.1", 0), 60.0, patience=0.5)
    stack.callback(sender.close)
    return sender


@pytest.fixture
def opened(stack: ExitStack) -> Callable[..., ClientConnection]:
    """Connect, and read the first line."""

    def connected(server: WebSocketSender, **options: object) -> ClientConnection:
        client = stack.enter_context(connect(address(server), **options))  # type: ignore[arg-type]
        assert "shapes" in json.loads(client.recv(5))
        return client

    return connected


def address(server: WebSocketSender) -> str:
    return f"ws://127.0.0.1:{server.port}"


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < deadline, "nothing happened for ten seconds"
        time.sleep(0.005)


def test_clients_get_the_header_and_every_frame(server: WebSocketSender, opened):
    clients = [opened(server) for _ in range(3)]
    wait_for(lambda: len(server.clients) == 3)
    for k in range(10):
        server.send(frame(k / 60.0, jawOpen=0.5))
    for client in clients:
        times = [json.loads(client.recv(5))["time"] for _ in range(10)]
        assert times == pytest.approx([round(k / 60.0, 4) for k in range(10)])
    server.close()
    with pytest.raises(ConnectionClosed) as caught:
        clients[0].recv(5)
    assert caught.value.rcvd.code == 1000


def test_what_clients_say_is_ignored(server: WebSocketSender, opened):
    client = opened(server)
    client.send("hello")
    client.send(b"\0" * 100)
    server.send(frame(2.0))
    assert json.loads(client.recv(5))["time"] == 2.0
    client.send("x" * 100_000)
    with pytest.raises(ConnectionClosed):
        while True:
            client.recv(5)
    wait_for(lambda: not server.clients)


def test_pages_of_other_hosts_are_refused_unless_they_are_named(server: WebSocketSender, opened, stack: ExitStack):
    for origin in ("https://example.org", "null", "http://localhost.example.org", "http://["):
        with pytest.raises(InvalidStatus) as caught:
            stack.enter_context(connect(address(server), origin=origin))
        assert caught.value.response.status_code == 403
    for origin in ("http://localhost:8000", "http://127.0.0.1"):
        opened(server, origin=origin).close()
    for given in ("https://example.org", "HTTPS://Example.org:443/"):
        named = WebSocketSender(target("127.0.0.1", 0, origin=given), 60.0)
        opened(named, origin="https://example.org").close()
        named.close()


def test_origins_are_as_browsers_send_them():
    for given, sent in (
        ("http://Example.org:80", "http://example.org"),
        ("http://example.org:443/", "http://example.org:443"),
        ("null", "null"),
    ):
        assert plain_origin(given) == sent
    for given in ("example.org", "https://example.org/page", "https://", "https://x.org?a", "https://münchen.de"):
        with pytest.raises(InputError, match=r"such as https://example\.org"):
            plain_origin(given)


def test_clients_beyond_the_most_are_refused(server: WebSocketSender, opened, stack: ExitStack):
    clients = [opened(server) for _ in range(MOST_CLIENTS)]
    with pytest.raises(InvalidStatus) as caught:
        stack.enter_context(connect(address(server)))
    assert caught.value.response.status_code == 503
    for client in clients:
        client.close()
    wait_for(lambda: not server.clients)
    opened(server).close()


@pytest.mark.slow
def test_a_client_that_stops_reading_loses_the_oldest_and_is_let_go(server: WebSocketSender):
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    raw.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    wait_for(lambda: len(server.clients) == 1)
    (client,) = server.clients
    deadline = time.monotonic() + 20.0
    while server.clients and time.monotonic() < deadline:
        for k in range(200):
            server.send(frame(float(k)))
        assert len(client.waiting) <= QUEUE
        time.sleep(0.02)
    assert not server.clients
    assert client.dropped > 0
    raw.close()


def test_a_client_that_reads_too_slowly_is_told_how_many_and_why(server: WebSocketSender, opened):
    page = opened(server)
    wait_for(lambda: len(server.clients) == 1)
    (client,) = server.clients

    def burst() -> None:  # at once, so that none can be sent between
        for k in range(QUEUE + 3):
            client.add(frame_line(frame(float(k))))

    server.loop.call_soon_threadsafe(burst)
    said = json.loads(page.recv(5))
    assert said["dropped"] == 3
    assert "too slowly" in said["why"]
    assert [json.loads(page.recv(5))["time"] for _ in range(QUEUE)] == [float(k) for k in range(3, QUEUE + 3)]


def test_every_line_names_its_shapes_where_that_is_asked(opened, stack: ExitStack):
    assert parse_target("ws://?names=yes").yes("names", False)
    server = WebSocketSender(target("127.0.0.1", 0, names="yes"), 60.0)
    stack.callback(server.close)
    page = opened(server)
    wait_for(lambda: len(server.clients) == 1)
    server.send(frame(0.5))
    said = json.loads(page.recv(5))
    assert list(said["weights"]) == list(ARKIT_52)
    assert list(said["tongue"]) == list(TONGUE)


@pytest.mark.parametrize("nonsense", [b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"a" * 100_000])
def test_what_is_no_websocket_is_closed(server: WebSocketSender, opened, nonsense: bytes):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        try:
            raw.sendall(nonsense)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
        except ConnectionError:
            pass
    opened(server).close()


def test_a_busy_port_is_one_line(server: WebSocketSender):
    with pytest.raises(InputError, match=f"give another port, as ws://:{server.port + 1}") as caught:
        WebSocketSender(target("127.0.0.1", server.port), 60.0)
    assert "\n" not in str(caught.value)
