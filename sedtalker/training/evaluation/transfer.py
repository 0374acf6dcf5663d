"""A diarizer on corpora it was not trained on: recognition, calibration and intensity, corpus by corpus.

The headline is the mean over four corpora of four languages. The corpora that chose the recipe stand apart, and those
that the weights were trained on are marked and count nowhere.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.emotion.audio_classifier import classified_emotions
from sedtalker.emotion.diarizer import DIARIZERS, HUB, Diarizer
from sedtalker.emotion.inference import frame_emotions
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import (
    accuracy,
    accuracy_at_coverage,
    adjusted_logits,
    expected_calibration_error,
    macro_f1,
    recalls,
    unweighted_average_recall,
)
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.emotion_speech import clip_labels
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import SpeechCorpus, corpora, index_corpora, known_corpus
from sedtalker.training.evaluation.clips import ClipResult, clip_result, strength_auc
from sedtalker.training.evaluation.cross_corpus import draw_shares

log = logging.getLogger(__name__)

HEADLINE = ("ravdess", "nemo", "tess", "emotiontts_ko")
"""Corpora of ``zero_shot_uar``: North American English, Polish, Canadian English, Korean."""
DEVELOPMENT = ("uem_es", "aesdd", "indian_emospeech")
"""Corpora that chose the recipe of the shipped weights: never trained on, but no longer unseen."""
NARRATION = ("ljspeech", "librispeech")
"""Read speech, whose emotion should hardly show."""
SHOWN = 0.4
"""Intensity from which on read speech counts as shown emotional."""
BINS = 10
"""Of the calibration error: a corpus may have 300 clips."""
HALF = 0.5
"""Coverage at which accuracy is given beside that of all clips."""
NEUTRAL, HAPPY, ANGRY = (CATEGORIES.index(name) for name in ("neutral", "happy", "angry"))
"""Places of three categories in a posterior."""

Role = Literal["headline", "other", "development", "in-domain"]
"""What a corpus is to some weights; ``other``: unseen, but not one of the four."""


@dataclass(frozen=True, eq=False)
class CorpusScores:
    """A diarizer on one corpus.

    Attributes:
        name: of the corpus.
        role: what the corpus is to the weights.
        clips: how many were scored.
        metrics: see ``corpus_scores``.
        recall: by category that the corpus has, over its own categories.
    """

    name: str
    role: Role
    clips: int
    metrics: dict[str, float]
    recall: dict[str, float]


@dataclass(frozen=True, eq=False)
class Transfer:
    """A diarizer on every labelled corpus of a folder.

    Attributes:
        model: name or folder of the weights.
        licence: of the weights.
        trained_on: what their checkpoint says.
        summary: see ``summary``; of unseen corpora alone.
        corpora: the headline first, those trained on last.
        languages: recall over own categories of all unseen clips of a language, by its code.
        narration: share of speech shown as emotional, by corpus of read speech.
    """

    model: str
    licence: str
    trained_on: tuple[str, ...]
    summary: dict[str, float]
    corpora: tuple[CorpusScores, ...]
    languages: dict[str, float] = field(default_factory=dict)
    narration: dict[str, float] = field(default_factory=dict)


def evaluate_transfer(
    data: Path,
    model: str = "diarizer",
    encoder: Path | None = None,
    clips: int | None = None,
    hook: Hook = no_progress,
) -> Transfer:
    """Zero-shot tables of a diarizer over all corpora with emotion labels that have a folder in ``data/audio``.

    Every recording alone, through the encoder as in use, without enrolment. Unseen corpora: all clips; corpora trained
    on: test speakers. Clips and splits come from the manifest, or from the published layouts where there is none.

    Args:
        data: folder of the training data.
        model: name of built-in weights, a checkpoint folder, or ``hf:NAME``.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        hook: progress.

    Raises:
        InputError: no such weights, or no labelled corpus in the folder.
    """
    every = _clips_by_corpus(data)
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    trained_on = training_lines(model)
    known = corpora()
    roles = {name: corpus_role(known[name], trained_on) for name in every}
    labelled = {name: _scored(found, roles[name]) for name, found in every.items() if known[name].categories}
    labelled = {name: _chosen(c, clips) for name, c in labelled.items() if len({_labels(clip)[0] for clip in c}) > 1}
    if not labelled:
        raise InputError(f"{data}/audio: no corpus with emotion labels; sedtalker data list names those that are read")
    results = {}
    for name, found in labelled.items():
        results[name] = [_result(diarizer, c) for c in counted(found, hook, f"scoring {name}", len(found))]
    narration = {}
    for name in [name for name in NARRATION if name in every]:
        held_out = [c for c in every[name] if c.split != "train"]
        read = held_out if name == "librispeech" or roles[name] == "in-domain" else every[name]
        found = _chosen(read, clips)
        if found:
            shown = [_shown_emotional(diarizer, c) for c in counted(found, hook, f"reading {name}", len(found))]
            narration[name] = _ratio(shown)
    order = {name: place for place, name in enumerate((*HEADLINE, *results))}
    ranks = ("headline", "other", "development", "in-domain")
    names = sorted(results, key=lambda name: (ranks.index(roles[name]), order[name]))
    scores = tuple(corpus_scores(name, roles[name], results[name]) for name in names)
    unseen = [found for name, found in results.items() if roles[name] != "in-domain"]
    whole = summary(scores, narration)
    if "zero_shot_uar" not in whole:
        log.warning("none of %s is unseen by these weights and has a folder here: no headline", ", ".join(HEADLINE))
    return Transfer(model, diarizer.licence, trained_on, whole, scores, language_recalls(unseen), narration)


# --- Which corpora, and what they are to the weights.


def training_lines(model: str) -> tuple[str, ...]:
    """What a diarizer's checkpoint, and that of its encoder of emotion, say they were trained on."""
    if model.startswith(HUB):
        return ()
    folder = Path(model) if Path(model).is_dir() else builtin_checkpoint(DIARIZERS.get(model, model))
    config = read_config(folder)
    lines = [*config.trained_on, *map(str, config.model.get("corpora", ()))]
    with suppress(InputError):
        encoder = builtin_checkpoint("emotion_encoder")
        if config.encoder_sha256 == weights_sha256(encoder):
            lines += read_config(encoder).trained_on
    return tuple(dict.fromkeys(lines))


def corpus_role(corpus: SpeechCorpus, trained_on: Iterable[str]) -> Role:
    """In-domain where any line names the corpus, but for lines of what sound was augmented with."""
    names = "|".join(re.escape(name) for name in (corpus.name, corpus.title, *corpus.aliases))
    lines = [line for line in trained_on if not line.lower().startswith("augmented")]
    if any(re.search(rf"(?<!\w)(?:{names})(?!\w)", line, re.IGNORECASE) for line in lines):
        return "in-domain"
    if corpus.name in HEADLINE:
        return "headline"
    return "development" if corpus.name in DEVELOPMENT else "other"


def _clips_by_corpus(data: Path) -> dict[str, list[Clip]]:
    """Clips of labelled corpora and of narration whose files are there, by the name in the registry."""
    if (data / "audio" / "manifest.csv").is_file():
        listed = read_manifest(data)
    else:
        listed = [clip for clips, _ in index_corpora(data).values() for clip in clips]
    found: dict[str, list[Clip]] = {}
    for clip in listed:
        corpus = known_corpus(clip.corpus)
        if corpus is not None and (corpus.categories or corpus.name in NARRATION) and clip.path.is_file():
            found.setdefault(corpus.name, []).append(clip)
    return found


def _scored(clips: Sequence[Clip], role: Role) -> list[Clip]:
    labelled = [c for c in clips if clip_labels(c) is not None]
    return [c for c in labelled if c.split == "test"] if role == "in-domain" else labelled


def _chosen(clips: Sequence[Clip], count: int | None) -> list[Clip]:
    """At most so many clips by the hash of their names, each emotion in turn."""
    if count is None:
        return list(clips)
    ranked: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda c: hashlib.md5(c.path.name.encode(), usedforsecurity=False).digest()):
        ranked.setdefault(clip.emotion, []).append(clip)
    return [c for turn in zip_longest(*ranked.values()) for c in turn if c is not None][:count]


def _labels(clip: Clip) -> tuple[int, int]:
    labels = clip_labels(clip)
    assert labels is not None
    return labels


# --- One clip.


def _result(diarizer: Diarizer, clip: Clip) -> ClipResult:
    audio = load_audio(clip.path)
    features = diarizer.encoder(audio)
    frames = frame_emotions(diarizer.network, features)
    if diarizer.classifier is not None:
        frames = classified_emotions(diarizer.classifier, audio, frames, features.clock.times(len(features)))
    return clip_result(clip, *_labels(clip), frames)


def _shown_emotional(diarizer: Diarizer, clip: Clip) -> tuple[int, int]:
    """Frames of speech that the track shows as emotional, and all frames of speech."""
    audio = load_audio(clip.path)
    track = diarizer.track(audio, diarizer.encoder(audio))
    speech = np.ones(len(track), bool) if track.speech is None else track.speech
    shown = (track.posterior.argmax(1) != track.labels.index("neutral")) & (track.intensity >= SHOWN)
    return int((shown & speech).sum()), int(speech.sum())


def _ratio(counts: Sequence[tuple[int, int]]) -> float:
    shown, speech = np.sum(counts, axis=0)
    return float(shown / max(1, speech))


# --- Figures of one corpus, and of all.


def corpus_scores(name: str, role: Role, results: Sequence[ClipResult]) -> CorpusScores:
    """Figures of one corpus; ``own``: only the categories that its clips have may be answered.

    ``uar``, ``macro_f1``, ``angry_as_happy`` and the recalls over own categories; ``uar_seven``, ``ece``, ``accuracy``,
    ``accuracy_half`` and ``angry_as_happy_seven`` over all seven. ``uar_adjusted``, ``macro_f1_adjusted``: with
    ``adjusted_logits``; networks here are trained with all categories alike, so p_train is uniform.
    ``intensity_…``: mean over the neutral or the emotional clips, ``shown_…`` after ``trusted_intensity``;
    ``intensity_auc`` where strengths are labelled. ``uar_women``, ``uar_men``: over own categories.
    """
    truth = np.array([r.truth for r in results])
    posterior = np.stack([r.posterior for r in results])
    own, guess = np.unique(truth), own_guess(truth, posterior)
    share = np.array([np.mean(truth == c) for c in own])
    logits = np.log(np.maximum(posterior[:, own], 1e-12))
    adjusted = own[adjusted_logits(logits, np.zeros(len(own)), np.log(share)).argmax(1)]
    classes = len(CATEGORIES)
    metrics = {
        "uar": unweighted_average_recall(truth, guess, classes),
        "uar_seven": unweighted_average_recall(truth, posterior.argmax(1), classes),
        "uar_adjusted": unweighted_average_recall(truth, adjusted, classes),
        "macro_f1": macro_f1(truth, guess, classes),
        "macro_f1_adjusted": macro_f1(truth, adjusted, classes),
        "ece": expected_calibration_error(truth, posterior, BINS),
        "accuracy": accuracy(truth, posterior.argmax(1)),
        "accuracy_half": accuracy_at_coverage(truth, posterior, HALF),
    }
    angry = truth == ANGRY
    if angry.any():
        metrics["angry_as_happy"] = float(np.mean(guess[angry] == HAPPY))
        metrics["angry_as_happy_seven"] = float(np.mean(posterior[angry].argmax(1) == HAPPY))
    for measure in ("intensity", "shown"):
        values = np.array([getattr(r, measure) for r in results])
        for kind, which in (("neutral", truth == NEUTRAL), ("emotional", truth != NEUTRAL)):
            if which.any():
                metrics[f"{measure}_{kind}"] = float(values[which].mean())
    auc = strength_auc(list(results), np.array([r.intensity for r in results]))
    if not np.isnan(auc):
        metrics["intensity_auc"] = auc
    gender = np.array([r.clip.gender for r in results])
    for people, letter in (("women", "f"), ("men", "m")):
        if (gender == letter).any():
            one = gender == letter
            metrics[f"uar_{people}"] = unweighted_average_recall(truth[one], guess[one], classes)
    recall = recalls(truth, guess, classes)
    return CorpusScores(name, role, len(results), metrics, {CATEGORIES[c]: float(recall[c]) for c in own})


def own_guess(truth: NDArray[np.integer], posterior: NDArray[np.floating]) -> NDArray[np.integer]:
    """The best of the categories that occur in ``truth`` (N,), of posteriors (N, C)."""
    own = np.unique(truth)
    answer: NDArray[np.integer] = own[posterior[:, own].argmax(1)]
    return answer


def language_recalls(by_corpus: Iterable[Sequence[ClipResult]]) -> dict[str, float]:
    """Recall of all clips of a language, each answered over the categories of its own corpus."""
    pairs: dict[str, list[tuple[int, int]]] = {}
    for results in by_corpus:
        guesses = own_guess(np.array([r.truth for r in results]), np.stack([r.posterior for r in results]))
        for r, guess in zip(results, guesses, strict=True):
            pairs.setdefault(r.clip.language, []).append((r.truth, int(guess)))
    out = {}
    for language in sorted(pairs.keys() - {"und", "nonverbal", ""}):
        truth, guess = np.array(pairs[language]).T
        out[language] = unweighted_average_recall(truth, guess, len(CATEGORIES))
    return out


def summary(scores: Sequence[CorpusScores], narration: dict[str, float]) -> dict[str, float]:
    """The figures over corpora, by the keys of ``measures.TRANSFER``; what has no corpus is left out.

    Means over the unseen corpora of ``HEADLINE``; ``angry_as_happy`` and ``intensity_neutral`` of the worst corpus
    never trained on, development corpora among them; ``narration_false_alarm``: mean of the corpora of read speech.
    """

    def of(key: str, *roles: Role) -> list[float]:
        return [s.metrics[key] for s in scores if s.role in roles and key in s.metrics]

    headline = {
        "zero_shot_uar": "uar",
        "zero_shot_uar_seven": "uar_seven",
        "zero_shot_uar_adjusted": "uar_adjusted",
        "zero_shot_macro_f1": "macro_f1",
        "ece_zero_shot": "ece",
        "accuracy": "accuracy",
        "accuracy_half": "accuracy_half",
        "intensity_auc": "intensity_auc",
    }
    out = {name: float(np.mean(values)) for name, key in headline.items() if (values := of(key, "headline"))}
    for key in ("angry_as_happy", "intensity_neutral"):
        if values := of(key, "headline", "other", "development"):
            out[key] = max(values)
    if narration:
        out["narration_false_alarm"] = float(np.mean(list(narration.values())))
    if values := of("uar", "development"):
        out["development_uar"] = float(np.mean(values))
    return out


# --- Tables and the heat map.


def transfer_metrics(result: Transfer) -> dict[str, object]:
    """Everything as plain data for JSON."""

    def rounded(values: dict[str, float]) -> dict[str, float]:
        return {key: round(value, 4) for key, value in values.items()}

    return {
        "model": result.model,
        "licence": result.licence,
        "trained_on": list(result.trained_on),
        **rounded(result.summary),
        "zero_shot_corpora": [s.name for s in result.corpora if s.role == "headline"],
        "development_corpora": [s.name for s in result.corpora if s.role == "development"],
        "in_domain_corpora": [s.name for s in result.corpora if s.role == "in-domain"],
        "narration": rounded(result.narration),
        "languages": rounded(result.languages),
        "corpora": {
            s.name: {"role": s.role, "clips": s.clips, **rounded(s.metrics), "recall": rounded(s.recall)}
            for s in result.corpora
        },
    }


COLUMNS = {
    "uar": "UAR", "uar_seven": "of 7", "uar_adjusted": "adjusted", "macro_f1": "F1", "ece": "ECE", "accuracy": "acc.",
    "accuracy_half": "half", "angry_as_happy": "angry→happy", "intensity_neutral": "int. neutral",
    "intensity_emotional": "emotional", "intensity_auc": "AUC", "uar_women": "women", "uar_men": "men",
}  # fmt: skip
"""Figures of a corpus in the table for a terminal, and their headings."""


def transfer_table(result: Transfer) -> str:
    """A Markdown table, a corpus a row."""
    lines = ["| corpus | role | clips | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 3) + "|"]
    for s in result.corpora:
        cells = [f"{s.metrics[key]:.2f}".removeprefix("0") if key in s.metrics else "-" for key in COLUMNS]
        lines.append(f"| {s.name} | {s.role} | {s.clips} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot_transfer(result: Transfer, path: Path) -> None:
    """Recall of every category in every corpus over its own categories, as a PNG; written whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [f"{s.name} ({s.role})" for s in result.corpora]
    matrix = np.array(
        [[*(s.recall.get(c, np.nan) for c in CATEGORIES), s.metrics["uar"]] for s in result.corpora], np.float64
    )
    figure = Figure(figsize=(9.0, 1.8 + 0.45 * len(rows)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    image = draw_shares(axis, matrix, rows, [*CATEGORIES, "mean (UAR)"])
    axis.set_title(f"{result.model}: recall over each corpus's own categories", fontsize=10)
    figure.colorbar(image, ax=axis)
    write_figure(figure, path)
