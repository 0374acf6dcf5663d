"""Errors of the shipped diarizer by group of speakers, language and accent, for ``docs/responsible-use.md``.

    python scripts/measure_groups.py --data DIR   # about five minutes of one core
    python scripts/measure_groups.py --page       # write the tables into the page anew, measure nothing

Writes ``docs/groups.json`` and the tables between the marks of the page. CREMA-D: test speakers, never trained on, with
the age, sex, race and ethnicity that its authors publish. Other corpora: never trained on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measured_page import between_marks, measured
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.inference import frame_emotions
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import bootstrap_interval, unweighted_average_recall
from sedtalker.progress import Hook, counted
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import clips_of
from sedtalker.training.corpora.transfer_recipe import read_vote_table
from sedtalker.training.evaluation.clips import clip_posterior
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import DEVELOPMENT, HEADLINE, balanced_clips, shown_emotional
from sedtalker.training.evaluation.transfer_scores import own_guess

DOCS = Path(__file__).parents[1] / "docs"
"""Where the page is."""
CLIPS = 150
"""Clips of each corpus that was never trained on, at most."""
LANGUAGES = {
    "ravdess": "English, North America",
    "tess": "English, Canada",
    "indian_emospeech": "English and Hindi words, India",
    "nemo": "Polish",
    "emotiontts_ko": "Korean",
    "uem_es": "Spanish",
    "aesdd": "Greek",
}
"""What is spoken in the corpora that were never trained on."""
READERS = {"librispeech": "English, audio books", "speechocean762": "English by speakers of Mandarin"}
"""Read speech, which is nearly neutral: whatever is shown there is a false alarm."""
SEXES = {"f": "women", "m": "men"}
"""Letters of the manifest."""
ANGRY = CATEGORIES.index("angry")
"""Place of the category whose mistakes hurt most."""
AGES = ((20, 29), (30, 49), (50, 74))
"""Bands of age, years."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Clips of one corpus: intended category, answer among the corpus's own categories, and whose they are."""

    truth: NDArray[np.integer]
    guess: NDArray[np.integer]
    clips: Sequence[Clip]

    @property
    def speakers(self) -> NDArray[np.str_]:
        """The speaker of each clip."""
        return np.array([c.speaker for c in self.clips])

    def where(self, keep: NDArray[np.bool_]) -> Scored:
        """Some of the clips."""
        return Scored(self.truth[keep], self.guess[keep], [c for c, k in zip(self.clips, keep, strict=True) if k])

    def figures(self) -> dict[str, Any]:
        """Numbers of speakers and clips, recall with its interval, and how often others are called angry."""

        def recall(drawn: list[NDArray[np.int64]]) -> float:
            return unweighted_average_recall(self.truth[drawn[0]], self.guess[drawn[0]], len(CATEGORIES))

        names = list(self.speakers)
        other = self.truth != ANGRY
        return {
            "speakers": len(set(names)),
            "clips": len(names),
            "recall": round(recall([np.arange(len(names))]), 3),
            "interval": [round(v, 3) for v in bootstrap_interval(recall, [names])],
            "called_angry": round(float(np.mean(self.guess[other] == ANGRY)), 3),
        }


def score(diarizer: Diarizer, clips: Sequence[Clip], hook: Hook) -> Scored:
    """Each clip alone, as in use."""
    truth, posterior = [], []
    for clip in counted(clips, hook, f"scoring {clips[0].corpus}", len(clips)):
        truth.append(category_of(clip))
        posterior.append(clip_posterior(frame_emotions(diarizer.network, diarizer.encoder(load_audio(clip.path)))))
    labels_of = np.array(truth)
    return Scored(labels_of, own_guess(labels_of, np.stack(posterior)), clips)


def labelled(clips: Iterable[Clip]) -> list[Clip]:
    """Those with a category of ours whose file is there."""
    return [c for c in clips if category_of(c) >= 0 and c.path.is_file()]


# --- CREMA-D, by what is known of its actors.


def groups_of(person: Mapping[str, str]) -> list[tuple[str, str]]:
    """(kind, group) that an actor belongs to."""
    age = int(person["age"])
    band = next(f"{low}–{high}" for low, high in AGES if low <= age <= high)
    kinds = {"sex": person["sex"], "age": band, "race": person["race"], "ethnicity": person["ethnicity"]}
    return list(kinds.items())


def listeners_guess(clips: Sequence[Clip], folder: Path) -> NDArray[np.integer]:
    """What most of the raters chose who had the voice alone."""
    votes = read_vote_table(folder)
    return np.array([int(votes[c.path.stem].share.argmax()) for c in clips])


def actors(diarizer: Diarizer, data: Path, every: list[Clip], hook: Hook) -> list[dict[str, Any]]:
    """A row a group of the test speakers of CREMA-D, all of them first."""
    clips = labelled(clips_of(every, "crema_d", "test"))
    found = score(diarizer, clips, hook)
    folder = clips[0].path.parent
    with (folder / "speakers.csv").open(encoding="utf-8", newline="") as stream:
        people = {row["speaker"]: row for row in csv.DictReader(stream)}
    raters = Scored(found.truth, listeners_guess(clips, folder), clips)
    groups: dict[tuple[str, str], set[str]] = {("all", "all"): set(found.speakers)}
    for name in sorted(set(found.speakers)):
        for group in groups_of(people[name]):
            groups.setdefault(group, set()).add(name)
    rows = []
    for (kind, group), names in sorted(groups.items(), key=lambda item: (item[0][0] != "all", item[0])):
        keep = np.isin(found.speakers, list(names))
        row = {"kind": kind, "group": group, **found.where(keep).figures()}
        rows.append(row | {"listeners": raters.where(keep).figures()["recall"]})
    return rows


# --- Corpora that were never trained on.


def corpora(diarizer: Diarizer, every: list[Clip], hook: Hook) -> list[dict[str, Any]]:
    """A row a corpus: its language, chance, and recall of all speakers, of women and of men, of each where few."""
    rows = []
    for name in (*HEADLINE, *DEVELOPMENT):
        found = score(diarizer, balanced_clips(labelled(clips_of(every, name)), CLIPS), hook)
        row = {"corpus": name, "language": LANGUAGES[name], "used": "recipe" if name in DEVELOPMENT else "never"}
        row |= {"chance": round(1 / len(np.unique(found.truth)), 3), **found.figures()}
        gender = np.array([c.gender for c in found.clips])
        parts = {SEXES[letter]: gender == letter for letter in SEXES if (gender == letter).any()}
        if row["speakers"] == 2:
            parts = {speaker: found.speakers == speaker for speaker in sorted(set(found.speakers))}
        rows.append(row | {"groups": {part: found.where(keep).figures() for part, keep in parts.items()}})
    return rows


# --- Read speech, where nothing should show.


def readers(diarizer: Diarizer, every: list[Clip], hook: Hook) -> list[dict[str, Any]]:
    """Share of the speech of readers that is shown as emotional, one clip a reader."""
    rows = []
    for name, language in READERS.items():
        first = {c.speaker: c for c in reversed(clips_of(every, name)) if c.path.is_file()}
        clips = list(first.values())
        counts = np.array(
            [shown_emotional(diarizer, load_audio(c.path)) for c in counted(clips, hook, f"reading {name}", len(clips))]
        )
        for letter, people in SEXES.items():
            own = counts[np.array([c.gender == letter for c in clips])]
            low, high = bootstrap_interval(_share(own), [[str(i) for i in range(len(own))]])
            row = {"corpus": name, "language": language, "group": people, "speakers": len(own)}
            rows.append(row | {"shown": round(_share(own)([np.arange(len(own))]), 3), "interval": [low, high]})
            rows[-1]["interval"] = [round(v, 3) for v in (low, high)]
    return rows


def _share(counts: NDArray[np.integer]) -> Callable[[list[NDArray[np.int64]]], float]:
    return lambda drawn: float(counts[drawn[0], 0].sum() / max(1, counts[drawn[0], 1].sum()))


def measure(data: Path, hook: Hook) -> dict[str, Any]:
    """Everything that ``docs/groups.json`` has."""
    every, diarizer = read_manifest(data), Diarizer.from_pretrained()
    return {
        "actors": actors(diarizer, data, every, hook),
        "corpora": corpora(diarizer, every, hook),
        "readers": readers(diarizer, every, hook),
    }


# --- The tables.


def _number(value: float) -> str:
    return f"{value:.2f}"


def _with_interval(row: Mapping[str, Any], key: str = "recall") -> str:
    low, high = row["interval"]
    return f"{_number(row[key])} ({_number(low)} to {_number(high)})"


def actors_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a group."""
    head = ("test speakers of CREMA-D", "speakers", "clips", "recall (95 %)", "listeners", "others called angry")
    cells = []
    for row in rows:
        name = "all" if row["kind"] == "all" else f"{row['kind']}: {row['group']}"
        values = _with_interval(row), _number(row["listeners"]), _number(row["called_angry"])
        cells.append((name, row["speakers"], row["clips"], *values))
    return markdown_table(head, cells)


def corpora_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a corpus."""
    head = ("corpus, never trained on", "language", "speakers", "clips", "chance", "recall (95 %)", "of groups")
    cells = []
    for row in rows:
        groups = ", ".join(f"{name} {_number(found['recall'])}" for name, found in row["groups"].items())
        name = row["corpus"] + ("*" if row["used"] == "recipe" else "")
        values = _number(row["chance"]), _with_interval(row), groups or "not known", _number(row["called_angry"])
        cells.append((name, row["language"], row["speakers"], row["clips"], *values))
    return markdown_table((*head, "others called angry"), cells)


def readers_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a group of readers."""
    head = ("read speech", "language", "readers", "shown as emotional (95 %)")
    return markdown_table(
        head,
        (
            (f"{row['corpus']}, {row['group']}", row["language"], row["speakers"], _with_interval(row, "shown"))
            for row in rows
        ),
    )


TABLES: dict[str, Callable[[Sequence[Mapping[str, Any]]], str]] = {
    "actors": actors_table,
    "corpora": corpora_table,
    "readers": readers_table,
}
"""By the part of ``docs/groups.json`` and the name of the marks in the page."""


def with_tables(text: str, found: Mapping[str, Any]) -> str:
    """A page with its tables written anew between their marks."""
    for name, table in TABLES.items():
        text = between_marks(text, name, table(found[name]))
    return text


def main() -> None:
    """Measure and write."""
    page = DOCS / "responsible-use.md"
    found = measured(__doc__, DOCS / "groups.json", measure)
    page.write_text(with_tables(page.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
