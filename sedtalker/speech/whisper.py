"""Lower layers of the Whisper encoder as speech features: what ``--encoder whisper-base`` reads.

Emotion sits in layers 2 and 3 of whisper-base (Radford et al. 2022), lips in 3 and 4; nothing above is run. Log-mels
are taken at a fixed level and with a fixed floor, and the layers run over windows of at most six seconds on a fixed
grid: a frame depends on a second of context at least and five at most, and nothing is padded to 30 s. The layers are
computed here by numpy, so that the published weights are all that they need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sedtalker.arrays import Floats, softmax
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.speech.features import (
    FRAME_LENGTH,
    SpeechFeatures,
    analysis_of,
    hann_window,
    levelled,
    mel_filters,
    power_spectrum,
)

LAYERS = (2, 3)
"""The layers of whisper-base that hold emotion, 1 being the first."""
STEP, MARGIN = 200, 50
"""Frames of 20 ms that a window advances by, and that it sees beyond them on either side."""
TAIL = 4800
"""Samples of silence after the end: what the last frames would otherwise see is the edge."""
FLOOR = -7.0
"""Smallest log10 mel power: about 80 below the loudest frames at the level of ``level_gain``, as Whisper clamps."""
MEL_LENGTH, MEL_HOP = 400, 160
"""Samples of a frame of log-mels, and from one to the next."""
HEAD_CHANNELS = 64
"""Channels of an attention head in every size of Whisper."""
EPSILON = 1e-5
"""Added to the variance in layer normalisation."""
ERF_SCALE = np.float32(0.3275911)
"""The constant p of the error function, see ``_gelu``."""
ERF = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))
"""Its coefficients a, the last one first."""
GELU_ROWS = 16
"""Rows of 2,048 values that go through it at once."""
STEM = ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")
"""Weights before the first layer, as ``transformers`` names them."""
LAYER_PARTS = (
    *(f"{part}.{kind}" for part in ("self_attn_layer_norm", "final_layer_norm") for kind in ("weight", "bias")),
    *(f"{part}.{kind}" for part in ("self_attn.q_proj", "self_attn.v_proj") for kind in ("weight", "bias")),
    *(f"{part}.{kind}" for part in ("self_attn.out_proj", "fc1", "fc2") for kind in ("weight", "bias")),
    "self_attn.k_proj.weight",
)
"""Weights of a layer; keys have no bias."""


def weight_names(layers: int) -> list[str]:
    """Names of the weights up to a layer, as ``transformers`` has them."""
    return [*STEM, *(f"layers.{layer}.{part}" for layer in range(layers) for part in LAYER_PARTS)]


def whisper_mel(samples: Floats) -> Floats:
    """Whisper's scaled log-mels (N / 160, 80) of samples (N,) at the level of ``level_gain``."""
    frames = sliding_window_view(np.pad(samples, MEL_LENGTH // 2, "reflect"), MEL_LENGTH)[::MEL_HOP][:-1]
    power = power_spectrum(frames * hann_window(MEL_LENGTH), MEL_LENGTH) @ mel_filters(MEL_LENGTH).T
    return (np.log10(np.maximum(power, 1e-10)).clip(FLOOR) + 4.0) / 4.0


def positions(count: int, channels: int) -> Floats:
    """(count, channels) sinusoids, from one turn in 2π frames to one in ten thousand times as many."""
    half = channels // 2
    angles = np.outer(np.arange(count), np.exp(-np.log(10000.0) / (half - 1) * np.arange(half)))
    return np.concatenate([np.sin(angles), np.cos(angles)], -1).astype(np.float32)


def hash_of(weights: Iterable[NDArray[Any]]) -> str:
    """SHA-256 of weights in any order."""
    each = sorted(hashlib.sha256(weight.tobytes()).digest() for weight in weights)
    return hashlib.sha256(b"".join(each)).hexdigest()


class WhisperEncoder:
    """Lower layers of Whisper as an ``Encoder``: hidden vectors are their outputs side by side.

    The layers of the lips come right after those of emotion, so both encoders of a recording run each layer once.

    Args:
        weights: by their names in ``weight_names``, in single precision; more are not read.
        layers: which layers, 1 being the first.
        heads: of the attention; None: as many as Whisper has for that number of channels.

    Raises:
        InputError: a weight is missing.
    """

    def __init__(self, weights: Mapping[str, Floats], layers: Sequence[int] = LAYERS, heads: int | None = None):
        there = sum(f"layers.{layer}.{LAYER_PARTS[-1]}" in weights for layer in range(max(layers)))
        if there < max(layers):
            raise InputError(f"layers {', '.join(map(str, layers))} of a model that has {there}")
        names = weight_names(max(layers))
        if missing := [name for name in names if name not in weights]:
            raise InputError(f"not the weights of a Whisper encoder: no {missing[0]}")
        self.weights, self.layers = {name: weights[name] for name in names}, tuple(layers)
        self.width = len(self.weights["conv1.weight"])
        self.heads = heads or max(1, self.width // HEAD_CHANNELS)
        self.channels = len(self.layers) * self.width
        self._hashes = dict[tuple[int, ...], str]()

    @classmethod
    def open(cls, file: Path, layers: Sequence[int] = LAYERS, heads: int | None = None) -> WhisperEncoder:
        """Some layers of a model of the Hugging Face hub, or of an ``.npz`` that has ``_`` for the dots of its names.

        Raises:
            InputError: the file is not there or damaged, no Whisper, or has fewer layers.
        """
        from safetensors import SafetensorError, safe_open

        names = weight_names(max(layers))
        try:
            if file.suffix == ".npz":
                with np.load(file, allow_pickle=False) as arrays:
                    stored = {name.replace(".", "_"): name for name in names}
                    weights = {stored[key]: arrays[key] for key in arrays.files if key in stored}
            else:
                with safe_open(file, "np") as tensors:
                    keys = {key.removeprefix("model.").removeprefix("encoder."): key for key in tensors.keys()}  # noqa: SIM118
                    weights = {name: tensors.get_tensor(keys[name]) for name in names if name in keys}
        except (OSError, ValueError, SafetensorError) as error:
            raise InputError(f"{file}: cannot be read ({error})") from None
        if STEM[0] not in weights:
            raise InputError(f"{file}: not a Whisper model")
        return cls({name: value.astype(np.float32) for name, value in weights.items()}, layers, heads)

    def sha256(self) -> str:
        """Hash of the weights that are used, whatever their order and the precision they are stored in."""
        return self._hash(self.layers)

    def _hash(self, layers: tuple[int, ...]) -> str:
        """That of an encoder with these layers."""
        if layers not in self._hashes:
            used = [self.weights[name].astype(np.float16) for name in weight_names(max(layers))]
            self._hashes[layers] = hash_of(used)
        return self._hashes[layers]

    def to(self, device: str) -> WhisperEncoder:
        """Itself: it runs on the processor."""
        return self

    def __call__(self, audio: Audio) -> SpeechFeatures:
        """Features of a recording; layers of emotion that those of the lips passed are kept until asked for."""
        hidden = audio.made.pop(self.sha256(), None) if self.layers == LAYERS else None
        if hidden is None and self.layers[:-1] == LAYERS[1:]:  # 3 and 4 for 2 and 3
            both = self.frames(audio.samples, (*LAYERS, self.layers[-1]))
            audio.made[self._hash(LAYERS)], hidden = both[:, : -self.width], both[:, self.width :]
        elif hidden is None:
            hidden = self.frames(audio.samples)
        return analysis_of(audio).features(hidden)

    def frames(self, samples: Floats, layers: Sequence[int] = ()) -> Floats:
        """Outputs (T, layers · D) of the layers of a recording (N,), T = ceil(N / 320), on our encoder's clock.

        Whisper's frame i is centred at 20·i ms and ours at 20·i + 10: neighbours are averaged.

        Args:
            samples: at any level.
            layers: others than the encoder's own, none of them higher.
        """
        layers = layers or self.layers
        samples = levelled(samples)
        count, start = -(-len(samples) // FRAME_LENGTH), 0
        parts = [np.zeros((0, len(layers) * self.width), np.float32)]
        while start < count:
            first, end = max(0, start - MARGIN), start + STEP
            if count - end <= MARGIN:  # a short rest goes with the window before it
                end = count
            last = min(count, end + MARGIN)
            piece = samples[first * FRAME_LENGTH : (last + 1) * FRAME_LENGTH]
            piece = np.pad(piece, (0, (last - first) * FRAME_LENGTH + TAIL - len(piece)))
            states = self.outputs(whisper_mel(piece), layers)
            parts.append(0.5 * (states[:-1] + states[1:])[start - first : end - first])
            start = end
        return np.concatenate(parts)

    def outputs(self, mel: Floats, layers: Sequence[int] = ()) -> Floats:
        """Outputs (T, layers · D) of layers, of log-mels (2T, 80) from ``whisper_mel``, at most 30 s."""
        layers, x, kept = layers or self.layers, self._stem(mel), []
        for number in range(1, max(layers) + 1):
            x = self._layer(x, f"layers.{number - 1}.")
            if number in layers:
                kept.append(x)
        return np.concatenate(kept, -1)

    def _stem(self, mel: Floats) -> Floats:
        """What the first layer reads, (T, D) of log-mels (2T, 80)."""
        x = _gelu(self._convolved(_gelu(self._convolved(mel, "conv1", 1)), "conv2", 2))
        return x + positions(*x.shape)

    def _layer(self, x: Floats, layer: str) -> Floats:
        """One transformer layer: attention and a perceptron, each of normalised input and added to it."""
        given = self._normalised(x, layer + "self_attn_layer_norm")
        scale = np.float32((self.width // self.heads) ** -0.5)
        query, key, value = (
            self._linear(given, f"{layer}self_attn.{part}_proj").reshape(len(x), self.heads, -1).swapaxes(0, 1)
            for part in "qkv"
        )
        attended = softmax(scale * query @ key.swapaxes(1, 2), -1) @ value
        x = x + self._linear(attended.swapaxes(0, 1).reshape(x.shape), layer + "self_attn.out_proj")
        given = self._normalised(x, layer + "final_layer_norm")
        return np.asarray(x + self._linear(_gelu(self._linear(given, layer + "fc1")), layer + "fc2"))

    def _linear(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", np.float32(0.0)))

    def _convolved(self, x: Floats, name: str, stride: int) -> Floats:
        """A convolution over three frames of (T, C), with zeros beyond the ends."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        windows = sliding_window_view(np.pad(x, ((1, 1), (0, 0))), 3, 0)[::stride]
        return np.asarray(windows.reshape(len(windows), -1) @ weight.reshape(len(weight), -1).T + bias)

    def _normalised(self, x: Floats, name: str) -> Floats:
        apart = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt(np.square(apart).mean(-1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(apart / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])


def _gelu(x: Floats) -> Floats:
    """The Gaussian error linear unit (Hendrycks and Gimpel 2016) of (T, C), within 5e-7.

    Its error function is formula 7.1.26 of Abramowitz and Stegun (1964), a few rows at a time, which stay in the
    processor's cache: ``scipy.special.erf`` takes five times as long.
    """
    made = np.empty_like(x)
    for start in range(0, len(x), GELU_ROWS):
        rows = x[start : start + GELU_ROWS]
        apart = np.abs(rows) * np.float32(0.5**0.5)
        t, polynomial = 1.0 / (1.0 + ERF_SCALE * apart), np.zeros_like(rows)
        for coefficient in ERF:
            polynomial += coefficient
            polynomial *= t
        beyond = polynomial * np.exp(-apart * apart)  # erfc
        made[start : start + GELU_ROWS] = np.maximum(rows, 0.0) - 0.5 * np.abs(rows) * beyond
    return made
