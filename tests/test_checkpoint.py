from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ConfigDict

from sedtalker.checkpoint import (
    CheckpointConfig,
    is_checkpoint,
    read_checkpoint,
    read_config,
    restored,
    weights_sha256,
    write_checkpoint,
)
from sedtalker.errors import InputError


class Tiny(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = 4


CONFIG = CheckpointConfig(
    kind="decoder", licence="Apache-2.0", trained_on=["our own"], encoder_sha256=None, model={"width": 3}
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = {"w": torch.arange(6.0).reshape(2, 3).T, "n": torch.tensor([3])}
    write_checkpoint(tmp_path / "c", CONFIG, state, "# card\n")
    model, loaded = read_checkpoint(tmp_path / "c", "decoder", Tiny)
    assert read_config(tmp_path / "c") == CONFIG
    assert model.width == 3
    assert loaded["w"].dtype == torch.float32
    assert torch.equal(loaded["w"], state["w"])
    assert torch.equal(loaded["n"], state["n"])


def test_every_way_to_be_wrong_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with pytest.raises(InputError, match="not a checkpoint folder"):
        read_config(folder)
    write_checkpoint(folder, CONFIG, {"w": torch.zeros(1)}, "")
    with pytest.raises(InputError, match="give one of kind diarizer"):
        read_checkpoint(folder, "diarizer", Tiny)
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(folder, "decoder", Tiny)
    (folder / "config.json").write_text('{"kind": "decoder", "surprise": 1}')
    with pytest.raises(InputError, match=r"config\.json is not valid"):
        read_config(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_config(folder)


def test_a_network_is_restored_from_its_weights(tmp_path: Path) -> None:
    state = torch.nn.Linear(3, 2).state_dict()
    network = restored(lambda: torch.nn.Linear(3, 2), state, tmp_path)
    assert torch.equal(network.weight, state["weight"])
    assert not network.training
    assert not network.weight.requires_grad
    for make in (lambda: torch.nn.Linear(4, 2), lambda: torch.nn.Linear(10**7, 10**7), lambda: torch.nn.ReLU()):
        with pytest.raises(InputError, match=r"the weights are not those of config\.json: (weight|bias) \("):
            restored(make, state, tmp_path)
    with pytest.raises(InputError, match="describes no network"):
        restored(lambda: torch.nn.Linear(-3, 2), state, tmp_path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "c", CONFIG, {"w": torch.zeros(1)}, "old")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    for name in ("c", "d"):
        with pytest.raises(InputError, match="No space left on device"):
            write_checkpoint(tmp_path / name, CONFIG, {"w": torch.ones(1)}, "new")
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before
    assert not (tmp_path / "d").exists()


def test_a_config_that_is_not_text_and_missing_weights_are_one_line(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", CONFIG, {"w": torch.zeros(1)}, "")
    (tmp_path / "c" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="is missing"):
        weights_sha256(tmp_path / "c")
    (tmp_path / "c" / "config.json").write_text("{}", encoding="utf-16")
    with pytest.raises(InputError, match=r"config\.json is not valid"):
        read_config(tmp_path / "c")
    assert not is_checkpoint(tmp_path / "c")


def test_the_folder_of_a_run_is_no_checkpoint_and_its_export_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"task": {}}')
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"the folder of a training run; its checkpoint is .*export"):
        read_config(tmp_path)
