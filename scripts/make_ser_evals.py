"""Write the tables of the shipped diarizers in ``docs/cross-corpus.md`` from files in ``docs``; it measures nothing.

python scripts/measure.py ser-evals --data DIR --clips 200 --json | tee docs/ser_evals.json
python scripts/measure.py ser-evals --data DIR --clips 120 --model whisper-base --json | tee docs/ser_evals_whisper.json
python scripts/make_ser_evals.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from measured_page import write_between_marks
from measures.ser_evals import ser_evals_table

ROOT = Path(__file__).parents[1]
"""Root of the repository."""
FILES = {"The built-in diarizer": "docs/ser_evals.json", "whisper-base": "docs/ser_evals_whisper.json"}
"""Figures by diarizer; those that are not there are left out."""


def gained(found: Mapping[str, float], row: str) -> str:
    """What adapting adds, with its interval."""
    low, high = (found[f"f1_gain_{row}_{end}"] for end in ("low", "high"))
    return f"{found[f'f1_gain_{row}']:+.3f}, 95 % interval over corpora {low:+.3f} to {high:+.3f}"


def text(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """What stands between the marks: a table for each diarizer, and a sentence about it."""
    parts = []
    for name, found in metrics.items():
        change = found["adjusted_as_is_beyond"] - found["f1_as_is_beyond"]
        most = max(value for key, value in found.items() if key.startswith("clips_"))
        parts.append(
            f"**{name}** (up to {most:.0f} clips a corpus). Beyond its corpus {found['f1_as_is_beyond']:.3f}, of "
            f"{found['f1_as_is_within']:.3f} within it; functionals with a linear machine\n"
            f"{found['f1_svm_beyond']:.3f} of {found['f1_svm_within']:.3f}. Adapted: {found['f1_norm_beyond']:.3f} by "
            f"`norm` ({gained(found, 'norm')}),\n{found['f1_pseudo_beyond']:.3f} by `pseudo` "
            f"({gained(found, 'pseudo')}). "
            f"Adjusting the logits: {change:+.3f}.\n\n"
            f"{ser_evals_table(found)}"
        )
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    found = {name: ROOT / file for name, file in FILES.items() if (ROOT / file).is_file()}
    metrics = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items()}
    write_between_marks(ROOT / "docs/cross-corpus.md", "ser_evals", text(metrics))


if __name__ == "__main__":
    main()
