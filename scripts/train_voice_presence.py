"""Fit what tells voices from other sounds, so that a mouth rests over music (``sedtalker/speech/voice_presence.py``).

    python scripts/train_voice_presence.py --data DIR [--out checkpoints/voice_presence]

Some ten minutes on one core; needs ``sedtalker[train,voices]``. Voices are sentences, whispers and songs made of them,
and vocal bursts, alone and with music or noise in the background, also where they begin after seconds of it. Against
them stand sounds of ESC-10 that nobody makes, and music made of chance (``synthetic_music.py``). All kinds count alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy
from scipy.signal import lfilter
from sklearn.linear_model import LogisticRegression
from synthetic_music import SCALES, Samples, music

from sedtalker.audio import SAMPLE_RATE, from_samples, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, weights_sha256, write_checkpoint
from sedtalker.speech.encoder import open_encoder
from sedtalker.speech.features import SpeechFeatures
from sedtalker.speech.voice_presence import PresenceStream, PresenceWeights, described
from sedtalker.training.cards import fill_card
from sedtalker.training.corpora.augmentation import mixed
from sedtalker.training.corpora.layer_features import HUMAN_SOUNDS
from sedtalker.training.corpora.manifest import Clip, find_data, read_manifest

COUNTS = {"librispeech": 120, "speechocean762": 150, "cremad": 400, "banglaser": 240, "ljspeech": 60, "emogator": 340}
"""Corpora of voices, and how many clips of each are read."""
READ, SINGABLE = ("librispeech", "speechocean762", "ljspeech"), ("librispeech", "cremad", "banglaser", "ljspeech")
"""Read speech, and what songs are made of."""
LONGEST = 8.0
"""Seconds of a clip that are read."""
MADE = {"in a background": 200, "after a background": 130, "whispers": 130, "songs": 150, "songs with music": 150}
"""Kinds of voices that are made, and how many of each."""
PIECES = 300
"""Pieces of music, and so many more with noise."""
EVERY = 8
"""One in so many frames is trained on."""
RIDGE = 150.0
"""Weight of the squared coefficients of standardised rows."""
ORDER, GRAIN = 18, 480
"""Order of the linear prediction of whispers, and samples of a grain."""


class Sound(NamedTuple):
    """Samples, and the frame from which on they count."""

    samples: Samples
    first: int = 0


def whisper(samples: Samples, rng: np.random.Generator) -> Samples:
    """The same spectra without a pitch: linear prediction excited by noise."""
    made, window = np.zeros(len(samples)), np.hanning(GRAIN)
    for start in range(0, len(samples) - GRAIN, GRAIN // 2):
        grain = samples[start : start + GRAIN] * window
        loud = np.sqrt(np.square(grain).mean())
        if loud < 1e-5:
            continue
        lags = np.correlate(grain, grain, "full")[GRAIN - 1 : GRAIN + ORDER]
        lags[0] *= 1.001
        filter_ = scipy.linalg.solve_toeplitz(lags[:-1], lags[1:])
        noise = lfilter([1.0], np.r_[1.0, -filter_], rng.standard_normal(GRAIN))
        made[start : start + GRAIN] += window * noise * loud / (np.sqrt(np.square(noise).mean()) + 1e-9)
    return at_level(lfilter([1.0, -0.6], [1.0], made))


def song(samples: Samples, rng: np.random.Generator) -> Samples:
    """The same words sung: slower, on held notes of a scale, with a vibrato (WORLD, Morise et al. 2016)."""
    import pyworld as world

    sound = samples.astype(np.float64)
    f0, times = world.harvest(sound, SAMPLE_RATE, f0_floor=70.0, f0_ceil=600.0, frame_period=10.0)
    envelope, noise = world.cheaptrick(sound, f0, times, SAMPLE_RATE), world.d4c(sound, f0, times, SAMPLE_RATE)
    slower = rng.uniform(1.2, 2.2)
    count = int(len(f0) * slower)
    place = np.minimum((np.arange(count) / slower).astype(int), len(f0) - 1)
    voiced, scale = f0[f0 > 0.0], SCALES[rng.integers(3)]
    usual = 69.0 + 12.0 * np.log2(np.median(voiced) / 440.0) if len(voiced) else 55.0
    tonic, degree, notes = round(usual + rng.uniform(-3.0, 8.0)), 0, list[float]()
    while len(notes) < count:
        degree = int(np.clip(degree + rng.integers(-3, 4), -4, 7))
        octave, step = divmod(degree, len(scale))
        notes += [tonic + 12 * octave + scale[step]] * int(rng.choice([20, 30, 40, 60, 90]))
    pitch = np.convolve(np.pad(notes[:count], 4, "edge"), np.ones(9) / 9, "valid")
    pitch += rng.uniform(0.0, 0.5) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(count) / 100.0)
    sung = np.where(f0[place] > 0.0, 440.0 * 2.0 ** ((pitch - 69.0) / 12.0), 0.0)
    return at_level(world.synthesize(sung, envelope[place], noise[place], SAMPLE_RATE, 10.0))


def at_level(samples: np.ndarray) -> Samples:
    """At a usual level."""
    return np.asarray(0.06 * samples / (np.sqrt(np.square(samples).mean()) + 1e-9), np.float32)


class Sounds:
    """Draws what is trained on, or what is held out.

    Args:
        clips: of the manifest.
        split: ``train`` or ``valid``; of ESC-10 every fourth sound is held out.
        share: of the usual number of each kind.
        seed: of all that is drawn.
    """

    def __init__(self, clips: Sequence[Clip], split: str, share: float, seed: int):
        self.rng, self.share = np.random.default_rng((seed, len(split))), share
        self.clips = {name: self._of(clips, name, split) for name in COUNTS}
        others = [c for c in clips if c.corpus == "esc10" and not c.emotion.endswith(HUMAN_SOUNDS)]
        self.others = [c for place, c in enumerate(others) if (place % 4 == 0) == (split == "valid")]

    def _of(self, clips: Sequence[Clip], corpus: str, split: str) -> list[Clip]:
        own = [c for c in clips if c.corpus == corpus]
        return [c for c in own if c.split == split] or own

    def some(self, corpus: str, count: float) -> list[Samples]:
        """So many clips of a corpus, times the share."""
        found = self.clips[corpus]
        chosen = self.rng.choice(len(found), min(round(count * self.share), len(found)), replace=False)
        return [load_audio(found[place].path).samples[: int(LONGEST * SAMPLE_RATE)] for place in chosen]

    def sentence(self, corpora: Sequence[str] = (*READ, "cremad", "banglaser"), seconds: float = LONGEST) -> Samples:
        """A sentence by chance."""
        found = self.clips[str(self.rng.choice(corpora))]
        return load_audio(found[int(self.rng.integers(len(found)))].path).samples[: int(seconds * SAMPLE_RATE)]

    def background(self, count: int) -> Samples:
        """So many samples of music, or of a sound of ESC-10."""
        if self.rng.random() < 0.7:
            return music(count / SAMPLE_RATE + 0.01, self.rng)[:count]
        clip = self.others[int(self.rng.integers(len(self.others)))]
        return np.resize(load_audio(clip.path).samples, count)

    def late(self) -> Sound:
        """A sentence that begins after seconds of a background."""
        lead = int(self.rng.uniform(1.5, 2.5) * SAMPLE_RATE)
        samples = np.pad(self.sentence(), (lead, 0))
        spoken = 10.0 * np.log10(1.0 - lead / len(samples))  # the background is as loud as beside the sentence alone
        made = mixed(samples, self.background(len(samples)), self.rng.uniform(3.0, 20.0) + spoken)
        return Sound(made, lead * 50 // SAMPLE_RATE)

    def in_background(self, samples: Samples, lowest: float, highest: float) -> Sound:
        """A voice with a background that is so many decibels quieter."""
        return Sound(mixed(samples, self.background(len(samples)), self.rng.uniform(lowest, highest)))

    def voices(self) -> Iterator[tuple[str, list[Sound]]]:
        """Each kind of voices."""
        for corpus, count in COUNTS.items():
            yield corpus, [Sound(samples) for samples in self.some(corpus, count)]
        makers: dict[str, Callable[[], Sound]] = {
            "in a background": lambda: self.in_background(self.sentence(), 0.0, 20.0),
            "after a background": self.late,
            "whispers": lambda: Sound(whisper(self.sentence(), self.rng)),
            "songs": lambda: Sound(song(self.sentence(SINGABLE, 5.0), self.rng)),
            "songs with music": lambda: self.in_background(song(self.sentence(SINGABLE, 5.0), self.rng), -3.0, 12.0),
        }
        for kind, make in makers.items():
            yield kind, [make() for _ in range(round(MADE[kind] * self.share))]

    def no_voices(self) -> Iterator[tuple[str, list[Sound]]]:
        """Each kind of other sounds."""
        yield "ESC-10", [Sound(load_audio(clip.path).samples) for clip in self.others]
        yield "music", [Sound(music(LONGEST, self.rng)) for _ in range(round(PIECES * self.share))]
        seconds = [music(LONGEST, self.rng) for _ in range(round(PIECES * self.share) // 4)]
        yield "music with noise", [self.in_background(samples, -10.0, 10.0) for samples in seconds]


def fit(rows: np.ndarray, no_voice: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight (4D,) and bias (1,) of the logit that a row (N, 4D) is no voice, of standardised rows, weighted."""
    mean, scale = rows.mean(0), 1.0 / (rows.std(0) + 1e-3)
    fitted = LogisticRegression(C=1.0 / (2.0 * RIDGE), max_iter=400)
    fitted.fit((rows - mean) * scale, no_voice, share * len(rows))
    weight = fitted.coef_[0] * scale
    return weight.astype(np.float32), (fitted.intercept_ - weight @ mean).astype(np.float32)


def main() -> None:
    """Parse arguments, fit, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("checkpoints/voice_presence"))
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    clips = read_manifest(find_data(arguments.data))
    encoder = open_encoder("speech_encoder", articulates=False)

    def features(sound: Sound) -> SpeechFeatures:
        return encoder(from_samples(np.clip(sound.samples, -1.0, 1.0), SAMPLE_RATE))

    training = Sounds(clips, "train", 1.0, arguments.seed)
    parts, pauses = list[tuple[np.ndarray, float, int]](), list[np.ndarray]()
    kinds = [(training.voices(), 0.0, len(COUNTS) + len(MADE)), (training.no_voices(), 1.0, 3)]
    for drawn, label, count in kinds:
        for kind, sounds in drawn:
            rows = list[np.ndarray]()
            for found, sound in ((features(sound), sound) for sound in sounds):
                chosen = np.arange(sound.first, len(found), EVERY)
                rows.append(described(found.hidden)[chosen[found.speech[chosen]]].astype(np.float32))
                if kind in READ:
                    pauses.append(np.concatenate([found.hidden, found.prosody], 1)[~found.speech])
            parts.append((np.concatenate(rows), label, count))
            print(f"{kind}: {len(sounds)} sounds, {len(parts[-1][0])} rows", flush=True)
    share = np.concatenate([np.full(len(rows), 0.5 / count / len(rows)) for rows, _, count in parts])
    label_of = np.concatenate([np.full(len(rows), label) for rows, label, _ in parts])
    weight, bias = fit(np.concatenate([rows for rows, *_ in parts]).astype(np.float64), label_of, share)
    rest, rest_prosody = np.split(np.concatenate(pauses).mean(0).astype(np.float32), [encoder.channels])
    weights = PresenceWeights(weight, bias, rest, rest_prosody)

    held_out, metrics = Sounds(clips, "valid", 0.25, arguments.seed), dict[str, float]()
    for drawn in (held_out.voices(), held_out.no_voices()):
        for kind, sounds in drawn:
            shares = list[float]()
            for found, sound in ((features(sound), sound) for sound in sounds):
                presence = PresenceStream(weights).push(found.hidden, found.speech, len(found))[sound.first :]
                speech = found.speech[sound.first :]
                shares += [float(presence[speech].mean())] if speech.any() else []
            metrics[kind.lower().replace(" ", "_").replace("-", "")] = round(float(np.mean(shares)), 3)
    print(metrics)
    config = CheckpointConfig(
        kind="voice_presence",
        licence="ODbL-1.0",
        trained_on=[
            "CREMA-D train split (ODbL 1.0, DbCL 1.0)",
            "BanglaSER (CC BY 4.0)",
            "LibriSpeech (CC BY 4.0)",
            "speechocean762 (CC BY 4.0)",
            "LJ Speech (public domain)",
            "EmoGator (Apache-2.0)",
            "ESC-10 (CC BY 3.0)",
            "synthetic music",
        ],
        encoder_sha256=weights_sha256(builtin_checkpoint("speech_encoder")),
        model={},
        metrics=metrics,
    )
    import torch

    state = {name: torch.from_numpy(value) for name, value in weights._asdict().items()}
    write_checkpoint(arguments.out, config, state, fill_card("voice_presence", **metrics))


if __name__ == "__main__":
    main()
