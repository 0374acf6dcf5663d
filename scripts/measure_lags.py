"""Measures how far sound and picture of the tracked clips are apart, and writes the table that training reads.

python scripts/measure_lags.py --data DIR [--cache DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from measures.lags import measure_lags

from sedtalker.face.builtin import load_face
from sedtalker.training.corpora.tracked_motion import LAGS, read_grid
from sedtalker.training.motion.alignment import Utterance, align_corpus
from sedtalker.training.motion.spoken_motion import measure_lips
from sedtalker.training.run import cache_folder


def main() -> None:
    """Align, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache")
    parser.add_argument("--table", type=Path, default=Path(str(LAGS)))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_grid(arguments.data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache_folder(arguments.cache))
    lags = measure_lags(clips, spans, measure_lips(load_face()))
    rows = "".join(f"{name},{round(1000.0 * lag)}\n" for name, lag in lags.items())
    arguments.table.write_text("name,milliseconds\n" + rows, encoding="utf-8")
    values = 1000.0 * np.array(list(lags.values()))
    beyond = float(np.mean(np.abs(values) > 40.0))
    print(f"{len(values)} clips, standard deviation {values.std():.0f} ms, {beyond:.2f} beyond 40 ms")


if __name__ == "__main__":
    main()
