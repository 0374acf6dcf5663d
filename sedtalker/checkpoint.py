"""A checkpoint is a folder: ``config.json`` (plain data), ``model.safetensors`` and ``README.md``, the model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sedtalker.errors import InputError

Kind = Literal[
    "speech_encoder",
    "frame_network",
    "diarizer",
    "decoder",
    "vertex_decoder",
    "published_diarizer",
    "published_decoder",
    "landmarks",
]
Schema = TypeVar("Schema", bound=BaseModel)


class CheckpointConfig(BaseModel):
    """What ``config.json`` holds. Nothing in it is ever imported or instantiated by name."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    format_version: Literal[1] = 1
    licence: str = Field(description="SPDX identifier of the weights' licence, the strictest of the training data's")
    trained_on: list[str] = Field(description="corpora, with their licences")
    encoder_sha256: str | None = Field(None, description="hash of the encoder weights a head was trained on")
    model: dict[str, Any] = Field(description="hyper-parameters, checked by the model's own schema")
    metrics: dict[str, float] = Field(default_factory=dict, description="held-out figures at the end of training")


def builtin_checkpoint(name: str) -> Path:
    """Folder of weights that ship with the package: speech_encoder, diarizer, decoder, decoder_streaming, landmarks."""
    package = Path(__file__).parent
    for root in (package / "checkpoints", package.parent / "checkpoints"):
        if (root / name / "config.json").is_file():
            return root / name
    raise InputError(
        f"'{name}' is neither a checkpoint folder nor built-in weights (speech_encoder, diarizer, decoder, "
        "decoder_streaming, landmarks)"
    )


def weights_sha256(folder: Path) -> str:
    """Hash of a checkpoint's weights file."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def read_config(folder: Path) -> CheckpointConfig:
    """The checked ``config.json`` of a checkpoint folder."""
    try:
        return CheckpointConfig.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{folder}: not a checkpoint folder (no config.json)") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "config.json"
        raise InputError(f"{folder}: config.json is not valid: {where}: {first['msg']}") from None


def read_checkpoint(folder: Path, kind: Kind, schema: type[Schema]) -> tuple[CheckpointConfig, Schema, dict[str, Any]]:
    """Config, checked hyper-parameters and the state dict (float32) of a checkpoint of the given kind.

    Raises:
        InputError: not a checkpoint, of another kind, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_config(folder)
    if config.kind != kind:
        raise InputError(f"{folder}: this is a {config.kind} checkpoint, a {kind} checkpoint is needed")
    try:
        model = schema.model_validate(config.model)
        state = load_file(str(folder / "model.safetensors"))
    except ValidationError as error:
        raise InputError(f"{folder}: config.json does not describe a {kind}: {error.errors()[0]['msg']}") from None
    except (OSError, SafetensorError):
        raise InputError(f"{folder}: model.safetensors is missing or damaged") from None
    return config, model, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def write_checkpoint(folder: Path, config: CheckpointConfig, state: dict[str, Any], card: str) -> None:
    """Write a checkpoint folder; floating-point weights are stored in half precision."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {k: (v.to(torch.float16) if v.is_floating_point() else v).contiguous().cpu() for k, v in state.items()}
    save_file(half, str(folder / "model.safetensors"))
    (folder / "model.safetensors").chmod(0o644)
    text = json.dumps(config.model_dump(), indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")
