"""What editing a recording does to the emotion that is shown: fades, filters, compressors and more, clip by clip.

    python scripts/measure_edits.py --data DIR   # about five minutes of one core
    python scripts/measure_edits.py --page       # write the table into the page anew, measure nothing

Writes ``docs/edits.json`` and the table between the marks of ``docs/emotion.md``. None of the speakers was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure_groups import labelled
from measured_page import measured, write_between_marks
from measures.damage import versions

from sedtalker.audio import SAMPLE_RATE, from_samples
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.progress import Hook, counted
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import clips_of
from sedtalker.training.corpora.transfer_recipe import EDITS
from sedtalker.training.evaluation.expression import NARRATION
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.robustness import Change, Samples, conditions
from sedtalker.training.evaluation.transfer import balanced_clips

DOCS = Path(__file__).parents[1] / "docs"
"""Where the page is."""
CLIPS = 24
"""Clips of each group at most."""
AS_RECORDED = "as recorded"
"""The row that the others are compared with."""
WORDS = {
    "padded": "half a second of zeros at either end",
    "telephone": "over a telephone",
    "mp3_32k": "MP3 at 32 kbit/s",
    "pitch": "up to three semitones higher or lower (phase vocoder)",
    "denoised": "noise removed (spectral subtraction)",
    "compressed": "dynamic range compressed",
    "saturated": "too loud, softly or hard",
    "filtered": "without high or low frequencies",
    "faded": "faded in and out, up to a second",
    "doubled": "doubled (chorus)",
}
"""Rows of the table."""


def changes() -> dict[str, Change]:
    """Every row but the first, by its key in ``WORDS``."""
    known = conditions(())

    def edit(name: str) -> Change:
        return lambda samples, rng: EDITS[name][1](samples.astype(np.float64), rng).astype(np.float32)

    return {name: known[name] if name in known else edit(name) for name in WORDS}


def groups(every: Sequence[Clip]) -> dict[str, list[Clip]]:
    """The clips, by the heading of their column."""

    def emotional(clip: Clip) -> bool:
        return clip.emotion != "neutral"

    def chosen(name: str, split: str | None, keep: Callable[[Clip], bool] = emotional) -> list[Clip]:
        return balanced_clips([c for c in labelled(clips_of(every, name, split)) if keep(c)], CLIPS)

    read = [clip for name in NARRATION for clip in balanced_clips(_unseen(every, name), CLIPS // len(NARRATION))]
    return {
        "neutral, CREMA-D": chosen("crema_d", "test", lambda clip: not emotional(clip)),
        "emotional, CREMA-D": chosen("crema_d", "test"),
        "AESDD": chosen("aesdd", None),
        "uem_es": chosen("uem_es", None),
        "read speech": read,
    }


def _unseen(every: Sequence[Clip], name: str) -> list[Clip]:
    """Read speech of speakers that nothing was trained on; all of LJ Speech is."""
    return [c for c in clips_of(every, name) if c.path.is_file() and (name == NARRATION[0] or c.split != "train")]


def measure(data: Path, hook: Hook) -> dict[str, Any]:
    """Everything that ``docs/edits.json`` has: mean strength of each group and row, and how far it moved on average."""
    diarizer, made, found = Diarizer.from_pretrained(), changes(), groups(read_manifest(data))
    rows: dict[str, dict[str, list[float]]] = {name: {} for name in (AS_RECORDED, *made)}
    for heading, clips in found.items():
        strengths = []
        for clip in counted(clips, hook, f"editing {heading}", len(clips)):
            strengths.append([shown_strength(diarizer, samples) for samples in versions(clip.path, made)])
        table = np.array(strengths)
        moves = np.abs(table - table[:, :1]).mean(0)
        for row, mean, moved in zip(rows.values(), table.mean(0), moves, strict=True):
            row[heading] = [round(float(mean), 3), round(float(moved), 3)]
    return {"clips": {heading: len(clips) for heading, clips in found.items()}, "rows": rows}


def shown_strength(diarizer: Diarizer, samples: Samples) -> float:
    """Mean strength of the emotion that a face shows while somebody speaks, 1 a full expression."""
    track = diarizer(from_samples(samples, SAMPLE_RATE))
    spoken = track.speech if track.speech is not None and track.speech.any() else np.ones(len(track), bool)
    return float(track.intensity[spoken].mean())


def page_table(found: Mapping[str, Any]) -> str:
    """Markdown: a line an edit."""
    sizes = ", ".join(f"{heading} {count}" for heading, count in found["clips"].items())
    rows = [
        (
            WORDS.get(name, name),
            *(f"{mean:.2f}" + (f" ({moved:.2f})" if name in WORDS else "") for mean, moved in row.values()),
        )
        for name, row in found["rows"].items()
    ]
    return f"Clips: {sizes}.\n\n{markdown_table(('', *found['clips']), rows)}"


def main() -> None:
    """Measure and write."""
    found = measured(__doc__, DOCS / "edits.json", measure)
    write_between_marks(DOCS / "emotion.md", "edits", page_table(found))


if __name__ == "__main__":
    main()
