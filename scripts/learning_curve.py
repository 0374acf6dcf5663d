"""How much more speakers would help: the free diarizer trained on a part of CREMA-D's actors, scored on other corpora.

python scripts/learning_curve.py --data DIR [--cache DIR]    # features once, then half a minute of one core a training

Writes the section "Learning curve" of ``docs/emotion.md``, and ``docs/images/learning_curve.png``. Every training is
the recipe of ``experiment=transfer_diarizer`` on the clips and their copies in other voices, with two perceptrons; so
the curve speaks of the data, and its last point is below the shipped diarizer. Recall is that of the corpora that
choose, never trained on, and of validation speakers of CREMA-D. Trainings are kept in ``--runs``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from measured_page import write_between_marks
from torch import nn

from sedtalker.cli.console import messages_shown
from sedtalker.emotion.plot import write_figure
from sedtalker.metrics.emotion import own_recall
from sedtalker.training.corpora.manifest import find_data, read_manifest
from sedtalker.training.corpora.transfer_recipe import Votes
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.loop import fit
from sedtalker.training.run import cache_folder, compose
from sedtalker.training.task import TrainerConfig
from sedtalker.training.tasks.transfer_diarizer import ClipWindows, Copies, TransferDiarizerTask
from sedtalker.training.tasks.whitened_perceptrons import Described, WhitenedPerceptrons

DOCS = Path(__file__).parents[1] / "docs"
ACTORS = (6, 12, 24, 48)
"""Training speakers of CREMA-D; and all of them."""
DRAWS = 3
"""Random choices of each number of actors; with all of them, seeds."""
UNSEEN = {"aesdd": "AESDD (Greek)", "uem_es": "uem_es (Spanish)", "indian_emospeech": "Indian EmoSpeech"}
"""Corpora never trained on, by which weights are chosen, and what they are called."""
SEEN = "cremad"
"""The corpus that is trained on."""

Task = TypeVar("Task", bound="CurveTask")
Point = Mapping[str, Sequence[float]]
"""Recalls of every training with one number of actors, by corpus, and ``mean`` over the unseen ones."""


class CurveTask(TransferDiarizerTask):
    """The task with its windows read once, to be trained on some actors and then on others."""

    def _fit(self, parts: Copies, read: Copies, votes: Mapping[str, Votes]) -> None:
        self.every = parts, read, votes
        super()._fit(parts, read, votes)

    def train_on(self, parts: Copies) -> None:
        """Train on these windows from now on, with the read speech and the votes that were read."""
        super()._fit(parts, *self.every[1:])

    def choose(self, actors: int, draw: int) -> None:
        """Train on so many actors of CREMA-D from now on; a smaller number's are among a greater one's."""
        parts = self.every[0]
        names = {clip.speaker for part in parts.values() for clip in part.clips if clip.corpus == SEEN}
        chosen = drawn(names, actors, draw)
        self.train_on({key: windows_of(part, chosen) for key, part in parts.items()})

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Recall on the development corpora, and on validation speakers of CREMA-D."""
        assert isinstance(model, WhitenedPerceptrons)
        scores, category = self._clip_scores(model, self.valid[SEEN])
        return super().validate(model) | {f"uar_{SEEN}": own_recall(category, scores)}


def drawn(names: set[str], count: int, seed: int) -> set[str]:
    """So many of the names, in a random order that the seed alone decides."""
    ordered = sorted(names)
    return {ordered[k] for k in np.random.default_rng(seed).permutation(len(ordered))[:count]}


def windows_of(part: ClipWindows, actors: set[str]) -> ClipWindows:
    """The windows of these actors, and all those of other corpora."""
    kept = np.array([clip.corpus != SEEN or clip.speaker in actors for clip in part.clips])[part.clip]
    return ClipWindows(Described(*(values[kept] for values in part.described)), part.clip[kept], part.clips)


def measured(
    task: CurveTask, trainer: Mapping[str, Any], folder: Path, seed: int, choose: Callable[[], None]
) -> dict[str, float]:
    """What a training validates with, kept in the folder; ``choose`` says what the task is trained on."""
    done = folder / "recalls.json"
    if not done.is_file():
        task.prepare()
        choose()
        settings = {**trainer, "run_dir": str(folder), "seed": seed, "validate_every": trainer["steps"]}
        found = fit(task, TrainerConfig.model_validate(settings))
        done.write_text(json.dumps({key.removeprefix("uar_"): value for key, value in found.items()}), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def opened(
    make: Callable[[dict[str, Any], Path, Path], Task],
    words: str,
    runs: str,
    changes: Mapping[str, Any],
    encoders: Sequence[str] = (),
) -> tuple[Task, dict[str, Any], Path, Path]:
    """A task by the command line: itself, settings of its trainer, folders of the data and of the trainings.

    Args:
        make: of the recipe, the data and the cache.
        words: what the command line's help says.
        runs: where trainings are kept by default.
        changes: of the recipe of the free diarizer, beside two perceptrons and copies in other voices alone.
        encoders: that ``--encoder`` may name in place of the built-in one; none: there is no such option.
    """
    parser = argparse.ArgumentParser(description=words.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path, help="features to train on [~/.cache/sedtalker]")
    parser.add_argument("--runs", type=Path, default=Path(runs))
    parser.set_defaults(encoder=None)
    if encoders:
        parser.add_argument("--encoder", choices=encoders, help="in place of the built-in emotion encoder")
    arguments = parser.parse_args()
    config = compose(["experiment=transfer_diarizer", "trainer.run_dir=."])
    recipe = {name: value for name, value in config["task"].items() if name != "name"}
    recipe |= {"copies": {SEEN: [0, 3]}, "model": recipe["model"] | {"members": 2}, **changes}
    recipe["encoder"] = arguments.encoder
    data = find_data(arguments.data)
    task = make(recipe, data, cache_folder(arguments.cache and str(arguments.cache)))
    return task, config["trainer"], data, arguments.runs


def collected(draws: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The trainings with one number of actors as a ``Point``."""
    point = {name: [draw[name] for draw in draws] for name in (*UNSEEN, SEEN)}
    return point | {"mean": [float(np.mean([draw[name] for name in UNSEEN])) for draw in draws]}


def gain_of_doubling(curve: Mapping[int, Point]) -> float:
    """Slope of the mean recall over the binary logarithm of the number of actors, by least squares."""
    pairs = np.array([(np.log2(actors), value) for actors, point in curve.items() for value in point["mean"]])
    return float(np.polyfit(pairs[:, 0], pairs[:, 1], 1)[0])


def table(curve: Mapping[int, Point]) -> str:
    """Markdown, one line a number of actors: mean and standard deviation over draws, and the means by corpus."""
    names = {**UNSEEN, SEEN: "CREMA-D, validation speakers"}
    rows = []
    for actors, point in curve.items():
        mean = f"{np.mean(point['mean']):.3f} ± {np.std(point['mean']):.3f}"
        rows.append([str(actors), mean, *(f"{np.mean(point[name]):.3f}" for name in names)])
    return markdown_table(["actors", "mean of the unseen", *names.values()], rows) + "\n"


def plot(curve: Mapping[int, Point], path: Path) -> None:
    """Recall over the number of actors: every training a dot, their mean a line."""
    figure = Figure(figsize=(7.2, 3.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for key, label, colour in (
        (SEEN, "new speakers of CREMA-D", "#4477aa"),
        ("mean", "three corpora never trained on", "#cc6677"),
    ):
        for actors, point in curve.items():
            axis.plot([actors] * len(point[key]), point[key], "o", color=colour, alpha=0.4, markersize=5)
        axis.plot(list(curve), [np.mean(point[key]) for point in curve.values()], color=colour, label=label)
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(curve), [str(actors) for actors in curve])
    axis.minorticks_off()
    axis.set_ylim(0.2, 0.8)
    axis.set_xlabel("actors of CREMA-D that were trained on")
    axis.set_ylabel("unweighted average recall")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    write_figure(figure, path)


def section(curve: Mapping[int, Point]) -> str:
    """The section "Learning curve" of ``docs/emotion.md``."""
    gain, last = gain_of_doubling(curve), float(np.mean(list(curve.values())[-1]["mean"]))
    return (
        "How much would more speakers of the same kind help on corpora that are not trained on? Twice as many actors "
        f"bring {gain:.3f} of\nrecall. From {last:.2f} to .50 it is {(0.5 - last) / gain:.0f} doublings. What is "
        "missing is not more of CREMA-D, but other free corpora.\n\n"
        "Written by `python scripts/learning_curve.py --data DIR`: the recipe of the free diarizer, two perceptrons, "
        f"on clips and copies in other voices,\n{DRAWS} random draws of actors each. The shipped diarizer has more "
        "perceptrons and more copies.\n\n"
        + table(curve)
        + "\n![Recall over the number of actors](images/learning_curve.png)\n"
    )


def main() -> None:
    """Train, measure and write."""
    changes = {"development": list(UNSEEN)}
    task, trainer, data, runs = opened(CurveTask, __doc__, "runs/learning_curve", changes)
    every = {clip.speaker for clip in read_manifest(data) if clip.corpus == SEEN and clip.split == "train"}
    curve = {}
    for actors in (*(n for n in ACTORS if n < len(every)), len(every)):
        draws = [
            measured(task, trainer, runs / f"{actors}_{draw}", draw, partial(task.choose, actors, draw))
            for draw in range(DRAWS)
        ]
        curve[actors] = collected(draws)
    plot(curve, DOCS / "images" / "learning_curve.png")
    path = DOCS / "emotion.md"
    write_between_marks(path, "curve", section(curve))
    print(path)


if __name__ == "__main__":
    with messages_shown():
        main()
