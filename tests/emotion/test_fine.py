"""Windows of the heads for fine-grained emotions, their curves, and a diarizer that has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedtalker import Audio, Diarizer
from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.emotion.diarizer_model import ROW
from sedtalker.emotion.fine import PIECE_ROWS, FineConfig, FineEmotions, pooled_windows
from sedtalker.emotion.network import FineNetwork
from sedtalker.emotion.track import EmotionTrack
from sedtalker.errors import InputError
from sedtalker.nn.engine import open_model
from sedtalker.speech.features import FRAME_CLOCK, MEL_BANDS, SpeechFeatures

CONFIG = FineConfig(kinds=("awe", "relief", "pain"), hidden_channels=5, seconds=1.0, width=8)


def channels(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((frames, 3)).astype(np.float32)
    return values, rng.random(frames) < 0.6


@given(st.integers(1, 150), st.integers(0, 20))
def test_a_row_holds_the_statistics_of_the_speech_in_its_window(frames: int, seed: int) -> None:
    values, speech = channels(frames, seed)
    rows, spoken = pooled_windows(values, speech, CONFIG)
    assert rows.shape == (-(-frames // ROW), 6)
    for k, row in enumerate(rows):
        inside = np.zeros(frames, bool)
        inside[max(0, k * ROW - 25) : k * ROW + 26] = True
        part = values[inside & speech]
        assert bool(spoken[k]) == bool(len(part))
        if len(part):
            wanted = [part.mean(0), part.std(0)]
            np.testing.assert_allclose(row, np.concatenate(wanted), atol=2e-3)
        else:
            assert not row.any()


def test_pieces_are_the_whole() -> None:
    values, speech = channels(300)
    whole, _ = pooled_windows(values, speech, CONFIG)
    parts = [pooled_windows(values, speech, CONFIG, first, first + 7)[0] for first in range(0, len(whole), 7)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


def features(frames: int, speech: np.ndarray) -> SpeechFeatures:
    rng = np.random.default_rng(0)
    shapes = {"mel": (frames, MEL_BANDS), "prosody": (frames, 4), "hidden": (frames, 5)}
    made = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return SpeechFeatures(**made, speech=speech, clock=FRAME_CLOCK)


def test_curves_are_probabilities_where_somebody_speaks() -> None:
    torch.manual_seed(0)
    frames = PIECE_ROWS * ROW + 300
    speech = np.arange(frames) < frames - 200
    curves = FineEmotions(FineNetwork(CONFIG).eval())(features(frames, speech))
    values = np.stack(list(curves.values()), 1)
    assert list(curves) == list(CONFIG.kinds)
    assert values.shape == (frames, 3)
    np.testing.assert_allclose(values[: frames - 300].sum(1), 1.0, atol=1e-5)
    assert not values[-50:].any()


def test_heads_of_another_encoder_are_refused(tmp_path: Path) -> None:
    stored = CheckpointConfig(
        kind="fine_emotions", licence="MIT", trained_on=[], model=CONFIG.model_dump(mode="json"), encoder_sha256="0"
    )
    write_checkpoint(tmp_path / "fine", stored, FineNetwork(CONFIG).state_dict(), "# Heads\n")
    assert open_model(tmp_path / "fine", "fine_emotions", in_torch=True).config == CONFIG
    with pytest.raises(InputError, match="trained on another encoder"):
        Diarizer.from_pretrained().with_fine(tmp_path / "fine")


def test_the_built_in_heads_give_a_track_thirty_curves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(32_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 180 * k * time) / k for k in range(1, 15)) * (1 + np.sin(2 * np.pi * 4 * time))
    sound = Audio((0.1 * voice + 1e-3 * rng.standard_normal(32_000)).astype(np.float32))
    plain = Diarizer.from_pretrained()
    track = plain.with_fine()(sound)
    assert len(track.extras) == 30
    assert plain.fine is None
    assert not plain(sound).extras
    assert all(len(curve) == len(track) for curve in track.extras.values())
    track.save(tmp_path / "t.json")
    again = EmotionTrack.load(tmp_path / "t.json")
    assert list(again.extras) == list(track.extras)
    for name, curve in track.extras.items():
        np.testing.assert_array_equal(again.extras[name], curve)
    half = track.at(track.times[::2])
    np.testing.assert_allclose(half.extras["awe"], track.extras["awe"][::2], atol=1e-6)
