"""Write the figures of ``docs/diarizer.md`` and its plot from files in ``docs``; nothing is measured here.

python scripts/measure.py fine --data DIR --clips 300 --json | tee docs/fine.json
python scripts/measure.py fine --data DIR --clips 300 --model whisper-base --json | tee docs/fine_whisper.json
python scripts/make_fine.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from measured_page import write_between_marks
from measures.fine import fine_table, plot_fine

from sedtalker.training.evaluation.measures import TEST, listed_metrics

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
FILES = {"built-in encoder": "docs/fine.json", "whisper-base": "docs/fine_whisper.json"}
"""Figures by encoder; those that are not there are left out."""
CHECKPOINTS = {"built-in encoder": "fine_emotions", "whisper-base": "fine_emotions_whisper_base"}
"""Whose configuration then says them too."""


def ends(found: Mapping[str, float]) -> str:
    """The interval of the correlation with votes, where it was measured."""
    if "vote_pearson_low" not in found:
        return ""
    return f" ({found['vote_pearson_low']:.2f} to {found['vote_pearson_high']:.2f})"


def text(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """What stands between the marks: a sentence for each encoder, the table of the first, and the plot."""
    lines = []
    for name, found in metrics.items():
        low, high = found["fine_pearson_low"], found["fine_pearson_high"]
        lines.append(
            f"- **{name}**: mean correlation {found['fine_pearson']:.3f} over thirty kinds (95 % interval {low:.2f} to "
            f"{high:.2f};\n  .42 was asked for), AUC {found['fine_auc']:.2f}, the right kind of thirty on top in "
            f"{found['fine_accuracy']:.0%} of the bursts (chance 3 %),\n  mean absolute error {found['fine_mae']:.3f} "
            f"(a curve that always says how frequent its kind is: {found['fine_mae_of_share']:.3f}).\n  With the votes "
            f"of CREMA-D's raters: correlation {found['vote_pearson']:.2f}{ends(found)}, where as many other raters "
            f"would reach {found['vote_ceiling']:.2f}.\n  The intended emotion of that speech by the kinds projected "
            f"to the seven: recall {found['vote_projected_recall']:.2f} of six."
        )
    first = next(iter(metrics.values()))
    speakers, clips = first["fine_speakers"], first["fine_clips"]
    return (
        f"{clips:.0f} bursts of {speakers:.0f} people that nothing was trained on, and {first['vote_clips']:.0f} clips "
        f"of test speakers of CREMA-D.\n\n" + "\n".join(lines) + "\n\n" + fine_table(first) + "\n"
        "![Correlation of each kind's curve with the bursts that were asked for it](images/fine.png)\n"
    )


def main() -> None:
    """Write the page, the plot, and the held-out figures of the checkpoints."""
    found = {name: ROOT / file for name, file in FILES.items() if (ROOT / file).is_file()}
    metrics = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items()}
    write_between_marks(ROOT / "docs/diarizer.md", "fine", text(metrics))
    plot_fine(metrics, ROOT / "docs/images/fine.png")
    for name, figures in metrics.items():
        path = ROOT / "checkpoints" / CHECKPOINTS[name] / "config.json"
        held = json.loads(path.read_text(encoding="utf-8"))
        held["held_out"] = {measure.key: value for measure, value in listed_metrics(TEST["fine"], figures)}
        path.write_text(json.dumps(held, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
