"""Templates of model cards are filled completely."""

from __future__ import annotations

from sedtalker.training.cards import corrected_decoder_card, decoder_card, mouth_model_card


def test_a_card_tells_every_metric_and_has_no_field_left() -> None:
    names = ("lip_r", "width_r", "closure_recall", "unseen_talker_r", "phones", "score")
    card = mouth_model_card({name: 0.1 + i / 100 for i, name in enumerate(names)})
    assert "| phone frame accuracy, unseen speakers | 0.140 |" in card
    assert "| inner-lip width, the same sentences | 0.110 |" in card
    assert "{" not in card


def test_the_streaming_decoder_says_that_it_does_not_look_ahead() -> None:
    assert "Its attention sees 0.48 s beyond" in decoder_card(0.48, False, {})
    streaming = decoder_card(0.0, True, {"lip_r": 0.5})
    assert streaming.startswith("# Built-in streaming decoder")
    assert "nothing that comes later" in streaming


def test_a_corrected_decoder_holds_both_cards_one_level_deeper() -> None:
    card = corrected_decoder_card("# A\n\n## Training\nx\n", "# B\n", {"lip_r": 0.9})
    assert [line for line in card.splitlines() if line.startswith("#")] == [
        "# Decoder with a mouth model",
        "## Metrics on test sentences (never trained on)",
        "## A",
        "### Training",
        "## B",
    ]
