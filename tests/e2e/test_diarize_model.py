"""``diarize --model``: a classifier of the hub, and a checkpoint on a backbone; tiny random models in local folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.speech.backbone import BackboneConfig, pack_backbone
from tests.e2e.conftest import Result
from tests.support.tiny_backbones import save_diarizer, save_tiny, save_tiny_classifier

Run = Callable[..., Result]


def test_a_classifier_of_the_hub(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    folder = save_tiny_classifier(tmp_path / "model", ["neu", "hap", "fru", "sad"])
    done = sedtalker("diarize", clip, "--model", f"hf:{folder}", "--json", "-o", tmp_path / "track.rttm")
    assert done.code == 0, done.err
    track = json.loads(done.out)
    assert track["labels"] == list(CATEGORIES)
    assert "labels without a category, left out: fru" in done.err
    assert "never answers angry, fear, disgust, surprise" in done.err
    assert "intensity is the built-in diarizer's" in done.err
    assert (tmp_path / "track.rttm").read_text().startswith("SPEAKER")
    again = sedtalker("diarize", clip, "--model", f"hf:{folder}", "--json")
    assert again.out == done.out


def test_a_checkpoint_on_a_backbone(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    source = BackboneConfig(name=str(save_tiny("WavLM", tmp_path / "source")), layer_weights=(0.2, 0.3, 0.5))
    folder = tmp_path / "diarizer"
    save_diarizer(folder, pack_backbone(source, folder), source)
    done = sedtalker("diarize", clip, "--model", folder, "--enroll", clip)
    assert done.code == 0, done.err
    assert "emotion" in done.out
    (folder / "backbone" / "model.safetensors").unlink()
    lost = sedtalker("diarize", clip, "--model", folder)
    assert lost.code == 2
    assert lost.err.startswith("error:")
    assert len(lost.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("hf:no/such/model", "neither a folder nor a name on the hub"),
        ("someone/emotions", "given as hf:someone/emotions"),
    ],
)
def test_models_that_cannot_be_had(sedtalker: Run, clip: Path, model: str, said: str) -> None:
    done = sedtalker("diarize", clip, "--model", model)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_a_classifier_cannot_be_enrolled(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    done = sedtalker("diarize", clip, "--model", f"hf:{tmp_path}", "--enroll", clip)
    assert done.code == 2
    assert "--enroll" in done.err
