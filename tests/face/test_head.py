from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from sedtalker.face.face import head_weights, turn_head
from tests.support.cube import cube_face
from tests.support.standing import PIVOT, standing


def test_the_head_follows_the_shoulders_do_not_and_the_neck_is_smooth() -> None:
    face = standing()
    weights, height = head_weights(face), face.mesh.vertices[:, 1]
    assert (weights[height > -0.075] == 1).all()
    assert (weights[height < -0.18] == 0).all()
    order = np.argsort(height)
    assert (np.diff(weights[order]) >= -1e-6).all()
    between = weights[(height < -0.1) & (height > -0.15)]
    assert len(between) > 0
    assert ((between > 0) & (between < 1)).all()


def test_without_landmarks_everything_follows() -> None:
    assert (head_weights(cube_face()) == 1).all()


def test_turning_is_rigid_where_the_weight_is_one() -> None:
    face = standing()
    turns = Rotation.from_rotvec([[0.1, 0.2, 0.0], [0.0, 0.0, 0.0]]).as_matrix()
    still = np.repeat(face.mesh.vertices[None], 2, axis=0)
    moved = turn_head(still, turns, PIVOT, head_weights(face))
    head = head_weights(face) == 1
    np.testing.assert_allclose(moved[0, head], (still[0, head] - PIVOT) @ turns[0].T + PIVOT, atol=1e-6)
    np.testing.assert_array_equal(
        moved[:, ~head & (head_weights(face) == 0)], still[:, ~head & (head_weights(face) == 0)]
    )
    np.testing.assert_allclose(moved[1], still[1], atol=1e-7)
