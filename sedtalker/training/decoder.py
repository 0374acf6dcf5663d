"""Training of the decoder: tracked talking composed with expressions, on the frozen speech encoder."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from sedtalker.animation.conditioning import STYLE_CODES, Style
from sedtalker.animation.decoder import PROSODY_MEAN, PROSODY_SCALE, DecoderConfig, build_decoder, speech_input
from sedtalker.animation.losses import DecoderLoss, LossWeights, weighted_sum
from sedtalker.animation.shapes import INDEX
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.datasets.expressive_motion import (
    Prominence,
    SpokenMotion,
    compose,
    even_voice,
    measure_lips,
    measured_poses,
    pause,
    prominence_of,
    random_emotion,
)
from sedtalker.datasets.feature_store import Copy, FeatureStore
from sedtalker.datasets.reference_rig import read_reference_rig
from sedtalker.datasets.surroundings import read_surroundings
from sedtalker.datasets.talking import ReadSpeech, emphasised, read_noise, read_tracked
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_builtin
from sedtalker.metrics.motion import ClosureCounts, correlation, count_closures, lip_aperture, lip_width
from sedtalker.speech.encoder import load_encoder
from sedtalker.speech.features import MEL_BANDS
from sedtalker.speech.phones import BILABIAL, VOWELS
from sedtalker.training.decoder_card import CARD
from sedtalker.training.loop import Batch
from sedtalker.training.phone_motion import speak_phones, teach
from sedtalker.training.read_speech import read_speech, read_speech_phones
from sedtalker.training.speech_encoder import mask_spectrum, warp_bands

RATE = 50.0
SILENT_PROSODY = np.array([-16.1, 0.0, 0.0, 0.0], np.float32)
"""Prosody of digital silence: the floor of the log energy, nothing voiced."""
FLOOR_PROFILE = ([0, 20, 40, 79], [-8.0, -6.5, -4.5, -1.2])
"""Bands and centred log-mels of digital silence beside speech: what centring makes of the floor."""


@dataclass(frozen=True, eq=False)
class Scene:
    """How a crop is acted: the mixture of categories (T, 7), the intensity (T,) and the style."""

    posterior: NDArray[np.float32]
    intensity: NDArray[np.float32]
    style: Style


@dataclass(frozen=True, eq=False)
class HeardCrop:
    """A crop as it sounds, with the encoder's context around, and what speech does in it."""

    mel: NDArray[np.float32]
    prosody: NDArray[np.float32]
    motion: SpokenMotion


def _inside(times: NDArray[np.floating], spans: list[tuple[float, float]]) -> NDArray[np.bool_]:
    """(T,) within any of the spans."""
    return np.any([(times >= start) & (times <= end) for start, end in spans] or [np.zeros(len(times), bool)], axis=0)


def gate_pauses(
    mel: NDArray[np.float32],
    prosody: NDArray[np.float32],
    log_energy: NDArray[np.float32],
    margin: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Digital silence where the sound is quiet, as synthesis and noise gates leave it."""
    quiet = log_energy < np.quantile(log_energy, 0.95) - rng.uniform(5.5, 8.0)
    pairs = quiet.reshape(-1, 2).min(1)[margin:-margin]
    floor = np.interp(np.arange(MEL_BANDS), *FLOOR_PROFILE) + rng.uniform(-0.7, 0.7)
    mel = np.where(quiet[:, None], floor.clip(-8.0), mel).astype(np.float32)
    return mel, np.where(pairs[:, None], SILENT_PROSODY, prosody).astype(np.float32)


class DecoderTaskConfig(BaseModel):
    """Hyper-parameters of the training."""

    model_config = ConfigDict(extra="forbid")

    model: DecoderConfig = DecoderConfig(styles=STYLE_CODES)
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
    other_voices: float = 0.6
    """Share of tracked crops that are heard in another voice."""
    seconds: float = 2.9
    loss: LossWeights = LossWeights()
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
            scene = self._scene(len(spoken.gap), rng)
            made.append(self._target(spoken, scene, even_voice(len(spoken.gap))))
        return np.concatenate(made)

    def _scene(self, frames: int, rng: np.random.Generator) -> Scene:
        """A random track and style."""
        posterior, intensity = random_emotion(rng, np.arange(frames) / RATE)
        if rng.random() < self.config.neutral:
            intensity = intensity * 0.0
        code = rng.uniform(-1, 1, len(STYLE_CODES)) * (rng.random(len(STYLE_CODES)) < 0.5) * (rng.random() < 0.5)
        return Scene(posterior, intensity, Style(*map(float, code)))

    def _target(self, spoken: SpokenMotion, scene: Scene, voice: Prominence) -> NDArray[np.float32]:
        return compose(spoken, scene.posterior, scene.intensity, scene.style, self.gauge, self.poses, voice)

    def build(self) -> nn.Module:
        """A freshly initialised decoder that knows which shapes ever move."""
        targets = self._target_sample()
        shapes = tuple(name for name, top in zip(ARKIT_52, targets.max(0), strict=True) if top > 0.02)
        self.model_config = self.config.model.model_copy(update={"shapes": shapes})
        decoder = build_decoder(self.model_config)
        with torch.no_grad():  # start from the mean face
            decoder.coefficients.weight.mul_(0.1)
            decoder.coefficients.bias.copy_(torch.from_numpy(targets.mean(0)))
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` and ``prosody`` with the encoder's context around, emotion, style and target coefficients.

        The first ``swapped_crops`` are the chain of ``DecoderLoss``.
        """
        c, rows = self.config, list[dict[str, NDArray[Any]]]()
        frames = int(c.seconds * RATE)
        heard, scene = None, self._scene(frames, rng)
        for i in range(c.tracked_crops):
            chained = i < c.swapped_crops
            if not (chained and i % 2):  # new speech
                store, copies = self.pools[int(rng.random() < c.other_voices)]
                copy = copies[int(rng.integers(len(copies)))]
                heard = self._hear_crop(store, copy, rng, self.tracked.spoken[copy.key])
            if not chained or i % 2:  # new emotion; the style goes with the speech
                new = self._scene(frames, rng)
                scene = replace(new, style=scene.style) if chained else new
            elif i:
                scene = replace(scene, style=self._scene(frames, rng).style)
            assert heard is not None
            rows.append(self._row(heard, scene, 1.0))
        for _ in range(c.taught_crops):
            copy = self.taught[int(rng.integers(len(self.taught)))]
            crop = self._hear_crop(self.read.store, copy, rng, self.read.spoken[copy.key])
            crop = replace(crop, motion=emphasised(crop.motion, crop.prosody[:, 0]))
            rows.append(self._row(crop, self._scene(frames, rng), c.taught_weight))
        for _ in range(c.pause_crops):
            copy = self.noise.copies[int(rng.integers(len(self.noise.copies)))]
            rows.append(self._row(self._hear_crop(self.noise, copy, rng, None), self._scene(frames, rng), 1.0))
        return {k: torch.from_numpy(np.stack([row[k] for row in rows]).astype(np.float32)) for k in rows[0]}

    def _hear_crop(
        self, store: FeatureStore, copy: Copy, rng: np.random.Generator, spoken: SpokenMotion | None
    ) -> HeardCrop:
        frames, margin = int(self.config.seconds * RATE), self.encoder.context
        tempo = float(np.exp(rng.uniform(-self.config.tempo, self.config.tempo)))
        slack = copy.duration - self.config.seconds * tempo
        start = float(rng.uniform(min(-0.2, slack), max(slack, 0.0) + 0.2))
        crop = store.crop(copy, start - margin / RATE * tempo, 2 * (frames + 2 * margin), tempo)
        mel = warp_bands(crop.mel, float(np.exp(rng.uniform(-self.config.warp, self.config.warp))))
        prosody = crop.prosody.reshape(-1, 2, 4).mean(1)[margin:-margin]
        if spoken is None:
            if rng.random() < 0.3:  # digital silence, centred
                mel, prosody = np.zeros_like(mel), np.tile(SILENT_PROSODY, (frames, 1))
            return HeardCrop(mel, prosody, pause(frames))
        mel = mask_spectrum(mel, rng) if rng.random() < 0.4 else mel
        if rng.random() < 0.2:
            mel, prosody = gate_pauses(mel, prosody, crop.prosody[:, 0], margin, rng)
        motion = spoken.at(crop.times.reshape(-1, 2).mean(1)[margin:-margin] * RATE - 0.5)
        return HeardCrop(mel, prosody, motion)

    def _row(self, crop: HeardCrop, scene: Scene, weight: float) -> dict[str, NDArray[Any]]:
        return {
            "mel": crop.mel,
            "prosody": crop.prosody,
            "posterior": scene.posterior,
            "intensity": scene.intensity,
            "style": np.array(scene.style.code(self.config.model.styles)),
            "target": self._target(crop.motion, scene, prominence_of(crop.prosody)),
            "closure": crop.motion.closure,
            "contact": crop.motion.contact,
            "weight": np.array(weight),
        }

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See ``DecoderLoss``; the encoder runs here so that it shares the model's device."""
        margin = self.encoder.context
        device = batch["mel"].device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            hidden = self.encoder.to(device)(batch["mel"])[:, margin:-margin].float()
        inputs = (speech_input(hidden, batch["prosody"]), batch["posterior"], batch["intensity"], batch["style"])
        taught = getattr(model, "taught", None)
        predicted = (taught(*inputs, batch["target"]) if taught else model(*inputs)).float()
        losses = self.criterion(predicted, batch, self.config.swapped_crops)
        losses["total"] = weighted_sum(losses, self.config.loss)
        return losses

    def validate(self, model: nn.Module) -> dict[str, float]:
        """On the validation sentences: neutral lips against the tracker, and emotional coefficients against theirs."""
        figures: dict[str, list[float]] = {"lip_r": [], "width_r": [], "upper_rmse": [], "emotional_rmse": []}
        counts, rng = ClosureCounts(), np.random.default_rng(1)
        upper = [i for n, i in INDEX.items() if n.startswith(("brow", "eyeWide", "eyeSquint", "cheekSquint"))]
        own = self.tracked.own
        for copy in (c for c in self.tracked.copies(own, "valid") if c.copy == 0):
            clip = self.tracked.clips[copy.key]
            speech, talking = self._hear(own, copy)
            times = (np.arange(speech.shape[1]) + 0.5) / RATE
            spoken = self.tracked.spoken[copy.key].at(times * RATE - 0.5)
            prosody = speech[0, :, -4:].cpu().numpy() * np.array(PROSODY_SCALE, np.float32) + np.array(PROSODY_MEAN, np.float32)
            scene = self._scene(len(times), rng)
            target = self._target(spoken, scene, prominence_of(prosody))
            posterior, intensity = (
                torch.from_numpy(v)[None].to(speech.device) for v in (scene.posterior, scene.intensity)
            )
            style = speech.new_tensor([scene.style.code(self.config.model.styles)])
            neutral = model(speech, posterior, intensity * 0, style * 0)[0].clamp(0, 1).cpu().numpy()
            emotional = model(speech, posterior, intensity, style)[0].clamp(0, 1).cpu().numpy()
            gap = lip_aperture(self.face, neutral) - self.gauge.rest
            width = np.interp(times, clip.times, clip.feature("inner_lip_width"))
            figures["lip_r"].append(correlation(gap[talking], spoken.gap[talking]))
            figures["width_r"].append(correlation(lip_width(self.face, neutral)[talking], width[talking]))
            figures["upper_rmse"].append(float(np.sqrt(np.mean((emotional - target)[:, upper] ** 2))))
            figures["emotional_rmse"].append(float(np.sqrt(np.mean((emotional - target) ** 2))))
            spans = self.tracked.spans[copy.key]
            stops = [(s.start, s.end) for s in spans if s.phone in BILABIAL]
            vowels = [(s.start, s.end) for s in spans if s.phone in VOWELS]
            count_closures(counts, times, gap, spoken.gap, stops, vowels)
        means = {name: float(np.mean(values)) for name, values in figures.items()}
        means |= self._validate_unseen(model)
        means |= {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}
        score = means["lip_r"] + 0.3 * means["width_r"] + 0.3 * counts.f1 - 2 * means["emotional_rmse"]
        score += 0.3 * means["unseen_closure_f1"]
        return means | {"score": score}

    def _validate_unseen(self, model: nn.Module) -> dict[str, float]:
        """Closures on p, b, m and open vowels of new speakers, whose phones are aligned and lips untracked."""
        counts, open_gap = ClosureCounts(), []
        for copy in self.read.unseen[:40]:
            speech, _ = self._hear(self.read.store, copy)
            zero = speech.new_zeros(1, speech.shape[1])
            style = zero[:, : len(self.config.model.styles)]
            coefficients = model(speech, zero[..., None].expand(-1, -1, 7), zero, style)[0]
            gap = lip_aperture(self.face, coefficients.clamp(0, 1).cpu().numpy()) - self.gauge.rest
            times = (np.arange(len(gap)) + 0.5) / RATE
            spans = self.read.spans[copy.key]
            stops = [(s.start, s.end) for s in spans if s.phone in BILABIAL]
            vowels = [(s.start, s.end) for s in spans if s.phone in ("AA", "AE", "AY", "AW", "EH", "EY")]
            # no tracker here: bilabials count as closed and these vowels as open
            assumed = np.where(_inside(times, vowels), 1.0, 0.0)
            count_closures(counts, times, gap, assumed, stops, vowels)
            open_gap.append(float(gap[_inside(times, vowels)].mean()) if _inside(times, vowels).any() else np.nan)
        return {
            "unseen_closure": counts.recall,
            "unseen_false": counts.false_rate,
            "unseen_closure_f1": counts.f1,
            "unseen_open": float(np.nanmean(open_gap)),
        }

    def _hear(self, store: FeatureStore, copy: Copy) -> tuple[Tensor, NDArray[np.bool_]]:
        """The decoder's input (1, T, 196) for an unchanged recording, and its speech frames (T,)."""
        rows = torch.from_numpy(np.asarray(store.values[copy.start : copy.start + copy.frames], np.float32))
        device = self.criterion.scale.device
        hidden = self.encoder.to(device)(rows[None, :, :MEL_BANDS].to(device))
        prosody = rows[:, MEL_BANDS : MEL_BANDS + 4].unflatten(0, (-1, 2)).mean(1)
        talking = rows[:, -1].unflatten(0, (-1, 2)).amax(1).bool().numpy()
        return speech_input(hidden, prosody[None].to(device)), talking

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
            encoder_sha256=weights_sha256(self.encoder_folder),
            model=self.model_config.model_dump(mode="json"),
            metrics={k: round(v, 4) for k, v in metrics.items()},
        )
        card = CARD.format(**{k: f"{v:.3f}" for k, v in metrics.items()})
        write_checkpoint(folder, config, model.state_dict(), card)
