"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a job in the background; programs that tests start need it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the training and reference data; tests that need it skip where it is absent."""
    root = Path(os.environ.get("SEDTALKER_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "README.md").exists():
        pytest.skip("training data not found: set SEDTALKER_DATA")
    return root


@pytest.fixture(scope="session")
def miniature_emovoca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus in EmoVOCA's published layout, made by us; to be read only."""
    from sedtalker.training.corpora.meshes.check import ExampleSize, write_example

    root = tmp_path_factory.mktemp("emovoca")
    sample = Path(__file__).parents[1] / "data" / "samples" / "four_moods.wav"
    write_example(root, sample, ExampleSize(takes=2, emotions=("Smile2", "Sad1"), steps=(3,), seconds=1.6))
    return root
