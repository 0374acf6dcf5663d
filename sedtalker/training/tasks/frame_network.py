"""Training of the frame network: where the emotion changes in recordings joined from clips of one speaker.

Half of the joins keep the emotion, with another clip of the same one, so that a join or a pause alone is no change.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.checkpoint import write_checkpoint
from sedtalker.emotion.diarizer_model import STRIDE, FrameNetworkConfig
from sedtalker.emotion.frame_network import FrameNetwork
from sedtalker.progress import Hook
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.cards import card_of, learned_from
from sedtalker.training.corpora.joined_recordings import JoinedDataset, JoinedInputs, open_joined_inputs
from sedtalker.training.corpora.joined_speech import SILENCE
from sedtalker.training.task import Batch, Count, Example, Positive, Task, TaskConfig, stacked

BESIDE = 1
"""Frames of 40 ms before and after the pause of a change that count as the change, too."""


class FrameNetworkTaskConfig(TaskConfig):
    """What ``configs/experiment/frame_network.yaml`` says about the task."""

    encoder: str | None = None
    """Checkpoint folder of an emotion encoder; null: the built-in one."""
    corpora: dict[str, float]
    """Corpora and their shares among the recordings."""
    recordings: Count = 2400
    """Joined recordings; every other one is degraded."""
    same: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the joins that keep the emotion."""
    crops: Count = 24
    """Crops in a batch."""
    seconds: Positive = 10.0
    """Length of a crop."""
    change_weight: float = 6.0
    """Weight of frames of a change; that of the others is 1."""
    model: FrameNetworkConfig = FrameNetworkConfig()
    """Sizes of the network; ``hidden`` is that of the encoder's vectors."""


class FrameNetworkTask(Task[FrameNetworkTaskConfig, FrameNetwork]):
    """See ``sedtalker.training.task.Task``."""

    settings = FrameNetworkTaskConfig
    fast: ClassVar = {"recordings": 8}

    def read_data(self, hook: Hook) -> None:
        """The inputs of all recordings, and where the emotion changes in them."""
        c = self.config
        self.encoder = open_encoder(c.encoder or "emotion_encoder")
        self.model = c.model.model_copy(update={"hidden": self.encoder.channels})
        dataset = JoinedDataset(c.corpora, "train", c.recordings, c.same, degraded=True)
        held = replace(dataset, split="valid", recordings=min(300, c.recordings), degraded=False)
        self.train, self.valid = (
            open_joined_inputs(self.data, self.cache, d, self.encoder, hook) for d in (dataset, held)
        )
        self.change, self.valid_change = changes_of(self.train), changes_of(self.valid)

    def build(self) -> FrameNetwork:
        """A fresh network, which scales its inputs by their deviation."""
        network = FrameNetwork(self.model)
        deviation = np.asarray(self.train.inputs[::10], np.float32).std(0)
        network.scale.copy_(torch.from_numpy(1.0 / deviation.clip(min=1e-3)))
        network.scale[-2:] = 1.0  # the shares of speech
        return network

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``inputs`` (B, T, C) at 25 Hz, ``change`` (B, T) and ``known`` (B, T), both 0 or 1."""
        size = round(self.config.seconds * FRAME_CLOCK.rate / STRIDE)
        chosen = rng.integers(len(self.train), size=self.config.crops)
        return stacked([self._crop(int(i), size, rng) for i in chosen])

    def _crop(self, index: int, size: int, rng: np.random.Generator) -> Example:
        first, last = int(self.train.starts[index]), int(self.train.starts[index + 1])
        start = first + int(rng.integers(0, max(1, last - first - size + 1)))
        part = slice(start, min(start + size, last))
        more = size - (part.stop - part.start)
        inputs = np.pad(np.asarray(self.train.inputs[part], np.float32), ((0, more), (0, 0)))
        known = np.pad(np.asarray(self.train.labels[part]) >= 0, (0, more)).astype(np.float32)
        return {"inputs": inputs, "change": np.pad(self.change[part], (0, more)), "known": known}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of "the emotion changes here"."""
        weight = torch.tensor(self.config.change_weight, device=batch["inputs"].device)
        logit = model(batch["inputs"]).float()
        each = F.binary_cross_entropy_with_logits(logit, batch["change"], reduction="none", pos_weight=weight)
        return {"total": (each * batch["known"]).sum() / batch["known"].sum().clamp_min(1.0)}

    @torch.no_grad()
    def validate(self, model: FrameNetwork) -> dict[str, float]:
        """How well frames of a change are separated from others in held-out recordings."""
        parts = (np.asarray(self.valid.inputs[a:b], np.float32) for a, b in pairwise(self.valid.starts))
        logits = [model(torch.from_numpy(part)[None].to(model.scale))[0].cpu() for part in parts]
        known = np.asarray(self.valid.labels) >= 0
        found = average_precision_score(self.valid_change[known], torch.cat(logits).numpy()[known])
        return {"change_precision": float(found), "score": float(found)}

    def export(self, model: FrameNetwork, folder: Path, metrics: dict[str, float]) -> None:
        """Write the network; ``experiment=transfer_diarizer`` takes it up."""
        names = self.config.corpora
        config = learned_from("frame_network", names, model.config, metrics, self.encoder.sha256())
        write_checkpoint(folder, config, model.state_dict(), card_of(config, corpora=", ".join(names)))


def changes_of(recordings: JoinedInputs) -> Floats:
    """(frames,) 1 where the emotion changes, see ``changes``."""
    return np.concatenate([changes(recordings.labels[a:b]) for a, b in pairwise(recordings.starts)])


def changes(labels: NDArray[np.int8]) -> Floats:
    """(T,) 1 from the last speech in one emotion to the first in another, and ``BESIDE`` frames on either side."""
    found = np.zeros(len(labels), np.float32)
    spoken = np.flatnonzero((labels >= 0) & (labels < SILENCE))
    for last, first in pairwise(spoken):
        if labels[last] != labels[first]:
            found[max(0, last - BESIDE) : first + BESIDE + 1] = 1.0
    return found
