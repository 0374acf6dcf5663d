"""Two diarizers on two encoders as one network, whose members' answers are averaged.

Encoders that were trained on other sound make other errors, so their mean is right more often than either: on three
corpora never trained on, the recall of the built-in diarizer is .454, that of the one on whisper-base .437, of both
.48. The network that comes out is an ordinary one: it reads both hidden vectors side by side (``EncoderPair``), and a
member's weights are zero where it did not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.emotion.diarizer_model import SPOKEN, functional_layout
from sedtalker.emotion.frame_network import FrameNetwork
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model


@torch.no_grad()
def side_by_side(
    first: DiarizerNetwork, second: DiarizerNetwork, temperature: float, usual: tuple[float, ...] | None = None
) -> DiarizerNetwork:
    """The members of two networks in one, ready for inference.

    Args:
        first: reads the first encoder's vectors, through a projection or as they are.
        second: reads the second encoder's vectors as they are. Its frame networks find changes if ``first`` has none.
        temperature: divides the mean log-posterior of all members.
        usual: of both, see ``DiarizerConfig``.

    Raises:
        InputError: their windows, widths, labels or steps of intensity differ, or the second one has a projection.
    """
    a, b = first.config, second.config
    same = ("windows", "width", "labels", "intensity_steps")
    if any(getattr(a, name) != getattr(b, name) for name in same) or b.layer_channels:
        raise InputError("these two diarizers cannot form an ensemble: their networks are built differently")
    hidden, by_frames = a.hidden_channels + b.hidden_channels, first if first.frame_networks else second
    before = 0 if by_frames is first else a.hidden_channels
    found = [_wider(cast(FrameNetwork, network), hidden, before) for network in by_frames.frame_networks]
    joined = a.model_copy(
        update={
            "hidden_channels": hidden,
            "layer_channels": (a.layer_channels or a.hidden_channels) + b.hidden_channels,
            "second_channels": b.hidden_channels,
            "members": a.members + b.members,
            "frame_networks": tuple(network.config for network in found),
            "temperature": temperature,
            "usual": usual,
            "finds_no_voice": b.finds_no_voice,
            "beside": None,
        }
    )
    network = DiarizerNetwork(joined)
    _join_projections(network, first, b.hidden_channels)
    place = {name: column for column, name in enumerate(functional_layout(joined))}
    own = torch.tensor([place[name] for name in functional_layout(a)])
    other = torch.tensor([place[_moved(name, a.hidden_channels)] for name in functional_layout(b)])
    for name in ("mean", "scale"):  # prosody is standardised as the first does it
        getattr(network, name)[other] = getattr(second, name)
        getattr(network, name)[own] = getattr(first, name)
    for k, member in enumerate(network.members):
        source, columns = (first, own) if k < a.members else (second, other)
        _copy_member(network, member, source, source.members[k if k < a.members else k - a.members], columns)
    if network.no_voice is not None and second.no_voice is not None:
        _copy_linear(network, network.no_voice, second, second.no_voice, other)
    network.frame_networks = nn.ModuleList(found)
    return network.eval().requires_grad_(False)


def _moved(name: tuple[int, int, int], hidden: int) -> tuple[int, int, int]:
    """The place of a functional of the second network in ``functional_layout`` of both."""
    window, statistic, channel = name
    return window, statistic, channel + hidden * (statistic < 2 and channel >= SPOKEN)


def _join_projections(network: DiarizerNetwork, first: DiarizerNetwork, beside: int) -> None:
    """The first encoder's vectors go through its projection, the second one's stay as they are."""
    hidden = first.config.hidden_channels
    layers = first.config.layer_channels or hidden
    if first.config.layer_channels:
        network.layer_mean[:layers] = first.layer_mean
        network.layer_projection[:layers, :hidden] = first.layer_projection
    else:
        network.layer_projection[:layers, :hidden] = torch.eye(hidden)
    network.layer_projection[layers:, hidden:] = torch.eye(beside)


def _wider(source: FrameNetwork, hidden: int, before: int) -> FrameNetwork:
    """The same frame network for so many hidden channels, of which it reads its own, after ``before`` others."""
    network = FrameNetwork(source.config.model_copy(update={"hidden": hidden}))
    own = torch.arange(len(source.scale))
    columns = torch.where(own < SPOKEN, own, own + before)
    columns = torch.where(own < SPOKEN + source.config.hidden, columns, own + hidden - source.config.hidden)
    state = source.state_dict()
    for name, fill in (("scale", 1.0), ("read.1.weight", 0.0)):
        wide = torch.full_like(network.state_dict()[name], fill)
        wide[..., columns] = state[name]
        state[name] = wide
    network.load_state_dict(state)
    return network


def _copy_member(
    network: DiarizerNetwork, member: nn.Module, source: DiarizerNetwork, original: nn.Module, columns: Tensor
) -> None:
    """One member's weights at the columns that it reads, made for the mean and scale of the joined network."""
    member.load_state_dict({k: v for k, v in original.state_dict().items() if not k.startswith("1.")}, strict=False)
    first, read = cast(nn.Linear, cast(nn.Sequential, member)[1]), cast(nn.Linear, cast(nn.Sequential, original)[1])
    _copy_linear(network, first, source, read, columns)


def _copy_linear(
    network: DiarizerNetwork, first: nn.Linear, source: DiarizerNetwork, read: nn.Linear, columns: Tensor
) -> None:
    """A layer on functionals at the columns that it reads, made for the mean and scale of the joined network."""
    ratio = source.scale / network.scale[columns]
    shift = (network.mean[columns] - source.mean) * source.scale
    first.weight.zero_()
    first.weight[:, columns] = read.weight * ratio
    first.bias.copy_(read.bias + read.weight @ shift)


def with_beside(network: DiarizerNetwork, folder: Path) -> DiarizerNetwork:
    """The network in a checkpoint folder, with the built-in diarizer's members where it answers with them.

    Raises:
        InputError: it was another version of the built-in diarizer.
    """
    beside = network.config.beside
    if beside is None:
        return network
    if beside.weights_sha256 != weights_sha256(builtin_checkpoint("diarizer")):
        raise InputError(f"{folder}: was ensembled with another version of the built-in diarizer")
    return side_by_side(network, open_model("diarizer", in_torch=True), beside.temperature, beside.usual)
