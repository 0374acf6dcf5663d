"""What a checkpoint says of itself: its configuration, and its model card, a Markdown template beside this file.

A template is ``NAME.md`` with fields of ``str.format`` in it, which a run fills. Tables of metrics are written by
``card_table`` from the table of measures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files

from pydantic import BaseModel

from sedtalker.checkpoint import CheckpointConfig, Kind
from sedtalker.training.corpora.speech import weights_licence, with_licence
from sedtalker.training.evaluation.measures import card_table


def learned_from(
    kind: Kind, corpora: Iterable[str], model: BaseModel, metrics: dict[str, float], encoder: str | None, *others: str
) -> CheckpointConfig:
    """The configuration of weights trained on corpora and ``others``, that read an encoder of this hash."""
    names = list(corpora)
    return CheckpointConfig(
        kind=kind,
        licence=weights_licence(names),
        trained_on=list(dict.fromkeys([*map(with_licence, names), *others])),
        encoder_sha256=encoder,
        model=model.model_dump(mode="json"),
        metrics=metrics,
    )


def fill_card(name: str, /, **values: object) -> str:
    """The template ``name`` with its fields filled in."""
    template = (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
    return template.format(**values)


def card_of(config: CheckpointConfig, /, **values: object) -> str:
    """The template of a checkpoint's kind, filled with its licence, corpora and metrics too."""
    corpora = "\n".join(f"- {name}" for name in config.trained_on)
    known = {"licence": config.licence, "corpora": corpora, "metrics": card_table(config.kind, config.metrics)}
    return fill_card(config.kind, **{**known, **values})


def speech_encoder_card(metrics: Mapping[str, float], further: str = "") -> str:
    """The card of a speech encoder; ``metrics`` of its validation; ``further``: a paragraph on later training."""
    return fill_card("speech_encoder", further=further, metrics=card_table("speech_encoder", metrics))


# --- Decoders.


def decoder_card(look_ahead: float | None, closures: bool, metrics: Mapping[str, float], held_out: str = "") -> str:
    """The card of a decoder.

    Args:
        look_ahead: seconds that its blocks see beyond a frame; None: the whole recording.
        closures: it was trained on from another with ``experiment=decoder_closures``.
        held_out: the section on test sentences, once ``scripts/make_results.py`` has measured them.
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
    return fill_card("decoder", look_ahead=seen, runs=runs, held_out=held_out, metrics=card_table("decoder", metrics))


def transfer_card(
    checkpoint: CheckpointConfig,
    test: str = "`sedtalker evaluate transfer` measures them.",
    run: str = "One run of `sedtalker train experiment=transfer_diarizer`.",
) -> str:
    """The card of a diarizer of ``experiment=transfer_diarizer``; ``test``: what is known of other corpora."""
    model = checkpoint.model
    boundaries = "No network finds where the emotion changes; the categories alone say so."
    if model.get("frame_networks"):
        boundaries = (
            "A small convolutional network finds where the emotion changes inside a recording\n"
            "  (`experiment=frame_network`); the shorter windows end there."
        )
    return card_of(
        checkpoint,
        run=run,
        encoder="layers of Whisper-base (MIT, not contained here)" if model.get("backbone") else "the emotion encoder",
        members=model["members"],
        windows=", ".join(f"{w:g}" for w in model["windows"]),
        temperature=model["temperature"],
        boundaries=boundaries,
        test=test,
    )
