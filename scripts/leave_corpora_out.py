"""What the non-commercial corpora would add: a diarizer trained on all corpora but one, scored on that one.

python scripts/leave_corpora_out.py --data DIR [--cache DIR]    # features once, then half a minute a training
python scripts/leave_corpora_out.py --data DIR --encoder whisper-base    # the same on Whisper's layers

Writes the tables "Everything else" of ``docs/cross-corpus.md``, and ``docs/leave_out.json``. Every training is the
recipe of ``experiment=transfer_diarizer``, with two perceptrons and without constants for the categories: once on
CREMA-D and EmoGator alone, whose licences are free, and once with RAVDESS, nEMO, EmotionTTS-KO and Indian EmoSpeech
too, but for the one that is scored. Nothing is chosen by any of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from learning_curve import CurveTask, measured, opened
from measured_page import write_between_marks
from torch import nn

from sedtalker.cli.console import messages_shown
from sedtalker.emotion.track import CATEGORIES
from sedtalker.metrics.emotion import recalls
from sedtalker.training.corpora.layer_features import WHISPER
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.tasks.whitened_perceptrons import WhitenedPerceptrons

DOCS = Path(__file__).parents[1] / "docs"
FREE = {"cremad": 0.5, "emogator": 0.05}
"""Corpora of free licences, and their shares of the windows."""
OTHERS = {"ravdess": 0.15, "nemo": 0.15, "emotiontts_ko": 0.1, "indian_emospeech": 0.05}
"""Corpora for non-commercial use."""
SCORED = (*OTHERS, "aesdd", "uem_es", "tess")
"""Corpora that are scored; the last three are never trained on."""
BUILT_IN = "the built-in encoder"
"""What it is called in the tables."""
SEEDS = 3
"""Trainings of each kind."""


class LeaveOutTask(CurveTask):
    """The task with the windows of all corpora read once, to be trained on some of them."""

    def keep(self, corpora: set[str]) -> None:
        """Train on these corpora from now on."""
        self.train_on({key: part for key, part in self.every[0].items() if key[0] in corpora})

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Recall of each scored corpus over its own categories; and of surprise alone, where a corpus has it."""
        assert isinstance(model, WhitenedPerceptrons)
        out = {}
        for name, scores, label in self._scored(model):
            own = np.unique(label)
            each = recalls(label, own[scores[:, own].argmax(1)], len(CATEGORIES))
            out[name] = float(each[own].mean())
            if (surprise := CATEGORIES.index("surprise")) in own:
                out[f"surprise_{name}"] = float(each[surprise])
        return out | {"score": float(np.mean([out[name] for name in self.development]))}


def summary(free: list[dict[str, float]], without: Mapping[str, list[dict[str, float]]]) -> dict[str, float]:
    """Means and deviations over seeds of both kinds of training, by corpus, and the means over corpora."""
    out: dict[str, float] = {}
    for kind, runs in (("free", dict.fromkeys(SCORED, free)), ("all", without)):
        for name in SCORED:
            for key in (name, f"surprise_{name}"):
                if values := [run[key] for run in runs[name] if key in run]:
                    out[f"{kind}_{key}"], out[f"{kind}_sd_{key}"] = float(np.mean(values)), float(np.std(values))
        out[f"{kind}_mean"] = float(np.mean([out[f"{kind}_{name}"] for name in SCORED]))
    return out


def page(values: Mapping[str, float]) -> str:
    """The table, and what it says."""
    rows = []
    for name in SCORED:
        cells = [f"{values[f'{kind}_{name}']:.2f} ± {values[f'{kind}_sd_{name}']:.2f}" for kind in ("free", "all")]
        seen = [
            f"{values[key]:.2f}" if (key := f"{kind}_surprise_{name}") in values else "" for kind in ("free", "all")
        ]
        rows.append([name, *cells, *seen])
    head = ["scored on", "trained on CREMA-D and EmoGator", "and on all others but this one"]
    return (
        f"With everything else the mean recall is {values['all_mean']:.3f}, with the free corpora alone "
        f"{values['free_mean']:.3f}.\n\n{markdown_table([*head, 'surprise, of the first', 'of the second'], rows)}\n"
    )


def main() -> None:
    """Train, measure and write."""
    changes = {"corpora": FREE | OTHERS, "licence_check": False, "development": list(SCORED)}
    task, trainer, _, folder = opened(LeaveOutTask, __doc__, "runs/leave_corpora_out", changes, [WHISPER])
    encoder = task.config.encoder or BUILT_IN
    folder /= encoder

    def runs(name: str, corpora: set[str]) -> list[dict[str, float]]:
        return [
            measured(task, trainer, folder / f"{name}_{seed}", seed, partial(task.keep, corpora))
            for seed in range(SEEDS)
        ]

    everything = set(FREE) | set(OTHERS)
    whole = runs("everything", everything)
    left = {name: runs(name, everything - {name}) if name in OTHERS else whole for name in SCORED}
    values = summary(runs("free", set(FREE)), left)
    kept = DOCS / "leave_out.json"
    every = json.loads(kept.read_text(encoding="utf-8")) | {encoder: values}
    kept.write_text(json.dumps(every, indent=2) + "\n", encoding="utf-8")
    path = DOCS / "cross-corpus.md"
    text = "\n".join(f"**On {name}.** {page(found)}" for name, found in every.items())
    write_between_marks(path, "leave_out", text)
    print(path)


if __name__ == "__main__":
    with messages_shown():
        main()
