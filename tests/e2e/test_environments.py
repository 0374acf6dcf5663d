"""Commands where something of their surroundings is missing: one line, a documented exit code, nothing left.

Writers on full and read-only disks are in ``tests/test_writers.py``; these are the commands themselves, as processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clips import SAMPLE
from tests.support.moving import moving_cube

SLOW = pytest.mark.slow
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")


@pytest.fixture
def animation(tmp_path: Path) -> Path:
    """An animation file in a folder of its own."""
    (tmp_path / "in").mkdir()
    moving_cube(15).save(tmp_path / "in" / "clip.npz")
    return tmp_path / "in" / "clip.npz"


def run(folder: Path, line: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """A line of a shell in ``folder``; ``sedtalker`` in it is the command. None: a variable that is not set."""
    package = str(Path(__file__).parents[2])
    changed = {**os.environ, "PYTHONPATH": package, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **environment}
    return subprocess.run(
        ["bash", "-c", f'sedtalker() {{ "{sys.executable}" -m sedtalker "$@"; }}\n{line}'],
        cwd=folder,
        env={name: value for name, value in changed.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
    )


def results(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


EXPORT = "sedtalker export in/clip.npz --to mdd,keys -q -o out"
"""A command that writes two files."""
WRITTEN = ["out", "out/clip.keys.json", "out/clip.mdd"]
"""These."""


PLAIN = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""The C locale."""


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"HOME": None, "XDG_CACHE_HOME": None, "TMPDIR": "/none", **PLAIN}, id="none of them"),
        pytest.param({"HOME": "/dev/null", "XDG_CACHE_HOME": None}, id="a HOME that is no folder", marks=SLOW),
        pytest.param({"HOME": "/proc", "XDG_CACHE_HOME": None}, id="a HOME that cannot be written", marks=SLOW),
    ],
)
def test_what_is_not_needed_may_be_missing(animation: Path, tmp_path: Path, environment: dict[str, str | None]) -> None:
    done = run(tmp_path, EXPORT, **environment)
    assert (done.returncode, done.stderr.count("\n")) == (0, 2), done.stderr  # a line about each file
    assert results(tmp_path) == ["in", "in/clip.npz", *WRITTEN]


@pytest.mark.slow
def test_names_beyond_ascii_in_the_c_locale(animation: Path, tmp_path: Path) -> None:
    animation.rename(animation.with_name("Käthe 語.npz"))
    done = run(tmp_path, "sedtalker export in/K*.npz --to mdd -q --json", **PLAIN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 15
    assert sorted(path.name for path in animation.parent.iterdir()) == ["Käthe 語.mdd", "Käthe 語.npz"]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{EXPORT} >/dev/full", 1, "error: the results could not be printed (No space left on device)"),
        pytest.param(f"{EXPORT} >&-", 0, "", marks=SLOW),
        pytest.param(f"{EXPORT} <&-", 0, "", marks=SLOW),
        pytest.param(f"{EXPORT} 2>&-", 0, "", marks=SLOW),
        (f"{EXPORT} <&- >&- 2>&-", 0, ""),
        (f"ulimit -f 0; {EXPORT}", 2, "error: out/clip.mdd: cannot be written (File too large)"),
        pytest.param("sedtalker export - --to mdd <&-", 2, "error: -: no such file", marks=SLOW),
        pytest.param("sedtalker stream - <&-", 2, "error: -: stdin is closed", marks=SLOW),
        pytest.param(
            "mkdir out; touch out/clip.mdd; " + EXPORT, 2, "error: out/clip.mdd exists; use --force", marks=SLOW
        ),
        pytest.param("touch out; " + EXPORT, 2, "error: out is a file", marks=SLOW),
        pytest.param(
            f"{EXPORT} -o in/clip.npz/out",
            2,
            "error: in/clip.npz/out: cannot be written (Not a directory)",
            marks=SLOW,
        ),
        pytest.param(f"{EXPORT} -o /proc/none", 2, "error: /proc/none: cannot be written (", marks=SLOW),
    ],
)
def test_what_is_needed_is_missed_in_one_line(animation: Path, tmp_path: Path, line: str, code: int, said: str) -> None:
    done = run(tmp_path, line)
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("note: ", "  "))]
    assert done.returncode == code, done.stderr
    assert len(lines) == bool(code)
    assert not code or lines[0].startswith(said), lines
    left = [name for name in results(tmp_path) if ".sedtalker-" in name]
    assert left == []
    if code == 2:
        assert "out/clip.keys.json" not in results(tmp_path)


@pytest.mark.slow
def test_two_at_once_leave_the_results_of_one(animation: Path, tmp_path: Path) -> None:
    both = f"{EXPORT} --fps 10 & {EXPORT} --fps 20 & wait"
    run(tmp_path, both)
    frames = int.from_bytes((tmp_path / "out" / "clip.mdd").read_bytes()[:4], "big")
    assert frames in (5, 10)
    assert results(tmp_path) == ["in", "in/clip.npz", *WRITTEN]


def test_the_number_of_threads_changes_no_byte(tmp_path: Path) -> None:
    """Sums over the parts of several threads are rounded otherwise, so the command adds up on one."""
    line = f'sedtalker diarize "{SAMPLE}" --json'
    said = {run(tmp_path, line, OMP_NUM_THREADS=n, OPENBLAS_NUM_THREADS=None).stdout for n in ("1", "2")}
    assert len(said) == 1
    assert said != {""}
