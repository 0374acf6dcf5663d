"""Metrics of a diarizer on speakers it was not trained on: clips, joined recordings, calibration, enrolment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.inference import FrameEmotions, TrackRule, frame_emotions, load_diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import Reliability, diarization_error
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.encoder import Encoder, open_trained_encoder
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.emotion_speech import SILENCE, Recording
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.clips import (
    JOINED,
    EncodedClip,
    baved_metrics,
    clip_metrics,
    clip_posterior,
    clip_reliability,
    encode_baved,
    encode_clips,
    encode_level_equalised,
    enrolled_metrics,
    enrolled_voice,
    recall_by_corpus,
    score_clips,
    strength_auc,
    test_clips,
    with_voices,
)
from sedtalker.training.evaluation.joined import (
    SETS,
    EncodedRecording,
    encode_joined,
    joined_metrics,
    joined_test_recordings,
)


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
    clips: list[EncodedClip]
    level_equalised: list[EncodedClip]
    baved: list[EncodedClip]
    joined: dict[str, list[EncodedRecording]]


def evaluate_diarizer(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    recordings: int = 150,
    plot: Path | None = None,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Metrics of a diarizer on speakers it was not trained on, by the keys of ``measures.DIARIZER``.

    Everything runs through ``encode`` and ``frame_emotions`` as in use.

    Clips: every labelled clip of the split's speakers, the recording alone, no enrolment. A clip's posterior is the
    normalised geometric mean of its speech frames' (voice activity, not labels, says which). ``uar_<corpus>`` over the
    categories of the corpus (ravdess 7, calm as neutral); ``uar_tess`` is zero-shot; groups see ``group_metrics``.
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
    ``*_neutral``: the control that predicts neutral for all speech. ``boundary_f1``, ``frame_macro_f1``: changes of
    emotion found within 0.25 s (the middle of a pause is where it changes), and macro-F1 of speech frames, on the
    recordings of ``eder7``; ``_4`` on those of ``eder4``.

    Args:
        data: folder of the training data.
        checkpoint: folder of a diarizer; default the built-in one.
        split: train, valid or test.
        recordings: joined recordings of each set.
        plot: PNG of the reliability diagram.
        hook: progress.
    """
    diarizer = load_diarizer(checkpoint)
    test = open_test_set(data, trained_encoder(diarizer, checkpoint), diarizer.config.corpora, split, recordings, hook)
    metrics, diagram = measure_diarizer(diarizer, test)
    if plot is not None:
        plot_reliability(diagram, plot, metrics["ece"])
    return metrics


def trained_encoder(diarizer: DiarizerNetwork, checkpoint: Path | None = None) -> Encoder:
    """The encoder of the diarizer in a checkpoint folder, or of the built-in one."""
    return open_trained_encoder(checkpoint or builtin_checkpoint("diarizer"), diarizer.config.backbone)


def open_test_set(
    data: Path,
    encode: Encoder,
    corpora: Iterable[str],
    split: str = "test",
    recordings: int = 150,
    hook: Hook = no_progress,
) -> TestSet:
    """Encode what ``evaluate_diarizer`` scores; any diarizer on this encoder can be measured on it."""
    every = read_manifest(data)
    clips = test_clips(every, corpora, split)
    joined = {}
    for name, categories in SETS.items():
        joined[name] = encode_joined(
            encode, joined_test_recordings(every, split, recordings, categories), recordings, hook
        )
    return TestSet(
        encode_clips(encode, clips, hook),
        encode_level_equalised(encode, [c for c in clips if c.corpus == "ravdess"], hook),
        encode_baved(encode, every, hook),
        joined,
    )


def measure_diarizer(diarizer: DiarizerNetwork, test: TestSet) -> tuple[dict[str, float], Reliability]:
    """Every metric of ``evaluate_diarizer`` without the baselines, and the reliability diagram of its clips."""
    results = score_clips(diarizer, test.clips)
    metrics = clip_metrics(results) | enrolled_metrics(diarizer, test.clips)
    levelled = score_clips(diarizer, test.level_equalised)
    if levelled:
        metrics["intensity_auc_gain_normalised"] = strength_auc(levelled, np.array([r.intensity for r in levelled]))
    metrics |= baved_metrics(diarizer, test.baved)
    for name, recordings in test.joined.items():
        metrics |= joined_metrics(diarizer, recordings, name)
    return metrics, clip_reliability(results)


# --- Enrolment: what other recordings of the speaker are worth.

COUNTS = (0, 1, 3, 10)
"""Enrolled clips of the speaker."""


def evaluate_enrolment(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    recordings: int = 150,
    hook: Hook = no_progress,
) -> dict[str, float]:
    """Metrics by number and kind of enrolled clips of the same speaker, never the clip that is scored.

    ``uar_<corpus>_<n>_<kind>`` over single clips, ``eder7_<n>_<kind>`` and ``eder7_speech_<n>_<kind>`` over the joined
    recordings of ``evaluate_diarizer`` (whose pieces may be among the enrolled clips). Kinds: ``any`` and ``neutral``;
    the draw is seeded by (n, number of the clip). With n = 0 the recording is alone.
    """
    diarizer = load_diarizer(checkpoint)
    encode = trained_encoder(diarizer, checkpoint)
    every = read_manifest(data)
    labelled = [c for c in test_clips(every, JOINED, split) if c.corpus in JOINED]
    clips = with_voices(diarizer, encode_clips(encode, labelled, hook))
    joined = encode_joined(encode, joined_test_recordings(every, split, recordings, None), recordings, hook)
    metrics: dict[str, float] = {}
    for count in COUNTS:
        for kind in ("any", "neutral") if count else ("alone",):
            metrics |= _enrolment_metrics(diarizer, clips, joined, count, kind)
    return metrics


def _enrolment_metrics(
    diarizer: DiarizerNetwork,
    clips: list[EncodedClip],
    joined: list[EncodedRecording],
    count: int,
    kind: str,
) -> dict[str, float]:
    name = f"{count}_{kind}"
    guess = np.zeros(len(clips), np.int64)
    for i, h in enumerate(clips):
        voice = enrolled_voice(clips, h.clip.speaker, count, kind == "neutral", np.random.default_rng((count, i)), i)
        guess[i] = clip_posterior(frame_emotions(diarizer, h.features, voice)).argmax()
    recalls = recall_by_corpus(clips, guess, len(CATEGORIES))
    metrics = {f"uar_{corpus}_{name}": value for corpus, value in recalls.items()}
    errors = []
    for number, (made, features) in enumerate(joined):
        rng = np.random.default_rng((count, 1_000_000 + number))
        voice = enrolled_voice(clips, made.speaker, count, kind == "neutral", rng)
        errors.append(_errors(frame_emotions(diarizer, features, voice), made))
    eder, speech = np.mean(errors, axis=0)
    return metrics | {f"eder7_{name}": float(eder), f"eder7_speech_{name}": float(speech)}


def _errors(frames: FrameEmotions, made: Recording) -> tuple[float, float]:
    """EDER with pauses as silence, and over speech only."""
    labels = made.labels.astype(np.int64)
    posterior, rule = frames.posterior.astype(np.float64), TrackRule().segments
    decoded = decode_labels(posterior, FRAME_CLOCK.rate, rule, frames.speech, frames.boundary)
    shown = np.where(frames.speech, decoded, SILENCE)
    return diarization_error(labels, shown), diarization_error(labels, decoded, labels < SILENCE)


# --- The reliability diagram: how often what is predicted with some confidence is right.


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
