"""What each key of a measurement is, its unit, and which way is better; ``keys.toml`` holds them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from sedtalker.training.evaluation.measures import TEST, read_measures

ROWS = tomllib.loads(Path(__file__).with_name("keys.toml").read_text(encoding="utf-8"))
"""The tables as they are written."""
KEYS = {**read_measures(ROWS), "fine": TEST["fine"]}
"""By the word that ``measure.py`` takes."""
