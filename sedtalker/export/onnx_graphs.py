"""The networks as ONNX graphs for engines without Python: two encoders, the diarizer, phones, and decoders in steps.

A decoder's step takes a fixed number of frames and every state as a plain input, and gives the next states as plain
outputs, so that a graph holds no loop: the scan of a Mamba block is done by doubling (Hillis and Steele 1986).
``sedtalker.export.onnx_models`` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.decoder import Decoder
from sedtalker.emotion.network import ROW, DiarizerNetwork, FrameBatch
from sedtalker.errors import InputError
from sedtalker.nn.blocks import ConditionedAttentionBlock, ConditionedMambaBlock, rotate
from sedtalker.nn.mamba import Mamba, doubled
from sedtalker.speech.emotion_encoder import EmotionEncoder
from sedtalker.speech.encoder import SpeechEncoder
from sedtalker.speech.features import MEL_BANDS, PROSODY_CHANNELS


@dataclass(frozen=True)
class Graph:
    """A network to be exported.

    Attributes:
        name: of the file, without its ending.
        network: takes and gives tensors only.
        inputs: an example of each, by name, in order.
        outputs: names, in order.
        dynamic: by name of an input, the axes whose length is free, and the name of that length with the number that it
            is a multiple of.
    """

    name: str
    network: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    dynamic: Mapping[str, Mapping[int, tuple[str, int]]]


class EncoderGraph(nn.Module):
    """Log-mels (1, 2T, 80) to hidden vectors (1, T, D); of the emotion encoder (1, T / 2, D), equal for two frames."""

    def __init__(self, network: SpeechEncoder | EmotionEncoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, mel: Tensor) -> Tensor:
        return self.network.coarse(mel) if isinstance(self.network, EmotionEncoder) else self.network(mel)


class DiarizerGraph(nn.Module):
    """Features of T frames, a multiple of ``ROW``, to log-posterior, intensity, boundary and distance of each."""

    def __init__(self, network: DiarizerNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, mel: Tensor, prosody: Tensor, speech: Tensor, valid: Tensor, hidden: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(self.network.frames(FrameBatch(mel, prosody, speech, valid, hidden)))


class PhonesGraph(nn.Module):
    """Hidden vectors (1, T, D) to posteriors of p, b, m and of f, v (1, T, 2), and of the tongue's places (1, T, 3)."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return self.decoder.lip_posteriors(hidden), self.decoder.tongue_posteriors(hidden)


class DecoderStep(nn.Module):
    """A decoder over L frames, with all that it remembers handed in and out.

    Frames come out ``Decoder.look_ahead`` later than they go in: the first of a stream and those that are pushed after
    its end to get the last ones are not valid. Frames that are not valid leave every state as it is and are attended to
    by none, so the valid ones equal one pass over the whole recording.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def states(self, batch: int = 1) -> dict[str, Tensor]:
        """The states before the first frame, by name; zeros."""
        shapes: dict[str, tuple[int, ...]] = {}
        config = self.decoder.config
        for index, block in enumerate(self.decoder.blocks):
            if isinstance(block, ConditionedMambaBlock):
                mamba = block.mamba
                shapes[f"convolution_{index}"] = (batch, mamba.d_inner, mamba.conv1d.kernel_size[0] - 1)
                shapes[f"scan_{index}"] = (batch, mamba.d_inner, mamba.d_state)
                continue
            assert isinstance(block, ConditionedAttentionBlock)
            seen, future = block.attention.radius + block.attention.future, block.attention.future
            shapes[f"attended_{index}"] = (batch, seen, 2 * config.width)
            shapes[f"valid_{index}"] = (batch, seen)
            if future:
                shapes[f"pending_{index}"] = (batch, future, config.width + config.condition)
        return {name: torch.zeros(shape) for name, shape in shapes.items()}

    def forward(
        self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor, valid: Tensor, *states: Tensor
    ) -> tuple[Tensor, ...]:
        """Speech (B, L, C), posterior (B, L, 7), intensity (B, L), style (B, S), valid (B, L), and the states."""
        given, kept = iter(states), []
        x, condition = self.decoder.speech(speech), self.decoder.conditioning(posterior, intensity, style)
        for block in self.decoder.blocks:
            if isinstance(block, ConditionedMambaBlock):
                y, gate = block.norm(x, condition)
                y, *after = mamba_step(block.mamba, y, valid, next(given), next(given))
                x = x + gate * y
            else:
                assert isinstance(block, ConditionedAttentionBlock)
                before = [next(given) for _ in range(3 if block.attention.future else 2)]
                x, condition, valid, *after = attention_step(block, x, condition, valid, before)
            kept.extend(after)
        return self.decoder.read_out(x, condition), *kept


def mamba_step(block: Mamba, x: Tensor, valid: Tensor, past: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Frames (B, L, D) through a Mamba block from what it remembers; frames that are not valid change nothing."""
    u, z = block.in_proj(x).transpose(1, 2).chunk(2, dim=1)
    u = u * valid[:, None]
    joined = torch.cat([past, u], dim=-1)
    u = F.silu(F.conv1d(joined, block.conv1d.weight, block.conv1d.bias, groups=block.d_inner))
    # a convolution that has seen no frame yet holds zeros, however many frames have passed that are not valid
    delta, b, c = block._gates(u.transpose(1, 2))
    delta = (delta * valid[..., None]).permute(1, 0, 2)[..., None]  # L, B, E, 1
    decay = torch.exp(delta * -torch.exp(block.A_log))
    drive = delta * u.permute(2, 0, 1)[..., None] * b.permute(1, 0, 2)[:, :, None]
    drive = torch.cat([drive[:1] + decay[:1] * state[None], drive[1:]])
    states = doubled(decay, drive)
    y = (states * c.permute(1, 0, 2)[:, :, None]).sum(-1).permute(1, 2, 0)
    made = block.out_proj(((y + block.D[:, None] * u) * F.silu(z)).transpose(1, 2))
    return made, joined[..., -past.shape[-1] :], states[-1]


def attention_step(
    block: ConditionedAttentionBlock, x: Tensor, condition: Tensor, valid: Tensor, states: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Frames (B, L, D) through an attention block: those that came ``future`` frames ago are final.

    Returns:
        Frames, conditions and whether they are valid, of the frames that are final; then the next states.
    """
    attention, length = block.attention, x.shape[1]
    radius, future, heads, width = attention.radius, attention.future, attention.heads, x.shape[2]
    weight, bias = attention.qkv.weight, attention.qkv.bias
    y, _ = block.norm(x, condition)
    attended = torch.cat([states[0], F.linear(y, weight[width:], bias[width:])], 1)
    known = torch.cat([states[1], valid], 1)
    kept = [attended[:, length:], known[:, length:]]
    if future:
        pending = torch.cat([states[2], torch.cat([x, condition], -1)], 1)
        kept.append(pending[:, length:])
        x, condition = pending[:, :length].split([width, condition.shape[-1]], -1)
    y, gate = block.norm(x, condition)
    total, first = radius + future + length, radius

    def by_head(values: Tensor) -> Tensor:
        return values.unflatten(-1, (heads, -1)).transpose(1, 2)

    q = rotate(by_head(F.linear(y, weight[:width], bias[:width])), slice(first, first + length), total)
    k = rotate(by_head(attended[..., :width]), slice(0, total), total)
    scores = q @ k.transpose(-1, -2) * (width // heads) ** -0.5
    query, key = torch.arange(length)[:, None] + first, torch.arange(total)[None]
    near = ((query - key <= radius) & (key - query <= future)).float()
    own = (query == key).float()
    seen = torch.maximum(near * known[:, None], own)[:, None]
    share = torch.softmax(scores + (seen - 1.0) * 1e9, -1)
    made = (share @ by_head(attended[..., width:])).transpose(1, 2).flatten(2)
    x = x + gate * attention.out(made)
    y, gate = block.mlp_norm(x, condition)
    return x + gate * block.mlp(y), condition, known[:, first : first + length], *kept


# --- Which graphs there are.


def encoder_graph(name: str, network: SpeechEncoder | EmotionEncoder) -> Graph:
    """An encoder over log-mels of any length that is a multiple of four frames of 10 ms."""
    axes = {"mel": {1: ("mel_frames", 4)}}
    return Graph(name, EncoderGraph(network), {"mel": torch.randn(1, 400, MEL_BANDS)}, ["hidden"], axes)


def diarizer_graph(name: str, network: DiarizerNetwork) -> Graph:
    """A diarizer over any number of frames that is a multiple of ``ROW``."""
    count = 40 * ROW
    inputs = {
        "mel": torch.randn(1, count, MEL_BANDS),
        "prosody": torch.randn(1, count, len(PROSODY_CHANNELS)),
        "speech": torch.ones(1, count, dtype=torch.bool),
        "valid": torch.ones(1, count, dtype=torch.bool),
        "hidden": torch.randn(1, count, network.encoder_channels),
    }
    axes = {key: {1: ("frames", ROW)} for key in inputs}
    return Graph(name, DiarizerGraph(network), inputs, ["log_posterior", "intensity", "boundary", "distance"], axes)


def phones_graph(name: str, decoder: Decoder) -> Graph:
    """The phone head that a decoder holds."""
    inputs = {"hidden": torch.randn(1, 50, decoder.config.hidden)}
    return Graph(name, PhonesGraph(decoder), inputs, ["lips", "tongue"], {"hidden": {1: ("frames", 1)}})


def decoder_graph(name: str, decoder: Decoder, frames: int) -> Graph:
    """A step of a decoder over so many frames.

    Raises:
        InputError: the decoder needs whole recordings.
    """
    if not decoder.streams:
        raise InputError("this decoder needs the whole recording: it has no steps")
    step, config = DecoderStep(decoder), decoder.config
    states = step.states()
    inputs = {
        "speech": torch.randn(1, frames, config.hidden + len(PROSODY_CHANNELS)),
        "posterior": torch.rand(1, frames, 7).softmax(-1),
        "intensity": torch.rand(1, frames),
        "style": torch.zeros(1, len(config.styles)),
        "valid": torch.ones(1, frames),
    } | states
    return Graph(name, step, inputs, ["coefficients", *(f"next_{key}" for key in states)], {})
