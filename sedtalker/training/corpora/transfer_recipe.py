"""The third recipe of augmentation, for networks that must transfer to other corpora: the widest of the three.

Other voices, rooms, microphones, noises, babble, telephones, codecs and edits. The emotion encoder and the free
diarizer are trained with it; kinds of noise are split, so that half of the environmental sounds never appear in
training. The numbers are drawn in a fixed order, which must stay as it is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, istft, lfilter, sosfilt, stft

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.audio import SAMPLE_RATE
from sedtalker.emotion.taxonomy import known_category
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError, extra
from sedtalker.training.corpora.augmentation import RoomAndNoise, Samples, change_speed, from_direct_sound
from sedtalker.training.corpora.joined_speech import category_of
from sedtalker.training.corpora.manifest import Clip, read_table
from sedtalker.training.corpora.speech import known_corpus

CLEAN, OTHER_VOICE, DEGRADED = 0, 1, 2
"""Kinds of copies of a clip by number: the clip itself; another voice and microphone; the same voice degraded. Other
numbers but ``NOISY``, ``REVERBERANT`` and ``EDITED``: another voice, degraded."""
NOISY, REVERBERANT = 6, 7
"""Two more kinds: in loud noise, sometimes in a room; and in one or two rooms, sometimes with another voice or noise.
They are for the perceptrons alone: without them 5 dB of noise cost .15 of recall, with them .10."""
EDITED = 8
"""One more for them: what editors do to recordings, see ``edited``."""
LOUD_NOISE, FAINT_NOISE = (-2.0, 14.0), (5.0, 30.0)
"""Ranges of the signal-to-noise ratio in these copies, dB."""
VOICES = 5
"""Talkers in babble."""
CODECS = (("MP3", "MPEG_LAYER_III", 0.5, 0.6), ("OGG", "OPUS", 0.6, 1.0))
"""Format and codec as libsndfile names them, least compression (0 to 1), and the cumulative share of use."""
TRANSCODING_PEAK = 0.7
"""Peak that a recording is brought to before it is encoded."""
TELEPHONE_BAND = (300.0, 3500.0)
"""Lower and upper limit of a telephone, Hz."""
MU = 255.0
"""Parameter of the telephone's eight-bit μ-law (ITU-T G.711)."""


@dataclass(frozen=True, eq=False)
class TransferAugmenter(RoomAndNoise):
    """Each chance is drawn when its turn comes. Other noises are babble, or coloured. Makes numbered copies, too."""

    measured: float = 0.4
    reverberation: tuple[float, float] = (0.1, 0.8)
    noise: float = 0.55
    recorded: float = 0.5
    snr: tuple[float, float] = (0.0, 30.0)
    speed: tuple[float, float] = (0.84, 1.19)
    babble: Sequence[Samples] = ()
    """Read speech, ``VOICES`` recordings of which make babble."""
    wet: tuple[float, float] = (0.3, 1.0)
    """Range of the gain of a measured reverberation."""
    microphone: float = 0.8
    """Chance of another microphone."""
    band_limits: float = 0.25
    """Share of microphones with limits of their band."""
    babbling: float = 0.2
    """Share of babble."""
    telephone: float = 0.12
    """Chance of a telephone."""
    transcoded: float = 0.28
    """Chance of a codec, where there is no telephone."""
    clipped: float = 0.06
    """Chance of clipping."""

    def degrade(self, samples: Samples, rng: np.random.Generator) -> Samples:
        if rng.random() < self.room:
            samples = self._reverberate(samples, rng)
        samples = self._change_microphone(samples, rng)
        if rng.random() < self.noise:
            samples = self._add_noise(samples, rng, self.snr)
        line = rng.random()
        if line < self.telephone:
            samples = telephone(samples)
        elif line < self.telephone + self.transcoded:
            samples = transcode(samples, rng)
        if rng.random() < self.clipped:
            limit = rng.uniform(0.1, 0.5) * np.abs(samples).max()
            samples = np.clip(samples, -limit, limit)
        return samples.astype(np.float32)

    def _reverberate(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A measured response or decaying noise; the direct sound stays in place."""
        if self.responses and rng.random() < self.measured:
            tail = from_direct_sound(self.responses[int(rng.integers(len(self.responses)))])
            response = np.concatenate([[1.0], float(rng.uniform(*self.wet)) * tail[1:]])
        else:
            seconds = rng.uniform(*self.reverberation)
            t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
            response = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds) * rng.uniform(0.01, 0.08)
            response[: int(rng.uniform(0.002, 0.02) * SAMPLE_RATE)] = 0.0  # before the first reflection
            response[0] = 1.0
        return fftconvolve(samples, response)[: len(samples)].astype(np.float32)

    def _change_microphone(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """With its chance, a smooth random gain over frequency, up to ±14 dB, sometimes with limits of the band."""
        if rng.random() >= self.microphone:
            return samples
        spectrum = np.fft.rfft(samples)
        hertz = _frequencies(spectrum)
        octave = np.log2(hertz / 50)
        decibels = np.interp(octave, np.linspace(0, 7.5, 7), rng.normal(0, 5.0, 7).clip(-14, 14))
        if rng.random() < self.band_limits:
            low, high = rng.uniform(60, 300), rng.uniform(3400, 7500)
            below, above = np.clip(np.log2(low / hertz), 0, 1), np.clip(4 * np.log2(hertz / high), 0, 1)
            decibels = decibels - 40 * below - 40 * above
        return np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples)).astype(np.float32)

    def _add_noise(self, samples: Samples, rng: np.random.Generator, snr: tuple[float, float]) -> Samples:
        """A recorded background, babble, or coloured noise, at a random ratio (dB) to the speech."""
        kind, count = rng.random(), len(samples)
        noise: Reals
        if kind < self.recorded and self.noises:
            noise = self.noises[int(rng.integers(len(self.noises)))]
        elif kind < self.recorded + self.babbling and self.babble:
            voices = [self.babble[int(rng.integers(len(self.babble)))] for _ in range(VOICES)]
            noise = np.sum([np.roll(np.resize(v, count), int(rng.integers(count))) for v in voices], axis=0)
        else:
            spectrum = np.fft.rfft(rng.standard_normal(count))
            noise = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, 1.1), count)
        noise = np.roll(np.resize(noise, count), int(rng.integers(count)))
        ratio = _rms(samples) / _rms(noise) * 10 ** (-rng.uniform(*snr) / 20)
        return (samples + ratio * noise).astype(np.float32)

    def copy(self, samples: Samples, number: int, rng: np.random.Generator) -> Samples:
        """Copy ``number`` of a clip, see ``CLEAN``."""
        if number == CLEAN:
            return samples
        if number == DEGRADED:
            return self.degrade(samples, rng)
        if number == NOISY:
            return self._noisy(samples, rng)
        if number == REVERBERANT:
            return self._reverberant(samples, rng)
        if number == EDITED:
            return edited(samples, rng)
        voice = change_speed(samples, self.draw_speed(rng))
        return self._change_microphone(voice, rng) if number == OTHER_VOICE else self.degrade(voice, rng)

    def _noisy(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Loud noise; half of the time another microphone, with its chance a room."""
        if rng.random() < self.room:
            samples = self._reverberate(samples, rng)
        if rng.random() < 0.5:
            samples = replace(self, microphone=1.0)._change_microphone(samples, rng)
        return self._add_noise(samples, rng, LOUD_NOISE)

    def _reverberant(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A room, half of the time a second one behind it; half of the time another voice; sometimes faint noise."""
        if rng.random() < 0.5:
            samples = change_speed(samples, self.draw_speed(rng))
        samples = self._reverberate(samples, rng)
        if rng.random() < 0.5:
            samples = self._reverberate(samples, rng)
        if rng.random() < 0.4:
            samples = self._add_noise(samples, rng, FAINT_NOISE)
        return samples


def telephone(samples: Samples) -> Samples:
    """Samples (N,) within a telephone's band, coded with eight-bit μ-law."""
    spectrum, (low, high) = np.fft.rfft(samples), TELEPHONE_BAND
    hertz = _frequencies(spectrum)
    narrow = np.fft.irfft(spectrum / (1 + (hertz / high) ** 24) / (1 + (low / hertz) ** 8), len(samples))
    peak = np.abs(narrow).max() + 1e-9
    scaled = 0.9 * narrow / peak
    coded = np.round(127 * np.sign(scaled) * np.log1p(MU * np.abs(scaled)) / np.log(MU + 1)) / 127
    return (np.sign(coded) * ((MU + 1) ** np.abs(coded) - 1) / MU * peak / 0.9).astype(np.float32)


def transcode(samples: Samples, rng: np.random.Generator) -> Samples:
    """Samples (N,) through MP3 or Opus at a random quality."""
    peak = np.abs(samples).max() + 1e-9
    draw = rng.random()
    container, codec, least = next(c[:3] for c in CODECS if draw < c[3])
    level, stream = float(rng.uniform(least, 0.99)), io.BytesIO()
    try:
        data = (TRANSCODING_PEAK * samples / peak).astype(np.float32)
        soundfile.write(stream, data, SAMPLE_RATE, format=container, subtype=codec, compression_level=level)
        stream.seek(0)
        decoded = soundfile.read(stream, dtype="float32")[0][: len(samples)]
    except soundfile.LibsndfileError:
        return samples  # too short for the codec
    return (np.pad(decoded, (0, len(samples) - len(decoded))) * peak / TRANSCODING_PEAK).astype(np.float32)


# --- What editors do to recordings.


def edited(samples: Samples, rng: np.random.Generator) -> Samples:
    """Samples (N,) after a random choice of ``EDITS``, in their order; their peak is .5, their length is kept."""
    made = samples.astype(np.float64)
    for chance, edit in EDITS.values():
        if rng.random() < chance:
            made = edit(made, rng)
    return (0.5 * made / (np.abs(made).max() + 1e-9)).astype(np.float32)


def _shifted(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """Up to three semitones higher or lower, by a phase vocoder."""
    with extra("train"):
        import librosa

    return np.asarray(librosa.effects.pitch_shift(samples, sr=SAMPLE_RATE, n_steps=float(rng.uniform(-3, 3))))


def _denoised(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """Without what is steady: spectral subtraction (Boll 1979), of a random share and down to a random floor."""
    spectrum = stft(samples, SAMPLE_RATE, nperseg=512)[2]
    level = np.abs(spectrum)
    steady = rng.uniform(1, 3) * np.quantile(level, 0.15, axis=1, keepdims=True)
    gain = np.clip(1 - (steady / (level + 1e-9)) ** 2, rng.uniform(0.02, 0.3), 1)
    made = istft(gain * spectrum, SAMPLE_RATE, nperseg=512)[1]
    return np.pad(made, (0, max(0, len(samples) - len(made))))[: len(samples)]


def _compressed(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """Loud sound is made quieter by a compressor of random threshold, ratio and time of response."""
    power = np.convolve(samples**2, np.full(160, 1 / 160), "same") + 1e-10
    decibels = 10 * np.log10(power / np.percentile(power, 95))
    threshold, ratio = rng.uniform(-25, -6), rng.uniform(2, 8)
    wanted = np.where(decibels > threshold, (threshold - decibels) * (1 - 1 / ratio), 0)
    kept = np.exp(-1 / (rng.uniform(0.005, 0.05) * SAMPLE_RATE))
    return np.asarray(samples * 10 ** (lfilter([1 - kept], [1, -kept], wanted) / 20))


def _saturated(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """Too loud for a device, softly or hard."""
    driven = rng.uniform(1.5, 6) / (np.abs(samples).max() or 1.0) * samples  # silence stays silence
    return np.tanh(driven) if rng.random() < 0.5 else driven.clip(-1, 1)


def _filtered(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """Without what is high, what is low, or both."""
    for order, kind, (low, high) in ((4, "lowpass", (3500, 7500)), (2, "highpass", (70, 220))):
        if rng.random() < 0.6:
            samples = sosfilt(butter(order, rng.uniform(low, high), kind, fs=SAMPLE_RATE, output="sos"), samples)
    return samples


def _faded(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """Faded in and out in up to a second."""
    (start, end), index = rng.uniform(0.05, 1.0, 2) * SAMPLE_RATE, np.arange(len(samples))
    return samples * np.minimum(index / start, index[::-1] / end).clip(0, 1) ** rng.uniform(0.7, 2.5)


def _doubled(samples: Doubles, rng: np.random.Generator) -> Doubles:
    """A chorus: the sound again, 8 to 25 ms later, by a time that changes."""
    index = np.arange(len(samples))
    middle = rng.uniform(0.008, 0.025) * SAMPLE_RATE
    later = middle * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.2, 1.5) * index / SAMPLE_RATE))
    return samples + rng.uniform(0.3, 0.9) * np.interp(index - later, index, samples)


EDITS: Mapping[str, tuple[float, Callable[[Doubles, np.random.Generator], Doubles]]] = {
    "pitch": (0.35, _shifted),
    "denoised": (0.3, _denoised),
    "compressed": (0.4, _compressed),
    "saturated": (0.25, _saturated),
    "filtered": (0.3, _filtered),
    "faded": (0.35, _faded),
    "doubled": (0.12, _doubled),
}
"""Chance and function of each, by a name."""


def _frequencies(spectrum: NDArray[np.complexfloating]) -> Doubles:
    """Frequencies of the bins of a spectrum, Hz; 1 in the place of 0."""
    return np.maximum(np.linspace(0, SAMPLE_RATE / 2, len(spectrum)), 1.0)


def _rms(samples: Reals) -> float:
    return float(np.sqrt(np.mean(samples**2) + 1e-12))


# --- Soft labels: the votes of a crowd for the voices of CREMA-D, mixed with what the actor intended.

LETTERS = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
"""Letters of CREMA-D's categories."""
PUBLISHED = ("processedResults/tabulatedVotes.csv", "tabulatedVotes.csv")
"""Where the published table lies in the folder of the corpus."""
VOICE_ALONE = range(100_000, 200_000)
"""Numbers of the published table's lines about the voice alone; the others are about the face, and about both."""
UNKNOWN_LEVEL = 50.0
"""Level where the table has none."""
MIDDLE_LEVEL, LEVEL_SPREAD = 57.0, 7.0
"""Perceived level (0 to 100) of a middling expression, and the scale on which levels differ."""
NEUTRAL_MOST = 0.08
"""Largest intensity of a clip that is meant to be neutral."""


@dataclass(frozen=True)
class Votes:
    """Votes of those who had the voice alone.

    Attributes:
        share: (C,) of each category; sums to 1.
        level: mean perceived level of the chosen emotion, 0 to 100.
        count: how many voted.
    """

    share: Floats
    level: float
    count: int = 0


def read_vote_table(folder: Path) -> dict[str, Votes]:
    """Votes by the names of CREMA-D's files, without their endings. Clips without a vote are left out.

    Raises:
        InputError: there is no table of votes in the folder of the corpus.
    """
    ours, published = folder / "ratings.csv", [folder / name for name in PUBLISHED]
    path = next((p for p in (ours, *published) if p.is_file()), None)
    if path is None:
        raise InputError(f"{folder}: no votes there; {PUBLISHED[0]} is part of CREMA-D's repository")
    prefix, name, level = ("voice_", "file", "voice_level_mean") if path == ours else ("", "fileName", "meanEmoResp")
    votes = {}
    for line in read_table(path, (name, *(prefix + letter for letter in LETTERS)), published=path != ours):
        share = np.zeros(len(CATEGORIES), np.float32)
        try:
            if path != ours and int(line.get("") or 0) not in VOICE_ALONE:
                continue
            for letter, word in LETTERS.items():
                share[CATEGORIES.index(word)] = float(line[prefix + letter] or 0)
            perceived = float(line.get(level) or UNKNOWN_LEVEL)
        except ValueError:
            raise InputError(f"{path}: the row of {line[name]} has a vote or a level that is no number") from None
        if share.sum() > 0:
            votes[Path(line[name]).stem] = Votes(share / share.sum(), perceived, round(float(share.sum())))
    return votes


def is_rated(corpus: str) -> bool:
    """Whether raters voted on the clips of a corpus."""
    known = known_corpus(corpus)
    return known is not None and known.rated


def read_votes(data: Path, corpora: Sequence[str]) -> dict[str, Votes]:
    """Votes by ``corpus/file`` (without its ending) of those of the corpora that are rated."""
    votes: dict[str, Votes] = {}
    for name in filter(is_rated, corpora):
        known = known_corpus(name)
        assert known is not None
        folders = [data / "audio" / n for n in (name, known.name, *known.aliases)]
        folder = next((f for f in folders if f.is_dir()), folders[0])
        votes |= {f"{name}/{stem}": value for stem, value in read_vote_table(folder).items()}
    return votes


def votes_on(clip: Clip, votes: Mapping[str, Votes]) -> Votes | None:
    """The votes on a clip; None where there are none."""
    return votes.get(f"{clip.corpus}/{clip.path.stem}")


def soft_targets(clips: Sequence[Clip], votes: Mapping[str, Votes], intended: float, other: float) -> Floats:
    """Target distribution (N, C) of each clip.

    Args:
        clips: whose labels are categories of ours.
        votes: from ``read_votes``.
        intended: share of the intended category beside the votes.
        other: share of the label of clips without votes, the rest being even.
    """
    labels = np.eye(len(CATEGORIES), dtype=np.float32)[[category_of(clip) for clip in clips]]
    out = np.empty_like(labels)
    for target, label, clip in zip(out, labels, clips, strict=True):
        known = votes_on(clip, votes)
        if known is None:
            target[:] = other * label + (1.0 - other) / len(CATEGORIES)
        else:
            target[:] = intended * label + (1.0 - intended) * known.share
    return out


def intensity_targets(clips: Sequence[Clip], votes: Mapping[str, Votes]) -> Floats:
    """Intensity (N,) in [0, 1] of rated clips, 0 where there are no votes.

    It is the share of votes for any emotion, times how strong it seemed to the raters; the intended level, which the
    clips of one sentence have, shifts it.
    """
    out = np.zeros(len(clips), np.float32)
    for i, clip in enumerate(clips):
        known = votes_on(clip, votes)
        if known is None:
            continue
        strength = 0.25 + 0.75 / (1.0 + np.exp(-(known.level - MIDDLE_LEVEL) / LEVEL_SPREAD))
        value = (1.0 - known.share[0]) * strength
        if known_category(clip.emotion) == "neutral":
            value = min(value, NEUTRAL_MOST)
        elif clip.intensity in ("high", "strong"):
            value = max(value, 0.5) + 0.2
        elif clip.intensity == "low":
            value *= 0.75
        out[i] = np.clip(value, 0.02, 0.97)
    return out
