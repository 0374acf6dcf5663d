"""The figures of docs/conversations.md, from ``sedtalker evaluate conversation``:

python scripts/make_conversations.py --data DIR
"""

from __future__ import annotations

from pathlib import Path

from measured_page import markdown_table, measured, write_between_marks

from sedtalker.training.evaluation.conversation import evaluate_conversation
from sedtalker.training.evaluation.measures import TEST, listed_metrics

DOCS = Path(__file__).parents[1] / "docs"
GROUPS = {
    "speakers": ("two", "three", "four"),
    "sound": ("clean", "noise", "room", "telephone"),
    "corpus": ("librispeech", "ravdess", "cremad"),
}
"""Groups of conversations, and how the page calls what tells them apart."""


def main() -> None:
    """Measure, and write the page's tables."""
    figures = measured(
        __doc__,
        DOCS / "conversation.json",
        lambda data, hook: {k: round(v, 4) for k, v in evaluate_conversation(data, hook=hook).items()},
    )
    rows = []
    for measure, value in listed_metrics(TEST["conversation"], figures):
        good = measure.asked is not None and (
            value >= measure.asked if measure.better == "higher" else value <= measure.asked
        )
        rows.append((measure.text, measure.asked_for, f"**{value:.3f}**" if good else f"{value:.3f}"))
    parts = [markdown_table(("measure", "asked", "is"), rows), "Bold: reached."]
    for name, groups in GROUPS.items():
        known = [group for group in groups if f"der_{group}" in figures]
        head = (f"error rate by {name}", *known)
        parts.append(markdown_table(head, [("auto", *(f"{figures[f'der_{group}']:.3f}" for group in known))]))
    write_between_marks(DOCS / "conversations.md", "conversation", "\n\n".join(parts))


if __name__ == "__main__":
    main()
