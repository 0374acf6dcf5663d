"""``sedtalker live`` and ``sedtalker play``, run in process, and once as a program that is interrupted."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.animation.animation import Animation
from sedtalker.cli.live import show_pace
from sedtalker.cli.main import app
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.live.pacing import Pace
from tests.support.clips import cut_sample

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_sample(tmp_path_factory.mktemp("clip") / "clip.wav", 3.0, 4.5)


@pytest.fixture(scope="module")
def animation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    face = load_face()
    coefficients = np.zeros((31, len(face.shapes)), np.float32)
    coefficients[:, face.shapes.index("jawOpen")] = np.linspace(0.0, 0.6, 31)
    path = tmp_path_factory.mktemp("animation") / "x.npz"
    Animation(coefficients, 30.0, face, np.zeros((31, 3), np.float32)).save(path)
    return path


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        yield receiver


def jaws(receiver: socket.socket) -> list[float]:
    """``JawOpen`` of all Live Link packets that have come."""
    receiver.setblocking(False)
    found = []
    try:
        while True:
            found.append(struct.unpack(">61f", receiver.recv(4096)[-244:])[17])
    except BlockingIOError:
        return found


@pytest.mark.slow
def test_a_file_moves_an_engines_face_and_leaves_it_at_rest(clip: Path, listening: socket.socket):
    port = listening.getsockname()[1]
    done = run("live", clip, "--to", f"livelink://127.0.0.1:{port}", "--emotion", "happy", "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    opened = jaws(listening)
    assert report["sent"] <= len(opened)
    assert max(opened) > 0.03
    assert opened[-3:] == [0.0, 0.0, 0.0]


def test_an_animation_is_played_to_stdout(animation: Path):
    done = run("play", animation.parent, "--to", "-", "-q", "--fps", 60)
    assert done.exit_code == 0, done.stderr
    header, *lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert header["shapes"] == list(ARKIT_52)
    jaw = ARKIT_52.index("jawOpen")
    shown = [line for line in lines if line["time"] <= 1.0]
    assert len(shown) > 5, "a busy machine leaves frames out"
    assert [line["weights"][jaw] for line in shown] == pytest.approx([0.6 * line["time"] for line in shown], abs=1e-3)
    assert not any(lines[-1]["weights"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["live"], "nowhere to send"),
        (["live", "--to", "smoke://"], "one of livelink, vmc"),
        (["live", "--to", "vmc://", "--speak"], "--speak needs a file"),
        (["live", "no.wav", "--to", "vmc://"], "no such file"),
        (["live", SAMPLE, "--to", "vmc://no.such.host.invalid", "--emotion", "happy"], "no such host"),
        (["live", SAMPLE, "--to", "vmc://", "--emotion", "hungry"], "hungry"),
        (["live", SAMPLE, "--to", "vmc://", "--emotion", "happy", "--hop", "0.05"], "multiple of 0.02"),
        (["play", SAMPLE, "--to", "vmc://"], "not a SEDTalker animation"),
        (["play", "no.npz", "--to", "vmc://"], "no such file"),
        (["play", "no.npz", "--to", "vmc://", "--delay", "1e9"], "--delay"),
        (["live", SAMPLE, "--to", "vmc://", "--delay", "-1e9"], "--delay"),
        (["stream", __file__], "not a readable audio file"),
        (["live", __file__, "--to", "-"], "not a readable audio file"),
    ],
)
def test_bad_input_is_one_line(arguments: list, says: str):
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize("command", ["play", "live"])
def test_a_busy_port_is_one_line_before_networks_are_opened(
    animation: Path, command: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sedtalker.cli.live.open_animator", None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        source = animation if command == "play" else SAMPLE
        done = run(command, source, "--to", f"ws://127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 2
    assert "cannot serve there (address already in use)" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["live", SAMPLE, "--to", "-", "--device", "3"], "--device names a microphone"),
        (["live", SAMPLE, "--to", "-", "--speaker", "3"], "--speaker names the loudspeaker of --speak"),
        (["play", "ANIMATION", "--to", "-", "--speaker", "3"], "--speaker names the loudspeaker of --audio"),
    ],
)
def test_devices_that_would_do_nothing_are_refused(animation: Path, arguments: list[object], says: str):
    done = run(*(animation if word == "ANIMATION" else word for word in arguments))
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


def test_without_portaudio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    spoken = ["live", SAMPLE, "--to", "-", "--speak"]
    for arguments in (["live", "--list-devices"], ["live", "--to", "-", "--emotion", "happy"], spoken):
        done = run(*arguments)
        assert done.exit_code == 2
        assert "sedtalker[live]" in done.stderr
        assert len(done.stderr.splitlines()) == 1, "networks are opened first"
        assert not done.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_leaves_the_face_at_rest(listening: socket.socket):
    port = listening.getsockname()[1]
    # A shell's background jobs ignore SIGINT. It is not restored between fork and exec: gRPC's threads may be there.
    heeding = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = heeding + "runpy.run_module('sedtalker', run_name='__main__')"
    command = [
        sys.executable,
        "-c",
        program,
        "live",
        "-",
        "--to",
        f"livelink://127.0.0.1:{port}",
        "--emotion",
        "happy:1",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as live:
        assert live.stdin is not None
        assert live.stderr is not None
        samples, _ = soundfile.read(SAMPLE, dtype="int16")
        live.stdin.write(samples[48_000:80_000].tobytes())
        live.stdin.flush()
        listening.settimeout(120.0)
        while struct.unpack(">61f", listening.recv(4096)[-244:])[17] < 0.03:
            pass
        live.send_signal(signal.SIGINT)
        said = live.stderr.read().decode()
    assert live.returncode == 0, said
    assert "Traceback" not in said
    assert jaws(listening)[-3:] == [0.0, 0.0, 0.0]


def test_what_was_left_out_and_waited_for_has_a_reason(capsys: pytest.CaptureFixture[str]):
    show_pace(Pace(sent=600, seconds=10.0), as_json=False, quiet=False)
    show_pace(Pace(sent=590, missed=10, seconds=10.0, waited=0.25), as_json=False, quiet=False)
    whole, late = capsys.readouterr().err.splitlines()
    assert whole == "600 frames in 10.0 s, 0 left out"
    assert late.endswith("10 left out because this machine was busy; it waited 250 ms in all for frames that came late")
