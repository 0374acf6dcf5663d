"""Write the figures of ``docs/adapt.md`` and its plot from ``docs/adaptation.json``; nothing is measured here.

sedtalker evaluate adaptation --data DIR --clips 200 --json | tee docs/adaptation.json
python scripts/make_adaptation.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from measured_page import between_marks

from sedtalker.emotion.plot import write_figure
from sedtalker.training.evaluation.adaptation import adaptation_table, corpora_of

ROOT = Path(__file__).parents[1]
"""Of the repository."""


def text(metrics: Mapping[str, float]) -> str:
    """What stands between the marks: a sentence, the table and the plot."""
    gain, low, high = (metrics[key] for key in ("adapt_gain", "adapt_gain_low", "adapt_gain_high"))
    mistaken, less = (metrics[f"{key}_angry_as_happy"] for key in ("source", "adapted"))
    return (
        f"The mean recall goes from {metrics['source_uar']:.3f} to {metrics['adapted_uar']:.3f}: a gain of {gain:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f}),\n{metrics['adapt_gain_worst']:+.3f} on the worst corpus. "
        f"Angry clips called happy: {mistaken:.0%} before, {less:.0%} after.\n\n"
        f"{adaptation_table(metrics)}\n"
        "![Recall of each corpus: as it is, adapted to ten recordings, adapted to half of it](images/adaptation.png)\n"
    )


def plot(metrics: Mapping[str, float], path: Path) -> None:
    """Recall of each corpus as it is and adapted, as bars."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = corpora_of(metrics)
    bars = {"as it is": "source_uar", "adapted to 10": "adapted_few", "adapted to half of it": "adapted_uar"}
    figure, axis = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
    for k, ((label, key), colour) in enumerate(zip(bars.items(), ("#b8bec6", "#7fa8d1", "#2b6cb0"), strict=True)):
        places = [i + 0.27 * (k - 1) for i in range(len(names))]
        axis.bar(places, [metrics[f"{key}_{name}"] for name in names], 0.25, label=label, color=colour)
    axis.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    axis.set_ylabel("mean recall, own categories")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.16))
    write_figure(figure, path)


def main() -> None:
    """Write the page and the plot."""
    metrics = json.loads((ROOT / "docs/adaptation.json").read_text(encoding="utf-8"))
    page = ROOT / "docs/adapt.md"
    page.write_text(between_marks(page.read_text(encoding="utf-8"), "adaptation", text(metrics)), encoding="utf-8")
    plot(metrics, ROOT / "docs/images/adaptation.png")


if __name__ == "__main__":
    main()
