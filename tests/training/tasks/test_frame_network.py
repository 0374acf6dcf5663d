"""Pre-training and training of the frame network, and its place in the diarizer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.training.corpora.emotion_features import EmotionFeatures
from sedtalker.training.corpora.joined_speech import SILENCE
from sedtalker.training.tasks.frame_network import (
    FrameNetworkTask,
    SpanMeans,
    affect_targets,
    boundary_loss,
    clip_chances,
    label_spans,
    ordinal_loss,
    ranking_loss,
)
from sedtalker.training.tasks.transfer_diarizer import with_frame_networks

LABELS = st.lists(st.lists(st.sampled_from([-1, 0, 1, SILENCE]), min_size=6, max_size=6), min_size=1, max_size=4)


@given(LABELS)
@settings(max_examples=50)
def test_spans_hold_one_label_of_one_recording(rows):
    label = torch.tensor(rows)
    spans = label_spans(label)
    assert torch.equal(spans >= 0, (label >= 0) & (label < SILENCE))
    for number in range(int(spans.max()) + 1):
        here = spans == number
        if here.any():
            assert len(torch.unique(label[here])) == 1
            assert len(torch.unique(torch.nonzero(here)[:, 0])) == 1


@given(LABELS)
@settings(max_examples=50)
def test_span_means_are_means(rows):
    spans = label_spans(torch.tensor(rows))
    if not (spans >= 0).any():
        return
    values = torch.randn(*spans.shape, 3)
    pool = SpanMeans(spans)
    numbers = torch.unique(spans[spans >= 0])
    expected = torch.stack([values[spans == n].mean(0) for n in numbers])
    assert torch.allclose(pool.mean(values), expected, atol=1e-6)
    assert torch.equal(spans.flatten()[pool.first], numbers)


def test_boundary_loss_wants_the_change_and_nothing_else():
    label = torch.tensor([[0] * 20 + [SILENCE] * 4 + [2] * 20, [1] * 44])
    near, far = torch.full((2, 44), -8.0), torch.full((2, 44), -8.0)
    near[0, 21:28], far[0, 4:11] = 8.0, 8.0
    assert boundary_loss(near, label) < 0.1 < 1.0 < boundary_loss(far, label)
    assert boundary_loss(near[1:], label[1:]).item() == 0.0


def test_affect_targets_grow_with_strength():
    targets = affect_targets(torch.tensor([1, 1, 0]), torch.tensor([1, 2, 0]))
    assert targets.shape == (3, 2)
    assert targets[1, 0] > targets[0, 0] > targets[2, 0]


def short_training(task, steps: int, lr: float = 1e-2) -> torch.nn.Module:
    torch.manual_seed(0)
    model = task.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for step in range(steps):
        losses = task.losses(model, task.batch(np.random.default_rng(step)))
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
    return model.eval()


def test_trains_and_joins_a_diarizer(tmp_path, buzzing_voices):
    common = {"corpora": {"made": 1.0}, "joined_corpora": {"made": 1.0}, "copies": 0, "joined": 6}
    config = common | {"singles_per_batch": 8, "joined_per_batch": 2, "model": {"width": 16, "layout": "CC"}}
    task = FrameNetworkTask(config, buzzing_voices, tmp_path / "cache")
    task.prepare()
    network = short_training(task, 30)
    with torch.no_grad():
        figures = task.validate(network)
    assert figures["uar_made"] == 1.0
    task.export(network, tmp_path / "frames", figures)
    joined = with_frame_networks(DiarizerNetwork(DiarizerConfig(width=8)), [tmp_path / "frames"])
    for name, value in joined.frame_networks[0].state_dict().items():
        assert torch.allclose(value, network.state_dict()[name], atol=1e-3), name


def test_ordinal_loss_by_hand():
    score = torch.tensor([[0.5]])
    for level, terms in ((0, [0.5, -1.5]), (1, [-0.5, -1.5]), (2, [-0.5, 1.5]), (3, [-0.5]), (-1, [])):
        expected = sum(np.log1p(np.exp(t)) for t in terms)
        assert ordinal_loss(score, torch.tensor([level])).item() == pytest.approx(expected, abs=1e-5)


def test_ranking_loss_takes_pairs_of_one_category():
    score = torch.tensor([[2.0, 0.5, -1.0]])
    level, category = torch.tensor([2, 1, 1]), torch.tensor([3, 3, 4])
    assert ranking_loss(score, level, category).item() == pytest.approx(np.log1p(np.exp(-1.5)), abs=1e-5)
    assert ranking_loss(score, torch.tensor([1, 1, 1]), category).item() == 0.0


def test_corpora_speakers_and_categories_are_drawn_evenly():
    clips = [("a", "a1", 0)] * 6 + [("a", "a1", 1)] * 2 + [("a", "a2", 1)] + [("b", "b1", 3)] * 4
    corpus, speaker, category = (np.array(column) for column in zip(*clips, strict=True))
    starts = np.arange(len(clips) + 1) * 50
    features = EmotionFeatures(*[np.zeros(0)] * 5, starts, corpus, speaker, category, category, Path())
    chance = clip_chances(features, np.arange(len(clips)), {"a": 0.75, "b": 0.25})
    assert chance.sum() == pytest.approx(1.0)
    assert chance[:9].sum() == pytest.approx(0.75)
    assert chance[:8].sum() == pytest.approx(0.375)
    assert chance[:6].sum() == pytest.approx(0.1875)
