"""The whole evaluation of the built-in diarizer on a few real clips."""

import csv
from pathlib import Path

import pytest

from sedtalker.training.evaluation.diarizer_measures import evaluate_diarizer

WANTED = {"ravdess": 30, "nemo": 12, "emotiontts_ko": 8, "tess": 10, "baved": 12}


@pytest.fixture
def few(data_dir: Path, tmp_path: Path) -> Path:
    """Some clips of each corpus, evenly taken from one test speaker's, as a data folder of their own."""
    with (data_dir / "audio" / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    (tmp_path / "audio").mkdir()
    chosen = []
    for corpus, count in WANTED.items():
        (tmp_path / "audio" / corpus).symlink_to(data_dir / "audio" / corpus)
        members = [r for r in rows if r["corpus"] == corpus and (r["split"] == "test" or corpus in ("tess", "baved"))]
        if corpus != "baved":
            members = [r for r in members if r["speaker"] == members[0]["speaker"]]
        chosen += members[:: max(1, len(members) // count)]
    with (tmp_path / "audio" / "manifest.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)
    return tmp_path


@pytest.mark.data
@pytest.mark.slow
def test_every_figure_is_there_and_makes_sense(few: Path, tmp_path: Path) -> None:
    figures = evaluate_diarizer(few, recordings=6, plot=tmp_path / "calibration.png")
    shares = [name for name in figures if name.startswith(("uar_", "eder", "ece", "frame_", "boundary_", "certain_"))]
    assert all(0.0 <= figures[name] <= 1.0 for name in shares)
    wanted = {"uar_ravdess", "uar_ravdess_enrolled5", "uar_nemo", "uar_ko", "uar_tess", "eder7", "eder4", "boundary_f1"}
    wanted |= {"intensity_auc", "intensity_auc_gain_normalised", "intensity_baved_spearman", "ece", "frame_macro_f1"}
    assert wanted <= set(figures)
    assert figures["uar_ravdess"] > 1 / 7, "a corpus never trained on, one actor: better than chance"
    assert abs(figures["intensity_auc"] - figures["intensity_auc_gain_normalised"]) < 0.05
    assert (tmp_path / "calibration.png").stat().st_size > 10_000
