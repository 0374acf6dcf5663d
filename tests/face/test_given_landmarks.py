"""Landmarks given by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.given_landmarks import NAMES, given_landmarks
from sedtalker.mesh.mesh import Mesh
from sedtalker.training.corpora.landmark_samples import random_rotation

FEW = ("right_eye_outer", "left_eye_outer", "nose_tip", "mouth_right", "mouth_left", "chin", "nose_bridge")


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def reference(source: Face) -> np.ndarray:
    return source.mesh.vertices[source.landmarks].astype(np.float64)


@pytest.fixture(scope="module")
def turned(source: Face) -> Mesh:
    turn = random_rotation(np.random.default_rng(1))
    return source.mesh.with_vertices((30.0 * source.mesh.vertices @ turn.T + (1, 2, 3)).astype(np.float32))


def written(folder: Path, content: Any) -> Path:
    path = folder / "points.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_all_68_are_taken_as_they_are(tmp_path: Path, source: Face, reference: np.ndarray, turned: Mesh) -> None:
    points = turned.vertices[source.landmarks].astype(float)
    for content in ({"landmarks": points.tolist()}, {"file": "x", "face": {"landmarks": points.tolist()}}):
        given = given_landmarks(written(tmp_path, content), turned, reference)
        np.testing.assert_allclose(given.points, points)
        assert given.confidence.tolist() == [1.0] * 68


def test_a_few_named_ones_place_the_others(tmp_path: Path, source: Face, reference: np.ndarray, turned: Mesh) -> None:
    truth = turned.vertices[source.landmarks].astype(float)
    named = {name: truth[NAMES[name]].tolist() for name in FEW} | {"39": truth[39].tolist(), "chin": truth[8].tolist()}
    given = given_landmarks(written(tmp_path, {"landmarks": named}), turned, reference)
    np.testing.assert_allclose(given.points, truth, atol=0.01)  # 0.3 mm: the same person
    assert (given.confidence == 1.0).sum() == len(FEW) + 1


def test_neighbours_follow_a_landmark_that_is_elsewhere(tmp_path: Path, reference: np.ndarray, source: Face) -> None:
    named = {name: reference[NAMES[name]].tolist() for name in FEW}
    named["mouth_right"][1] -= 0.01
    given = given_landmarks(written(tmp_path, {"landmarks": named}), source.mesh, reference)
    assert given.points[48].tolist() == pytest.approx(named["mouth_right"])
    assert given.points[60, 1] < reference[60, 1] - 0.003
    assert abs(given.points[45, 1] - reference[45, 1]) < 1e-9


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[" * 5000, "nested more than"),
        ([], "68 points, or points by name"),
        ({"landmarks": [[0, 0, 0]] * 67}, "68 points"),
        ({"landmarks": {"nose": [0, 0, 0]}}, "no landmark 'nose'"),
        ({"landmarks": {"nose_tip": [0, 0]}}, "nose_tip is no point"),
        ({"landmarks": {"nose_tip": [0, 0, float("inf")]}}, "not finite"),
        ({"landmarks": {"nose_tip": [0, 0, 0]}}, "1 landmarks are too few"),
        ({"landmarks": {name: [float(k), 0.0, 0.0] for k, name in enumerate(FEW)}}, "on one line"),
        ({"face": None}, "68 points"),
    ],
)
def test_what_is_no_file_of_landmarks_is_one_line(
    tmp_path: Path, source: Face, reference: np.ndarray, content: Any, complaint: str
) -> None:
    with pytest.raises(InputError) as error:
        given_landmarks(written(tmp_path, content), source.mesh, reference)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_left_for_right_and_another_unit_are_told(tmp_path: Path, source: Face, reference: np.ndarray) -> None:
    mirrored = {name: (reference[k] * (-1, 1, 1)).tolist() for name, k in NAMES.items()}
    with pytest.raises(InputError, match="subject's own"):
        given_landmarks(written(tmp_path, {"landmarks": mirrored}), source.mesh, reference)
    metres = {name: reference[k].tolist() for name, k in NAMES.items()}
    big = source.mesh.with_vertices(100.0 * source.mesh.vertices)
    with pytest.raises(InputError, match="off the mesh"):
        given_landmarks(written(tmp_path, {"landmarks": metres}), big, reference)
    with pytest.raises(InputError, match="no such file"):
        given_landmarks(tmp_path / "none.json", big, reference)
