"""Training of the emotion encoder: it imitates layers 2 and 3 of Whisper-base on the very log-mels that it reads.

Crops are put together and changed on the device that trains (``device_dialogues``), so that no two are alike; what is
learned is a function (function matching: Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
consistent"). The teacher reads a crop several times, as through several microphones, and its mean is the target: what
depends on the microphone alone is not learned. What its frames say of their place in its window is taken off. Distances
between crops are measured in the metric in which crops of the teacher have unit covariance: emotion sits in directions
of small variance.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.audio import SAMPLE_RATE
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.progress import Hook
from sedtalker.speech.encoder import GRID, EmotionEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.speech.features import MEL_BANDS
from sedtalker.speech.whisper import FLOOR, batch_layer_outputs
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.augmentation import read_augmenter
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.device_dialogues import (
    DeviceSounds,
    PlannedVoice,
    SoundBank,
    SoundChanges,
    even,
    plan_dialogue,
    rms,
    to_batch,
)
from sedtalker.training.corpora.joined_speech import SPEAKER_FRAME, DialogueRule
from sedtalker.training.corpora.layer_features import clips_of, open_whisper
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import check_free, weights_licence, with_licence
from sedtalker.training.corpora.transfer_recipe import TransferRecipe
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.task import Batch, PreparedTask

MEASURED_BATCHES = 24
"""Batches drawn to measure the mean, the projection and the metric of the teacher's vectors."""
FEWEST_FRAMES = 12
"""Frames of speech at 25 Hz that a crop needs for its mean to be compared."""
VALID_CLIPS = 160
"""Clips of the first corpus that are validated on."""
FIRST_POSITION = 50
"""Position of the crop in the teacher's table of positions."""
NATURAL_TO_WHISPER = np.log10(np.e) / 4
"""Whisper's log-mels are a quarter of decadic logarithms, plus 1."""
SPEEDS = (0.84, 0.92, 1.0, 1.09, 1.19)
"""How fast clips are played: other voices, and other rates."""
CLIPS = 3
"""Most clips of a talker in a crop."""
ONE_TALKER = DialogueRule(overlap=0.0, pause=(0.0, 1.0), turn=(1.0, 8.0))
"""Clips of a crop follow each other after a pause."""
KNOTS = 7
"""Points of the equalisers through which the teacher reads a crop again."""


class EmotionEncoderTaskConfig(BaseModel, extra="forbid"):
    """What ``configs/experiment/emotion_encoder.yaml`` says about the task."""

    model: EmotionEncoderConfig = EmotionEncoderConfig(
        width=352, channels=192, dilations=(1, 2, 4, 1, 2, 4, 1, 2, 4, 1, 2, 1), dropout=0.0
    )
    """Sizes of the network; ``channels`` are those of the projected layers, half for each."""
    corpora: dict[str, float] = {
        **{"cremad": 0.36, "banglaser": 0.12, "librispeech": 0.16},
        **{"speechocean762": 0.16, "emogator": 0.12, "ljspeech": 0.08},
    }
    """Share of the crops from each corpus; no labels are used."""
    licence_check: bool = True
    """Refuse corpora whose licence does not allow free weights."""
    teacher: str | None = None
    """Weights of Whisper-base: a folder, a name on the hub, an ``.npz`` of its blocks; null: see ``open_whisper``."""
    most_clips: int = 0
    """Use so many clips of each corpus at most; 0: all."""
    crops: int = 256
    """Crops in a batch."""
    seconds: float = 4.0
    """Length of a crop."""
    faster: float = 0.6
    """Chance that a crop is played slower or faster."""
    untouched: float = 0.12
    """Chance of a crop without another room, microphone, noise or telephone."""
    talkers: float = 0.15
    """Chance of another crop, or of four, behind a crop."""
    warped: float = 0.5
    """Chance of another vocal tract: bands are read at another scale."""
    warp: float = 0.09
    """Deviation of the logarithm of that scale."""
    equalisers: int = 2
    """How often the teacher reads a crop again through a random equaliser; its mean is the target."""
    equaliser: tuple[float, float] = (0.2, 1.3)
    """Range of the deviation of an equaliser at its knots, nepers of power."""
    frame_loss: float = 0.6
    """Weight of the squared error of single frames."""
    clip_loss: float = 2.0
    """Weight of the squared distance of the crops' means."""
    deviation_loss: float = 1.0
    """Weight of the squared error of the crops' deviations."""
    shrinkage: float = 0.05
    """Share of the mean variance added to each direction of the metric."""


@dataclass(frozen=True, eq=False)
class Talkers:
    """The clips of a corpus.

    Attributes:
        bank: their sound.
        same: for each clip those of the same talker.
        begin: place of its first frame among those of all corpora.
    """

    bank: SoundBank
    same: list[list[int]]
    begin: int


def moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance (B, C) of values (B, T, C) with weights (B, T)."""
    share = (weight / weight.sum(1, keepdim=True).clamp_min(1.0))[..., None]
    mean = (values * share).sum(1)
    return mean, ((values - mean[:, None]).square() * share).sum(1)


class EmotionEncoderTask(PreparedTask):
    """Distils the teacher into an emotion encoder (see ``Task``)."""

    fast: ClassVar = {"most_clips": 8, "crops": 4}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = EmotionEncoderTaskConfig.model_validate(config)
        self.data, self.cache = data, cache
        if self.config.licence_check:
            check_free(self.config.corpora)

    def read_data(self, hook: Hook) -> None:
        """All recordings at all speeds, the teacher, and the metric between crops."""
        c, every = self.config, read_manifest(self.data)
        self.teacher = open_whisper(self.data, c.teacher)
        self.changes = SoundChanges(TransferRecipe(), read_augmenter(self.data))
        self.train, begin = dict[str, Talkers](), 0
        for name in c.corpora:
            self.train[name] = self._talkers(clips_of(every, name, "train"), begin, hook)
            begin += len(self.train[name].bank.frames)
        first = next(iter(c.corpora))
        self.held_out = self._talkers(clips_of(every, first, "valid")[:VALID_CLIPS], 0, hook)
        self.sounds: dict[tuple[bool, torch.device], DeviceSounds] = {}
        self._measure()

    def _talkers(self, clips: list[Clip], begin: int, hook: Hook) -> Talkers:
        clips = clips[: self.config.most_clips or None]
        by_talker = defaultdict(list)
        for index, clip in enumerate(clips):
            by_talker[clip.speaker].append(index)
        store = WaveformStore.open([clip.path for clip in clips], self.cache, hook)
        bank = SoundBank.open(store, SPEEDS, self.cache, hook)
        return Talkers(bank, [by_talker[clip.speaker] for clip in clips], begin)

    def _on(self, device: torch.device, training: bool) -> DeviceSounds:
        """The recordings in a device's memory: those of training, or those that are held out."""
        if (training, device) not in self.sounds:
            banks = [each.bank for each in self.train.values()] if training else [self.held_out.bank]
            self.sounds[training, device] = DeviceSounds(banks, self.changes, device)
        return self.sounds[training, device]

    @torch.no_grad()
    def _measure(self) -> None:
        """Mean spectrum of the crops; mean, projection, deviation and metric of the teacher's vectors."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(0)
        rng, drawn, read = np.random.default_rng(0), [], []
        for _ in range(MEASURED_BATCHES):
            batch = self.batch(rng)
            drawn.append(self._crops({name: value.to(device) for name, value in batch.items()}))
            read.append(self._encode(drawn[-1][0]).cpu())
        spoken = torch.cat([speech.cpu() for _, speech in drawn])
        if not spoken.any():
            raise InputError("the training data hold no clip with speech")
        loud = [mel[:, :: 2 * GRID][speech > 0].cpu() for mel, speech in drawn]
        self.reference = torch.cat(loud).mean(0)
        layers = torch.cat(read)
        self.place = layers.mean(0)
        layers = layers - self.place
        flat, half = layers[spoken > 0], self.config.model.channels // 2
        self.projection = torch.block_diag(*(_principal(part, half) for part in flat.chunk(2, -1)))
        vectors = layers @ self.projection
        self.scale = vectors[spoken > 0].std(0)
        enough = spoken.sum(1) > FEWEST_FRAMES
        means = moments(vectors, spoken)[0][enough]
        values, directions = np.linalg.eigh(np.cov(means.numpy().T))
        metric = directions * (values + self.config.shrinkage * values.mean()) ** -0.5
        self.metric = torch.from_numpy(metric.astype(np.float32))

    @torch.no_grad()
    def _encode(self, mel: Tensor) -> Tensor:
        """The teacher's layers (B, T, L) at 25 Hz of log-mels (B, 4T, 80)."""
        given = mel * NATURAL_TO_WHISPER + 1.0
        given = given.clamp_min((FLOOR + 4) / 4).transpose(1, 2)
        self.teacher.to(str(mel.device))
        with torch.autocast(mel.device.type, torch.bfloat16):
            layers = batch_layer_outputs(self.teacher.model, given, self.teacher.layers, FIRST_POSITION)
        return layers.float().unflatten(1, (-1, GRID)).mean(2)

    def _wanted(self, mel: Tensor, equalisers: int) -> Tensor:
        """The teacher's projected vectors (B, T, C) of log-mels, their mean over several readings."""
        readings = [self._encode(mel)]
        for _ in range(equalisers):
            deviation = even(len(mel), *self.config.equaliser, mel.device)[..., None]
            knots = deviation * torch.randn(len(mel), 1, KNOTS, device=mel.device)
            curve = F.interpolate(knots, MEL_BANDS, mode="linear", align_corners=True)
            readings.append(self._encode(mel + curve))
        mean = torch.stack(readings).mean(0) - self.place[: readings[0].shape[1]].to(mel)
        return mean @ self.projection.to(mel)

    def build(self) -> nn.Module:
        """A freshly initialised encoder."""
        encoder = EmotionEncoder(self.config.model)
        encoder.reference.copy_(self.reference)
        return encoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Which stretches of which recordings make the crops, see ``DeviceSounds.joined``."""
        names, shares = list(self.train), np.array([self.config.corpora[name] for name in self.train])
        turns = []
        for _ in range(self.config.crops):
            talkers = self.train[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
            clip = int(rng.integers(len(talkers.same)))
            others = rng.choice(talkers.same[clip], CLIPS - 1)
            speed = int(rng.integers(len(SPEEDS))) if rng.random() < self.config.faster else SPEEDS.index(1.0)
            voice = PlannedVoice([clip, *map(int, others)], speed)
            planned = plan_dialogue(talkers.bank, [voice], self._frames, rng, ONE_TALKER)
            turns.append([(place, talkers.begin + first, at, length) for place, first, at, length in planned])
        return to_batch(turns, np.ones((self.config.crops, 3)))

    @property
    def _frames(self) -> int:
        """Length of a crop, frames at 25 Hz."""
        return int(SAMPLE_RATE * self.config.seconds) // SPEAKER_FRAME

    @torch.no_grad()
    def _crops(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-mels (B, 4T, 80) of changed crops, and where there is speech in them, (B, T)."""
        c, turns = self.config, batch["turns"]
        sound, active = self._on(turns.device, training=True).joined(turns, batch["levels"], self._frames)
        rows, device = len(sound), sound.device
        sound = sound + 10 ** even(rows, -5.0, -3.3, device) * torch.randn_like(sound)
        several = (torch.rand(rows, 1, device=device) < 0.5).float()
        behind = sound.roll(1, 0) + several * (sound.roll(2, 0) + sound.roll(3, 0) + sound.roll(4, 0))
        mixed = sound + behind * rms(sound) / rms(behind) * 10 ** (-even(rows, 2.0, 25.0, device) / 20)
        sound = torch.where(torch.rand(rows, 1, device=device) < c.talkers, mixed, sound)
        untouched = torch.rand(rows, 1, device=device) < c.untouched
        mel = self.changes.levelled(torch.where(untouched, sound, self.changes.degrade(sound)))
        return self._warped(mel), active[:, 0]

    def _warped(self, mel: Tensor) -> Tensor:
        """With its chance, the mels of a longer or shorter vocal tract (Jaitly and Hinton 2013)."""
        rows, device = len(mel), mel.device
        scale = (self.config.warp * torch.randn(rows, 1, device=device)).exp()
        scale = torch.where(torch.rand(rows, 1, device=device) < self.config.warped, scale, torch.ones_like(scale))
        bands = (torch.arange(MEL_BANDS, device=device) * scale).clamp(0, MEL_BANDS - 1)
        low = bands.long().clamp_max(MEL_BANDS - 2)
        share, low = (bands - low)[:, None], low[:, None].expand(-1, mel.shape[1], -1)
        return mel.gather(2, low) * (1 - share) + mel.gather(2, low + 1) * share

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Frames, crop means and crop deviations of the teacher."""
        c = self.config
        with torch.no_grad(), torch.autocast(batch["turns"].device.type, enabled=False):
            mel, spoken = self._crops(batch)
            wanted = self._wanted(mel, c.equalisers)
        scale = self.scale.to(mel)
        guess = model.coarse(mel).float() * scale  # type: ignore[operator]
        weight = (0.15 + 0.85 * spoken)[..., None]
        # between the energy of a direction and unit variance for all
        even = (scale * scale.mean()).sqrt()
        frames = (((guess - wanted) / even).square() * weight).sum() / (weight.sum() * len(scale))
        (mean, variance), (true_mean, true_variance) = moments(guess, spoken), moments(wanted, spoken)
        enough = (spoken.sum(1) > FEWEST_FRAMES).float()
        enough = enough / enough.sum().clamp_min(1.0)
        apart = ((mean - true_mean) @ self.metric.to(mel)).square().mean(1)
        least = 1e-4 * scale.square()
        wider = (((variance + least).sqrt() - (true_variance + least).sqrt()) / scale).square().mean(1)
        losses = {
            "frames": c.frame_loss * frames,
            "clips": c.clip_loss * (apart * enough).sum(),
            "deviations": c.deviation_loss * (wider * enough).sum(),
        }
        return losses | {"total": torch.stack(list(losses.values())).sum()}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """R² of the teacher's frames and of its clip means on clips never trained on, as they are."""
        assert isinstance(model, EmotionEncoder)
        device, bank = model.project.weight.device, self.held_out.bank
        sounds = self._on(device, training=False)
        error, total, means, true_means = 0.0, 0.0, [], []
        for clip in range(len(self.held_out.same)):
            first, length = bank.place(clip, SPEEDS.index(1.0))
            turn, count = (0, 0, first, 0, length), min(length, self._frames)
            sound, active = sounds.joined(torch.tensor([turn], device=device), torch.ones(1, 3, device=device), length)
            mel = self.changes.log_mel(sound)[:, : 2 * GRID * count]
            spoken = active[:, 0, :count]
            if spoken.sum() <= FEWEST_FRAMES:
                continue
            wanted, guess = (self._wanted(mel, 0) / self.scale.to(mel)).cpu(), model.coarse(mel).float().cpu()
            spoken = spoken.cpu()
            kept = spoken[0] > 0
            error += float((guess - wanted)[0, kept].square().sum())
            total += float(wanted[0, kept].square().sum())
            means.append(moments(guess, spoken)[0])
            true_means.append(moments(wanted, spoken)[0])
        truth, guesses = torch.cat(true_means), torch.cat(means)
        clip_r2 = 1.0 - float((guesses - truth).square().sum() / (truth - truth.mean(0)).square().sum())
        return {"frame_r2": 1.0 - error / total, "clip_r2": clip_r2, "score": clip_r2}

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the encoder, its last layer scaled: hidden vectors are the teacher's projected layers."""
        assert isinstance(model, EmotionEncoder)
        encoder = in_units_of_teacher(model, self.scale)
        trained_on = [with_licence(name) for name in self.config.corpora] + ["distilled from Whisper-base (MIT)"]
        config = CheckpointConfig(
            kind="emotion_encoder",
            licence=weights_licence(self.config.corpora),
            trained_on=trained_on,
            model=encoder.config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = fill_card(
            "emotion_encoder",
            run="One run of `sedtalker train experiment=emotion_encoder`.",
            channels=encoder.config.channels,
            licence=config.licence,
            corpora="\n".join(f"- {name}" for name in trained_on),
            metrics=card_table("emotion_encoder", metrics),
        )
        write_checkpoint(folder, config, encoder.state_dict(), card)


def _principal(values: Tensor, count: int) -> Tensor:
    """The first principal directions (C, count) of centred values (N, C)."""
    covariance = (values.double().T @ values.double()) / len(values)
    return torch.linalg.eigh(covariance)[1].flip(1)[:, :count].float()


def in_units_of_teacher(model: EmotionEncoder, scale: Tensor) -> EmotionEncoder:
    """An encoder whose hidden vectors are ``scale`` (C,) times those of ``model``."""
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    state["project.weight"] *= scale[:, None, None]
    state["project.bias"] *= scale
    out = EmotionEncoder(model.config)
    out.load_state_dict(state)
    return out.eval().requires_grad_(False)
