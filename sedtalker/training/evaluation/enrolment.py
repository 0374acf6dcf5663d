"""What other recordings of the speaker are worth: the diarizer's figures on test speakers with 1, 3 and 10 of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sedtalker.emotion.diarizer import FrameEmotions, TrackRule, encoder_of, frame_emotions, load_diarizer
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.emotion.segmentation import decode_labels
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import diarization_error
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.emotion_speech import SILENCE, Recording
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.evaluation.clips import (
    JOINED,
    HeardClip,
    clip_posterior,
    enrolled_voice,
    hear_clips,
    recall_by_corpus,
    test_clips,
    with_voices,
)
from sedtalker.training.evaluation.joined import Heard, hear_joined, joined_test_recordings

COUNTS = (0, 1, 3, 10)


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
    diarizer = load_diarizer(checkpoint)
    encode = encoder_of(diarizer, checkpoint)
    every = read_manifest(data)
    clips = [c for c in test_clips(every, JOINED, split) if c.corpus in JOINED]
    heard = with_voices(diarizer, hear_clips(encode, clips, report))
    joined = hear_joined(encode, joined_test_recordings(every, split, recordings, None))
    report(f"{len(joined)} joined recordings")
    figures: dict[str, float] = {}
    for count in COUNTS:
        for kind in ("any", "neutral") if count else ("alone",):
            figures |= _figures(diarizer, heard, joined, count, kind)
    return figures


def _figures(
    diarizer: DiarizerNetwork,
    heard: list[HeardClip],
    joined: list[Heard],
    count: int,
    kind: str,
) -> dict[str, float]:
    name = f"{count}_{kind}"
    guess = np.zeros(len(heard), np.int64)
    for i, h in enumerate(heard):
        voice = enrolled_voice(heard, h.clip.speaker, count, kind == "neutral", np.random.default_rng((count, i)), i)
        guess[i] = clip_posterior(frame_emotions(diarizer, h.features, voice)).argmax()
    recalls = recall_by_corpus(heard, guess, len(CATEGORIES))
    figures = {f"uar_{corpus}_{name}": value for corpus, value in recalls.items()}
    errors = []
    for number, (made, features) in enumerate(joined):
        rng = np.random.default_rng((count, 1_000_000 + number))
        voice = enrolled_voice(heard, made.speaker, count, kind == "neutral", rng)
        errors.append(_errors(frame_emotions(diarizer, features, voice), made))
    eder, speech = np.mean(errors, axis=0)
    return figures | {f"eder7_{name}": float(eder), f"eder7_speech_{name}": float(speech)}


def _errors(frames: FrameEmotions, made: Recording) -> tuple[float, float]:
    """EDER with pauses as silence, and over speech only."""
    labels = made.labels.astype(np.int64)
    posterior, rule = frames.posterior.astype(np.float64), TrackRule().segments
    decoded = decode_labels(posterior, FRAME_CLOCK.rate, rule, frames.speech, frames.boundary)
    shown = np.where(frames.speech, decoded, SILENCE)
    return diarization_error(labels, shown), diarization_error(labels, decoded, labels < SILENCE)
