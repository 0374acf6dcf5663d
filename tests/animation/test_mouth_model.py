from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.mouth_model import (
    MOUTH_SHAPES,
    Mouth,
    MouthModel,
    close_lips,
    closures,
    load_mouth_model,
    mouth_indices,
    side_matrix,
)
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import BILABIAL, PHONE_INDEX
from sedtalker.training.motion.spoken_motion import measure_lips

SIZES = SpeechEncoderConfig(hop=20, channels=8, dilations=(1, 2), motion_channels=len(MOUTH_SHAPES))


def _model() -> MouthModel:
    torch.manual_seed(0)
    return MouthModel(SIZES).eval().requires_grad_(False)


def test_both_sides_of_the_mouth_move_alike():
    matrix = side_matrix()
    assert matrix[MOUTH_SHAPES.index("mouthSmile"), INDEX["mouthSmileLeft"]] == 1
    assert matrix[MOUTH_SHAPES.index("mouthSmile"), INDEX["mouthSmileRight"]] == 1
    assert matrix.sum(0).max() == 1
    still = {name for name, column in zip(ARKIT_52, matrix.T, strict=True) if not column.any()}
    assert {"browInnerUp", "eyeBlinkLeft", "jawLeft"} <= still
    assert "tongueOut" not in still


def test_indices_are_of_the_named_shapes():
    for row, index in zip(side_matrix(), mouth_indices(), strict=True):
        assert row[index] == 1


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 200), st.integers(1, 80))
def test_chunks_equal_one_pass(frames, chunk):
    model = _model()
    mel = torch.randn(1, frames, 80, generator=torch.Generator().manual_seed(frames))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sedtalker.animation.mouth_model.CHUNK_FRAMES", chunk)
        pieces = model.predict(mel)
    for piece, whole in zip(pieces, model(mel), strict=True):
        assert torch.allclose(piece, whole, atol=1e-4)


def test_lips_that_close_anyway_are_left_alone():
    model = _model()
    mouth, bilabial = torch.zeros(1, 15, 52), torch.zeros(1, 15, 1)
    mouth[..., INDEX["jawOpen"]] = 0.4
    bilabial[0, 7] = 0.9
    predicted = Mouth(mouth, closures(bilabial))
    emotional = torch.ones(1, 15, 1)
    closed = model.correct(mouth, predicted, emotional)
    assert (closed @ model.gap)[0, 7] < 0.3 * (mouth @ model.gap)[0, 7]
    mouth[0, 6, INDEX["mouthClose"]] = 0.4
    assert torch.equal(model.correct(mouth, predicted, emotional), mouth)


def test_emotional_lips_close_sooner():
    model, mouth = _model(), torch.zeros(1, 9, 52)
    gap = model.gap[INDEX["jawOpen"]]
    mouth[..., INDEX["jawOpen"]] = 0.02 / gap
    still, emotional = torch.zeros(1, 9, 1), torch.ones(1, 9, 1)
    assert model.apart(mouth, still).max() == 0.0, "so near, a calm mouth closes by itself"
    assert model.apart(mouth, emotional).min() > 0.9
    mouth[..., INDEX["jawOpen"]] = 0.01 / gap
    assert model.apart(mouth, emotional).max() == 0.0


def test_lips_close_at_the_peak_of_a_bilabial_and_nowhere_else():
    mouth = torch.zeros(1, 9, 52)
    for name, value in (("jawOpen", 0.4), ("mouthFunnel", 0.2), ("mouthLowerDownLeft", 0.1), ("mouthPucker", 0.3)):
        mouth[..., INDEX[name]] = value
    posterior = torch.tensor([0, 0, 0.1, 0.3, 0.6, 0.3, 0.1, 0, 0])[None, :, None]
    sealed = close_lips(mouth, closures(posterior))
    gap = torch.from_numpy(measure_lips(load_face()).gain)
    opened, closed = (mouth @ gap)[0], (sealed @ gap)[0]
    assert closed[4] < 0.25 * opened[4]
    assert closed[3] < opened[3]
    assert torch.equal(sealed[0, :2], mouth[0, :2])
    assert torch.equal(sealed[..., INDEX["mouthPucker"]], mouth[..., INDEX["mouthPucker"]])
    assert torch.equal(close_lips(mouth, closures(0 * posterior)), mouth)


def test_a_mouth_model_comes_back_from_its_folder(tmp_path):
    torch.manual_seed(1)
    net = SpeechEncoder(SIZES).eval()
    described = CheckpointConfig(
        kind="mouth_model", licence="CC-BY-4.0", trained_on=["none"], model=SIZES.model_dump(mode="json")
    )
    write_checkpoint(tmp_path / "mouth", described, net.state_dict(), "# Mouth model\n")
    model, mel = load_mouth_model(tmp_path / "mouth"), torch.randn(1, 30, 80)
    with torch.no_grad():
        hidden = net(mel)
        mouth = net.motion_head(hidden) @ side_matrix()
        bilabial = net.phones(hidden).softmax(-1)[..., [PHONE_INDEX[name] for name in BILABIAL]].sum(-1, keepdim=True)
    predicted = model(mel)
    assert predicted.motion.sub(mouth).abs().max() < 1e-2
    assert predicted.closure.sub(closures(bilabial)).abs().max() < 0.1


def test_an_encoder_is_no_mouth_model():
    with pytest.raises(InputError, match="not a mouth model"):
        load_mouth_model(builtin_checkpoint("speech_encoder"))


@pytest.mark.parametrize("other", [{"motion_channels": 7}, {"hop": 10}], ids=["channels", "hop"])
def test_an_encoder_with_another_mouth_or_another_step_is_none(tmp_path, other):
    sizes = SIZES.model_copy(update=other)
    described = CheckpointConfig(
        kind="mouth_model", licence="CC-BY-4.0", trained_on=["none"], model=sizes.model_dump(mode="json")
    )
    write_checkpoint(tmp_path / "mouth", described, SpeechEncoder(sizes).state_dict(), "# Mouth model\n")
    with pytest.raises(InputError, match="not a mouth model: sedtalker train"):
        load_mouth_model(tmp_path / "mouth")


def test_closures_by_hand():
    posterior = torch.tensor([0.0, 0.0, 0.125, 0.0, 0.0, 0.0, 0.3, 0.3, 0.0, 0.0, 0.04, 0.0])[None, :, None]
    half, full = 0.85 * 0.5, 0.85
    beside = [0, 0.3 * half, half, 0.3 * half, 0, 0.3 * full, full, full, 0.3 * full, 0, 0, 0]
    assert closures(posterior)[0, :, 0].tolist() == pytest.approx(beside, abs=1e-6)


def test_a_peak_within_two_frames_of_a_higher_one_closes_nothing():
    posterior = torch.tensor([0.2, 0.0, 0.4, 0.0, 0.0, 0.2, 0.0])[None, :, None]
    closed = closures(posterior)[0, :, 0]
    assert closed[[2, 5]].tolist() == pytest.approx([0.85, 0.85])
    assert closed[0] == 0, "two frames from a higher one"


def test_lips_close_by_hand():
    mouth = torch.zeros(1, 1, 52)
    values = {"jawOpen": 0.5, "mouthClose": 0.1, "mouthFunnel": 0.4, "mouthUpperUpLeft": 0.2, "mouthPucker": 0.3}
    for name, value in values.items():
        mouth[..., INDEX[name]] = value
    closed = close_lips(mouth, torch.full((1, 1, 1), 0.5))[0, 0]
    jaw = 0.5 * (1 - 0.3 * 0.5)
    expected = {"jawOpen": jaw, "mouthClose": 0.1 + 0.5 * (0.9 * jaw - 0.1), "mouthFunnel": 0.2} | {
        "mouthUpperUpLeft": 0.1,
        "mouthPucker": 0.3,
    }
    assert {name: float(closed[INDEX[name]]) for name in values} == pytest.approx(expected)
    assert int((closed > 0).sum()) == len(values)
    mouth[..., INDEX["mouthClose"]] = 0.6
    assert close_lips(mouth, torch.ones(1, 1, 1))[0, 0, INDEX["mouthClose"]] == pytest.approx(0.6), "never less"


@pytest.mark.parametrize(("emotional", "share"), [(0.0, 1.0), (1.0, 0.4)])
def test_lips_are_apart_from_three_to_five_hundredths_on(emotional, share):
    model, frames = _model(), 11
    levels = torch.tensor([0.025, 0.03, 0.04, 0.05, 0.07]) * share
    for gap, apart in zip(levels, (0.0, 0.0, 0.5, 1.0, 1.0), strict=True):
        mouth = torch.zeros(1, frames, 52)
        mouth[..., INDEX["jawOpen"]] = 0.3
        wide = model.apart(mouth, torch.full((1, frames, 1), emotional))
        assert wide.min() == 1.0
        mouth[0, 5, INDEX["jawOpen"]] = gap / model.gap[INDEX["jawOpen"]]
        near = model.apart(mouth, torch.full((1, frames, 1), emotional))[0, :, 0]
        assert near[3:8].tolist() == pytest.approx([apart] * 5, abs=1e-4), "within two frames"
        assert near[[2, 8]].tolist() == [1.0, 1.0]


def test_a_calm_mouth_is_half_the_models_and_an_emotional_one_the_decoders():
    model = _model()
    mouth, motion = torch.zeros(1, 5, 52), torch.zeros(1, 5, 52)
    mouth[..., INDEX["mouthPucker"]], motion[..., INDEX["mouthPucker"]] = 0.2, 0.6
    motion[..., INDEX["browInnerUp"]] = 0.6
    emotional = torch.tensor([0.0, 0.25, 0.5, 1.0, 1.0])[None, :, None]
    mixed = model.correct(motion, Mouth(mouth, torch.zeros(1, 5, 1)), emotional)[0]
    assert mixed[:, INDEX["mouthPucker"]].tolist() == pytest.approx([0.4, 0.45, 0.5, 0.6, 0.6])
    assert mixed[:, INDEX["browInnerUp"]].tolist() == pytest.approx([0.6] * 5)
    beyond = model.correct(motion, Mouth(-9 * mouth, torch.zeros(1, 5, 1)), emotional)
    assert beyond.min() == 0.0


def test_a_frame_depends_on_its_context_and_on_no_more():
    model = _model()
    mel = torch.randn(1, 60, 80, generator=torch.Generator().manual_seed(3))
    changed = mel.clone()
    changed[0, 30] += 3.0
    apart = (model(mel).closure - model(changed).closure).abs() + (model(mel).motion - model(changed).motion).abs().sum(
        -1, keepdim=True
    )
    moved = apart[0, :, 0].nonzero()[:, 0]
    assert 30 - model.context <= moved.min()
    assert moved.max() <= 30 + model.context
    assert model.context == model.encoder.context + 3
