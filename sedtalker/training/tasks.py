"""The tasks that can be trained, by the name a config gives."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.training.loop import Task

TASKS: dict[str, str] = {
    "speech_encoder": "SpeechEncoderTask",
    "backbone": "BackboneTask",
    "frame_pretraining": "FramePretrainingTask",
    "frame_network": "FrameNetworkTask",
    "diarizer": "DiarizerTask",
    "ear": "EarTask",
    "decoder": "DecoderTask",
    "vertex_decoder": "VertexDecoderTask",
    "personal_decoder": "PersonalDecoderTask",
    "published_diarizer": "PublishedDiarizerTask",
    "published_decoder": "PublishedDecoderTask",
}
"""Each stands in the module of ``sedtalker.training`` that has its name, imported when it is asked for."""


def make_task(name: str, config: dict[str, Any], data: Path, cache: Path) -> Task:
    """The task ``name`` with its hyper-parameters, reading training data from ``data`` and caching under ``cache``.

    Raises:
        InputError: unknown task.
    """
    if name not in TASKS:
        raise InputError(f"unknown task '{name}'; there are {', '.join(TASKS)}")
    made: Task = getattr(import_module(f"sedtalker.training.{name}"), TASKS[name])(config, data, cache)
    return made
