"""Two diarizers as one network: the same answers as both, averaged; the weights in the box, opened, saved, opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker import Audio, Diarizer
from sedtalker.checkpoint import CheckpointConfig, builtin_checkpoint, read_config, weights_sha256, write_checkpoint
from sedtalker.emotion import side_by_side as module
from sedtalker.emotion.diarizer_model import Beside, DiarizerConfig, FrameBatch, FrameNetworkConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.backbone import BackboneConfig
from sedtalker.speech.encoder import EncoderPair, open_encoder
from sedtalker.speech.features import EMOTION
from tests.emotion.test_network import frames, rows_of
from tests.support.tiny_backbones import save_tiny, tiny_model


def network(hidden: int, layers: int = 0, members: int = 2, seed: int = 0, **rest: object) -> DiarizerNetwork:
    torch.manual_seed(seed)
    sizes = {"hidden_channels": hidden, "layer_channels": layers, "members": members, "width": 8, "windows": (0.5, 2.0)}
    made = DiarizerNetwork(DiarizerConfig(**{**sizes, **rest})).eval()
    with torch.no_grad():
        made.mean.normal_(0.0, 0.1)
        made.scale.uniform_(0.05, 0.15)  # small: nothing is clamped
        if layers:
            made.layer_mean.normal_()
            made.layer_projection.normal_()
    return made


def side_by_side(first: DiarizerNetwork, second: DiarizerNetwork, temperature: float) -> DiarizerNetwork:
    """Both in torch."""
    parts = [(one.config, {k: v.numpy() for k, v in one.state_dict().items()}) for one in (first, second)]
    config, weights = module.side_by_side(*parts, temperature)
    joined = DiarizerNetwork(config).eval().requires_grad_(False)
    joined.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return joined


def halves(batch: FrameBatch, first: int) -> tuple[FrameBatch, FrameBatch]:
    assert batch.hidden is not None
    return batch._replace(hidden=batch.hidden[..., :first]), batch._replace(hidden=batch.hidden[..., first:])


def test_the_second_finds_what_is_no_voice() -> None:
    first, second = network(5), network(3, finds_no_voice=True, seed=1)
    both, batch = side_by_side(first, second, 1.0), frames(90, 8, 2)
    assert both.no_voice is not None
    assert second.no_voice is not None
    alone = second.no_voice(second.standardised(rows_of(second, halves(batch, 5)[1])))
    joined = both.no_voice(both.standardised(rows_of(both, batch)))
    np.testing.assert_allclose(joined.detach(), alone.detach(), atol=2e-4)
    assert side_by_side(second, first, 1.0).no_voice is None


@settings(max_examples=8)
@given(st.sampled_from([(5, 0, 3), (5, 9, 3)]), st.integers(1, 3), st.integers(0, 100))
def test_the_answer_is_the_mean_of_all_members_answers(sizes: tuple[int, int, int], members: int, seed: int) -> None:
    hidden, layers, other = sizes
    first, second = network(hidden, layers, 2, seed), network(other, 0, members, seed + 1)
    both = side_by_side(first, second, 1.0)
    batch = frames(90, (layers or hidden) + other, seed)
    parts = [
        one(rows_of(one, half)) for one, half in zip((first, second), halves(batch, layers or hidden), strict=True)
    ]
    joined = both(rows_of(both, batch))
    np.testing.assert_allclose(joined.logits, torch.cat([p.logits for p in parts]).detach(), atol=2e-4)
    np.testing.assert_allclose(joined.intensity, torch.cat([p.intensity for p in parts]).detach(), atol=2e-4)
    assert both.config.members == 2 + members
    assert len(both.mean) == functional_count(both.config)


def test_the_second_encoder_alone_says_how_far_speech_lies_from_that_of_training() -> None:
    first, second = network(5, 9), network(3, seed=1)
    both, batch = side_by_side(first, second, 1.0), frames(90, 12)
    changed = batch._replace(hidden=torch.cat([batch.hidden[..., :9] + 50.0, batch.hidden[..., 9:]], -1))
    moved = batch._replace(hidden=torch.cat([batch.hidden[..., :9], batch.hidden[..., 9:] + 50.0], -1))
    distance = both.frames(batch).distance
    assert torch.equal(both.frames(changed).distance, distance)
    assert (both.frames(moved).distance > 2 * distance).all()


def test_changes_are_found_by_the_network_that_one_of_them_has() -> None:
    found = {"frame_networks": (FrameNetworkConfig(hidden=3, width=8, dilations=(1, 2)),)}
    without, finding, batch = network(5), network(3, seed=1, **found), frames(90, 8, 12)
    swapped = batch._replace(hidden=torch.cat([batch.hidden[..., 5:], batch.hidden[..., :5]], -1))
    expected = finding.frames(halves(batch, 5)[1]).boundary
    assert expected.any()
    for first, second, mixed in ((without, finding, batch), (finding, without, swapped)):
        torch.testing.assert_close(side_by_side(first, second, 1.0).frames(mixed).boundary, expected)
    assert not side_by_side(without, network(3, seed=1), 1.0).frames(batch).boundary.any()


def test_networks_that_are_built_differently_are_refused() -> None:
    with pytest.raises(InputError, match="cannot form an ensemble"):
        side_by_side(network(5), network(3, windows=(1.0, 2.0)), 1.0)
    with pytest.raises(InputError, match="cannot form an ensemble"):
        side_by_side(network(5), network(3, layers=4), 1.0)


def checkpoint(folder: Path, tiny: Path, weights: str) -> Path:
    """A diarizer on a tiny random Whisper, to answer beside the built-in one."""
    config = open_model("diarizer", in_torch=True).config
    backbone = BackboneConfig(name=str(tiny), side_by_side=(1,))
    encoder = open_encoder(backbone)
    own = network(
        7, encoder.channels, windows=config.windows, width=config.width, intensity_steps=config.intensity_steps
    )
    described = own.config.model_copy(
        update={"backbone": backbone, "beside": Beside(weights_sha256=weights, temperature=0.9)}
    )
    made = CheckpointConfig(
        kind="diarizer", licence="MIT", trained_on=["nothing"], encoder_sha256=encoder.sha256(),
        model=described.model_dump(mode="json"),
    )  # fmt: skip
    write_checkpoint(folder, made, own.state_dict(), "# Tiny\n")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("side")
    save_tiny("Whisper", folder / "whisper")
    return checkpoint(folder / "weights", folder / "whisper", weights_sha256(builtin_checkpoint("diarizer")))


def speech() -> Audio:
    rng, t = np.random.default_rng(0), np.arange(32_000) / 16_000
    tone = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 15))
    return Audio(
        (0.1 * tone * (np.sin(2 * np.pi * 2 * t) > 0) + 0.003 * rng.standard_normal(32_000)).astype(np.float32)
    )


def test_opened_it_reads_both_encoders_and_saved_it_is_whole(built: Path, tmp_path: Path) -> None:
    diarizer = Diarizer.from_pretrained(built)
    assert isinstance(diarizer.encoder, EncoderPair)
    assert diarizer.network.config.second_channels == diarizer.encoder.encoders[EMOTION].channels
    track = diarizer(speech())
    diarizer.save(tmp_path / "saved")
    kept = read_config(tmp_path / "saved")
    assert kept.model["beside"] is None
    assert kept.encoder_sha256 == diarizer.encoder.sha256()
    again = Diarizer.from_pretrained(tmp_path / "saved")(speech())
    np.testing.assert_allclose(again.posterior, track.posterior, atol=2e-3)  # weights are stored in half precision
    with pytest.raises(InputError, match="cannot stream"):
        diarizer.stream()


def test_bursts_are_found_by_the_built_in_encoder(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sedtalker.emotion import diarizer as module

    seen = []
    monkeypatch.setattr(module, "find_bursts", lambda features, sha256: seen.append((features, sha256)) or ())
    diarizer = Diarizer.from_pretrained(built)
    diarizer(speech())
    own = open_encoder("emotion_encoder")
    features, sha256 = seen[0]
    assert sha256 == own.sha256()
    np.testing.assert_allclose(features.hidden, own(speech()).hidden, atol=1e-5)


def test_another_built_in_diarizer_is_refused(built: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was ensembled with another version of the built-in diarizer"):
        Diarizer.from_pretrained(checkpoint(tmp_path / "other", built.parent / "whisper", "0" * 64))


def test_an_encoder_of_other_weights_is_refused_in_a_pair_too(built: Path, tmp_path: Path) -> None:
    other = tiny_model("Whisper")
    with torch.no_grad():
        other.encoder.conv1.bias += 1.0
    save_tiny("Whisper", tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="not the weights"):
        Diarizer.from_pretrained(built, encoder=tmp_path / "other")
