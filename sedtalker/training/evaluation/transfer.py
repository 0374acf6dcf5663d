"""A diarizer on corpora it was not trained on: which corpora these are, which clips, and every one of them scored.

The headline is the mean over four corpora of four languages. The corpora that chose the recipe stand apart, and those
that the weights were trained on are marked and count nowhere. ``transfer_scores`` makes figures of the scored clips,
its tables and pictures are below.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.arrays import Doubles
from sedtalker.audio import SAMPLE_RATE, Audio, load_audio, readable
from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
from sedtalker.emotion.diarizer import HUB, Diarizer
from sedtalker.emotion.inference import FrameEmotions, frame_emotions
from sedtalker.emotion.plot import new_figure, write_figure
from sedtalker.emotion.taxonomy import category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.models import model_folder
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import category_of, clip_labels
from sedtalker.training.corpora.manifest import Clip, read_manifest, read_table
from sedtalker.training.corpora.speech import SpeechCorpus, corpora, index_corpora, known_corpus
from sedtalker.training.evaluation.clips import RECORDINGS, ClipResult, clip_posterior, clip_result, joined_scores
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.robustness import conditions, seed_of, unmet_noises
from sedtalker.training.evaluation.transfer_scores import (
    CorpusScores,
    OrdinaryVoices,
    Role,
    TransferScores,
    corpus_scores,
    coverage_curve,
    language_recalls,
    summary,
)

log = logging.getLogger(__name__)

HEADLINE = ("ravdess", "nemo", "tess", "emotiontts_ko")
"""Corpora of ``zero_shot_uar``: North American English, Polish, Canadian English, Korean."""
DEVELOPMENT = ("uem_es", "aesdd", "indian_emospeech")
"""Corpora that chose the recipe of the shipped weights: never trained on, but no longer unseen."""
NARRATION = ("ljspeech", "librispeech")
"""Read speech, whose emotion should hardly show."""
SHOWN = 0.4
"""Intensity from which on read speech counts as shown emotional."""
ROBUST_CLIPS = 60
"""Clips of each corpus of the headline that are scored under every condition."""


def evaluate_transfer(
    data: Path, model: str = "diarizer", encoder: Path | None = None, clips: int | None = None, hook: Hook = no_progress
) -> TransferScores:
    """Zero-shot tables of a diarizer over all corpora with emotion labels that have a folder in ``data/audio``.

    Every recording alone, through the encoder as in use; beside it with the speaker enrolled, in recordings joined of
    several clips, and made worse (``robustness``). Unseen corpora: all clips; corpora trained on: test speakers. Clips
    and splits come from the manifest, or from the published layouts where there is none.

    Args:
        model: name of built-in weights, a checkpoint folder, or ``hf:NAME``.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn, and so many joined
            recordings of each set; None: all.

    Raises:
        InputError: no such weights, or no labelled corpus in the folder.
    """
    import av  # noqa: F401  # where it is missing, that is said before an hour of work (``robustness.coded``)

    listed = listed_clips(data)
    every = clips_by_corpus(listed)
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    trained_on, known = training_lines(model), corpora()

    def frames(audio: Audio) -> FrameEmotions:
        return diarizer.frames(audio, diarizer.encoder(audio))

    roles = {name: corpus_role(known[name], trained_on) for name in every}
    labelled = {name: _scored(found, roles[name]) for name, found in every.items() if known[name].categories}
    labelled = {name: balanced_clips(c, clips) for name, c in labelled.items() if len(set(map(category_of, c))) > 1}
    results = {}
    for name, found in labelled.items():
        enrols = roles[name] == "headline" and diarizer.classifier is None
        voices = OrdinaryVoices(diarizer, every[name]) if enrols else None
        clips_read = readable(counted(found, hook, f"scoring {name}", len(found)))
        if scored := [_result(diarizer, *read, voices) for read in clips_read]:
            results[name] = scored
    if not results:
        raise InputError(f"{data}/audio: no corpus with clips of two emotions; sedtalker data list says what is read")
    narration = {}
    for name in [name for name in NARRATION if name in every]:
        held_out = [c for c in every[name] if c.split != "train"]
        read = held_out if name == "librispeech" or roles[name] == "in-domain" else every[name]
        found = balanced_clips(read, clips)
        clips_read = readable(counted(found, hook, f"reading {name}", len(found)))
        if counts := [shown_emotional(diarizer, sound) for _, sound in clips_read]:
            shown, speech = np.sum(counts, axis=0)
            narration[name] = float(shown / max(1, speech))
    scores = _of_corpora(results, roles)
    unseen = [name for name in results if roles[name] != "in-domain"]
    most = RECORDINGS if clips is None else min(clips, RECORDINGS)
    joined = joined_scores(frames, listed, unseen, diarizer.rule, hook, most)
    chosen = [s.name for s in scores if s.role == "headline"]
    headline = {name: [r.clip for r in results[name]][:ROBUST_CLIPS] for name in chosen}
    robust = robust_recalls(frames, headline, listed, hook)
    whole = summary(scores, narration) | {
        key: joined[key]
        for key in ("eder4", "eder7", "boundary_f1", "eder7_shown", "boundary_f1_shown")
        if key in joined
    }
    whole |= {f"drop_{name}": robust["clean"] - value for name, value in robust.items() if name != "clean"}
    if "zero_shot_uar" not in whole:
        log.warning("none of %s is unseen by these weights and has a folder here: no headline", ", ".join(HEADLINE))
    languages = language_recalls([results[name] for name in unseen])
    return TransferScores(model, diarizer.licence, trained_on, whole, scores, languages, narration, joined, robust)


def evaluate_predictions(data: Path, table: Path, clips: int | None = None) -> TransferScores:
    """The tables of ``evaluate_transfer`` of what any program said of the same clips.

    Nobody knows here what it was trained on: every corpus counts as unseen. What needs the program itself is left out:
    joined recordings, read speech, conditions, enrolment.

    Args:
        table: CSV with a column ``file`` (``nemo/a.ogg``, below ``data/audio``) and one for each category with its
            probability, or one, ``label``; perhaps ``intensity``, else what neutral leaves.
        clips: see ``evaluate_transfer``.

    Raises:
        InputError: the table cannot be read, or names no labelled clips of two emotions.
    """
    said = {
        (row["file"] or "").replace("\\", "/"): _prediction(row, f"{table}:{number}")
        for number, row in enumerate(read_table(table, ("file",)), 2)
    }
    results = {}
    for name, every in clips_by_corpus(listed_clips(data)).items():
        labelled = balanced_clips(_scored(every, "other"), clips)
        files = [clip.path.relative_to(data / "audio").as_posix() for clip in labelled]
        scored = [
            ClipResult(clip, *(clip_labels(clip) or (0, 0)), *said[file])
            for clip, file in zip(labelled, files, strict=True)
            if file in said
        ]
        if 0 < len(scored) < len(labelled):
            log.warning("%s: %d of %d clips have no prediction (left out)", name, len(files) - len(scored), len(files))
        if len({each.truth for each in scored}) > 1:
            results[name] = scored
    if not results:
        raise InputError(f"{table}: no labelled clips of two emotions below {data}/audio are named in it")
    scores = _of_corpora(results, {name: corpus_role(corpora()[name], ()) for name in results})
    languages = language_recalls(results.values())
    return TransferScores(str(table), "unknown", (), summary(scores, {}), scores, languages)


def _prediction(row: Mapping[str, str], where: str) -> tuple[Doubles, float]:
    """Posterior (C,) and intensity that a row of a table says."""
    try:
        values = np.array([float(row.get(name) or 0.0) for name in CATEGORIES])
        if not set(row).intersection(CATEGORIES):
            values = np.eye(len(CATEGORIES))[CATEGORIES.index(category(row.get("label") or ""))]
        posterior = values / values.sum() if values.sum() > 0.0 else values
        intensity = float(row.get("intensity") or 1.0 - posterior[0])
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except ValueError:
        raise InputError(f"{where}: a probability or the intensity is no number") from None
    if not (np.isfinite(values).all() and (values >= 0.0).all() and values.sum() > 0.0):
        raise InputError(f"{where}: give each category its probability, or a label")
    if not 0.0 <= intensity <= 1.0:
        raise InputError(f"{where}: intensity {intensity:g}: give a number from 0 to 1")
    return posterior, intensity


def _of_corpora(results: Mapping[str, Sequence[ClipResult]], roles: Mapping[str, Role]) -> tuple[CorpusScores, ...]:
    """Figures of each corpus, the headline first, those trained on last."""
    order = {name: place for place, name in enumerate((*HEADLINE, *results))}
    ranks = ("headline", "other", "development", "in-domain")
    names = sorted(results, key=lambda name: (ranks.index(roles[name]), order[name]))
    return tuple(corpus_scores(name, roles[name], results[name]) for name in names)


# --- Which corpora, and what they are to the weights.


def training_lines(model: str) -> tuple[str, ...]:
    """What a diarizer's checkpoint, and that of its encoder of emotion, say they were trained on."""
    if model.startswith(HUB):
        return ()
    config = read_config(model_folder("diarizer", model))
    lines = list(config.trained_on)
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


def listed_clips(data: Path) -> list[Clip]:
    """All clips of the manifest whose files are there, or of the corpora that lie there as they are published."""
    if (data / "audio" / "manifest.csv").is_file():
        every = read_manifest(data)
        there = [clip for clip in every if clip.path.is_file()]
        for name, lost in (Counter(c.corpus for c in every) - Counter(c.corpus for c in there)).items():
            log.warning("%s lacks %d of the files that the manifest names (left out)", name, lost)
        return there
    return [clip for corpus in index_corpora(data).values() for clip in corpus.clips]


def clips_by_corpus(listed: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Clips of known corpora by the name in the registry."""
    found: dict[str, list[Clip]] = {}
    for clip in listed:
        corpus = known_corpus(clip.corpus)
        if corpus is not None:
            found.setdefault(corpus.name, []).append(clip)
    return found


def _scored(clips: Sequence[Clip], role: Role) -> list[Clip]:
    labelled = [c for c in clips if category_of(c) >= 0]
    return [c for c in labelled if c.split == "test"] if role == "in-domain" else labelled


def balanced_clips(clips: Sequence[Clip], count: int | None) -> list[Clip]:
    """At most so many clips by the hash of their names, each emotion in turn."""
    if count is None:
        return list(clips)
    ranked: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda c: hashlib.md5(c.path.name.encode(), usedforsecurity=False).digest()):
        ranked.setdefault(clip.emotion, []).append(clip)
    return [c for turn in zip_longest(*ranked.values()) for c in turn if c is not None][:count]


# --- One clip.


def _result(diarizer: Diarizer, clip: Clip, audio: Audio, voices: OrdinaryVoices | None) -> ClipResult:
    features = diarizer.encoder(audio)
    result = clip_result(clip, diarizer.frames(audio, features), diarizer.network.config.visible)
    voice = voices.of(clip) if voices is not None else None
    if voice is None:
        return result
    return replace(result, enrolled=clip_posterior(frame_emotions(diarizer.network, features, voice)))


def shown_emotional(diarizer: Diarizer, audio: Audio) -> tuple[int, int]:
    """Frames of speech that the track shows as emotional, and all frames of speech."""
    track = diarizer.track(audio, diarizer.encoder(audio))
    speech = np.ones(len(track), bool) if track.speech is None else track.speech
    shown = (track.posterior.argmax(1) != track.labels.index("neutral")) & (track.intensity >= SHOWN)
    return int((shown & speech).sum()), int(speech.sum())


def robust_recalls(
    frames: Callable[[Audio], FrameEmotions],
    chosen: Mapping[str, Sequence[Clip]],
    listed: Iterable[Clip],
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Recall over own categories under each of ``conditions`` and ``clean``, mean over the corpora ``chosen``.

    Args:
        frames: of the diarizer.
        chosen: the clips that are scored, by corpus.
        listed: all clips, among which are the noises; without them ``noise_5db`` is left out.
    """
    changes = {"clean": lambda samples, rng: samples, **conditions(unmet_noises(listed))}
    out = {}
    for name, change in changes.items() if chosen else ():
        each = []
        for corpus, found in chosen.items():
            truth, posterior = np.array([category_of(c) for c in found]), []
            for clip in counted(found, hook, f"{name.replace('_', ' ')}: {corpus}", len(found)):
                sound = load_audio(clip.path)
                made = change(sound.samples, np.random.default_rng(seed_of(clip.path)))
                posterior.append(clip_posterior(frames(Audio(made, SAMPLE_RATE))))
            each.append(own_recall(truth, np.stack(posterior)))
        out[name] = float(np.mean(each))
    return out


COLUMNS = {
    "uar": "UAR", "uar_low": "from", "uar_high": "to", "uar_seven": "of 7", "uar_adjusted": "adjusted",
    "macro_f1": "F1", "ece": "ECE", "accuracy": "acc.", "accuracy_half": "half", "angry_as_happy": "angry→happy",
    "intensity_neutral": "int. neutral", "intensity_emotional": "emotional", "intensity_auc": "AUC",
    "valence_auc": "valence", "arousal_auc": "arousal", "uar_women": "women", "uar_men": "men",
    "enrol_gain": "enrolled",
}  # fmt: skip
"""Figures of a corpus in the table for a terminal, and their headings."""


def transfer_metrics(result: TransferScores) -> dict[str, object]:
    """Everything as plain data for JSON."""
    return {
        "model": result.model,
        "licence": result.licence,
        "trained_on": list(result.trained_on),
        **_rounded(result.summary),
        "zero_shot_corpora": [s.name for s in result.corpora if s.role == "headline"],
        "development_corpora": [s.name for s in result.corpora if s.role == "development"],
        "in_domain_corpora": [s.name for s in result.corpora if s.role == "in-domain"],
        "narration": _rounded(result.narration),
        "languages": _rounded(result.languages),
        "coverage": _curve(coverage_curve(result.corpora)),
        "joined": _rounded(result.joined),
        "robust": _rounded(result.robust),
        "corpora": {
            s.name: {
                "role": s.role,
                "clips": s.clips,
                "speakers": s.speakers,
                **_rounded(s.metrics),
                "recall": _rounded(s.recall),
                "clips_by_category": s.counts,
                "coverage": _curve(s.coverage),
            }
            for s in result.corpora
        },
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in values.items()}


def _curve(values: Mapping[float, float]) -> dict[str, float]:
    return {f"{share:g}": round(value, 4) for share, value in values.items()}


def transfer_table(result: TransferScores) -> str:
    """A Markdown table, a corpus a row."""
    rows = []
    for s in result.corpora:
        cells = [f"{s.metrics[key]:.2f}".replace("0.", ".", 1) if key in s.metrics else "-" for key in COLUMNS]
        rows.append([s.name, s.role, str(s.clips), *cells])
    return markdown_table(["corpus", "role", "clips", *COLUMNS.values()], rows) + "\n"


def plot_transfer(result: TransferScores, path: Path) -> None:
    """Recalls as a heat map and accuracy by coverage beside it, as a PNG; written whole or not at all.

    The heat map has every category of every corpus, over the corpus's own categories. The curves say how right the
    most confident share of the clips is; a good confidence makes them fall from left to right.
    """
    rows = [f"{s.name} ({s.role})" for s in result.corpora]
    matrix = np.array(
        [[*(s.recall.get(c, np.nan) for c in CATEGORIES), s.metrics["uar"]] for s in result.corpora], np.float64
    )
    figure = new_figure((14.0, max(4.5, 1.8 + 0.45 * len(rows))))
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1.0])
    image = draw_shares(left, matrix, rows, [*CATEGORIES, "mean (UAR)"])
    left.set_title(f"{result.model}: recall over each corpus's own categories", fontsize=10)
    figure.colorbar(image, ax=left)
    for s in result.corpora:
        unseen = s.role != "in-domain"
        right.plot(list(s.coverage), list(s.coverage.values()), label=s.name, linestyle="-" if unseen else ":")
    mean = coverage_curve(result.corpora)
    right.plot(list(mean), list(mean.values()), color="black", linewidth=2.5, label="headline, mean")
    right.set(xlabel="share of the clips that is answered, the most confident first", ylabel="accuracy", ylim=(0, 1))
    right.set_title("accuracy by coverage, seven categories", fontsize=10)
    right.spines[["top", "right"]].set_visible(False)
    right.legend(fontsize=7, ncols=2)
    write_figure(figure, path)


def draw_shares(axis: Any, matrix: Doubles, rows: Sequence[str], columns: Sequence[str]) -> Any:
    """A matrix of shares in [0, 1] as a heat map with its figures; NaN stays empty. Returns the image."""
    image = axis.imshow(matrix, vmin=0.0, vmax=1.0, cmap="viridis")
    axis.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axis.set_yticks(range(len(rows)), rows)
    for i, j in np.ndindex(matrix.shape):
        if not np.isnan(matrix[i, j]):
            colour = "white" if matrix[i, j] < 0.6 else "black"
            axis.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", color=colour)
    return image
