"""A corpus with votes and a tiny teacher, made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sedtalker.training.corpora.layer_features import Teacher
from tests.support.tiny_backbones import tiny_whisper

PITCH = {"NEU": 110, "HAP": 240, "ANG": 340}
"""Fundamental frequency of each emotion, Hz."""
WORDS = {"NEU": "neutral", "HAP": "happy", "ANG": "angry"}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small are slowed down by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def rated_voices(tmp_path: Path, one_thread: None) -> Path:
    """A data folder: speakers whose categories differ in pitch as CREMA-D with votes, the same as AESDD and bursts."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
    lines = ["corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"]
    votes = ["file,voice_A,voice_D,voice_F,voice_H,voice_N,voice_S,voice_level_mean"]
    takes = [("cremad", "1001", "train"), ("cremad", "1002", "train"), ("cremad", "1003", "valid")]
    takes += [("emogator", "2001", "train"), ("aesdd", "3001", "test")]
    takes += [("librispeech", "4001", "train"), ("librispeech", "4002", "valid")]
    for corpus, speaker, split in takes:
        (root / "audio" / corpus).mkdir(parents=True, exist_ok=True)
        for code, pitch in PITCH.items():
            for sentence in ("DFA", "IEO", "TIE"):
                time, name = np.arange(16_000) / 16_000, f"{speaker}_{sentence}_{code}_XX.wav"
                tone = pitch + rng.normal(0, 4)
                wave = sum(np.sin(2 * np.pi * tone * k * time) / k for k in range(1, 12))
                samples = np.concatenate([np.zeros(3200), 0.1 * wave, np.zeros(3200)]) + 1e-4 * rng.normal(size=22_400)
                soundfile.write(root / "audio" / corpus / name, samples, 16_000)
                lines.append(f"{corpus},{name},en,{speaker},f,{WORDS[code]},,,1.4,{split}")
                if corpus == "cremad":
                    shares = [6 * (code == "ANG"), 0, 0, 6 * (code == "HAP"), 2 + 6 * (code == "NEU"), 0]
                    votes.append(",".join([name, *map(str, shares), "60"]))
    (root / "audio" / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "audio" / "cremad" / "ratings.csv").write_text("\n".join(votes) + "\n")
    return root


@pytest.fixture
def tiny_teacher() -> Teacher:
    """Random layers of the real class, projected to eight channels."""
    return Teacher(tiny_whisper(), torch.zeros(32), torch.randn(32, 8) / 4)
