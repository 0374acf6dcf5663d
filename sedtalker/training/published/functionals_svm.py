"""Baselines of the diarizer: the published recipe with our encoder and head, and functionals with a linear SVM."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.emotion.functionals import Voice, pool_voices
from sedtalker.emotion.inference import load_diarizer
from sedtalker.emotion.network import DiarizerConfig, DiarizerNetwork
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import Labels, unweighted_average_recall
from sedtalker.progress import Hook, no_progress
from sedtalker.training.corpora.emotion_features import DatasetConfig, EmotionFeatures, open_features
from sedtalker.training.corpora.window_statistics import collate
from sedtalker.training.evaluation.clips import (
    JOINED,
    EncodedClip,
    clip_metrics,
    enrolled_voice,
    score_clips,
    with_voices,
)
from sedtalker.training.evaluation.diarizer import (
    TestSet,
    joined_metrics,
    measure_diarizer,
    open_test_set,
    plot_reliability,
    trained_encoder,
)
from sedtalker.training.run import cache_folder, compose, train

logger = logging.getLogger(__name__)

COPY_RECIPE = ("task.joined_per_batch=0", "task.enrolment=0", "task.frame_networks=[]")
"""Differences of the published recipe to ``experiment=diarizer``."""
PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
"""Tried values of the SVM's ``C``."""
ENROLLED = 5
"""Other clips of the speaker whose mean is taken off."""


def evaluate_with_baselines(
    data: Path,
    run: Path,
    cache: Path | None = None,
    checkpoint: Path | None = None,
    plot: Path | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """``evaluate_diarizer`` and both baselines on the same test set, encoded once.

    Args:
        data: folder of the training data.
        run: folder of the run that trains the published recipe; it is resumed if it was begun.
        cache: folder of the features that the baselines train on.
        checkpoint: folder of a diarizer; default the built-in one.
        plot: PNG of the reliability diagram.
        hook: progress.
    """
    diarizer = load_diarizer(checkpoint)
    test = open_test_set(data, trained_encoder(diarizer, checkpoint), diarizer.config.corpora, hook=hook)
    metrics, diagram = measure_diarizer(diarizer, test)
    if plot is not None:
        plot_reliability(diagram, plot, metrics["ece"])
    return metrics | baseline_metrics(data, test, run, cache, hook)


def baseline_metrics(
    data: Path, test: TestSet, run: Path, cache: Path | None, hook: Hook = no_progress
) -> dict[str, float]:
    """Both baselines on the same test set; ``baseline_copy`` is an error, ``baseline_svm`` a recall."""
    metrics = copy_metrics(data, test, run, cache, hook)
    logger.info("baseline_copy %.3f", metrics["baseline_copy"])
    metrics |= svm_metrics(data, test, cache, hook)
    logger.info("baseline_svm %.3f", metrics["baseline_svm"])
    return metrics


def copy_metrics(data: Path, test: TestSet, run: Path, cache: Path | None, hook: Hook) -> dict[str, float]:
    """The recipe of the published SEDTalker (arXiv 2604.13335): the label of a clip for all of its frames.

    Our encoder and perceptrons, trained as ``experiment=diarizer`` but on single clips only, without enrolment and
    without frame networks, which were trained on joined recordings; the run in ``run`` is resumed if it was begun. Each
    frame gets its best label, nothing is decoded.

    ``baseline_copy`` (the same as ``_eder7``), ``_eder4``: our voice activity says where silence is, which favours it;
    ``_everywhere``: every frame gets an emotion, as published. ``_speech``: speech frames alone.
    ``baseline_copy_uar_<corpus>``: its recall of clips.
    """
    config = compose(["experiment=diarizer", "trainer.run_dir=.", *COPY_RECIPE])
    config["task"]["singles_per_batch"] += compose(["experiment=diarizer", "trainer.run_dir=."])["task"][
        "joined_per_batch"
    ]
    config["trainer"]["run_dir"] = str(run)
    train(config | {"data": str(data), "cache": None if cache is None else str(cache)}, hook)
    diarizer = load_diarizer(run / "export")
    clips = clip_metrics(score_clips(diarizer, test.clips))
    metrics = {f"baseline_copy_{key}": clips[key] for key in clips if key in {f"uar_{name}" for name in JOINED}}
    for name, recordings in test.joined.items():
        joined = joined_metrics(diarizer, recordings, name)
        for ours, theirs in (("", ""), ("_speech", "_speech"), ("_everywhere", "_everywhere")):
            metrics[f"baseline_copy_eder{name}{theirs}"] = joined[f"eder{name}_frames{ours}"]
        tail = "" if name == "7" else f"_{name}"
        metrics[f"baseline_copy_frame_macro_f1{tail}"] = joined[f"frame_macro_f1{tail}"]
    return {"baseline_copy": metrics["baseline_copy_eder7"], **metrics}


@dataclass(frozen=True, eq=False)
class Described:
    """Clips by functionals, without any trained network.

    Attributes:
        values: (N, F) float64 means and deviations of log-mels and prosody over each clip's speech.
        category: (N,).
        corpus: (N,) names.
        speaker: (N,) names.
    """

    values: NDArray[np.float64]
    category: NDArray[np.int64]
    corpus: NDArray[np.str_]
    speaker: NDArray[np.str_]

    def normalised(self) -> NDArray[np.float64]:
        """Values with each speaker's mean and deviation, over all clips of the speaker, taken off."""
        out = np.empty_like(self.values)
        for speaker in np.unique(self.speaker):
            own = self.speaker == speaker
            part = self.values[own]
            out[own] = (part - part.mean(0)) / part.std(0).clip(0.02)
        return out

    def centred(self) -> NDArray[np.float64]:
        """Values with each speaker's mean taken off."""
        out = self.values.copy()
        for speaker in np.unique(self.speaker):
            out[self.speaker == speaker] -= out[self.speaker == speaker].mean(0)
        return out


def svm_metrics(data: Path, test: TestSet, cache: Path | None, hook: Hook = no_progress) -> dict[str, float]:
    """Functionals of log-mels and prosody with a linear support vector machine (Schuller et al., INTERSPEECH 2009).

    Recall of the test clips of ravdess, nemo and emotiontts_ko by a machine trained on training speakers of the same
    corpus, which is better here than one for all; its penalty is the best on the validation speakers. By what it may
    know of the speaker:
    ``baseline_svm_uar_<corpus>``: means and deviations over all clips of each speaker, test speakers included (the
    customary speaker normalisation; compare ``uar_<corpus>_enrolled_all``); ``_enrolled5``: the mean of five other
    clips and the clip itself; ``_alone``: nothing. ``_pooled``: customary normalisation, one machine trained on all
    three corpora, which count alike. ``baseline_svm`` is ``baseline_svm_uar_ravdess``.
    """
    describer = DiarizerNetwork(DiarizerConfig(members=1, width=1)).eval().requires_grad_(False)
    known = [described_split(data, cache, split, describer, hook) for split in ("train", "valid")]
    voiced = [c for c in with_voices(describer, (c for c in test.clips if c.clip.corpus in JOINED)) if c.voice]
    sets = (*known, described_clips(voiced))
    metrics: dict[str, float] = {}

    def score(name: str, views: Sequence[NDArray[np.float64]], corpora: Iterable[str]) -> None:
        chosen = [np.isin(d.corpus, list(corpora)) for d in sets]
        train, valid, tested = (
            Described(v[c], d.category[c], d.corpus[c], d.speaker[c])
            for v, d, c in zip(views, sets, chosen, strict=True)
        )
        for corpus, value in recalls(tested, svm_labels(train, valid, tested.values)).items():
            metrics[f"{name}_{corpus}"] = value

    customary = [d.normalised() for d in sets]
    enrolled = [*(d.centred() for d in known), centred_on_enrolled(voiced)]
    for corpus in JOINED:
        score("baseline_svm_uar", customary, (corpus,))
        score("baseline_svm_enrolled5_uar", enrolled, (corpus,))
        score("baseline_svm_alone_uar", [d.values for d in sets], (corpus,))
    score("baseline_svm_pooled_uar", customary, JOINED)
    return {"baseline_svm": metrics["baseline_svm_uar_ravdess"], **metrics}


def svm_labels(train: Described, valid: Described, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Labels (N,) of values (N, F) by the machine whose penalty recalls most of the validation corpora."""
    from sklearn.svm import LinearSVC

    mean, scale = train.values.mean(0), train.values.std(0).clip(1e-3)
    _, group, size = np.unique(train.corpus, return_inverse=True, return_counts=True)
    weight = (len(group) / len(size) / size)[group]
    best, chosen = -1.0, None
    for penalty in PENALTIES:
        machine = LinearSVC(C=penalty, class_weight="balanced", random_state=0, max_iter=5000)
        machine.fit((train.values - mean) / scale, train.category, sample_weight=weight)
        guess = np.asarray(machine.predict((valid.values - mean) / scale), np.int64)
        score = float(np.mean(list(recalls(valid, guess).values())))
        if score > best:
            best, chosen = score, machine
    assert chosen is not None
    return np.asarray(chosen.predict((values - mean) / scale), np.int64)


def recalls(clips: Described, guess: Labels) -> dict[str, float]:
    """Unweighted average recall by corpus."""
    return {
        str(corpus): unweighted_average_recall(
            clips.category[clips.corpus == corpus], guess[clips.corpus == corpus], len(CATEGORIES)
        )
        for corpus in np.unique(clips.corpus)
    }


def described_split(data: Path, cache: Path | None, split: str, describer: DiarizerNetwork, hook: Hook) -> Described:
    """The unaltered clips of a split that ``experiment=diarizer`` trains on, from its cache."""
    task = compose(["experiment=diarizer", "trainer.run_dir=."])["task"]
    train = split == "train"
    copies, joined = (task["copies"], task["joined"]) if train else (0, min(150, task["joined"]))
    dataset = DatasetConfig(tuple(task["corpora"]), task["joined_corpora"], split, copies, joined)
    features = open_features(data, cache_folder(None if cache is None else str(cache)), dataset, hook=hook)
    clean = np.arange((len(features) - joined) // (copies + 1))
    clean = clean[np.isin(features.corpus[clean], list(JOINED)) & (features.category[clean] >= 0)]
    return Described(
        np.concatenate([_pooled(describer, features, clean[i : i + 16]) for i in range(0, len(clean), 16)]),
        features.category[clean].astype(np.int64),
        np.asarray(features.corpus[clean]),
        np.asarray(features.speaker[clean]),
    )


def described_clips(clips: list[EncodedClip]) -> Described:
    """Test clips that have a voice."""
    return Described(
        np.concatenate([_vector(c.voice) for c in clips if c.voice is not None]),
        np.array([c.category for c in clips]),
        np.array([c.clip.corpus for c in clips]),
        np.array([c.clip.speaker for c in clips]),
    )


def centred_on_enrolled(clips: list[EncodedClip]) -> NDArray[np.float64]:
    """Values (N, F) of clips, less those of five random other clips of the speaker pooled with the clip."""
    centred = []
    for i, c in enumerate(clips):
        assert c.voice is not None
        other = enrolled_voice(clips, c.clip.speaker, ENROLLED, False, np.random.default_rng((ENROLLED, i)), i)
        known = c.voice if other is None else pool_voices([c.voice, other])
        centred.append(_vector(c.voice) - _vector(known))
    return np.concatenate(centred)


@torch.no_grad()
def _pooled(describer: DiarizerNetwork, features: EmotionFeatures, chosen: NDArray[np.integer]) -> NDArray[np.float64]:
    batch, _, _ = collate(features, chosen)
    return _vector(describer.voice(batch._replace(hidden=None)))


def _vector(voice: Voice) -> NDArray[np.float64]:
    """Means and deviations (B, F)."""
    deviation = (voice.square - voice.mean.square()).clamp_min(0.0).sqrt()
    return torch.cat([voice.mean, deviation], -1).double().numpy()
