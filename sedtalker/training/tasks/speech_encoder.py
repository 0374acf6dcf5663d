"""Training of the speech encoder: mouth motion of one tracked talker, phones of many talkers, prosody of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.audio import resample_frames
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.face.arkit import INDEX, SPEECH_SHAPES, speech_only
from sedtalker.metrics.motion import correlation
from sedtalker.progress import Hook
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.augmentation import mask_spectrum, read_augmenter, warp_bands
from sedtalker.training.corpora.feature_store import Copy, FeatureStore, open_features
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_facegood, read_grid
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.motion.alignment import (
    IGNORED,
    Utterance,
    align_corpus,
    phone_frames,
    read_speech,
    read_speech_phones,
)
from sedtalker.training.task import Batch, PreparedTask

LIP_FEATURES = ("inner_lip_height", "inner_lip_width", "outer_lip_height", "outer_lip_width", "nose_to_chin")
"""Tracked distances that are predicted, outer-eye distances."""
MOTION_SHAPES = tuple(n for n in SPEECH_SHAPES if not n.endswith("Right"))
"""Shapes that are predicted, both sides alike."""
UNLABELLED = ("librispeech", "emogator")
"""Corpora of which only the prosody is predicted."""
PROSODY_MEAN = np.array([-6.0, 0.1, 0.6, -3.0], np.float32)
"""Usual mean of each of ``PROSODY_CHANNELS``, taken off the targets."""
PROSODY_SCALE = np.array([3.0, 0.4, 0.3, 3.0], np.float32)
"""Usual deviation of each, by which they are divided."""


class SpeechEncoderTaskConfig(BaseModel):
    """What ``configs/experiment/speech_encoder.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    model: SpeechEncoderConfig = SpeechEncoderConfig()
    """Sizes of the network."""
    tracked_crops: int = 16
    """Crops of the tracked talker in a batch."""
    phone_crops: int = 12
    """Crops of read speech with aligned phones."""
    unlabelled_crops: int = 4
    """Crops of ``UNLABELLED``."""
    seconds: float = 2.9
    """Length of a crop."""
    velocity_weight: float = 2.0
    """Weight of the squared error of the motion's frame differences; that of the motion has 1."""
    phone_weight: float = 0.25
    """Weight of the phones' cross-entropy."""
    prosody_weight: float = 0.3
    """Weight of the squared error of the prosody."""
    warp: float = 0.15
    """Largest change of the vocal tract's length, natural logarithm."""
    tempo: float = 0.12
    """Largest change of tempo, natural logarithm."""
    copies: int = 4
    """Copies of every tracked recording: as it is, and augmented."""
    read_speech_copies: int = 3
    """The same of read speech."""
    workers: int = 1
    """Processes that compute features and align phones."""


def motion_targets(clip: TrackedClip) -> NDArray[np.float32]:
    """(T, 5 + shapes) lip features and even speech shapes of a tracked clip."""
    shapes = speech_only(clip.coefficients)[:, [INDEX[n] for n in MOTION_SHAPES]]
    return np.column_stack([np.column_stack([clip.feature(n) for n in LIP_FEATURES]), shapes]).astype(np.float32)


@dataclass(frozen=True)
class _Labels:
    motion: dict[str, tuple[NDArray[np.floating], NDArray[np.float32]]]
    phones: dict[str, Any]


class SpeechEncoderTask(PreparedTask):
    """Builds, feeds, scores and exports the encoder (see ``Task``)."""

    fast: ClassVar = {"copies": 1, "read_speech_copies": 1}

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = SpeechEncoderTaskConfig.model_validate(config)
        self.data, self.cache = data, cache
        channels = len(LIP_FEATURES) + len(MOTION_SHAPES)
        self.model_config = self.config.model.model_copy(update={"motion_channels": channels, "prosody_channels": 4})

    def read_data(self, hook: Hook) -> None:
        """Features of all recordings, aligned phones, tracked motion and its scale."""
        data, cache, c = self.data, self.cache, self.config
        augmenter = read_augmenter(data)
        self.clips = {clip.name: clip for clip in read_grid(data)}
        self.takes = {take.name: take for take in read_facegood(data)}

        def store(name: str, recordings: list[tuple[str, Path]], copies: int) -> FeatureStore:
            return open_features(name, recordings, copies, augmenter, cache, workers=c.workers, hook=hook)

        tracked = [(clip.name, clip.audio) for clip in self.clips.values()]
        utterances = [Utterance(clip.name, clip.audio, clip.text) for clip in self.clips.values()]
        phones = align_corpus("grid", utterances, cache, c.workers, hook)
        phones |= read_speech_phones(data, cache, c.workers, hook)
        copies = c.read_speech_copies
        self.read, self.valid_speech = read_speech(data, augmenter, cache, copies, c.workers, hook)
        self.grid = store("grid", tracked, c.copies)
        self.mandarin = store("facegood", [(take.name, take.audio) for take in self.takes.values()], 1)
        motion = {name: (clip.times, motion_targets(clip)) for name, clip in self.clips.items()}
        training = np.concatenate([motion[name][1] for name, clip in self.clips.items() if clip.split == "train"])
        self.mean, self.scale = training.mean(0), training.std(0) + 1e-3
        self.labels = _Labels(motion, phones)
        spoken = [copy for copy in self.read.copies if copy.key not in self.valid_speech and phones[copy.key]]
        self.sources: list[tuple[FeatureStore, list[Copy], int]] = [
            (self.grid, self._training(self.grid), c.tracked_crops),
            (self.read, spoken, c.phone_crops),
        ]
        unlabelled = [clip for clip in read_manifest(data) if clip.corpus in UNLABELLED and clip.split == "train"]
        others = store("unlabelled", [(clip.path.stem, clip.path) for clip in unlabelled[::2]], 1)
        self.sources.append((others, list(others.copies), c.unlabelled_crops))

    def _training(self, store: FeatureStore) -> list[Copy]:
        return [c for c in store.copies if self.clips[c.key].split == "train"]

    def build(self) -> nn.Module:
        """A freshly initialised encoder."""
        return SpeechEncoder(self.model_config)

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops of all sources: ``mel`` (2T frames) and targets (T frames); tracked crops come first."""
        frames = int(self.config.seconds * 50)
        columns: dict[str, list[NDArray[Any]]] = {k: [] for k in ("mel", "prosody", "phones", "motion", "weight")}
        for store, copies, count in self.sources:
            for _ in range(count):
                self._add_crop(columns, store, copies[int(rng.integers(len(copies)))], frames, rng)
        return {name: torch.from_numpy(np.stack(column)) for name, column in columns.items()}

    def _add_crop(
        self,
        columns: dict[str, list[NDArray[Any]]],
        store: FeatureStore,
        copy: Copy,
        frames: int,
        rng: np.random.Generator,
    ) -> None:
        tempo = float(np.exp(rng.uniform(-self.config.tempo, self.config.tempo)))
        if rng.random() < 0.3:
            tempo /= copy.speed  # sometimes keep the changed speed
        slack = copy.duration - self.config.seconds * tempo
        start = float(rng.uniform(min(-0.2, slack), max(slack, 0.0) + 0.2))
        crop = store.crop(copy, start, 2 * frames, tempo)
        warp = float(np.exp(rng.uniform(-self.config.warp, self.config.warp)))
        columns["mel"].append(mask_spectrum(warp_bands(crop.mel, warp), rng))
        times = crop.times.reshape(-1, 2).mean(1)
        inside = crop.inside.reshape(-1, 2).all(1)
        prosody = crop.prosody.reshape(-1, 2, 4).mean(1)
        columns["prosody"].append((prosody - PROSODY_MEAN) / PROSODY_SCALE)
        phones = phone_frames(self.labels.phones.get(copy.key, []), times)
        columns["phones"].append(np.where(inside, phones, IGNORED))
        if copy.key in self.labels.motion:
            known, values = self.labels.motion[copy.key]
            moved = resample_frames(values, known, times)
            columns["motion"].append(np.asarray((moved - self.mean) / self.scale, np.float32))
        else:
            columns["motion"].append(np.zeros((frames, len(self.mean)), np.float32))
        columns["weight"].append(np.asarray(inside, np.float32))

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Motion and its velocity on tracked crops, phones where aligned, prosody everywhere."""
        tracked, weight = self.config.tracked_crops, batch["weight"][..., None]
        hidden = model(batch["mel"]).float()
        motion = model.motion_head(hidden[:tracked])  # type: ignore[operator]
        error = (motion - batch["motion"][:tracked]) * weight[:tracked]
        logits = model.phone_head(hidden).flatten(0, 1)  # type: ignore[operator]
        losses = {
            "motion": error.square().mean(),
            "velocity": (error[:, 1:] - error[:, :-1]).square().mean(),
            "phones": F.cross_entropy(logits, batch["phones"].flatten(), ignore_index=IGNORED, label_smoothing=0.05),
            "prosody": ((model.prosody_head(hidden) - batch["prosody"]) * weight).square().mean(),  # type: ignore[operator]
        }
        c = self.config
        losses["total"] = (
            losses["motion"]
            + c.velocity_weight * losses["velocity"]
            + c.phone_weight * losses["phones"]
            + c.prosody_weight * losses["prosody"]
        )
        return losses

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Correlations on held-out sentences, jaw correlation on the unseen talker, phone accuracy on new speakers."""
        assert isinstance(model, SpeechEncoder)
        metrics: dict[str, list[float]] = {k: [] for k in ("lip_r", "width_r", "unseen_r", "phones", "phones_tracked")}
        for copy in (c for c in self.grid.copies if c.copy == 0 and self.clips[c.key].split == "valid"):
            hidden, times, speech = self._run(model, self.grid, copy)
            known, values = self.labels.motion[copy.key]
            target = resample_frames(values, known, times)
            motion = self._motion(model, hidden)
            for name, column in (("lip_r", 0), ("width_r", 1)):
                metrics[name].append(correlation(motion[speech, column], target[speech, column]))
            metrics["phones_tracked"].append(self._accuracy(model, hidden, copy.key, times))
        for copy in self.mandarin.copies:
            take = self.takes[copy.key]
            hidden, times, speech = self._run(model, self.mandarin, copy)
            jaw = resample_frames(take.feature("jaw_open"), take.times, times)
            if take.split == "train":
                metrics["unseen_r"].append(correlation(self._motion(model, hidden)[speech, 0], jaw[speech]))
        for copy in (c for c in self.read.copies if c.copy == 0 and c.key in self.valid_speech):
            hidden, times, _ = self._run(model, self.read, copy)
            if self.labels.phones[copy.key]:
                metrics["phones"].append(self._accuracy(model, hidden, copy.key, times))
        means = {name: float(np.mean(values)) for name, values in metrics.items()}
        return means | {"score": means["lip_r"] + 0.3 * means["width_r"] + 0.3 * means["phones"]}

    def _run(
        self, model: SpeechEncoder, store: FeatureStore, copy: Copy
    ) -> tuple[Tensor, NDArray[np.floating], NDArray[np.bool_]]:
        rows = torch.from_numpy(store.rows(copy))
        device = model.norm.weight.device
        hidden = model(rows[None, :, :MEL_BANDS].to(device))[0]
        speech = rows[:, -1].reshape(-1, 2).amax(1).bool().numpy()
        return hidden, (np.arange(len(hidden)) + 0.5) / 50.0, speech

    def _motion(self, model: SpeechEncoder, hidden: Tensor) -> NDArray[np.float32]:
        assert model.motion_head is not None
        return model.motion_head(hidden).cpu().numpy() * self.scale + self.mean

    def _accuracy(self, model: SpeechEncoder, hidden: Tensor, key: str, times: NDArray[np.floating]) -> float:
        truth = phone_frames(self.labels.phones[key], times)
        return float(np.mean(model.phones(hidden).argmax(-1).cpu().numpy()[truth > 0] == truth[truth > 0]))

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write the encoder with its phone head; the other heads only serve training."""
        state = {k: v for k, v in model.state_dict().items() if not k.startswith(("motion_head", "prosody_head"))}
        shipped = self.model_config.model_copy(update={"motion_channels": 0, "prosody_channels": 0})
        config = CheckpointConfig(
            kind="speech_encoder",
            licence="CC-BY-4.0",
            trained_on=[
                "GRID talker s1 (CC BY 4.0)",
                "speechocean762 (CC BY 4.0)",
                "LJ Speech (public domain)",
                "LibriSpeech (CC BY 4.0)",
                "EmoGator (Apache-2.0)",
                "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
            ],
            encoder_sha256=None,
            model=shipped.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = fill_card("speech_encoder", metrics=card_table("speech_encoder", metrics))
        write_checkpoint(folder, config, state, card)
