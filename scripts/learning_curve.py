"""How much more data would help: the diarizer trained on a part of the training speakers, and without one corpus.

python scripts/learning_curve.py --data DIR [--cache DIR] [--leave-out]    # two minutes on one core for each training

Writes ``docs/learning-curve.md`` and ``docs/images/learning_curve.png``. Every training is the functionals head of
``experiment=diarizer``, short and the same for all; so the curve speaks of the data, and its last point is below the
shipped diarizer. Speakers are left out in a fixed random order within each corpus, so that each part holds the smaller
ones; test speakers are always the same. Trainings are kept in ``--runs`` and resumed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sedtalker.cli.console import messages_shown
from sedtalker.emotion.inference import load_diarizer
from sedtalker.emotion.plot import write_figure
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.emotion_speech import clip_labels
from sedtalker.training.corpora.manifest import Clip, find_data, read_manifest
from sedtalker.training.evaluation.diarizer import TestSet, measure_diarizer, open_test_set
from sedtalker.training.run import compose, train

DOCS = Path(__file__).parents[1] / "docs"
SHARES = (0.25, 0.5, 1.0)
METRICS = {
    "uar_ravdess": "UAR RAVDESS",
    "uar_nemo": "UAR nEMO",
    "uar_ko": "UAR Korean",
    "eder7": "EDER, 7",
    "eder4": "EDER, 4",
    "intensity_auc": "intensity AUC",
}
LEFT_OUT = {"ravdess": "uar_ravdess", "nemo": "uar_nemo_own_classes", "emotiontts_ko": "uar_emotiontts_ko_own_classes"}


def speakers_by_corpus(every: list[Clip], corpora: Iterable[str]) -> dict[str, list[str]]:
    """Training speakers of each corpus, in a fixed random order."""
    rng = np.random.default_rng(0)
    out = {}
    for name in corpora:
        clips = [c for c in every if c.corpus == name and c.split == "train" and clip_labels(c) is not None]
        names = sorted({c.speaker for c in clips})
        out[name] = [names[i] for i in rng.permutation(len(names))]
    return out


def run(
    data: Path, cache: Path | None, folder: Path, steps: int, held_out: list[str], test: TestSet
) -> dict[str, float]:
    """Figures of a diarizer trained without some speakers."""
    config = compose(["experiment=diarizer", "trainer.run_dir=."])
    config["task"] |= {"held_out": held_out, "frame_networks": []}
    config["trainer"] |= {"run_dir": str(folder), "steps": steps, "validate_every": steps, "warmup": 50, "ema": 0.98}
    train(config | {"data": str(data), "cache": None if cache is None else str(cache)})
    return measure_diarizer(load_diarizer(folder / "export"), test)[0]


def table(rows: list[tuple[str, dict[str, float]]]) -> str:
    """Markdown, one line a training."""
    head = "| training speakers | hours | " + " | ".join(METRICS.values()) + " |\n" + "|---" * (len(METRICS) + 2) + "|"
    lines = [f"| {name} | {f['hours']:.1f} | " + " | ".join(f"{f[k]:.3f}" for k in METRICS) + " |" for name, f in rows]
    return "\n".join([head, *lines]) + "\n"


def left_out(every: dict[str, float], without: dict[str, dict[str, float]]) -> str:
    """Section on corpora left out: recall with all corpora, without the corpus, and with its own answers only."""
    lines = ["| corpus | all corpora | without it | without it, own answers only |", "|---|---|---|---|"]
    for name, metrics in without.items():
        values = every[f"uar_{name}"], metrics[f"uar_{name}"], metrics[LEFT_OUT[name]]
        lines.append(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    return (
        "\n## A corpus left out\n\nUnweighted average recall of a corpus's test speakers, by the same short training "
        "with and without its\ntraining speakers. The last column allows only answers that the corpus knows.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def plot(rows: list[tuple[str, dict[str, float]]], path: Path) -> None:
    """Recall and error over hours."""
    figure = Figure(figsize=(8.6, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    hours = [f["hours"] for _, f in rows]
    for axis, keys, label in (
        (left, ("uar_ravdess", "uar_nemo", "uar_ko"), "unweighted average recall"),
        (right, ("eder7", "eder4"), "EDER"),
    ):
        for key in keys:
            axis.plot(hours, [f[key] for _, f in rows], marker="o", label=METRICS[key])
        axis.set_xscale("log")
        axis.set_xticks(
            hours, [f"{h:.1f} h\n{f['speakers']:.0f} speakers" for h, (_, f) in zip(hours, rows, strict=True)]
        )
        axis.minorticks_off()
        axis.set_ylabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    write_figure(figure, path)


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path, help="features to train on [~/.cache/sedtalker]")
    parser.add_argument("--runs", type=Path, default=Path("runs/learning_curve"))
    parser.add_argument("--leave-out", action="store_true", help="also train without each corpus")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    data = find_data(arguments.data)
    every = read_manifest(data)
    corpora = list(compose(["experiment=diarizer", "trainer.run_dir=."])["task"]["corpora"])
    speakers = speakers_by_corpus(every, corpora)
    test = open_test_set(data, open_encoder(), corpora)

    def measured(name: str, held_out: list[str]) -> dict[str, float]:
        folder = arguments.runs / name
        done = folder / "metrics.json"
        if not done.is_file():
            out = run(data, arguments.cache, folder, arguments.steps, held_out, test)
            used = [
                c
                for c in every
                if c.corpus in corpora
                and c.split == "train"
                and clip_labels(c) is not None
                and c.speaker not in held_out
            ]
            out |= {"hours": sum(c.duration for c in used) / 3600, "speakers": float(len({c.speaker for c in used}))}
            done.write_text(json.dumps(out), encoding="utf-8")
        return dict(json.loads(done.read_text(encoding="utf-8")))

    curve = []
    for share in SHARES:
        held = [s for names in speakers.values() for s in names[round(max(1, share * len(names))) :]]
        metrics = measured(f"share_{share:g}", held)
        curve.append((f"{share:.0%}, {metrics['speakers']:.0f}", metrics))
    without = ""
    if arguments.leave_out:
        without = left_out(curve[-1][1], {name: measured(f"without_{name}", speakers[name]) for name in LEFT_OUT})
    plot(curve, DOCS / "images" / "learning_curve.png")
    (DOCS / "learning-curve.md").write_text(
        "# Learning curve\n\nWritten by `python scripts/learning_curve.py --data DIR`: the functionals head of the "
        f"diarizer, {arguments.steps} steps each,\ntrained on a part of the training speakers of every corpus of "
        "`experiment=diarizer`; test speakers of the same.\nShort trainings: the last line is not the shipped "
        "diarizer, which other corpora trained ([results](results.md)).\n\n"
        + table(curve)
        + "\n![Metrics over hours of training speech](images/learning_curve.png)\n"
        + without,
        encoding="utf-8",
    )
    print(DOCS / "learning-curve.md")


if __name__ == "__main__":
    with messages_shown():
        main()
