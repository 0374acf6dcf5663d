"""Test clips encoded once, the voices of their speakers, and every metric of single clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio, load_audio
from sedtalker.emotion.functionals import Voice, pool_voices
from sedtalker.emotion.inference import FrameEmotions, enrol, frame_emotions, speech_log_posterior
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.shown import Scale, attenuation, visible
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import (
    Labels,
    Reliability,
    expected_calibration_error,
    macro_f1,
    mean_absolute_error,
    pearson,
    ranking_auc,
    reliability,
    spearman,
    unweighted_average_recall,
)
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.training.corpora.emotion_speech import NORMAL_LEVEL, STRONG_LEVEL, UNKNOWN, clip_labels
from sedtalker.training.corpora.manifest import Clip

JOINED = {"ravdess": 0.45, "nemo": 0.3, "emotiontts_ko": 0.25}
"""Corpora of whole sentences that were trained on, with their shares among the joined recordings."""
UNSEEN_CORPORA = {"tess": 5}
"""Corpora no part of which is trained on, and every how many of their clips are scored."""
BAVED_LEVELS = {"low": 0, "medium": 1, "high": 2}
"""baved's steps of emotion: low or tired, neutral, high."""
LOUD = 0.1
"""RMS of the loud frames of a clip whose level is equalised."""


@dataclass(frozen=True, eq=False)
class EncodedClip:
    """A test clip: features, category, labelled strength and what it says of its speaker (``None``: no speech)."""

    clip: Clip
    features: SpeechFeatures
    category: int
    level: int
    voice: Voice | None = None


def test_clips(every: list[Clip], corpora: Iterable[str], split: str) -> list[Clip]:
    """The labelled clips of the split in the given corpora and in ``JOINED``, and a part of the unseen corpora."""
    names = {*corpora, *JOINED}
    known = [c for c in every if c.corpus in names and c.split == split]
    unseen = [c for name, step in UNSEEN_CORPORA.items() for c in [c for c in every if c.corpus == name][::step]]
    return [c for c in (*known, *unseen) if clip_labels(c) is not None and c.path.is_file()]


def encode_clips(encode: Encoder, clips: Iterable[Clip], hook: Hook = no_progress) -> list[EncodedClip]:
    """Labelled clips, encoded; voices are left to ``with_voices``."""
    return _encode_all(encode, ((clip, *_labels(clip)) for clip in clips), lambda audio: audio, hook, "encoding clips")


def encode_level_equalised(encode: Encoder, clips: Iterable[Clip], hook: Hook = no_progress) -> list[EncodedClip]:
    """Those of the clips whose strength is labelled, brought to one level before any analysis."""
    labelled = ((clip, *_labels(clip)) for clip in clips)
    strengths = [one for one in labelled if one[2] in (NORMAL_LEVEL, STRONG_LEVEL)]
    return _encode_all(encode, strengths, level_equalised, hook, "encoding clips at one level")


def encode_baved(encode: Encoder, every: Iterable[Clip], hook: Hook = no_progress) -> list[EncodedClip]:
    """Every clip of baved, no label of which was ever trained on; ``level`` is its step, see ``BAVED_LEVELS``."""
    clips = [c for c in every if c.corpus == "baved" and c.intensity in BAVED_LEVELS and c.path.is_file()]
    return _encode_all(
        encode, ((c, UNKNOWN, BAVED_LEVELS[c.intensity]) for c in clips), lambda audio: audio, hook, "encoding BAVED"
    )


def _encode_all(
    encode: Encoder,
    labelled: Iterable[tuple[Clip, int, int]],
    change: Callable[[Audio], Audio],
    hook: Hook,
    step: str,
) -> list[EncodedClip]:
    todo = list(labelled)
    return [
        EncodedClip(clip, encode(change(load_audio(clip.path))), category, level)
        for clip, category, level in counted(todo, hook, step, len(todo))
    ]


def _labels(clip: Clip) -> tuple[int, int]:
    labels = clip_labels(clip)
    assert labels is not None
    return labels


def with_voices(diarizer: DiarizerNetwork, clips: Iterable[EncodedClip]) -> list[EncodedClip]:
    """The same clips with what each says of its speaker to this diarizer."""
    out = []
    for h in clips:
        try:
            voice = enrol(diarizer, [h.features])
        except InputError:
            voice = None
        out.append(replace(h, voice=voice))
    return out


def enrolled_voice(
    clips: list[EncodedClip], speaker: str, count: int, neutral: bool, rng: np.random.Generator, scored: int = -1
) -> Voice | None:
    """The pooled voice of up to ``count`` random clips of a speaker, without the one that is scored."""
    others = [h for i, h in enumerate(clips) if h.clip.speaker == speaker and i != scored and h.voice is not None]
    calm = [h for h in others if h.category == 0]
    others = calm if neutral and calm else others
    if not count or not others:
        return None
    chosen = rng.choice(len(others), min(count, len(others)), replace=False)
    return pool_voices([v for i in chosen if (v := others[i].voice) is not None])


def clip_posterior(frames: FrameEmotions) -> NDArray[np.float64]:
    """Posterior (C,) of a whole clip: the normalised geometric mean over its speech frames."""
    return np.exp(speech_log_posterior(frames))


def speech_mean(values: NDArray[np.floating], frames: FrameEmotions) -> NDArray[np.float64]:
    """Mean over speech frames, over all where there is none."""
    return np.asarray(values[frames.speech] if frames.speech.any() else values, np.float64).mean(0)


def recall_by_corpus(clips: list[EncodedClip], guess: Labels, classes: int) -> dict[str, float]:
    """Unweighted average recall of the clips of each corpus."""
    truth, corpus = np.array([h.category for h in clips]), np.array([h.clip.corpus for h in clips])
    return {
        str(name): unweighted_average_recall(truth[corpus == name], guess[corpus == name], classes)
        for name in np.unique(corpus)
    }


def level_equalised(audio: Audio) -> Audio:
    """The same sound with its loud frames (95th percentile of the RMS of 20 ms) at one level for all clips."""
    frames = audio.samples[: len(audio.samples) // 320 * 320].reshape(-1, 320)
    loud = float(np.quantile(np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1)), 0.95))
    samples = audio.samples * np.float32(LOUD / max(loud, 1e-6))
    return Audio(np.clip(samples, -1.0, 1.0), audio.rate, audio.notes)


# --- Metrics of a diarizer on single clips of speakers it was never trained on.

CLASSES = len(CATEGORIES)
"""Categories of emotion."""


@dataclass(frozen=True, eq=False)
class ClipResult:
    """A scored clip: truth, posterior (C,) over the clip, mean intensity and labelled strength.

    ``shown`` is the mean intensity that a face shows (``sedtalker.emotion.shown``); ``enrolled`` the posterior where
    the speaker's usual voice is known, if that was asked.
    """

    clip: Clip
    truth: int
    level: int
    posterior: NDArray[np.float64]
    intensity: float
    shown: float = float("nan")
    enrolled: NDArray[np.float64] | None = None


def score_clips(diarizer: DiarizerNetwork, clips: Iterable[EncodedClip]) -> list[ClipResult]:
    """Each clip alone, as in use."""
    scale = diarizer.config.visible
    return [clip_result(h.clip, h.category, h.level, frame_emotions(diarizer, h.features), scale) for h in clips]


def clip_result(clip: Clip, category: int, level: int, frames: FrameEmotions, scale: Scale) -> ClipResult:
    """What the frames of a clip say of the whole of it; ``scale``: of visible intensities, as the diarizer has it."""
    intensity = speech_mean(frames.intensity, frames)
    familiar = speech_mean(attenuation(frames.distance) * np.ones_like(frames.intensity), frames)
    seen = float(visible(intensity, scale) * familiar)
    return ClipResult(clip, category, level, clip_posterior(frames), float(intensity), seen)


def clip_metrics(results: list[ClipResult]) -> dict[str, float]:
    """Recognition, calibration, groups and intensity of single clips, see ``evaluate_diarizer``."""
    metrics: dict[str, float] = {}
    for corpus in sorted({r.clip.corpus for r in results}):
        own = [r for r in results if r.clip.corpus == corpus]
        metrics[f"uar_{corpus}"] = _recall(own)
        truth, posterior = _stacked(own)
        present = np.unique(truth)
        if len(present) < CLASSES:
            among = present[posterior[:, present].argmax(1)]
            metrics[f"uar_{corpus}_own_classes"] = unweighted_average_recall(truth, among, CLASSES)
    if "uar_emotiontts_ko" in metrics:
        metrics["uar_ko"] = metrics["uar_emotiontts_ko"]
    core = [r for r in results if r.clip.corpus in JOINED]
    if core:
        truth, posterior = _stacked(core)
        metrics["macro_f1"] = macro_f1(truth, posterior.argmax(1), CLASSES)
        metrics["ece"] = expected_calibration_error(truth, posterior)
    return metrics | group_metrics(results) | intensity_metrics([r for r in results if r.clip.corpus == "ravdess"])


def group_metrics(results: list[ClipResult]) -> dict[str, float]:
    """``uar_<corpus>_<women|men|normal|strong|worst_speaker|best_speaker>``, ``uar_language_<code>``; ``n_…`` clips.

    Normal and strong each with the neutral clips, which have no strength. Languages over corpora of whole speech.
    """
    groups: dict[str, list[ClipResult]] = {}
    for r in results:
        name = r.clip.corpus
        groups.setdefault(name, []).append(r)
        if r.clip.gender in ("f", "m"):
            groups.setdefault(f"{name}_{'women' if r.clip.gender == 'f' else 'men'}", []).append(r)
        for strength, level in (("normal", NORMAL_LEVEL), ("strong", STRONG_LEVEL)):
            if name == "ravdess" and (r.level == level or r.truth == 0):
                groups.setdefault(f"{name}_{strength}", []).append(r)
        if r.clip.language not in ("nonverbal", "und") and name not in UNSEEN_CORPORA:
            groups.setdefault(f"language_{r.clip.language}", []).append(r)
    metrics = {f"uar_{name}": _recall(group) for name, group in groups.items()}
    metrics |= {f"n_{name}": float(len(group)) for name, group in groups.items()}
    for corpus in JOINED:
        speakers: dict[str, list[ClipResult]] = {}
        for r in groups.get(corpus, []):
            speakers.setdefault(r.clip.speaker, []).append(r)
        if len(speakers) > 1:
            each = [_recall(own) for own in speakers.values()]
            metrics |= {f"uar_{corpus}_worst_speaker": min(each), f"uar_{corpus}_best_speaker": max(each)}
            metrics[f"speakers_{corpus}"] = float(len(speakers))
    return metrics


def intensity_metrics(results: list[ClipResult]) -> dict[str, float]:
    """Intensity against ravdess's labelled strength, and what the confidence would say instead."""
    if not results:
        return {}
    level = np.array([r.level for r in results])
    intensity = np.array([r.intensity for r in results])
    target = 0.5 * level
    return {
        "intensity_auc": strength_auc(results, intensity),
        "confidence_auc": strength_auc(results, np.array([r.posterior.max() for r in results])),
        "intensity_pearson": pearson(intensity, target),
        "intensity_mae": mean_absolute_error(intensity, target),
    }


def strength_auc(results: list[ClipResult], values: NDArray[np.floating]) -> float:
    """AUC of strong against normal clips within each emotion, averaged over emotions; NaN without such pairs."""
    truth, level = np.array([r.truth for r in results]), np.array([r.level for r in results])
    each = []
    for c in range(1, CLASSES):
        strong, normal = ((truth == c) & (level == step) for step in (STRONG_LEVEL, NORMAL_LEVEL))
        if strong.any() and normal.any():
            each.append(ranking_auc(values[strong], values[normal]))
    return float(np.mean(each)) if each else float("nan")


def baved_metrics(diarizer: DiarizerNetwork, clips: list[EncodedClip]) -> dict[str, float]:
    """Rank correlation of the intensity with the three levels of baved, see ``evaluate_diarizer``."""
    if not clips:
        return {}
    intensity = np.array([r.intensity for r in score_clips(diarizer, clips)])
    level = np.array([h.level for h in clips], np.float64)
    _, speaker = np.unique([h.clip.speaker for h in clips], return_inverse=True)
    count = np.bincount(speaker)
    own = [values - (np.bincount(speaker, values) / count)[speaker] for values in (intensity, level)]
    mixed = (np.bincount(speaker, own[1] ** 2) > 0)[speaker]
    metrics = {"intensity_baved_spearman": spearman(intensity, level), "n_baved": float(len(clips))}
    if mixed.any():
        metrics["intensity_baved_spearman_within_speaker"] = spearman(own[0][mixed], own[1][mixed])
    return metrics


def enrolled_metrics(diarizer: DiarizerNetwork, clips: list[EncodedClip]) -> dict[str, float]:
    """``uar_<corpus>_enrolled5`` and ``_enrolled_all``, see ``evaluate_diarizer``."""
    core = with_voices(diarizer, [h for h in clips if h.clip.corpus in JOINED])
    metrics: dict[str, float] = {}
    for name, count in (("enrolled5", 5), ("enrolled_all", len(core))):
        guess = np.zeros(len(core), np.int64)
        for i, h in enumerate(core):
            voice = enrolled_voice(core, h.clip.speaker, count, False, np.random.default_rng((count, i)), i)
            guess[i] = clip_posterior(frame_emotions(diarizer, h.features, voice)).argmax()
        metrics |= {f"uar_{corpus}_{name}": v for corpus, v in recall_by_corpus(core, guess, CLASSES).items()}
    return metrics


def clip_reliability(results: list[ClipResult]) -> Reliability:
    """The reliability diagram that ``ece`` sums up."""
    return reliability(*_stacked([r for r in results if r.clip.corpus in JOINED]), bins=10)


def _stacked(results: list[ClipResult]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.array([r.truth for r in results]), np.stack([r.posterior for r in results])


def _recall(results: list[ClipResult]) -> float:
    truth, posterior = _stacked(results)
    return unweighted_average_recall(truth, posterior.argmax(1), CLASSES)
