"""The built-in decoder's figures on held-out speech of the training data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from sedtalker.checkpoint import CheckpointConfig, write_checkpoint
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.training.corpora.tracked_motion import TrackedClip, read_grid
from sedtalker.training.evaluation import decoder_measures
from sedtalker.training.evaluation.decoder_measures import evaluate_control, evaluate_decoder
from sedtalker.training.motion import open4d, spoken_motion

if TYPE_CHECKING:
    from sedtalker.animation.animator import AnyDecoder
    from sedtalker.training.evaluation.lips import TrackedSentence
    from sedtalker.training.motion.open4d import Parts


def some_of_the_talker(data: Path) -> list[TrackedClip]:
    """All test clips, and 100 of those that the network from phones to motion is trained on."""
    clips = read_grid(data)
    return [clip for clip in clips if clip.split == "test"] + [clip for clip in clips if clip.split == "train"][:100]


def test_a_decoder_of_vertices_has_other_figures(tmp_path: Path) -> None:
    """What it gives are coefficients of its own basis, no shapes of ARKit."""
    config = CheckpointConfig(kind="vertex_decoder", licence="MIT", trained_on=["nothing"], model={})
    write_checkpoint(tmp_path / "export", config, {}, "")
    with pytest.raises(InputError, match="a checkpoint of kind vertex_decoder; give one of kind decoder"):
        evaluate_decoder(tmp_path, tmp_path / "export")


@pytest.mark.filterwarnings("error")
def test_a_face_that_never_moves_has_plain_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(decoder_measures, "reference", lambda *arguments: rng.random((10, 52), np.float32))
    clip = cast("TrackedSentence", SimpleNamespace(features=None))
    still = cast("AnyDecoder", SimpleNamespace(predict=lambda features, track: np.zeros((10, 52), np.float32)))
    figures = evaluate_control(still, load_face(), cast("Parts", None), 2 * [clip], [clip])
    assert figures["intensity_rho"] == 0.0
    assert figures["control_accuracy"] == pytest.approx(1 / 6)
    assert np.isfinite(list(figures.values())).all()


@pytest.mark.data
@pytest.mark.slow
def test_decoder_figures(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a reference of read speech that is made of fewer clips, and compared on fewer."""
    pytest.importorskip("pocketsphinx")
    read = [clip for clip in open4d.read_speech_clips(data_dir) if clip.split == "test"][::10]
    monkeypatch.setattr(open4d, "read_speech_clips", lambda data: read)
    monkeypatch.setattr(decoder_measures, "READ_CLIPS", 10)
    monkeypatch.setattr(spoken_motion, "read_grid", some_of_the_talker)
    monkeypatch.setattr(spoken_motion, "train_phone_motion", partial(spoken_motion.train_phone_motion, steps=300))
    figures = evaluate_decoder(data_dir)
    assert figures["lip_r"] >= 0.86
    assert figures["lip_r"] > figures["lip_r_shuffled"] + 0.4
    assert figures["lip_r"] > figures["lip_r_energy"] + 0.3
    assert figures["lve_mm2"] < 0.5 * figures["static_lve_mm2"]
    assert figures["closure_rate"] > 0.9
    assert figures["closure_rate_worst_emotion"] > 0.8
    assert figures["false_closure_rate"] < 0.1
    assert figures["control_accuracy"] > 0.8
    assert figures["lip_leak"] < 0.15
    assert figures["lve_mm2"] < figures["shuffled_lve_mm2"]
    assert figures["controllability"] == 1.0
