"""What routing gains, on corpora whose errors are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.review.acoustics import NAMES
from sedtalker.review.rules import Rule, Rules
from sedtalker.training.evaluation import routing
from sedtalker.training.evaluation.measures import TEST, find_measure
from sedtalker.training.evaluation.routing import (
    RoutedCorpus,
    corpus_figures,
    decided_by,
    described_clip,
    person_accuracy,
    plot_routing,
    routed_corpora,
    routing_figures,
    routing_table,
)

HAPPY, SAD, ANGRY = 1, 2, 3


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> RoutedCorpus:
    """A hundred clips of three categories; the 15 of least margin are wrong, and loud ones among them are angry."""
    monkeypatch.setattr(routing, "RESAMPLES", 50)
    label = np.resize([HAPPY, SAD, ANGRY], 100)
    posterior = np.full((100, 7), 0.02)
    wrong = np.arange(100) < 15
    said = np.where(wrong, np.where(label == HAPPY, SAD, HAPPY), label)
    posterior[np.arange(100), label] = 0.4
    posterior[np.arange(100), said] = np.where(wrong, 0.41 + 0.001 * np.arange(100), 0.8)
    posterior /= posterior.sum(1, keepdims=True)
    acoustics = np.zeros((100, len(NAMES)))
    acoustics[label == ANGRY, NAMES.index("level")] = 10.0
    speaker = np.array([f"s{k % 5}" for k in range(100)])
    return RoutedCorpus("ravdess", label, posterior, np.linspace(0, 1, 100), np.full(100, 2.0), speaker, acoustics)


def test_the_doubtful_are_the_wrong_ones(corpus: RoutedCorpus) -> None:
    found = corpus_figures(corpus, Rules(()), 0.4, 0.15)
    assert found["machine_accuracy"] == pytest.approx(0.85)
    assert found["random_accuracy"] == pytest.approx(0.85 + 0.15 * (0.4 - 0.85))
    assert found["routed_accuracy"] == pytest.approx(0.85 + 0.15 * 0.4)
    assert found["expert_accuracy"] == pytest.approx(1.0)
    assert found["routing_gain"] == pytest.approx(found["routed_accuracy"] - found["random_accuracy"])
    assert found["routing_gain"] == pytest.approx(found["gain_most"])
    assert found["distance_gain"] == pytest.approx(0.15 * 0.85 - 0.15)
    assert found["aurc_margin"] < found["aurc_random"] < found["aurc_distance"]
    assert (found["risk_margin_85"], found["risk_margin_100"]) == (0.0, pytest.approx(0.15))


def test_more_is_possible_only_where_more_is_wrong(corpus: RoutedCorpus) -> None:
    right = corpus_figures(replace(corpus, label=corpus.guess), Rules(()), 0.4, 0.15)
    assert right["gain_most"] == pytest.approx(0.0)
    assert right["routing_gain"] == pytest.approx(0.0)


def test_rules_decide_against_the_speakers_other_clips(corpus: RoutedCorpus) -> None:
    chosen = np.arange(100) < 15
    rules = Rules((Rule(label="angry", when={"level": "> 5"}),))
    answers, applied = decided_by(corpus, rules, chosen)
    assert (answers[chosen & (corpus.label == ANGRY)] == ANGRY).all()
    assert (answers[~chosen] == corpus.guess[~chosen]).all()
    assert applied == pytest.approx((corpus.label[chosen] == ANGRY).mean())
    assert corpus_figures(corpus, rules, 0.4, 0.15)["rules_gain"] == pytest.approx(0.05)
    labels = [CATEGORIES[k] for k in corpus.own]
    description = described_clip(corpus, 2, labels)
    assert description is not None
    assert description.first == "happy"
    assert description.acoustics.level == 10.0
    silent = replace(corpus, acoustics=np.full_like(corpus.acoustics, np.nan))
    assert described_clip(silent, 2, labels) is None


def test_figures_over_corpora_and_their_names(corpus: RoutedCorpus, tmp_path: Path) -> None:
    other = replace(corpus, name="nemo", label=corpus.guess)
    found = routing_figures([corpus, other], 0.4)
    assert all(find_measure(TEST["routing"], key) for key in found)
    assert found["routing_gain"] == pytest.approx(np.mean([found["routing_gain_ravdess"], found["routing_gain_nemo"]]))
    assert found["routing_gain_low"] <= found["routing_gain"] <= found["routing_gain_high"]
    assert found["seed_least"] <= found["seed_greatest"]
    assert routed_corpora(found) == ["nemo", "ravdess"]
    assert routing_table(found).count("\n") == 5
    assert "| ravdess | 0.850 | " in routing_table(found)
    plot_routing(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert routing_figures([corpus], 0.4) == routing_figures([corpus], 0.4)


def test_how_often_people_are_right(tmp_path: Path) -> None:
    folder = tmp_path / "audio/cremad"
    with pytest.raises(InputError, match="CREMA-D is not there"):
        person_accuracy(tmp_path)
    folder.mkdir(parents=True)
    rows = ["file,voice_A,voice_D,voice_F,voice_H,voice_N,voice_S,voice_level_mean"]
    rows += [
        "1001_DFA_ANG_XX.wav,8,1,0,0,1,0,60",
        "1001_DFA_HAP_XX.wav,0,0,0,2,8,0,50",
        "1002_DFA_HAP_XX.wav,0,0,0,4,6,0,50",
    ]
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    assert person_accuracy(tmp_path) == pytest.approx((0.8 + 0.3) / 2)


def test_each_half_of_the_speakers_is_scored_by_what_was_adapted_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def adapted(network: object, speech: list[int], method: str) -> str:
        given.append(len(speech))
        return f"{method} to {sorted(speech)}"

    monkeypatch.setattr(routing, "adapted", adapted)
    monkeypatch.setattr(routing, "speech_of", lambda network, features: [features])
    speakers = ["a", "a", "b", "b"]
    found = routing.adapted_networks(None, [0, 1, 2, 3], speakers, "norm")  # type: ignore[arg-type, list-item]
    assert found == ["norm to [2, 3]"] * 2 + ["norm to [0, 1]"] * 2
    assert given == [2, 2]
