"""Train what finds phones and the mouth's shapes in the vectors of both encoders, or in those of a stream.

    python scripts/train_articulation.py --data DIR [--streaming] [--phones] [--out FOLDER]

About half an hour of one core, an hour for streams; ``--phones`` trains what finds phones alone and keeps the mouth of
the weights in use. Phones are learned from speech whose words are known, or recognised by Whisper (extra ``asr``), and
aligned by pocketsphinx. The mouth is learned from the tracked talker of GRID, and from what ``decoder_whisper_base``
reads out of Whisper's layers for readers and for actors. Every recording is also read in rooms, noises, over telephones
and through other microphones; the mouth stays that of the recording as it is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from fit_mouth_readout import tracked_mouths, whisper_mouths
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from train_bursts import IGNORED

from sedtalker.animation.performance import StreamSettings
from sedtalker.arrays import Floats
from sedtalker.audio import SAMPLE_RATE, Audio, from_samples, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, write_checkpoint
from sedtalker.face.arkit import ARKIT_52, TALKING_INDEX, TALKING_SIDES
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import correlation
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.phonetics.pronunciation import ENGLISH
from sedtalker.phonetics.recognition import open_recogniser, transcribed, whisper_folder
from sedtalker.speech.encoder import EncoderPair, MelEncoder, open_encoder
from sedtalker.speech.encoder_model import ArticulationConfig, ConvolutionHeadConfig
from sedtalker.speech.encoder_networks import ArticulationNetwork, ConvolutionHead
from sedtalker.speech.features import BILABIAL, EMOTION, FRAME_CLOCK, FRAME_LENGTH, PHONE_INDEX, PHONES, SPEECH
from sedtalker.speech.speech_stream import STREAMED, EncoderStream
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.augmentation import read_material
from sedtalker.training.corpora.manifest import find_data, read_manifest
from sedtalker.training.corpora.tracked_motion import read_grid
from sedtalker.training.corpora.transfer_recipe import TransferAugmenter
from sedtalker.training.motion.alignment import PhoneSpan, Utterance, align_corpus, phone_frames
from sedtalker.training.motion.spoken_motion import LipMeasure, measure_lips
from sedtalker.training.run import cache_folder

COPIES = {"speechocean762": 3, "ljspeech": 2, "grid": 2, "librispeech": 2, "cremad": 2, "banglaser": 2}
"""Corpora, all free for weights of any use, and copies of every recording of training: as it is, and worse.

One more, in loud noise, is for the mouth alone: most phones cannot be found in it.
"""
STREAMED_COPIES = COPIES | {"speechocean762": 2, "cremad": 1}
"""The same for phones of streams, which take hours to read hop by hop."""
WORSE = TransferAugmenter(snr=(0.0, 25.0), telephone=0.15, transcoded=0.1, clipped=0.03)
"""What is done to the copies that are worse."""
NOISY = TransferAugmenter(noise=1.0, snr=(-5.0, 15.0), telephone=0.0, transcoded=0.0, clipped=0.0)
"""What is done to the one in noise."""
PHONE_SHARES = {"speechocean762": 1.5, "ljspeech": 1.0, "grid": 0.4, "librispeech": 2.0, "cremad": 0.5}
"""How often frames of a corpus are drawn to learn phones, beside those of the others."""
MOUTH_SHARES = {
    "speechocean762": 1.0,
    "ljspeech": 0.5,
    "grid": 1.0,
    "librispeech": 1.2,
    "cremad": 1.0,
    "banglaser": 0.5,
}
"""How often crops of a corpus are drawn to learn the mouth, however long it is."""
MOST_CLIPS = {"cremad": 1500, "banglaser": 300}
"""Recordings of training that are read of corpora with many short ones; of validation a tenth."""
LONGEST_CLIP = 20.0
"""Longer clips, seconds, are left out."""
PHONE_STEPS, MOUTH_STEPS, FRAMES, RATE = (2500, 16), (3000, 24), 150, 1.5e-3
"""Steps and crops of each, frames of a crop (three seconds) and the peak learning rate, of a cosine to zero."""
GAP_WEIGHT, WIDTH_WEIGHT = 2.0, 1.5
"""Weights of the lips' gap and width in the loss of the mouth, beside all its shapes."""
FOUND = 0.2
"""Posterior from which on p, b and m count as found."""


STREAMED_STEPS = (4000, 128)
"""Steps and hops of each, for streams."""
HOPS = {"train": 0.33, "valid": 1.0}
"""Share of the hops of a stream that are kept."""
LIPS_AHEAD = 3
"""Frames after the new ones of a hop that are learned, too: less is known of the sound after them."""


READ = {"articulation": (SPEECH, EMOTION), STREAMED: (SPEECH,)}
"""Encoders whose vectors, joined, the networks read."""
CONFIGS = {
    "articulation": ArticulationConfig(),
    STREAMED: ArticulationConfig(
        phones=ConvolutionHeadConfig(hidden=256, width=128, dropout=0.2),
        mouth=ConvolutionHeadConfig(hidden=256, width=128, dropout=0.2),
        smooths=True,
    ),
}
"""Their sizes."""


class Clip(NamedTuple):
    """A recording: its corpus, whether it is trained on, its sound and its words; empty where nobody knows them."""

    corpus: str
    split: str
    name: str
    path: Path
    text: str


class Copy(NamedTuple):
    """A sound, its phones (T,), as indices of ``PHONES`` or ``IGNORED``, and its mouth (T, S)."""

    clip: Clip
    sound: Floats
    phones: NDArray[np.int64]
    mouth: Floats


class Example(NamedTuple):
    """Vectors (T, D) of a sound, its phones (T,) and its mouth (T, S).

    Of a stream: vectors (H, N, D) of hops, phones (H, n) and mouth (H, n, S) of their new frames and of ``LIPS_AHEAD``
    after them; before these are ``context`` frames, behind them all that were known then.
    """

    clip: Clip
    rows: Floats
    phones: NDArray[np.int64]
    mouth: Floats


def clips(data: Path) -> list[Clip]:
    """Recordings of training and of validation."""
    rng, found = np.random.default_rng(0), list[Clip]()
    listed = [clip for clip in read_manifest(data) if clip.duration < LONGEST_CLIP]
    for corpus in COPIES:
        for split in ("train", "valid"):
            own = [clip for clip in listed if clip.corpus == corpus and clip.split == split]
            most = MOST_CLIPS.get(corpus, len(own)) // (1 if split == "train" or corpus not in MOST_CLIPS else 10)
            some = [own[k] for k in sorted(rng.permutation(len(own))[:most].tolist())]
            words = corpus in PHONE_SHARES
            found += [Clip(corpus, split, c.path.stem, c.path, c.transcript if words else "") for c in some]
    return found + [Clip("grid", c.split, c.name, c.audio, c.text) for c in read_grid(data) if c.split != "test"]


def with_words(found: Sequence[Clip], store: Path) -> list[Clip]:
    """The same recordings; those of LibriSpeech, which have no words here, with what Whisper recognises.

    Args:
        store: JSON file in which recognised words are kept.
    """
    known: dict[str, str] = json.loads(store.read_text()) if store.is_file() else {}
    for clip in [c for c in found if c.corpus == "librispeech" and c.name not in known]:
        sound = load_audio(clip.path)
        words, _ = transcribed(open_recogniser(whisper_folder()), sound, 0.0, sound.duration, ENGLISH)
        known[clip.name] = " ".join(word.text for word in words)
        store.write_text(json.dumps(known))
    return [clip._replace(text=clip.text or known.get(clip.name, "")) for clip in found]


def aligned(found: Sequence[Clip]) -> dict[str, list[PhoneSpan]]:
    """Phones of the recordings whose words are known, by name."""
    spans = dict[str, list[PhoneSpan]]()
    for corpus in COPIES:
        utterances = [Utterance(c.name, c.path, c.text) for c in found if c.corpus == corpus and c.text]
        spans |= align_corpus(f"phones_{corpus}", utterances, cache_folder(), 1) if utterances else {}
    return spans


def copies(
    data: Path, found: Sequence[Clip], spans: Mapping[str, list[PhoneSpan]], mouths: bool, times: Mapping[str, int]
) -> Iterator[Copy]:
    """Every recording, those of training several ``times``; where no mouths are wanted, those with phones, and none."""
    noises, rooms = read_material(data)
    worse, noisy = (
        partial(replace(augmenter, noises=noises, responses=rooms).degrade, rng=np.random.default_rng(0))
        for augmenter in (WORSE, NOISY)
    )
    read, tracked = still, dict[str, Floats]()
    if mouths:
        read = whisper_mouths(data)
        tracked = {clip.name: mouth for clip, mouth in tracked_mouths(data, cache_folder(), ("train", "valid"))}
    for clip in found if mouths else [clip for clip in found if spans.get(clip.name)]:
        recording = load_audio(clip.path)
        samples = recording.samples
        mouth = tracked.get(clip.name)
        if mouth is None:
            mouth = read(recording)[:, TALKING_INDEX]
        sounds = [samples]
        if clip.split == "train":
            sounds += [worse(samples) for _ in range(times[clip.corpus] - 1)]
            sounds += [noisy(samples)] if mouths else []
        for copy, sound in enumerate(sounds):
            phones = np.full(len(mouth), IGNORED)
            if spans.get(clip.name) and copy < times[clip.corpus]:
                phones = phone_frames(spans[clip.name], FRAME_CLOCK.times(len(mouth)))
            yield Copy(clip, sound, phones, np.asarray(mouth, np.float32))


def still(recording: Audio) -> Floats:
    """A mouth (T, 52) that does not move."""
    return np.zeros((FRAME_CLOCK.frames(recording.duration), len(ARKIT_52)), np.float32)


def whole(encoders: Sequence[MelEncoder], copy: Copy) -> Example:
    """A recording as a whole."""
    sound = from_samples(copy.sound, SAMPLE_RATE)
    rows = np.concatenate([encoder.hidden(sound) for encoder in encoders], 1)[: len(copy.mouth)].astype(np.float16)
    return Example(copy.clip, rows, copy.phones[: len(rows)], copy.mouth[: len(rows)])


def streamed(encoder: MelEncoder, context: int, copy: Copy, rng: np.random.Generator) -> Example:
    """Some hops of a recording as a live face reads it, but not its beginning and its end."""
    delay, hop = (round(getattr(StreamSettings(), name) * FRAME_CLOCK.rate) for name in ("look_ahead", "hop"))
    stream, final, before = EncoderStream(encoder, context + delay + hop, False), 0, np.zeros((0, encoder.channels))
    kept = list[tuple[Floats, NDArray[np.int64], Floats]]()
    for start in range(0, len(copy.sound) - hop * FRAME_LENGTH, hop * FRAME_LENGTH):
        rows = alone(stream.steps(copy.sound[start : start + hop * FRAME_LENGTH], final)).features.hidden
        new = max(0, len(rows) - delay)
        learned = slice(final, final + new + LIPS_AHEAD)
        usual = new == hop and len(before) == context and learned.stop <= len(copy.mouth)
        if usual and rng.random() < HOPS[copy.clip.split]:
            row = np.concatenate([before, rows]).astype(np.float16)
            kept.append((row, copy.phones[learned], copy.mouth[learned]))
        before, final = np.concatenate([before, rows[:new]])[-context:], final + new
    if not kept:
        return Example(copy.clip, *(np.zeros((0, 1, 1)) for _ in "rpm"))
    return Example(copy.clip, *(np.stack(part) for part in zip(*kept, strict=True)))


class MouthLoss:
    """Squared errors of the mouth's shapes, of the lips' gap and of their width, each over its usual variance."""

    def __init__(self, lips: LipMeasure, mouths: Floats) -> None:
        axes = TALKING_SIDES @ np.column_stack([lips.gain, lips.width])
        axes *= np.sqrt([GAP_WEIGHT, WIDTH_WEIGHT]) / (mouths @ axes).std(0)
        self.axes, self.scale = torch.from_numpy(axes.astype(np.float32)), torch.from_numpy(mouths.std(0) + 0.01)

    def __call__(self, found: Tensor, mouth: Tensor) -> Tensor:
        """The loss of mouths (…, S)."""
        apart = found - mouth
        return (apart / self.scale).square().mean() + (apart @ self.axes).square().sum(-1).mean()


def phone_loss(logits: Tensor, phones: Tensor) -> Tensor:
    """The loss of logits (B, T, 40) for phones (B, T)."""
    return F.cross_entropy(logits.flatten(0, 1), phones.flatten(), ignore_index=IGNORED, label_smoothing=0.05)


def train(
    given: Sequence[Example], config: ArticulationConfig, seed: int, own: ArticulationNetwork | None
) -> ArticulationNetwork:
    """The network, trained on crops or hops: what finds phones, then the mouth, or that of ``own``."""
    torch.manual_seed(seed)
    network = ArticulationNetwork(config)
    in_hops = given[0].rows.ndim == 3
    every, mouths = (np.concatenate([np.vstack(e[k][::4]) if in_hops else e[k] for e in given]) for k in (1, 3))
    mean, scale = every.mean(0, np.float32), 1.0 / (every.std(0, np.float32) + 1e-3)
    for head in (network.phones, network.mouth):
        head.mean.copy_(torch.from_numpy(mean[-len(head.mean) :]))
        head.scale.copy_(torch.from_numpy(scale[-len(head.scale) :]))
    spoken = [e for e in given if (e.phones != IGNORED).any()]
    shares = np.array([len(e.rows) * PHONE_SHARES[e.clip.corpus] for e in spoken])
    plan = STREAMED_STEPS if in_hops else PHONE_STEPS
    fit(network.phones, [(e.rows, e.phones) for e in spoken], shares, phone_loss, plan, config.context, seed)
    if own is not None:
        network.mouth = own.mouth
        return network.eval()
    frames = {corpus: sum(len(e.rows) for e in given if e.clip.corpus == corpus) for corpus in COPIES}
    shares = np.array([len(e.rows) * MOUTH_SHARES[e.clip.corpus] / frames[e.clip.corpus] for e in given])
    network.mouth.outputs.bias.data.copy_(torch.from_numpy(mouths.mean(0)))
    network.mouth.outputs.weight.data.mul_(0.05)
    mouth_loss = MouthLoss(measure_lips(load_face()), mouths)
    plan = STREAMED_STEPS if in_hops else MOUTH_STEPS
    rows = [(e.rows[..., -config.mouth.hidden :], e.mouth) for e in given]
    fit(network.mouth, rows, shares, mouth_loss, plan, config.context, seed)
    return network.eval()


def fit(
    head: ConvolutionHead,
    given: Sequence[tuple[Floats, NDArray[Any]]],
    shares: NDArray[np.float64],
    loss_of: Callable[[Tensor, Tensor], Tensor],
    plan: tuple[int, int],
    context: int,
    seed: int,
) -> None:
    """Train a part of the network on crops of rows (T, D) and targets (T, …) drawn by shares; plan: steps and crops.

    ``context``: rows of a hop before its first target.
    """
    steps, count = plan
    rng, optimizer = np.random.default_rng(seed), torch.optim.AdamW(head.parameters(), RATE, weight_decay=0.02)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, step / 50) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        drawn = (given[k] for k in rng.choice(len(given), count, p=shares / shares.sum()).tolist())
        rows, targets = (torch.stack(column) for column in zip(*(crop(*each, rng) for each in drawn), strict=True))
        first = context if rows.shape[1] > targets.shape[1] else 0
        loss = loss_of(head(rows)[:, first : first + targets.shape[1]], targets)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: {loss.item():.3f}", flush=True)


def crop(rows: Floats, targets: NDArray[Any], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A hop of a stream, or three seconds of a recording; a shorter one is held at its end."""
    if rows.ndim == 3:
        k = int(rng.integers(len(rows)))
        return torch.from_numpy(rows[k].astype(np.float32)), torch.from_numpy(targets[k])
    start = int(rng.integers(max(1, len(rows) - FRAMES + 1)))
    index = np.minimum(np.arange(start, start + FRAMES), len(rows) - 1)
    return torch.from_numpy(rows[index].astype(np.float32)), torch.from_numpy(targets[index])


def measured(network: ArticulationNetwork, given: Sequence[Example]) -> dict[str, float]:
    """By corpus: share of the frames whose phone is found, and of p, b and m that are; correlation of gap and width."""
    lips = measure_lips(load_face())
    metrics, kinds = dict[str, float](), [PHONE_INDEX[name] for name in BILABIAL]
    for corpus in COPIES:
        values = dict[str, list[float]]()
        for example in (each for each in given if each.clip.corpus == corpus):
            made, phones, mouth = results(network, example)
            for name, axis in (("gap", lips.gain), ("width", lips.width)):
                curves = (part @ TALKING_SIDES @ axis for part in (made[:, -mouth.shape[1] :], mouth))
                values.setdefault(name, []).append(correlation(*curves))
            if (phones == IGNORED).all():
                continue
            posterior = torch.from_numpy(made[:, : len(PHONES)]).softmax(-1).numpy()
            right = (posterior.argmax(-1) == phones)[phones > 0]
            values.setdefault("phones", []).append(float(right.mean()))
            edges = np.flatnonzero(np.diff(phones, prepend=IGNORED, append=IGNORED))
            for first, last in pairwise(edges.tolist()):
                if phones[first] in kinds:
                    peak = posterior[max(0, first - 1) : last + 1, kinds].sum(-1).max()
                    values.setdefault("bilabials", []).append(float(peak > FOUND))
        metrics |= {f"{name}_{corpus}": round(float(np.nanmean(each)), 4) for name, each in values.items()}
    return metrics


def results(network: ArticulationNetwork, example: Example) -> tuple[Floats, NDArray[np.int64], Floats]:
    """What the network gives (T, K), and what it should, phones (T,) and mouth (T, S); of hops, their new frames."""
    if example.rows.ndim == 2:
        return network.run(example.rows[None].astype(np.float32))[0][0], example.phones, example.mouth
    new = slice(0, example.phones.shape[1] - LIPS_AHEAD)
    made = network.run(example.rows.astype(np.float32))[0][:, network.config.context :]
    phones, mouth = example.phones[:, new].ravel(), np.vstack(example.mouth[:, new])
    return np.vstack(made[:, new]), phones, mouth


def main() -> None:
    """Parse arguments, train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, help="default: where the weights lie")
    parser.add_argument("--streaming", action="store_true", help="for streams, from the vectors of the lips' encoder")
    parser.add_argument("--phones", action="store_true", help="what finds phones alone, with the mouth in use")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    name = STREAMED if arguments.streaming else "articulation"
    data = find_data(arguments.data)
    found = with_words(clips(data), cache_folder() / "words_librispeech.json")
    encoders = {part: cast(MelEncoder, open_encoder(part, articulates=False)) for part in READ[name]}
    rng = np.random.default_rng(arguments.seed)
    times = STREAMED_COPIES if arguments.streaming and arguments.phones else COPIES
    read = copies(data, found, aligned(found), not arguments.phones, times)
    if arguments.streaming:
        digest = encoders[SPEECH].sha256()
        made = [streamed(encoders[SPEECH], CONFIGS[name].context, copy, rng) for copy in read]
    else:
        digest = EncoderPair(encoders).sha256()
        made = [whole([*encoders.values()], copy) for copy in read]
    own = open_model(name, in_torch=True) if arguments.phones else None
    write(name, [each for each in made if len(each.rows)], arguments.seed, own, digest, arguments.out)


def write(
    name: str, made: Sequence[Example], seed: int, own: ArticulationNetwork | None, digest: str, folder: Path | None
) -> None:
    """Train, measure and write the checkpoint; ``own`` has the mouth that is kept, ``digest`` is the encoders' hash."""
    network = train([each for each in made if each.clip.split == "train"], CONFIGS[name], seed, own)
    metrics = measured(network, [each for each in made if each.clip.split == "valid"])
    if own is not None:
        found = {key: value for key, value in metrics.items() if key.startswith(("phones_", "bilabials_"))}
        metrics = read_config(builtin_checkpoint(name)).metrics | found
    config = CheckpointConfig(
        kind="articulation",
        licence="ODbL-1.0",
        trained_on=[
            "GRID talker s1, tracked (CC BY 4.0)",
            "speechocean762, LibriSpeech, BanglaSER (CC BY 4.0)",
            "LJ Speech (public domain)",
            "CREMA-D train split (ODbL 1.0, DbCL 1.0), and vectors of an encoder",
            "a readout of Whisper-base (MIT, not contained here)",
            "augmented with ESC-10 (CC BY 3.0) and impulse responses (Apache-2.0, MIT)",
        ],
        encoder_sha256=digest,
        model=network.config.model_dump(mode="json"),
        metrics=metrics,
    )
    folder = folder or builtin_checkpoint("articulation").parent / name
    write_checkpoint(folder, config, network.state_dict(), fill_card(name, **metrics))
    print(metrics)


if __name__ == "__main__":
    main()
