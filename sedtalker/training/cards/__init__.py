"""Model cards: Markdown templates beside this file, filled with what a run knows.

A template is ``NAME.md`` with fields of ``str.format`` in it. Tables of metrics are written by ``card_table`` from the
table of measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from sedtalker.animation.mouth_readout import MouthReadoutConfig
from sedtalker.checkpoint import CheckpointConfig
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.evaluation.measures import TEST, card_table, listed_metrics, markdown_table

WENT_ON = """\
Its training was then continued (`experiment=speech_encoder_noise`): its own output for clean sound was the target for
the same sound in noise (ESC-10 and others), beside one to five other readers, and in rooms. Decoders were not changed.
{run}

"""
"""Paragraph on a speech encoder that continued training in noise."""


def fill_card(name: str, /, **values: object) -> str:
    """The template ``name`` with its fields filled in."""
    template = (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
    return template.format(**values)


def speech_encoder_card(metrics: Mapping[str, float], noise_run: str | None = None) -> str:
    """The card of a speech encoder; ``metrics`` of its validation, how it went on in noise, if it did."""
    further = "" if noise_run is None else WENT_ON.format(run=noise_run)
    return fill_card("speech_encoder", further=further, metrics=card_table("speech_encoder", metrics))


# --- Decoders.


def decoder_card(
    look_ahead: float | None,
    closures: bool,
    metrics: Mapping[str, float],
    held_out: Mapping[str, float] | None = None,
) -> str:
    """The card of a decoder.

    Args:
        look_ahead: seconds that its blocks see beyond a frame; None: the whole recording.
        closures: it was trained on from another with ``experiment=decoder_closures``.
        held_out: on test sentences, once ``scripts/make_results.py`` has measured them.
    """
    runs = "One run of `sedtalker train experiment=decoder`."
    if closures:
        runs = "A run of `sedtalker train experiment=decoder`, then a short one of `experiment=decoder_closures`."
    seen = ""
    if look_ahead:
        seen = f"Its attention sees {look_ahead:.2f} s beyond a frame."
    elif look_ahead == 0:
        seen = "Its blocks look at nothing that comes later, so recordings and streams have the same decoder."
    seen += (
        "\nLips are closed where `articulation` finds p, b or m (in streams `articulation_streaming`),\n"
        "in vectors of other encoders where its phone head does."
    )
    return fill_card(
        "decoder",
        look_ahead=seen,
        runs=runs,
        held_out=_held_out(held_out) if held_out else "",
        metrics=card_table("decoder", metrics),
    )


def readout_decoder_card(config: MouthReadoutConfig, held_out: Mapping[str, float] | None = None) -> str:
    """The card of a decoder with a readout beside it; ``held_out``: see ``decoder_card``."""
    return fill_card(
        "readout_decoder",
        share=config.share,
        layers=" and ".join(map(str, config.backbone.side_by_side or ())),
        width=config.width,
        reach=config.reach * config.step / FRAME_CLOCK.rate,
        metrics=_held_out(held_out) if held_out else "",
    )


def _held_out(metrics: Mapping[str, float]) -> str:
    """The section on test sentences."""
    rows = [(measure.text, f"{value:.3f}") for measure, value in listed_metrics(TEST["decoder"], metrics)]
    table = markdown_table(("measure", "value"), rows)
    return f"## Metrics on test sentences (never trained on)\n\n`sedtalker evaluate decoder --json`.\n\n{table}\n\n"


def transfer_card(
    checkpoint: CheckpointConfig,
    results: Mapping[str, Any] | None = None,
    run: str = "One run of `sedtalker train experiment=transfer_diarizer`.",
) -> str:
    """The card of a diarizer of ``experiment=transfer_diarizer``.

    Args:
        results: the zero-shot table as ``scripts/make_results.py`` keeps it; None: not measured.
    """
    model = checkpoint.model
    test = "`sedtalker evaluate transfer` measures them."
    if results is not None:
        rows = [
            (name, f"{found['uar']:.2f}", found["role"]) for name, found in results["corpora"].items() if "uar" in found
        ]
        summary = [
            f"- {measure.text}: {value:.3f}" for measure, value in listed_metrics(TEST["transfer"], results["summary"])
        ]
        head = ("corpus", "recall over its own categories", "role")
        test = "\n".join(summary) + "\n\n" + markdown_table(head, rows)
    return fill_card(
        "transfer_diarizer",
        run=run,
        encoder="layers of Whisper-base (MIT, not contained here)" if model.get("backbone") else "the emotion encoder",
        licence=checkpoint.licence,
        members=model["members"],
        windows=", ".join(f"{w:g}" for w in model["windows"]),
        temperature=model["temperature"],
        boundaries=_boundaries(len(model.get("frame_networks", ()))),
        corpora="\n".join(f"- {name}" for name in checkpoint.trained_on),
        test=test,
        metrics=card_table("diarizer", checkpoint.metrics) if checkpoint.metrics else "Not kept.",
    )


def _boundaries(networks: int) -> str:
    """What finds the changes of emotion inside a recording."""
    if not networks:
        return "No network finds where the emotion changes; the categories alone say so."
    return (
        "A small convolutional network finds where the emotion changes inside a recording\n"
        "  (`experiment=frame_network`); the shorter windows end there."
    )
