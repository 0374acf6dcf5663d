"""The wheel and the source archive: the same bytes every time, whole, and one makes the other."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts.build_dist import ROOT, build, git

pytestmark = pytest.mark.slow


def hashes(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    try:
        git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    return build(tmp_path_factory.mktemp("first"))


def test_the_same_bytes_twice(built: list[Path], tmp_path: Path) -> None:
    """From another folder, at another time, with another mask of rights and in another time zone."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / "sedtalker" / "left_behind.py").write_text("# not committed\n", encoding="utf-8")
    code = "import os, sys; os.umask(0o077); from scripts.build_dist import build; from pathlib import Path\n"
    code += "print(*build(Path(sys.argv[1])), sep='\\n')"
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "PYTHONPATH": str(clone)}
    command = [sys.executable, "-c", code, str(tmp_path / "second")]
    done = subprocess.run(command, cwd=clone, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    assert hashes([Path(line) for line in done.stdout.split()]) == hashes(built)


def test_the_source_archive_makes_the_same_wheel(built: list[Path], tmp_path: Path) -> None:
    wheel, archive = built
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    names = {p.relative_to(source).as_posix() for p in source.rglob("*") if p.is_file()}
    assert {"LICENSE", "NOTICE", "requirements/base.txt", "Makefile", "tests/test_lock.py"} <= names
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "out")]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": git("show", "-s", "--format=%ct", "HEAD").decode().strip()}
    subprocess.run(command, cwd=source, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert hashes([tmp_path / "out" / wheel.name]) == hashes([wheel])


def test_everything_that_runs_is_in_the_wheel_and_nothing_else(built: list[Path]) -> None:
    with zipfile.ZipFile(built[0]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    committed = git("ls-tree", "-r", "-z", "--name-only", "HEAD").decode().split("\0")
    wanted = {name for name in committed if name.startswith("sedtalker/")}
    wanted |= {f"sedtalker/{n}" for n in committed if n.startswith(("checkpoints/", "configs/", "render/lights/"))}
    assert names == wanted
