"""Weights of one's own.

``sedtalker train`` trains networks from Hydra configs. ``sedtalker adapt`` makes a diarizer for one's own recordings,
from a few labelled ones or from none. ``sedtalker style`` fits the talking style of somebody to a clip of theirs.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sedtalker.animation.performance import Performance
from sedtalker.cli import options as o
from sedtalker.cli.console import PROGRESS_HELP, ProgressStyle, ShownProgress, fail_clearly, say, write_json
from sedtalker.errors import extra
from sedtalker.processes import end_with_torchrun, is_main_process
from sedtalker.storage import check_folder, check_writable

logger = logging.getLogger(__name__)

Method = Literal["mean", "norm", "pseudo"]
"""As in ``sedtalker.emotion.adaptation``, which is not imported before it is needed."""

if TYPE_CHECKING:
    from sedtalker.batch.adaptation import Report
    from sedtalker.emotion.adaptation import Fit


@fail_clearly
@o.takes_options(only="encoder max_seconds")
def adapt(
    inputs: Annotated[
        list[str], typer.Argument(help="Recordings of one kind, folders, globs, or a table (.csv, .jsonl) of them.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the adapted weights, for --model.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Table (.csv, .jsonl) with the columns file and label, 1 to 20 a category; and speaker."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The diarizer to adapt: a checkpoint folder; default: the built-in one.")
    ] = None,
    options: Performance = Performance(),
    strength: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far the diarizer is adapted; 0: not at all.")
    ] = 0.5,
    method: Annotated[
        Method,
        typer.Option(
            help="Without labels. mean: shift the features; norm: also balance the categories; pseudo: also train on "
            "its own answers."
        ),
    ] = "norm",
    pattern: Annotated[list[str] | None, typer.Option(help="Only these files of folders, for example '*.wav'.")] = None,
    device: o.DeviceOption = "auto",
    run: o.Run = o.Run(),
) -> None:
    """Fit the diarizer to a speaker, a language, a studio, a telephone line: from five or more recordings.

    A few labelled ones help most (--labels, or a column "label" of a table). The recalls before and after are of
    labelled recordings that were left out.
    """
    check_folder(output, run.force)
    from sedtalker.batch.adaptation import (
        check_labels,
        check_report,
        labelled_items,
        read_recordings,
        report_adaptation,
    )
    from sedtalker.batch.inputs import MANIFESTS, find_items
    from sedtalker.batch.settings import BatchSettings

    tables = any(Path(given).suffix.lower() in MANIFESTS for given in inputs)
    items = find_items(inputs, output, BatchSettings(), pattern or (), labelled=tables)
    if labels is not None:
        items = labelled_items(items, labels, [Path(given) for given in inputs if Path(given).is_dir()])
    check_labels(items)
    from sedtalker.nn import torch_threads

    diarizer = o.open_diarizer(model, options.encoder, 1.0, device)
    with run.shown() as shown:
        read = read_recordings(diarizer, items, options.max_seconds, shown.hook)
        made = diarizer.adapt_to(read, strength, method)
        with torch_threads(1):
            report = report_adaptation(diarizer.in_torch(), read, strength, method)
    check_report(report)
    made.save(output)
    assert made.fit is not None
    if run.as_json:
        write_json(
            {
                "folder": str(output),
                "method": "labels" if made.fit.labelled else method,
                **asdict(made.fit),
                **asdict(report),
            }
        )
    else:
        print(described(made.fit, report))
        print(output)


def described(fit: Fit, report: Report) -> str:
    """The report for a terminal."""
    recordings, spoken = report.recordings
    about = [f"learned from the labels of {fit.labelled} recordings"]
    if not fit.labelled:
        about = [
            f"usual speech is {fit.distance:.2f} deviations from that of training",
            f"halves of the recordings agree on {fit.agreement:.0%} of the answers",
        ]
    lines = [
        f"{recordings} recordings, speech in {spoken}: {fit.seconds:.0f} s in {fit.pieces} pieces",
        *about,
        "",
        f"{'answers':<12}before   after",
    ]
    lines += [f"{name:<12}{share:>6.0%}  {report.after[name]:>6.0%}" for name, share in report.before.items()]
    if report.recall_before is not None and report.recall_after is not None:
        lines += [
            "",
            f"recall of {report.labelled} with a label, by what is learned without them: "
            f"{report.recall_before:.2f} -> {report.recall_after:.2f}",
        ]
    return "\n".join(lines) + "\n"


@fail_clearly
def style(
    motion: Annotated[
        Path, typer.Argument(help="Motion of the person's face: a Live Link CSV, or an .npz of sedtalker animate.")
    ],
    audio: Annotated[Path, typer.Argument(help="The speech of that clip, which starts at the same moment.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The style; default: NAME.style.json beside it.")
    ] = None,
    force: o.ForceOption = False,
    as_json: o.JsonOption = False,
) -> None:
    """Fit a talking style to a clip; sedtalker animate --style uses it."""
    target = output or motion.with_name(f"{motion.stem}.style.json")
    o.check_suffix(target, ".json")
    check_writable(target, force)
    from sedtalker.animation.style import fit_style, write_style
    from sedtalker.audio import load_audio
    from sedtalker.export.arkit import read_motion
    from sedtalker.face.builtin import load_face
    from sedtalker.nn.engine import open_model
    from sedtalker.speech.encoder import open_encoder

    o.check_files(motion, audio)
    features = open_encoder()(load_audio(audio))
    weights, track, _ = read_motion(motion, features.clock.times(len(features)))
    found, left = fit_style(open_model("decoder"), features, weights, load_face(), track)
    write_style(target, found)
    say(f"the lips differ from the clip's {100 * left:.0f} % as much as in the natural style")
    if as_json:
        write_json({"file": str(target), "style": asdict(found), "error_left": round(left, 4)})
    else:
        for name, value in asdict(found).items():
            print(f"{name:<14}{value:+.2f}")
        print(target)


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
    end_with_torchrun()
    if not is_main_process():
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # before torch is there
    with extra("train"):
        import hydra  # noqa: F401
        import lightning_fabric  # noqa: F401
    from sedtalker.training.run import as_markdown, compose, sweep
    from sedtalker.training.run import train as run

    with ShownProgress(progress if is_main_process() else "none") as shown, _one_voice(is_main_process()):
        if multirun:
            rows = sweep(overrides, shown.hook)
            if json:
                write_json(rows)
            else:
                print(as_markdown(rows), end="")
            return
        config = compose(overrides)
        logger.info("sedtalker train %s", " ".join(overrides))
        metrics = run(config, shown.hook)
    if json and is_main_process():
        write_json(metrics)
    elif is_main_process():
        say(f"the checkpoint folder is {config['trainer']['run_dir']}/export")


@contextmanager
def _one_voice(is_first: bool) -> Iterator[None]:
    """Let processes that train beside the first one say only what is wrong; lines of torch and Fabric need no echo."""
    if not is_first:
        for name in ("sedtalker", "lightning_fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        warnings.simplefilter("ignore")
    try:
        yield
    except KeyboardInterrupt:
        if is_first:
            raise
        raise typer.Exit(130) from None
