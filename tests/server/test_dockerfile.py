"""The Dockerfile, without Docker: what it copies is there, builds a wheel, and what it runs is a command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of each, lines joined and comments left out."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    text = re.sub(r"\\\n\s*", " ", text)
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def copied() -> list[tuple[str, str]]:
    """(source, destination) of what comes from the repository."""
    found = []
    for name, rest in instructions():
        words = shlex.split(rest)
        if name == "COPY" and not words[0].startswith("--from"):
            found += [(source, words[-1]) for source in words[:-1]]
    return found


def last(name: str) -> str:
    return [rest for found, rest in instructions() if found == name][-1]


def test_everything_that_is_copied_is_there_and_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert len(copied()) >= 8
    for source, _ in copied():
        assert (ROOT / source).exists(), source
        assert source in allowed


def test_it_is_small_runs_as_nobody_special_and_says_how_it_is():
    assert [rest.split()[0] for name, rest in instructions() if name == "FROM"] == ["python:3.11-slim"] * 2
    assert last("USER") not in ("root", "0")
    order = [name for name, _ in instructions()]
    assert order.index("USER") < order.index("CMD")
    assert not [rest for name, rest in instructions() if name == "RUN" and "torch" in rest]
    check = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])
    assert "/v1/health" in check[2]
    compile(check[2], "healthcheck", "exec")


def test_what_it_runs_is_a_command():
    from sedtalker.cli.main import app

    program, *arguments = json.loads(last("CMD"))
    assert program == "sedtalker"
    done = CliRunner().invoke(app, [*arguments, "--help"])
    assert done.exit_code == 0
    port = arguments[arguments.index("--port") + 1]
    assert port == last("EXPOSE")


def docker() -> str:
    """Why Docker cannot be used; empty where it can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True)
    return "" if asked.returncode == 0 else "docker has no running daemon"


@pytest.mark.slow
def test_the_image_is_built_and_diarizes():
    if docker():
        pytest.skip(docker())
    subprocess.run(["docker", "build", "--quiet", "--tag", "sedtalker-test", str(ROOT)], check=True)
    sound = (ROOT / "data" / "samples" / "four_moods.wav").read_bytes()
    command = ["docker", "run", "--rm", "--network", "none", "-i", "sedtalker-test"]
    done = subprocess.run([*command, "sedtalker", "diarize", "-", "--json"], input=sound, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.splitlines()[0])


@pytest.mark.slow
def test_a_wheel_is_built_from_what_is_copied_alone(tmp_path):
    source = tmp_path / "source"
    for name, destination in copied():
        target = source / (name if destination == "./" else destination)
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, source]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"sedtalker/server/static/index.html", "sedtalker/checkpoints/decoder/model.safetensors"} <= names
