"""Mutation testing of the core: small faults are put into the code, and the tests should notice each.

python scripts/mutants.py [--modules PATTERN …] [--sample N] [--seed S]

A fault (a *mutant*) is one application of an operator of cosmic-ray: ``<`` becomes ``<=``, ``+`` becomes ``-``, a
number grows or shrinks by one, a condition is turned round, a loop does not run. The tests of the same package that
call the function run on it, those of the file that mirrors the module first. A mutant that they fail on, crash on or
hang on is killed, the others survived.

All mutants would take a day, so ``--sample`` of each package are drawn by ``--seed``, spread over its modules by their
number of mutants. Mutants that cannot change behaviour are listed with the reason in ``scripts/mutants.toml``; they
are counted by themselves. Survivors are written to ``build/mutants/survivors.txt``.

Nothing is written into the package: the libraries are imported once, and each mutant runs in a forked process that
compiles the changed source in memory (POSIX only). So tests that start programs of their own kill nothing.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import contextlib
import fnmatch
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mutant_sources import ROOT, Mutant, draw, module_of

PACKAGES = ("audio", "emotion", "animation", "export", "metrics")
"""Those that make the results."""
HEAVY = (
    *("numpy", "torch", "scipy.ndimage", "scipy.signal", "scipy.optimize", "scipy.stats", "scipy.spatial"),
    *("scipy.interpolate", "scipy.sparse.linalg", "numba", "av", "soxr", "soundfile", "trimesh", "igl", "PIL.Image"),
    *("matplotlib.pyplot", "pydantic.main", "safetensors.torch", "safetensors.numpy", "pygltflib", "pxr.Usd"),
    *("pxr.UsdGeom", "pxr.UsdSkel", "pxr.UsdShade", "hypothesis", "pytest", "_pytest.assertion.rewrite"),
)
"""Imported once, before any fork. Never one of ours: a mutant must reach those that import it."""
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--no-header", "--hypothesis-seed=0")
"""Options of every run: no plugin but hypothesis, which draws the same examples for every mutant."""
ALSO = {"tests/test_front_door.py": ("sedtalker/emotion/diarizer.py", "sedtalker/animation/animator.py")}
"""Tests outside the folder of the package, and the modules that they mirror."""
OTHERS = 20.0
"""Seconds of tests from files that do not mirror a mutant's module, the quickest first; more are not run on it."""
FAST = "not slow and not training and not browser and not data"
"""The tests that count."""
SECONDS_MORE, TIMES_MORE = 10.0, 5.0
"""A mutant hangs when its tests compute so many times as long as without it, and so many seconds."""
IDLE_TIMES = 10.0
"""Or when they wait so many times as long as they may compute; other programs may be busy, too."""
LARGEST_MEMORY = 16 * 1024**3
"""Bytes of address space that a mutant may ask for."""
RESULTS = ROOT / "build" / "mutants"
"""Where it is kept what the tests call, and where the survivors are listed."""
CALLED = "_mutants_called"
"""Name of the function by which, without a mutant, functions say that they are called."""


@dataclass(frozen=True)
class TestCase:
    """What one test calls without a mutant: its name, seconds of computing, and functions as ``path:line``."""

    name: str
    seconds: float
    calls: frozenset[str]

    @property
    def path(self) -> str:
        """Its file, below the root."""
        return self.name.split("::")[0]


def main() -> int:
    """Measure the tests, draw, run, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modules", nargs="+", default=["*"], help="patterns such as audio/pipe.py or emotion/*")
    parser.add_argument("--sample", type=int, default=60, help="mutants of each package; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    os.environ.update(OMP_NUM_THREADS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    sys.path.insert(0, str(ROOT))
    for name in HEAVY:
        importlib.import_module(name)
    sys.pycache_prefix = str(RESULTS / "bytecode")  # compiled once for all forks, but for what a mutant changes
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*PYTEST, "--fixtures", "tests/conftest.py"])
    sources = {package: _sources(package, arguments.modules) for package in PACKAGES}
    tests = {package: _measure(package) for package, files in sources.items() if files}
    judged = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text(encoding="utf-8")).get("equivalent", [])
    reasons = {(row["module"], row["line"], row["becomes"]): row["why"] for row in judged}
    survivors, table = list[str](), list[str]()
    (RESULTS / "survivors.txt").write_text("", encoding="utf-8")
    for package, files in sources.items():
        if not files:
            continue
        drawn = draw(files, arguments.sample, random.Random(f"{arguments.seed} {package}"))
        killed, equivalent = 0, 0
        for number, mutant in enumerate(drawn, 1):
            result = _try(mutant, _order(mutant, tests[package]))
            why = reasons.get((mutant.path.removeprefix("sedtalker/"), mutant.before, mutant.after))
            if result == "survived":
                result = "equivalent" if why else result
                equivalent += bool(why)
                text = f"{mutant.path}:{mutant.line} {mutant.operator}\n  - {mutant.before}\n  + {mutant.after}\n"
                survivors.append(text + f"  ({why})\n" if why else text)
                (RESULTS / "survivors.txt").write_text("\n".join(survivors), encoding="utf-8")
            else:
                killed += 1
            print(f"{number:3d}/{len(drawn)} {result:10s} {mutant.path}:{mutant.line} {mutant.operator}", flush=True)
        count = len(drawn) - equivalent
        low, high = interval(killed, count)
        of = f"{killed} of {count} killed, {equivalent} more equivalent, seed {arguments.seed}"
        table.append(f"{package:10s} {100 * killed / max(1, count):5.1f} % [{100 * low:.0f}, {100 * high:.0f}]  {of}")
    print("\n".join(["", *table, "survivors: build/mutants/survivors.txt"]))
    return 0


def _sources(package: str, patterns: Sequence[str]) -> list[str]:
    """Files of a package that are asked for, below the root."""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "sedtalker" / package).rglob("*.py"))
    return [f for f in files if any(fnmatch.fnmatch(f.removeprefix("sedtalker/"), p) for p in patterns)]


def interval(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    share, extra = hits / count, z * z / count
    half = z * math.sqrt(share * (1 - share) / count + extra / count / 4)
    return (share + extra / 2 - half) / (1 + extra), (share + extra / 2 + half) / (1 + extra)


# --- Tests.


def _measure(package: str) -> list[TestCase]:
    """Which functions each test calls, kept while neither tests nor package change."""
    common = [*(ROOT / "sedtalker" / package).rglob("*.py"), *(ROOT / "tests" / "support").rglob("*.py")]
    base = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(common)))
    folder, found = RESULTS / "calls", list[TestCase]()
    folder.mkdir(parents=True, exist_ok=True)
    also = [ROOT / test for test, modules in ALSO.items() if any(m.split("/")[1] == package for m in modules)]
    for path in [*sorted((ROOT / "tests" / package).rglob("test_*.py")), *also]:
        digest, name = base.copy(), str(path.relative_to(ROOT))
        digest.update(name.encode() + path.read_bytes())
        kept = folder / f"{digest.hexdigest()[:24]}.json"
        if not kept.exists():
            print(f"measuring {name}", flush=True)
            if (code := _forked(lambda n=name, k=kept: _run_measured(package, n, k), 300.0)) not in (0, 5):
                sys.exit(f"{name} fails without any mutant ({code}), see build/mutants/last.txt")
        found += [TestCase(test, seconds, frozenset(calls)) for test, seconds, calls in json.loads(kept.read_text())]
    return found


def _run_measured(package: str, name: str, result: Path) -> int:
    calls = Calls()
    setattr(builtins, CALLED, calls.note)
    sources = {path: _noting_calls(path) for path in _sources(package, ["*"])}
    sys.meta_path.insert(0, _Finder({module_of(path): (path, source) for path, source in sources.items()}))
    code = int(pytest.main([name, *PYTEST, "-m", FAST], plugins=[calls]))
    if code in (0, 5):
        result.write_text(json.dumps([[t.name, t.seconds, sorted(t.calls)] for t in calls.tests()]))
    return code


class Calls:
    """A plugin of pytest: what each test of a file calls; what a fixture calls is of all tests that use it."""

    def __init__(self) -> None:
        self._imports, self._now = set[str](), set[str]()
        self._fixtures, self._own = dict[str, set[str]](), dict[str, tuple[float, set[str], list[str]]]()

    def note(self, name: str) -> None:
        """A function is called."""
        self._now.add(name)

    def pytest_collection_finish(self) -> None:
        """What the file called when it was imported is of all its tests."""
        self._imports, self._now = self._now, set()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """What is called inside is of the fixture; around it, of who asked for it."""
        outer, self._now = self._now, set()
        result = yield
        self._fixtures.setdefault(fixturedef.argname, set()).update(self._now)
        self._now = outer | self._now
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, Any, Any]:
        """One test with its fixtures."""
        self._now, begun = set(), time.process_time()
        result = yield
        self._own[item.nodeid] = time.process_time() - begun, self._now, list(item.fixturenames)
        return result

    def tests(self) -> Iterator[TestCase]:
        """All that ran."""
        for name, (seconds, calls, fixtures) in self._own.items():
            of_fixtures = (self._fixtures.get(fixture, set()) for fixture in fixtures)
            yield TestCase(name, seconds, frozenset(self._imports.union(calls, *of_fixtures)))


def _noting_calls(path: str) -> ast.Module:
    """A file whose functions say that they are called."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for function in _functions(tree):
        note = ast.parse(f"{CALLED}({_name(path, function)!r})").body
        documented = ast.get_docstring(function) is not None
        function.body[documented:documented] = note
    return ast.fix_missing_locations(tree)


def _name(path: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"{path}:{function.lineno}"


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Inner ones after outer ones."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        yield from _functions(node)


def _order(mutant: Mutant, tests: Sequence[TestCase]) -> tuple[list[TestCase], list[TestCase]]:
    """The tests that call the function of a mutant, quickest first: of files that mirror the module, and of others.

    Those that call any function of the file where the mutant is in none, as constants are. Of other files they are
    taken up to ``OTHERS`` seconds, so a mutant that only the rest would notice counts as survived.
    """
    functions = list(_functions(ast.parse((ROOT / mutant.path).read_text(encoding="utf-8"))))
    inside = [f for f in functions if f.lineno <= mutant.line <= (f.end_lineno or f.lineno)]
    names = {_name(mutant.path, function) for function in inside[-1:] or functions}
    calling = sorted((test for test in tests if test.calls & names), key=lambda test: test.seconds)
    own = f"test_{Path(mutant.path).stem}"
    mirrors = [t for t in calling if Path(t.path).stem.startswith(own) or mutant.path in ALSO.get(t.path, ())]
    others = [test for test in calling if test not in mirrors]
    total = accumulate(test.seconds for test in others)
    return mirrors, [test for test, seconds in zip(others, total, strict=True) if seconds <= OTHERS]


def _try(mutant: Mutant, groups: Sequence[Sequence[TestCase]]) -> str:
    """``killed``, ``crashed``, ``hung`` or ``survived``."""
    groups = [group for group in groups if group]
    if not groups:
        return "survived"
    limit = SECONDS_MORE + TIMES_MORE * sum(test.seconds for group in groups for test in group)
    code = _forked(lambda: _run_mutated(mutant, groups), limit)
    if code is None or code == -signal.SIGXCPU:
        return "hung"
    return "survived" if code == 0 else "crashed" if code < 0 else "killed"


def _run_mutated(mutant: Mutant, groups: Sequence[Sequence[TestCase]]) -> int:
    sys.meta_path.insert(0, _Finder({mutant.module: (mutant.path, mutant.source)}))
    for group in groups:
        files = dict.fromkeys(test.path for test in group)
        if code := int(pytest.main([*files, *PYTEST], plugins=[Chosen([test.name for test in group])])):
            return code
    return 0


class Chosen:
    """A plugin of pytest: only some tests, in this order."""

    def __init__(self, names: Sequence[str]):
        self.rank = {name: rank for rank, name in enumerate(names)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Called by pytest."""
        items[:] = sorted((i for i in items if i.nodeid in self.rank), key=lambda item: self.rank[item.nodeid])


class _Finder(importlib.abc.MetaPathFinder):
    """Gives other sources for some modules: name to path and source."""

    def __init__(self, sources: Mapping[str, tuple[str, str | ast.Module]]):
        self.sources = sources

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name not in self.sources:
            return None
        below, source = self.sources[name]
        file = ROOT / below
        loader = _Loader(name, str(file))
        loader.source = source
        folders = [str(file.parent)] if file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=folders)


class _Loader(importlib.machinery.SourceFileLoader):
    source: str | ast.Module = ""

    def get_code(self, name: str) -> Any:
        return compile(self.source, self.path, "exec")


# --- Processes.


def _forked(job: Callable[[], int], limit: float) -> int | None:
    """What ``job`` returns in a process of its own that sees the libraries and cannot change ours.

    Minus the signal that ended it; None where it waits for ever. ``limit`` is in seconds of computing. Its output goes
    to ``build/mutants/last.txt``, its temporary files to a folder that is removed.
    """
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    child = os.fork()
    if not child:
        _work(job, folder, limit)
    end, code = time.monotonic() + IDLE_TIMES * limit, None
    while code is None and time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        else:
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what it started itself, too
    if code is None:
        os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return code


def _work(job: Callable[[], int], folder: Path, limit: float) -> NoReturn:
    """The child's side of ``_forked``."""
    code = 70
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (LARGEST_MEMORY, LARGEST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        used = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + limit),) * 2)
        tempfile.tempdir = None
        os.environ.update(TMPDIR=str(folder), HYPOTHESIS_STORAGE_DIRECTORY=str(folder / "hypothesis"))
        RESULTS.mkdir(parents=True, exist_ok=True)
        output = os.open(RESULTS / "last.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        code = job()
        sys.stdout.flush()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
