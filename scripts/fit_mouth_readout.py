"""Fit the readout of Whisper-base's layers that stands beside the built-in decoder, some minutes of one core.

python scripts/fit_mouth_readout.py --data DIR -o checkpoints/decoder_whisper_base
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sedtalker.cli.console import ShownProgress, messages_shown
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.motion.pseudo_labels import fit_mouth_readout
from sedtalker.training.run import cache_folder


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--whisper", help="folder of openai/whisper-base [the data's blocks, or the hub]")
    parser.add_argument("--output", "-o", type=Path, required=True)
    arguments = parser.parse_args()
    with messages_shown(), ShownProgress() as shown:
        fit_mouth_readout(find_data(arguments.data), cache_folder(), arguments.output, arguments.whisper, shown.hook)
    print(arguments.output)


if __name__ == "__main__":
    main()
