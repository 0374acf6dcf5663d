"""The landmark detector is trained by the loop that trains everything, on views that are drawn again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sedtalker.face.builtin import load_face
from sedtalker.face.registration.pose import detect
from sedtalker.nn.engine import open_model
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.tasks.landmarks import LandmarksTask, landmark_loss
from tests.support.rigs import rig_of_face

SMALL = {"size": 32, "widths": [4, 8, 8, 8], "head_width": 8}


def test_a_few_steps_make_a_detector_and_its_card(tmp_path: Path) -> None:
    task = LandmarksTask({"views": 2, "valid": 16, "model": SMALL}, tmp_path, tmp_path)
    task.rig, task._ready = rig_of_face(load_face()), True
    a, b = (task.batch(np.random.default_rng(7)) for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    run = tmp_path / "run"
    metrics = fit(task, TrainerConfig(steps=3, run_dir=str(run), warmup=1, ema=0.9, accelerator="cpu"))
    assert set(metrics) == {"landmark_error", "face_accuracy", "score"}
    assert f"error {metrics['landmark_error']:.4f} of the" in (run / "export" / "README.md").read_text()
    found = detect(open_model(run / "export"), a["channels"].numpy())
    assert found.points.shape == (2, 68, 2)


def test_only_landmarks_of_faces_inside_the_picture_count() -> None:
    heatmaps, points = torch.zeros(2, 68, 8, 8), torch.zeros(2, 68, 2)
    heatmaps[0, :, 3, 3] = 20.0
    first = landmark_loss(heatmaps[:1], points[:1], torch.ones(1))
    assert (
        landmark_loss(heatmaps, points, torch.tensor([1.0, 0.0]))
        == first
        != landmark_loss(heatmaps, points, torch.ones(2))
    )
    assert landmark_loss(heatmaps, points + 2.0, torch.ones(2)) == 0.0


def test_the_loss_is_made_where_its_inputs_are() -> None:
    given = torch.zeros(2, 68, 8, 8), torch.zeros(2, 68, 2), torch.ones(2)
    with torch.device("meta"):  # tensors that name no device are made on another one than the inputs'
        assert landmark_loss(*given) == landmark_loss(*given)
