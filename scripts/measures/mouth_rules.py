"""What each step between the decoder and the finished lips brings: the chain without one step at a time.

On development data alone: GRID's validation sentences (tracked lips), speechocean762's validation speakers and actors
of CREMA-D's, under the emotion that they play (phones aligned by pocketsphinx, lips not tracked), and the five FACEGOOD
takes that are no test. A step is taken out by other
``MouthRules``, or by leaving out its function. Differences are those of the same recordings; a step shows where the
95 % interval of the difference, recordings resampled, leaves out zero and more than ``NOISE``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from scipy.spatial import cKDTree

from sedtalker.animation.animation_stream import FaceStream, emotion_stream
from sedtalker.animation.animator import Animator
from sedtalker.animation.articulation import (
    ClosureStream,
    closures,
    held_closed,
    lip_posteriors,
    lips_apart,
    mixed_mouth,
    move_lips,
)
from sedtalker.animation.burst_motion import pulses, show_bursts
from sedtalker.animation.decoder import ShapeDecoder
from sedtalker.animation.gains import Gains, apply_gains
from sedtalker.animation.known_phones import sharpen
from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.animation.performance import StreamSettings
from sedtalker.animation.visual_prosody import enliven, find_rhythm
from sedtalker.audio import Audio, load_audio, resample_frames
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.metrics.motion import CLOSED_GAP, correlation, lip_aperture, lip_width
from sedtalker.nn.engine import open_model
from sedtalker.phonetics.aligner import Alignment
from sedtalker.phonetics.pronunciation import pronounce
from sedtalker.phonetics.words import align_recording
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.speech.features import BILABIAL, LABIODENTAL, SPEECH, SpeechFeatures
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.tracked_motion import read_facegood, read_grid
from sedtalker.training.evaluation.lips import OPEN_VOWELS, steady_track
from sedtalker.training.motion.alignment import PhoneSpan, Utterance, align_corpus, phone_intervals
from sedtalker.training.run import cache_folder

Motion = NDArray[np.float32]
"""(T, 52) coefficients."""
Intervals = list[tuple[float, float]]
"""Start and end of phones, seconds."""

NOISE = 0.002
"""A difference below it is none, however sure it is."""
ACTORS = 120
"""Recordings of actors."""
VIDEO = 30.0
"""Frames a second in which a closure must be seen."""
RESAMPLED = 1000
"""Draws of the recordings for an interval."""
FIGURES = {
    "closed": "p, b, m closed",
    "false": "open vowels closed",
    "closed_emotional": "p, b, m closed, six emotions",
    "false_emotional": "open vowels closed, six emotions",
    "closed_actors": "p, b, m closed, actors",
    "false_actors": "open vowels closed, actors",
    "teeth": "f, v at the teeth",
    "teeth_emotional": "f, v at the teeth, six emotions",
    "teeth_mm": "lip to teeth on f, v, six emotions, mm",
    "lip_r": "height, GRID",
    "lip_width_r": "width, GRID",
    "lip_r_facegood": "height, FACEGOOD",
    "roughness": "change of the gap's speed, thousandths a frame",
}
"""Figures, and the columns of the table."""


@dataclass(frozen=True, eq=False)
class Sentence:
    """A recording, what is known of it, and the decoder's motion before its lips are closed.

    Attributes:
        sound, features: the recording; with ``spans``, the aligned phones, where its language has some.
        phones: the phones of its known words, as ``--transcript`` aligns them.
        height, width: (T,) of the tracked inner lips, where it was tracked.
        posteriors: (1, T, 2) of p, b, m and of f, v.
        own: the same, by the speech encoder alone, as in streams.
        decoded: by emotion, the decoder's motion (T, 52), the same with the mouth that is read out of the sound, and
            how emotional it is (T, 1).
        corpus: where it comes from.
    """

    corpus: str
    sound: Audio
    features: SpeechFeatures
    spans: list[PhoneSpan]
    phones: Alignment | None
    height: NDArray[np.float32] | None
    width: NDArray[np.float32] | None
    posteriors: NDArray[np.float32]
    own: NDArray[np.float32]
    decoded: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]

    @property
    def times(self) -> NDArray[np.float64]:
        """(T,) seconds."""
        return np.asarray(self.features.clock.times(len(self.features)), np.float64)


Move = Callable[[Sentence, str], Motion]
"""A sentence under an emotion to its finished mouth."""


@dataclass(frozen=True)
class Group:
    """A chain that is whole, and the same without one of its steps.

    Attributes:
        title: what is done.
        whole: the chain.
        without: by the name of a step, the chain without it.
        corpora: which recordings it is measured on.
    """

    title: str
    whole: Move
    without: Mapping[str, Move]
    corpora: Sequence[str] = ("grid", "speechocean762")
    emotions: Sequence[str] = field(default=CATEGORIES)


# --- The recordings.


def read_sentences(data: Path, hook: Hook) -> list[Sentence]:
    """The development recordings, decoded under each emotion."""
    animator, cache = Animator.from_pretrained(), cache_folder(None)
    grid = [clip for clip in read_grid(data) if clip.split == "valid"]
    read = [c for c in read_manifest(data) if c.corpus == "speechocean762" and c.split == "valid"]
    said = {clip.name: Utterance(clip.name, clip.audio, clip.text) for clip in grid}
    spans = align_corpus("grid_valid", list(said.values()), cache)
    spans |= align_corpus("speechocean762", [Utterance(c.path.stem, c.path, c.transcript) for c in read], cache)
    found = []
    for clip in counted(grid, hook, "GRID", len(grid)):
        features = animator.encoder(load_audio(clip.audio))
        times = features.clock.times(len(features))
        tracked = [
            resample_frames(clip.feature(name)[:, None], clip.times, times)[:, 0]
            for name in ("inner_lip_height", "inner_lip_width")
        ]
        found.append(_sentence("grid", animator, clip.audio, spans[clip.name], clip.text, *tracked))
    for one in counted(read, hook, "speechocean762", len(read)):
        if spans[one.path.stem]:
            found.append(_sentence("speechocean762", animator, one.path, spans[one.path.stem], one.transcript))
    actors = [
        c for c in read_manifest(data) if c.corpus == "cremad" and c.split == "valid" and c.emotion in CATEGORIES[1:]
    ]
    actors = [actors[k] for k in np.linspace(0, len(actors) - 1, ACTORS).astype(int)]
    spans = align_corpus("cremad_valid", [Utterance(c.path.stem, c.path, c.transcript) for c in actors], cache)
    for one in counted(actors, hook, "CREMA-D", len(actors)):
        if spans[one.path.stem]:
            emotions = (one.emotion,)
            found.append(
                _sentence("cremad", animator, one.path, spans[one.path.stem], one.transcript, emotions=emotions)
            )
    face = load_face()
    takes = [take for take in read_facegood(data) if take.split == "train"]
    for take in counted(takes, hook, "FACEGOOD", len(takes)):
        times = animator.encoder(load_audio(take.audio)).clock
        one = _sentence("facegood", animator, take.audio, [], "")
        tracked_motion = resample_frames(take.coefficients, take.times, times.times(len(one.features)))
        found.append(replace(one, height=lip_aperture(face, tracked_motion)))
    return found


def _sentence(
    corpus: str,
    animator: Animator,
    path: Path,
    spans: list[PhoneSpan],
    text: str,
    height: Motion | None = None,
    width: Motion | None = None,
    emotions: Sequence[str] = CATEGORIES,
) -> Sentence:
    decoder = animator.decoder
    assert isinstance(decoder, ShapeDecoder)
    sound = load_audio(path)
    features = animator.encoder(sound)
    decoded = {}
    for emotion in emotions if text else CATEGORIES[:1]:
        track = steady_track(emotion, 0.0 if emotion == "neutral" else 1.0)
        motion, emotional = decoder.motion(features, track), decoder.emotional(features, track)
        motions = (
            decoder.full(each, features, track)
            for each in (motion, mixed_mouth(motion, features.mouth, emotional, decoder.config.mouth_share))
        )
        decoded[emotion] = *motions, emotional
    posteriors = lip_posteriors(decoder.phones_in(features))
    own = lip_posteriors(decoder.phones(features.of(SPEECH).hidden))
    phones = align_recording(pronounce(text), sound, features) if text else None
    return Sentence(corpus, sound, features, spans, phones, height, width, posteriors, own, decoded)


# --- The chains.


def closing(rules: MouthRules = RULES, *, everywhere: bool = False, own: bool = False, read: bool = True) -> Move:
    """The lips that the phones close.

    Args:
        everywhere: also those that meet anyway.
        own: by one encoder's phones.
        read: with the mouth that is read out of the sound.
    """

    def move(sentence: Sentence, emotion: str) -> Motion:
        plain, mixed, emotional = sentence.decoded[emotion]
        motion = mixed if read else plain
        usual = replace(rules, peak_frames=RULES.peak_frames)
        apart = lips_apart(motion, usual.peak_frames, usual)
        apart = np.ones_like(apart) if everywhere else apart
        posteriors = sentence.own if own else sentence.posteriors
        made = move_lips(motion, closures(posteriors, rules), apart, emotional, rules)
        return np.clip(made, 0.0, 1.0)

    return move


def as_decoded(sentence: Sentence, emotion: str) -> Motion:
    """The decoder's own lips."""
    return sentence.decoded[emotion][0]


def with_words(rules: MouthRules = RULES) -> Move:
    """The lips where the words are known, too."""
    first, face = closing(), load_face()

    def move(sentence: Sentence, emotion: str) -> Motion:
        assert sentence.phones is not None
        return sharpen(first(sentence, emotion), sentence.times, sentence.phones, face, rules)

    return move


def scaled(rules: MouthRules = RULES, *, kept: bool = True) -> Move:
    """The lips under gains that open the mouth: articulation and expressivity of 1.6."""
    first, face, gains = closing(), load_face(), Gains(articulation=1.6, expressivity=1.6)

    def move(sentence: Sentence, emotion: str) -> Motion:
        shown, neutral = first(sentence, emotion), first(sentence, "neutral")
        if not kept:
            return (gains.of_speech() * neutral + gains.of_emotion() * (shown - neutral)).clip(0.0, 1.0)
        return apply_gains(shown, neutral, gains, face, rules)

    return move


def laughing(*, held: bool = True) -> Move:
    """The lips while somebody laughs, and breathes."""
    first = closing()

    def move(sentence: Sentence, emotion: str) -> Motion:
        before = dict(zip(ARKIT_52, first(sentence, emotion).T, strict=True))
        rng = np.random.default_rng(0)
        lively = enliven(before, sentence.times, find_rhythm(sentence.features), rng, 1.0)
        laugh = (Burst(0.0, float(sentence.times[-1]), "laugh", 1.0),)
        made = show_bursts(lively, sentence.times, laugh, pulses(sentence.features, sentence.times), 1.0)
        if held:
            closed = closures(sentence.posteriors)[:, 0]
            where = maximum_filter1d(closed, 2 * RULES.held_frames + 1)
            made = held_closed(made, lively | {"jawOpen": before["jawOpen"]}, where)
        return np.stack([made[name] for name in ARKIT_52], 1)

    return move


def streamed(*, closed: bool = True, read: bool = True) -> Move:
    """The lips of a stream with the usual look-ahead; ``read``: the mouth is read out of the sound, too."""
    decoder, encoder = open_model("decoder_streaming"), Animator.from_pretrained().encoder

    def move(sentence: Sentence, emotion: str) -> Motion:
        settings = StreamSettings(emotion=f"{emotion}:{0 if emotion == 'neutral' else 1}")
        stream = FaceStream(emotion_stream(_no_diarizer, encoder, settings), decoder)
        if not closed:
            stream.shown = stream.shown._replace(lips=_Untouched())
        stream.read = stream.read if read else None
        made = [*stream.push(sentence.sound.samples), stream.flush()]
        weights = np.concatenate([frames.weights for frames in made])
        return weights[: len(sentence.features)]

    return move


class _Untouched(ClosureStream):
    """Lips as the decoder moves them."""

    def push(self, motion: NDArray[np.float32], *_: NDArray[np.float32]) -> NDArray[np.float32]:
        return motion


def _no_diarizer() -> None:
    raise AssertionError("the emotion is given")


STRONG = ("neutral", "surprise")
"""Emotions of the chains that take long: none, and the one that opens the mouth most."""


def groups() -> list[Group]:
    """All chains."""

    def lips(**changed: object) -> Move:
        return closing(replace(RULES, **changed))  # type: ignore[arg-type]

    def words(**changed: object) -> Move:
        return with_words(replace(RULES, **changed))  # type: ignore[arg-type]

    low, high = RULES.onset
    middle = 0.5 * (low + high)
    two_shapes = {name: RULES.shape_gaps[name] for name in ("jawOpen", "mouthClose")}
    found = {
        "everything: the decoder alone": as_decoded,
        "the mouth that is read out of the sound": closing(read=False),
        "phones of the emotion encoder": closing(own=True),
        "rounding": lips(rounding=1.0),
        "peaks (each frame above the onset closes)": lips(peak_frames=0),
        "the ramp of the onset (a step half way)": lips(onset=(middle - 1e-4, middle)),
        "the frames beside a peak": lips(beside=0.0),
        "leaving lips alone that meet anyway": closing(everywhere=True),
        "the lower lip at the teeth": lips(teeth_gap=1.0),
        "its roll": lips(rolled=0.0),
        "the jaw that gives way": lips(jaw_gives=0.0),
        "gaps of all shapes but jaw and mouthClose": lips(shape_gaps=two_shapes),
    }
    known = {
        "all of it": closing(),
        "the lower lip at the teeth": words(teeth_gap=1.0),
        "its roll": words(rolled=0.0),
        "p, b, m closed": words(met_frames=0),
        "two closed frames are asked (one)": words(met_frames=1),
        "fading in and out": words(fade=1e-6),
    }
    gained = {
        "closures kept": scaled(kept=False),
        "slack": scaled(replace(RULES, slack=0.0)),
        "easing": scaled(replace(RULES, ease_frames=0)),
    }
    return [
        Group("Phones that the encoder finds", closing(), found, ("grid", "speechocean762", "facegood", "cremad")),
        Group("Words that are known", with_words(), known),
        Group(
            "Articulation and expressivity of 1.6",
            scaled(),
            gained,
            ("grid", "speechocean762"),
            ("neutral", "surprise"),
        ),
        Group(
            "Laughter and breaths",
            laughing(),
            {"closures held": laughing(held=False)},
            ("grid", "speechocean762"),
            STRONG,
        ),
        Group(
            "Streams",
            streamed(),
            {
                "everything: the decoder alone": streamed(closed=False, read=False),
                "the mouth that is read out of the sound": streamed(read=False),
            },
            ("grid", "speechocean762", "cremad"),
            STRONG,
        ),
    ]


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
            for name, phones, most in (("closed", BILABIAL, CLOSED_GAP), ("teeth", LABIODENTAL, RULES.teeth_gap)):
                if name + ending in sums:
                    sums[name + ending][row] += reached(seen, shown, phone_intervals(sentence.spans, phones), most)
            sums["false" + ending][row] += shut(gap, times, phone_intervals(sentence.spans, OPEN_VOWELS))
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
    """In how many vowels the lips meet within the middle half, and how many there are."""
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
    lines = ["| without | " + " | ".join(FIGURES.values()) + " |", "|---" * (len(FIGURES) + 1) + "|"]
    for title, rows in found.items():
        for name, values in rows.items():
            first = f"**{title}**" if name == "whole" else name
            lines.append(f"| {first} | " + " | ".join(_cell(values[key]) for key in FIGURES) + " |")
    return "\n".join(lines)


def _cell(value: Sequence[float]) -> str:
    if np.isnan(value[0]):
        return ""
    if len(value) == 1:
        return f"{value[0]:.3f}"
    text = f"{value[0]:+.3f}".replace("+0.000", "0").replace("-0.000", "0")
    return f"**{text}**" if value[1] else text
