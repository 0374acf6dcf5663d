"""A tiny corpus that a task can really be trained on."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.training.motion import spoken_motion


@pytest.fixture
def short_phone_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network from phones to motion is trained for a few steps."""
    monkeypatch.setattr(spoken_motion, "train_phone_motion", partial(spoken_motion.train_phone_motion, steps=20))


@pytest.fixture
def buzzing_voices(tmp_path: Path) -> Path:
    """A data folder: four speakers with two categories told apart by pitch."""
    root = tmp_path / "data"
    folder = root / "audio" / "made"
    folder.mkdir(parents=True)
    lines = ["corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"]
    rng = np.random.default_rng(0)
    for speaker, split in (("a", "train"), ("b", "train"), ("c", "valid")):
        for emotion, pitch in (("neutral", 110), ("happy", 240)):
            for take in range(3):
                time = np.arange(16_000) / 16_000
                wave = sum(np.sin(2 * np.pi * (pitch + 5 * take) * k * time) / k for k in range(1, 12))
                samples = np.concatenate([np.zeros(3200), 0.1 * wave, np.zeros(3200)]) + 1e-4 * rng.normal(size=22_400)
                name = f"{speaker}_{emotion}_{take}.wav"
                soundfile.write(folder / name, samples, 16_000)
                lines.append(f"made,{name},en,{speaker},f,{emotion},normal,,1.4,{split}")
    (root / "audio" / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root
