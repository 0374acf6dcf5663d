"""Lips of validation recordings by the share of the mouth that is read out of the sound: two tables of docs/lips.md.

    python scripts/measure_mouth_share.py --data DIR

Some eight minutes. The first talker and FACEGOOD's takes are compared with what a tracker saw, others with what the
readout of Whisper-base says of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from fit_mouth_readout import whisper_mouths
from measured_page import write_between_marks
from scipy.ndimage import gaussian_filter1d

from sedtalker.animation.animation_stream import FaceStream
from sedtalker.animation.articulation import mixed_mouth
from sedtalker.animation.conditioning import Style, UpperFaceStream, emotional
from sedtalker.animation.decoder import eased_emotion
from sedtalker.animation.performance import StreamSettings
from sedtalker.arrays import Floats
from sedtalker.audio import Audio, load_audio, resample_frames
from sedtalker.cli.console import ShownProgress
from sedtalker.emotion.face_streams import TrackStream
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import correlation, lip_aperture, lip_width
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from sedtalker.training.corpora.manifest import find_data, read_manifest
from sedtalker.training.corpora.tracked_motion import read_facegood, read_grid
from sedtalker.training.evaluation.lips import steady_track
from sedtalker.training.evaluation.measures import markdown_table

PAGE = Path(__file__).parents[1] / "docs" / "lips.md"
SHARES = (0.0, 0.3, 0.5, 0.7)
"""Shares of the mouth that is read."""
NAMES = {
    "grid": "first talker, tracked lips",
    "librispeech": "LibriSpeech, against the readout",
    "speechocean762": "speechocean762, likewise",
    "cremad": "actors (CREMA-D), likewise",
    "banglaser": "BanglaSER, likewise",
    "facegood": "FACEGOOD's takes, whose rig follows loudness (height)",
}
"""Recordings, and what their lips are compared with."""
ANGRY = "actors under full anger, what changes within .3 s"
"""The row of emotional faces, whose slow motion is no matter of the readout."""
QUICK = 15
"""Frames (standard deviation) of the mean that is taken off there."""
MOST, LEAST = 150, 10
"""Recordings of a corpus at most, and frames of speech in each at least."""
MOST_STREAMED, LONGEST = 25, 25.0
"""Recordings of a corpus that are streamed, about, and their seconds, at most."""
LOOK_AHEAD, HOP = StreamSettings().look_ahead, StreamSettings().hop
"""Those of streams, seconds."""


class Recording(NamedTuple):
    """A sound and its lips' height and width (T,), on ``FRAME_CLOCK``; no width where it is not known."""

    corpus: str
    sound: Audio
    height: Floats
    width: Floats | None


def recordings(data: Path) -> Iterator[Recording]:
    """Validation recordings and their lips."""
    face, read = load_face(), whisper_mouths(data)
    for clip in read_grid(data):
        if clip.split == "valid":
            sound = load_audio(clip.audio)
            times = FRAME_CLOCK.times(-(-len(sound.samples) // 320))
            tracked = np.column_stack([clip.feature(name) for name in ("inner_lip_height", "inner_lip_width")])
            yield Recording("grid", sound, *resample_frames(tracked, clip.times, times).T)
    for take in read_facegood(data):
        if take.split == "train":  # nothing was trained on them
            sound = load_audio(take.audio)
            times = FRAME_CLOCK.times(-(-len(sound.samples) // 320))
            yield Recording(
                "facegood", sound, lip_aperture(face, resample_frames(take.coefficients, take.times, times)), None
            )
    listed = [clip for clip in read_manifest(data) if clip.split == "valid"]
    for corpus in NAMES:
        own = [clip for clip in listed if clip.corpus == corpus]
        for clip in own[:: -(-len(own) // MOST)] if own else ():
            sound = load_audio(clip.path)
            mouth = read(sound)
            yield Recording(corpus, sound, lip_aperture(face, mouth), lip_width(face, mouth))


def measured(every: Sequence[Recording], hook: Hook) -> dict[str, list[tuple[float, float]]]:
    """By row of the table, mean correlation of height and of width at each of ``SHARES``."""
    face, net, decoder = load_face(), open_encoder(), open_model("decoder")
    values: dict[str, list[list[tuple[float, float]]]] = {}

    def lips(features: SpeechFeatures, emotion: str) -> Iterator[tuple[Floats, Floats]]:
        track = steady_track(emotion, float(emotion != "neutral"))
        shown, decoded = eased_emotion(features, track), decoder.motion(features, track)
        strong = emotional(*shown, Style())
        for share in SHARES:
            motion = mixed_mouth(decoded, features.mouth, strong, share)
            closed = decoder.closed(UpperFaceStream(decoder.moved).push(motion, *shown), features, strong)
            yield lip_aperture(face, closed), lip_width(face, closed)

    for one in counted(every, hook, "moving lips", len(every)):
        features = net(one.sound)
        speech = features.speech[: len(one.height)]
        if speech.sum() < LEAST:
            continue
        wanted = (one.height, one.width)
        for emotion in ("neutral", "angry")[: 1 + (one.corpus == "cremad")]:
            row = []
            for both in lips(features, emotion):
                pairs = zip(both, wanted, strict=True)
                row.append(tuple(_agreement(made, want, speech, emotion != "neutral") for made, want in pairs))
            values.setdefault(NAMES[one.corpus] if emotion == "neutral" else ANGRY, []).append(row)
    return {name: np.mean(rows, 0).tolist() for name, rows in values.items()}


def measured_in_streams(every: Sequence[Recording], hook: Hook) -> dict[str, list[tuple[float, float]]]:
    """By row of the table, the same of neutral faces of streams, without what is read and with it."""
    face, net, decoder = load_face(), open_encoder(articulates=False), open_model("decoder")
    values: dict[str, list[list[tuple[float, ...]]]] = {}
    chosen = list[Recording]()
    for corpus in NAMES:
        own = [one for one in every if one.corpus == corpus and len(one.sound.samples) < LONGEST * one.sound.rate]
        chosen += own[:: max(1, len(own) // MOST_STREAMED)]
    for one in counted(chosen, hook, "streaming lips", len(chosen)):
        speech = net(one.sound).speech[: len(one.height)]
        if speech.sum() < LEAST:
            continue
        row = []
        for read in (False, True):
            stream = FaceStream(TrackStream(steady_track("neutral", 0.0), net, LOOK_AHEAD, HOP), decoder)
            stream.read = stream.read if read else None
            parts = [alone(stream.steps(piece)) for piece in stream.pieces(one.sound.samples)]
            made = np.concatenate([part.weights for part in (*parts, alone(stream.last_steps()))])
            pairs = ((lip_aperture(face, made), one.height), (lip_width(face, made), one.width))
            row.append(tuple(_agreement(lips, wanted, speech, False) for lips, wanted in pairs))
        values.setdefault(NAMES[one.corpus], []).append(row)
    return {name: np.nanmean(rows, 0).tolist() for name, rows in values.items()}


def _agreement(made: Floats, wanted: Floats | None, speech: Floats, quick: bool) -> float:
    if wanted is None:
        return float("nan")
    curves = [part[: len(speech)] for part in (made, wanted)]
    if quick:
        curves = [curve - gaussian_filter1d(curve, QUICK) for curve in curves]
    return correlation(*(curve[speech] for curve in curves))


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with torch.no_grad(), ShownProgress("bar") as shown:
        every = list(recordings(find_data(given.data)))
        found, streamed = measured(every, shown.hook), measured_in_streams(every, shown.hook)
    shares = [f"{share}" for share in SHARES]
    half = {name: [*streamed[name], found[name][SHARES.index(0.5)]] for name in streamed}
    for mark, head, table in (
        ("mouth_share", ("share of the mouth that is read", *shares), found),
        ("streamed_mouth", ("streams", "without", "with", "recordings"), half),
    ):
        rows = [
            (name, *(", ".join(f"{x:.3f}" for x in pair if not np.isnan(x)) for pair in table[name]))
            for name in (*NAMES.values(), ANGRY)
            if name in table
        ]
        write_between_marks(PAGE, mark, markdown_table(head, rows))
        print(markdown_table(head, rows))


if __name__ == "__main__":
    main()
