"""``sedtalker evaluate``: figures on the held-out test splits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sedtalker.cli.console import fail_clearly, say, write_json

app = typer.Typer(help="Measure the diarizer or the decoder on held-out speakers and sentences.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="Training data folder [SEDTALKER_DATA or ../shared/data].")]
Checkpoint = Annotated[Path | None, typer.Option(help="A checkpoint folder; default: the built-in weights.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing plot.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@app.command()
@fail_clearly
def diarizer(
    data: Data = None,
    checkpoint: Checkpoint = None,
    json: AsJson = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the reliability diagram (.png).")] = None,
    baselines: Annotated[
        Path | None,
        typer.Option(metavar="RUN_DIR", help="Also train, in this folder, and score the published recipe and an SVM."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Features that baselines train on [~/.cache/sedtalker].")] = None,
    force: Force = False,
) -> None:
    """Emotion figures on speakers never heard in training."""
    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.manifest import find_data

    if plot is not None:
        check_writable(plot, force)
    from sedtalker.training.evaluation.diarizer import evaluate_diarizer

    figures = evaluate_diarizer(find_data(data), checkpoint, plot=plot, baselines=baselines, cache=cache, report=say)
    if plot is not None:
        say(f"plot: {plot}")
    _show(figures, json)


@app.command()
@fail_clearly
def enrolment(data: Data = None, checkpoint: Checkpoint = None, json: AsJson = False) -> None:
    """Emotion figures with 0, 1, 3 and 10 other clips of the speaker enrolled."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.enrolment import evaluate_enrolment

    _show(evaluate_enrolment(find_data(data), checkpoint, report=say), json)


@app.command()
@fail_clearly
def speed(
    data: Data = None,
    json: AsJson = False,
    hours: Annotated[float, typer.Option(min=0.001, help="Length of the recording.")] = 1.0,
) -> None:
    """Speed on one core and peak memory of the diarizer on a long recording."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.decoder import evaluate_speed

    _show(evaluate_speed(find_data(data), hours, report=say), json)


@app.command()
@fail_clearly
def streaming(data: Data = None, checkpoint: Checkpoint = None, json: AsJson = False) -> None:
    """Emotion figures with a look-ahead of 0.25, 0.5, 1 and 2 s, and offline."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.streaming import evaluate_streaming

    _show(evaluate_streaming(find_data(data), checkpoint, report=say), json)


@app.command("cross-corpus")
@fail_clearly
def cross_corpus(
    data: Data = None,
    json: AsJson = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the matrices as a heat map (.png).")] = None,
    force: Force = False,
) -> None:
    """Train on one corpus, test on another: a matrix of macro-F1, with and without logit adjustment."""
    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.manifest import find_data

    if plot is not None:
        check_writable(plot, force)
    from sedtalker.training.evaluation.cross_corpus import evaluate_cross_corpus, figures, markdown_table, plot_heat_map

    result = evaluate_cross_corpus(find_data(data), report=say)
    if plot is not None:
        plot_heat_map(result, plot)
        say(f"plot: {plot}")
    if json:
        write_json(figures(result))
    else:
        print("macro-F1 over the shared categories, as trained / with logit adjustment\n")
        print(markdown_table(result), end="")


@app.command()
@fail_clearly
def decoder(
    data: Data = None,
    checkpoint: Checkpoint = None,
    baselines: Annotated[
        Path | None, typer.Option(help="A folder of other decoders' checkpoints, trained alike, to compare with.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Motion figures on held-out sentences, with the static and shuffled controls."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.decoder import evaluate_decoder

    _show(evaluate_decoder(find_data(data), checkpoint, baselines=baselines, report=say), json)


@app.command("vertex-decoder")
@fail_clearly
def vertex_decoder(
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint folder of a vertex decoder.")],
    data: Annotated[Path, typer.Option(help="EmoVOCA, VOCASET or sequences of your own.")],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    cache: Annotated[Path | None, typer.Option(help="Speech features [~/.cache/sedtalker].")] = None,
    json: AsJson = False,
) -> None:
    """MVE, LVE, EVE and FDD on held-out sequences, with the static and shuffled controls."""
    from sedtalker.training.evaluation.vertex_decoder import evaluate_vertex_decoder
    from sedtalker.training.run import cache_folder

    _show(evaluate_vertex_decoder(data, checkpoint, split, cache_folder(str(cache) if cache else None)), json)


@app.command()
@fail_clearly
def registration(
    data: Data = None,
    json: AsJson = False,
    identities: Annotated[int, typer.Option(min=1, help="Random people of the reference rig.")] = 27,
    seed: Annotated[int, typer.Option(min=0, help="Of people, rotations and units.")] = 0,
    cost: Annotated[bool, typer.Option("--cost/--no-cost", help="Time and memory of a large mesh.")] = True,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="What MediaPipe sees, where installed.")] = True,
) -> None:
    """Figures of bringing your own mesh: heads with known truth, hard cases, and things that are no heads."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.registration import (
        evaluate_registration,
        evaluate_registration_cost,
        evaluate_registration_judged,
    )

    folder = find_data(data)
    figures = evaluate_registration(folder, identities, seed, report=say)
    if judge:
        figures |= evaluate_registration_judged(folder, seed, report=say)
    if cost:
        figures |= evaluate_registration_cost(folder, report=say)
    if json:
        write_json(figures)
    else:
        _show({name: value for name, value in figures.items() if isinstance(value, int | float)}, json)


def _show(figures: Mapping[str, float], json: bool) -> None:
    if json:
        write_json({name: round(float(value), 4) for name, value in figures.items()})
    else:
        for name, value in figures.items():
            print(f"{name:<28}{value:.4g}")
