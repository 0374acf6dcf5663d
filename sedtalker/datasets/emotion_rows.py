"""Rows of functionals of every labelled recording, computed once: the diarizer trains on these alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.datasets.emotion_features import EmotionFeatures
from sedtalker.datasets.emotion_speech import SILENCE
from sedtalker.datasets.waveforms import save_array
from sedtalker.emotion.network import ROW, DiarizerNetwork, FrameBatch
from sedtalker.speech.features import MEL_BANDS

ARRAYS = ("values", "recording", "label", "level")


@dataclass(frozen=True, eq=False)
class EmotionRows:
    """Speech rows of a pool of recordings, one every 160 ms, labelled by what is spoken in their middle.

    Attributes:
        values: (N, F) float16 functionals.
        recording: (N,) int32 index into ``features``.
        label: (N,) int8 index into the categories.
        level: (N,) int8 step of intensity.
        features: the recordings.
    """

    values: NDArray[np.float16]
    recording: NDArray[np.int32]
    label: NDArray[np.int8]
    level: NDArray[np.int8]
    features: EmotionFeatures

    def __len__(self) -> int:
        return len(self.label)


def open_rows(
    features: EmotionFeatures, network: DiarizerNetwork, report: Callable[[str], None] = lambda line: None
) -> EmotionRows:
    """The rows of these features for a network's windows, computed on first use beside them."""
    hidden = "" if features.hidden_name is None else features.hidden_name
    key = hashlib.sha256(repr((2, network.config.windows, hidden)).encode()).hexdigest()[:12]
    paths = {name: features.folder / f"rows-{key}-{name}.npy" for name in ARRAYS}
    if not paths["level"].is_file():
        report("computing functionals")
        _build(features, network, paths)
    return EmotionRows(**{name: np.load(path, mmap_mode="r") for name, path in paths.items()}, features=features)


@torch.no_grad()
def _build(features: EmotionFeatures, network: DiarizerNetwork, paths: dict[str, Path]) -> None:
    """Rows go straight to disk, in order of recordings; ``level`` comes last and marks the end."""
    temporary = paths["values"].with_name(f".parts-{os.getpid()}")
    recording, label, level, width = [], [], [], 0
    with temporary.open("wb") as stream:
        for first in range(0, len(features), 24):
            chosen = np.arange(first, min(first + 24, len(features)))
            batch, labels, levels = collate(features, chosen)
            rows, _ = network.describe(batch)
            middle = np.minimum(np.arange(rows.shape[1]) * ROW + ROW // 2, labels.shape[1] - 1)
            label_rows = labels[:, middle]
            keep = (label_rows >= 0) & (label_rows < SILENCE)
            stream.write(rows[torch.from_numpy(keep)].half().numpy().tobytes())
            width = rows.shape[-1]
            recording.append(np.repeat(chosen, keep.sum(1)).astype(np.int32))
            label.append(label_rows[keep].astype(np.int8))
            level.append(levels[:, middle][keep].astype(np.int8))
    save_array(paths["values"], np.memmap(temporary, np.float16, "r").reshape(-1, width))
    temporary.unlink()
    save_array(paths["recording"], np.concatenate(recording))
    save_array(paths["label"], np.concatenate(label))
    save_array(paths["level"], np.concatenate(level))


def collate(
    features: EmotionFeatures, chosen: NDArray[np.integer]
) -> tuple[FrameBatch, NDArray[np.int64], NDArray[np.int64]]:
    """Whole recordings, the last frame held up to the longest, with labels and levels (B, T), -1 in padding."""
    bounds = [(int(features.starts[i]), int(features.starts[i + 1])) for i in chosen]
    longest = max(last - first for first, last in bounds)
    size = len(bounds), longest
    hidden = 0 if features.hidden is None else features.hidden.shape[1]
    mel, prosody = np.zeros((*size, MEL_BANDS), np.float32), np.zeros((*size, 4), np.float32)
    deep = np.zeros((*size, hidden), np.float32)
    speech, valid = np.zeros(size, bool), np.zeros(size, bool)
    labels, levels = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    for row, (first, last) in enumerate(bounds):
        part = slice(0, last - first)
        halves = np.asarray(features.mel[2 * first : 2 * last], np.float32)
        mel[row, part] = halves.reshape(-1, 2, MEL_BANDS).mean(1)
        prosody[row, part], speech[row, part] = features.prosody[first:last], features.speech[first:last]
        labels[row, part], levels[row, part] = features.labels[first:last], features.levels[first:last]
        if features.hidden is not None:
            deep[row, part] = features.hidden[first:last]
        valid[row, part] = True
        for array in (mel, prosody, deep):
            array[row, last - first :] = array[row, last - first - 1]
    batch = FrameBatch(
        mel=torch.from_numpy(mel),
        prosody=torch.from_numpy(prosody),
        speech=torch.from_numpy(speech),
        valid=torch.from_numpy(valid),
        hidden=torch.from_numpy(deep) if hidden else None,
    )
    return batch, labels, levels
