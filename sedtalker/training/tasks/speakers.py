"""Training of the speaker network on dialogues made of free recordings: voices, and where each of them speaks.

Two objectives share the frames: the voice of everybody who speaks alone for a while is distinguished from all others
of the training set (additive angular margin, Deng et al. 2019, arXiv 1801.07698), and a voice, sometimes impure or of
nobody present, is looked for in the dialogue (binary cross-entropy in every frame). The encoders of lips and emotion
stay as they are; their vectors are made on the device, too. One network is trained; it may join others.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from pydantic import field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.audio import SAMPLE_RATE
from sedtalker.audio.activity import LOUD, QUIET, speech_threshold
from sedtalker.checkpoint import read_config, write_checkpoint
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook
from sedtalker.speakers.speaker_model import SpeakerConfig, SpeakersConfig, vector_encoders
from sedtalker.speakers.speaker_network import SpeakerNetwork, SpeakerNetworks
from sedtalker.speech.encoder_model import GRID
from sedtalker.speech.features import EMOTION, HOPS, LOG_FLOOR, SPEECH
from sedtalker.training.cards import fill_card, learned_from
from sedtalker.training.corpora.augmentation import read_material
from sedtalker.training.corpora.cache import WaveformStore
from sedtalker.training.corpora.device_dialogues import (
    PLACES,
    DeviceSounds,
    PlannedVoice,
    SoundBank,
    SoundChanges,
    plan_dialogue,
    to_batch,
)
from sedtalker.training.corpora.joined_speech import SPEAKER_FRAME, DialogueRule
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import clips_of
from sedtalker.training.corpora.transfer_recipe import TransferAugmenter
from sedtalker.training.task import Batch, Count, FreeTaskConfig, Positive, Task

VALID_DIALOGUES = 96
"""Dialogues of speakers never trained on that are validated on."""
FEWEST_FRAMES = 12
"""Frames that somebody has to speak alone for their voice to count: half a second."""


class SpeakersTaskConfig(FreeTaskConfig):
    """What ``configs/experiment/speakers.yaml`` says about the task."""

    model: SpeakerConfig = SpeakerConfig()
    """Sizes of the network."""
    beside: Path | None = None
    """Checkpoint folder of the networks that the trained one joins; none: it answers alone."""
    corpora: dict[str, float] = {"cremad": 0.36, "librispeech": 0.28, "speechocean762": 0.24, "banglaser": 0.12}
    """Share of the dialogues of each corpus; all speakers of a dialogue are of one."""
    dialogues: Count = 64
    """Dialogues in a batch."""
    seconds: Positive = 10.0
    """Length of one."""
    crops: Count = 256
    """Short pieces of single speakers in a batch, for the recognition of voices alone."""
    crop_seconds: Positive = 1.92
    """Length of one."""
    speakers: tuple[float, ...] = (0.12, 0.5, 0.38)
    """Chance of one, two and three speakers."""
    faster: float = 0.5
    """Chance that a speaker's clips are played slower or faster, which makes another person of them."""
    impure: float = 0.3
    """Chance that a tenth to a third of the frames of a voice that is looked for are of other people."""
    scale: float = 24.0
    """Scale of the cosines of the angular margin."""
    margin: float = 0.1
    """Angular margin, radians."""
    voice_loss: float = 0.2
    """Weight of the recognition of voices."""
    count_loss: float = 0.3
    """Weight of the number of speakers in each frame."""

    @field_validator("speakers")
    @classmethod
    def _chances(cls, speakers: tuple[float, ...]) -> tuple[float, ...]:
        if len(speakers) != PLACES or min(speakers) < 0.0 or not math.isclose(sum(speakers), 1.0):
            raise ValueError("give the chances of one, two and three speakers, which add up to 1")
        return speakers


SPEEDS = (0.83, 0.91, 1.0, 1.1, 1.2)
"""How fast clips are played; each makes other people of the speakers."""


class WithClasses(nn.Module):
    """The network and a direction for each training speaker at each speed, which training alone needs."""

    def __init__(self, network: SpeakerNetwork, classes: int):
        super().__init__()
        self.network = network
        self.classes = nn.Parameter(torch.randn(classes, network.config.voice) * 0.05)


class DeviceVectors(nn.Module):
    """``encoder_vectors`` of log-mels (B, 4T, 80) on a device, by the built-in encoders in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.lips = open_model(SPEECH, "speech_encoder", in_torch=True)
        self.emotion = open_model(EMOTION, "emotion_encoder", in_torch=True)
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, mel: Tensor) -> Tensor:
        centred = (mel - _speech_means(mel)).clamp(-8.0, 8.0)  # as ``centre_bands``
        hidden = self.lips(centred)
        phones = self.lips.phone_head(hidden).softmax(-1)
        lips = torch.cat([hidden, phones], -1).unflatten(1, (-1, 2)).mean(2)
        around = self.emotion.around  # as ``MelNetwork.hidden``
        silent = F.pad(mel, (0, 0, HOPS * around, HOPS * around), value=float(np.log(LOG_FLOOR)))
        return torch.cat([lips, self.emotion.coarse(silent)[:, around // GRID :][:, : lips.shape[1]]], -1)


def _speech_means(mel: Tensor) -> Tensor:
    """(B, 1, 80) ``band_means`` of log-mels (B, T, 80) over their ``speech_mask``."""
    level = F.avg_pool1d(F.pad(mel.logsumexp(-1)[:, None], (5, 5), mode="replicate"), 11, 1)[:, 0]
    quiet, loud = torch.quantile(level, torch.tensor([QUIET, LOUD], device=mel.device), dim=1)
    thresholds = [speech_threshold(q, high) for q, high in zip(quiet.tolist(), loud.tolist(), strict=True)]
    spoken = (level > torch.tensor(thresholds, device=mel.device)[:, None]).float()[..., None]
    return (mel * spoken).sum(1, keepdim=True) / spoken.sum(1, keepdim=True).clamp_min(1.0)


class SpeakersTask(Task[SpeakersTaskConfig, WithClasses]):
    """See ``sedtalker.training.task.Task``."""

    settings = SpeakersTaskConfig
    fast: ClassVar = {"dialogues": 2, "seconds": 3.0, "crops": 4}
    checkpoints: ClassVar = {"beside": "speakers"}

    def read_data(self, hook: Hook) -> None:
        """All recordings at all speeds, by speaker."""
        manifest = read_manifest(self.data)
        noises, rooms = read_material(self.data)
        self.changes = SoundChanges(
            TransferAugmenter(noises, rooms, snr=(3.0, 30.0), telephone=0.2, transcoded=0.0, clipped=0.03)
        )
        self.people = 0
        self.train = self._corpora(manifest, "train", hook)
        self.classes = len(SPEEDS) * self.people
        self.held_out = self._corpora(manifest, "valid", hook)
        self.sounds: dict[bool, DeviceSounds] = {}
        self.vectors = DeviceVectors() if self.config.model.vectors else None

    def _corpora(self, manifest: list[Clip], split: str, hook: Hook) -> dict[str, Voices]:
        found, begin = dict[str, Voices](), 0
        for name in self.config.corpora:
            clips = [clip for clip in clips_of(manifest, name, split) if clip.duration >= 0.6]  # seconds
            by_speaker = defaultdict(list)
            for index, clip in enumerate(clips):
                by_speaker[clip.speaker].append(index)
            store = WaveformStore.open([clip.path for clip in clips], self.cache, hook)
            bank = SoundBank.open(store, SPEEDS, self.cache, hook)
            found[name] = Voices(bank, list(by_speaker.values()), self.people, begin)
            self.people += len(by_speaker)
            begin += len(bank.frames)
        return found

    def build(self) -> WithClasses:
        return WithClasses(SpeakerNetwork(self.config.model), self.classes)

    def batch(self, rng: np.random.Generator) -> Batch:
        """What is said in the dialogues and crops of a batch; ``losses`` makes the sound."""
        crops, who = [], []
        for _ in range(self.config.crops):
            corpus = self._drawn(self.train, rng)
            speaker = int(rng.integers(len(corpus.clips)))
            voice = self._voice(corpus, speaker, 1, rng)
            first, length = corpus.bank.place(voice.clips[0], voice.speed)
            offset = int(rng.integers(max(1, length - self._crop_frames + 1)))
            crops.append((corpus.begin + first, offset, length))
            who.append(len(SPEEDS) * (corpus.first + speaker) + voice.speed)
        plan = self._plan(self.train, self.config.dialogues, rng)
        return plan | {"crops": torch.tensor(crops), "crop_who": torch.tensor(who)}

    def _drawn(self, voices: dict[str, Voices], rng: np.random.Generator) -> Voices:
        """A corpus by its share."""
        shares = np.array([self.config.corpora[name] for name in voices])
        return list(voices.values())[int(rng.choice(len(shares), p=shares / shares.sum()))]

    def _voice(self, corpus: Voices, speaker: int, count: int, rng: np.random.Generator) -> PlannedVoice:
        speed = int(rng.integers(len(SPEEDS))) if rng.random() < self.config.faster else SPEEDS.index(1.0)
        return PlannedVoice(rng.permutation(corpus.clips[speaker])[:count].tolist(), speed)

    def _plan(self, voices: dict[str, Voices], count: int, rng: np.random.Generator) -> Batch:
        """``turns`` and ``levels`` of ``DeviceSounds.dialogues``, and ``who`` (B, 3), classes of the speakers."""
        frames, turns, who = self._frames, [], np.full((count, PLACES), -1)  # nobody
        levels = 10 ** (rng.uniform(*DialogueRule().levels, (count, PLACES)) / 20)
        for row in range(count):
            corpus = self._drawn(voices, rng)
            size = min(1 + int(rng.choice(PLACES, p=self.config.speakers)), len(corpus.clips))
            chosen = rng.choice(len(corpus.clips), size, replace=False).tolist()
            drawn = [self._voice(corpus, speaker, 4, rng) for speaker in chosen]
            rule = DialogueRule(overlap=float(rng.uniform(0.0, 0.9)))
            planned = plan_dialogue(corpus.bank, drawn, frames, rng, rule)
            turns.append([(place, corpus.begin + first, at, length) for place, first, at, length in planned])
            who[row, :size] = [
                len(SPEEDS) * (corpus.first + speaker) + voice.speed
                for speaker, voice in zip(chosen, drawn, strict=True)
            ]
        return to_batch(turns, levels) | {"who": torch.from_numpy(who)}

    @property
    def _frames(self) -> int:
        return int(SAMPLE_RATE * self.config.seconds) // SPEAKER_FRAME

    @property
    def _crop_frames(self) -> int:
        return round(SAMPLE_RATE * self.config.crop_seconds) // SPEAKER_FRAME

    def _on(self, device: torch.device, training: bool) -> DeviceSounds:
        """The recordings in a device's memory: those of training, or those that are held out."""
        if training not in self.sounds:
            voices = self.train if training else self.held_out
            self.sounds[training] = DeviceSounds([each.bank for each in voices.values()], self.changes, device)
        return self.sounds[training]

    def losses(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the number of speakers, of the voices' classes, and of where each voice speaks."""
        network, c = cast("WithClasses", model).network, self.config
        with torch.no_grad(), torch.autocast(batch["who"].device.type, enabled=False):
            sounds = self._on(batch["who"].device, training=True)
            mel, active = sounds.dialogues(batch["turns"], batch["levels"], self._frames)
            crop_mel = sounds.crops(batch["crops"], self._crop_frames)
        who = batch["who"]
        frames, counts = self._encoded(network, mel)
        number = active.sum(1).clamp_max(2).long()
        counted = F.cross_entropy(counts.float().flatten(0, 1), number.flatten())
        row, place, voice = self._spoken_alone(network, frames, active)
        crops, _ = self._encoded(network, crop_mel)
        short = network.pool(crops, torch.ones_like(crops[..., 0]))
        classes = cast("WithClasses", model).classes
        recognised = self._margin(classes, torch.cat([voice, short]), torch.cat([who[row, place], batch["crop_who"]]))
        found = self._found(network, frames, active, row, place)
        losses = {"counts": c.count_loss * counted, "voices": c.voice_loss * recognised, "activity": found}
        return losses | {"total": torch.stack(list(losses.values())).sum()}

    def _encoded(self, network: SpeakerNetwork, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Frames and counts of log-mels, with the encoders' vectors where the network reads them."""
        return network.encode(mel, None if self.vectors is None else self.vectors.to(mel.device)(mel))

    def _spoken_alone(self, network: SpeakerNetwork, frames: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Dialogue, place and voice (N, E) of everybody who speaks alone for long enough."""
        alone = active * (active.sum(1, keepdim=True) == 1)
        row, place = (alone.sum(2) >= FEWEST_FRAMES).nonzero(as_tuple=True)
        return row, place, network.pool(frames[row], alone[row, place])

    def _margin(self, classes: Tensor, voice: Tensor, who: Tensor) -> Tensor:
        cosines = voice.float() @ F.normalize(classes.float(), dim=-1).T
        own = cosines.gather(1, who[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        harder = torch.cos(torch.acos(own) + self.config.margin)
        return F.cross_entropy(self.config.scale * cosines.scatter(1, who[:, None], harder), who)

    def _found(self, network: SpeakerNetwork, frames: Tensor, active: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Loss of looking for voices: those present, made of a random part of their frames, and one of elsewhere."""
        alone = active * (active.sum(1, keepdim=True) == 1)
        others = active.amax(1)[row] - active[row, place]
        kept = (
            torch.rand_like(alone[row, place]) < torch.rand(len(row), 1, device=frames.device).clamp_min(0.2)
        ).float()
        dirt = torch.rand(len(row), 1, device=frames.device)
        share = torch.where(dirt < self.config.impure, 0.1 + dirt, torch.zeros_like(dirt))
        weight = alone[row, place] * kept
        dirty = weight + others.clamp_min(0) * share * weight.sum(1, keepdim=True) / others.sum(
            1, keepdim=True
        ).clamp_min(1)
        voice = network.pool(frames[row], dirty.clamp_max(1.0))
        present = _entropy(network.look_for(frames[row], voice), active[row, place])
        elsewhere = voice.roll(PLACES, 0)
        strange = (row != row.roll(PLACES, 0)).nonzero()[:, 0]
        logits = network.look_for(frames[row[strange]], elsewhere[strange])
        return present + 0.4 * _entropy(logits, torch.zeros_like(logits))

    @torch.no_grad()
    def validate(self, model: WithClasses) -> dict[str, float]:
        """Frame errors of held-out speakers' voices that are looked for, and how well voices are distinguished."""
        rng, wrong, total, voices, names = np.random.default_rng(1), 0.0, 0.0, [], []
        device = model.classes.device
        torch.manual_seed(1)  # of rooms and noises; the loop seeds every step by itself
        for _ in range(VALID_DIALOGUES // 8):
            batch = {key: value.to(device) for key, value in self._plan(self.held_out, 8, rng).items()}
            mel, active = self._on(device, training=False).dialogues(batch["turns"], batch["levels"], self._frames)
            frames, _ = self._encoded(model.network, mel)
            row, place, voice = self._spoken_alone(model.network, frames, active)
            found = model.network.look_for(frames[row], voice) > 0
            wrong += float((found != active[row, place].bool()).sum())
            total += float(active[row, place].sum())
            voices.append(voice)
            names.append(batch["who"][row, place])
        error = wrong / max(total, 1.0)
        every, who = torch.cat(voices), torch.cat(names)
        same = who[:, None] == who[None]
        upper = torch.ones_like(same).triu(1)
        cosines = every @ every.T
        rate = equal_error_rate(cosines[same & upper].cpu().numpy(), cosines[~same & upper].cpu().numpy())
        return {"frame_error": error, "equal_error_rate": rate, "score": -error - 0.5 * rate}

    def export(self, model: WithClasses, folder: Path, metrics: dict[str, float]) -> None:
        kept = {name: value for name, value in metrics.items() if name != "score"}
        members, others = [model.network], list[str]()
        if self.config.beside is not None:
            members = [*open_model(self.config.beside, "speakers", in_torch=True).members, *members]
            others += read_config(self.config.beside).trained_on
        if self.config.model.vectors:
            others.append(f"vectors of {SPEECH} (CC BY 4.0) and {EMOTION} (ODbL 1.0)")
        networks = SpeakerNetworks(SpeakersConfig(members=tuple(member.config for member in members)))
        networks.members = nn.ModuleList(members)
        encoder = vector_encoders().sha256() if networks.config.vectors else None
        config = learned_from("speakers", self.config.corpora, networks.config, kept, encoder, *others)
        write_checkpoint(folder, config, networks.state_dict(), fill_card("speakers", **config.metrics))


def _entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean cross-entropy of logits; 0 where there are none, as in dialogues in which nobody speaks alone for long."""
    total = F.binary_cross_entropy_with_logits(logits.float(), truth.float(), reduction="sum")
    return total / max(1, logits.numel())


@dataclass(frozen=True, eq=False)
class Voices:
    """The clips of a corpus by speaker.

    Attributes:
        bank: their sound.
        clips: for each speaker the indices of their clips.
        first: number of the first speaker among all that are trained on.
        begin: place of its first frame among those of all corpora.
    """

    bank: SoundBank
    clips: list[list[int]]
    first: int
    begin: int


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """The rate at which as many pairs of one speaker are taken for two as pairs of two for one."""
    thresholds = np.sort(np.concatenate([same, different]))
    missed = np.searchsorted(np.sort(same), thresholds) / max(len(same), 1)
    false = 1 - np.searchsorted(np.sort(different), thresholds) / max(len(different), 1)
    best = int(np.abs(missed - false).argmin())
    return float((missed[best] + false[best]) / 2)
