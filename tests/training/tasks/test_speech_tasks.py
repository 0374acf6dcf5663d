from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sedtalker.animation.decoder import DecoderConfig
from sedtalker.animation.decoder_network import Decoder
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.training.corpora.augmentation import mask_spectrum, warp_bands
from sedtalker.training.corpora.feature_store import Copy, FeatureStore
from sedtalker.training.corpora.tracked_motion import ict_matrix, read_grid, split_of
from sedtalker.training.motion.alignment import PhoneSpan
from sedtalker.training.motion.spoken_motion import PhoneMotion, measure_lips, pause, speak_phones
from sedtalker.training.tasks import speech_encoder
from sedtalker.training.tasks.decoder import DecoderLoss, LossWeights, vertex_factor, weighted_sum


def test_warp_moves_a_formant():
    mel = np.zeros((3, 80), np.float32)
    mel[:, 40] = 1.0
    assert warp_bands(mel, 1.0).argmax(1).tolist() == [40] * 3
    assert abs(int(warp_bands(mel, 1.1)[0].argmax()) - 44) <= 1
    assert abs(int(warp_bands(mel, 0.9)[0].argmax()) - 36) <= 1


def test_masks_leave_most_of_the_spectrum():
    mel = np.ones((290, 80), np.float32)
    masked = mask_spectrum(mel, np.random.default_rng(0))
    assert masked.shape == mel.shape
    assert np.isfinite(masked).all()


def test_a_crop_shorter_than_the_longest_mask_is_masked():
    rng = np.random.default_rng(0)
    assert [len(mask_spectrum(np.ones((count, 80), np.float32), rng)) for count in range(10)] == list(range(10))


def test_split_follows_the_hash():
    splits = [split_of(f"s1_clip{i}") for i in range(2000)]
    assert 0.04 < splits.count("test") / 2000 < 0.09
    assert 0.04 < splits.count("valid") / 2000 < 0.09


def test_ict_weights_keep_their_size():
    names = ("browInnerUp_L", "browInnerUp_R", "jawOpen", "mouthSmile_L")
    out = np.array([[0.2, 0.4, 0.5, 0.7]]) @ ict_matrix(names)
    by_name = dict(zip(ARKIT_52, out[0], strict=True))
    assert by_name["browInnerUp"] == pytest.approx(0.3)
    assert by_name["jawOpen"] == pytest.approx(0.5)
    assert by_name["mouthSmileLeft"] == pytest.approx(0.7)
    assert by_name["mouthSmileRight"] == 0


def test_vertex_factor_measures_vertices():
    face = load_face()
    factor, error = vertex_factor(face), np.zeros(52, np.float32)
    error[ARKIT_52.index("jawOpen")] = 0.1
    weight = np.ones(len(face.mesh.vertices))
    for name in ("neck", "hair"):
        if name in face.regions:
            weight[face.regions[name]] = 0
    weight[face.regions["lips"]] = 4.0
    moved = 1000 * 0.1 * face.basis[ARKIT_52.index("jawOpen")]
    expected = ((moved**2).sum(1) * weight / weight.sum()).sum()
    assert ((error @ factor) ** 2).sum() == pytest.approx(expected, rel=1e-3)


def test_losses_are_zero_for_the_target_and_learnable():
    face = load_face()
    lip_measure = measure_lips(face)
    rng = np.random.default_rng(0)
    targets = rng.random((40, 52)).astype(np.float32)
    loss = DecoderLoss(face, targets, lip_measure.gain, lip_measure.width)
    target = torch.from_numpy(targets).reshape(2, 20, 52)
    batch = {"target": target, "closure": torch.zeros(2, 20)}
    batch |= {"weight": torch.ones(2, 20), "talking": torch.ones(2, 20)}
    assert max(float(v) for v in loss(target, batch).values()) < 1e-8
    decoder = Decoder(DecoderConfig(hidden=4, width=32, condition=8, heads=2, layout="MA"))
    inputs = (torch.randn(2, 20, 8), torch.softmax(torch.randn(2, 20, 7), -1), torch.rand(2, 20), torch.zeros(2, 4))
    optimizer = torch.optim.Adam(decoder.parameters(), 1e-2)
    history = []
    for _ in range(25):
        total = weighted_sum(loss(decoder(*inputs), batch), LossWeights(velocity=1.0))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(float(total.detach()))
    assert history[-1] < 0.7 * history[0]


@pytest.mark.slow
def test_swapped_crops_must_differ_as_their_targets_do():
    face = load_face()
    lip_measure = measure_lips(face)
    rng = np.random.default_rng(0)
    loss = DecoderLoss(face, rng.random((40, 52)).astype(np.float32), lip_measure.gain, lip_measure.width)
    target = torch.from_numpy(rng.uniform(0.2, 0.6, (4, 10, 52)).astype(np.float32))
    zero = torch.zeros(4, 10)
    batch = {"target": target, "closure": zero, "weight": torch.ones(4, 10), "talking": zero}
    jaw, brow = INDEX["jawOpen"], INDEX["browInnerUp"]

    def swapped(change: torch.Tensor) -> float:
        return float(loss(target + change, batch, chained=4)["swapped"])

    same = torch.zeros(4, 10, 52)
    same[..., jaw] = 0.1
    same[..., brow] = 0.1
    assert swapped(same) < 1e-8
    lips = torch.zeros(4, 10, 52)
    lips[1::2, :, jaw] = 0.1
    assert swapped(lips) > 0.01
    upper = torch.zeros(4, 10, 52)
    upper[2, :, brow] = 0.1
    assert swapped(upper) > 0.01


def test_following_asks_for_the_shape_of_the_curve_and_not_its_size():
    face = load_face()
    lip_measure = measure_lips(face)
    opening = torch.sin(torch.linspace(0, 25, 60)) * 0.2 + 0.3
    target = torch.zeros(2, 60, 52)
    target[..., INDEX["jawOpen"]] = opening
    loss = DecoderLoss(face, target[0].numpy(), lip_measure.gain, lip_measure.width)
    talking = torch.ones(2, 60)
    batch = {"target": target, "closure": 0 * talking, "weight": talking, "talking": talking}

    def follow(moved: torch.Tensor, talking: torch.Tensor = talking) -> float:
        return float(loss(moved, batch | {"talking": talking})["follow"])

    assert follow(0.6 * target) < 0.1
    assert follow(target.flip(1)) > 0.3
    assert follow(target.flip(1), 0 * talking) == 0.0, "nobody talks"
    half = talking.clone()
    half[:, 30:] = 0.0
    spoilt = target.clone()
    spoilt[:, 30:] = 0.9
    assert follow(spoilt, half) < 1e-4, "pauses do not count"


def test_bilabials_always_close_from_phones():
    torch.manual_seed(0)
    network = PhoneMotion(np.random.default_rng(0).random((50, 53)).astype(np.float32))
    lip_measure = measure_lips(load_face())
    spans = [PhoneSpan("AA", 0.0, 0.2), PhoneSpan("M", 0.2, 0.3), PhoneSpan("AA", 0.3, 0.5)]
    motion = speak_phones(network, spans, 25, lip_measure)
    assert motion.gap[11:14].max() < 1e-6
    assert motion.closure[12] == 1
    assert motion.coefficients.shape == (25, 52)


def test_a_pause_is_still():
    assert not pause(5).coefficients.any()


@pytest.mark.data
def test_tracked_clips_are_read(data_dir):
    clips = read_grid(data_dir)
    assert len(clips) == 896
    clip = clips[0]
    assert clip.coefficients.shape == (75, 52)
    assert clip.as_recorded().times[0] == pytest.approx(0.02)
    assert clip.coefficients.min() >= 0
    assert clip.coefficients.max() <= 1
    assert sum(c.split == "test" for c in clips) == 60


def test_crops_that_no_recording_is_there_for_are_refused(
    rated_voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("read_grid", "read_facegood"):
        monkeypatch.setattr(speech_encoder, name, lambda data: [])
    monkeypatch.setattr(speech_encoder, "align_corpus", lambda *given: {})
    with pytest.raises(InputError, match="nothing of speechocean762 or ljspeech in it"):
        speech_encoder.SpeechEncoderTask({}, rated_voices, tmp_path).prepare()


def test_an_encoder_without_read_speech_has_a_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = speech_encoder.SpeechEncoderTask({"phone_crops": 0}, tmp_path, tmp_path)
    none = FeatureStore((), np.zeros((0, 85), np.float16))
    task.grid, task.mandarin, task.read, task.others = (
        FeatureStore((Copy("a", 0, 0, 9, 1.0),), none.values),
        none,
        none,
        [],
    )
    task.clips = {"a": SimpleNamespace(split="valid")}  # type: ignore[dict-item]

    def follow(model: object, store: object, copy: object, metrics: dict[str, list[float]], names: list[str]) -> None:
        for name in names:
            metrics[name].append(0.5)

    monkeypatch.setattr(task, "_follow", follow)
    monkeypatch.setattr(task, "_accuracy", lambda *_: 0.25)
    found = task.validate(None)  # type: ignore[arg-type]
    assert found == {"lip_r": 0.5, "width_r": 0.5, "phones_tracked": 0.25, "score": pytest.approx(0.65)}
