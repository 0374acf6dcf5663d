"""The real command with a real server: addresses, ports, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from sedtalker.errors import InputError
from sedtalker.server.access import bound_socket, new_token
from tests.studio.conftest import SAMPLE


class Running:
    """``sedtalker studio`` in a process of its own."""

    def __init__(self, home: Path, *arguments: str):
        environment = {**os.environ, "XDG_STATE_HOME": str(home / "state"), "HOME": str(home)}
        command = [sys.executable, "-m", "sedtalker", "studio", *arguments, "--no-open", "--json", "--port", "0"]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.home = home / "state" / "sedtalker" / "studio"

    def end(self, how: int = signal.SIGINT) -> tuple[int, str]:
        """Exit code and messages."""
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def opened(url: str) -> dict:
    """The state once the recording is analysed."""
    for _ in range(300):
        state = httpx.get(f"{url}api/state", timeout=60).json()
        if state["audio"] is not None and not state["jobs"]:
            return state
        time.sleep(0.1)
    raise AssertionError("the recording was not analysed")


@pytest.mark.slow
def test_a_studio_from_beginning_to_end(tmp_path):
    studio, pages = Running(tmp_path, str(SAMPLE)), contextlib.ExitStack()
    try:
        state = opened(studio.url)
        assert state["audio"]["name"] == "four_moods.wav"
        assert httpx.get(studio.url).status_code == 200
        port = int(studio.url.split(":")[2].split("/")[0])
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 403
        with pytest.raises(InputError, match="in use"):
            bound_socket(port)
        refused = subprocess.run(
            [sys.executable, "-m", "sedtalker", "studio", "--no-open", "--port", str(port)],
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: port {port} cannot be used")
        assert refused.stderr.count("\n") == 1
        part = httpx.get(f"{studio.url}api/audio.wav", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content) == (206, b"RIFF")
        edit = {"op": "relabel", "index": 1, "label": "disgust"}  # not what the diarizer found: an edit that changes
        reply = httpx.post(f"{studio.url}api/edit", json=edit).json()
        assert reply["can_undo"] is True
        page = pages.enter_context(connect(f"{studio.url.replace('http', 'ws')}api/events"))  # open until the end
        httpx.post(f"{studio.url}api/undo")
        httpx.post(f"{studio.url}api/redo")
        assert json.loads(page.recv())["type"] == "state"
        # the page is closed in the middle of an upload: nothing is left, and nothing is said
        with socket.create_connection(("127.0.0.1", port)) as raw:
            path = studio.url.split(str(port))[1]
            raw.sendall(
                f"POST {path}api/audio?name=a.wav HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                "Content-Length: 100000\r\n\r\nsome".encode()
            )
            time.sleep(0.5)
        time.sleep(0.5)
        assert [p for p in studio.home.rglob("*") if p.name == "a.wav"] == []
    finally:
        code, said = studio.end()
        pages.close()
    assert code == 0
    assert "Traceback" not in said
    assert "unsaved edits are kept" in said
    again = Running(tmp_path)
    try:
        state = httpx.get(f"{again.url}api/state").json()
        assert state["recovery"]["audio"] == "four_moods.wav"
        assert httpx.delete(f"{again.url}api/recover").json() == {}
    finally:
        code, said = again.end(signal.SIGTERM)
    assert code == 0
    assert said.splitlines() == ["the studio is closed"]
    assert list(studio.home.iterdir()) == []


@pytest.mark.slow
def test_a_studio_that_is_closed_in_the_middle_of_a_render(tmp_path):
    studio = Running(tmp_path, str(SAMPLE))
    try:
        opened(studio.url)
        httpx.post(f"{studio.url}api/export", json={"formats": ["mp4"], "size": 512})
        for _ in range(300):
            jobs = httpx.get(f"{studio.url}api/state").json()["jobs"]
            if jobs and jobs[0]["step"] == "rendering":
                break
            time.sleep(0.1)
        assert jobs
    finally:
        code, said = studio.end()
    assert code == 0
    assert said.splitlines()[-1] == "the studio is closed"
    assert "Traceback" not in said
    assert list(studio.home.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.wav"], "gone.wav: no such file"),
        (["--mesh", "gone.obj"], "gone.obj: no such file"),
        (["--face", "nobody"], "nobody"),
        (["--mesh", "a.obj", "--face", "pip"], "choose one of"),
        (["a.sedproject", "--face", "pip"], "a project has its own face"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, said):
    from typer.testing import CliRunner

    from sedtalker.cli.main import app

    done = CliRunner().invoke(app, ["studio", "--no-open", "--port", "0", *arguments])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    from typer.testing import CliRunner

    from sedtalker.cli.main import app

    monkeypatch.setitem(sys.modules, "starlette", None)
    done = CliRunner().invoke(app, ["studio", "--no-open"])
    assert done.exit_code == 2
    assert "pip install 'sedtalker[studio]'" in done.stderr


def test_tokens_are_long_and_different():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 32


LOADS_FIRST = """
import sys, threading
from sedtalker.{package} import server
class Stopped(Exception): pass
def begins(*given, **options):
    print(threading.active_count(), "pxr.Usd" in sys.modules)
    raise Stopped
server.configured = begins
try:
    server.serve(*{arguments})
except Stopped:
    pass
"""


@pytest.mark.parametrize(("package", "arguments"), [("studio", "(None, None)"), ("server", "(None, None, None)")])
def test_openusd_is_loaded_before_there_are_threads(package, arguments):
    """Loading it beside other threads has hung for ever."""
    pytest.importorskip("pxr")
    program = LOADS_FIRST.format(package=package, arguments=arguments)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["1", "True"]
