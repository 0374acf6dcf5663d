"""The heads that the emotion encoder was fine-tuned with, as members of a diarizer.

A head has seen every clip changed in ever new ways while the encoder learned; the perceptrons that are trained
afterwards, on windows of a few copies, know the speaker's usual speech. On corpora never trained on the two err
differently, and their mean is better than either.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import nn

from sedtalker.errors import InputError
from sedtalker.training.tasks.whitened_perceptrons import WhitenedPerceptrons, Whitening

HEAD = "head.safetensors"
"""The head beside the weights of an exported encoder; ``experiment=transfer_diarizer`` takes it up."""


class FoldedHead(NamedTuple):
    """A perceptron on the mean and deviation (2D,) of hidden vectors, its normalisation folded into the first layer.

    Attributes:
        first: (H, 2D), followed by GELU.
        first_bias: (H,).
        last: (C, H), which gives logits.
        last_bias: (C,).
    """

    first: NDArray[np.float32]
    first_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    last_bias: NDArray[np.float32]


def read_head(folder: Path) -> FoldedHead:
    """The head of an export of ``experiment=fine_tuned_encoder``."""
    try:
        arrays = load_file(folder / HEAD)
        return FoldedHead(**arrays)
    except (OSError, SafetensorError, TypeError):
        raise InputError(f"{folder}: no {HEAD} there, which experiment=fine_tuned_encoder exports") from None


@torch.no_grad()
def take_up_heads(perceptrons: WhitenedPerceptrons, heads: Sequence[FoldedHead], whitening: Whitening) -> None:
    """Heads of fine-tuned encoders take the place of the last members for the category, and are not trained.

    Args:
        perceptrons: changed in place.
        heads: of means and deviations of hidden vectors as they are; see ``fine_tuned_encoder``.
        whitening: of those (``Scaling.now``), which is undone in the heads' first layers.

    Raises:
        InputError: there are more heads than members, or they have another width.
    """
    back = np.linalg.inv(whitening.matrix)
    if len(heads) > len(perceptrons.members):
        raise InputError(f"task.heads: {len(heads)} heads do not fit into {len(perceptrons.members)} members")
    for member, head in zip(reversed(perceptrons.members), heads, strict=False):
        first, last = cast(nn.Linear, cast(nn.Sequential, member)[1]), cast(nn.Linear, cast(nn.Sequential, member)[4])
        if head.first.shape != (len(first.weight), len(back)):
            raise InputError(
                f"task.heads: {head.first.shape[0]} units on {head.first.shape[1]} values do not fit; "
                f"{len(first.weight)} on {len(back)} are needed (task.model.width less task.intensity_width)"
            )
        first.weight.zero_()
        first.weight[:, : len(back)] = torch.from_numpy(head.first @ back.T).float()
        first.bias.copy_(torch.from_numpy(head.first_bias + head.first @ whitening.mean))
        last.weight.copy_(torch.from_numpy(head.last))
        last.bias.copy_(torch.from_numpy(head.last_bias))
        member.requires_grad_(False)
