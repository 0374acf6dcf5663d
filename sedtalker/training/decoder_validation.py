"""Held-out figures while a decoder is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.animation.decoder import PROSODY_MEAN, PROSODY_SCALE, speech_input
from sedtalker.animation.shapes import INDEX
from sedtalker.datasets.feature_store import Copy, FeatureStore
from sedtalker.datasets.prominence import prominence_of
from sedtalker.metrics.motion import ClosureCounts, correlation, count_closures, lip_aperture, lip_width
from sedtalker.speech.features import MEL_BANDS
from sedtalker.speech.phones import BILABIAL, VOWELS
from sedtalker.training.decoder_crops import RATE

if TYPE_CHECKING:
    from sedtalker.training.decoder import DecoderTask


def _inside(times: NDArray[np.floating], spans: list[tuple[float, float]]) -> NDArray[np.bool_]:
    """(T,) within any of the spans."""
    return np.any([(times >= start) & (times <= end) for start, end in spans] or [np.zeros(len(times), bool)], axis=0)


def validate_tracked(task: DecoderTask, model: nn.Module) -> dict[str, float]:
    """On the validation sentences: neutral lips against the tracker, and emotional coefficients against theirs."""
    figures: dict[str, list[float]] = {"lip_r": [], "width_r": [], "upper_rmse": [], "emotional_rmse": []}
    counts, rng = ClosureCounts(), np.random.default_rng(1)
    upper = [i for n, i in INDEX.items() if n.startswith(("brow", "eyeWide", "eyeSquint", "cheekSquint"))]
    own = task.tracked.own
    for copy in (c for c in task.tracked.copies(own, "valid") if c.copy == 0):
        clip = task.tracked.clips[copy.key]
        speech, talking = hear(task, own, copy)
        times = (np.arange(speech.shape[1]) + 0.5) / RATE
        spoken = task.tracked.spoken[copy.key].at(times * RATE - 0.5)
        prosody = speech[0, :, -4:].cpu().numpy() * np.array(PROSODY_SCALE, np.float32) + np.array(
            PROSODY_MEAN, np.float32
        )
        scene = task.scene(len(times), rng)
        target = task.target(spoken, scene, prominence_of(prosody))
        posterior, intensity = (torch.from_numpy(v)[None].to(speech.device) for v in (scene.posterior, scene.intensity))
        style = speech.new_tensor([scene.style.code(task.config.model.styles)])
        neutral = model(speech, posterior, intensity * 0, style * 0)[0].clamp(0, 1).cpu().numpy()
        emotional = model(speech, posterior, intensity, style)[0].clamp(0, 1).cpu().numpy()
        gap = lip_aperture(task.face, neutral) - task.gauge.rest
        width = np.interp(times, clip.times, clip.feature("inner_lip_width"))
        figures["lip_r"].append(correlation(gap[talking], spoken.gap[talking]))
        figures["width_r"].append(correlation(lip_width(task.face, neutral)[talking], width[talking]))
        figures["upper_rmse"].append(float(np.sqrt(np.mean((emotional - target)[:, upper] ** 2))))
        figures["emotional_rmse"].append(float(np.sqrt(np.mean((emotional - target) ** 2))))
        spans = task.tracked.spans[copy.key]
        stops = [(s.start, s.end) for s in spans if s.phone in BILABIAL]
        vowels = [(s.start, s.end) for s in spans if s.phone in VOWELS]
        count_closures(counts, times, gap, spoken.gap, stops, vowels)
    means = {name: float(np.mean(values)) for name, values in figures.items()}
    means |= validate_unseen(task, model)
    means |= {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}
    score = means["lip_r"] + 0.3 * means["width_r"] + 0.3 * counts.f1 - 2 * means["emotional_rmse"]
    score += 0.3 * means["unseen_closure_f1"]
    return means | {"score": score}


def validate_unseen(task: DecoderTask, model: nn.Module) -> dict[str, float]:
    """Closures on p, b, m and open vowels of new speakers, whose phones are aligned and lips untracked."""
    counts, open_gap = ClosureCounts(), []
    for copy in task.read.unseen[:40]:
        speech, _ = hear(task, task.read.store, copy)
        zero = speech.new_zeros(1, speech.shape[1])
        style = zero[:, : len(task.config.model.styles)]
        coefficients = model(speech, zero[..., None].expand(-1, -1, 7), zero, style)[0]
        gap = lip_aperture(task.face, coefficients.clamp(0, 1).cpu().numpy()) - task.gauge.rest
        times = (np.arange(len(gap)) + 0.5) / RATE
        spans = task.read.spans[copy.key]
        stops = [(s.start, s.end) for s in spans if s.phone in BILABIAL]
        vowels = [(s.start, s.end) for s in spans if s.phone in ("AA", "AE", "AY", "AW", "EH", "EY")]
        # no tracker here: bilabials count as closed and these vowels as open
        assumed = np.where(_inside(times, vowels), 1.0, 0.0)
        count_closures(counts, times, gap, assumed, stops, vowels)
        open_gap.append(float(gap[_inside(times, vowels)].mean()) if _inside(times, vowels).any() else np.nan)
    return {
        "unseen_closure": counts.recall,
        "unseen_false": counts.false_rate,
        "unseen_closure_f1": counts.f1,
        "unseen_open": float(np.nanmean(open_gap)),
    }


def hear(task: DecoderTask, store: FeatureStore, copy: Copy) -> tuple[Tensor, NDArray[np.bool_]]:
    """The decoder's input (1, T, C) for an unchanged recording, and its speech frames (T,)."""
    rows = torch.from_numpy(np.asarray(store.values[copy.start : copy.start + copy.frames], np.float32))
    device = task.criterion.scale.device
    mel = rows[None, :, :MEL_BANDS].to(device)
    ear = task.model_config.front_end
    hidden = mel.unflatten(1, (-1, 2)).mean(2) if ear else task.encoder.to(device)(mel)
    prosody = rows[:, MEL_BANDS : MEL_BANDS + 4].unflatten(0, (-1, 2)).mean(1)
    talking = rows[:, -1].unflatten(0, (-1, 2)).amax(1).bool().numpy()
    return speech_input(hidden, prosody[None].to(device)), talking
