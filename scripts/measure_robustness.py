"""What bad recordings cost: noise, babble, telephones, MP3, rooms and clipping, each at several strengths.

    python scripts/measure_robustness.py --data DIR   # about ten minutes of one core
    python scripts/measure_robustness.py --page       # write the page and its figure anew, measure nothing

Writes ``docs/robustness.json``, ``docs/cross-corpus.md`` and ``docs/images/robustness.png``. The same clip gets the
same noise and the same room at every strength, so that the rows compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from measure_groups import labelled
from measured_page import between_marks, measured
from measures.damage import grades, versions
from numpy.typing import NDArray

from sedtalker.animation.animator import DECODERS, AnyDecoder
from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.inference import frame_emotions
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics.emotion import bootstrap_interval, unweighted_average_recall
from sedtalker.metrics.motion import correlation, lip_aperture
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted
from sedtalker.speech.encoder import Encoder, open_trained_encoder
from sedtalker.training.corpora.augmentation import noise_files
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import clips_of
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.clips import clip_posterior
from sedtalker.training.evaluation.lips import steady_track
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.robustness import Change, unmet_noises
from sedtalker.training.evaluation.transfer import HEADLINE, balanced_clips
from sedtalker.training.evaluation.wild import WILD_LAGS, read_wild_talkers
from sedtalker.training.motion.crops import resting_noises

DOCS = Path(__file__).parents[1] / "docs"
"""Where the page is."""
HELD_OUT = "crema_d"
"""The corpus that the diarizer was trained on; its test speakers were kept out."""
HELD_OUT_CLIPS, UNSEEN_CLIPS = 180, 40
"""Clips of its test speakers, and of each corpus that was never trained on."""
SENTENCES, TALKERS = 30, 14
"""Test sentences of the tracked talker, every other one, and clips of unseen talkers, in the order of their names."""
CLEAN = ("clean", "")
"""The kind and strength of recordings as they are."""
CURVES = (
    {"uar_held_out": ("recall, held-out speakers", "o-"), "uar_unseen": ("recall, unseen corpora", "s--")},
    {
        "lip_r": ("tracked talker", "o-"),
        "lip_r_wild": ("unseen talkers", "s--"),
        "lip_r_clean_wild": ("as if clean", ":"),
    },
)
"""What the figure shows: label and style of each curve, above and below."""
Row = tuple[str, str]
"""Kind of damage, and its strength."""
Curve = NDArray[np.floating]


class Sound(NamedTuple):
    """A recording, what it is called, and what is known of its emotion or of the lips."""

    path: Path
    truth: int = -1
    speaker: str = ""
    corpus: str = ""


# --- Emotion.


def chosen_clips(every: list[Clip]) -> list[Sound]:
    """Clips that are scored, each emotion in turn: held-out speakers first, then the unseen corpora."""
    found = balanced_clips(labelled(clips_of(every, HELD_OUT, "test")), HELD_OUT_CLIPS)
    for name in HEADLINE:
        found += balanced_clips(labelled(clips_of(every, name)), UNSEEN_CLIPS)
    return [Sound(c.path, category_of(c), c.speaker, c.corpus) for c in found]


def posteriors(diarizer: Diarizer, sounds: Sequence[Sound], changes: Mapping[Row, Change], hook: Hook) -> Curve:
    """(rows, clips, categories) posterior of every clip, as it is and damaged."""
    out = np.zeros((1 + len(changes), len(sounds), len(CATEGORIES)))
    for i, sound in enumerate(counted(sounds, hook, "emotion of damaged clips", len(sounds))):
        for row, samples in enumerate(versions(sound.path, changes)):
            frames = frame_emotions(diarizer.network, diarizer.encoder(from_samples(samples, SAMPLE_RATE)))
            out[row, i] = clip_posterior(frames)
    return out


@dataclass(frozen=True, eq=False)
class Part:
    """Clips of some corpora: intended categories, and where each corpus's clips are among all."""

    truth: NDArray[np.integer]
    clips: list[NDArray[np.int64]]

    def recall(self, posterior: Curve, drawn: list[NDArray[np.int64]]) -> float:
        """Mean over the corpora of the recall over their own categories, of drawn clips (places in ``clips``)."""
        each = []
        for own, places in zip(self.clips, drawn, strict=True):
            categories, chosen = np.unique(self.truth[own]), own[places]
            guess = categories[posterior[chosen][:, categories].argmax(1)]
            each.append(unweighted_average_recall(self.truth[chosen], guess, len(CATEGORIES)))
        return float(np.mean(each))


def emotion_figures(sounds: Sequence[Sound], clean: Curve, made: Curve) -> dict[str, Any]:
    """Recall on held-out speakers and on unseen corpora, what it lost, and how far posteriors moved.

    ``shift``: mean total variation between the posteriors of the damaged clip and of the clean one, 0 to 1;
    ``changed``: share of clips that get another category.
    """
    truth, speaker, corpus = (np.array([getattr(s, name) for s in sounds]) for name in ("truth", "speaker", "corpus"))
    parts = {"held_out": [n for n in np.unique(corpus) if n not in HEADLINE], "unseen": list(HEADLINE)}
    figures: dict[str, Any] = {}
    for name, corpora in parts.items():
        part = Part(truth, [np.flatnonzero(corpus == one) for one in corpora])
        whole = [np.arange(len(clips)) for clips in part.clips]
        lost = partial(_lost, part, clean, made)
        interval = bootstrap_interval(lost, [list(speaker[clips]) for clips in part.clips], rounds=400)
        figures |= {f"uar_{name}": part.recall(made, whole), f"drop_{name}": lost(whole)}
        figures[f"drop_{name}_interval"] = list(interval)
    figures["shift"] = float(np.mean(0.5 * np.abs(made - clean).sum(1)))
    figures["changed"] = float(np.mean(made.argmax(1) != clean.argmax(1)))
    return figures


def _lost(part: Part, clean: Curve, made: Curve, drawn: list[NDArray[np.int64]]) -> float:
    return part.recall(clean, drawn) - part.recall(made, drawn)


# --- Lips.


class Talker(NamedTuple):
    """A recording and its tracked lips: height and whether the face was found at ``times``; ``free``: at any lag."""

    path: Path
    times: Curve
    height: Curve
    found: Curve
    free: bool


def talkers(data: Path) -> tuple[list[Talker], list[Talker]]:
    """Test sentences of the tracked talker as they were recorded, and clips of unseen talkers."""
    grid = [c.as_recorded() for c in read_grid(data) if c.split == "test"]
    own = [Talker(c.audio, c.times, h := c.feature("inner_lip_height"), np.ones(len(h)), False) for c in grid]
    wild = [Talker(t.audio, t.times, t.lips[:, 0], t.found, True) for t in read_wild_talkers(data)[:TALKERS]]
    return own[::2][:SENTENCES], wild


def lip_figures(
    decoder: AnyDecoder, encoder: Encoder, face: Face, talker: Talker, changes: Mapping[Row, Change]
) -> list[tuple[float, float, float]]:
    """Correlation with the tracked lips and with the clean prediction, and ratio of openings, for every version.

    On the speech frames of the clean recording. Unseen talkers are scored at the lag that suits the clean one best,
    for sound and picture of web video are apart. ``ratio``: standard deviation of the height over that of the clean
    prediction.
    """
    neutral, curves, speech, times = steady_track("neutral", 0.0), [], np.zeros(0, bool), np.zeros(0)
    for samples in versions(talker.path, changes):
        features = encoder(from_samples(samples, SAMPLE_RATE))
        curves.append(lip_aperture(face, decoder.predict(features, neutral)))
        if len(curves) == 1:
            speech, times = features.speech, features.clock.times(len(features))
    clean = curves[0]
    lags = WILD_LAGS if talker.free else np.zeros(1)
    times = times + lags[int(np.argmax([_followed(talker, clean, speech, times + lag) for lag in lags]))]
    figures = []
    for lips in curves:
        both = min(len(lips), len(clean))
        said = speech[:both]
        one, other = lips[:both][said], clean[:both][said]
        follows = _followed(talker, lips[:both], said, times[:both])
        figures.append((follows, correlation(one, other), float(one.std() / other.std())))
    return figures


def _followed(talker: Talker, lips: Curve, speech: NDArray[np.bool_], times: Curve) -> float:
    keep = speech & (np.interp(times, talker.times, talker.found) > 0.99)
    return correlation(lips[keep], np.interp(times, talker.times, talker.height)[keep])


def unused_noises(data: Path) -> list[Path]:
    """Recordings of noise that the networks of the lips never met, nor any other part of the same recording."""
    used = {*noise_files(data), *resting_noises(data)}
    origins = {_origin(p) for p in used}
    every = noise_files(data, hold_out=False)
    return [p for p in every if p.parent.name == "esc10" and p not in used and _origin(p) not in origins]


def _origin(path: Path) -> str:
    """The recording that ESC-10 cut a clip from: KIND_FOLD-RECORDING-PART."""
    return path.stem.rsplit("-", 2)[-2] if "-" in path.stem else path.stem


# --- Both.


def measure(data: Path, hook: Hook) -> dict[str, Any]:
    """Everything that ``docs/robustness.json`` has."""
    every = read_manifest(data)
    voices = [load_audio(c.path).samples for c in clips_of(every, "librispeech", "valid")]
    sounds, noises = chosen_clips(every), unmet_noises(every)
    diarizer = Diarizer.from_pretrained()
    changes = grades(noises, voices)
    found = posteriors(diarizer, sounds, changes, hook)
    rows: list[dict[str, Any]] = [{"kind": kind, "strength": strength} for kind, strength in (CLEAN, *changes)]
    for row, made in zip(rows, found, strict=True):
        row |= _rounded(emotion_figures(sounds, found[0], made))
    folder = builtin_checkpoint("decoder")
    decoder: AnyDecoder = open_model(folder, *DECODERS)
    face = load_face()
    encoder = open_trained_encoder(folder, decoder.config)
    files = unused_noises(data)
    changes = grades([load_audio(p).samples for p in files], voices)
    own, wild = talkers(data)
    for name, group in (("", own), ("_wild", wild)):
        step = "lips of damaged clips"
        each = [lip_figures(decoder, encoder, face, t, changes) for t in counted(group, hook, step, len(group))]
        mean = np.array(each).mean(0)
        for row, (follows, same, ratio) in zip(rows, mean, strict=True):
            row |= _rounded({f"lip_r{name}": follows, f"lip_r_clean{name}": same, f"lip_ratio{name}": ratio})
    corpora = {s.corpus: [o for o in sounds if o.corpus == s.corpus] for s in sounds}
    return {
        "corpora": {n: {"clips": len(c), "speakers": len({s.speaker for s in c})} for n, c in corpora.items()},
        "sentences": len(own),
        "talkers": len(wild),
        "noises_emotion": len(noises),
        "noises_lips": len(files),
        "voices": len(voices),
        "rows": rows,
    }


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {k: [round(x, 4) for x in v] if isinstance(v, list) else round(v, 4) for k, v in figures.items()}


# --- The page.


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a kind and strength."""
    head = ("damage", "strength", "held-out speakers: recall", "lost (95 %)", "unseen corpora: recall", "lost (95 %)")
    every = []
    for row in rows:
        cells = [row["kind"], row["strength"]]
        for part in ("held_out", "unseen"):
            low, high = row[f"drop_{part}_interval"]
            lost = f"{row[f'drop_{part}']:+.2f} ({low:+.2f} to {high:+.2f})" if row["strength"] else ""
            cells += [f"{row[f'uar_{part}']:.2f}", lost]
        cells += [f"{row[name]:.2f}" for name in ("shift", "lip_r", "lip_r_wild", "lip_r_clean_wild")]
        every.append(cells)
    more = ("posterior moved", "lips: tracked talker", "unseen talkers", "as if clean")
    return markdown_table((*head, *more), every)


def sizes(found: Mapping[str, Any]) -> str:
    """How many clips, speakers, sentences and noises the figures are of."""
    own = [c for name, c in found["corpora"].items() if name not in HEADLINE]
    unseen = [c for name, c in found["corpora"].items() if name in HEADLINE]
    clips, speakers = (sum(c[key] for c in own) for key in ("clips", "speakers"))
    others, their_speakers = (sum(c[key] for c in unseen) for key in ("clips", "speakers"))
    return (
        f"{clips} clips of {speakers} test speakers of CREMA-D; {others} clips of {their_speakers} speakers of "
        f"{len(unseen)} corpora never trained on; {found['sentences']} test sentences of the tracked talker; "
        f"{found['talkers']} clips of unseen talkers. {found['noises_emotion']} noises for emotion, "
        f"{found['noises_lips']} for lips; babble of {found['voices']} readers.\n"
    )


def with_table(text: str, found: Mapping[str, Any]) -> str:
    """The page with its table written anew between the marks."""
    return between_marks(text, "robustness", f"{sizes(found)}\n{table(found['rows'])}")


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Emotion above and lips below, a column a kind of damage, from clean to worst."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["strength"]))
    figure = Figure(figsize=(15.0, 6.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(kinds), sharey="row", squeeze=False)
    for column, kind in enumerate(kinds):
        shown = [rows[0], *(row for row in rows if row["kind"] == kind)]
        labels = ["clean", *(row["strength"].partition(" (")[0] for row in shown[1:])]
        for axis, curves in zip(axes[:, column], CURVES, strict=True):
            for key, (label, style) in curves.items():
                axis.plot(range(len(shown)), [row[key] for row in shown], style, label=label)
            axis.set_xticks(range(len(shown)), labels, rotation=30, ha="right", fontsize=8)
            axis.set_ylim(0.0, 1.02)
            axis.grid(axis="y", alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0, column].set_title(kind)
    for axis, name in zip(axes[:, 0], ("emotion", "lips"), strict=True):
        axis.set_ylabel(name)
        axis.legend(fontsize=8, frameon=False)
    write_figure(figure, path)


def main() -> None:
    """Measure and write."""
    page = DOCS / "cross-corpus.md"
    found = measured(__doc__, DOCS / "robustness.json", measure)
    page.write_text(with_table(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    draw(found["rows"], DOCS / "images" / "robustness.png")


if __name__ == "__main__":
    main()
