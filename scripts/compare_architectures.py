"""Architectures of the frame network at equal cost: about equal parameters, equal CPU seconds of training.

Some training speakers are kept out and scored together with the validation speakers. Writes docs/comparisons.md.

    python scripts/compare_architectures.py --data DIR --runs DIR [--seconds 300]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured_page import write_between_marks

from sedtalker.cli.console import messages_shown
from sedtalker.training.loop import fit
from sedtalker.training.run import cache_folder, compose, make_task
from sedtalker.training.task import TrainerConfig

LAYOUTS = {
    "convolution": (192, "CCCCCC"),
    "conformer": (144, "AAAA"),
    "mamba": (160, "MMMMMM"),
    "bidirectional mamba": (160, "BBB"),
}
HELD_OUT = ("ravdess_11", "ravdess_12", "ravdess_13", "ravdess_14", "nemo_IC0", "etts_nel", "etts_emg")
KEYS = ("uar_ravdess", "uar_nemo", "uar_emotiontts_ko", "frame_accuracy")
PAGE = """Written by `python scripts/compare_architectures.py --data DIR --runs DIR`. Each network is trained for
{seconds} CPU seconds on one core, on the same clips, without the speakers that are scored: {held} of the training split
and the validation split, whose metrics are averaged. The speakers are few: differences below 0.04 mean little.
Mamba scans in plain torch here, which is slow on a CPU: the table is about what a CPU's minutes buy, not about steps.

| network | parameters | steps | s a step | UAR RAVDESS | UAR nEMO | UAR Korean | frame accuracy, joined | mean |
|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Train what is not trained yet and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache")
    parser.add_argument(
        "--runs", type=Path, required=True, help="folder of the trainings; finished ones are not repeated"
    )
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--page", type=Path, default=Path("docs/comparisons.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, (width, layout) in LAYOUTS.items():
        record = arguments.runs / f"{layout}{width}.json"
        if not record.is_file():
            made = compare(width, layout, arguments)
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(made))
        rows.append((name, json.loads(record.read_text())))
    lines = [line(name, row) for name, row in rows]
    text = PAGE.format(seconds=round(arguments.seconds), held=len(HELD_OUT)) + "\n".join(lines)
    write_between_marks(arguments.page, "architectures", text)


def compare(width: int, layout: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one network for its share of CPU time; its metrics, size and pace."""
    held = ",".join(HELD_OUT)
    overrides = ["experiment=frame_network", f"task.held_out=[{held}]"]
    overrides += [
        f"task.model.width={width}",
        f"task.model.layout={layout}",
        f"trainer.run_dir={arguments.runs / layout}",
    ]
    config = compose(overrides)
    task_config = dict(config["task"])
    task = make_task(task_config.pop("name"), task_config, arguments.data, cache_folder(arguments.cache))
    task.prepare()
    pace = seconds_a_step(task)
    steps = max(20, round(arguments.seconds / pace))
    trainer = {**config["trainer"], "steps": steps, "validate_every": steps, "warmup": min(100, steps // 5)}
    metrics = fit(task, TrainerConfig(**trainer))
    size = sum(p.numel() for p in task.build().parameters())
    return {"parameters": size, "steps": steps, "pace": pace, **metrics}


def seconds_a_step(task: Any, count: int = 4) -> float:
    """CPU seconds of a training step, the first one left out."""
    model = task.build().train()
    times = []
    for step in range(count + 1):
        start = time.process_time()
        batch = task.batch(np.random.default_rng(step))
        with torch.autocast("cpu", torch.bfloat16):
            total = task.losses(model, batch)["total"]
        total.backward()
        times.append(time.process_time() - start)
    return float(np.mean(times[1:]))


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table: validation and held-out speakers averaged."""
    metrics = [0.5 * (row[key] + row[f"held_{key}"]) for key in KEYS]
    cells = " | ".join(f"{value:.3f}" for value in [*metrics, float(np.mean(metrics))])
    return f"| {name} | {row['parameters'] / 1e6:.2f} M | {row['steps']} | {row['pace']:.2f} | {cells} |"


if __name__ == "__main__":
    with messages_shown():
        main()
