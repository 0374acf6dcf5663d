"""Training of the landmark detector on freshly drawn views of the ICT-FaceKit reference rig."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import igl
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Ints
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.landmark_network import LandmarkNet, expected_points
from sedtalker.face.registration.pose import LandmarkConfig
from sedtalker.progress import Hook
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.landmark_samples import Points, Rig, draw
from sedtalker.training.task import Batch, Count, Task, TaskConfig, stacked


def load_reference_rig(path: Path) -> Rig:
    """The light ICT-FaceKit rig as prepared in the data folder (``face/ict_lite.npz``), in centimetres."""
    if not path.is_file():
        raise InputError(f"{path}: the reference rig is missing; see docs/data.md")
    with np.load(path, allow_pickle=False) as data:
        neutral = data["neutral"].astype(np.float64)
        triangles = data["triangles"]
        return Rig(
            neutral=neutral,
            identity=data["identity_deltas"].astype(np.float32),
            expressions=data["expression_deltas"].astype(np.float32),
            expression_names=tuple(str(name) for name in data["expression_names"]),
            topologies=(triangles, *coarser(neutral, triangles, (6000, 3000, 1500))),
            eyes=data["mask_eyeball"],
            mouth_inside=data["mask_teeth"] | data["mask_gums"],
            landmarks=data["landmarks68"],
        )


def coarser(vertices: Points, triangles: Ints, counts: tuple[int, ...]) -> list[Ints]:
    """The same surface with fewer triangles (about ``counts``), over the same vertices."""
    result = []
    for count in counts:
        decimated = igl.decimate(vertices, triangles.astype(np.int64), count)
        _, faces, birth = decimated[0], decimated[1], decimated[-1]
        result.append(np.asarray(birth)[np.asarray(faces)].astype(np.int32))
    return result


# --- The task: freshly drawn views in every batch.


class LandmarksTaskConfig(TaskConfig):
    """What ``configs/experiment/landmarks.yaml`` says about the task."""

    views: Count = 24
    """Views in a batch."""
    valid: Count = 192
    """Fixed views that are validated on."""
    model: LandmarkConfig = LandmarkConfig()
    """Sizes of the network."""


class LandmarksTask(Task[LandmarksTaskConfig, LandmarkNet]):
    """See ``sedtalker.training.task.Task``."""

    settings = LandmarksTaskConfig
    fast: ClassVar = {"valid": 16}

    def read_data(self, hook: Hook) -> None:
        """The reference rig, at several resolutions."""
        self.rig = load_reference_rig(self.data / "face" / "ict_lite.npz")

    def build(self) -> LandmarkNet:
        return LandmarkNet(self.config.model)

    def batch(self, rng: np.random.Generator) -> Batch:
        """``channels`` (N, 4, S, S), ``points`` (N, 68, 2) and whether there is a ``face`` (N,) in random views."""
        return self._views(self.config.views, rng)

    def _views(self, count: int, rng: np.random.Generator) -> Batch:
        return stacked([draw(self.rig, self.config.model.size, rng) for _ in range(count)])

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """``landmark_loss``, and the cross-entropy of whether there is a face."""
        heatmaps, logit = model(batch["channels"].contiguous(memory_format=torch.channels_last))
        landmarks = landmark_loss(heatmaps.float(), batch["points"], batch["face"])
        face = F.binary_cross_entropy_with_logits(logit.float(), batch["face"])
        return {"landmarks": landmarks, "face": face, "total": landmarks + face}

    def validate(self, model: LandmarkNet) -> dict[str, float]:
        """Landmark error (outer-eye-corner distances) and share of views rightly called face or not, fixed views."""
        rng, device = np.random.default_rng(1_000_003), next(model.parameters()).device
        errors, right = [], []
        for _ in range(-(-self.config.valid // 16)):
            views = {name: value.to(device) for name, value in self._views(16, rng).items()}
            heatmaps, logit = model(views["channels"])
            errors.append(picture_error(heatmaps, views["points"], views["face"]))
            right.append(((logit > 0) == (views["face"] > 0.5)).float().mean().item())
        error = float(np.nanmean(errors))
        return {"landmark_error": error, "face_accuracy": float(np.mean(right)), "score": -error}

    def export(self, model: LandmarkNet, folder: Path, metrics: dict[str, float]) -> None:
        kept = {name: value for name, value in metrics.items() if name != "score"}
        config = CheckpointConfig(
            kind="landmarks",
            licence="MIT",
            trained_on=["ICT-FaceKit light rig (MIT)"],
            model=self.config.model.model_dump(mode="json"),
            metrics=kept,
        )
        write_checkpoint(folder, config, model.state_dict(), fill_card("landmarks", **config.metrics))


def landmark_loss(heatmaps: Tensor, points: Tensor, face: Tensor) -> Tensor:
    """Cross-entropy to a Gaussian of one cell plus the distance of the centre of mass, over visible landmarks."""
    inside = (points.abs() < 1).all(dim=-1) & (face[:, None] > 0.5)
    if not inside.any():
        return heatmaps.sum() * 0.0
    logits, target = heatmaps[inside], points[inside]
    height, width = logits.shape[1:]
    xs = (torch.arange(width, device=logits.device) + 0.5) * (2.0 / width) - 1.0
    ys = 1.0 - (torch.arange(height, device=logits.device) + 0.5) * (2.0 / height)
    cell = 2.0 / width
    gaussian = torch.exp(-((xs - target[:, :1]) ** 2)[:, None] / (2 * cell**2)) * torch.exp(
        -((ys - target[:, 1:]) ** 2)[:, :, None] / (2 * cell**2)
    )
    gaussian = gaussian / gaussian.sum(dim=(1, 2), keepdim=True)
    entropy = -(gaussian.flatten(1) * F.log_softmax(logits.flatten(1), dim=1)).sum(1).mean()
    distance = (expected_points(logits[:, None])[0][:, 0] - target).norm(dim=-1).mean() / cell
    return entropy + distance


def picture_error(heatmaps: Tensor, points: Tensor, face: Tensor) -> float:
    """Mean distance of landmarks inside the picture, as a fraction of the outer eye-corner distance."""
    found, _ = expected_points(heatmaps)
    outer = (points[:, 45] - points[:, 36]).norm(dim=-1).clamp_min(0.05)
    distance = (found - points).norm(dim=-1) / outer[:, None]
    inside = (points.abs() < 1).all(dim=-1) & (face[:, None] > 0.5)
    return distance[inside].mean().item() if inside.any() else float("nan")
