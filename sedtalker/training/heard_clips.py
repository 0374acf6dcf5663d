"""Test clips encoded once, and the voices of their speakers: what every figure of single clips is taken from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.audio import Audio, load_audio
from sedtalker.datasets.emotion_speech import NORMAL_LEVEL, STRONG_LEVEL, UNKNOWN, clip_labels
from sedtalker.datasets.manifest import Clip
from sedtalker.emotion.diarizer import FrameEmotions, enrol
from sedtalker.emotion.encoder import Encode
from sedtalker.emotion.enrolment import Voice, pool_voices
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import Labels, unweighted_average_recall
from sedtalker.speech.encoder import SpeechFeatures

JOINED = {"ravdess": 0.45, "nemo": 0.3, "emotiontts_ko": 0.25}
"""Corpora of whole sentences that were trained on, with their shares among the joined recordings."""
UNSEEN_CORPORA = {"tess": 5}
"""Corpora no part of which is trained on, and every how many of their clips are scored."""
BAVED_LEVELS = {"low": 0, "medium": 1, "high": 2}
"""baved's steps of emotion: low or tired, neutral, high."""
LOUD = 0.1
"""RMS of the loud frames of a clip whose level is equalised."""


@dataclass(frozen=True, eq=False)
class HeardClip:
    """A test clip: features, category, labelled strength and what it says of its speaker (``None``: no speech)."""

    clip: Clip
    features: SpeechFeatures
    category: int
    level: int
    voice: Voice | None = None


def test_clips(every: list[Clip], corpora: Iterable[str], split: str) -> list[Clip]:
    """The labelled clips of the split in the given corpora, and a part of the unseen corpora."""
    names = set(corpora)
    known = [c for c in every if c.corpus in names and c.split == split]
    unseen = [c for name, step in UNSEEN_CORPORA.items() for c in [c for c in every if c.corpus == name][::step]]
    return [c for c in (*known, *unseen) if clip_labels(c) is not None and c.path.is_file()]


def hear_clips(
    encode: Encode, clips: Iterable[Clip], report: Callable[[str], None] = lambda line: None
) -> list[HeardClip]:
    """Labelled clips, encoded; voices are left to ``with_voices``."""
    return _hear(encode, ((clip, *_labels(clip)) for clip in clips), lambda audio: audio, report)


def hear_level_equalised(encode: Encode, clips: Iterable[Clip]) -> list[HeardClip]:
    """Those of the clips whose strength is labelled, brought to one level before any analysis."""
    rows = [(clip, *_labels(clip)) for clip in clips]
    rows = [row for row in rows if row[2] in (NORMAL_LEVEL, STRONG_LEVEL)]
    return _hear(encode, rows, level_equalised)


def hear_baved(encode: Encode, every: Iterable[Clip]) -> list[HeardClip]:
    """Every clip of baved, no label of which was ever trained on; ``level`` is its step, see ``BAVED_LEVELS``."""
    clips = [c for c in every if c.corpus == "baved" and c.intensity in BAVED_LEVELS and c.path.is_file()]
    return _hear(encode, ((c, UNKNOWN, BAVED_LEVELS[c.intensity]) for c in clips), lambda audio: audio)


def _hear(
    encode: Encode,
    rows: Iterable[tuple[Clip, int, int]],
    change: Callable[[Audio], Audio],
    report: Callable[[str], None] = lambda line: None,
) -> list[HeardClip]:
    heard = []
    for clip, category, level in rows:
        heard.append(HeardClip(clip, encode(change(load_audio(clip.path))), category, level))
        if len(heard) % 200 == 0:
            report(f"{len(heard)} clips encoded")
    return heard


def _labels(clip: Clip) -> tuple[int, int]:
    labels = clip_labels(clip)
    assert labels is not None
    return labels


def with_voices(diarizer: DiarizerNetwork, heard: Iterable[HeardClip]) -> list[HeardClip]:
    """The same clips with what each says of its speaker to this diarizer."""
    out = []
    for h in heard:
        try:
            voice = enrol(diarizer, [h.features])
        except InputError:
            voice = None
        out.append(replace(h, voice=voice))
    return out


def enrolled_voice(
    heard: list[HeardClip], speaker: str, count: int, neutral: bool, rng: np.random.Generator, scored: int = -1
) -> Voice | None:
    """The pooled voice of up to ``count`` random clips of a speaker, without the one that is scored."""
    others = [h for i, h in enumerate(heard) if h.clip.speaker == speaker and i != scored and h.voice is not None]
    calm = [h for h in others if h.category == 0]
    others = calm if neutral and calm else others
    if not count or not others:
        return None
    chosen = rng.choice(len(others), min(count, len(others)), replace=False)
    return pool_voices([v for i in chosen if (v := others[i].voice) is not None])


def clip_posterior(frames: FrameEmotions) -> NDArray[np.float64]:
    """Posterior (C,) of a whole clip: the normalised geometric mean over its speech frames."""
    mean = speech_mean(np.log(np.maximum(frames.posterior, 1e-8).astype(np.float64)), frames)
    weights = np.exp(mean - mean.max())
    return weights / weights.sum()


def speech_mean(values: NDArray[np.floating], frames: FrameEmotions) -> NDArray[np.float64]:
    """Mean over speech frames, over all where there is none."""
    return np.asarray(values[frames.speech] if frames.speech.any() else values, np.float64).mean(0)


def recall_by_corpus(heard: list[HeardClip], guess: Labels, classes: int) -> dict[str, float]:
    """Unweighted average recall of the clips of each corpus."""
    truth, corpus = np.array([h.category for h in heard]), np.array([h.clip.corpus for h in heard])
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
