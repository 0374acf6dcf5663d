"""What decoders read and leave alone: prosody, shapes, strengths, styles, layouts, corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sedtalker.animation.animator import DECODERS
from sedtalker.animation.conditioning import STYLE_CODES, Style, emotional
from sedtalker.animation.decoder import DecoderConfig, decoder_speech, eased_emotion, speech_input
from sedtalker.animation.decoder_network import Decoder, MouthReadout, make_block
from sedtalker.animation.gains import AROUND_THE_MOUTH, Gains, _columns, _eased, _give_way, apply_gains
from sedtalker.animation.mouth_readout import MouthReadoutConfig
from sedtalker.animation.mouth_rules import RULES
from sedtalker.checkpoint import builtin_checkpoint, read_checkpoint
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.track import CATEGORIES
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import CLOSED_GAP, lip_aperture
from sedtalker.nn.blocks import ConditionedAttentionBlock, ConditionedMambaBlock
from sedtalker.nn.engine import frame_logits, open_model
from sedtalker.speech.encoder import open_trained_encoder
from sedtalker.speech.features import FRAME_CLOCK, SpeechFeatures

SMALL = {"hidden": 12, "width": 32, "condition": 16, "heads": 2, "radius": 4}


def features(frames: int = 20) -> SpeechFeatures:
    rng = np.random.default_rng(0)
    hidden, mel, prosody = (rng.standard_normal((frames, n)).astype(np.float32) for n in (12, 80, 4))
    return SpeechFeatures(FRAME_CLOCK, hidden, mel, prosody, np.ones(frames, bool))


def decoder(**config: object) -> Decoder:
    torch.manual_seed(0)
    made = Decoder(DecoderConfig(**{**SMALL, **config})).eval()
    for parameter in made.parameters():  # adaptive norms start at zero and would hide errors
        torch.nn.init.normal_(parameter, std=0.1) if parameter.abs().max() == 0 else None
    return made


def test_prosody_is_read_in_deviations_of_usual_speech() -> None:
    usual = np.array([[-6.0, 0.0, 0.6, -3.0]], np.float32)
    spread = np.array([[3.0, 0.5, 0.3, 3.0]], np.float32)
    read = speech_input(np.ones((1, 2), np.float32), usual + 2 * spread)
    assert read[0].tolist() == pytest.approx([1, 1, 2, 2, 2, 2])
    with pytest.raises(InputError, match="needs 5 features a frame and the encoder gives 12"):
        decoder_speech(5, features())


def test_blocks_follow_the_letters() -> None:
    config = DecoderConfig(**SMALL, layout="MAAM")
    kinds = [type(make_block(config, i)) for i in range(4)]
    assert kinds == [
        ConditionedMambaBlock,
        ConditionedAttentionBlock,
        ConditionedAttentionBlock,
        ConditionedMambaBlock,
    ]
    with pytest.raises(ValidationError):
        DecoderConfig(layout="MXA")


def test_look_ahead_is_that_of_all_attention_blocks() -> None:
    assert decoder(layout="MAMA").config.look_ahead == 8
    assert decoder(layout="MAMA", future=1).config.look_ahead == 2
    assert decoder(layout="MAMA", future=0).config.look_ahead == 0
    assert decoder(layout="MM").config.look_ahead == 0


@pytest.mark.parametrize("layout", ["MA"])
def test_a_decoder_says_over_steps_what_forward_says(layout: str) -> None:
    made, sound, track = decoder(layout=layout), features(), constant_track("happy:0.6", 0.4)
    got = made.motion(sound, track, Style(rounding=0.5))
    posterior = torch.eye(7)[1].expand(1, 20, 7)
    style = torch.tensor([Style(rounding=0.5).code(STYLE_CODES)])
    with torch.no_grad():
        expected = made(torch.from_numpy(decoder_speech(12, sound))[None], posterior, torch.full((1, 20), 0.6), style)[
            0
        ].clamp(0, 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(made.motion(sound, track) - got).max() > 1e-4, "a style changes the motion"
    assert got.max() <= 1.0


def test_only_the_shapes_of_its_config_move() -> None:
    names = ("jawOpen", "tongueOut")
    made = decoder(shapes=names)
    raw = made(torch.randn(1, 5, 16), torch.rand(1, 5, 7), torch.rand(1, 5), torch.zeros(1, 4))
    moving = {ARKIT_52[i] for i in raw[0].abs().sum(0).nonzero()[:, 0]}
    assert moving == set(names)


def test_a_track_is_read_at_the_times_of_the_features() -> None:
    track = constant_track("happy:0.6", 9.0)
    track.intensity[:] = track.times / 10
    posterior, intensity = eased_emotion(features(), track)
    np.testing.assert_allclose(intensity, FRAME_CLOCK.times(20) / 10, atol=1e-6)
    assert (posterior.argmax(1) == CATEGORIES.index("happy")).all()


def test_how_emotional_a_frame_is() -> None:
    for text, share in (("happy:0.25", np.tanh(1.0)), ("neutral", 0.0), ("happy:0", 0.0)):
        strong = emotional(*eased_emotion(features(), constant_track(text, 0.4)), Style())
        assert strong[:, 0].tolist() == pytest.approx([share] * 20, abs=1e-5)
    assert decoder().styles == STYLE_CODES


# --- The readout of a large encoder.


def test_a_readout_is_a_convolution_of_centred_projections_held_at_the_ends() -> None:
    torch.manual_seed(0)
    config = MouthReadoutConfig(layer_channels=3, width=2, reach=1, step=2)
    assert (config.layers, config.channels) == (2, 6)
    net = MouthReadout(config).eval().requires_grad_(False)
    for values in (net.mean, net.projection):
        values.normal_()
    layers = torch.randn(1, 9, 6)
    apart = layers.reshape(9, 2, 3) - net.mean
    codes = torch.stack([apart[:, k] @ net.projection[k] for k in range(2)], 1).reshape(9, 4)
    assert torch.allclose(net.project(layers)[0], codes, atol=1e-5)
    at = [[min(max(t + 2 * k, 0), 8) for k in (-1, 0, 1)] for t in range(9)]
    read = torch.stack([net.read.bias + sum(net.read.weight[..., k] @ codes[t[k]] for k in range(3)) for t in at])
    assert torch.allclose(net(layers)[0], (read @ net.sides).clamp(0, 1), atol=1e-5)
    assert config.context == 2
    np.testing.assert_allclose(frame_logits(net, layers[0].numpy(), 100), net(layers)[0], atol=1e-6)


def test_chunks_of_a_readout_equal_one_pass() -> None:
    torch.manual_seed(1)
    net = MouthReadout(MouthReadoutConfig(layer_channels=3, width=2)).eval().requires_grad_(False)
    net.projection.normal_()
    layers = torch.randn(1, 95, 6)
    for chunk in (7, 30, 94, 95):
        np.testing.assert_allclose(frame_logits(net, layers[0].numpy(), chunk), net(layers)[0], atol=1e-5)


# --- Gains at closed lips.


def test_what_parts_the_lips_gives_way_first() -> None:
    scaled, expressive = np.full((5, 52), 0.8, np.float32), np.full((5, 52), 0.4, np.float32)
    made = _give_way(scaled, expressive, np.array([1.0, 0.75, 0.5, 0.25, 0.0], np.float32))
    np.testing.assert_allclose(made[:, INDEX["jawOpen"]], [0.8, 0.6, 0.4, 0.4, 0.4], atol=1e-6)
    np.testing.assert_allclose(made[:, INDEX["mouthSmileLeft"]], [0.8, 0.8, 0.8, 0.6, 0.4], atol=1e-6)
    np.testing.assert_allclose(made[:, INDEX["browInnerUp"]], 0.8, atol=1e-6)


def test_a_closure_eases_over_two_frames_and_never_opens() -> None:
    share = np.ones(15, np.float32)
    share[7] = 0.0
    eased = _eased(share, RULES.ease_frames)
    np.testing.assert_allclose(eased[2:13], [1, 0.8, 0.6, 0.4, 0.2, 0, 0.2, 0.4, 0.6, 0.8, 1], atol=1e-6)


def test_a_gain_leaves_closed_lips_closed_and_opens_the_others() -> None:
    face, still = load_face(), np.zeros((30, 52), np.float32)
    still[:, INDEX["jawOpen"]] = 0.3
    still[10:20, INDEX["jawOpen"]] = 0.02
    made = apply_gains(still, still, Gains(articulation=2.0), face)
    rest = lip_aperture(face, np.zeros((1, 52), np.float32))[0]
    before, gap = (lip_aperture(face, motion) - rest for motion in (still, made))
    assert (before[10:20] < CLOSED_GAP).all()
    assert (gap[10:20] < CLOSED_GAP).all()
    assert (gap[10:20] <= np.maximum(before[10:20], 0) + RULES.slack + 1e-4).all()
    np.testing.assert_allclose(made[[*range(6), *range(24, 30)], INDEX["jawOpen"]], 0.6, atol=1e-6)


def test_columns_of_beginnings() -> None:
    assert [ARKIT_52[k] for k in np.flatnonzero(_columns(("jaw",)))] == [n for n in ARKIT_52 if n.startswith("jaw")]
    assert _columns(AROUND_THE_MOUTH).sum() == sum(n.startswith(AROUND_THE_MOUTH) for n in ARKIT_52)


# --- Checkpoints.


def test_what_is_no_decoder_and_what_reads_no_other_encoder() -> None:
    with pytest.raises(InputError, match="of kind diarizer; give one of kind decoder or "):
        open_model("diarizer", *DECODERS)
    folder = builtin_checkpoint("decoder")
    with pytest.raises(InputError, match="another one cannot be given"):
        open_trained_encoder(folder, open_model(folder).config, "somewhere")


def test_what_is_trained_by_default_is_of_the_size_that_is_built_in() -> None:
    shipped = open_model("decoder")
    default = DecoderConfig(shapes=shipped.config.shapes, future=0, closes=True, mouth_share=0.5)
    assert default == shipped.config
    assert sum(p.numel() for p in Decoder(default).parameters()) == sum(
        p.numel() for p in open_model("decoder", in_torch=True).parameters()
    )
    readout, _ = read_checkpoint(builtin_checkpoint("decoder_whisper_base"), "readout_decoder", MouthReadoutConfig)
    assert MouthReadoutConfig(decoder_sha256=readout.decoder_sha256) == readout
    assert readout.context == readout.reach * readout.step


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"reach": -1}, {"reach": 0}),
        ({"step": 0}, {"step": 1}),
        ({"share": 1.01}, {"share": 1.0}),
        ({"share": -0.01}, {"share": 0.0}),
    ],
)
def test_a_readouts_numbers_have_ends(wrong: dict[str, Any], right: dict[str, Any]) -> None:
    assert MouthReadout(MouthReadoutConfig(layer_channels=3, width=2, **right)).config.layers == 2
    with pytest.raises(ValidationError):
        MouthReadoutConfig(**wrong)
    with pytest.raises(ValidationError):
        DecoderConfig(future=-1)
    assert decoder(layout="MA", future=0).config.look_ahead == 0
