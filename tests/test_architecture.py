"""Imports go one way, a file is a chapter, every constant is explained, and the library neither prints nor exits."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path

import pytest

import sedtalker
from tests.support.source_code import FILES, PACKAGE, nodes, tree

ORDER = (
    "cli",
    "studio",
    "server",
    "batch",
    "live",
    "training",
    "export",
    "render",
    "animation",
    "metrics",
    "emotion",
    "face",
    "phonetics",
    "speakers",
    "speech",
    "mesh",
    "audio",
    "nn",
    "models",
    "checkpoint",
    "foreign_weights",
    "storage",
    "staging",
    "processes",
    "reading",
    "progress",
    "plugins",
    "errors",
    "arrays",
    "version",
)
"""Packages from the command line down: each imports those after it, and none before it."""
LONGEST = 450
"""Lines of a file."""
MOST_FILES = 330
"""Modules in the package."""


@cache
def modules() -> dict[str, Path]:
    """Dotted names of all modules and their files."""
    found = {}
    for path in FILES:
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of this package that ``module`` imports anywhere: at the top, in functions, and for types alone."""
    found = set()
    for node in nodes(modules()[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in modules():
                name = name.rpartition(".")[0]
            found.add(name)
    return frozenset(found - {"", module})


def layer(module: str) -> int:
    """Place of a module's package in the order; the package itself and ``__main__`` come before all."""
    name = (module.split(".") + [""])[1]
    return ORDER.index(name) if name in ORDER else -1


def circles() -> Iterator[list[str]]:
    """Sets of modules that import each other, by Tarjan's search."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(module: str) -> Iterator[list[str]]:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(imports(module)):
            if other not in index:
                yield from visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            place = stack.index(module)
            if len(stack) > place + 1:
                yield sorted(stack[place:])
            del stack[place:]

    for module in modules():
        if module not in index:
            yield from visit(module)


def test_every_package_has_its_place() -> None:
    inside = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert inside - {"__init__", "__main__"} == set(ORDER)


def test_imports_go_down() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in modules()
        for other in sorted(imports(module))
        if layer(other) < layer(module)
    ]
    assert wrong == []


def test_no_modules_import_each_other() -> None:
    assert list(circles()) == []


def test_only_the_command_line_imports_training() -> None:
    inside = ("sedtalker.training", "sedtalker.cli")
    wrong = [
        f"{module} imports {other}"
        for module in modules()
        for other in imports(module)
        if other.startswith("sedtalker.training") and not module.startswith(inside)
    ]
    assert wrong == []


def test_nothing_else_is_imported_by_name() -> None:
    """``sedtalker.plugins`` is the one place that imports by name, and what its tables name is there."""
    found = {
        module
        for module, path in modules().items()
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
    }
    assert found == {"sedtalker.plugins"}
    for target in importlib.import_module("sedtalker.plugins").PLUGINS.values():
        assert target in modules()


def test_a_file_is_a_chapter() -> None:
    lengths = {
        str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8").count("\n") for path in modules().values()
    }
    assert {name: count for name, count in lengths.items() if count > LONGEST} == {}


def test_chapters_are_few() -> None:
    assert len(modules()) <= MOST_FILES


def constants(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, names, explained) of each constant of a module: by the string below it, or by a comment at it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    body = tree(path).body
    for node, after in zip_longest(body, body[1:]):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        names = [part.id for part in parts if isinstance(part, ast.Name)]
        names = [name for name in names if re.fullmatch(r"_?[A-Z][A-Z0-9_]*", name)]
        if not names:
            continue
        below = after.value if isinstance(after, ast.Expr) else None
        explained = isinstance(below, ast.Constant) and isinstance(below.value, str)
        near = lines[node.lineno - 1], lines[(node.end_lineno or node.lineno) - 1]
        explained = explained or any("#" in line for line in near) or lines[node.lineno - 2].strip().startswith("#")
        yield node.lineno, " ".join(names), explained


def test_every_constant_is_explained() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {names}"
        for path in modules().values()
        for line, names, explained in constants(path)
        if not explained
    ]
    assert found == []


def test_the_library_neither_prints_nor_exits() -> None:
    """The command line does both; everything else logs, reports to a hook and raises."""
    calls = [
        (module, node.func)
        for module, path in modules().items()
        if layer(module) > ORDER.index("cli")
        for node in nodes(path)
        if isinstance(node, ast.Call)
    ]
    printed = [module for module, call in calls if isinstance(call, ast.Name) and call.id in ("print", "exit", "quit")]
    left = [m for m, call in calls if isinstance(call, ast.Attribute) and ast.unparse(call) in ("sys.exit", "os._exit")]
    assert printed + left == []


def test_the_package_exports_its_nouns() -> None:
    nouns = set(sedtalker.__all__)
    known = "Animation Animator Audio Diarizer EmotionTrack Face Gains InputError Mesh"
    assert nouns >= set(known.split())
    assert list(sedtalker.__all__) == sorted(sedtalker.__all__)
    for noun in nouns - {"__version__"}:
        value = getattr(sedtalker, noun)
        assert value.__module__.startswith("sedtalker."), noun
        assert value.__doc__, noun
    assert nouns <= set(dir(sedtalker))


def test_the_nouns_are_imported_when_they_are_touched() -> None:
    """So that ``import sedtalker`` and the help of a command cost nothing."""
    top = {alias for node in tree(PACKAGE / "__init__.py").body for alias in _top_imports(node)}
    assert top <= {"__future__", "typing", "sedtalker.version"}
    with pytest.raises(AttributeError):
        _ = sedtalker.Nobody
    assert importlib.import_module("sedtalker") is sedtalker


def _top_imports(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
