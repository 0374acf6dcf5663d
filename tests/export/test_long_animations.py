"""Hours are worked on a part at a time; the parts must not show, nor take the memory of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from measures.machine import write_speech

from sedtalker.audio import Audio
from sedtalker.export import arkit, targets
from sedtalker.export.targets import choose_targets
from sedtalker.face import Face
from tests.support.memory import memory_watched


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """Coefficients (100, K) of the built-in face."""
    shapes = len(Face.builtin().shapes)
    return np.random.default_rng(0).uniform(0.0, 1.0, (100, shapes)).astype(np.float32)


def test_inner_products_are_summed_over_parts(monkeypatch: pytest.MonkeyPatch, motion: np.ndarray) -> None:
    whole = targets._products(motion)
    assert np.allclose(whole, motion.astype(np.float64).T @ motion, rtol=1e-12)
    monkeypatch.setattr(targets, "CHUNK", 7)
    assert np.allclose(targets._products(motion), whole, rtol=1e-12)


def test_what_targets_lose_is_summed_over_parts(monkeypatch: pytest.MonkeyPatch, motion: np.ndarray) -> None:
    """Beside vertices: the residual of the joined targets over all frames and vertices."""
    face = Face.builtin()
    chosen = choose_targets(face, motion)
    found = chosen.residual(face, motion)
    monkeypatch.setattr(arkit, "WINDOW", 7)
    assert chosen.residual(face, motion) == pytest.approx(found, rel=1e-9)
    few = slice(0, 10)
    vertices = np.tensordot(chosen.weights[few].astype(np.float64), chosen.offsets.astype(np.float64), axes=1)
    missed = vertices - np.tensordot(face.expand(motion[few]).astype(np.float64), face.basis.astype(np.float64), axes=1)
    error = arkit.motion_lost(face, motion[few], chosen.weights[few], chosen.parts)[0]
    assert error == pytest.approx(float(np.sqrt(np.square(missed).sum() / (10 * len(face.mesh.vertices)))), rel=1e-2)


def test_a_hash_takes_no_copy_of_the_sound() -> None:
    sound = Audio(np.zeros(8_000_000, np.float32))
    with memory_watched(4 * 2**20):
        assert len(sound.sha256) == 64


def test_an_hour_of_sound_is_written_part_by_part(tmp_path) -> None:
    write_speech(tmp_path / "short.wav", 1.0)
    with memory_watched(8 * 2**20):
        path = write_speech(tmp_path / "long.wav", 600.0)
    assert path.stat().st_size == 44 + 2 * 600 * 16_000
