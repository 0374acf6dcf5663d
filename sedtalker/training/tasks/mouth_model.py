"""Training of an ear, with which a decoder hears the talking mouth: one tracked talker's motion, phones of many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.decoder import CorrectedDecoder, CorrectedDecoderConfig, DecoderConfig
from sedtalker.animation.mouth_model import MOUTH_SHAPES, load_mouth_model, mouth_indices, side_matrix
from sedtalker.checkpoint import CheckpointConfig, read_checkpoint, read_config, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.arkit import INDEX
from sedtalker.face.builtin import load_builtin
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.cards.decoder import ear_card
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.motion.alignment import IGNORED, phone_frames
from sedtalker.training.motion.crops import CropConfig, HeardCrop, TalkingCrops
from sedtalker.training.motion.lip_gauge import measure_lips
from sedtalker.training.motion.losses import DecoderLoss, LossWeights, weighted_sum
from sedtalker.training.motion.spoken_motion import SpokenMotion
from sedtalker.training.motion.visemes import TONGUE
from sedtalker.training.task import Batch
from sedtalker.training.tasks.decoder_validation import frame_times, validate_talking

TRAINED_ON = [
    "GRID talker s1, tracked (CC BY 4.0)",
    "speechocean762 (CC BY 4.0)",
    "LJ Speech (public domain)",
    "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
]


class MouthModelTaskConfig(CropConfig):
    """Hyper-parameters of the training."""

    tracked_crops: int = 18
    taught_crops: int = 14
    """Read speech, of which only the phones are known."""
    pause_crops: int = 0
    other_voices: float = 0.5
    masked: float = 1.0
    warp: float = 0.15
    model: SpeechEncoderConfig = SpeechEncoderConfig(hop=20, dropout=0.2)
    loss: LossWeights = LossWeights(
        vertices=0, velocity=2, gap=1, width=0.5, closure=0, contact=0.1, emotion=0, swapped=0, follow=0.1
    )
    phone_weight: float = 0.6


class MouthModelInTraining(nn.Module):
    """An ear whose motion head speaks in standard deviations of its targets."""

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
        """The ear's weights, with the scale within its motion head."""
        state = {name: value.detach().clone() for name, value in self.encoder.state_dict().items()}
        state["motion_head.weight"] = state["motion_head.weight"] * self.scale[:, None]
        state["motion_head.bias"] = state["motion_head.bias"] * self.scale + self.mean
        return state


class MouthModelTask:
    """Builds, feeds, scores and exports an ear (see ``Task``)."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = c = MouthModelTaskConfig.model_validate(config)
        self.model_config = c.model.model_copy(update={"motion_channels": len(MOUTH_SHAPES)})
        face = load_builtin()
        gauge = measure_lips(face)
        self.crops = TalkingCrops(c, data, cache, face, gauge, margin=0)
        tracked = self.crops.tracked
        taught = [talking(tracked.spoken[n]) for n, clip in tracked.clips.items() if clip.split == "train"]
        self.targets = np.concatenate(taught)
        self.criterion = DecoderLoss(face, self.targets, gauge.gain, gauge.width)

    def build(self) -> nn.Module:
        """A freshly initialised ear."""
        mouth = self.targets[:, mouth_indices()]
        return MouthModelInTraining(self.model_config, mouth.mean(0), mouth.std(0) + 1e-3)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` at 50 frames a second, ``target`` coefficients, ``phones``, and how much each counts."""
        c, draw = self.config, self.crops
        rows = [self._row(draw.tracked_crop(rng), 1.0) for _ in range(c.tracked_crops)]
        rows += [self._row(draw.read_crop(rng), 0.0) for _ in range(c.taught_crops)]
        rows += [self._row(draw.pause_crop(rng), 1.0) for _ in range(c.pause_crops)]
        return {k: torch.from_numpy(np.stack([row[k] for row in rows]).astype(np.float32)) for k in rows[0]}

    def _row(self, heard: HeardCrop, weight: float) -> dict[str, NDArray[Any]]:
        return {
            "mel": heard.mel.reshape(-1, 2, MEL_BANDS).mean(1),
            "target": talking(heard.motion),
            "talking": heard.motion.talking,
            "closure": heard.motion.closure,
            "contact": heard.motion.contact,
            "phones": heard.phones,
            "weight": np.full(len(heard.phones), weight),
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
        """See ``validate_talking``; ``phones`` is the share of frames of new speakers whose phone is heard."""
        figures = validate_talking(self.crops, lambda store, copy: self._run(model, store, copy)[0])
        read, shares = self.crops.read, []
        for copy in read.unseen[:40]:
            found = self._run(model, read.store, copy)[1]
            truth = phone_frames(read.spans[copy.key], frame_times(len(found)))
            shares.append(float(np.mean(found[truth > 0] == truth[truth > 0])))
        figures["phones"] = float(np.mean(shares))
        score = figures["lip_r"] + 0.3 * figures["width_r"] + 0.1 * figures["stranger_r"] + 0.1 * figures["phones"]
        return figures | {"score": score}

    def _run(self, model: nn.Module, store: FeatureStore, copy: Copy) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        mel = torch.from_numpy(store.rows(copy)[:, :MEL_BANDS]).unflatten(0, (-1, 2)).mean(1)
        moved, logits = model(mel[None].to(self.criterion.scale.device))
        return moved[0].clamp(0.0, 1.0).cpu().numpy(), logits[0].argmax(-1).cpu().numpy()

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder."""
        assert isinstance(model, MouthModelInTraining)
        config = CheckpointConfig(
            kind="speech_encoder",
            licence="CC-BY-4.0",
            trained_on=TRAINED_ON,
            encoder_sha256=None,
            model=self.model_config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        write_checkpoint(folder, config, model.finished(), ear_card(metrics))


def talking(spoken: SpokenMotion) -> NDArray[np.float32]:
    """(T, 52) what an ear is to read off."""
    mouth = spoken.coefficients.copy()
    mouth[:, INDEX["tongueOut"]] = TONGUE * spoken.tongue
    return mouth


# --- A decoder and the mouth model that corrects it, in one checkpoint folder.

CARD = """# Decoder with a mouth model

Speech features and a dense emotion track in, coefficients of the 52 ARKit shapes out, 50 frames a second: a decoder and
a second network that predicts the mouth from log-mels and corrects the decoder on neutral speech.
`sedtalker checkpoint correct` made it of these two, whose own cards follow.

{parts}"""


def correct_decoder(decoder: Path, mouth_model: Path, target: Path) -> None:
    """Write the checkpoint folder of a ``CorrectedDecoder``.

    Its licence is theirs; what they were trained on is put together.

    Raises:
        InputError: another kind of checkpoint, or other licences.
    """
    described, config, weights = read_checkpoint(decoder, "decoder", DecoderConfig)
    mouth = load_mouth_model(mouth_model)
    model = CorrectedDecoderConfig(decoder=config, mouth_model=mouth.config)
    state = {f"decoder.{name}": value for name, value in weights.items()}
    state |= {f"mouth_model.{name}": value for name, value in mouth.state_dict().items()}
    CorrectedDecoder(model).load_state_dict(state)
    configs = [described, read_config(mouth_model)]
    licences = {c.licence for c in configs}
    if len(licences) > 1:
        raise InputError(f"their licences differ: {', '.join(sorted(licences))}")
    folders = (decoder, mouth_model)
    cards = [(folder / "README.md").read_text(encoding="utf-8").replace("\n#", "\n##") for folder in folders]
    made = described.model_copy(
        update={
            "kind": "corrected_decoder",
            "trained_on": list(dict.fromkeys(source for c in configs for source in c.trained_on)),
            "model": model.model_dump(mode="json"),
            "metrics": {},
        }
    )
    write_checkpoint(target, made, state, CARD.format(parts="\n".join(f"#{card}" for card in cards)))
