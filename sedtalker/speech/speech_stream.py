"""Speech features of sound that is still going on: what ``MelEncoder`` says of the recording so far.

Of sound that has left the buffer, distributions of levels and mean spectra are kept (``level_history``), not frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.audio import FrameClock
from sedtalker.audio.activity import ENERGY_FLOOR, FAINTEST, LOUD, QUIET, activity_level, background, speech_threshold
from sedtalker.audio.audio import OffsetFilter
from sedtalker.nn.calls import Call, Steps
from sedtalker.nn.engine import Arrays, Model, open_model, padded_rows
from sedtalker.speech.encoder import STREAMED, MelEncoder, has_articulation, phones_and_mouth
from sedtalker.speech.encoder_model import with_silence
from sedtalker.speech.features import (
    FRAME_CLOCK,
    HOP_LENGTH,
    HOPS,
    LARGEST_GAIN,
    LOG_FLOOR,
    MEL_BANDS,
    PITCH_WINDOW,
    SILENT_RMS,
    WINDOW_LENGTH,
    PitchFrames,
    SpeechFeatures,
    centre_bands,
    frame_count,
    frame_rms,
    gain_of,
    lag_weights,
    mel_power,
    pair_any,
    pair_means,
    pitch_frames,
    prosody_tracks,
    smooth_level,
    without_silence,
)
from sedtalker.speech.level_history import BandHistory, LevelHistogram, quantiles_with, with_gain, without_gain

ALIGNMENT = 40
"""The kept part begins at a multiple of so many frames (20 ms), so that coarser grids laid over it stay in place."""
BEFORE = PITCH_WINDOW // 2 - HOP_LENGTH // 2
"""Samples that the widest analysis frame sees before its own hop."""
SILENT = 1e-12
"""Added to an RMS before its logarithm."""
LEAST_GAIN = gain_of(2.0)
"""Samples of a stream lie in [-1, 1], without their mean in [-2, 2]."""
STALE = 0.005
"""Hidden vectors are computed anew once the centre of a band, or the level, has moved by this much (natural log).

Faces take more, see ``face_streams.REFRESHED_CHANGE``.
"""


class HiddenStream:
    """Hidden vectors of the frames that a stream keeps; the encoder remembers what came before them.

    The centre of the bands, or the level, is that of the sound until a frame was encoded. Once it has moved by
    ``stale``, frames are encoded anew.

    Args:
        refreshed: frames before the newest that are encoded anew then; None: all that are kept.
    """

    def __init__(self, encoder: MelEncoder, refreshed: int | None = None):
        self.encoder, self.refreshed, self.stale = encoder, refreshed, STALE
        self.hidden = np.zeros((0, encoder.channels), np.float32)
        self.states: Arrays | None = None
        self.first = self.at = 0
        """Numbers of the first kept frame, and of the one before which the states are."""
        self.standing = np.zeros(MEL_BANDS, np.float32)

    def steps(self, first: int, mel: Floats, means: Floats, gain: float, ended: bool) -> Steps[Floats]:
        """Hidden vectors (T, D) of the kept frames.

        Args:
            first: number of the first one.
            mel: (2T, 80) log-mels.
            means: (80,) of all speech so far.
            gain: of the stream so far.
            ended: whether nothing follows: silence, see ``MelNetwork.around``.
        """
        network = self.encoder.network
        standing = np.full(MEL_BANDS, 2 * np.log(gain), np.float32)
        if network.centred:
            standing = means - standing
        states, known, begin = self.states, self.at, self.at
        if states is None or float(np.abs(standing - self.standing).max()) > self.stale:
            self.standing, states = standing, network.start()
            known = first if self.refreshed is None else max(first, known - self.refreshed)
            known -= known % network.grid  # frames that share a hidden vector stay together
            begin = max(first or -network.around, known - network.config.context)
        known = max(first, known)
        new = mel[HOPS * max(0, begin - first) :]
        new = centre_bands(new, means) if network.centred else new
        new = with_silence(new, max(0, -begin), network.around if ended else 0)
        fresh, *after = yield Call(network.advance, (new[None], *states))
        before = self.hidden[first - self.first : known - self.first]
        made = fresh[0, known - begin : first + len(mel) // HOPS - begin]
        self.first, self.hidden = first, np.concatenate([before, made])
        count = -(-len(new) // (HOPS * network.grid)) * network.grid - network.config.pending
        if count >= 0:
            self.states, self.at = tuple(after), begin + count
        return self.hidden


@dataclass(frozen=True, eq=False)
class StreamedFeatures:
    """The features of the last seconds of a stream.

    Attributes:
        features: of the kept frames, or of those that were asked for where no more are needed; normalised by the whole
            stream so far. Their clock says when they were.
        first: number of the first of them.
        total: frames so far, these being ``first … total - 1``.
        loud: level of loud frames in the whole stream so far, for ``speech_activity``; NaN where not all are needed.
    """

    features: SpeechFeatures
    first: int
    total: int
    loud: float


class EncoderStream:
    """Encodes sound that comes piece by piece, and keeps the features of its last seconds.

    Args:
        keep: frames of 20 ms that are kept at least, before the newest piece.
        every: whether features of all kept frames are needed, and not only of those that are asked for.
    """

    def __init__(self, encoder: MelEncoder, keep: int, every: bool = True):
        self.keep, self.every = keep, every
        self.hidden = HiddenStream(encoder, None if every else 0)
        self.source: EncoderStream | None = None
        """Another stream that analyses the same sound: it has had the same samples before each call of ``steps``."""
        self.samples = 0
        """How many have come so far."""
        self.offset, self.tail = OffsetFilter(), np.zeros(BEFORE, np.float32)
        self.whole = 0
        """Analysis frames (10 ms) that no later sample can change; the buffer holds those after ``first`` of them."""
        self.first = self.counted = 0
        """Analysis frames before ``first`` are gone; those before ``counted`` are in the history."""
        self.frames = [part[:0] for part in _measured(np.zeros((1, PITCH_WINDOW), np.float32))]
        """Those in the buffer, before any gain: see ``_measured``."""
        self.gaps = False
        """Whether there has been digital silence."""
        self.rms_history, self.level_history, self.energy_history = (LevelHistogram() for _ in range(3))
        self.band_history = BandHistory(MEL_BANDS, LOG_FLOOR, (LEAST_GAIN, LARGEST_GAIN))

    def steps(self, samples: Floats, since: int | None = None, ended: bool = False) -> Steps[StreamedFeatures]:
        """The next samples (N,), a multiple of 320 unless they are the last.

        Args:
            samples: (N,).
            since: first of the frames that are asked for, where not all are needed; None: all that are kept.
            ended: whether these are the last samples.

        Returns:
            What the encoder says of everything until now, for the kept frames. Equal to it within 1e-4 while nothing
            has left the buffer and the hidden vectors are fresh; see ``STALE`` and ``history`` for the rest.
        """
        yield from self._analyse(samples)
        rms, mels, powers, *pitch = self.frames
        recent = rms[self.counted - self.first :]
        levels, sounds = np.log(recent + SILENT), recent > SILENT_RMS
        (loud,) = quantiles_with(self.rms_history, levels, LOUD, scale=np.exp, sound=sounds)
        gain = gain_of(loud)
        power, first = np.float32(gain**2), self.first // HOPS
        mel = power * mels
        np.log(np.add(mel, np.float32(LOG_FLOOR), out=mel), out=mel)
        total = np.log(power * powers + np.float32(MEL_BANDS * LOG_FLOOR))
        level = without_gain(smooth_level(total), MEL_BANDS * LOG_FLOOR, gain)
        sound = without_silence(total)
        speech, means = self._speech(mel, level, sound, gain)
        skipped = 0 if self.every or since is None else max(0, since - first)
        part = slice(HOPS * skipped, None)
        tracks = pair_means(prosody_tracks(PitchFrames._make(values[part] for values in pitch), gain))
        energy, overall = self._energy(tracks[:, 0], gain)
        hidden = yield from self.hidden.steps(first, mel, means, gain, ended)
        features = SpeechFeatures(
            clock=FrameClock(FRAME_CLOCK.rate, FRAME_CLOCK.offset + (first + skipped) / FRAME_CLOCK.rate),
            hidden=hidden[skipped:],
            mel=pair_means(centre_bands(mel[part], means)),
            prosody=tracks,
            speech=pair_any(speech)[skipped:],
        )
        self._forget(level, sound, energy)
        return StreamedFeatures(features, first + skipped, first + len(mel) // HOPS, overall)

    def _analyse(self, samples: Floats) -> Steps[None]:
        """Frames of the new samples; those that saw the end of the old ones come again."""
        self.samples += len(samples)
        keep, whole = self.whole - self.first, max(0, (self.samples - BEFORE) // HOP_LENGTH)
        if self.source is not None:
            new = [part[self.whole - self.source.first :] for part in self.source.frames]
        else:
            self.tail = np.concatenate([self.tail, self.offset.push(np.array(samples, np.float32))])
            padded = np.concatenate([self.tail, np.zeros(PITCH_WINDOW + 2 * HOP_LENGTH, np.float32)])
            windows = sliding_window_view(padded, PITCH_WINDOW)[::HOP_LENGTH]
            made = yield Call(_measured, (windows[None, : frame_count(self.samples) - self.whole],))
            new = [part[0] for part in made]
            self.tail = self.tail[(whole - self.whole) * HOP_LENGTH :]
        self.frames = [np.concatenate([a[:keep], b]) for a, b in zip(self.frames, new, strict=True)]
        self.whole = whole

    def _speech(self, mel: Floats, level: Doubles, sound: Mask, gain: float) -> tuple[Mask, Floats]:
        """Speech mask (T,) of the kept frames, and mean log-mel (80,) of all speech so far; ``sound``: no silence."""
        new, floor = self.counted - self.first, MEL_BANDS * LOG_FLOOR
        scale, shares = partial(with_gain, floor=floor, gain=gain), (FAINTEST, QUIET, LOUD)
        faint, quiet, loud = quantiles_with(self.level_history, level[new:], *shares, scale=scale, sound=sound[new:])
        self.gaps |= not sound[new:].all()
        quiet = background(faint, quiet, loud) if self.gaps else quiet
        limit = float(without_gain(np.asarray(speech_threshold(quiet, loud)), floor, gain))
        speech = level > limit
        count, total = self.band_history.above(limit, gain)
        chosen = speech[new:]
        if not count and not chosen.any():
            count, total = self.band_history.above(-np.inf, gain)
            chosen = np.ones_like(chosen)
        mean = (total + chosen.astype(np.float32) @ mel[new:]) / (count + int(chosen.sum()))
        return speech, mean.astype(np.float32)

    def _energy(self, energy: Floats, gain: float) -> tuple[Doubles, float]:
        """Levels (T,) of the kept frames without gain, and that of loud frames so far; NaN where nobody reads it."""
        if not self.every:
            return np.zeros(0), float("nan")
        levels = without_gain(activity_level(energy, FRAME_CLOCK.rate), ENERGY_FLOOR, gain)
        recent, scale = levels[(self.counted - self.first) // 2 :], partial(with_gain, floor=ENERGY_FLOOR, gain=gain)
        (loud,) = quantiles_with(self.energy_history, recent, LOUD, scale=scale)
        return levels, loud

    def _forget(self, level: Doubles, sound: Mask, energy: Doubles) -> None:
        """Move old frames to the history; ``ALIGNMENT`` of them stay in the buffer for what smooths over them."""
        spare = (self.whole - self.first) // 2 - self.keep - ALIGNMENT
        drop = max(0, spare // ALIGNMENT * ALIGNMENT)
        if not drop:
            return
        counted = self.first + 2 * (drop + ALIGNMENT)
        old = slice(self.counted - self.first, counted - self.first)
        rms, mel = (part[old] for part in self.frames[:2])
        self.rms_history.add(np.log(rms[rms > SILENT_RMS] + SILENT))
        self.level_history.add(level[old][sound[old]])
        self.energy_history.add(energy[old.start // 2 : old.stop // 2])
        self.band_history.add(mel, level[old])
        self.first, self.counted = self.first + 2 * drop, counted
        self.frames = [part[2 * drop :] for part in self.frames]


def _measured(windows: Floats) -> tuple[NDArray[Any], ...]:
    """Level, mel powers and their sum of the middle of windows (…, 800), and ``PitchFrames`` of all of them."""
    begin = (PITCH_WINDOW - WINDOW_LENGTH) // 2
    narrow = windows[..., begin : begin + WINDOW_LENGTH]
    mel = mel_power(narrow)
    return frame_rms(narrow), mel, mel.sum(-1), *likely_lags(pitch_frames(windows))


LAG_FLOORS = (0.0, 0.2, 0.6, 2.0, 8.0, 40.0)
"""Floors of the autocorrelation, in shares of that at lag zero, under which ``likely_lags`` are found."""


def likely_lags(frames: PitchFrames) -> PitchFrames:
    """Only those lags that are a frame's own under some gain: six of them in place of 235.

    Which one it is depends on the gain where a frame is faint. ``log_f0`` under any gain stays as it is, and voicing
    within .01 in faint frames and 1e-5 in the mean.
    """
    window, bias = lag_weights()
    floors = frames.total[..., None] * (1.0 + np.array(LAG_FLOORS, np.float32)) + np.float32(1e-20)
    lag = (frames.correlation[..., None, :] / floors[..., None] / window - bias).argmax(-1)
    return frames._replace(correlation=np.take_along_axis(frames.correlation, lag, -1), lag=lag.astype(np.int32))


# --- Phones, and the shapes of the mouth.


@cache
def articulation_network(encoder_sha256: str) -> Model | None:
    """The network that finds phones and the mouth in streams of an encoder; None: there is none for it.

    It is opened once, so that the calls of many streams are one batch.
    """
    return open_model(STREAMED) if has_articulation(encoder_sha256) else None


class ArticulationStream:
    """Phones and the mouth in hidden vectors that come hop by hop, as ``articulation_of`` finds them in recordings.

    It reads the vectors of the lips' encoder, which a stream has anyway. The emotion encoder sees so much sound on
    either side that it would have to work a second time for every hop.
    """

    def __init__(self, network: Model) -> None:
        self.network = network
        self.past = np.zeros((0, network.config.hidden), np.float32)
        """(context, D) vectors before the next ones, or as many as there were."""

    def steps(self, hidden: Floats, new: int) -> Steps[tuple[Floats, Floats]]:
        """Logits (n, 40) over ``PHONES``, and shapes of the mouth (n, S).

        Args:
            hidden: (n, D) vectors of the next frames and of those after them, as far as they are known.
            new: how many of them are final; the others come again.
        """
        before, rows = len(self.past), np.concatenate([self.past, hidden])
        (found,) = yield Call(self.network.run, (padded_rows(rows)[None],))
        self.past = rows[: before + new][-self.network.config.context :]
        return phones_and_mouth(found[0, before : len(rows)])
