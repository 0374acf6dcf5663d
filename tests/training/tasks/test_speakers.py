"""The speaker network is trained by the loop that trains everything, and runs as a graph afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.export.onnx_models import write_graphs
from sedtalker.nn.engine import open_model
from sedtalker.speakers.speaker_model import GraphSpeakers
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.tasks.speakers import SpeakersTask, equal_error_rate

SMALL = {
    "stem_channels": 8,
    "width": 16,
    "dilations": [1, 2],
    "voice": 8,
    "activity_width": 8,
    "activity_dilations": [1, 2],
}


@pytest.mark.slow
def test_a_few_steps_make_a_network_that_runs_without_torch(buzzing_voices: Path, tmp_path: Path) -> None:
    config = {
        "model": SMALL,
        "corpora": {"made": 1.0},
        "licence_check": False,
        "dialogues": 4,
        "seconds": 3.0,
        "crops": 6,
    }
    task = SpeakersTask(config, buzzing_voices, tmp_path / "cache")
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
    frames, number = graph.frames(mel)
    for mine, theirs in zip((frames, number), module.frames(mel), strict=True):
        assert np.abs(mine - theirs).max() < 1e-4
    weight = np.random.default_rng(0).random(frames.shape[:2])
    voices = graph.voices(frames, weight)
    assert np.abs(voices - module.voices(frames, weight)).max() < 1e-4
    assert np.allclose(np.linalg.norm(voices, axis=1), 1.0, atol=1e-5)
    assert np.abs(graph.activity(frames, voices) - module.activity(frames, voices)).max() < 1e-3


def test_the_equal_error_rate_of_cases_worked_out_by_hand() -> None:
    assert equal_error_rate(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0.0
    assert equal_error_rate(np.array([0.1, 0.9]), np.array([0.2, 0.3])) == 0.5
