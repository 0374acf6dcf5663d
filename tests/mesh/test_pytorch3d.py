"""PyTorch3D as a witness of our pictures of geometry, nearest spots and smoothness.

Its wheel (``easypytorch3d``) needs the CUDA build of torch 2.12: ``pip install "torch===2.12.0" easypytorch3d``.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sedtalker.face.builtin import load_face
from sedtalker.mesh.rasteriser import View, rasterise, turn
from sedtalker.mesh.surface import closest_spots, laplacian, triangle_normals

pytest.importorskip("pytorch3d._C", reason="PyTorch3D with its compiled part is not installed", exc_type=ImportError)
import torch
from pytorch3d.loss import mesh_laplacian_smoothing, mesh_normal_consistency
from pytorch3d.loss.point_mesh_distance import point_face_distance
from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
from pytorch3d.structures import Meshes


def head() -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """The skin of the built-in head."""
    mesh = load_face().mesh
    used, corners = np.unique(mesh.triangles, return_inverse=True)
    return mesh.vertices[used].astype(np.float64), corners.reshape(-1, 3).astype(np.int32)


def as_meshes(points: NDArray[np.floating], triangles: NDArray[np.int32]) -> Meshes:
    return Meshes([torch.tensor(points, dtype=torch.float32)], [torch.tensor(triangles.astype(np.int64))])


@pytest.mark.parametrize("yaw", [0.0, 40.0])
def test_the_same_triangles_are_in_front(yaw: float) -> None:
    points, triangles = head()
    view = View(turn(yaw), points.mean(axis=0), 0.16)
    projected, size = view.project(points), 192
    ids, depth = rasterise(projected, triangles, size)
    there = np.stack([-projected[:, 0], projected[:, 1], 4.0 - projected[:, 2]], axis=1)
    found, far, _, _ = rasterize_meshes(as_meshes(there, triangles), size, faces_per_pixel=1, bin_size=0)
    theirs, seen = found[0, ..., 0].numpy(), ids >= 0
    assert (seen == (theirs >= 0)).mean() > 0.9995  # centres of pixels on an edge
    both = seen & (theirs >= 0)
    assert (ids == theirs)[both].mean() > 0.995
    apart = np.abs(depth[both] - (4.0 - far[0, ..., 0].numpy()[both]))
    assert (apart < 1e-3).mean() > 0.98
    assert np.median(apart) < 1e-4  # PyTorch3D adds 1e-8 to the areas that it divides by


def test_the_nearest_spots_are_as_far_away() -> None:
    points, triangles = head()
    places = points[::7] + np.random.default_rng(0).normal(scale=0.01, size=points[::7].shape)
    points, places = 50.0 * points, 50.0 * places  # PyTorch3D takes areas below 1e-8 for none
    squared, _, _ = closest_spots(points, triangles, places)
    corners = torch.tensor(points[triangles], dtype=torch.float32)
    first = torch.zeros(1, dtype=torch.int64)
    theirs = point_face_distance(torch.tensor(places, dtype=torch.float32), first, corners, first, len(places), 0.0)
    np.testing.assert_allclose(theirs.numpy(), squared, atol=1e-5, rtol=1e-3)


def test_the_losses_of_smoothness_are_those_of_our_operators() -> None:
    points, triangles = head()
    meshes = as_meshes(points, triangles)
    bent = laplacian(len(points), triangles) @ points
    assert float(mesh_laplacian_smoothing(meshes)) == pytest.approx(np.linalg.norm(bent, axis=1).mean(), rel=1e-4)
    edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    owner = np.repeat(np.arange(len(triangles)), 3)[order]
    same = (np.diff(edges[order], axis=0) == 0).all(axis=1)
    sides = np.append(same, False), np.insert(same, 0, False)
    a, b = (triangle_normals(points, triangles)[owner[side]] for side in sides)
    assert float(mesh_normal_consistency(meshes)) == pytest.approx((1.0 - (a * b).sum(axis=1)).mean(), rel=0.02)
