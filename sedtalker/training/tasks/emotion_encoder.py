"""Training of the emotion encoder: it imitates layers 2 and 3 of Whisper-base on the very log-mels that it reads.

Student and teacher read the same degraded crop, so what is learned is a function, and every new crop is a new
example of it (function matching: Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
consistent"). What the teacher's frames say of their place in its window is taken off. Distances between crops are
measured in the metric in which crops of the teacher have unit covariance: emotion sits in directions of small variance.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats, Mask
from sedtalker.audio import resample_frames
from sedtalker.checkpoint import write_checkpoint
from sedtalker.errors import InputError, extra
from sedtalker.progress import Hook
from sedtalker.speech.encoder_model import GRID, EmotionEncoderConfig
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.speech.features import MEL_BANDS
from sedtalker.speech.whisper import FLOOR, WhisperEncoder, positions
from sedtalker.training.cards import card_of, learned_from
from sedtalker.training.corpora.layer_features import (
    LayerFeatures,
    open_layer_features,
    open_whisper,
    read_transfer_augmenter,
)
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.mel_augmentation import LARGEST, MelRecipe, Mels, loudness
from sedtalker.training.corpora.speech import clips_of
from sedtalker.training.task import Batch, Count, FreeTaskConfig, Positive, Task

MEASURED_BATCHES = 30
"""Batches drawn to measure the mean, the projection and the metric of the teacher's vectors."""
MEASURED_CLIPS = 200
"""Clips whose level is measured: crops are brought to it."""
FEWEST_FRAMES = 12
"""Frames of speech at 25 Hz that a crop needs for its mean to be compared."""
FIRST_POSITION = 50
"""Position of the crop in the teacher's table of positions."""
NATURAL_TO_WHISPER = np.log10(np.e) / 4
"""Whisper's log-mels are a quarter of decadic logarithms, plus 1."""

Spectrum = Floats
"""Long-term log-mels (80,)."""


class EmotionEncoderTaskConfig(FreeTaskConfig):
    """What ``configs/experiment/emotion_encoder.yaml`` says about the task."""

    model: EmotionEncoderConfig = EmotionEncoderConfig(
        width=352, channels=192, dilations=(1, 2, 4, 1, 2, 4, 1, 2, 4, 1, 2, 1), dropout=0.0
    )
    """Sizes of the network; ``channels`` are those of the projected layers, half for each."""
    corpora: dict[str, float] = {"cremad": 0.5, "librispeech": 0.16, "speechocean762": 0.2, "emogator": 0.14}
    """Share of the crops from each corpus; no labels are used."""
    teacher: str | None = None
    """Weights of Whisper-base: a folder, a name on the hub, an ``.npz`` of its blocks; null: see ``open_whisper``."""
    copies: tuple[int, ...] = (0, 1, 2, 3)
    """Copies of every clip: 0 itself, 1 another voice and microphone, 2 degraded, 3 and more both."""
    crops: Count = 24
    """Crops in a batch."""
    seconds: Positive = 4.0
    """Length of a crop."""
    frame_loss: float = 0.6
    """Weight of the squared error of single frames."""
    clip_loss: float = 2.0
    """Weight of the squared distance of the crops' means; that of the squared error of their deviations has 1."""
    shrinkage: float = 0.05
    """Share of the mean variance added to each direction of the metric."""


def moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and variance (B, C) of values (B, T, C) with weights (B, T)."""
    share = (weight / weight.sum(1, keepdim=True).clamp_min(1.0))[..., None]
    mean = (values * share).sum(1)
    return mean, ((values - mean[:, None]).square() * share).sum(1)


def teacher_in_torch(teacher: WhisperEncoder) -> Any:
    """The teacher's layers as an encoder of ``transformers``, which trains faster, and on a graphics card."""
    with extra("hub"):
        from transformers import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoder as Blocks

    weights = teacher.weights
    inner, bands = len(weights["layers.0.fc1.weight"]), weights["conv1.weight"].shape[1]
    config = WhisperConfig(
        d_model=teacher.width,
        encoder_layers=max(teacher.layers),
        encoder_attention_heads=teacher.heads,
        encoder_ffn_dim=inner,
        num_mel_bins=bands,
    )
    encoder = Blocks(config)
    known = weights | {"embed_positions.weight": positions(config.max_source_positions, teacher.width)}
    state = {name: torch.from_numpy(value) for name, value in known.items()}
    encoder.load_state_dict(encoder.state_dict() | state)  # all but the last norm, which is never reached
    return encoder.eval().requires_grad_(False)


def layer_outputs(encoder: Any, mel: Tensor, layers: tuple[int, ...]) -> Tensor:
    """Outputs (B, T, layers · D) of some layers, 1 being the first, of Whisper's log-mels (B, 80, 2T).

    Args:
        encoder: from ``teacher_in_torch``.
    """
    x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).transpose(1, 2)
    x = x + encoder.embed_positions.weight[FIRST_POSITION : FIRST_POSITION + x.shape[1]]
    kept = []
    for number, layer in enumerate(encoder.layers, 1):
        out = layer(x, None)
        x = out[0] if isinstance(out, tuple) else out
        if number in layers:
            kept.append(x)
    return torch.cat(kept, -1)


class EmotionEncoderTask(Task[EmotionEncoderTaskConfig, EmotionEncoder]):
    """Distils the teacher into an emotion encoder (see ``Task``)."""

    settings = EmotionEncoderTaskConfig
    fast: ClassVar = {"copies": (0,)}
    recipe = MelRecipe()

    def read_data(self, hook: Hook) -> None:
        """Log-mels of all copies, the teacher, and the metric between crops."""
        c, every = self.config, read_manifest(self.data)
        whisper = open_whisper(self.data, c.teacher)
        self.teacher, self.layers = teacher_in_torch(whisper), whisper.layers
        augmenter = read_transfer_augmenter(every, c.copies, self.cache, hook)
        clips = {name: clips_of(every, name, "train") for name in c.corpora}
        self.stores = {
            (name, copy): open_layer_features(found, copy, augmenter, self.cache, None, hook)
            for name, found in clips.items()
            for copy in c.copies
        }
        self.talkers: dict[tuple[str, str], list[int]] = defaultdict(list)
        for name, found in clips.items():
            for index, clip in enumerate(found):
                self.talkers[name, clip.speaker].append(index)
        self.clips = clips
        first = next(iter(c.corpora))
        valid = clips_of(every, first, "valid")[:160]
        self.valid = open_layer_features(valid, 0, augmenter, self.cache, None, hook)
        self._measure()

    def _measure(self) -> None:
        """Mean spectrum and level of the clips; mean, projection, deviation and metric of the teacher's vectors."""
        rng = np.random.default_rng(0)
        self.spectra = {name: self.stores[name, self.config.copies[0]].means for name in self.clips}
        self.reference = torch.from_numpy(np.mean([means.mean(0) for means in self.spectra.values()], axis=0))
        levels = []
        for _ in range(MEASURED_CLIPS):
            name = list(self.clips)[int(rng.integers(len(self.clips)))]
            mel, speech, spectrum = self._clip(name, int(rng.integers(len(self.clips[name]))), rng)
            if speech.any():
                levels.append(loudness(mel + spectrum, speech))
        if not levels:
            raise InputError("the training data hold no clip with speech")
        self.level = float(np.median(levels))
        drawn = [self.batch(rng) for _ in range(MEASURED_BATCHES)]
        spoken = torch.cat([batch["speech"] for batch in drawn])
        layers = torch.cat([self._encode(batch["mel"]) for batch in drawn])
        self.place = layers.mean(0)
        layers = layers - self.place
        flat, half = layers[spoken > 0], self.config.model.channels // 2
        if not len(flat):
            raise InputError("the training data hold no clip with speech")
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
        self.teacher.to(mel.device)
        with torch.autocast(mel.device.type, torch.bfloat16):
            layers = layer_outputs(self.teacher, given, self.layers)
        return layers.float().unflatten(1, (-1, GRID)).mean(2)

    def build(self) -> EmotionEncoder:
        encoder = EmotionEncoder(self.config.model)
        encoder.reference.copy_(self.reference)
        return encoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` (B, 4T, 80), ``speech`` (B, T), 1 where there is speech, at 25 Hz."""
        drawn, mels = [self._crop(rng) for _ in range(self.config.crops)], []
        for index, (mel, speech, spectrum) in enumerate(drawn):
            degraded = self.recipe.degrade(mel, speech, drawn[(index + 1) % len(drawn)][0], rng)
            mels.append(self.recipe.channel(degraded, speech, spectrum, self.level, rng))
        spoken = torch.from_numpy(np.stack([speech for _, speech, _ in drawn]))
        speech = spoken.unflatten(1, (-1, 2 * GRID)).any(2).float()
        return {"mel": torch.from_numpy(np.stack(mels)), "speech": speech}

    @property
    def _length(self) -> int:
        """Length of a crop, frames at 100 Hz."""
        return int(self.config.seconds * 100) // (2 * GRID) * 2 * GRID

    def _crop(self, rng: np.random.Generator) -> tuple[Mels, Mask, Spectrum]:
        """Clips of one talker with pauses between them: centred log-mels (4T, 80), where there is speech (4T,), and
        the spectrum (80,) to give them."""
        count = self._length
        rate = self.recipe.draw_rate(rng)
        needed = int(np.ceil(count * rate)) + 2
        names, shares = list(self.config.corpora), np.array(list(self.config.corpora.values()))
        name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        clips = self.clips[name]
        index = int(rng.integers(len(clips)))
        same = self.talkers[name, clips[index].speaker]
        spectrum = self._spectrum(name, index, rng)
        parts, length = [], 0
        while length < needed + 100:
            mel, speech, _ = self._clip(name, index, rng)
            parts.append((mel, speech))
            if rng.random() < 0.35:  # a pause before the next clip
                pause = int(rng.integers(10, 100))
                floor = np.quantile(mel, 0.03, axis=0) + 0.5 * rng.standard_normal((pause, MEL_BANDS))
                parts.append((floor.astype(np.float32), np.zeros(pause, bool)))
            length = sum(len(m) for m, _ in parts)
            index = same[int(rng.integers(len(same)))]
        mel, speech = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        first = int(rng.integers(len(mel) - needed + 1))
        mel, speech = mel[first : first + needed], speech[first : first + needed]
        if rng.random() < self.recipe.reversed:
            mel, speech = mel[::-1], speech[::-1]
        kept = speech[np.minimum((np.arange(count) * rate).astype(int), needed - 1)]
        sound = resample_frames(mel, np.arange(float(needed)), rate * np.arange(count))
        return self.recipe.voice(sound, rng), kept, spectrum

    def _spectrum(self, name: str, index: int, rng: np.random.Generator) -> Spectrum:
        """Long-term log-mels (80,) of a clip, or of another one of any corpus."""
        if rng.random() < self.recipe.own_channel:
            return self.spectra[name][index]
        means = self.spectra[list(self.spectra)[int(rng.integers(len(self.spectra)))]]
        return means[int(rng.integers(len(means)))]

    def _clip(self, name: str, index: int, rng: np.random.Generator) -> tuple[Mels, Mask, Spectrum]:
        """One copy of a clip at 100 Hz: centred log-mels, where there is speech, and its long-term spectrum."""
        copy = self.config.copies[int(rng.integers(len(self.config.copies)))]
        store: LayerFeatures = self.stores[name, copy]
        first, last = int(store.starts[index]), int(store.starts[index + 1])
        means = np.asarray(store.means[index])
        mel = np.asarray(store.mel[2 * first : 2 * last], np.float32) - means
        return mel.clip(-LARGEST, LARGEST), np.repeat(store.speech[first:last], 2), means

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Frames, crop means and crop deviations of the teacher."""
        c, mel, spoken = self.config, batch["mel"], batch["speech"]
        wanted = (self._encode(mel) - self.place.to(mel)) @ self.projection.to(mel)
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
            "deviations": (wider * enough).sum(),
        }
        return losses | {"total": torch.stack(list(losses.values())).sum()}

    @torch.no_grad()
    def validate(self, model: EmotionEncoder) -> dict[str, float]:
        """R² of the teacher's frames and of its clip means on clips never trained on, as they are."""
        device = model.project.weight.device
        error, total, means, true_means = 0.0, 0.0, [], []
        for start, end in zip(self.valid.starts[:-1], self.valid.starts[1:], strict=True):
            count = min(int(end - start) // GRID, self._length // (2 * GRID))  # frames at 25 Hz
            mel = torch.from_numpy(np.asarray(self.valid.mel[2 * start : 2 * (start + GRID * count)], np.float32))
            speech = torch.from_numpy(np.array(self.valid.speech[start : start + GRID * count]))
            mel, spoken = mel[None].to(device), speech.unflatten(0, (-1, GRID)).any(1).float()[None]
            if spoken.sum() <= FEWEST_FRAMES:
                continue
            wanted = ((self._encode(mel).cpu() - self.place[:count]) @ self.projection) / self.scale
            guess = model.coarse(mel).float().cpu()
            kept = spoken[0] > 0
            error += float((guess - wanted)[0, kept].square().sum())
            total += float(wanted[0, kept].square().sum())
            means.append(moments(guess, spoken)[0])
            true_means.append(moments(wanted, spoken)[0])
        truth, guesses = torch.cat(true_means), torch.cat(means)
        clip = 1.0 - float((guesses - truth).square().sum() / (truth - truth.mean(0)).square().sum())
        return {"frame_r2": 1.0 - error / total, "clip_r2": clip, "score": clip}

    def export(self, model: EmotionEncoder, folder: Path, metrics: dict[str, float]) -> None:
        """Write the encoder, its last layer scaled: hidden vectors are the teacher's projected layers."""
        encoder = in_units_of_teacher(model, self.scale)
        names, teacher = self.config.corpora, "distilled from Whisper-base (MIT)"
        config = learned_from("emotion_encoder", names, encoder.config, metrics, None, teacher)
        run = "One run of `sedtalker train experiment=emotion_encoder`."
        card = card_of(config, run=run, channels=encoder.config.channels)
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
