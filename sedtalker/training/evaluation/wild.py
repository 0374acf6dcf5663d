"""Eighteen English talkers of public video, for evaluation only: lips, how far they open, how lively a face is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from sedtalker.animation.animator import AnyDecoder
from sedtalker.animation.articulation import posteriors_of
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.animation.mouth_readout import ReadoutDecoder
from sedtalker.animation.performance import Motion
from sedtalker.animation.recipe import Moved, assemble, drawn_of
from sedtalker.arrays import Doubles, Floats, Mask, Reals
from sedtalker.audio import load_audio
from sedtalker.face.arkit import INDEX
from sedtalker.face.face import Face
from sedtalker.metrics.motion import correlation, lip_aperture, lip_width
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.encoder import Encoder
from sedtalker.speech.features import SPEECH, SpeechFeatures
from sedtalker.training.evaluation.lips import ROUNDED, SPREAD, narrowing, steady_track

WILD_LAGS = np.arange(-17, 18) / 100
"""Seconds by which sound and picture of web video may be apart; each clip is scored at its best lag."""
WITHIN = 0.25
"""An opening that differs by no more than this share from the tracked one is as wide."""
SMOOTHING = 0.06
"""Seconds (standard deviation) by which head angles are smoothed before their speed is taken: trackers jitter."""


@dataclass(frozen=True, eq=False)
class WildTalker:
    """What a tracker saw of a talker of public video.

    Attributes:
        times: (T,) seconds of the video frames.
        lips: (T, 2) inner-lip height and width, outer-eye distances.
        found: (T,) 1 where the face was found, else 0.
        head: (F, 3, 3) rotations of the head in the frames in which it was found.
        brows: (F,) ``browInnerUp`` in these frames.
    """

    audio: Path
    times: Doubles
    lips: Floats
    found: Floats
    head: Reals
    brows: Floats


def read_wild_talkers(data: Path) -> list[WildTalker]:
    """The talkers of ``motion/wild``; none where the folder is not there."""
    folder, talkers = data / "motion/wild", []
    for path in sorted(folder.glob("*.npz")):
        names: list[str] = json.loads((folder / "names.json").read_text(encoding="utf-8"))["blendshape_names"]
        with np.load(path, allow_pickle=False) as tracked:
            lips, found = tracked["features"][:, :2].astype(np.float32), tracked["ok"]
            times = np.arange(len(lips)) / float(tracked["fps"])
            brows = tracked["blendshapes"][found][:, names.index("browInnerUp")].astype(np.float32)
            head = tracked["head"][found][:, :3, :3]
        talkers.append(WildTalker(path.with_suffix(".opus"), times, lips, found.astype(np.float32), head, brows))
    return talkers


def wild_metrics(
    decoder: AnyDecoder, face: Face, net: Encoder, data: Path, hook: Hook = no_progress
) -> dict[str, float]:
    """Means over the clips, on speech frames; empty where they are not there.

    ``lip_r_wild``, ``lip_width_r_wild``: inner-lip height and width, each clip at the lag of ``WILD_LAGS`` at which
    the height follows best; ``rounding_wild``: mean ``narrowing`` over the talkers' own, by sounds that the decoder's
    phone head finds; ``lip_r_wild_w…``: of one clip. ``lip_r_wild_energy``: log energy alone;
    ``lip_r_wild_shuffled``: the motion of half a clip away, both at their own best lag. ``amplitude_ratio_wild``:
    median over clips of the predicted 95th percentile of the opening over the tracked one; ``amplitude_within_wild``:
    share of clips in which they differ by no more than ``WITHIN``.
    ``head_speed_ratio_wild``: RMS speed of the head's pitch, yaw and roll over that of the tracked heads, medians over
    clips; ``brow_ratio_wild``: the same of the standard deviation of browInnerUp.
    """
    values: dict[str, list[float]] = {}
    talkers = read_wild_talkers(data)
    rest = float(lip_aperture(face, np.zeros((1, len(face.shapes)), np.float32))[0])
    for talker in counted(talkers, hook, "unseen talkers", len(talkers)):
        audio, name = load_audio(talker.audio), talker.audio.stem
        features = net(audio)
        moved = decoder.predict(features, steady_track("neutral", 0.0))
        height, width = lip_aperture(face, moved), lip_width(face, moved)
        clip = WildClip(features, talker)
        best, lag = clip.best(height)
        neutral = Moved(moved, decoder.shapes, features, steady_track("neutral", 0.0))
        made = assemble(neutral, drawn_of(features, Motion(), audio.duration, audio.sha256), Motion(), face)
        turns = Rotation.from_rotvec(made.head_rotation).as_matrix()
        row = {
            "lip_r_wild": best,
            f"lip_r_wild_{name}": best,
            "lip_width_r_wild": clip.score(width, lag, 1),
            "narrowing": narrowing(width[clip.speaking(lag)], *clip.rounded(decoder, lag)),
            "narrowing_tracked": narrowing(clip.at(lag, 1), *clip.rounded(decoder, lag)),
            "lip_r_wild_energy": clip.best(features.prosody[:, 0])[0],
            "lip_r_wild_shuffled": clip.best(np.roll(height, len(height) // 2))[0],
            "amplitude": clip.amplitude(height, rest, lag),
            "head": _head_speed(turns, made.fps),
            "head_tracked": _head_speed(talker.head, 1.0 / float(talker.times[1])),
            "brow": float(made.coefficients[:, INDEX["browInnerUp"]].std()),
            "brow_tracked": float(talker.brows.std()),
        }
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return _summary(values) if values else {}


def _summary(values: dict[str, list[float]]) -> dict[str, float]:
    metrics = {name: float(np.mean(each)) for name, each in values.items() if name.startswith("lip_")}
    ratios = np.array(values["amplitude"])
    metrics["amplitude_ratio_wild"] = float(np.median(ratios))
    metrics["amplitude_within_wild"] = float(np.mean(np.abs(ratios - 1.0) <= WITHIN))
    ours, tracked = (float(np.nanmean(values[name])) for name in ("narrowing", "narrowing_tracked"))
    metrics |= {} if np.isnan(ours) else {"rounding_wild": ours / tracked}
    metrics["head_speed_ratio_wild"] = float(np.median(values["head"]) / np.median(values["head_tracked"]))
    metrics["brow_ratio_wild"] = float(np.median(values["brow"]) / np.median(values["brow_tracked"]))
    return metrics


def _head_speed(matrices: Reals, fps: float) -> float:
    """RMS speed of rotations (T, 3, 3) about the three axes together, degrees a second."""
    left, _, right = np.linalg.svd(np.asarray(matrices, np.float64))  # trackers scale a little
    angles = np.unwrap(Rotation.from_matrix(left @ right).as_euler("xyz", degrees=True), period=360.0, axis=0)
    smooth = gaussian_filter1d(angles, SMOOTHING * fps, axis=0)
    return float(np.sqrt(np.square(np.diff(smooth, axis=0) * fps).sum(1).mean()))


@dataclass(frozen=True, eq=False)
class WildClip:
    """Speech features of a clip, and what was tracked."""

    features: SpeechFeatures
    talker: WildTalker

    def speaking(self, lag: float) -> Mask:
        """Frames of speech in which the face was found."""
        own = self.features.clock.times(len(self.features)) + lag
        return np.asarray(self.features.speech & (np.interp(own, self.talker.times, self.talker.found) > 0.99))

    def at(self, lag: float, column: int) -> Reals:
        """A tracked distance on the frames of ``speaking``."""
        own = self.features.clock.times(len(self.features)) + lag
        return np.asarray(np.interp(own, self.talker.times, self.talker.lips[:, column])[self.speaking(lag)])

    def rounded(self, decoder: AnyDecoder, lag: float) -> Mask:
        """(2, n) the frames of ``speaking`` with rounded and with spread sounds; none without a phone head."""
        finder = decoder.decoder if isinstance(decoder, ReadoutDecoder) else decoder
        if not (isinstance(finder, ShapeDecoder) and finder.config.closes):
            return np.zeros((2, int(self.speaking(lag).sum())), bool)
        likely = posteriors_of(finder.phones(self.features.of(SPEECH).hidden), (ROUNDED, SPREAD))
        return np.asarray(likely[self.speaking(lag)].T > 0.5)

    def amplitude(self, height: Reals, rest: float, lag: float) -> float:
        """95th percentile of a predicted opening (T,) over the tracked one."""
        shown = np.percentile(height[self.features.speech] - rest, 95)
        return float(shown / np.percentile(self.at(lag, 0), 95))

    def score(self, curve: Reals, lag: float, column: int) -> float:
        """Correlation of a predicted curve (T,) with a tracked distance."""
        return correlation(curve[self.speaking(lag)], self.at(lag, column))

    def best(self, curve: Reals) -> tuple[float, float]:
        """The highest correlation with the height, and its lag."""
        scores = [self.score(curve, float(lag), 0) for lag in WILD_LAGS]
        return max(scores), float(WILD_LAGS[int(np.argmax(scores))])
