"""Published heads, on tiny random files of both layouts: read, applied to a Whisper, and refused where they are not."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sedtalker import Audio, Diarizer
from sedtalker.emotion.fine import is_empathic_insight
from sedtalker.emotion.published_models import open_empathic_insight, read_heads
from sedtalker.errors import InputError
from sedtalker.speech.features import analyse
from tests.support.tiny_backbones import WHISPER

LENGTH, WIDTH = 50, 16
"""States of the tiny Whisper: a second of them."""


def head(inputs: int, seed: int) -> nn.Module:
    """A module with the published names: ``proj``, then ReLU, dropout and linear layers in turn as ``mlp``."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.ReLU(), nn.Dropout(0.0)]
    for before, after in ((8, 8), (8, 6), (6, 4)):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.1)]
    return nn.ModuleDict({"proj": nn.Linear(inputs, 8), "mlp": nn.Sequential(*layers, nn.Linear(4, 1))}).eval()


def scored(module: nn.Module, values: torch.Tensor) -> float:
    assert isinstance(module, nn.ModuleDict)
    return float(module["mlp"](module["proj"](values)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A head on all states, and one on pooled states as compiled modules are saved."""
    (tmp_path / "heads").mkdir()
    torch.save(head(LENGTH * WIDTH, 0).state_dict(), tmp_path / "heads" / "model_Jealousy_&_Envy_best.pth")
    named = OrderedDict((f"_orig_mod.{k}", v) for k, v in head(4 * WIDTH, 1).state_dict().items())
    torch.save(named, tmp_path / "heads" / "model_score_speech_quality_best.pth")
    return tmp_path / "heads"


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    import transformers

    torch.manual_seed(0)
    config = transformers.WhisperConfig(**WHISPER, max_source_positions=LENGTH, init_std=0.3)
    transformers.WhisperModel(config).save_pretrained(tmp_path / "whisper")
    return tmp_path / "whisper"


def test_heads_give_what_the_published_modules_give(folder: Path, whisper: Path) -> None:
    made = open_empathic_insight(folder, str(whisper))
    assert list(made.heads) == ["jealousy", "score speech quality"]
    samples = 0.1 * np.random.default_rng(0).standard_normal(12_000).astype(np.float32)
    with torch.no_grad():
        states = made.encoder(made._mel(samples)).last_hidden_state
        pooled = torch.cat([states.mean(1), states.min(1).values, states.max(1).values, states.std(1)], 1)
        wanted = [scored(head(LENGTH * WIDTH, 0), states.flatten(1)), scored(head(4 * WIDTH, 1), pooled)]
    np.testing.assert_allclose(made.scores(samples), wanted, rtol=1e-4, atol=1e-5)


def test_a_diarizer_with_published_heads(folder: Path, whisper: Path) -> None:
    assert is_empathic_insight(folder)
    diarizer = Diarizer.from_pretrained().with_fine(folder, str(whisper))
    sound = Audio(0.1 * np.random.default_rng(0).standard_normal(40_000).astype(np.float32))
    assert diarizer.fine is not None
    features = analyse(torch.from_numpy(sound.samples)).features(np.zeros((125, 4), np.float32))
    curves = diarizer.fine(sound, features)
    assert set(curves) == {"jealousy", "score speech quality"}
    for curve in curves.values():
        assert curve.shape == (len(features),)
        assert ((curve >= 0) & (curve <= 1)).all()


def test_heads_of_another_whisper_are_refused(folder: Path, whisper: Path) -> None:
    torch.save(head(77, 2).state_dict(), folder / "model_Awe_best.pth")
    with pytest.raises(InputError, match=r"the head for awe reads 77 numbers"):
        open_empathic_insight(folder, str(whisper))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"proj.weight": torch.ones(8, 4), "mlp.2.weight": torch.ones(1, 8), "mlp.2.bias": torch.ones(1)}, "proj.bias"),
        (
            {"proj.weight": torch.ones(8, 4), "proj.bias": torch.ones(8), "mlp.2.weight": torch.ones(1, 7)}
            | {"mlp.2.bias": torch.ones(1)},
            "do not follow one another",
        ),
        ({"proj.weight": torch.ones(8, 4), "proj.bias": torch.ones(8)}, "do not follow one another"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, tensors: dict[str, torch.Tensor], said: str) -> None:
    torch.save(tensors, tmp_path / "model_Awe_best.pth")
    with pytest.raises(InputError, match=said):
        read_heads(tmp_path)


def test_a_folder_without_heads(tmp_path: Path) -> None:
    assert not is_empathic_insight(tmp_path)
    with pytest.raises(InputError, match="no heads of Empathic Insight"):
        read_heads(tmp_path)
