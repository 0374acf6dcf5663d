"""Models of the Hugging Face hub: those on this machine first, then the network; safetensors only, no foreign code."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from sedtalker.arrays import Doubles, Floats
from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock, resample_frames
from sedtalker.errors import InputError, extra
from sedtalker.models import asking_the_hub, hub_model
from sedtalker.reading import is_file, is_folder, read_json
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures, analysis_of

if TYPE_CHECKING:
    from torch import Tensor

    from sedtalker.speech.whisper import WhisperEncoder

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the hub's library is imported, which is later

TIMEOUT = 10.0
"""Seconds to wait for the hub's first answer."""


class NotHere(InputError):
    """A model is not on this machine, and the hub may not be asked for it."""


def load_pretrained(loader: Any, name: str, revision: str | None = None, *, fetch: bool = True, **options: Any) -> Any:
    """``loader.from_pretrained`` of a local folder or a hub name; what was fetched once is never asked for again.

    Args:
        loader: an ``Auto…`` class of ``transformers``.
        revision: branch, tag or commit; default ``main``.
        fetch: whether the hub may be asked: somebody named the model, and not only a file that came from elsewhere.

    Raises:
        NotHere: not on this machine, and ``fetch`` is not set.
        InputError: not found, out of reach, or not what the loader reads.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging as messages

    messages.set_verbosity_error()
    messages.disable_progress_bar()
    where = name if revision is None else f"{name} ({revision})"

    def load(local: bool) -> Any:
        """The model; None: it is not on this machine."""
        given = {"revision": revision or "main", "local_files_only": local, "trust_remote_code": False, **options}
        try:
            return loader.from_pretrained(name, **given)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            if local and not Path(name).is_dir():
                return None
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
            raise InputError(f"{where}: the model cannot be loaded: {reason}") from None

    if (found := load(local=True)) is not None:
        return found
    if not fetch:
        raise NotHere(f"{where}: not on this machine")
    from huggingface_hub import HfApi

    # once, because ``transformers`` asks many times before it says that there is no network
    with asking_the_hub(where):
        HfApi().model_info(name, revision=revision, timeout=TIMEOUT)
    return load(local=False)


# --- Pre-trained ``transformers`` speech backbones in place of the built-in encoder.

WINDOW_SECONDS, MARGIN_SECONDS = 20.0, 2.0
"""What a model reads at once, and what neighbouring windows share on each side."""
WHISPER_SECONDS = 30.0
"""The blocks in which Whisper reads sound."""
WEIGHTS = "model.safetensors"
"""Name of the file of a model's weights."""
PACKED = "./backbone"
"""Name of a backbone that lies inside the checkpoint folder that needs it."""


class BackboneConfig(BaseModel, extra="forbid", frozen=True):
    """Which backbone, and how its layers are mixed."""

    name: str
    """Hub name or local folder."""
    revision: str | None = None
    """Branch, tag or commit of the hub; null: main."""
    layer_weights: tuple[float, ...] | None = None
    """Share of each hidden state, from what enters the first layer to what leaves the last; null: not chosen yet."""
    layers: int | None = None
    """Only the first so many layers run; null: all of them."""
    side_by_side: tuple[int, ...] | None = None
    """Whisper layers whose outputs are concatenated over short windows, see ``WhisperEncoder``; null: a mixture."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A ``transformers`` model and what prepares its input: an ``Encoder``, see ``sedtalker.speech.encoder``.

    Attributes:
        model: the speech model; for Whisper, its encoder.
        extractor: the feature extractor that belongs to it.
        layer_weights: see ``BackboneConfig``; ``None``: the last layer alone.
    """

    model: Any
    extractor: Any
    layer_weights: tuple[float, ...] | None = None

    @property
    def is_whisper(self) -> bool:
        """Whether the input is log-mels in blocks of 30 s."""
        return bool(self.model.config.model_type == "whisper")

    @property
    def layers(self) -> Any:
        """The transformer layers, from the input up."""
        return (self.model if self.is_whisper else self.model.encoder).layers

    @property
    def channels(self) -> int:
        """Size of a hidden vector."""
        return int(self.model.config.hidden_size)

    @property
    def state_clock(self) -> FrameClock:
        """Times of the model's own frames: frame i is at the centre of what its convolutions saw."""
        if self.is_whisper:
            return FrameClock(50.0)
        stride, field = 1, 1
        for kernel, step in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            field += (kernel - 1) * stride
            stride *= step
        return FrameClock(SAMPLE_RATE / stride, (field - 1) / 2 / SAMPLE_RATE)

    def sha256(self) -> str:
        """Hash of the weights, whatever their names and order: the same model under any version of the library."""
        from sedtalker.speech.whisper import hash_of

        return hash_of(value.float().cpu().numpy() for value in self.model.state_dict().values())

    def to(self, device: str) -> Backbone:
        self.model.to(device)
        return self

    def __call__(self, audio: Audio) -> SpeechFeatures:
        """Features of a recording, in overlapping windows; hidden vectors on the clock of the built-in encoder.

        Neighbouring windows share 2 s on each side, so attention sees at least that much context everywhere.
        """
        analysis = analysis_of(audio)
        return analysis.features(hidden_vectors(self, audio.samples, len(analysis.mel) // 2))


def load_backbone(config: BackboneConfig, fetch: bool = True) -> Backbone | WhisperEncoder:
    """A frozen backbone from a local folder or the hub (``microsoft/wavlm-base-plus``), or Whisper's layers side by
    side; safetensors only.

    Args:
        fetch: see ``load_pretrained``.

    Raises:
        InputError: it cannot be found, is not a speech encoder, or not Whisper's where layers stand side by side, or
            has another number of layers than was weighted.
    """
    if config.side_by_side:
        from sedtalker.speech.whisper import WhisperEncoder

        file = whisper_file(config, fetch)
        return WhisperEncoder.open(file, config.side_by_side, _heads(file.parent / "config.json"))
    with extra("hub"):
        import torch
        from transformers import AutoFeatureExtractor, AutoModel

    options = {"use_safetensors": True, "dtype": torch.float32}
    model = load_pretrained(AutoModel, config.name, config.revision, fetch=fetch, **options)
    if model.config.model_type == "whisper":
        model = model.get_encoder()
    elif not hasattr(model.config, "conv_stride"):
        raise InputError(f"{config.name}: a {model.config.model_type} model is not a speech encoder")
    model.eval().requires_grad_(False)
    extractor = load_pretrained(AutoFeatureExtractor, config.name, config.revision, fetch=fetch)
    backbone = Backbone(model, extractor, config.layer_weights)
    _keep_layers(backbone, config)
    states = len(backbone.layers) + 1
    if config.layer_weights is not None and len(config.layer_weights) != states:
        raise InputError(f"{config.name}: {len(config.layer_weights)} layer weights for {states} hidden states")
    return backbone


def whisper_file(config: BackboneConfig, fetch: bool = True) -> Path:
    """The weights of a Whisper: of a local folder, pulled, or in the cache of the hub, which may be asked for others.

    Raises:
        NotHere: not on this machine, and ``fetch`` is not set.
        InputError: there are none.
    """
    if is_folder(Path(config.name)):
        file = Path(config.name) / WEIGHTS
        if not is_file(file):
            raise InputError(f"{config.name}: the model cannot be loaded: there is no {WEIGHTS} in it")
        return file
    known = hub_model(config.name)
    pulled = known and known.pulled
    if pulled and is_file(pulled.paths[0]):
        return pulled.paths[0]
    if (folder := cached_folder(config)) is not None:
        return folder / WEIGHTS
    if not fetch:
        raise NotHere(f"{config.name}: not on this machine")
    if pulled:
        raise InputError(f"{config.name}: not on this machine; fetch it with: sedtalker models pull {pulled.name}")
    with extra("hub"):
        from huggingface_hub import hf_hub_download
    with asking_the_hub(config.name):
        return Path(hf_hub_download(config.name, WEIGHTS, revision=config.revision))


def cached_folder(config: BackboneConfig) -> Path | None:
    """Where this machine's cache of the hub holds a model; None where it does not."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return None
    found = try_to_load_from_cache(config.name, WEIGHTS, revision=config.revision)
    return Path(found).parent if isinstance(found, str) else None


def _heads(file: Path) -> int | None:
    """Attention heads by the ``config.json`` of a Whisper; None where there is no such file."""
    if not is_file(file):
        return None
    heads = read_json(file, "a model's configuration").get("encoder_attention_heads")
    return heads if isinstance(heads, int) and heads > 0 else None


def _keep_layers(backbone: Backbone, config: BackboneConfig) -> None:
    """Drop the layers behind the first ``config.layers``, in place."""
    if config.layers is None:
        return
    if not 1 <= config.layers <= len(backbone.layers):
        raise InputError(f"{config.name}: {config.layers} of its {len(backbone.layers)} layers cannot be kept")
    transformer = backbone.model if backbone.is_whisper else backbone.model.encoder
    transformer.layers = transformer.layers[: config.layers]


def pack_backbone(config: BackboneConfig, checkpoint: Path) -> BackboneConfig:
    """Copy a backbone that is a local folder into the checkpoint that needs it; one of the hub stays a name."""
    if not Path(config.name).is_dir():
        return config
    shutil.copytree(config.name, checkpoint / PACKED, dirs_exist_ok=True)
    return config.model_copy(update={"name": PACKED})


def unpack_backbone(config: BackboneConfig, checkpoint: Path) -> BackboneConfig:
    """The configuration with the folder that ``pack_backbone`` made in the place of its name."""
    return config.model_copy(update={"name": str(checkpoint / PACKED)}) if config.name == PACKED else config


def hidden_vectors(backbone: Backbone, samples: Floats, count: int) -> Floats:
    """Weighted hidden vectors (count, D) of samples (N,) on the clock of the built-in encoder."""
    hidden, times = _windows(backbone, samples)
    return resample_frames(hidden, times, FRAME_CLOCK.times(count))


def normalised_states(output: Any) -> Tensor:
    """Hidden states (layers + 1, B, T, D) of a model's output, each vector at mean 0 and variance 1."""
    import torch
    from torch.nn import functional as F

    states = torch.stack(tuple(output.hidden_states)).float()
    return F.layer_norm(states, states.shape[-1:])


def _windows(backbone: Backbone, samples: Floats) -> tuple[Floats, Doubles]:
    """Hidden vectors (T, D) of the whole recording and their times (T,), each from the window it is most central in."""
    import torch

    longest = WHISPER_SECONDS if backbone.is_whisper else WINDOW_SECONDS + 2 * MARGIN_SECONDS
    step = longest - 2 * MARGIN_SECONDS
    duration = len(samples) / SAMPLE_RATE
    parts, times = [], []
    for index in range(max(1, math.ceil((duration - 2 * MARGIN_SECONDS) / step))):
        begin = index * step
        piece = samples[round(begin * SAMPLE_RATE) : round((begin + longest) * SAMPLE_RATE)]
        states = _states(backbone, piece)
        weights = backbone.layer_weights or (0.0,) * (len(states) - 1) + (1.0,)
        vectors = torch.einsum("ltd,l->td", states, torch.tensor(weights).to(states)).cpu().numpy()
        at = begin + backbone.state_clock.times(len(vectors))
        last = begin + longest >= duration
        low = -np.inf if index == 0 else begin + MARGIN_SECONDS
        high = duration if last else begin + longest - MARGIN_SECONDS
        inside = (at >= low) & (at < high)
        parts.append(vectors[inside])
        times.append(at[inside])
    return np.concatenate(parts), np.concatenate(times)


def _states(backbone: Backbone, samples: Floats) -> Tensor:
    """Normalised hidden states (layers + 1, T, D) of one window."""
    import torch

    device = next(backbone.model.parameters()).device
    shortest = 0 if backbone.is_whisper else round(2 * backbone.state_clock.offset * SAMPLE_RATE) + 1
    padded = np.pad(samples, (0, max(0, shortest - len(samples))))
    inputs = model_input(backbone, [padded]).to(device)
    with torch.no_grad():
        return normalised_states(backbone.model(inputs, output_hidden_states=True))[:, 0]


def model_input(backbone: Backbone, clips: list[Floats]) -> Tensor:
    """What the model reads for clips of equal length: waveforms (B, N), or for Whisper log-mels (B, 80, 3000)."""
    inputs = backbone.extractor(clips, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    tensor: Tensor = inputs["input_features" if backbone.is_whisper else "input_values"]
    return tensor
