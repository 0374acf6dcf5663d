"""A checkpoint is a folder: ``config.json`` (plain data), ``model.safetensors`` and ``README.md``, the model card."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, Field

from sedtalker.arrays import Floats
from sedtalker.errors import InputError, one_of
from sedtalker.foreign_weights import convert_foreign_weights
from sedtalker.reading import checked, is_file, read_json
from sedtalker.staging import clear_left_over
from sedtalker.storage import OutputFolder, whole_file
from sedtalker.version import __version__

if TYPE_CHECKING:
    from torch.nn import Module

Kind = Literal[
    "speech_encoder",
    "emotion_encoder",
    "frame_network",
    "diarizer",
    "fine_emotions",
    "decoder",
    "readout_decoder",
    "vertex_decoder",
    "published_diarizer",
    "published_decoder",
    "landmarks",
    "burst_detector",
    "voice_presence",
    "speakers",
    "articulation",
]
"""What a checkpoint may be."""
Schema = TypeVar("Schema", bound=BaseModel)
"""The hyper-parameters of a kind."""
Network = TypeVar("Network", bound="Module")
"""The network of a kind."""


Figure = Annotated[float, AfterValidator(partial(round, ndigits=5))]
"""A measured value, of which five decimals are kept."""


class CheckpointConfig(BaseModel, extra="forbid"):
    """What ``config.json`` holds. Nothing in it is ever imported or instantiated by name."""

    kind: Kind
    format_version: Literal[1] = 1
    licence: str = Field(description="SPDX identifier of the weights' licence, the strictest of the training data's")
    trained_on: list[str] = Field(description="corpora, with their licences")
    encoder_sha256: str | None = Field(None, description="hash of the encoder weights a head was trained on")
    model: dict[str, Any] = Field(description="hyper-parameters, checked by the model's own schema")
    metrics: dict[str, Figure] = Field(default_factory=dict, description="on validation data, at the end of training")
    held_out: dict[str, Figure] = Field(default_factory=dict, description="on test data, written after measuring it")


def builtin_checkpoint(name: str) -> Path:
    """Folder of weights that ship with the package: speech_encoder, diarizer, decoder, …"""
    package = Path(__file__).parent
    roots = (package / "checkpoints", package.parent / "checkpoints")
    for root in roots:
        if is_file(root / name / "config.json"):
            return root / name
    names = sorted(path.parent.name for root in roots for path in root.glob("*/config.json"))
    raise InputError(f"'{name}' is neither a checkpoint folder nor built-in weights: {one_of(name, names)}")


def weights_sha256(folder: Path) -> str:
    """Hash of a checkpoint's weights file."""
    try:
        return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    except OSError:
        raise InputError(f"{folder}: model.safetensors is missing") from None


def read_config(folder: Path) -> CheckpointConfig:
    """The checked ``config.json`` of a checkpoint folder.

    What a program that was killed while it replaced the checkpoint has left is finished first: no configuration is
    read beside the weights of another.

    Raises:
        InputError: there is none, or it is not valid.
    """
    clear_left_over(folder)
    file = folder / "config.json"
    if not is_file(file):
        raise InputError(f"{folder}: not a checkpoint folder (no config.json)")
    if is_file(folder / "export" / "config.json"):
        raise InputError(f"{folder}: the folder of a training run; its checkpoint is {folder / 'export'}")
    held = read_json(file, "a checkpoint's configuration")
    config: CheckpointConfig = checked(CheckpointConfig, held, f"{folder}: config.json is not valid", "config.json")
    return config


def read_card(folder: Path) -> str:
    """The model card of a checkpoint.

    Raises:
        InputError: there is none, or it is not text.
    """
    try:
        return (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{folder}: README.md, the model card, is missing or not UTF-8") from None


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder's ``config.json`` is one of ours, and not that of a ``transformers`` model."""
    try:
        return "kind" in read_json(folder / "config.json", "a checkpoint's configuration")
    except (InputError, TypeError):
        return False


def read_kind(folder: Path, *kinds: Kind) -> CheckpointConfig:
    """The configuration of a checkpoint that is of one of some kinds.

    Raises:
        InputError: not a checkpoint, or of another kind.
    """
    config = read_config(folder)
    if config.kind not in kinds:
        raise InputError(f"{folder}: a checkpoint of kind {config.kind}; give one of kind {' or '.join(kinds)}")
    return config


def read_model(folder: Path, kind: Kind, schema: type[Schema]) -> Schema:
    """The checked hyper-parameters of a checkpoint of the given kind.

    Raises:
        InputError: not a checkpoint, or of another kind.
    """
    model: Schema = checked(schema, read_kind(folder, kind).model, f"{folder}: config.json does not describe a {kind}")
    return model


def read_checkpoint(folder: Path, kind: Kind, schema: type[Schema]) -> tuple[Schema, dict[str, Any]]:
    """The checked hyper-parameters and the state dict (float32) of a checkpoint of the given kind.

    Raises:
        InputError: not a checkpoint, of another kind, or damaged.
    """
    model = read_model(folder, kind, schema)
    state = _read_weights(folder / "model.safetensors")
    return model, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def _read_weights(file: Path) -> dict[str, Any]:
    """The tensors of a checkpoint as they are stored."""
    from safetensors.torch import load_file

    with _whole(file):
        return load_file(str(file))


def read_arrays(folder: Path, *names: str) -> list[Floats]:
    """Some weights of a checkpoint as arrays, without torch."""
    from safetensors import safe_open

    file = folder / "model.safetensors"
    with _whole(file), safe_open(file, "np") as stored:
        return [stored.get_tensor(name).astype(np.float32) for name in names]


def read_all_arrays(folder: Path) -> dict[str, Floats]:
    """All weights of a checkpoint by their names, see ``read_arrays``."""
    from safetensors.numpy import load_file

    file = folder / "model.safetensors"
    with _whole(file):
        return {name: value.astype(np.float32) for name, value in load_file(file).items()}


@contextmanager
def _whole(file: Path) -> Iterator[None]:
    """Say it where a file of weights cannot be read."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError):
        raise InputError(f"{file.parent}: {file.name} is missing or damaged") from None


def restored(make: Callable[[], Network], state: Mapping[str, Any], folder: Path) -> Network:
    """The network that a checkpoint's configuration describes, with its weights, ready for inference.

    It is built without memory (on torch's device meta), and then takes the weights as they are. Names and shapes are
    compared before that: a configuration from elsewhere may ask for any width. Only a network that holds other values
    than its weights is built a second time, with memory.

    Raises:
        InputError: there is no such network, or the weights are not those of it.
    """
    import torch

    try:
        with torch.device("meta"):
            network = make()
        wanted = {name: value.shape for name, value in network.state_dict().items()}
        wrong = sorted(n for n in wanted.keys() | state.keys() if n not in state or wanted.get(n) != state[n].shape)
        if wrong:
            raise InputError(f"{folder}: the weights are not those of config.json: {wrong[0]} ({len(wrong)} such)")
        network.load_state_dict(state, assign=True)
        if any(buffer.is_meta for buffer in network.buffers()):
            network = make()
            network.load_state_dict(state, assign=True)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError, MemoryError) as error:
        raise InputError(f"{folder}: config.json describes no network ({type(error).__name__})") from None
    return network.eval().requires_grad_(False)


def write_checkpoint(folder: Path, config: CheckpointConfig, state: Mapping[str, Any], card: str) -> None:
    """Write a checkpoint folder; floating-point weights are stored in half precision.

    All three files appear together, so that no old configuration meets new weights.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    half = {k: (v.to(torch.float16) if v.is_floating_point() else v).contiguous().cpu() for k, v in state.items()}
    text = json.dumps(config.model_dump(), indent=2, ensure_ascii=False) + "\n"
    try:
        with OutputFolder(folder, ("README.md", "config.json", "model.safetensors"), force=True) as results:
            weights = results.path / "model.safetensors"
            save_file(half, str(weights))
            weights.chmod(0o644)
            (results.path / "config.json").write_text(text, encoding="utf-8")
            (results.path / "README.md").write_text(card, encoding="utf-8")
    except (OSError, SafetensorError, InputError) as error:
        raise InputError(f"{folder}: the checkpoint cannot be written ({error})") from None


# --- Weights brought in from other programs, and runs made ready to be given away.


def convert_weights(source: Path, target: Path, like: Path | None = None) -> dict[str, list[int]]:
    """Write a foreign file's tensors as safetensors; returns their shapes by name.

    Args:
        source: ``.pth``, ``.pt`` or ``.ckpt``.
        target: the ``.safetensors`` file; with ``like``, the checkpoint folder.
        like: a checkpoint folder whose names and shapes the tensors must have; config and card are taken from it.

    Raises:
        InputError: not weights, or not those of ``like``.
    """
    if like is None:
        with whole_file(target) as temporary:
            convert_foreign_weights(source, temporary)
            return _shapes(temporary)
    config, expected = read_config(like), _shapes(like / "model.safetensors")
    with TemporaryDirectory() as folder:
        made = Path(folder) / "model.safetensors"
        try:
            convert_foreign_weights(source, made)
        except OSError as error:
            raise InputError(f"{target}: the checkpoint cannot be written ({error})") from None
        shapes = _shapes(made)
        wrong = sorted(name for name in expected.keys() | shapes.keys() if expected.get(name) != shapes.get(name))
        if wrong:
            name = wrong[0]
            raise InputError(
                f"{source}: not the weights of {like}: {name} is {shapes.get(name, 'missing')} and should be "
                f"{expected.get(name, 'absent')} ({len(wrong)} such)"
            )
        note = f"\n## Origin\nWeights converted from `{source.name}`. The metrics above are not theirs.\n"
        unknown = {"metrics": {}, "held_out": {}, "trained_on": [f"unknown: converted from {source.name}"]}
        write_checkpoint(target, config.model_copy(update=unknown), _read_weights(made), read_card(like) + note)
    return shapes


def _shapes(file: Path) -> dict[str, list[int]]:
    """Shapes of the tensors in a file of weights, which are not read."""
    from safetensors import safe_open

    with _whole(file), safe_open(file, "np") as stored:
        return {name: stored.get_slice(name).get_shape() for name in stored.keys()}  # noqa: SIM118


def export_run(run: Path, folder: Path) -> None:
    """Copy the weights of a finished run, and add to their card how they were made.

    Raises:
        InputError: the run is not finished, or the folder exists.
    """
    source = run / "export"
    if not (source / "README.md").is_file():
        raise InputError(f"{run}: no finished run (there is no export/ in it)")
    if folder.exists():
        raise InputError(f"{folder} exists; choose another folder")
    section = run_section(run)
    try:
        with OutputFolder(folder, None, force=False) as results:
            for file in source.iterdir():
                shutil.copyfile(file, results.path / file.name)
            card = (source / "README.md").read_text(encoding="utf-8")
            (results.path / "README.md").write_text(card.rstrip() + "\n\n" + section, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: the checkpoint cannot be written ({error})") from None


def run_section(run: Path) -> str:
    """The part of a card that says how a run was made: its configuration and its validations."""
    import torch

    try:
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
        lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["kind"] == "valid"]
    except (OSError, ValueError, TypeError, KeyError):
        raise InputError(f"{run}: config.json or log.jsonl of the run is missing or damaged") from None
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ("kind", "step")))
    shown = {part: value for part, value in config.items() if part in ("task", "trainer")}
    shown["trainer"] = {k: v for k, v in shown["trainer"].items() if k != "run_dir"}
    table = ["| step | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
    table += [
        f"| {row['step']} | " + " | ".join(f"{row.get(n, float('nan')):.4g}" for n in names) + " |" for row in rows
    ]
    return (
        f"## How it was made\nsedtalker {__version__}, torch {torch.__version__}; the best of these validations.\n\n"
        + "\n".join(table)
        + f"\n\n```json\n{json.dumps(shown, indent=2)}\n```\n"
    )
