"""A mouth read out of a hub encoder's layers, beside the built-in decoder; a tiny random Whisper stands in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.animator import Animator
from sedtalker.animation.conditioning import UpperFaceStream
from sedtalker.animation.decoder import eased_emotion
from sedtalker.animation.decoder_network import MouthReadout
from sedtalker.animation.mouth_readout import MouthReadoutConfig, ReadoutDecoder
from sedtalker.animation.opening import OPENING, OpeningMeasure
from sedtalker.audio import Audio, load_audio
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, weights_sha256, write_checkpoint
from sedtalker.emotion.formats import constant_track
from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX, TALKING_INDEX, TALKING_SHAPES, TALKING_SIDES
from sedtalker.nn.engine import frame_logits, open_model
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import EncoderPair, open_encoder, open_trained_encoder
from sedtalker.speech.features import FROM_HUB
from tests.support.tiny_backbones import save_whisper

transformers = pytest.importorskip("transformers")
SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"
STILL = {"blinks": False, "gaze": False, "head": False, "liveliness": 0.0}


def small(**options: object) -> MouthReadout:
    torch.manual_seed(0)
    backbone = BackboneConfig(name="tiny", side_by_side=(1, 2))
    config = MouthReadoutConfig(backbone=backbone, layer_channels=16, width=4, **options)  # type: ignore[arg-type]
    readout = MouthReadout(config).eval().requires_grad_(False)
    readout.projection.normal_()
    readout.read.bias.fill_(0.5)
    return readout


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp("whisper"), 2)


@pytest.fixture(scope="module")
def sound() -> Audio:
    whole = load_audio(SAMPLE)
    return Audio(whole.samples[: 2 * 16_000], whole.rate)


def checkpoint(folder: Path, whisper: Path, **changes: object) -> Path:
    """A readout of the tiny Whisper as a checkpoint folder."""
    backbone = BackboneConfig(name=str(whisper), side_by_side=(1, 2))
    readout = small(decoder_sha256=weights_sha256(builtin_checkpoint("decoder")))
    config = readout.config.model_copy(update={"backbone": backbone, **changes})
    described = CheckpointConfig(
        kind="readout_decoder",
        licence="CC-BY-4.0",
        trained_on=["none"],
        encoder_sha256=open_encoder(backbone).sha256(),
        model=config.model_dump(mode="json"),
    )
    write_checkpoint(folder, described, readout.state_dict(), "# Random weights\n")
    return folder


@settings(max_examples=12)
@given(st.integers(1, 120), st.integers(1, 60))
def test_chunks_equal_one_pass(frames: int, chunk: int) -> None:
    readout = small()
    layers = torch.randn(frames, 32, generator=torch.Generator().manual_seed(frames))
    pieces = frame_logits(readout, layers.numpy(), chunk)
    whole, context = readout(layers[None])[0].numpy(), readout.config.context
    inner = slice(context, max(context, frames - context))
    np.testing.assert_allclose(pieces[inner], whole[inner], atol=1e-5)
    assert pieces.shape == (frames, 52)
    assert 0.0 <= float(pieces.min()) <= float(pieces.max()) <= 1.0


def test_both_sides_of_the_mouth_move_alike() -> None:
    matrix = TALKING_SIDES
    assert matrix[TALKING_SHAPES.index("mouthSmile"), INDEX["mouthSmileLeft"]] == 1
    assert matrix[TALKING_SHAPES.index("mouthSmile"), INDEX["mouthSmileRight"]] == 1
    assert matrix.sum(0).max() == 1
    still = {name for name, column in zip(ARKIT_52, matrix.T, strict=True) if not column.any()}
    assert {"browInnerUp", "eyeBlinkLeft", "jawLeft"} <= still
    assert "tongueOut" not in still


def test_indices_are_of_the_named_shapes() -> None:
    for row, index in zip(TALKING_SIDES, TALKING_INDEX, strict=True):
        assert row[index] == 1


def test_both_sides_of_the_mouth_and_nothing_else_move() -> None:
    made = frame_logits(small(), np.random.default_rng(0).standard_normal((40, 32)).astype(np.float32), 100)
    assert np.array_equal(made[:, INDEX["mouthSmileLeft"]], made[:, INDEX["mouthSmileRight"]])
    assert made[:, INDEX["jawOpen"]].std() > 0
    for name in ("browInnerUp", "eyeBlinkLeft", "noseSneerLeft", "cheekPuff"):
        if not small().sides[:, INDEX[name]].any():
            assert not made[:, INDEX[name]].any()


def test_neutral_speech_is_averaged_and_what_is_slow_in_emotion_is_the_decoders(
    tmp_path: Path, whisper: Path, sound: Audio
) -> None:
    folder = checkpoint(tmp_path / "readout", whisper)
    decoder = open_model(folder)
    assert isinstance(decoder, ReadoutDecoder)
    encoder = open_trained_encoder(folder, decoder.config)
    assert isinstance(encoder, EncoderPair)
    features, own = encoder(sound), open_encoder()(sound)
    assert encoder.channels == features.hidden.shape[1] == 256 + 32
    assert np.array_equal(features.mel, own.mel)
    jaw = ARKIT_52.index("jawOpen")

    def moved(label: str) -> tuple[np.ndarray, np.ndarray]:
        track = constant_track(label, sound.duration)
        alone = decoder.decoder.motion(own, track)
        return decoder.predict(features, track), UpperFaceStream(decoder.decoder.moved).push(
            alone, *eased_emotion(own, track)
        )

    both, alone = moved("neutral")
    assert features.mouth is not None
    read = frame_logits(decoder.readout, features.of(FROM_HUB).hidden, 1500)
    spoken = 0.5 * (read + features.mouth @ TALKING_SIDES)
    measured = OpeningMeasure()
    measured.add(features.mouth, features.voice)
    mean = (0.5 * (alone + spoken) * measured.factor).clip(0.0, 1.0)
    assert np.median(np.abs(both[:, jaw] - mean[:, jaw])) < 1e-5, "but for closed lips"
    brow = ARKIT_52.index("browInnerUp")
    assert np.allclose(both[:, brow], alone[:, brow])
    both, alone = moved("happy:1")
    smile = ARKIT_52.index("mouthSmileLeft")
    assert both[:, smile].mean() == pytest.approx(alone[:, smile].mean(), rel=0.05)
    assert np.abs(both[:, smile] - alone[:, smile]).mean() < 0.1 * np.abs(spoken[:, smile] - alone[:, smile]).mean()
    others = np.delete(np.arange(len(ARKIT_52)), OPENING)  # speech opens this mouth further
    apart = np.abs((both - alone).mean(0))  # over the whole clip, which is little longer than what counts as slow
    assert apart[others].mean() < 0.1 * np.abs(spoken - alone)[:, others].mean()


def test_it_animates_from_its_folder(tmp_path: Path, whisper: Path, sound: Audio) -> None:
    folder = checkpoint(tmp_path / "readout", whisper)
    animator = Animator.from_pretrained(folder)
    made = animator(sound, emotion="neutral", **STILL)
    plain = Animator.from_pretrained()(sound, emotion="neutral", **STILL)
    assert len(made) == len(plain)
    assert not np.allclose(made.coefficients, plain.coefficients, atol=0.01)
    assert made.provenance["licences"] == {"decoder": "CC-BY-4.0", "articulation": "ODbL-1.0"}
    animator.device = "elsewhere"
    moved = animator.to("cpu")
    assert moved is not animator
    assert np.array_equal(moved(sound, emotion="neutral", **STILL).coefficients, made.coefficients)
    with pytest.raises(InputError, match="whole recording"):
        list(moved.stream([sound.samples]))


def test_what_does_not_fit_is_said_in_one_line(tmp_path: Path, whisper: Path, sound: Audio) -> None:
    other = checkpoint(tmp_path / "other", whisper, decoder_sha256="0" * 64)
    with pytest.raises(InputError, match="another built-in decoder"):
        open_model(other)
    folder = checkpoint(tmp_path / "readout", whisper)
    decoder = open_model(folder)
    with pytest.raises(InputError, match="256 features a frame and 32 of"):
        decoder.predict(open_encoder()(sound), constant_track("neutral", sound.duration))
    with pytest.raises(InputError, match="another one cannot be given"):
        Animator.from_pretrained("decoder", encoder=whisper)
    with pytest.raises(InputError, match="layers 3, 4 of a model that has 2"):
        Animator.from_pretrained("whisper-base", encoder=whisper)


def test_the_shipped_one_belongs_to_the_built_in_decoder() -> None:
    folder = builtin_checkpoint("decoder_whisper_base")
    config = read_config(folder)
    assert config.model["decoder_sha256"] == weights_sha256(builtin_checkpoint("decoder")), "fit it again"
    assert config.licence == "CC-BY-4.0"
    assert (folder / "model.safetensors").stat().st_size < 1e6
    decoder = open_model(folder)
    assert isinstance(decoder, ReadoutDecoder)
    assert decoder.readout.config.channels == 1024
