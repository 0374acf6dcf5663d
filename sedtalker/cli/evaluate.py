"""``sedtalker evaluate``: metrics on the held-out test splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Annotated, Literal

import typer

from sedtalker.cli import options as o
from sedtalker.cli.console import PROGRESS_HELP, ProgressStyle, ShownProgress, fail_clearly, say, write_json
from sedtalker.training.evaluation.measures import TEST, help_text, listed_metrics

app = typer.Typer(
    help="Measure the diarizer or a decoder on speakers and sentences it was not trained on.", no_args_is_help=True
)

Data = Annotated[Path | None, typer.Option("--data", help="Training data folder [SEDTALKER_DATA or ../shared/data].")]
Checkpoint = Annotated[Path | None, typer.Option(help="A checkpoint folder; default: the built-in weights.")]
Cache = Annotated[Path | None, typer.Option(help="Where features are kept; default: ~/.cache/sedtalker.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing plot.")]
HubEncoder = Annotated[
    Path | None, typer.Option(help="Folder of the hub encoder's weights; default: the hub's cache, or the hub.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the metrics as JSON.")]
ShowProgress = Annotated[ProgressStyle, typer.Option(help=PROGRESS_HELP)]


@app.command(help=help_text("diarizer", "Emotion metrics on speakers that were not trained on."))
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
    cache: Cache = None,
    force: Force = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.manifest import find_data

    if plot is not None:
        check_writable(plot, force)
    with ShownProgress(progress) as shown:
        if baselines is not None:
            from sedtalker.training.published.functionals_svm import evaluate_with_baselines

            metrics = evaluate_with_baselines(find_data(data), baselines, cache, checkpoint, plot, shown.hook)
        else:
            from sedtalker.training.evaluation.diarizer import evaluate_diarizer

            metrics = evaluate_diarizer(find_data(data), checkpoint, plot=plot, hook=shown.hook)
    if plot is not None:
        say(f"plot: {plot}")
    _show(metrics, json)


@app.command(help=help_text("enrolment", "Emotion metrics with 0, 1, 3 and 10 other clips of the speaker enrolled."))
@fail_clearly
def enrolment(
    data: Data = None, checkpoint: Checkpoint = None, json: AsJson = False, progress: ShowProgress = "bar"
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.diarizer import evaluate_enrolment

    with ShownProgress(progress) as shown:
        metrics = evaluate_enrolment(find_data(data), checkpoint, hook=shown.hook)
    _show(metrics, json)


@app.command(help=help_text("speed", "Speed on one core and peak memory of the diarizer on a long recording."))
@fail_clearly
def speed(
    data: Data = None,
    json: AsJson = False,
    hours: Annotated[float, typer.Option(min=0.001, help="Length of the recording.")] = 1.0,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.speed import evaluate_speed

    with ShownProgress(progress) as shown:
        metrics = evaluate_speed(find_data(data), hours, shown.hook)
    _show(metrics, json)


@app.command(help=help_text("streaming", "Emotion metrics with a look-ahead of 0.25, 0.5, 1 and 2 s, and offline."))
@fail_clearly
def streaming(
    data: Data = None, checkpoint: Checkpoint = None, json: AsJson = False, progress: ShowProgress = "bar"
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.speed import evaluate_streaming

    with ShownProgress(progress) as shown:
        metrics = evaluate_streaming(find_data(data), checkpoint, hook=shown.hook)
    _show(metrics, json)


@app.command("cross-corpus", help=help_text("cross-corpus", "Train on one corpus, test on another: a matrix."))
@fail_clearly
def cross_corpus(
    data: Data = None,
    json: AsJson = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the matrices as a heat map (.png).")] = None,
    force: Force = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.manifest import find_data

    if plot is not None:
        check_writable(plot, force)
    from sedtalker.training.evaluation.cross_corpus import (
        cross_corpus_metrics,
        evaluate_cross_corpus,
        markdown_table,
        plot_heat_map,
    )

    with ShownProgress(progress) as shown:
        result = evaluate_cross_corpus(find_data(data), shown.hook)
    if plot is not None:
        plot_heat_map(result, plot)
        say(f"plot: {plot}")
    heading = "macro-F1 over the shared categories, as trained / with logit adjustment"
    _show(cross_corpus_metrics(result), json, f"{heading}\n\n{markdown_table(result)}", ())


@app.command("ser-evals", help=help_text("ser-evals", "Within CREMA-D and beyond it, beside functionals and an SVM."))
@fail_clearly
def ser_evals(
    data: Data = None,
    model: Annotated[str, typer.Option(help="diarizer, whisper-base, or a checkpoint folder.")] = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int | None, typer.Option(min=8, help="At most so many clips of each corpus.")] = None,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.ser_evals import evaluate_ser_evals, ser_evals_table

    with ShownProgress(progress) as shown:
        metrics = evaluate_ser_evals(find_data(data), model, encoder, clips, shown.hook)
    _show(metrics, json, ser_evals_table(metrics), ())


@app.command(help=help_text("transfer", "Emotion metrics on corpora the weights were not trained on, zero-shot."))
@fail_clearly
def transfer(
    data: Data = None,
    model: Annotated[
        str, typer.Option(help="diarizer, whisper-base, a checkpoint folder, or hf:NAME, a classifier of the hub.")
    ] = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int | None, typer.Option(min=1, help="At most so many clips of each corpus.")] = None,
    json: AsJson = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw recalls as a heat map, and accuracy by coverage (.png).")
    ] = None,
    force: Force = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.manifest import find_data

    if plot is not None:
        check_writable(plot, force)
    from sedtalker.training.evaluation.transfer import evaluate_transfer
    from sedtalker.training.evaluation.transfer_tables import plot_transfer, transfer_metrics, transfer_table

    with ShownProgress(progress) as shown:
        result = evaluate_transfer(find_data(data), model, encoder, clips, shown.hook)
    if plot is not None:
        plot_transfer(result, plot)
        say(f"plot: {plot}")
    roles = "headline and other: never trained on; development: chose the recipe; in-domain: trained on, test speakers"
    _show(transfer_metrics(result), json, f"{roles}\n\n{transfer_table(result)}", result.summary)


@app.command(help=help_text("expression", "Which emotion faces show, end to end, on corpora never trained on."))
@fail_clearly
def expression(
    data: Data = None,
    model: Annotated[str, typer.Option(help="diarizer, whisper-base, or a checkpoint folder.")] = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int | None, typer.Option(min=8, help="At most so many clips of each corpus.")] = None,
    rendered: Annotated[int, typer.Option(min=0, help="Render so many of each, too, and show them to MediaPipe.")] = 0,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.expression import evaluate_expression, expression_metrics, expression_table

    with ShownProgress(progress) as shown:
        result = evaluate_expression(find_data(data), model, encoder, clips, rendered, shown.hook)
        metrics = expression_metrics(result)
    chosen = [measure.key for measure, _ in listed_metrics(TEST["expression"], metrics)]
    _show(metrics, json, expression_table(metrics), chosen)


@app.command(help=help_text("adaptation", "What sedtalker adapt gains on corpora the weights were not trained on."))
@fail_clearly
def adaptation(
    data: Data = None,
    model: Annotated[str, typer.Option(help="diarizer, whisper-base, or a checkpoint folder.")] = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int | None, typer.Option(min=4, help="At most so many clips of each corpus.")] = None,
    strength: Annotated[float, typer.Option(min=0.0, max=1.0, help="How far the diarizer is moved.")] = 0.5,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.adaptation import adaptation_table, corpora_of, evaluate_adaptation

    with ShownProgress(progress) as shown:
        metrics = evaluate_adaptation(find_data(data), model, encoder, clips, strength, shown.hook)
    endings = tuple(f"_{name}" for name in corpora_of(metrics))
    whole = [key for key in metrics if not key.endswith(endings)]
    _show(metrics, json, adaptation_table(metrics), whole)


@app.command("nova-arc", help=help_text("nova-arc", "NOVA-ARC on corpora never trained on, beside its flat twin."))
@fail_clearly
def nova_arc(
    data: Data = None,
    clips: Annotated[int | None, typer.Option(min=8, help="At most so many clips of each corpus.")] = 200,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.nova_arc import evaluate_nova_arc, nova_arc_table

    with ShownProgress(progress) as shown:
        metrics = evaluate_nova_arc(find_data(data), clips, shown.hook)
    _show(metrics, json, nova_arc_table(metrics), [key for key in metrics if key.startswith("nova_gain_")])


@app.command(help=help_text("sere", "Five labelled clips in one language, recognition in another, beside controls."))
@fail_clearly
def sere(
    data: Data = None,
    clips: Annotated[int | None, typer.Option(min=40, help="At most so many clips of each corpus.")] = 200,
    draws: Annotated[int, typer.Option(min=1, help="Of the five clips, for each task.")] = 10,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.resonance import evaluate_resonance, resonance_table

    with ShownProgress(progress) as shown:
        metrics = evaluate_resonance(find_data(data), clips, draws, shown.hook)
    _show(metrics, json, resonance_table(metrics), [key for key in metrics if key.endswith("_uar")])


@app.command(help=help_text("fine", "Curves of finer kinds against what bursts were asked for and raters' votes."))
@fail_clearly
def fine(
    data: Data = None,
    model: Annotated[str, typer.Option(help="diarizer, whisper-base, or a checkpoint folder.")] = "diarizer",
    encoder: HubEncoder = None,
    fine_model: Annotated[Path | None, typer.Option(help="Folder of other heads, see sedtalker diarize.")] = None,
    fine_encoder: Annotated[str | None, typer.Option(help="The Whisper that Empathic Insight's heads read.")] = None,
    clips: Annotated[int | None, typer.Option(min=4, help="At most so many clips of speech of each corpus.")] = None,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.fine import evaluate_fine, fine_table

    with ShownProgress(progress) as shown:
        metrics = evaluate_fine(find_data(data), model, encoder, fine_model, fine_encoder, clips, shown.hook)
    _show(metrics, json, fine_table(metrics), sorted(metrics.keys() & {m.key for m in TEST["fine"]}))


@app.command(help=help_text("routing", "What it gains that doubtful segments are decided by somebody else."))
@fail_clearly
def routing(
    data: Data = None,
    model: Annotated[str, typer.Option(help="diarizer, whisper-base, or a checkpoint folder.")] = "diarizer",
    encoder: HubEncoder = None,
    clips: Annotated[int | None, typer.Option(min=4, help="At most so many clips of each corpus.")] = None,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the clips that is handed on.")] = 0.15,
    adapt: Annotated[
        Literal["mean", "norm", "pseudo"] | None, typer.Option(help="Adapt the diarizer to each corpus first.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the risk-coverage curves (.png).")] = None,
    force: Force = False,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.storage import check_writable
    from sedtalker.training.corpora.manifest import find_data

    if plot is not None:
        check_writable(plot, force)
    from sedtalker.training.evaluation.routing import evaluate_routing, plot_routing, routed_corpora, routing_table

    with ShownProgress(progress) as shown:
        metrics = evaluate_routing(find_data(data), model, encoder, clips, share, adapt, shown.hook)
    if plot is not None:
        plot_routing(metrics, plot)
        say(f"plot: {plot}")
    endings = tuple(f"_{name}" for name in routed_corpora(metrics))
    whole = [key for key in metrics if not key.endswith(endings) and not key.startswith("risk_")]
    _show(metrics, json, routing_table(metrics), whole)


@app.command(help=help_text("valence", "How far valence and arousal of a track agree with ratings, and their verdict."))
@fail_clearly
def valence(
    track: Annotated[Path, typer.Argument(help="A track, or a folder of tracks whose names the ratings have.")],
    against: Annotated[Path, typer.Argument(help="Ratings (.csv: start, end, valence, arousal), or another track.")],
    scale: Annotated[
        tuple[float, float], typer.Option(metavar="LOW HIGH", help="Lowest and highest rating in the file.")
    ] = (-1.0, 1.0),
    coordinates: o.CoordinatesOption = None,
    json: AsJson = False,
) -> None:
    """See ``help_text``."""
    from sedtalker.batch.valence import evaluate_valence
    from sedtalker.emotion.taxonomy import read_coordinates

    plane = None if coordinates is None else read_coordinates(coordinates)
    found = evaluate_valence(track, against, scale, plane)
    if json:
        write_json(
            {
                "n": max(each.n for each in found),
                **{f"{a.axis}_{key}": round(value, 4) for a in found for key, value in a.figures.items()},
                "trusted": {each.axis: each.trusted for each in found},
                "verdicts": [each.verdict for each in found],
            }
        )
        return
    print(f"{'':<10}{'n':>5}{'Spearman':>10}{'p':>10}{'Pearson':>10}{'p':>10}{'CCC':>10}{'p':>10}")
    for each in found:
        f = each.figures
        names = ("spearman", "spearman_p", "pearson", "pearson_p", "ccc", "ccc_p")
        print(f"{each.axis:<10}{each.n:>5}" + "".join(f"{f[name]:>10.2g}" for name in names))
    for each in found:
        print(each.verdict)


@app.command(help=help_text("decoder", "Motion metrics on held-out sentences, with static and shuffled controls."))
@fail_clearly
def decoder(
    data: Data = None,
    checkpoint: Checkpoint = None,
    encoder: HubEncoder = None,
    baselines: Annotated[
        Path | None, typer.Option(help="A folder of other decoders' checkpoints, trained alike, to compare with.")
    ] = None,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.decoder import evaluate_decoder

    with ShownProgress(progress) as shown:
        metrics = evaluate_decoder(find_data(data), checkpoint, encoder, baselines, shown.hook)
    _show(metrics, json)


@app.command("vertex-decoder", help=help_text("vertex-decoder", "Vertex metrics on held-out sequences, with controls."))
@fail_clearly
def vertex_decoder(
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint folder of a vertex decoder.")],
    data: Annotated[Path, typer.Option(help="EmoVOCA, VOCASET or sequences of your own.")],
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    cache: Cache = None,
    json: AsJson = False,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.evaluation.vertex_decoder import evaluate_vertex_decoder
    from sedtalker.training.run import cache_folder

    with ShownProgress(progress) as shown:
        folder = cache_folder(str(cache) if cache else None)
        metrics = evaluate_vertex_decoder(data, checkpoint, split, folder, shown.hook)
    _show(metrics, json)


@app.command(help=help_text("registration", "Metrics of bringing your own mesh: heads with known truth, and no heads."))
@fail_clearly
def registration(
    data: Data = None,
    json: AsJson = False,
    identities: Annotated[int, typer.Option(min=1, help="Random people of the reference rig.")] = 27,
    seed: Annotated[int, typer.Option(min=0, help="Of people, rotations and units.")] = 0,
    cost: Annotated[bool, typer.Option("--cost/--no-cost", help="Time and memory of a large mesh.")] = True,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="What MediaPipe sees, where installed.")] = True,
    progress: ShowProgress = "bar",
) -> None:
    """See ``help_text``."""
    from sedtalker.training.corpora.manifest import find_data
    from sedtalker.training.evaluation.registration import (
        evaluate_registration,
        evaluate_registration_cost,
        evaluate_registration_judged,
    )

    folder = find_data(data)
    with ShownProgress(progress) as shown:
        metrics = evaluate_registration(folder, identities, seed, shown.hook)
        if judge:
            metrics |= evaluate_registration_judged(folder, seed, shown.hook)
        if cost:
            metrics |= evaluate_registration_cost(folder, shown.hook)
    _show(metrics, json, chosen=[name for name, value in metrics.items() if isinstance(value, int | float)])


def _show(metrics: Mapping[str, object], json: bool, table: str = "", chosen: Iterable[str] | None = None) -> None:
    """Print figures: all as JSON, or for people those ``chosen`` (None: all), and a table below them."""
    if json:
        write_json({key: _rounded(value) for key, value in metrics.items()})
        return
    shown = {key: metrics[key] for key in (metrics if chosen is None else chosen)}
    for key, value in shown.items():
        print(f"{key:<28}{value:.4g}")
    if table:
        print(f"\n{table}" if shown else table, end="")


def _rounded(value: object) -> object:
    return round(float(value), 4) if isinstance(value, Real) and not isinstance(value, bool) else value
