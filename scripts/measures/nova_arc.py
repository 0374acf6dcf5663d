"""NOVA-ARC on corpora never trained on: without a target, in flat space, and in the ball, beside two controls.

The source is labelled speech of CREMA-D, or another corpus such as EmoGator's cries and laughs; half of the speakers of
a target corpus adapt the network without labels, the other half is scored, five times with other halves and another
seed. The frames are the built-in emotion encoder's. The three networks see the same clips and differ in the word after
``nova_`` alone. The controls learn nothing from the target but the mean and deviation of its frames, over the same
unlabelled half: the network of the source (``normed``), and a linear head on means and deviations of clips
(``linear``); ``kmeans`` is this head on frames quantised by k-means of the source's, as the codebook quantises them.
Last come both: transport of frames that are normalised so (``normed_flat``, ``normed_ball``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from measures.adaptation import speaker_halves
from measures.curved_space import Clips, NovaArc, NovaArcSettings, clips_of, train_nova_arc
from measures.intervals import with_ends
from sedtalker.audio import load_audio
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import own_recall
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import known_corpus
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.transfer import (
    balanced_clips,
    clips_by_corpus,
    corpus_role,
    listed_clips,
    training_lines,
)

SOURCE = "crema_d"
"""Corpus of the labelled clips."""
ALSO = "banglaser"
"""A target although the weights were trained on other speakers of it."""
SOURCE_CLIPS = 360
"""Clips of the training speakers of the source."""
POOLED = 8
"""Frames of 20 ms that are averaged to one."""
LONGEST = 12
"""Largest number of frames of a clip: the middle two seconds."""
SEEDS = 5
"""Splits of the speakers."""
GEOMETRIES = {"flat": "flat", "ball": "ball", "normed_flat": "flat", "normed_ball": "ball", "source": "flat"}
"""The networks, and their geometry; the last sees no target."""
VARIANTS = ("source", "normed", "linear", "kmeans", "flat", "ball", "normed_flat", "normed_ball")
"""What is compared."""
DIFFERENCES = {
    "ball_over_flat": ("ball", "flat"),
    "normed_ball_over_normed_flat": ("normed_ball", "normed_flat"),
    "normed_ball_over_normed": ("normed_ball", "normed"),
}
"""What the curvature adds, and what transport adds to frames that are normalised."""


@dataclass(frozen=True, eq=False)
class FrameCorpus:
    """Clips as frames (T_i, D), with categories and speakers (N,)."""

    name: str
    frames: tuple[NDArray[np.float32], ...]
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]

    def part(self, index: NDArray[np.int64]) -> FrameCorpus:
        """Some of the clips."""
        return FrameCorpus(self.name, tuple(self.frames[k] for k in index), self.labels[index], self.speakers[index])

    def clips(self, like: FrameCorpus | None = None) -> Clips:
        """All clips, every channel in deviations of the frames of ``like``; None: of its own."""
        every = np.concatenate((like or self).frames)
        mean, deviation = every.mean(0), every.std(0) + 1e-3
        return clips_of([(frames - mean) / deviation for frames in self.frames], LONGEST)


def evaluate_nova_arc(
    data: Path, clips: int | None = 200, source: str = SOURCE, hook: Hook = no_progress
) -> dict[str, float]:
    """Figures of ``NOVA_ARC`` over all labelled corpora that the built-in diarizer was not trained on.

    Args:
        data: folder of the training data.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        source: corpus of the labelled clips.
        hook: progress.

    Raises:
        InputError: the source or every target is missing from the folder.
    """
    found, lines = clips_by_corpus(listed_clips(data)), training_lines("diarizer")
    targets = [name for name, c in sorted(found.items()) if name == ALSO or _is_target(c, lines)]
    if source not in found or not targets:
        raise InputError(f"{data}/audio: {source} and another corpus with emotion labels are needed")
    diarizer = Diarizer.from_pretrained()
    training = [clip for clip in found[source] if clip.split == "train"]
    first = read_frames(diarizer, source, balanced_clips(_labelled(training), SOURCE_CLIPS), hook)
    held = {name: [c for c in found[name] if name != ALSO or c.split != "train"] for name in targets}
    read = [read_frames(diarizer, name, balanced_clips(_labelled(held[name]), clips), hook) for name in targets]
    with torch_threads(1):
        return nova_arc_figures(first, read, hook=hook)


def _is_target(clips: Sequence[Clip], lines: Sequence[str]) -> bool:
    corpus = known_corpus(clips[0].corpus)
    return corpus is not None and bool(corpus.categories) and corpus_role(corpus, lines) != "in-domain"


def _labelled(clips: Sequence[Clip]) -> list[Clip]:
    return [clip for clip in clips if category_of(clip) >= 0]


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
    labels = np.array([category_of(clip) for clip in kept if category_of(clip) >= 0], np.int64)
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
    first, shared = source.clips(), [t.part(np.flatnonzero(np.isin(t.labels, known))) for t in targets]
    out: dict[str, float] = {"nova_seeds": float(seeds)}
    for target in counted(shared, hook, "training NOVA-ARC", len(shared)):
        truth, second = np.searchsorted(known, target.labels), target.clips(source)
        recalls: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for seed in range(seeds):
            given, scored = speaker_halves(target.speakers, np.random.default_rng(seed))
            normed = target.clips(target.part(given))
            asked = normed.chosen(scored)
            scores = {"linear": linear_scores(first, labels, asked, settings, seed)}
            coded = quantised((first, asked), settings.codes, seed)
            scores["kmeans"] = linear_scores(coded[0], labels, coded[1], settings, seed)
            for name, geometry in GEOMETRIES.items():
                seen = normed if name.startswith("normed") else second
                unlabelled = None if name == "source" else seen.chosen(given)
                network = train_nova_arc(first, labels, unlabelled, replace(settings, geometry=geometry), seed)
                scores[name] = _log_posterior(network, seen.chosen(scored))
                if name == "source":
                    scores["normed"] = _log_posterior(network, normed.chosen(scored))
            for name, values in scores.items():
                recalls[name].append(own_recall(truth[scored], values))
        for name, each in recalls.items():
            out[f"nova_{name}_{target.name}"] = float(np.mean(each))
            out[f"nova_{name}_sd_{target.name}"] = float(np.std(each))
    return nova_arc_summary(out) | out


def nova_arc_summary(figures: Mapping[str, float]) -> dict[str, float]:
    """Means over corpora of the recalls of each, gains and differences with the ends of their intervals over corpora.

    Args:
        figures: ``nova_VARIANT_CORPUS``, as ``nova_arc_figures`` gives them.
    """
    names = _corpora_of(figures)
    each = {name: np.array([figures[f"nova_{name}_{corpus}"] for corpus in names]) for name in VARIANTS}
    means = {f"nova_{name}": float(values.mean()) for name, values in each.items()}
    pairs = {f"gain_{name}": (name, "source") for name in VARIANTS[1:]} | DIFFERENCES
    gains = {f"nova_{key}": (each[one] - each[other]).tolist() for key, (one, other) in pairs.items()}
    return means | with_ends(gains) | {"nova_seeds": figures.get("nova_seeds", float(SEEDS))}


def _corpora_of(figures: Mapping[str, float]) -> list[str]:
    prefix = "nova_source_sd_"
    return sorted(key.removeprefix(prefix) for key in figures if key.startswith(prefix))


def quantised(clips: Sequence[Clips], codes: int, seed: int) -> list[Clips]:
    """Clips whose frames are the nearest of so many centres of the first one's, by k-means."""
    first = clips[0].frames[clips[0].valid].numpy()
    centres, _ = kmeans2(first, min(codes, len(first) // 2), minit="++", seed=seed)
    table = torch.from_numpy(np.asarray(centres, np.float32))
    nearest = [torch.from_numpy(vq(c.frames.flatten(0, 1).numpy(), centres)[0]) for c in clips]
    return [c._replace(frames=table[n].view_as(c.frames)) for c, n in zip(clips, nearest, strict=True)]


def linear_scores(
    first: Clips, labels: NDArray[np.int64], clips: Clips, settings: NovaArcSettings, seed: int
) -> NDArray[np.float64]:
    """Logits (N, C) of a linear head on means and deviations, trained on as many steps and batches as the networks."""
    torch.manual_seed(seed)
    rng, truth = np.random.default_rng(seed), torch.from_numpy(labels)
    given, asked = (torch.from_numpy(pooled(found)).float() for found in (first, clips))
    head = torch.nn.Linear(given.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.Adam(head.parameters(), settings.rate)
    shares = 1.0 / np.bincount(labels)[labels]
    for _ in range(settings.rounds * -(-len(labels) // settings.batch)):
        chosen = rng.choice(len(labels), settings.batch, p=shares / shares.sum())
        noisy = given[chosen] + settings.noise * torch.randn(len(chosen), given.shape[1])
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(noisy), truth[chosen]).backward()
        optimizer.step()
    with torch.no_grad():
        scores: NDArray[np.float64] = head(asked).double().numpy()
    return scores


def pooled(clips: Clips) -> NDArray[np.float64]:
    """Means and deviations (N, 2D) of clips."""
    weight = clips.valid[..., None].double()
    count = weight.sum(1).clamp_min(1.0)
    mean = (clips.frames * weight).sum(1) / count
    square = (clips.frames.square() * weight).sum(1) / count
    return np.concatenate([mean, (square - mean.square()).clamp_min(0.0).sqrt()], 1)


@torch.no_grad()
def _log_posterior(network: NovaArc, clips: Clips) -> NDArray[np.float64]:
    values: NDArray[np.float64] = network(clips).logits.log_softmax(-1).double().numpy()
    return values


def nova_arc_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each corpus, mean ± deviation over seeds."""
    about = {
        "source": "source alone",
        "normed": "source, frames normalised",
        "linear": "linear head, frames normalised",
        "kmeans": "the same by k-means",
        "flat": "flat twin",
        "ball": "ball",
        "normed_flat": "flat twin, frames normalised",
        "normed_ball": "ball, frames normalised",
    }
    shown = {variant: title for variant, title in about.items() if f"nova_{variant}" in metrics}
    rows = [
        [corpus, *(f"{metrics[f'nova_{v}_{corpus}']:.2f} ± {metrics[f'nova_{v}_sd_{corpus}']:.2f}" for v in shown)]
        for corpus in _corpora_of(metrics)
    ]
    rows.append(["mean", *(f"{metrics[f'nova_{v}']:.3f}" for v in shown)])
    return markdown_table(["corpus", *shown.values()], rows) + "\n"
