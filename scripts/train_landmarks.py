"""Train the landmark detector on random views of the reference rig.

python scripts/train_landmarks.py --data ../shared/data --out checkpoints/landmarks
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import torch

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.face.landmarks.detector import LandmarkConfig, LandmarkNet
from sedtalker.training.tasks.landmarks import LandmarkTraining, load_reference_rig, train

CARD = """# Facial landmarks on plain geometry

Finds the 68 Multi-PIE/iBUG landmarks, and whether a face is seen at all, in a 128 × 128 orthographic picture of a
mesh's normals and depth. It never sees colours or photographs. `sedtalker` uses it to find the face on a user's mesh.

- **Network**: residual convolutions with a heatmap head, 1.4 M parameters, half precision.
- **Trained on**: random geometry views drawn from the ICT-FaceKit light rig (MIT): random identities, expressions,
  stylised proportions, smooth warps, resolutions, hair caps, glasses, missing eyes, mouths and backs; views within
  ±42° of yaw and ±35° of pitch and roll. A third of the views show no face: backs, sides, upside-down heads, molten
  heads, and heaps of balls, boxes and rings. No person's photograph or scan was used besides what made that rig.
- **Figures** on fixed views of the same distribution (`config.json`): mean landmark error {landmark_error:.4f} of the
  outer-eye-corner distance (far and tilted views included), face or no face right in {face_accuracy:.1%}.
- **Use**: registration of head meshes. It is no tool for pictures of people.
- **Fails** on faces beyond ±45°, on mouths hidden by beards, and less surely on very stylised heads: the rig has one
  anatomy, adult and human.
- **Made by** `python scripts/train_landmarks.py --data DIR`; about {minutes} minutes on one CPU core.
"""


def save(folder: Path, net: LandmarkNet, figures: dict[str, float]) -> None:
    """Write the checkpoint folder."""
    config = CheckpointConfig(
        kind="landmarks",
        licence="MIT",
        trained_on=["ICT-FaceKit light rig (MIT)"],
        encoder_sha256=None,
        model=net.config.model_dump(mode="json"),
        metrics=figures,
    )
    card = CARD.format(**figures, minutes=30)
    write_checkpoint(folder, config, {key: value.detach() for key, value in net.state_dict().items()}, card)


def main() -> None:
    """Parse arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SEDTALKER_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path("checkpoints/landmarks"))
    parser.add_argument("--steps", type=int, default=LandmarkTraining.steps)
    parser.add_argument("--batch", type=int, default=LandmarkTraining.batch)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rig = load_reference_rig(arguments.data / "face" / "ict_lite.npz")
    settings = LandmarkTraining(steps=arguments.steps, batch=arguments.batch, seed=arguments.seed)
    report = partial(print, file=sys.stderr, flush=True)
    train([rig], LandmarkConfig(), settings, report, partial(save, arguments.out))


if __name__ == "__main__":
    main()
