"""``sedtalker train``: Hydra configs in, a checkpoint folder out."""

from __future__ import annotations

from typing import Annotated

import typer

from sedtalker.cli.console import fail_clearly, say, write_json
from sedtalker.errors import extra


@fail_clearly
def train(
    overrides: Annotated[list[str], typer.Argument(help="Hydra overrides: experiment=decoder trainer.steps=100 …")],
    multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="One run for each combination of values: trainer.lr=1e-3,3e-3.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the final figures as JSON.")] = False,
) -> None:
    """Train a model: [bold]sedtalker train experiment=NAME trainer.run_dir=DIR[/bold]."""
    with extra("train"):
        import hydra  # noqa: F401
        import lightning_fabric  # noqa: F401
    from sedtalker.training.run import compose, leads
    from sedtalker.training.run import train as run

    if multirun:
        from sedtalker.training.sweep import sweep

        table = sweep(overrides, report=say)
        if json:
            write_json(table.rows)
        else:
            print(table.markdown(), end="")
        return
    config = compose(overrides)
    metrics = run(config, report=say)
    if not leads():
        return
    if json:
        write_json(metrics)
    else:
        say(f"the checkpoint folder is {config['trainer']['run_dir']}/export")
