"""Training of the speech encoder: mouth motion of one tracked talker, phones of many talkers, prosody of all.

How the mouths of all others move is read out of a large encoder's layers (``pseudo_labels``); these layers are
predicted, too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.mouth_readout import READ_LAYERS
from sedtalker.arrays import Floats, Mask, Reals
from sedtalker.audio import resample_frames
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.metrics.motion import correlation
from sedtalker.progress import Hook, counted
from sedtalker.speech.encoder_model import SpeechEncoderConfig
from sedtalker.speech.encoder_networks import SpeechEncoder
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS
from sedtalker.training.cards import speech_encoder_card
from sedtalker.training.corpora.augmentation import SpeechAugmenter, mask_spectrum, read_material, warp_bands
from sedtalker.training.corpora.feature_store import Copy, FeatureStore, open_features
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.speech import nothing_of
from sedtalker.training.corpora.tracked_motion import read_facegood, read_grid
from sedtalker.training.motion.alignment import (
    IGNORED,
    READ_SPEECH,
    Utterance,
    align_corpus,
    phone_frames,
    read_speech,
    read_speech_clips,
    read_speech_phones,
)
from sedtalker.training.motion.crops import StretchedCropConfig
from sedtalker.training.motion.pseudo_labels import (
    LIP_FEATURES,
    MOTION_SHAPES,
    fit_motion_readout,
    motion_targets,
    open_teacher,
)
from sedtalker.training.task import Batch, Example, Task, stacked

UNTRANSCRIBED = ("librispeech", "emogator")
"""Corpora without aligned phones: read speech, and bursts, of which there is one copy."""
TRAINING_HEADS = ("motion_head", "prosody_head", "layer_head")
"""Parts that only serve training."""
LAYER_COMPONENTS = 48
"""Number of principal components predicted for each of the teacher's layers."""
PROSODY_MEAN = np.array([-6.0, 0.1, 0.6, -3.0], np.float32)
"""Usual mean of each of ``PROSODY_CHANNELS``, taken off the targets."""
PROSODY_SCALE = np.array([3.0, 0.4, 0.3, 3.0], np.float32)
"""Usual deviation of each, by which they are divided."""


class SpeechEncoderTaskConfig(StretchedCropConfig):
    """What ``configs/experiment/speech_encoder.yaml`` says about the task."""

    model: SpeechEncoderConfig = SpeechEncoderConfig()
    """Sizes of the network."""
    tracked_crops: int = 16
    phone_crops: int = 12
    """Crops of read speech with aligned phones."""
    untranscribed_crops: tuple[int, int] = (2, 2)
    """Crops of each of ``UNTRANSCRIBED``."""
    pseudo_weight: float = 0.0
    """Weight of motion that a teacher read out of the sound, where the tracked motion has 1; 0: no teacher is used."""
    layer_weight: float = 0.0
    """Weight of the squared error of the teacher's layers."""
    velocity_weight: float = 2.0
    """Weight of the squared error of the motion's frame differences; that of the motion has 1."""
    phone_weight: float = 0.25
    """Weight of the phones' cross-entropy."""
    prosody_weight: float = 0.3
    """Weight of the squared error of the prosody."""
    warp: float = 0.15


@dataclass(frozen=True)
class _Labels:
    """By recording: times and motion (T, 5 + shapes), whether somebody tracked it, aligned phones, the sound."""

    motion: dict[str, tuple[Reals, Floats]]
    tracked: frozenset[str]
    phones: dict[str, Any]
    audio: dict[str, Path]


class SpeechEncoderTask(Task[SpeechEncoderTaskConfig, SpeechEncoder]):
    """Builds, feeds, scores and exports the encoder (see ``Task``)."""

    settings = SpeechEncoderTaskConfig
    fast: ClassVar = {"copies": 1, "read_speech_copies": 1}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        super().__init__(config, data, cache)
        channels = len(LIP_FEATURES) + len(MOTION_SHAPES)
        update = {"motion_channels": channels, "prosody_channels": 4}
        update["layer_channels"] = LAYER_COMPONENTS * len(READ_LAYERS) if self.config.layer_weight else 0
        self.model_config = self.config.model.model_copy(update=update)

    def read_data(self, hook: Hook) -> None:
        """Features of all recordings, aligned phones, motion that was tracked or read out, and its scale."""
        data, cache, c = self.data, self.cache, self.config
        self.clips = {clip.name: clip for clip in read_grid(data)}
        self.takes = {take.name: take for take in read_facegood(data)}
        augmenter = SpeechAugmenter(*read_material(data))
        store = partial(open_features, augmenter=augmenter, cache=cache, workers=c.workers, hook=hook)
        tracked = [(clip.name, clip.audio) for clip in self.clips.values()]
        utterances = [Utterance(clip.name, clip.audio, clip.text) for clip in self.clips.values()]
        phones = align_corpus("grid", utterances, cache, c.workers, hook)
        clips, manifest = read_speech_clips(data), read_manifest(data)
        there = {clip.corpus for clip in manifest if clip.split == "train"}
        corpora = (READ_SPEECH, *((name,) for name in UNTRANSCRIBED))
        for count, names in zip((c.phone_crops, *c.untranscribed_crops), corpora, strict=True):
            if count and not there.intersection(names):
                raise nothing_of(data, names)
        phones |= read_speech_phones(clips, cache, c.workers, hook)
        self.read, self.valid_speech = read_speech(clips, c.read_speech_copies, store)
        self.grid = store("grid", tracked, c.copies)
        self.mandarin = store("facegood", [(take.name, take.audio) for take in self.takes.values()], 1)
        used = [clip for clip in manifest if clip.corpus in UNTRANSCRIBED and clip.split in ("train", "valid")]
        self.valid_speech |= {clip.path.stem for clip in used if clip.split == "valid"}
        self.others = []
        for name, copies in zip(UNTRANSCRIBED, (c.read_speech_copies, 1), strict=True):
            self.others.append(store(name, [(k.path.stem, k.path) for k in used if k.corpus == name], copies))
        audio = {clip.path.stem: clip.path for clip in manifest}
        self.labels = self._labels(phones, audio | dict(tracked), hook)
        spoken = [copy for copy in self._speaking(self.read) if phones[copy.key]]
        self.sources: list[tuple[FeatureStore, list[Copy], int]] = [
            (self.grid, [k for k in self.grid.copies if self.clips[k.key].split == "train"], c.tracked_crops),
            (self.read, spoken, c.phone_crops),
            *((other, self._speaking(other), n) for other, n in zip(self.others, c.untranscribed_crops, strict=True)),
        ]

    def _labels(self, phones: dict[str, Any], audio: dict[str, Path], hook: Hook) -> _Labels:
        """The labels; sets the scale of the motion, and the teacher where one is used."""
        motion = {name: (clip.times, motion_targets(clip)) for name, clip in self.clips.items()}
        training = [clip for clip in self.clips.values() if clip.split == "train"]
        moved = np.concatenate([motion[clip.name][1] for clip in training])
        self.mean, self.scale = moved.mean(0), moved.std(0) + 1e-3
        reads = self.config.pseudo_weight or self.config.layer_weight
        self.teacher = open_teacher(self.data, self.cache) if reads else None
        if self.teacher:
            readout = fit_motion_readout(self.teacher, training, hook)
            keys = sorted({copy.key for s in (self.read, *self.others) for copy in s.copies})
            for key in counted(keys, hook, "reading the teacher's layers of others", len(keys)):
                found = readout(audio[key])
                motion[key] = (FRAME_CLOCK.times(len(found)), found)
            every = np.concatenate([self._layers(audio[clip.name]) for clip in training[::8]])
            self.layer_mean, self.layer_scale = every.mean(0), float(every.std())
        return _Labels(motion, frozenset(self.clips), phones, audio)

    def _layers(self, audio: Path) -> Floats:
        """(T, layers · ``LAYER_COMPONENTS``) first principal components of a recording's layers."""
        assert self.teacher is not None
        values = self.teacher.cache.get(audio)
        apart = values.reshape(len(values), len(READ_LAYERS), -1)[..., :LAYER_COMPONENTS]
        return apart.reshape(len(values), -1).astype(np.float32)

    def _speaking(self, store: FeatureStore) -> list[Copy]:
        return [copy for copy in store.copies if copy.key not in self.valid_speech]

    def build(self) -> SpeechEncoder:
        return SpeechEncoder(self.model_config)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops of all sources: ``mel`` (2T frames) and targets (T frames)."""
        frames, crops = int(self.config.seconds * 50), list[Example]()
        for store, copies, count in self.sources:
            crops += [self._crop(store, copies[int(rng.integers(len(copies)))], frames, rng) for _ in range(count)]
        return stacked(crops)

    def _crop(self, store: FeatureStore, copy: Copy, frames: int, rng: np.random.Generator) -> Example:
        tempo = float(np.exp(rng.uniform(-self.config.tempo, self.config.tempo)))
        if rng.random() < 0.3:
            tempo /= copy.speed  # sometimes keep the changed speed
        crop = store.crop(copy, self.config.draw_start(copy, tempo, rng), 2 * frames, tempo)
        warp = float(np.exp(rng.uniform(-self.config.warp, self.config.warp)))
        times = crop.times.reshape(-1, 2).mean(1)
        inside = crop.inside.reshape(-1, 2).all(1)
        prosody = crop.prosody.reshape(-1, 2, 4).mean(1)
        phones = phone_frames(self.labels.phones.get(copy.key, []), times)
        made = {
            "mel": mask_spectrum(warp_bands(crop.mel, warp), rng),
            "prosody": (prosody - PROSODY_MEAN) / PROSODY_SCALE,
            "phones": np.where(inside, phones, IGNORED),
            "weight": np.asarray(inside, np.float32),
        }
        if copy.key in self.labels.motion:
            known, values = self.labels.motion[copy.key]
            moved = resample_frames(values, known, times)
            made["motion"] = np.asarray((moved - self.mean) / self.scale, np.float32)
            counts = 1.0 if copy.key in self.labels.tracked else self.config.pseudo_weight
        else:
            made["motion"], counts = np.zeros((frames, len(self.mean)), np.float32), 0.0
        made["motion_weight"] = np.full(frames, counts, np.float32) * inside
        if self.model_config.layer_channels:
            layers = self._layers(self.labels.audio[copy.key])
            there = resample_frames(layers, FRAME_CLOCK.times(len(layers)), times)
            made["layers"] = np.asarray((there - self.layer_mean) / self.layer_scale, np.float32)
        return made

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Motion and its velocity, phones where aligned, prosody everywhere, a teacher's layers."""
        c, weight, heads = self.config, batch["weight"][..., None], cast("Any", model)
        hidden = model(batch["mel"]).float()
        counts = batch["motion_weight"][..., None]
        error = (heads.motion_head(hidden) - batch["motion"]) * counts.sqrt()
        share = counts.mean().clamp_min(1e-3)
        logits = heads.phone_head(hidden).flatten(0, 1)
        losses = {
            "motion": error.square().mean() / share,
            "velocity": error.diff(dim=1).square().mean() / share,
            "phones": F.cross_entropy(logits, batch["phones"].flatten(), ignore_index=IGNORED, label_smoothing=0.05),
            "prosody": ((heads.prosody_head(hidden) - batch["prosody"]) * weight).square().mean(),
        }
        total = losses["motion"] + c.velocity_weight * losses["velocity"]
        total = total + c.phone_weight * losses["phones"] + c.prosody_weight * losses["prosody"]
        if c.layer_weight:
            losses["layers"] = ((heads.layer_head(hidden) - batch["layers"]) * weight).square().mean()
            total = total + c.layer_weight * losses["layers"]
        return losses | {"total": total}

    def validate(self, model: SpeechEncoder) -> dict[str, float]:
        """Correlations on held-out sentences, and with the teacher on speakers whom nobody tracked; the jaw of the
        unseen talker; phone accuracy on new speakers.
        """
        metrics = defaultdict[str, list[float]](list)
        for copy in (c for c in self.grid.copies if c.copy == 0 and self.clips[c.key].split == "valid"):
            hidden = self._follow(model, self.grid, copy, metrics, ("lip_r", "width_r"))
            metrics["phones_tracked"].append(self._accuracy(model, hidden, copy.key))
        for copy in (c for c in self.mandarin.copies if self.takes[c.key].split == "train"):
            hidden, times, speech = self._run(model, self.mandarin, copy)
            jaw = self.takes[copy.key].feature_at("jaw_open", times)
            metrics["unseen_r"].append(correlation(self._motion(model, hidden)[speech, 0], jaw[speech]))
        for store in (self.read, *self.others):
            for copy in (c for c in store.copies if c.copy == 0 and c.key in self.valid_speech):
                hidden, *_ = self._run(model, store, copy)
                if self.labels.phones.get(copy.key):
                    metrics["phones"].append(self._accuracy(model, hidden, copy.key))
                if self.teacher and store is not self.others[-1]:
                    self._follow(model, store, copy, metrics, ("pseudo_r", "pseudo_width_r"))
        means = {name: float(np.mean(values)) for name, values in metrics.items()}
        score = means["lip_r"] + 0.3 * means["width_r"] + 0.3 * means.get("phones", 0.0)
        score += means.get("pseudo_r", 0.0) + 0.3 * means.get("pseudo_width_r", 0.0)
        return means | {"score": score}

    def _follow(
        self,
        model: SpeechEncoder,
        store: FeatureStore,
        copy: Copy,
        metrics: dict[str, list[float]],
        names: tuple[str, str],
    ) -> Tensor:
        """Add the correlations of height and width with the recording's labels; returns its hidden vectors."""
        hidden, times, speech = self._run(model, store, copy)
        known, values = self.labels.motion[copy.key]
        target = resample_frames(values, known, times)
        motion = self._motion(model, hidden)
        for column, name in enumerate(names):
            metrics[name].append(correlation(motion[speech, column], target[speech, column]))
        return hidden

    def _run(self, model: SpeechEncoder, store: FeatureStore, copy: Copy) -> tuple[Tensor, Reals, Mask]:
        rows = torch.from_numpy(store.rows(copy))
        device = model.norm.weight.device
        hidden = model(rows[None, :, :MEL_BANDS].to(device))[0]
        speech = rows[:, -1].reshape(-1, 2).amax(1).bool().numpy()
        return hidden, FRAME_CLOCK.times(len(hidden)), speech

    def _motion(self, model: SpeechEncoder, hidden: Tensor) -> Floats:
        assert model.motion_head is not None
        return model.motion_head(hidden).cpu().numpy() * self.scale + self.mean

    def _accuracy(self, model: SpeechEncoder, hidden: Tensor, key: str) -> float:
        truth = phone_frames(self.labels.phones[key], FRAME_CLOCK.times(len(hidden)))
        return float(np.mean(model.phone_head(hidden).argmax(-1).cpu().numpy()[truth > 0] == truth[truth > 0]))

    def export(self, model: SpeechEncoder, folder: Path, metrics: dict[str, float]) -> None:
        """Write the encoder with its phone head; the other heads only serve training."""
        state = {k: v for k, v in model.state_dict().items() if not k.startswith(TRAINING_HEADS)}
        shipped = self.model_config.model_copy(
            update={"motion_channels": 0, "prosody_channels": 0, "layer_channels": 0}
        )
        config = CheckpointConfig(
            kind="speech_encoder",
            licence="CC-BY-4.0",
            trained_on=[
                "GRID talker s1 (CC BY 4.0)",
                "speechocean762 (CC BY 4.0)",
                "LJ Speech (public domain)",
                "LibriSpeech (CC BY 4.0)",
                "EmoGator (Apache-2.0)",
                *(["distilled from Whisper-base (MIT)"] if self.teacher else []),
                "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
            ],
            model=shipped.model_dump(mode="json"),
            metrics=metrics,
        )
        write_checkpoint(folder, config, state, speech_encoder_card(metrics))
