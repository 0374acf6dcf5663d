"""What speech alone does to a face: lips measured and fitted, mouth shapes of phones by rule, tracked talkers.

The rule blends targets of phones by dominance functions: each phone pulls the mouth to its target with a strength that
falls off on either side of it, and the mouth is where the pulls balance (Cohen and Massaro 1993, after Löfqvist 1990).
Jaw and lips are separate axes as in JALI (Edwards et al. 2016). The targets are ours, from the phonetics of American
English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn
from torch.nn import functional as F

from sedtalker.animation.articulation import near_any
from sedtalker.arrays import Floats, Reals
from sedtalker.audio import resample_frames
from sedtalker.face.arkit import ARKIT_52, INDEX, both_sides, speech_only
from sedtalker.face.face import Face
from sedtalker.metrics.motion import lip_aperture, lip_width
from sedtalker.progress import Hook, no_progress
from sedtalker.reading import read_own_table
from sedtalker.speech.features import BILABIAL, FRAME_CLOCK, LABIODENTAL, PHONE_INDEX, PHONES, SILENCE
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_grid
from sedtalker.training.motion.alignment import (
    IGNORED,
    PhoneSpan,
    Utterance,
    align_corpus,
    frame_times,
    phone_frames,
    phone_intervals,
)

# --- How far each shape parts and widens the lips of a face, and mouths fitted to a wanted gap and width.


@dataclass(frozen=True, eq=False)
class LipMeasure:
    """How far each shape parts the lips of a face, to first order.

    Attributes:
        rest: inner-lip gap of the resting face, outer-eye distances.
        gain: (52,) change of the gap at coefficient 1, with the jaw a little open.
        width: (52,) change of the inner-lip width, likewise.
    """

    rest: float
    gain: Floats
    width: Floats

    def gap(self, coefficients: Floats) -> Floats:
        """(T,) gap beyond the resting one."""
        return np.asarray(coefficients @ self.gain, np.float32)


def measure_lips(face: Face) -> LipMeasure:
    """Lip gap and width per shape of ``ARKIT_52``, measured with the jaw slightly open, as in speech."""
    ajar = np.zeros((2, len(face.shapes)), np.float32)
    ajar[1, INDEX["jawOpen"]] = 0.3
    rest, open_gap = lip_aperture(face, ajar)
    trials = np.repeat(ajar[1:], len(ARKIT_52), axis=0)
    trials[:, : len(ARKIT_52)] += 0.1 * np.eye(len(ARKIT_52), dtype=np.float32)
    gain = (lip_aperture(face, trials) - open_gap) / 0.1
    gain[INDEX["jawOpen"]] = (open_gap - rest) / 0.3
    width = (lip_width(face, trials) - lip_width(face, ajar)[1]) / 0.1
    return LipMeasure(float(rest), gain, width)


def fit_gap(coefficients: Floats, wanted: Floats, lip_measure: LipMeasure) -> Floats:
    """Coefficients whose lip gap (beyond rest) is ``wanted`` (T,): by mouthClose first, then by the jaw."""
    fitted = np.array(coefficients, np.float32)
    jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
    for _ in range(2):
        missing = wanted - lip_measure.gap(fitted)
        open_more = np.maximum(missing, 0.0)
        less_close = np.minimum(fitted[:, close], open_more / -lip_measure.gain[close])
        fitted[:, close] -= less_close
        fitted[:, jaw] += (open_more + less_close * lip_measure.gain[close]) / lip_measure.gain[jaw]
        too_open = np.maximum(-missing, 0.0)
        limit = np.maximum(
            0.7 * fitted[:, jaw] * lip_measure.gain[jaw] / -lip_measure.gain[close] - fitted[:, close], 0.0
        )
        more_close = np.minimum(too_open / -lip_measure.gain[close], limit)
        fitted[:, close] += more_close
        fitted[:, jaw] -= (too_open + more_close * lip_measure.gain[close]) / lip_measure.gain[jaw]
        fitted = fitted.clip(0.0, 1.0)
    return fitted


def fit_width(coefficients: Floats, wanted: Floats, lip_measure: LipMeasure) -> Floats:
    """Coefficients whose lip width (beyond rest) is ``wanted`` (T,): stretched wider or puckered narrower."""
    fitted = np.array(coefficients, np.float32)
    stretch, pucker = both_sides("mouthStretch"), INDEX["mouthPucker"]
    wider, narrower = float(lip_measure.width[stretch].sum()), -float(lip_measure.width[pucker])
    missing = wanted - fitted @ lip_measure.width
    unpucker = np.clip(missing / narrower, 0.0, fitted[:, pucker])
    unstretch = np.clip(-missing / wider, 0.0, fitted[:, stretch].mean(1))
    missing = missing - unpucker * narrower + unstretch * wider
    fitted[:, pucker] += np.maximum(-missing, 0.0) / narrower - unpucker
    fitted[:, stretch] += (np.maximum(missing, 0.0) / wider - unstretch)[:, None]
    return fitted.clip(0.0, 1.0)


# --- Mouth shapes from aligned phones by rule.

AXES = ("gap", "width", "rounding", "upper", "lower", "roll", "tongue")
"""Inner-lip gap and width against rest (outer-eye distances); lips forward and together, upper lip up, lower lip down,
lower lip rolled in, tongue tip seen between the teeth: each in [0, 1]."""
TONGUE = 0.25
"""tongueOut of a full "th": the tip shows between the teeth, no more."""
SLOPE = 0.055
"""Seconds over which the pull of a phone falls to 1/e beyond its ends."""

_TARGETS: dict[str, list[float]] = read_own_table(__file__, "phone_targets.toml")
"""By phone: gap, width, rounding, upper, lower, roll, tongue and dominance."""


def pull(spans: list[PhoneSpan], times: Reals) -> Floats:
    """(T, 7) of ``AXES`` at ``times``: the targets of the phones, weighted by their dominance there."""
    start, end = (np.array([getattr(s, side) for s in spans]) for side in ("start", "end"))
    rows = np.array([_TARGETS[s.phone] for s in spans])
    away = np.maximum(np.maximum(start - times[:, None], times[:, None] - end), 0.0)
    weight = rows[:, -1] * np.exp(-away / SLOPE) + 1e-9
    weight /= weight.sum(1, keepdims=True)
    return np.asarray(weight @ rows[:, :-1], np.float32)


def tongue_curve(spans: list[PhoneSpan], times: Reals) -> Floats:
    """(T,) how far the tongue tip shows, in [0, 1]: 1 in a "th"."""
    if not spans:
        return np.zeros(len(times), np.float32)
    return pull(spans, times)[:, AXES.index("tongue")]


# --- The motion of a tracked clip, with the moments in which the lips are bound.

TRACKED_REST_GAP = 0.0045
"""Inner-lip height the tracker gives for closed lips, outer-eye distances."""
CLOSING, OPEN = 0.010, 0.030
"""Lip gaps that count as fully closed and as open, outer-eye distances."""
PAUSE_SECONDS = 0.4
"""How far from words a mouth has come to rest."""
ROUNDED = 0.45
"""Sum of pucker and funnel of a fully rounded mouth in speech."""
SLUR = 0.045
"""Seconds over which the lips slur at crispness -1 (standard deviation)."""
ROUNDING = both_sides("mouthPucker", "mouthFunnel")
"""Shapes that round the mouth."""


@dataclass(frozen=True, eq=False)
class SpokenMotion:
    """A tracked clip on the analysis clock: what speech alone does to the face.

    Attributes:
        coefficients: (T, 52) speech shapes, rest removed, lip gap as tracked.
        gap: (T,) tracked inner-lip gap beyond closed lips, outer-eye distances.
        closure: (T,) in [0, 1], lips of a p, b or m held together.
        contact: (T,) in [0, 1], lip on teeth (f, v).
        rounding: (T,) in [0, 1].
        talking: (T,) in [0, 1], 0 in pauses.
        tongue: (T,) in [0, 1], the tip between the teeth (th).
    """

    coefficients: Floats
    gap: Floats
    closure: Floats
    contact: Floats
    rounding: Floats
    talking: Floats
    tongue: Floats

    def at(self, position: Reals) -> SpokenMotion:
        """The same motion at other places (n,), counted in frames; held at both ends."""
        curves = (self.gap, self.closure, self.contact, self.rounding, self.talking, self.tongue)
        columns = np.column_stack([self.coefficients, *curves])
        values = resample_frames(columns, np.arange(float(len(columns))), position)
        return SpokenMotion(values[:, : len(ARKIT_52)], *values[:, len(ARKIT_52) :].T)

    def spoken_with(self, crispness: float) -> SpokenMotion:
        """The same motion slurred (below 0) or sharpened (above), closures kept."""
        if crispness == 0.0:
            return self
        columns = np.column_stack([self.coefficients, self.gap])
        slow = gaussian_filter1d(columns, SLUR * FRAME_CLOCK.rate, axis=0)
        columns = np.maximum(columns + crispness * (columns - slow), 0.0).astype(np.float32)
        gap = columns[:, -1] * (1.0 - self.closure * min(1.0, -2.0 * min(crispness, 0.0)))
        return replace(self, coefficients=columns[:, :-1].clip(0.0, 1.0), gap=gap)


@dataclass(frozen=True, eq=False)
class Rest:
    """A talker's closed mouth before speaking: speech shapes (52,) and inner-lip width in outer-eye distances."""

    coefficients: Floats
    width: float


def rest_pose(clips: list[TrackedClip]) -> Rest:
    """Medians over the first 0.3 s of clips, where the lips are closed."""
    closed = [c.feature("inner_lip_height")[:8] < 0.01 for c in clips]
    first = np.concatenate([speech_only(c.coefficients[:8])[k] for c, k in zip(clips, closed, strict=True)])
    width = np.concatenate([c.feature("inner_lip_width")[:8][k] for c, k in zip(clips, closed, strict=True)])
    return Rest(np.median(first, axis=0).astype(np.float32), float(np.median(width)))


def phone_curve(spans: list[PhoneSpan], phones: tuple[str, ...], times: Reals, margin: float) -> Floats:
    """(T,) 1 inside the given phones, falling to 0 over ``margin`` seconds on either side."""
    return near_any(times, phone_intervals(spans, phones), margin)


def talking_curve(spans: list[PhoneSpan], times: Reals) -> Floats:
    """(T,) 1 while words are spoken, 0 in pauses and outside the alignment."""
    if not spans:
        return np.ones(len(times), np.float32)
    outside = (times < spans[0].start) | (times > spans[-1].end)
    return np.where(outside, 0.0, 1.0 - phone_curve(spans, (SILENCE,), times, 0.08)).astype(np.float32)


def speaking_curve(spans: list[PhoneSpan], times: Reals) -> Floats:
    """(T,) 1 in and near words, 0 from 0.4 s away: mouths rest in longer pauses, whatever the tracked talker did."""
    if not spans:
        return np.ones(len(times), np.float32)
    words = tuple(sorted({span.phone for span in spans} - {SILENCE}))
    near = np.minimum(1.33 * phone_curve(spans, words, times, PAUSE_SECONDS), 1.0)
    return np.asarray(near * near * (3.0 - 2.0 * near), np.float32)


def rounding_of(coefficients: Floats) -> Floats:
    """(T,) how rounded a mouth is, in [0, 1]."""
    return np.clip(coefficients[:, ROUNDING].sum(1) / ROUNDED, 0.0, 1.0).astype(np.float32)


def speak(clip: TrackedClip, spans: list[PhoneSpan], rest: Rest, lip_measure: LipMeasure, times: Reals) -> SpokenMotion:
    """The motion of a tracked clip at ``times`` (T,) seconds."""
    raw = resample_frames(np.maximum(speech_only(clip.coefficients) - rest.coefficients, 0.0), clip.times, times)
    gap = clip.feature_at("inner_lip_height", times)
    speaking = speaking_curve(spans, times)
    width = clip.feature_at("inner_lip_width", times) - rest.width
    raw, gap = raw * speaking[:, None], np.maximum(gap - TRACKED_REST_GAP, 0.0) * speaking
    shut = 1.0 - np.clip((gap - CLOSING) / (OPEN - CLOSING), 0.0, 1.0)
    return SpokenMotion(
        coefficients=fit_gap(fit_width(raw, width * speaking, lip_measure), gap, lip_measure),
        gap=gap.astype(np.float32),
        closure=(shut * phone_curve(spans, BILABIAL, times, 0.06)).astype(np.float32),
        contact=phone_curve(spans, LABIODENTAL, times, 0.05),
        rounding=rounding_of(raw),
        talking=talking_curve(spans, times),
        tongue=tongue_curve(spans, times),
    )


def pause(frames: int) -> SpokenMotion:
    """A closed, resting mouth: the target for silence and noise."""
    zero = np.zeros(frames, np.float32)
    return SpokenMotion(np.zeros((frames, len(ARKIT_52)), np.float32), zero, zero, zero, zero, zero, zero)


def spoken_motion(clip: TrackedClip, spans: list[PhoneSpan], rest: Rest, lip_measure: LipMeasure) -> SpokenMotion:
    """A tracked clip's motion at 50 frames a second."""
    return speak(clip, spans, rest, lip_measure, frame_times(2 * len(clip.times)))


def spoken_mouth(spoken: SpokenMotion) -> Floats:
    """(T, 52) what speech does to the mouth, the tongue with it: what a readout has to predict."""
    mouth = spoken.coefficients.copy()
    mouth[:, INDEX["tongueOut"]] = TONGUE * spoken.tongue
    return mouth


# --- The same motion by a small network, trained on the tracked talker.
#
# One tracked talker is one voice. Read speech of hundreds of others has no motion, but its phones can be aligned; this
# network turns them into the motion the tracked talker would make: pseudo-labels of the recordings that the decoder is
# trained on.


ALIKE: dict[str, str] = {
    "M": "B", "P": "B", "ER": "R", "NG": "N", "SH": "JH", "CH": "JH", "ZH": "JH", "UH": "OW", "OY": "AO", "V": "F",
}  # fmt: skip
"""Phones that look alike; those on the left are rare or absent in the tracked sentences."""
RULED_WIDTH = 0.5
"""Share of the rule (``visemes``) in the lip width: a talker's habits say least about how others spread their lips."""
CLASSES: NDArray[np.int64] = np.array([PHONE_INDEX[ALIKE.get(name, name)] for name in PHONES])
"""Class of each phone, those alike in one."""
Example = tuple[list[PhoneSpan], SpokenMotion]


class PhoneMotion(nn.Module):
    """Phone classes (B, T) to 52 coefficients and the lip gap (B, T, 53), seeing ±0.22 s."""

    def __init__(self, targets: Floats, width: int = 96):
        super().__init__()
        self.mean = nn.Parameter(torch.from_numpy(targets.mean(0)), requires_grad=False)
        self.scale = nn.Parameter(torch.from_numpy(targets.std(0) + 1e-3), requires_grad=False)
        self.layers = nn.Sequential(
            nn.Conv1d(len(PHONES), width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(width, width, 9, padding=4),
            nn.GELU(),
            nn.Conv1d(width, targets.shape[1], 7, padding=3),
        )

    def forward(self, classes: Tensor) -> Tensor:
        one_hot = F.one_hot(classes.clamp_min(0), len(PHONES)).float().transpose(1, 2)
        return self.layers(one_hot).transpose(1, 2) * self.scale + self.mean


def _columns(spoken: SpokenMotion) -> Floats:
    return np.column_stack([spoken.coefficients, spoken.gap]).astype(np.float32)


def _classes(spans: list[PhoneSpan], times: Reals) -> NDArray[np.int64]:
    found = phone_frames(spans, times)
    return np.where(found == IGNORED, 0, CLASSES[found])


def train_phone_motion(examples: Sequence[Example], steps: int = 700) -> PhoneMotion:
    """Train on (spans, motion at 50 Hz) of tracked clips: crops of two seconds at 0.8 to 1.4 times the speed."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = PhoneMotion(np.concatenate([_columns(spoken) for _, spoken in examples]))
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        classes, targets = [], []
        for i in rng.integers(len(examples), size=24):
            spans, spoken = examples[i]
            speed, start = rng.uniform(0.8, 1.4), rng.uniform(0.0, max(0.1, len(spoken.gap) / FRAME_CLOCK.rate - 2.0))
            times = start + (np.arange(100) + 0.5) / FRAME_CLOCK.rate * speed
            classes.append(_classes(spans, times))
            targets.append(_columns(spoken.at(times * FRAME_CLOCK.rate - 0.5)))
        predicted = network(torch.from_numpy(np.stack(classes)))
        error = (predicted - torch.from_numpy(np.stack(targets))) / network.scale
        loss = error.square().mean() + 2.0 * error.diff(dim=1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@dataclass(frozen=True, eq=False)
class TrackedTalker:
    """The talker that GRID has of tracked motion.

    Attributes:
        clips: by name.
        spans: aligned phones by name.
        spoken: what speech does, at 50 frames a second, by name.
        rest: the talker's closed mouth.
    """

    clips: dict[str, TrackedClip]
    spans: dict[str, list[PhoneSpan]]
    spoken: dict[str, SpokenMotion]
    rest: Rest

    @property
    def training(self) -> list[TrackedClip]:
        """The clips to train on."""
        return [clip for clip in self.clips.values() if clip.split == "train"]

    def copies(self, store: FeatureStore, split: str) -> list[Copy]:
        """The copies of a split's clips."""
        return [c for c in store.copies if self.clips[c.key].split == split]

    def phone_motion(self) -> PhoneMotion:
        """The network that moves as this talker would, trained on the training clips."""
        return train_phone_motion([(self.spans[clip.name], self.spoken[clip.name]) for clip in self.training])


def read_talker(
    data: Path, lip_measure: LipMeasure, cache: Path, workers: int = 1, hook: Hook = no_progress
) -> TrackedTalker:
    """The talker in the training data.

    Args:
        cache: of alignments.
        workers: processes that align.

    Raises:
        InputError: the folder holds no tracked clips.
    """
    clips = {clip.name: clip for clip in read_grid(data)}
    spans = align_corpus("grid", [Utterance(c.name, c.audio, c.text) for c in clips.values()], cache, workers, hook)
    rest = rest_pose([clip for clip in clips.values() if clip.split == "train"])
    spoken = {name: spoken_motion(clip, spans[name], rest, lip_measure) for name, clip in clips.items()}
    return TrackedTalker(clips, spans, spoken, rest)


@torch.no_grad()
def expected_motion(network: PhoneMotion, spans: list[PhoneSpan], times: Reals) -> Floats:
    """(T, 53) what the network expects of aligned phones at 50 Hz ``times``: 52 coefficients and the lip gap."""
    return np.asarray(network(torch.from_numpy(_classes(spans, times))[None])[0].numpy(), np.float32)


def speak_phones(network: PhoneMotion, spans: list[PhoneSpan], frames: int, lip_measure: LipMeasure) -> SpokenMotion:
    """Motion (T = ``frames`` at 50 Hz) of aligned phones; p, b, m always close."""
    times = frame_times(frames)
    values = expected_motion(network, spans, times)
    bilabial = phone_curve(spans, BILABIAL, times, 0.03)
    speaking = speaking_curve(spans, times)
    gap = np.maximum(values[:, -1], 0.0) * (1.0 - bilabial) * speaking
    raw = values[:, : len(ARKIT_52)].clip(0.0, 1.0) * speaking[:, None]
    if RULED_WIDTH and spans:
        learned, ruled = raw @ lip_measure.width, pull(spans, times)[:, AXES.index("width")] * speaking
        raw = fit_width(raw, (1.0 - RULED_WIDTH) * learned + RULED_WIDTH * ruled, lip_measure)
    return SpokenMotion(
        coefficients=fit_gap(raw, gap, lip_measure),
        gap=gap.astype(np.float32),
        closure=bilabial,
        contact=phone_curve(spans, LABIODENTAL, times, 0.05),
        rounding=rounding_of(raw),
        talking=talking_curve(spans, times),
        tongue=tongue_curve(spans, times),
    )
