from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.mouth_model import (
    TALKING_SHAPES,
    Ears,
    Told,
    lips_meet,
    load_ears,
    mouth_indices,
    seal,
    spread_sides,
)
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_builtin
from sedtalker.speech.encoder import SpeechEncoder, SpeechEncoderConfig
from sedtalker.speech.features import BILABIAL, PHONE_INDEX
from sedtalker.training.motion.lip_gauge import measure_lips

SIZES = SpeechEncoderConfig(hop=20, channels=8, dilations=(1, 2), motion_channels=len(TALKING_SHAPES))


def _ears(*sizes: SpeechEncoderConfig) -> Ears:
    torch.manual_seed(0)
    return Ears(sizes).eval().requires_grad_(False)


def test_both_sides_of_the_mouth_move_alike():
    matrix = spread_sides()
    assert matrix[TALKING_SHAPES.index("mouthSmile"), INDEX["mouthSmileLeft"]] == 1
    assert matrix[TALKING_SHAPES.index("mouthSmile"), INDEX["mouthSmileRight"]] == 1
    assert matrix.sum(0).max() == 1
    still = {name for name, column in zip(ARKIT_52, matrix.T, strict=True) if not column.any()}
    assert {"browInnerUp", "eyeBlinkLeft", "jawLeft"} <= still
    assert "tongueOut" not in still


def test_indices_are_of_the_named_shapes():
    for row, index in zip(spread_sides(), mouth_indices(), strict=True):
        assert row[index] == 1


def _told(ears: Ears, frames: int = 40) -> Told:
    return ears(torch.randn(1, frames, 80, generator=torch.Generator().manual_seed(3)))


def test_several_ears_are_averaged():
    both = _ears(SIZES, SIZES.model_copy(update={"channels": 12}))
    alone = []
    for ear in both.ears:
        one = _ears(ear.config)
        one.ears[0].load_state_dict(ear.state_dict())
        alone.append(_told(one).talking)
    assert torch.allclose(_told(both).talking, (alone[0] + alone[1]) / 2, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 200), st.integers(1, 80))
def test_stretches_are_heard_as_one_recording(frames, stretch):
    ears = _ears(SIZES)
    heard = torch.randn(1, frames, 80, generator=torch.Generator().manual_seed(frames))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sedtalker.animation.mouth_model.STRETCH_FRAMES", stretch)
        pieces = ears.hear(heard)
    for piece, whole in zip(pieces, ears(heard), strict=True):
        assert torch.allclose(piece, whole, atol=1e-4)


def test_lips_that_close_anyway_are_left_alone():
    ears = _ears(SIZES)
    mouth, bilabial = torch.zeros(1, 15, 52), torch.zeros(1, 15, 1)
    mouth[..., INDEX["jawOpen"]] = 0.4
    bilabial[0, 7] = 0.9
    told = Told(mouth, lips_meet(bilabial))
    acted = torch.ones(1, 15, 1)
    closed = ears.lead(mouth, told, acted)
    assert (closed @ ears.gap)[0, 7] < 0.3 * (mouth @ ears.gap)[0, 7]
    mouth[0, 6, INDEX["mouthClose"]] = 0.4
    assert torch.equal(ears.lead(mouth, told, acted), mouth)


def test_acted_lips_are_told_to_meet_sooner():
    ears, mouth = _ears(SIZES), torch.zeros(1, 9, 52)
    gap = ears.gap[INDEX["jawOpen"]]
    mouth[..., INDEX["jawOpen"]] = 0.02 / gap
    still, acted = torch.zeros(1, 9, 1), torch.ones(1, 9, 1)
    assert ears.apart(mouth, still).max() == 0.0, "so near, a calm mouth closes by itself"
    assert ears.apart(mouth, acted).min() > 0.9
    mouth[..., INDEX["jawOpen"]] = 0.01 / gap
    assert ears.apart(mouth, acted).max() == 0.0


def test_lips_meet_at_the_peak_of_a_bilabial_and_nowhere_else():
    mouth = torch.zeros(1, 9, 52)
    for name, value in (("jawOpen", 0.4), ("mouthFunnel", 0.2), ("mouthLowerDownLeft", 0.1), ("mouthPucker", 0.3)):
        mouth[..., INDEX[name]] = value
    posterior = torch.tensor([0, 0, 0.1, 0.3, 0.6, 0.3, 0.1, 0, 0])[None, :, None]
    sealed = seal(mouth, lips_meet(posterior))
    gap = torch.from_numpy(measure_lips(load_builtin()).gain)
    opened, closed = (mouth @ gap)[0], (sealed @ gap)[0]
    assert closed[4] < 0.25 * opened[4]
    assert closed[3] < opened[3]
    assert torch.equal(sealed[0, :2], mouth[0, :2])
    assert torch.equal(sealed[..., INDEX["mouthPucker"]], mouth[..., INDEX["mouthPucker"]])
    assert torch.equal(seal(mouth, lips_meet(0 * posterior)), mouth)


def test_ears_come_back_from_their_folders(tmp_path):
    torch.manual_seed(1)
    net = SpeechEncoder(SIZES).eval()
    described = CheckpointConfig(
        kind="speech_encoder", licence="CC-BY-4.0", trained_on=["none"], model=SIZES.model_dump(mode="json")
    )
    write_checkpoint(tmp_path / "ear", described, net.state_dict(), "# Ear\n")
    ears, mel = load_ears([tmp_path / "ear"] * 2), torch.randn(1, 30, 80)
    with torch.no_grad():
        hidden = net(mel)
        mouth = net.motion_head(hidden) @ spread_sides()
        bilabial = net.phones(hidden).softmax(-1)[..., [PHONE_INDEX[name] for name in BILABIAL]].sum(-1, keepdim=True)
    told = ears(mel)
    assert told.talking.sub(mouth).abs().max() < 1e-2
    assert told.meet.sub(lips_meet(bilabial)).abs().max() < 0.1


def test_an_encoder_is_no_ear():
    with pytest.raises(InputError, match="not an ear"):
        load_ears([builtin_checkpoint("speech_encoder")])
