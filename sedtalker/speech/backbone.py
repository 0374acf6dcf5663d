"""Pre-trained ``transformers`` speech backbones in place of the built-in encoder.

WavLM, wav2vec 2.0, HuBERT and their kin read the waveform through a stack of convolutions; the Whisper encoder reads
log-mels in blocks of 30 s. Either way the result is ``SpeechFeatures`` whose clock follows from the receptive field,
not from a ratio of lengths: 20 s of sound give 999 frames, the first centred at 12.5 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock, resample_frames
from sedtalker.errors import InputError
from sedtalker.speech.encoder import SpeechFeatures, analyse
from sedtalker.speech.features import FRAME_CLOCK

WINDOW_SECONDS, MARGIN_SECONDS = 20.0, 2.0
WHISPER_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class Backbone:
    """A ``transformers`` model and what prepares its input.

    Attributes:
        model: the speech model; for Whisper, its encoder.
        extractor: the feature extractor that belongs to it.
        layer: which hidden state is taken (``-1``: the last).
    """

    model: Any
    extractor: Any
    layer: int = -1

    @property
    def is_whisper(self) -> bool:
        """Whether the input is log-mels in blocks of 30 s."""
        return bool(self.model.config.model_type == "whisper")

    @property
    def clock(self) -> FrameClock:
        """Frame times from strides and kernels: frame i is at the centre of what its convolutions saw."""
        if self.is_whisper:
            return FrameClock(50.0)
        stride, field = 1, 1
        for kernel, step in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            field += (kernel - 1) * stride
            stride *= step
        return FrameClock(SAMPLE_RATE / stride, (field - 1) / 2 / SAMPLE_RATE)


def load_backbone(name: str | Path, layer: int = -1) -> Backbone:
    """A backbone from a local folder or a model hub (``microsoft/wavlm-base-plus``); safetensors only.

    Raises:
        InputError: it cannot be found or is not a speech encoder.
    """
    from transformers import AutoFeatureExtractor, AutoModel

    try:
        extractor = AutoFeatureExtractor.from_pretrained(str(name), trust_remote_code=False)
        model = AutoModel.from_pretrained(str(name), trust_remote_code=False, use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{name}: not a speech backbone that can be loaded ({str(error).splitlines()[0]})") from None
    if model.config.model_type == "whisper":
        model = model.get_encoder()
    elif not hasattr(model.config, "conv_stride"):
        raise InputError(f"{name}: a {model.config.model_type} model is not a speech encoder")
    return Backbone(model.eval().requires_grad_(False), extractor, layer)


@torch.no_grad()
def encode_with_backbone(backbone: Backbone, audio: Audio) -> SpeechFeatures:
    """Run a backbone over a recording in overlapping windows; hidden vectors on the clock of the built-in encoder.

    Neighbouring windows share 2 s on each side, so attention sees at least that much context everywhere.
    """
    mel, prosody, speech = analyse(torch.from_numpy(audio.samples))
    count = len(mel) // 2
    times = FRAME_CLOCK.times(count)
    hidden, heard = _windows(backbone, audio.samples)
    return SpeechFeatures(
        clock=FRAME_CLOCK,
        hidden=resample_frames(hidden, heard, times),
        mel=mel.unflatten(0, (-1, 2)).mean(1).numpy(),
        prosody=prosody.unflatten(0, (-1, 2)).mean(1).numpy(),
        speech=speech.unflatten(0, (-1, 2)).any(1).numpy(),
    )


def _windows(backbone: Backbone, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Hidden vectors (T, D) of the whole recording and their times (T,), each from the window it is most central in."""
    longest = WHISPER_SECONDS if backbone.is_whisper else WINDOW_SECONDS + 2 * MARGIN_SECONDS
    step = longest - 2 * MARGIN_SECONDS
    duration = len(samples) / SAMPLE_RATE
    parts, times = [], []
    for index in range(max(1, math.ceil((duration - 2 * MARGIN_SECONDS) / step))):
        begin = index * step
        piece = samples[round(begin * SAMPLE_RATE) : round((begin + longest) * SAMPLE_RATE)]
        vectors = _run(backbone, piece)
        at = begin + backbone.clock.times(len(vectors))
        last = begin + longest >= duration
        low = -np.inf if index == 0 else begin + MARGIN_SECONDS
        high = duration if last else begin + longest - MARGIN_SECONDS
        inside = (at >= low) & (at < high)
        parts.append(vectors[inside])
        times.append(at[inside])
    return np.concatenate(parts), np.concatenate(times)


def _run(backbone: Backbone, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    device = next(backbone.model.parameters()).device
    shortest = 0 if backbone.is_whisper else round(2 * backbone.clock.offset * SAMPLE_RATE) + 1
    padded = np.pad(samples, (0, max(0, shortest - len(samples))))
    inputs = backbone.extractor(padded, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    tensor = inputs["input_features" if backbone.is_whisper else "input_values"].to(device)
    output = backbone.model(tensor, output_hidden_states=True)
    return np.asarray(output.hidden_states[backbone.layer][0].float().cpu().numpy(), np.float32)
