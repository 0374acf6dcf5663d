"""The real command: how it begins, what it serves, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sedtalker.cli.main import app

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "samples" / "four_moods.wav"


class Server:
    """``sedtalker serve`` in a process of its own."""

    def __init__(self, *arguments: str, **environment: str):
        command = [sys.executable, "-m", "sedtalker", "serve", "--port", "0", "--json", *arguments]
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url, self.token = said["url"], said["token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def ended(self) -> tuple[int, str]:
        """Exit code and messages; Python itself takes a while to go on a busy machine."""
        _, said = self.process.communicate(timeout=300)
        return self.process.returncode, said


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server("--max-clients", "2")
    yield made
    made.process.kill()
    made.process.communicate()


@pytest.mark.slow
def test_recordings_are_those_of_the_command_line(server, tmp_path):
    files = {"audio": ("four_moods.wav", SAMPLE.read_bytes())}
    answer = httpx.post(f"{server.url}/v1/diarize", files=files, headers=server.headers, timeout=600)
    done = CliRunner().invoke(app, ["diarize", str(SAMPLE), "--json"])
    assert answer.text == done.stdout
    # the sound is named relative to the file: the command line is run where both lie side by side
    (tmp_path / "four_moods.wav").write_bytes(SAMPLE.read_bytes())
    options = json.dumps({"to": ["npz"], "emotion": "happy:0.8", "fps": 15})
    answer = httpx.post(
        f"{server.url}/v1/animate", files=files, data={"options": options}, headers=server.headers, timeout=600
    )
    arguments = ["animate", str(tmp_path / "four_moods.wav"), "--emotion", "happy:0.8", "--fps", "15", "--no-video"]
    done = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "four_moods"), "--quiet"])
    assert done.exit_code == 0, done.output
    assert answer.content == (tmp_path / "four_moods" / "four_moods.npz").read_bytes()


@pytest.mark.slow
def test_the_example_prints_frames(server):
    script = ROOT / "examples" / "stream_client.py"
    lines = [
        line
        for line in script.read_text().splitlines()
        if line.strip() and not line.startswith(("import", "from", '"""'))
    ]
    assert len(lines) <= 22
    command = [sys.executable, str(script), server.url, server.token, str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == pytest.approx(18.38 * 60, abs=3)
    assert "jawOpen" in printed[0]


@pytest.mark.slow
def test_the_commands_of_the_documentation_work(server, tmp_path):
    page = (ROOT / "docs" / "serve.md").read_text()
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    commands = [line for line in commands if line.startswith("curl ")]
    assert len(commands) >= 6
    with wave.open(str(SAMPLE)) as sound, wave.open(str(tmp_path / "speech.wav"), "wb") as short:
        short.setparams(sound.getparams())
        short.writeframes(sound.readframes(sound.getframerate() // 2))
    environment = {**os.environ, "URL": server.url, "TOKEN": server.token}
    for command in commands:
        done = subprocess.run(
            command.replace("curl ", "curl -sS --fail-with-body "),
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
        )
        assert done.returncode == 0, (command, done.stdout[:300], done.stderr)
    starts = {"speech.json": b"{", "speech.glb": b"glTF", "speech.zip": b"PK"}
    for name, start in starts.items():
        assert (tmp_path / name).read_bytes().startswith(start)
    assert (tmp_path / "speech.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.slow
def test_streams_are_told_when_it_ends(server):
    with connect(f"{server.url.replace('http', 'ws')}/v1/stream", additional_headers=server.headers) as socket:
        socket.send('{"emotion": "sad", "shapes": ["jawOpen"]}')
        socket.recv()
        socket.send(bytes(32_000))
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        messages = []
        try:
            while True:
                messages.append(json.loads(socket.recv()))
        except ConnectionClosed:
            pass
        assert messages[-1] == {"type": "error", "error": "the server is closing"}
        assert {message["type"] for message in messages[:-1]} <= {"frames"}  # of what was sent before
        assert socket.close_code == 1001
        assert time.monotonic() - began < 15
    assert server.ended() == (0, "the server is closed\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0", "--no-token"], "--no-token is for 127.0.0.1 only"),
        (["--token", "short"], "at least 16 characters"),
        (["--token", "sixteen characters"], "a header cannot carry"),
        (["--token", "a-token-that-is-long", "--no-token"], "choose one of"),
        (["--host", "203.0.113.7"], "does not have that address"),
        (["--host", "no.such.host.invalid"], "no such address"),
        (["--allow-origin", "example.org"], "such as https://example.org"),
        (["--allow-origin", "*"], "such as https://example.org"),
        (["--allow-origin", "https://example.org/page"], "such as https://example.org"),
        (["--mesh", "gone.obj"], "gone.obj: no such file"),
        (["--mesh", __file__, "--mesh", __file__], "two heads have one name"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, said):
    done = CliRunner().invoke(app, ["serve", "--port", "0", *arguments])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_networks_that_cannot_be_opened_end_it():
    code = (
        "from sedtalker.errors import InputError\n"
        "from sedtalker.animation import animator\n"
        "def missing(*names, **options): raise InputError('the weights are not there')\n"
        "animator.Animator.from_pretrained = missing\n"
        "from sedtalker.cli import run\n"
        "run()\n"
    )
    command = [sys.executable, "-c", code, "serve", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: the weights are not there\n")


def test_a_busy_port_is_one_line():
    from sedtalker.server.access import bound_socket

    with bound_socket(0) as held:
        done = CliRunner().invoke(app, ["serve", "--port", str(held.getsockname()[1])])
    assert done.exit_code == 2
    assert "choose another with --port" in done.stderr


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    done = CliRunner().invoke(app, ["serve"])
    assert done.exit_code == 2
    assert "pip install 'sedtalker[serve]'" in done.stderr


def test_without_the_extra_of_grpc_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    done = CliRunner().invoke(app, ["serve", "--grpc", "0"])
    assert done.exit_code == 2
    assert "pip install 'sedtalker[grpc]'" in done.stderr


@pytest.mark.slow
def test_a_busy_port_of_grpc_is_one_line():
    pytest.importorskip("grpc")
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.getsockname()[1]
        command = [sys.executable, "-m", "sedtalker", "serve", "--port", "0", "--grpc", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"port {number} cannot be used for gRPC" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_address_of_grpc_is_printed():
    grpc = pytest.importorskip("grpc")
    command = [sys.executable, "-m", "sedtalker", "serve", "--port", "0", "--grpc", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = json.loads(server.stdout.readline())
            grpc.channel_ready_future(grpc.insecure_channel(said["grpc"])).result(timeout=20)
        finally:
            server.terminate()
    assert server.returncode in (0, 143)
