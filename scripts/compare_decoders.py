"""Forms of the decoder at equal parameters, data and steps, and what each part of the training is worth.

Trains what is not trained yet, measures all on the test split of the open 4D set and writes docs/decoders.md.

    python scripts/compare_decoders.py --data DIR --runs DIR [--cache DIR] [--steps 1500]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from sedtalker.training.decoder import DecoderTask
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.run import cache_folder, compose

NO_LIPS = {"gap": 0.0, "width": 0.0, "closure": 0.0, "contact": 0.0, "swapped": 0.0}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "hybrid": ("Mamba and attention, ours", {}),
    "convolution": ("dilated convolutions", {"model": {"layout": "CCCC"}}),
    "window": ("a window a frame, as VOCA", {"model": {"architecture": "window", "width": 320}}),
    "autoregressive": ("autoregressive, as FaceFormer", {"model": {"architecture": "autoregressive", "width": 160}}),
    "attention": ("attention alone", {"model": {"layout": "AAAAA"}}),
    "mamba": ("Mamba alone", {"model": {"layout": "MMMMMM", "width": 136}}),
    "constant": ("ours, one emotion a recording", {"model": {"constant_emotion": True}}),
    "no_lip_losses": ("ours without lip losses", {"loss": NO_LIPS}),
    "no_voices": ("ours without other voices", {"other_voices": 0.0}),
}
SMALL = {"tracked_crops": 5, "swapped_crops": 4, "taught_crops": 3, "pause_crops": 1}
"""Half the crops a step of the built-in decoder's training."""


def specialised(task: DecoderTask, change: dict[str, Any]) -> DecoderTask:
    """The same data for another form."""
    c = task.config
    parts = {key: getattr(c, key).model_copy(update=change[key]) for key in ("model", "loss") if key in change}
    task.config = c.model_copy(update={**change, **parts})
    return task


def main() -> None:
    """Train what is not trained yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings; they resume")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="*", choices=FORMS, default=list(FORMS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = compose(["experiment=decoder", "trainer.run_dir=."])
    settings = {k: v for k, v in config["task"].items() if k != "name"}
    task = DecoderTask({**settings, **SMALL}, arguments.data, cache_folder(arguments.cache))
    plain = task.config
    for name in arguments.only:
        run = arguments.runs / name
        if (run / "export/config.json").is_file():
            continue
        task.config = plain
        trainer = {**config["trainer"], "steps": arguments.steps, "validate_every": arguments.steps, "ema": 0.998}
        figures = fit(specialised(task, FORMS[name][1]), TrainerConfig(**{**trainer, "run_dir": str(run)}), print)
        (run / "figures.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
