"""Inputs of the frame network for every recording of a pool, computed once, memory-mapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from sedtalker.datasets.emotion_features import EmotionFeatures
from sedtalker.datasets.emotion_rows import collate
from sedtalker.emotion.frame_network import INPUTS, frame_inputs
from sedtalker.whole_file import whole_file

FORMAT = 1


def open_inputs(features: EmotionFeatures, report: Callable[[str], None] = lambda line: None) -> NDArray[np.float16]:
    """(frames, 91) float16 at 50 Hz; recording i owns rows ``features.starts[i]:features.starts[i + 1]``."""
    path = features.folder / f"inputs-{FORMAT}.npy"
    if not path.is_file():
        report("computing the frame network's inputs")
        with whole_file(path) as temporary:
            _build(features, temporary)
    return np.asarray(np.load(path, mmap_mode="r"))


def _build(features: EmotionFeatures, path: Path) -> None:
    """Written recording by recording, so that memory does not grow with the pool."""
    rows = open_memmap(path, "w+", np.float16, (int(features.starts[-1]), INPUTS))
    for first in range(0, len(features), 24):
        chosen = np.arange(first, min(first + 24, len(features)))
        batch, _, _ = collate(features, chosen)
        made = frame_inputs(batch.mel, batch.prosody, batch.speech, batch.valid).half().numpy()
        for row, index in enumerate(chosen):
            start, end = int(features.starts[index]), int(features.starts[index + 1])
            rows[start:end] = made[row, : end - start]
    rows.flush()
