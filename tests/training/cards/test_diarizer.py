"""The model card says what was measured, and names licences and limits."""

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.training.cards import transfer_card


def test_a_card_without_results_names_the_licence_and_the_command_that_measures():
    text = transfer_card(read_config(builtin_checkpoint("diarizer")))
    assert "ODbL" in text
    assert "CREMA-D" in text
    assert "sedtalker evaluate transfer" in text
    assert "{" not in text


def test_a_card_shows_the_zero_shot_table():
    corpora = {"tess": {"role": "headline", "clips": 120, "uar": 0.31}}
    text = transfer_card(
        read_config(builtin_checkpoint("diarizer")), {"summary": {"zero_shot_uar": 0.3}, "corpora": corpora}
    )
    assert "| tess | 0.31 | headline |" in text
    assert "0.300" in text
