from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.render.camera import Camera, orthographic_matrix
from tests.support.ball import ball
from tests.support.id_buffer import rasterise_ids

SQUARE = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
HALVES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_an_orthographic_square_covers_every_pixel_once() -> None:
    buffer = rasterise_ids(SQUARE, HALVES, orthographic_matrix((0, 0, 0), 1.0, 2.0), 33)
    assert (buffer.triangle >= 0).all()
    assert set(np.unique(buffer.triangle)) == {0, 1}
    np.testing.assert_allclose(buffer.depth, 0.0, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_weights_give_back_the_place_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = Camera(position=(0.2, 0.1, 0.8), target=(0, 0, 0), fov=25, near=0.1, far=3)
    matrix = camera.projection() @ camera.view()
    vertices = (ball(12).vertices + rng.normal(scale=0.004, size=(144, 3))).astype(np.float32)
    triangles = ball(12).triangles
    buffer = rasterise_ids(vertices, triangles, matrix, 64)
    rows, columns = np.nonzero(buffer.triangle >= 0)
    assert len(rows) > 500
    corners = vertices[triangles[buffer.triangle[rows, columns]]]
    points = np.einsum("pk,pki->pi", buffer.barycentric[rows, columns], corners)
    clip = np.concatenate([points, np.ones((len(points), 1))], 1) @ matrix.T
    np.testing.assert_allclose((clip[:, 0] / clip[:, 3] + 1) * 32, columns + 0.5, atol=1e-2)
    np.testing.assert_allclose((1 - clip[:, 1] / clip[:, 3]) * 32, rows + 0.5, atol=1e-2)
    np.testing.assert_allclose(clip[:, 3], buffer.depth[rows, columns], rtol=1e-4)


def test_the_nearer_triangle_wins_and_empty_stays_empty() -> None:
    vertices = np.concatenate([SQUARE * 0.5, SQUARE * 0.25 + np.float32([0, 0, 0.5])]).astype(np.float32)
    triangles = np.concatenate([HALVES, HALVES + 4])
    buffer = rasterise_ids(vertices, triangles, orthographic_matrix((0, 0, 0), 1.0, 2.0), (40, 20))
    assert buffer.triangle.shape == (20, 40)
    assert set(np.unique(buffer.triangle[8:12, 18:22])) <= {2, 3}
    assert buffer.triangle[0, 0] == -1
    assert np.isinf(buffer.depth[0, 0])


def test_a_closed_surface_has_no_holes() -> None:
    mesh = ball(64)
    camera = Camera(position=(0, 0, 1), target=(0, 0, 0), fov=16, near=0.5, far=2)
    seen = rasterise_ids(mesh.vertices, mesh.triangles, camera.projection() @ camera.view(), 301).triangle >= 0
    for row in seen[20:-20]:
        columns = np.flatnonzero(row)
        assert len(columns) == 0 or row[columns[0] : columns[-1] + 1].all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 1e30])
def test_broken_vertices_are_dropped(broken: float) -> None:
    vertices = SQUARE.copy()
    vertices[3] = broken
    buffer = rasterise_ids(vertices, HALVES, orthographic_matrix((0, 0, 0), 1.0, 2.0), 32)
    assert set(np.unique(buffer.triangle)) == {-1, 0}
