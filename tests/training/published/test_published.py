"""The published recipes with the real Hugging Face classes, tiny, with random weights."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from sedtalker.checkpoint import read_config
from sedtalker.emotion.taxonomy import SEDTALKER_PAPER
from sedtalker.errors import InputError
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.published import published_diarizer
from sedtalker.training.published.published_decoder import (
    EMOTIONS,
    PublishedDecoder,
    PublishedDecoderTask,
    PublishedDecoderTaskConfig,
    collapse,
)
from sedtalker.training.published.published_diarizer import (
    PublishedDiarizerTask,
    open_backbone,
    open_recogniser,
    published_label,
    random_crop,
)
from sedtalker.training.run import compose
from tests.support.tiny_backbones import save_tiny


def task_config(name: str, **changes: object) -> dict[str, object]:
    config = compose([f"experiment=sedtalker_paper/{name}", "trainer.run_dir=unused"])
    task = dict(config["task"]) | changes
    assert task.pop("name") == f"published_{name}"
    return task


def test_the_settings_are_the_published_ones() -> None:
    decoder = compose(["experiment=sedtalker_paper/decoder", "trainer.run_dir=x"])
    diarizer = compose(["experiment=sedtalker_paper/diarizer", "trainer.run_dir=x"])
    task, trainer = decoder["task"], decoder["trainer"]
    assert [task[k] for k in ("width", "heads", "experts")] == [512, 8, 2]
    weights = ("vertex_weight", "velocity_weight", "lip_weight", "text_weight")
    assert [task[k] for k in weights] == [1000, 1000, 0.001, 0.0001]
    assert (trainer["lr"], trainer["betas"], trainer["weight_decay"]) == (1e-4, [0.9, 0.999], 0.0)
    assert diarizer["task"]["encoder"] == "microsoft/wavlm-base-plus"
    assert diarizer["task"]["clips"] * diarizer["trainer"]["accumulate"] == 32


def test_the_published_seven_classes() -> None:
    words = {"Anger": "angry", "calm": "neutral", "frustration": "upset", "fearful": "fear", "surprise": None}
    named = {w: None if (k := published_label(w)) is None else SEDTALKER_PAPER[k] for w in words}
    assert named == words


def test_ctc_collapses_repetitions_and_drops_blanks() -> None:
    assert collapse(torch.tensor([0, 5, 5, 0, 5, 7, 7, 0])).tolist() == [5, 5, 7]


def test_the_decoder_trains_with_every_published_loss(miniature_emovoca: Path, tmp_path: Path) -> None:
    tiny = str(save_tiny("Wav2Vec2", tmp_path / "tiny"))
    ctc = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config.from_pretrained(tiny))
    ctc.save_pretrained(tmp_path / "letters")
    with pytest.raises(InputError, match="recognises no letters"):
        open_recogniser(tiny)
    config = task_config(
        "decoder",
        encoder=tiny,
        recogniser=str(tmp_path / "letters"),
        width=32,
        heads=2,
        lip_layers=1,
        valid=1,
        emotions=["Smile2", "Sad1"],
    )
    task = PublishedDecoderTask(config, miniature_emovoca, tmp_path / "cache")
    task.prepare()
    model = task.build()
    assert isinstance(model, PublishedDecoder)
    batch = task.batch(np.random.default_rng(0))
    assert batch["vertices"].shape[1] == pytest.approx(1.6 * 30, rel=0.2)
    losses = task.losses(model, batch)
    assert {"vertices", "velocity", "lips", "text", "total"} == set(losses)
    still = (batch["vertices"] - batch["template"][:, None]).square().mean()
    assert losses["vertices"].item() == pytest.approx(still.item(), rel=1e-4), "it starts as a still face"
    config2 = TrainerConfig(steps=3, run_dir=str(tmp_path / "run"), lr=1e-3, warmup=0, clip=0.0, accelerator="cpu")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    metrics = fit(task, config2)
    assert {"mve_mm", "static_mve_mm", "lve_mm2", "eve_mm2", "fdd_mm"} <= set(metrics)
    described = read_config(tmp_path / "run" / "export")
    assert described.kind == "published_decoder"
    assert described.licence == "LicenseRef-own-recordings"
    after = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("encoder.encoder.layers") for name in moved)
    assert not any(name.startswith("encoder.feature_extractor") for name in moved)


@pytest.mark.slow
def test_the_diarizer_trains_on_utterance_labels(buzzing_voices: Path, tmp_path: Path) -> None:
    tiny = str(save_tiny("WavLM", tmp_path / "tiny"))
    config = task_config("diarizer", encoder=tiny, frozen_layers=1, seconds=1.0)
    task = PublishedDiarizerTask(config, buzzing_voices, tmp_path / "cache")
    task.prepare()
    batch = task.batch(np.random.default_rng(0))
    assert task.build()(batch["audio"]).shape == (4, 49, 7)
    assert task.weight[SEDTALKER_PAPER.index("happy")] == pytest.approx(1.0)
    assert task.weight[SEDTALKER_PAPER.index("fear")] == 0.0
    trainer = TrainerConfig(
        steps=160, threads=1, run_dir=str(tmp_path / "run"), lr=3e-3, warmup=0, validate_every=30, accelerator="cpu"
    )
    metrics = fit(task, trainer)
    assert metrics["frame_accuracy"] > 0.6
    assert read_config(tmp_path / "run" / "export").kind == "published_diarizer"


def test_an_encoder_that_is_not_there_is_said_before_hours_of_decoding(
    buzzing_voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WaveformStore, "open", None)
    task = PublishedDiarizerTask(task_config("diarizer", encoder=str(tmp_path)), buzzing_voices, tmp_path / "cache")
    with pytest.raises(InputError, match="the model cannot be loaded"):
        task.prepare()


def test_nothing_is_drawn_but_by_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = open_backbone(str(save_tiny("WavLM", tmp_path / "tiny")), "wavlm").model.train()
    audio, outputs = torch.randn(1, 32_000), []
    for seed in range(2):
        np.random.seed(seed)
        torch.manual_seed(0)
        outputs.append(encoder(audio).last_hidden_state)
    assert torch.equal(*outputs)
    monkeypatch.setattr(
        published_diarizer, "XLSR_LARGE", {**transformers.Wav2Vec2Config.from_pretrained(tmp_path / "tiny").to_dict()}
    )
    first, second = (open_recogniser("random").state_dict() for _ in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_crops_have_one_length() -> None:
    rng = np.random.default_rng(0)
    long, short = np.arange(100, dtype=np.float32), np.arange(3, dtype=np.float32)
    crop = random_crop(long, 10, rng)
    assert (np.diff(crop) == 1).all()
    assert random_crop(short, 7, rng).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_every_word_of_the_settings_has_a_vector() -> None:
    config = PublishedDecoderTaskConfig(emotions=(*EMOTIONS, "Fear"), width=8, heads=2, recogniser=None)
    encoder = SimpleNamespace(config=SimpleNamespace(hidden_size=8))
    network = PublishedDecoder(encoder, 2, torch.zeros(0), config)
    assert network.emotion(torch.tensor([6])).shape == (1, 8)


def test_no_more_is_validated_on_than_is_asked_for(
    buzzing_voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_diarizer, "open_backbone", lambda *_: SimpleNamespace(layers=range(9)))
    valid = [clip for clip in read_manifest(buzzing_voices) if clip.split == "valid"]
    task = PublishedDiarizerTask({"valid": len(valid) - 1}, buzzing_voices, tmp_path / "cache")
    task.prepare()
    assert len(task.valid) == len(valid) - 1 > len(valid) / 2


def test_a_corpus_that_is_not_there_is_named(buzzing_voices: Path, tmp_path: Path) -> None:
    task = PublishedDiarizerTask({"corpora": ["made", "cremad"]}, buzzing_voices, tmp_path / "cache")
    with pytest.raises(InputError, match="no clips of cremad"):
        task.prepare()
