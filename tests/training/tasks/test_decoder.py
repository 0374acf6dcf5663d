"""The decoder takes two steps of training through the task."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sedtalker.animation.conditioning import Style
from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.decoder_network import Decoder
from sedtalker.face.builtin import load_face
from sedtalker.progress import no_progress
from sedtalker.training.motion.crops import CropEmotion, SpeechCrop
from sedtalker.training.motion.spoken_motion import measure_lips, pause
from sedtalker.training.task import stacked
from sedtalker.training.tasks.decoder import DecoderLoss, DecoderTask
from sedtalker.training.tasks.speech_encoder import SpeechEncoderTask
from tests.support.few_recordings import few_recordings

FRAMES, CROPS = 40, 2


class Halved(nn.Module):
    """An encoder of four channels: every second frame of the first bands."""

    def forward(self, mel: Tensor) -> Tensor:
        return mel[:, ::2, :4]


def _batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    made = {name: torch.rand(CROPS, FRAMES) for name in ("intensity", "talking", "closure", "weight")}
    made |= {"mel": torch.rand(CROPS, 2 * FRAMES, 80), "prosody": torch.rand(CROPS, FRAMES, 4)}
    made |= {"posterior": torch.softmax(torch.rand(CROPS, FRAMES, 7), -1), "style": torch.zeros(CROPS, 4)}
    return made | {"target": torch.rand(CROPS, FRAMES, 52)}


def test_two_steps_of_training_lower_the_loss_and_move_every_part(tmp_path: Path) -> None:
    sizes = {"hidden": 4, "width": 16, "condition": 8, "heads": 2, "dropout": 0.0}
    config = {"model": sizes, "swapped_crops": 0}
    task = DecoderTask(config, tmp_path, tmp_path)
    face = load_face()
    lips = measure_lips(face)
    targets = np.random.default_rng(0).random((60, 52), np.float32)
    task.encoder, task.criterion = Halved(), DecoderLoss(face, targets, lips.gain, lips.width)  # type: ignore[assignment]
    task.model_config = task.config.model
    model, batch = Decoder(task.model_config), _batch()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer, totals = torch.optim.Adam(model.parameters(), 0.01), []
    for _ in range(3):
        torch.manual_seed(1)
        losses = task.losses(model, batch)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        totals.append(losses["total"].item())
    assert totals[-1] < totals[0]
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert len(still) < 0.2 * len(before), still


@pytest.mark.usefixtures("short_phone_motion")
@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_crops_of_real_recordings_with_pseudo_labels_are_drawn_and_scored(
    data_dir: Path, tmp_path: Path, share: float
) -> None:
    pytest.importorskip("pocketsphinx")
    data = few_recordings(data_dir, tmp_path / "data", ("speechocean762", "librispeech"))
    if share and not (data / "teacher").is_dir():
        pytest.skip("no teacher in the training data")
    config = {"copies": 1, "voices": 0, "read_speech_copies": 1, "readout_share": share, "tracked_crops": 6}
    task = DecoderTask(config, data, tmp_path / "cache")
    task.read_data(no_progress)
    batch = task.batch(np.random.default_rng(0))
    frames = int(task.config.seconds * 50)
    assert batch["target"].shape == (13, frames, 52)
    assert batch["mel"].shape[1] == 2 * (frames + 2 * task.encoder.config.context)
    with torch.no_grad():
        assert np.isfinite(list(task.validate(task.build().eval()).values())).all()


@pytest.mark.usefixtures("short_phone_motion")
@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    "weights", [{"pseudo_weight": 0.5, "layer_weight": 0.3}, {"pseudo_weight": 0.0, "layer_weight": 0.3}]
)
def test_the_encoder_learns_what_the_teacher_reads_out(
    data_dir: Path, tmp_path: Path, weights: dict[str, float]
) -> None:
    pytest.importorskip("pocketsphinx")
    data = few_recordings(data_dir, tmp_path / "data", ("speechocean762", "librispeech", "emogator"))
    if not (data / "teacher").is_dir():
        pytest.skip("no teacher in the training data")
    task = SpeechEncoderTask({"copies": 1, "read_speech_copies": 1, **weights}, data, tmp_path / "cache")
    task.read_data(no_progress)
    losses = task.losses(task.build(), task.batch(np.random.default_rng(0)))
    assert float(losses["layers"].detach()) > 0.0
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())


def test_only_tracked_crops_are_in_the_chain_which_may_be_odd(tmp_path: Path) -> None:
    face = load_face()
    lips = measure_lips(face)
    targets = np.random.default_rng(0).random((60, 52), np.float32)
    batch = {name: torch.cat([value, value.flip(1)]) for name, value in _batch().items()}
    swapped = []
    for tracked in (2, 3, 4):
        sizes = {"hidden": 4, "width": 16, "condition": 8, "heads": 2, "dropout": 0.0}
        task = DecoderTask({"model": sizes, "tracked_crops": tracked, "swapped_crops": 6}, tmp_path, tmp_path)
        task.encoder, task.criterion = Halved(), DecoderLoss(face, targets, lips.gain, lips.width)  # type: ignore[assignment]
        torch.manual_seed(0)
        swapped.append(float(task.losses(Decoder(task.config.model), batch)["swapped"].detach()))
    assert swapped[0] == 0.0
    assert 0.0 < swapped[1] != swapped[2]


def test_a_decoder_that_goes_on_keeps_its_styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = DecoderTask({}, tmp_path, tmp_path)
    task.config = task.config.model_copy(update={"start": "start"})
    known = Decoder(DecoderConfig(hidden=4, width=16, condition=8, heads=2, styles=("rounding",)))
    lips = measure_lips(load_face())
    given = {"open_model": lambda folder, kind, **_: known if kind == "decoder" else Halved()}
    given |= {"read_parts": lambda data: (lips, None), "TalkingCrops": lambda *_: SimpleNamespace(talker=None)}
    given |= {"speak_others": lambda *_: None}
    for name, value in given.items():
        monkeypatch.setattr(f"sedtalker.training.tasks.decoder.{name}", value)
    monkeypatch.setattr(DecoderTask, "_target_sample", lambda task: np.eye(52, dtype=np.float32))
    Halved.config = SimpleNamespace(context=0, channels=4)  # type: ignore[attr-defined]
    task.read_data(no_progress)
    decoder = task.build()
    style = Style(0.1, 0.2, 0.3, 0.4)
    scene = CropEmotion(np.zeros((4, 7), np.float32), np.zeros(4, np.float32), style)
    monkeypatch.setattr(task, "target", lambda *_: np.zeros((4, 52), np.float32))
    crop = SpeechCrop(np.zeros((8, 80), np.float32), np.zeros((4, 4), np.float32), pause(4), np.zeros(4, np.int64))
    made = stacked([task._example(crop, scene, np.ones(4))])
    assert made["style"].tolist() == [[pytest.approx(0.2)]]
    assert task.losses(decoder, made)["total"].isfinite()
