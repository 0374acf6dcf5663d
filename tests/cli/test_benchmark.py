"""``sedtalker benchmark``: what it prints and writes. The measurements are replaced: they take a minute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sedtalker.cli.main import app

RUN = CliRunner()
REPORT: dict[str, Any] = {
    "figures": {"help_s": 0.3, "rss_hour_gb": 1.2},
    "estimated": {"rss_hour_gb": "a straight line"},
    "absent": {"render_speedup": "not in the package"},
    "pipeline": [
        {"length": 20.0, "threads": 1, "peak_bytes": 4e8, "stages": {"decoder": {"seconds": 0.2, "cpu_seconds": 0.2}}}
    ],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []

    def measured(quick: bool, mesh: Any, threads: list[int], **_: Any) -> dict[str, Any]:
        found.append((quick, mesh, threads))
        return REPORT

    monkeypatch.setattr("sedtalker.benchmark.run.run_benchmark", measured)
    return found


def test_json_has_the_figures_at_the_top(asked: list[tuple[Any, ...]]) -> None:
    done = RUN.invoke(app, ["benchmark", "--quick", "--json", "-q"])
    assert done.exit_code == 0
    printed = json.loads(done.stdout)
    assert printed["help_s"] == 0.3
    assert printed["estimated"] == {"rss_hour_gb": "a straight line"}
    assert asked == [(True, None, [1, 2])]


def test_a_table_says_what_was_estimated_and_what_is_absent(asked: list[tuple[Any, ...]]) -> None:
    done = RUN.invoke(app, ["benchmark", "--quick", "-q", "--threads", "4"])
    assert "estimated: a straight line" in done.stdout
    assert "not measured: not in the package" in done.stdout
    assert asked[0][2] == [4]


def test_a_folder_holds_json_tables_and_plot(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    folder = tmp_path / "speed"
    assert RUN.invoke(app, ["benchmark", "-q", "-o", str(folder)]).exit_code == 0
    assert json.loads((folder / "benchmark.json").read_text())["figures"] == REPORT["figures"]
    assert "| decoder | 0.20 |" in (folder / "benchmark.md").read_text()
    assert (folder / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    again = RUN.invoke(app, ["benchmark", "-q", "-o", str(folder)])
    assert again.exit_code == 2
    assert len(asked) == 1


@pytest.mark.parametrize("threads", ["0", "two", "1,,2", ""])
def test_threads_are_whole_numbers(threads: str, asked: list[tuple[Any, ...]]) -> None:
    done = RUN.invoke(app, ["benchmark", "--threads", threads])
    assert done.exit_code == 2
    assert not asked
