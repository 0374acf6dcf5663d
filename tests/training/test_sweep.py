"""Sweeps and their table, and every config of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sedtalker.errors import InputError
from sedtalker.training.loop import write_config
from sedtalker.training.run import as_markdown, combinations, results_table, sweep
from tests.training.tasks.test_vertex_decoder import OVERRIDES


def test_every_combination_of_the_listed_values() -> None:
    made = combinations(["experiment=decoder", "trainer.lr=1e-3,2e-3", "trainer.seed=range(0,3)"])
    assert len(made) == 6
    assert made[0] == ["experiment=decoder", "trainer.lr=0.001", "trainer.seed=0"]
    with pytest.raises(InputError):
        combinations(["trainer.lr=[1"])


def made_run(folder: Path, lr: float, scores: list[float]) -> Path:
    write_config(folder, {"trainer": {"lr": lr, "run_dir": str(folder)}, "task": {"name": "x"}})
    lines = [{"kind": "valid", "step": 10 * (i + 1), "mve_mm": 1 - s, "score": s} for i, s in enumerate(scores)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_the_table_shows_what_differs_and_the_best_first(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / "a", 1e-3, [0.25, 0.5]), made_run(tmp_path / "b", 2e-3, [0.75, 0.5])]
    table = results_table(runs)
    assert table == [
        {"run": "b", "trainer.lr": 2e-3, "step": 10, "mve_mm": 0.25, "score": 0.75},
        {"run": "a", "trainer.lr": 1e-3, "step": 20, "mve_mm": 0.5, "score": 0.5},
    ]
    assert "| b | 0.002 | 10 | 0.25 | 0.75 |" in as_markdown(table)
    with pytest.raises(InputError, match="not the folder of a run"):
        results_table([tmp_path])


@pytest.mark.training
def test_a_sweep_trains_and_tells(miniature_emovoca: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    overrides = [
        *("experiment=vertex_decoder", f"data={miniature_emovoca}", f"cache={tmp_path / 'cache'}", *OVERRIDES),
        *(
            "trainer.steps=4",
            "trainer.validate_every=4",
            "trainer.lr=1e-3,1e-2",
            f"trainer.run_dir={tmp_path / 'runs'}",
        ),
    ]
    table = sweep(overrides)
    assert {row["trainer.lr"] for row in table} == {1e-3, 1e-2}
    assert (tmp_path / "runs" / "results.md").read_text() == as_markdown(table)
    assert (tmp_path / "runs" / "1" / "export" / "model.safetensors").is_file()
    caplog.set_level("INFO")
    assert sweep(overrides) == table
    assert caplog.messages.count("resumed at step 4 of 4: trained already, only exported again") == 2
