"""Train the landmark detector on random views of the reference rig.

python scripts/train_landmarks.py --data ../shared/data --out checkpoints/landmarks
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

import torch

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.cli.console import messages_shown
from sedtalker.face.landmarks import LandmarkConfig, LandmarkNet
from sedtalker.training.cards import fill_card
from sedtalker.training.tasks.landmarks import LandmarkTrainingConfig, load_reference_rig, train


def save(folder: Path, net: LandmarkNet, metrics: dict[str, float]) -> None:
    """Write the checkpoint folder."""
    config = CheckpointConfig(
        kind="landmarks",
        licence="MIT",
        trained_on=["ICT-FaceKit light rig (MIT)"],
        encoder_sha256=None,
        model=net.config.model_dump(mode="json"),
        metrics=metrics,
    )
    card = fill_card("landmarks", **metrics, minutes=30)
    write_checkpoint(folder, config, {key: value.detach() for key, value in net.state_dict().items()}, card)


def main() -> None:
    """Parse arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SEDTALKER_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("checkpoints/landmarks"))
    parser.add_argument("--steps", type=int, default=LandmarkTrainingConfig.steps)
    parser.add_argument("--batch", type=int, default=LandmarkTrainingConfig.batch)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rig = load_reference_rig(arguments.data / "face" / "ict_lite.npz")
    settings = LandmarkTrainingConfig(steps=arguments.steps, batch=arguments.batch, seed=arguments.seed)
    with messages_shown():
        train([rig], LandmarkConfig(), settings, partial(save, arguments.out))


if __name__ == "__main__":
    main()
