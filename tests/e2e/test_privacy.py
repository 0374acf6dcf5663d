"""Nothing leaves the machine and nothing of a recording stays behind: the main jobs without a network.

They run in one process in a network namespace of its own, where there is no interface but an idle loopback (where
``unshare`` may make one), and every attempt to look up a host or to connect is counted by an audit hook of Python.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import SAMPLE_TRACK

JOBS = """
import json, sys
asked = []
WATCHED = {"socket." + name for name in ("connect", "getaddrinfo", "gethostbyname", "bind", "sendto")}
sys.addaudithook(lambda event, values: asked.append([event, repr(values)]) if event in WATCHED else None)
from typer.testing import CliRunner
from sedtalker.cli.main import app
codes = {}
for job in json.loads(sys.argv[1]):
    sound = open("clip.wav", "rb").read() if "-" in job else None
    done = CliRunner().invoke(app, job, input=sound)
    codes[" ".join(job)] = [done.exit_code, done.stderr[-500:]]
print(json.dumps({"asked": asked, "codes": codes}))
"""
"""Runs commands in one process, and tells what they asked of the network."""
MAIN = [
    ["animate", "clip.wav", "-o", "out", "--size", "64", "--fps", "10", "--quiet"],
    ["diarize", "clip.wav", "-o", "clip.rttm"],
    ["diarize", "-", "--json"],
    ["export", "out/clip.npz", "--to", "glb,arkit", "-o", "exported"],
    ["render", "out/clip.npz", "-o", "again.mp4", "--size", "64", "--fps", "10"],
]
FAILING = [["diarize", "broken.wav"], ["animate", "clip.wav", "--emotion", "nobody:1", "-o", "failed"]]


def isolated() -> list[str]:
    """The command that takes the network away; empty where the system does not let us."""
    if shutil.which("unshare") is None:
        return []
    for options in (["-n"], ["-rn"]):
        if subprocess.run(["unshare", *options, "true"], capture_output=True).returncode == 0:
            return ["unshare", *options]
    return []


def commands(jobs: list[list[str]], folder: Path) -> dict[str, object]:
    """Run them in ``folder`` as a user with an empty home and an empty folder of temporary files."""
    for name in ("home", "temporary"):
        (folder / name).mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "HF_"))}
    environment |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}
    command = [*isolated(), sys.executable, "-c", JOBS, json.dumps(jobs)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_hook_sees_who_asks(tmp_path: Path) -> None:
    """Or the next test would assert nothing."""
    code = JOBS.partition("from typer")[0] + "import socket\ntry: socket.create_connection(('127.0.0.1', 9), 1)\n"
    code += "except OSError: pass\nprint(len(asked))"
    done = subprocess.run([*isolated(), sys.executable, "-c", code], capture_output=True, text=True)
    assert int(done.stdout) >= 2, done.stderr


@pytest.mark.slow
def test_without_a_network_the_same_is_done_and_nobody_asks_for_one(clip: Path, tmp_path: Path) -> None:
    shutil.copy(clip, tmp_path / "clip.wav")
    (tmp_path / "broken.wav").write_bytes(clip.read_bytes()[:60])
    told = commands([*MAIN, *FAILING], tmp_path)
    assert told["asked"] == []
    codes = told["codes"]
    assert isinstance(codes, dict)
    assert [code[0] for code in codes.values()] == [0] * len(MAIN) + [2] * len(FAILING), codes
    assert not (tmp_path / "failed").exists()
    assert (tmp_path / "again.mp4").stat().st_size > 1000
    left = [p.name for p in (tmp_path / "temporary").rglob("*")]
    assert left == [], "temporary files are removed"
    kept = {p.relative_to(tmp_path / "home").as_posix() for p in (tmp_path / "home").rglob("*") if p.is_file()}
    assert [name for name in kept if "clip" in name or name.endswith((".wav", ".pcm", ".f32", ".mp4"))] == []


@pytest.mark.slow
def test_the_sample_with_its_own_track_too(tmp_path: Path) -> None:
    sample = SAMPLE_TRACK.parent / "four_moods.wav"
    jobs = [["animate", str(sample), "--emotion", str(SAMPLE_TRACK), "-o", "out", "--size", "64", "--to", "usd,mdd"]]
    told = commands(jobs, tmp_path)
    assert [code for code, _ in dict(told["codes"]).values()] == [0], told  # type: ignore[call-overload]
    assert told["asked"] == []
    assert list((tmp_path / "temporary").rglob("*")) == []
