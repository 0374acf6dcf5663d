"""Speech corpora: ``corpora.toml`` has a row for each, and ``tables`` reads those with tables of their own.

A ``SpeechCorpus`` carries everything the rest of the code asks about a corpus: listing, indexing, training, evaluation
and model cards follow. Other distributions add corpora by entry points (``sedtalker.plugins``).

Licences are as their makers state them where the corpus is published; read them yourself before you use one.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import soundfile

from sedtalker.audio import load_audio
from sedtalker.audio.audio import SHORTEST_SECONDS
from sedtalker.emotion.taxonomy import known_category
from sedtalker.errors import InputError, meant
from sedtalker.plugins import load, parts_of_others
from sedtalker.reading import read_own_table
from sedtalker.training.corpora.manifest import Clip

logger = logging.getLogger(__name__)

SOUND = r"\.(?:wav|flac|mp3|mp4|ogg|opus|m4a)$"
"""Endings of sound files, as a regular expression."""
TEST_SHARE, VALID_SHARE = 0.15, 0.1
"""Shares of the speakers that are held out where a corpus has no splits of its own."""
UNLABELLED = "other:unlabelled"
"""The word for clips whose emotion nobody labelled."""

Use = Literal["free", "non-commercial", "evaluation"]
"""What weights trained on a corpus may be used for; ``evaluation``: none should be passed on."""
Found = tuple[list[Clip], list[str]]
"""Clips of an unpacked folder, and the names of its sound files that do not follow the layout."""


@dataclass(frozen=True)
class Training:
    """The part of a corpus that the shipped networks were trained on, for their model cards."""

    language: str
    """In words."""
    content: str
    """What is said, how, in how many categories."""
    speakers: int
    """Training speakers."""
    hours: float
    """Hours of labelled training clips."""


@dataclass(frozen=True)
class SpeechCorpus:
    """A published corpus."""

    name: str
    """Short name, that of its folder and of its rows in the manifest."""
    title: str
    """What its makers call it."""
    paper: str
    """Where it is described."""
    language: str
    """ISO 639-1 codes; ``nonverbal`` for vocal bursts, ``none`` where there is no voice."""
    licence: str
    """An SPDX name in plain spelling, or what its makers say instead."""
    use: Use
    """What weights trained on it may be used for, by a cautious reading of the licence."""
    obtain: str
    """Where it is to be had."""
    layout: str
    """An example of a file in it."""
    splits: Literal["official", "speakers"] = "speakers"
    """Its own, or divided by speaker; ``split_note`` says more."""
    split_note: str = ""
    read: Callable[[Path], Found] | None = None
    """Reader of its published layout; None: only what a manifest lists can be used."""
    aliases: tuple[str, ...] = ()
    """Other names of its folder."""
    categories: tuple[str, ...] = ()
    """Those of our categories that it labels; none for speech without labels."""
    speakers: int | None = None
    """How many speak in it; None: unknown."""
    hours: float | None = None
    """Hours of sound; None: unknown."""
    unseen: bool = False
    """Kept out of all training here, to test on."""
    training: Training | None = None
    """What the shipped networks were trained on, if anything."""
    rated: bool = False
    """Whether there are votes of raters in its folder, see ``transfer_recipe.read_vote_table``."""
    note: str = ""
    """What a user should know besides."""

    def clips(self, folder: Path) -> Found:
        """Clips with their splits, sorted by path, and names of sound files that do not follow the layout.

        Raises:
            InputError: no clip of this layout in the folder.
        """
        if self.read is None:
            raise InputError(f"{folder}: the layout of {self.title} is not read; list its clips in audio/manifest.csv")
        clips, unknown = self.read(folder)
        if not clips:
            raise InputError(f"{folder}: nothing of {self.title} in it; its files look like {self.layout}")
        clips = sorted((replace(clip, corpus=self.name) for clip in clips), key=lambda clip: clip.path)
        if self.splits == "speakers":
            split = split_by_speaker({clip.speaker for clip in clips})
            clips = [replace(clip, split=split[clip.speaker]) for clip in clips]
        return clips, unknown


def split_by_speaker(speakers: set[str]) -> dict[str, str]:
    """Speakers ordered by hash: 15 % to the test, 10 % to validation, at least one each where there are three."""
    order = sorted(speakers, key=lambda s: hashlib.md5(s.encode(), usedforsecurity=False).hexdigest())
    if len(order) < 3:
        return dict.fromkeys(order, "train")
    test = max(1, round(TEST_SHARE * len(order)))
    valid = max(1, round(VALID_SHARE * len(order)))
    parts = ["test"] * test + ["valid"] * valid
    return {s: parts[i] if i < len(parts) else "train" for i, s in enumerate(order)}


# --- The known corpora.


@cache
def _own_corpora() -> Mapping[str, SpeechCorpus]:
    """The rows of ``corpora.toml``, by name."""
    rows = read_own_table(__file__, "corpora.toml")
    return {name: _from_row(name, row) for name, row in rows.items()}


def _from_row(name: str, row: dict[str, Any]) -> SpeechCorpus:
    """A corpus from a row: what reads it is the pattern of its file names, or a function of ``tables``."""
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    if "read" in given:
        given["read"] = load(f"{__name__}.tables:{given['read']}")
    if files := given.pop("files", None):
        emotions = {word: word for word in files.pop("words", ())} | files.pop("emotions", {})
        given["read"] = NamedFiles(**{"language": row["language"], "emotions": emotions, **files})
    if "training" in given:
        given["training"] = Training(**given["training"])
    return SpeechCorpus(name, **given)


def corpora() -> dict[str, SpeechCorpus]:
    """All known corpora by name, in alphabetical order; those of other distributions too."""
    return dict(sorted({**parts_of_others("sedtalker.corpora"), **_own_corpora()}.items()))


def known_corpus(name: str) -> SpeechCorpus | None:
    """The corpus of that name or alias; None where there is none."""
    known = corpora()
    return known.get(name) or next((corpus for corpus in known.values() if name in corpus.aliases), None)


def named_clips(every: Iterable[Clip], name: str, split: str | None = None) -> list[Clip]:
    """The clips of a corpus, by its name or an alias, under that name; ``split``: of that part alone."""
    known = known_corpus(name)
    names = {name} if known is None else {name, known.name, *known.aliases}
    return [replace(clip, corpus=name) for clip in every if clip.corpus in names and split in (None, clip.split)]


def clips_of(every: Iterable[Clip], name: str, split: str | None = None) -> list[Clip]:
    """``named_clips``, of which there has to be one.

    Raises:
        InputError: the manifest has none.
    """
    found = named_clips(every, name, split)
    if not found:
        part = f", {split}" if split else ""
        raise InputError(f"the manifest has no clips of {name}{part}: see `sedtalker data list {name}`, `data index`")
    return found


def nothing_of(data: Path, names: Iterable[str]) -> InputError:
    """What is said where not one of some corpora is among the training data."""
    return InputError(f"{data}/audio: nothing of {' or '.join(names)} in it: see sedtalker data list")


def with_licence(name: str) -> str:
    """A corpus and its licence as checkpoints and cards give it: ``ravdess (CC BY-NC-SA 4.0)``."""
    known = known_corpus(name)
    return f"{name} ({known.licence if known else 'see the data'})"


def strictest_use(names: Iterable[str]) -> Use:
    """What weights trained on these corpora may be used for; unknown corpora count as ``evaluation``."""
    order: tuple[Use, ...] = ("evaluation", "non-commercial", "free")
    uses = {known.use if (known := known_corpus(name)) else "evaluation" for name in names}
    return next((use for use in order if use in uses), "free")


def check_free(names: Iterable[str]) -> None:
    """Refuse corpora on which weights free for any use cannot be trained.

    Raises:
        InputError: the licence of one does not allow it, or is not known.
    """
    for name in names:
        known = known_corpus(name)
        if known is None or known.use != "free":
            reason = f"its licence ({known.licence}) does not allow free weights" if known else "its licence is unknown"
            near = "" if known else meant(name, corpora())
            question = near and f"; {near}"
            raise InputError(
                f"{name}: {reason}; leave it out, or say task.licence_check=false and mind the licence{question}"
            )


def weights_licence(names: Iterable[str]) -> str:
    """SPDX name of the licence of weights trained on these corpora; ``LicenseRef-…`` where they are not free."""
    names = list(names)
    if strictest_use(names) != "free":
        return f"LicenseRef-{strictest_use(names)}"
    licences = [known.licence for name in names if (known := known_corpus(name))]
    return "ODbL-1.0" if any("ODbL" in licence for licence in licences) else "CC-BY-4.0"


# --- Readers of published layouts.


def corpus_word(word: str) -> str:
    """The word if it is one of a category, else ``other:`` and the word."""
    return word if known_category(word) is not None else f"other:{word}"


@dataclass(frozen=True)
class NamedFiles:
    """A reader of corpora whose file names say everything."""

    pattern: str
    """Expression for the path inside the folder; groups ``emotion`` and ``speaker``, and where present ``intensity``,
    ``gender`` and ``split``."""
    emotions: Mapping[str, str]
    """Code in the name to the word; ``""`` where the name has no code."""
    language: str = "en"
    """Language of the files."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """Other languages, each with an expression for the speakers of it."""
    men: str | None = None
    """An expression for the speakers who are men, where all others are women and the name has no group for it."""
    intensities: Mapping[str, str] = field(default_factory=dict)
    """Code to ``normal``, ``strong`` or another word."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """Folder name to split."""

    def __call__(self, folder: Path) -> Found:
        matcher, clips, unknown = re.compile(self.pattern + SOUND, re.IGNORECASE), [], []
        for path in sorted(p for p in folder.rglob("*") if re.search(SOUND, p.name, re.IGNORECASE)):
            found = matcher.search(path.relative_to(folder).as_posix())
            parts = found.groupdict() if found else {}
            word = self.emotions.get((parts.get("emotion") or "").lower()) if found else None
            if word is None:
                unknown.append(path.relative_to(folder).as_posix())
                continue
            speaker = parts["speaker"] or ""
            gender = (parts.get("gender") or "").lower()[:1]
            if not gender and self.men is not None:
                gender = "m" if re.fullmatch(self.men, speaker, re.IGNORECASE) else "f"
            spoken = (key for key, of in self.languages.items() if re.fullmatch(of, speaker))
            language = next(spoken, self.language)
            strength = self.intensities.get((parts.get("intensity") or "").lower(), "")
            split = self.splits.get((parts.get("split") or "").lower(), "")
            clips.append(Clip("", path, language, speaker, gender, corpus_word(word), strength, "", 0.0, split))
        return clips, unknown


# --- An index of a folder of corpora in their published layouts.


class Indexed(NamedTuple):
    """What lies in a corpus' folder."""

    clips: list[Clip]
    """With durations."""
    unknown: list[str]
    """Sound files whose names do not follow the layout."""
    unreadable: dict[str, str]
    """Why clips were left out, by file."""


def index_corpora(data: Path) -> dict[str, Indexed]:
    """Every corpus with a reader that has files in ``data/audio/NAME``.

    Clips that cannot be read are left out, and so is a folder with nothing of its layout, or nothing that can be read.

    Raises:
        InputError: nothing is left.
    """
    refused = list[str]()
    indexed = {}
    for corpus in filter(lambda corpus: corpus.read, corpora().values()):
        for name in (corpus.name, *corpus.aliases):
            folder = data / "audio" / name
            if folder.is_dir() and any(folder.iterdir()):
                try:
                    indexed[name] = _indexed(name, folder, *corpus.clips(folder))
                except InputError as error:
                    refused.append(str(error))
    if not indexed:
        none = f"{data}/audio: no corpus in it; docs/data.md and sedtalker data list NAME say how folders are named"
        raise InputError(refused[0] if refused else none)
    for why in refused:
        logger.warning("%s (left out)", why)
    return indexed


def _indexed(name: str, folder: Path, listed: list[Clip], unknown: list[str]) -> Indexed:
    clips, unreadable = [], {}
    for clip in listed:
        try:
            clips.append(replace(clip, corpus=name, duration=_duration(clip.path)))
        except InputError as error:
            unreadable[clip.path.relative_to(folder).as_posix()] = str(error).removeprefix(f"{clip.path}: ")
    if not clips:
        raise InputError(f"{folder}: none of its {len(listed)} clips can be read: {next(iter(unreadable.values()))}")
    return Indexed(clips, unknown, unreadable)


def _duration(path: Path) -> float:
    """Seconds, from the header where it says so; ``load_audio`` judges what has none, or is too short."""
    try:
        seconds = float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError:
        seconds = 0.0
    return seconds if seconds >= SHORTEST_SECONDS else load_audio(path).duration
