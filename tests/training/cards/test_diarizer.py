"""The model card says what was measured, and names licences and limits."""

from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.training.cards import transfer_card


def test_a_card_without_results_names_the_licence_and_the_command_that_measures():
    text = transfer_card(read_config(builtin_checkpoint("diarizer")))
    assert "ODbL" in text
    assert "CREMA-D" in text
    assert "sedtalker evaluate transfer" in text
    assert "{" not in text
