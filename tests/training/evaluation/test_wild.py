"""Measures of unseen talkers, on a made-up clip."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.spatial.transform import Rotation

from sedtalker.audio import SAMPLE_RATE, load_audio
from sedtalker.face.builtin import load_face
from sedtalker.metrics.motion import lip_aperture, lip_width
from sedtalker.nn.engine import open_model
from sedtalker.speech.encoder import open_encoder
from sedtalker.training.evaluation import wild
from sedtalker.training.evaluation.lips import steady_track

SAMPLE = Path(__file__).parents[3] / "data/samples/four_moods.wav"


def _turning(times: np.ndarray) -> np.ndarray:
    """(T, 4, 4) a head that turns to and fro once a second by ten degrees."""
    poses = np.tile(np.eye(4, dtype=np.float32), (len(times), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("y", 10 * np.sin(2 * np.pi * times)[:, None], degrees=True).as_matrix()
    return poses


def test_head_speed_is_that_of_a_turning_head() -> None:
    turns = Rotation.from_euler("y", (30.0 * np.arange(60) / 25.0)[:, None], degrees=True).as_matrix()
    assert wild._head_speed(1.7 * turns, 25.0) == pytest.approx(30.0, rel=0.05)


@pytest.mark.slow
def test_a_clip_that_moves_as_predicted_scores_one(tmp_path: Path) -> None:
    samples = load_audio(SAMPLE).samples[: 4 * SAMPLE_RATE]
    folder = tmp_path / "motion/wild"
    folder.mkdir(parents=True)
    soundfile.write(folder / "w01.opus", samples, SAMPLE_RATE, format="OGG", subtype="OPUS")
    (folder / "names.json").write_text(json.dumps({"blendshape_names": ["_neutral", "browInnerUp"]}))
    decoder, face = open_model("decoder"), load_face()
    net = open_encoder()
    features = net(load_audio(folder / "w01.opus"))
    moved = decoder.predict(features, steady_track("neutral", 0.0))
    rest = lip_aperture(face, 0.0 * moved[:1])[0]
    count = len(moved)
    lips = np.stack([lip_aperture(face, moved) - rest, lip_width(face, moved)], 1)
    own = features.clock.times(count)
    frames = np.arange(int(own[-1] * 50)) / 50.0
    tracked = np.stack([np.interp(frames, own, lips[:, column]) for column in range(2)], 1)
    np.savez(
        folder / "w01.npz",
        features=np.concatenate([tracked, np.zeros((len(frames), 6))], 1).astype(np.float32),
        ok=np.ones(len(frames), bool),
        fps=np.float32(50.0),
        head=_turning(frames),
        blendshapes=np.random.default_rng(0).random((len(frames), 2)).astype(np.float16),
    )
    found = wild.wild_metrics(decoder, face, net, tmp_path)
    assert found["lip_r_wild"] > 0.99
    assert found["lip_r_wild_w01"] == found["lip_r_wild"]
    assert found["lip_width_r_wild"] > 0.98
    assert found["amplitude_ratio_wild"] == pytest.approx(1.0, abs=0.1)
    assert found["amplitude_within_wild"] == 1.0
    assert found["lip_r_wild_shuffled"] < 0.8


def test_without_the_clips_there_are_no_figures(tmp_path: Path) -> None:
    assert wild.wild_metrics(open_model("decoder"), load_face(), open_encoder(), tmp_path) == {}
