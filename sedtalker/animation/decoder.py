"""Speech features and a dense emotion track to the coefficients of the 52 ARKit shapes.

Mamba blocks carry the stream, local attention ties it to the frames around; both are modulated frame by frame by the
emotion. Non-autoregressive.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from sedtalker.animation.baselines import AutoregressiveDecoder, WindowDecoder
from sedtalker.animation.blocks import make_block
from sedtalker.animation.conditioning import STYLE_CODES, AdaptiveNorm, Conditioning, Style
from sedtalker.animation.decoder_stream import DecoderStream
from sedtalker.animation.onsets import ease_cuts
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint
from sedtalker.emotion.track import CATEGORIES, EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig, SpeechFeatures
from sedtalker.speech.features import PROSODY_CHANNELS

CHUNK_FRAMES = 512
PROSODY = len(PROSODY_CHANNELS)
PROSODY_MEAN = (-6.0, 0.0, 0.6, -3.0)
PROSODY_SCALE = (3.0, 0.5, 0.3, 3.0)


class DecoderConfig(BaseModel):
    """Hyper-parameters of ``Decoder``."""

    model_config = ConfigDict(extra="forbid")

    architecture: Literal["hybrid", "averaged", "window", "autoregressive"] = Field(
        "hybrid", description="hybrid: Decoder; averaged: several; the others are published forms to compare with"
    )
    members: tuple[DecoderConfig, ...] = Field((), description="what an averaged decoder is the mean of")
    front_end: SpeechEncoderConfig | None = Field(
        None, description="an ear of its own, hop 20, that learns with the decoder; None: reads the frozen encoder"
    )
    hidden: int = Field(192, description="width of the encoder's frames; not used with a front end")
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

    Speech is what ``sound_of`` makes: with a front end 80 centred log-mels and 4 prosody channels a frame, without one
    the encoder's 192 hidden values and 4 prosody channels.
    """

    active: Tensor

    def __init__(self, config: DecoderConfig | None = None):
        super().__init__()
        self.config = config = config or DecoderConfig()
        self.front_end = SpeechEncoder(config.front_end) if config.front_end else None
        heard = config.front_end.channels if config.front_end else config.hidden
        self.speech = nn.Linear(heard + PROSODY, config.width)
        self.conditioning = Conditioning(config.condition, len(config.styles), config.constant_emotion)
        self.blocks = nn.ModuleList(make_block(config, i) for i in range(len(config.layout)))
        self.norm = AdaptiveNorm(config.width, config.condition)
        self.coefficients = nn.Linear(config.width, len(ARKIT_52))
        active = torch.tensor([float(name in config.shapes) for name in ARKIT_52])
        self.register_buffer("active", active, persistent=False)

    def forward(self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor) -> Tensor:
        """Coefficients (B, T, 52) of ``speech`` (B, T, C), posterior (B, T, 7), intensity (B, T), style (B, S).

        Speech may go on beyond both ends, by as many frames as the front end is to see there.
        """
        return self.with_phones(speech, posterior, intensity, style)[0]

    def with_phones(
        self, speech: Tensor, posterior: Tensor, intensity: Tensor, style: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """As ``forward``, and a front end's logits (B, T, 40) over ``PHONES``."""
        frames = posterior.shape[1]
        margin = (speech.shape[1] - frames) // 2
        hidden = self.listen(speech)[:, margin : margin + frames]
        x = self.take_in(hidden, speech[:, margin : margin + frames])
        condition = self.conditioning(posterior, intensity, style)
        for block in self.blocks:
            x = block(x, condition)
        return self.read_out(x, condition), None if self.front_end is None else self.front_end.phones(hidden)

    def listen(self, speech: Tensor) -> Tensor:
        """Hidden vectors (B, T, D) of speech; a front end sees ``context`` frames on either side of each."""
        return speech[..., :-PROSODY] if self.front_end is None else self.front_end(speech[..., :-PROSODY])

    def take_in(self, hidden: Tensor, speech: Tensor) -> Tensor:
        """What the first block reads, (B, T, width)."""
        taken: Tensor = self.speech(torch.cat([hidden, speech[..., -PROSODY:]], dim=-1))
        return taken

    @torch.no_grad()
    def hear(self, speech: Tensor, first: int, last: int) -> Tensor:
        """What the first block reads of frames ``first`` to ``last - 1`` of speech (B, T, C), context included."""
        begin = max(0, first - self.context)
        hidden = self.listen(speech[:, begin : last + self.context])[:, first - begin : last - begin]
        return self.take_in(hidden, speech[:, first:last])

    @property
    def context(self) -> int:
        """Frames of speech on either side that a frame of ``hear`` depends on."""
        return self.front_end.context if self.front_end is not None else 0

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


class AveragedDecoder(nn.Module):
    """The mean of decoders that hear differently: one reads the shared encoder, another has an ear of its own.

    Raises:
        InputError: there is none, or they were taught other styles.
    """

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.config = config
        if not config.members or {m.styles for m in config.members} != {config.styles}:
            raise InputError("an averaged decoder needs members that know its styles")
        self.members = nn.ModuleList(Decoder(member) for member in config.members)


AnyDecoder = Decoder | AveragedDecoder | WindowDecoder | AutoregressiveDecoder


def build_decoder(config: DecoderConfig) -> AnyDecoder:
    """A freshly initialised decoder of the configured architecture."""
    forms = {
        "hybrid": Decoder,
        "averaged": AveragedDecoder,
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
    if config.front_end is None and features.hidden.shape[1] != config.hidden:
        raise InputError(
            f"the decoder needs {config.hidden} features a frame and the encoder gives "
            f"{features.hidden.shape[1]}: use the encoder it was trained on"
        )
    heard = features.mel if config.front_end else features.hidden
    return speech_input(torch.from_numpy(heard), torch.from_numpy(features.prosody))


def speech_input(hidden: Tensor, prosody: Tensor) -> Tensor:
    """(…, D) hidden vectors or log-mels and (…, 4) prosody to the decoder's input (…, D + 4)."""
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
    if isinstance(decoder, AveragedDecoder):
        made = [predict(cast(Decoder, member), features, track, style) for member in decoder.members]
        return np.mean(made, axis=0, dtype=np.float32)
    speech = sound_of(decoder.config, features)
    if track.labels != CATEGORIES:
        raise InputError(f"the decoder needs the categories {', '.join(CATEGORIES)}")
    device = decoder.coefficients.weight.device
    sampled = track.at(features.clock.times(len(features)))
    eased, strength = ease_cuts(sampled.posterior, sampled.intensity)
    if not (isinstance(decoder, Decoder) and decoder.streams):
        return _predict_whole(decoder, speech, eased, strength, style or Style())
    stream, parts = DecoderStream(decoder, style or Style()), []
    speech = speech[None].to(device)
    for start in range(0, len(features), CHUNK_FRAMES):
        stop = min(start + CHUNK_FRAMES, len(features))
        posterior, intensity = (torch.from_numpy(c[None, start:stop]).to(device) for c in (eased, strength))
        heard = decoder.hear(speech, start, stop)
        parts.append(stream.push(heard, posterior, intensity, stop == len(features))[0])
    return torch.cat(parts).clamp(0.0, 1.0).float().cpu().numpy()


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
    "AveragedDecoder",
    "Decoder",
    "DecoderConfig",
    "DecoderStream",
    "Style",
    "build_decoder",
    "load_decoder",
    "predict",
    "sound_of",
    "speech_input",
]
