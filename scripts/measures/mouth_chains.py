"""Chains between the decoder and the finished lips, whole and without one step at a time, and their recordings.

A step is taken out by other ``MouthRules``, or by leaving out its function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

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
    required_closures,
)
from sedtalker.animation.burst_motion import pulses, show_bursts
from sedtalker.animation.conditioning import Style, UpperFaceStream, emotional
from sedtalker.animation.decoder import ShapeDecoder, eased_emotion
from sedtalker.animation.gains import Gains, apply_gains
from sedtalker.animation.known_phones import sharpen
from sedtalker.animation.mouth_rules import RULES, MouthRules
from sedtalker.animation.performance import StreamSettings
from sedtalker.animation.visual_prosody import enliven, find_rhythm, lively_signs
from sedtalker.audio import Audio, load_audio, resample_frames
from sedtalker.emotion.track import CATEGORIES, Burst
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import lip_aperture
from sedtalker.nn.calls import alone
from sedtalker.nn.engine import open_model
from sedtalker.phonetics.aligner import Alignment
from sedtalker.phonetics.pronunciation import pronounce
from sedtalker.phonetics.words import align_recording
from sedtalker.progress import Hook, counted
from sedtalker.speech.features import SPEECH, SpeechFeatures
from sedtalker.training.corpora.manifest import read_manifest
from sedtalker.training.corpora.tracked_motion import read_facegood, read_grid
from sedtalker.training.evaluation.lips import steady_track
from sedtalker.training.motion.alignment import PhoneSpan, Utterance, align_corpus
from sedtalker.training.run import cache_folder

Motion = NDArray[np.float32]
"""(T, 52) coefficients."""

ACTORS = 120
"""Recordings of actors."""


@dataclass(frozen=True, eq=False)
class Sentence:
    """A recording, what is known of it, and the decoder's motion before its lips are closed.

    Attributes:
        sound, features: the recording; with ``spans``, the aligned phones, where its language has some.
        phones: the phones of its known words, as ``--transcript`` aligns them.
        height, width: (T,) of the tracked inner lips, where it was tracked.
        posteriors: (1, T, 2) of p, b, m and of f, v.
        own: the same, by the phone head of the speech encoder alone.
        decoded: by emotion, the decoder's motion (T, 52), the same with the mouth that is read out of the sound, this
            without opening as far as people do, and how emotional it is (T, 1).
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
    decoded: Mapping[str, tuple[NDArray[np.float32], ...]]

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
        tracked = [clip.feature_at(name, times) for name in ("inner_lip_height", "inner_lip_width")]
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
    decoded, share, as_read = {}, decoder.config.mouth_share, replace(RULES, opening_range=(1.0, 1.0))
    for emotion in emotions if text else CATEGORIES[:1]:
        track = steady_track(emotion, 0.0 if emotion == "neutral" else 1.0)
        shown, motion = eased_emotion(features, track), decoder.motion(features, track)
        strong = emotional(*shown, Style())
        motions = (
            UpperFaceStream(decoder.moved).push(each, *shown)
            for each in (
                motion,
                *(mixed_mouth(motion, features.mouth, strong, share, rules) for rules in (RULES, as_read)),
            )
        )
        decoded[emotion] = *motions, strong
    posteriors = lip_posteriors(decoder.phones_in(features))
    own = lip_posteriors(decoder.phones(features.of(SPEECH).hidden))
    phones = align_recording(pronounce(text), sound, features) if text else None
    return Sentence(corpus, sound, features, spans, phones, height, width, posteriors, own, decoded)


# --- The chains.

PLAIN, MIXED, READ = range(3)
"""The mouths of ``Sentence.decoded``: the decoder's own, mixed with the read one, and mixed but no further open."""


def closing(rules: MouthRules = RULES, *, everywhere: bool = False, own: bool = False, mouth: int = MIXED) -> Move:
    """The lips that the phones close.

    Args:
        everywhere: also those that meet anyway.
        own: by one encoder's phones.
        mouth: which of the decoded ones: ``MIXED``, ``PLAIN`` or ``READ``.
    """

    def move(sentence: Sentence, emotion: str) -> Motion:
        *motions, emotional = sentence.decoded[emotion]
        motion = motions[mouth]
        usual = replace(rules, peak_frames=RULES.peak_frames, beside=RULES.beside)
        apart = lips_apart(motion, usual.near_frames, usual)
        apart = np.ones_like(apart) if everywhere else apart
        posteriors = sentence.own if own else sentence.posteriors
        made = move_lips(motion, required_closures(posteriors, emotional, rules), apart, emotional, rules)
        return np.clip(made, 0.0, 1.0)

    return move


def as_decoded(sentence: Sentence, emotion: str) -> Motion:
    """The decoder's own lips."""
    return sentence.decoded[emotion][PLAIN]


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
        lively = enliven(before, lively_signs(sentence.times, find_rhythm(sentence.features), rng), 1.0)
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
    decoder, encoder = open_model("decoder"), Animator.from_pretrained().encoder

    def move(sentence: Sentence, emotion: str) -> Motion:
        settings = StreamSettings(emotion=f"{emotion}:{0 if emotion == 'neutral' else 1}")
        stream = FaceStream(emotion_stream(_no_diarizer, encoder, settings), decoder)
        if not closed:
            stream.shown = stream.shown._replace(lips=_Untouched())
        stream.read = stream.read if read else None
        made = [alone(stream.steps(piece)) for piece in stream.pieces(sentence.sound.samples)]
        made.append(alone(stream.last_steps()))
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
    step = middle - 1e-4, middle
    two_shapes = {name: RULES.shape_gaps[name] for name in ("jawOpen", "mouthClose")}
    found = {
        "everything: the decoder alone": as_decoded,
        "the mouth that is read out of the sound": closing(mouth=PLAIN),
        "opening as far as people do": closing(mouth=READ),
        "phones of the emotion encoder": closing(own=True),
        "rounding": lips(rounding=1.0),
        "peaks (each frame above the onset closes)": lips(peak_frames=0),
        "the ramp of the onset (a step half way)": lips(onset=step, emotional_onset=step),
        "the frames beside a peak": lips(beside=(), emotional_beside=(), teeth_beside=()),
        "more of them, and an earlier onset, under emotion": lips(
            emotional_onset=RULES.onset, emotional_beside=RULES.beside
        ),
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
