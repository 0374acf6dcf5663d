"""The package's own code, parsed once for all tests that read it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import sedtalker

PACKAGE = Path(sedtalker.__file__).parent
"""Its folder."""
FILES = tuple(sorted(PACKAGE.rglob("*.py")))
"""Its modules."""


@cache
def tree(path: Path) -> ast.Module:
    """What a module says; to be read only."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a module, as ``ast.walk`` gives them."""
    return tuple(ast.walk(tree(path)))
