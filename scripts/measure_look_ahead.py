"""What look-ahead does to the lips: the streaming decoder on the tracked talker's test sentences, by how long it waits.

    python scripts/measure_look_ahead.py --data DIR [--every 1] [--page docs/streaming.md]

Each sentence is streamed after two others of the talker, as in a session that is going on. Writes the table between the
marks of the page, or prints it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from measured_page import write_between_marks
from numpy.typing import NDArray

from sedtalker.animation.decoder import Decoder
from sedtalker.animation.pretrained import load_decoder
from sedtalker.animation.stream import FaceStream
from sedtalker.audio import load_audio
from sedtalker.checkpoint import builtin_checkpoint
from sedtalker.emotion.face_streams import TrackStream
from sedtalker.emotion.stream import FRAME_LENGTH
from sedtalker.face.builtin import load_face
from sedtalker.nn.calls import together
from sedtalker.speech.encoder import MelEncoder
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.lips import (
    TrackedSentence,
    encode_test_sentences,
    lip_metrics,
    steady_track,
    with_tracking,
)
from sedtalker.training.motion.spoken_motion import measure_lips
from sedtalker.training.run import cache_folder

Floats = NDArray[np.float32]

WAITS = (
    (0.0, 0.08),
    (0.04, 0.08),
    (0.08, 0.08),
    (0.12, 0.08),
    (0.16, 0.04),
    (0.16, 0.08),
    (0.2, 0.08),
    (0.3, 0.16),
    (0.5, 0.16),
)
"""Look-ahead and hop, seconds."""
COLUMNS = ("lip_r", "lip_width_r", "lip_gain", "closure_rate", "false_closure_rate")
"""Keys of ``lip_metrics`` in the table, as recorded."""


class Corpus(NamedTuple):
    """Test sentences as they were recorded and synchronised, their sound, and what is streamed before them."""

    recorded: list[TrackedSentence]
    synchronised: list[TrackedSentence]
    sounds: list[Floats]
    before: Floats


def streamed(corpus: Corpus, encoder: MelEncoder, decoder: Decoder, look_ahead: float, hop: float) -> list[Floats]:
    """Coefficients (T, 52) of each sentence, all sentences streamed side by side."""
    track = steady_track("neutral", 0.0)
    faces = [FaceStream(TrackStream(track, encoder, look_ahead, hop), decoder) for _ in corpus.sounds]
    sounds = [np.concatenate([corpus.before, sound]) for sound in corpus.sounds]
    made: list[list[Floats]] = [[] for _ in sounds]
    step = round(hop * 50) * FRAME_LENGTH
    for start in range(0, max(map(len, sounds)), step):
        going = [k for k, sound in enumerate(sounds) if start < len(sound)]
        moved = together([faces[k].steps(sounds[k][start : start + step]) for k in going])
        for k, motion in zip(going, moved, strict=True):
            made[k].append(motion.weights)
    for k, motion in enumerate(together([face.last_steps() for face in faces])):
        made[k].append(motion.weights)
    first = len(corpus.before) // FRAME_LENGTH
    return [np.concatenate(parts)[first:][: len(h.features)] for parts, h in zip(made, corpus.recorded, strict=True)]


def read_corpus(data: Path, encoder: MelEncoder, every: int) -> Corpus:
    """Every so many test sentences."""
    clips, measure = read_grid(data), measure_lips(load_face())
    recorded = encode_test_sentences(encoder, [c.as_recorded() for c in clips], measure, cache_folder())[::every]
    synchronised = with_tracking(recorded, clips, measure)
    before = np.concatenate([load_audio(c.audio).samples for c in [c for c in clips if c.split == "train"][:2]])
    whole = len(before) // (8 * FRAME_LENGTH) * 8 * FRAME_LENGTH
    return Corpus(recorded, synchronised, [load_audio(h.clip.audio).samples for h in recorded], before[:whole])


def table(corpus: Corpus, encoder: MelEncoder, decoder: Decoder) -> str:
    """A row for each wait and one for the whole recording, in Markdown."""
    face = load_face()
    measure = measure_lips(face)

    def row(name: Sequence[str], predicted: list[Floats]) -> str:
        found = lip_metrics(face, measure, corpus.recorded, predicted)
        follow = lip_metrics(face, measure, corpus.synchronised, predicted)["lip_r"]
        values = [f"{found[column]:.3f}" for column in COLUMNS]
        line = "| " + " | ".join([*name, values[0], f"{follow:.3f}", *values[1:]]) + " |\n"
        print(line, end="", flush=True)
        return line

    lines = (
        f"{len(corpus.recorded)} test sentences of the tracked talker; written by `scripts/measure_look_ahead.py`.\n\n"
        "| look-ahead | hop | a frame waits | `lip_r` | synchronised | `lip_width_r` | gain | closures | false |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    for look_ahead, hop in WAITS:
        name = f"{look_ahead:.2f} s", f"{hop:.2f} s", f"{look_ahead:.2f} to {look_ahead + hop:.2f} s"
        lines += row(name, streamed(corpus, encoder, decoder, look_ahead, hop))
    neutral = steady_track("neutral", 0.0)
    return lines + row(("all", "", ""), [decoder.predict(h.features, neutral) for h in corpus.recorded])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    encoder, decoder = MelEncoder.open(), load_decoder(builtin_checkpoint("decoder_streaming"))
    assert isinstance(decoder, Decoder)
    made = table(read_corpus(arguments.data, encoder, arguments.every), encoder, decoder)
    if arguments.page is not None:
        write_between_marks(arguments.page, "look-ahead", made)


if __name__ == "__main__":
    main()
