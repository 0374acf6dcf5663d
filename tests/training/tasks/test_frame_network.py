"""Training of the frame network, and its place in the diarizer."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.checkpoint import read_kind
from sedtalker.emotion.diarizer_model import DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork
from sedtalker.errors import InputError
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.joined_recordings import JoinedDataset, JoinedInputs, open_joined_inputs
from sedtalker.training.corpora.joined_speech import SILENCE
from sedtalker.training.corpora.manifest import read_manifest, write_manifest
from sedtalker.training.tasks.frame_network import FrameNetworkTask, changes
from sedtalker.training.tasks.transfer_diarizer import read_frame_networks, with_frame_networks


def test_a_change_is_from_the_last_speech_to_the_first() -> None:
    labels = np.array([SILENCE, 0, 0, SILENCE, 0, SILENCE, SILENCE, 2, 2, 2, 1, 1, SILENCE, -1], np.int8)
    assert np.flatnonzero(changes(labels)).tolist() == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert not changes(np.where(labels == 2, 0, np.where(labels == 1, 0, labels)).astype(np.int8)).any()
    assert not changes(np.full(5, SILENCE, np.int8)).any()


def test_clips_with_other_labels_are_joined_anew(tmp_path: Path, buzzing_voices: Path) -> None:
    manifest = buzzing_voices / "audio" / "manifest.csv"
    relabelled = tmp_path / "relabelled"
    shutil.copytree(buzzing_voices, relabelled)
    text = manifest.read_text(encoding="utf-8").replace(",happy,normal", ",sad,normal")
    (relabelled / "audio" / "manifest.csv").write_text(text, encoding="utf-8")
    encoder, dataset = open_encoder(), JoinedDataset({"made": 1.0}, "train", 2, 0.5)
    one, other = (open_joined_inputs(d, tmp_path / "cache", dataset, encoder) for d in (buzzing_voices, relabelled))
    assert not np.array_equal(one.labels, other.labels)
    assert len(list((tmp_path / "cache").glob("joined-*"))) == 2
    with pytest.raises(InputError, match="no clips of cremad, train"):
        open_joined_inputs(buzzing_voices, tmp_path / "cache", replace(dataset, shares={"cremad": 1.0}), encoder)


@pytest.mark.training
def test_trains_and_joins_a_diarizer(tmp_path: Path, buzzing_voices: Path) -> None:
    model = {"width": 16, "dilations": (1, 2, 4), "dropout": 0.0}
    config = {"corpora": {"made": 1.0}, "recordings": 12, "crops": 4, "model": model}
    task = FrameNetworkTask(config, buzzing_voices, tmp_path / "cache")
    task.prepare()
    torch.manual_seed(0)
    network = task.build().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for step in range(80):
        loss = task.losses(network, task.batch(np.random.default_rng(step)))["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    figures = task.validate(network.eval())
    assert figures["change_precision"] > 0.5, "of some tenth by chance"
    task.export(network, tmp_path / "frames", figures)
    assert read_kind(tmp_path / "frames", "frame_network").encoder_sha256
    hidden = task.encoder.channels
    found = read_frame_networks([str(tmp_path / "frames")], hidden)
    joined = with_frame_networks(DiarizerNetwork(DiarizerConfig(hidden_channels=hidden, width=8)), found)
    for name, value in joined.frame_networks[0].state_dict().items():
        assert torch.allclose(value, network.state_dict()[name], atol=2e-3, rtol=1e-3), name
    with pytest.raises(InputError, match="another encoder"):
        read_frame_networks([str(tmp_path / "frames")], 5)


def test_it_is_validated_on_the_device_of_the_weights(tmp_path: Path) -> None:
    class Elsewhere(torch.nn.Module):
        scale = torch.ones(2, device="meta")

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            assert inputs.device == self.scale.device
            return torch.arange(float(inputs.shape[1]))[None]

    task = FrameNetworkTask({"corpora": {"made": 1.0}}, tmp_path, tmp_path)
    labels = np.array([0, 0, 0, 1, 1], np.int8)
    task.valid = JoinedInputs(np.zeros((5, 2), np.float16), labels, np.array([0, 5]))
    task.valid_change = changes(labels)
    assert task.validate(Elsewhere())["score"] == 1.0  # type: ignore[arg-type]


def test_a_corpus_without_emotions_is_named(tmp_path: Path, buzzing_voices: Path) -> None:
    root = tmp_path / "unlabelled"
    shutil.copytree(buzzing_voices, root)
    clips = [replace(clip, emotion="other:unlabelled") for clip in read_manifest(root) if clip.corpus == "made"]
    write_manifest(root, {"made": clips}, [])
    task = FrameNetworkTask({"corpora": {"made": 1.0}, "recordings": 2}, root, tmp_path / "cache")
    with pytest.raises(InputError, match=r"^made: none of its train clips has an emotion"):
        task.prepare()
