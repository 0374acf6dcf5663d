"""From the words of a command to finished runs: Hydra configs composed and checked, tasks by name, sweeps, their table.

``compose`` makes the configuration of ``sedtalker train`` (``configs/train.yaml``), ``train`` runs it, ``sweep`` runs
every combination of listed values and ``results_table`` compares runs.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sedtalker.errors import InputError, one_of, written
from sedtalker.plugins import load
from sedtalker.processes import is_main_process
from sedtalker.progress import Hook, no_progress
from sedtalker.storage import check_folder, user_cache, write_text
from sedtalker.training.corpora.manifest import few_clips, find_data
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.loop import fit, read_log
from sedtalker.training.task import CONFIG, Task, TrainerConfig, flat, naming_settings

logger = logging.getLogger(__name__)

TASKS: dict[str, str] = {
    "speech_encoder": "tasks.speech_encoder:SpeechEncoderTask",
    "noise_robust_encoder": "tasks.noise_robust_encoder:NoiseRobustEncoderTask",
    "frame_network": "tasks.frame_network:FrameNetworkTask",
    "emotion_encoder": "tasks.emotion_encoder:EmotionEncoderTask",
    "transfer_diarizer": "tasks.transfer_diarizer:TransferDiarizerTask",
    "fine_emotions": "tasks.fine_emotions:FineEmotionsTask",
    "decoder": "tasks.decoder:DecoderTask",
    "vertex_decoder": "tasks.vertex_decoder:VertexDecoderTask",
    "personal_decoder": "tasks.personal_decoder:PersonalDecoderTask",
    "landmarks": "tasks.landmarks:LandmarksTask",
    "speakers": "tasks.speakers:SpeakersTask",
    "published_diarizer": "published.published_diarizer:PublishedDiarizerTask",
    "published_decoder": "published.published_decoder:PublishedDecoderTask",
}
"""The class of each task within ``sedtalker.training``; its module is imported when it is asked for."""


# --- Configurations.


class RunConfig(BaseModel, extra="forbid"):
    """A composed configuration: what ``configs/train.yaml`` and the experiment say."""

    task: dict[str, Any]
    """``name``, one of ``TASKS``, and the task's own settings, which it checks itself."""
    trainer: TrainerConfig
    """How long and how fast."""
    data: str | None = None
    """Folder of the training data; None: see ``find_data``."""
    cache: str | None = None
    """Where decoded audio and features are kept; None: see ``cache_folder``."""
    fast: bool = False
    """Prepare as little as possible, to see that everything works (``Task.fast``)."""


def config_folder() -> Path:
    """Folder of the Hydra configs, in a source tree or an installed package."""
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "train.yaml").is_file():
            return folder
    raise InputError("the training configs are missing from this installation; reinstall sedtalker")


def cache_folder(cache: str | None = None) -> Path:
    """Where decoded audio and features are kept: ``cache``, else ``sedtalker`` in the user's cache folder."""
    folder = Path(cache).expanduser() if cache else user_cache()
    check_folder(folder, force=True)
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The training configuration as plain data; without ``trainer.run_dir`` the run gets a folder of its own."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            config = hydra_compose("train", list(overrides), return_hydra_config=True)
            experiment = str(config.hydra.runtime.choices.experiment)
            with open_dict(config):
                del config["hydra"]
            plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:  # OSError: a name too long
        for group in ("trainer", "experiment", "encoder", "debug"):
            if f"{group}=null" in overrides:
                raise InputError(f"{group}=null: this takes the name of a config; leave it out") from None
        raise InputError(_clear(str(error).strip().splitlines()[0], overrides)) from None
    assert isinstance(plain, dict)
    made = {str(key): value for key, value in plain.items()}
    if isinstance(made.get("trainer"), dict) and made["trainer"].get("run_dir") in (None, ""):
        made["trainer"]["run_dir"] = str(_new_folder(experiment))
    with naming_settings():
        RunConfig.model_validate(made)
    return made


def _new_folder(experiment: str) -> Path:
    """``runs/<experiment>/<date-time>`` of a run that was given no folder."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise InputError("no folder for the run: with torchrun, add trainer.run_dir=DIR")
    return Path("runs") / experiment / time.strftime("%Y-%m-%d-%H-%M-%S")


def choices(group: str) -> list[str]:
    """Names that ``experiment=``, ``encoder=`` or ``debug=`` takes."""
    root = config_folder() / group
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def _clear(message: str, overrides: Sequence[str]) -> str:
    """The first line of a Hydra error, with what to do about the commonest ones."""
    if unknown := re.fullmatch(r"Could not override '(.+)'\.?", message):
        name, groups = unknown[1], ("experiment", "debug", "encoder")
        known = flat(compose(["trainer.run_dir=unused", *(o for o in overrides if o.partition("=")[0] in groups)]))
        if any(setting.startswith(f"{name}.") for setting in known):
            return f"{name}: its entries are set one by one: ++{name}.KEY=VALUE adds one, ~{name}.KEY leaves one out"
        last = {setting.rpartition(".")[2]: setting for setting in known}
        near = [last[word] for word in get_close_matches(name.rpartition(".")[2], last, 1)]
        meant = f"did you mean {near[0]}? " if near else ""
        return f"{name}: not in the config of this experiment; {meant}++{name}=VALUE adds it"
    if found := re.search("Could not find '([a-z]+)/(.+)'|You must specify '([a-z]+)'", message):
        said = message.removeprefix("In 'train': ").rstrip(".")
        return f"{said}: {one_of(found[2] or '', choices(found[1] or found[3]))}"
    return message


# --- One run.


def make_task(name: str, config: Mapping[str, Any], data: Path, cache: Path, fast: bool = False) -> Task:
    """The task ``name`` with its settings, which will read training data from ``data`` and cache under ``cache``.

    With ``fast`` it prepares as little as possible.

    Raises:
        InputError: unknown task, or settings that do not fit it.
    """
    if name not in TASKS:
        raise InputError(f"unknown task '{name}': {one_of(name, TASKS)}")
    kind = load(f"sedtalker.training.{TASKS[name]}")
    with naming_settings("task."):
        made: Task = kind({**config, **(kind.fast if fast else {})}, data, cache)
    return made


def train(config: Mapping[str, Any], hook: Hook = no_progress) -> dict[str, float]:
    """Run one experiment; returns the metrics of its best validation.

    Args:
        config: from ``compose``.
        hook: progress of preparing the data and of training.

    Raises:
        InputError: a setting is wrong, or the data are missing.
    """
    with naming_settings():
        settings = RunConfig.model_validate(config)
    task_config = dict(settings.task)
    name = str(task_config.pop("name", ""))
    data = find_data(Path(settings.data) if settings.data else None)
    cache = cache_folder(settings.cache)
    check_folder(Path(settings.trainer.run_dir), force=True)
    with few_clips() if settings.fast else nullcontext():
        task = make_task(name, task_config, data, cache, settings.fast)
        logger.info("%s: run %s, data %s, cache %s", name, settings.trainer.run_dir, data, cache)
        return fit(task, settings.trainer, hook, config)


# --- Many runs from one command, and a table of what came of them.


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """What ``results_table`` gives, as Markdown."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return markdown_table(columns, ([_shown(row.get(name)) for name in columns] for row in rows)) + "\n"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def combinations(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of the values that overrides list (``a=1,2``, ``a=range(0,3)``), as Hydra's own sweeper has it.

    Raises:
        InputError: an override is not Hydra's grammar.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise InputError(str(error).splitlines()[0]) from None
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [list(one) for one in batch]


def sweep(overrides: Sequence[str], hook: Hook = no_progress) -> list[dict[str, Any]]:
    """Train every combination in ``trainer.run_dir/0``, ``1`` …; writes ``results.md`` and ``results.json`` there.

    Started again, it goes on where it was: finished runs are not repeated.
    """
    every = [(one, compose(one)) for one in combinations(overrides)]
    root = Path(every[0][1]["trainer"]["run_dir"])
    for number, (one, config) in enumerate(every):
        config["trainer"]["run_dir"] = str(root / str(number))
        logger.info("run %d of %d: %s", number + 1, len(every), " ".join(one))
        train(config, hook)
    rows = results_table([root / str(number) for number in range(len(every))])
    if is_main_process():
        for name, text in (("results.md", as_markdown(rows)), ("results.json", json.dumps(rows, indent=2) + "\n")):
            write_text(root / name, text)
    return rows


def results_table(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """A row a run, best score first: ``run``, the settings that differ, ``step`` of the best validation, its metrics.

    Raises:
        InputError: a folder is no run, or was never validated.
    """
    settings, best_lines = [], []
    for run in runs:
        try:
            settings.append(flat(json.loads((run / CONFIG).read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            raise InputError(f"{run}: not the folder of a run (no {CONFIG})") from None
        valid = [line for line in read_log(run) if line["kind"] == "valid"]
        if not valid:
            raise InputError(f"{run}: was never validated")
        best = max(valid, key=lambda line: line["score"])
        best_lines.append({name: value for name, value in best.items() if name != "kind"})
    names = sorted({name for one in settings for name in one} - {"trainer.run_dir"})
    differ = [name for name in names if len({json.dumps(one.get(name)) for one in settings}) > 1]
    made = [
        {"run": run.name} | {name: one.get(name) for name in differ} | line
        for run, one, line in zip(runs, settings, best_lines, strict=True)
    ]
    return sorted(made, key=lambda row: -row["score"])
