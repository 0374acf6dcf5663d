"""What networks read of sound: log-mels, prosody, where speech is; and the phones it is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view

from sedtalker.arrays import Doubles, Floats, Ints, Mask, clamped
from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock
from sedtalker.audio.activity import ENERGY_FLOOR, FAINTEST, LOUD, QUIET, background, recorded, speech_threshold
from sedtalker.audio.audio import without_offset
from sedtalker.errors import InputError
from sedtalker.progress import in_parts

SILENCE = "SIL"
"""The phone of frames in which nobody speaks."""
PHONES: tuple[str, ...] = (
    SILENCE,
    *("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"),
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH"),
    *("V", "W", "Y", "Z", "ZH"),
)
"""39 phones of ARPABET, as CMUdict has them, and silence; the order of the encoder\'s phone head."""
PHONE_INDEX: dict[str, int] = {name: i for i, name in enumerate(PHONES)}
"""Place of each phone in ``PHONES``."""

BILABIAL = ("P", "B", "M")
"""The lips must close."""
LABIODENTAL = ("F", "V")
"""The lower lip meets the upper teeth."""
VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
"""Phones that are voiced with an open mouth."""
OPEN_VOWELS = ("AA", "AE", "AY", "AW", "EH", "EY")
"""Vowels on which nobody closes the lips."""


# --- Log-mels and prosody on one grid: analysis frames every 10 ms, centred at ``(i + 1/2) · 10 ms``.

HOP_LENGTH = 160
"""Samples between analysis frames: 10 ms."""
WINDOW_LENGTH = 400
"""Samples that a log-mel sees: 25 ms."""
FFT_LENGTH = 512
"""Window of the log-mels, samples."""
MEL_BANDS = 80
"""From 0 to 8 kHz."""
LOG_FLOOR = 1e-6
"""Added to the power of a band before its logarithm."""
MEL_SCALE = 0.4
"""Brings centred natural-log mels (standard deviation about 2.5) near unit variance."""
MEL_CLOCK = FrameClock(rate=SAMPLE_RATE / HOP_LENGTH, offset=0.5 * HOP_LENGTH / SAMPLE_RATE)
"""Clock of the analysis frames: 100 a second."""
FRAME_CLOCK = FrameClock(rate=MEL_CLOCK.rate / 2, offset=HOP_LENGTH / SAMPLE_RATE)
"""Clock of the built-in encoder: 50 frames a second, frame i centred at ``(i + 1/2) · 20 ms``."""
HOPS = round(MEL_CLOCK.rate / FRAME_CLOCK.rate)
"""Analysis frames of 10 ms in a frame."""
FRAME_LENGTH = HOPS * HOP_LENGTH
"""Samples of a frame: 20 ms."""
MINUTE = 6000
"""Frames worked on at a time where an hour of them would not fit in memory."""

F0_LOWEST, F0_HIGHEST = 60.0, 500.0
"""Fundamentals that are looked for, Hz: low men to children."""
PITCH_WINDOW = 800
"""Samples that the pitch of a frame sees: 50 ms, three periods of the lowest."""
PITCH_FFT = 2048
"""Window of its spectrum, samples: long enough for an autocorrelation that does not wrap around."""
SHORTEST_LAG, LONGEST_LAG = int(SAMPLE_RATE / F0_HIGHEST), int(SAMPLE_RATE / F0_LOWEST)
"""The same as samples between two periods."""
LARGEST_GAIN = 1e3
"""60 dB: what is quieter still is noise."""
SILENT_RMS = 1e-6
"""Frames below it (-120 dBFS) are digital silence: nothing was recorded there, so no statistic counts them."""
SILENT_LEVEL = float(np.log(MEL_BANDS * LOG_FLOOR)) + 1e-4
"""The same of ``mel_level``: some 90 dB below loud speech."""
PROSODY_CHANNELS = ("log_energy", "log_f0", "voicing", "spectral_tilt")
"""Columns of the prosody tracks, see ``prosody``."""


def mel_edges() -> Doubles:
    """Edges (M + 2,) of the mel bands in Hz: band k rises from the k-th to the next and falls to the one after.

    Slaney's Auditory Toolbox (1998): linear below 1 kHz (3 mels are 200 Hz), logarithmic above (27 mels are a factor of
    6.4), 0 to 8 kHz.
    """
    hertz_a_mel, corner, log_step = 200.0 / 3, 1000.0, np.log(6.4) / 27.0
    corner_mel = corner / hertz_a_mel
    highest = corner_mel + np.log(SAMPLE_RATE / 2 / corner) / log_step
    mels = np.linspace(0.0, highest, MEL_BANDS + 2)
    edges: Doubles = hertz_a_mel * mels
    above = mels >= corner_mel
    edges[above] = corner * np.exp(log_step * (mels[above] - corner_mel))
    return edges


@lru_cache(maxsize=2)
def mel_filters(fft_length: int = FFT_LENGTH) -> Floats:
    """(M, F) triangular filters of equal area between ``mel_edges``.

    The shipped weights depend on every bit: these are the values of ``librosa.filters.mel``, without its dependencies.
    """
    edges = mel_edges()
    ramps = np.subtract.outer(edges, np.fft.rfftfreq(fft_length, 1.0 / SAMPLE_RATE))
    width = np.diff(edges)[:, None]
    weights = np.maximum(0.0, np.minimum(-ramps[:-2] / width[:-1], ramps[2:] / width[1:])).astype(np.float32)
    weights *= 2.0 / (edges[2:, None] - edges[:-2, None])
    return weights


@lru_cache(maxsize=2)
def hann_window(length: int) -> Floats:
    """(length,) periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi / length * np.arange(length)), np.float32)


def _frames(samples: Floats, length: int, first: int = 0, last: int | None = None) -> Floats:
    """Samples (N,) cut to (T, length) frames centred at ``(i + 1/2) · hop``; T is even: pairs fill 50 Hz.

    Only frames ``first`` to ``last`` where these are given.
    """
    count = len(samples)
    last = frame_count(count) if last is None else min(last, frame_count(count))
    if last <= first:
        return np.zeros((0, length), np.float32)
    begin = first * HOP_LENGTH - (length // 2 - HOP_LENGTH // 2)
    end = begin + (last - first - 1) * HOP_LENGTH + length
    padded = np.pad(samples[max(begin, 0) : max(end, 0)], (max(-begin, 0), max(end - count, 0)))
    return sliding_window_view(padded, length)[::HOP_LENGTH][: last - first]


def frame_count(samples: int) -> int:
    """Analysis frames of so many samples: two for each beginning 20 ms."""
    return 2 * -(-samples // (2 * HOP_LENGTH))


def level_gain(samples: Floats) -> float:
    """Gain that brings the loud frames (95th percentile of 25 ms RMS) of a recording (N,) to 0.1 (-20 dBFS).

    Limited to 60 dB either way; 1 for silence. Digital silence does not count.
    """
    starts = range(0, frame_count(len(samples)), MINUTE)
    parts = [frame_rms(_frames(samples, WINDOW_LENGTH, start, start + MINUTE)) for start in starts]
    if not parts:
        return 1.0
    rms = np.concatenate(parts)
    return gain_of(float(np.quantile(recorded(rms, rms > SILENT_RMS), LOUD)))


def levelled(samples: Floats) -> Floats:
    """A recording (N,) as all networks get it: without a constant offset, at the level of ``level_gain``."""
    plain = without_offset(samples)
    plain *= np.float32(level_gain(plain))
    return plain


def frame_rms(frames: Floats) -> Floats:
    """Root mean square (…) of frames (…, length)."""
    return np.sqrt(np.square(frames).mean(-1))


def gain_of(loud: float) -> float:
    """The gain for a loud RMS, see ``level_gain``."""
    return float(np.clip(0.1 / loud, 1 / LARGEST_GAIN, LARGEST_GAIN)) if loud > 1e-5 else 1.0


def log_mel(samples: Floats) -> Floats:
    """Natural-log mel power (T, 80) of samples (N,) at 16 kHz, T = 2 · ceil(N / 320), 100 frames a second.

    25 ms Hann window, Slaney mel scale to 8 kHz, power floored at 1e-6. Give it samples scaled by
    ``level_gain``, or quiet recordings fall under the floor.
    """
    return np.log(mel_power(_frames(samples, WINDOW_LENGTH)) + np.float32(LOG_FLOOR))


def mel_power(frames: Floats) -> Floats:
    """Power (…, 80) in each mel band of frames (…, 400)."""
    return power_spectrum(frames * hann_window(WINDOW_LENGTH), FFT_LENGTH) @ mel_filters().T


def power_spectrum(frames: Floats, length: int) -> Floats:
    """Power spectrum (…, length / 2 + 1) of windowed frames, zeros behind them."""
    spectrum = scipy.fft.rfft(frames, length)
    return np.asarray(np.square(spectrum.real) + np.square(spectrum.imag), np.float32)


class PitchFrames(NamedTuple):
    """What prosody needs of each frame, before any gain; all scale with the square of one.

    Attributes:
        energy: (…) mean power.
        total: (…) autocorrelation at lag zero.
        correlation: (…, L) autocorrelation at some lags of the pitch range.
        lag: (L,) or (…, L) which, the shortest being 0.
        low, high: (…) spectral power below 1 kHz, and above.
    """

    energy: Floats
    total: Floats
    correlation: Floats
    lag: Ints
    low: Floats
    high: Floats


def prosody(samples: Floats) -> Floats:
    """Prosody tracks (T, 4) on the grid of ``log_mel``: see ``PROSODY_CHANNELS``.

    ``log_energy`` natural log of the frame's mean power (floored at 1e-7); ``log_f0`` natural log of the fundamental
    in Hz relative to 150 Hz, zero where unvoiced; ``voicing`` peak of the window-corrected normalised autocorrelation
    in [0, 1] (Boersma 1993, without path search); ``spectral_tilt`` log energy above 1 kHz minus below.
    """
    return prosody_tracks(pitch_frames(_frames(samples, PITCH_WINDOW)))


def pitch_frames(frames: Floats) -> PitchFrames:
    """Energies and autocorrelation of frames (…, 800)."""
    frames = frames - frames.mean(-1, keepdims=True)
    spectrum = power_spectrum(frames * hann_window(PITCH_WINDOW), PITCH_FFT)
    correlation = np.asarray(scipy.fft.irfft(spectrum), np.float32)
    corner = 1000 * PITCH_FFT // SAMPLE_RATE
    low, high = spectrum[..., 2:corner].sum(-1), spectrum[..., corner:].sum(-1)
    lags = correlation[..., SHORTEST_LAG : LONGEST_LAG + 1]
    lag = np.arange(lags.shape[-1], dtype=np.int32)
    return PitchFrames(np.square(frames).mean(-1), correlation[..., 0], lags, lag, low, high)


def prosody_tracks(frames: PitchFrames, gain: float = 1.0) -> Floats:
    """Tracks (…, 4) of the frames as if the samples had been multiplied by ``gain``, see ``prosody``."""
    power, floor = np.float32(gain * gain), np.float32(1e-3)
    window, bias = lag_weights()
    weighed = frames.correlation / (frames.total[..., None] + floor / power) / window[frames.lag] - bias[frames.lag]
    lag = np.take_along_axis(np.broadcast_to(frames.lag, weighed.shape), weighed.argmax(-1)[..., None], -1)[..., 0]
    voicing = clamped(weighed.max(-1))
    log_f0 = np.where(voicing > 0.45, np.log(SAMPLE_RATE / (lag + SHORTEST_LAG) / 150.0), 0.0)
    tilt = np.log(power * frames.high + floor) - np.log(power * frames.low + floor)
    energy = np.log(power * frames.energy + np.float32(ENERGY_FLOOR))
    return np.stack([energy, log_f0, voicing, tilt], axis=-1, dtype=np.float32, casting="same_kind")


@lru_cache(maxsize=1)
def lag_weights() -> tuple[Floats, Floats]:
    """By lag of the pitch range (L,): the window's own normalised autocorrelation, and what long lags cost."""
    correlation = scipy.fft.irfft(power_spectrum(hann_window(PITCH_WINDOW), PITCH_FFT))
    bias = 0.02 * np.log2(np.arange(SHORTEST_LAG, LONGEST_LAG + 1) / SHORTEST_LAG)
    return np.asarray(correlation[SHORTEST_LAG : LONGEST_LAG + 1] / correlation[0], np.float32), bias.astype(np.float32)


def speech_mask(mel: Floats, higher: float = 0.0) -> Mask:
    """Frames (T,) loud enough to be speech: an adaptive threshold on the smoothed level of a recording.

    The threshold is 30 dB below the loud frames (95th percentile), or 7 dB above the quiet ones (10th percentile)
    where the background is louder than that, but never less than 10 dB below the loud frames. Digital silence does not
    count, so that a recording is the same with silence around it. ``higher`` raises the threshold (natural log).
    """
    if not len(mel):
        return np.zeros(0, bool)
    level = mel_level(mel)
    sound, level = without_silence(level), smooth_level(level)
    faint, quiet, loud = np.quantile(recorded(level, sound), [FAINTEST, QUIET, LOUD])
    quiet = quiet if sound.all() else background(faint, quiet, loud)
    return np.asarray(level > np.float32(speech_threshold(quiet, loud, higher)))


def mel_level(mel: Floats) -> Floats:
    """Level (T,) of log-mels (T, 80): the natural log of the sum of all bands' power."""
    highest = mel.max(-1, keepdims=True, initial=-np.inf)
    return np.asarray(np.log(np.exp(mel - highest).sum(-1)) + highest[..., 0], np.float32)


SMOOTHED_FRAMES = 11
"""Frames over which levels are smoothed."""


def smooth_level(level: Floats) -> Floats:
    """Mean (T,) over ``SMOOTHED_FRAMES`` frames, the ends held."""
    return scipy.ndimage.uniform_filter1d(level, SMOOTHED_FRAMES, mode="nearest")


def without_silence(level: Floats) -> Mask:
    """Frames (T,) whose smoothed level has no digital silence in it; ``level``: see ``mel_level``.

    Frames beside silence are partly silent: their windows overlap.
    """
    return scipy.ndimage.minimum_filter1d(level > SILENT_LEVEL, SMOOTHED_FRAMES + 2, mode="nearest")


def band_means(mel: Floats, mask: Mask) -> Floats:
    """Mean (80,) of log-mels (T, 80) over the frames of a mask (T,); over all frames where it is empty."""
    if not len(mel):
        return np.zeros(mel.shape[1], np.float32)
    return np.asarray((mel[mask] if mask.any() else mel).mean(0, dtype=np.float64), np.float32)


def centre_bands(mel: Floats, means: Floats) -> Floats:
    """Log-mels (…, T, 80) minus the mean of each band (80,), clamped to ±8.

    Takes the microphone and the level out; the variance stays.
    """
    centred = mel - means
    return np.clip(centred, -8.0, 8.0, out=centred)


def pair_any(mask: Mask) -> Mask:
    """Whether either of each pair of frames (2T,) is in a mask; (T,)."""
    return np.asarray(mask[0::2] | mask[1::2])


def pair_means(values: Floats) -> Floats:
    """(2T, C) to (T, C): the mean of two analysis frames for one of the encoder's."""
    return 0.5 * (values[0::2] + values[1::2])


# --- A whole recording.

WINDOW_SECONDS = 30.0
"""What is encoded at once, so that memory does not grow with the recording."""
ANALYSED_FRAMES = 400
"""Analysis frames (10 ms) whose spectra are worked out at once; more do not fit into the processor and take longer."""

SPEECH, EMOTION, FROM_HUB = "speech_encoder", "emotion_encoder", "hub_encoder"
"""Names of the parts of features of two encoders: of the two built-in ones, and of a model of the hub."""


@dataclass(frozen=True, eq=False)
class SpeechFeatures:
    """What an encoder gives and the other networks read, 50 frames a second.

    Attributes:
        clock: times of the frames.
        hidden: (T, D) float32; of two encoders, the columns of the one and then of the other.
        mel: (T, 80) float32 centred log-mels, averaged over pairs of analysis frames.
        prosody: (T, 4) float32, see ``PROSODY_CHANNELS``, averaged over pairs.
        speech: (T,) bool, loud enough to be speech.
        parts: of two encoders, the name of each and the number of its columns, in order; see ``of``.
        phones: (T, 40) float32 logits over ``PHONES`` of a whole recording; None: the decoder's phone head finds them.
        mouth: (T, S) float32 in [0, 1], the talking mouth of a whole recording without emotion, as ``TALKING_SHAPES``
            of ``sedtalker.face.arkit``; None: the decoder alone moves it.
        presence: (T,) float32 in [0, 1], how far each frame is a voice, see ``voice_presence``; None: all are.
        whole: of a part of a recording, the features of all of it, which say how far the mouth opens.
    """

    clock: FrameClock
    hidden: Floats
    mel: Floats
    prosody: Floats
    speech: Mask
    parts: tuple[tuple[str, int], ...] = ()
    phones: Floats | None = None
    mouth: Floats | None = None
    presence: Floats | None = None
    whole: SpeechFeatures | None = None

    def __len__(self) -> int:
        return len(self.hidden)

    @property
    def recording(self) -> SpeechFeatures:
        """The features of the whole recording, also of a part."""
        return self if self.whole is None else self.whole

    @property
    def voice(self) -> Floats:
        """(T, 4) prosody, zero where nobody speaks."""
        return self.prosody * self.speech[:, None]

    def of(self, encoder: str) -> SpeechFeatures:
        """The features of one encoder of several, by its name; those of a single encoder are returned as they are."""
        if not self.parts:
            return self
        start = 0
        for name, columns in self.parts:
            if name == encoder:
                return replace(self, hidden=self.hidden[:, start : start + columns], parts=())
            start += columns
        raise InputError(f"features of {' and '.join(name for name, _ in self.parts)}, and not of {encoder}")

    def part(self, first: int, count: int) -> SpeechFeatures:
        """Frames from ``first`` on."""
        clock = FrameClock(self.clock.rate, self.clock.offset + first / self.clock.rate)
        part = slice(first, first + count)
        named = "hidden", "mel", "prosody", "speech", "phones", "mouth", "presence"
        cut = {name: values[part] for name in named if (values := getattr(self, name)) is not None}
        return replace(self, clock=clock, whole=self.recording, **cut)


class Analysis(NamedTuple):
    """A recording before any network.

    Attributes:
        mel: (2T, 80) log-mels at the level of ``level_gain``.
        means: (80,) of the log-mels of its speech.
        prosody: (2T, 4), see ``PROSODY_CHANNELS``.
        speech: (2T,) bool, loud enough to be speech.
    """

    mel: Floats
    means: Floats
    prosody: Floats
    speech: Mask

    @property
    def centred(self) -> Floats:
        """(2T, 80) log-mels without the microphone, see ``centre_bands``."""
        return centre_bands(self.mel, self.means)

    @property
    def frames(self) -> tuple[Floats, Mask]:
        """Prosody (T, 4), the mean of each pair, and speech mask (T,), whether either is speech, on ``FRAME_CLOCK``."""
        return pair_means(self.prosody), pair_any(self.speech)

    def features(self, hidden: Floats) -> SpeechFeatures:
        """With hidden vectors (T, D) of the same recording: what the other networks read."""
        prosody, speech = self.frames
        parts = [self.mel[start : start + MINUTE] for start in range(0, len(self.mel), MINUTE)] or [self.mel]
        mel = np.concatenate([pair_means(centre_bands(part, self.means)) for part in parts])
        return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, speech)


def analysis_of(audio: Audio) -> Analysis:
    """``analyse`` of a recording, done once: two encoders share it."""
    if "analysis" not in audio.made:
        audio.made["analysis"] = analyse(audio.samples)
    return cast(Analysis, audio.made["analysis"])


def analyse(samples: Floats) -> Analysis:
    """Log-mels, prosody and speech mask of one recording (N,), window by window.

    Windows overlap by the analysis window, so the result does not depend on them.
    """
    samples = levelled(samples)
    step, margin = ANALYSED_FRAMES, 2 * (-(-PITCH_WINDOW // (2 * HOP_LENGTH)))
    mel, track = (np.empty((frame_count(len(samples)), n), np.float32) for n in (MEL_BANDS, len(PROSODY_CHANNELS)))
    for start in in_parts(range(0, len(samples), step * HOP_LENGTH)):
        first = max(0, start - margin * HOP_LENGTH)
        part = samples[first : start + (step + margin) * HOP_LENGTH]
        lead, place = (start - first) // HOP_LENGTH, start // HOP_LENGTH
        mel[place : place + step] = log_mel(part)[lead : lead + step]
        track[place : place + step] = prosody(part)[lead : lead + step]
    speech = speech_mask(mel)
    return Analysis(mel, band_means(mel, speech), track, speech)
