"""A face that is not detected can still be found by its blend shapes."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.arrays import Floats
from sedtalker.errors import InputError
from sedtalker.face import fitting
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.fitting import BY_SHAPES, fit
from sedtalker.face.given_landmarks import LOCAL_SHAPES, shape_landmarks
from sedtalker.face.registration.pose import GivenLandmarks, Similarity
from sedtalker.face.registration.register import measured
from sedtalker.mesh.mesh import Scene, from_triangles
from sedtalker.progress import Hook
from sedtalker.training.corpora.landmark_samples import random_rotation


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def person() -> tuple[Floats, Floats, np.ndarray]:
    """Vertices, 52 offsets and landmarks of another person, turned, in millimetres."""
    face, turn = Face.builtin(seed=4), random_rotation(np.random.default_rng(0)).astype(np.float32)
    vertices = 1000.0 * face.mesh.vertices @ turn.T + np.float32(70)
    return vertices, 1000.0 * face.basis[:52] @ turn.T, vertices[face.landmarks]


def test_shapes_show_where_the_face_is(source: Face, person: tuple[Floats, Floats, np.ndarray]) -> None:
    vertices, offsets, truth = person
    given = shape_landmarks(vertices, dict(zip(ARKIT_52, offsets, strict=True)), source)
    assert given is not None
    outer = np.linalg.norm(truth[45] - truth[36])
    off = np.linalg.norm(given.points - truth, axis=1) / outer
    assert off[17:].mean() < 0.06
    assert off.max() < 0.2


def test_few_or_senseless_shapes_show_nothing(source: Face, person: tuple[Floats, Floats, np.ndarray]) -> None:
    vertices, offsets, _ = person
    named = dict(zip(ARKIT_52, offsets, strict=True))
    assert shape_landmarks(vertices, {name: named[name] for name in LOCAL_SHAPES[:5]}, source) is None
    rng = np.random.default_rng(1)
    scattered = {name: np.eye(1, len(vertices), rng.integers(len(vertices))).T * [1, 0, 0] for name in LOCAL_SHAPES}
    assert shape_landmarks(vertices, scattered, source) is None


@pytest.mark.slow
def test_what_no_detector_sees_is_fitted_by_them(
    source: Face, person: tuple[Floats, Floats, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vertices, offsets, truth = person
    asked: list[GivenLandmarks | None] = []

    def register(*_: object, given: GivenLandmarks | None = None, hook: Hook) -> object:
        asked.append(given)
        if given is None:
            raise InputError("no face found")
        return source, measured(source, source.mesh, Similarity(1.0, np.eye(3), np.zeros(3)), 0.0)

    monkeypatch.setattr(fitting, "register_cached", register)
    monkeypatch.setattr(fitting, "recognise", lambda *_: None)
    monkeypatch.setattr(fitting, "with_own_shapes", lambda face, report, *_: (face, report))
    mesh = from_triangles(vertices, Face.builtin(seed=4).mesh.triangles)
    _, report = fit(Scene(mesh, ARKIT_52, offsets), source, "unseen")
    assert report.warnings[0] == BY_SHAPES
    assert [given is None for given in asked] == [True, False]
    assert asked[1] is not None
    assert np.linalg.norm(asked[1].points[30] - truth[30]) < 20.0
    with pytest.raises(InputError, match="no face"):
        fit(Scene(mesh, ("Angry",), offsets[:1]), source, "unseen")
