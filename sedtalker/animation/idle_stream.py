"""Blinks and gaze while somebody is still speaking: the idle motion of a recording, moment after moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation import idle_motion
from sedtalker.animation.idle_motion import SACCADE
from sedtalker.face.arkit import ARKIT_52

Floats = NDArray[np.float32]


class BlinkStream:
    """``idle_motion.blinks`` at times that only go on; none waits for a pause, of which nobody knows yet."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.start = idle_motion.first_blink(rng)
        self.depth = idle_motion.blink_depth(rng)

    def at(self, time: float) -> Floats:
        """Lid closure (1,) in [0, 1]."""
        while time >= self.start + idle_motion.BLINK_SECONDS:
            self.start = idle_motion.next_blink(self.start, self.rng)
            self.depth = idle_motion.blink_depth(self.rng)
        return self.depth * idle_motion.blink_closure(np.array([time - self.start]))


class GazeStream:
    """``idle_motion.gaze`` at times that only go on."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.now = np.zeros(2)
        self.begins, self.next = idle_motion.next_fixation(0.0, rng)

    def at(self, time: float) -> Floats:
        """Gaze (1, 2) in degrees."""
        while time > self.begins + SACCADE / 2:
            self.now = self.next
            self.begins, self.next = idle_motion.next_fixation(self.begins, self.rng)
        share = np.clip((time - self.begins) / SACCADE + 0.5, 0.0, 1.0)
        return (self.now + share * (self.next - self.now))[None].astype(np.float32)


class IdleStream:
    """Adds blinks and gaze to ARKit weights, drawn from the same seed as those of ``assemble``."""

    def __init__(self, seed: int = 0, blinks: bool = True, gaze: bool = True):
        blink_rng, gaze_rng, _ = idle_motion.idle_generators(seed)
        self.blinks = BlinkStream(blink_rng) if blinks else None
        self.gaze = GazeStream(gaze_rng) if gaze else None

    def add(self, time: float, weights: Floats) -> Floats:
        """The face (52,) at ``time`` seconds, in the order of ``ARKIT_52``; times only go on."""
        named = dict(zip(ARKIT_52, np.asarray(weights, np.float32)[:, None], strict=True))
        if self.gaze is not None:
            named |= idle_motion.eye_look(self.gaze.at(time))
        if self.blinks is not None:
            named = idle_motion.close_lids(named, self.blinks.at(time))
        return np.concatenate([named[name] for name in ARKIT_52])
