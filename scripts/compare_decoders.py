"""Forms of the decoder at equal parameters, data and steps, and what each part of the training is worth.

Trains what is not trained yet, measures all on the test split of the open 4D set and writes docs/comparisons.md.

    python scripts/compare_decoders.py --data DIR --runs DIR [--mouth-model DIR] [--cache DIR] [--steps 1500]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from measured_page import write_between_marks

from sedtalker.animation.pretrained import load_decoder
from sedtalker.cli.console import messages_shown
from sedtalker.face.builtin import load_face
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.decoder import Spoken, encode_takes, evaluate_control, evaluate_open4d
from sedtalker.training.evaluation.lips import encode_test_sentences, lip_metrics, steady_track
from sedtalker.training.loop import fit
from sedtalker.training.motion.open4d import read_parts
from sedtalker.training.motion.spoken_motion import AXES, fit_gap, fit_width, measure_lips, pull, rule_coefficients
from sedtalker.training.published.decoder_forms import AutoregressiveDecoder
from sedtalker.training.run import cache_folder, compose
from sedtalker.training.task import TrainerConfig
from sedtalker.training.tasks.decoder import DecoderTask

NO_LIPS = {"gap": 0.0, "width": 0.0, "closure": 0.0, "contact": 0.0, "swapped": 0.0, "follow": 0.0}
EVERY_LIP_LOSS = {"gap": 1.0, "width": 0.8, "closure": 1.0, "contact": 0.5, "swapped": 1.0}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "hybrid": ("Mamba and attention, ours", {}),
    "convolution": ("dilated convolutions", {"model": {"layout": "CCCC"}}),
    "window": ("a window a frame, as VOCA", {"model": {"architecture": "window", "width": 320}}),
    "autoregressive": ("autoregressive, as FaceFormer", {"model": {"architecture": "autoregressive", "width": 160}}),
    "attention": ("attention alone", {"model": {"layout": "AAAAA"}}),
    "mamba": ("Mamba alone", {"model": {"layout": "MMMMMM", "width": 136}}),
    "constant": ("ours, one emotion a recording", {"model": {"constant_emotion": True}}),
    "no_lip_losses": ("ours without lip losses", {"loss": NO_LIPS}),
    "every_lip_loss": ("ours with every lip loss", {"loss": EVERY_LIP_LOSS}),
}
BASELINES = ("convolution", "window", "autoregressive")
COLUMNS = (
    "lip_r",
    "lip_width_r",
    "closure_rate",
    "false_closure_rate",
    "lve_mm2",
    "mve_mm",
    "eve_mm2",
    "control_accuracy",
    "lip_leak",
)
CONTROL_CLIPS = 4
PAGE = """Written by `python scripts/compare_decoders.py --data DIR --runs DIR`. Every form has about the same number of
parameters, the same inputs and conditioning, the same data and losses, and {steps} steps of half the crops that the
built-in decoder is trained with: compare the rows with each other, not with [results](results.md). One seed each:
differences of a few hundredths of a ratio mean little. Lips: GRID test sentences as recorded, neutral. Errors: test
takes of the open 4D set. Control: four sentences under every emotion. Known phones, by rule: no network, no emotion.
"""
"""About the form that is not of equal size."""
SMALL = {"tracked_crops": 5, "swapped_crops": 4, "read_crops": 3, "pause_crops": 1}
"""Half the crops a step of the built-in decoder's training."""


def specialised(task: DecoderTask, change: dict[str, Any]) -> DecoderTask:
    """The same data for another form."""
    c = task.config
    parts = {key: getattr(c, key).model_copy(update=change[key]) for key in ("model", "loss") if key in change}
    task.config = c.model_copy(update={**change, **parts})
    return task


def train(arguments: argparse.Namespace, config: dict[str, Any]) -> None:
    """Train what is not trained yet."""
    settings = {k: v for k, v in config["task"].items() if k != "name"}
    task = DecoderTask({**settings, **SMALL}, arguments.data, cache_folder(arguments.cache))
    plain = task.config
    for name in arguments.only:
        run = arguments.runs / name
        if (run / "export/config.json").is_file():
            continue
        task.config = plain
        trainer = {**config["trainer"], "steps": arguments.steps, "validate_every": arguments.steps, "ema": 0.998}
        fit(specialised(task, FORMS[name][1]), TrainerConfig(**{**trainer, "run_dir": str(run)}))


class Tests:
    """Everything that is encoded once and measured for each form."""

    def __init__(self, data: Path, cache: Path):
        self.net, self.face = open_encoder(), load_face()
        self.lip_measure, self.parts = measure_lips(self.face), read_parts(data)
        clips = [clip.as_recorded() for clip in read_grid(data)]
        self.sentences = encode_test_sentences(self.net, clips, self.lip_measure, cache)
        self.takes = encode_takes(self.net, data, cache, self.parts)

    def measure(self, folder: Path) -> dict[str, float]:
        """The metrics of a trained form."""
        decoder = load_decoder(folder)
        neutral = [decoder.predict(h.features, steady_track("neutral", 0.0)) for h in self.sentences]
        metrics = lip_metrics(self.face, self.lip_measure, self.sentences, neutral)
        metrics |= evaluate_open4d(decoder, self.face, self.takes, controls=False)
        if not isinstance(decoder, AutoregressiveDecoder):  # frame after frame: half an hour
            spoken = [Spoken(h.features, h.spoken) for h in self.sentences]
            metrics |= evaluate_control(decoder, self.face, self.parts, spoken[20:], spoken[:CONTROL_CLIPS])
        return metrics | {"parameters": float(sum(p.numel() for p in decoder.parameters()))}

    def rule(self) -> dict[str, float]:
        """Dominance functions on the known phones of the test sentences."""
        made = []
        for h in self.sentences:
            axes = pull(h.spans, h.times)
            wide = fit_width(rule_coefficients(axes), axes[:, AXES.index("width")], self.lip_measure)
            made.append(fit_gap(wide, axes[:, 0], self.lip_measure))
        return lip_metrics(self.face, self.lip_measure, self.sentences, made)


def page(rows: dict[str, dict[str, float]], steps: int) -> str:
    """The table, each column as its key in ``sedtalker evaluate decoder --json``."""
    introduction = PAGE.format(steps=steps)
    lines = [introduction, "| form | parameters | " + " | ".join(f"`{c}`" for c in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for name, row in rows.items():
        title = "known phones, by rule" if name == "rule" else FORMS[name][0]
        size = f"{row['parameters'] / 1e6:.2f} M" if "parameters" in row else "–"
        values = [f"{row[c]:.3f}" if c in row else "–" for c in COLUMNS]
        lines.append(f"| {title} | {size} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n\n" + ratios(rows)


def ratios(rows: dict[str, dict[str, float]]) -> str:
    """Our errors over those of the baselines."""
    said, ours = [], "hybrid"
    for key in ("lve_mm2", "mve_mm"):
        theirs = {n: rows[ours][key] / rows[n][key] for n in BASELINES if n in rows and ours in rows}
        if not theirs:
            continue
        name = max(theirs, key=lambda n: theirs[n])
        each = ", ".join(f"{FORMS[n][0]} {v:.2f}" for n, v in theirs.items())
        said.append(f"`{key.split('_')[0]}_vs_best_baseline` {theirs[name]:.2f} ({each}).")
    return "\n".join(said) + "\n"


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings; they resume")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", nargs="*", choices=FORMS, default=list(FORMS))
    parser.add_argument("--page", type=Path, default=Path("docs/comparisons.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments, compose(["experiment=decoder", "trainer.run_dir=."]))
    tests, rows = Tests(arguments.data, cache_folder(arguments.cache)), {}
    for name in arguments.only:
        record = arguments.runs / name / "test.json"
        if not record.is_file():
            record.write_text(json.dumps(tests.measure(record.parent / "export"), indent=1))
        rows[name] = json.loads(record.read_text())
    rows["rule"] = tests.rule()
    write_between_marks(arguments.page, "decoders", page(rows, arguments.steps))


if __name__ == "__main__":
    with messages_shown():
        main()
