"""The tasks that can be trained, by the name a config gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sedtalker.errors import InputError
from sedtalker.training.loop import Task


def make_task(name: str, config: dict[str, Any], data: Path, cache: Path) -> Task:
    """The task ``name`` with its hyper-parameters, reading training data from ``data`` and caching under ``cache``.

    Raises:
        InputError: unknown task.
    """
    if name == "speech_encoder":
        from sedtalker.training.speech_encoder import SpeechEncoderTask

        return SpeechEncoderTask(config, data, cache)
    if name == "diarizer":
        from sedtalker.training.diarizer import DiarizerTask

        return DiarizerTask(config, data, cache)
    if name == "backbone":
        from sedtalker.training.backbone import BackboneTask

        return BackboneTask(config, data, cache)
    if name == "decoder":
        from sedtalker.training.decoder import DecoderTask

        return DecoderTask(config, data, cache)
    if name == "frame_pretraining":
        from sedtalker.training.frame_pretraining import FramePretrainingTask

        return FramePretrainingTask(config, data, cache)
    if name == "frame_network":
        from sedtalker.training.frame_network import FrameNetworkTask

        return FrameNetworkTask(config, data, cache)
    if name == "vertex_decoder":
        from sedtalker.training.vertex_decoder import VertexDecoderTask

        return VertexDecoderTask(config, data, cache)
    if name == "published_diarizer":
        from sedtalker.training.published_diarizer import PublishedDiarizerTask

        return PublishedDiarizerTask(config, data, cache)
    if name == "published_decoder":
        from sedtalker.training.published_decoder import PublishedDecoderTask

        return PublishedDecoderTask(config, data, cache)
    if name == "personal_decoder":
        from sedtalker.training.personal_decoder import PersonalDecoderTask

        return PersonalDecoderTask(config, data, cache)
    known = (
        "speech_encoder, backbone, frame_pretraining, frame_network, diarizer, decoder, vertex_decoder, "
        "personal_decoder, published_diarizer, published_decoder"
    )
    raise InputError(f"unknown task '{name}'; there are {known}")
