"""A face: its mesh, its linear shapes and correctives, and how its head turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sedtalker.face.arkit import ARKIT_52, ict_to_arkit
from sedtalker.face.face import Corrective, Face, head_weights, turn_head
from sedtalker.mesh.mesh import Mesh, vertex_normals
from tests.support.cube import cube_face, cube_mesh
from tests.support.standing import PIVOT, standing


def test_polygons_are_fanned_in_order() -> None:
    mesh = Mesh(np.zeros((9, 3), np.float32), np.array([3, 5, 4], np.int32), np.arange(12, dtype=np.int32) % 9)
    assert mesh.corner_triangles.tolist() == [[0, 1, 2], [3, 4, 5], [3, 5, 6], [3, 6, 7], [8, 9, 10], [8, 10, 11]]
    assert mesh.triangle_polygons.tolist() == [0, 1, 1, 1, 2, 2]


def test_normals_of_a_cube_point_outward() -> None:
    mesh = cube_mesh()
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, rtol=1e-5)
    assert (np.einsum("vi,vi->v", normals, mesh.vertices) > 1.0).all()


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_frame_is_the_neutral_plus_a_mix_of_shapes_and_their_corrective(jaw: float, close: float) -> None:
    face = cube_face()
    frame = face.deform(np.array([[jaw, close]]))[0]
    expected = face.mesh.vertices + jaw * face.basis[0] + close * face.basis[1] + jaw * close * face.basis[2]
    np.testing.assert_allclose(frame, expected, atol=1e-6)


def test_a_face_without_shapes_keeps_still() -> None:
    still = replace(cube_face(), shapes=(), basis=cube_face().basis[:0], correctives=())
    np.testing.assert_array_equal(still.deform(np.zeros((2, 0)))[1], still.mesh.vertices)
    assert still.gram.shape == (0, 0)


def test_a_corrective_of_one_shape_peaks_half_way() -> None:
    cube = cube_face()
    face = Face(cube.name, cube.mesh, cube.shapes, cube.basis, (Corrective("half", ("jawOpen",), gain=2.0),))
    expanded = face.expand(np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(expanded[:, 2], [0.0, 2.0, 0.0])


def test_shapes_and_basis_must_agree() -> None:
    cube = cube_face()
    with pytest.raises(ValueError, match="basis has shape"):
        Face(cube.name, cube.mesh, cube.shapes, cube.basis)
    with pytest.raises(ValueError, match="coefficients"):
        cube.deform(np.zeros((3, 5)))


def test_arkit_names() -> None:
    assert len(ARKIT_52) == len(set(ARKIT_52)) == 52
    assert ict_to_arkit("browDown_L") == "browDownLeft"
    assert ict_to_arkit("browInnerUp_R") == "browInnerUp"
    assert ict_to_arkit("jawOpen") == "jawOpen"


def test_a_corrective_beyond_another_shape_counts_the_excess() -> None:
    cube = cube_face()
    beyond = Corrective("closed", ("mouthClose", "jawOpen"), beyond=True)
    face = Face(cube.name, cube.mesh, cube.shapes, cube.basis, (beyond,))
    rows = np.array([[0.0, 1.0], [0.4, 1.0], [0.5, 0.5], [1.0, 0.2]], np.float32)
    assert np.allclose(face.expand(rows)[:, 2], [1.0, 0.6, 0.0, 0.0])


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
