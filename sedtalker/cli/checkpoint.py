"""``sedtalker checkpoint`` and ``sedtalker models``: weights looked at, converted, published, listed and fetched."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import Commands, ShownProgress, say, write_json
from sedtalker.errors import InputError, extra, one_of, written
from sedtalker.models import BUILT_IN, HUB, TERMS, PulledModel
from sedtalker.models import pull as pull_model
from sedtalker.reading import is_folder, problem_of
from sedtalker.storage import OutputFolder, check_folder, check_writable, write_text

if TYPE_CHECKING:
    from sedtalker.checkpoint import Kind
    from sedtalker.speech.backbone import BackboneConfig


app = Commands(help="Inspect, convert, compare and publish weights.", no_args_is_help=True)


@app.command()
def inspect(
    folder: Annotated[str, typer.Argument(help="A checkpoint folder, or the name of built-in weights.")],
    json: o.JsonOption = False,
) -> None:
    """Print kind, licence, training data and held-out figures of a checkpoint: those of docs/results.md.

    Figures on validation data, which were used for choices and are therefore too good, are shown only where there
    are no others; --json has both.
    """
    from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
    from sedtalker.training.evaluation.measures import VALIDATION, explained, held_out_measures

    named = [model.folder for model in BUILT_IN]
    path = Path(folder) if folder not in named and is_folder(Path(folder)) else builtin_checkpoint(folder)
    config = read_config(path)
    described = config.model_dump() | {"weights_sha256": weights_sha256(path)}
    if json:
        write_json(described)
        return
    print(f"{'folder':<12}{path}\n{'kind':<12}{config.kind}\n{'licence':<12}{config.licence}")
    print(f"{'trained on':<12}{('; '.join(config.trained_on))}\n{'sha256':<12}{described['weights_sha256']}")
    if config.held_out:
        print("on data that was never trained on (docs/results.md):")
        print(explained(held_out_measures(config.kind, config.held_out), config.held_out))
    elif config.metrics:
        print("nothing held out was measured; on validation data, used for choices and therefore too good:")
        print(explained(VALIDATION.get(config.kind, ()), config.metrics))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run (trainer.run_dir).")],
    folder: Annotated[Path, typer.Argument(help="The checkpoint folder to make.")],
) -> None:
    """Copy a run's weights into a folder of their own; the card says how they were made."""
    from sedtalker.checkpoint import export_run

    export_run(run, folder)
    print(folder)


@app.command()
@extra("train")
def graphs(folders: Annotated[list[Path], typer.Argument(help="Checkpoint folders.")]) -> None:
    """Write the graphs by which a checkpoint runs without torch; they point into its weights."""
    from sedtalker.export.onnx_graphs import write_graphs

    for folder in folders:
        for path in write_graphs(folder):
            print(path)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A .pth, .pt or .ckpt file of another program.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write, or with --like a checkpoint folder.")],
    like: Annotated[Path | None, typer.Option(help="A checkpoint folder whose names and shapes it must have.")] = None,
    json: o.JsonOption = False,
    force: o.ForceOption = False,
) -> None:
    """Convert foreign weights to safetensors. Only tensors are read: a file that wants to run code is refused."""
    from sedtalker.checkpoint import convert_weights

    if like is None and target.suffix != ".safetensors":
        raise InputError(f"{target}: the file to write ends in .safetensors (or give --like FOLDER)")
    (check_writable if like is None else check_folder)(target, force)
    shapes = convert_weights(source, target, like)
    if json:
        write_json(shapes)
    else:
        say(f"{len(shapes)} tensors")
        print(target)


@app.command()
@extra("train")
def table(runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")], json: o.JsonOption = False) -> None:
    """Compare runs: what they differ in and the metrics of their best validation, best score first."""
    from sedtalker.training.run import as_markdown, results_table

    rows = results_table(runs)
    if json:
        write_json(rows)
    else:
        print(as_markdown(rows), end="")


# --- ``sedtalker models``: list bundled weights and those of the hub, and fetch the latter.

models_app = Commands(help="List the weights there are, and fetch the encoders of the hub.", no_args_is_help=True)


# --- What there is.


@models_app.command("list")
def list_models(json: o.JsonOption = False) -> None:
    """List built-in weights with their licence and held-out figures, and the encoders of the hub."""
    built_in, encoders = built_in_weights(), hub_encoders()
    if json:
        write_json({"built_in": built_in, "hub_encoders": encoders, "terms": TERMS})
        return
    print("built-in weights (sedtalker checkpoint inspect NAME says more)")
    for b in built_in:
        print(f"\n{b['name']:<27}{b['kind']:<17}{b['megabytes']:>6.1f} MB   {b['licence']}")
        print(f"  folder       {b['folder']}")
        if b["encoder"]:
            print(f"  encoder      {b['encoder']}, of the hub")
        print(f"  trained on   {'; '.join(b['trained_on'])}")
        if figures := _figures(b["kind"], b["held_out"]):
            print(f"  held out     {figures}")
    print("\nencoders of the Hugging Face hub (sedtalker models pull NAME)")
    for e in encoders:
        part = f", the first {e['blocks']} encoder blocks used" if e["blocks"] else ""
        print(f"\n{e['name']:<27}{e['hub']:<20}{e['megabytes']:>6} MB   {e['licence']}")
        print(f"  {e['title']}: {e['parameters'] / 1e6:.0f} M parameters{part}")
        print(f"  {'on this machine: ' + e['here'] if e['here'] else 'not on this machine'}")
    print("\nvoices of sedtalker say (sedtalker models pull tts): Kokoro-82M, 121 MB, Apache-2.0")
    print("\nwhat the licences of built-in weights ask (our reading, no legal advice)\n")
    for name, asked in TERMS.items():
        print(f"{name:<10} {asked}")


def built_in_weights() -> list[dict[str, Any]]:
    """The built-in weights in alphabetical order; ``encoder``: of the hub, where they need one."""
    found = []
    for model in sorted(BUILT_IN, key=lambda model: model.folder):
        config = model.config
        row: dict[str, Any] = {"name": model.folder, "folder": str(model.path), "kind": config.kind}
        row |= {"megabytes": round(model.megabytes, 1), "licence": config.licence, "trained_on": config.trained_on}
        encoder = next((HUB[name].repository for name in model.encoders if name in HUB), None)
        found.append(row | {"held_out": config.held_out, "encoder": encoder, "streams": model.streams})
    return found


def hub_encoders() -> list[dict[str, Any]]:
    """The hub encoders that have a short name.

    ``parameters`` are those of the whole model, of which only the first ``blocks`` of the encoder run (None: all);
    ``here`` is its folder on this machine, None where it is not fetched yet.
    """
    from sedtalker.speech.backbone import whisper_file
    from sedtalker.speech.encoder import HUB_ENCODERS

    found = []
    for name, config in HUB_ENCODERS.items():
        facts = HUB[name]
        try:
            here = whisper_file(config, fetch=False).parent
        except InputError:
            here = None
        row: dict[str, Any] = {"name": name, "hub": config.name, "title": facts.title, "licence": facts.licence}
        row |= {"parameters": facts.parameters, "blocks": max(facts.layers), "megabytes": facts.megabytes}
        found.append(row | {"here": None if here is None else str(here)})
    return found


def _figures(kind: Kind, held_out: Mapping[str, float]) -> str:
    from sedtalker.training.evaluation.measures import held_out_measures, listed_metrics

    listed = [(m.key, value) for m, value in listed_metrics(held_out_measures(kind, held_out), held_out)]
    listed = listed or list(held_out.items())
    return ", ".join(f"{key} {value:.3g}" for key, value in listed[:5])


@models_app.command("export")
def export_networks(
    onnx: Annotated[Path, typer.Option("--onnx", metavar="DIR", help="The folder to write.")],
    frames: Annotated[
        list[int] | None, typer.Option(help="Frames of 20 ms that the decoders take at once: 4, 16 or 64. Repeatable.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Store weights in eight bits: half the size.")] = False,
    json: o.JsonOption = False,
    force: o.ForceOption = False,
) -> None:
    """Write the built-in networks as ONNX graphs for engines and web pages, with model.json and check.json."""
    from sedtalker.export.onnx_models import STEPS, export_models

    made = export_models(onnx, tuple(frames or STEPS), int8, force)
    if json:
        write_json({"folder": str(onnx), "files": [file.name for file in made]})
    else:
        say(f"{len(made)} files, {sum(file.stat().st_size for file in made) / 1e6:.1f} MB")
        print(onnx)


# --- Fetching.


@models_app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="An encoder of sedtalker models list, the folder of a checkpoint that names one, tts, for say, or asr."
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Take it from a folder (model.safetensors), those that have a name also from a URL.",
        ),
    ] = None,
    json: o.JsonOption = False,
) -> None:
    """Fetch whisper-base, tts or asr, or the encoder that a checkpoint names; nothing is fetched twice.

    With --from it is copied from a folder, for machines without a network.
    """
    from sedtalker.models import HUB, hub_model
    from sedtalker.phonetics.recognition import RECOGNISER
    from sedtalker.phonetics.synthesis import VOICE

    files = {model.name: model for model in (VOICE, RECOGNISER)}
    if name in files:
        return pull_files(files[name], source, json)
    if name in HUB:
        return pull_files(HUB[name].pulled, source, json, partial(check_weights, HUB[name].repository))
    if not Path(name).is_dir():
        if any(b["name"] == name for b in built_in_weights()):
            raise InputError(f"{name}: built in, there is nothing to fetch")
        raise InputError(f"{name}: no such encoder: {one_of(name, [*HUB, *files])}")
    config = named_backbone(Path(name))
    if config.side_by_side and (known := hub_model(config.name)):
        return pull_files(known.pulled, source, json, partial(check_weights, config.name))
    with extra("hub"):
        import huggingface_hub  # noqa: F401
        import transformers  # noqa: F401
    folder = fetched(config) if source is None else copied(config, Path(source))
    if json:
        write_json({"name": name, "hub": config.name, "folder": str(folder)})
    else:
        say(f"{config.name}: ready")
        print(folder)


def check_weights(repository: str, file: Path) -> None:
    """Compare the weights of a hub encoder with those that built-in networks were trained on.

    Raises:
        InputError: they are others.
    """
    from sedtalker.checkpoint import read_config
    from sedtalker.speech.whisper import LAYERS, WhisperEncoder

    for weights in [w for w in built_in_weights() if w["encoder"] == repository]:
        described = read_config(Path(weights["folder"]))
        layers = described.model["backbone"]["side_by_side"] if "backbone" in described.model else LAYERS
        if described.encoder_sha256 not in (None, WhisperEncoder.open(file, layers).sha256()):
            raise InputError(f"not the weights of {repository} that {weights['name']} was trained on")


def pull_files(model: PulledModel, source: str | None, json: bool, check: Callable[[Path], None] | None = None) -> None:
    """Fetch the files of a model; for ``check``, see ``sedtalker.models.pull``."""
    with ShownProgress("bar", False) as shown:
        paths = pull_model(model, source, shown.hook, check)
    if json:
        write_json({"name": model.name, "files": [str(path) for path in paths]})
    else:
        say(f"{model.name}: ready, {model.licence}")
        print("\n".join(map(str, paths)))


def named_backbone(folder: Path) -> BackboneConfig:
    """The hub model that a checkpoint's configuration names.

    Raises:
        InputError: not a checkpoint, or it names none.
    """
    from pydantic import ValidationError

    from sedtalker.checkpoint import read_config
    from sedtalker.speech.backbone import PACKED, BackboneConfig

    named = read_config(folder).model.get("backbone")
    if named is None:
        raise InputError(f"{folder}: it reads a built-in encoder, there is nothing to fetch")
    try:
        config = BackboneConfig.model_validate(named)
    except ValidationError as error:
        raise InputError(f"{folder}: config.json names no model of the hub: {problem_of(error)[1]}") from None
    if config.name == PACKED or Path(config.name).is_dir():
        raise InputError(f"{folder}: it reads {config.name}, which is a folder; there is nothing to fetch")
    return config


def fetched(config: BackboneConfig) -> Path:
    """The folder of a hub model in the cache, fetched there if it was not; opened once, so that it is known to work.

    Raises:
        InputError: it is not here and the hub cannot be reached, or it is no such model.
    """
    from sedtalker.speech.backbone import cached_folder
    from sedtalker.speech.encoder import open_encoder

    if cached_folder(config) is None:
        say(f"fetching {config.name}")
    try:
        open_encoder(config)
    except InputError as error:
        if "cannot be reached" in str(error):
            raise InputError(f"{error}; fetch it elsewhere and give its folder with --from FOLDER") from None
        raise
    folder = cached_folder(config)
    if folder is None:
        raise InputError(f"{config.name}: opened, but there is no model.safetensors of it in the cache of the hub")
    return folder


def copied(config: BackboneConfig, source: Path) -> Path:
    """Copy a model's folder into the cache of the hub under its name there, as if it had been fetched.

    Raises:
        InputError: it is no model of that kind, or it cannot be written there.
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    from sedtalker.speech.encoder import open_encoder

    if not source.is_dir():
        raise InputError(f"{source}: no such folder")
    open_encoder(config.model_copy(update={"name": str(source), "revision": None}))
    commit = config.revision or hashlib.sha1((source / "model.safetensors").read_bytes()).hexdigest()
    root = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=config.name, repo_type="model")
    target = root / "snapshots" / commit
    with written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_dir():
            with OutputFolder(target, None, force=True) as results:
                # the last is not always there
                for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
                    if (source / name).is_file():
                        shutil.copyfile(source / name, results.path / name)
        (root / "refs").mkdir(exist_ok=True)
        write_text(root / "refs" / (config.revision or "main"), commit)
    return target
