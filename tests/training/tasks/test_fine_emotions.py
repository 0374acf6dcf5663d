"""The heads for fine-grained emotions are trained on bursts and votes, and exported for a diarizer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.checkpoint import CheckpointConfig, read_config, weights_sha256, write_checkpoint
from sedtalker.emotion.network import FineNetwork
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder_model import EmotionEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.training.tasks.fine_emotions import BURSTS, VOTED, FineEmotionsTask, voted_log_shares
from tests.training.tasks.test_transfer_diarizer import trained

KIND = {"NEU": 18, "HAP": 2, "ANG": 3}
"""Numbers of EmoGator's kinds: neutral, amusement, anger."""
SMALL = {"model": {"width": 16, "dropout": 0.1, "seconds": 1.0}, "batch": 48}


@pytest.fixture
def bursts_and_votes(rated_voices: Path) -> Path:
    """The rated voices, and bursts of three kinds by a training speaker and one held out."""
    manifest = rated_voices / "audio" / "manifest.csv"
    rows = [row for row in manifest.read_text().splitlines() if not row.startswith("emogator")]
    for speaker, split in (("000001", "train"), ("000002", "valid")):
        for code, number in KIND.items():
            for take in (1, 2, 3):
                name = f"{speaker}-{number:02d}-{take}.wav"
                sentence = ("DFA", "IEO", "TIE")[take - 1]
                source = rated_voices / "audio" / "cremad" / f"{1001 + (split == 'valid')}_{sentence}_{code}_XX.wav"
                shutil.copy(source, rated_voices / "audio" / "emogator" / name)
                rows.append(f"emogator,{name},nonverbal,{speaker},,other:burst,,,1.4,{split}")
    manifest.write_text("\n".join(rows) + "\n")
    return rated_voices


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = EmotionEncoderConfig(stem_channels=8, width=16, channels=12, dilations=(1, 2))
    stored = CheckpointConfig(kind="emotion_encoder", licence="ODbL-1.0", trained_on=[], model=config.model_dump())
    write_checkpoint(tmp_path / "encoder", stored, EmotionEncoder(config).state_dict(), "# An encoder\n")
    return tmp_path / "encoder"


def test_trains_on_bursts_and_votes(bursts_and_votes: Path, encoder: Path, tmp_path: Path) -> None:
    task = FineEmotionsTask({**SMALL, "encoder": str(encoder)}, bursts_and_votes, tmp_path / "cache")
    model = trained(task, 60)
    assert isinstance(model, FineNetwork)
    batch = task.batch(np.random.default_rng(0))
    assert ((batch["kind"] >= 0) ^ batch["share"].any(1)).all(), "of a clip either the kind or the votes are known"
    metrics = task.validate(model)
    assert set(metrics) == {"kinds_pearson", "kinds_accuracy", "votes_pearson", "score"}
    assert metrics["kinds_accuracy"] > 0.9
    assert metrics["votes_pearson"] > 0.8
    task.export(model, tmp_path / "export", metrics)
    stored = read_config(tmp_path / "export")
    assert (stored.kind, stored.licence) == ("fine_emotions", "ODbL-1.0")
    assert stored.encoder_sha256 == weights_sha256(encoder)
    assert open_model(tmp_path / "export", "fine_emotions", in_torch=True).config.kinds == BURSTS
    assert "{" not in (tmp_path / "export" / "README.md").read_text()


def test_trains_on_the_layers_of_whisper(
    bursts_and_votes: Path, tiny_teacher: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sedtalker.training.corpora.layer_features.load_teacher", lambda *_: tiny_teacher)
    task = FineEmotionsTask({**SMALL, "encoder": "whisper-base"}, bursts_and_votes, tmp_path / "cache")
    model = trained(task, 5)
    assert isinstance(model, FineNetwork)
    assert model.config.hidden_channels == 8
    task.export(model, tmp_path / "export", {})
    assert read_config(tmp_path / "export").encoder_sha256 == tiny_teacher.encoder.sha256()  # type: ignore[attr-defined]


def test_what_stands_for_a_category_counts_together() -> None:
    shares = voted_log_shares(torch.log_softmax(torch.zeros(1, len(BURSTS)), 1)).exp()[0]
    assert shares[list(VOTED).index("happy")] == pytest.approx(2 / 30), "amusement and elation together"
    assert shares[list(VOTED).index("sad")] == pytest.approx(1 / 30)


def test_a_rated_voice_is_of_the_kinds_that_raters_could_choose(
    bursts_and_votes: Path, encoder: Path, tmp_path: Path
) -> None:
    task = FineEmotionsTask({**SMALL, "encoder": str(encoder)}, bursts_and_votes, tmp_path / "cache")
    model = trained(task, 1)
    rated = torch.from_numpy(task.rows[task.kind < 0][:4])
    batch = {"rows": rated, "kind": torch.full((4,), -1), "share": torch.from_numpy(task.share[task.kind < 0][:4])}
    before = task.losses(model, batch)["total"]

    class Awed(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.eye(len(BURSTS))[[BURSTS.index("awe")] * len(rows)] * 9.0

    assert task.losses(Awed(), batch)["total"] > before


def test_corpora_without_a_free_licence_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ravdess"):
        FineEmotionsTask({"corpora": {"ravdess": 1.0}}, tmp_path, tmp_path)
