"""Nobody but the page may ask."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest
from starlette.websockets import WebSocketDisconnect

from sedtalker.studio.requests import Guard, content_policy
from tests.studio.conftest import PORT, ROOT, SOCKETS

PATHS = ["", "api/state", "api/audio.wav", "api/weights.bin", "static/index.html"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("root", ["/", "/wrong/", "//", "/the-toke/", "/the-token%20/"])
def test_without_the_token_everything_is_refused(client, root, path):
    answer = client.get(root + path)
    assert answer.status_code == 403
    assert "error" in answer.json()


@pytest.mark.parametrize("host", ["example.org", "example.org:8765", "127.0.0.1", "127.0.0.1:80", "localhost:8766", ""])
def test_a_foreign_name_that_points_here_is_refused(client, host):
    assert client.get(ROOT, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["https://example.org", "null", "http://127.0.0.1", f"https://127.0.0.1:{PORT}"])
def test_another_page_is_refused(client, origin):
    for method, path in (("GET", "api/state"), ("POST", "api/undo")):
        assert client.request(method, ROOT + path, headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}"])
def test_the_page_itself_is_served(client, host):
    headers = {"host": host, "origin": f"http://{host}"}
    assert client.get(f"{ROOT}api/state", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["api/events", "api/live"])
@pytest.mark.parametrize(
    ("root", "headers"),
    [("/", {}), ("/wrong/", {}), (ROOT, {"origin": "https://example.org"}), (ROOT, {"host": "example.org"})],
)
def test_sockets_are_refused_alike(client, path, root, headers):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKETS + root + path, headers=headers):
        pass


def test_the_sockets_of_the_page_are_accepted(client):
    for origin in ({}, {"origin": f"http://127.0.0.1:{PORT}"}):
        with client.websocket_connect(f"{SOCKETS}{ROOT}api/events", headers=origin):
            pass


def test_answers_say_what_a_browser_may_do(client):
    answer = client.get(f"{ROOT}api/state")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert f"ws://127.0.0.1:{PORT}" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]


def test_a_script_inside_the_page_is_known_by_its_hash():
    page = b'<script type="importmap">{"a": 1}</script><script type="module" src="static/js/main.js"></script>'
    digest = base64.b64encode(hashlib.sha256(b'{"a": 1}').digest()).decode()
    script = content_policy(PORT, page).split("script-src ")[1].split(";")[0]
    assert script == f"'self' 'sha256-{digest}'"


@pytest.mark.parametrize("path", ["static/../state.py", "static/%2e%2e/state.py", "static/..%2f..%2fcli/main.py"])
def test_only_the_files_of_the_page_are_served(client, path):
    assert client.get(ROOT + path).status_code == 404


def test_an_answer_that_the_end_of_the_studio_interrupts_is_no_fault():
    sent = []

    async def slow(scope, receive, send):
        raise asyncio.CancelledError

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/token/api/head.glb", "headers": [(b"host", b"127.0.0.1:80")]}
    asyncio.run(Guard(slow, "token", 80)(scope, None, send))
    assert [m.get("status") for m in sent] == [503, None]
