"""The free diarizer is trained on votes, chosen on corpora never trained on, and exported as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.audio import load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, weights_sha256, write_checkpoint
from sedtalker.emotion.diarizer_model import FrameBatch, FrameNetworkConfig
from sedtalker.emotion.frame_network import FrameNetwork
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder_model import EmotionEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.training.corpora import layer_features
from sedtalker.training.corpora.layer_features import Teacher
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.tasks.transfer_diarizer import TransferDiarizerTask, temperature_of
from sedtalker.training.tasks.whitened_perceptrons import Described, enrolled_means
from tests.support.tracks import diarize

SMALL = {"windows": (1.5, 4.0, 20.0), "width": 24, "members": 2, "dropout": 0.1}
CONFIG = {
    "model": SMALL,
    "intensity_width": 8,
    "batch": 48,
    "corpora": {"cremad": 0.95, "emogator": 0.05},
    "copies": {"cremad": (0, 1)},
    "intensities": {"cremad": (0.4, 0.3)},
    "calm": {"librispeech": 1.0},
}


def trained(task: TransferDiarizerTask, steps: int = 120) -> torch.nn.Module:
    task.prepare()
    torch.manual_seed(0)
    model = task.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        losses = task.losses(model.train(), task.batch(np.random.default_rng(step)))
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
    return model.eval()


@pytest.mark.slow
def test_trains_on_the_layers_of_whisper(
    rated_voices: Path, tiny_teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_features, "load_teacher", lambda *_: tiny_teacher)
    task = TransferDiarizerTask({**CONFIG, "encoder": "whisper-base"}, rated_voices, tmp_path / "cache")
    model = trained(task)
    metrics = task.validate(model)
    assert set(metrics) == {"uar_aesdd", "score"}
    assert metrics["score"] > 0.9
    task.export(model, tmp_path / "export", metrics)
    stored = read_config(tmp_path / "export")
    assert stored.licence == "ODbL-1.0"
    assert stored.encoder_sha256 == tiny_teacher.encoder.sha256()
    assert stored.model["layer_channels"] == 32
    nothing, clear, full = stored.model["visible"]
    assert nothing < clear < full, "read speech of validation speakers says what is calm"
    assert stored.model["calm"][0] == task.config.calm_weight
    assert "librispeech (CC BY 4.0)" in stored.trained_on
    assert stored.model["backbone"]["name"] == "openai/whisper-base"
    assert "{" not in (tmp_path / "export" / "README.md").read_text()
    loaded = open_model(tmp_path / "export", "diarizer", in_torch=True)
    for word, code in (("neutral", "NEU"), ("happy", "HAP"), ("angry", "ANG")):
        audio = load_audio(rated_voices / "audio" / "aesdd" / f"3001_DFA_{code}_XX.wav")
        posterior = diarize(loaded, tiny_teacher.encoder(audio), audio.duration).posterior[30]
        known = {name: posterior[CATEGORIES.index(name)] for name in ("neutral", "happy", "angry")}
        assert max(known, key=lambda name: known[name]) == word
    task.config = task.config.model_copy(update={"beside": 0.9})
    task.export(model, tmp_path / "beside", metrics)
    built_in = weights_sha256(builtin_checkpoint("diarizer"))
    assert read_config(tmp_path / "beside").model["beside"] == {
        "weights_sha256": built_in,
        "temperature": 0.9,
        "usual": None,
    }


@pytest.mark.slow
def test_trains_on_an_emotion_encoder(rated_voices: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = EmotionEncoderConfig(stem_channels=8, width=16, channels=12, dilations=(1, 2))
    state = EmotionEncoder(config).state_dict()
    stored = CheckpointConfig(kind="emotion_encoder", licence="ODbL-1.0", trained_on=[], model=config.model_dump())
    write_checkpoint(tmp_path / "encoder", stored, state, "# An encoder\n")
    given = {**CONFIG, "encoder": str(tmp_path / "encoder"), "development": ("uem_es",)}
    task = TransferDiarizerTask(given, rated_voices, tmp_path / "cache")
    model = trained(task, 10)
    metrics = task.validate(model)
    assert set(metrics) == {"uar_cremad", "score"}, "validation speakers where no development corpus is there"
    task.export(model, tmp_path / "export", metrics)
    written = read_config(tmp_path / "export")
    assert written.encoder_sha256 == weights_sha256(tmp_path / "encoder")
    assert written.model["backbone"] is None
    usual = np.array(written.model["usual"])
    assert np.exp(usual).sum() <= 1.0, "a mean of log-posteriors"
    assert usual.argmax() == 0, "neutral clips of these speakers"
    assert open_model(tmp_path / "export", "diarizer", in_torch=True).config.encoder_channels == 12


@pytest.mark.slow
def test_a_frame_network_adds_boundaries_and_nothing_else(rated_voices: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    small = FrameNetworkConfig(hidden=12, width=8, dilations=(1,))
    stored = CheckpointConfig(kind="frame_network", licence="ODbL-1.0", trained_on=[], model=small.model_dump())
    write_checkpoint(tmp_path / "frames", stored, FrameNetwork(small).state_dict(), "# Frames\n")
    sizes = EmotionEncoderConfig(stem_channels=8, width=16, channels=12, dilations=(1, 2))
    encoder = CheckpointConfig(kind="emotion_encoder", licence="ODbL-1.0", trained_on=[], model=sizes.model_dump())
    write_checkpoint(tmp_path / "encoder", encoder, EmotionEncoder(sizes).state_dict(), "# An encoder\n")
    given = {**CONFIG, "encoder": str(tmp_path / "encoder"), "frame_networks": (str(tmp_path / "frames"),)}
    task = TransferDiarizerTask(given, rated_voices, tmp_path / "cache")
    task.export(trained(task, 2), tmp_path / "export", {})
    whole = open_model(tmp_path / "export", "diarizer", in_torch=True)
    plain = DiarizerNetwork(whole.config.model_copy(update={"frame_networks": ()})).eval()
    plain.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("frame_networks")})
    speech = torch.ones(1, 96, dtype=torch.bool)
    batch = FrameBatch(torch.randn(1, 96, 80), torch.rand(1, 96, 4), speech, speech, torch.randn(1, 96, 12))
    with torch.no_grad():
        with_network, without = whole.frames(batch), plain.frames(batch)
    assert torch.equal(with_network.log_posterior, without.log_posterior)
    assert torch.equal(with_network.intensity, without.intensity)
    assert with_network.boundary.min() > 0
    assert not without.boundary.any()


def test_enrolment_is_of_other_clips_of_the_same_speaker() -> None:
    names = [("a", "1", "neutral"), ("a", "1", "neutral"), ("a", "2", "neutral"), ("b", "3", "sad")]
    clips = [Clip("x", Path(f"{clip}.wav"), "en", who, "f", word, "", "", 1.0, "train") for who, clip, word in names]
    speaker = np.array([[0.0], [0.0], [4.0], [9.0]], np.float32)
    described = Described(np.zeros((4, 2), np.float32), speaker, np.ones((4, 2), np.float32))
    means = enrolled_means(described, clips)
    assert means[:2, 0].tolist() == [2.0, 2.0], "another window of the same clip says nothing new"
    assert 0.0 <= means[2, 0] < 4.0
    assert means[3, 0] == 9.0


def test_the_temperature_makes_posteriors_as_sure_as_they_are_right() -> None:
    """Categories drawn from softmax(x / 2) need a temperature of 2, whatever else they are scaled by; a corpus of few
    clips counts as much as one of many, and one without clips does not count."""
    rng = np.random.default_rng(0)

    def corpus(count: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
        scores = rng.normal(scale=3.0, size=(count, 4))
        return scores, (scores / temperature + rng.gumbel(size=scores.shape)).argmax(1)

    sure, unsure = corpus(6000, 1.0), corpus(6000, 2.0)
    assert temperature_of([unsure]) == pytest.approx(2.0, rel=0.06)
    assert temperature_of([(1.5 * unsure[0], unsure[1])]) == pytest.approx(1.5 * temperature_of([unsure]), rel=1e-3)
    between = temperature_of([sure, unsure])
    assert temperature_of([sure]) + 0.1 < between < temperature_of([unsure]) - 0.1
    few = (unsure[0][:600], unsure[1][:600])
    assert temperature_of([sure, few]) == pytest.approx(between, rel=0.06)
    assert temperature_of([sure, (np.zeros((0, 4)), np.zeros(0, np.int64))]) == temperature_of([sure])
    assert temperature_of([]) == 1.0


def test_settings_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nemo: its licence"):
        TransferDiarizerTask({"corpora": {"cremad": 0.9, "nemo": 0.1}}, tmp_path, tmp_path)
    with pytest.raises(InputError, match="three windows"):
        TransferDiarizerTask({"model": {"windows": (1.0, 2.0), "width": 224}}, tmp_path, tmp_path)
    with pytest.raises(InputError, match="none of them has votes"):
        TransferDiarizerTask({"corpora": {"emogator": 1.0}}, tmp_path, tmp_path)
