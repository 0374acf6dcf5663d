"""Small faults of a source: one application of an operator of cosmic-ray each, drawn by chance; for ``mutants.py``."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
OPERATORS = (
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Mod_Mul", "Pow_Mul", "BitAnd_BitOr", "BitOr_BitAnd")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt")),
    *(f"ReplaceUnaryOperator_Delete_{name}" for name in ("USub", "Invert", "Not")),
    *("AddNot", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer"),
    "ZeroIterationForLoop",
)
"""Operators of cosmic-ray, without replacements that nearly always raise a TypeError and would
flatter the figure, and without the removal of decorators (caches, ``no_grad``), which mostly changes only speed."""


@dataclass(frozen=True)
class Mutant:
    """One fault: the operator's ``index``-th application in a file.

    Attributes:
        path: the file, below the root.
        source: what the file becomes.
        line: where, from 1.
        before, after: that line, without spaces around.
    """

    path: str
    operator: str
    source: str
    line: int
    before: str
    after: str

    @property
    def package(self) -> str:
        """Such as ``audio``."""
        return self.path.split("/")[1]

    @property
    def module(self) -> str:
        """Such as ``sedtalker.audio.pipe``."""
        return module_of(self.path)


def module_of(path: str) -> str:
    """The module in a file, such as ``sedtalker.audio.pipe``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def mutants(path: str) -> list[Callable[[], Mutant | None]]:
    """All mutants of a file, made when called; None is one that leaves the program as it is."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator

    text = (ROOT / path).read_text(encoding="utf-8")
    tree, found = get_ast(text), list[Callable[[], Mutant | None]]()
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = [place for node in ast_nodes(tree) for place in operator.mutation_positions(node)]
        found += [lambda n=name, i=i, at=at: _mutant(path, text, n, i, at[0][0]) for i, at in enumerate(places)]
    return found


def _mutant(path: str, text: str, name: str, index: int, line: int) -> Mutant | None:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    try:
        changed = mutate_code(text, get_operator(f"core/{name}")(), index)
        if changed is None or meaning(changed) == meaning(text):
            return None
    except (SyntaxError, AttributeError):  # ``**`` before a mapping is no power; an exception may have a dotted name
        return None
    before, after = (source.splitlines()[line - 1].strip() for source in (text, changed))
    return Mutant(path, name, changed, line, before, after)


def meaning(text: str) -> str:
    """The program without annotations, which are not evaluated (``from __future__ import annotations``)."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.dump(tree)


def draw(files: Sequence[str], count: int, chance: random.Random) -> list[Mutant]:
    """``count`` mutants of some files (0: all), from each by its share of all mutants, in random order within it."""
    pools = {path: mutants(path) for path in files}
    total = sum(map(len, pools.values()))
    drawn, ahead = list[Mutant](), 0.0
    for path in files:
        chance.shuffle(pools[path])
        # The running sum of the shares, rounded: as many as asked for in all, and small modules get their turn.
        ahead += len(pools[path]) * min(1.0, count / total if count else 1.0) if total else 0.0
        possible = (mutant for make in pools[path] if (mutant := make()) is not None)
        drawn += [mutant for mutant, _ in zip(possible, range(round(ahead) - len(drawn)), strict=False)]
    return drawn
