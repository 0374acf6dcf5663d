"""``sedtalker checkpoint``: what a set of weights is, how good it is, and how it comes in and goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import InputError

app = typer.Typer(help="Look at weights, convert them, make them ready to publish.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


@app.callback()
def checkpoint() -> None:
    """Look at weights, convert them, make them ready to publish."""


@app.command()
@fail_clearly
def inspect(
    folder: Annotated[str, typer.Argument(help="A checkpoint folder, or the name of built-in weights.")],
    json: AsJson = False,
) -> None:
    """Print kind, licence, training data and metrics of a checkpoint.

    Two kinds of metrics: on test data, which no choice was made on (once somebody measured them), and on validation
    data, which chose among weights and are too good for that reason.
    """
    from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256
    from sedtalker.training.evaluation.measures import TEST, VALIDATION, explained

    path = Path(folder) if Path(folder).is_dir() else builtin_checkpoint(folder)
    config = read_config(path)
    described = config.model_dump() | {"weights_sha256": weights_sha256(path)}
    if json:
        write_json(described)
        return
    print(f"{'folder':<12}{path}\n{'kind':<12}{config.kind}\n{'licence':<12}{config.licence}")
    print(f"{'trained on':<12}{('; '.join(config.trained_on))}\n{'sha256':<12}{described['weights_sha256']}")
    if config.held_out:
        print("on test data, never used for a choice (docs/results.md):")
        part = "decoder" if config.kind == "corrected_decoder" else config.kind.replace("_", "-")
        print(explained(TEST.get(part, ()), config.held_out))
    if config.metrics:
        print("on validation data, used for choices:")
        print(explained(VALIDATION.get(config.kind, ()), config.metrics))


@app.command()
@fail_clearly
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run (trainer.run_dir).")],
    folder: Annotated[Path, typer.Argument(help="The checkpoint folder to make.")],
) -> None:
    """Copy a run's weights into a folder of their own; the card says how they were made."""
    from sedtalker.checkpoint import export_run

    export_run(run, folder)
    print(folder)


@app.command()
@fail_clearly
def convert(
    source: Annotated[Path, typer.Argument(help="A .pth, .pt or .ckpt file of another program.")],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write, or with --like a checkpoint folder.")],
    like: Annotated[Path | None, typer.Option(help="A checkpoint folder whose names and shapes it must have.")] = None,
    json: AsJson = False,
    force: Force = False,
) -> None:
    """Convert foreign weights to safetensors. Only tensors are read: a file that wants to run code is refused."""
    from sedtalker.checkpoint import convert_weights
    from sedtalker.storage import check_writable

    if like is None and target.suffix != ".safetensors":
        raise InputError(f"{target}: the file to write ends in .safetensors (or give --like FOLDER)")
    check_writable(target, force)
    shapes = convert_weights(source, target, like)
    if json:
        write_json(shapes)
    else:
        say(f"{len(shapes)} tensors")
        print(target)


@app.command()
@fail_clearly
def correct(
    target: Annotated[Path, typer.Argument(help="The checkpoint folder to write.")],
    decoder: Annotated[Path, typer.Argument(help="The checkpoint folder of a decoder.")],
    mouth_model: Annotated[Path, typer.Argument(help="The folder of a mouth model (experiment=mouth_model).")],
) -> None:
    """Put a mouth model beside a decoder, whose mouth it corrects on neutral speech."""
    from sedtalker.training.tasks.mouth_model import correct_decoder

    if target.exists():
        raise InputError(f"{target} exists; choose another folder")
    correct_decoder(decoder, mouth_model, target)
    print(target)


@app.command()
@fail_clearly
def table(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    json: AsJson = False,
) -> None:
    """Compare runs: what they differ in and the metrics of their best validation, best score first."""
    from sedtalker.training.run import results_table

    made = results_table(runs)
    if json:
        write_json(made.rows)
    else:
        print(made.markdown(), end="")
