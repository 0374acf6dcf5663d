"""Fine-tuning of the decoder on tracked takes of one actor.

Half of the crops are the takes themselves. The other half keep the decoder obedient: the same speech under a random
emotion, whose target is the actor's own motion plus what the starting decoder adds for that emotion.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sedtalker.animation.decoder import decoder_speech
from sedtalker.animation.decoder_network import Decoder
from sedtalker.arrays import Floats
from sedtalker.audio import load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.metrics.motion import correlation, means
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, counted
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.tracked_motion import Take, find_lag, read_takes
from sedtalker.training.evaluation.measures import card_table
from sedtalker.training.motion.expressive_motion import random_emotion
from sedtalker.training.task import Batch, Count, Example, Positive, Task, TaskConfig, stacked

JAW = ARKIT_52.index("jawOpen")
"""Index of the jaw's opening."""
SMALLEST_SCALE = 0.03
"""Least deviation of a shape in the loss, so that shapes that hardly move count no more than others."""


class PersonalDecoderTaskConfig(TaskConfig):
    """What ``configs/experiment/personal_decoder.yaml`` says about the task."""

    start: str | None = None
    """Checkpoint folder of the decoder to start from; None: the built-in one. Of an averaged one, its first member."""
    encoder: str | None = None
    """Checkpoint folder of the encoder it was trained on; None: the built-in one."""
    held_out: list[str] = []
    """Names of takes that are only scored; empty: one in six, spread evenly."""
    rate: Positive = 60.0
    """Frames a second that the timecodes count."""
    crops: Count = 8
    """Crops in a batch."""
    seconds: Positive = 2.4
    """Length of a crop."""
    rehearsed: float = 0.5
    """Share of the crops under a random emotion."""
    velocity_weight: float = 5.0
    """Weight of the squared error of the frame differences."""


class _EncodedTake:
    """A take with its features and its motion on their frames."""

    def __init__(self, take: Take, features: SpeechFeatures, start: Decoder):
        self.take, self.features = take, features
        self.sound = decoder_speech(start.config.hidden, features)
        self.times = features.clock.times(len(features))
        self.track = take.track.at(self.times)
        self.before = start.predict(features, take.track)
        self.neutral = start.predict(features, take.track.scaled(0.0))
        self.lag = find_lag(take.at(self.times)[:, JAW], self.before[:, JAW], FRAME_CLOCK.rate)
        self.target = take.at(self.times, self.lag)


class PersonalDecoderTask(Task[PersonalDecoderTaskConfig, Decoder]):
    """See ``sedtalker.training.task.Task``."""

    settings = PersonalDecoderTaskConfig

    def read_data(self, hook: Hook) -> None:
        """The decoder to start from, and every take encoded and predicted by it."""
        c, data = self.config, self.data
        self.start_folder = Path(c.start) if c.start else builtin_checkpoint("decoder")
        self.encoder_folder = Path(c.encoder) if c.encoder else builtin_checkpoint("speech_encoder")
        self.start = start = open_model(self.start_folder, "decoder", in_torch=True)
        encoder = open_encoder(self.encoder_folder)
        takes = read_takes(data, c.rate)
        strange = set(c.held_out) - {take.name for take in takes}
        if strange:
            raise InputError(f"{data}: no take {', '.join(sorted(strange))}")
        names = set(c.held_out or [take.name for take in takes[3::6]] or [takes[-1].name])
        encoded = [
            _EncodedTake(take, encoder(load_audio(take.audio)), start)
            for take in counted(takes, hook, "encoding the takes", len(takes))
        ]
        self.training = [e for e in encoded if e.take.name not in names and len(e.times) > self._frames]
        self.held_out = [e for e in encoded if e.take.name in names]
        if not self.training:
            raise InputError(f"{data}: too few takes: two are needed, longer than {c.seconds} s")
        motion = np.concatenate([e.target for e in self.training])
        self.mean = motion.mean(0)
        self.scale = torch.from_numpy(motion.std(0).clip(SMALLEST_SCALE))
        lengths = np.array([len(e.times) for e in self.training], np.float64)
        self.share = lengths / lengths.sum()

    @property
    def _frames(self) -> int:
        return round(self.config.seconds * FRAME_CLOCK.rate)

    def build(self) -> Decoder:
        """The starting decoder, free to move."""
        decoder = Decoder(self.start.config)
        decoder.load_state_dict(self.start.state_dict())
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """``speech`` (B, T, C) and what surrounds it, ``posterior``, ``intensity`` and ``target`` (B, T, 52)."""
        return stacked([self._crop(rng) for _ in range(self.config.crops)])

    def _crop(self, rng: np.random.Generator) -> Example:
        take = self.training[int(rng.choice(len(self.training), p=self.share))]
        first = int(rng.integers(0, len(take.times) - self._frames + 1))
        part = slice(first, first + self._frames)
        speech = take.sound[part]
        if rng.random() >= self.config.rehearsed:
            posterior, intensity, target = take.track.posterior[part], take.track.intensity[part], take.target[part]
            return {"speech": speech, "posterior": posterior, "intensity": intensity, "target": target}
        posterior, intensity = random_emotion(rng, np.arange(self._frames) / FRAME_CLOCK.rate)
        posterior, intensity = np.asarray(posterior, np.float32), np.asarray(intensity, np.float32)
        emotional = self._begun(speech, posterior, intensity)
        # what the actor does apart from the emotion of the track, and the emotion as the starting decoder shows it
        own = take.target[part] - take.before[part] + take.neutral[part]
        target = np.clip(own + emotional - take.neutral[part], 0.0, 1.0).astype(np.float32)
        return {"speech": speech, "posterior": posterior, "intensity": intensity, "target": target}

    @torch.no_grad()
    def _begun(self, *given: Floats) -> Floats:
        """(T, 52) of the starting decoder, of speech, posterior and intensity."""
        out: Tensor = self.start(*(torch.from_numpy(x)[None] for x in given), _no_style(self.start, 1))
        return out[0].clamp(0, 1).numpy()

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared error and that of the frame differences, in standard deviations of each shape."""
        style = _no_style(self.start, len(batch["speech"])).to(batch["speech"].device)
        predicted = model(batch["speech"], batch["posterior"], batch["intensity"], style).float()
        moving = self.start.active.to(predicted.device)
        error = moving * (predicted - batch["target"]) / self.scale.to(predicted.device)
        shapes, velocity = error.square().mean(), error.diff(dim=1).square().mean()
        return {"shapes": shapes, "velocity": velocity, "total": shapes + self.config.velocity_weight * velocity}

    def validate(self, model: Decoder) -> dict[str, float]:
        """Errors on the held-out takes beside those of the starting decoder, a still face and other speech."""
        moving = self.start.active.bool().cpu().numpy()
        errors: list[dict[str, float]] = []
        for index, take in enumerate(self.held_out):
            now = model.predict(take.features, take.take.track)
            other = (self.held_out * 2 + self.training)[index + 1] if len(self.held_out) > 1 else self.training[0]
            elsewhere = model.predict(other.features, take.track.at(np.asarray(other.times, np.float64)))
            elsewhere = np.resize(elsewhere, now.shape)
            candidates = {"mse": now, "start": take.before, "static": self.mean[None], "shuffled": elsewhere}
            squared = {n: float(np.mean((x - take.target)[:, moving] ** 2)) for n, x in candidates.items()}
            jaw, start_jaw = (correlation(x[:, JAW], take.target[:, JAW]) for x in (now, take.before))
            errors.append(squared | {"jaw": jaw, "start_jaw": start_jaw})
        mean = means(errors)
        return {
            "rmse": mean["mse"] ** 0.5,
            "start_rmse": mean["start"] ** 0.5,
            "static_rmse": mean["static"] ** 0.5,
            "shuffled_rmse": mean["shuffled"] ** 0.5,
            "jaw_r": mean["jaw"],
            "start_jaw_r": mean["start_jaw"],
            "score": 1.0 - mean["mse"] / max(mean["static"], 1e-12),
        }

    def export(self, model: Decoder, folder: Path, metrics: dict[str, float]) -> None:
        """Write a checkpoint folder that every command takes as a decoder."""
        config = CheckpointConfig(
            kind="decoder",
            licence="LicenseRef-own-recordings",
            trained_on=[f"{len(self.training)} takes of one actor, tracked", "started from a CC BY 4.0 decoder"],
            encoder_sha256=weights_sha256(self.encoder_folder),
            model={**self.start.config.model_dump(mode="json"), "mouth_share": 0.0},
            metrics=metrics,
        )
        card = fill_card(
            "personal_decoder",
            start=self.start_folder.name,
            takes=len(self.training),
            seconds=sum(e.take.duration for e in self.training),
            held_out=", ".join(e.take.name for e in self.held_out),
            metrics=card_table("personal_decoder", metrics, digits=4),
        )
        write_checkpoint(folder, config, model.state_dict(), card)


def _no_style(decoder: Decoder, count: int) -> Tensor:
    return torch.zeros(count, decoder.conditioning.style.in_features)
