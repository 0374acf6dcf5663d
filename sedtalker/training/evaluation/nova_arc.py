"""NOVA-ARC on corpora never trained on: without a target, in flat space, and in the ball.

The source is labelled speech of CREMA-D; half of the speakers of a target corpus adapt the network without labels, the
other half is scored, and the other way round, with another seed each time. The frames are the built-in emotion
encoder's. All three networks see the same clips and differ in the word after ``nova_`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.adaptation.nova_arc import Clips, NovaArc, NovaArcSettings, clips_of, train_nova_arc
from sedtalker.training.corpora.emotion_speech import clip_labels
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import known_corpus
from sedtalker.training.evaluation.adaptation import speaker_halves
from sedtalker.training.evaluation.transfer import (
    balanced_clips,
    clips_by_corpus,
    corpus_role,
    listed_clips,
    training_lines,
)

SOURCE = "cremad"
"""Corpus of the labelled clips."""
SOURCE_CLIPS = 360
"""Of its training speakers."""
POOLED = 8
"""Frames of 20 ms that are averaged to one."""
LONGEST = 20
"""Of those, at most so many of a clip: 3.2 seconds."""
SEEDS = 5
"""Splits of the speakers, each in both directions."""
VARIANTS = {"source": "flat", "flat": "flat", "ball": "ball"}
"""What is compared, and its geometry; the first sees no target."""


@dataclass(frozen=True, eq=False)
class FrameCorpus:
    """Clips as frames (T_i, D), with categories and speakers (N,)."""

    name: str
    frames: tuple[NDArray[np.float32], ...]
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]


def evaluate_nova_arc(data: Path, clips: int | None = 200, hook: Hook = no_progress) -> dict[str, float]:
    """Figures of ``NOVA_ARC`` over all labelled corpora that the built-in diarizer was not trained on.

    Args:
        data: folder of the training data.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        hook: progress.

    Raises:
        InputError: CREMA-D or every target is missing from the folder.
    """
    found, lines = clips_by_corpus(listed_clips(data)), training_lines("diarizer")
    targets = [name for name, c in sorted(found.items()) if _is_target(c, lines)]
    if SOURCE not in found or not targets:
        raise InputError(f"{data}/audio: {SOURCE} and another corpus with emotion labels are needed")
    diarizer = Diarizer.from_pretrained()
    training = [clip for clip in found[SOURCE] if clip.split == "train"]
    source = read_frames(diarizer, SOURCE, balanced_clips(_labelled(training), SOURCE_CLIPS), hook)
    read = [read_frames(diarizer, name, balanced_clips(_labelled(found[name]), clips), hook) for name in targets]
    with torch_threads(1):
        return nova_arc_figures(source, read, hook=hook)


def _is_target(clips: Sequence[Clip], lines: Sequence[str]) -> bool:
    corpus = known_corpus(clips[0].corpus)
    return corpus is not None and bool(corpus.categories) and corpus_role(corpus, lines) != "in-domain"


def _labelled(clips: Sequence[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip_labels(clip) is not None]


def read_frames(diarizer: Diarizer, name: str, clips: Sequence[Clip], hook: Hook = no_progress) -> FrameCorpus:
    """Hidden vectors and prosody of clips, averaged over ``POOLED`` frames; clips shorter than that are left out."""
    frames, kept = [], []
    for clip in counted(clips, hook, f"encoding {name}", len(clips)):
        features = diarizer.encoder(load_audio(clip.path))
        values = np.concatenate([features.hidden, features.prosody], 1).astype(np.float32)
        whole = len(values) // POOLED * POOLED
        if whole:
            frames.append(values[:whole].reshape(-1, POOLED, values.shape[1]).mean(1))
            kept.append(clip)
    labels = np.array([label[0] for clip in kept if (label := clip_labels(clip)) is not None], np.int64)
    return FrameCorpus(name, tuple(frames), labels, np.array([clip.speaker for clip in kept]))


def nova_arc_figures(
    source: FrameCorpus,
    targets: Sequence[FrameCorpus],
    settings: NovaArcSettings = NovaArcSettings(),
    seeds: int = SEEDS,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Mean recalls of every variant, by corpus and over all, and how far the seeds lie apart.

    Only categories of the source can be learned: clips of others are left out.
    """
    known, labels = np.unique(source.labels, return_inverse=True)
    every = np.concatenate(source.frames)
    mean, deviation = every.mean(0), every.std(0) + 1e-3
    first = clips_of([(f - mean) / deviation for f in source.frames], LONGEST)
    out: dict[str, float] = {}
    for target in counted(targets, hook, "training NOVA-ARC", len(targets)):
        shared = np.isin(target.labels, known)
        truth, speakers = np.searchsorted(known, target.labels[shared]), target.speakers[shared]
        frames = [(f - mean) / deviation for f, keep in zip(target.frames, shared, strict=True) if keep]
        second = clips_of(frames, LONGEST)
        recalls: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for seed in range(seeds):
            halves = speaker_halves(speakers, np.random.default_rng(seed))
            for name, geometry in VARIANTS.items():
                chosen = replace(settings, geometry=geometry)
                scores = np.empty((len(truth), len(known)))
                for given, scored in (halves, halves[::-1]):
                    unlabelled = None if name == "source" else second.chosen(given)
                    network = train_nova_arc(first, labels, unlabelled, chosen, seed)
                    scores[scored] = _log_posterior(network, second.chosen(scored))
                recalls[name].append(own_recall(truth, scores))
        for name, values in recalls.items():
            out[f"nova_{name}_{target.name}"] = float(np.mean(values))
            out[f"nova_{name}_sd_{target.name}"] = float(np.std(values))
    means = {f"nova_{name}": _mean(out, name, targets) for name in VARIANTS}
    gains = {f"nova_gain_{name}": means[f"nova_{name}"] - means["nova_source"] for name in ("flat", "ball")}
    return means | gains | out


@torch.no_grad()
def _log_posterior(network: NovaArc, clips: Clips) -> NDArray[np.float64]:
    values: NDArray[np.float64] = network(clips).logits.log_softmax(-1).double().numpy()
    return values


def _mean(figures: Mapping[str, float], name: str, targets: Sequence[FrameCorpus]) -> float:
    return float(np.mean([figures[f"nova_{name}_{target.name}"] for target in targets]))


def nova_arc_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each corpus, mean ± deviation over seeds."""
    prefix = "nova_source_sd_"
    lines = ["| corpus | source alone | flat twin | ball |", "|---|---|---|---|"]
    for corpus in sorted(key.removeprefix(prefix) for key in metrics if key.startswith(prefix)):
        cells = [f"{metrics[f'nova_{v}_{corpus}']:.2f} ± {metrics[f'nova_{v}_sd_{corpus}']:.2f}" for v in VARIANTS]
        lines.append(f"| {corpus} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
