"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the training and reference data; tests that need it skip where it is absent."""
    root = Path(os.environ.get("SEDTALKER_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / "README.md").exists():
        pytest.skip("training data not found: set SEDTALKER_DATA")
    return root
