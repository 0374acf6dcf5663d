"""Measure the built-in weights and write ``docs/results.md``, ``docs/results.json`` and the shipped model cards.

python scripts/make_results.py --data DIR                                   # everything, about twenty minutes
python scripts/make_results.py --data DIR --parts diarizer --baselines RUN_DIR --seeds DIR DIR
python scripts/make_results.py --parts                                      # write the pages anew, measure nothing

``--baselines RUN_DIR`` also trains and scores the baselines; ``--seeds`` are checkpoint folders of one training with
several seeds: their mean and standard deviation then stand beside the shipped metrics. What is not measured this time
is kept from ``docs/results.json``. The metrics that the page shows are also written into ``held_out`` of the shipped
``config.json`` files, where ``sedtalker checkpoint inspect`` finds them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config
from sedtalker.cli.console import ShownProgress, messages_shown
from sedtalker.training.cards import corrected_decoder_card, decoder_card, fill_card, mouth_model_card
from sedtalker.training.cards.diarizer import diarizer_card
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.evaluation.decoder import evaluate_decoder
from sedtalker.training.evaluation.diarizer import evaluate_diarizer, evaluate_enrolment
from sedtalker.training.evaluation.measures import ARROWS, DECODER, DIARIZER, TEST, Measure, card_table, listed_metrics
from sedtalker.training.evaluation.speed import evaluate_speed
from sedtalker.training.published.functionals_svm import evaluate_with_baselines
from sedtalker.training.tasks.mouth_model import metrics_of_parts

DOCS = Path(__file__).parents[1] / "docs"
"""Where the pages are written."""
PARTS = ("diarizer", "enrolment", "speed", "decoder")
"""What can be measured."""
INTRODUCTION = (
    "# Results\n\nWritten by `python scripts/make_results.py --data DIR`. Test speakers and sentences were never "
    "trained on;\nchoices were made on validation speakers, but for one: [the lips](lips.md). "
    "`sedtalker/training/evaluation/measures.py` says what\nevery key is and where it is defined; ↑: higher is better, "
    "↓: lower, then what the project asks for.\n[results.json](results.json) holds all of them, with groups, controls "
    "and variants that the tables leave out.\n"
)
LOOK_AHEAD = 0.48
"""Seconds that the attention of the shipped decoder sees beyond a frame."""


# --- The page.


def table(measures: Sequence[Measure], metrics: Mapping[str, float], seeds: Sequence[Mapping[str, float]] = ()) -> str:
    """The listed metrics; mean ± standard deviation over the seeds, if there are any."""
    columns = ["key", "value", *([f"{len(seeds)} seeds"] if seeds else []), "what it is", "better"]
    rows = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for measure, value in listed_metrics(measures, metrics):
        spread = [_spread([s[measure.key] for s in seeds if measure.key in s])] if seeds else []
        better = f"{ARROWS[measure.better]} {measure.asked_for}".strip()
        rows.append("| " + " | ".join([f"`{measure.key}`", f"{value:.3f}", *spread, measure.text, better]) + " |")
    return "\n".join(rows) + "\n"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""


def page(results: Mapping[str, Any]) -> str:
    """``docs/results.md``."""
    sections = [INTRODUCTION]
    if "diarizer" in results:
        seeds = results.get("diarizer_seeds", [])
        text = "`sedtalker evaluate diarizer --data DIR --json --baselines RUN_DIR`\n\n"
        if seeds:
            text += (
                "Value: the shipped weights, which average several frame networks. Seeds: mean ± standard deviation of "
            )
            text += "diarizers\nwith one frame network each, trained alike from other seeds.\n\n"
        sections.append(f"\n## Diarizer\n{text}{table(DIARIZER, results['diarizer'], seeds)}")
        sections.append("\n![Reliability diagram](../checkpoints/diarizer/calibration.png)\n")
    for part, title in (
        ("speed", "Speed and memory of the diarizer"),
        ("enrolment", "Other recordings of the speaker"),
        ("decoder", "Decoder"),
    ):
        if part in results:
            command = f"`sedtalker evaluate {part} --data DIR --json`"
            more = "[Other forms of the decoder](decoders.md) at equal size.\n\n" if part == "decoder" else ""
            sections.append(f"\n## {title}\n{command}\n\n{more}{table(TEST[part], results[part])}")
    return "".join(sections)


# --- The shipped checkpoints: metrics on test data in config.json, and the cards.


def write_checkpoints(results: Mapping[str, Any], root: Path) -> None:
    """Write ``held_out`` and ``README.md`` of the checkpoints in ``root``; weights are not touched."""
    for name, measures in (("diarizer", DIARIZER), ("decoder", DECODER)):
        path = root / name / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["held_out"] = {m.key: value for m, value in listed_metrics(measures, results.get(name, {}))}
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, card in cards(results, root).items():
        (root / name / "README.md").write_text(card, encoding="utf-8")
        print(root / name / "README.md")


def cards(results: Mapping[str, Any], root: Path) -> dict[str, str]:
    """The text of every shipped model card, by the name of its folder."""
    found: dict[str, CheckpointConfig] = {
        name: read_config(root / name)
        for name in ("decoder", "decoder_streaming", "diarizer", "landmarks", "speech_encoder")
    }
    decoder, mouth = metrics_of_parts(found["decoder"].metrics)
    return {
        "decoder": corrected_decoder_card(
            decoder_card(LOOK_AHEAD, True, decoder), mouth_model_card(mouth), results.get("decoder")
        ),
        "decoder_streaming": decoder_card(0.0, True, found["decoder_streaming"].metrics),
        "diarizer": diarizer_card(found["diarizer"], results),
        "landmarks": fill_card("landmarks", **found["landmarks"].metrics, minutes=30),
        "speech_encoder": fill_card(
            "speech_encoder", metrics=card_table("speech_encoder", found["speech_encoder"].metrics)
        ),
    }


# --- Measuring.


def measure(arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    """Fill in the parts that were asked for."""
    checkpoint, data = builtin_checkpoint("diarizer"), find_data(arguments.data)

    with ShownProgress() as shown:

        def diarizer() -> dict[str, float]:
            plot = checkpoint / "calibration.png"
            if arguments.baselines is not None:
                return evaluate_with_baselines(data, arguments.baselines, arguments.cache, plot=plot, hook=shown.hook)
            kept = {k: v for k, v in results.get("diarizer", {}).items() if k.startswith("baseline_")}
            return evaluate_diarizer(data, plot=plot, hook=shown.hook) | kept

        if arguments.seeds:
            results["diarizer_seeds"] = [
                _rounded(evaluate_diarizer(data, folder, hook=shown.hook)) for folder in arguments.seeds
            ]
        runs: dict[str, Callable[[], dict[str, float]]] = {
            "diarizer": diarizer,
            "enrolment": lambda: evaluate_enrolment(data, hook=shown.hook),
            "speed": lambda: evaluate_speed(data, hook=shown.hook),
            "decoder": lambda: evaluate_decoder(data, hook=shown.hook),
        }
        for part in arguments.parts:
            results[part] = _rounded(runs[part]())


def _rounded(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in metrics.items()}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="what to measure [all]")
    parser.add_argument("--baselines", type=Path, metavar="RUN_DIR", help="train and score the baselines here")
    parser.add_argument("--cache", type=Path, help="features that baselines train on [~/.cache/sedtalker]")
    parser.add_argument("--seeds", type=Path, nargs="*", default=[], help="checkpoint folders of other seeds")
    arguments = parser.parse_args()
    store = DOCS / "results.json"
    results = json.loads(store.read_text(encoding="utf-8")) if store.is_file() else {}
    if arguments.parts or arguments.seeds:
        with messages_shown():
            measure(arguments, results)
    store.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (DOCS / "results.md").write_text(page(results), encoding="utf-8")
    print(DOCS / "results.md")
    write_checkpoints(results, builtin_checkpoint("diarizer").parent)


if __name__ == "__main__":
    main()
