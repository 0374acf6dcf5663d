"""Motion of a face in laughter, cries and sighs: held expressions, and pulses that follow the sound.

None of it is learned: there is no free recording of laughing or crying faces. A laugh is a wide smile with raised
cheeks and narrowed lids, the jaw dropped and the head thrown back (Ruch and Ekman 2001); its calls come 4 to 5 times a
second (Provine 2000; 4.5 in the median of EmoGator's amused bursts that pulse at all), and jaw, cheeks and head move
with each. A cry raises the inner brows, draws the corners of the mouth down and apart and pushes the chin up (Ekman and
Friesen 1978; sobs 3.3 times a second in EmoGator). A sigh is a deep breath in and a slow one out (Vlemincx et al.
2013): brows and lids give way, the head sinks. Pulses are those of the recording, so that they are in time.
"""

from __future__ import annotations

import numpy as np
import scipy

from sedtalker.animation.visual_prosody import rise_and_fall
from sedtalker.arrays import Floats, Reals
from sedtalker.emotion.burst_detector import SHOWN_KINDS
from sedtalker.emotion.emotion_stream import StreamFrames
from sedtalker.emotion.track import Burst
from sedtalker.face.arkit import ARKIT_52
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures


def _sides(**amounts: float) -> dict[str, float]:
    """Amounts of shapes that there are on either side, by their names."""
    return {f"{name}{side}": amount for name, amount in amounts.items() for side in ("Left", "Right")}


BEGINS, RISE, FALL = 0.12, 0.2, 0.5
"""Seconds: a face begins before the burst, takes it on, and lets it go when it has ended."""
BREATH = 0.6
"""Seconds of the breath before a sigh."""
PULSE_WINDOW, PULSE_SMOOTH, PULSE_SIZE = 0.5, 0.02, 1.0
"""Seconds of the mean level that pulses stand out of, deviation of their smoothing, and how far (natural log of power)
the level of a whole pulse stands out."""
HELD = {
    "laugh": {"jawOpen": 0.12}
    | _sides(mouthSmile=0.65, cheekSquint=0.6, eyeSquint=0.45, mouthUpperUp=0.15, noseSneer=0.1),
    "cry": {"browInnerUp": 0.6, "jawOpen": 0.06, "mouthShrugLower": 0.35}
    | _sides(browDown=0.2, eyeSquint=0.5, cheekSquint=0.35, mouthFrown=0.45, mouthStretch=0.35, noseSneer=0.12),
    "sigh": {"browInnerUp": 0.25, "jawOpen": 0.1, "mouthFunnel": 0.1} | _sides(eyeBlink=0.25),
}
"""Shapes that a burst holds, by its kind."""
PULSED = {
    "laugh": {"jawOpen": 0.16} | _sides(cheekSquint=0.15, mouthLowerDown=0.1),
    "cry": {"jawOpen": 0.12} | _sides(mouthLowerDown=0.08),
    "sigh": {},
}
"""Motion that each pulse of the sound adds."""
GIVES_WAY = {
    "laugh": tuple(_sides(mouthFrown=1.0, browDown=1.0, eyeWide=1.0)),
    "cry": tuple(_sides(mouthSmile=1.0, eyeWide=1.0)),
    "sigh": (),
}
"""Shapes of an emotion that do not go with a burst."""
LEFT_OF_IT = 0.2
"""Share of them that stays."""
HEAD = {"laugh": (-4.0, 2.0), "cry": (5.0, 1.1), "sigh": (3.0, 0.0)}
"""Degrees of pitch, down positive: held, and with each pulse, which ``NOD_SMOOTH`` halves in a laugh."""
NOD_SMOOTH, NOD_FRAMES = 0.04, 9
"""How pulses are smoothed that a head, which is heavy, follows: deviation in seconds, and the frames of streams."""
KEPT_LEVELS, KEPT_FRAMES = round(PULSE_WINDOW * FRAME_CLOCK.rate), round(5.0 * FRAME_CLOCK.rate)
"""Frames of a stream over which the mean level is taken, and that are kept: longer than a hop and what gains hold."""
LIFTED, DRAWN = -2.0, 0.12
"""Degrees of the head, and ``jawOpen``, at the height of the breath before a sigh."""


def presence(times: Reals, burst: Burst) -> Floats:
    """(T,) how much of a burst shows, from 0 to 1."""
    return rise_and_fall((times - burst.start + BEGINS) / RISE, (times - burst.end) / FALL)


def breath(times: Reals, burst: Burst) -> Floats:
    """(T,) the breath before a sigh, from 0 to 1; nothing of other bursts."""
    if burst.kind != "sigh":
        return np.zeros(len(times), np.float32)
    place = np.clip((times - burst.start + BREATH) / BREATH, 0.0, 1.0)
    return np.asarray(np.sin(np.pi * place) ** 2, np.float32)


def pulses(features: SpeechFeatures, times: Reals) -> Floats:
    """(T,) in [0, 1]: how far the level of the sound stands out of its mean over half a second."""
    rate, level = features.clock.rate, features.prosody[:, 0].astype(np.float64)
    if not len(level):
        return np.zeros(len(times), np.float32)
    out = level - scipy.ndimage.uniform_filter1d(level, max(1, round(PULSE_WINDOW * rate)), mode="nearest")
    curve = np.clip(scipy.ndimage.gaussian_filter1d(out, PULSE_SMOOTH * rate, mode="nearest") / PULSE_SIZE, 0.0, 1.0)
    return np.interp(times, features.clock.times(len(level)), curve).astype(np.float32)


def show_bursts(
    weights: dict[str, Floats], times: Reals, bursts: tuple[Burst, ...], pulse: Floats, liveliness: float
) -> dict[str, Floats]:
    """ARKit weights (T,) by name with the bursts; those of the kind ``other`` are left to the decoder.

    Args:
        weights: the face without them.
        times: (T,) seconds.
        pulse: (T,) from ``pulses``.
        liveliness: 0 shows nothing of them, 1 is usual.
    """
    made = {name: curve.copy() for name, curve in weights.items()}
    for burst in bursts:
        if burst.kind not in HELD or liveliness == 0.0:
            continue
        near = _around(times, burst)
        _show(made, near, burst.kind, liveliness * presence(times[near], burst), pulse[near])
        drawn = liveliness * DRAWN * breath(times[near], burst)
        made["jawOpen"][near] = np.maximum(made["jawOpen"][near], drawn)
    return {name: np.clip(curve, 0.0, 1.0).astype(np.float32) for name, curve in made.items()}


def _show(made: dict[str, Floats], near: slice, kind: str, shown: Floats, pulse: Reals) -> None:
    """A kind of burst on some frames (N,) of the weights, ``shown`` (N,) from 0 to 1."""
    for name in GIVES_WAY[kind]:
        made[name][near] *= 1.0 - (1.0 - LEFT_OF_IT) * np.clip(shown, 0.0, 1.0)
    pulsed = PULSED[kind]
    for name in {**HELD[kind], **pulsed}:
        wanted = shown * (HELD[kind].get(name, 0.0) + pulsed.get(name, 0.0) * pulse)
        made[name][near] = np.maximum(made[name][near], wanted)


def burst_nods(times: Reals, bursts: tuple[Burst, ...], pulse: Floats) -> Floats:
    """(T, 3) degrees of the head, pitch (down positive), yaw and roll."""
    turns = np.zeros((len(times), 3), np.float32)
    if len(times) < 2 or not bursts:
        return turns
    pulse = scipy.ndimage.gaussian_filter1d(pulse, NOD_SMOOTH / (times[1] - times[0]), mode="nearest")
    for burst in bursts:
        if burst.kind in HEAD:
            held, nod = HEAD[burst.kind]
            near = _around(times, burst)
            shown = presence(times[near], burst) * (held + nod * pulse[near])
            turns[near, 0] += shown + LIFTED * breath(times[near], burst)
    return turns


def _around(times: Reals, burst: Burst) -> slice:
    """The frames in which a burst shows at all: recordings may be long, and bursts many."""
    return slice(*np.searchsorted(times, (burst.start - max(BEGINS, BREATH), burst.end + FALL)).tolist())


# --- Streams.


class BurstStream:
    """Bursts on the face of a stream: they rise when they are known, and pulse with the level of the sound until then.

    Breaths before sighs are over by then, and are left out.
    """

    def __init__(self) -> None:
        self.now = np.zeros(len(SHOWN_KINDS), np.float32)
        """How much of each kind shows."""
        self.levels = np.zeros(0, np.float32)
        self.times, self.pulse = np.zeros(0), np.zeros(0, np.float32)
        self.shown = np.zeros((0, len(SHOWN_KINDS)), np.float32)

    def push(self, frames: StreamFrames, levels: Floats) -> None:
        """The next frames of a stream, and the levels (T,) of their sound, natural log."""
        if not frames.bursts.any() and not len(self.times):
            self.levels = np.concatenate([self.levels, levels])[-KEPT_LEVELS:]
            return
        rate, pulse, shown = FRAME_CLOCK.rate, np.zeros(len(levels), np.float32), []
        for k, (wanted, level) in enumerate(zip(frames.bursts, levels, strict=True)):
            self.levels = np.append(self.levels, level)[-KEPT_LEVELS:]
            pulse[k] = np.clip((level - self.levels.mean()) / PULSE_SIZE, 0.0, 1.0)
            self.now = self.now + np.clip(wanted - self.now, -1.0 / (FALL * rate), 1.0 / (RISE * rate))
            shown.append(self.now)
        self.times = np.concatenate([self.times, frames.times])[-KEPT_FRAMES:]
        self.pulse = np.concatenate([self.pulse, pulse])[-KEPT_FRAMES:]
        self.shown = np.concatenate([self.shown, np.stack(shown)])[-KEPT_FRAMES:]
        if not self.shown.any():
            self.times, self.pulse, self.shown = self.times[:0], self.pulse[:0], self.shown[:0]

    def added(self, times: Reals, weights: Floats) -> Floats:
        """Weights (T, 52) at some times with the bursts."""
        if not len(self.times) or not len(times):
            return weights
        made, pulse = dict(zip(ARKIT_52, weights.T.copy(), strict=True)), np.interp(times, self.times, self.pulse)
        for kind, amount in zip(SHOWN_KINDS, self._at(times), strict=True):
            if amount.any():
                _show(made, slice(None), kind, amount, pulse)
        return np.stack(list(made.values()), axis=1).astype(np.float32)

    def nods(self, times: Reals) -> Floats:
        """Pitch (T,) of the head, degrees, down positive."""
        if not len(self.times) or not len(times):
            return np.zeros(len(times), np.float32)
        weights = np.hanning(NOD_FRAMES + 2)
        pulse = np.interp(times, self.times, np.convolve(self.pulse, weights / weights.sum())[: len(self.times)])
        held = (HEAD[kind][0] + HEAD[kind][1] * pulse for kind in SHOWN_KINDS)
        turns = (amount * pitch for amount, pitch in zip(self._at(times), held, strict=True))
        return np.asarray(sum(turns), np.float32)

    def _at(self, times: Reals) -> list[Floats]:
        return [rise_and_fall(np.interp(times, self.times, curve), np.zeros(1)) for curve in self.shown.T]
