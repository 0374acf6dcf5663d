"""Training of the decoder: tracked talking composed with expressions, on the frozen speech encoder.

Targets are made while training: the motion of a crop (tracked, or pseudo-labelled from the phones of read speech)
composed with the expression of a random emotion track and style.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sedtalker.animation.conditioning import STYLE_CODES, Style
from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.decoder_network import Decoder, speech_tensor
from sedtalker.arrays import Floats, Reals
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS, PROSODY_CHANNELS, pair_means
from sedtalker.training.cards import decoder_card
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.evaluation.lips import validate_talking
from sedtalker.training.motion.alignment import frame_times
from sedtalker.training.motion.crops import CropConfig, CropEmotion, SpeechCrop, TalkingCrops
from sedtalker.training.motion.expressive_motion import (
    Prominence,
    compose,
    emphasised,
    even_voice,
    prominence_of,
    random_emotion,
)
from sedtalker.training.motion.open4d import read_parts
from sedtalker.training.motion.pseudo_labels import speak_others
from sedtalker.training.motion.spoken_motion import SpokenMotion
from sedtalker.training.task import Batch, Example, Task, TaskConfig, stacked

# --- What the decoder is trained to get right.


LIP_WEIGHT = 4.0
"""How many times a vertex of the lips counts."""
SMALLEST_SCALE = 0.03
"""Least standard deviation a shape's error is divided by."""
CLOSED = 0.012
"""Lip gap that counts as closed, outer-eye distances."""
UPPER = ("brow", "eyeWide", "eyeSquint", "cheekSquint")
"""Beginnings of the names of the upper face's shapes."""
FOLLOWED_FRAMES = 25.0
"""Talking frames that a crop needs for its correlation to mean anything."""
STILL = 0.02
"""Variance, of that of all targets, that is as good as none."""


def vertex_factor(face: Face) -> Floats:
    """(52, 52) matrix L with ‖e L‖² = mean squared vertex offset (mm²) of a coefficient error e on the face.

    Lip vertices weigh ``LIP_WEIGHT`` times. Correctives are left out: they are of second order.
    """
    weight = np.ones(len(face.mesh.vertices))
    for name in ("neck", "hair"):
        if name in face.regions:
            weight[face.regions[name]] = 0.0
    if "lips" in face.regions:
        weight[face.regions["lips"]] = LIP_WEIGHT
    weight /= weight.sum()
    basis = 1000.0 * face.basis[: len(ARKIT_52)].astype(np.float64) * np.sqrt(weight)[:, None]
    flat = basis.reshape(len(basis), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    return (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)


class LossWeights(TaskConfig):
    """How much each term of ``DecoderLoss`` counts; 0 leaves it out."""

    coefficients: float = 1.0
    """Squared error of the coefficients, in standard deviations of each shape."""
    vertices: float = 1.0
    """Squared vertex error, lips weighted."""
    velocity: float = 20.0
    """Squared error of the frame differences."""
    width: float = 0.5
    """Squared error of the lip width and its velocity."""
    closure: float = 1.0
    """Squared gap beyond closed where the lips must close."""
    emotion: float = 0.5
    """Squared error of brows, lids and cheeks."""
    swapped: float = 1.0
    """Squared error of what changes in the lips when only the emotion changes, and in the upper face when only the
    speech does."""
    follow: float = 0.0
    """1 - correlation of each crop's lip gap and, half as much, of its lip width while there is talking, whatever their
    size."""


def weighted_sum(losses: dict[str, Tensor], weights: LossWeights) -> Tensor:
    """The total of the terms."""
    return torch.stack([value * getattr(weights, name) for name, value in losses.items()]).sum()


class DecoderLoss(nn.Module):
    """The terms of ``LossWeights`` on coefficients (B, T, 52), each about 1 for a prediction that is constant."""

    scale: Tensor
    factor: Tensor
    gain: Tensor
    width: Tensor
    upper: Tensor

    def __init__(self, face: Face, targets: Floats, gap: Floats, width: Floats):
        """``targets`` (N, 52) set the scales; ``gap`` and ``width`` (52,) are lip distances of a unit of each shape."""
        super().__init__()
        factor = vertex_factor(face)
        spread = targets - targets.mean(0)
        self.vertex_scale = float(((spread @ factor) ** 2).sum(1).mean())
        self.closed = CLOSED / float((spread @ gap).std())
        self.register_buffer("scale", torch.from_numpy(targets.std(0).clip(SMALLEST_SCALE)))
        self.register_buffer("factor", torch.from_numpy(factor))
        self.register_buffer("gain", torch.from_numpy(gap / (spread @ gap).std()))
        self.register_buffer("width", torch.from_numpy(width / (spread @ width).std()))
        self.register_buffer("upper", torch.tensor([i for n, i in INDEX.items() if n.startswith(UPPER)]))

    def forward(self, predicted: Tensor, batch: dict[str, Tensor], chained: int = 0) -> dict[str, Tensor]:
        """Losses of coefficients (B, T, 52) against ``batch["target"]``.

        ``closure`` (B, T) in [0, 1] is 1 where the lips must close; ``weight`` (B, T) says how much the target of a
        frame counts otherwise, ``talking`` (B, T) is 0 in pauses.
        Of the first ``chained`` crops, those at 0 and 1, 2 and 3 … share the speech and those at 1 and 2, 3 and 4 …
        the emotion.
        """
        self.to(predicted.device)
        target, weight = batch["target"], batch["weight"]
        root = weight.sqrt()[..., None]
        error = root * (predicted - target)
        scaled = error / self.scale
        clamped = predicted.clamp(0.0, 1.0)
        gap, width = (root[..., 0] * ((clamped - target) @ gain) for gain in (self.gain, self.width))
        opened = (clamped @ self.gain - self.closed).clamp_min(0.0)
        shut = batch["closure"]
        return {
            "coefficients": scaled.square().mean(),
            "vertices": (error @ self.factor).square().sum(-1).mean() / self.vertex_scale,
            "velocity": (scaled[:, 1:] - scaled[:, :-1]).square().mean(),
            "width": width.square().mean() + 2.0 * width.diff(dim=1).square().mean(),
            "closure": (opened.square() * shut).sum() / shut.sum().clamp_min(1.0),
            "emotion": scaled[..., self.upper].square().mean(),
            "swapped": self._swapped(scaled[:chained], gap[:chained], width[:chained]),
            "follow": self._follow(clamped, target, batch["talking"] * weight),
        }

    def _follow(self, moved: Tensor, target: Tensor, talking: Tensor) -> Tensor:
        talks = talking.sum(1) > FOLLOWED_FRAMES
        if not talks.any():
            return moved.new_zeros(())
        share = talking[talks] / talking[talks].sum(1, keepdim=True)
        moved, target = moved[talks], target[talks]
        height, width = (1.0 - _correlation(moved @ axis, target @ axis, share) for axis in (self.gain, self.width))
        return (height + 0.5 * width).mean()

    def _swapped(self, scaled: Tensor, gap: Tensor, width: Tensor) -> Tensor:
        if len(scaled) < 3:
            return scaled.new_zeros(())
        lips = sum(((x[1::2] - x[:-1:2]).square().mean() for x in (gap, width)), scaled.new_zeros(()))
        upper = scaled[..., self.upper]
        return lips + (upper[2::2] - upper[1:-1:2]).square().mean()


def _correlation(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """(B,) of curves (B, T) whose frames count as ``share`` (B, T), which adds up to 1; what hardly moves, follows."""
    a, b = (x - (x * share).sum(1, keepdim=True) for x in (a, b))
    power = ((a * a * share).sum(1) + STILL) * ((b * b * share).sum(1) + STILL)
    return ((a * b * share).sum(1) + STILL) / power.sqrt()


# --- The task.

READ_OUT = ("LibriSpeech (CC BY 4.0)", "distilled from Whisper-base (MIT)")
"""What a decoder is trained on, too, where a teacher's readout says how mouths move."""


class DecoderTaskConfig(CropConfig):
    """What ``configs/experiment/decoder.yaml`` says about the task."""

    model: DecoderConfig = DecoderConfig()
    """Sizes of the network."""
    start: str | None = None
    """Folder of a decoder whose weights training starts from; it keeps its sizes and styles, not its look-ahead."""
    encoder: str | None = None
    """Folder of the frozen encoder; the built-in one if None."""
    swapped_crops: int = 6
    """Number of tracked crops in a chain: each two share the speech or the emotion, in turn (see ``batch``)."""
    read_weight: float = 0.6
    """Weight of the pseudo-labels of read speech (see ``train_phone_motion``): of its closures and its pauses."""
    read_motion: float = 0.6
    """Weight of its motion where somebody speaks: not measured, predicted from the phones by a network of one
    talker."""
    loss: LossWeights = LossWeights()
    """Weights of the losses, see ``DecoderLoss``."""
    neutral: float = 0.25
    """Share of crops without any emotion."""


class DecoderTask(Task[DecoderTaskConfig, nn.Module]):
    """Builds, feeds, scores and exports the decoder (see ``Task``)."""

    settings = DecoderTaskConfig
    fast: ClassVar = {"copies": 1, "voices": 0, "read_speech_copies": 1}
    checkpoints: ClassVar = {"start": "decoder"}

    def read_data(self, hook: Hook) -> None:
        """The face and its lips, the encoder, crops of talking, and pseudo-labels of read speech."""
        data, c = self.data, self.config
        self.encoder_folder = Path(c.encoder) if c.encoder else builtin_checkpoint("speech_encoder")
        self.encoder = open_model(self.encoder_folder, "speech_encoder", in_torch=True)
        self.start = open_model(Path(c.start), "decoder", in_torch=True) if c.start else None
        self.styles: tuple[str, ...] = (c.model if self.start is None else self.start.config).styles
        self.face = load_face()
        self.lip_measure, self.poses = read_parts(data)
        self.crops = TalkingCrops(c, data, self.cache, self.face, self.lip_measure, self.encoder.config.context, hook)
        self.talker = self.crops.talker
        speak_others(self.crops, data, self.cache, hook)
        self.criterion = DecoderLoss(self.face, self._target_sample(), self.lip_measure.gain, self.lip_measure.width)

    def _target_sample(self) -> Floats:
        """(N, 52) targets of a few hundred random crops, for their scale."""
        rng = np.random.default_rng(0)
        names = [clip.name for clip in self.talker.training]
        made = []
        for _ in range(200):
            spoken = self.talker.spoken[rng.choice(names)]
            scene = self.scene(len(spoken.gap), rng)
            made.append(self.target(spoken, scene, even_voice(len(spoken.gap))))
        return np.concatenate(made)

    def scene(self, frames: int, rng: np.random.Generator) -> CropEmotion:
        """A random track and style."""
        posterior, intensity = random_emotion(rng, np.arange(frames) / FRAME_CLOCK.rate)
        if rng.random() < self.config.neutral:
            intensity = intensity * 0.0
        code = rng.uniform(-1, 1, len(STYLE_CODES)) * (rng.random(len(STYLE_CODES)) < 0.5) * (rng.random() < 0.5)
        return CropEmotion(posterior, intensity, Style(*map(float, code)))

    def target(self, spoken: SpokenMotion, scene: CropEmotion, voice: Prominence) -> Floats:
        """(T, 52) the motion of a crop in a scene."""
        return compose(spoken, scene.posterior, scene.intensity, scene.style, self.lip_measure, self.poses, voice)

    def build(self) -> nn.Module:
        """A freshly initialised decoder that knows which shapes ever move."""
        targets = self._target_sample()
        shapes = tuple(name for name, top in zip(ARKIT_52, targets.max(0), strict=True) if top > 0.02)
        self.model_config = self.config.model.model_copy(
            update={"shapes": shapes, "hidden": self.encoder.config.channels}
        )
        if self.start is not None:
            return self._go_on(self.start)
        decoder = Decoder(self.model_config)
        readout = decoder.coefficients
        with torch.no_grad():  # start from the mean face
            readout.weight.mul_(0.1)
            readout.bias.copy_(torch.from_numpy(targets.mean(0)))
        return decoder

    def _go_on(self, start: Decoder) -> nn.Module:
        """A decoder without its phone head, with this task's look-ahead and dropout."""
        wanted = self.config.model
        kept = {name: value for name, value in start.state_dict().items() if not name.startswith("phone_head.")}
        changed = {**start.config.model_dump(), "future": wanted.future, "dropout": wanted.dropout, "closes": False}
        self.model_config = DecoderConfig.model_validate(changed)
        decoder = Decoder(self.model_config)
        decoder.load_state_dict(kept)
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` and ``prosody`` with the encoder's context around, emotion, style and target coefficients.

        The first ``swapped_crops`` are the chain of ``DecoderLoss``.
        """
        c, crops = self.config, list[Example]()
        frames = int(c.seconds * FRAME_CLOCK.rate)
        spoken, scene = None, self.scene(frames, rng)
        for i in range(c.tracked_crops):
            chained = i < c.swapped_crops
            if not (chained and i % 2):  # new speech
                spoken = self.crops.tracked_crop(rng)
            if not chained or i % 2:  # new emotion; the style goes with the speech
                new = self.scene(frames, rng)
                scene = replace(new, style=scene.style) if chained else new
            elif i:
                scene = replace(scene, style=self.scene(frames, rng).style)
            assert spoken is not None
            crops.append(self._example(spoken, scene, np.ones(frames)))
        for _ in range(c.read_crops):
            crop = self.crops.read_crop(rng)
            crop = replace(crop, motion=emphasised(crop.motion, crop.prosody[:, 0]))
            crop = replace(crop, motion=replace(crop.motion, closure=c.read_weight * crop.motion.closure))
            weight = c.read_weight + (c.read_motion - c.read_weight) * crop.motion.talking
            crops.append(self._example(crop, self.scene(frames, rng), weight))
        for _ in range(c.pause_crops):
            crops.append(self._example(self.crops.pause_crop(rng), self.scene(frames, rng), np.ones(frames)))
        return stacked(crops)

    def _example(self, crop: SpeechCrop, scene: CropEmotion, weight: Reals) -> Example:
        made = {
            "mel": crop.mel,
            "prosody": crop.prosody,
            "posterior": scene.posterior,
            "intensity": scene.intensity,
            "style": np.array(scene.style.code(self.styles)),
            "target": self.target(crop.motion, scene, prominence_of(crop.prosody)),
            "talking": crop.motion.talking,
            "closure": crop.motion.closure,
            "weight": weight,
        }
        return {name: np.asarray(values, np.float32) for name, values in made.items()}

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        inputs = (self.sound(batch["mel"], batch["prosody"]), batch["posterior"], batch["intensity"], batch["style"])
        predicted = model(*inputs)
        losses = self.criterion(predicted.float(), batch, min(self.config.swapped_crops, self.config.tracked_crops))
        losses["total"] = weighted_sum(losses, self.config.loss)
        return losses

    def sound(self, mel: Tensor, prosody: Tensor) -> Tensor:
        """What the decoder reads of log-mels (B, 2(T + 2 · margin), 80) and prosody (B, T, 4)."""
        margin = (mel.shape[1] // 2 - prosody.shape[1]) // 2
        with torch.no_grad(), torch.autocast(mel.device.type, torch.bfloat16):
            hidden = self.encoder.to(mel.device)(mel)[:, margin : margin + prosody.shape[1]].float()
        return speech_tensor(hidden, prosody)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Neutral lips (``validate_talking``), and errors under random emotion: of all shapes, of the upper face."""
        metrics = validate_talking(self.crops, lambda store, copy: self._move(model, store, copy, None))
        rng, own = np.random.default_rng(1), self.crops.own
        upper, errors, brows = self.criterion.upper.cpu().numpy(), [], []
        for copy in (c for c in self.talker.copies(own, "valid") if c.copy == 0):
            prosody = _prosody(own.rows(copy))
            scene = self.scene(len(prosody), rng)
            spoken = self.talker.spoken[copy.key].at(frame_times(len(prosody)) * FRAME_CLOCK.rate - 0.5)
            target = self.target(spoken, scene, prominence_of(prosody))
            error = np.square(self._move(model, own, copy, scene) - target)
            errors.append(float(np.sqrt(error.mean())))
            brows.append(float(np.sqrt(error[:, upper].mean())))
        metrics |= {"upper_rmse": float(np.mean(brows)), "emotional_rmse": float(np.mean(errors))}
        score = metrics["lip_r"] + 0.3 * metrics["width_r"] + 0.3 * metrics["closure_f1"]
        score += 0.3 * metrics["unseen_closure_f1"] - 2 * metrics["emotional_rmse"]
        return metrics | {"score": score}

    def _move(self, model: nn.Module, store: FeatureStore, copy: Copy, scene: CropEmotion | None) -> Floats:
        """Coefficients (T, 52) of a whole recording; no scene: a neutral track."""
        rows = store.rows(copy)
        prosody, device = _prosody(rows), self.criterion.scale.device
        if scene is None:
            scene = CropEmotion(np.zeros((len(prosody), 7), np.float32), np.zeros(len(prosody), np.float32), Style())
        columns = (rows[:, :MEL_BANDS], prosody, scene.posterior, scene.intensity)
        mel, track, posterior, intensity = (torch.from_numpy(column)[None].to(device) for column in columns)
        code = mel.new_tensor([scene.style.code(self.styles)])
        moved: Tensor = model(self.sound(mel, track), posterior, intensity, code)[0]
        return moved.clamp(0.0, 1.0).float().cpu().numpy()

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the checkpoint folder, the encoder's phone head with it."""
        product = self.model_config.model_copy(update={"closes": True})
        state = model.state_dict()
        state |= {f"phone_head.{name}": value for name, value in self.encoder.phone_head.state_dict().items()}
        config = CheckpointConfig(
            kind="decoder",
            licence="CC-BY-4.0",
            trained_on=[
                "GRID talker s1, tracked (CC BY 4.0)",
                "speechocean762 (CC BY 4.0) and LJ Speech (public domain), with motion from their aligned phones",
                *(READ_OUT if self.config.readout_share else ()),
                "expression poses from action-unit prototypes, calibrated on published averages of RAVDESS",
                "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
            ],
            encoder_sha256=weights_sha256(self.encoder_folder),
            model=product.model_dump(mode="json"),
            metrics=metrics,
        )
        ahead = model.config.look_ahead / FRAME_CLOCK.rate if isinstance(model, Decoder) else None
        closures = self.config.start is not None and self.config.loss.closure > 0.0
        write_checkpoint(folder, config, state, decoder_card(ahead, closures, metrics))


def _prosody(rows: Floats) -> Floats:
    """(T, 4) prosody, 50 frames a second, of the rows of a feature store, 100 a second."""
    return pair_means(rows[:, MEL_BANDS : MEL_BANDS + len(PROSODY_CHANNELS)])
