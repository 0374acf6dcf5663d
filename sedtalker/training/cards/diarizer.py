"""The model card of a diarizer: how it was trained, and how well it works on test speakers, from measured metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sedtalker.checkpoint import CheckpointConfig
from sedtalker.speech.backbone import PACKED
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.speech import known_corpus, with_licence
from sedtalker.training.evaluation.measure import TRANSFER
from sedtalker.training.evaluation.measures import card_table, listed_metrics

Metrics = Mapping[str, float]
"""Values by key, as ``docs/results.json`` holds them."""

NOT_MEASURED = "`sedtalker evaluate diarizer` and `sedtalker evaluate enrolment` measure the test speakers.\n\n"
"""Stands in the place of the test section until somebody has measured it."""


def with_licences(corpora: Iterable[str]) -> list[str]:
    """Each corpus as ``name (licence)``, for ``trained_on`` of a checkpoint."""
    return [with_licence(name) for name in corpora]


def diarizer_card(checkpoint: CheckpointConfig) -> str:
    """The card's text (Markdown).

    Args:
        checkpoint: its ``config.json``.
    """
    model = checkpoint.model
    return fill_card(
        "diarizer",
        encoder=_encoder(model.get("backbone")),
        licence=checkpoint.licence,
        windows=", ".join(f"{w:g}" for w in model["windows"]),
        members=model["members"],
        width=model["width"],
        temperature=model["temperature"],
        networks=len(model.get("frame_networks", ())) or "no",
        corpora=_corpora(checkpoint.trained_on),
        test=NOT_MEASURED,
        metrics=card_table("diarizer", checkpoint.metrics),
    )


def transfer_card(
    checkpoint: CheckpointConfig,
    results: Mapping[str, Any] | None = None,
    run: str = "One run of `sedtalker train experiment=transfer_diarizer`.",
) -> str:
    """The card of a diarizer of ``experiment=transfer_diarizer``.

    Args:
        checkpoint: its ``config.json``.
        results: the zero-shot table as ``scripts/make_results.py`` keeps it; None: not measured.
        run: which run it was.
    """
    model = checkpoint.model
    test = "`sedtalker evaluate transfer` measures them."
    if results is not None:
        rows = [
            (name, f"{found['uar']:.2f}", found["role"]) for name, found in results["corpora"].items() if "uar" in found
        ]
        summary = [f"- {measure.text}: {value:.3f}" for measure, value in listed_metrics(TRANSFER, results["summary"])]
        head = ("corpus", "recall over its own categories", "role")
        test = "\n".join(summary) + "\n\n" + _table(head, rows)
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


def _corpora(trained_on: list[str]) -> str:
    """A table of the corpora, each given as ``name (licence)``."""
    rows = []
    for entry in trained_on:
        name, _, licence = entry.partition(" (")
        known = known_corpus(name)
        title, part = (known.title, known.training) if known else (name, None)
        facts = (part.language, part.content, str(part.speakers), str(part.hours)) if part else ("",) * 4
        rows.append((title, licence.rstrip(")"), *facts))
    return _table(("corpus", "licence", "language", "content", "training speakers", "hours"), rows)


def _boundaries(networks: int) -> str:
    """What finds the changes of emotion inside a recording."""
    if not networks:
        return "No network finds where the emotion changes; the categories alone say so."
    return (
        "A small convolutional network finds where the emotion changes inside a recording (`experiment=frame_network`)."
    )


def _encoder(backbone: dict[str, Any] | None) -> str:
    if backbone is None:
        return "the built-in speech encoder"
    if backbone["name"] == PACKED:
        return "the speech backbone in `backbone/`, a mixture of all its layers"
    revision = f" ({backbone['revision']})" if backbone["revision"] else ""
    return f"`{backbone['name']}`{revision} of the Hugging Face hub, a mixture of all its layers"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
