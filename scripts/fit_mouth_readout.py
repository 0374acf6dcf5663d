"""Fit the readout of Whisper-base's layers that stands beside the built-in decoder, some minutes of one core.

python scripts/fit_mouth_readout.py --data DIR -o checkpoints/decoder_whisper_base
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sedtalker.animation.decoder_network import MouthReadout
from sedtalker.animation.mouth_readout import CHUNK_FRAMES, READ_LAYERS, MouthReadoutConfig
from sedtalker.arrays import Floats
from sedtalker.audio import Audio, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.cli.console import ShownProgress, messages_shown
from sedtalker.face.arkit import TALKING_INDEX
from sedtalker.face.builtin import load_face
from sedtalker.nn.engine import frame_logits, open_model
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.speech.whisper import WhisperEncoder
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.layer_features import open_whisper
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_grid
from sedtalker.training.motion.alignment import Utterance, align_corpus
from sedtalker.training.motion.pseudo_labels import RIDGE, Pair, ridge_convolution
from sedtalker.training.motion.spoken_motion import measure_lips, rest_pose, speak, spoken_mouth
from sedtalker.training.run import cache_folder

COMPONENTS_EVERY = 8
"""One in so many training clips is used to find the principal components."""
TRAINED_ON = ["GRID talker s1, tracked (CC BY 4.0)", "reads layers of Whisper-base (MIT, not contained here)"]
"""For the checkpoint's config, after what the built-in decoder was trained on."""


def tracked_mouths(
    data: Path, cache: Path, splits: Sequence[str] = ("train",), hook: Hook = no_progress
) -> list[tuple[TrackedClip, NDArray[np.float32]]]:
    """Clips of GRID and what a readout has to predict of each, (T, S) of ``TALKING_SHAPES`` at 50 Hz."""
    clips = read_grid(data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache, hook=hook)
    rest, lip_measure = rest_pose([c for c in clips if c.split == "train"]), measure_lips(load_face())
    made = []
    for clip in (c for c in clips if c.split in splits):
        frames = -(-len(load_audio(clip.audio).samples) // 320)
        spoken = speak(clip, spans[clip.name], rest, lip_measure, FRAME_CLOCK.times(frames))
        made.append((clip, spoken_mouth(spoken)[:, TALKING_INDEX]))
    return made


def whisper_mouths(data: Path) -> Callable[[Audio], Floats]:
    """What the built-in readout of Whisper-base says of recordings, (T, 52) at 50 Hz."""
    whisper = open_whisper(data, None, READ_LAYERS)
    readout = open_model("decoder_whisper_base", "readout_decoder").readout

    def read(sound: Audio) -> Floats:
        return frame_logits(readout, whisper.frames(sound.samples), CHUNK_FRAMES)

    return read


def find_components(readout: MouthReadout, layers: Sequence[Tensor]) -> None:
    """Set mean and projection of a readout to those of recordings' layers (T, L · D), in half precision."""
    config = readout.config
    every = torch.cat(list(layers)).unflatten(-1, (config.layers, -1))
    for number in range(config.layers):
        mean = every[:, number].mean(0).half().float()
        _, _, directions = torch.linalg.svd(every[:, number] - mean, full_matrices=False)
        readout.mean[number].copy_(mean)
        readout.projection[number].copy_(directions[: config.width].T.half().float())


def fit_ridge(readout: MouthReadout, pairs: Iterator[Pair], penalty: float = RIDGE) -> None:
    """Set a readout's convolution by ridge regression; its projection is there already.

    Args:
        readout: is changed.
        pairs: recordings: layers (T, L · D) and the mouth (T, S).
        penalty: see ``ridge_convolution``.
    """
    config = readout.config
    projected = ((readout.project(layers[None])[0], mouth) for layers, mouth in pairs)
    weight, bias = ridge_convolution(projected, config.step, config.reach, penalty)
    state = {"read.weight": weight, "read.bias": bias}
    readout.load_state_dict(readout.state_dict() | state)


def fit_mouth_readout(
    data: Path, cache: Path, folder: Path, source: str | None = None, hook: Hook = no_progress
) -> None:
    """Fit a readout on GRID's training sentences and write it as the checkpoint folder of a ``ReadoutDecoder``.

    Args:
        source: Whisper-base: a folder, a name on the hub, an ``.npz`` of its blocks; None: see ``open_whisper``.
    """
    encoder = open_whisper(data, source, READ_LAYERS)
    base = builtin_checkpoint("decoder")
    config = MouthReadoutConfig(decoder_sha256=weights_sha256(base))
    readout = MouthReadout(config)
    clips = tracked_mouths(data, cache, hook=hook)
    some = clips[::COMPONENTS_EVERY]
    step = "finding the components"
    find_components(readout, [_layers(encoder, clip) for clip, _ in counted(some, hook, step, len(some))])
    with torch.no_grad():
        fit_ridge(readout, _pairs(encoder, clips, hook))
    described = CheckpointConfig(
        kind="readout_decoder",
        licence="CC-BY-4.0",
        trained_on=TRAINED_ON,
        encoder_sha256=encoder.sha256(),
        model=config.model_dump(mode="json"),
    )
    write_checkpoint(folder, described, readout.state_dict(), readout_decoder_card(config))


def readout_decoder_card(config: MouthReadoutConfig, held_out: str = "") -> str:
    """The card of a decoder with a readout beside it; ``held_out``: see ``decoder_card``."""
    return fill_card(
        "readout_decoder",
        share=config.share,
        layers=" and ".join(map(str, config.backbone.side_by_side or ())),
        width=config.width,
        reach=config.reach * config.step / FRAME_CLOCK.rate,
        metrics=held_out,
    )


def _layers(encoder: WhisperEncoder, clip: TrackedClip) -> Tensor:
    return torch.from_numpy(encoder.frames(load_audio(clip.audio).samples))


def _pairs(
    encoder: WhisperEncoder, clips: Sequence[tuple[TrackedClip, NDArray[np.float32]]], hook: Hook
) -> Iterator[Pair]:
    for clip, mouth in counted(clips, hook, "reading the layers", len(clips)):
        yield _layers(encoder, clip), torch.from_numpy(mouth)


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--whisper", help="folder of openai/whisper-base [the data's blocks, or the hub]")
    parser.add_argument("--output", "-o", type=Path, required=True)
    arguments = parser.parse_args()
    with messages_shown(), ShownProgress() as shown:
        fit_mouth_readout(find_data(arguments.data), cache_folder(), arguments.output, arguments.whisper, shown.hook)
    print(arguments.output)


if __name__ == "__main__":
    main()
