"""Vocal bursts: laughter, cries, sighs and other sounds of a voice that are no speech, found in a recording.

A small network of dilated convolutions reads the emotion encoder's hidden vectors and the prosody at 25 Hz and says of
each frame whether it is speech or silence, or a burst and of which kind. It was trained on EmoGator (Buhl 2023), whose
speakers were asked for amusement, sadness and relief, against read and acted speech (``scripts/train_bursts.py``).
"""

from __future__ import annotations

import numpy as np
import scipy

from sedtalker.arrays import Doubles, Floats, Reals, softmax, stretches
from sedtalker.checkpoint import builtin_checkpoint, read_config
from sedtalker.emotion.track import BURST_KINDS, Burst
from sedtalker.nn.calls import Call, Steps
from sedtalker.nn.engine import Model, frame_logits, open_model, padded_rows
from sedtalker.speech.encoder_model import ConvolutionHeadConfig
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures, pair_means

STRIDE = 2
"""Frames of 20 ms that are averaged to one that the network reads."""
RATE = FRAME_CLOCK.rate / STRIDE
"""Frames a second that it reads."""
CHUNK = round(60 * RATE)
"""Frames that go through it at once: a minute."""
SMOOTHED = 7
"""Frames over which probabilities are averaged."""
THRESHOLD = 0.7
"""Probability of a burst from which on it is one; chosen on validation speakers."""
SHORTEST, BRIDGED = 0.3, 0.24
"""Seconds that a burst lasts at least, and of a gap within one at most."""
NAMED = 0.5
"""Share of a kind among the kinds' probabilities from which on a burst is called by it."""
SHOWN_KINDS = BURST_KINDS[:-1]
"""Kinds that a face shows."""
VOICE = 0.3
"""Factor of the intensity (``attenuation``) below which a sound is no voice: barks are taken for bursts."""
STREAMED_THRESHOLD = 0.5
"""As ``THRESHOLD``, for streams, which know half a second of what follows; chosen on validation speakers."""


class BurstDetectorConfig(ConvolutionHeadConfig):
    """Hyper-parameters of ``BurstDetector``."""

    kinds: tuple[str, ...] = BURST_KINDS
    """Outputs after the first, which is speech or silence."""


def burst_posterior(model: Model, rows: Floats) -> Floats:
    """(T, 1 + K) probabilities of rows (T, D + 4) of any number, a minute at a time; equal to one pass in 1e-5.

    Args:
        model: rows (B, T, D + 4) at 25 Hz to logits (B, T, 1 + K): no burst, and each kind.
        rows: see ``burst_rows``.
    """
    return softmax(frame_logits(model, rows, CHUNK), -1)


def burst_rows(features: SpeechFeatures) -> Floats:
    """(T // 2, D + 4) what the detector reads: hidden vectors and prosody, averaged over pairs of frames."""
    joined = np.concatenate([features.hidden, features.prosody], 1)
    return pair_means(joined[: len(joined) // STRIDE * STRIDE])


def bursts_of(posterior: Reals, kinds: tuple[str, ...] = BURST_KINDS) -> tuple[Burst, ...]:
    """The bursts in probabilities (T, 1 + K) at 25 Hz."""
    if not len(posterior):
        return ()
    smooth = _smoothed(posterior)
    spans: list[list[int]] = []
    for first, last in stretches(smooth > THRESHOLD):
        if spans and first - spans[-1][1] < BRIDGED * RATE:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    return tuple(_burst(posterior, a, b, kinds) for a, b in spans if b - a >= SHORTEST * RATE)


def _smoothed(posterior: Reals) -> Doubles:
    """(T,) probability of any burst, averaged over ``SMOOTHED`` frames, of probabilities (T, 1 + K)."""
    none = scipy.ndimage.uniform_filter1d(np.asarray(posterior[:, 0], np.float64), SMOOTHED, mode="nearest")
    return np.asarray(1.0 - none)


def _burst(posterior: Reals, first: int, last: int, kinds: tuple[str, ...]) -> Burst:
    """The burst of frames ``first`` to ``last``; ``other`` where no kind has the larger part."""
    part = posterior[first:last, 1:].mean(0)
    best = int(part.argmax())
    kind = kinds[best] if part[best] > NAMED * part.sum() else kinds[-1]
    # Rounded as track files keep it, so that a saved track gives the same animation.
    return Burst(round(first / RATE, 3), round(last / RATE, 3), kind, round(float(part.sum()), 3))


def burst_model(encoder_sha256: str) -> Model | None:
    """The detector; None where features are of another encoder than its own."""
    if read_config(builtin_checkpoint("burst_detector")).encoder_sha256 != encoder_sha256:
        return None
    opened: Model = open_model("burst_detector")
    return opened


def find_bursts(features: SpeechFeatures, encoder_sha256: str) -> tuple[Burst, ...]:
    """The bursts of a recording; none where the features are of another encoder than the detector's."""
    model = burst_model(encoder_sha256)
    return () if model is None else bursts_of(burst_posterior(model, burst_rows(features)), model.config.kinds)


def of_voices(bursts: tuple[Burst, ...], familiar: Floats | float) -> tuple[Burst, ...]:
    """Without those that a face would show of what is no voice; ``familiar``: (T,) ``attenuation`` of the frames."""
    if isinstance(familiar, float):
        return bursts

    def is_voice(burst: Burst) -> bool:
        part = familiar[slice(*(FRAME_CLOCK.index(time) for time in (burst.start, burst.end)))]
        return not len(part) or float(part.mean()) >= VOICE

    return tuple(burst for burst in bursts if burst.kind not in SHOWN_KINDS or is_voice(burst))


# --- Streams.


def burst_steps(model: Model, features: SpeechFeatures, first: int, since: int) -> Steps[Floats]:
    """(T - since, K) in {0, 1}: which of ``SHOWN_KINDS`` each frame of a stream from ``since`` on belongs to.

    Args:
        features: (T) of the frames that the stream keeps.
        first: number of the first of them.
        since: the first that is asked for.
    """
    begin = max(0, since - STRIDE * (model.config.context + SMOOTHED))
    begin += (first + begin) % STRIDE  # frames that are averaged stay together
    rows = burst_rows(features.part(begin, len(features) - begin))
    (logits,) = yield Call(model.run, (padded_rows(rows)[None],))
    posterior = softmax(logits[0, : len(rows)], -1)
    part = posterior[:, 1:]
    named = (_smoothed(posterior) > STREAMED_THRESHOLD)[:, None] & (part > NAMED * part.sum(1, keepdims=True))
    shown, frames = np.repeat(named, STRIDE, axis=0), np.zeros((len(features), len(SHOWN_KINDS)), np.float32)
    frames[begin : begin + len(shown)] = shown[:, : len(SHOWN_KINDS)]
    return frames[since:]
