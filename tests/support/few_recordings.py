"""A few recordings of the training data in a folder of their own, so that training on them takes seconds."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from sedtalker.training.corpora.tracked_motion import TEST_TAKE, read_grid


def few_recordings(data_dir: Path, folder: Path, corpora: tuple[str, ...] = ("speechocean762",)) -> Path:
    """The measured expressions, two tracked clips and two of each corpus a split where there are, takes, and noise."""
    (folder / "motion/grid").mkdir(parents=True)
    for name in ("ravdess_au/emotion_au_table.json", "grid/names.json"):
        (folder / "motion" / name).parent.mkdir(exist_ok=True)
        shutil.copy(data_dir / "motion" / name, folder / "motion" / name)
    clips = read_grid(data_dir)
    for split in ("train", "valid", "test"):
        for clip in [c for c in clips if c.split == split][:2]:
            for path in (clip.audio, clip.audio.with_suffix(".npz")):
                shutil.copy(path, folder / "motion/grid")
    (folder / "motion/facegood").mkdir()
    for take in ("1114_2_01", TEST_TAKE):
        for path in (data_dir / "motion/facegood").glob(f"{take}.*"):
            shutil.copy(path, folder / "motion/facegood")
    rows = list(csv.DictReader((data_dir / "audio/manifest.csv").open(encoding="utf-8")))
    chosen = [
        row
        for corpus in corpora
        for split in ("train", "valid", "test")
        for row in [r for r in rows if r["corpus"] == corpus and r["split"] == split][::400][:2]
    ]
    for row in chosen:
        (folder / "audio" / row["corpus"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir / "audio" / row["corpus"] / row["file"], folder / "audio" / row["corpus"] / row["file"])
    (folder / "audio/esc10").mkdir()
    shutil.copy(min((data_dir / "audio/esc10").glob("*.opus")), folder / "audio/esc10")
    with (folder / "audio/manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(chosen)
    if (data_dir / "teacher").is_dir():
        (folder / "teacher").symlink_to(data_dir / "teacher")
    return folder
