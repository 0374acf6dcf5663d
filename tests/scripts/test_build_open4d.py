"""The open 4D set is the same whenever it is built, and its splits are kept apart."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import build_open4d as building
import numpy as np
import pytest

from sedtalker.training.motion import spoken_motion
from sedtalker.training.motion.open4d import SCENES
from tests.support.few_recordings import few_recordings


@pytest.mark.slow
@pytest.mark.data
def test_the_set_is_built_the_same_twice(data_dir, tmp_path, monkeypatch):
    pytest.importorskip("pocketsphinx")
    monkeypatch.setattr(spoken_motion, "train_phone_motion", partial(spoken_motion.train_phone_motion, steps=20))
    data = few_recordings(data_dir, tmp_path / "data")
    for name in ("a", "b"):
        counts = building.build_open4d(data, tmp_path / name, tmp_path / "c")
    assert counts["train"] >= 6
    assert counts["test"] >= 6
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    rows = list(csv.DictReader((tmp_path / "a/takes.csv").open(encoding="utf-8")))
    by_audio: dict[str, set[str]] = {}
    for row in rows:
        by_audio.setdefault(row["audio"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in by_audio.values())
    with np.load(tmp_path / "a/motion" / f"{Path(rows[0]['audio']).stem}.npz") as arrays:
        assert {f"{s}_coefficients" for s in SCENES} <= set(arrays)
        assert arrays["changing_coefficients"].shape[1] == 52
        assert arrays["changing_coefficients"].max() <= 1
    assert "Open 4D set, version 2" in (tmp_path / "a/README.md").read_text()
