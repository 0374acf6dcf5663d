"""Templates of model cards are filled completely."""

from __future__ import annotations

from sedtalker.training.cards import decoder_card


def test_a_card_tells_every_metric_and_has_no_field_left() -> None:
    names = ("lip_r", "width_r", "closure_recall", "unseen_talker_r", "upper_rmse", "score")
    card = decoder_card(None, True, {name: 0.1 + i / 100 for i, name in enumerate(names)})
    assert "| inner-lip width, the same sentences | 0.110 |" in card
    assert "Metrics on test sentences" not in card
    assert "{" not in card
    assert "measured later" in decoder_card(None, True, {}, "measured later")


def test_a_decoder_says_whether_it_looks_ahead() -> None:
    assert "Its attention sees 0.48 s beyond" in decoder_card(0.48, False, {})
    streaming = decoder_card(0.0, True, {"lip_r": 0.5})
    assert "nothing that comes later" in streaming
    assert "finds p, b or m" in streaming
