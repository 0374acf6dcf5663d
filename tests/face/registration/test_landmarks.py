"""The landmark detector sees faces in plain geometry and nothing in anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.landmark_network import expected_points
from sedtalker.face.registration.pose import detect
from sedtalker.mesh.rasteriser import View, geometry_channels, rasterise, turn
from sedtalker.nn.engine import open_model
from sedtalker.training.corpora.landmark_samples import random_solids
from sedtalker.training.tasks.landmarks import load_reference_rig


def front_view(points: np.ndarray, yaw: float = 0.0, pitch: float = 0.0) -> View:
    outer = float(np.linalg.norm(points[45] - points[36]))
    return View(turn(yaw, pitch), points[[36, 45, 48, 54]].mean(0), 1.45 * outer)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (25, 0), (-25, 10), (0, -20)])
def test_landmarks_of_the_builtin_face(yaw: float, pitch: float) -> None:
    face = load_face()
    points = face.mesh.vertices[face.landmarks]
    view = front_view(points, yaw, pitch)
    channels = geometry_channels(view.project(face.mesh.vertices), face.mesh.triangles, 128)
    found = detect(open_model("landmarks"), channels[None])
    truth = view.project(points)[:, :2]
    outer = np.linalg.norm(truth[45] - truth[36])
    assert found.face[0] > 0.9
    assert np.linalg.norm(found.points[0, 17:] - truth[17:], axis=1).mean() / outer < 0.06


def test_solids_are_no_faces() -> None:
    rng = np.random.default_rng(5)
    pictures = []
    for _ in range(24):
        vertices, triangles = random_solids(rng)
        view = View(np.eye(3), vertices.mean(0), float(np.ptp(vertices, axis=0).max()) * 0.6)
        pictures.append(geometry_channels(view.project(vertices), triangles, 128))
    assert (detect(open_model("landmarks"), np.stack(pictures)).face > 0.5).mean() < 0.1


def test_inside_out_meshes_look_the_same() -> None:
    face = load_face()
    view = front_view(face.mesh.vertices[face.landmarks])
    projected = view.project(face.mesh.vertices)
    a = geometry_channels(projected, face.mesh.triangles, 64)
    b = geometry_channels(projected, face.mesh.triangles[:, ::-1], 64)
    assert np.allclose(a, b, atol=1e-3)


def test_front_triangle_wins() -> None:
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) * 0.5
    points = np.concatenate([np.c_[square, np.full(4, z)] for z in (0.1, 0.4)]).astype(np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    ids, depth = rasterise(points, triangles, 16)
    assert set(np.unique(ids)) == {-1, 2, 3}
    assert depth[8, 8] == pytest.approx(0.4, abs=1e-5)
    assert (ids[:4] == -1).all()


def test_turn_shows_the_subjects_left() -> None:
    left_ear = np.array([[1.0, 0, 0]])
    assert (left_ear @ turn(40).T)[0, 2] != pytest.approx(0)
    for angles in ((30, 0, 0), (0, 20, 0), (0, 0, 50), (10, 20, 30)):
        matrix = turn(*angles)
        assert np.allclose(matrix @ matrix.T, np.eye(3))
        assert np.linalg.det(matrix) == pytest.approx(1)


def test_expected_points_of_a_sharp_heatmap() -> None:
    heatmaps = torch.full((1, 1, 8, 8), -50.0)
    heatmaps[0, 0, 1, 6] = 50.0
    points, spread = expected_points(heatmaps)
    assert points[0, 0].tolist() == pytest.approx([1 - 3 / 8, 1 - 3 / 8], abs=1e-5)
    assert float(spread) == pytest.approx(0, abs=1e-3)


@pytest.mark.data
def test_reference_rig_loads_with_coarser_versions(data_dir: Path) -> None:
    rig = load_reference_rig(data_dir / "face" / "ict_lite.npz")
    counts = [len(topology) for topology in rig.topologies]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == 4
    assert len(rig.landmarks) == 68


def test_missing_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        open_model(tmp_path, "landmarks")
    assert "\n" not in str(error.value)
