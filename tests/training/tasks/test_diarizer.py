"""The diarizer's objective and sampler."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.audio import load_audio
from sedtalker.emotion.inference import load_diarizer
from sedtalker.speech.encoder import MelEncoder, SpeechEncoder
from sedtalker.training.corpora.emotion_features import EmotionFeatures
from sedtalker.training.corpora.window_statistics import WindowStatistics
from sedtalker.training.tasks.diarizer import DiarizerTask, DiarizerTaskConfig, SpanSampler, ordinal_loss, ranking_loss
from tests.support.tiny_backbones import ON_MADE
from tests.support.tracks import diarize


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


def made_statistics() -> WindowStatistics:
    """Two corpora, three speakers, an uneven number of clips; every row holds its own label."""
    clips = [("a", "a1", 0)] * 6 + [("a", "a1", 1)] * 2 + [("a", "a2", 1)] + [("b", "b1", 3)] * 4 + [("a", "a2", -1)]
    recording = np.repeat(np.arange(len(clips)), 6).astype(np.int32)
    label = np.array([clips[r][2] for r in recording], np.int8)
    label[-6:] = [0, 0, 0, 1, 1, 1]
    columns = [np.array(column) for column in zip(*clips, strict=True)]
    features = EmotionFeatures(
        *[np.zeros(0)] * 5, np.arange(len(clips) + 1) * 50, columns[0], columns[1], columns[2], columns[2], Path()
    )
    values = np.repeat(label[:, None], 3, 1).astype(np.float16)
    return WindowStatistics(values, recording, label, label, features)


@pytest.fixture
def sampler() -> SpanSampler:
    config = DiarizerTaskConfig(
        corpora={"a": 0.75, "b": 0.25}, joined_corpora={}, quality={"b": 0.5}, noise=0.0, singles_per_batch=64
    )
    return SpanSampler(made_statistics(), config)


def test_values_and_labels_stay_together(sampler):
    batch = sampler.draw(np.random.default_rng(0))
    assert torch.equal(batch["statistics"][:, 0], batch["label"].float()), "spans never mix labels"
    assert batch["quality"].tolist() == [0.5 if c else 1.0 for c in batch["corpus"].tolist()]


def test_corpora_speakers_and_categories_are_drawn_evenly(sampler):
    chance = sampler.chance
    assert chance.sum() == pytest.approx(1.0)
    assert chance[:9].sum() == pytest.approx(0.75)
    assert chance[:8].sum() == pytest.approx(0.375)
    assert chance[:6].sum() == pytest.approx(0.1875)


def test_held_out_speakers_are_never_drawn():
    config = DiarizerTaskConfig(corpora={"a": 0.75, "b": 0.25}, joined_corpora={}, held_out=("a1",))
    sampler = SpanSampler(made_statistics(), config)
    assert not np.isin(sampler.statistics.features.speaker[sampler.singles], ["a1"]).any()


def test_trains_exports_and_listens(tmp_path, buzzing_voices):
    model = {"members": 2, "width": 16, "dropout": 0.1, "windows": [0.5, 2.0]}
    config = {"encoder": "none", **ON_MADE, "joined": 6, "singles_per_batch": 24, "joined_per_batch": 8, "model": model}
    task = DiarizerTask(config, buzzing_voices, tmp_path / "cache")
    task.prepare()
    torch.manual_seed(0)
    model = task.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(40):
        losses = task.losses(model, task.batch(np.random.default_rng(step)))
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
    with torch.no_grad():
        figures = task.validate(model.eval())
    assert figures["uar_made"] == 1.0
    assert figures["frame_accuracy"] > 0.8
    task.export(model, tmp_path / "export", figures)
    assert "CC-BY-NC-SA-4.0" in (tmp_path / "export" / "README.md").read_text()
    loaded = load_diarizer(tmp_path / "export")
    audio = load_audio(buzzing_voices / "audio" / "made" / "c_happy_0.wav")
    track = diarize(loaded, MelEncoder(SpeechEncoder().eval())(audio), audio.duration)
    assert track.segments()[0].label == "happy"
