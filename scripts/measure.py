"""Measure what the pages claim of registration, speed, streams, adaptation and other corpora.

``measures/keys.toml`` says what each key is.

python scripts/measure.py registration --data DIR --json
python scripts/measure.py speed --data DIR --hours 1
python scripts/measure.py streaming --data DIR --checkpoint DIR
python scripts/measure.py cross-corpus --data DIR --plot docs/images/cross_corpus.png
python scripts/measure.py mouth --data DIR --page
python scripts/measure.py ser-evals --data DIR --model whisper-base --clips 120 --json
python scripts/measure.py adaptation --data DIR --clips 200 --json | tee docs/adaptation.json
python scripts/measure.py nova-arc --data DIR --clips 200 --json | tee docs/nova_arc.json
python scripts/measure.py nova-arc --data DIR --clips 200 --source emogator --json | tee docs/nova_arc_bursts.json
python scripts/measure.py fine --data DIR --clips 300 --json | tee docs/fine.json
python scripts/measure.py sere --data DIR --clips 200 --json | tee docs/sere.json
python scripts/measure.py sere --data DIR --clips 200 --model whisper-base --json | tee docs/sere_whisper.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measured_page import write_between_marks
from measures.adaptation import adaptation_table, evaluate_adaptation
from measures.cross_corpus import cross_corpus_metrics, cross_corpus_table, evaluate_cross_corpus, plot_heat_map
from measures.fine import evaluate_fine, fine_table
from measures.keys import KEYS
from measures.mouth_rules import evaluate_mouth_rules, mouth_rules_table
from measures.nova_arc import evaluate_nova_arc, nova_arc_table
from measures.registration import (
    evaluate_registration,
    evaluate_registration_cost,
    evaluate_registration_judged,
)
from measures.ser_evals import evaluate_ser_evals, ser_evals_table
from measures.sere import evaluate_sere, resonance_table
from measures.speed import evaluate_speed, evaluate_streaming

from sedtalker.cli.console import ShownProgress
from sedtalker.progress import Hook
from sedtalker.training.corpora.manifest import find_data

LIPS = Path(__file__).parents[1] / "docs" / "lips.md"
"""The page of the table of ``mouth``."""


def measured(given: argparse.Namespace, data: Path, hook: Hook) -> tuple[Mapping[str, Any], str]:
    """The figures of a measurement, and its table where it has one."""
    match given.what:
        case "registration":
            figures = evaluate_registration(data, given.identities, given.seed, hook)
            if given.judge:
                figures |= evaluate_registration_judged(data, given.seed, hook)
            if given.cost:
                figures |= evaluate_registration_cost(data, hook)
            return figures, ""
        case "speed":
            return evaluate_speed(data, given.hours, hook), ""
        case "streaming":
            return evaluate_streaming(data, given.checkpoint, hook=hook), ""
        case "mouth":
            found = evaluate_mouth_rules(data, hook)
            table = mouth_rules_table(found)
            if given.page:
                write_between_marks(LIPS, "mouth_rules", table)
            return found, table
        case "cross-corpus":
            result = evaluate_cross_corpus(data, hook)
            if given.plot is not None:
                plot_heat_map(result, given.plot)
            return cross_corpus_metrics(result), cross_corpus_table(result)
        case "adaptation":
            found = evaluate_adaptation(data, given.model, given.encoder, given.clips, hook=hook)
            return found, adaptation_table(found)
        case "nova-arc":
            found = evaluate_nova_arc(data, given.clips, given.source, hook)
            return found, nova_arc_table(found)
        case "fine":
            found = evaluate_fine(data, given.model, given.encoder, given.fine_model, given.clips, hook)
            return found, fine_table(found)
        case "sere":
            found = evaluate_sere(data, given.clips, model=given.model, encoder=given.encoder, hook=hook)
            return found, resonance_table(found)
        case _:
            found = evaluate_ser_evals(data, given.model, given.encoder, given.clips, hook)
            return found, ser_evals_table(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=KEYS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--identities", type=int, default=27, help="random people of the reference rig")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--judge", action=argparse.BooleanOptionalAction, default=True, help="what MediaPipe sees")
    parser.add_argument("--cost", action=argparse.BooleanOptionalAction, default=True, help="time and memory")
    parser.add_argument("--hours", type=float, default=1.0, help="of the long recording")
    parser.add_argument("--checkpoint", type=Path, help="a diarizer of your own")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--model", default="diarizer")
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--clips", type=int)
    parser.add_argument("--source", default="crema_d", help="corpus of the labelled clips of nova-arc")
    parser.add_argument("--fine-model", type=Path, help="folder of other heads, see sedtalker diarize")
    parser.add_argument("--page", action="store_true", help="write the table of mouth into its page")
    given = parser.parse_args()
    with ShownProgress("bar") as shown:
        figures, table = measured(given, find_data(given.data), shown.hook)
    if given.json:
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
        print(json.dumps(rounded, indent=2, default=float))
        return
    about = {key.key: key.text for key in KEYS[given.what]}
    for name, value in figures.items():
        if isinstance(value, int | float):
            print(f"{name:<28}{value:<10.4g}{about.get(name, '')}")
    print(table, end="")


if __name__ == "__main__":
    main()
