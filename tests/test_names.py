"""A name means one thing: how often files, classes and constants of different packages share one may only fall."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.source_code import FILES, PACKAGE, tree

COMMANDS = "cli"
"""Its modules have the names of their commands, which are those of what they call."""
MOST_FILES, MOST_CLASSES, MOST_CONSTANTS = 30, 6, 67
"""Names of files in two packages and more, of public classes defined twice, and of constants defined three times."""
EVERYWHERE = {"__all__", "log", "logger", "app", "FORMATS"}
"""Names that mean the same wherever they stand."""


def definitions(path: Path) -> Iterator[tuple[str, str]]:
    """What a module defines at its top: ``class`` or ``constant``, and the name."""
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield "class", node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(name, ast.Name) and name.id not in EVERYWHERE:
                        yield "constant", name.id


def test_few_names_mean_two_things() -> None:
    places: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in FILES:
        where = path.relative_to(PACKAGE)
        if path.stem != "__init__" and where.parts[0] != COMMANDS:
            places["file", path.stem].append(where)
        for kind, name in set(definitions(path)):
            places[kind, name].append(where)
    limits = {"file": (2, MOST_FILES), "class": (2, MOST_CLASSES), "constant": (3, MOST_CONSTANTS)}
    for kind, (often, most) in limits.items():
        shared = {
            name: [str(p) for p in paths] for (k, name), paths in places.items() if k == kind and len(paths) >= often
        }
        assert len(shared) <= most, f"{len(shared)} names of a {kind} are shared; {most} may be: {shared}"


def test_types_of_arrays_are_declared_once() -> None:
    names = [target for p in FILES for kind, target in definitions(p) if kind == "constant"]
    assert [names.count(name) for name in ("Floats", "Doubles", "Reals", "Ints", "Mask")] == [1] * 5
