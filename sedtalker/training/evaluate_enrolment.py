"""What other recordings of the speaker are worth: the diarizer's figures on test speakers with 1, 3 and 10 of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sedtalker.audio import from_samples, load_audio
from sedtalker.audio.audio import SAMPLE_RATE
from sedtalker.datasets.emotion_speech import SILENCE, Recording, clip_labels
from sedtalker.datasets.manifest import Clip, read_manifest
from sedtalker.emotion.diarizer import FrameEmotions, TrackRule, enrol, frame_emotions, load_diarizer
from sedtalker.emotion.enrolment import Voice, pool_voices
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import diarization_error, unweighted_average_recall
from sedtalker.speech.encoder import SpeechEncoder, SpeechFeatures, encode, load_encoder
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.evaluate_diarizer import JOINED, clip_posterior, joined_test_recordings

COUNTS = (0, 1, 3, 10)


@dataclass(frozen=True, eq=False)
class HeardClip:
    """A test clip: features, category and what it says of its speaker (``None``: no speech)."""

    clip: Clip
    features: SpeechFeatures
    category: int
    voice: Voice | None


def evaluate_enrolment(
    data: Path,
    checkpoint: Path | None = None,
    split: str = "test",
    recordings: int = 150,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, float]:
    """Figures by number and kind of enrolled clips of the same speaker, never the clip that is scored.

    ``uar_<corpus>_<n>_<kind>`` over single clips, ``eder7_<n>_<kind>`` and ``eder7_speech_<n>_<kind>`` over the joined
    recordings of ``evaluate_diarizer`` (whose pieces may be among the enrolled clips). Kinds: ``any`` and ``neutral``;
    the draw is seeded by (n, number of the clip). With n = 0 the recording is alone.
    """
    diarizer, encoder = load_diarizer(checkpoint), load_encoder()
    every = read_manifest(data)
    heard = list(_hear(diarizer, encoder, (c for c in every if c.corpus in JOINED and c.split == split)))
    report(f"{len(heard)} clips")
    joined = [
        (made, encode(encoder, from_samples(made.samples, SAMPLE_RATE)))
        for made in joined_test_recordings(every, split, recordings, None)
    ]
    report(f"{len(joined)} joined recordings")
    figures: dict[str, float] = {}
    for count in COUNTS:
        for kind in ("any", "neutral") if count else ("alone",):
            figures |= _figures(diarizer, heard, joined, count, kind)
    return figures


def _hear(diarizer: DiarizerNetwork, encoder: SpeechEncoder, clips: Iterable[Clip]) -> Iterable[HeardClip]:
    for clip in clips:
        labels = clip_labels(clip)
        if labels is None:
            continue
        features = encode(encoder, load_audio(clip.path))
        try:
            voice = enrol(diarizer, [features])
        except InputError:
            voice = None
        yield HeardClip(clip, features, labels[0], voice)


def _figures(
    diarizer: DiarizerNetwork,
    heard: list[HeardClip],
    joined: list[tuple[Recording, SpeechFeatures]],
    count: int,
    kind: str,
) -> dict[str, float]:
    name = f"{count}_{kind}"
    truth, guess = np.array([h.category for h in heard]), np.zeros(len(heard), np.int64)
    for i, h in enumerate(heard):
        voice = enrolled_voice(heard, h.clip.speaker, count, kind == "neutral", np.random.default_rng((count, i)), i)
        guess[i] = clip_posterior(frame_emotions(diarizer, h.features, voice)).argmax()
    figures = {}
    for corpus in JOINED:
        rows = np.array([h.clip.corpus == corpus for h in heard])
        figures[f"uar_{corpus}_{name}"] = unweighted_average_recall(truth[rows], guess[rows], len(CATEGORIES))
    errors = []
    for number, (made, features) in enumerate(joined):
        rng = np.random.default_rng((count, 1_000_000 + number))
        voice = enrolled_voice(heard, made.speaker, count, kind == "neutral", rng)
        errors.append(_errors(frame_emotions(diarizer, features, voice), made))
    eder, speech = np.mean(errors, axis=0)
    return figures | {f"eder7_{name}": float(eder), f"eder7_speech_{name}": float(speech)}


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


def _errors(frames: FrameEmotions, made: Recording) -> tuple[float, float]:
    """EDER with pauses as silence, and over speech only."""
    labels = made.labels.astype(np.int64)
    decoded = decode_labels(frames.posterior.astype(np.float64), FRAME_CLOCK.rate, TrackRule().segments, frames.speech)
    shown = np.where(frames.speech, decoded, SILENCE)
    return diarization_error(labels, shown), diarization_error(labels, decoded, labels < SILENCE)
