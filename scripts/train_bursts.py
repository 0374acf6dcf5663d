"""Train the detector of vocal bursts on EmoGator, against read and acted speech.

    python scripts/train_bursts.py --data DIR [--out checkpoints/burst_detector]

About a quarter of an hour on one core. Sounds are put together so that level, microphone and length tell nothing:
bursts between sentences of other corpora, each filtered and turned up or down by chance, and single words cut out of
sentences. Kinds are what EmoGator's speakers were asked for; nobody has listened to them. Prompts that are often
laughed or sighed as well (``MIXED``) are bursts of no kind in particular and count for none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch.nn import functional as F

from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.emotion.burst_detector import RATE, burst_posterior, burst_rows, bursts_of
from sedtalker.emotion.network import BurstDetector
from sedtalker.emotion.track import BURST_KINDS
from sedtalker.speech.encoder import MelEncoder, open_encoder
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.manifest import Clip, find_data, read_manifest

Samples = NDArray[np.float32]
HOP = round(SAMPLE_RATE / RATE)
"""Samples of a row."""
PROMPTS = {"Amusement": "laugh", "Sadness": "cry", "Relief": "sigh"}
"""What was asked for, and the kind of burst that it is taken for."""
MIXED = ("Elation", "Ecstasy", "Distress", "Disappointment", "Contentment", "Serenity")
"""Prompts that no kind is trained on."""
SPEECH = {"librispeech": 110, "cremad": 400, "speechocean762": 150, "ljspeech": 60}
"""Corpora without bursts, and how many clips of each are read."""
OTHERS = 0.25
"""Share of the bursts of other prompts that is read."""
JOINED, WORDS = 350, 620
"""Recordings that are put together, and single words."""
STEPS, LONGEST = 1500, 75
"""Training steps, and the rows of a crop (three seconds)."""
WEIGHTS = (1.0, 1.0, 1.0, 1.0, 0.6)
"""Class weights in the loss."""
IGNORED = -1
"""Class of a row that does not count."""


class Example(NamedTuple):
    """Rows (T, D) of a recording, the class (T,) of each, and what the recording is."""

    rows: Samples
    classes: NDArray[np.int64]
    kind: str


def class_of(clip: Clip) -> int:
    """The class of a burst's loud rows."""
    prompt = clip.transcript.split(": ")[1].rstrip("]")
    if prompt in MIXED:
        return IGNORED
    return 1 + BURST_KINDS.index(PROMPTS.get(prompt, "other"))


def loud(samples: Samples) -> NDArray[np.bool_]:
    """(T,) rows in which something sounds."""
    rows = len(samples) // HOP
    level = np.sqrt((samples[: rows * HOP].reshape(rows, HOP) ** 2).mean(1) + 1e-9)
    level = np.convolve(level, np.ones(5) / 5, "same")
    return np.asarray(level > max(0.12 * np.quantile(level, 0.95), 1e-4), np.bool_)


class Sounds:
    """Draws what is trained on.

    Args:
        clips: of the manifest.
        encoder: that of the diarizer.
        seed: of all that is drawn.
    """

    def __init__(self, clips: Sequence[Clip], encoder: MelEncoder, seed: int):
        self.encoder, self.rng = encoder, np.random.default_rng(seed)
        self.bursts = [c for c in clips if c.corpus == "emogator"]
        self.speech = [c for c in clips if c.corpus in SPEECH]
        self.noises = [c for c in clips if c.corpus == "esc10"]

    def example(self, samples: Samples, classes: NDArray[np.int64] | int, kind: str) -> Example:
        """A recording as the detector reads it."""
        rows = burst_rows(self.encoder(from_samples(np.clip(samples, -1.0, 1.0).astype(np.float32), SAMPLE_RATE)))
        made = np.full(len(rows), classes, np.int64) if isinstance(classes, int) else classes[: len(rows)]
        return Example(rows[: len(made)], made, kind)

    def burst(self, clip: Clip) -> Example:
        """A burst as it was recorded."""
        samples = load_audio(clip.path).samples
        return self.example(samples, np.where(loud(samples), class_of(clip), 0), "burst")

    def changed(self, samples: Samples, lowest: float) -> Samples:
        """Another microphone and level."""
        if self.rng.random() < 0.7:
            samples = lfilter([1.0, -self.rng.uniform(-0.5, 0.5)], [1.0], samples)
        level = 0.06 * 10 ** (self.rng.uniform(lowest, 6.0) / 20)
        return np.asarray(samples * (level / np.sqrt(np.mean(samples**2) + 1e-9)), np.float32)

    def piece(self, clip: Clip, shortest: float, longest: float) -> Samples:
        """A part of a sentence."""
        samples = load_audio(clip.path).samples
        length = round(SAMPLE_RATE * self.rng.uniform(shortest, longest))
        start = int(self.rng.integers(max(1, len(samples) - length)))
        return samples[start : start + length]

    def hiss(self, samples: Samples) -> Samples:
        """A little noise over everything."""
        level = 10 ** self.rng.uniform(-4.5, -2.7)
        return np.asarray(samples + level * self.rng.standard_normal(len(samples)), np.float32)

    def one_of(self, split: str, corpus: str) -> Clip:
        """A clip of speech by chance."""
        found = [c for c in self.speech if c.split == split and c.corpus == corpus]
        return found[int(self.rng.integers(len(found)))]

    def joined(self, split: str) -> Example:
        """Sentences of a corpus with bursts between them."""
        corpus = str(self.rng.choice(list(SPEECH)))
        bursts = [c for c in self.bursts if c.split == split]
        share = np.array([{len(BURST_KINDS): 0.25, IGNORED: 0.1}.get(class_of(c), 2.0) for c in bursts])
        parts: list[Samples] = []
        classes: list[NDArray[np.int64]] = []

        def add(samples: Samples, class_: NDArray[np.int64] | int) -> None:
            rows = len(samples) // HOP
            parts.append(samples[: rows * HOP])
            classes.append(np.full(rows, class_, np.int64) if isinstance(class_, int) else class_[:rows])

        for _ in range(int(self.rng.integers(2, 4))):
            add(self.changed(self.piece(self.one_of(split, corpus), 1.5, 4.0), -6.0), 0)
            add(np.zeros(round(self.rng.uniform(0.0, 0.5) * SAMPLE_RATE), np.float32), 0)
            if self.rng.random() < 0.75:
                clip = bursts[int(self.rng.choice(len(bursts), p=share / share.sum()))]
                samples = load_audio(clip.path).samples
                add(self.changed(samples, -8.0), np.where(loud(samples), class_of(clip), 0))
        return self.example(self.hiss(np.concatenate(parts)), np.concatenate(classes), "joined")

    def word(self, split: str) -> Example:
        """A word or two between silences."""
        word = self.changed(self.piece(self.one_of(split, str(self.rng.choice(list(SPEECH)))), 0.35, 1.3), -8.0)
        ramp = np.minimum(1.0, np.minimum(np.arange(len(word)), np.arange(len(word))[::-1]) / 400)
        ends = [np.zeros(round(SAMPLE_RATE * self.rng.uniform(0.1, 0.7)), np.float32) for _ in range(2)]
        return self.example(self.hiss(np.concatenate([ends[0], ramp * word, ends[1]]).astype(np.float32)), 0, "speech")

    def training(self) -> Iterator[Example]:
        """Everything that is trained on."""
        for clip in self.bursts:
            kind = class_of(clip) if clip.split == "train" else None
            if kind in (1, 2, 3) or (kind is not None and self.rng.random() < OTHERS):
                yield self.burst(clip)
        for corpus, count in SPEECH.items():
            found = [c for c in self.speech if c.split == "train" and c.corpus == corpus]
            for place in self.rng.choice(len(found), min(count, len(found)), replace=False):
                yield self.example(load_audio(found[place].path).samples, 0, "speech")
        for clip in [c for c in self.noises if c.split == "train"][:120]:
            yield self.example(load_audio(clip.path).samples, 0, "speech")
        yield from (self.joined("train") for _ in range(JOINED))
        yield from (self.word("train") for _ in range(WORDS))


def train(examples: Sequence[Example], seed: int) -> BurstDetector:
    """A detector fitted to crops, bursts and joined recordings more often than they are."""
    torch.manual_seed(seed)
    rng, detector = np.random.default_rng(seed), BurstDetector().train()
    rows = torch.from_numpy(np.concatenate([e.rows for e in examples]))
    detector.mean.copy_(rows.mean(0))
    detector.scale.copy_(1.0 / (rows.std(0) + 1e-3))
    groups = [
        ([e for e in examples if e.kind == kind], n) for kind, n in (("burst", 20), ("joined", 28), ("speech", 24))
    ]
    optimiser = torch.optim.AdamW(detector.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS)
    for step in range(STEPS):
        drawn = (group[k] for group, n in groups for k in rng.choice(len(group), n))
        crops = [crop(each.rows, each.classes, LONGEST, rng) for each in drawn]
        given, wanted = (torch.stack(column) for column in zip(*crops, strict=True))
        logits = detector(given).transpose(1, 2)
        loss = F.cross_entropy(logits, wanted, torch.tensor(WEIGHTS), ignore_index=IGNORED)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return detector.eval().requires_grad_(False)


def crop(
    every: Samples, labels: NDArray[np.int64], longest: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """So many of the rows (T, D) of an example and their classes (T,), filled up with rows that do not count."""
    start = int(rng.integers(max(1, len(every) - longest + 1)))
    rows, classes = (torch.from_numpy(column[start : start + longest]) for column in (every, labels))
    missing = longest - len(rows)
    return F.pad(rows, (0, 0, 0, missing)), F.pad(classes, (0, missing), value=IGNORED)


def evaluate(detector: BurstDetector, sounds: Sounds, split: str) -> dict[str, float]:
    """Recall and precision of each kind over the bursts of a split's speakers, and false alarms in speech."""
    asked, called, both, found = ({k: 0 for k in BURST_KINDS} for _ in range(4))
    for clip in (c for c in sounds.bursts if c.split == split and class_of(c) != IGNORED):
        kind = BURST_KINDS[class_of(clip) - 1]
        bursts = bursts_of(burst_posterior(detector, sounds.burst(clip).rows))
        named = [b for b in bursts if b.kind != BURST_KINDS[-1]] or bursts
        said = max(named, key=lambda b: b.end - b.start).kind if named else None
        asked[kind] += 1
        found[kind] += said is not None
        if said is not None:
            called[said] += 1
            both[said] += said == kind
    metrics = {f"{kind}_recall": both[kind] / asked[kind] for kind in BURST_KINDS[:-1]}
    metrics |= {f"{kind}_precision": both[kind] / max(1, called[kind]) for kind in BURST_KINDS[:-1]}
    metrics["found"] = sum(found.values()) / sum(asked.values())
    for corpus in SPEECH:
        clips = [c for c in sounds.speech if c.split == split and c.corpus == corpus][:250]
        minutes, alarms = 0.0, 0
        for clip in clips:
            rows = sounds.example(load_audio(clip.path).samples, 0, "speech").rows
            minutes += len(rows) / RATE / 60
            alarms += len(bursts_of(burst_posterior(detector, rows)))
        if clips:
            metrics[f"alarms_{corpus}"] = alarms / minutes
    return {name: round(value, 4) for name, value in metrics.items()}


def main() -> None:
    """Parse arguments, train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("checkpoints/burst_detector"))
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = builtin_checkpoint("emotion_encoder")
    sounds = Sounds(read_manifest(find_data(arguments.data)), open_encoder(folder), arguments.seed)
    detector = train(list(sounds.training()), arguments.seed)
    metrics, held_out = evaluate(detector, sounds, "valid"), evaluate(detector, sounds, "test")
    config = CheckpointConfig(
        kind="burst_detector",
        licence="ODbL-1.0",
        trained_on=[
            "EmoGator (Apache-2.0)",
            "CREMA-D train split (ODbL 1.0, DbCL 1.0)",
            "LibriSpeech (CC BY 4.0)",
            "speechocean762 (CC BY 4.0)",
            "LJ Speech (public domain)",
            "ESC-10 (CC BY 3.0)",
        ],
        encoder_sha256=weights_sha256(folder),
        model=detector.config.model_dump(mode="json"),
        metrics=metrics,
        held_out=held_out,
    )
    state = {name: value.detach() for name, value in detector.state_dict().items()}
    write_checkpoint(arguments.out, config, state, fill_card("burst_detector", **held_out))
    print(metrics, held_out, sep="\n")


if __name__ == "__main__":
    main()
