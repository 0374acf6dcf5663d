"""Speech features and a dense emotion track to the coefficients of the 52 ARKit shapes.

Mamba blocks carry the stream, local attention ties it to the frames around; both are modulated frame by frame by the
emotion. Non-autoregressive.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from sedtalker.animation.conditioning import STYLE_CODES, AdaptiveNorm, Conditioning, Style, acting, ease_cuts
from sedtalker.animation.mouth_model import Ears
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn.blocks import AttentionBlock, MambaBlock, make_block
from sedtalker.nn.mamba import MambaState
from sedtalker.speech.encoder import SpeechEncoderConfig, SpeechFeatures
from sedtalker.speech.features import PROSODY_CHANNELS
from sedtalker.training.published.decoder_forms import AutoregressiveDecoder, WindowDecoder

CHUNK_FRAMES = 512
PROSODY = len(PROSODY_CHANNELS)
PROSODY_MEAN = (-6.0, 0.0, 0.6, -3.0)
PROSODY_SCALE = (3.0, 0.5, 0.3, 3.0)


class DecoderConfig(BaseModel):
    """Hyper-parameters of ``Decoder``."""

    model_config = ConfigDict(extra="forbid")

    architecture: Literal["hybrid", "with_ears", "window", "autoregressive"] = Field(
        "hybrid", description="hybrid: Decoder; with_ears: DecoderWithEars; the others are published forms to compare"
    )
    decoder: DecoderConfig | None = Field(None, description="what ears lead")
    ears: tuple[SpeechEncoderConfig, ...] = Field((), description="that lead a decoder, hop 20")
    hidden: int = Field(192, description="width of the encoder's frames")
    width: int = 128
    condition: int = 64
    layout: str = Field(
        "MMAMMA", pattern="^[MAC]+$", description="M: Mamba block, A: local attention block, C: dilated convolution"
    )
    d_state: int = 8
    heads: int = 4
    radius: int = Field(12, description="attention window on either side, frames of 20 ms")
    future: int | None = Field(None, ge=0, description="frames after a frame that attention sees; the radius if None")
    dropout: float = 0.05
    styles: tuple[str, ...] = Field(STYLE_CODES, description="values of ``Style`` it was taught")
    constant_emotion: bool = Field(False, description="conditioned by the recording's mean emotion (for comparison)")
    shapes: tuple[str, ...] = Field(ARKIT_52, description="the shapes that ever move; the others stay at zero")


class Decoder(nn.Module):
    """Speech (B, T, C) and emotion to shape coefficients (B, T, 52), not yet clamped to [0, 1].

    Speech is what ``speech_input`` makes of the encoder's 192 hidden values and 4 prosody channels a frame.
    """

    active: Tensor

    def __init__(self, config: DecoderConfig | None = None):
        super().__init__()
        self.config = config = config or DecoderConfig()
        self.speech = nn.Linear(config.hidden + PROSODY, config.width)
        self.conditioning = Conditioning(config.condition, len(config.styles), config.constant_emotion)
        self.blocks = nn.ModuleList(make_block(config, i) for i in range(len(config.layout)))
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.coefficients = nn.Linear(config.width, len(ARKIT_52))
        active = torch.tensor([float(name in config.shapes) for name in ARKIT_52])
        self.register_buffer("active", active, persistent=False)

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
        """Whether ``DecoderStream`` can run it: every block is causal but for a bounded look-ahead."""
        return "C" not in self.config.layout and not self.config.constant_emotion


class DecoderWithEars(nn.Module):
    """A decoder on the shared encoder, led by ears that hear the talking mouth for themselves (see ``Ears``).

    Only ``predict`` runs it: the decoder alone is trained and streamed.

    Raises:
        InputError: the decoder or the ears are missing.
    """

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.config = config
        if config.decoder is None or config.decoder.architecture != "hybrid" or not config.ears:
            raise InputError("ears, one or more, lead a decoder of the hybrid architecture")
        self.decoder = Decoder(config.decoder)
        self.ears = Ears(config.ears)


AnyDecoder = Decoder | DecoderWithEars | WindowDecoder | AutoregressiveDecoder


def build_decoder(config: DecoderConfig) -> AnyDecoder:
    """A freshly initialised decoder of the configured architecture."""
    forms = {
        "hybrid": Decoder,
        "with_ears": DecoderWithEars,
        "window": WindowDecoder,
        "autoregressive": AutoregressiveDecoder,
    }
    made: AnyDecoder = forms[config.architecture](config)
    return made


def load_decoder(folder: Path | None = None) -> AnyDecoder:
    """The built-in decoder, or the one in a checkpoint folder, ready for inference."""
    folder = folder or builtin_checkpoint("decoder")
    _, config, state = read_checkpoint(folder, "decoder", DecoderConfig)
    decoder = build_decoder(config)
    decoder.load_state_dict(state)
    return decoder.eval().requires_grad_(False)


def sound_of(config: DecoderConfig, features: SpeechFeatures) -> Tensor:
    """What a decoder reads of a recording, (T, D + 4).

    Raises:
        InputError: the features are not of the encoder it was trained on.
    """
    if features.hidden.shape[1] != config.hidden:
        raise InputError(
            f"the decoder needs {config.hidden} features a frame and the encoder gives "
            f"{features.hidden.shape[1]}: use the encoder it was trained on"
        )
    return speech_input(torch.from_numpy(features.hidden), torch.from_numpy(features.prosody))


def speech_input(hidden: Tensor, prosody: Tensor) -> Tensor:
    """(…, D) hidden vectors and (…, 4) prosody to the decoder's input (…, D + 4)."""
    mean, scale = hidden.new_tensor(PROSODY_MEAN), hidden.new_tensor(PROSODY_SCALE)
    return torch.cat([hidden, (prosody - mean) / scale], dim=-1)


def predict(
    decoder: AnyDecoder, features: SpeechFeatures, track: EmotionTrack, style: Style | None = None
) -> NDArray[np.float32]:
    """Coefficients (T, 52) in [0, 1] on ``features.clock``, in the order of ``ARKIT_52``.

    Cuts in the track become onsets (``ease_cuts``). Any length: stretches of ten seconds go through ``DecoderStream``
    where the decoder streams.

    Raises:
        InputError: the features are not of the encoder this decoder was trained on, or the track has other categories.
    """
    if isinstance(decoder, DecoderWithEars):
        return _predict_with_ears(decoder, features, track, style or Style())
    speech = sound_of(decoder.config, features)
    if track.labels != CATEGORIES:
        raise InputError(f"the decoder needs the categories {', '.join(CATEGORIES)}")
    device = decoder.coefficients.weight.device
    eased, strength = _eased(features, track)
    if not (isinstance(decoder, Decoder) and decoder.streams):
        return _predict_whole(decoder, speech, eased, strength, style or Style())
    stream, parts = DecoderStream(decoder, style or Style()), []
    speech = speech[None].to(device)
    for start in range(0, len(features), CHUNK_FRAMES):
        stop = min(start + CHUNK_FRAMES, len(features))
        posterior, intensity = (torch.from_numpy(c[None, start:stop]).to(device) for c in (eased, strength))
        parts.append(stream.push(speech[:, start:stop], posterior, intensity, stop == len(features))[0])
    return torch.cat(parts).clamp(0.0, 1.0).float().cpu().numpy()


def _eased(features: SpeechFeatures, track: EmotionTrack) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    sampled = track.at(features.clock.times(len(features)))
    return ease_cuts(sampled.posterior, sampled.intensity)


@torch.no_grad()
def _predict_with_ears(
    decoder: DecoderWithEars, features: SpeechFeatures, track: EmotionTrack, style: Style
) -> NDArray[np.float32]:
    moved = torch.from_numpy(predict(decoder.decoder, features, track, style))[None]
    posterior, intensity = (torch.from_numpy(column).float()[None] for column in _eased(features, track))
    device = decoder.ears.sides.device
    told = decoder.ears.hear(torch.from_numpy(features.mel)[None].to(device))
    led = decoder.ears.lead(moved.to(device), told, acting(posterior, intensity, style).to(device))
    return led[0].clamp(0.0, 1.0).float().cpu().numpy()


@torch.no_grad()
def _predict_whole(
    decoder: Decoder | WindowDecoder | AutoregressiveDecoder,
    speech: Tensor,
    posterior: NDArray[np.floating],
    intensity: NDArray[np.floating],
    style: Style,
) -> NDArray[np.float32]:
    device = decoder.coefficients.weight.device
    columns = (speech, torch.from_numpy(posterior).float(), torch.from_numpy(intensity).float())
    heard, posterior_now, intensity_now = (c[None].to(device) for c in columns)
    code = heard.new_tensor([style.code(decoder.config.styles)])
    return decoder(heard, posterior_now, intensity_now, code)[0].clamp(0.0, 1.0).float().cpu().numpy()


__all__ = [
    "AnyDecoder",
    "Decoder",
    "DecoderConfig",
    "DecoderStream",
    "DecoderWithEars",
    "Style",
    "build_decoder",
    "load_decoder",
    "predict",
    "sound_of",
    "speech_input",
]


# --- The decoder over a stream: states are carried over, attention waits for the frames it may look ahead at.


class AttentionStretch:
    """Runs an attention block over a stream: holds frames back until their future context is there."""

    def __init__(self, block: AttentionBlock, radius: int, future: int):
        self.block, self.radius, self.future = block, radius, future
        self.held: tuple[Tensor, Tensor] | None = None
        self.done = 0

    def push(self, x: Tensor, condition: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        if self.held is not None:
            x, condition = torch.cat([self.held[0], x], 1), torch.cat([self.held[1], condition], 1)
        ready = x.shape[1] if last else max(self.done, x.shape[1] - self.future)
        out = self.block(x, condition)[:, self.done : ready] if ready > self.done else x[:, :0]
        emitted = condition[:, self.done : ready]
        keep = max(0, ready - self.radius)
        self.held, self.done = (x[:, keep:], condition[:, keep:]), ready - keep
        return out, emitted


class DecoderStream:
    """The decoder over a stream of stretches of any length, in memory that does not grow.

    Mamba blocks carry their state over; attention blocks delay by their radius. The concatenated output equals one
    pass (tested to 1e-4); frames come out ``decoder.look_ahead`` later than they go in.
    """

    def __init__(self, decoder: Decoder, style: Style):
        self.decoder = decoder
        self.style = decoder.coefficients.weight.new_tensor([style.code(decoder.config.styles)])
        self.stages: list[MambaState | AttentionStretch] = [
            block.mamba.start(1)
            if isinstance(block, MambaBlock)
            else AttentionStretch(block, decoder.config.radius, decoder.future)  # type: ignore[arg-type]
            for block in decoder.blocks
        ]

    @torch.no_grad()
    def push(self, speech: Tensor, posterior: Tensor, intensity: Tensor, last: bool = False) -> Tensor:
        """Next frames of speech (1, t, C), (1, t, 7), (1, t) → coefficients (1, n, 52) now certain."""
        x = self.decoder.speech(speech)
        condition = self.decoder.conditioning(posterior, intensity, self.style)
        for block, stage in zip(self.decoder.blocks, self.stages, strict=True):
            if isinstance(stage, AttentionStretch):
                x, condition = stage.push(x, condition, last)
            elif x.shape[1]:
                x = block(x, condition, stage)
        return self.decoder.read_out(x, condition)
