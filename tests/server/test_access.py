"""Nobody without the token, under a foreign name, or from a foreign page."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sedtalker.server.access import bound_socket
from sedtalker.server.server import make_app
from sedtalker.server.service import Service
from tests.server.conftest import TOKEN, running

CLOSED = ["/metrics", "/v1/animate", "/v1/diarize", "/v1/stream", "/anything"]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN])
def test_without_the_token_everything_is_refused(server, path, header):
    headers = {} if header is None else {"Authorization": header}
    for method in ("GET", "POST"):
        answer = httpx.request(method, server.url + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json()["error"]


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "localhost:80", ""])
@pytest.mark.parametrize("path", ["/", "/v1/health", "/metrics"])
def test_a_foreign_name_that_points_here_is_refused(server, host, path):
    assert httpx.get(server.url + path, headers={**server.headers, "host": host}).status_code == 403


def test_pages_of_elsewhere_are_refused(server):
    own = f"http://localhost:{server.port}"
    for origin, status in (
        (own, 200),
        ("https://example.org", 403),
        ("null", 403),
        (f"https://127.0.0.1:{server.port}", 403),
    ):
        headers = {**server.headers, "Origin": origin}
        assert httpx.get(f"{server.url}/metrics", headers=headers).status_code == status


def test_pages_that_are_allowed_may_fetch(models):
    app = make_app(Service(models=models), TOKEN, "127.0.0.1", 8000, ["https://Example.org:443/"])

    def asked(method: str, origin: str, headers: dict[str, str]) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                return await client.request(method, "/metrics", headers={**headers, "Origin": origin})

        return asyncio.run(ask())

    before = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = "access-control-allow-origin"
    for headers, method, status in (
        (before, "OPTIONS", 200),
        ({"Authorization": f"Bearer {TOKEN}"}, "GET", 200),
        ({}, "GET", 401),
    ):
        answer = asked(method, "https://example.org", headers)
        assert (answer.status_code, answer.headers[allowed]) == (status, "https://example.org")
        assert allowed not in asked(method, "https://example.com", headers).headers


def test_sockets_need_the_token_too_and_browsers_bring_it_as_a_subprotocol(server):
    for headers, protocols, status in (
        ({}, None, 401),
        ({"Authorization": "Bearer wrong"}, None, 401),
        ({}, ["bearer", "wrong"], 401),
        ({}, [TOKEN], 401),
        ({**server.headers, "Origin": "https://example.org"}, None, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect(server.socket_url, additional_headers=headers, subprotocols=protocols).close()
        assert refused.value.response.status_code == status
    with connect(server.socket_url, subprotocols=["bearer", TOKEN]) as socket:
        assert socket.subprotocol == "bearer"


def test_without_a_token_on_the_loopback_interface(models):
    with running(models, token=None) as free:
        assert httpx.get(f"{free.url}/metrics").status_code == 200
        assert httpx.get(f"{free.url}/metrics", headers={"host": "example.org"}).status_code == 403


def test_answers_do_not_wait_for_the_client_to_acknowledge_their_headers():
    with bound_socket(0) as bound, socket.create_connection(bound.getsockname()):
        taken, _ = bound.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
