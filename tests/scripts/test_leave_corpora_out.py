"""The table of corpora left out: means over seeds, surprise where a corpus has it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.scripts.test_results_pages import SCRIPTS, load

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(SCRIPTS))  # scripts import one another by name
SCRIPT = load("leave_corpora_out")
sys.path.remove(str(SCRIPTS))


def test_means_over_seeds_and_corpora() -> None:
    free = [dict.fromkeys(SCRIPT.SCORED, value) for value in (0.3, 0.5)]
    without = {name: [dict.fromkeys(SCRIPT.SCORED, 0.2) | {"surprise_tess": 0.7}] for name in SCRIPT.SCORED}
    values = SCRIPT.summary(free, without)
    assert values["free_mean"] == pytest.approx(0.4)
    assert values["free_sd_nemo"] == pytest.approx(0.1)
    assert values["all_mean"] == pytest.approx(0.2)
    assert values["all_surprise_tess"] == pytest.approx(0.7)
    assert "free_surprise_tess" not in values
    text = SCRIPT.page(values)
    assert "With everything else the mean recall is 0.200, with the free corpora alone 0.400." in text
    assert "| tess | 0.40 ± 0.10 | 0.20 ± 0.00 |  | 0.70 |" in text


def test_the_page_holds_what_was_measured() -> None:
    every = json.loads((DOCS / "leave_out.json").read_text(encoding="utf-8"))
    page = (DOCS / "cross-corpus.md").read_text(encoding="utf-8")
    assert set(every) == {SCRIPT.BUILT_IN, SCRIPT.WHISPER}
    for values in every.values():
        assert SCRIPT.page(values).strip() in page
        assert np.isfinite(list(values.values())).all()
