"""What each step between the decoder and the finished lips brings: the chain without one step at a time.

On development data alone: GRID's validation sentences (tracked lips), speechocean762's validation speakers and actors
of CREMA-D's, under the emotion that they play (phones aligned by pocketsphinx, lips not tracked), and the five FACEGOOD
takes that are no test. ``mouth_chains`` has the recordings and the chains. Differences are those of the same
recordings; a step shows where the 95 % interval of the difference, recordings resampled, leaves out zero and more than
``NOISE``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from measures.mouth_chains import Motion, Move, Sentence, groups, read_sentences
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics.motion import CLOSED_GAP, correlation, lip_aperture, lip_width
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import BILABIAL, LABIODENTAL, OPEN_VOWELS
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.motion.alignment import phone_intervals

Intervals = list[tuple[float, float]]
"""Start and end of phones, seconds."""
OPEN_CONSONANTS = ("T", "D", "N", "K", "G", "NG", "TH", "DH", "S", "Z", "SH", "ZH", "CH", "JH", "L", "R", "Y", "HH")
"""Consonants that the tongue or the glottis makes, with the lips apart."""
NOISE = 0.002
"""A difference below it is none, however sure it is."""
VIDEO = 30.0
"""Frames a second in which a closure must be seen."""
AT_THE_TEETH = 0.06
"""Gap of a lower lip at the teeth: the tracked talker's, in two of three f and v."""
RESAMPLED = 1000
"""Draws of the recordings for an interval."""
FIGURES = {
    "closed": "p, b, m closed",
    "false": "open vowels closed",
    "closed_emotional": "p, b, m closed, six emotions",
    "false_emotional": "open vowels closed, six emotions",
    "closed_actors": "p, b, m closed, actors",
    "false_actors": "open vowels closed, actors",
    "others": "t, d, n, k, … closed",
    "others_actors": "t, d, n, k, … closed, actors",
    "teeth": "f, v at the teeth",
    "teeth_emotional": "f, v at the teeth, six emotions",
    "teeth_mm": "lip to teeth on f, v, six emotions, mm",
    "lip_r": "height, GRID",
    "lip_width_r": "width, GRID",
    "lip_r_facegood": "height, FACEGOOD",
    "roughness": "change of the gap's speed, thousandths a frame",
}
"""Figures, and the columns of the table."""


# --- What is scored: sums that can be drawn again.

Sums = dict[str, NDArray[np.float64]]
"""By figure, (N, 2) numerator and denominator of each recording."""


def score(move: Move, sentences: Sequence[Sentence], emotions: Sequence[str]) -> Sums:
    """The sums of a chain."""
    face = load_face()
    rest, to_teeth = float(lip_aperture(face, np.zeros((1, len(ARKIT_52)), np.float32))[0]), LipToTeeth(face)
    sums = {name: np.zeros((len(sentences), 2)) for name in FIGURES}
    for row, sentence in enumerate(sentences):
        actors = sentence.corpus == "cremad"
        for emotion in sentence.decoded if actors else emotions if sentence.spans else ("neutral",):
            motion = move(sentence, emotion)
            aperture = lip_aperture(face, motion)
            ending = "_actors" if actors else "" if emotion == "neutral" else "_emotional"
            gap, times, count = aperture - rest, sentence.times[: len(motion)], len(motion)
            shown = np.arange(times[0], times[-1], 1.0 / VIDEO)
            seen = np.interp(shown, times, gap).astype(np.float32)
            for name, phones, most in (("closed", BILABIAL, CLOSED_GAP), ("teeth", LABIODENTAL, AT_THE_TEETH)):
                if name + ending in sums:
                    sums[name + ending][row] += reached(seen, shown, phone_intervals(sentence.spans, phones), most)
            for name, phones in (("false", OPEN_VOWELS), ("others", OPEN_CONSONANTS)):
                if name + ending in sums:
                    sums[name + ending][row] += shut(gap, times, phone_intervals(sentence.spans, phones))
            if actors:
                continue
            sums["roughness"][row] += 1e3 * np.abs(np.diff(gap, 2)).mean(), 1.0
            if emotion != "neutral":
                for start, end in phone_intervals(sentence.spans, LABIODENTAL):
                    inside = (times >= start - 0.02) & (times <= end + 0.02)
                    if inside.any():
                        sums["teeth_mm"][row] += to_teeth(motion[inside]).min(), 1.0
                continue
            speech = sentence.features.speech[:count]
            height = "lip_r_facegood" if sentence.corpus == "facegood" else "lip_r"
            for name, made, tracked in (
                (height, aperture, sentence.height),
                ("lip_width_r", lip_width(face, motion), sentence.width),
            ):
                if tracked is not None:
                    sums[name][row] = correlation(made[speech], tracked[:count][speech]), 1.0
    return sums


class LipToTeeth:
    """How near the middle of the lower lip comes to the upper teeth of a face, millimetres."""

    def __init__(self, face: Face) -> None:
        vertices, marks = face.mesh.vertices, face.landmarks
        assert marks is not None
        lip = vertices[marks[66]]
        beside = np.linalg.norm(vertices - lip, axis=1) < 0.007
        self.lip = np.flatnonzero(beside & face.regions["skin"] & (vertices[:, 1] < lip[1] + 0.0005))
        self.teeth = np.flatnonzero(face.regions["upper_teeth"] & (np.abs(vertices[:, 0] - lip[0]) < 0.009))
        self.face = face

    def __call__(self, motion: Motion) -> NDArray[np.float64]:
        """(T,) of motion (T, 52)."""
        weights = self.face.expand(self.face.with_rest(motion))
        lip, teeth = (
            self.face.mesh.vertices[rows] + np.einsum("tk,kvd->tvd", weights, self.face.basis[:, rows])
            for rows in (self.lip, self.teeth)
        )
        return np.array([1e3 * cKDTree(b).query(a)[0].min() for a, b in zip(lip, teeth, strict=True)])


def reached(gap: Motion, times: NDArray[np.float64], intervals: Intervals, most: float) -> tuple[int, int]:
    """In how many phones the lips come as near as ``most``, and how many there are."""
    inside = [gap[(times >= start - 0.02) & (times <= end + 0.02)] for start, end in intervals]
    found = [one.min() < most for one in inside if len(one)]
    return sum(found), len(found)


def shut(gap: Motion, times: NDArray[np.float64], intervals: Intervals) -> tuple[int, int]:
    """In how many phones the lips meet within the middle half, and how many there are."""
    quarters = [(start, end, 0.25 * (end - start)) for start, end in intervals]
    inside = [gap[(times >= start + q) & (times <= end - q)] for start, end, q in quarters]
    found = [one.min() < CLOSED_GAP for one in inside if len(one)]
    return sum(found), len(found)


def figure(sums: NDArray[np.float64], rows: NDArray[np.intp] | slice = slice(None)) -> float:
    """The figure of some of the recordings; NaN where none counts."""
    above, below = sums[rows].sum(0)
    return float(above / below) if below else float("nan")


def difference(changed: NDArray[np.float64], whole: NDArray[np.float64]) -> tuple[float, bool]:
    """A figure without a step less that with it, and whether it is more than noise."""
    rng = np.random.default_rng(0)
    found = figure(changed) - figure(whole)
    rows = np.flatnonzero(whole[:, 1])
    if not len(rows) or abs(found) < NOISE:
        return found, False
    drawn = rng.choice(rows, (RESAMPLED, len(rows)))
    low, high = np.percentile([figure(changed, draw) - figure(whole, draw) for draw in drawn], [2.5, 97.5])
    return found, bool(low > 0.0 or high < 0.0)


def evaluate_mouth_rules(data: Path, hook: Hook = no_progress) -> dict[str, dict[str, dict[str, list[float]]]]:
    """By chain and step the figures: of the whole chain each value, of the others the difference and 1 if it shows."""
    sentences = read_sentences(data, hook)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for group in groups():
        chosen = [sentence for sentence in sentences if sentence.corpus in group.corpora]
        whole = score(group.whole, chosen, group.emotions)
        rows = found[group.title] = {"whole": {name: [figure(whole[name])] for name in FIGURES}}
        for name, move in counted(list(group.without.items()), hook, group.title, len(group.without)):
            sums = score(move, chosen, group.emotions)
            rows[name] = {
                key: [value, float(shows)] for key in FIGURES for value, shows in [difference(sums[key], whole[key])]
            }
    return found


def mouth_rules_table(found: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> str:
    """The table of the page; what shows is bold."""
    rows = [
        [f"**{title}**" if name == "whole" else name, *(_cell(values[key]) for key in FIGURES)]
        for title, each in found.items()
        for name, values in each.items()
    ]
    return markdown_table(["without", *FIGURES.values()], rows)


def _cell(value: Sequence[float]) -> str:
    if np.isnan(value[0]):
        return ""
    if len(value) == 1:
        return f"{value[0]:.3f}"
    text = f"{value[0]:+.3f}".replace("+0.000", "0").replace("-0.000", "0")
    return f"**{text}**" if value[1] else text
