"""What a diarizer says of single clips, and of recordings joined from the clips of one speaker, scored.

Joined recordings: seeds (7, number), 2 to 5 clips of one test speaker, neighbours of different emotions, half of the
joins cross-faded by 20 to 100 ms, half with a pause up to 1 s, half of the recordings at one level (``JoinRule``).
Scored every 20 ms without collar.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import SAMPLE_RATE, Audio, from_samples, leave_out, load_audio
from sedtalker.emotion.inference import FrameEmotions, TrackRule, emotion_track, speech_log_posterior
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.shown import Scale, attenuation, visible
from sedtalker.emotion.track import CATEGORIES, NEUTRAL, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import boundary_f1, diarization_error, macro_f1, ranking_auc
from sedtalker.metrics.motion import means
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.joined_recordings import Corpus, joined_recording
from sedtalker.training.corpora.joined_speech import NORMAL_LEVEL, SILENCE, STRONG_LEVEL, Recording, clip_labels
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import named_clips

JOINED = {"ravdess": 0.45, "nemo": 0.3, "emotiontts_ko": 0.25}
"""Corpora of whole sentences with emotion labels, and their shares among the joined recordings."""
FOUR = tuple(CATEGORIES.index(name) for name in ("neutral", "happy", "sad", "angry"))
"""Categories that every corpus has."""
SETS: dict[str, tuple[int, ...] | None] = {"7": None, "4": FOUR}
"""The two sets of joined recordings: all categories, and the four that every corpus has."""
RECORDINGS = 150
"""Joined recordings of each set."""
Frames = Callable[[Audio], FrameEmotions]
"""A recording to what the diarizer says of its frames."""


# --- Single clips.


@dataclass(frozen=True, eq=False)
class ClipResult:
    """A scored clip: truth, posterior (C,) over the clip, mean intensity and labelled strength.

    ``shown`` is the mean intensity that a face shows (``sedtalker.emotion.shown``); ``enrolled`` the posterior where
    the speaker's usual voice is known, if that was asked.
    """

    clip: Clip
    truth: int
    level: int
    posterior: Doubles
    intensity: float
    shown: float = float("nan")
    enrolled: Doubles | None = None


def clip_result(clip: Clip, frames: FrameEmotions, scale: Scale) -> ClipResult:
    """What the frames of a labelled clip say of it; ``scale``: of visible intensities, as the diarizer has it."""
    intensity = speech_mean(frames.intensity, frames)
    familiar = speech_mean(attenuation(frames.distance) * np.ones_like(frames.intensity), frames)
    seen = float(visible(intensity, scale) * familiar)
    labels = clip_labels(clip)
    assert labels is not None
    return ClipResult(clip, *labels, clip_posterior(frames), float(intensity), seen)


def clip_posterior(frames: FrameEmotions) -> Doubles:
    """Posterior (C,) of a whole clip: the normalised geometric mean over its speech frames."""
    return np.exp(speech_log_posterior(frames))


def speech_mean(values: Reals, frames: FrameEmotions) -> Doubles:
    """Mean over speech frames, over all where there is none."""
    return np.asarray(values[frames.speech] if frames.speech.any() else values, np.float64).mean(0)


def strength_auc(results: list[ClipResult], values: Reals) -> float:
    """AUC of strong against normal clips within each emotion, averaged over emotions; NaN without such pairs."""
    truth, level = np.array([r.truth for r in results]), np.array([r.level for r in results])
    each = []
    for c in range(1, len(CATEGORIES)):
        strong, normal = ((truth == c) & (level == step) for step in (STRONG_LEVEL, NORMAL_LEVEL))
        if strong.any() and normal.any():
            each.append(ranking_auc(values[strong], values[normal]))
    return float(np.mean(each)) if each else float("nan")


# --- Joined recordings.


def joined_test_recordings(
    every: list[Clip], split: str, count: int, categories: tuple[int, ...] | None, shares: Mapping[str, float] = JOINED
) -> Iterable[Recording]:
    """The joined recordings of the protocol, the same ones every time, without those whose clips cannot be read.

    ``shares``: of the corpora they come from.
    """
    corpora = {}
    for name in shares:
        clips = named_clips(every, name, split)
        if categories is not None:
            clips = [c for c in clips if (labels := clip_labels(c)) is not None and labels[0] in categories]
        corpora[name] = Corpus(clips, partial(_read, clips))
    for number in range(count):
        try:
            made = joined_recording(corpora, shares, split, np.random.default_rng((7, number)))
        except InputError as error:
            leave_out(str(error))
        else:
            yield made


def joined_scores(
    frames: Frames,
    every: list[Clip],
    unseen: Collection[str],
    rule: TrackRule = TrackRule(),
    hook: Hook = no_progress,
    count: int = RECORDINGS,
) -> dict[str, float]:
    """Error rates on joined recordings of test speakers of corpora that the weights were not trained on.

    ``eder7``: pauses are a label of their own (silence), so voice activity errors count; ``eder7_speech``: frames
    labelled speech only; ``eder4``, ``eder4_speech``: the same on recordings of neutral, happy, sad and angry clips,
    the posterior renormalised over the four. ``*_neutral``: the control that predicts neutral for all speech.
    ``boundary_f1``: changes of emotion found within 0.25 s (the middle of a pause is where it changes).
    ``frame_macro_f1``: of speech frames; both on the recordings of ``eder7``. ``eder7_shown``, ``boundary_f1_shown``:
    those of the segments that users get, of what a face shows; the others are of the categories alone.

    Args:
        frames: of the diarizer.
        every: clips of the manifest whose files are there.
        unseen: corpora that the weights were not trained on; those of ``JOINED`` among them are joined, with their
            shares. Empty where none of them is there.
        rule: how the frames become a track.
        hook: called as the work proceeds.
        count: joined recordings of each set.
    """
    there = {c.corpus for c in every if c.split == "test"}
    shares = {name: share for name, share in JOINED.items() if name in unseen and name in there}
    if not shares:
        return {}
    metrics: dict[str, float] = {}
    for name, categories in SETS.items():
        made = joined_test_recordings(every, "test", count, categories, shares)
        step = f"diarizing joined recordings, {name} categories"
        pairs = ((r, frames(from_samples(r.samples, SAMPLE_RATE))) for r in counted(made, hook, step, count))
        scores, macro = set_scores(pairs, categories, rule)
        metrics |= {f"eder{name}{ending}": scores[ending] for ending in ("", "_speech", "_neutral")}
        if categories is None:
            metrics |= {"boundary_f1": scores["boundary_f1"], "frame_macro_f1": macro}
            metrics |= {"eder7_shown": scores["_shown"], "boundary_f1_shown": scores["boundary_f1_shown"]}
    return metrics


def set_scores(
    recordings: Iterable[tuple[Recording, FrameEmotions]],
    categories: tuple[int, ...] | None,
    rule: TrackRule = TrackRule(),
) -> tuple[dict[str, float], float]:
    """``recording_metrics``, unweighted means over recordings, and the macro-F1 of all speech frames together."""
    each, truths, guesses = [], [], []
    for recording, every in recordings:
        frames = among(every, categories)
        posterior = frames.posterior.astype(np.float64)
        decoded = decode_labels(posterior, FRAME_CLOCK.rate, rule.segments, frames.speech, frames.boundary)
        labels = recording.labels.astype(np.int64)
        shown = recording_metrics(labels, shown_labels(frames, rule), frames)
        users = {"_shown": shown[""], "boundary_f1_shown": shown["boundary_f1"]}
        each.append(recording_metrics(labels, decoded, frames) | users)
        truths.append(labels[labels < SILENCE])
        guesses.append(decoded[labels < SILENCE])
    return means(each), macro_f1(np.concatenate(truths), np.concatenate(guesses), len(CATEGORIES))


def shown_labels(frames: FrameEmotions, rule: TrackRule) -> NDArray[np.int64]:
    """Labels (T,) of the segments that users get; neutral in pauses."""
    track = emotion_track(frames, FRAME_CLOCK, len(frames.speech) / FRAME_CLOCK.rate, rule=rule)
    return segment_labels(track).clip(min=NEUTRAL)


def segment_labels(track: EmotionTrack) -> NDArray[np.int64]:
    """Category (T,) of the segment that each frame lies in; -1 outside of all, and where it is uncertain."""
    labels = np.full(len(track), -1)
    for segment in track.segments():
        if segment.label in CATEGORIES:
            inside = (track.times >= segment.start) & (track.times < segment.end)
            labels[inside] = CATEGORIES.index(segment.label)
    return labels


def recording_metrics(labels: NDArray[np.int64], decoded: NDArray[np.int64], frames: FrameEmotions) -> dict[str, float]:
    """Errors of one recording, see ``joined_scores``: true labels (T,) and those of the decoded segments."""
    spoken = labels < SILENCE
    shown = np.where(frames.speech, decoded, SILENCE)
    return {
        "": diarization_error(labels, shown),
        "_speech": diarization_error(labels, decoded, spoken),
        "_neutral": diarization_error(labels, np.where(frames.speech, 0, SILENCE)),
        "boundary_f1": boundary_f1(changes(labels), changes(shown)),
    }


def among(frames: FrameEmotions, categories: tuple[int, ...] | None) -> FrameEmotions:
    """The same frames with the posterior renormalised over some of the categories (``None``: all)."""
    if categories is None:
        return frames
    posterior = np.where(np.isin(np.arange(len(CATEGORIES)), categories), frames.posterior.astype(np.float64), 0.0)
    return replace(frames, posterior=posterior / posterior.sum(1, keepdims=True))


def changes(labels: NDArray[np.integer]) -> list[float]:
    """Times (s) at which the emotion changes, silence ignored: the middle of the pause, if there is one."""
    where = np.flatnonzero(labels < SILENCE)
    step = np.flatnonzero(np.diff(labels[where]) != 0)
    return [float(where[i] + where[i + 1] + 1) / 2 / FRAME_CLOCK.rate for i in step]


def _read(clips: list[Clip], index: int) -> Floats:
    return load_audio(clips[index].path).samples
