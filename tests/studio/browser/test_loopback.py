"""The studio answers its own page and nobody else: asked with a client that sends what a browser would not."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.studio.browser.programs import Desk

if TYPE_CHECKING:
    from scripts.studio_page import StudioServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(shared_server: StudioServer) -> StudioServer:
    """One studio for all."""
    return shared_server


def ask(server: StudioServer, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """The answer to a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    given = {"Host": f"127.0.0.1:{server.port}"} | {name.replace("_", "-"): text for name, text in headers.items()}
    for name, text in given.items():
        connection.putheader(name, text)
    connection.endheaders()
    return connection.getresponse()


def shake_hands(server: StudioServer, path: str, **headers: str) -> int:
    """The status of the answer to a WebSocket's first request."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return ask(server, path, **(upgrade | headers)).status


PLACES = ("", "static/js/main.js", "api/state", "api/head.glb", "api/audio.wav", "api/project")


@pytest.mark.parametrize("place", PLACES)
def test_without_the_token_nothing_is_given(server: StudioServer, place: str) -> None:
    wrong = server.path[1:-1][:-1] + ("A" if server.path[-2] != "A" else "B")
    for start in ("/", f"/{wrong}/", "//", f"/static/..{server.path}"):
        answer = ask(server, start + place)
        assert answer.status == 403
        assert set(json.loads(answer.read())) == {"error"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_without_the_token_nothing_is_changed(server: StudioServer, method: str) -> None:
    assert ask(server, "/api/edit", method).status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://"]
)
def test_another_origin_is_refused(server: StudioServer, origin: str) -> None:
    assert ask(server, server.path + "api/state", Origin=origin).status == 403
    assert ask(server, server.path + "api/edit", "POST", Origin=origin, Content_Length="0").status == 403
    assert shake_hands(server, server.path + "api/events", Origin=origin) == 403
    assert shake_hands(server, server.path + "api/live", Origin=origin) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_another_host_is_refused(server: StudioServer, host: str) -> None:
    given = host.format(port=server.port)
    assert ask(server, server.path + "api/state", Host=given).status == 403
    assert shake_hands(server, server.path + "api/events", Host=given) == 403


def test_a_socket_without_the_token_is_refused(server: StudioServer) -> None:
    assert shake_hands(server, "/api/events") == 403
    assert shake_hands(server, "/wrong/api/live") == 403


def test_its_own_page_is_answered_under_both_names(server: StudioServer) -> None:
    for name in ("127.0.0.1", "localhost"):
        own = f"{name}:{server.port}"
        assert ask(server, server.path + "api/state", Host=own, Origin=f"http://{own}").status == 200
        assert shake_hands(server, server.path + "api/events", Host=own, Origin=f"http://{own}") == 101


def test_the_page_may_load_nothing_from_elsewhere(server: StudioServer) -> None:
    answer = ask(server, server.path)
    policy = dict(part.strip().split(" ", 1) for part in str(answer.getheader("Content-Security-Policy")).split(";"))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in policy["script-src"]
    assert not any("*" in part or "https:" in part for part in policy.values())
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    "place",
    ["static/../../server.py", "static/%2e%2e/%2e%2e/server.py", "static//etc/passwd", "api/exports/1/..%2f..%2fx"],
)
def test_no_file_outside_is_given(server: StudioServer, place: str) -> None:
    assert ask(server, server.path + place).status in (400, 403, 404)


def test_it_is_on_the_loopback_only(server: StudioServer) -> None:
    addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError):
            socket.create_connection((str(address), server.port), timeout=2).close()


def test_a_port_in_use_is_said_in_one_line(server: StudioServer, tmp_path: Path) -> None:
    done = start_on(server.port, tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(server.port) in done.stderr
    assert "--port" in done.stderr
    assert done.stdout == ""


def start_on(port: int, home: Path) -> subprocess.CompletedProcess[str]:
    """A studio that must not start."""
    from scripts.studio_page import home_environment

    command = [sys.executable, "-m", "sedtalker", "studio", "--no-open", "--port", str(port)]
    return subprocess.run(command, env=home_environment(home), capture_output=True, text=True, timeout=60)


def test_a_second_studio_has_its_own_address(desk: Desk, server: StudioServer) -> None:
    second = desk.start()
    assert second.port != server.port
    assert second.path != server.path
    assert ask(second, server.path).status == 403
    answer: dict[str, Any] = json.loads(ask(second, second.path + "api/state").read())
    assert answer["audio"] is None
