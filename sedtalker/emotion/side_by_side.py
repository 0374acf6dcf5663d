"""Two diarizers on two encoders as one network, whose members' answers are averaged.

Encoders that were trained on other sound make other errors, so their mean is right more often than either: on three
corpora never trained on, the recall of the built-in diarizer is .454, that of the one on whisper-base .437, of both
.48. The network that comes out is an ordinary one: it reads both hidden vectors side by side (``EncoderPair``), and a
member's weights are zero where it did not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.checkpoint import builtin_checkpoint, read_all_arrays, read_model, weights_sha256
from sedtalker.emotion.diarizer_model import SPOKEN, DiarizerConfig, functional_layout
from sedtalker.errors import InputError

Weights = dict[str, Floats]
"""The weights of a ``DiarizerNetwork`` by their names."""
Columns = NDArray[np.int64]


def side_by_side(
    first: tuple[DiarizerConfig, Weights],
    second: tuple[DiarizerConfig, Weights],
    temperature: float,
    usual: tuple[float, ...] | None = None,
) -> tuple[DiarizerConfig, Weights]:
    """The members of two networks in one: its hyper-parameters and weights.

    Args:
        first: reads the first encoder's vectors, through a projection or as they are.
        second: reads the second encoder's vectors as they are. Its frame networks find changes if ``first`` has none.
        temperature: divides the mean log-posterior of all members.
        usual: of both, see ``DiarizerConfig``.

    Raises:
        InputError: their windows, widths, labels or steps of intensity differ, or the second one has a projection.
    """
    (a, ours), (b, theirs) = first, second
    same = ("windows", "width", "labels", "intensity_steps")
    if any(getattr(a, name) != getattr(b, name) for name in same) or b.layer_channels:
        raise InputError("these two diarizers cannot form an ensemble: their networks are built differently")
    hidden = a.hidden_channels + b.hidden_channels
    by_frames, found, before = (a, ours, 0) if a.frame_networks else (b, theirs, a.hidden_channels)
    config = a.model_copy(
        update={
            "hidden_channels": hidden,
            "layer_channels": (a.layer_channels or a.hidden_channels) + b.hidden_channels,
            "second_channels": b.hidden_channels,
            "members": a.members + b.members,
            "frame_networks": tuple(c.model_copy(update={"hidden": hidden}) for c in by_frames.frame_networks),
            "temperature": temperature,
            "usual": usual,
            "finds_no_voice": b.finds_no_voice,
            "beside": None,
        }
    )
    place = {name: column for column, name in enumerate(functional_layout(config))}
    own = np.array([place[name] for name in functional_layout(a)])
    other = np.array([place[_moved(name, a.hidden_channels)] for name in functional_layout(b)])
    weights = _projections(a, ours, b.hidden_channels)
    for name in ("mean", "scale"):  # prosody is standardised as the first does it
        weights[name] = np.empty(len(place), np.float32)
        weights[name][other] = theirs[name]
        weights[name][own] = ours[name]
    for source, columns, members, start in ((ours, own, a.members, 0), (theirs, other, b.members, a.members)):
        for k in range(members):
            _place(weights, source, columns, f"members.{k}.1", f"members.{start + k}.1")
            for part in ("4.weight", "4.bias"):
                weights[f"members.{start + k}.{part}"] = source[f"members.{k}.{part}"]
    if b.finds_no_voice:
        _place(weights, theirs, other, "no_voice", "no_voice")
    for k, network in enumerate(by_frames.frame_networks):
        prefix = f"frame_networks.{k}."
        weights |= {name: value for name, value in found.items() if name.startswith(prefix)}
        _widen(weights, prefix, network.hidden, hidden, before)
    return config, weights


def _moved(name: tuple[int, int, int], hidden: int) -> tuple[int, int, int]:
    """The place of a functional of the second network in ``functional_layout`` of both."""
    window, statistic, channel = name
    return window, statistic, channel + hidden * (statistic < 2 and channel >= SPOKEN)


def _projections(config: DiarizerConfig, source: Weights, beside: int) -> Weights:
    """The first encoder's vectors go through its projection, the second one's stay as they are."""
    hidden = config.hidden_channels
    layers = config.layer_channels or hidden
    mean = np.zeros(layers + beside, np.float32)
    projection = np.zeros((layers + beside, hidden + beside), np.float32)
    if config.layer_channels:
        mean[:layers] = source["layer_mean"]
    projection[:layers, :hidden] = source["layer_projection"] if config.layer_channels else np.eye(hidden)
    projection[layers:, hidden:] = np.eye(beside)
    return {"layer_mean": mean, "layer_projection": projection}


def _place(weights: Weights, source: Weights, columns: Columns, name: str, joined: str) -> None:
    """A layer on functionals at the columns that it reads, made for the mean and scale of the joined network."""
    read = source[f"{name}.weight"]
    wide = np.zeros((len(read), len(weights["scale"])), np.float32)
    wide[:, columns] = read * (source["scale"] / weights["scale"][columns])
    shift = (weights["mean"][columns] - source["mean"]) * source["scale"]
    weights[f"{joined}.weight"], weights[f"{joined}.bias"] = wide, source[f"{name}.bias"] + read @ shift


def _widen(weights: Weights, prefix: str, own: int, hidden: int, before: int) -> None:
    """A frame network for so many hidden channels, of which it reads its ``own``, after ``before`` others."""
    columns = np.arange(len(weights[f"{prefix}scale"]))
    columns += np.where(columns < SPOKEN, 0, np.where(columns < SPOKEN + own, before, hidden - own))
    for name, fill in (("scale", 1.0), ("read.1.weight", 0.0)):
        narrow = weights[prefix + name]
        wide = np.full((*narrow.shape[:-1], narrow.shape[-1] + hidden - own), fill, np.float32)
        wide[..., columns] = narrow
        weights[prefix + name] = wide


def beside_builtin(
    config: DiarizerConfig, weights: Mapping[str, Floats], folder: Path
) -> tuple[DiarizerConfig, Weights]:
    """The network in a checkpoint folder, with the built-in diarizer's members where it answers with them.

    Raises:
        InputError: it was made for another version of the built-in diarizer.
    """
    beside, builtin = config.beside, builtin_checkpoint("diarizer")
    if beside is None:
        return config, dict(weights)
    if beside.weights_sha256 != weights_sha256(builtin):
        raise InputError(f"{folder}: was ensembled with another version of the built-in diarizer")
    other = read_model(builtin, "diarizer", DiarizerConfig), read_all_arrays(builtin)
    return side_by_side((config, dict(weights)), other, beside.temperature, beside.usual)
