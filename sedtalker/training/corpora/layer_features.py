"""Features of clips and of degraded copies of them, with the layers of a teacher on the same sound, cached.

The teacher is Whisper-base (Radford et al. 2022): outputs of its layers 2 and 3, projected to fewer channels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sedtalker.arrays import Floats, Mask
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint, weights_sha256
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.encoder_networks import EmotionEncoder
from sedtalker.speech.features import analyse, centre_bands, pair_means
from sedtalker.speech.whisper import LAYERS, WhisperEncoder
from sedtalker.training.corpora.cache import Item, WaveformStore, cache_key, open_arrays, open_samples, sounds_key
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.transfer_recipe import DEGRADED, TransferAugmenter
from sedtalker.training.task import Count, FreeTaskConfig

FORMAT = 5
"""Version of the cached arrays; another one makes them anew."""
ARRAYS = ("mel", "means", "prosody", "speech", "teacher", "starts")
"""Arrays of ``LayerFeatures`` that are kept on disk; the last one marks the end of a build."""
TRAINING_NOISES = ("rain", "sea-waves", "dog-bark", "clock-tick", "fire-crackling", "person-sneeze")
"""Kinds of ESC-10 used in training; helicopter, chainsaw, rooster and crying baby are for tests."""
SOUNDS, HUMAN_SOUNDS = "esc10", ("baby-cry", "person-sneeze")
"""A corpus of sounds, most of which are no voices, and the kinds that people make."""
READ_SPEECH = ("librispeech", "speechocean762")
"""Corpora that make babble."""
BABBLE_EVERY = 4
"""One in so many recordings of read speech is kept for babble."""
WHISPER = "whisper-base"
"""Name of the vectors that are the teacher's own."""
TEACHER = "openai/whisper-base"
"""The teacher on the Hugging Face hub."""
TEACHER_FILE = "teacher/whisper_base_blocks1to4_fp16.npz"
"""The teacher's first blocks in the folder of the training data, used where they are."""


@dataclass(frozen=True, eq=False)
class LayerFeatures:
    """Recordings one after another; recording i owns frames ``starts[i]:starts[i + 1]`` of 20 ms.

    Attributes:
        mel: (2 · frames, 80) float16 log-mels at a fixed level.
        means: (R, 80) float32 of the log-mels of each recording's speech.
        prosody: (frames, 4) float16.
        speech: (frames,) bool.
        starts: (R + 1,) int64.
        teacher: (frames, C) float16 projected layers of the teacher on the same sound; None without a teacher.
    """

    mel: NDArray[np.float16]
    means: Floats
    prosody: NDArray[np.float16]
    speech: Mask
    starts: NDArray[np.int64]
    teacher: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def recording(self, index: int, encoder: EmotionEncoder | None) -> tuple[Floats, Floats, Floats, Floats]:
        """Log-mels (2T, 80), centred ones (T, 80), prosody (T, 4) and hidden vectors (T, C) of a recording.

        Without an encoder the vectors are the teacher's.
        """
        part = slice(int(self.starts[index]), int(self.starts[index + 1]))
        mel = np.asarray(self.mel[2 * part.start : 2 * part.stop], np.float32)
        if encoder is None:
            assert self.teacher is not None
            hidden = np.asarray(self.teacher[part], np.float32)
        else:
            hidden = encoder.hidden(mel[None])[0]
        centred = pair_means(centre_bands(mel, np.array(self.means[index])))
        return mel, centred, np.asarray(self.prosody[part], np.float32), hidden


# --- The teacher.


@dataclass(frozen=True, eq=False)
class Teacher:
    """Frozen layers and their projection.

    Attributes:
        encoder: Whisper's lower layers, L channels in all.
        mean: (L,) taken off the layers' outputs.
        projection: (L, C).
    """

    encoder: WhisperEncoder
    mean: Tensor
    projection: Tensor

    @property
    def channels(self) -> int:
        """Size C of the projected vectors."""
        return int(self.projection.shape[1])

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights and the projection."""
        values = [v.half().numpy().tobytes() for v in (self.mean, self.projection)]
        return hashlib.sha256(b"".join([self.encoder.sha256().encode(), *values])).hexdigest()

    def __call__(self, samples: Floats) -> Tensor:
        """Projected layers (T, C) of samples (N,) on the clock of the built-in encoder."""
        return (torch.from_numpy(self.encoder.frames(samples)) - self.mean) @ self.projection


class Vectors(NamedTuple):
    """Frozen vectors: a teacher's layers, or those of an emotion encoder of the checkpoint ``folder``."""

    teacher: Teacher | None
    encoder: EmotionEncoder | None
    folder: Path

    @property
    def channels(self) -> int:
        """Size of the vectors."""
        if self.teacher is not None:
            return self.teacher.channels
        assert self.encoder is not None
        return self.encoder.config.channels

    def sha256(self) -> str:
        """Hash of the weights that make them."""
        return self.teacher.encoder.sha256() if self.teacher is not None else weights_sha256(self.folder)


def load_teacher(data: Path, source: str | None = None) -> Teacher:
    """Whisper-base with the projection of the built-in whisper-base diarizer.

    Args:
        source: folder or name on the hub of Whisper's weights, or an ``.npz`` of its blocks; None: ``TEACHER_FILE``
            where the training data have it, else ``TEACHER``.
    """
    _, state = read_checkpoint(builtin_checkpoint("diarizer_whisper_base"), "diarizer", DiarizerConfig)
    return Teacher(open_whisper(data, source), state["layer_mean"], state["layer_projection"])


def open_vectors(source: str | None, data: Path, teacher: str | None = None) -> Vectors:
    """What heads on frozen vectors read.

    Args:
        source: checkpoint folder of an emotion encoder; None: the built-in one; ``WHISPER``: the teacher's layers.
        teacher: see ``load_teacher``.
    """
    if source == WHISPER:
        return Vectors(load_teacher(data, teacher), None, Path())
    folder = Path(source) if source else builtin_checkpoint("emotion_encoder")
    return Vectors(None, open_model(folder, "emotion_encoder", in_torch=True), folder)


def open_whisper(data: Path, source: str | None = None, layers: tuple[int, ...] = LAYERS) -> WhisperEncoder:
    """Whisper-base as an encoder of some of its layers; for the arguments and errors see ``load_teacher``."""
    if source is None:
        source = str(data / TEACHER_FILE) if (data / TEACHER_FILE).is_file() else TEACHER
    if source.endswith(".npz"):
        return WhisperEncoder.open(Path(source), layers)
    encoder = open_encoder(BackboneConfig(name=source, side_by_side=layers))
    assert isinstance(encoder, WhisperEncoder)
    return encoder


class WindowsTaskConfig(FreeTaskConfig):
    """What is said of a task that learns from windows of clips, on frozen vectors."""

    encoder: str | None = None
    """Checkpoint folder of an emotion encoder; null: the built-in one; ``whisper-base``: its layers themselves."""
    teacher: str | None = None
    """Weights of Whisper-base for that: a folder, a name on the hub, an ``.npz``; null: see ``load_teacher``."""
    copies: dict[str, tuple[int, ...]] = {}
    """Copies of each corpus, see ``TransferAugmenter.copy``; those not named: their clips alone."""
    windows_per_clip: Count
    """Most windows of speech that are taken of a clip."""
    batch: Count = 384
    """Windows in a batch."""
    noise: float = 0.3
    """Deviation of the noise added to standardised or whitened inputs."""


# --- Clips and the material of their copies.


def read_transfer_augmenter(
    every: Sequence[Clip], copies: Iterable[int], cache: Path, hook: Hook = no_progress
) -> TransferAugmenter:
    """Training noises, rooms and read speech among the clips of a manifest; what is missing is not drawn.

    Nothing is read where none of the copies is degraded.
    """
    if max(copies, default=0) < DEGRADED:
        return TransferAugmenter()
    noises = [c for c in every if c.corpus == "esc10" and c.emotion.endswith(TRAINING_NOISES)]
    noises += [c for c in every if c.emotion == "other:noise"] * 3  # few, so each counts three times
    responses = [c for c in every if c.emotion == "other:rir"]
    read = [c for c in every if c.corpus in READ_SPEECH and c.split == "train"][::BABBLE_EVERY]
    noise, rooms, babble = (open_samples((c.path for c in part), cache, hook) for part in (noises, responses, read))
    return TransferAugmenter(noise, rooms, babble=babble)


# --- The cache.


def open_layer_features(
    clips: Sequence[Clip],
    copy: int,
    augmenter: TransferAugmenter,
    cache: Path,
    teacher: Teacher | None = None,
    hook: Hook = no_progress,
) -> LayerFeatures:
    """The features of one copy of these clips, computed on first use (some 45 times real time on one core).

    Args:
        copy: which, see ``TransferAugmenter.copy``.
        teacher: whose layers are wanted as well, if any.
    """
    names = [[c.corpus for c in clips], sounds_key(c.path for c in clips)]
    material = [len(augmenter.noises), len(augmenter.responses), len(augmenter.babble)]
    key = cache_key(FORMAT, copy, names, material if copy >= DEGRADED else [], teacher.sha256 if teacher else "")
    folder = cache / f"layers-{key}"
    store = WaveformStore.open([c.path for c in clips], cache, hook)

    def make(first: int) -> Iterator[Item]:
        for index in range(first, len(clips)):
            samples = augmenter.copy(store[index], copy, np.random.default_rng((copy, index)))
            yield _analysed(np.ascontiguousarray(samples), teacher)

    paths = {name: folder / f"{name}.npy" for name in ARRAYS if teacher is not None or name != "teacher"}
    arrays: dict[str, Any] = open_arrays(paths, make, f"features, copy {copy}", len(clips), hook)
    return LayerFeatures(**arrays)


def _analysed(samples: Floats, teacher: Teacher | None) -> dict[str, NDArray[Any]]:
    """What one recording adds to the arrays."""
    found = analyse(samples)
    prosody, speech = found.frames
    item: dict[str, NDArray[Any]] = {
        "mel": found.mel.astype(np.float16),
        "means": found.means[None],
        "prosody": prosody.astype(np.float16),
        "speech": speech,
        "starts": np.array([len(found.mel) // 2], np.int64),
    }
    return item if teacher is None else item | {"teacher": teacher(samples).half().numpy()}
