"""Speech features and a dense emotion track to the coefficients of the 52 ARKit shapes.

Mamba blocks carry the stream, local attention ties it to the frames around; both are modulated frame by frame by the
emotion. Non-autoregressive. Lips meet where the encoder finds p, b, m, f or v (``closures``).
``load_decoder`` opens any kind of decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from sedtalker.animation.closures import closures, lip_posteriors, lips_apart, move_lips
from sedtalker.animation.conditioning import STYLE_CODES, Conditioning, Style, UpperFaceStream, ease_cuts, emotional
from sedtalker.animation.mouth_rules import RULES
from sedtalker.animation.tongue import TONGUE, Articulation, constrictions, tongue_posteriors
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn.blocks import (
    DILATIONS,
    AdaptiveNorm,
    ConditionedAttentionBlock,
    ConditionedConvolutionBlock,
    ConditionedMambaBlock,
    Streamable,
)
from sedtalker.nn.calls import Call, Steps, alone
from sedtalker.speech.features import PHONES, PROSODY_CHANNELS, SPEECH, SpeechFeatures

CHUNK_FRAMES = 512
"""Frames that go through a decoder at once: ten seconds."""
PROSODY_MEAN = (-6.0, 0.0, 0.6, -3.0)
"""Usual mean of each of ``PROSODY_CHANNELS``, taken out before a decoder reads them."""
PROSODY_SCALE = (3.0, 0.5, 0.3, 3.0)
"""Usual deviation of each of ``PROSODY_CHANNELS``."""


class MotionDecoder(Protocol):
    """What an ``Animator`` drives: speech features and a track in, coefficients of named shapes out."""

    @property
    def shapes(self) -> tuple[str, ...]:
        """Names of the coefficients; ``ARKIT_52`` for decoders that move any face."""

    @property
    def styles(self) -> tuple[str, ...]:
        """Values of ``Style`` it was trained on."""

    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> NDArray[np.float32]:
        """Coefficients (T, K) on ``features.clock``.

        Raises:
            InputError: the features are not of the encoder the decoder was trained on, or the track has other
                categories than ``CATEGORIES``.
        """


class DecoderConfig(BaseModel):
    """Hyper-parameters of ``Decoder``."""

    model_config = ConfigDict(extra="forbid")

    hidden: int = 256
    """Channels of the encoder's frames."""
    width: int = 128
    """Channels of the blocks."""
    condition: int = 64
    """Channels of the condition."""
    layout: str = Field("MMAMMA", pattern="^[MAC]+$")
    """The blocks, in order; M: Mamba, A: local attention, C: dilated convolution."""
    d_state: int = 8
    """States of each Mamba channel."""
    heads: int = 4
    """Attention heads."""
    radius: int = 12
    """Frames of 20 ms on either side that attention sees."""
    future: int | None = Field(None, ge=0)
    """Frames after a frame that attention sees; the radius if None."""
    dropout: float = 0.05
    """Dropout in the blocks during training."""
    styles: tuple[str, ...] = STYLE_CODES
    """Values of ``Style`` it was trained on."""
    shapes: tuple[str, ...] = ARKIT_52
    """The shapes that ever move; the others stay at zero."""
    closes: bool = False
    """Whether it holds the phone head of its encoder and closes the lips by it (see ``closures``)."""


class ShapeDecoder(nn.Module):
    """Base of decoders whose output is the 52 ARKit coefficients of whole recordings.

    A subclass has ``config``, a module ``coefficients`` and ``forward(speech, posterior, intensity, style)``.
    """

    config: DecoderConfig
    shapes = ARKIT_52

    @property
    def styles(self) -> tuple[str, ...]:
        """Values of ``Style`` it was trained on."""
        return self.config.styles

    @property
    def streams(self) -> bool:
        """Whether ``DecoderStream`` can run it."""
        return False

    @torch.no_grad()
    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> NDArray[np.float32]:
        """See ``MotionDecoder``: coefficients (T, 52) in [0, 1]. Cuts in the track become onsets (``ease_cuts``)."""
        inputs = self._inputs(features, track, style or Style())
        return cast("NDArray[np.float32]", self(*inputs)[0].clamp(0.0, 1.0).float().cpu().numpy())

    def _inputs(
        self, features: SpeechFeatures, track: EmotionTrack, style: Style
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Speech (1, T, D + 4), posterior (1, T, 7), intensity (1, T) and style (1, S) on the weights' device."""
        device = next(self.parameters()).device
        speech = decoder_speech(self.config.hidden, features)
        posterior, intensity = (torch.from_numpy(c).float() for c in eased_emotion(features, track))
        code = torch.tensor([style.code(self.config.styles)], dtype=speech.dtype, device=device)
        return speech[None].to(device), posterior[None].to(device), intensity[None].to(device), code


class Decoder(ShapeDecoder):
    """Speech (B, T, C) and emotion to shape coefficients (B, T, 52), not yet clamped to [0, 1].

    Speech is what ``speech_input`` makes of the encoder's hidden values and 4 prosody channels a frame.
    """

    active: Tensor

    def __init__(self, config: DecoderConfig | None = None):
        super().__init__()
        self.config = config = config or DecoderConfig()
        self.speech = nn.Linear(config.hidden + len(PROSODY_CHANNELS), config.width)
        self.conditioning = Conditioning(config.condition, len(config.styles))
        self.blocks = nn.ModuleList(make_block(config, i) for i in range(len(config.layout)))
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.coefficients = nn.Linear(config.width, len(ARKIT_52))
        active = np.array([name in config.shapes for name in ARKIT_52], np.float32)
        self.register_buffer("active", torch.from_numpy(active), persistent=False)
        self.phone_head = nn.Linear(config.hidden, len(PHONES)).requires_grad_(False) if config.closes else None

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of ``speech`` (B, T, C), posterior (B, T, 7), intensity (B, T), style (B, S)."""
        x, condition = self.speech(speech), self.conditioning(posterior, intensity, style)
        for block in self.blocks:
            x = block(x, condition)
        return self.read_out(x, condition)

    def read_out(self, x: Tensor, condition: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of the last block's output (B, T, D)."""
        y, _ = self.norm(x, condition)
        return self.coefficients(y) * self.active

    @property
    def look_ahead(self) -> int:
        """Frames of 20 ms after a frame that it depends on."""
        return self.future * self.config.layout.count("A")

    @property
    def future(self) -> int:
        """Frames after a frame that an attention block sees."""
        return self.config.radius if self.config.future is None else self.config.future

    @property
    def streams(self) -> bool:
        """Whether every block is causal but for a bounded look-ahead, so that ``DecoderStream`` can run it."""
        return "C" not in self.config.layout

    @torch.no_grad()
    def predict(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> NDArray[np.float32]:
        """See ``ShapeDecoder.predict``; recordings of any length, ten seconds at a time in bounded memory."""
        motion, share = self.motion(features, track, style), self.emotional(features, track, style)
        full = self.full(motion, features, track)
        return cast("NDArray[np.float32]", self.closed(full, features, share)[0].float().cpu().numpy())

    @torch.no_grad()
    def motion(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Tensor:
        """(1, T, 52) in [0, 1], before lips are closed."""
        if not self.streams:
            return torch.from_numpy(super().predict(features, track, style))[None].to(self.active.device)
        speech, posterior, intensity, _ = self._inputs(features, track, style or Style())
        stream, parts = DecoderStream(self, style or Style()), []
        for start in range(0, len(features), CHUNK_FRAMES):
            part = slice(start, min(start + CHUNK_FRAMES, len(features)))
            last = part.stop == len(features)
            parts.append(stream.push(speech[:, part], posterior[:, part], intensity[:, part], last)[0])
        return torch.cat(parts)[None].clamp(0.0, 1.0)

    def emotional(self, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None) -> Tensor:
        """(1, T, 1) how far each frame is from neutral speech of the usual style."""
        posterior, intensity = (torch.from_numpy(column).float()[None] for column in eased_emotion(features, track))
        return emotional(posterior, intensity, style or Style()).to(self.active.device)

    def full(self, motion: Tensor, features: SpeechFeatures, track: EmotionTrack) -> Tensor:
        """A motion (1, T, 52) with an upper face of full strength and of its own pace, see ``UpperFaceStream``."""
        posterior, intensity = (torch.from_numpy(column).float()[None] for column in eased_emotion(features, track))
        return UpperFaceStream(self.active).push(motion, posterior, intensity)

    @torch.no_grad()
    def closed(self, motion: Tensor, features: SpeechFeatures, emotional: Tensor) -> Tensor:
        """A motion (1, T, 52) with its lips closed on p, b, m and at the teeth on f, v, where it has a phone head."""
        if self.phone_head is None:
            return motion
        hidden = torch.from_numpy(features.of(SPEECH).hidden).to(motion)
        apart = lips_apart(motion, emotional, min(RULES.peak_frames, self.look_ahead))
        closure = closures(self.lip_posteriors(hidden[None]))
        return move_lips(motion, closure, apart, emotional).clamp(0.0, 1.0)

    def lip_posteriors(self, hidden: Tensor) -> Tensor:
        """(…, 2) of p, b, m and of f, v, of the encoder's hidden values (…, D), by the phone head that it holds."""
        assert self.phone_head is not None
        return lip_posteriors(self.phone_head(hidden))

    def tongue_posteriors(self, hidden: Tensor) -> Tensor:
        """(…, 3) of the places of ``TONGUE``, of the encoder's hidden values (…, D), by the phone head."""
        assert self.phone_head is not None
        return tongue_posteriors(self.phone_head(hidden))

    @torch.no_grad()
    def articulation(self, features: SpeechFeatures) -> Articulation:
        """What the phones ask of tongue and lips; nothing where it has no phone head."""
        if self.phone_head is None:
            return Articulation(np.zeros((len(features), len(TONGUE)), np.float32), np.zeros(len(features), np.float32))
        hidden = torch.from_numpy(features.of(SPEECH).hidden).to(self.active.device)
        closure = closures(self.lip_posteriors(hidden[None]))[0, :, 0]
        return Articulation(constrictions(self.tongue_posteriors(hidden).cpu().numpy()), closure.cpu().numpy())


def make_block(config: DecoderConfig, index: int) -> nn.Module:
    """The block at a place of ``config.layout``."""
    sizes = config.width, config.condition
    match config.layout[index]:
        case "M":
            return ConditionedMambaBlock(*sizes, config.d_state, config.dropout)
        case "A":
            return ConditionedAttentionBlock(*sizes, config.heads, config.radius, config.future, config.dropout)
        case _:
            return ConditionedConvolutionBlock(*sizes, DILATIONS[index % len(DILATIONS)], config.dropout)


class DecoderStream:
    """The decoder over a stream of stretches of any length, in memory that does not grow.

    Mamba blocks carry their state over; attention blocks delay by their look-ahead. The concatenated output equals one
    pass (tested to 1e-4); frames come out ``decoder.look_ahead`` later than they go in.
    """

    def __init__(self, decoder: Decoder, style: Style):
        self.decoder = decoder
        self.style = decoder.coefficients.weight.new_tensor([style.code(decoder.config.styles)])
        self.states = [cast(Streamable, block).start() for block in decoder.blocks]

    def push(self, speech: Tensor, posterior: Tensor, intensity: Tensor, last: bool = False) -> Tensor:
        """Next frames of speech (1, t, C), (1, t, 7), (1, t) → coefficients (1, n, 52) now certain."""
        return alone(self.steps(speech, posterior, intensity, last))

    def steps(self, speech: Tensor, posterior: Tensor, intensity: Tensor, last: bool = False) -> Steps[Tensor]:
        """``push`` with its call of the decoder handed out; streams in the same state are decoded as one batch."""
        kinds = tuple((type(state), len(state.tensors())) for state in self.states)
        given = (speech, posterior, intensity, self.style, *_tensors(self.states))
        made, *kept = yield Call(_advanced, given, (self.decoder, kinds, last))
        self.states = _states(kinds, kept)
        return made


def _tensors(states: Sequence[Any]) -> list[Tensor]:
    """The tensors of blocks' states, one after another."""
    return [tensor for state in states for tensor in state.tensors()]


def _states(kinds: Sequence[tuple[Any, int]], tensors: Sequence[Tensor]) -> list[Any]:
    """The states again."""
    left = iter(tensors)
    return [kind.of(*(next(left) for _ in range(count))) for kind, count in kinds]


def _advanced(speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    """Coefficients and the states' tensors of B streams; ``rest``: their states' tensors, decoder, kinds, last."""
    *kept, decoder, kinds, last = rest
    states = _states(kinds, kept)
    x, condition = decoder.speech(speech), decoder.conditioning(posterior, intensity, style)
    for block, state in zip(decoder.blocks, states, strict=True):
        x, condition = block.push(x, condition, state, last)
    return decoder.read_out(x, condition), *_tensors(states)


def decoder_speech(hidden: int, features: SpeechFeatures) -> Tensor:
    """What a decoder of ``hidden`` encoder channels reads of a recording, (T, D + 4).

    Raises:
        InputError: the features are not of the encoder it was trained on.
    """
    if features.hidden.shape[1] != hidden:
        raise InputError(
            f"the decoder needs {hidden} features a frame and the encoder gives "
            f"{features.hidden.shape[1]}: use the encoder it was trained on"
        )
    return speech_input(torch.from_numpy(features.hidden), torch.from_numpy(features.prosody))


def speech_input(hidden: Tensor, prosody: Tensor) -> Tensor:
    """(…, D) hidden vectors and (…, 4) prosody to the decoder's input (…, D + 4)."""
    mean, scale = hidden.new_tensor(PROSODY_MEAN), hidden.new_tensor(PROSODY_SCALE)
    return torch.cat([hidden, (prosody - mean) / scale], dim=-1)


def eased_emotion(features: SpeechFeatures, track: EmotionTrack) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Posterior (T, 7) and intensity (T,) of a track at the features' times, cuts spread into onsets.

    Raises:
        InputError: the track has other categories.
    """
    if track.labels != CATEGORIES:
        raise InputError(f"the decoder needs the categories {', '.join(CATEGORIES)}")
    sampled = track.at(features.clock.times(len(features)))
    return ease_cuts(sampled.posterior, sampled.intensity)
