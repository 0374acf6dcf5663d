"""Weights in and out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.cli.main import app
from sedtalker.training.loop import write_config

runner = CliRunner()
ROOT = Path(__file__).parents[2]


def run(*arguments: object):
    return runner.invoke(app, ["checkpoint", *map(str, arguments)])


class Runs:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def test_foreign_weights_become_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"module.a.weight": torch.arange(6.0).reshape(2, 3), "module.b": torch.ones(4).bfloat16()}
    weights["module.c"] = torch.tensor(2)
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "old.pth")
    with monkeypatch.context() as only_shapes:
        only_shapes.setattr(safetensors.torch, "load_file", None)
        result = run("convert", tmp_path / "old.pth", tmp_path / "new.safetensors", "--json")
    assert json.loads(result.stdout) == {"a.weight": [2, 3], "b": [4], "c": []}
    assert torch.equal(load_file(tmp_path / "new.safetensors")["a.weight"], weights["module.a.weight"])
    again = run("convert", tmp_path / "old.pth", tmp_path / "new.safetensors")
    assert (again.exit_code, "--force" in again.stderr) == (2, True)


@pytest.mark.slow
def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.ones(1)}, "extra": Runs()}, "bad.pth")
    result = run("convert", "bad.pth", "out.safetensors")
    assert result.exit_code == 2
    assert "not weights alone" in result.stderr
    assert not Path("ran").exists()
    assert not Path("out.safetensors").exists()


@pytest.mark.slow
def test_converted_weights_have_to_fit_the_folder_they_are_like(tmp_path: Path) -> None:
    decoder = builtin_checkpoint("decoder")
    state = {name: value + 1 for name, value in load_file(decoder / "model.safetensors").items()}
    torch.save(state, tmp_path / "old.pt")
    assert run("convert", tmp_path / "old.pt", tmp_path / "made", "--like", decoder).exit_code == 0
    assert read_config(tmp_path / "made").kind == "decoder"
    assert read_config(tmp_path / "made").metrics == {}
    made = load_file(tmp_path / "made" / "model.safetensors")
    assert all(torch.equal(made[name], value) for name, value in state.items())
    state.pop(sorted(state)[0])
    torch.save(state, tmp_path / "less.pt")
    result = run("convert", tmp_path / "less.pt", tmp_path / "other", "--like", decoder)
    assert result.exit_code == 2
    assert "missing" in result.stderr
    assert not (tmp_path / "other").exists()


def made_run(folder: Path, score: float) -> Path:
    (folder / "export").mkdir(parents=True)
    (folder / "export" / "README.md").write_text("# Some weights\n")
    (folder / "export" / "model.safetensors").write_bytes(b"weights")
    write_config(folder, {"task": {"name": "x", "width": 3}, "trainer": {"run_dir": str(folder), "lr": score}})
    (folder / "log.jsonl").write_text(json.dumps({"kind": "valid", "step": 5, "score": score}) + "\n")
    return folder


def test_an_exported_run_tells_how_it_was_made(tmp_path: Path) -> None:
    result = run("export", made_run(tmp_path / "run", 0.5), tmp_path / "given")
    assert result.exit_code == 0
    card = (tmp_path / "given" / "README.md").read_text()
    assert card.startswith("# Some weights\n")
    assert "| 5 | 0.5 |" in card
    assert '"width": 3' in card
    assert str(tmp_path) not in card
    assert (tmp_path / "given" / "model.safetensors").read_bytes() == b"weights"
    assert run("export", tmp_path / "run", tmp_path / "given").exit_code == 2
    assert "no finished run" in run("export", tmp_path, tmp_path / "x").stderr


PARTS = {"transfer": "diarizer", "transfer_whisper_base": "diarizer_whisper_base"} | {
    name: name for name in ("decoder", "decoder_whisper_base")
}
"""Parts of ``docs/results.json``, and the weights they are of."""


@pytest.mark.parametrize("part", PARTS)
def test_the_figures_shown_are_those_of_the_results_page(part: str) -> None:
    results = json.loads((ROOT / "docs" / "results.json").read_text(encoding="utf-8"))
    measured = results[part].get("summary", results[part])
    lines = run("inspect", PARTS[part]).stdout.splitlines()
    first = lines.index("on data that was never trained on (docs/results.md):") + 1
    shown = {line.split()[0]: float(line.split()[1]) for line in lines[first:]}
    assert len(shown) > 10
    assert shown == pytest.approx({key: measured[key] for key in shown}, rel=1e-3)
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    rows = {cells[1].strip(" `"): cells for line in page.splitlines() if len(cells := line.split("|")) > 5}
    assert all(f" {measured[key]:.3f} " in rows[key] for key in shown)
    assert all(len(line.split()) > 3 for line in lines[first:]), "each says what it is"
    described = json.loads(run("inspect", PARTS[part], "--json").stdout)
    assert described["held_out"] == {key: measured[key] for key in shown}


def test_validation_figures_are_shown_only_where_there_are_no_others() -> None:
    decoder, encoder = (run("inspect", name).stdout for name in ("decoder", "speech_encoder"))
    assert "validation" not in decoder
    assert "validation data, used for choices and therefore too good" in encoder
    assert json.loads(run("inspect", "decoder", "--json").stdout)["metrics"]["lip_r"] == 0.9601


def test_the_list_shows_held_out_figures_of_the_diarizer() -> None:
    listed = runner.invoke(app, ["models", "list"]).stdout.split("\n\n")
    diarizer = next(block for block in listed if block.startswith("diarizer "))
    assert "held out     zero_shot_uar 0.409" in diarizer


def test_runs_in_a_table(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / name, score) for name, score in (("a", 0.25), ("b", 0.75))]
    rows = json.loads(run("table", *runs, "--json").stdout)
    assert [row["run"] for row in rows] == ["b", "a"]
    assert run("table", tmp_path).exit_code == 2
