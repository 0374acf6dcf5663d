"""``sedtalker checkpoint``: what a set of weights is and may be used for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli.console import fail_clearly, write_json

app = typer.Typer(help="Look at weights.", no_args_is_help=True)


@app.callback()
def checkpoint() -> None:
    """Look at weights."""


@app.command()
@fail_clearly
def inspect(
    folder: Annotated[str, typer.Argument(help="A checkpoint folder, or the name of built-in weights.")],
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Print kind, licence, training data and held-out figures of a checkpoint."""
    from sedtalker.checkpoint import builtin_checkpoint, read_config, weights_sha256

    path = Path(folder) if Path(folder).is_dir() else builtin_checkpoint(folder)
    config = read_config(path)
    described = config.model_dump() | {"weights_sha256": weights_sha256(path)}
    if json:
        write_json(described)
        return
    print(f"{'folder':<12}{path}\n{'kind':<12}{config.kind}\n{'licence':<12}{config.licence}")
    print(f"{'trained on':<12}{('; '.join(config.trained_on))}\n{'sha256':<12}{described['weights_sha256']}")
    for name, value in config.metrics.items():
        print(f"  {name:<26}{value:.4g}")
