"""Measure the built-in weights and write ``docs/results.md``, ``docs/results.json``, a table and the model cards.

python scripts/make_results.py --data DIR                          # everything, about half an hour
python scripts/make_results.py --data DIR --parts transfer speed
python scripts/make_results.py --data DIR --parts transfer_whisper_base --whisper FOLDER
python scripts/make_results.py --parts                             # write the pages anew, measure nothing

Its tables are the first of ``docs/emotion.md``. What is not measured this time is kept from ``docs/results.json``. The
metrics that the page shows are also written into ``held_out`` of the shipped ``config.json`` files, where
``sedtalker checkpoint inspect`` finds them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fit_mouth_readout import readout_decoder_card
from measured_page import asked_for, write_between_marks
from measures.keys import KEYS
from measures.speed import evaluate_speed

from sedtalker.animation.mouth_readout import MouthReadoutConfig
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config
from sedtalker.cli.console import ShownProgress, messages_shown
from sedtalker.progress import Hook
from sedtalker.training.cards import card_of, decoder_card, fill_card, speech_encoder_card, transfer_card
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.decoder_measures import evaluate_decoder
from sedtalker.training.evaluation.expression import evaluate_expression, expression_metrics, expression_table
from sedtalker.training.evaluation.measures import ARROWS, TEST, Measure, listed_metrics, markdown_table
from sedtalker.training.evaluation.transfer import evaluate_transfer

DOCS = Path(__file__).parents[1] / "docs"
"""Where the pages are written."""
PARTS = (
    *("transfer", "transfer_whisper_base", "expression", "expression_whisper_base"),
    *("speed", "decoder", "decoder_whisper_base"),
)
"""What can be measured."""
INTRODUCTION = (
    "# Results\n\nWritten by `python scripts/make_results.py --data DIR`. No network was trained on the test speakers "
    "and sentences. Choices were made on\nvalidation speakers, with one exception that [the page on lips](lips.md) "
    "describes. ↑ means that higher is better, ↓ that lower is better; the\nnumber after it is the project's target. "
    "`sedtalker/training/evaluation/measures.toml` defines every key, and [results.json](results.json) holds all\n"
    "measures, also the groups, controls and variants that the tables leave out.\n"
)
TRANSFERS = {"transfer": "diarizer", "transfer_whisper_base": "whisper-base"}
"""Parts of zero-shot tables, and the weights they are of."""
EXPRESSIONS = {"expression": "diarizer", "expression_whisper_base": "whisper-base"}
"""Parts of what faces show, and the weights that the tracks are of."""
DECODERS = {name: name for name in ("decoder", "decoder_whisper_base")}
"""Parts of tables of decoders, and the folders of the weights."""
SHEET = "![24 faces, each with the emotion that was intended and the one that it shows](images/expression.jpg)"
"""The picture below the table of what faces show, of ``scripts/make_expression_sheet.py``."""
ANIMATED, LOOKED_AT = 100, 8
"""Clips of each corpus that are animated, and emotional ones of them that are rendered for MediaPipe."""
CLIPS = 200
"""Clips of each corpus that are scored."""
ENCODER_RUN = (
    "4,600 steps of 24 crops of 4 s in an hour of one core, beginning with the layers of the encoder before, which\n"
    "read centred log-mels (5,500 steps). Each crop was presented three times, from a store that was renewed;\n"
    "`experiment=emotion_encoder` draws new ones instead, and begins at random."
)
"""How the shipped emotion encoder was trained."""
NOISE_RUNS = (
    "Two runs of 2,150 and 2,000 steps, at -5 to 15 dB; in the second one clean crops counted three times. 0.6 of the\n"
    "way from the weights before to those after is what ships, which keeps clean speech nearly as it was."
)
"""How the shipped speech encoder went on in noise."""
HEADS_RUN = (
    "Of six runs of `sedtalker train experiment=transfer_diarizer` the one with the best recall on the development\n"
    "corpora (seed 5)."
)
"""How the shipped diarizer was trained."""
WHISPER_HEADS_RUN = (
    "One run of the recipe of `sedtalker train experiment=transfer_diarizer task.encoder=whisper-base` (seed 2), of\n"
    "four perceptrons, without the copies in other voices and in rooms. Opened, they answer together with the four of\n"
    "the built-in diarizer, which reads its own encoder beside Whisper's layers. Figures are those of both, and so\n"
    "are the level of calm speech and the temperature."
)
"""How the shipped diarizer on Whisper-base was trained."""


# --- The page.


def table(measures: Sequence[Measure], columns: Mapping[str, Mapping[str, float]]) -> str:
    """The listed metrics, a column for each of some weights, with what each is and which way is better."""
    rows = []
    listed = [dict(listed_metrics(measures, metrics)) for metrics in columns.values()]
    for measure in measures:
        if any(measure in found for found in listed):
            cells = [f"{found[measure]:.3f}" if measure in found else "" for found in listed]
            better = f"{ARROWS[measure.better]} {asked_for(measure)}".strip()
            rows.append([f"`{measure.key}`", *cells, measure.text, better])
    return markdown_table(["key", *columns, "what it is", "better"], rows) + "\n"


def corpora_table(columns: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """A line a corpus: what it is to the weights, and how some of them do on it."""
    measured = {"recall (own classes)": "uar", "angry as happy": "angry_as_happy", "calibration error": "ece"}
    head = ["corpus", "role", "clips", *(f"{what}, {name}" for what in measured for name in columns)]
    rows = []
    for corpus in dict.fromkeys(name for corpora in columns.values() for name in corpora):
        of_weights = [corpora.get(corpus, {}) for corpora in columns.values()]
        about = next(found for found in of_weights if found)
        values = [found.get(key) for key in measured.values() for found in of_weights]
        cells = ["" if value is None else f"{value:.2f}" for value in values]
        rows.append([corpus, about["role"], str(about["clips"]), *cells])
    return markdown_table(head, rows) + "\n"


def asked_table(results: Mapping[str, Any]) -> str:
    """Table of ``docs/emotion.md``: targets for diarizers on other corpora, and what the built-in ones reach."""
    rows = [
        _asked_row(measure, [results[part]["summary"].get(measure.key) for part in TRANSFERS])
        for measure in TEST["transfer"]
        if measure.asked is not None
    ]
    return markdown_table(["", "asked", *TRANSFERS.values()], rows) + "\n\nBold: reached.\n"


def expression_tables(results: Mapping[str, Any]) -> str:
    """Tables for ``docs/emotion.md``: what is asked of faces, what they show, and each corpus alone."""
    parts = {part: name for part, name in EXPRESSIONS.items() if part in results}
    found = [(m, [results[part].get(m.key) for part in parts]) for m in TEST["expression"] if m.listed]
    rows = [_asked_row(measure, values) for measure, values in found if any(value is not None for value in values)]
    tables = [f"\n\n{name}:\n\n{expression_table(results[part])}" for part, name in parts.items()]
    table = markdown_table(["", "asked", *parts.values()], rows)
    return f"{table}\n\nBold: reached.\n\n{SHEET}" + "".join(tables)


def _asked_row(measure: Measure, values: Sequence[float | None]) -> list[str]:
    """A measure, what is asked, and what is measured: bold where that is reached."""
    cells = ["" if value is None else f"{value:.3f}" for value in values]
    bold = [value is not None and measure.asked is not None and reached(measure, value) for value in values]
    marked = (f"**{cell}**" if strong else cell for cell, strong in zip(cells, bold, strict=True))
    return [f"`{measure.key}`: {measure.text}", asked_for(measure), *marked]


def reached(measure: Measure, value: float) -> bool:
    """Whether a value is what is asked, in the three digits that are shown."""
    value, asked = round(value, 3), measure.asked or 0.0
    return value >= asked if measure.better == "higher" else value <= asked


def page(results: Mapping[str, Any]) -> str:
    """``docs/results.md``."""
    sections = [INTRODUCTION]
    transfers = {name: results[part] for part, name in TRANSFERS.items() if part in results}
    if transfers:
        clips = next(iter(transfers.values()))["limit"]
        commands = "\n".join(
            f"sedtalker evaluate transfer --data DIR --model {name} --clips {clips} --json" for name in transfers
        )
        metrics = table(TEST["transfer"], {name: found["summary"] for name, found in transfers.items()})
        corpora = corpora_table({name: found["corpora"] for name, found in transfers.items()})
        sections.append(
            f"\n## Diarizers on corpora they were not trained on\n\n```sh\n{commands}\n```\n\n{metrics}\n"
            f"A *headline* corpus belongs to the means above, a *development* corpus chose the recipe, and the weights "
            f"were\ntrained on other speakers of an *in-domain* corpus.\n\n{corpora}"
        )
    if "speed" in results:
        sections.append(
            "\n## Speed and memory of the diarizer\n\n```sh\npython scripts/measure.py speed --data DIR --json\n```\n\n"
            + table(KEYS["speed"], {"value": results["speed"]})
        )
    decoders = {name: results[part] for part, name in DECODERS.items() if part in results}
    if decoders:
        commands = "\n".join(
            f"sedtalker evaluate decoder --checkpoint checkpoints/{name} --data DIR --json" for name in decoders
        )
        sections.append(
            f"\n## Decoders\n\n```sh\n{commands}\n```\n\n`decoder_whisper_base` (`--encoder whisper-base`) averages "
            "the decoder with a readout of Whisper-base's layers.\n[Other forms of the decoder]"
            "(comparisons.md#forms-of-the-decoder) of equal size are compared elsewhere.\n\n"
            + table(TEST["decoder"], decoders)
        )
    return "".join(sections)


# --- The shipped checkpoints: metrics on test data in config.json, and the cards.


def write_checkpoints(results: Mapping[str, Any], root: Path) -> None:
    """Write ``held_out`` and ``README.md`` of the checkpoints in ``root``; weights are not touched."""
    held_out = {
        "diarizer": listed_metrics(TEST["transfer"], results.get("transfer", {}).get("summary", {})),
        "diarizer_whisper_base": listed_metrics(
            TEST["transfer"], results.get("transfer_whisper_base", {}).get("summary", {})
        ),
        "decoder": listed_metrics(TEST["decoder"], results.get("decoder", {})),
        "decoder_whisper_base": listed_metrics(TEST["decoder"], results.get("decoder_whisper_base", {})),
    }
    for name, metrics in held_out.items():
        path = root / name / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["held_out"] = {m.key: value for m, value in metrics}
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, card in cards(results, root).items():
        (root / name / "README.md").write_text(card, encoding="utf-8")
        print(root / name / "README.md")


def cards(results: Mapping[str, Any], root: Path) -> dict[str, str]:
    """The text of every shipped model card, by the name of its folder."""
    found: dict[str, CheckpointConfig] = {
        name: read_config(root / name)
        for name in (
            *("decoder", "decoder_whisper_base", "diarizer", "diarizer_whisper_base"),
            *("emotion_encoder", "landmarks", "speech_encoder", "burst_detector", "voice_presence"),
            *("articulation", "articulation_streaming"),
        )
    }
    return {
        "decoder": decoder_card(0.0, True, found["decoder"].metrics, sentences_section(results["decoder"])),
        "decoder_whisper_base": readout_decoder_card(
            MouthReadoutConfig.model_validate(found["decoder_whisper_base"].model),
            sentences_section(results["decoder_whisper_base"]),
        ),
        "diarizer": transfer_card(found["diarizer"], corpora_section(results["transfer"]), HEADS_RUN),
        "diarizer_whisper_base": transfer_card(
            found["diarizer_whisper_base"], corpora_section(results["transfer_whisper_base"]), WHISPER_HEADS_RUN
        ),
        "emotion_encoder": card_of(
            found["emotion_encoder"], run=ENCODER_RUN, channels=found["emotion_encoder"].model["channels"]
        ),
        "burst_detector": fill_card("burst_detector", **found["burst_detector"].held_out),
        "voice_presence": fill_card("voice_presence", **found["voice_presence"].metrics),
        "articulation": fill_card("articulation", **found["articulation"].metrics),
        "articulation_streaming": fill_card("articulation_streaming", **found["articulation_streaming"].metrics),
        "landmarks": fill_card("landmarks", **found["landmarks"].metrics, minutes=30),
        "speech_encoder": speech_encoder_card(found["speech_encoder"].metrics, WENT_ON.format(run=NOISE_RUNS)),
    }


WENT_ON = """\
Its training was then continued (`experiment=speech_encoder_noise`): its own output for clean sound was the target for
the same sound in noise (ESC-10 and others), beside one to five other readers, and in rooms. Decoders were not changed.
{run}

"""
"""Paragraph on a speech encoder that continued training in noise."""


def sentences_section(metrics: Mapping[str, float]) -> str:
    """The section of a decoder's card on test sentences."""
    rows = [(measure.text, f"{value:.3f}") for measure, value in listed_metrics(TEST["decoder"], metrics)]
    shown = markdown_table(("measure", "value"), rows)
    return f"## Metrics on test sentences (never trained on)\n\n`sedtalker evaluate decoder --json`.\n\n{shown}\n\n"


def corpora_section(results: Mapping[str, Any]) -> str:
    """The section of a diarizer's card on corpora that it was not trained on."""
    found = {name: figures for name, figures in results["corpora"].items() if "uar" in figures}
    rows = [(name, f"{figures['uar']:.2f}", figures["role"]) for name, figures in found.items()]
    listed = listed_metrics(TEST["transfer"], results["summary"])
    summary = [f"- {measure.text}: {value:.3f}" for measure, value in listed]
    return "\n".join(summary) + "\n\n" + markdown_table(("corpus", "recall over its own categories", "role"), rows)


# --- Measuring.


def measure(arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    """Fill in the parts that were asked for."""
    data = find_data(arguments.data)
    with ShownProgress() as shown:
        runs: dict[str, Callable[[], dict[str, Any]]] = {
            "transfer": lambda: transfer(data, "diarizer", None, shown.hook),
            "transfer_whisper_base": lambda: transfer(data, "whisper-base", arguments.whisper, shown.hook),
            "expression": lambda: expression(data, "diarizer", None, shown.hook),
            "expression_whisper_base": lambda: expression(data, "whisper-base", arguments.whisper, shown.hook),
            "speed": lambda: _rounded(evaluate_speed(data, hook=shown.hook)),
            "decoder": lambda: _rounded(evaluate_decoder(data, hook=shown.hook)),
            "decoder_whisper_base": lambda: _rounded(
                evaluate_decoder(data, builtin_checkpoint("decoder_whisper_base"), arguments.whisper, hook=shown.hook)
            ),
        }
        for part in arguments.parts:
            results[part] = runs[part]()


def transfer(data: Path, model: str, encoder: Path | None, hook: Hook) -> dict[str, Any]:
    """The zero-shot table of some weights, as ``docs/results.json`` keeps it."""
    found = evaluate_transfer(data, model, encoder, CLIPS, hook)
    keys = ("uar", "angry_as_happy", "ece")
    corpora = {
        c.name: {
            "role": c.role,
            "clips": c.clips,
            **{k: round(v, 4) for k in keys if (v := c.metrics.get(k)) is not None},
        }
        for c in found.corpora
    }
    return {"limit": CLIPS, "summary": _rounded(found.summary), "corpora": corpora}


def expression(data: Path, model: str, encoder: Path | None, hook: Hook) -> dict[str, float]:
    """What faces show with tracks of some weights."""
    return _rounded(expression_metrics(evaluate_expression(data, model, encoder, ANIMATED, LOOKED_AT, hook)))


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in metrics.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what to measure [all]")
    parser.add_argument("--whisper", type=Path, help="folder of openai/whisper-base [the hub's cache, or the hub]")
    arguments = parser.parse_args()
    store = DOCS / "results.json"
    results = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    if arguments.parts:
        with messages_shown():
            measure(arguments, results)
    store.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (DOCS / "results.md").write_text(page(results), encoding="utf-8")
    write_between_marks(DOCS / "emotion.md", "asked", asked_table(results))
    write_between_marks(DOCS / "emotion.md", "expression", expression_tables(results))
    print(DOCS / "results.md", DOCS / "emotion.md", sep="\n")
    write_checkpoints(results, builtin_checkpoint("diarizer").parent)


if __name__ == "__main__":
    main()
