"""Recordings joined from clips of one speaker, and what the frame network reads of them, computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE, from_samples
from sedtalker.emotion.diarizer_model import STRIDE, DiarizerConfig
from sedtalker.emotion.frame_network import relative_channels
from sedtalker.emotion.inference import windows
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.progress import Hook, no_progress
from sedtalker.speech.encoder import Encoder
from sedtalker.training.corpora.augmentation import Augmenter, DiarizerAugmenter, change_speed
from sedtalker.training.corpora.cache import Item, WaveformStore, cache_key, open_arrays, open_samples, sounds_key
from sedtalker.training.corpora.joined_speech import JoinRule, Recording, SpeechPiece, category_of, choose_pieces, join
from sedtalker.training.corpora.manifest import Clip, read_manifest
from sedtalker.training.corpora.speech import clips_of, named_clips

FORMAT = 2
"""Version of the cached arrays; another one makes them anew."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Clips and how to read the samples of the i-th."""

    clips: list[Clip]
    read: Callable[[int], Floats]

    def piece(self, index: int, speed: float) -> SpeechPiece:
        """A labelled clip, played ``speed`` times as fast."""
        clip, samples = self.clips[index], self.read(index)
        samples = change_speed(samples, speed) if speed != 1.0 else samples
        return SpeechPiece(samples, category_of(clip), clip.corpus, clip.speaker)


def open_corpus(every: list[Clip], corpus: str, cache: Path) -> Corpus:
    """The clips of a corpus among those of the manifest, decoded on first use."""
    clips = named_clips(every, corpus)
    return Corpus(clips, WaveformStore.open([clip.path for clip in clips], cache).__getitem__)


def open_augmenter(every: list[Clip], cache: Path) -> DiarizerAugmenter:
    """A ``DiarizerAugmenter`` with the noises and room impulse responses of the manifest's ``noise_rir``."""
    clips = named_clips(every, "noise_rir")
    files = ([clip.path for clip in clips if clip.emotion == f"other:{kind}"] for kind in ("noise", "rir"))
    noises, responses = (open_samples(each, cache) for each in files)
    return DiarizerAugmenter(noises, responses)


def joined_recording(
    corpora: Mapping[str, Corpus],
    shares: Mapping[str, float],
    split: str,
    rng: np.random.Generator,
    rule: JoinRule = JoinRule(),
    augmenter: Augmenter | None = None,
) -> Recording:
    """One recording joined from clips of a random speaker of a random corpus; degraded where there is an augmenter."""
    names, chances = list(shares), np.array(list(shares.values()))
    name = names[rng.choice(len(names), p=chances / chances.sum())]
    corpus = corpora[name]
    speakers: dict[str, dict[int, list[int]]] = {}
    for index, clip in enumerate(corpus.clips):
        if clip.split == split and (category := category_of(clip)) >= 0:
            speakers.setdefault(clip.speaker, {}).setdefault(category, []).append(index)
    if not speakers:
        raise InputError(f"{name}: none of its {split} clips has an emotion: leave it out of task.corpora")
    speaker = sorted(speakers)[rng.integers(len(speakers))]
    chosen = choose_pieces(speakers[speaker], rule, rng)
    speed = augmenter.draw_speed(rng) if augmenter else 1.0
    recording = join([corpus.piece(i, speed) for i in chosen], rule, rng)
    return replace(recording, samples=augmenter.degrade(recording.samples, rng)) if augmenter else recording


# --- What the frame network reads of them.


@dataclass(frozen=True)
class JoinedDataset:
    """Which recordings a dataset holds.

    Attributes:
        split: ``train``, ``valid`` or ``test``.
        same: see ``JoinRule``.
        degraded: whether every other one is degraded.
        seed: of all random choices.
    """

    shares: Mapping[str, float]
    split: str
    recordings: int
    same: float
    degraded: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class JoinedInputs:
    """R recordings one after another; recording i owns frames ``starts[i]:starts[i + 1]`` of 40 ms.

    Attributes:
        inputs: (frames, C) float16 of ``relative_channels``.
        labels: (frames,) int8, see ``Recording``.
        starts: (R + 1,) int64.
    """

    inputs: NDArray[np.float16]
    labels: NDArray[np.int8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1


def open_joined_inputs(
    data: Path, cache: Path, dataset: JoinedDataset, encoder: Encoder, hook: Hook = no_progress
) -> JoinedInputs:
    """The inputs of a dataset with the hidden vectors of an encoder, computed on first use."""
    every = read_manifest(data)
    used = [clip for name in dataset.shares for clip in clips_of(every, name, dataset.split)]
    used += named_clips(every, "noise_rir") if dataset.degraded else []
    labels = [[c.corpus, c.speaker, c.emotion, c.intensity, c.split] for c in used]
    key = cache_key(FORMAT, asdict(dataset), encoder.sha256(), labels, sounds_key(c.path for c in used))
    folder = cache / f"joined-{dataset.split}-{key}"
    paths = {name: folder / f"{name}.npy" for name in ("inputs", "labels", "starts")}
    describer = DiarizerNetwork(DiarizerConfig(hidden_channels=encoder.channels, members=1, width=1)).eval()

    def make(first: int) -> Iterator[Item]:
        corpora = {name: open_corpus(every, name, cache) for name in dataset.shares}
        augmenter = open_augmenter(every, cache) if dataset.degraded else None
        rule = JoinRule(same=dataset.same)
        for number in range(first, dataset.recordings):
            rng = np.random.default_rng((dataset.seed, number))
            changed = augmenter if number % 2 else None
            yield _described(
                joined_recording(corpora, dataset.shares, dataset.split, rng, rule, changed), encoder, describer
            )

    return JoinedInputs(**open_arrays(paths, make, "analysing recordings", dataset.recordings, hook))


@torch.no_grad()
def _described(recording: Recording, encoder: Encoder, describer: DiarizerNetwork) -> Item:
    """What one recording, shorter than a minute, adds to the arrays."""
    (_, _, batch), *_ = windows(describer, encoder(from_samples(recording.samples, SAMPLE_RATE)))
    labels = recording.labels[::STRIDE]
    inputs = relative_channels(*describer.channels(describer.tensors(batch)))[0, : len(labels)]
    return {
        "inputs": inputs.half().numpy(),
        "labels": labels[: len(inputs)],
        "starts": np.array([len(inputs)], np.int64),
    }
