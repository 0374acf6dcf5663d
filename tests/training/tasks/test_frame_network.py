"""Pre-training and training of the frame network, and its place in the diarizer."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.audio import load_audio
from sedtalker.emotion.inference import load_diarizer
from sedtalker.speech.encoder import MelEncoder, SpeechEncoder
from sedtalker.training.corpora.emotion_speech import SILENCE
from sedtalker.training.tasks.diarizer import DiarizerTask
from sedtalker.training.tasks.frame_network import (
    FrameNetworkTask,
    SpanMeans,
    affect_targets,
    boundary_loss,
    label_spans,
)
from tests.support.tracks import diarize

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


def test_trains_joins_the_diarizer_and_listens(tmp_path, buzzing_voices):
    common = {"corpora": {"made": 1.0}, "joined_corpora": {"made": 1.0}, "copies": 0, "joined": 6}
    config = common | {"singles_per_batch": 8, "joined_per_batch": 2, "model": {"width": 16, "layout": "CC"}}
    task = FrameNetworkTask(config, buzzing_voices, tmp_path / "cache")
    task.prepare()
    network = short_training(task, 30)
    with torch.no_grad():
        figures = task.validate(network)
    assert figures["uar_made"] == 1.0
    task.export(network, tmp_path / "frames", figures)
    again = FrameNetworkTask(config | {"pretrained": str(tmp_path / "frames")}, buzzing_voices, tmp_path / "cache")
    again.prepare()
    kept = again.build().state_dict()["blocks.0.conv.weight"]
    assert torch.allclose(kept, network.state_dict()["blocks.0.conv.weight"], atol=1e-3), "the trunk is taken over"

    head = common | {"encoder": "none", "singles_per_batch": 24, "joined_per_batch": 8}
    head |= {"model": {"members": 2, "width": 16, "windows": [0.5, 2.0]}, "frame_networks": [str(tmp_path / "frames")]}
    diarizer_task = DiarizerTask(head, buzzing_voices, tmp_path / "cache")
    diarizer_task.prepare()
    diarizer_task.export(short_training(diarizer_task, 40), tmp_path / "export", figures)
    loaded = load_diarizer(tmp_path / "export")
    assert len(loaded.frame_networks) == 1
    audio = load_audio(buzzing_voices / "audio" / "made" / "c_happy_0.wav")
    track = diarize(loaded, MelEncoder(SpeechEncoder().eval())(audio), audio.duration)
    assert track.segments()[0].label == "happy"
