"""Metrics of a diarizer on speakers it was not trained on: clips, joined recordings, calibration, enrolment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import from_samples, load_audio
from sedtalker.audio.audio import SAMPLE_RATE
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.inference import FrameEmotions, TrackRule, emotion_track, frame_emotions, load_diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.plot import write_figure
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import (
    Reliability,
    boundary_f1,
    diarization_error,
    expected_calibration_error,
    macro_f1,
    unweighted_average_recall,
)
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder, open_trained_encoder
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from sedtalker.training.corpora.augmentation import DIARIZER_RECIPE, Augmenter
from sedtalker.training.corpora.emotion_features import Corpus, DatasetConfig, joined_recording
from sedtalker.training.corpora.emotion_speech import SILENCE, Recording, clip_labels
from sedtalker.training.corpora.manifest import Clip, read_manifest
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

FOUR = tuple(CATEGORIES.index(name) for name in ("neutral", "happy", "sad", "angry"))
"""Categories that every corpus has."""
THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6)
"""Confidences at which segments are called uncertain."""
SETS: dict[str, tuple[int, ...] | None] = {"7": None, "4": FOUR}
"""The two sets of joined recordings: all categories, and the four that every corpus has."""
EncodedRecording = tuple[Recording, SpeechFeatures]
"""A joined recording with its features."""


def joined_test_recordings(
    every: list[Clip],
    split: str,
    count: int,
    categories: tuple[int, ...] | None,
    seed: int = 7,
    shares: Mapping[str, float] = JOINED,
) -> Iterable[Recording]:
    """The joined recordings of the protocol, the same ones every time; ``shares``: of the corpora they come from."""
    dataset = DatasetConfig(tuple(shares), dict(shares), split)
    corpora = {}
    for name in shares:
        clips = [c for c in every if c.corpus == name and c.split == split]
        if categories is not None:
            clips = [c for c in clips if (labels := clip_labels(c)) is not None and labels[0] in categories]
        corpora[name] = Corpus(clips, partial(_read, clips))
    for number in range(count):
        yield joined_recording(
            corpora, dataset, Augmenter(DIARIZER_RECIPE), np.random.default_rng((seed, number)), augment=False
        )


def encode_joined(
    encode: Encoder, made: Iterable[Recording], count: int, hook: Hook = no_progress
) -> list[EncodedRecording]:
    """``count`` recordings with their features."""
    return [
        (recording, encode(from_samples(recording.samples, SAMPLE_RATE)))
        for recording in counted(made, hook, "encoding joined recordings", count)
    ]


def joined_metrics(
    diarizer: DiarizerNetwork,
    recordings: Iterable[EncodedRecording],
    name: str,
    rule: TrackRule = TrackRule(),
) -> dict[str, float]:
    """``eder<name>`` and its companions, each the unweighted mean over recordings; frames over all of them.

    Args:
        diarizer: from ``load_diarizer``.
        recordings: with their features.
        name: ``7`` or ``4``, see ``SETS``; of the latter the posterior is renormalised over the four categories.
        rule: how segments are decoded.
    """
    return frame_metrics(((made, frame_emotions(diarizer, features)) for made, features in recordings), name, rule)


def frame_metrics(
    recordings: Iterable[tuple[Recording, FrameEmotions]], name: str, rule: TrackRule = TrackRule()
) -> dict[str, float]:
    """See ``joined_metrics``; recordings with what the diarizer says of their frames."""
    values_by_key: dict[str, list[float]] = {}
    truths, guesses, posteriors, spans = [], [], [], []
    for recording, every in recordings:
        frames = among(every, SETS[name])
        posterior = frames.posterior.astype(np.float64)
        decoded = decode_labels(posterior, FRAME_CLOCK.rate, rule.segments, frames.speech, frames.boundary)
        labels = recording.labels.astype(np.int64)
        spoken = labels < SILENCE
        for key, value in recording_metrics(labels, decoded, frames).items():
            values_by_key.setdefault(key, []).append(value)
        if name == "7":
            spans.extend(segment_confidences(frames, labels, rule))
        truths.append(labels[spoken])
        guesses.append(decoded[spoken])
        posteriors.append(frames.posterior[spoken])
    truth, guess = np.concatenate(truths), np.concatenate(guesses)
    tail = "" if name == "7" else f"_{name}"
    metrics = {
        f"boundary_f1{tail}" if key == "boundary_f1" else f"eder{name}{key}": float(np.mean(v))
        for key, v in values_by_key.items()
    }
    metrics[f"frame_macro_f1{tail}"] = macro_f1(truth, guess, len(CATEGORIES))
    metrics[f"frame_uar{tail}"] = unweighted_average_recall(truth, guess, len(CATEGORIES))
    metrics[f"frame_ece{tail}"] = expected_calibration_error(truth, np.concatenate(posteriors))
    return metrics | (confidence_metrics(np.array(spans)) if spans else {})


def recording_metrics(labels: NDArray[np.int64], decoded: NDArray[np.int64], frames: FrameEmotions) -> dict[str, float]:
    """Errors of one recording, see ``evaluate_diarizer``: true labels (T,) and those of the decoded segments."""
    spoken = labels < SILENCE
    shown = np.where(frames.speech, decoded, SILENCE)
    return {
        "": diarization_error(labels, shown),
        "_speech": diarization_error(labels, decoded, spoken),
        "_frames": diarization_error(labels, np.where(frames.speech, frames.posterior.argmax(1), SILENCE)),
        "_frames_speech": diarization_error(labels, frames.posterior.argmax(1), spoken),
        "_frames_everywhere": diarization_error(labels, frames.posterior.argmax(1)),
        "_neutral": diarization_error(labels, np.where(frames.speech, 0, SILENCE)),
        "_speech_neutral": float(np.mean(labels[spoken] != 0)),
        "_activity": float(np.mean(frames.speech != spoken)),
        "boundary_f1": boundary_f1(changes(labels), changes(shown)),
    }


def among(frames: FrameEmotions, categories: tuple[int, ...] | None) -> FrameEmotions:
    """The same frames with the posterior renormalised over some of the categories (``None``: all)."""
    if categories is None:
        return frames
    posterior = np.where(np.isin(np.arange(len(CATEGORIES)), categories), frames.posterior.astype(np.float64), 0.0)
    return replace(frames, posterior=posterior / posterior.sum(1, keepdims=True))


def segment_confidences(
    frames: FrameEmotions, labels: NDArray[np.integer], rule: TrackRule
) -> list[tuple[float, float, int]]:
    """Confidence, share of speech frames labelled rightly, and number of them, for each segment of the track."""
    times = FRAME_CLOCK.times(len(labels))
    track = emotion_track(frames, FRAME_CLOCK, len(labels) / FRAME_CLOCK.rate, rule=rule)
    out = []
    for segment in track.segments():
        inside = (times >= segment.start) & (times < segment.end) & (labels < SILENCE)
        if inside.any():
            right = np.mean(labels[inside] == CATEGORIES.index(segment.label))
            out.append((segment.confidence, float(right), int(inside.sum())))
    return out


def confidence_metrics(spans: NDArray[np.float64]) -> dict[str, float]:
    """How far segments' confidences (N, 3), see ``segment_confidences``, can be trusted; counted by duration.

    ``segment_ece``: expected calibration error in ten bins; ``uncertain_<t>``: share of speech below the threshold;
    ``certain_<t>``: accuracy of the rest.
    """
    confidence, right, weight = spans.T
    bins = np.minimum((10 * confidence).astype(np.int64), 9)
    gaps = [abs(np.sum(((right - confidence) * weight)[bins == b])) for b in np.unique(bins)]
    metrics = {"segment_ece": float(np.sum(gaps) / weight.sum())}
    for threshold in THRESHOLDS:
        sure = confidence >= threshold
        metrics[f"uncertain_{threshold}"] = float(weight[~sure].sum() / weight.sum())
        if sure.any():
            metrics[f"certain_{threshold}"] = float(np.average(right[sure], weights=weight[sure]))
    return metrics


def changes(labels: NDArray[np.integer]) -> list[float]:
    """Times (s) at which the emotion changes, silence ignored: the middle of the pause, if there is one."""
    where = np.flatnonzero(labels < SILENCE)
    step = np.flatnonzero(np.diff(labels[where]) != 0)
    return [float(where[i] + where[i + 1] + 1) / 2 / FRAME_CLOCK.rate for i in step]


def _read(clips: list[Clip], index: int) -> NDArray[np.float32]:
    return load_audio(clips[index].path).samples


# --- Metrics of a diarizer on speakers it was not trained on: clips, joined recordings, calibration, enrolment.


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
    folder, config = checkpoint or builtin_checkpoint("diarizer"), diarizer.config
    return open_trained_encoder(folder, config.backbone, pair=bool(config.second_channels))


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
    """Every metric of ``evaluate_diarizer``, and the reliability diagram of its clips."""
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
