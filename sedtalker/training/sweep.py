"""Many runs from one command, and a table of what came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.storage import whole_file
from sedtalker.training.loop import CONFIG, read_log
from sedtalker.training.run import compose, leads, train


@dataclass(frozen=True)
class ResultsTable:
    """A row a run: ``run``, the settings that differ, ``step`` of the best validation and its figures."""

    rows: list[dict[str, Any]]

    def markdown(self) -> str:
        """The table as Markdown, best score first."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        for row in self.rows:
            lines.append("| " + " | ".join(_shown(row.get(name)) for name in columns) + " |")
        return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def combinations(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of the values that overrides list (``a=1,2``, ``a=range(0,3)``), as Hydra's own sweeper has it.

    Raises:
        InputError: an override is not Hydra's grammar.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise InputError(str(error).splitlines()[0]) from None
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [list(one) for one in batch]


def sweep(overrides: Sequence[str], report: Callable[[str], None] = lambda line: None) -> ResultsTable:
    """Train every combination in ``trainer.run_dir/0``, ``1`` …; writes ``results.md`` and ``results.json`` there.

    Started again, it goes on where it was: finished runs are not repeated.
    """
    every = [(one, compose(one)) for one in combinations(overrides)]
    root = Path(every[0][1]["trainer"]["run_dir"])
    for number, (one, config) in enumerate(every):
        config["trainer"]["run_dir"] = str(root / str(number))
        report(f"run {number + 1} of {len(every)}: {' '.join(one)}")
        train(config, report)
    table = results_table([root / str(number) for number in range(len(every))])
    if leads():
        for name, text in (("results.md", table.markdown()), ("results.json", json.dumps(table.rows, indent=2) + "\n")):
            with whole_file(root / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return table


def results_table(runs: Sequence[Path]) -> ResultsTable:
    """The runs, best score first, with the settings in which they differ.

    Raises:
        InputError: a folder is no run, or was never validated.
    """
    settings, rows = [], []
    for run in runs:
        try:
            settings.append(_flat(json.loads((run / CONFIG).read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            raise InputError(f"{run}: not the folder of a run (no {CONFIG})") from None
        valid = [row for row in read_log(run) if row["kind"] == "valid"]
        if not valid:
            raise InputError(f"{run}: was never validated")
        best = max(valid, key=lambda row: row["score"])
        rows.append({name: value for name, value in best.items() if name != "kind"})
    names = sorted({name for one in settings for name in one} - {"trainer.run_dir"})
    differ = [name for name in names if len({json.dumps(one.get(name)) for one in settings}) > 1]
    made = [
        {"run": run.name} | {name: one.get(name) for name in differ} | row
        for run, one, row in zip(runs, settings, rows, strict=True)
    ]
    return ResultsTable(sorted(made, key=lambda row: -row["score"]))


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            out |= _flat(inner, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = inner
    return out
