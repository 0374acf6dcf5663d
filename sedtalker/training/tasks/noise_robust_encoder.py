"""The speech encoder goes on learning: noise, rooms and other talkers must not change what it gives.

The encoder of before is the teacher of its own copy: it reads the clean recording, the copy a degraded one (as in
"Improving the noise robustness of self-supervised speech models", Huang et al. 2022, arXiv 2211.09944). So what stands
on its vectors, decoders and phones, stays as it is. In the end the weights of before and after are mixed, which keeps
the phones of clean speech (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", arXiv 2109.01903).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, write_checkpoint
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import correlation, lip_aperture, lip_width, means
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted
from sedtalker.speech.encoder import MelEncoder
from sedtalker.speech.encoder_networks import SpeechEncoder
from sedtalker.speech.features import analyse, band_means, centre_bands, levelled, log_mel, speech_mask
from sedtalker.training.cards import speech_encoder_card
from sedtalker.training.corpora.augmentation import (
    Samples,
    SpeechAugmenter,
    change_speed,
    mixed,
    noise_files,
    read_material,
)
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.speech import clips_of, named_clips
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.evaluation.lips import steady_track
from sedtalker.training.motion.pseudo_labels import ridge_convolution
from sedtalker.training.task import Batch, Count, Example, Positive, Task, TaskConfig, check_parts, stacked

STEP, REACH = 2, 3
"""Frames between the taps of the readout of the mouth, and taps on either side: ± 0.12 s."""
EDGE = 10
"""Frames at either end of a crop that count for nothing: a vector sees what lies beyond."""
READ = 200
"""Recordings from which the readout is fitted."""
LONGEST = 12.0
"""Seconds of a recording that are degraded at once, from a place drawn anew each time."""
BABBLE = "librispeech"
"""The corpus of those who talk beside somebody."""
VALID = 24
"""Recordings of the tracked talker, and of each corpus of read speech, that are validated on."""


class NoiseRobustEncoderTaskConfig(TaskConfig):
    """What ``configs/experiment/speech_encoder_noise.yaml`` says about the task."""

    start: str | None = None
    """Checkpoint folder of the encoder that goes on and is the teacher; null: the built-in one."""
    weights: str | None = None
    """Checkpoint folder of an earlier run's weights to go on from; null: those of the teacher."""
    corpora: dict[str, float] = {"librispeech": 0.3, "speechocean762": 0.3, "ljspeech": 0.15, "emogator": 0.05}
    """Shares of the crops from each corpus; the rest is of the tracked talker."""
    crops: Count = 24
    """Crops in a batch."""
    seconds: Positive = 3.4
    """Length of a crop."""
    clean: float = 0.4
    """Share of crops that are not degraded."""
    clean_weight: float = 3.0
    """Weight of the frames of crops that are not degraded; that of others is 1."""
    babble: float = 0.3
    """Share of backgrounds that are one to five other talkers."""
    snr: tuple[float, float] = (-5.0, 15.0)
    """Range of the signal-to-noise ratio, dB."""
    sped: float = 0.5
    """Chance of another speed, so of another voice, for teacher and student alike."""
    phone_weight: float = 0.2
    """Weight of the divergence of the phones' posteriors; the squared errors of the vectors and of the mouth that is
    read out of them linearly have 1."""
    share: float = Field(0.6, ge=0.0, le=1.0)
    """Share of the new weights in what is validated and exported; the rest are the previous weights."""

    @field_validator("corpora")
    @classmethod
    def _leave_a_rest(cls, corpora: dict[str, float]) -> dict[str, float]:
        check_parts(corpora.values())
        return corpora


class NoiseRobustEncoderTask(Task[NoiseRobustEncoderTaskConfig, SpeechEncoder]):
    """Builds, feeds, scores and exports the encoder (see ``Task``)."""

    settings = NoiseRobustEncoderTaskConfig
    checkpoints: ClassVar = {"start": "speech_encoder", "weights": "speech_encoder"}

    def read_data(self, hook: Hook) -> None:
        """All recordings as samples, the teacher, and how the mouth is read from its vectors."""
        self.folder = Path(self.config.start) if self.config.start else builtin_checkpoint("speech_encoder")
        self.teacher = open_model(self.folder, "speech_encoder", in_torch=True)
        noises, rooms = read_material(self.data)
        self.augmenter = SpeechAugmenter(
            noises, rooms, room=0.3, equaliser=0.5, noise=0.9, recorded=0.8, snr=self.config.snr
        )
        met = set(noise_files(self.data))
        unmet = [path for path in noise_files(self.data, hold_out=False) if path not in met]
        self.unmet = [load_audio(path).samples for path in unmet]
        manifest, files = read_manifest(self.data), dict[str, dict[str, list[Path]]]()
        shares = self.config.corpora | ({BABBLE: 1.0} if self.config.babble else {})
        names = [name for name, share in shares.items() if share]
        for split in ("train", "valid"):
            found = clips_of if split == "train" else named_clips
            files[split] = {name: [clip.path for clip in found(manifest, name, split)] for name in names}
            files[split]["grid"] = [clip.audio for clip in read_grid(self.data) if clip.split == split]
        self.sounds = {name: WaveformStore.open(paths, self.cache, hook) for name, paths in files["train"].items()}
        self.valid = [path for name, paths in files["valid"].items() if name != "emogator" for path in paths[:VALID]]
        self._fit_readout(hook)

    def _fit_readout(self, hook: Hook) -> None:
        """The linear readout of the decoder's mouth, height and width of the lips in deviations, as a convolution."""
        decoder, face, encoder = open_model("decoder"), load_face(), MelEncoder(self.teacher)
        rng, pairs = np.random.default_rng(0), []
        for _ in counted(range(READ), hook, "mouths of clean recordings", READ):
            features = encoder(from_samples(self._recording(self._corpus(rng), rng), SAMPLE_RATE))
            moved = decoder.predict(features, steady_track("neutral", 0.0))
            lips = np.column_stack([lip_aperture(face, moved), lip_width(face, moved)]).astype(np.float32)
            pairs.append((torch.from_numpy(features.hidden), torch.from_numpy(lips)))
        every = torch.cat([lips for _, lips in pairs])
        mean, scale = every.mean(0), every.std(0)
        standard = [(hidden, (lips - mean) / scale) for hidden, lips in pairs]
        self.weight, self.bias = ridge_convolution(standard, STEP, REACH)

    def _mouth(self, hidden: Tensor) -> Tensor:
        """(B, T - 2 · STEP · REACH, 2) of vectors (B, T, D)."""
        weight, bias = self.weight.to(hidden), self.bias.to(hidden)
        return F.conv1d(hidden.transpose(1, 2), weight, bias, dilation=STEP).transpose(1, 2)

    def _corpus(self, rng: np.random.Generator) -> str:
        names = list(self.config.corpora)
        shares = np.cumsum([self.config.corpora[name] for name in names])
        index = int(np.searchsorted(shares, rng.random(), side="right"))
        return names[index] if index < len(names) else "grid"

    def _recording(self, name: str, rng: np.random.Generator) -> Samples:
        """A recording of a corpus, ``LONGEST`` of it at most."""
        sound = self.sounds[name][int(rng.integers(len(self.sounds[name])))]
        first = int(rng.integers(max(1, len(sound) - int(LONGEST * SAMPLE_RATE))))
        return sound[first : first + int(LONGEST * SAMPLE_RATE)]

    def build(self) -> SpeechEncoder:
        """The encoder of before, which goes on."""
        start = Path(self.config.weights) if self.config.weights else self.folder
        network: SpeechEncoder = open_model(start, "speech_encoder", in_torch=True)
        return network.requires_grad_(True)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops of clean recordings, ``clean``, and of the same degraded, ``mel``; frames that count, ``weight``."""
        crops, frames = list[Example](), 2 * int(self.config.seconds * 50)
        for _ in range(self.config.crops):
            sound = self._recording(self._corpus(rng), rng)
            if rng.random() < self.config.sped:
                sound = change_speed(sound, self.augmenter.draw_speed(rng))
            degraded = sound if rng.random() < self.config.clean else self._degrade(sound, rng)
            clean, mel = _centred(sound), _centred(degraded)
            slack = len(clean) - frames
            first = int(rng.integers(min(slack, 0), max(slack, 0) + 1)) // 2 * 2
            inside = _cut(np.ones((len(clean), 1), np.float32), first, frames)[::2, 0]
            inside[:EDGE] = inside[-EDGE:] = 0.0
            inside *= self.config.clean_weight if degraded is sound else 1.0
            crops.append({"clean": _cut(clean, first, frames), "mel": _cut(mel, first, frames), "weight": inside})
        return stacked(crops)

    def _degrade(self, sound: Samples, rng: np.random.Generator) -> Samples:
        augmenter = self.augmenter
        if rng.random() < self.config.babble:
            others = [self._recording(BABBLE, rng) for _ in range(int(rng.integers(1, 6)))]
            augmenter = replace(augmenter, noises=[_together(others, len(sound))])
        return augmenter.degrade(sound, rng)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Vectors, mouth and phones of the degraded crop against those of the clean one."""
        with torch.no_grad():
            self.teacher.to(batch["mel"].device)
            truth = self.teacher(batch["clean"]).float()
            phones = self.teacher.phone_head(truth).log_softmax(-1)
        hidden, weight = model(batch["mel"]).float(), batch["weight"][..., None]
        share = weight.mean().clamp_min(1e-3)
        inner = weight[:, STEP * REACH : -STEP * REACH]
        said = self.teacher.phone_head(hidden).log_softmax(-1)
        losses = {
            "vectors": ((hidden - truth).square() * weight).mean() / share,
            "mouth": ((self._mouth(hidden) - self._mouth(truth)).square() * inner).mean()
            / inner.mean().clamp_min(1e-3),
            "phones": ((phones.exp() * (phones - said)).sum(-1, keepdim=True) * weight).mean() / share,
        }
        total = losses["vectors"] + losses["mouth"] + self.config.phone_weight * losses["phones"]
        return losses | {"total": total}

    @torch.no_grad()
    def _mixed(self, model: SpeechEncoder) -> SpeechEncoder:
        """``share`` of a model's weights and the rest of those before, with the phone head of before."""
        made, device = open_model(self.folder, "speech_encoder", in_torch=True), next(model.parameters()).device
        before, after, share = made.state_dict(), model.state_dict(), self.config.share
        for name, value in before.items():
            if not name.startswith("phone_head."):
                value.copy_(torch.lerp(value, after[name].to(value), share))
        return made.to(device).eval()

    @torch.no_grad()
    def validate(self, model: SpeechEncoder) -> dict[str, float]:
        """How well the height of the lips agrees with that of the clean sound: clean, in noises of no training at 0 and
        5 dB, beside three other talkers at 5 dB. Speakers of no training.
        """
        model, device = self._mixed(model), next(model.parameters()).device
        self.teacher.to(device)
        sounds = [load_audio(path).samples[: int(LONGEST * SAMPLE_RATE)] for path in self.valid]
        rows = list[dict[str, float]]()
        for index, sound in enumerate(sounds):
            rng = np.random.default_rng((7, index))
            noise = np.resize(self.unmet[int(rng.integers(len(self.unmet)))], len(sound))
            others = [sounds[int(rng.integers(len(sounds)))] for _ in range(3)]
            found = analyse(sound)
            speech = found.frames[1][STEP * REACH : -STEP * REACH]
            truth = self._mouth(self.teacher(torch.from_numpy(found.centred)[None].to(device)))[0, :, 0].cpu().numpy()
            made = {
                "clean_r": sound,
                "noise_0db_r": mixed(sound, noise, 0.0),
                "noise_5db_r": mixed(sound, noise, 5.0),
                "babble_5db_r": mixed(sound, _together(others, len(sound)), 5.0),
            }
            mels = {name: torch.from_numpy(_centred(samples))[None].to(device) for name, samples in made.items()}
            heights = {n: self._mouth(model(mel).float())[0, :, 0].cpu().numpy() for n, mel in mels.items()}
            rows.append({name: correlation(height[speech], truth[speech]) for name, height in heights.items()})
        figures = means(rows)
        return figures | {"score": float(np.mean(list(figures.values()))) + figures["clean_r"]}

    def export(self, model: SpeechEncoder, folder: Path, metrics: dict[str, float]) -> None:
        """Write the mixed encoder."""
        before = read_config(self.folder)
        known = before.metrics | {k: v for k, v in metrics.items() if k != "score"}
        config = CheckpointConfig.model_validate(before.model_dump() | {"metrics": known, "held_out": {}})
        run = f"{self.config.share:g} of the way from the weights before to those after is what this is."
        write_checkpoint(folder, config, self._mixed(model).state_dict(), speech_encoder_card(config.metrics, run))


def _together(sounds: list[Samples], count: int) -> Samples:
    """Recordings at once, each at the same power and repeated to ``count`` samples."""
    loud = [np.resize(s / np.sqrt(np.mean(s**2) + 1e-9), count) for s in sounds]
    return np.sum(loud, axis=0, dtype=np.float32)


def _centred(samples: Samples) -> Floats:
    """(2T, 80) what the encoder reads of a recording: as ``analyse``, without its prosody, which takes longest."""
    mel = log_mel(levelled(samples))
    return centre_bands(mel, band_means(mel, speech_mask(mel)))


def _cut(values: Floats, first: int, frames: int) -> Floats:
    """(frames, C) from ``first`` on, zeros outside."""
    out = np.zeros((frames, values.shape[1]), np.float32)
    part = values[max(first, 0) : first + frames]
    out[max(-first, 0) : max(-first, 0) + len(part)] = part
    return out
