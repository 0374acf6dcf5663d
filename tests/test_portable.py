"""What only some systems have is used behind a check, so that the package also runs on Windows and macOS."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import soundfile

from sedtalker.emotion.formats.files import read_track
from tests.support import elsewhere
from tests.support.elsewhere import FUNCTIONS, MODULES
from tests.support.source_code import FILES, PACKAGE, nodes, tree

OPTIONS = {"preexec_fn", "pass_fds"}
"""Of ``subprocess.Popen``: Windows refuses them."""
FOLDERS = ("/proc", "/dev", "/tmp", "/etc", "/sys", "/var", "/usr")
"""Folders that Windows has not."""
CHECKS = ("sys.platform", "os.name", "hasattr(", "platform.system", "get_all_start_methods")
"""What asks for the system, or for what it has."""
CAUGHT = {"ImportError", "ModuleNotFoundError", "AttributeError", "OSError", "Exception"}


def parents(module: ast.Module) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(module) for child in ast.iter_child_nodes(node)}


def guarded(node: ast.AST, above: dict[ast.AST, ast.AST]) -> bool:
    """Whether a check of the system, or a handler of its absence, is around a node or before it in its function."""
    inside = node
    while (outside := above.get(inside)) is not None:
        if isinstance(outside, ast.If | ast.IfExp) and any(word in ast.unparse(outside.test) for word in CHECKS):
            return True
        if isinstance(outside, ast.BoolOp) and any(word in ast.unparse(outside.values[0]) for word in CHECKS):
            return True
        if isinstance(outside, ast.Try) and inside not in outside.finalbody:
            names = {n.id for h in outside.handlers for n in ast.walk(h.type or ast.Name("Exception")) if
                     isinstance(n, ast.Name)}  # fmt: skip
            if names & CAUGHT:
                return True
        if isinstance(outside, ast.With):
            calls = [ast.unparse(item.context_expr) for item in outside.items]
            if any("suppress(" in call and any(name in call for name in CAUGHT) for call in calls):
                return True
        if isinstance(outside, ast.FunctionDef):
            for statement in outside.body[: outside.body.index(inside) if inside in outside.body else 0]:
                leaves = isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Return | ast.Raise)
                if leaves and any(word in ast.unparse(statement.test) for word in CHECKS):  # type: ignore[attr-defined]
                    return True
        inside = outside
    return False


def unportable(module: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Everything in a module that some system lacks."""
    texts = {id(s.value) for s in ast.walk(module) if isinstance(s, ast.Expr)}  # docstrings
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((node, a.name) for a in node.names if a.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield node, str(node.module)
        elif isinstance(node, ast.ImportFrom) and node.module in FUNCTIONS:
            yield from ((node, a.name) for a in node.names if a.name in FUNCTIONS[str(node.module)])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in FUNCTIONS.get(node.value.id, ()):
                yield node, f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in OPTIONS:
            if not any(word in ast.unparse(node.value) for word in CHECKS):
                yield node, str(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            if node.value in ("fork", "forkserver") or node.value.startswith(tuple(f"{f}/" for f in FOLDERS)):
                yield node, repr(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "os.kill" and ast.unparse(node.args[1]) == "0":
            yield node, "os.kill(…, 0), which ends a process on Windows"


def found(module: ast.Module) -> Iterator[str]:
    above: dict[ast.AST, ast.AST] = {}
    for node, what in unportable(module):
        above = above or parents(module)
        if not guarded(node, above):
            yield what


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import fcntl", ["fcntl"]),
        ("try:\n import fcntl\nexcept ImportError:\n fcntl = None", []),
        ("try:\n import fcntl\nexcept ValueError:\n pass", ["fcntl"]),
        ("import os, signal\nos.kill(1, signal.SIGKILL)", ["signal.SIGKILL"]),
        ("import os, sys\nif sys.platform != 'win32':\n os.fork()", []),
        ("import os\ndef f():\n if os.name == 'nt':\n  return\n os.getuid()", []),
        ("import os\ndef f():\n os.getuid()\n if os.name == 'nt':\n  return", ["os.getuid"]),
        ("from os import geteuid", ["geteuid"]),
        ("import os\nmine = not hasattr(os, 'getuid') or os.getuid() == 1", []),
        ("import os\ndef f(p):\n os.kill(p, 0)", ["os.kill(…, 0), which ends a process on Windows"]),
        ("context = 'fork'", ["'fork'"]),
        ('"""See /proc/self."""\nopen("/proc/self/status")', ["'/proc/self/status'"]),
        ("import contextlib\nwith contextlib.suppress(ImportError):\n import resource", []),
        ("import subprocess\nsubprocess.run([], preexec_fn=print)", ["preexec_fn"]),
    ],
)
def test_what_the_check_finds(source: str, what: list[str]) -> None:
    assert list(found(ast.parse(source))) == what


@pytest.mark.slow
def test_what_some_systems_lack_is_used_behind_a_check() -> None:
    wrong = {str(path.relative_to(PACKAGE)): list(found(tree(path))) for path in FILES}
    assert {name: what for name, what in wrong.items() if what} == {}


def test_text_is_read_and_written_in_a_stated_encoding() -> None:
    """Windows would take that of the country. JSON in ASCII, and numbers, are the same in all of them."""
    wrong = []
    for path in FILES:
        for node in nodes(path):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            least = {"read_text": 1, "write_text": 2}.get(node.func.attr)
            stated = any(keyword.arg in ("encoding", None) for keyword in node.keywords)
            if least is None or stated or len(node.args) >= least:
                continue
            around = " ".join(ast.unparse(each) for each in (*node.args, parents(tree(path))[node]))
            if not re.match(r"(json\.loads|int|json\.dumps)\(", around) or "ensure_ascii=False" in around:
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []


def test_the_code_compiles_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in FILES:
            compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True)


# --- Commands with nothing of POSIX.

SPEECH = PACKAGE.parent / "data" / "samples" / "four_moods.wav"
FOLDER = "Ma tête (1) 顔"
"""Spaces, brackets, letters of the code page 1252 and others."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of such a name with a recording of two seconds, a head and a table of emotions with Windows' lines."""
    made = tmp_path_factory.mktemp("elsewhere") / FOLDER
    made.mkdir()
    samples, rate = soundfile.read(SPEECH, stop=2 * 48000)
    soundfile.write(made / "ma voix 声.wav", samples[: 2 * rate], rate)
    (made / "humeur.csv").write_bytes(b"start,end,label,intensity\r\n0,1,happy,0.8\r\n1,2,sad,0.5\r\n")
    return made


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """A command in that folder, whose text a console of Western Europe shows."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    return subprocess.run(
        [sys.executable, elsewhere.__file__, *words],
        cwd=folder,
        env=environment | {"PYTHONUTF8": "0", "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        timeout=600,
    )


def test_an_emotion_track_elsewhere(folder: Path) -> None:
    done = run(folder, "diarize", "ma voix 声.wav", "-o", "piste.json")
    assert done.returncode == 0, done.stderr.decode("cp1252")
    assert read_track(folder / "piste.json", None).duration == pytest.approx(2.0, abs=0.05)
    heading = done.stdout.decode("cp1252").splitlines()[0].split()
    assert heading == ["start", "end", "emotion", "intensity", "confidence", "or"]


@pytest.mark.slow
@pytest.mark.parametrize("also", [(), ("--no-video",)], ids=["video", "files"])
def test_an_animation_elsewhere(folder: Path, also: tuple[str, ...]) -> None:
    given = ("--emotion", "humeur.csv", "-o", "sortie 出力", "--force", *also)
    done = run(folder, "animate", "ma voix 声.wav", *given)
    assert done.returncode == 0, done.stderr.decode("cp1252")
    names = {Path(line).suffix for line in done.stdout.decode("cp1252").splitlines()}
    assert names >= {".npz", ".glb"} | ({".mp4"} if not also else set())
    [file] = (folder / "sortie 出力").glob("*.npz")
    with np.load(file) as held:
        assert np.isfinite(held["coefficients"]).all()


@pytest.mark.slow
def test_exports_of_the_whole_head_elsewhere(folder: Path) -> None:
    assert run(folder, "face", "export", "amara", "-o", "tête.obj").returncode == 0
    done = run(folder, "animate", "ma voix 声.wav", "--mesh", "tête.obj", "--no-video", "-o", "ma tête")
    assert done.returncode == 0, done.stderr.decode("cp1252")
    done = run(folder, "export", str(next((folder / "ma tête").glob("*.npz")).relative_to(folder)), "--to", "arkit,fbx")
    assert done.returncode == 0, done.stderr.decode("cp1252")


def test_bad_input_elsewhere_is_one_line(folder: Path) -> None:
    done = run(folder, "diarize", "manque 無.wav")
    assert done.returncode == 2
    assert len(done.stderr.decode("cp1252").splitlines()) == 1


def test_names_in_the_repository_are_names_everywhere() -> None:
    """No two differ by case alone, and none is one that Windows keeps for itself."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PACKAGE.parent, capture_output=True, check=False)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    if not names:
        pytest.skip("not a checkout of git")
    assert [name for name, count in Counter(map(str.lower, names)).items() if count > 1] == []
    wrong = [name for name in names if PureWindowsPath(name).is_reserved() or re.search(r'[<>:"\\|?*]|[ .](/|$)', name)]
    assert wrong == []
