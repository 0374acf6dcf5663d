"""Adapting a diarizer: laws of the mean that is moved, what is refused, and weights that are saved and opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sedtalker.audio import Audio, load_audio
from sedtalker.checkpoint import read_config
from sedtalker.emotion.adaptation import (
    METHODS,
    Fit,
    Method,
    adapted,
    check_fit,
    fit_of,
    log_posterior,
    seconds_of,
    speech_of,
)
from sedtalker.emotion.diarizer import Diarizer
from sedtalker.emotion.diarizer_model import ROW, DiarizerConfig
from sedtalker.emotion.network import DiarizerNetwork, functional_count
from sedtalker.errors import InputError

SAMPLE = Path(__file__).parents[2] / "data/samples/four_moods.wav"


@pytest.fixture(scope="module")
def network() -> DiarizerNetwork:
    torch.manual_seed(0)
    made = DiarizerNetwork(DiarizerConfig(hidden_channels=4, windows=(0.5, 2.0), width=16, members=2)).eval()
    made.mean += torch.randn(made.mean.shape)
    made.scale *= 0.5
    return made


def spoken(network: DiarizerNetwork, count: int, seed: int, away: float = 0.0) -> list[Tensor]:
    """Pieces of 20 rows, all of them moved by the same vector of that length a channel."""
    given = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 20, functional_count(network.config), generator=given)
    return [network.mean + part + away for part in rows]


def test_half_of_the_way(network: DiarizerNetwork) -> None:
    speech = spoken(network, 6, 1, away=2.0)
    usual = torch.stack([piece.mean(0) for piece in speech]).mean(0)
    before = network.mean.clone()
    assert torch.equal(adapted(network, speech, 0.0).mean, before)
    assert torch.allclose(adapted(network, speech, 0.5).mean, (before + usual) / 2, atol=1e-6)
    assert torch.allclose(adapted(network, speech, 1.0).mean, usual, atol=1e-6)
    assert torch.equal(network.mean, before), "the network that is given stays as it is"


def test_another_microphone_changes_nothing_when_it_is_taken_off_whole(network: DiarizerNetwork) -> None:
    speech = spoken(network, 8, 2)
    moved = [piece + 1.5 for piece in speech]
    here, there = adapted(network, speech, 1.0), adapted(network, moved, 1.0)
    for piece, other in zip(speech, moved, strict=True):
        assert torch.allclose(log_posterior(here, piece), log_posterior(there, other), atol=1e-4)
    assert not torch.allclose(log_posterior(network, speech[0]), log_posterior(network, moved[0]), atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_the_network_as_it_is_at_no_strength(network: DiarizerNetwork, method: Method) -> None:
    made = adapted(network, spoken(network, 6, 6, away=2.0), 0.0, method)
    assert all(
        torch.equal(a, b) for a, b in zip(made.state_dict().values(), network.state_dict().values(), strict=True)
    )


def test_even_answers(network: DiarizerNetwork) -> None:
    """All of the way, every category is as probable as any other in the mean over the pieces."""
    speech = spoken(network, 30, 7, away=2.0)
    after = adapted(network, speech, 1.0, "norm")
    mean = torch.stack([log_posterior(after, piece).softmax(0) for piece in speech]).mean(0)
    assert torch.allclose(mean, torch.full_like(mean, 1 / len(mean)), atol=0.01)
    half, moved = adapted(network, speech, 0.5, "norm"), adapted(network, speech, 0.5, "mean")
    assert torch.equal(half.mean, moved.mean)
    spread = [
        torch.stack([log_posterior(n, piece).softmax(0) for piece in speech]).mean(0).std() for n in (moved, half)
    ]
    assert spread[1] < spread[0]


def test_each_piece_counts_alike(network: DiarizerNetwork) -> None:
    short, long = spoken(network, 2, 3)
    long = long.repeat(9, 1)
    assert torch.allclose(adapted(network, [short, long], 1.0).mean, (short.mean(0) + long.mean(0)) / 2, atol=1e-5)


def test_too_little_is_refused(network: DiarizerNetwork) -> None:
    with pytest.raises(InputError, match="3 recordings with speech are too few"):
        check_fit(fit_of(network, spoken(network, 3, 4)))
    with pytest.raises(InputError, match="agrees with itself on 40%"):
        check_fit(Fit(pieces=20, seconds=60.0, agreement=0.4, distance=1.0))
    check_fit(Fit(pieces=5, seconds=10.0, agreement=0.8, distance=1.0))


def test_the_fit_tells_how_far_and_how_sure(network: DiarizerNetwork) -> None:
    near, far = (fit_of(network, spoken(network, 40, 5, away)) for away in (0.0, 3.0))
    assert near.pieces == 40
    assert near.seconds == pytest.approx(40 * 20 * ROW / 50)
    assert near.distance < 0.2
    assert far.distance == pytest.approx(1.5, abs=0.1)  # 3 times the scale
    assert near.agreement > 0.7


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    return Diarizer.from_pretrained()


@pytest.fixture(scope="module")
def clips() -> list[Audio]:
    samples = load_audio(SAMPLE).samples
    return [Audio(samples[start : start + 40_000], 16_000) for start in range(0, 250_000, 20_000)]


def test_pieces_of_a_recording(diarizer: Diarizer) -> None:
    audio = Audio(np.tile(load_audio(SAMPLE).samples, 2), 16_000)
    whole = diarizer.speech(audio)
    assert len(whole) > 1
    track = diarizer(audio)
    assert track.speech is not None
    assert seconds_of(whole) == pytest.approx(track.speech.mean() * audio.duration, rel=0.05)
    assert diarizer.speech(Audio(np.zeros(16_000, np.float32), 16_000)) == []


def test_windows_of_a_minute_give_the_same_rows(diarizer: Diarizer) -> None:
    """A recording of 80 s, read in windows, against one window that holds it."""
    audio = load_audio(SAMPLE)
    features = diarizer.encoder(Audio(np.tile(audio.samples, 5)[: 80 * 16_000], 16_000))
    from sedtalker.emotion import inference

    rows = torch.cat(speech_of(diarizer.in_torch(), features))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "WINDOW_SECONDS", 100.0)
        at_once = torch.cat(speech_of(diarizer.in_torch(), features))
    assert rows.shape == at_once.shape
    assert torch.allclose(rows, at_once, atol=1e-3)


def test_saved_and_opened_again(diarizer: Diarizer, clips: list[Audio], tmp_path: Path) -> None:
    mine = diarizer.adapt(clips)
    assert mine.fit is not None
    assert mine.fit.pieces == 13
    mine.save(tmp_path / "mine")
    opened = Diarizer.from_pretrained(tmp_path / "mine")
    track, before, again = mine(clips[2]), diarizer(clips[2]), opened(clips[2])
    posterior, plain, read = (each.predicted.posterior for each in (track, before, again))
    assert np.abs(posterior - plain).max() > 0.02
    assert np.abs(posterior - read).max() < 0.01  # stored in half precision
    assert opened.licence == diarizer.licence
    config = read_config(tmp_path / "mine")
    assert config.held_out == config.metrics == {}
    card = (tmp_path / "mine/README.md").read_text()
    assert "sedtalker adapt" in card
    assert "13 recordings or parts of them" in card
    assert SAMPLE.stem not in card


def test_what_cannot_be_saved_or_adapted(diarizer: Diarizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 recordings with speech"):
        diarizer.adapt([np.zeros(16_000, np.float32)][:0])
    for gone in ("gone.wav", Path("gone.wav")):
        with pytest.raises(InputError, match=r"^gone\.wav: no such file$"):
            diarizer.adapt(gone)
        with pytest.raises(InputError, match=r"^gone\.wav: no such file$"):
            diarizer.voice(gone)
    for names in ({"labels": ["happy"]}, {"speakers": ["ann"]}):
        with pytest.raises(InputError, match="more labels or speakers than recordings, which are 0"):
            diarizer.adapt([], **names)
    with pytest.raises(InputError, match="strength 7: give 0 to 1"):
        diarizer.adapt([], strength=7.0)
    bare = Diarizer(diarizer.network, diarizer.encoder)
    with pytest.raises(InputError, match="only diarizers from a checkpoint"):
        bare.save(tmp_path / "x")
