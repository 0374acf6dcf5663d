"""The model card says what was measured, and the one that ships is the one the script writes."""

import json
from pathlib import Path

import pytest

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.training.cards.diarizer import diarizer_card

RESULTS = Path(__file__).parents[3] / "docs" / "results.json"


def test_the_card_that_ships_is_made_from_the_results():
    if not RESULTS.is_file():
        pytest.skip("no docs/results.json: run scripts/make_results.py")
    folder = builtin_checkpoint("diarizer")
    text = diarizer_card(read_config(folder), json.loads(RESULTS.read_text(encoding="utf-8")))
    assert (folder / "README.md").read_text(encoding="utf-8") == text, "run scripts/make_results.py --parts"
    assert (folder / "calibration.png").is_file()


def test_a_card_without_results_names_licences_and_the_commands_that_measure():
    text = diarizer_card(read_config(builtin_checkpoint("diarizer")))
    assert "| RAVDESS | CC BY-NC-SA 4.0 | English" in text
    assert "sedtalker evaluate diarizer" in text
    assert "{" not in text
