"""What it gains to hand doubtful segments on: to a simulated person, to an expert, to the built-in rules.

Clips of corpora that the weights were not trained on stand for segments. The person is right as often as one vote for
a voice of CREMA-D is (Cao et al. 2014), on every clip alike; so the gain over asking at random is that of the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import load_audio
from sedtalker.emotion.adaptation import Method, adapted, speech_of
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.doubt import (
    DEFAULT_MEASURE,
    DEFAULT_SHARE,
    MEASURES,
    adjusted_doubt,
    most_doubtful,
    posterior_doubt,
)
from sedtalker.emotion.inference import frame_distances, frame_emotions
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import aurc, selective_risk
from sedtalker.nn import torch_threads
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.review.acoustics import NAMES, Acoustics, measure_acoustics, usual_of
from sedtalker.review.deciders import Decider
from sedtalker.review.description import Description
from sedtalker.review.rules import read_rules
from sedtalker.speech.features import SpeechFeatures, level_gain
from sedtalker.training.corpora.emotion_speech import clip_labels
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.corpora.transfer_recipe import LETTERS, read_vote_table
from sedtalker.training.evaluation.adaptation import speaker_halves
from sedtalker.training.evaluation.clips import clip_posterior
from sedtalker.training.evaluation.intervals import Draws, bootstrap_interval
from sedtalker.training.evaluation.transfer import (
    balanced_clips,
    clips_by_corpus,
    corpus_role,
    listed_clips,
    training_lines,
)

SEEDS = 10
"""Simulated people and random orders."""
CURVE = tuple(range(5, 101, 5))
"""Coverages of the risk–coverage curve that are kept, per cent."""
FEWEST_OTHERS = 3
"""Other clips of a speaker without which nothing is usual of them."""
RESAMPLES = 1000
"""Bootstrap resamples for the interval."""


@dataclass(frozen=True, eq=False)
class RoutedCorpus:
    """A corpus never trained on.

    Attributes:
        name: in the registry.
        label: (N,) category of each clip.
        posterior: (N, C) of the diarizer.
        distance: (N,) from training.
        seconds: (N,) of each clip.
        speaker: (N,) names.
        acoustics: (N, 9) numbers of ``review.acoustics``; not a number where nobody speaks.
    """

    name: str
    label: NDArray[np.int64]
    posterior: NDArray[np.float64]
    distance: NDArray[np.float64]
    seconds: NDArray[np.float64]
    speaker: NDArray[np.str_]
    acoustics: NDArray[np.float64]

    @property
    def own(self) -> NDArray[np.int64]:
        """The categories that occur, which alone are answered."""
        return np.unique(self.label)

    @property
    def own_posterior(self) -> NDArray[np.float64]:
        """(N, own) their posterior."""
        part = self.posterior[:, self.own]
        return np.asarray(part / part.sum(1, keepdims=True))

    @property
    def guess(self) -> NDArray[np.int64]:
        """(N,) the diarizer's answer."""
        return np.asarray(self.own[self.own_posterior.argmax(1)])

    def doubt(self) -> dict[str, NDArray[np.float64]]:
        """(N,) doubt by each measure."""
        each = [posterior_doubt(p, float(d)) for p, d in zip(self.own_posterior, self.distance, strict=True)]
        out = {"adjusted": adjusted_doubt(self.own_posterior)}
        for measure in MEASURES:
            if measure != "adjusted":
                out[measure] = np.array([doubt.by(measure) for doubt in each])
        return out


def evaluate_routing(
    data: Path,
    model: str = "diarizer",
    encoder: Path | None = None,
    clips: int | None = None,
    share: float = DEFAULT_SHARE,
    adapt: Method | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Figures of ``ROUTING``.

    Args:
        data: folder of the training data; CREMA-D's votes are in it.
        model: name of built-in weights or a checkpoint folder.
        encoder: folder of a hub encoder's weights, see ``Diarizer.from_pretrained``.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        share: of the clips that is handed on.
        adapt: method by which the diarizer is adapted first to each half of a corpus's speakers, without labels, for
            the other half; None: not at all.
        hook: progress.

    Raises:
        InputError: no such weights, no such corpus in the folder, or no votes.
    """
    person = person_accuracy(data)
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    trained_on, known, read = training_lines(model), corpora(), []
    for name, found in sorted(clips_by_corpus(listed_clips(data)).items()):
        if not known[name].categories or corpus_role(known[name], trained_on) == "in-domain":
            continue
        kept = balanced_clips([clip for clip in found if clip_labels(clip) is not None], clips)
        if len({clip.emotion for clip in kept}) > 1:
            read.append(read_corpus(diarizer, name, kept, adapt, hook))
    if not read:
        raise InputError(f"{data}/audio: no corpus with emotion labels that these weights were not trained on")
    return routing_figures(read, person, share)


def person_accuracy(data: Path) -> float:
    """How often one vote for a voice of CREMA-D names the intended emotion: the mean of its six categories.

    Raises:
        InputError: its table of votes is not there.
    """
    folder = next((f for f in (data / "audio" / n for n in ("cremad", "crema-d", "CREMA-D")) if f.is_dir()), None)
    if folder is None:
        raise InputError(f"{data}/audio: CREMA-D is not there, whose votes say how often people are right")
    right: dict[str, list[float]] = {word: [] for word in LETTERS.values()}
    for stem, votes in read_vote_table(folder).items():
        meant = LETTERS.get(stem.split("_")[2][:1])
        if meant is not None:
            right[meant].append(float(votes.share[CATEGORIES.index(meant)]))
    return float(np.mean([np.mean(shares) for shares in right.values() if shares]))


@torch.no_grad()
def read_corpus(
    diarizer: Diarizer, name: str, clips: Sequence[Clip], adapt: Method | None = None, hook: Hook = no_progress
) -> RoutedCorpus:
    """Everything that routing needs of a corpus, each clip read once."""
    posterior, distance, seconds, acoustics = [], [], [], []
    with torch_threads(1):
        sounds = [load_audio(clip.path) for clip in clips]
        encoded = [diarizer.encoder(audio) for audio in counted(sounds, hook, f"encoding {name}", len(sounds))]
        networks = [diarizer.network] * len(clips)
        if adapt is not None:
            networks = adapted_networks(diarizer.network, encoded, [clip.speaker for clip in clips], adapt)
        for audio, features, network in zip(sounds, encoded, networks, strict=True):
            frames = frame_emotions(network, features)
            far = frame_distances(network, features)
            posterior.append(clip_posterior(frames))
            distance.append(float(np.median(far[frames.speech] if frames.speech.any() else far)))
            seconds.append(audio.duration)
            gain = float(level_gain(torch.from_numpy(audio.samples)[None])[0, 0])
            measured = measure_acoustics(features, level=-20 * float(np.log10(gain)))
            acoustics.append([np.nan if measured is None else getattr(measured, n) for n in NAMES])
    labels = [found[0] for clip in clips if (found := clip_labels(clip)) is not None]
    return RoutedCorpus(
        name,
        np.array(labels, np.int64),
        np.stack(posterior),
        np.array(distance),
        np.array(seconds),
        np.array([clip.speaker for clip in clips]),
        np.array(acoustics),
    )


def adapted_networks(
    network: DiarizerNetwork, encoded: Sequence[SpeechFeatures], speakers: Sequence[str], method: Method
) -> list[DiarizerNetwork]:
    """The network for each clip: adapted to the clips of the other half of the speakers."""
    speech = [speech_of(network, features) for features in encoded]
    halves = speaker_halves(np.array(speakers), np.random.default_rng(0))
    made = [network] * len(encoded)
    for given, scored in (halves, halves[::-1]):
        with torch.enable_grad():  # self-training needs it
            changed = adapted(network, [piece for k in given for piece in speech[k]], method=method)
        for k in scored:
            made[int(k)] = changed
    return made


def routing_figures(read: Sequence[RoutedCorpus], person: float, share: float = DEFAULT_SHARE) -> dict[str, float]:
    """Figures of ``ROUTING`` over corpora that were read, each counting alike.

    Args:
        read: the corpora.
        person: how often the simulated person is right.
        share: of the clips that is handed on.
    """
    rules = read_rules()
    out: dict[str, float] = {}
    for corpus in read:
        out |= {f"{key}_{corpus.name}": value for key, value in corpus_figures(corpus, rules, person, share).items()}
    names = [corpus.name for corpus in read]
    keys = [key.removesuffix(f"_{names[0]}") for key in out if key.endswith(f"_{names[0]}")]
    means = {key: float(np.mean([out[f"{key}_{name}"] for name in names])) for key in keys}
    low, high = _interval(read, share)
    gains = [float(np.mean([_simulated(c, person, share, seed) for c in read])) for seed in range(SEEDS)]
    means |= {"routing_gain_low": low, "routing_gain_high": high, "person_accuracy": person}
    return means | {"seed_least": min(gains), "seed_greatest": max(gains)} | out


def corpus_figures(corpus: RoutedCorpus, rules: Decider, person: float, share: float) -> dict[str, float]:
    """Figures of one corpus; what is random is taken as its mean."""
    right = (corpus.guess == corpus.label).astype(np.float64)
    doubts = corpus.doubt()
    chosen = most_doubtful(doubts[DEFAULT_MEASURE], share)
    machine = float(right.mean())
    answered = float(chosen.mean())
    decided, applied = decided_by(corpus, rules, chosen)
    by_rules = float((decided == corpus.label).mean())
    figures = {
        "routing_gain": _gain(right, chosen),
        "margin_gain": _gain(right, most_doubtful(doubts["margin"], share)),
        "entropy_gain": _gain(right, most_doubtful(doubts["entropy"], share)),
        "distance_gain": _gain(right, most_doubtful(doubts["distance"], share)),
        "gain_most": min(answered, 1 - machine) * machine + max(0.0, answered - 1 + machine) * (machine - 1),
        "machine_accuracy": machine,
        "random_accuracy": machine + answered * (person - machine),
        "routed_accuracy": machine + answered * (person - float(right[chosen].mean())),
        "expert_accuracy": machine + answered * (1.0 - float(right[chosen].mean())),
        "rules_accuracy": by_rules,
        "rules_gain": by_rules - machine,
        "rules_changed": applied,
        "aurc_random": 1.0 - machine,
    }
    for measure, doubt in doubts.items():
        figures[f"aurc_{measure}"] = aurc(doubt, 1.0 - right)
        risk = selective_risk(doubt, 1.0 - right)
        figures |= {f"risk_{measure}_{c}": float(risk[max(1, round(c * len(risk) / 100)) - 1]) for c in CURVE}
    return figures


def _gain(right: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    """Accuracy over handing on at random, whoever answers as well everywhere: the person's own accuracy drops out."""
    if not chosen.any():
        return 0.0
    return float(chosen.mean() * (right.mean() - right[chosen].mean()))


def _simulated(corpus: RoutedCorpus, person: float, share: float, seed: int) -> float:
    """The gain with one simulated person and one random order."""
    rng = np.random.default_rng(seed)
    right = (corpus.guess == corpus.label).astype(np.float64)
    answers = (rng.random(len(right)) < person).astype(np.float64)
    chosen = most_doubtful(corpus.doubt()[DEFAULT_MEASURE], share)
    anything = most_doubtful(rng.random(len(right)), share)
    return float(np.where(chosen, answers, right).mean() - np.where(anything, answers, right).mean())


def _interval(read: Sequence[RoutedCorpus], share: float) -> tuple[float, float]:
    """Interval of the mean gain by the default measure; speakers and then clips are resampled."""
    rights = [(corpus.guess == corpus.label).astype(np.float64) for corpus in read]
    doubts = [corpus.doubt()[DEFAULT_MEASURE] for corpus in read]

    def gain(draws: Draws) -> float:
        each = [
            _gain(right[draw], most_doubtful(doubt[draw], share))
            for right, doubt, draw in zip(rights, doubts, draws, strict=True)
        ]
        return float(np.mean(each))

    return bootstrap_interval(gain, [list(corpus.speaker) for corpus in read], RESAMPLES)


def decided_by(corpus: RoutedCorpus, decider: Decider, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int64], float]:
    """Answers (N,) where a decider decides the chosen clips, and the share of them in which it says something.

    A clip is described against the other clips of its speaker.
    """
    answers, said = corpus.guess.copy(), 0
    labels = [CATEGORIES[k] for k in corpus.own]
    for k in np.flatnonzero(chosen):
        description = described_clip(corpus, int(k), labels)
        if description is None:
            continue
        candidates = [label for label, _ in description.confidence]
        label = decider.decide(description, candidates).label
        if label is not None:
            answers[k], said = CATEGORIES.index(label), said + 1
    return answers, said / max(1, int(chosen.sum()))


def described_clip(corpus: RoutedCorpus, k: int, labels: Sequence[str]) -> Description | None:
    """The description of a clip; None where nobody speaks, or too little of its speaker is there."""
    same = (corpus.speaker == corpus.speaker[k]) & np.isfinite(corpus.acoustics).all(1)
    same[k] = False
    if same.sum() < FEWEST_OTHERS or not np.isfinite(corpus.acoustics[k]).all():
        return None
    usual = usual_of([Acoustics(*row) for row in corpus.acoustics[same]])
    posterior = corpus.own_posterior[k]
    order = np.argsort(-posterior, kind="stable")
    confidence = tuple((labels[int(c)], float(posterior[c])) for c in order)
    return Description(Acoustics(*corpus.acoustics[k]).minus(usual), confidence, float(corpus.seconds[k]))


# --- The table and the plot of ``docs/tracks.md``.


def routed_corpora(metrics: Mapping[str, float]) -> list[str]:
    """Names of the corpora that figures are about."""
    return sorted(key.removeprefix("machine_accuracy_") for key in metrics if key.startswith("machine_accuracy_"))


def routing_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a row for each corpus, and their mean."""
    keys = ("machine_accuracy", "random_accuracy", "routed_accuracy", "routing_gain", "margin_gain", "entropy_gain",
            "distance_gain", "gain_most", "rules_gain")  # fmt: skip
    lines = [
        "| corpus | diarizer alone | random 15 % asked | doubtful 15 % asked | gain | by margin | by entropy | by "
        "distance | most possible | rules instead |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in (*routed_corpora(metrics), ""):
        cells = [metrics[f"{key}_{name}" if name else key] for key in keys]
        shown = [f"{c:.3f}" for c in cells[:3]] + [f"{c:+.3f}" for c in cells[3:]]
        lines.append(f"| {name or '**mean**'} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def plot_routing(metrics: Mapping[str, float], path: Path) -> None:
    """Risk by coverage for each measure, mean over the corpora."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6.4, 3.4), layout="constrained")
    for measure, colour in zip(MEASURES, ("#2b6cb0", "#c05621", "#2f855a", "#718096"), strict=True):
        risk = [metrics[f"risk_{measure}_{c}"] for c in CURVE]
        axis.plot(CURVE, risk, color=colour, label=f"{measure}, AURC {metrics[f'aurc_{measure}']:.3f}")
    axis.axhline(metrics["aurc_random"], color="#1a202c", linestyle=":", label="in random order")
    axis.set_xlabel("share of the clips that the diarizer answers, least doubtful first, %")
    axis.set_ylabel("share of errors")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    write_figure(figure, path)
