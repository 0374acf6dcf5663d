"""Training of the landmark detector on freshly drawn views of the ICT-FaceKit reference rig."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.arrays import Ints
from sedtalker.face.landmarks import LandmarkConfig, LandmarkNet, expected_points
from sedtalker.progress import Hook, no_progress
from sedtalker.training.corpora.landmark_samples import Points, Rig, Sample, draw

logger = logging.getLogger(__name__)

LOG_EVERY = 50
"""Steps between lines of the log."""


def load_reference_rig(path: Path) -> Rig:
    """The light ICT-FaceKit rig as prepared in the data folder (``face/ict_lite.npz``), in centimetres."""
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
    import igl

    result = []
    for count in counts:
        decimated = igl.decimate(vertices, triangles.astype(np.int64), count)
        _, faces, birth = decimated[0], decimated[1], decimated[-1]
        result.append(np.asarray(birth)[np.asarray(faces)].astype(np.int32))
    return result


# --- Training the landmark detector on freshly drawn views.


@dataclass(frozen=True)
class LandmarkTrainingConfig:
    """How long and how to train."""

    steps: int = 4000
    """Optimiser steps."""
    batch: int = 24
    """Views a step."""
    rate: float = 2e-3
    """Peak learning rate of AdamW (one-cycle cosine)."""
    warmup: int = 200
    """Steps of the linear warm-up."""
    decay: float = 0.998
    """Decay of the moving average of the weights that is kept as the result."""
    save_every: int = 500
    """Steps between two savings."""
    seed: int = 0
    """Seed of weights and views."""


def batch_tensors(samples: list[Sample]) -> tuple[Tensor, Tensor, Tensor]:
    """Channels (N, 4, S, S), points (N, 68, 2) and face flags (N,)."""
    channels = torch.from_numpy(np.stack([s.channels for s in samples]))
    points = torch.from_numpy(np.stack([s.points for s in samples]).astype(np.float32))
    return channels, points, torch.tensor([float(s.face) for s in samples])


def landmark_loss(heatmaps: Tensor, points: Tensor, face: Tensor) -> Tensor:
    """Cross-entropy to a Gaussian of one cell plus the distance of the centre of mass, over visible landmarks."""
    inside = (points.abs() < 1).all(dim=-1) & (face[:, None] > 0.5)
    if not inside.any():
        return heatmaps.sum() * 0.0
    logits, target = heatmaps[inside], points[inside]
    height, width = logits.shape[1:]
    xs = (torch.arange(width) + 0.5) * (2.0 / width) - 1.0
    ys = 1.0 - (torch.arange(height) + 0.5) * (2.0 / height)
    cell = 2.0 / width
    gaussian = torch.exp(-((xs - target[:, :1]) ** 2)[:, None] / (2 * cell**2)) * torch.exp(
        -((ys - target[:, 1:]) ** 2)[:, :, None] / (2 * cell**2)
    )
    gaussian = gaussian / gaussian.sum(dim=(1, 2), keepdim=True)
    entropy = -(gaussian.flatten(1) * F.log_softmax(logits.flatten(1), dim=1)).sum(1).mean()
    distance = (expected_points(logits[:, None])[0][:, 0] - target).norm(dim=-1).mean() / cell
    return entropy + distance


def train(
    rigs: list[Rig],
    config: LandmarkConfig,
    settings: LandmarkTrainingConfig,
    save: Callable[[LandmarkNet, dict[str, float]], None],
    hook: Hook = no_progress,
) -> LandmarkNet:
    """Train; the result is the running mean of the weights, also given to ``save`` now and then with its metrics."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    net, kept = LandmarkNet(config), LandmarkNet(config)
    kept.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=0.02)
    started, errors, scores = time.monotonic(), [], []
    for step in range(settings.steps):
        progress = step / settings.steps
        rate = settings.rate * min((step + 1) / settings.warmup, 0.5 + 0.5 * math.cos(math.pi * progress) + 1e-3)
        optimiser.param_groups[0]["lr"] = rate
        channels, points, face = batch_tensors([draw(rigs, config.size, rng) for _ in range(settings.batch)])
        net.train()
        with torch.autocast("cpu", torch.bfloat16):
            heatmaps, logit = net(channels.contiguous(memory_format=torch.channels_last))
        heatmaps, logit = heatmaps.float(), logit.float()
        loss = landmark_loss(heatmaps, points, face) + F.binary_cross_entropy_with_logits(logit, face)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        average(kept, net, min(settings.decay, (1 + step) / (10 + step)))
        with torch.no_grad():
            errors.append(picture_error(heatmaps, points, face))
            scores.append(((logit > 0) == (face > 0.5)).float().mean().item())
        hook("training", step + 1, settings.steps)
        if (step + 1) % LOG_EVERY == 0:
            speed = (step + 1) / (time.monotonic() - started)
            logger.info(
                "%d/%d loss %.3f error %.4f face %.3f %.2f steps/s",
                *(
                    step + 1,
                    settings.steps,
                    loss.item(),
                    np.nanmean(errors[-LOG_EVERY:]),
                    np.mean(scores[-LOG_EVERY:]),
                    speed,
                ),
            )
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            save(kept, validate(kept, rigs, config.size))
    return kept


def average(kept: LandmarkNet, net: LandmarkNet, decay: float) -> None:
    """Move the running mean of weights and batch statistics towards ``net``."""
    with torch.no_grad():
        for a, b in zip(kept.state_dict().values(), net.state_dict().values(), strict=True):
            if a.is_floating_point():
                a.lerp_(b, 1.0 - decay)
            else:
                a.copy_(b)


def picture_error(heatmaps: Tensor, points: Tensor, face: Tensor) -> float:
    """Mean distance of landmarks inside the picture, as a fraction of the outer eye-corner distance."""
    found, _ = expected_points(heatmaps)
    outer = (points[:, 45] - points[:, 36]).norm(dim=-1).clamp_min(0.05)
    distance = (found - points).norm(dim=-1) / outer[:, None]
    inside = (points.abs() < 1).all(dim=-1) & (face[:, None] > 0.5)
    return distance[inside].mean().item() if inside.any() else float("nan")


def validate(net: LandmarkNet, rigs: list[Rig], size: int, count: int = 192, seed: int = 1_000_003) -> dict[str, float]:
    """Landmark error (outer-eye-corner distances) and share of views rightly called face or not, on fixed views."""
    rng = np.random.default_rng(seed)
    net.eval()
    errors, right = [], []
    with torch.inference_mode():
        for _ in range(count // 16):
            channels, points, face = batch_tensors([draw(rigs, size, rng) for _ in range(16)])
            heatmaps, logit = net(channels)
            errors.append(picture_error(heatmaps, points, face))
            right.append(((logit > 0) == (face > 0.5)).float().mean().item())
    return {"landmark_error": round(float(np.nanmean(errors)), 5), "face_accuracy": round(float(np.mean(right)), 5)}
