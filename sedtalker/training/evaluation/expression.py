"""Which emotion a finished face shows, and how strongly, when ``sedtalker animate`` gets emotional speech.

Every clip goes through ``Animator.__call__`` as a user's does, without options, and once more with a neutral track. A
judge reads the difference of the two motions: by how much of each of the face's own expressions at full strength it is
made up. So what speech alone does to the mouth counts for nothing, and a face that stays still shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import nnls

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator
from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.audio import Audio, readable
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.metrics.emotion import calibration_error, ranking_auc
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.training.corpora.joined_speech import NEUTRAL_LEVEL, STRONG_LEVEL, clip_labels
from sedtalker.training.corpora.layer_features import HUMAN_SOUNDS, SOUNDS
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.evaluation.clips import segment_labels
from sedtalker.training.evaluation.measures import markdown_table
from sedtalker.training.evaluation.shape_judge import Change, open_change_judge
from sedtalker.training.evaluation.transfer import balanced_clips, corpus_role, listed_clips, training_lines
from sedtalker.training.evaluation.transfer import clips_by_corpus as named_by_registry

EMOTIONAL = ("ravdess", "nemo", "tess", "uem_es", "aesdd", "emotiontts_ko")
"""corpora of emotional speech that the summary is the mean of."""
APART = ("banglaser",)
"""corpora of emotional speech whose figures stand apart, because diarizers are trained on other speakers of them."""
NARRATION = ("ljspeech", "librispeech", "speechocean762")
"""Corpora of read speech, in which nothing should show; encoders know the training speakers of the last two."""
SHOWN, NARRATION_SHOWN = 0.5, 0.4
"""Strength from which on an emotion counts as shown by a clip, and by a moment of read speech."""
SMOOTHED = 9
"""Frames over which the judge smooths a motion, about as long as a viewer needs to see an expression."""
READ_CLIPS = 2
"""Clips of each corpus of read speech on which the face's own expressions are measured."""
EMOTIONS = CATEGORIES[1:]
"""The six that a judge can name, in the order of its columns."""
JUDGED = tuple(
    name
    for name in ARKIT_52
    if name.startswith(("brow", "eyeSquint", "eyeWide", "cheekSquint", "noseSneer"))
    or name.startswith(("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch"))
)
"""The shapes that the judge reads: those that speech hardly moves."""


# --- The judge.


@dataclass(frozen=True, eq=False)
class ExpressionJudge:
    """Reads the emotion that a motion shows.

    Attributes:
        poses: (6, S) by how much ``JUDGED`` move on average when each of ``EMOTIONS`` is given at full strength.
        change: looks at rendered frames (``open_change_judge``), or ``None``.
        rises: (6, 52) how that then changes MediaPipe's scores on average; empty without ``change``.
    """

    poses: Floats
    change: Change | None = None
    rises: Doubles = field(default_factory=lambda: np.zeros((6, 0)))

    @classmethod
    def of(cls, animator: Animator, speech: Iterable[Audio], change: Change | None = None) -> ExpressionJudge:
        """The judge of an animator, from what it makes of ordinary speech when it is given each emotion in full."""
        moved: list[list[Floats]] = [[] for _ in EMOTIONS]
        rises: list[list[Doubles]] = [[] for _ in EMOTIONS]
        for audio in speech:
            neutral = animator(audio, emotion="neutral:0")
            spoken = speech_frames(animator(audio))
            for k, name in enumerate(EMOTIONS):
                full = animator(audio, emotion=f"{name}:1")
                moved[k].append(judged_shapes(full, neutral)[spoken])
                if change is not None:
                    frame = apex(judged_shapes(full, neutral).clip(0.0).sum(1), neutral)
                    rises[k].append(change(full.coefficients[frame], neutral.coefficients[frame]))
        poses = np.stack([np.concatenate(rows).mean(0) for rows in moved])
        return cls(poses) if change is None else cls(poses, change, np.mean(rises, axis=1))

    def strengths(self, moved: Floats) -> Floats:
        """(T, 6) how much of each expression, 1 its full strength, is in differences (T, S) to neutral speech.

        The shares that are not negative and together come nearest: an even mixture of two at .3 is .3 of each.
        """
        smooth = uniform_filter1d(moved.astype(np.float64), min(SMOOTHED, len(moved)), axis=0, mode="nearest")
        basis = self.poses.T.astype(np.float64)
        return np.stack([nnls(basis, row)[0] for row in smooth]).astype(np.float32)

    def seen(self, animation: Animation, neutral: Animation, frame: int) -> Floats | None:
        """(6,) the same of MediaPipe's scores of one rendered frame; ``None`` without ``change``."""
        if self.change is None:
            return None
        changed = self.change(animation.coefficients[frame], neutral.coefficients[frame])
        return np.asarray(nnls(self.rises.T, changed)[0], np.float32)


def apex(strength: Floats, neutral: Animation) -> int:
    """The frame of the greatest ``strength`` (T,) among those in which no blink hides the eyes."""
    lids = neutral.coefficients[:, neutral.face.shape_index["eyeBlinkLeft"]]
    return int(np.where(lids < 0.1, strength, -1.0).argmax())


def judged_shapes(animation: Animation, neutral: Animation) -> Floats:
    """(T, S) coefficients of ``JUDGED`` less those of the same speech with a neutral track."""
    columns = [animation.face.shape_index[name] for name in JUDGED]
    return animation.coefficients[:, columns] - neutral.coefficients[:, columns]


def speech_frames(animation: Animation) -> Mask:
    """(T,) where somebody speaks; everywhere if it is not known or nobody does."""
    speech = None if animation.track is None else animation.track.speech
    return np.ones(len(animation), bool) if speech is None or not speech.any() else speech


# --- One clip.


@dataclass(frozen=True, eq=False)
class ShownClip:
    """What a face showed with a clip.

    Attributes:
        category: index of the intended emotion into ``CATEGORIES``.
        strengths: (6,) mean strength of each of ``EMOTIONS`` over the frames of speech.
        visible: share of these frames in which one of them has ``NARRATION_SHOWN`` or more.
        called_right: share of these frames that the track calls by the intended emotion.
        confidence: mean confidence of the track.
        apex: the frame in which an emotion is strongest.
        frames: number of frames of speech.
        seen: (6,) what MediaPipe sees of each in the rendered apex, if it looked.
    """

    clip: Clip
    category: int
    strengths: Floats
    visible: float
    called_right: float
    confidence: float
    apex: int
    frames: int
    seen: Floats | None = None

    @property
    def emotion(self) -> int:
        """Index into ``CATEGORIES`` of the emotion that is strongest."""
        return 1 + int(self.strengths.argmax())

    @property
    def strength(self) -> float:
        """How strong that is."""
        return float(self.strengths.max())

    @property
    def shown(self) -> bool:
        """Whether that is as strong as somebody sees."""
        return self.strength >= SHOWN

    @property
    def right(self) -> bool:
        """Whether it is the intended one."""
        return self.emotion == self.category


def shown_clip(
    animator: Animator, judge: ExpressionJudge, clip: Clip, audio: Audio, category: int = 0, look: bool = False
) -> ShownClip:
    """Animate one clip as a user would, and judge it; ``look``: also in a rendered frame."""
    animation, neutral = animator(audio), animator(audio, emotion="neutral:0")
    assert animation.track is not None
    strengths = judge.strengths(judged_shapes(animation, neutral))
    spoken = speech_frames(animation)
    frame = apex(strengths.max(1), neutral)
    return ShownClip(
        clip,
        category,
        strengths[spoken].mean(0),
        float((strengths[spoken].max(1) >= NARRATION_SHOWN).mean()),
        float((segment_labels(animation.track) == category)[spoken].mean()),
        animation.track.mean_confidence(),
        frame,
        int(spoken.sum()),
        judge.seen(animation, neutral, frame) if look else None,
    )


# --- Which clips.


@dataclass(frozen=True, eq=False)
class Expression:
    """Every clip judged; ``expression_metrics`` makes figures of them.

    Attributes:
        judge: what read them.
        emotional: clips of ``EMOTIONAL`` and ``APART`` by corpus: neutral ones and emotional ones, the strong ones
            alone where strength is labelled.
        screams: strong anger and fear of RAVDESS.
        narration: clips of read speech by corpus.
    """

    judge: ExpressionJudge
    emotional: Mapping[str, Sequence[ShownClip]]
    screams: Sequence[ShownClip]
    narration: Mapping[str, Sequence[ShownClip]]
    sounds: Sequence[ShownClip] = ()
    """Sounds of ESC-10 that no person makes."""
    normal: Sequence[ShownClip] = ()
    """Emotional clips of RAVDESS that are not strong."""


def evaluate_expression(
    data: Path,
    model: str = "diarizer",
    encoder: Path | None = None,
    clips: int | None = None,
    rendered: int = 0,
    hook: Hook = no_progress,
) -> Expression:
    """What faces show with emotional speech and read speech; all as ``sedtalker animate`` does it without options.

    Of corpora that the diarizer was trained on only the test speakers count, of read speech only speakers that nothing
    was trained on.

    Args:
        model: the diarizer: name of built-in weights, or a checkpoint folder. One that reads an encoder of the hub is
            animated with the decoder on it, as ``--encoder whisper-base`` does.
        encoder: folder of that encoder's weights.
        clips: at most so many of each corpus, by the hash of their names, each emotion in turn; None: all.
        rendered: so many emotional clips of each corpus are also rendered and shown to MediaPipe.

    Raises:
        InputError: no such weights, no corpus of read speech or of emotional speech in the folder, or no MediaPipe
            where it is to look.
    """
    found = clips_by_corpus(listed_clips(data), training_lines(model))
    emotional = {name: labelled_clips(found[name], clips) for name in (*EMOTIONAL, *APART) if name in found}
    narration = {name: balanced_clips(found[name], clips) for name in NARRATION if name in found}
    ordinary = [sound for rows in narration.values() for _, sound in islice(readable(rows), READ_CLIPS)]
    if not emotional or not ordinary:
        raise InputError(f"{data}/audio: needs one of {', '.join(EMOTIONAL)}, and one of {', '.join(NARRATION)}")
    with ExitStack() as stack:
        change = stack.enter_context(open_change_judge(data, load_face())) if rendered else None
        animator = open_animator(model, encoder)
        read = counted(ordinary, hook, "measuring the face's expressions", len(ordinary))
        judge = ExpressionJudge.of(animator, read, change)

        def judged(rows: Sequence[tuple[Clip, int]], name: str, looks: int = 0) -> list[ShownClip]:
            categories, looked = dict(rows), [clip for clip, category in rows if category][:looks]
            steps = readable(counted(categories, hook, f"judging {name}", len(rows)))
            return [shown_clip(animator, judge, *read, categories[read[0]], read[0] in looked) for read in steps]

        shown = {name: own for name, rows in emotional.items() if (own := judged(rows, name, rendered))}
        ravdess = found.get("ravdess", ())
        loud = [clip for clip in ravdess if clip.emotion in ("angry", "fear") and clip.intensity == "strong"]
        screams = judged(labelled_clips(loud, clips), "screams")
        moderate = labelled_clips([clip for clip in ravdess if clip.intensity == "normal"], clips)
        normal = judged([row for row in moderate if row[1]], "clips of normal strength")
        calm = {name: judged([(clip, 0) for clip in rows], name) for name, rows in narration.items()}
        calm = {name: own for name, own in calm.items() if own}
        others = [clip for clip in found.get(SOUNDS, ()) if not clip.emotion.endswith(HUMAN_SOUNDS)]
        sounds = judged([(clip, 0) for clip in others], SOUNDS)
    return Expression(judge, shown, screams, calm, sounds, normal)


def open_animator(model: str, encoder: Path | None) -> Animator:
    """The animator that the command line opens for a diarizer."""
    diarizer = Diarizer.from_pretrained(model, encoder=encoder)
    hub = diarizer.network.config.backbone is not None
    decoder = "whisper-base" if hub else "decoder"
    return Animator.from_pretrained(decoder, diarizer=diarizer, encoder=encoder if hub else None)


def clips_by_corpus(listed: Iterable[Clip], trained_on: Sequence[str]) -> dict[str, list[Clip]]:
    """Clips of every corpus that counts, by its name in the registry, without those of speakers trained on."""
    found: dict[str, list[Clip]] = {}
    for name, clips in named_by_registry(listed).items():
        trained = corpus_role(corpora()[name], trained_on) == "in-domain"
        if name in NARRATION or name == SOUNDS:
            read = name == NARRATION[0] and not trained
            kept = [clip for clip in clips if read or clip.split != "train"]
        elif name in (*EMOTIONAL, *APART):
            kept = [clip for clip in clips if clip.split == "test" or not (trained or name in APART)]
        else:
            continue
        found |= {name: kept} if kept else {}
    return found


def labelled_clips(clips: Sequence[Clip], count: int | None) -> list[tuple[Clip, int]]:
    """Neutral clips and emotional ones, the strong ones alone where strength is labelled, with their categories."""
    labels = {clip.path: clip_labels(clip) for clip in clips}
    levels = {found[1] for found in labels.values() if found is not None}
    wanted = {NEUTRAL_LEVEL, STRONG_LEVEL} if STRONG_LEVEL in levels else levels
    kept = [clip for clip in clips if (found := labels[clip.path]) is not None and found[1] in wanted]
    return [(clip, found[0]) for clip in balanced_clips(kept, count) if (found := labels[clip.path]) is not None]


# --- Figures.


LOOKED = ("seen", "seen_right", "seen_agrees")
"""Figures of the clips that MediaPipe saw, too."""


def expression_metrics(result: Expression) -> dict[str, float]:
    """Every figure of ``measures.TEST["expression"]``: the summary, then those of corpora and emotions."""
    by_corpus = {name: corpus_figures(rows) for name, rows in result.emotional.items()}
    reading = {name: narration_figures(rows) for name, rows in result.narration.items()}
    keys = ("shown", "shown_right", "shown_wrong", "neutral_shown", "strength", "confidence", "called_right", *LOOKED)
    means = {key: _mean(by_corpus[name].get(key) for name in EMOTIONAL if name in by_corpus) for key in keys}
    of_reading = ("narration_shown", "narration_called_neutral")
    means |= {key: _mean(row[key] for row in reading.values()) for key in of_reading}
    means["narration_shown_worst"] = max(row["narration_shown"] for row in reading.values())
    known = [result.emotional[name] for name in EMOTIONAL if name in result.emotional]
    means["confidence_error"] = confidence_error([*known, *result.narration.values()])
    if result.sounds:
        means["sounds_shown"] = narration_figures(result.sounds)["narration_shown"]
    if result.screams:
        means["scream"] = float(np.mean([clip.strength for clip in result.screams]))
        means["scream_right"] = float(np.mean([clip.strengths[clip.category - 1] for clip in result.screams]))
    if result.normal:
        means["strength_normal"] = float(np.mean([clip.strength for clip in result.normal]))
        means["graded"] = graded(result.emotional["ravdess"], result.normal)
    out = {key: value for key, value in means.items() if value is not None}
    emotional = [clip for name in EMOTIONAL for clip in result.emotional.get(name, ()) if clip.category]
    for category, name in enumerate(EMOTIONS, 1):
        own = [clip for clip in emotional if clip.category == category]
        if own:
            out |= {f"{key}_{name}": value for key, value in corpus_figures(own).items()}
    for name, row in (*by_corpus.items(), *reading.items()):
        out |= {f"{key}_{name}": value for key, value in row.items()}
    return out


def confidence_error(corpora: Sequence[Sequence[ShownClip]]) -> float:
    """Calibration error of what a user reads: the label that a segment has, and the confidence beside it.

    A label may be right in a part of a clip. All corpora count alike.
    """
    clips = [clip for own in corpora for clip in own]
    weight = np.concatenate([np.full(len(own), 1.0 / (len(own) * len(corpora))) for own in corpora])
    confidence, right = np.array([clip.confidence for clip in clips]), np.array([clip.called_right for clip in clips])
    return calibration_error(confidence, right, 10, weight)


def graded(strong: Sequence[ShownClip], normal: Sequence[ShownClip]) -> float:
    """How often a strong clip shows more than a normal one of the same emotion, mean over emotions; .5: by chance."""
    each = range(1, len(CATEGORIES))
    pairs = ([[c.strength for c in clips if c.category == k] for clips in (strong, normal)] for k in each)
    return float(np.mean([ranking_auc(*map(np.array, pair)) for pair in pairs if all(pair)]))


def corpus_figures(clips: Sequence[ShownClip]) -> dict[str, float]:
    """Shares of the clips that show something, and what, by whether neutral was intended or not."""
    emotional, calm = [c for c in clips if c.category], [c for c in clips if not c.category]
    out = {key: float(np.mean([getattr(c, key) for c in clips])) for key in ("confidence", "called_right")}
    if emotional:
        out["shown"] = float(np.mean([c.shown for c in emotional]))
        out["shown_right"] = float(np.mean([c.shown and c.right for c in emotional]))
        out["shown_wrong"] = out["shown"] - out["shown_right"]
        out["strength"] = float(np.mean([c.strength for c in emotional]))
    looked = [(c.category - 1, c.seen, c.emotion - 1) for c in emotional if c.seen is not None]
    if looked:
        out["seen"] = float(np.mean([seen.max() >= SHOWN for _, seen, _ in looked]))
        out["seen_right"] = float(np.mean([seen.max() >= SHOWN and seen.argmax() == own for own, seen, _ in looked]))
        out["seen_agrees"] = float(np.mean([seen.argmax() == motion for _, seen, motion in looked]))
    if calm:
        out["neutral_shown"] = float(np.mean([c.shown for c in calm]))
    return out


def narration_figures(clips: Sequence[ShownClip]) -> dict[str, float]:
    """Shares of the time in which somebody reads."""
    weights = [clip.frames for clip in clips]
    return {
        "narration_shown": float(np.average([clip.visible for clip in clips], weights=weights)),
        "narration_called_neutral": float(np.average([clip.called_right for clip in clips], weights=weights)),
        "narration_strength": float(np.average([clip.strength for clip in clips], weights=weights)),
        "narration_confidence": float(np.average([clip.confidence for clip in clips], weights=weights)),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


COLUMNS = {
    "shown": "shown", "shown_right": "right", "shown_wrong": "wrong", "strength": "strength",
    "neutral_shown": "neutral shown", "confidence": "confidence", "called_right": "called right",
}  # fmt: skip
"""Figures of corpora and emotions in the table, and their headings."""
READING = {
    "narration_shown": "time shown", "narration_called_neutral": "called neutral", "narration_strength": "strength",
    "narration_confidence": "confidence",
}  # fmt: skip
"""Figures of read speech in the table, and their headings."""


def expression_table(metrics: Mapping[str, float]) -> str:
    """Markdown: a corpus a row, then an emotion a row, then read speech."""
    parts = (
        ("corpus", (*EMOTIONAL, *APART), COLUMNS),
        ("emotion", EMOTIONS, COLUMNS),
        ("read speech", NARRATION, READING),
    )
    return "\n".join(_rows(metrics, *part) for part in parts)


def _rows(metrics: Mapping[str, float], heading: str, names: Sequence[str], columns: Mapping[str, str]) -> str:
    keys = [key for key in columns if any(f"{key}_{name}" in metrics for name in names)]
    found = {name: [metrics.get(f"{key}_{name}") for key in keys] for name in names}
    rows = [
        [name, *("" if cell is None else f"{cell:.2f}" for cell in cells)]
        for name, cells in found.items()
        if any(cell is not None for cell in cells)
    ]
    return markdown_table([heading, *(columns[key] for key in keys)], rows) + "\n"
