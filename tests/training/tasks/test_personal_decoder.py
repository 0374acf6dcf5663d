"""A personal decoder from takes that the built-in decoder made and an invented habit changed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.audio import SAMPLE_RATE, Audio, FrameClock, load_audio, resample_frames
from sedtalker.emotion.formats import constant_track
from sedtalker.errors import InputError
from sedtalker.export.arkit import COLUMNS, timecode
from sedtalker.face.arkit import ARKIT_52
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.corpora.tracked_motion import find_lag, read_takes
from sedtalker.training.loop import TrainerConfig, fit
from sedtalker.training.tasks.personal_decoder import PersonalDecoderTask

SAMPLE = Path(__file__).parents[3] / "data" / "samples" / "four_moods.wav"
JAW, SMILE = ARKIT_52.index("jawOpen"), ARKIT_52.index("mouthSmileLeft")


def write_take(folder: Path, name: str, sound: Audio, weights: np.ndarray, times: np.ndarray, lag: float) -> None:
    soundfile.write(folder / f"{name}.wav", sound.samples, SAMPLE_RATE)
    clock = FrameClock(60.0)
    at = clock.times(clock.frames(sound.duration))
    rows = resample_frames(weights, times, at - lag)
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([timecode(i), 61, *row, *([0.0] * 9)] for i, row in enumerate(rows.tolist()))


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six takes of an actor who opens the jaw wide, smiles on one side, and was tracked 60 ms late."""
    folder = tmp_path_factory.mktemp("takes")
    speech, encoder, decoder = load_audio(SAMPLE).samples, open_encoder(), open_model("decoder")
    for number in range(6):
        sound = Audio(speech[number * 3 * SAMPLE_RATE : (number + 1) * 3 * SAMPLE_RATE])
        features = encoder(sound)
        weights = decoder.predict(features, constant_track("neutral", sound.duration))
        weights[:, JAW] = np.clip(1.7 * weights[:, JAW], 0, 1)
        weights[:, SMILE] = np.clip(weights[:, SMILE] + 0.3, 0, 1)
        write_take(folder, f"take{number}", sound, weights, features.clock.times(len(features)), 0.06)
    return folder


def test_takes_are_read_and_their_lag_is_found(takes: Path) -> None:
    every = read_takes(takes)
    assert [take.name for take in every] == [f"take{i}" for i in range(6)]
    assert every[0].weights.shape == (180, 52)
    assert every[0].track.intensity.max() == 0.0
    task = PersonalDecoderTask({"seconds": 1.0}, takes, takes)
    task.prepare()
    lags = [heard.lag for heard in task.training]
    assert np.median(lags) == pytest.approx(0.06, abs=0.021)
    assert [heard.take.name for heard in task.held_out] == ["take3"]


def test_the_lag_of_a_shifted_curve() -> None:
    curve = np.convolve(np.random.default_rng(0).standard_normal(400), np.ones(9) / 9, "same")
    assert find_lag(np.roll(curve, 7), curve, 50.0) == pytest.approx(0.14)
    assert find_lag(np.zeros(400), curve, 50.0) == 0.0


def test_a_table_without_its_sound_is_noted(takes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in takes.glob("*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    every = read_takes(tmp_path)
    assert not caplog.messages
    every[0].audio.unlink()
    assert [take.name for take in read_takes(tmp_path)] == [take.name for take in every[1:]]
    assert caplog.messages == [f"{tmp_path / every[0].name}.csv: no sound of that name beside it, so it is no take"]


def test_takes_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sound files"):
        read_takes(tmp_path)
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000), SAMPLE_RATE)
    with pytest.raises(InputError, match=r"no a\.csv"):
        read_takes(tmp_path)
    write_take(tmp_path, "a", Audio(np.zeros(16_000, np.float32)), np.zeros((50, 52)), np.arange(50) / 50, 0.0)
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000), SAMPLE_RATE)
    with pytest.raises(InputError, match=r"3\.0 s of sound but 1\.0 s of tracking"):
        read_takes(tmp_path)


@pytest.mark.training
def test_it_takes_on_the_habit_and_keeps_obeying(takes: Path, tmp_path: Path) -> None:
    task = PersonalDecoderTask({"seconds": 1.2, "crops": 6}, takes, tmp_path)
    task.prepare()
    config = TrainerConfig(
        steps=60, run_dir=str(tmp_path), lr=1e-3, warmup=10, weight_decay=0.0, validate_every=60, accelerator="cpu"
    )
    figures = fit(task, config)
    assert figures["rmse"] < 0.7 * figures["start_rmse"]
    assert figures["rmse"] < figures["static_rmse"]
    personal, start = open_model(tmp_path / "export"), open_model("decoder")
    assert (personal.config.mouth_share, start.config.mouth_share) == (0.0, 0.5), "the mouth is the actor's own"
    heard = task.held_out[0]
    duration = heard.take.duration
    happy, neutral = (constant_track(text, duration) for text in ("happy:1.0", "neutral"))
    change = [
        float((d.predict(heard.features, happy) - d.predict(heard.features, neutral))[:, SMILE].mean())
        for d in (personal, start)
    ]
    assert change[1] > 0.1
    assert change[0] > 0.5 * change[1], "the track still moves the smile"
    assert "before fine-tuning" in (tmp_path / "export" / "README.md").read_text()
