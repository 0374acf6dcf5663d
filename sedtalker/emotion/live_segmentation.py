"""Segments while the sound goes on: labels that never change once said and keep to the minimum duration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sedtalker.emotion.segmentation import SegmentRule, change_costs, runs
from sedtalker.emotion.track import SILENCE, Segment


class LiveSegmentation:
    """The hidden semi-Markov model of ``decode_labels`` decided with a lag.

    Its states are a category and how many frames it has lasted, up to the minimum duration. Each decision takes the
    best path through all that is known, then every path that disagrees with it is dropped, so what follows always
    continues what was said. With all frames known at once it equals ``decode_labels``.

    Args:
        classes: number of categories.
        rate: frames a second.
        rule: minimum duration and price of a change.
    """

    def __init__(self, classes: int, rate: float, rule: SegmentRule = SegmentRule()):
        self.rate, self.rule = rate, rule
        self.shortest = max(1, round(rule.shortest * rate))
        self.score = np.full((self.shortest, classes), -np.inf)
        self.begun = False

    def decide(
        self,
        posterior: NDArray[np.floating],
        speech: NDArray[np.bool_],
        count: int,
        last: bool = False,
        boundary: NDArray[np.floating] | None = None,
    ) -> NDArray[np.int64]:
        """Labels of the next frames.

        Args:
            posterior: (T, C) of all frames that are not yet decided, as far as they are known.
            speech: (T,) frames that count.
            count: how many of them are decided now; the others are given again next time, perhaps changed.
            last: the sound ends with these frames: the last segment, too, must reach the minimum duration if it can.
            boundary: (T,) probability that the emotion changes about here.

        Returns:
            (count,) indices of categories.
        """
        classes = self.score.shape[1]
        weight = np.asarray(speech, np.float64)
        evidence = np.log(np.maximum(np.asarray(posterior, np.float64), 1e-6)) * (weight / self.rate)[:, None]
        cost = change_costs(self.rule, weight > 0, boundary)
        score, begun = self.score, self.begun
        paths = np.zeros((self.shortest, classes, count), np.int64)
        for t in range(len(evidence)):
            score, paths = self._step(score, paths, evidence[t], cost[t], begun)
            begun = True
            if t < count:
                paths[..., t] = np.arange(classes)
            if t == count - 1:
                self.score, decided, self.begun = score, paths, True
        if not count:
            return np.zeros(0, np.int64)
        ends = score[-1:] if last and np.isfinite(score[-1]).any() else score
        offset = self.shortest - len(ends)
        best, label = np.unravel_index(int(ends.argmax()), ends.shape)
        labels = paths[offset + best, label].copy()
        self.score = np.where((decided == labels).all(-1), self.score, -np.inf)
        return labels

    def _step(
        self,
        score: NDArray[np.float64],
        paths: NDArray[np.int64],
        evidence: NDArray[np.float64],
        cost: float,
        begun: bool,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Scores (D, C) and labels so far (D, C, N) one frame on."""
        new, kept = np.full_like(score, -np.inf), np.zeros_like(paths)
        new[1:], kept[1:] = score[:-1], paths[:-1]
        longer = score[-1] >= new[-1]
        if self.shortest > 1 or begun:
            new[-1], kept[-1] = np.where(longer, score[-1], new[-1]), np.where(longer[:, None], paths[-1], kept[-1])
        source = int(score[-1].argmax())
        change = score[-1, source] - cost if begun else 0.0
        if self.shortest > 1:
            new[0], kept[0] = change, paths[-1, source]
        else:
            better = change > new[0]
            new[0] = np.where(better, change, new[0])
            kept[0] = np.where(better[:, None], paths[-1, source], kept[0])
        return new + evidence, kept


class EndedSegments:
    """Segments as they end, from labelled frames that come in stretches; nothing else is kept of the frames.

    As in ``EmotionTrack.segments``, no segment covers a pause of ``SILENCE``: it ends where the speech did, as soon as
    the pause is known to be long.

    Args:
        labels: (C,) category names.
        rate: frames a second.
    """

    def __init__(self, labels: tuple[str, ...], rate: float):
        self.labels, self.rate = labels, rate
        self.label = self.now = self.quiet = 0
        self.open, self.paused = _Sums(), _Sums()

    def push(
        self,
        label: NDArray[np.integer],
        posterior: NDArray[np.floating],
        intensity: NDArray[np.floating],
        speech: NDArray[np.bool_],
    ) -> list[Segment]:
        """The next frames (T,), and posterior (T, C): the segments that ended with them."""
        ended = []
        for first, last, both in runs(2 * np.asarray(label, np.int64) + speech):
            name, speaks = divmod(both, 2)
            if name != self.label:
                ended.extend(self.end())
                self.label = name
            part = slice(first, last)
            count = last - first
            strength, confidence = (float(x[part].sum(dtype=np.float64)) for x in (intensity, posterior[:, name]))
            self.now += count
            if speaks:
                self.open += self.paused + _Sums(count, strength, confidence, count, confidence)
                self.quiet, self.paused = 0, _Sums()
                continue
            self.quiet += count
            self.paused += _Sums(count, strength, confidence)
            if self.quiet >= SILENCE * self.rate:
                ended.extend(self._closed(self.now - self.paused.frames))
                self.paused = _Sums()
        return ended

    def end(self) -> list[Segment]:
        """The sound has ended, or the emotion changed: the open segment, if there is one."""
        self.open, self.paused = self.open + self.paused, _Sums()
        return self._closed(self.now)

    def _closed(self, end: int) -> list[Segment]:
        """The open segment, which ends at a frame, if there is one."""
        sums, self.open = self.open, _Sums()
        if not sums.frames:
            return []
        confidence = sums.in_speech / sums.spoken if sums.spoken else sums.confidence / sums.frames
        start, label = (end - sums.frames) / self.rate, self.labels[self.label]
        return [Segment(start, end / self.rate, label, sums.intensity / sums.frames, confidence)]


class _Sums(NamedTuple):
    """Sums over frames: how many, their intensity and confidence, how many are speech, and the confidence of these."""

    frames: int = 0
    intensity: float = 0.0
    confidence: float = 0.0
    spoken: int = 0
    in_speech: float = 0.0

    def __add__(self, other: _Sums) -> _Sums:  # type: ignore[override]
        return _Sums._make(a + b for a, b in zip(self, other, strict=True))
