"""A picture of calibration: how often what is said with some confidence is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.emotion.diarizer import Encode, encoder_of, load_diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.plot import write_figure
from sedtalker.metrics.emotion import Reliability
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.clips import (
    HeardClip,
    baved_figures,
    clip_figures,
    clip_reliability,
    enrolled_figures,
    hear_baved,
    hear_clips,
    hear_level_equalised,
    score_clips,
    strength_auc,
    test_clips,
)
from sedtalker.training.evaluation.joined import SETS, Heard, hear_joined, joined_figures, joined_test_recordings


def plot_reliability(diagram: Reliability, path: Path, error: float) -> None:
    """Accuracy over confidence with the share of clips below, as a PNG, written whole or not at all.

    Args:
        diagram: of single clips.
        path: where to write.
        error: expected calibration error, shown in the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4.0, 1.0])
    upper.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    upper.plot(diagram.confidence, diagram.accuracy, color="#0072B2", marker="o")
    upper.set_xlim(0.0, 1.0)
    upper.set_ylim(0.0, 1.0)
    upper.set_ylabel("share that is right")
    upper.set_title(f"test clips, expected calibration error {error:.3f}", fontsize=10)
    lower.bar(diagram.confidence, diagram.share, width=0.05, color="#0072B2")
    lower.set_ylabel("share of clips")
    lower.set_xlabel("confidence (greatest posterior)")
    for axis in (upper, lower):
        axis.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)


# --- Figures of a diarizer on speakers it never heard.


@dataclass(frozen=True, eq=False)
class TestSet:
    """Everything that is scored, encoded once.

    Attributes:
        clips: single clips of test speakers and of unseen corpora.
        level_equalised: ravdess's emotional clips, all at one level.
        baved: every clip of baved.
        joined: joined recordings by the name of their set.
    """

    __test__ = False
    clips: list[HeardClip]
    level_equalised: list[HeardClip]
    baved: list[HeardClip]
    joined: dict[str, list[Heard]]


def evaluate_diarizer(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    recordings: int = 150,
    plot: Path | None = None,
    baselines: Path | None = None,
    cache: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Held-out figures of a diarizer; everything runs through ``encode`` and ``frame_emotions`` as in use.

    Clips: every labelled clip of the split's speakers, the recording alone, no enrolment. A clip's posterior is the
    normalised geometric mean of its speech frames' (voice activity, not labels, says which). ``uar_<corpus>`` over the
    categories of the corpus (ravdess 7, calm as neutral); ``uar_tess`` is zero-shot; groups see ``group_figures``.
    ``uar_<corpus>_enrolled5``: with five random other clips of the speaker, seeded by the clip's number;
    ``_enrolled_all``: with all others. ``ece`` and ``macro_f1`` over all clips of ravdess, nemo and emotiontts_ko.

    Intensity: ``intensity_auc``, strong against normal within each emotion of ravdess, averaged;
    ``_gain_normalised``: the clips brought to one level before analysis; ``intensity_pearson``: with 0, 0.5, 1 for
    neutral, normal, strong; ``confidence_auc``: the greatest posterior in the place of the intensity.
    ``intensity_baved_spearman``: rank correlation with the three levels (low, neutral, high) of all clips of baved,
    Arabic words, never labelled in training; ``_within_speaker``: after each speaker's means are taken off.

    Joined recordings: ``recordings`` with seeds (7, number), 2-5 clips of one test speaker (ravdess 45 %, nemo 30 %,
    emotiontts_ko 25 %), neighbours of different emotions, half of the joins cross-faded by 20-100 ms, half with a
    pause up to 1 s, half of the recordings level-equalised (``JoinRule``). Scored every 20 ms without collar.
    ``eder7``: pauses are a label of their own (silence), so voice activity errors count; ``eder7_speech``: frames
    labelled speech only; ``eder4``, ``eder4_speech``: the same on recordings of neutral, happy, sad and angry clips,
    the posterior renormalised over the four. ``*_frames``: the best label of each frame, without segments.
    ``*_neutral``: the control that says neutral for all speech. ``boundary_f1``, ``frame_macro_f1``: changes of emotion
    found within 0.25 s (the middle of a pause is where it changes), and macro-F1 of speech frames, on the recordings
    of ``eder7``; ``_4`` on those of ``eder4``.

    Args:
        data: folder of the training data.
        checkpoint: folder of a diarizer; default the built-in one.
        split: train, valid or test.
        recordings: joined recordings of each set.
        plot: PNG of the reliability diagram.
        baselines: folder of the run that trains the published recipe; adds ``baseline_*``, see ``baselines``.
        cache: folder of the features that baselines train on.
        report: called with lines of progress.
    """
    diarizer = load_diarizer(checkpoint)
    test = open_test_set(data, encoder_of(diarizer, checkpoint), diarizer.config.corpora, split, recordings, report)
    figures, diagram = measure_diarizer(diarizer, test)
    report(f"eder7 {figures['eder7']:.3f}, eder4 {figures['eder4']:.3f}")
    if plot is not None:
        pass

        plot_reliability(diagram, plot, figures["ece"])
    if baselines is not None:
        from sedtalker.training.published.functionals_svm import baseline_figures

        figures |= baseline_figures(data, test, baselines, cache, report)
    return figures


def open_test_set(
    data: Path,
    encode: Encode,
    corpora: Iterable[str],
    split: str = "test",
    recordings: int = 150,
    report: Callable[[str], None] = lambda line: None,
) -> TestSet:
    """Encode what ``evaluate_diarizer`` scores; any diarizer on this encoder can be measured on it."""
    every = read_manifest(data)
    clips = test_clips(every, corpora, split)
    joined = {}
    for name, categories in SETS.items():
        joined[name] = hear_joined(encode, joined_test_recordings(every, split, recordings, categories))
        report(f"{len(joined[name])} joined recordings encoded")
    return TestSet(
        hear_clips(encode, clips, report),
        hear_level_equalised(encode, [c for c in clips if c.corpus == "ravdess"]),
        hear_baved(encode, every),
        joined,
    )


def measure_diarizer(diarizer: DiarizerNetwork, test: TestSet) -> tuple[dict[str, float], Reliability]:
    """Every figure of ``evaluate_diarizer`` without the baselines, and the reliability diagram of its clips."""
    results = score_clips(diarizer, test.clips)
    figures = clip_figures(results) | enrolled_figures(diarizer, test.clips)
    levelled = score_clips(diarizer, test.level_equalised)
    if levelled:
        figures["intensity_auc_gain_normalised"] = strength_auc(levelled, np.array([r.intensity for r in levelled]))
    figures |= baved_figures(diarizer, test.baved)
    for name, recordings in test.joined.items():
        figures |= joined_figures(diarizer, recordings, name)
    return figures, clip_reliability(results)
