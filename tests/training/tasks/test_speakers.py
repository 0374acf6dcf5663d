"""The speaker network is trained by the loop that trains everything, and runs as a graph afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sedtalker.audio import from_samples
from sedtalker.export.onnx_graphs import write_graphs
from sedtalker.nn.engine import open_model
from sedtalker.speakers.speaker_model import GraphSpeakers, encoder_vectors
from sedtalker.speech.features import analysis_of
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.tasks import speakers
from sedtalker.training.tasks.speakers import DeviceVectors, SpeakersTask, equal_error_rate

SMALL = {
    "stem_channels": 8,
    "width": 16,
    "dilations": [1, 2],
    "voice": 8,
    "activity_width": 8,
    "activity_dilations": [1, 2],
}


CONFIG = {
    "model": SMALL,
    "corpora": {"made": 1.0},
    "licence_check": False,
    "dialogues": 4,
    "seconds": 3.0,
    "crops": 6,
}
READS_VECTORS = {"vectors": 488, "kept": 4, "heads": 2}


def test_dialogues_in_which_nobody_speaks_alone_for_long_have_a_loss(
    buzzing_voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speakers, "FEWEST_FRAMES", 1000)
    task = SpeakersTask(CONFIG, buzzing_voices, tmp_path / "cache")
    task.prepare()
    losses = task.losses(task.build(), task.batch(np.random.default_rng(7)))
    assert losses["activity"] == 0.0
    assert torch.isfinite(losses["total"])


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, READS_VECTORS], ids=["log-mels", "vectors"])
def test_a_few_steps_make_a_network_that_runs_without_torch(more: Any, buzzing_voices: Path, tmp_path: Path) -> None:
    task = SpeakersTask(CONFIG | {"model": SMALL | more}, buzzing_voices, tmp_path / "cache")
    task.prepare()
    a, b = (task.batch(np.random.default_rng(7)) for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    run = tmp_path / "run"
    metrics = fit(task, TrainerConfig(steps=3, run_dir=str(run), warmup=1, ema=0.9, accelerator="cpu"))
    assert set(metrics) == {"frame_error", "equal_error_rate", "score"}
    module = open_model(run / "export", in_torch=True)
    assert len(write_graphs(run / "export")) == 3
    graph = open_model(run / "export")
    assert isinstance(graph, GraphSpeakers)
    mel = np.random.default_rng(3).normal(-6.0, 2.0, (2, 300, 80)).astype(np.float32)
    vectors = np.random.default_rng(4).normal(size=(2, 75, graph.config.vectors)).astype(np.float32)
    frames, number = graph.frames(mel, vectors)
    for mine, theirs in zip((frames, number), module.frames(mel, vectors), strict=True):
        assert np.abs(mine - theirs).max() < 1e-4
    weight = np.random.default_rng(0).random(frames.shape[:2])
    voices = graph.voices(frames, weight)
    assert np.abs(voices - module.voices(frames, weight)).max() < 1e-4
    assert np.allclose(np.linalg.norm(voices, axis=1), 1.0, atol=1e-5)
    assert np.abs(graph.activity(frames, voices) - module.activity(frames, voices)).max() < 1e-3


def test_a_trained_network_joins_others(buzzing_voices: Path, tmp_path: Path) -> None:
    config = {"model": SMALL, "corpora": {"made": 1.0}, "licence_check": False, "dialogues": 4, "seconds": 3.0}
    task = SpeakersTask(config, buzzing_voices, tmp_path / "cache")
    task.prepare()
    first, second = task.build(), task.build()
    task.export(first, tmp_path / "one", {"frame_error": 0.1, "equal_error_rate": 0.1})
    joins = SpeakersTask(config | {"beside": tmp_path / "one"}, buzzing_voices, tmp_path / "cache")
    joins.export(second, tmp_path / "both", {"frame_error": 0.1, "equal_error_rate": 0.1})
    mel = np.random.default_rng(3).normal(-6.0, 2.0, (1, 300, 80)).astype(np.float32)
    nothing, both = np.zeros((1, 75, 0), np.float32), open_model(tmp_path / "both", in_torch=True).eval()
    alone = [each.network.eval() for each in (first, second)]
    frames, number = both.frames(mel, nothing)
    with torch.no_grad():
        each = [network.encode(torch.from_numpy(mel), torch.from_numpy(nothing)) for network in alone]
    assert np.allclose(frames, np.concatenate([made.numpy() for made, _ in each], -1), atol=1e-2)  # half precision
    assert np.allclose(number, np.mean([logits.numpy() for _, logits in each], 0), atol=1e-2)
    voices = both.voices(np.repeat(frames, 2, 0), np.random.default_rng(0).random((2, 75)))
    cosines = [part[0] @ part[1] / np.linalg.norm(part[0]) / np.linalg.norm(part[1]) for part in np.split(voices, 2, 1)]
    assert voices[0] @ voices[1] == pytest.approx(np.mean(cosines), abs=1e-5)


def test_vectors_on_a_device_are_those_of_recordings() -> None:
    sound = from_samples(np.random.default_rng(0).normal(0.0, 0.1, 4 * 16_000).astype(np.float32), 16_000)
    mel = torch.from_numpy(analysis_of(sound).mel)[None]
    made = DeviceVectors()(mel)[0].numpy()
    assert np.abs(made - encoder_vectors(sound)).max() < 1e-3


def test_the_equal_error_rate_of_cases_worked_out_by_hand() -> None:
    assert equal_error_rate(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0.0
    assert equal_error_rate(np.array([0.1, 0.9]), np.array([0.2, 0.3])) == 0.5
