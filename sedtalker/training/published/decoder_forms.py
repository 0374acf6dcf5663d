"""Other forms of the decoder, to compare with: two published ones, and one conditioned by a constant emotion.

They have the inputs, outputs and conditioning of ``Decoder``, so that only the form differs. None of them streams.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.conditioning import Conditioning
from sedtalker.animation.decoder import Decoder, DecoderConfig, ShapeDecoder
from sedtalker.animation.pretrained import AnyDecoder, load_decoder
from sedtalker.checkpoint import read_checkpoint, read_config
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.features import PROSODY_CHANNELS

WINDOW = 16
"""Frames of speech that a window decoder sees."""
PERIOD = 25
"""Frames after which the positions of the autoregressive decoder repeat."""
LAYERS = 3
"""Transformer layers of the autoregressive decoder."""
TRUE_FRAMES = 0.5
"""Share of the past that is the truth in the second pass of training; the rest is what the first pass made."""


class DecoderFormConfig(DecoderConfig):
    """``DecoderConfig`` of a decoder of any form."""

    architecture: Literal["hybrid", "window", "autoregressive"] = "hybrid"
    """hybrid: ``Decoder``; the others are published forms."""
    constant_emotion: bool = False
    """Condition every frame by the mean emotion of its recording."""

    def product_config(self) -> DecoderConfig | None:
        """The config of a decoder that the product runs, or None where the form is only for comparison."""
        if self.architecture != "hybrid" or self.constant_emotion:
            return None
        return DecoderConfig.model_validate(self.model_dump(exclude={"architecture", "constant_emotion"}))


class ConstantConditioning(Conditioning):
    """Conditioning by the mean emotion of a recording, as talking faces with one label a clip have it."""

    def forward(self, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """As ``Conditioning.forward``."""
        emotion = ((posterior @ self.categories) * intensity[..., None]).mean(1, keepdim=True)
        joined = emotion.expand(-1, intensity.shape[1], -1) + self.style(style)[:, None]
        return joined + F.silu(self.mix(joined))


class ConstantEmotionDecoder(Decoder):
    """The decoder, conditioned by a constant emotion."""

    def __init__(self, config: DecoderFormConfig):
        super().__init__(config)
        self.conditioning = ConstantConditioning(config.condition, len(config.styles))

    @property
    def streams(self) -> bool:
        """False: the mean emotion is known at the end."""
        return False


class WindowDecoder(ShapeDecoder):
    """Each frame on its own from the 16 frames of speech around it (the form of VOCA, Cudeiro et al. 2019).

    Four layers that halve the window are computed for all frames at once, as dilated convolutions.
    """

    def __init__(self, config: DecoderFormConfig):
        super().__init__()
        self.config, width = config, config.width
        self.conditioning = _conditioning(config)
        self.speech = nn.Linear(config.hidden + len(PROSODY_CHANNELS) + config.condition, width)
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=2**i) for i in range(4))
        self.hidden = nn.Linear(width + config.condition, config.width // 2)
        self.coefficients = nn.Linear(config.width // 2, len(ARKIT_52))

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """As ``Decoder.forward``."""
        condition = self.conditioning(posterior, intensity, style)
        x = self.speech(torch.cat([speech, condition], -1))
        x = F.pad(x.transpose(1, 2), (WINDOW // 2, WINDOW // 2 - 1))
        for layer in self.layers:
            x = F.gelu(layer(x))
        x = torch.cat([x.transpose(1, 2), condition], -1)
        return self.coefficients(torch.tanh(self.hidden(x)))


def _conditioning(config: DecoderFormConfig) -> Conditioning:
    kind = ConstantConditioning if config.constant_emotion else Conditioning
    return kind(config.condition, len(config.styles))


def _periodic_positions(length: int, width: int, device: torch.device) -> Tensor:
    """(L, D) sines and cosines of the place within a period of 25 frames (FaceFormer)."""
    place = (torch.arange(length, device=device) % PERIOD)[:, None].float()
    rate = torch.exp(torch.arange(0, width, 2, device=device) * (-9.21 / width))
    return torch.stack([torch.sin(place * rate), torch.cos(place * rate)], -1).flatten(1)


def _past_bias(length: int, heads: int, device: torch.device) -> Tensor:
    """(H, L, L) attention bias: nothing from the future, less from the far past in steps of a period."""
    at = torch.arange(length, device=device)
    distance = torch.div(at[:, None] - at[None], PERIOD, rounding_mode="floor").float()
    slope = 2.0 ** (-8.0 * (torch.arange(heads, device=device) + 1) / heads)
    bias = -slope[:, None, None] * distance.clamp_min(0.0)
    return bias.masked_fill(at[None, :, None] < at[None, None], -torch.inf)


class AutoregressiveDecoder(ShapeDecoder):
    """Frame after frame from its own past and the speech of the frame (the form of FaceFormer, Fan et al. 2022).

    Training runs twice over a crop: once with the true past, once with a past half of which the first run made
    (scheduled sampling for transformers, Mihaylova and Martins 2019).
    """

    def __init__(self, config: DecoderFormConfig):
        super().__init__()
        self.config, width = config, config.width
        self.conditioning = _conditioning(config)
        self.speech = nn.Linear(config.hidden + len(PROSODY_CHANNELS), width)
        self.past = nn.Linear(len(ARKIT_52), width)
        self.condition = nn.Linear(config.condition, width)
        layer = nn.TransformerDecoderLayer(width, config.heads, 2 * width, config.dropout, batch_first=True)
        self.layers = nn.TransformerDecoder(layer, LAYERS)
        self.coefficients = nn.Linear(width, len(ARKIT_52))

    def _run(self, past: Tensor, memory: Tensor, condition: Tensor) -> Tensor:
        batch, length, width = memory.shape
        heads, device = self.config.heads, memory.device
        x = self.past(past) + self.condition(condition) + _periodic_positions(length, width, device)
        bias = _past_bias(length, heads, device).repeat(batch, 1, 1)
        aligned = ~torch.eye(length, dtype=torch.bool, device=device)
        return self.coefficients(self.layers(x, memory, tgt_mask=bias, memory_mask=aligned))

    def forward_teacher_forced(
        self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor, target: Tensor
    ) -> Tensor:
        """The second pass of training, (B, T, 52), with the true motion ``target`` (B, T, 52)."""
        memory, condition = self.speech(speech), self.conditioning(posterior, intensity, style)
        before = F.pad(target, (0, 0, 1, 0))[:, :-1]
        with torch.no_grad():
            first = F.pad(self._run(before, memory, condition), (0, 0, 1, 0))[:, :-1]
        true = torch.rand(before.shape[:2], device=before.device)[..., None] < TRUE_FRAMES
        return self._run(torch.where(true, before, first), memory, condition)

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """As ``Decoder.forward``; one pass over the past for every frame."""
        memory, condition = self.speech(speech), self.conditioning(posterior, intensity, style)
        made = speech.new_zeros(speech.shape[0], 1, len(ARKIT_52))
        for t in range(1, speech.shape[1] + 1):
            made = torch.cat([made, self._run(made, memory[:, :t], condition[:, :t])[:, -1:]], 1)
        return made[:, 1:]


class CachedAutoregressiveDecoder(AutoregressiveDecoder):
    """The same numbers with keys and values of the past kept, which the published code does not do: a fair rival."""

    @torch.no_grad()
    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """As ``Decoder.forward``; one recording (B = 1)."""
        memory, condition = self.speech(speech)[0], self.condition(self.conditioning(posterior, intensity, style))[0]
        length, width = memory.shape
        start = condition + _periodic_positions(length, width, memory.device)
        bias = _past_bias(length, self.config.heads, memory.device)
        layers = [_CachedLayer(layer, memory) for layer in self.layers.layers]
        made = memory.new_zeros(length + 1, len(ARKIT_52))
        for t in range(length):
            x = self.past(made[t]) + start[t]
            for layer in layers:
                x = layer.step(x, t, bias[:, t, : t + 1])
            made[t + 1] = self.coefficients(x)
        return made[None, 1:]


class _CachedLayer:
    """A transformer layer frame by frame; attention to the speech of the frame itself is a linear map of it."""

    def __init__(self, layer: nn.Module, memory: Tensor):
        assert isinstance(layer, nn.TransformerDecoderLayer)
        self.layer, own, across = layer, layer.self_attn, layer.multihead_attn
        length, width = memory.shape
        self.heads, self.size = own.num_heads, width // own.num_heads
        self.keys, self.values = memory.new_empty(2, self.heads, length, self.size)
        assert across.in_proj_weight is not None
        value = F.linear(memory, across.in_proj_weight[2 * width :], across.in_proj_bias[2 * width :])
        self.spoken = across.out_proj(value)

    def step(self, x: Tensor, t: int, bias: Tensor) -> Tensor:
        """Output (D,) of frame ``t`` for its input (D,); ``bias`` (H, t + 1) of attention to the past."""
        layer, own = self.layer, self.layer.self_attn
        query, key, value = F.linear(x, own.in_proj_weight, own.in_proj_bias).view(3, self.heads, self.size)
        self.keys[:, t], self.values[:, t] = key, value
        scores = (self.keys[:, : t + 1] @ query[:, :, None])[..., 0] * self.size**-0.5 + bias
        seen = (scores.softmax(-1)[:, None] @ self.values[:, : t + 1]).reshape(-1)
        x = layer.norm1(x + own.out_proj(seen))
        x = layer.norm2(x + self.spoken[t])
        return layer.norm3(x + layer.linear2(F.relu(layer.linear1(x))))


def build_form(config: DecoderFormConfig) -> ShapeDecoder:
    """A freshly initialised decoder of the configured form."""
    if config.architecture == "window":
        return WindowDecoder(config)
    if config.architecture == "autoregressive":
        return AutoregressiveDecoder(config)
    return ConstantEmotionDecoder(config) if config.constant_emotion else Decoder(config)


def load_any_form(folder: Path | None = None) -> AnyDecoder | ShapeDecoder:
    """As ``load_decoder``, of forms for comparison too (checkpoints of the kind ``decoder_form``)."""
    if folder is None or read_config(folder).kind != "decoder_form":
        return load_decoder(folder)
    _, config, state = read_checkpoint(folder, "decoder_form", DecoderFormConfig)
    decoder = build_form(config)
    decoder.load_state_dict(state)
    return decoder.eval().requires_grad_(False)
