"""Vertex measures of a decoder on held-out sequences, beside a static face and the output for other speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sedtalker.animation.decoder_network import speech_tensor
from sedtalker.animation.vertex_decoder import VertexDecoder, one_hot
from sedtalker.arrays import Floats
from sedtalker.audio import FrameClock, resample_frames
from sedtalker.checkpoint import read_config, weights_sha256
from sedtalker.errors import InputError
from sedtalker.metrics.motion import means, vertex_errors
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.backbone import unpack_backbone
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.feature_store import SpeechSource, open_speech_source
from sedtalker.training.corpora.meshes import MeshSequence, SequenceCorpus, open_sequences

Predict = Callable[[MeshSequence, Path, int], Floats]
"""Offsets (T, V, 3) in metres of a sequence's face, under its emotion, for a sound file and a number of frames."""


@dataclass(frozen=True, eq=False)
class Score:
    """Metrics, and the predicted vertices (T, V, 3) of each sequence."""

    metrics: dict[str, float]
    predicted: list[Floats]


def source_tensor(source: SpeechSource, frames: Tensor) -> Tensor:
    """What a vertex decoder reads of the frames (…, D + 4) of a source."""
    return speech_tensor(frames[..., : source.channels], frames[..., source.channels :])


def decoder_inputs(
    model: VertexDecoder, source: SpeechSource, speech: Floats, sequence: MeshSequence
) -> tuple[Tensor, ...]:
    """Speech, posterior and intensity of a batch of one: frames (T, D + 4) of a source under a sequence's emotion."""
    device = next(model.parameters()).device
    posterior = torch.from_numpy(one_hot(model.config.labels, sequence.emotion, len(speech)))
    intensity = torch.full((len(speech),), float(sequence.intensity))
    inputs = source_tensor(source, torch.from_numpy(speech)), posterior, intensity
    return tuple(x[None].to(device) for x in inputs)


def predictor(model: VertexDecoder, source: SpeechSource, fps: float) -> Predict:
    """How a vertex decoder predicts sequences of ``fps`` frames a second."""

    @torch.no_grad()
    def predict(sequence: MeshSequence, audio: Path, frames: int) -> Floats:
        speech = np.asarray(source.cache.get(audio), np.float32)
        offsets = model(*decoder_inputs(model, source, speech, sequence))[0].float().cpu().numpy()
        return resample_frames(offsets, FRAME_CLOCK.times(len(speech)), FrameClock(fps).times(frames))

    return predict


def score_sequences(
    predict: Predict, corpus: SequenceCorpus, sequences: Sequence[MeshSequence], hook: Hook = no_progress
) -> Score:
    """MVE (mm), LVE and EVE (mm²), FDD (mm), each with ``static_`` (resting face) and ``shuffled_`` (other speech).

    ``score`` is 1 − squared vertex error ÷ that of the static face: the share of the motion that is explained. LVE,
    EVE and FDD are left out where the user's copy has no masks.
    """
    lips, emotion, upper = (corpus.mask(name) for name in ("lips", "emotion", "upper_face"))
    rows, squares, still_squares, made = list[dict[str, float]](), 0.0, 0.0, list[Floats]()
    for index, sequence in enumerate(counted(sequences, hook, "scoring sequences", len(sequences))):
        truth = sequence.frames(slice(None))
        rest = corpus.template(sequence.subject)
        frames = len(truth)
        assert sequence.audio is not None
        predicted = rest + predict(sequence, sequence.audio, frames)
        made.append(predicted)
        candidates = {"": predicted, "static_": np.broadcast_to(rest, truth.shape)}
        other = _other_speech(sequences, index)
        if other is not None:
            candidates["shuffled_"] = rest + predict(sequence, other, frames)
        errors = {
            prefix: vertex_errors(motion, truth, rest, lips, emotion, upper) for prefix, motion in candidates.items()
        }
        rows.append({f"{prefix}{name}": value for prefix, own in errors.items() for name, value in own.items()})
        squares += float(np.square(predicted - truth).mean())
        still_squares += float(np.square(rest - truth).mean())
    return Score(means(rows) | {"score": 1.0 - squares / max(still_squares, 1e-12)}, made)


def _other_speech(sequences: Sequence[MeshSequence], index: int) -> Path | None:
    """The sound of the next sequence that says something else."""
    for step in range(1, len(sequences)):
        other = sequences[(index + step) % len(sequences)]
        if other.take != sequences[index].take:
            return other.audio
    return None


def evaluate_vertex_decoder(
    data: Path, checkpoint: Path, split: str, cache: Path, hook: Hook = no_progress
) -> dict[str, float]:
    """Metrics of a checkpoint on a split of the corpus in ``data``; see ``score_sequences``.

    Raises:
        InputError: the corpus has other vertices or words than the checkpoint, or no such split.
    """
    model: VertexDecoder = open_model(checkpoint, "vertex_decoder")
    corpus = open_sequences(data)
    sequences = corpus.split(split)
    if not sequences:
        raise InputError(f"{data}: no {split} sequences with sound")
    for sequence in sequences:
        if (count := sequence.open().shape[1]) != (made_for := model.config.vertices):
            raise InputError(f"{checkpoint}: made for {made_for} vertices, {sequence.name} has {count}")
    strange = {s.emotion for s in sequences if s.emotion} - set(model.config.labels)
    if strange:
        raise InputError(f"{checkpoint}: not trained on {', '.join(sorted(strange))}")
    backbone, described = model.config.backbone, read_config(checkpoint)
    source = open_speech_source(unpack_backbone(backbone, checkpoint).model_dump() if backbone else None, cache)
    if source.folder and described.encoder_sha256 != weights_sha256(source.folder):
        raise InputError(f"{checkpoint}: trained on another speech encoder than the built-in one")
    metrics = score_sequences(predictor(model, source, corpus.fps), corpus, sequences, hook).metrics
    return metrics | {"sequences": float(len(sequences))}
