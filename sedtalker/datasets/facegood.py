"""FACEGOOD Audio2Face: cleaned mouth motion of one Mandarin speaker (MIT). Never trained on: the unseen talker."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedtalker.datasets.grid import TrackedClip
from sedtalker.face.arkit import ARKIT_52

TEST_TAKE = "1114_3_15"


def read_facegood(data_dir: Path) -> list[TrackedClip]:
    """All takes; ``1114_3_15`` is the test take. The only feature is ``jaw_open``, the rig's jaw channel."""
    takes = []
    for path in sorted((data_dir / "motion/facegood").glob("*.npz")):
        with np.load(path, allow_pickle=False) as data:
            names = [str(n) for n in data["arkit_names"]]
            weights = data["arkit"].astype(np.float32)[:, [names.index(n) for n in ARKIT_52]]
            takes.append(
                TrackedClip(
                    name=path.stem,
                    split="test" if path.stem == TEST_TAKE else "train",
                    audio=path.with_suffix(".opus"),
                    text="",
                    times=(np.arange(len(weights)) + 0.5) / float(data["fps"]),
                    coefficients=weights,
                    features=weights[:, [ARKIT_52.index("jawOpen")]],
                    feature_names=("jaw_open",),
                )
            )
    return takes
