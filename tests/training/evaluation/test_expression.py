"""A judge of finished motion names every emotion that is given, at the strength that is given, and nothing in a still
face; figures of made-up clips, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.animation.animator import Animator
from sedtalker.audio import SAMPLE_RATE, Audio, load_audio
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.builtin import load_face
from sedtalker.training.corpora.manifest import Clip
from sedtalker.training.evaluation.expression import (
    EMOTIONS,
    JUDGED,
    Expression,
    ExpressionJudge,
    ShownClip,
    apex,
    clips_by_corpus,
    confidence_error,
    corpus_figures,
    expression_metrics,
    expression_table,
    graded,
    judged_shapes,
    labelled_clips,
    shown_clip,
    speech_frames,
)
from sedtalker.training.evaluation.measures import TEST, find_measure
from sedtalker.training.evaluation.shape_judge import open_change_judge

SAMPLE = Path(__file__).parents[3] / "data" / "samples" / "four_moods.wav"


def part(start: float, stop: float) -> Audio:
    return Audio(load_audio(SAMPLE).samples[round(start * SAMPLE_RATE) : round(stop * SAMPLE_RATE)], SAMPLE_RATE)


@pytest.fixture(scope="module")
def animator() -> Animator:
    return Animator.from_pretrained()


@pytest.fixture(scope="module")
def judge(animator: Animator) -> ExpressionJudge:
    return ExpressionJudge.of(animator, [part(0.0, 3.0)])


def strengths(animator: Animator, judge: ExpressionJudge, emotion: str) -> np.ndarray:
    """Mean over the speech of a sentence that the judge has not seen."""
    audio = part(6.0, 9.0)
    moved = judged_shapes(animator(audio, emotion=emotion), animator(audio, emotion="neutral:0"))
    return judge.strengths(moved)[speech_frames(animator(audio))].mean(0)


@pytest.mark.parametrize("name", EMOTIONS)
def test_a_given_emotion_is_named_at_its_strength(animator: Animator, judge: ExpressionJudge, name: str) -> None:
    full, half, none = (strengths(animator, judge, f"{name}:{value}") for value in (1, 0.5, 0))
    own = EMOTIONS.index(name)
    assert full.argmax() == half.argmax() == own
    assert full[own] == pytest.approx(1.0, abs=0.1)
    assert half[own] == pytest.approx(0.5, abs=0.06)
    assert np.delete(full, own).max() < 0.1
    assert none.max() == pytest.approx(0.0, abs=1e-6)


def test_an_even_mixture_of_two_is_not_an_emotion(judge: ExpressionJudge) -> None:
    """However alike they are: anger and disgust share most of their shapes."""
    angry, disgust = EMOTIONS.index("angry"), EMOTIONS.index("disgust")
    mixed = np.repeat(0.3 * (judge.poses[[angry]] + judge.poses[[disgust]]), 20, axis=0)
    found = judge.strengths(mixed)
    assert found[:, [angry, disgust]] == pytest.approx(0.3, abs=0.01)
    assert found.sum(1) == pytest.approx(0.6, abs=0.01)


class StillFace(Animator):
    """Talks without any expression, whatever it hears."""

    def __call__(self, *args, **kwargs) -> Animation:
        animation = super().__call__(*args, **kwargs)
        still = super().__call__(*args, **(kwargs | {"emotion": "neutral:0"}))
        return replace(animation, coefficients=still.coefficients)


def test_a_still_face_shows_nothing(animator: Animator, judge: ExpressionJudge) -> None:
    """The control of all figures: a clip that is recognised with certainty, and a face that does not follow."""
    still = StillFace(animator.decoder, animator.encoder, animator.folder, animator.diarizer)
    row = shown_clip(still, judge, clip("ravdess", "angry", "strong", SAMPLE), load_audio(SAMPLE), 3)
    assert row.strength == row.visible == 0.0
    assert not row.shown
    figures = corpus_figures([row])
    assert figures["shown"] == figures["shown_right"] == 0.0


# --- Figures.


def clip(corpus: str, emotion: str, intensity: str = "", path: Path = Path(__file__), split: str = "test") -> Clip:
    return Clip(corpus, path, "en", "s", "f", emotion, intensity, "", 1.0, split)


def row(
    category: int, values: dict[str, float], visible: float = 0.0, right: float = 0.0, frames: int = 10
) -> ShownClip:
    strengths = np.array([values.get(name, 0.0) for name in EMOTIONS], np.float32)
    return ShownClip(clip("ravdess", CATEGORIES[category]), category, strengths, visible, right, 0.5, 0, frames)


ROWS = [
    row(3, {"angry": 0.8}),
    row(3, {"angry": 0.3, "disgust": 0.6}),
    row(4, {"fear": 0.45}),
    row(1, {}),
    row(0, {"sad": 0.5}),
    row(0, {}),
]
"""One shown and right, one shown and wrong, two that are too weak; one of two neutral clips shows something."""


def test_figures_of_a_corpus() -> None:
    figures = corpus_figures(ROWS)
    assert figures["shown"] == 0.5
    assert figures["shown_right"] == figures["shown_wrong"] == 0.25
    assert figures["neutral_shown"] == 0.5
    assert figures["strength"] == pytest.approx((0.8 + 0.6 + 0.45 + 0.0) / 4)


def test_degrees_are_graded_within_each_emotion() -> None:
    strong, normal = [row(3, {"angry": 0.9}), row(4, {"fear": 0.5})], [row(3, {"angry": 0.6}), row(4, {"fear": 0.7})]
    assert graded(strong, normal) == pytest.approx(0.5)
    assert graded(strong[:1], normal) == 1.0
    full = [row(k, {EMOTIONS[k - 1]: 1.0}) for k in range(1, 7)]
    assert graded(full, full) == 0.5, "a face that always shows everything in full has no degrees"


def test_the_summary_leaves_out_corpora_apart_and_weighs_reading_by_time() -> None:
    reading = {
        "ljspeech": [row(0, {}, 0.5, 0.2, 30), row(0, {}, 0.1, 1.0, 10)],
        "librispeech": [row(0, {}, 0.0, 1.0)],
    }
    emotional = {"ravdess": ROWS, "tess": ROWS[3:], "banglaser": ROWS[:1]}
    result = Expression(ExpressionJudge(np.eye(6, len(JUDGED), dtype=np.float32)), emotional, ROWS[:3], reading)
    metrics = expression_metrics(result)
    assert metrics["shown"] == pytest.approx((0.5 + 0.0) / 2)
    assert metrics["shown_banglaser"] == 1.0
    assert metrics["narration_shown_ljspeech"] == metrics["narration_shown_worst"] == pytest.approx(0.4)
    assert metrics["narration_shown"] == pytest.approx(0.2)
    assert metrics["narration_called_neutral"] == pytest.approx((0.4 + 1.0) / 2)
    assert metrics["scream"] == pytest.approx((0.8 + 0.6 + 0.45) / 3)
    assert metrics["scream_right"] == pytest.approx((0.8 + 0.3 + 0.45) / 3)
    assert metrics["shown_right_angry"] == 0.5, "of the two of RAVDESS; the corpora apart do not count"
    assert metrics["narration_confidence_librispeech"] == 0.5
    assert metrics["called_right"] == 0.0
    assert metrics["confidence_error"] == pytest.approx(abs((0 + 0 + (0.2 + 1.0) / 2 + 1.0) / 4 - 0.5))
    assert all(find_measure(TEST["expression"], key) for key in metrics)
    table = expression_table(metrics)
    assert "| banglaser | 1.00 |" in table
    assert "| ljspeech | 0.40 |" in table


def test_confidence_errs_where_it_is_not_how_often_labels_are_right() -> None:
    def some(confidence: float, *right: float) -> list[ShownClip]:
        return [replace(row(0, {}, right=r), confidence=confidence) for r in right]

    assert confidence_error([some(0.5, 0.0, 1.0), some(0.5, 0.5)]) == pytest.approx(0.0)
    assert confidence_error([some(1.0, 1.0), some(0.1, 0.1)]) == pytest.approx(0.0)
    assert confidence_error([some(0.9, 0.0), some(0.1, 1.0)]) == pytest.approx(0.9), "errors do not cancel between bins"
    assert confidence_error([some(0.2, 0.0), some(0.2, *[1.0] * 9)]) == pytest.approx(0.3), "corpora count alike"


# --- Which clips.


def test_strong_clips_count_where_strength_is_labelled() -> None:
    both = [clip("ravdess", "angry", strength, Path(strength)) for strength in ("normal", "strong")]
    calm = clip("ravdess", "neutral", "normal", Path("calm"))
    assert labelled_clips([*both, calm], None) == [(both[1], 3), (calm, 0)]
    unlabelled = clip("nemo", "angry", "unspecified")
    assert labelled_clips([unlabelled], None) == [(unlabelled, 3)]


def test_speakers_that_were_trained_on_do_not_count() -> None:
    listed = [
        clip(name, "", split=split)
        for name in ("ravdess", "ljspeech", "librispeech", "cremad")
        for split in ("train", "valid", "test")
    ]

    def splits(trained_on: list[str]) -> dict[str, list[str]]:
        return {name: [c.split for c in found] for name, found in clips_by_corpus(listed, trained_on).items()}

    every, held_out = ["train", "valid", "test"], ["valid", "test"]
    assert splits([]) == {"ravdess": every, "ljspeech": every, "librispeech": held_out}
    assert splits(["RAVDESS", "LJ Speech"]) == {"ravdess": ["test"], "ljspeech": held_out, "librispeech": held_out}


@pytest.mark.slow
def test_mediapipe_sees_what_the_motion_shows(data_dir: Path, animator: Animator) -> None:
    """Given at full strength on a sentence that it has not seen, it names five of six emotions or more."""
    pytest.importorskip("mediapipe")
    audio = part(6.0, 9.0)
    with open_change_judge(data_dir, load_face()) as change:
        judge = ExpressionJudge.of(animator, [part(0.0, 3.0)], change)
        neutral, named, strengths = animator(audio, emotion="neutral:0"), [], []
        for name in EMOTIONS:
            full = animator(audio, emotion=f"{name}:1")
            seen = judge.seen(full, neutral, apex(judge.strengths(judged_shapes(full, neutral)).max(1), neutral))
            assert seen is not None
            named.append(EMOTIONS[seen.argmax()] == name)
            strengths.append(seen.max())
        still = judge.seen(neutral, neutral, 40)
    assert sum(named) >= 5
    assert sorted(strengths)[1] > 0.7
    assert min(strengths) > 0.45
    assert still is not None
    assert still.max() == 0.0
