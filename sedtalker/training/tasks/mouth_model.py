"""Training of a mouth model: one tracked talker's motion and the phones of many talkers, predicted from log-mels.

``correct_decoder`` puts a trained one beside a decoder (``sedtalker.animation.mouth_model`` says what it does there).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.decoder import CorrectedDecoder, CorrectedDecoderConfig, DecoderConfig
from sedtalker.animation.mouth_model import MOUTH_SHAPES, load_mouth_model, mouth_indices, side_matrix
from sedtalker.checkpoint import CheckpointConfig, read_checkpoint, read_config, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.progress import Hook
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.cards import corrected_decoder_card, mouth_model_card
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.evaluation.lips import UNSEEN_CLIPS, frame_times, validate_talking
from sedtalker.training.motion.alignment import IGNORED, phone_frames
from sedtalker.training.motion.crops import CropConfig, SpeechCrop, TalkingCrops
from sedtalker.training.motion.losses import DecoderLoss, LossWeights, weighted_sum
from sedtalker.training.motion.pseudo_labels import speak_others
from sedtalker.training.motion.spoken_motion import measure_lips, talking
from sedtalker.training.task import Batch, PreparedTask

TRAINED_ON = [
    "GRID talker s1, tracked (CC BY 4.0)",
    "speechocean762 (CC BY 4.0)",
    "LJ Speech (public domain)",
    "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
]
"""For the checkpoint's config."""


class MouthModelTaskConfig(CropConfig):
    """What ``configs/experiment/mouth_model.yaml`` says about the task."""

    tracked_crops: int = 18
    """Crops of the tracked talker."""
    read_crops: int = 14
    """Read speech of many speakers."""
    read_motion: float = Field(0.0, ge=0.0, le=1.0)
    """How much its motion counts (see ``pseudo_labels``); 0: only its phones do."""
    pause_crops: int = 0
    """Noise; nobody speaks."""
    other_voices: float = 0.5
    """Share of tracked crops in another voice."""
    masked: float = 1.0
    """Share of crops of which bands and moments are dropped."""
    warp: float = 0.15
    """Largest change of the vocal tract's length, natural logarithm."""
    model: SpeechEncoderConfig = SpeechEncoderConfig(hop=20, dropout=0.2)
    """Sizes of the network."""
    loss: LossWeights = LossWeights(
        vertices=0, velocity=2, gap=1, width=0.5, closure=0, contact=0.1, emotion=0, swapped=0, follow=0.1
    )
    """Weights of the losses of the motion, see ``DecoderLoss``."""
    phone_weight: float = 0.6
    """Weight of the phones' cross-entropy."""


class MouthModelInTraining(nn.Module):
    """A mouth model whose motion head predicts in standard deviations of its targets."""

    mean: Tensor
    scale: Tensor
    sides: Tensor

    def __init__(self, config: SpeechEncoderConfig, mean: NDArray[np.float32], scale: NDArray[np.float32]):
        super().__init__()
        self.encoder = SpeechEncoder(config)
        for name, values in (("mean", torch.from_numpy(mean)), ("scale", torch.from_numpy(scale))):
            self.register_buffer(name, values)
        self.register_buffer("sides", side_matrix())

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Log-mels (B, T, 80) to coefficients (B, T, 52) and logits (B, T, 40)."""
        hidden = self.encoder(mel).float()
        assert self.encoder.motion_head is not None
        mouth = self.encoder.motion_head(hidden).float() * self.scale + self.mean
        return mouth @ self.sides, self.encoder.phones(hidden).float()

    def finished(self) -> dict[str, Tensor]:
        """The mouth model's weights, with the scale within its motion head."""
        state = {name: value.detach().clone() for name, value in self.encoder.state_dict().items()}
        state["motion_head.weight"] = state["motion_head.weight"] * self.scale[:, None]
        state["motion_head.bias"] = state["motion_head.bias"] * self.scale + self.mean
        return state


class MouthModelTask(PreparedTask):
    """Builds, feeds, scores and exports a mouth model (see ``Task``)."""

    fast: ClassVar = {"copies": 1, "voices": 0, "read_speech_copies": 1}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = MouthModelTaskConfig.model_validate(config)
        self.data, self.cache = data, cache
        self.model_config = self.config.model.model_copy(update={"motion_channels": len(MOUTH_SHAPES)})

    def read_data(self, hook: Hook) -> None:
        """Crops of talking, and the scale of their motion."""
        face = load_face()
        lip_measure = measure_lips(face)
        self.crops = TalkingCrops(self.config, self.data, self.cache, face, lip_measure, 0, hook)
        if self.config.read_motion:
            speak_others(self.crops, self.data, self.cache, hook)
        tracked = self.crops.tracked
        trained_on = [talking(tracked.spoken[n]) for n, clip in tracked.clips.items() if clip.split == "train"]
        self.targets = np.concatenate(trained_on)
        self.criterion = DecoderLoss(face, self.targets, lip_measure.gain, lip_measure.width)

    def build(self) -> nn.Module:
        """A freshly initialised mouth model."""
        mouth = self.targets[:, mouth_indices()]
        return MouthModelInTraining(self.model_config, mouth.mean(0), mouth.std(0) + 1e-3)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` at 50 frames a second, ``target`` coefficients, ``phones``, and how much each counts."""
        c, draw = self.config, self.crops
        crops = [self._example(draw.tracked_crop(rng), 1.0) for _ in range(c.tracked_crops)]
        crops += [self._example(draw.read_crop(rng), c.read_motion) for _ in range(c.read_crops)]
        crops += [self._example(draw.pause_crop(rng), 1.0) for _ in range(c.pause_crops)]
        return {k: torch.from_numpy(np.stack([crop[k] for crop in crops]).astype(np.float32)) for k in crops[0]}

    def _example(self, crop: SpeechCrop, weight: float) -> dict[str, NDArray[Any]]:
        return {
            "mel": crop.mel.reshape(-1, 2, MEL_BANDS).mean(1),
            "target": talking(crop.motion),
            "talking": crop.motion.talking,
            "closure": crop.motion.closure,
            "contact": crop.motion.contact,
            "phones": crop.phones,
            "weight": np.full(len(crop.phones), weight),
        }

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See ``DecoderLoss``; ``phones`` is their cross-entropy."""
        moved, logits = model(batch["mel"])
        losses = self.criterion(moved, batch)
        total = weighted_sum(losses, self.config.loss)
        losses["phones"] = F.cross_entropy(
            logits.flatten(0, 1), batch["phones"].long().flatten(), ignore_index=IGNORED, label_smoothing=0.05
        )
        return losses | {"total": total + self.config.phone_weight * losses["phones"]}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """See ``validate_talking``; ``phones`` is the share of frames of new speakers whose phone is crop."""
        metrics = validate_talking(self.crops, lambda store, copy: self._run(model, store, copy)[0])
        read, shares = self.crops.read, []
        for copy in read.unseen[:UNSEEN_CLIPS]:
            found = self._run(model, read.store, copy)[1]
            truth = phone_frames(read.spans[copy.key], frame_times(len(found)))
            shares.append(float(np.mean(found[truth > 0] == truth[truth > 0])))
        metrics["phones"] = float(np.mean(shares))
        score = metrics["lip_r"] + 0.3 * metrics["width_r"]
        score += 0.1 * metrics["unseen_talker_r"] + 0.1 * metrics["phones"]
        return metrics | {"score": score}

    def _run(self, model: nn.Module, store: FeatureStore, copy: Copy) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        mel = torch.from_numpy(store.rows(copy)[:, :MEL_BANDS]).unflatten(0, (-1, 2)).mean(1)
        moved, logits = model(mel[None].to(self.criterion.scale.device))
        return moved[0].clamp(0.0, 1.0).cpu().numpy(), logits[0].argmax(-1).cpu().numpy()

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder."""
        assert isinstance(model, MouthModelInTraining)
        config = CheckpointConfig(
            kind="mouth_model",
            licence="CC-BY-4.0",
            trained_on=TRAINED_ON,
            encoder_sha256=None,
            model=self.model_config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        write_checkpoint(folder, config, model.finished(), mouth_model_card(metrics))


# --- A decoder and the mouth model that corrects it, in one checkpoint folder.

PART = "mouth_model_"
"""Before the metrics of the mouth model in the config of a decoder that has one."""


def correct_decoder(decoder: Path, mouth_model: Path, target: Path) -> None:
    """Write the checkpoint folder of a ``CorrectedDecoder``.

    Its licence is theirs; what they were trained on is put together, and so are their validation metrics.

    Raises:
        InputError: another kind of checkpoint, or other licences.
    """
    described, config, weights = read_checkpoint(decoder, "decoder", DecoderConfig)
    mouth, its = load_mouth_model(mouth_model), read_config(mouth_model)
    model = CorrectedDecoderConfig(decoder=config, mouth_model=mouth.config)
    state = {f"decoder.{name}": value for name, value in weights.items()}
    state |= {f"mouth_model.{name}": value for name, value in mouth.state_dict().items()}
    CorrectedDecoder(model).load_state_dict(state)
    if described.licence != its.licence:
        raise InputError(f"their licences differ: {', '.join(sorted({described.licence, its.licence}))}")
    own, other = ((folder / "README.md").read_text(encoding="utf-8") for folder in (decoder, mouth_model))
    made = described.model_copy(
        update={
            "kind": "corrected_decoder",
            "trained_on": list(dict.fromkeys((*described.trained_on, *its.trained_on))),
            "model": model.model_dump(mode="json"),
            "metrics": described.metrics | {f"{PART}{name}": value for name, value in its.metrics.items()},
            "held_out": {},
        }
    )
    write_checkpoint(target, made, state, corrected_decoder_card(own, other))


def metrics_of_parts(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics of a ``CorrectedDecoder`` as those of its decoder and of its mouth model."""
    decoder = {name: value for name, value in metrics.items() if not name.startswith(PART)}
    mouth_model = {name.removeprefix(PART): value for name, value in metrics.items() if name.startswith(PART)}
    return decoder, mouth_model
