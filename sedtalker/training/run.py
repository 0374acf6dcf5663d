"""The tasks that can be trained, by the name a config gives."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sedtalker.errors import InputError
from sedtalker.storage import whole_file
from sedtalker.training.corpora.manifest import find_data
from sedtalker.training.loop import CONFIG, Task, TrainerConfig, fit

TASKS: dict[str, str] = {
    "speech_encoder": "tasks.speech_encoder.SpeechEncoderTask",
    "backbone": "tasks.backbone.BackboneTask",
    "frame_network": "tasks.frame_network.FrameNetworkTask",
    "diarizer": "tasks.diarizer.DiarizerTask",
    "ear": "tasks.mouth_model.EarTask",
    "decoder": "tasks.decoder.DecoderTask",
    "vertex_decoder": "tasks.vertex_decoder.VertexDecoderTask",
    "personal_decoder": "tasks.personal_decoder.PersonalDecoderTask",
    "published_diarizer": "published.diarizer.PublishedDiarizerTask",
    "published_decoder": "published.decoder.PublishedDecoderTask",
}
"""The class of each task within ``sedtalker.training``; its module is imported when it is asked for."""


def make_task(name: str, config: dict[str, Any], data: Path, cache: Path) -> Task:
    """The task ``name`` with its hyper-parameters, reading training data from ``data`` and caching under ``cache``.

    Raises:
        InputError: unknown task.
    """
    if name not in TASKS:
        raise InputError(f"unknown task '{name}'; there are {', '.join(TASKS)}")
    module, task = TASKS[name].rsplit(".", 1)
    made: Task = getattr(import_module(f"sedtalker.training.{module}"), task)(config, data, cache)
    return made


# --- From composed configuration to a finished run.


def config_folder() -> Path:
    """Folder of the Hydra configs, in a source tree or an installed package."""
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "train.yaml").is_file():
            return folder
    raise InputError("the training configs are missing from this installation; reinstall sedtalker")


def cache_folder(cache: str | None = None) -> Path:
    """Where decoded audio and features are kept."""
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(cache).expanduser() if cache else root / "sedtalker"


def compose(overrides: list[str]) -> dict[str, Any]:
    """The training configuration as plain data.

    Raises:
        InputError: an override does not fit the configuration.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            config = hydra_compose("train", overrides)
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_clear(str(error).strip().splitlines()[0])) from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def experiments() -> list[str]:
    """Names that ``experiment=`` takes."""
    root = config_folder() / "experiment"
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def _clear(message: str) -> str:
    """The first line of a Hydra error, with what to do about the commonest ones."""
    if "Missing mandatory value: run_dir" in message:
        return "no folder for the run: add trainer.run_dir=DIR"
    if "Could not find 'experiment/" in message:
        names = ", ".join(experiments())
        return f"{message}; there are {names}"
    return message


def train(config: dict[str, Any], report: Callable[[str], None] = lambda line: None) -> dict[str, float]:
    """Run one experiment; returns its held-out figures."""
    data = find_data(Path(config["data"]) if config.get("data") else None)
    task_config = dict(config["task"])
    name = task_config.pop("name")
    try:
        task = make_task(name, task_config, data, cache_folder(config.get("cache")))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"task.{'.'.join(map(str, first['loc']))}: {first['msg']} (experiment {name})") from None
    trainer = TrainerConfig(**config["trainer"])
    if leads():
        write_config(Path(trainer.run_dir), config)
    return fit(task, trainer, report)


def leads() -> bool:
    """Whether this process speaks for all that ``torchrun`` may have started."""
    return int(os.environ.get("RANK", "0")) == 0


def write_config(run: Path, config: dict[str, Any]) -> None:
    """Keep the composed configuration beside the run; what a resumed run began with is overwritten."""
    run.mkdir(parents=True, exist_ok=True)
    with whole_file(run / CONFIG) as temporary:
        temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
