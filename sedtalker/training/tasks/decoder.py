"""Training of the decoder: tracked talking composed with expressions, on the frozen speech encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sedtalker.animation.conditioning import STYLE_CODES, Style
from sedtalker.animation.decoder import CorrectedDecoder, Decoder, speech_input
from sedtalker.animation.pretrained import load_decoder
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_builtin
from sedtalker.speech.encoder import load_encoder
from sedtalker.training.cards.decoder import decoder_card
from sedtalker.training.corpora.talking import emphasised
from sedtalker.training.corpora.tracked_motion import read_reference_rig
from sedtalker.training.loop import Batch
from sedtalker.training.motion.crops import RATE, CropConfig, HeardCrop, Scene, TalkingCrops
from sedtalker.training.motion.expressive_motion import compose, measured_poses, random_emotion
from sedtalker.training.motion.lip_gauge import measure_lips
from sedtalker.training.motion.losses import DecoderLoss, LossWeights, weighted_sum
from sedtalker.training.motion.phone_motion import speak_phones, teach
from sedtalker.training.motion.spoken_motion import SpokenMotion
from sedtalker.training.motion.visemes import Prominence, even_voice, prominence_of
from sedtalker.training.published.decoder_forms import DecoderFormConfig, build_form
from sedtalker.training.tasks.decoder_validation import validate_decoder


class DecoderTaskConfig(CropConfig):
    """Hyper-parameters of the training."""

    model: DecoderFormConfig = DecoderFormConfig()
    start: str | None = None
    """Folder of a decoder whose weights training starts from; it keeps its sizes and styles, not its look-ahead."""
    encoder: str | None = None
    """Folder of the frozen encoder; the built-in one if None."""
    face: Literal["builtin", "reference"] = "builtin"
    """The face whose lips must close and whose vertices weigh the errors."""
    swapped_crops: int = 6
    """Of the tracked crops, those in a chain: each two share the speech or the emotion, by turns (see ``batch``)."""
    taught_weight: float = 0.6
    """How much read speech counts, with motion from its phones (see ``phone_motion``): its closures and its pauses."""
    taught_motion: float = 0.6
    """How much its motion counts where it speaks: that is no measurement, only what its phones would do to one talker's
    mouth."""
    loss: LossWeights = LossWeights()
    neutral: float = 0.25
    """Share of crops without any emotion."""


class DecoderTask:
    """Builds, feeds, scores and exports the decoder (see ``Task``)."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = c = DecoderTaskConfig.model_validate(config)
        self.encoder_folder = Path(c.encoder) if c.encoder else builtin_checkpoint("speech_encoder")
        self.encoder = load_encoder(self.encoder_folder)
        self.face = load_builtin() if c.face == "builtin" else read_reference_rig(data)
        self.gauge = measure_lips(self.face)
        table = json.loads((data / "motion/ravdess_au/emotion_au_table.json").read_text(encoding="utf-8"))
        self.poses = measured_poses(table["table"])
        self.crops = TalkingCrops(c, data, cache, self.face, self.gauge, self.encoder.context)
        self.tracked = t = self.crops.tracked
        network = teach([(t.spans[n], t.spoken[n]) for n, clip in t.clips.items() if clip.split == "train"])
        self.crops.read.speak(lambda spans, frames: speak_phones(network, spans, frames, self.gauge))
        self.criterion = DecoderLoss(self.face, self._target_sample(), self.gauge.gain, self.gauge.width)

    def _target_sample(self) -> NDArray[np.float32]:
        """(N, 52) targets of a few hundred random crops, for their scale."""
        rng = np.random.default_rng(0)
        names = [name for name, clip in self.tracked.clips.items() if clip.split == "train"]
        made = []
        for _ in range(200):
            spoken = self.tracked.spoken[rng.choice(names)]
            scene = self.scene(len(spoken.gap), rng)
            made.append(self.target(spoken, scene, even_voice(len(spoken.gap))))
        return np.concatenate(made)

    def scene(self, frames: int, rng: np.random.Generator) -> Scene:
        """A random track and style."""
        posterior, intensity = random_emotion(rng, np.arange(frames) / RATE)
        if rng.random() < self.config.neutral:
            intensity = intensity * 0.0
        code = rng.uniform(-1, 1, len(STYLE_CODES)) * (rng.random(len(STYLE_CODES)) < 0.5) * (rng.random() < 0.5)
        return Scene(posterior, intensity, Style(*map(float, code)))

    def target(self, spoken: SpokenMotion, scene: Scene, voice: Prominence) -> NDArray[np.float32]:
        """(T, 52) the motion of a crop in a scene."""
        return compose(spoken, scene.posterior, scene.intensity, scene.style, self.gauge, self.poses, voice)

    def build(self) -> nn.Module:
        """A freshly initialised decoder that knows which shapes ever move."""
        targets = self._target_sample()
        shapes = tuple(name for name, top in zip(ARKIT_52, targets.max(0), strict=True) if top > 0.02)
        self.model_config = self.config.model.model_copy(update={"shapes": shapes})
        if self.config.start:
            return self._go_on(Path(self.config.start))
        decoder = build_form(self.model_config)
        readout = cast(nn.Linear, decoder.coefficients)
        with torch.no_grad():  # start from the mean face
            readout.weight.mul_(0.1)
            readout.bias.copy_(torch.from_numpy(targets.mean(0)))
        return decoder

    def _go_on(self, folder: Path) -> nn.Module:
        """The decoder in a folder, without its ears, with this task's look-ahead and dropout."""
        start, wanted = load_decoder(folder), self.config.model
        start = start.decoder if isinstance(start, CorrectedDecoder) else start
        if not isinstance(start, Decoder):
            raise InputError(f"task.start={folder}: training starts from a decoder of ARKit shapes")
        changed = {**start.config.model_dump(), "future": wanted.future, "dropout": wanted.dropout}
        self.model_config = DecoderFormConfig.model_validate(changed)
        decoder = build_form(self.model_config)
        decoder.load_state_dict(start.state_dict())
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` and ``prosody`` with the encoder's context around, emotion, style and target coefficients.

        The first ``swapped_crops`` are the chain of ``DecoderLoss``.
        """
        c, rows = self.config, list[dict[str, NDArray[Any]]]()
        frames = int(c.seconds * RATE)
        heard, scene = None, self.scene(frames, rng)
        for i in range(c.tracked_crops):
            chained = i < c.swapped_crops
            if not (chained and i % 2):  # new speech
                heard = self.crops.tracked_crop(rng)
            if not chained or i % 2:  # new emotion; the style goes with the speech
                new = self.scene(frames, rng)
                scene = replace(new, style=scene.style) if chained else new
            elif i:
                scene = replace(scene, style=self.scene(frames, rng).style)
            assert heard is not None
            rows.append(self._row(heard, scene, np.ones(frames)))
        for _ in range(c.taught_crops):
            crop = self.crops.read_crop(rng)
            crop = replace(crop, motion=emphasised(crop.motion, crop.prosody[:, 0]))
            crop = replace(crop, motion=replace(crop.motion, closure=c.taught_weight * crop.motion.closure))
            weight = c.taught_weight + (c.taught_motion - c.taught_weight) * crop.motion.talking
            rows.append(self._row(crop, self.scene(frames, rng), weight))
        for _ in range(c.pause_crops):
            rows.append(self._row(self.crops.pause_crop(rng), self.scene(frames, rng), np.ones(frames)))
        return {k: torch.from_numpy(np.stack([row[k] for row in rows]).astype(np.float32)) for k in rows[0]}

    def _row(self, crop: HeardCrop, scene: Scene, weight: NDArray[np.floating]) -> dict[str, NDArray[Any]]:
        return {
            "mel": crop.mel,
            "prosody": crop.prosody,
            "posterior": scene.posterior,
            "intensity": scene.intensity,
            "style": np.array(scene.style.code(self.config.model.styles)),
            "target": self.target(crop.motion, scene, prominence_of(crop.prosody)),
            "talking": crop.motion.talking,
            "closure": crop.motion.closure,
            "contact": crop.motion.contact,
            "weight": weight,
        }

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See ``DecoderLoss``."""
        inputs = (self.sound(batch["mel"], batch["prosody"]), batch["posterior"], batch["intensity"], batch["style"])
        if self.model_config.architecture == "autoregressive":
            predicted = model.forward_teacher_forced(*inputs, batch["target"])  # type: ignore[operator]
        else:
            predicted = model(*inputs)
        losses = self.criterion(predicted.float(), batch, self.config.swapped_crops)
        losses["total"] = weighted_sum(losses, self.config.loss)
        return losses

    def sound(self, mel: Tensor, prosody: Tensor) -> Tensor:
        """What the decoder reads of log-mels (B, 2(T + 2 · margin), 80) and prosody (B, T, 4)."""
        margin = (mel.shape[1] // 2 - prosody.shape[1]) // 2
        with torch.no_grad(), torch.autocast(mel.device.type, torch.bfloat16):
            hidden = self.encoder.to(mel.device)(mel)[:, margin : margin + prosody.shape[1]].float()
        return speech_input(hidden, prosody)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """See ``validate_decoder``."""
        return validate_decoder(self, model)

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder."""
        product = self.model_config.product_config()
        config = CheckpointConfig(
            kind="decoder" if product else "decoder_form",
            licence="CC-BY-4.0",
            trained_on=[
                "GRID talker s1, tracked (CC BY 4.0)",
                "speechocean762 (CC BY 4.0) and LJ Speech (public domain), with motion from their aligned phones",
                "expression poses from action-unit prototypes, calibrated on published averages of RAVDESS",
                "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
            ],
            encoder_sha256=weights_sha256(self.encoder_folder),
            model=(product or self.model_config).model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        ahead = model.look_ahead / RATE if isinstance(model, Decoder) else None
        closures = self.config.start is not None and self.config.loss.closure > 0.0
        write_checkpoint(folder, config, model.state_dict(), decoder_card(ahead, closures, metrics))
