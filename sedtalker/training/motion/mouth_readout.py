"""Fitting a ``MouthReadout``: ridge regression from layers of Whisper-base to one tracked talker's mouth.

Closed form, some minutes of one core; the information is linear, and a deeper readout was no better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sedtalker.animation.mouth_readout import READ_LAYERS, MouthReadout, MouthReadoutConfig, mouth_indices
from sedtalker.audio import load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.face.builtin import load_face
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.speech.whisper import WhisperEncoder, layer_frames
from sedtalker.training.cards import readout_decoder_card
from sedtalker.training.corpora.layer_features import open_whisper
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_grid
from sedtalker.training.motion.alignment import Utterance, align_corpus
from sedtalker.training.motion.spoken_motion import measure_lips, rest_pose, speak, talking

RIDGE = 0.01
"""Penalty of squared weights, per training frame."""
COMPONENTS_EVERY = 8
"""One in so many training clips is used to find the principal components."""
TRAINED_ON = ["GRID talker s1, tracked (CC BY 4.0)", "reads layers of Whisper-base (MIT, not contained here)"]
"""For the checkpoint's config, after what the built-in decoder was trained on."""

Pair = tuple[Tensor, Tensor]
"""Layers (T, L · D) of a recording and its tracked mouth (T, S)."""


def tracked_mouths(data: Path, cache: Path, hook: Hook = no_progress) -> list[tuple[TrackedClip, NDArray[np.float32]]]:
    """Training clips of GRID and what a readout has to predict of each, (T, S) of ``MOUTH_SHAPES`` at 50 Hz."""
    clips = read_grid(data)
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips], cache, hook=hook)
    kept = [c for c in clips if c.split == "train"]
    rest, lip_measure = rest_pose(kept), measure_lips(load_face())
    made = []
    for clip in kept:
        frames = -(-len(load_audio(clip.audio).samples) // 320)
        spoken = speak(clip, spans[clip.name], rest, lip_measure, FRAME_CLOCK.times(frames))
        made.append((clip, talking(spoken)[:, mouth_indices()]))
    return made


def find_components(readout: MouthReadout, layers: Sequence[Tensor]) -> None:
    """Set mean and projection of a readout to those of recordings' layers (T, L · D), in half precision."""
    config = readout.config
    every = torch.cat(list(layers)).unflatten(-1, (config.layers, -1))
    for number in range(config.layers):
        mean = every[:, number].mean(0).half().float()
        _, _, directions = torch.linalg.svd(every[:, number] - mean, full_matrices=False)
        readout.mean[number].copy_(mean)
        readout.projection[number].copy_(directions[: config.width].T.half().float())


def ridge_weights(pairs: Iterable[Pair], step: int, reach: int, penalty: float = RIDGE) -> Tensor:
    """(C · taps + 1, K) of a convolution by ridge regression over all frames; the last row is the bias.

    Args:
        pairs: recordings: projected layers (T, C) and what is read of them (T, K).
        step: frames between two taps.
        reach: taps on either side of a frame; ends are held.
        penalty: of squared weights, per frame; the bias has none.
    """
    square, product, count = torch.zeros(1), torch.zeros(1), 0
    for layers, targets in pairs:
        padded = F.pad(layers.T[None], (step * reach, step * reach), mode="replicate")
        windows = padded.unfold(2, 2 * step * reach + 1, 1)[0, :, :, ::step]  # (C, T, taps)
        rows = torch.cat([windows.permute(1, 0, 2).flatten(1), torch.ones(len(targets), 1)], 1)
        square = square + rows.T @ rows
        product = product + rows.T @ targets
        count += len(targets)
    punished = torch.ones(len(square), dtype=torch.float64)
    punished[-1] = 0.0
    return torch.linalg.solve(square.double() + torch.diag(penalty * count * punished), product.double()).float()


def fit_ridge(readout: MouthReadout, pairs: Iterator[Pair], penalty: float = RIDGE) -> None:
    """Set a readout's convolution by ridge regression; its projection is there already.

    Args:
        readout: is changed.
        pairs: recordings: layers (T, L · D) and the mouth (T, S).
        penalty: see ``ridge_weights``.
    """
    config = readout.config
    projected = ((readout.project(layers[None])[0], mouth) for layers, mouth in pairs)
    weights = ridge_weights(projected, config.step, config.reach, penalty)
    state = {"read.weight": weights[:-1].T.unflatten(1, (-1, 2 * config.reach + 1)), "read.bias": weights[-1]}
    readout.load_state_dict(readout.state_dict() | state)


def fit_mouth_readout(
    data: Path, cache: Path, folder: Path, source: str | None = None, hook: Hook = no_progress
) -> None:
    """Fit a readout on GRID's training sentences and write it as the checkpoint folder of a ``ReadoutDecoder``.

    Args:
        data: the training data.
        cache: phone alignments.
        folder: where to write it.
        source: Whisper-base: a folder, a name on the hub, an ``.npz`` of its blocks; None: see ``open_whisper``.
        hook: progress.
    """
    encoder = open_whisper(data, source, READ_LAYERS)
    base = builtin_checkpoint("decoder")
    config = MouthReadoutConfig(decoder_sha256=weights_sha256(base))
    readout = MouthReadout(config)
    clips = tracked_mouths(data, cache, hook)
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


def _layers(encoder: WhisperEncoder, clip: TrackedClip) -> Tensor:
    return layer_frames(encoder.model, torch.from_numpy(load_audio(clip.audio).samples), encoder.layers)


def _pairs(
    encoder: WhisperEncoder, clips: Sequence[tuple[TrackedClip, NDArray[np.float32]]], hook: Hook
) -> Iterator[Pair]:
    for clip, mouth in counted(clips, hook, "reading the layers", len(clips)):
        yield _layers(encoder, clip), torch.from_numpy(mouth)
