from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.face.builtin import load_face
from sedtalker.render.camera import Camera, frame_head
from tests.support.ball import ball, figure
from tests.support.cube import cube_face


def test_a_point_at_the_target_is_in_the_middle_and_up_is_up() -> None:
    camera = Camera(position=(1.0, 2.0, 3.0), target=(0.0, 0.5, 0.0), fov=30, near=0.1, far=10)
    matrix = camera.projection(1.0) @ camera.view()
    middle = matrix @ [0, 0.5, 0, 1]
    above = matrix @ [0, 0.6, 0, 1]
    assert middle[:2] / middle[3] == pytest.approx([0, 0], abs=1e-12)
    assert above[1] / above[3] > 0
    assert middle[3] == pytest.approx(camera.distance)


def test_near_and_far_map_to_the_ends_of_the_depth_range() -> None:
    camera = Camera(position=(0, 0, 0), target=(0, 0, -1), near=0.5, far=4)
    for distance, depth in ((0.5, -1.0), (4.0, 1.0)):
        clip = camera.projection() @ [0, 0, -distance, 1]
        assert clip[2] / clip[3] == pytest.approx(depth)


def test_a_whole_figure_is_framed_at_its_head() -> None:
    camera = frame_head(figure())
    assert camera.target[1] == pytest.approx(-0.03, abs=0.06)
    assert 0.1 < camera.half_height < 0.25


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (40, 10), (-90, -20)])
def test_the_head_fits_the_picture_from_every_side(yaw: float, pitch: float) -> None:
    mesh = ball()
    camera = frame_head(mesh, yaw=yaw, pitch=pitch)
    clip = (
        np.concatenate([mesh.vertices, np.ones((len(mesh.vertices), 1))], 1) @ (camera.projection() @ camera.view()).T
    )
    inside = np.abs(clip[:, :3] / clip[:, 3:])
    assert inside.max() < 1.0
    assert inside[:, :2].max() > 0.7


@pytest.mark.parametrize("yaw", [0.0, 35.0, -90.0])
def test_a_narrow_picture_shows_all_of_the_head_and_others_are_as_square_ones(yaw: float) -> None:
    """Heads were cut at both sides, and ears while they turned."""
    face, aspect = load_face("mei"), 9 / 16
    camera = frame_head(face, yaw=yaw, aspect=aspect)
    head = face.mesh.vertices[face.mesh.vertices[:, 1] > face.pivot[1]]
    clip = np.c_[head, np.ones(len(head))] @ (camera.projection(aspect) @ camera.view()).T
    assert np.abs(clip[:, 0] / clip[:, 3]).max() < 0.95
    assert np.abs(clip[:, 1] / clip[:, 3]).max() < 1.0
    assert frame_head(face, yaw=yaw, aspect=16 / 9) == frame_head(face, yaw=yaw)


def test_units_do_not_matter() -> None:
    mesh = figure()
    small, large = frame_head(mesh.vertices), frame_head(mesh.vertices * 100)
    np.testing.assert_allclose(np.array(small.position) * 100, large.position, rtol=1e-4)


def test_landmarks_of_a_file_may_lie_anywhere() -> None:
    """A head with all its landmarks at one place, or upside down, is still framed."""
    face = cube_face()
    for places in (np.zeros(68, np.int32), np.arange(68, dtype=np.int32) % 8, np.full(68, 7, np.int32)):
        camera = frame_head(replace(face, landmarks=places))
        assert np.linalg.norm(np.subtract(camera.position, camera.target)) > 0.0
        assert 0.0 < camera.near < camera.far
        assert np.isfinite(camera.projection()).all()
