"""Faces with damaged shapes are sound at rest, broken in motion, and called poor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from measures.damaged_shapes import DAMAGES, damaged_faces, verdicts_in_motion

from sedtalker.face.builtin import load_face
from tests.support.mouths import REPORT, without


def test_only_the_named_shapes_are_damaged() -> None:
    face = load_face("walter")
    faces = dict(damaged_faces(face))
    assert list(faces) == list(DAMAGES)
    for name, damaged in faces.items():
        changed = {
            shape for shape, k in face.shape_index.items() if not np.array_equal(damaged.basis[k], face.basis[k])
        }
        assert changed == set(DAMAGES[name][0])
        assert np.array_equal(damaged.mesh.vertices, face.mesh.vertices)


@pytest.mark.slow
def test_a_face_is_good_and_with_any_damaged_shape_it_is_not() -> None:
    face = without(load_face("walter"), ())
    verdicts = verdicts_in_motion([(face, replace(REPORT, landmark_confidence=0.6, blink_gap=0.2))], load_face())
    assert verdicts.pop(face.name) == "good"
    assert len(verdicts) == len(DAMAGES)
    assert set(verdicts.values()) == {"poor"}
