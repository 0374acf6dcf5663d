"""Instrumental music made of chance: melodies, chords, basses, drums and noises, for ``train_voice_presence.py``.

No recording of music under a free licence is at hand, and none is needed: what a classifier has to know of music is
that pitches are held and jump, that chords sound together and that blows decay.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

from sedtalker.audio import SAMPLE_RATE

Samples = NDArray[np.float32]
Doubles = NDArray[np.float64]
INSTRUMENTS = ("piano", "pluck", "bell", "organ", "wind", "square", "string", "lead", "saw")
"""How partials lie and decay; strings, leads and winds have a vibrato."""
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10), (0, 1, 4, 5, 7, 8, 11))
"""Semitones above the tonic: major, minor, pentatonic, blues, and double harmonic."""
BELL = np.array((0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0, 3.76, 4.07))
"""Partials of a bell, as multiples of its note."""
PARTIALS, HIGHEST = 14, 7800.0
"""Most partials of a note, and the highest one, Hz."""
LEVEL = 0.07
"""Root mean square of a piece."""
TAIL = 4 * SAMPLE_RATE
"""Samples after the end in which notes may still sound."""


def tone(hertz: float, count: int, instrument: str, rng: np.random.Generator) -> Doubles:
    """A note of so many samples, its largest sample 1."""
    time = np.arange(count) / SAMPLE_RATE
    number = np.arange(1.0, max(2, min(PARTIALS, int(HIGHEST / hertz)) + 1))
    vibrato = rng.uniform(0.0, 0.006) * np.sin(2 * np.pi * rng.uniform(4.0, 7.0) * time + rng.uniform(0.0, 6.0))
    if instrument not in ("string", "wind", "lead"):
        vibrato *= 0.0
    ratio, decay = number, np.zeros(len(number))
    match instrument:
        case "piano":
            ratio = number * np.sqrt(1.0 + rng.uniform(0.0, 4e-4) * number**2)
            size, decay = number ** -rng.uniform(1.0, 2.0), number * rng.uniform(0.3, 1.2)
        case "pluck":
            size, decay = (
                np.abs(np.sin(np.pi * number * rng.uniform(0.1, 0.4))) / number,
                number**1.2 * rng.uniform(0.5, 2.0),
            )
        case "bell":
            ratio = BELL
            size, decay = 1.0 / (1.0 + np.arange(len(BELL))), BELL * rng.uniform(0.2, 1.0)
        case "organ":
            size = rng.random(len(number))
        case "wind":
            size = np.where(number % 2 == 1, 1.0, rng.uniform(0.1, 1.0)) / number**2
        case "square":
            size = (number % 2) / number
        case _:
            size = number ** -rng.uniform(0.8, 1.5)
    phase, made = 2 * np.pi * np.cumsum(hertz * (1.0 + vibrato)) / SAMPLE_RATE, np.zeros(count)
    for times, loud, dies in zip(ratio, size, decay, strict=True):
        if times * hertz < HIGHEST:
            made += loud * np.exp(-dies * time) * np.sin(times * phase + rng.uniform(0.0, 6.0))
    if instrument in ("string", "lead", "saw", "wind") and rng.random() < 0.7:
        made = sosfilt(butter(2, rng.uniform(500.0, 4000.0), fs=SAMPLE_RATE, output="sos"), made)
    if instrument == "wind":
        made += 0.05 * np.abs(made).max() * rng.standard_normal(count)
    return np.asarray(made / (np.abs(made).max() + 1e-9))


def shaped(note: Doubles, attack: float, rng: np.random.Generator) -> Doubles:
    """A note that begins within so many seconds, and dies away or is held."""
    time = np.arange(len(note)) / SAMPLE_RATE
    if rng.random() < 0.5:
        fall = np.exp(-time / rng.uniform(0.15, 1.5))
    else:
        fall = np.minimum(1.0, time[::-1] / 0.08) * (0.7 + 0.3 * np.exp(-time / 0.3))
    return np.asarray(note * fall * np.minimum(1.0, time / attack))


def blow(drum: str, rng: np.random.Generator) -> Doubles:
    """A kick, snare, hi-hat or tom."""
    time = np.arange(int(SAMPLE_RATE * rng.uniform(0.08, 0.4))) / SAMPLE_RATE
    noise = rng.standard_normal(len(time))
    match drum:
        case "kick":
            hertz = rng.uniform(40.0, 60.0) + rng.uniform(60.0, 160.0) * np.exp(-time * rng.uniform(20.0, 40.0))
            made = np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE) * np.exp(-time * rng.uniform(8.0, 20.0))
        case "snare":
            ring = np.sin(2 * np.pi * rng.uniform(160.0, 240.0) * time) * np.exp(-20.0 * time)
            made = 0.7 * noise * np.exp(-time * rng.uniform(12.0, 30.0)) + 0.35 * ring
        case "tom":
            made = np.sin(2 * np.pi * rng.uniform(80.0, 250.0) * time) * np.exp(-12.0 * time)
        case _:
            high = butter(2, rng.uniform(4000.0, 7000.0), "high", fs=SAMPLE_RATE, output="sos")
            made = sosfilt(high, noise) * np.exp(-time * rng.uniform(15.0, 70.0))
    return np.asarray(made)


class Piece:
    """A piece of music that is being written."""

    def __init__(self, seconds: float, rng: np.random.Generator):
        self.rng, self.seconds = rng, seconds
        self.samples = np.zeros(int(SAMPLE_RATE * seconds) + TAIL)
        self.beat = 60.0 / rng.uniform(60.0, 170.0)
        self.scale, self.tonic = SCALES[rng.integers(len(SCALES))], rng.uniform(40.0, 60.0)

    def hertz(self, degree: int, octave: int) -> float:
        """The frequency of a degree of the scale."""
        octaves, step = divmod(degree, len(self.scale))
        return float(440.0 * 2.0 ** ((self.tonic + self.scale[step] + 12 * (octave + octaves) - 69.0) / 12.0))

    def put(self, second: float, sound: Doubles, gain: float) -> None:
        """Add a sound that begins at this second."""
        place = int(second * SAMPLE_RATE)
        sound = sound[: max(0, len(self.samples) - place)]
        self.samples[place : place + len(sound)] += gain * sound

    def note(self, second: float, degree: int, octave: int, instrument: str, length: float, gain: float) -> None:
        """Add a note of so many seconds."""
        made = tone(self.hertz(degree, octave), int(SAMPLE_RATE * min(length, 4.0)), instrument, self.rng)
        self.put(second, shaped(made, self.rng.uniform(0.003, 0.1), self.rng), gain)

    def melody(self) -> None:
        """Single notes that walk up and down."""
        rng, second, degree = self.rng, 0.0, int(self.rng.integers(7))
        instrument, octave, gain = str(rng.choice(INSTRUMENTS)), int(rng.integers(1, 3)), rng.uniform(0.4, 1.0)
        while second < self.seconds:
            length = self.beat * float(rng.choice([0.25, 0.5, 0.5, 1.0, 1.0, 2.0]))
            if rng.random() < 0.88:
                self.note(second, degree, octave, instrument, length * rng.uniform(0.7, 1.6), gain)
            degree, second = int(np.clip(degree + rng.integers(-3, 4), -4, 12)), second + length

    def chords(self) -> None:
        """Thirds upon thirds, together or one after the other."""
        rng, broken, second = self.rng, self.rng.random() < 0.35, 0.0
        instrument, step = str(rng.choice(INSTRUMENTS)), self.beat * float(rng.choice([1.0, 2.0, 4.0]))
        gain = rng.uniform(0.1, 0.35)
        while second < self.seconds:
            root = int(rng.integers(7))
            for place in range(int(rng.integers(2, 5))):
                late = place * self.beat / 2 if broken else rng.uniform(0.0, 0.02)
                self.note(second + late, root + 2 * place, 0, instrument, step * rng.uniform(0.8, 1.3), gain)
            second += step

    def bass(self) -> None:
        """Low notes on the beat."""
        rng, second, gain = self.rng, 0.0, self.rng.uniform(0.3, 0.9)
        instrument = str(rng.choice(["pluck", "saw", "square", "organ", "string"]))
        while second < self.seconds:
            length = self.beat * float(rng.choice([0.5, 1.0, 1.0, 2.0]))
            self.note(second, int(rng.integers(7)), -1, instrument, 0.95 * length, gain)
            second += length

    def drums(self) -> None:
        """A pattern of half beats that repeats."""
        rng = self.rng
        pattern = rng.random((4, 8)) < np.array([0.35, 0.25, 0.6, 0.12])[:, None]
        kit, gains = [blow(drum, rng) for drum in ("kick", "snare", "hat", "tom")], rng.uniform(0.2, 0.9, 4)
        for place in range(int(self.seconds / self.beat * 2)):
            for drum in np.flatnonzero(pattern[:, place % 8]):
                self.put(
                    place * self.beat / 2 + rng.uniform(0.0, 0.006), kit[drum], gains[drum] * rng.uniform(0.6, 1.0)
                )

    def noise(self) -> None:
        """A band of noise that swells: wind, surf, a machine."""
        rng, count, low = self.rng, len(self.samples), self.rng.uniform(60.0, 1500.0)
        edges = [low, min(HIGHEST, low * rng.uniform(1.5, 5.0))]
        band = sosfilt(butter(2, edges, "band", fs=SAMPLE_RATE, output="sos"), rng.standard_normal(count))
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.05, 6.0) * np.arange(count) / SAMPLE_RATE)
        self.samples += rng.uniform(0.02, 0.12) * band / band.std() * swell


def music(seconds: float, rng: np.random.Generator) -> Samples:
    """A piece of so many seconds."""
    piece = Piece(seconds, rng)
    parts = (piece.melody, piece.chords, piece.bass, piece.drums, piece.noise)
    chosen = rng.random(len(parts)) < (0.75, 0.75, 0.5, 0.55, 0.35)
    chosen[rng.integers(len(parts))] |= not chosen.any()
    for part, wanted in zip(parts, chosen, strict=True):
        if wanted:
            part()
    made = piece.samples
    if rng.random() < 0.5:  # a room
        time = np.arange(int(SAMPLE_RATE * rng.uniform(0.2, 2.0))) / SAMPLE_RATE
        echo = rng.standard_normal(len(time)) * np.exp(-time * rng.uniform(3.0, 12.0))
        made = made + rng.uniform(0.1, 0.6) * fftconvolve(made, echo / np.sqrt(np.square(echo).sum()))[: len(made)]
    if rng.random() < 0.3:  # an amplifier that is driven too hard
        made = np.tanh(made * rng.uniform(1.0, 6.0))
    if rng.random() < 0.3:
        made = lfilter([1.0, -rng.uniform(-0.7, 0.7)], [1.0], made)
    made = made[: int(SAMPLE_RATE * seconds)]
    return np.asarray(LEVEL * made / (np.sqrt(np.square(made).mean()) + 1e-9), np.float32)
