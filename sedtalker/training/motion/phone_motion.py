"""Mouth motion from aligned phones: a small network trained on the tracked talker.

One tracked talker is one voice. Read speech of hundreds of others has no motion, but its phones can be aligned; this
network turns them into the motion the tracked talker would make: pseudo-labels of the recordings that the decoder is
trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.features import BILABIAL, FRAME_CLOCK, LABIODENTAL, PHONE_INDEX, PHONES
from sedtalker.training.motion.alignment import IGNORED, PhoneSpan, phone_frames
from sedtalker.training.motion.spoken_motion import (
    AXES,
    LipMeasure,
    SpokenMotion,
    fit_gap,
    fit_width,
    phone_curve,
    pull,
    rounding_of,
    speaking_curve,
    talking_curve,
    tongue_curve,
)

ALIKE: dict[str, str] = {
    "M": "B", "P": "B", "ER": "R", "NG": "N", "SH": "JH", "CH": "JH", "ZH": "JH", "UH": "OW", "OY": "AO", "V": "F",
}  # fmt: skip
"""Phones that look alike; those on the left are rare or absent in the tracked sentences."""
RULED_WIDTH = 0.5
"""Share of the rule (``visemes``) in the lip width: a talker's habits say least about how others spread their lips."""
CLASSES: NDArray[np.int64] = np.array([PHONE_INDEX[ALIKE.get(name, name)] for name in PHONES])
"""Class of each phone, those alike in one."""
Example = tuple[list[PhoneSpan], SpokenMotion]


class PhoneMotion(nn.Module):
    """Phone classes (B, T) to 52 coefficients and the lip gap (B, T, 53), seeing ±0.22 s."""

    def __init__(self, targets: NDArray[np.float32], width: int = 96):
        super().__init__()
        self.mean = nn.Parameter(torch.from_numpy(targets.mean(0)), requires_grad=False)
        self.scale = nn.Parameter(torch.from_numpy(targets.std(0) + 1e-3), requires_grad=False)
        self.layers = nn.Sequential(
            nn.Conv1d(len(PHONES), width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(width, width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(width, targets.shape[1], 7, padding=3),
        )

    def forward(self, classes: Tensor) -> Tensor:
        one_hot = F.one_hot(classes.clamp_min(0), len(PHONES)).float().transpose(1, 2)
        return self.layers(one_hot).transpose(1, 2) * self.scale + self.mean


def _columns(spoken: SpokenMotion) -> NDArray[np.float32]:
    return np.column_stack([spoken.coefficients, spoken.gap]).astype(np.float32)


def _classes(spans: list[PhoneSpan], times: NDArray[np.floating]) -> NDArray[np.int64]:
    found = phone_frames(spans, times)
    return np.where(found == IGNORED, 0, CLASSES[found])


def train_phone_motion(examples: Sequence[Example], steps: int = 700, seed: int = 0) -> PhoneMotion:
    """Train on (spans, motion at 50 Hz) of tracked clips: crops of two seconds at 0.8 to 1.4 times the speed."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = PhoneMotion(np.concatenate([_columns(spoken) for _, spoken in examples]))
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        classes, targets = [], []
        for i in rng.integers(len(examples), size=24):
            spans, spoken = examples[i]
            speed, start = rng.uniform(0.8, 1.4), rng.uniform(0.0, max(0.1, len(spoken.gap) / FRAME_CLOCK.rate - 2.0))
            times = start + (np.arange(100) + 0.5) / FRAME_CLOCK.rate * speed
            classes.append(_classes(spans, times))
            targets.append(_columns(spoken.at(times * FRAME_CLOCK.rate - 0.5)))
        predicted = network(torch.from_numpy(np.stack(classes)))
        error = (predicted - torch.from_numpy(np.stack(targets))) / network.scale
        loss = error.square().mean() + 2.0 * error.diff(dim=1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def expected_motion(network: PhoneMotion, spans: list[PhoneSpan], times: NDArray[np.floating]) -> NDArray[np.float32]:
    """(T, 53) what the network expects of aligned phones at 50 Hz ``times``: 52 coefficients and the lip gap."""
    return np.asarray(network(torch.from_numpy(_classes(spans, times))[None])[0].numpy(), np.float32)


def speak_phones(network: PhoneMotion, spans: list[PhoneSpan], frames: int, lip_measure: LipMeasure) -> SpokenMotion:
    """Motion (T = ``frames`` at 50 Hz) of aligned phones; p, b, m always close."""
    times = (np.arange(frames) + 0.5) / FRAME_CLOCK.rate
    values = expected_motion(network, spans, times)
    bilabial = phone_curve(spans, BILABIAL, times, 0.03)
    speaking = speaking_curve(spans, times)
    gap = np.maximum(values[:, -1], 0.0) * (1.0 - bilabial) * speaking
    raw = values[:, : len(ARKIT_52)].clip(0.0, 1.0) * speaking[:, None]
    if RULED_WIDTH and spans:
        learned, ruled = raw @ lip_measure.width, pull(spans, times)[:, AXES.index("width")] * speaking
        raw = fit_width(raw, (1.0 - RULED_WIDTH) * learned + RULED_WIDTH * ruled, lip_measure)
    return SpokenMotion(
        coefficients=fit_gap(raw, gap, lip_measure),
        gap=gap.astype(np.float32),
        closure=bilabial,
        contact=phone_curve(spans, LABIODENTAL, times, 0.05),
        rounding=rounding_of(raw),
        talking=talking_curve(spans, times),
        tongue=tongue_curve(spans, times),
    )
