"""Average the weights of fine-tuned emotion encoders (model soup: Wortsman et al. 2022).

python -m scripts.average_encoders runs/a/export runs/b/export runs/c/export --output FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sedtalker.checkpoint import read_checkpoint, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.speech.encoder import EmotionEncoderConfig
from sedtalker.training.tasks.fine_tuned_encoder import fine_tuned_card


def average(folders: list[Path], output: Path) -> None:
    """Write the checkpoint whose weights are the mean of those of these folders.

    Raises:
        InputError: they are encoders of different sizes.
    """
    found = [read_checkpoint(folder, "emotion_encoder", EmotionEncoderConfig) for folder in folders]
    if any(config.model != found[0][0].model for config, _, _ in found):
        raise InputError("these encoders differ in size: nothing to average")
    weights = {name: torch.stack([state[name] for _, _, state in found]).mean(0) for name in found[0][2]}
    config = found[0][0].model_copy(update={"metrics": {}})
    write_checkpoint(output, config, weights, fine_tuned_card(config, f"The mean of {len(folders)} runs"))


def main() -> None:
    """The command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", required=True, type=Path)
    arguments = parser.parse_args()
    average(arguments.folders, arguments.output)


if __name__ == "__main__":
    main()
