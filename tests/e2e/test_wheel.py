"""The wheel in a clean environment that holds what it asks for and nothing else: it animates without the repository."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import time
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.e2e.conftest import REPOSITORY, SAMPLE_HEAD

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(REPOSITORY)], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def wanted(requirements: list[str]) -> set[str]:
    """Names of the distributions that these requirements bring, and those that they bring."""
    found: set[str] = set()
    waiting = [(Requirement(line), "") for line in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wish in ["", *requirement.extras]:
            mark = f"{requirement.name}[{wish}]"
            if mark in found:
                continue
            found.add(mark)
            lines = importlib.metadata.requires(requirement.name) or []
            waiting += [(Requirement(line), wish) for line in lines]
    return {mark.partition("[")[0] for mark in found}


@pytest.fixture(scope="module")
def sedtalker(wheel: Path, metadata: Message, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a new environment with the wheel, and links to the packages that it asks for."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    for name in wanted(metadata.get_all("Requires-Dist") or []):
        here = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in here.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            target, link = Path(str(here.locate_file(top))), packages / top
            if target.exists() and not link.exists():
                link.symlink_to(target)
    into = ["--quiet", "--no-deps", "--no-index", "--prefix", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "install", "--ignore-installed", *into, str(wheel)], check=True)
    script = folder / "bin" / "sedtalker"
    script.write_text(f"#!{folder}/bin/python\nfrom sedtalker.cli.main import app\napp()\n")
    return script


def run(sedtalker: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(sedtalker), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_an_empty_folder_is_enough(sedtalker: Path, clip: Path, tmp_path: Path) -> None:
    done = run(sedtalker, "animate", clip, "--fps", 10, "-o", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pip install 'sedtalker[video]'" in done.stderr
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".glb", ".json", ".npz"}
    code = "import sedtalker, json; print(json.dumps(sedtalker.__file__))"
    where = run(sedtalker.parent / "python", "-c", code, cwd=tmp_path)
    assert Path(json.loads(where.stdout)).is_relative_to(sedtalker.parents[1])
    done = run(sedtalker, "diarize", clip, "-o", "clip.rttm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clip.rttm").read_text().startswith("SPEAKER")
    done = run(sedtalker, "export", "out/clip.npz", "--to", "glb,mdd,arkit", "-o", "other", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "other").iterdir()} == {".glb", ".mdd", ".csv"}
    assert (tmp_path / "other/clip.glb").read_bytes().startswith(b"glTF")


def test_a_mesh_of_ones_own_too(sedtalker: Path, tmp_path: Path) -> None:
    done = run(sedtalker, "mesh", "register", SAMPLE_HEAD, "-o", "head.sedface", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "experiment=decoder", "trainer.run_dir=run"], "train"),
        (["diarize", "CLIP", "--model", "hf:nobody/nothing"], "hub"),
        (["animate", "CLIP", "--emotion", "happy", "--renderer", "pyrender", "--size", "64"], "gl"),
        (["animate", "CLIP", "--emotion", "happy", "--to", "usd", "--no-video"], "usd"),
    ],
)
def test_what_needs_an_extra_says_which(
    sedtalker: Path, clip: Path, tmp_path: Path, arguments: list[str], extra: str
) -> None:
    done = run(sedtalker, *(str(clip) if word == "CLIP" else word for word in arguments), cwd=tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2, done.stderr
    assert f"pip install 'sedtalker[{extra}]'" in last
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_help_is_there_at_once(sedtalker: Path, tmp_path: Path) -> None:
    """Below half a second on an idle core; on a busy one, measured in turn with what typer alone takes."""

    def seconds(code: str) -> float:
        started = time.perf_counter()
        subprocess.run([sedtalker.parent / "python", "-c", code], cwd=tmp_path, check=True, capture_output=True)
        return time.perf_counter() - started

    typer = "import typer, rich.console, rich.progress, typer.rich_utils"
    ours = "import sys; sys.argv = ['sedtalker', '--help']; from sedtalker.cli.main import app; app()"
    pairs = [(seconds(typer), seconds(ours)) for _ in range(5)]
    assert any(taken < max(0.5, 2.5 * alone) for alone, taken in pairs), pairs


def test_the_wheel_names_the_licence_of_every_set_of_weights(metadata: Message) -> None:
    weights = {json.loads(p.read_text())["licence"] for p in REPOSITORY.glob("checkpoints/*/config.json")}
    libraries = {"MIT", "BSD-3-Clause"}  # of the studio's page: three.js and wavesurfer.js
    assert set(metadata["License-Expression"].split(" AND ")) == {"Apache-2.0"} | libraries | weights
    files = set(metadata.get_all("License-File") or [])
    assert {"LICENSE", "NOTICE", "sedtalker/studio/static/vendor/wavesurfer/LICENSE"} <= files
    assert {f"checkpoints/{p.parent.name}/README.md" for p in REPOSITORY.glob("checkpoints/*/config.json")} <= files


def test_types_and_training_data_tables_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "sedtalker/py.typed" in names
    assert {"sedtalker/configs/train.yaml", "sedtalker/training/corpora/grid_lags.csv"} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "scripts/"))]
