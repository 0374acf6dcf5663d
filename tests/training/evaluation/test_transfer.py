"""Zero-shot tables from made-up posteriors, with values worked out by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.inference import FrameEmotions
from sedtalker.errors import InputError
from sedtalker.metrics.emotion import accuracy_at_coverage, adjusted_logits
from sedtalker.training.corpora.manifest import COLUMNS, Clip
from sedtalker.training.corpora.speech import corpora
from sedtalker.training.evaluation.clips import ClipResult, clip_result
from sedtalker.training.evaluation.measures import TEST, find_measure
from sedtalker.training.evaluation.transfer import (
    corpus_role,
    evaluate_predictions,
    evaluate_transfer,
    listed_clips,
    plot_transfer,
    training_lines,
    transfer_metrics,
    transfer_table,
)
from sedtalker.training.evaluation.transfer_scores import (
    TransferScores,
    corpus_scores,
    coverage_curve,
    language_recalls,
    summary,
)
from tests.support.clips import cut_sample

NEUTRAL, HAPPY, SAD, ANGRY, FEAR = range(5)


def result(
    truth: int, posterior: dict[int, float], intensity: float = 0.5, level: int = 3, gender: str = "f", language="pl"
) -> ClipResult:
    """A scored clip; the rest of the probability goes to disgust, which no clip here has."""
    values = np.zeros(7)
    for category, value in posterior.items():
        values[category] = value
    values[5] += 1.0 - values.sum()
    clip = Clip("nemo", Path("a.wav"), language, "s", gender, "", "", "", 1.0, "test")
    return ClipResult(clip, truth, level, values, intensity, intensity / 2)


CLIPS = [
    result(NEUTRAL, {NEUTRAL: 0.9}, 0.1),
    result(NEUTRAL, {NEUTRAL: 0.3, HAPPY: 0.2}, 0.3, gender="m"),  # disgust over all seven, neutral over its own
    result(HAPPY, {HAPPY: 0.8}, 0.6),
    result(ANGRY, {ANGRY: 0.4, HAPPY: 0.35}, 0.9, 2),
    result(ANGRY, {HAPPY: 0.7, ANGRY: 0.2}, 0.7, 1, gender="m"),
]
"""Own categories: neutral, happy, angry; one wrong over these, two over all seven."""


def test_figures_of_a_corpus() -> None:
    scores = corpus_scores("nemo", "headline", CLIPS)
    m = scores.metrics
    assert scores.recall == {"neutral": 1.0, "happy": 1.0, "angry": 0.5}
    assert m["uar"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert m["uar_seven"] == pytest.approx((0.5 + 1 + 0.5) / 3)
    # F1: neutral 1, happy 2·1 / (1 + 2), angry 2·1 / (2 + 1)
    assert m["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert m["accuracy"] == pytest.approx(3 / 5)
    assert m["accuracy_half"] == 1.0, "of five the most confident two are right"
    # confidences .9 .5 .8 .4 .7, each in a bin of its own
    assert m["ece"] == pytest.approx((0.1 + 0.5 + 0.2 + 0.6 + 0.7) / 5)
    assert m["angry_as_happy"] == m["angry_as_happy_seven"] == 0.5
    assert m["intensity_neutral"] == pytest.approx(0.2)
    assert m["intensity_emotional"] == pytest.approx((0.6 + 0.9 + 0.7) / 3)
    assert m["shown_neutral"] == pytest.approx(0.1)
    assert m["intensity_auc"] == 1.0, "the strong angry clip is more intense than the normal one"
    assert m["uar_women"] == 1.0
    assert m["uar_men"] == pytest.approx((1 + 0) / 2)
    assert m["uar_low"] <= m["uar"] <= m["uar_high"]
    assert m["uar_low"] < m["uar_high"]
    assert scores.counts == {"neutral": 2, "happy": 1, "angry": 2}
    assert scores.speakers == len({clip.clip.speaker for clip in CLIPS})


def test_shares_of_the_target_move_the_answer() -> None:
    """Angry is answered at .45 against .35 of neutral; nine times as many neutral clips turn it."""
    doubtful = {NEUTRAL: 0.35, ANGRY: 0.45}
    clips = [*(result(NEUTRAL, doubtful) for _ in range(9)), result(ANGRY, {ANGRY: 0.99})]
    metrics = corpus_scores("nemo", "headline", clips).metrics
    assert metrics["uar"] == 0.5
    assert metrics["uar_adjusted"] == metrics["macro_f1_adjusted"] == 1.0
    moved = adjusted_logits(np.array([[1.0, 2.0]]), np.log([0.5, 0.5]), np.log([0.8, 0.2]))
    assert moved == pytest.approx(np.array([[1.0 + np.log(1.6), 2.0 + np.log(0.4)]]))


def test_accuracy_at_coverage() -> None:
    truth, posterior = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.55, 0.45]])
    assert accuracy_at_coverage(truth, posterior, 1.0) == 0.5
    assert accuracy_at_coverage(truth, posterior, 0.5) == 1.0


def test_coverage_is_of_the_headline_alone() -> None:
    wrong = [result(ANGRY, {HAPPY: 0.9})]
    scores = [corpus_scores("ravdess", "headline", CLIPS), corpus_scores("cremad", "in-domain", wrong)]
    assert scores[1].coverage == {share: 0.0 for share in scores[1].coverage}
    curve = coverage_curve(scores)
    assert list(curve)[-1] == 1.0
    assert curve[1.0] == pytest.approx(3 / 5)
    assert curve[0.5] == 1.0
    assert coverage_curve(scores[1:]) == {}


def test_circumplex_tells_the_sides_apart() -> None:
    """By the rated coordinates happy lies right of angry, and angry above neutral."""
    metrics = corpus_scores("nemo", "headline", CLIPS).metrics
    assert metrics["valence_auc"] == 1.0
    assert metrics["arousal_auc"] == 1.0
    mistaken = [*CLIPS, result(ANGRY, {HAPPY: 1.0}, 1.0)]
    assert corpus_scores("nemo", "headline", mistaken).metrics["valence_auc"] == pytest.approx(2 / 3)
    assert "arousal_auc" not in corpus_scores("nemo", "headline", CLIPS[:2]).metrics, "nothing on the other side"


def test_what_enrolment_gains() -> None:
    """Of three own categories one angry clip of two is wrong alone and right with the speaker's voice."""
    known = [replace(c, enrolled=np.eye(7)[c.truth]) for c in CLIPS]
    assert corpus_scores("nemo", "headline", known).metrics["enrol_gain"] == pytest.approx(0.5 / 3)
    assert "enrol_gain" not in corpus_scores("nemo", "headline", CLIPS).metrics
    some = corpus_scores("nemo", "headline", [*CLIPS[:3], *known[3:]]).metrics
    assert some["enrol_gain"] == pytest.approx(0.5), "of the clips with an enrolled speaker alone"


def test_the_headline_leaves_out_what_was_trained_on_and_what_chose_the_recipe() -> None:
    good, bad = [c for c in CLIPS if c.truth != ANGRY], CLIPS[3:]
    scores = [
        corpus_scores("ravdess", "headline", CLIPS),
        corpus_scores("nemo", "headline", good),
        corpus_scores("aesdd", "development", bad),
        corpus_scores("cremad", "in-domain", bad),
    ]
    whole = summary(scores, {"ljspeech": 0.2, "librispeech": 0.0})
    assert whole["zero_shot_uar"] == pytest.approx((2.5 / 3 + 1) / 2)
    assert whole["angry_as_happy"] == 0.5
    assert whole["development_uar"] == scores[2].metrics["uar"]
    assert whole["narration_false_alarm"] == pytest.approx(0.1)
    assert all(find_measure(TEST["transfer"], key) for key in whole)
    assert "zero_shot_uar" not in summary(scores[3:], {})


def test_roles_come_from_the_lines_of_the_checkpoint() -> None:
    lines = ["CREMA-D train split (ODbL 1.0)", "EmoGator (Apache-2.0)", "augmented with RAVDESS babble (CC)"]
    found = {name: corpus_role(corpus, lines) for name, corpus in corpora().items()}
    assert {name for name, role in found.items() if role == "in-domain"} == {"crema_d", "emogator"}
    assert found["ravdess"] == found["tess"] == "headline"
    assert found["aesdd"] == "development"
    assert found["emodb"] == "other"
    assert corpus_role(corpora()["ravdess"], ["ravdess (CC BY-NC-SA 4.0)"]) == "in-domain"
    assert training_lines("hf:someone/classifier") == ()
    assert training_lines("diarizer")


def test_languages_over_the_categories_of_each_corpus() -> None:
    french = [result(HAPPY, {HAPPY: 0.6}, language="fr"), result(SAD, {HAPPY: 0.5, SAD: 0.3}, language="fr")]
    recalls = language_recalls([CLIPS, french])
    assert recalls == {"fr": 0.5, "pl": pytest.approx(2.5 / 3)}


def test_a_clip_is_the_geometric_mean_of_its_speech() -> None:
    posterior = np.full((3, 7), 0.02, np.float32)
    posterior[:, NEUTRAL], posterior[:, HAPPY] = [0.5, 0.1, 0.9], [0.4, 0.8, 0.0]
    frames = FrameEmotions(posterior, np.array([0.2, 0.8, 0.0], np.float32), np.array([True, True, False]))
    labelled = replace(CLIPS[0].clip, emotion="happy", intensity="strong")
    clip = clip_result(labelled, frames, (0.25, 0.6, 0.75))
    assert (clip.truth, clip.level) == (HAPPY, 2)
    ratio = np.sqrt(0.4 * 0.8) / np.sqrt(0.5 * 0.1)
    assert clip.posterior[HAPPY] / clip.posterior[NEUTRAL] == pytest.approx(ratio, rel=1e-5)
    assert clip.intensity == pytest.approx(0.5)
    assert clip.shown == pytest.approx(0.5), "five sevenths of the way to what is clear"


def test_json_table_and_picture(tmp_path: Path) -> None:
    scores = (corpus_scores("ravdess", "headline", CLIPS), corpus_scores("aesdd", "development", CLIPS))
    made = TransferScores("diarizer", "MIT", ("x",), summary(scores, {}), scores, {"pl": 0.5})
    plain = json.loads(json.dumps(transfer_metrics(made)))
    assert plain["zero_shot_corpora"] == ["ravdess"]
    assert plain["development_corpora"] == ["aesdd"]
    assert plain["corpora"]["aesdd"]["role"] == "development"
    assert plain["corpora"]["ravdess"]["recall"]["angry"] == 0.5
    assert plain["coverage"]["1"] == plain["corpora"]["ravdess"]["coverage"]["1"] == 0.6
    assert len(transfer_table(made).splitlines()) == 4
    for name in ("a.png", "b.png"):
        plot_transfer(made, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_clips_whose_files_are_not_there_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "audio" / "ravdess"
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"")
    rows = [f"ravdess,{name}.wav,en,01,m,sad,normal,,1.0,test" for name in "abc"]
    rows.append("tess,d.wav,en,01,f,sad,,,1.0,test")
    head = "corpus,file,language,speaker,gender,emotion,intensity,transcript,duration_s,split"
    (tmp_path / "audio" / "manifest.csv").write_text("\n".join([head, *rows]))
    assert [clip.path.name for clip in listed_clips(tmp_path)] == ["a.wav"]
    assert caplog.messages == [
        "ravdess lacks 2 of the files that the manifest names (left out)",
        "tess lacks 1 of the files that the manifest names (left out)",
    ]


def test_a_corpus_of_one_emotion_is_not_called_unlabelled(tmp_path: Path) -> None:
    row = "nemo,a.wav,pl,ann,f,happy,,,1.0,test"
    (tmp_path / "audio/nemo").mkdir(parents=True)
    cut_sample(tmp_path / "audio/nemo/a.wav", 0.0, 1.0)
    (tmp_path / "audio/manifest.csv").write_text(",".join(COLUMNS) + f"\n{row}\n")
    with pytest.raises(InputError, match="no corpus with clips of two emotions"):
        evaluate_transfer(tmp_path)


def test_a_codec_that_is_missing_is_said_before_any_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match="av"):
        evaluate_transfer(tmp_path)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder of training data: four clips of nEMO, which are never read."""
    (tmp_path / "audio/nemo").mkdir(parents=True)
    rows = [f"nemo,{name}.wav,pl,{name},f,{emotion},,,1.0,test" for name, emotion in zip("abcd", EMOTIONS, strict=True)]
    for name in "abcd":
        (tmp_path / f"audio/nemo/{name}.wav").touch()
    (tmp_path / "audio/manifest.csv").write_text("\n".join([",".join(COLUMNS), *rows]))
    return tmp_path


EMOTIONS = ("neutral", "happy", "happy", "angry")
"""Labels of the clips."""


def test_predictions_of_any_program_are_scored_as_ours(corpus: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = corpus / "said.csv"
    table.write_text(
        "file,neutral,happy,angry,intensity\n"
        "nemo/a.wav,0.6,0.2,0.2,0.1\nnemo/b.wav,1,3,0,0.5\nnemo/c.wav,0.2,0.1,0.7,0.8\nnemo/x.wav,1,0,0,0\n"
    )
    made = evaluate_predictions(corpus, table)
    (scores,) = made.corpora
    assert caplog.messages == ["nemo: 1 of 4 clips have no prediction (left out)"]
    assert (scores.name, scores.role, scores.clips) == ("nemo", "headline", 3)
    ours = [
        result(NEUTRAL, {NEUTRAL: 0.6, HAPPY: 0.2, ANGRY: 0.2}, 0.1),
        result(HAPPY, {NEUTRAL: 0.25, HAPPY: 0.75}, 0.5),
        result(HAPPY, {NEUTRAL: 0.2, HAPPY: 0.1, ANGRY: 0.7}, 0.8),
    ]
    known = corpus_scores("nemo", "headline", ours).metrics
    interval = {"uar_low", "uar_high"}  # of speakers, of whom these have one
    assert {k: v for k, v in scores.metrics.items() if k not in interval} == {
        k: pytest.approx(v) for k, v in known.items() if k not in interval and not k.startswith("shown")
    }
    assert made.summary["zero_shot_uar"] == scores.metrics["uar"] == 0.75
    json.dumps(transfer_metrics(made), allow_nan=False)

    table.write_text(
        "file,label\n" + "".join(f"nemo/{name}.wav,{e}\n" for name, e in zip("abcd", EMOTIONS, strict=True))
    )
    assert evaluate_predictions(corpus, table).summary["zero_shot_uar_seven"] == 1.0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("name,label\nnemo/a.wav,sad\n", "column 'file' is missing"),
        ("file,label\nnemo/a.wav,bored\n", "said.csv:2: unknown emotion 'bored'"),
        ("file,happy\nnemo/a.wav,much\n", "said.csv:2: a probability or the intensity is no number"),
        ("file,happy,sad\nnemo/a.wav,0,0\n", "said.csv:2: give each category its probability, or a label"),
        ("file,label,intensity\nnemo/a.wav,sad,70\n", "said.csv:2: intensity 70: give a number from 0 to 1"),
        ("file,label\na.wav,sad\n", "no labelled clips of two emotions"),
        ("happy,file\n1\n", "no labelled clips of two emotions"),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(corpus: Path, rows: str, said: str) -> None:
    (corpus / "said.csv").write_text(rows)
    with pytest.raises(InputError, match=said):
        evaluate_predictions(corpus, corpus / "said.csv")
