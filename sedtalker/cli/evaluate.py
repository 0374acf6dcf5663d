"""``sedtalker evaluate``: metrics on the held-out test splits.

Each command is a function with its own options that returns ``Figures``; ``evaluation`` makes a command of it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import Commands, ShownProgress, say, write_json
from sedtalker.errors import InputError, extra
from sedtalker.progress import Hook
from sedtalker.storage import check_writable
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.measures import TEST, help_text, listed_metrics

app = Commands(
    help="Measure the diarizer or a decoder on speakers and sentences it was not trained on.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option("--data", help="Training data folder [SEDTALKER_DATA or ../shared/data].")]
Checkpoint = Annotated[Path | None, typer.Option(help="A checkpoint folder; default: the built-in weights.")]
HubEncoder = Annotated[
    Path | None, typer.Option(help="Folder of the hub encoder's weights; default: the hub's cache, or the hub.")
]
Model = Annotated[str, typer.Option(help="diarizer, whisper-base, or a checkpoint folder.")]


class Figures(NamedTuple):
    """What a command measured.

    Attributes:
        metrics: all of them, by their keys; ``--json`` prints these.
        table: text below the figures, for people.
        chosen: keys that people are shown; None: all.
    """

    metrics: Mapping[str, object]
    table: str = ""
    chosen: Iterable[str] | None = None


def evaluation(name: str, about: str) -> Callable[[Callable[..., Figures]], Callable[..., Figures]]:
    """Make a command of a function.

    A function with ``data`` is given the folder of the training data, found by ``--data``, and one with ``hook`` a
    progress hook, set by ``--progress``. Every command has ``--json``, and one with a ``plot`` has ``--force``.
    """

    def added(measure: Callable[..., Figures]) -> Callable[..., Figures]:
        asked = dict(inspect.signature(measure, eval_str=True).parameters)
        trained, hooked = (asked.pop(name, None) is not None for name in ("data", "hook"))
        own: dict[str, tuple[Any, Any]] = {"data": (Data, None)} if trained else {}
        own |= {"json": (o.JsonOption, False)}
        own |= {"force": (o.ForceOption, False)} if "plot" in asked else {}
        own |= {"progress": (o.ProgressOption, "bar")} if hooked else {}
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        more = [inspect.Parameter(k, kind, annotation=a, default=d) for k, (a, d) in own.items()]

        def command(**given: Any) -> None:
            json, force = given.pop("json"), given.pop("force", False)
            style, plot = given.pop("progress", "none"), given.get("plot")
            if plot is not None:
                from sedtalker.emotion.plot import check_plot_name

                check_plot_name(plot)
                check_writable(plot, force)
            if "data" in given:
                given["data"] = find_data(given["data"])
            with ShownProgress(style) as shown, extra("train"), _recordings_not_noted():
                figures = measure(**given, **({"hook": shown.hook} if hooked else {}))
            if plot is not None:
                say(f"plot: {plot}")
            _show(figures, json)

        command.__name__ = measure.__name__
        parameters = [*asked.values(), *more]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, help=help_text(name, about))(command)
        return measure

    return added


@contextmanager
def _recordings_not_noted() -> Iterator[None]:
    """No note of each recording that is unlike the training data: corpora have hundreds of them."""
    notes = logging.getLogger("sedtalker.emotion.inference")
    notes.disabled = True
    try:
        yield
    finally:
        notes.disabled = False


def _show(figures: Figures, json: bool) -> None:
    """Print all figures as JSON, or for people those that were chosen and the table below them."""
    metrics, table, chosen = figures
    if json:
        write_json({key: _rounded(value) for key, value in metrics.items()})
        return
    shown = {key: metrics[key] for key in (metrics if chosen is None else chosen)}
    for key, value in shown.items():
        print(f"{key:<28}{value:.4g}")
    if table:
        print(f"\n{table}" if shown else table, end="")


def _rounded(value: object) -> object:
    return round(float(value), 4) if isinstance(value, Real) and not isinstance(value, int) else value


# --- The commands.


@evaluation("few", "What a handful of labelled recordings teaches a diarizer, on corpora it was not trained on.")
def few(
    data: Path,
    hook: Hook,
    model: Model = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int, typer.Option(min=7, help="At most so many clips of each speaker and category.")] = 25,
    plot: Annotated[Path | None, typer.Option(help="Draw recall by number of labels (.png).")] = None,
) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.few import evaluate_few, few_table, plot_few

    metrics = evaluate_few(data, model, encoder, clips, hook)
    if plot is not None:
        plot_few(metrics, plot)
    return Figures(metrics, few_table(metrics), [m.key for m, _ in listed_metrics(TEST["few"], metrics)])


@evaluation("transfer", "Emotion metrics on corpora the weights were not trained on, zero-shot.")
def transfer(
    data: Path,
    hook: Hook,
    model: Annotated[
        str, typer.Option(help="diarizer, whisper-base, a checkpoint folder, or hf:NAME, a classifier of the hub.")
    ] = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips of each corpus, and joined recordings of each set.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw recalls as a heat map, and accuracy by coverage (.png).")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="Instead of a model, a CSV of what yours said: file, and label or a column per category."),
    ] = None,
) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.transfer import (
        evaluate_predictions,
        evaluate_transfer,
        plot_transfer,
        transfer_metrics,
        transfer_table,
    )

    if predictions is None:
        result = evaluate_transfer(data, model, encoder, clips, hook)
    elif (model, encoder) != ("diarizer", None):
        raise InputError("--predictions is of a program of yours: leave out --model and --encoder")
    else:
        result = evaluate_predictions(data, predictions, clips)
    if plot is not None:
        plot_transfer(result, plot)
    roles = "headline and other: never trained on; development: chose the recipe; in-domain: trained on, test speakers"
    return Figures(transfer_metrics(result), f"{roles}\n\n{transfer_table(result)}", result.summary)


@evaluation("expression", "Which emotion faces show, end to end, on corpora never trained on.")
def expression(
    data: Path,
    hook: Hook,
    model: Model = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int | None, typer.Option(min=8, help="At most so many clips of each corpus.")] = None,
    rendered: Annotated[int, typer.Option(min=0, help="Also render this many clips of each for MediaPipe.")] = 0,
) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.expression import evaluate_expression, expression_metrics, expression_table

    metrics = expression_metrics(evaluate_expression(data, model, encoder, clips, rendered, hook))
    chosen = [measure.key for measure, _ in listed_metrics(TEST["expression"], metrics)]
    return Figures(metrics, expression_table(metrics), chosen)


@evaluation(
    "conversation", "Who speaks when in conversations of unseen speakers, whose mouth moves, and what each expresses."
)
def conversation(
    data: Path,
    hook: Hook,
    model: Model = "diarizer",
    encoder: HubEncoder = None,
    talks: Annotated[int, typer.Option(min=1, help="Conversations of each corpus.")] = 36,
) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.conversation import evaluate_conversation

    metrics = evaluate_conversation(data, model, encoder, talks, hook)
    return Figures(metrics, "", [measure.key for measure, _ in listed_metrics(TEST["conversation"], metrics)])


@evaluation("decoder", "Motion metrics on held-out sentences, with static and shuffled controls.")
def decoder(data: Path, hook: Hook, checkpoint: Checkpoint = None, encoder: HubEncoder = None) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.decoder_measures import evaluate_decoder

    return Figures(evaluate_decoder(data, checkpoint, encoder, hook=hook))


@evaluation("motion", "Lips that any program made, against the sound, and against other motion of it.")
def motion(
    theirs: Annotated[Path, typer.Argument(help="ARKit weights: a Live Link CSV (52 x T), or an .npz of animate.")],
    audio: Annotated[Path, typer.Argument(help="The speech, which begins at the same moment.")],
    reference: Annotated[
        Path | None, typer.Option(help="Motion to compare with, of either kind: tracked, or ours.")
    ] = None,
) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.lips import evaluate_motion

    o.check_files(theirs, audio, reference)
    return Figures(evaluate_motion(theirs, audio, reference))


@evaluation("vertex-decoder", "Vertex metrics on held-out sequences, with controls.")
def vertex_decoder(
    hook: Hook,
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint folder of a vertex decoder.")],
    sequences: Annotated[Path, typer.Option("--data", help="EmoVOCA, VOCASET or sequences of your own.")],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    cache: Annotated[Path | None, typer.Option(help="Where features are kept; default: ~/.cache/sedtalker.")] = None,
) -> Figures:
    """See ``help_text``."""
    from sedtalker.training.evaluation.vertex_decoder_measures import evaluate_vertex_decoder
    from sedtalker.training.run import cache_folder

    folder = cache_folder(str(cache) if cache else None)
    return Figures(evaluate_vertex_decoder(sequences, checkpoint, split, folder, hook))
