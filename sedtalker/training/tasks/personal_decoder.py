"""Fine-tuning of the decoder on tracked takes of one actor.

Half of the crops are the takes themselves. The other half keep the decoder obedient: the same speech under a random
emotion, whose target is the actor's own motion plus what the starting decoder adds for that emotion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from sedtalker.animation.decoder import CorrectedDecoder, Decoder, decoder_speech
from sedtalker.animation.pretrained import load_decoder
from sedtalker.audio import load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.metrics.motion import correlation
from sedtalker.speech.encoder import SpeechFeatures, encode, load_encoder
from sedtalker.speech.features import FRAME_CLOCK
from sedtalker.training.corpora.takes import Take, find_lag, read_takes
from sedtalker.training.motion.expressive_motion import random_emotion
from sedtalker.training.task import Batch

JAW = ARKIT_52.index("jawOpen")
SMALLEST_SCALE = 0.03
CARD = """# Personal decoder

The decoder of `{start}`, fine-tuned on {takes} tracked takes ({seconds:.0f} s) of one actor by
`sedtalker train experiment=personal_decoder`. Speech features and a dense emotion track in, 52 ARKit shapes out.

| figure on held-out takes ({held_out}) | value |
|---|---|
| error of the shapes, RMS | {rmse:.4f} |
| the same before fine-tuning | {start_rmse:.4f} |
| the same of a face at its mean | {static_rmse:.4f} |
| the same for other speech | {shuffled_rmse:.4f} |
| jaw, correlation | {jaw_r:.3f} (before: {start_jaw_r:.3f}) |

The face is the actor's: ask before you give these weights to anybody. The decoder it started from is CC BY 4.0:
its authors have to be named.
"""


class PersonalDecoderConfig(BaseModel):
    """What ``configs/experiment/personal_decoder.yaml`` says about the task."""

    model_config = ConfigDict(extra="forbid")

    start: str | None = None
    """Checkpoint folder of the decoder to start from; None: the built-in one. Of an averaged one, its first member."""
    encoder: str | None = None
    """Checkpoint folder of the encoder it was trained on; None: the built-in one."""
    held_out: list[str] = []
    """Names of takes that are only scored; empty: one in six, spread evenly."""
    rate: float = 60.0
    """Frames a second that the timecodes count."""
    crops: int = 8
    seconds: float = 2.4
    rehearsed: float = 0.5
    """Share of the crops under a random emotion."""
    velocity_weight: float = 5.0


class _Heard:
    """A take with its features and its motion on their frames."""

    def __init__(self, take: Take, features: SpeechFeatures, start: Decoder):
        self.take, self.features = take, features
        self.sound = decoder_speech(start.config.hidden, features).numpy()
        self.times = features.clock.times(len(features))
        self.track = take.track.at(self.times)
        self.before = start.predict(features, take.track)
        self.neutral = start.predict(features, take.track.scaled(0.0))
        self.lag = find_lag(take.at(self.times)[:, JAW], self.before[:, JAW], FRAME_CLOCK.rate)
        self.target = take.at(self.times, self.lag)


class PersonalDecoderTask:
    """See ``sedtalker.training.loop.Task``."""

    def __init__(self, config: dict[str, Any], data: Path, cache: Path):
        self.config = c = PersonalDecoderConfig.model_validate(config)
        self.start_folder = Path(c.start) if c.start else builtin_checkpoint("decoder")
        self.encoder_folder = Path(c.encoder) if c.encoder else builtin_checkpoint("speech_encoder")
        start, encoder = load_decoder(self.start_folder), load_encoder(self.encoder_folder)
        start = start.decoder if isinstance(start, CorrectedDecoder) else start
        if not isinstance(start, Decoder):
            raise InputError(f"{self.start_folder}: this kind of decoder cannot be fine-tuned")
        self.start = start
        takes = read_takes(data, c.rate)
        strange = set(c.held_out) - {take.name for take in takes}
        if strange:
            raise InputError(f"{data}: no take {', '.join(sorted(strange))}")
        names = set(c.held_out or [take.name for take in takes[3::6]] or [takes[-1].name])
        heard = [_Heard(take, encode(encoder, load_audio(take.audio)), start) for take in takes]
        self.training = [h for h in heard if h.take.name not in names and len(h.times) > self._frames]
        self.held_out = [h for h in heard if h.take.name in names]
        if not self.training:
            raise InputError(f"{data}: too few takes: two are needed, longer than {c.seconds} s")
        motion = np.concatenate([h.target for h in self.training])
        self.mean = motion.mean(0)
        self.scale = torch.from_numpy(motion.std(0).clip(SMALLEST_SCALE))
        lengths = np.array([len(h.times) for h in self.training], np.float64)
        self.share = lengths / lengths.sum()

    @property
    def _frames(self) -> int:
        return round(self.config.seconds * FRAME_CLOCK.rate)

    def build(self) -> nn.Module:
        """The starting decoder, free to move."""
        decoder = Decoder(self.start.config)
        decoder.load_state_dict(self.start.state_dict())
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """``speech`` (B, T, C) and what surrounds it, ``posterior``, ``intensity`` and ``target`` (B, T, 52)."""
        rows = [self._crop(rng) for _ in range(self.config.crops)]
        names = ("speech", "posterior", "intensity", "target")
        return {n: torch.from_numpy(np.stack(column)) for n, column in zip(names, zip(*rows, strict=True), strict=True)}

    def _crop(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        heard = self.training[int(rng.choice(len(self.training), p=self.share))]
        first = int(rng.integers(0, len(heard.times) - self._frames + 1))
        part = slice(first, first + self._frames)
        speech = heard.sound[part]
        if rng.random() >= self.config.rehearsed:
            return speech, heard.track.posterior[part], heard.track.intensity[part], heard.target[part]
        posterior, intensity = random_emotion(rng, np.arange(self._frames) / FRAME_CLOCK.rate)
        posterior, intensity = np.asarray(posterior, np.float32), np.asarray(intensity, np.float32)
        acted = self._predict(self.start, speech, posterior, intensity)
        # what the actor does apart from the emotion that was acted, and the emotion as the starting decoder shows it
        own = heard.target[part] - heard.before[part] + heard.neutral[part]
        target = np.clip(own + acted - heard.neutral[part], 0.0, 1.0).astype(np.float32)
        return speech, posterior, intensity, target

    @torch.no_grad()
    def _predict(self, decoder: Decoder, speech: Any, posterior: Any, intensity: Any) -> NDArray[np.float32]:
        inputs = [torch.from_numpy(x)[None] for x in (speech, posterior, intensity)]
        out = decoder(*inputs, _no_style(decoder, 1))
        return out[0].clamp(0, 1).numpy()

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared error and that of the frame differences, in standard deviations of each shape."""
        style = _no_style(self.start, len(batch["speech"])).to(batch["speech"].device)
        predicted = model(batch["speech"], batch["posterior"], batch["intensity"], style).float()
        moving = self.start.active.to(predicted.device)
        error = moving * (predicted - batch["target"]) / self.scale.to(predicted.device)
        shapes, velocity = error.square().mean(), error.diff(dim=1).square().mean()
        return {"shapes": shapes, "velocity": velocity, "total": shapes + self.config.velocity_weight * velocity}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Errors on the held-out takes beside those of the starting decoder, a still face and other speech."""
        assert isinstance(model, Decoder)
        moving = self.start.active.bool().cpu().numpy()
        rows: dict[str, list[float]] = {k: [] for k in ("mse", "start", "static", "shuffled", "jaw", "start_jaw")}
        for index, heard in enumerate(self.held_out):
            now = model.predict(heard.features, heard.take.track)
            other = (self.held_out * 2 + self.training)[index + 1] if len(self.held_out) > 1 else self.training[0]
            elsewhere = model.predict(other.features, _stretched(heard.track, other.times))
            elsewhere = np.resize(elsewhere, now.shape)
            candidates = {"mse": now, "start": heard.before, "static": self.mean[None], "shuffled": elsewhere}
            for name, motion in candidates.items():
                rows[name].append(float(np.mean((motion - heard.target)[:, moving] ** 2)))
            rows["jaw"].append(correlation(now[:, JAW], heard.target[:, JAW]))
            rows["start_jaw"].append(correlation(heard.before[:, JAW], heard.target[:, JAW]))
        mean = {name: float(np.mean(values)) for name, values in rows.items()}
        return {
            "rmse": mean["mse"] ** 0.5,
            "start_rmse": mean["start"] ** 0.5,
            "static_rmse": mean["static"] ** 0.5,
            "shuffled_rmse": mean["shuffled"] ** 0.5,
            "jaw_r": mean["jaw"],
            "start_jaw_r": mean["start_jaw"],
            "score": 1.0 - mean["mse"] / max(mean["static"], 1e-12),
        }

    def export(self, model: nn.Module, folder: Path, metrics: dict[str, float]) -> None:
        """Write a checkpoint folder that every command takes as a decoder."""
        config = CheckpointConfig(
            kind="decoder",
            licence="LicenseRef-own-recordings",
            trained_on=[f"{len(self.training)} takes of one actor, tracked", "started from a CC BY 4.0 decoder"],
            encoder_sha256=weights_sha256(self.encoder_folder),
            model=self.start.config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = CARD.format(
            start=self.start_folder.name,
            takes=len(self.training),
            seconds=sum(h.take.duration for h in self.training),
            held_out=", ".join(h.take.name for h in self.held_out),
            **metrics,
        )
        write_checkpoint(folder, config, model.state_dict(), card)


def _no_style(decoder: Decoder, count: int) -> Tensor:
    return torch.zeros(count, decoder.conditioning.style.in_features)


def _stretched(track: EmotionTrack, times: NDArray[np.floating]) -> EmotionTrack:
    """A track over other times, held beyond its end."""
    return track.at(np.asarray(times, np.float64))
