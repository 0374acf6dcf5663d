"""Lower layers of the Whisper encoder as speech features: what ``--encoder whisper-base`` reads.

Emotion sits in layers 2 and 3 of whisper-base (Radford et al. 2022); nothing above is run. Log-mels are taken at a
fixed level and with a fixed floor, and the layers run over windows of at most six seconds on a fixed grid: a frame
depends on a second of context at least and five at most, and nothing is padded to 30 s. The weights are those of the
``transformers`` class; its convolutions, position table and layers are called one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.speech.features import FRAME_LENGTH, SpeechFeatures, analysis_of, levelled, mel_filters

LAYERS = (2, 3)
"""The layers of whisper-base that hold emotion, 1 being the first."""
STEP, MARGIN = 200, 50
"""Frames of 20 ms that a window advances by, and that it sees beyond them on either side."""
TAIL = 4800
"""Samples of silence after the end: what the last frames would otherwise see is the edge."""
FLOOR = -7.0
"""Smallest log10 mel power: about 80 below the loudest frames at the level of ``level_gain``, as Whisper clamps."""


def whisper_mel(samples: Tensor) -> Tensor:
    """Whisper's scaled log-mels (80, N / 160) of samples (N,) at the level of ``level_gain``."""
    window = torch.hann_window(400, device=samples.device)
    spectrum = torch.stft(samples, 400, 160, window=window, center=True, pad_mode="reflect", return_complex=True)
    power = torch.from_numpy(mel_filters(400)).to(samples.device) @ spectrum[:, :-1].abs().square()
    return (power.clamp_min(1e-10).log10().clamp_min(FLOOR) + 4.0) / 4.0


def layer_outputs(encoder: Any, mel: Tensor, layers: Sequence[int] = LAYERS, first: int = 0) -> Tensor:
    """Outputs (B, T, layers · D) of some layers, 1 being the first, of windows of log-mels (B, 80, 2T).

    Args:
        encoder: ``transformers.WhisperModel(…).get_encoder()``.
        mel: from ``whisper_mel``, at most 30 s.
        first: position at which their first frame stands.
    """
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[first : first + x.shape[1]]
    kept = []
    for number, layer in enumerate(encoder.layers[: max(layers)], 1):
        out = layer(x, None)
        x = out[0] if isinstance(out, tuple) else out
        if number in layers:
            kept.append(x)
    return torch.cat(kept, -1)


@torch.no_grad()
def layer_frames(encoder: Any, samples: Tensor, layers: Sequence[int] = LAYERS) -> Tensor:
    """Outputs (T, layers · D) of some layers of a recording (N,), T = ceil(N / 320), on the built-in encoder's clock.

    Whisper's frame i is centred at 20·i ms and ours at 20·i + 10: neighbours are averaged.

    Args:
        encoder: see ``layer_outputs``.
        samples: at any level.
    """
    samples = torch.from_numpy(levelled(samples.cpu().numpy())).to(samples.device)
    count = -(-len(samples) // FRAME_LENGTH)
    parts, start = [], 0
    while start < count:
        first, end = max(0, start - MARGIN), start + STEP
        if count - end <= MARGIN:  # a short rest goes with the window before it
            end = count
        last = min(count, end + MARGIN)
        piece = samples[first * FRAME_LENGTH : (last + 1) * FRAME_LENGTH]
        piece = F.pad(piece, (0, (last - first) * FRAME_LENGTH + TAIL - len(piece)))
        states = layer_outputs(encoder, whisper_mel(piece)[None], layers)[0]
        parts.append(0.5 * (states[:-1] + states[1:])[start - first : end - first])
        start = end
    return torch.cat(parts) if parts else samples.new_zeros(0, len(layers) * encoder.config.d_model)


def hash_of(weights: Iterable[Tensor]) -> str:
    """SHA-256 of weights in any order."""
    each = sorted(hashlib.sha256(weight.detach().cpu().numpy().tobytes()).digest() for weight in weights)
    return hashlib.sha256(b"".join(each)).hexdigest()


class WhisperEncoder:
    """Lower layers of Whisper as an ``Encoder``: hidden vectors are their outputs side by side.

    Args:
        model: ``transformers.WhisperModel(…).get_encoder()``, ready for inference.
        layers: which layers, 1 being the first.
    """

    def __init__(self, model: Any, layers: Sequence[int] = LAYERS):
        if max(layers) > len(model.layers):
            raise InputError(f"layers {', '.join(map(str, layers))} of a model that has {len(model.layers)}")
        self.model, self.layers = model, tuple(layers)
        self.channels = len(self.layers) * int(model.config.d_model)

    def sha256(self) -> str:
        """Hash of the weights that are used, whatever the precision they are stored in."""
        used = [self.model.conv1, self.model.conv2, *self.model.layers[: max(self.layers)]]
        return hash_of(value.half() for module in used for value in module.state_dict().values())

    def to(self, device: str) -> WhisperEncoder:
        """Move the weights there."""
        self.model.to(device)
        return self

    def __call__(self, audio: Audio) -> SpeechFeatures:
        """Features of a recording."""
        samples = torch.from_numpy(audio.samples)
        hidden = layer_frames(self.model, samples.to(next(self.model.parameters()).device), self.layers)
        return analysis_of(audio).features(hidden.float().cpu().numpy())
