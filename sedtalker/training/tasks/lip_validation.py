"""Held-out figures of a talking mouth while it is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.animation.conditioning import Style
from sedtalker.audio import resample_frames
from sedtalker.metrics.motion import ClosureCounts, correlation, count_closures, lip_aperture, lip_width
from sedtalker.speech.features import BILABIAL, MEL_BANDS, PROSODY_CHANNELS, VOWELS
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.motion.alignment import phone_intervals
from sedtalker.training.motion.crops import RATE, Scene, TalkingCrops
from sedtalker.training.motion.visemes import prominence_of

if TYPE_CHECKING:
    from sedtalker.training.tasks.decoder import DecoderTask


Move = Callable[[FeatureStore, Copy], NDArray[np.float32]]
"""A recording to the coefficients (T, 52) of its talking mouth, clamped."""
OPEN_VOWELS = ("AA", "AE", "AY", "AW", "EH", "EY")


def speech_frames(store: FeatureStore, copy: Copy) -> NDArray[np.bool_]:
    """(T,) loud enough to be speech, 50 frames a second."""
    return store.rows(copy)[:, -1].reshape(-1, 2).max(1) > 0.5


def frame_times(frames: int) -> NDArray[np.float64]:
    """(T,) seconds."""
    return np.asarray((np.arange(frames) + 0.5) / RATE, np.float64)


def validate_talking(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """Of the tracked talker's validation sentences, of new speakers whose phones are known, and of a stranger."""
    return _tracked(crops, move) | _unseen(crops, move) | _stranger(crops, move)


def _tracked(crops: TalkingCrops, move: Move) -> dict[str, float]:
    figures: dict[str, list[float]] = {"lip_r": [], "width_r": []}
    counts, own = ClosureCounts(), crops.tracked.own
    for copy in (c for c in crops.tracked.copies(own, "valid") if c.copy == 0):
        clip, spans, moved = crops.tracked.clips[copy.key], crops.tracked.spans[copy.key], move(own, copy)
        times, speech = frame_times(len(moved)), speech_frames(own, copy)
        spoken = crops.tracked.spoken[copy.key].at(times * RATE - 0.5)
        gap = lip_aperture(crops.face, moved) - crops.gauge.rest
        width = np.interp(times, clip.times, clip.feature("inner_lip_width"))
        figures["lip_r"].append(correlation(gap[speech], spoken.gap[speech]))
        figures["width_r"].append(correlation(lip_width(crops.face, moved)[speech], width[speech]))
        stops = phone_intervals(spans, BILABIAL)
        vowels = phone_intervals(spans, VOWELS)
        count_closures(counts, times, gap, spoken.gap, stops, vowels)
    means = {name: float(np.mean(values)) for name, values in figures.items()}
    return means | {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}


def _unseen(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """Closures on p, b, m and open vowels of new speakers, whose phones are aligned and lips untracked."""
    counts = ClosureCounts()
    for copy in crops.read.unseen[:40]:
        gap = lip_aperture(crops.face, move(crops.read.store, copy)) - crops.gauge.rest
        times, spans = frame_times(len(gap)), crops.read.spans[copy.key]
        stops = phone_intervals(spans, BILABIAL)
        vowels = phone_intervals(spans, OPEN_VOWELS)
        # no tracker here: bilabials count as closed and these vowels as open
        assumed = np.any([(times >= start) & (times <= end) for start, end in vowels] or [times < 0], axis=0)
        count_closures(counts, times, gap, assumed.astype(np.float32), stops, vowels)
    return {"unseen_closure": counts.recall, "unseen_false": counts.false_rate, "unseen_closure_f1": counts.f1}


def _stranger(crops: TalkingCrops, move: Move) -> dict[str, float]:
    """The lips of a tracked talker never trained on: correlation of their height, on speech frames and on all."""
    figures: dict[str, list[float]] = {"stranger_r": [], "stranger_r_all": []}
    store = crops.stranger.store
    for copy in (c for c in store.copies if c.key in crops.stranger.takes):
        take, moved, speech = crops.stranger.takes[copy.key], move(store, copy), speech_frames(store, copy)
        lips = lip_aperture(crops.face, moved)
        tracked = resample_frames(take.coefficients, take.times, frame_times(len(moved)))
        reference = lip_aperture(crops.face, tracked)
        figures["stranger_r"].append(correlation(lips[speech], reference[speech]))
        figures["stranger_r_all"].append(correlation(lips, reference))
    return {name: float(np.mean(values)) for name, values in figures.items()}


# --- Held-out figures while a decoder is trained.


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
