"""Model cards: Markdown templates beside this file, filled with what a run knows.

A template is ``NAME.md`` with fields of ``str.format`` in it. Tables of metrics are written by ``card_table`` from the
table of measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from sedtalker.training.evaluation.measures import card_table, listed_metrics
from sedtalker.training.evaluation.motion_measures import DECODER


def fill_card(name: str, /, **values: object) -> str:
    """The template ``name`` with its fields filled in."""
    template = (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
    return template.format(**values)


# --- Decoders.


def decoder_card(look_ahead: float | None, closures: bool, metrics: Mapping[str, float]) -> str:
    """The card of a decoder.

    Args:
        look_ahead: seconds that its blocks see beyond a frame; None: the whole recording.
        closures: it was trained on from another with ``experiment=decoder_closures``.
        metrics: of its validation.
    """
    runs = "One run of `sedtalker train experiment=decoder`."
    if closures:
        runs = "A run of `sedtalker train experiment=decoder`, then a short one of `experiment=decoder_closures`."
    seen = ""
    if look_ahead:
        seen = f"Its attention sees {look_ahead:.2f} s beyond a frame."
    elif look_ahead is not None:
        seen = (
            "Its blocks look at nothing that comes later: `sedtalker stream` runs it while somebody\nspeaks. It was "
            "trained on from the built-in decoder (`task.start=DIR task.model.future=0`)."
        )
    return fill_card(
        "decoder",
        title="Built-in streaming decoder" if look_ahead == 0 else "Built-in decoder",
        look_ahead=seen,
        runs=runs,
        metrics=card_table("decoder", metrics),
    )


def mouth_model_card(metrics: Mapping[str, float]) -> str:
    """The card of a mouth model with these validation metrics."""
    return fill_card("mouth_model", metrics=card_table("mouth_model", metrics))


def corrected_decoder_card(decoder: str, mouth_model: str, held_out: Mapping[str, float] | None = None) -> str:
    """The card of a decoder with a mouth model.

    Args:
        decoder: the decoder's own card.
        mouth_model: the mouth model's own card.
        held_out: metrics on test sentences, once ``scripts/make_results.py`` has measured them.
    """
    parts = [card.replace("\n#", "\n##") for card in (decoder, mouth_model)]
    return (
        fill_card(
            "corrected_decoder",
            held_out=_held_out(held_out) if held_out else "",
            parts="\n".join(f"#{card}" for card in parts),
        ).rstrip()
        + "\n"
    )


def _held_out(metrics: Mapping[str, float]) -> str:
    """The section on test sentences."""
    lines = ["| measure | value |", "|---|---|"]
    lines += [f"| {measure.text} | {value:.3f} |" for measure, value in listed_metrics(DECODER, metrics)]
    return (
        "## Metrics on test sentences (never trained on)\n\n`sedtalker evaluate decoder --json`, of both networks "
        "together.\n\n" + "\n".join(lines) + "\n\n"
    )
