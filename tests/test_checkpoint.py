from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, ConfigDict

from sedtalker.checkpoint import CheckpointConfig, read_checkpoint, read_config, write_checkpoint
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
    config, model, loaded = read_checkpoint(tmp_path / "c", "decoder", Tiny)
    assert config == CONFIG
    assert model.width == 3
    assert loaded["w"].dtype == torch.float32
    assert torch.equal(loaded["w"], state["w"])
    assert torch.equal(loaded["n"], state["n"])


def test_every_way_to_be_wrong_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with pytest.raises(InputError, match="not a checkpoint folder"):
        read_config(folder)
    write_checkpoint(folder, CONFIG, {"w": torch.zeros(1)}, "")
    with pytest.raises(InputError, match="a diarizer checkpoint is needed"):
        read_checkpoint(folder, "diarizer", Tiny)
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(folder, "decoder", Tiny)
    (folder / "config.json").write_text('{"kind": "decoder", "surprise": 1}')
    with pytest.raises(InputError, match=r"config\.json is not valid"):
        read_config(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="is not valid"):
        read_config(folder)
