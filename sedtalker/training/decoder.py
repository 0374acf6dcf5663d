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
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import PROSODY_MEAN, PROSODY_SCALE, Decoder, DecoderConfig, speech_input
from sedtalker.animation.losses import DecoderLoss
from sedtalker.animation.shapes import INDEX
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.datasets.alignment import Utterance, align_corpus
from sedtalker.datasets.expressive_motion import (
    SpokenMotion,
    compose,
    liveliness_of,
    measure_lips,
    measured_poses,
    pause,
    random_emotion,
    rest_pose,
    speak,
)
from sedtalker.datasets.feature_store import Copy, FeatureStore, open_features
from sedtalker.datasets.grid import read_grid
from sedtalker.datasets.reference_rig import read_reference_rig
from sedtalker.datasets.surroundings import read_surroundings
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
EMPHASIS = 0.15
"""Relative change of the lip opening by a unit of log energy."""
SILENT_PROSODY = np.array([-16.1, 0.0, 0.0, 0.0], np.float32)
"""Prosody of digital silence: the floor of the log energy, nothing voiced."""
FLOOR_PROFILE = ([0, 20, 40, 79], [-8.0, -6.5, -4.5, -1.2])
"""Bands and centred log-mels of digital silence beside speech: what centring makes of the floor."""


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


def emphasis(log_energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T,) factor of the lip opening: louder syllables open wider, which phones alone do not tell."""
    smooth = gaussian_filter1d(log_energy, 0.06 * RATE)
    loud = float(np.quantile(smooth, 0.8))
    return np.exp(EMPHASIS * (smooth - loud + 1.0)).clip(0.6, 1.35).astype(np.float32)


class DecoderTaskConfig(BaseModel):
    """Hyper-parameters of the training."""

    model_config = ConfigDict(extra="forbid")

    model: DecoderConfig = DecoderConfig()
    encoder: str | None = None
    """Folder of the frozen encoder; the built-in one if None."""
    face: Literal["builtin", "reference"] = "builtin"
    """The face whose lips must close and whose vertices weigh the errors."""
    tracked_crops: int = 9
    taught_crops: int = 5
    """Read speech of other voices, with motion from its phones (see ``phone_motion``)."""
    pause_crops: int = 2
    taught_weight: float = 0.6
    seconds: float = 2.9
    velocity_weight: float = 20.0
    gap_weight: float = 1.0
    width_weight: float = 0.5
    closure_weight: float = 1.0
    warp: float = 0.12
    tempo: float = 0.12
    neutral: float = 0.25
    """Share of crops without any emotion."""
    copies: int = 4
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
        clips = read_grid(data)
        self.clips = {clip.name: clip for clip in clips}
        utterances = [Utterance(clip.name, clip.audio, clip.text) for clip in clips]
        self.spans = align_corpus("grid", utterances, cache, c.workers)
        self.rest = rest_pose([clip for clip in clips if clip.split == "train"])
        surroundings = read_surroundings(data)
        recordings = [(clip.name, clip.audio) for clip in clips]
        self.grid = open_features("grid", recordings, c.copies, surroundings, cache, workers=c.workers)
        noises = sorted((data / "audio/esc10").glob("*.opus"))[::4]
        self.noise = open_features("noise", [(p.stem, p) for p in noises], 1, surroundings, cache, workers=c.workers)
        self.training = [copy for copy in self.grid.copies if self.clips[copy.key].split == "train"]
        self.spoken = {clip.name: self._speak(clip.name) for clip in clips}
        self.read, held_out = read_speech(data, surroundings, cache, c.read_speech_copies, c.workers)
        self.read_spans = read_speech_phones(data, cache, c.workers)
        self.taught = [copy for copy in self.read.copies if copy.key not in held_out and self.read_spans[copy.key]]
        self.unseen = [x for x in self.read.copies if x.copy == 0 and x.key in held_out and self.read_spans[x.key]]
        tracked = [(self.spans[n], self.spoken[n]) for n, clip in self.clips.items() if clip.split == "train"]
        network = teach(tracked)
        for copy in self.taught:
            if copy.key not in self.spoken:
                frames = int(copy.duration * RATE) + 1
                self.spoken[copy.key] = speak_phones(network, self.read_spans[copy.key], frames, self.gauge)
        self.criterion = DecoderLoss(self.face, self._target_sample(), self.gauge.gain, self.gauge.width)

    def _speak(self, name: str) -> SpokenMotion:
        clip = self.clips[name]
        times = (np.arange(len(clip.times) * 2) + 0.5) / RATE
        return speak(clip, self.spans[name], self.rest, self.gauge, times)

    def _target_sample(self) -> NDArray[np.float32]:
        """(N, 52) targets of a few hundred random crops, for their scale."""
        rng = np.random.default_rng(0)
        names = [name for name, clip in self.clips.items() if clip.split == "train"]
        return np.concatenate([self._compose(self.spoken[rng.choice(names)], rng)[0] for _ in range(200)])

    def _compose(
        self, spoken: SpokenMotion, rng: np.random.Generator, liveliness: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], ...]:
        """Targets (T, 52) under a random track and style, with the posterior, the intensity and the style."""
        frames = len(spoken.gap)
        posterior, intensity = random_emotion(rng, np.arange(frames) / RATE)
        if rng.random() < self.config.neutral:
            intensity = intensity * 0.0
        code = rng.uniform(-1, 1, 2) * (rng.random() < 0.4)
        style = Style(float(code[0]), float(code[1]))
        lively = np.full(frames, 0.5, np.float32) if liveliness is None else liveliness
        target = compose(spoken, posterior, intensity, style, self.gauge, self.poses, lively)
        return target, posterior, intensity, code.astype(np.float32)

    def build(self) -> nn.Module:
        """A freshly initialised decoder that knows which shapes ever move."""
        targets = self._target_sample()
        shapes = tuple(name for name, top in zip(ARKIT_52, targets.max(0), strict=True) if top > 0.02)
        self.model_config = self.config.model.model_copy(update={"shapes": shapes})
        decoder = Decoder(self.model_config)
        with torch.no_grad():  # start from the mean face
            decoder.coefficients.weight.mul_(0.1)
            decoder.coefficients.bias.copy_(torch.from_numpy(targets.mean(0)))
        return decoder

    def batch(self, rng: np.random.Generator) -> Batch:
        """Crops: ``mel`` and ``prosody`` with the encoder's context around, emotion, style and target coefficients."""
        columns: dict[str, list[NDArray[Any]]] = {
            k: [] for k in ("mel", "prosody", "posterior", "intensity", "style", "target", "closure", "weight")
        }
        pools = (
            (self.grid, self.training, self.config.tracked_crops),
            (self.read, self.taught, self.config.taught_crops),
        )
        for store, copies, count in pools:
            for _ in range(count):
                copy = copies[int(rng.integers(len(copies)))]
                self._add_crop(columns, store, copy, rng, self.spoken[copy.key])
        for _ in range(self.config.pause_crops):
            copy = self.noise.copies[int(rng.integers(len(self.noise.copies)))]
            self._add_crop(columns, self.noise, copy, rng, None)
        return {name: torch.from_numpy(np.stack(rows).astype(np.float32)) for name, rows in columns.items()}

    def _add_crop(
        self,
        columns: dict[str, list[NDArray[Any]]],
        store: FeatureStore,
        copy: Copy,
        rng: np.random.Generator,
        spoken: SpokenMotion | None,
    ) -> None:
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
            motion = pause(frames)
        else:
            mel = mask_spectrum(mel, rng) if rng.random() < 0.4 else mel
            if rng.random() < 0.2:
                mel, prosody = gate_pauses(mel, prosody, crop.prosody[:, 0], margin, rng)
            motion = spoken.at(crop.times.reshape(-1, 2).mean(1)[margin:-margin] * RATE - 0.5)
            if store is self.read:
                motion = replace(motion, gap=motion.gap * emphasis(prosody[:, 0]))
        target, posterior, intensity, style = self._compose(motion, rng, liveliness_of(prosody[:, 0]))
        weight = np.array(self.config.taught_weight if store is self.read else 1.0)
        values = (mel, prosody, posterior, intensity, style, target, motion.closure, weight)
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """See ``DecoderLoss``; the encoder runs here so that it shares the model's device."""
        margin = self.encoder.context
        device = batch["mel"].device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            hidden = self.encoder.to(device)(batch["mel"])[:, margin:-margin].float()
        speech = speech_input(hidden, batch["prosody"])
        predicted = model(speech, batch["posterior"], batch["intensity"], batch["style"]).float()
        losses = self.criterion(predicted, batch["target"], batch["closure"], batch["weight"])
        c = self.config
        losses["total"] = (
            losses["coefficients"]
            + losses["vertices"]
            + c.velocity_weight * losses["velocity"]
            + c.gap_weight * losses["gap"]
            + c.width_weight * losses["width"]
            + c.closure_weight * losses["closure"]
        )
        return losses

    def validate(self, model: nn.Module) -> dict[str, float]:
        """On the validation sentences: neutral lips against the tracker, and emotional coefficients against theirs."""
        assert isinstance(model, Decoder)
        figures: dict[str, list[float]] = {"lip_r": [], "width_r": [], "upper_rmse": [], "emotional_rmse": []}
        counts, rng = ClosureCounts(), np.random.default_rng(1)
        upper = [i for n, i in INDEX.items() if n.startswith(("brow", "eyeWide", "eyeSquint", "cheekSquint"))]
        for copy in (c for c in self.grid.copies if c.copy == 0 and self.clips[c.key].split == "valid"):
            clip = self.clips[copy.key]
            speech, talking = self._hear(self.grid, copy)
            times = (np.arange(speech.shape[1]) + 0.5) / RATE
            spoken = self.spoken[copy.key].at(times * RATE - 0.5)
            energy = speech[0, :, -4].cpu().numpy() * PROSODY_SCALE[0] + PROSODY_MEAN[0]
            target, *condition = self._compose(spoken, rng, liveliness_of(energy.astype(np.float32)))
            posterior, intensity, style = (torch.from_numpy(v)[None].to(speech.device) for v in condition)
            neutral = model(speech, posterior, intensity * 0, style * 0)[0].clamp(0, 1).cpu().numpy()
            emotional = model(speech, posterior, intensity, style)[0].clamp(0, 1).cpu().numpy()
            gap = lip_aperture(self.face, neutral) - self.gauge.rest
            width = np.interp(times, clip.times, clip.feature("inner_lip_width"))
            figures["lip_r"].append(correlation(gap[talking], spoken.gap[talking]))
            figures["width_r"].append(correlation(lip_width(self.face, neutral)[talking], width[talking]))
            figures["upper_rmse"].append(float(np.sqrt(np.mean((emotional - target)[:, upper] ** 2))))
            figures["emotional_rmse"].append(float(np.sqrt(np.mean((emotional - target) ** 2))))
            spans = self.spans[copy.key]
            stops = [(s.start, s.end) for s in spans if s.phone in BILABIAL]
            vowels = [(s.start, s.end) for s in spans if s.phone in VOWELS]
            count_closures(counts, times, gap, spoken.gap, stops, vowels)
        means = {name: float(np.mean(values)) for name, values in figures.items()}
        means |= self._validate_unseen(model)
        means |= {"closure_recall": counts.recall, "closure_false": counts.false_rate, "closure_f1": counts.f1}
        score = means["lip_r"] + 0.3 * means["width_r"] + 0.3 * counts.f1 - 2 * means["emotional_rmse"]
        score += 0.3 * means["unseen_closure_f1"]
        return means | {"score": score}

    def _validate_unseen(self, model: Decoder) -> dict[str, float]:
        """Closures on p, b, m and open vowels of new speakers, whose phones are aligned and lips untracked."""
        counts, open_gap = ClosureCounts(), []
        for copy in self.unseen[:40]:
            speech, _ = self._hear(self.read, copy)
            zero = speech.new_zeros(1, speech.shape[1])
            coefficients = model(speech, zero[..., None].expand(-1, -1, 7), zero, zero[:, :2])[0]
            gap = lip_aperture(self.face, coefficients.clamp(0, 1).cpu().numpy()) - self.gauge.rest
            times = (np.arange(len(gap)) + 0.5) / RATE
            spans = self.read_spans[copy.key]
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
