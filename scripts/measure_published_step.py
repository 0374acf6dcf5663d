"""One training step of a published recipe at its real size with random weights: seconds and peak memory.

    python scripts/measure_published_step.py decoder  --data EMOVOCA_FOLDER
    python scripts/measure_published_step.py diarizer --data DATA_FOLDER

Prints JSON. Nothing is downloaded or kept. MALLOC_MMAP_THRESHOLD_=262144 makes glibc give back what was freed.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from sedtalker.training.loop import fit
from sedtalker.training.run import compose, make_task
from sedtalker.training.task import TrainerConfig

RANDOM = {"decoder": ["task.encoder=random", "task.recogniser=random"], "diarizer": ["task.encoder=random"]}


def main() -> None:
    """Take the step and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=sorted(RANDOM))
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"experiment=sedtalker_paper/{options.recipe}", f"trainer.run_dir={folder}/run"]
        config = compose([*overrides, *RANDOM[options.recipe], "task.valid=1", "trainer.steps=1"])
        task_config = dict(config["task"])
        task = make_task(task_config.pop("name"), task_config, options.data, Path(folder) / "cache")
        parameters = 0
        build = task.build

        def counted():
            nonlocal parameters
            model = build()
            parameters = sum(p.numel() for p in model.parameters())
            return model

        task.build = counted  # type: ignore[method-assign]
        started = time.monotonic()
        metrics = fit(task, TrainerConfig(**config["trainer"]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "recipe": options.recipe,
                "parameters": parameters,
                "seconds_with_validation_and_export": round(time.monotonic() - started, 1),
                "peak_memory_gb": round(peak / 1e9, 2),
                **{name: round(value, 4) for name, value in metrics.items()},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
