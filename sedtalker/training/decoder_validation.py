"""Held-out figures while a decoder is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.animation.conditioning import Style
from sedtalker.datasets.feature_store import Copy, FeatureStore
from sedtalker.datasets.prominence import prominence_of
from sedtalker.speech.features import MEL_BANDS, PROSODY_CHANNELS
from sedtalker.training.decoder_crops import RATE, Scene
from sedtalker.training.talking_validation import frame_times, validate_talking

if TYPE_CHECKING:
    from sedtalker.training.decoder import DecoderTask


def validate_decoder(task: DecoderTask, model: nn.Module) -> dict[str, float]:
    """Neutral lips (``validate_talking``), and errors under random emotion: of all shapes, of brows, lids, cheeks."""
    figures = validate_talking(task.crops, lambda store, copy: _move(task, model, store, copy, None))
    rng, own = np.random.default_rng(1), task.tracked.own
    upper, errors, brows = task.criterion.upper.cpu().numpy(), [], []
    for copy in (c for c in task.tracked.copies(own, "valid") if c.copy == 0):
        prosody = _prosody(own.rows(copy))
        scene = task.scene(len(prosody), rng)
        spoken = task.tracked.spoken[copy.key].at(frame_times(len(prosody)) * RATE - 0.5)
        target = task.target(spoken, scene, prominence_of(prosody))
        error = np.square(_move(task, model, own, copy, scene) - target)
        errors.append(float(np.sqrt(error.mean())))
        brows.append(float(np.sqrt(error[:, upper].mean())))
    figures |= {"upper_rmse": float(np.mean(brows)), "emotional_rmse": float(np.mean(errors))}
    score = figures["lip_r"] + 0.3 * figures["width_r"] + 0.3 * figures["closure_f1"]
    score += 0.3 * figures["unseen_closure_f1"] - 2 * figures["emotional_rmse"]
    return figures | {"score": score}


def _prosody(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    values = rows[:, MEL_BANDS : MEL_BANDS + len(PROSODY_CHANNELS)]
    return np.asarray(values.reshape(-1, 2, len(PROSODY_CHANNELS)).mean(1), np.float32)


def _move(
    task: DecoderTask, model: nn.Module, store: FeatureStore, copy: Copy, scene: Scene | None
) -> NDArray[np.float32]:
    """Coefficients (T, 52) of a whole recording; no scene: nothing felt."""
    rows = store.rows(copy)
    prosody, device = _prosody(rows), task.criterion.scale.device
    if scene is None:
        scene = Scene(np.zeros((len(prosody), 7), np.float32), np.zeros(len(prosody), np.float32), Style())
    columns = (rows[:, :MEL_BANDS], prosody, scene.posterior, scene.intensity)
    mel, track, posterior, intensity = (torch.from_numpy(column)[None].to(device) for column in columns)
    code = mel.new_tensor([scene.style.code(task.config.model.styles)])
    moved: Tensor = model(task.sound(mel, track), posterior, intensity, code)[0]
    return moved.clamp(0.0, 1.0).float().cpu().numpy()
