"""Training of a decoder for the vertices of one topology: EmoVOCA, VOCASET or sequences of one's own."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.vertex_decoder import VertexDecoder, VertexDecoderConfig, one_hot, principal_components
from sedtalker.arrays import Floats, Ints, Reals
from sedtalker.audio import SAMPLE_RATE, FrameClock, load_audio, resample_frames
from sedtalker.checkpoint import CheckpointConfig, weights_sha256, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.mesh.mesh import from_triangles
from sedtalker.nn.blocks import LocalAttention, rotate
from sedtalker.progress import Hook, counted
from sedtalker.speech.backbone import pack_backbone
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.feature_store import SpeechSource, open_speech_source
from sedtalker.training.corpora.meshes import MeshSequence, SequenceCorpus, open_sequences
from sedtalker.training.evaluation.measures import TEST
from sedtalker.training.evaluation.vertex_decoder_measures import (
    decoder_inputs,
    predictor,
    score_sequences,
    source_tensor,
)
from sedtalker.training.task import Batch, Count, Example, Positive, Task, TaskConfig, stacked

logger = logging.getLogger(__name__)

SHOWN_FACES, SHOWN_SIZE = 4, 192
"""Frames in a picture for TensorBoard, and the side of each, pixels."""


class VertexDecoderTaskConfig(TaskConfig):
    """What ``configs/experiment/vertex_decoder.yaml`` says about the task."""

    encoder: str | dict[str, Any] | None = None
    """Speech features: the built-in encoder (None), its checkpoint folder, or a backbone of the hub."""
    coefficients: Count = 48
    """Size of the basis."""
    blocks: DecoderConfig = DecoderConfig()
    """Sizes of the blocks; ``hidden`` is that of the encoder's vectors."""
    crops: Count = 8
    """Crops in a batch."""
    seconds: Positive = 2.0
    """Length of a crop."""
    lip_weight: float = 4.0
    """Weight of the lips' vertices; the others have 1."""
    velocity_weight: float = 10.0
    """Weight of the squared error of the frame differences."""
    blend: float = 0.3
    """Share of crops that pass from one recording of a take into another, so that the emotion changes inside them."""
    valid: Count = 12
    """Validation sequences that are scored, spread evenly."""


class VertexDecoderTask(Task[VertexDecoderTaskConfig, VertexDecoder]):
    """See ``sedtalker.training.task.Task``."""

    settings = VertexDecoderTaskConfig
    fast: ClassVar = {"valid": 2}

    def read_data(self, hook: Hook) -> None:
        """The sequences, validation speech, the principal components; training speech is encoded when it is drawn."""
        data, c = self.data, self.config
        self.corpus = open_sequences(data)
        self.licence = licence_of(self.corpus)
        self.training = self.corpus.split("train")
        if not self.training:
            raise InputError(f"{data}: no training sequence with sound in it; see sedtalker data check {data}")
        held_out = self.corpus.split("valid") or self.training
        self.valid = held_out[:: max(1, math.ceil(len(held_out) / c.valid))]
        counts = sorted({sequence.open().shape[1] for sequence in (*self.training, *self.valid)})
        if len(counts) > 1:
            raise InputError(
                f"{data}: some sequences have {counts[0]} vertices, others {counts[-1]}: see sedtalker data check"
            )
        for problem in self.training[0].size_problems():
            logger.warning("%s; the figures will be in other units", problem)
        self.source: SpeechSource = open_speech_source(c.encoder, self.cache)
        for sequence in counted(self.valid, hook, "encoding validation speech", len(self.valid)):
            assert sequence.audio is not None
            self.source.cache.get(sequence.audio)
        self.blocks = c.blocks.model_copy(update={"hidden": self.source.channels})
        self.templates = {s.subject: self.corpus.template(s.subject) for s in (*self.training, *self.valid)}
        self.takes: dict[tuple[str, str], list[MeshSequence]] = defaultdict(list)
        for sequence in self.training:
            self.takes[sequence.subject, sequence.take].append(sequence)
        self.labels = self.corpus.labels or ("neutral",)
        sample = self._sample(800)
        self.mean, self.components, self.kept = principal_components(sample, c.coefficients)
        self.variance = float(np.mean((1000 * sample) ** 2))
        lips = self.corpus.mask("lips")
        weight = np.ones(sample.shape[1], np.float32)
        if lips is not None:
            weight[lips] = c.lip_weight
        self.weight = torch.from_numpy(weight / weight.mean())

    def _sample(self, count: int) -> Floats:
        """(N, V, 3) offsets of random training frames, evenly over the sequences."""
        rng = np.random.default_rng(0)
        each = max(1, math.ceil(count / len(self.training)))
        chosen = self.training
        if len(chosen) > count:
            chosen = [chosen[i] for i in np.sort(rng.choice(len(chosen), count, replace=False))]
        frames = []
        for sequence in chosen:
            picked = np.sort(rng.integers(len(sequence.open()), size=each))
            frames.append(sequence.frames(picked) - self.templates[sequence.subject])
        return np.concatenate(frames)

    def build(self) -> VertexDecoder:
        """A decoder whose basis is the data's principal components."""
        c = self.config
        self.model_config = VertexDecoderConfig(
            blocks=self.blocks,
            coefficients=c.coefficients,
            vertices=self.components.shape[1],
            labels=self.labels,
            backbone=self.source.backbone,
        )
        decoder = VertexDecoder(self.model_config)
        decoder.start_from(self.mean, self.components)
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """``speech`` (B, T, D + 4), ``posterior`` (B, T, C), ``intensity`` (B, T) and ``offsets`` (B, T, V, 3)."""
        return stacked([self._crop(rng) for _ in range(self.config.crops)])

    def _crop(self, rng: np.random.Generator) -> Example:
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
        return {"speech": speech, "posterior": posterior, "intensity": strength, "offsets": offsets}

    def _speech(self, sequence: MeshSequence, times: Reals) -> Floats:
        assert sequence.audio is not None
        features = self.source.cache.get(sequence.audio)
        return resample_frames(np.asarray(features, np.float32), FRAME_CLOCK.times(len(features)), times)

    def _offsets(self, sequence: MeshSequence, times: Reals) -> Floats:
        count, fps = len(sequence.open()), self.corpus.fps
        first = max(0, min(int(times[0] * fps), count - 1))
        last = min(count, int(times[-1] * fps) + 2)
        part = sequence.frames(slice(first, last)) - self.templates[sequence.subject]
        return resample_frames(part, first / fps + FrameClock(fps).times(len(part)), times)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared vertex error and velocity error, lips weighted, in units of the variance of the motion."""
        speech = source_tensor(self.source, batch["speech"])
        predicted = model(speech, batch["posterior"], batch["intensity"]).float()
        weight = self.weight.to(predicted.device)[:, None]
        error = 1000 * (predicted - batch["offsets"])
        vertices = (weight * error.square()).mean() / self.variance
        velocity = (weight * error.diff(dim=1).square()).mean() / self.variance
        return {"vertices": vertices, "velocity": velocity, "total": vertices + self.config.velocity_weight * velocity}

    def validate(self, model: VertexDecoder) -> dict[str, float]:
        """Metrics on validation sequences, with the controls; the score is the share of motion that is explained."""
        return score_sequences(predictor(model, self.source, self.corpus.fps), self.corpus, self.valid).metrics

    def show(self, model: VertexDecoder, writer: Any, step: int) -> None:
        """A validation sequence as sound, faces (predicted above recorded) and attention."""
        sequence = self.valid[0]
        assert sequence.audio is not None
        score = score_sequences(predictor(model, self.source, self.corpus.fps), self.corpus, [sequence])
        writer.add_audio("audio", torch.from_numpy(load_audio(sequence.audio).samples)[None], step, SAMPLE_RATE)
        if (triangles := self.corpus.head.triangles) is not None:
            pictures = face_pictures([score.predicted[0], np.asarray(sequence.open(), np.float32)], triangles)
            writer.add_image("face/predicted_over_recorded", pictures, step, dataformats="HWC")
        clip = self._speech(sequence, FRAME_CLOCK.times(100))
        for name, weights in attention_maps(model, decoder_inputs(model, self.source, clip, sequence)).items():
            writer.add_image(f"attention/{name}", (weights / weights.max()).clip(0, 1), step, dataformats="HW")

    def export(self, model: VertexDecoder, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder; a backbone that is a local folder is copied into it."""
        if self.source.backbone:
            packed = pack_backbone(self.source.backbone, folder)
            self.model_config = self.model_config.model_copy(update={"backbone": packed})
        config = CheckpointConfig(
            kind="vertex_decoder",
            licence=self.licence,
            trained_on=[f"{self.corpus.name}, {len(self.training)} sequences: {self.corpus.licence}"],
            encoder_sha256=weights_sha256(self.source.folder) if self.source.folder else None,
            model=self.model_config.model_dump(mode="json"),
            metrics=metrics,
        )
        write_checkpoint(folder, config, model.state_dict(), self._card(metrics))

    def _card(self, metrics: dict[str, float]) -> str:
        lines = []
        for measure in TEST["vertex-decoder"]:
            if measure.key in metrics and measure.better == "lower":
                values = (metrics.get(prefix + measure.key) for prefix in ("", "static_", "shuffled_"))
                cells = ["–" if v is None else f"{v:.3f}" for v in values]
                lines.append(f"| {measure.text} | " + " | ".join(cells) + " |")
        spoken = {sequence.emotion for sequence in self.training}
        return fill_card(
            "vertex_decoder",
            name=self.corpus.name,
            vertices=self.model_config.vertices,
            coefficients=self.model_config.coefficients,
            kept=self.kept,
            training=len(self.training),
            subjects=len({s.subject for s in self.training}),
            words=", ".join(word for word in self.corpus.labels if word in spoken) or "neutral talk",
            valid=len(self.valid),
            metrics="\n".join(lines),
            score=metrics.get("score", float("nan")),
            licence=self.corpus.licence,
        )


def blended(
    first: Floats, first_intensity: float, second: Floats, second_intensity: float, share: Any
) -> tuple[Floats, Floats]:
    """Posterior (T, C) and intensity (T,) of a passage: ``share`` (T,) of the second.

    Posterior × intensity is the mixture of both conditions, as the motion is the mixture of both motions.
    """
    strength = (1 - share) * first_intensity + share * second_intensity
    mixed = ((1 - share) * first_intensity)[:, None] * first + (share * second_intensity)[:, None] * second
    safe = np.where(strength > 1e-6, strength, 1.0)[:, None]
    posterior = np.where(strength[:, None] > 1e-6, mixed / safe, first)
    return posterior.astype(np.float32), strength.astype(np.float32)


def licence_of(corpus: SequenceCorpus) -> str:
    """SPDX identifier or reference for weights trained on a corpus, which may only be stored as a published one is."""
    if corpus.layout is None or corpus.layout.name != corpus.name:
        return "LicenseRef-own-recordings"
    known = {"emovoca": "CC-BY-NC-4.0", "vocaset": "LicenseRef-VOCASET-non-commercial"}
    return known.get(corpus.name, f"LicenseRef-{corpus.layout.use}")


# --- Faces and attention for TensorBoard.


def face_pictures(motions: list[Floats], triangles: Ints) -> NDArray[np.uint8]:
    """Pictures (motions · SHOWN_SIZE, SHOWN_FACES · SHOWN_SIZE, 3) of evenly spaced frames, motion below motion."""
    from sedtalker.render.camera import Camera
    from sedtalker.render.renderer import make_renderer

    first = motions[0][0]
    low, high = first.min(0), first.max(0)
    centre, size = (low + high) / 2, float((high - low)[:2].max())
    eye = (float(centre[0]), float(centre[1]), float(high[2] + 2.2 * size))
    camera = Camera(eye, (float(centre[0]), float(centre[1]), float(centre[2])), fov=30.0)
    made = []
    with make_renderer(from_triangles(first, triangles), camera, SHOWN_SIZE, "numba", threads=1) as renderer:
        for motion in motions:
            frames = np.linspace(0, len(motion) - 1, SHOWN_FACES).astype(int)
            made.append(np.concatenate([renderer.render(np.ascontiguousarray(motion[t])) for t in frames], axis=1))
    return np.concatenate(made, axis=0)


@torch.no_grad()
def attention_maps(model: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, Floats]:
    """(T, T) weights of each ``LocalAttention`` over one clip, mean over heads, by its name; queries down, sum 1."""
    seen: dict[str, Tensor] = {}
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LocalAttention)}

    def keep(name: str) -> Any:
        return lambda layer, given: seen.__setitem__(name, given[0])

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in layers.items()]
    try:
        model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _weights(layers[name], x) for name, x in seen.items()}


def _weights(layer: LocalAttention, x: Tensor) -> Floats:
    length, width = x.shape[1:]
    q, k, _ = layer.qkv(x[:1]).reshape(length, 3, layer.heads, width // layer.heads).permute(1, 2, 0, 3)
    q, k = (rotate(v, slice(0, length), length) for v in (q, k))
    apart = torch.arange(length, device=x.device)[:, None] - torch.arange(length, device=x.device)
    logits = (q @ k.transpose(-1, -2)) / (width // layer.heads) ** 0.5
    outside = (apart > layer.radius) | (-apart > getattr(layer, "future", layer.radius))
    weights: Tensor = logits.masked_fill(outside, -torch.inf).softmax(-1).mean(0)
    return weights.float().cpu().numpy()
