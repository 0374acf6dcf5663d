"""Window statistics of every labelled recording, computed once: the diarizer's perceptrons train on these alone.

One vector of functionals (means and deviations over several windows) is kept for every 160 ms of speech. Beside them:
the voices that speakers are enrolled by, and the inputs of the frame network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sedtalker.emotion.frame_network import frame_inputs
from sedtalker.emotion.functionals import SPOKEN, VOICED, VOICED_ABOVE, Voice, moments
from sedtalker.emotion.network import ROW, DiarizerNetwork, FrameBatch
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.features import MEL_BANDS
from sedtalker.training.corpora.cache import Item, open_arrays
from sedtalker.training.corpora.emotion_features import EmotionFeatures
from sedtalker.training.corpora.emotion_speech import SILENCE

ARRAYS = ("values", "recording", "label", "level")
"""Arrays of ``WindowStatistics`` that are kept on disk; the last one marks the end of a build."""
TOGETHER = 24
"""Recordings that are computed as one batch."""
INPUTS_FORMAT = 1
"""Version of the cached inputs of the frame network; another one makes them anew."""


@dataclass(frozen=True, eq=False)
class WindowStatistics:
    """Statistics of the speech of many recordings, every 160 ms, labelled by what is spoken in the middle.

    Attributes:
        values: (N, F) float16 functionals.
        recording: (N,) int32 index into ``features``.
        label: (N,) int8 index into the categories.
        level: (N,) int8 step of intensity.
        features: the recordings.
    """

    values: NDArray[np.float16]
    recording: NDArray[np.int32]
    label: NDArray[np.int8]
    level: NDArray[np.int8]
    features: EmotionFeatures

    def __len__(self) -> int:
        return len(self.label)


def open_window_statistics(
    features: EmotionFeatures, network: DiarizerNetwork, hook: Hook = no_progress
) -> WindowStatistics:
    """The statistics of these features over a network's windows, computed on first use beside them."""
    hidden = "" if features.hidden_name is None else features.hidden_name
    key = hashlib.sha256(repr((2, network.config.windows, hidden)).encode()).hexdigest()[:12]
    paths = {name: features.folder / f"rows-{key}-{name}.npy" for name in ARRAYS}
    batches = -(-len(features) // TOGETHER)
    made = open_arrays(paths, lambda first: _statistics(features, network, first), "window statistics", batches, hook)
    return WindowStatistics(**made, features=features)


def _batches(count: int, first: int) -> Iterator[NDArray[np.intp]]:
    """Indices of ``TOGETHER`` recordings each, from batch ``first`` on."""
    for start in range(first * TOGETHER, count, TOGETHER):
        yield np.arange(start, min(start + TOGETHER, count))


@torch.no_grad()
def _statistics(features: EmotionFeatures, network: DiarizerNetwork, first: int) -> Iterator[Item]:
    """Batches of statistics where somebody speaks, in order of recordings."""
    for chosen in _batches(len(features), first):
        batch, labels, levels = collate(features, chosen)
        values, _ = network.describe(batch)
        middle = np.minimum(np.arange(values.shape[1]) * ROW + ROW // 2, labels.shape[1] - 1)
        label = labels[:, middle]
        keep = (label >= 0) & (label < SILENCE)
        yield {
            "values": values[torch.from_numpy(keep)].half().numpy(),
            "recording": np.repeat(chosen, keep.sum(1)).astype(np.int32),
            "label": label[keep].astype(np.int8),
            "level": levels[:, middle][keep].astype(np.int8),
        }


def collate(
    features: EmotionFeatures, chosen: NDArray[np.integer]
) -> tuple[FrameBatch, NDArray[np.int64], NDArray[np.int64]]:
    """Whole recordings, the last frame held up to the longest, with labels and levels (B, T), -1 in padding."""
    bounds = [(int(features.starts[i]), int(features.starts[i + 1])) for i in chosen]
    longest = max(last - first for first, last in bounds)
    size = len(bounds), longest
    hidden = 0 if features.hidden is None else features.hidden.shape[1]
    mel, prosody = np.zeros((*size, MEL_BANDS), np.float32), np.zeros((*size, 4), np.float32)
    deep = np.zeros((*size, hidden), np.float32)
    speech, valid = np.zeros(size, bool), np.zeros(size, bool)
    labels, levels = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    for row, (first, last) in enumerate(bounds):
        part = slice(0, last - first)
        halves = np.asarray(features.mel[2 * first : 2 * last], np.float32)
        mel[row, part] = halves.reshape(-1, 2, MEL_BANDS).mean(1)
        prosody[row, part], speech[row, part] = features.prosody[first:last], features.speech[first:last]
        labels[row, part], levels[row, part] = features.labels[first:last], features.levels[first:last]
        if features.hidden is not None:
            deep[row, part] = features.hidden[first:last]
        valid[row, part] = True
        for array in (mel, prosody, deep):
            array[row, last - first :] = array[row, last - first - 1]
    batch = FrameBatch(
        mel=torch.from_numpy(mel),
        prosody=torch.from_numpy(prosody),
        speech=torch.from_numpy(speech),
        valid=torch.from_numpy(valid),
        hidden=torch.from_numpy(deep) if hidden else None,
    )
    return batch, labels, levels


# --- The voices of single clips, to enrol a speaker by other clips than the one at hand.


class SpeakerVoices:
    """Each clip's statistics in the longest window, and which clips are of one speaker.

    Attributes:
        weight: (R, 2) float32 frames of speech and of voiced speech of every recording.
    """

    def __init__(self, statistics: WindowStatistics, recordings: NDArray[np.integer]):
        """Statistics of the single clips among ``recordings``."""
        features = statistics.features
        self.weight = _counts(statistics)
        owner = np.asarray(statistics.recording)
        hidden = 0 if features.hidden is None else features.hidden.shape[1]
        size = 2 * (SPOKEN + hidden + VOICED)
        starts = np.searchsorted(owner, np.arange(len(features) + 1))
        singles = recordings[(features.category[recordings] >= 0) & (np.diff(starts)[recordings] > 0)]
        self.mean = np.zeros((len(features), size // 2), np.float32)
        self.square = np.zeros_like(self.mean)
        for r in singles:
            last = np.asarray(statistics.values[starts[r] : starts[r + 1], -size:], np.float32)
            mean, square = moments(torch.from_numpy(last))
            self.mean[r], self.square[r] = mean.mean(0), square.mean(0)
        self.speaker = list(zip(features.corpus.tolist(), features.speaker.tolist(), strict=True))
        members: dict[tuple[str, str], list[int]] = {}
        for r in singles:
            members.setdefault(self.speaker[r], []).append(int(r))
        self.clips = {speaker: np.array(clips) for speaker, clips in members.items()}
        self.neutral = features.category == 0

    def choose(self, recording: int, count: int, rng: np.random.Generator, neutral: bool = False) -> NDArray[np.int64]:
        """Up to ``count`` other clips of the recording's speaker; neutral ones if asked for and if there are any."""
        others = self.clips.get(self.speaker[recording], np.zeros(0, np.int64))
        others = others[others != recording]
        calm = others[self.neutral[others]]
        choice = calm if neutral and len(calm) else others
        return rng.choice(choice, min(count, len(choice)), replace=False) if len(choice) else choice

    def pool(self, chosen: Sequence[NDArray[np.integer]]) -> Voice:
        """The pooled voice of each choice of clips, leading dimension N."""
        weights, means, squares = [], [], []
        for clips in chosen:
            each = np.repeat(self.weight[clips], (self.mean.shape[1] - VOICED, VOICED), axis=1)
            total = each.sum(0).clip(1e-6)
            weights.append(self.weight[clips].sum(0))
            means.append((each * self.mean[clips]).sum(0) / total)
            squares.append((each * self.square[clips]).sum(0) / total)
        width = self.mean.shape[1]
        return Voice(_stacked(weights, 2), _stacked(means, width), _stacked(squares, width))


def _stacked(parts: list[NDArray[np.floating]], width: int) -> Tensor:
    return torch.from_numpy(np.array(parts, np.float32).reshape(-1, width))


def _counts(statistics: WindowStatistics) -> NDArray[np.float32]:
    """Frames of speech and of voiced speech (R, 2) of every recording."""
    features = statistics.features
    speech = np.asarray(features.speech)
    voiced = speech & (np.asarray(features.prosody[:, 2], np.float32) > VOICED_ABOVE)
    total = np.concatenate([np.zeros((1, 2)), np.cumsum(np.stack([speech, voiced], 1), 0)])
    return np.diff(total[features.starts], axis=0).astype(np.float32)


# --- Inputs of the frame network for every recording, computed once.


def open_inputs(features: EmotionFeatures, hook: Hook = no_progress) -> NDArray[np.float16]:
    """(frames, 91) float16 at 50 Hz; recording i owns frames ``features.starts[i]:features.starts[i + 1]``."""
    paths = {"inputs": features.folder / f"inputs-{INPUTS_FORMAT}.npy"}
    batches = -(-len(features) // TOGETHER)
    made = open_arrays(paths, lambda first: _inputs(features, first), "inputs of the frame network", batches, hook)
    return made["inputs"]


def _inputs(features: EmotionFeatures, first: int) -> Iterator[Item]:
    for chosen in _batches(len(features), first):
        batch, _, _ = collate(features, chosen)
        made = frame_inputs(batch.mel, batch.prosody, batch.speech, batch.valid).half().numpy()
        lengths = np.diff(features.starts)[chosen]
        yield {"inputs": np.concatenate([values[:length] for values, length in zip(made, lengths, strict=True)])}
