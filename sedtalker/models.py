"""The weights that the package knows by name: one table of what ships and one of encoders of the Hugging Face hub.

A *role* is what a network is for; each role has short names, which options and ``from_pretrained`` take. Names come
first: a folder of the same name as a model is written with a separator (``./whisper-base``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sedtalker.errors import InputError
from sedtalker.reading import is_file, is_folder

if TYPE_CHECKING:
    from sedtalker.checkpoint import CheckpointConfig

Role = Literal["encoder", "decoder", "diarizer", "fine-grained emotions", "landmarks", "bursts", "speakers"]
"""What a network is for."""

WHISPER = "whisper-base"
"""The encoder of the hub that some of the built-in weights read."""


@dataclass(frozen=True)
class BuiltInModel:
    """Weights that come with the package.

    Attributes:
        folder: name of its checkpoint folder.
        role: what it is for.
        name: how options name it among those of its role.
        encoders: the encoders whose features it reads, by name.
        streams: whether it runs while somebody speaks.
    """

    folder: str
    role: Role
    name: str
    encoders: tuple[str, ...] = ()
    streams: bool = False

    @property
    def path(self) -> Path:
        """Its checkpoint folder."""
        from sedtalker.checkpoint import builtin_checkpoint

        return builtin_checkpoint(self.folder)

    @property
    def config(self) -> CheckpointConfig:
        """What its ``config.json`` says: kind, licence, training data, figures."""
        from sedtalker.checkpoint import read_config

        return read_config(self.path)

    @property
    def megabytes(self) -> float:
        """Size of its weights; 0 where they are missing."""
        weights = self.path / "model.safetensors"
        return weights.stat().st_size / 1e6 if is_file(weights) else 0.0


@dataclass(frozen=True)
class HubModel:
    """An encoder of the Hugging Face hub, and what its card says, so that it is known without a network.

    Attributes:
        repository: its name on the hub.
        title: name and origin.
        licence: SPDX identifier.
        parameters: number of parameters of the whole model.
        megabytes: to fetch.
        layers: whose outputs are read.
    """

    repository: str
    title: str
    licence: str
    parameters: int
    megabytes: int
    layers: tuple[int, ...]


BUILT_IN = (
    BuiltInModel("speech_encoder", "encoder", "speech_encoder", streams=True),
    BuiltInModel("emotion_encoder", "encoder", "emotion_encoder", streams=True),
    BuiltInModel("decoder", "decoder", "decoder", ("speech_encoder",), streams=True),
    BuiltInModel("decoder_streaming", "decoder", "streaming", ("speech_encoder",), streams=True),
    BuiltInModel("decoder_whisper_base", "decoder", WHISPER, ("speech_encoder", WHISPER)),
    BuiltInModel("diarizer", "diarizer", "diarizer", ("emotion_encoder",), streams=True),
    BuiltInModel("diarizer_whisper_base", "diarizer", WHISPER, (WHISPER, "emotion_encoder")),
    BuiltInModel("fine_emotions", "fine-grained emotions", "emotion_encoder", ("emotion_encoder",), streams=True),
    BuiltInModel("fine_emotions_whisper_base", "fine-grained emotions", WHISPER, (WHISPER,)),
    BuiltInModel("landmarks", "landmarks", "landmarks"),
    BuiltInModel("speakers", "speakers", "speakers"),
    BuiltInModel("burst_detector", "bursts", "burst_detector", ("emotion_encoder",), streams=True),
)
"""Everything that ships, the default of each role first."""
HUB = {
    WHISPER: HubModel("openai/whisper-base", "Whisper base, Radford et al. 2022", "MIT", 74_000_000, 290, (2, 3)),
}
"""Encoders of the hub by their short names."""


def model_names(role: Role) -> dict[str, BuiltInModel]:
    """The built-in models of a role by name, the default first."""
    return {model.name: model for model in BUILT_IN if model.role == role}


def model_folder(role: Role, source: str | Path) -> Path:
    """The checkpoint folder that a user means: of the built-in model of that name, else the folder itself.

    A folder of the same name in the working folder is written ``./NAME``.

    Args:
        role: what the network is for.
        source: a name of ``model_names``, the name of a built-in folder of that role, or a folder.

    Raises:
        InputError: neither such a model nor a folder; the message lists the names.
    """
    named = model_names(role)
    known = {model.folder: model for model in named.values()} | named
    if str(source) in known:
        return known[str(source)].path
    if is_folder(Path(source)):
        return Path(source)
    more = f", and a classifier of the hub is given as hf:{source}" if role == "diarizer" else ""
    raise InputError(f"{source}: no such checkpoint folder; the built-in {role}s are {', '.join(named)}{more}")


def encoder_choice(encoder: str | None) -> tuple[str | None, str | None]:
    """What ``--encoder`` asks for.

    Args:
        encoder: None, ``builtin`` or the name of a built-in encoder; a name of ``HUB``; or a folder with the weights of
            a hub's encoder.

    Returns:
        The short name of the hub encoder, or None for the built-in one; and the folder of its weights, or None.

    Raises:
        InputError: neither a known name nor a folder.
    """
    if encoder in (None, "builtin", "emotion_encoder"):
        return None, None
    if encoder in HUB:
        return encoder, None
    if encoder in model_names("encoder") or not is_folder(Path(encoder)):
        known = ", ".join(["builtin", *HUB])
        raise InputError(f"--encoder {encoder}: give {known} or a folder with its weights")
    return WHISPER, encoder


def diarizer_choice(model: str | None, encoder: str | None) -> tuple[str, str | None]:
    """The diarizer that ``--model`` and ``--encoder`` name, and the folder of its encoder's weights or None.

    Raises:
        InputError: both choose, or what ``encoder_choice`` raises.
    """
    chosen, weights = encoder_choice(encoder)
    if chosen is None:
        return model or "diarizer", None
    if model is None or model in model_names("diarizer"):
        return chosen, weights
    if not is_folder(Path(model)):
        raise InputError("--encoder chooses among the built-in diarizers; leave --model out")
    return model, weights


def decoder_choice(decoder: Path | None, encoder: str | None) -> tuple[str | Path, str | None]:
    """The decoder that ``--decoder`` and ``--encoder`` name, and the folder of its encoder's weights or None.

    Raises:
        InputError: what ``encoder_choice`` raises.
    """
    chosen, weights = encoder_choice(encoder)
    return (decoder or "decoder", None) if decoder is not None or chosen is None else (chosen, weights)
