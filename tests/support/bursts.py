"""A small folder of training data with vocal bursts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile


def write_bursts(root: Path) -> None:
    """Four vocal bursts of two kinds by a test speaker of EmoGator, and their manifest."""
    folder = root / "audio" / "emogator"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"]
    time = np.arange(12_000) / 16_000
    for number, pitch in ((2, 300), (18, 110)):
        for take in (1, 2):
            name = f"000009-{number:02d}-{take}.wav"
            tone = sum(np.sin(2 * np.pi * (pitch + 9 * take) * k * time) / k for k in range(1, 9))
            soundfile.write(folder / name, 0.1 * tone, 16_000)
            lines.append(f"emogator,{name},nonverbal,000009,,,,,0.75,test")
    (root / "audio" / "manifest.csv").write_text("\n".join(lines) + "\n")
