"""What fine-tuning on an actor's takes brings: five takes of an unseen Mandarin talker, scored on a sixth.

    python scripts/measure_personal_decoder.py --data DIR --run runs/actor-measured

The takes (FACEGOOD Audio2Face, MIT; rig motion, mouth only) are laid out as a user's would be: Live Link Face CSV
beside sound. The built-in weights were not trained on this talker. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import tempfile
from pathlib import Path

from sedtalker.audio import FrameClock, load_audio, resample_frames
from sedtalker.cli.console import messages_shown
from sedtalker.export.arkit import COLUMNS, RATE, timecode
from sedtalker.training.corpora.tracked_motion import TEST_TAKE, TrackedClip, read_facegood
from sedtalker.training.run import compose, train


def write_take(folder: Path, clip: TrackedClip) -> None:
    """``NAME.csv`` and the sound of a tracked clip."""
    clock = FrameClock(float(RATE))
    times = clock.times(clock.frames(load_audio(clip.audio).duration))
    rows = resample_frames(clip.coefficients, clip.times, times)
    with (folder / f"{clip.name}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([timecode(frame), 61, *row, *([0.0] * 9)] for frame, row in enumerate(rows.tolist()))
    shutil.copy(clip.audio, folder / clip.audio.name)


def main() -> None:
    """Lay out the takes, train, print the held-out metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("overrides", nargs="*", help="Hydra overrides of experiment=personal_decoder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for clip in read_facegood(options.data):
            write_take(Path(folder), clip)
        fixed = ["experiment=personal_decoder", f"task.held_out=['{TEST_TAKE}']", f"data={folder}"]
        metrics = train(compose([*fixed, f"trainer.run_dir={options.run}", *options.overrides]))
    print(json.dumps({name: round(value, 4) for name, value in metrics.items()}, indent=2))


if __name__ == "__main__":
    with messages_shown():
        main()
