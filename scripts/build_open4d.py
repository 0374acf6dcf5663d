"""Build the open 4D set: motion of speech under changing emotion on the 52 shapes, with splits and a datasheet.

    python scripts/build_open4d.py open4d --data DIR   # needs sedtalker[align]

It writes ``takes.csv``, ``motion/RECORDING.npz`` and the datasheet (``open4d.md`` beside this file, after Gebru et al.
2018). The same data give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np

from sedtalker.audio import load_audio
from sedtalker.cli.console import ShownProgress
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.features import FRAME_CLOCK, analyse
from sedtalker.storage import OutputFolder, whole_file
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.motion.open4d import SceneTake, changes, composed, read_parts, recordings, takes
from sedtalker.training.run import cache_folder

VERSION = "2"
"""1: sound and picture as recorded; 2: synchronised."""
COLUMNS = ("name", "split", "kind", "corpus", "speaker", "language", "scene", "changes", "peak", "seconds", "audio")
"""Columns of ``takes.csv``."""


def main() -> None:
    """Build the set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path, help="the folder to create, or an empty one")
    parser.add_argument("--data", type=Path, help="training data folder [SEDTALKER_DATA or ../shared/data]")
    parser.add_argument("--cache", help="folder of the phone alignments [~/.cache/sedtalker]")
    parser.add_argument("--workers", type=int, default=1, help="processes that align phones")
    given = parser.parse_args()
    if given.output.is_dir() and any(given.output.iterdir()):
        parser.error(f"{given.output} holds something: name another folder")
    with OutputFolder(given.output, None, force=True) as made, ShownProgress() as shown:
        counts = build_open4d(find_data(given.data), made.path, cache_folder(given.cache), given.workers, shown.hook)
    print(f"{given.output}: " + ", ".join(f"{count} takes to {split}" for split, count in counts.items()))


def build_open4d(data: Path, out: Path, cache: Path, workers: int = 1, hook: Hook = no_progress) -> dict[str, int]:
    """Write the set to ``out``: ``takes.csv``, ``motion/<recording>.npz`` and the datasheet; returns takes by split."""
    parts, counts, rows, seconds = read_parts(data), Counter[str](), [], Counter[str]()
    (out / "motion").mkdir(parents=True, exist_ok=True)
    for number, recording in enumerate(recordings(data, cache, parts.lip_measure, workers=workers), 1):
        prosody, arrays = analyse(load_audio(recording.audio).samples).frames[0], {}
        for take in takes(recording):
            cut, motion = composed(take, parts, prosody)
            arrays[f"{take.scene}_coefficients"] = motion.astype(np.float16)
            arrays[f"{take.scene}_posterior"] = cut.posterior.astype(np.float16)
            arrays[f"{take.scene}_intensity"] = cut.intensity.astype(np.float16)
            rows.append(_row(cut, data))
            counts[recording.split] += 1
            seconds[recording.split] += round(cut.times[-1])
        with whole_file(out / "motion" / f"{recording.key}.npz") as temporary:
            np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
        hook("recordings in every scene", number, 0)
    with whole_file(out / "takes.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    template = Path(__file__).with_name("open4d.md").read_text(encoding="utf-8")
    sheet = template.format(
        version=VERSION,
        recordings=len(rows) // 3,
        **{f"takes_{split}": counts[split] for split in ("train", "valid", "test")},
        **{f"minutes_{split}": seconds[split] // 60 for split in ("train", "valid", "test")},
    )
    (out / "README.md").write_text(sheet, encoding="utf-8")
    return dict(counts)


def _row(take: SceneTake, data: Path) -> dict[str, object]:
    recording = take.recording
    return {
        "name": take.name,
        "split": recording.split,
        "kind": recording.kind,
        "corpus": recording.corpus,
        "speaker": recording.speaker,
        "language": recording.language,
        "scene": take.scene,
        "changes": changes(take.posterior, take.intensity),
        "peak": round(float(take.intensity.max()), 3),
        "seconds": round(len(take.times) / FRAME_CLOCK.rate, 2),
        "audio": recording.audio.relative_to(data).as_posix(),
    }


if __name__ == "__main__":
    main()
