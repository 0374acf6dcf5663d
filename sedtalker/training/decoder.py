"""Training of the decoder: tracked talking composed with expressions, on the frozen speech encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.conditioning import STYLE_CODES, Style
from sedtalker.animation.decoder import (
    AveragedDecoder,
    Decoder,
    DecoderConfig,
    build_decoder,
    load_decoder,
    speech_input,
)
from sedtalker.animation.losses import DecoderLoss, LossWeights, weighted_sum
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_checkpoint, weights_sha256, write_checkpoint
from sedtalker.datasets.alignment import IGNORED
from sedtalker.datasets.expressive_motion import compose, measured_poses, random_emotion
from sedtalker.datasets.lip_gauge import measure_lips
from sedtalker.datasets.prominence import Prominence, even_voice, prominence_of
from sedtalker.datasets.reference_rig import read_reference_rig
from sedtalker.datasets.spoken_motion import SpokenMotion
from sedtalker.datasets.surroundings import read_surroundings
from sedtalker.datasets.talking import ReadSpeech, emphasised, read_noise, read_tracked
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_builtin
from sedtalker.speech.encoder import SpeechEncoderConfig, load_encoder
from sedtalker.training.decoder_card import decoder_card
from sedtalker.training.decoder_crops import RATE, CropLimits, HeardCrop, Scene, hear_crop, vowels_apart
from sedtalker.training.decoder_validation import validate_tracked
from sedtalker.training.loop import Batch
from sedtalker.training.phone_motion import speak_phones, teach
from sedtalker.training.read_speech import read_speech, read_speech_phones


class DecoderTaskConfig(BaseModel):
    """Hyper-parameters of the training."""

    model_config = ConfigDict(extra="forbid")

    model: DecoderConfig = DecoderConfig()
    start: str | None = None
    """Folder of a decoder whose weights training starts from; it keeps its sizes and styles, not its look-ahead."""
    front_end: str | None = None
    """Folder of ``experiment=front_end`` that the decoder's own ear starts from; its sizes are taken over."""
    hold_front_end: bool = True
    """Whether the ear stays as it was taught, without dropout; otherwise it learns on with the decoder."""
    encoder: str | None = None
    """Folder of the frozen encoder; the built-in one if None."""
    face: Literal["builtin", "reference"] = "builtin"
    """The face whose lips must close and whose vertices weigh the errors."""
    tracked_crops: int = 10
    swapped_crops: int = 6
    """Of the tracked crops, those in a chain: each two share the speech or the emotion, by turns (see ``chain``)."""
    taught_crops: int = 5
    """Read speech of other voices, with motion from its phones (see ``phone_motion``)."""
    pause_crops: int = 2
    taught_weight: float = 0.6
    """How much their closures count, and their motion in pauses."""
    taught_motion: float = 0.6
    """How much their motion counts where they speak: it is no measurement, only what their phones would do to one
    talker's mouth."""
    other_voices: float = 0.6
    """Share of tracked crops that are heard in another voice."""
    seconds: float = 2.9
    loss: LossWeights = LossWeights()
    masked: float = 0.4
    """Share of crops of which bands and moments are dropped."""
    warp: float = 0.12
    tempo: float = 0.12
    neutral: float = 0.25
    """Share of crops without any emotion."""
    copies: int = 4
    voices: int = 2
    read_speech_copies: int = 3
    workers: int = 1


class DecoderTask:
    """Builds, feeds, scores and exports the decoder (see ``Task``)."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = c = DecoderTaskConfig.model_validate(config)
        self.ear: dict[str, Any] | None = None
        if c.front_end:
            _, sizes, self.ear = read_checkpoint(Path(c.front_end), "speech_encoder", SpeechEncoderConfig)
            sizes = sizes.model_copy(update={"dropout": 0.0}) if c.hold_front_end else sizes
            self.config = c = c.model_copy(update={"model": c.model.model_copy(update={"front_end": sizes})})
        self.encoder_folder = Path(c.encoder) if c.encoder else builtin_checkpoint("speech_encoder")
        self.encoder = load_encoder(self.encoder_folder)
        self.face = load_builtin() if c.face == "builtin" else read_reference_rig(data)
        self.gauge = measure_lips(self.face)
        table = json.loads((data / "motion/ravdess_au/emotion_au_table.json").read_text(encoding="utf-8"))
        self.poses = measured_poses(table["table"])
        surroundings = read_surroundings(data)
        self.tracked = read_tracked(data, cache, self.gauge, surroundings, c.copies, c.voices, c.workers)
        self.noise = read_noise(data, cache, surroundings, c.workers)
        store, held_out = read_speech(data, surroundings, cache, c.read_speech_copies, c.workers)
        self.read = ReadSpeech(store, read_speech_phones(data, cache, c.workers), held_out)
        t = self.tracked
        network = teach([(t.spans[n], t.spoken[n]) for n, clip in t.clips.items() if clip.split == "train"])
        self.read.speak(lambda spans, frames: speak_phones(network, spans, frames, self.gauge))
        self.pools = [(t.own, t.copies(t.own, "train")), (t.own, t.copies(t.own, "train"))]
        if t.voices is not None:
            self.pools[1] = (t.voices, t.copies(t.voices, "train"))
        self.taught = self.read.taught
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
        decoder = build_decoder(self.model_config)
        if isinstance(decoder, AveragedDecoder):
            raise InputError("an averaged decoder is put together, not trained: sedtalker checkpoint average")
        with torch.no_grad():  # start from the mean face
            decoder.coefficients.weight.mul_(0.1)
            decoder.coefficients.bias.copy_(torch.from_numpy(targets.mean(0)))
        if self.ear and isinstance(decoder, Decoder) and decoder.front_end is not None:
            decoder.front_end.load_state_dict(self.ear)
            decoder.front_end.requires_grad_(not self.config.hold_front_end)
        return decoder

    def _go_on(self, folder: Path) -> nn.Module:
        """The decoder in a folder, with this task's look-ahead and dropout."""
        start, wanted = load_decoder(folder), self.config.model
        if isinstance(start, AveragedDecoder):
            raise InputError(f"{folder}: an averaged decoder; go on from one of its members")
        self.model_config = start.config.model_copy(update={"future": wanted.future, "dropout": wanted.dropout})
        decoder = build_decoder(self.model_config)
        decoder.load_state_dict(start.state_dict())
        if isinstance(decoder, Decoder) and decoder.front_end is not None:
            decoder.front_end.requires_grad_(not self.config.hold_front_end)
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` and ``prosody`` with the encoder's context around, emotion, style and target coefficients.

        The first ``swapped_crops`` are the chain of ``DecoderLoss``.
        """
        c, rows = self.config, list[dict[str, NDArray[Any]]]()
        frames, limits = int(c.seconds * RATE), CropLimits(c.seconds, self.encoder.context, c.tempo, c.warp, c.masked)
        heard, scene = None, self.scene(frames, rng)
        for i in range(c.tracked_crops):
            chained = i < c.swapped_crops
            if not (chained and i % 2):  # new speech
                store, copies = self.pools[int(rng.random() < c.other_voices)]
                copy = copies[int(rng.integers(len(copies)))]
                said = self.tracked.spoken[copy.key], self.tracked.spans[copy.key]
                heard = hear_crop(store, copy, rng, said, limits)
            if not chained or i % 2:  # new emotion; the style goes with the speech
                new = self.scene(frames, rng)
                scene = replace(new, style=scene.style) if chained else new
            elif i:
                scene = replace(scene, style=self.scene(frames, rng).style)
            assert heard is not None
            rows.append(self._row(heard, scene, np.ones(frames)))
        for _ in range(c.taught_crops):
            copy = self.taught[int(rng.integers(len(self.taught)))]
            said = self.read.spoken[copy.key], self.read.spans[copy.key]
            crop = hear_crop(self.read.store, copy, rng, said, limits)
            crop = replace(crop, motion=emphasised(crop.motion, crop.prosody[:, 0]))
            crop = replace(crop, motion=replace(crop.motion, closure=c.taught_weight * crop.motion.closure))
            weight = c.taught_weight + (c.taught_motion - c.taught_weight) * crop.motion.talking
            row = self._row(crop, self.scene(frames, rng), weight)
            rows.append(row | {"ajar": c.taught_weight * vowels_apart(crop)})
        for _ in range(c.pause_crops):
            copy = self.noise.copies[int(rng.integers(len(self.noise.copies)))]
            crop = hear_crop(self.noise, copy, rng, None, limits)
            rows.append(self._row(crop, self.scene(frames, rng), np.ones(frames)))
        return {k: torch.from_numpy(np.stack([row[k] for row in rows]).astype(np.float32)) for k in rows[0]}

    def _row(self, crop: HeardCrop, scene: Scene, weight: NDArray[np.floating]) -> dict[str, NDArray[Any]]:
        return {
            "mel": crop.mel,
            "prosody": crop.prosody,
            "posterior": scene.posterior,
            "intensity": scene.intensity,
            "style": np.array(scene.style.code(self.config.model.styles)),
            "target": self.target(crop.motion, scene, prominence_of(crop.prosody)),
            "closure": crop.motion.closure,
            "contact": crop.motion.contact,
            "phones": crop.phones,
            "ajar": np.zeros(len(weight)),
            "weight": weight,
        }

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See ``DecoderLoss``; ``phones`` is the cross-entropy of a front end's phones."""
        inputs = (self.sound(batch), batch["posterior"], batch["intensity"], batch["style"])
        logits = None
        if self.model_config.architecture == "autoregressive":
            predicted = model.taught(*inputs, batch["target"])  # type: ignore[operator]
        elif self.model_config.front_end:
            predicted, logits = model.with_phones(*inputs)  # type: ignore[operator]
        else:
            predicted = model(*inputs)
        losses = self.criterion(predicted.float(), batch, self.config.swapped_crops)
        if logits is not None:
            losses["phones"] = F.cross_entropy(
                logits.flatten(0, 1), batch["phones"].long().flatten(), ignore_index=IGNORED, label_smoothing=0.05
            )
        losses["total"] = weighted_sum(losses, self.config.loss)
        return losses

    def sound(self, batch: Batch) -> Tensor:
        """What the decoder reads: log-mels with what surrounds the crops, or the frozen encoder's frames."""
        margin = self.encoder.context
        if self.model_config.front_end:
            mel = batch["mel"].unflatten(1, (-1, 2)).mean(2)
            return speech_input(mel, F.pad(batch["prosody"], (0, 0, margin, margin)))
        device = batch["mel"].device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            hidden = self.encoder.to(device)(batch["mel"])[:, margin:-margin].float()
        return speech_input(hidden, batch["prosody"])

    def validate(self, model: nn.Module) -> dict[str, float]:
        """See ``decoder_validation``."""
        return validate_tracked(self, model)

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder."""
        config = CheckpointConfig(
            kind="decoder",
            licence="CC-BY-4.0",
            trained_on=[
                "GRID talker s1, tracked (CC BY 4.0)",
                "speechocean762 (CC BY 4.0) and LJ Speech (public domain), with motion from their aligned phones",
                "expression poses from action-unit prototypes, calibrated on published averages of RAVDESS",
                "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
            ],
            encoder_sha256=None if self.model_config.front_end else weights_sha256(self.encoder_folder),
            model=self.model_config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        ahead = model.look_ahead / RATE if isinstance(model, Decoder) else None
        ear = model.context / RATE if isinstance(model, Decoder) and model.front_end is not None else None
        write_checkpoint(folder, config, model.state_dict(), decoder_card(ahead, ear, metrics))
