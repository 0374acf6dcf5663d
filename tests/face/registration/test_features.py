"""Lid lines are those of the mesh, also where the landmarks of the eyes lie beside them."""

from __future__ import annotations

import numpy as np
import pytest

from sedtalker.face.builtin import load_face
from sedtalker.face.face import outer_eyes
from sedtalker.face.registration.features import Front, lid_line, look


@pytest.fixture(scope="module")
def front() -> Front:
    face = load_face()
    triangles = face.mesh.triangles
    skin, eyes = (face.regions[name][triangles].all(axis=1) for name in ("skin", "eyes"))
    return look(face.mesh.vertices, triangles[skin | eyes], skin[skin | eyes], face.marks)


@pytest.mark.parametrize("first", [36, 42])
@pytest.mark.parametrize("away", [-0.08, -0.05, 0.05])
def test_lids_beyond_the_box_of_their_landmarks_are_found(front: Front, first: int, away: float) -> None:
    """Large drawn eyes reached out of it, and one of the two was held to be shut."""
    marks = load_face().marks
    eye, outer = marks[first : first + 6], outer_eyes(marks)
    known, found = lid_line(front, eye, outer), lid_line(front, eye + (0.0, away * outer, 0.0), outer)
    assert known.found
    assert found.found
    for right, made in ((known.upper, found.upper), (known.lower, found.lower)):
        assert np.abs(made - right).max() < 0.01 * outer
