"""Train what finds phones in the emotion encoder's vectors, on read speech whose words are known.

    python scripts/train_phones.py --data DIR [--out checkpoints/phones]

About ten minutes on one core, most of them for the alignment of the words (pocketsphinx). Every recording is also read
in rooms, noises, over telephones and through other microphones. The emotion encoder learned from Whisper-base on the
same speakers without words, and from actors; that is why phones are found in emotional speech, too, of which none is
trained on here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from train_bursts import IGNORED, crop

from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.speech.encoder import MelEncoder, open_encoder
from sedtalker.speech.encoder_networks import PhoneNetwork
from sedtalker.speech.features import BILABIAL, EMOTION, FRAME_CLOCK, PHONE_INDEX
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.augmentation import read_augmenter
from sedtalker.training.corpora.manifest import find_data, read_manifest
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.corpora.transfer_recipe import TransferRecipe
from sedtalker.training.motion.alignment import PhoneSpan, Utterance, align_corpus, phone_frames
from sedtalker.training.run import cache_folder

COPIES = {"speechocean762": 3, "ljspeech": 2, "grid": 2}
"""Corpora, all free for any use, and copies of every recording of training: as it is, and worse."""
SHARES = {"speechocean762": 1.5, "ljspeech": 1.0, "grid": 0.5}
"""How often their frames are drawn, beside each other."""
SENTENCES = {"train": 350, "valid": 60}
"""Sentences of the one talker of GRID."""
LONGEST_CLIP = 20.0
"""Longer clips, seconds, are left out."""
STEPS, CROPS, FRAMES, RATE = 1500, 16, 150, 1.5e-3
"""Steps, crops of a batch, frames of a crop (three seconds) and the peak learning rate, of a cosine to zero."""
FOUND = 0.2
"""Posterior from which on p, b and m count as found."""


class Clip(NamedTuple):
    """A recording: its corpus, whether it is trained on, its sound and its words."""

    corpus: str
    split: str
    name: str
    path: Path
    text: str


class Example(NamedTuple):
    """Vectors (T, D) of a recording and its phones (T,), as indices of ``PHONES`` or ``IGNORED``."""

    clip: Clip
    rows: Floats
    phones: NDArray[np.int64]


def clips(data: Path) -> list[Clip]:
    """Recordings of training and of validation."""
    listed = [c for c in read_manifest(data) if c.corpus in COPIES and c.transcript and c.duration < LONGEST_CLIP]
    found = [Clip(c.corpus, c.split, c.path.stem, c.path, c.transcript) for c in listed]
    talker = [Clip("grid", c.split, c.name, c.audio, c.text) for c in read_grid(data)]
    order = np.random.default_rng(0).permutation(len(talker)).tolist()
    for split, most in SENTENCES.items():
        found += [talker[i] for i in order if talker[i].split == split][:most]
    return [clip for clip in found if clip.split in SENTENCES]


def examples(data: Path, encoder: MelEncoder) -> Iterator[Example]:
    """Every recording, those of training several times."""
    found, rng = clips(data), np.random.default_rng(0)
    augmenter = read_augmenter(data)
    worse = TransferRecipe(snr=(0.0, 25.0), telephone=0.15, transcoded=0.1, clipped=0.03)
    aligned = dict[str, list[PhoneSpan]]()
    for corpus in COPIES:
        utterances = [Utterance(c.name, c.path, c.text) for c in found if c.corpus == corpus]
        aligned |= align_corpus(f"phones_{corpus}", utterances, cache_folder(), 1)
    for clip in found:
        if not aligned.get(clip.name):
            continue
        samples = load_audio(clip.path).samples
        for copy in range(COPIES[clip.corpus] if clip.split == "train" else 1):
            sound = worse.degrade(samples, augmenter.noises, augmenter.responses, rng) if copy else samples
            rows = encoder.hidden(from_samples(sound, SAMPLE_RATE))
            yield Example(clip, rows, phone_frames(aligned[clip.name], FRAME_CLOCK.times(len(rows))))


def train(given: Sequence[Example], seed: int) -> PhoneNetwork:
    """The network, trained on crops."""
    torch.manual_seed(seed)
    rng, network = np.random.default_rng(seed), PhoneNetwork()
    every = np.concatenate([example.rows for example in given])
    network.mean.copy_(torch.from_numpy(every.mean(0)))
    network.scale.copy_(torch.from_numpy(1.0 / (every.std(0) + 1e-3)))
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.02)
    shares = np.array([len(example.rows) * SHARES[example.clip.corpus] for example in given])
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, step / 50) * (0.5 + 0.5 * np.cos(np.pi * step / STEPS))
        drawn = (given[k] for k in rng.choice(len(given), CROPS, p=shares / shares.sum()).tolist())
        crops = [crop(each.rows, each.phones, FRAMES, rng) for each in drawn]
        rows, phones = (torch.stack(column) for column in zip(*crops, strict=True))
        logits = network(rows).flatten(0, 1)
        loss = F.cross_entropy(logits, phones.flatten(), ignore_index=IGNORED, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.3f}", flush=True)
    return network.eval()


def measured(network: PhoneNetwork, given: Sequence[Example]) -> dict[str, float]:
    """By corpus: share of the frames whose phone is found, and of p, b and m that are."""
    metrics, kinds = dict[str, float](), [PHONE_INDEX[name] for name in BILABIAL]
    for corpus in COPIES:
        right, found = list[float](), list[bool]()
        for example in (each for each in given if each.clip.corpus == corpus):
            posterior = torch.from_numpy(network.run(example.rows[None])[0][0]).softmax(-1).numpy()
            spoken = example.phones > 0
            right.append(float((posterior.argmax(-1) == example.phones)[spoken].mean()))
            edges = np.flatnonzero(np.diff(example.phones, prepend=IGNORED, append=IGNORED))
            for first, last in pairwise(edges.tolist()):
                if example.phones[first] in kinds:
                    found.append(bool(posterior[max(0, first - 1) : last + 1, kinds].sum(-1).max() > FOUND))
        if right:
            metrics |= {f"phones_{corpus}": float(np.mean(right)), f"bilabials_{corpus}": float(np.mean(found))}
    return {name: round(value, 4) for name, value in metrics.items()}


def main() -> None:
    """Parse arguments, train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("checkpoints/phones"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = builtin_checkpoint(EMOTION)
    encoder = open_encoder(folder)
    assert isinstance(encoder, MelEncoder)
    made = list(examples(find_data(arguments.data), encoder))
    network = train([each for each in made if each.clip.split == "train"], arguments.seed)
    metrics = measured(network, [each for each in made if each.clip.split == "valid"])
    config = CheckpointConfig(
        kind="phones",
        licence="ODbL-1.0",
        trained_on=[
            "GRID talker s1 (CC BY 4.0)",
            "speechocean762 (CC BY 4.0)",
            "LJ Speech (public domain)",
            "vectors of the emotion encoder (CREMA-D: ODbL 1.0)",
            "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
        ],
        encoder_sha256=weights_sha256(folder),
        model=network.config.model_dump(mode="json"),
        metrics=metrics,
    )
    write_checkpoint(arguments.out, config, network.state_dict(), fill_card("phones", **metrics))
    print(metrics)


if __name__ == "__main__":
    main()
