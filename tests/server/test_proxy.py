"""The server behind nginx, by the configuration in the examples."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from tests.server.conftest import TOKEN, Running

EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx.conf"
MAIN = "{3} daemon off; pid {0}/pid; error_log {0}/errors.log; events {{}} http {{ access_log off; {1}\n{2}\n}}"
FOLDERS = " ".join(f"{kind}_temp_path {{0}}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx (apt install nginx-light)")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def proxy(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of nginx, and what trusts its certificate."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "speech.key", "-out", folder / "speech.pem"]
    subprocess.run([*request, *names], check=True, capture_output=True)
    block = EXAMPLE.read_text(encoding="utf-8")
    given = {"listen 443": f"listen 127.0.0.1:{port}", "speech.example.org": "localhost", "/etc/ssl": str(folder)}
    for old, new in (given | {"127.0.0.1:8000": f"127.0.0.1:{server.port}"}).items():
        assert old in block
        block = block.replace(old, new)
    # Started by root, its worker would be nobody, who may not write in the folder of the tests.
    who = "user root;" if os.geteuid() == 0 else ""
    written = MAIN.format(folder, FOLDERS.format(folder), block, who)
    (folder / "nginx.conf").write_text(written, encoding="utf-8")
    program = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert program.poll() is None, (folder / "errors.log").read_text()
            time.sleep(0.05)
    yield port, ssl.create_default_context(cafile=str(folder / "speech.pem"))
    program.terminate()
    program.wait(timeout=30)


def test_a_recording_by_tls(server: Running, wav: bytes, proxy: tuple[int, ssl.SSLContext]) -> None:
    port, trusted = proxy
    with httpx.Client(verify=trusted, timeout=300, headers=server.headers) as client:
        answer = client.post(f"https://localhost:{port}/v1/diarize", files={"audio": ("speech.wav", wav)})
    assert answer.content == server.post("/v1/diarize", wav).content
    assert httpx.get(f"https://localhost:{port}/metrics", verify=trusted).status_code == 401


def test_a_stream_by_tls(pcm: bytes, proxy: tuple[int, ssl.SSLContext]) -> None:
    port, trusted = proxy
    address, token = f"wss://localhost:{port}/v1/stream", {"Authorization": f"Bearer {TOKEN}"}
    with connect(address, ssl=trusted, additional_headers=token) as stream:
        stream.send(json.dumps({"emotion": "happy:0.8", "shapes": ["jawOpen"]}))
        stream.send(pcm)
        stream.send(json.dumps({"type": "end"}))
        answers = [json.loads(answer) for answer in stream]
    assert answers[0]["type"] == "ready"
    assert answers[-1]["type"] == "end"
    assert answers[-1]["count"] == sum(len(answer.get("frames", ())) for answer in answers) > 100
