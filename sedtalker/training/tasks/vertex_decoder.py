"""Training of a decoder for the vertices of one topology: EmoVOCA, VOCASET or sequences of one's own."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from sedtalker.animation.decoder import DecoderConfig, speech_input
from sedtalker.animation.vertex_decoder import VertexDecoder, VertexDecoderConfig, one_hot, principal_components
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.checkpoint import CheckpointConfig, weights_sha256, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.speech.backbone import pack_backbone
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.cards.decoder import vertex_decoder_card
from sedtalker.training.corpora.sequence_speech import Hearing, open_hearing
from sedtalker.training.corpora.sequences import MeshSequence, SequenceCorpus, open_sequences
from sedtalker.training.evaluation.vertex_decoder import Score, predictor, score_sequences
from sedtalker.training.loop import Batch
from sedtalker.training.pictures import show_attention, show_faces, show_sound

SAMPLED_FRAMES = 800
"""Training frames that the principal components are taken from."""


class VertexDecoderTaskConfig(BaseModel):
    """What ``configs/experiment/vertex_decoder.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    encoder: str | dict[str, Any] | None = None
    """Speech features: the built-in encoder (None), its checkpoint folder, or a backbone of the hub."""
    coefficients: int = 48
    blocks: dict[str, Any] = {}
    """Differences to ``DecoderConfig``."""
    crops: int = 8
    seconds: float = 2.0
    lip_weight: float = 4.0
    velocity_weight: float = 10.0
    blend: float = 0.3
    """Share of crops that pass from one recording of a take into another, so that the emotion changes inside them."""
    valid: int = 12
    """Validation sequences that are scored, spread evenly."""


class VertexDecoderTask:
    """See ``sedtalker.training.loop.Task``."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = c = VertexDecoderTaskConfig.model_validate(config)
        self.corpus = open_sequences(data)
        self.training = self.corpus.split("train")
        if not self.training:
            raise InputError(f"{data}: no training sequence with sound in it; see sedtalker data check {data}")
        held_out = self.corpus.split("valid") or self.training
        self.valid = held_out[:: max(1, math.ceil(len(held_out) / c.valid))]
        self.hearing: Hearing = open_hearing(c.encoder, cache)
        self.blocks = DecoderConfig.model_validate({**c.blocks, "hidden": self.hearing.channels})
        self.templates = {s.subject: self.corpus.template(s.subject) for s in (*self.training, *self.valid)}
        self.takes: dict[tuple[str, str], list[MeshSequence]] = defaultdict(list)
        for sequence in self.training:
            self.takes[sequence.subject, sequence.take].append(sequence)
        self.labels = self.corpus.labels or ("neutral",)
        sample = self._sample(SAMPLED_FRAMES)
        self.mean, self.components, self.kept = principal_components(sample, c.coefficients)
        self.variance = float(np.mean((1000 * sample) ** 2))
        lips = self.corpus.mask("lips")
        weight = np.ones(sample.shape[1], np.float32)
        if lips is not None:
            weight[lips] = c.lip_weight
        self.weight = torch.from_numpy(weight / weight.mean())

    def _sample(self, count: int) -> NDArray[np.float32]:
        """(N, V, 3) offsets of random training frames, evenly over the sequences."""
        rng = np.random.default_rng(0)
        each = max(1, math.ceil(count / len(self.training)))
        chosen = self.training
        if len(chosen) > count:
            chosen = [chosen[i] for i in np.sort(rng.choice(len(chosen), count, replace=False))]
        frames = []
        for sequence in chosen:
            vertices = sequence.open()
            picked = np.sort(rng.integers(len(vertices), size=each))
            frames.append(np.asarray(vertices[picked], np.float32) - self.templates[sequence.subject])
        return np.concatenate(frames)

    def build(self) -> nn.Module:
        """A decoder whose basis is the data's principal components."""
        c = self.config
        self.model_config = VertexDecoderConfig(
            blocks=self.blocks,
            coefficients=c.coefficients,
            vertices=self.components.shape[1],
            labels=self.labels,
            backbone=self.hearing.backbone,
        )
        decoder = VertexDecoder(self.model_config)
        decoder.start_from(self.mean, self.components)
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """``speech`` (B, T, D + 4), ``posterior`` (B, T, C), ``intensity`` (B, T) and ``offsets`` (B, T, V, 3)."""
        rows = [self._crop(rng) for _ in range(self.config.crops)]
        names = ("speech", "posterior", "intensity", "offsets")
        return {n: torch.from_numpy(np.stack(column)) for n, column in zip(names, zip(*rows, strict=True), strict=True)}

    def _crop(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        sequence = self.training[int(rng.integers(len(self.training)))]
        length = len(sequence.open()) / self.corpus.fps
        count = round(self.config.seconds * FRAME_CLOCK.rate)
        start = float(rng.uniform(0.0, max(length - self.config.seconds, 0.0)))
        times = start + FRAME_CLOCK.times(count)
        speech, offsets = self._speech(sequence, times), self._offsets(sequence, times)
        posterior, intensity = one_hot(self.labels, sequence.emotion, count), np.float32(sequence.intensity)
        strength = np.full(count, intensity, np.float32)
        partners = [p for p in self.takes[sequence.subject, sequence.take] if p is not sequence]
        if partners and rng.random() < self.config.blend:
            other = partners[int(rng.integers(len(partners)))]
            centre, width = rng.uniform(0.1, 0.9) * count, rng.uniform(0.1, 0.6) * FRAME_CLOCK.rate
            share = (1 / (1 + np.exp(-(np.arange(count) - centre) / (width / 4)))).astype(np.float32)
            theirs = one_hot(self.labels, other.emotion, count)
            posterior, strength = blended(posterior, float(intensity), theirs, other.intensity, share)
            offsets = offsets + share[:, None, None] * (self._offsets(other, times) - offsets)
        return speech, posterior, strength, offsets

    def _speech(self, sequence: MeshSequence, times: NDArray[np.floating]) -> NDArray[np.float32]:
        assert sequence.audio is not None
        rows = self.hearing.cache.get(sequence.audio)
        return resample_frames(np.asarray(rows, np.float32), FRAME_CLOCK.times(len(rows)), times)

    def _offsets(self, sequence: MeshSequence, times: NDArray[np.floating]) -> NDArray[np.float32]:
        vertices, fps = sequence.open(), self.corpus.fps
        first = max(0, min(int(times[0] * fps), len(vertices) - 1))
        last = min(len(vertices), int(times[-1] * fps) + 2)
        part = np.asarray(vertices[first:last], np.float32) - self.templates[sequence.subject]
        return resample_frames(part, first / fps + FrameClock(fps).times(len(part)), times)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared vertex error and velocity error, lips weighted, in units of the variance of the motion."""
        hidden, prosody = batch["speech"][..., : self.hearing.channels], batch["speech"][..., self.hearing.channels :]
        predicted = model(speech_input(hidden, prosody), batch["posterior"], batch["intensity"]).float()
        weight = self.weight.to(predicted.device)[:, None]
        error = 1000 * (predicted - batch["offsets"])
        vertices = (weight * error.square()).mean() / self.variance
        velocity = (weight * error.diff(dim=1).square()).mean() / self.variance
        return {
            "vertices": vertices,
            "velocity": velocity,
            "total": vertices + self.config.velocity_weight * velocity,
        }

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Figures on validation sequences, with the controls; the score is the share of motion that is explained."""
        assert isinstance(model, VertexDecoder)
        return score_sequences(predictor(model, self.hearing, self.corpus.fps), self.corpus, self.valid).figures

    def show(self, model: nn.Module, writer: Any, step: int) -> None:
        """A validation sequence as sound, faces (predicted above recorded) and attention."""
        assert isinstance(model, VertexDecoder)
        sequence = self.valid[0]
        assert sequence.audio is not None
        score: Score = score_sequences(predictor(model, self.hearing, self.corpus.fps), self.corpus, [sequence])
        show_sound(writer, sequence.audio, step)
        show_faces(writer, score.predicted[0], sequence.open(), self.corpus.head.triangles, step)
        clip = self._speech(sequence, FRAME_CLOCK.times(100))[None]
        hidden, prosody = torch.from_numpy(clip).split(
            [self.hearing.channels, clip.shape[-1] - self.hearing.channels], -1
        )
        device = next(model.parameters()).device
        posterior = torch.from_numpy(one_hot(self.labels, sequence.emotion, 100))[None]
        inputs = (speech_input(hidden, prosody), posterior, torch.full((1, 100), float(sequence.intensity)))
        show_attention(writer, model, tuple(x.to(device) for x in inputs), step)

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder; a backbone that is a local folder is copied into it."""
        if self.hearing.backbone:
            packed = pack_backbone(self.hearing.backbone, folder)
            self.model_config = self.model_config.model_copy(update={"backbone": packed})
        config = CheckpointConfig(
            kind="vertex_decoder",
            licence=licence_of(self.corpus),
            trained_on=[f"{self.corpus.name}, {len(self.training)} sequences: {self.corpus.licence}"],
            encoder_sha256=weights_sha256(self.hearing.folder) if self.hearing.folder else None,
            model=self.model_config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = vertex_decoder_card(self.corpus, self.training, self.valid, self.kept, self.model_config, metrics)
        write_checkpoint(folder, config, model.state_dict(), card)


def blended(
    first: NDArray[np.float32], first_intensity: float, second: NDArray[np.float32], second_intensity: float, share: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Posterior (T, C) and intensity (T,) of a passage: ``share`` (T,) of the second.

    Posterior × intensity is the mixture of both conditions, as the motion is the mixture of both motions.
    """
    strength = (1 - share) * first_intensity + share * second_intensity
    mixed = ((1 - share) * first_intensity)[:, None] * first + (share * second_intensity)[:, None] * second
    safe = np.where(strength > 1e-6, strength, 1.0)[:, None]
    posterior = np.where(strength[:, None] > 1e-6, mixed / safe, first)
    return posterior.astype(np.float32), strength.astype(np.float32)


def licence_of(corpus: SequenceCorpus) -> str:
    """SPDX identifier or reference for weights trained on a corpus."""
    return {"emovoca": "CC-BY-NC-4.0", "vocaset": "LicenseRef-VOCASET-non-commercial"}.get(
        corpus.name, "LicenseRef-own-recordings"
    )
