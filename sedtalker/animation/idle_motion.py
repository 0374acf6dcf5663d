"""Blinks, gaze and head motion, of whole recordings and of streams.

All three are procedural and drawn from a seeded generator; none is learned. Rates follow published means: spontaneous
blinks every 3-4 s while talking (Bentivoglio et al. 1997), closing faster than opening (VanderWerf et al. 2003), gaze
fixations of 0.3-3 s, head motion that nods with the energy of speech (Munhall et al. 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from sedtalker.animation.performance import LiveMotion
from sedtalker.animation.visual_prosody import rise_and_fall
from sedtalker.arrays import Doubles, Floats, Mask, Reals, clamped
from sedtalker.emotion.taxonomy import COORDINATES
from sedtalker.emotion.track import EmotionTrack
from sedtalker.face.arkit import ARKIT_52

BLINK_CLOSE, BLINK_HOLD, BLINK_OPEN = 0.085, 0.03, 0.17
"""Seconds in which lids close, stay closed and open."""
BLINK_SECONDS = BLINK_CLOSE + BLINK_HOLD + BLINK_OPEN
"""Seconds of a blink."""
SACCADE = 0.04
"""Seconds between two fixations."""
EYES_MOST = (24.0, 14.0)
"""Degrees that eyes turn from the middle of the head at most: to the side, and up or down."""
POSTURE = {
    "neutral": (0.0, 0.0, 0.0),
    "happy": (-1.5, 0.0, 2.0),
    "sad": (6.0, -2.0, 2.5),
    "angry": (4.0, 0.0, 0.0),
    "fear": (-2.5, 2.0, -1.0),
    "disgust": (-2.0, 6.0, 1.5),
    "surprise": (-3.5, 0.0, 0.0),
}
"""Mean head pose of each category at intensity 1: pitch (down positive), yaw and roll in degrees."""
CALM_ACTIVITY, LEAST_ACTIVITY = 0.7, 0.35
"""Drift of the head of calm talkers, and of the least aroused, about, degrees."""
AROUSED_ACTIVITY = 0.9
"""What an arousal of 1 adds: heads move faster and further in angry and happy speech than in neutral speech (Busso et
al. 2007)."""


def idle_generators(seed: int, recording: str = "") -> list[np.random.Generator]:
    """Blinks, gaze, head motion and visual prosody have a stream each: leaving one kind out leaves the others.

    Args:
        seed: another one is another performance.
        recording: SHA-256 (hex) of the sound, so that two recordings do not blink at the same second; none in a stream.
    """
    more = (int(recording[:12], 16),) if recording else ()
    return [np.random.default_rng((seed, stream, *more)) for stream in range(4)]


def blinks(times: Reals, rng: np.random.Generator, speech: Mask | None = None, shifts: Reals | None = None) -> Floats:
    """Lid closure (T,) in [0, 1].

    A blink due up to 0.8 s before the start of a pause waits for it, or for a shift of the gaze (``shifts``, seconds),
    whichever comes first (Evinger et al. 1994). The last one is over at the end: files do not end with closed eyes.
    """
    duration = float(times[-1]) if len(times) else 0.0
    none = np.zeros(0)
    ends = none if speech is None else np.asarray(times, np.float64)[:-1][speech[:-1] & ~speech[1:]]
    pauses = np.sort(np.concatenate([ends, none if shifts is None else shifts]))
    closure = np.zeros(len(times), np.float32)
    due = first_blink(rng)
    while due < duration:
        pause = int(np.searchsorted(pauses, due - 0.1, "right"))
        start = float(pauses[pause]) if pause < len(pauses) and pauses[pause] < due + 0.8 else due
        start = min(start, duration - BLINK_SECONDS)
        during = slice(*np.searchsorted(times, (start, start + BLINK_SECONDS)))
        closure[during] = np.maximum(closure[during], blink_closure(times[during] - start))
        due = next_blink(start, rng)
    return closure


def first_blink(rng: np.random.Generator) -> float:
    """Seconds until the first blink."""
    return float(rng.uniform(0.8, 2.2))


def next_blink(start: float, rng: np.random.Generator) -> float:
    """Time of the blink after the one at ``start``."""
    return start + 0.6 + float(rng.gamma(2.2, 1.25))


def blink_closure(t: Reals) -> Floats:
    """One full blink's closure at ``t`` seconds after its start."""
    return rise_and_fall(t / BLINK_CLOSE, (t - BLINK_CLOSE - BLINK_HOLD) / BLINK_OPEN)


@dataclass(frozen=True, eq=False)
class Fixations:
    """Direction of the gaze.

    Attributes:
        onsets: (N,) seconds at which each begins.
        targets: (N, 2) degrees from straight ahead of a head that stands still, right-handed yaw (to the subject's
            left) and pitch (up).
    """

    onsets: Doubles
    targets: Doubles

    def shifts(self, least: float = 3.0) -> Doubles:
        """Seconds of shifts by so many degrees and more."""
        far = np.linalg.norm(np.diff(self.targets, axis=0), axis=1) >= least
        return self.onsets[1:][far]

    def path(self, times: Reals) -> Floats:
        """(T, 2) degrees: fixations joined by saccades of 40 ms."""
        knots = [self.onsets[0], *(self.onsets[1:, None] + (-SACCADE / 2, SACCADE / 2)).flat, np.inf]
        values = np.repeat(self.targets, 2, axis=0)
        return np.stack([np.interp(times, knots, values[:, axis]) for axis in range(2)], axis=1).astype(np.float32)


def fixations(
    duration: float, rng: np.random.Generator, eye_contact: float = LiveMotion.eye_contact, phrases: Reals | None = None
) -> Fixations:
    """Fixations of 0.5-3 s, so many of them on the viewer; away where phrases (M, 2) begin, back where they end."""
    onsets, targets = [0.0], [np.zeros(2)]
    while onsets[-1] <= duration:
        begins = _next_onset(onsets[-1], rng)
        away = 1.0 - eye_contact
        if phrases is not None and len(phrases) and away:
            if np.any((begins > phrases[:, 0] - 0.4) & (begins < phrases[:, 0] + 0.6)):
                away = min(1.0, 1.8 * away)
            elif np.any(np.abs(begins - phrases[:, 1]) < 0.4):
                away *= 0.3
        onsets.append(begins)
        targets.append(_target(rng, away))
    return Fixations(np.array(onsets), np.array(targets))


def _next_onset(onset: float, rng: np.random.Generator) -> float:
    """Onset of the fixation after the one from ``onset``."""
    return onset + 0.5 + float(rng.gamma(2.0, 0.6))


def next_fixation(
    onset: float, rng: np.random.Generator, eye_contact: float = LiveMotion.eye_contact
) -> tuple[float, Doubles]:
    """Onset and direction, (2,) degrees, of the fixation after the one from ``onset``."""
    begins = _next_onset(onset, rng)
    return begins, _target(rng, 1.0 - eye_contact)


def _target(rng: np.random.Generator, away: float) -> Doubles:
    """Direction of a fixation, (2,) degrees: near the viewer, or with the probability ``away`` further off."""
    return rng.normal(0.0, (4.0, 2.0) if rng.random() < away else (1.2, 0.8))


def head_look(head: Floats) -> Doubles:
    """(T, 2) degrees, yaw and pitch (up), by which a head (T, 3; rotation vector in radians) looks aside."""
    return np.degrees(head[:, 1::-1]) * (1.0, -1.0)


def in_head(gaze: Floats, head: Floats) -> Floats:
    """(T, 2) degrees of the eyes from the middle of a head (T, 3), radians: they hold a gaze (T, 2) while it turns."""
    return np.clip(gaze - head_look(head), -np.array(EYES_MOST), EYES_MOST).astype(np.float32)


def eye_look(degrees: Floats, full: float = 30.0) -> dict[str, Floats]:
    """ARKit eyeLook weights for a gaze (T, 2); weight 1 turns the eye by about ``full`` degrees."""
    left, up = degrees[:, 0] / full, degrees[:, 1] / full
    to_left, to_right, raised, lowered = (clamped(look) for look in (left, -left, up, -up))
    weights: dict[str, Floats] = {}
    for side, outward, inward in (("Left", to_left, to_right), ("Right", to_right, to_left)):
        weights |= {f"eyeLookOut{side}": outward, f"eyeLookIn{side}": inward}
        weights |= {f"eyeLookUp{side}": raised, f"eyeLookDown{side}": lowered}
    return weights


def close_lids(weights: dict[str, Floats], closure: Floats) -> dict[str, Floats]:
    """ARKit weights of the lids closed so far (T,): a closing lid is neither wide nor squinting."""
    lids: dict[str, Floats] = {}
    for side in ("Left", "Right"):
        lids[f"eyeBlink{side}"] = np.maximum(weights[f"eyeBlink{side}"], closure)
        lids[f"eyeWide{side}"] = weights[f"eyeWide{side}"] * (1 - closure)
        lids[f"eyeSquint{side}"] = weights[f"eyeSquint{side}"] * (1 - closure)
    return lids


def _activity(arousal: Doubles) -> Doubles:
    """Amplitude of head motion at an arousal in [-1, 1]."""
    return np.maximum(CALM_ACTIVITY + AROUSED_ACTIVITY * arousal, LEAST_ACTIVITY)


def _arousal(label: str) -> float:
    """Arousal of a category at full strength; 0 where it is not known."""
    return COORDINATES.get(label, (0.0, 0.0))[1]


def head_activity(track: EmotionTrack, fps: float) -> Doubles:
    """(T,) how far heads move under a track of ``fps`` frames a second, about ``CALM_ACTIVITY`` in neutral speech."""
    arousal = track.posterior @ np.array([_arousal(label) for label in track.labels]) * np.sqrt(track.intensity)
    return _activity(scipy.ndimage.gaussian_filter1d(np.asarray(arousal, np.float64), 0.25 * fps))


def head_drift(count: int, fps: float, rng: np.random.Generator) -> Doubles:
    """Slow noise (count, 3) of variance 1, on frames of a video."""
    noise = scipy.ndimage.gaussian_filter1d(rng.standard_normal((count + 8 * int(fps), 3)), 0.7 * fps, axis=0)
    return np.asarray(noise[4 * int(fps) :][:count] * np.sqrt(2 * np.sqrt(np.pi) * 0.7 * fps))


def head_rotation(drift: Doubles, fps: float, energy: Reals, track: EmotionTrack) -> Floats:
    """Head rotation vectors (T, 3), radians: slow drift, nods with stressed speech and a posture by emotion.

    Args:
        drift: (T, 3) from ``head_drift``.
        fps: frames a second.
        energy: (T,) loudness of speech in [0, 1].
        track: emotion on the frames.
    """
    smooth = scipy.ndimage.gaussian_filter1d(np.asarray(energy, np.float64), 0.08 * fps)
    nod = smooth - scipy.ndimage.gaussian_filter1d(smooth, 0.8 * fps)
    poses = np.array([POSTURE.get(label, (0.0, 0.0, 0.0)) for label in track.labels])
    posture = scipy.ndimage.gaussian_filter1d((track.posterior * track.intensity[:, None]) @ poses, 0.25 * fps, axis=0)
    degrees = posture + head_activity(track, fps)[:, None] * (drift * (0.9, 1.3, 0.7) + nod[:, None] * (4.0, 0.0, 0.0))
    return np.radians(degrees).astype(np.float32)


# --- The same while somebody is still speaking, one moment after the other.


class BlinkStream:
    """``blinks`` at times that only go on; none waits for a pause, of which nobody knows yet."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.start = first_blink(rng)

    def at(self, *times: float) -> Floats:
        """Lid closure (T,) in [0, 1]."""
        starts = np.zeros(len(times))
        for frame, time in enumerate(times):
            while time >= self.start + BLINK_SECONDS:
                self.start = next_blink(self.start, self.rng)
            starts[frame] = self.start
        return blink_closure(np.array(times) - starts)


class GazeStream:
    """``fixations`` at times that only go on, without phrases."""

    def __init__(self, rng: np.random.Generator, eye_contact: float = LiveMotion.eye_contact):
        self.rng, self.eye_contact = rng, eye_contact
        self.now = np.zeros(2)
        self.begins, self.next = next_fixation(0.0, rng, eye_contact)

    def at(self, *times: float) -> Floats:
        """Gaze (T, 2) in degrees."""
        looks = np.zeros((len(times), 2), np.float32)
        for frame, time in enumerate(times):
            while time > self.begins + SACCADE / 2:
                self.now = self.next
                self.begins, self.next = next_fixation(self.begins, self.rng, self.eye_contact)
            share = min(max((time - self.begins) / SACCADE + 0.5, 0.0), 1.0)
            looks[frame] = self.now + share * (self.next - self.now)
        return looks


class IdleStream:
    """Adds blinks and gaze to ARKit weights, drawn from the same seed as those of ``assemble``."""

    def __init__(self, motion: LiveMotion = LiveMotion()):
        blink_rng, gaze_rng, *_ = idle_generators(motion.seed)
        self.blinks = BlinkStream(blink_rng) if motion.blinks else None
        self.gaze = GazeStream(gaze_rng, motion.eye_contact) if motion.gaze else None

    def added(self, times: Reals, weights: Floats, head: Floats) -> Floats:
        """Faces (T, 52), in the order of ``ARKIT_52``, of a ``head`` (T, 3; radians) at times (T,) that only go on."""
        if not len(times):
            return weights
        faces, changed = np.array(weights, np.float32), dict[str, Floats]()
        named = dict(zip(ARKIT_52, faces.T, strict=True))
        if self.gaze is not None:
            changed |= eye_look(in_head(self.gaze.at(*times), head))
        if self.blinks is not None:
            changed |= close_lids(named, self.blinks.at(*times))
        for name, curve in changed.items():
            named[name][:] = curve
        return faces


class HeadStream:
    """Head motion frame after frame: the drift of ``head_rotation`` and, a moment later, its nods and postures.

    Smoothing looks back only, so nods come about a tenth of a second later than in a finished recording.

    Args:
        fps: frames a second.
    """

    def __init__(self, seed: int, fps: float):
        self.rng, self.fps = idle_generators(seed)[2], fps
        width = int(4 * 0.7 * fps) + 1
        kernel = np.exp(-0.5 * (np.arange(-width, width + 1) / (0.7 * fps)) ** 2)
        self.kernel = kernel / kernel.sum()
        self.noise = self.rng.standard_normal((len(self.kernel), 3))
        self.energy = np.zeros(2)
        self.posture, self.arousal = np.zeros(3), 0.0

    def next(self, count: int, loudness: float, label: str, intensity: float) -> Floats:
        """The next frames' rotation vectors (T, 3), radians.

        Args:
            count: how many frames.
            loudness: of the speech, in [0, 1].
        """
        noise = np.concatenate([self.noise, self.rng.standard_normal((count, 3))])
        self.noise = noise[count:]
        drift = np.array([self.kernel @ noise[k : k + len(self.kernel)] for k in range(count)]).reshape(count, 3)
        drift *= np.sqrt(2 * np.sqrt(np.pi) * 0.7 * self.fps)
        # first-order low-passes with a constant input: the distance from it shrinks by the same factor every frame
        left = np.exp(-np.arange(1, count + 1)[:, None] / (self.fps * np.array([0.08, 0.8])))
        energy = loudness + left * (self.energy - loudness)
        wanted = intensity * np.array(POSTURE.get(label, (0.0, 0.0, 0.0)))
        follows = np.exp(-np.arange(1, count + 1)[:, None] / (self.fps * 0.25))
        posture = wanted + follows * (self.posture - wanted)
        aroused = _arousal(label) * intensity**0.5
        arousal = aroused + follows * (self.arousal - aroused)
        if count:
            self.energy, self.posture, self.arousal = energy[-1], posture[-1], float(arousal[-1, 0])
        nod = (energy[:, :1] - energy[:, 1:]) * np.array([4.0, 0.0, 0.0])
        degrees = posture + _activity(arousal) * (drift * (0.9, 1.3, 0.7) + nod)
        return np.radians(degrees).astype(np.float32)
