"""``sedtalker train``: Hydra configs in, a checkpoint folder out."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from sedtalker.cli.console import PROGRESS_HELP, ProgressStyle, ShownProgress, fail_clearly, say, write_json
from sedtalker.errors import extra

logger = logging.getLogger(__name__)


@fail_clearly
def train(
    overrides: Annotated[list[str], typer.Argument(help="Hydra overrides: experiment=decoder trainer.steps=100 …")],
    multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="One run for each combination of values: trainer.lr=1e-3,3e-3.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the validation metrics as JSON.")] = False,
    progress: Annotated[ProgressStyle, typer.Option(help=PROGRESS_HELP)] = "bar",
) -> None:
    """Train a network: [bold]sedtalker train experiment=NAME data=DIR[/bold].

    The run's folder is trainer.run_dir, by default runs/EXPERIMENT/DATE-TIME. The same command with the same folder
    continues an interrupted run. debug=fast makes two steps on little data, to see that everything works.
    """
    with extra("train"):
        import hydra  # noqa: F401
        import lightning_fabric  # noqa: F401
    from sedtalker.training.loop import is_main_process
    from sedtalker.training.run import compose, sweep
    from sedtalker.training.run import train as run

    with ShownProgress(progress) as shown:
        if multirun:
            table = sweep(overrides, shown.hook)
            if json:
                write_json(table.rows)
            else:
                print(table.markdown(), end="")
            return
        config = compose(overrides)
        logger.info("sedtalker train %s", " ".join(overrides))
        metrics = run(config, shown.hook)
    if json and is_main_process():
        write_json(metrics)
    elif is_main_process():
        say(f"the checkpoint folder is {config['trainer']['run_dir']}/export")
