"""Every measure that is reported: what it is, its unit, which way is better, what is asked of it.

``measures.toml`` holds them; ``docs/results.md``, the model cards, ``sedtalker evaluate … --help`` and ``sedtalker
checkpoint inspect`` are written from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sedtalker.reading import read_own_table

Better = Literal["higher", "lower", "neither"]
"""Which way is better; ``neither`` for controls and counts."""

ARROWS: dict[Better, str] = {"higher": "↑", "lower": "↓", "neither": ""}
"""How tables show which way is better."""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        key: its name in JSON; ``<…>`` in it stands for any word or none, so that one line describes a family.
        what: one sentence fragment that says what is measured, understandable alone.
        better: which way is better.
        unit: of the value; empty for shares, correlations and other plain numbers.
        asked: the value that the project asks of its shipped weights, if any.
        source: paper or function that defines it.
        listed: whether ``docs/results.md`` shows it; the others stand in ``docs/results.json`` alone.
    """

    key: str
    what: str
    better: Better = "higher"
    unit: str = ""
    asked: float | None = None
    source: str = ""
    listed: bool = True

    @property
    def text(self) -> str:
        """What it is, with its unit."""
        return f"{self.what}, {self.unit}" if self.unit else self.what

    def describes(self, key: str) -> bool:
        """Whether this line is about ``key``."""
        pattern = re.sub(r"<[^>]*>", ".*", re.escape(self.key).replace(r"\<", "<").replace(r"\>", ">"))
        return re.fullmatch(pattern, key) is not None


Measures = tuple[Measure, ...]
"""A table of measures, in the order in which it is shown."""

# --- The tables.


_HELD = read_own_table(__file__, "measures.toml")
"""The tables as they are written."""
SOURCES: dict[str, str] = _HELD["sources"]
"""Papers that define several measures, by a short name."""


def read_measures(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, Measures]:
    """Measures by the name of their table, from rows of TOML whose keys are the fields of ``Measure``.

    ``SOURCES`` say what stands for the short name of a source; others are as they are written.
    """
    return {
        name: tuple(
            Measure(**(row | {"source": SOURCES.get(row.get("source", ""), row.get("source", ""))})) for row in table
        )
        for name, table in rows.items()
    }


TEST = read_measures(_HELD["test"])
"""Measures of each ``sedtalker evaluate`` command, and of fine-grained emotions."""
VALIDATION: Mapping[str, Measures] = {
    **read_measures(_HELD["validation"]),
    "vertex_decoder": TEST["vertex-decoder"],
    "published_decoder": TEST["vertex-decoder"],
}
"""Measures of each task's ``validate``, by the kind of its checkpoint."""


# --- Lookups and text.


def find_measure(measures: Iterable[Measure], key: str) -> Measure | None:
    """The line about ``key``: the exact one, else the first family it belongs to."""
    every = list(measures)
    return next((m for m in every if m.key == key), None) or next((m for m in every if m.describes(key)), None)


def held_out_measures(kind: str, metrics: Mapping[str, float]) -> Measures:
    """What the held-out figures of a checkpoint of this kind were measured as; see ``docs/results.md``.

    Diarizers are measured on corpora that they were never trained on.
    """
    if "zero_shot_uar" in metrics:
        return TEST["transfer"]
    part = {"readout_decoder": "decoder", "fine_emotions": "fine"}.get(kind, kind.replace("_", "-"))
    return TEST.get(part, ())


def listed_metrics(measures: Iterable[Measure], metrics: Mapping[str, float]) -> list[tuple[Measure, float]]:
    """The metrics that ``docs/results.md`` shows, in the order of the table."""
    return [(m, metrics[m.key]) for m in measures if m.listed and m.key in metrics]


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, without a line break at its end."""
    first, *rest = ("| " + " | ".join(map(str, row)) + " |" for row in (head, *rows))
    return "\n".join([first, "|---" * len(head) + "|", *rest])


def card_table(kind: str, metrics: Mapping[str, float], digits: int = 3) -> str:
    """Markdown rows of a model card: every validation metric with what it is, in the order of the table of measures."""
    if not metrics:
        return "Not kept."
    measures = VALIDATION[kind]
    order = {m.key: i for i, m in enumerate(measures)}
    rows = []
    for key in sorted((k for k in metrics if k != "score"), key=lambda k: order.get(k, len(order))):
        measure = find_measure(measures, key)
        exact = measure is not None and measure.key == key
        what = measure.text if measure is not None and exact else f"`{key}`" + (f": {measure.text}" if measure else "")
        rows.append((what, f"{metrics[key]:.{digits}f}"))
    return markdown_table(("measure", "value"), rows)


def help_text(command: str, summary: str) -> str:
    """Help of ``sedtalker evaluate <command>``: the summary, then every measure it prints with what it is."""
    lines = [
        f"{m.key}: {m.text}{' ' + ARROWS[m.better] if m.better != 'neither' else ''}" for m in TEST[command] if m.listed
    ]
    return summary + "\n\n\b\n" + "\n".join(line.replace("`", "") for line in lines)


def explained(measures: Iterable[Measure], metrics: Mapping[str, float]) -> str:
    """Lines for a terminal: key, value, which way is better and what it is."""
    every, lines = list(measures), []
    for key, value in metrics.items():
        measure = find_measure(every, key)
        about = f"{ARROWS[measure.better]:<2}{measure.text}" if measure else ""
        lines.append(f"  {key:<29} {value:<8.4g} {about}".rstrip())
    return "\n".join(lines)
