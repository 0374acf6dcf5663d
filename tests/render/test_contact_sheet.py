from __future__ import annotations

import numpy as np

from sedtalker.face.builtin import load_face
from sedtalker.render.contact_sheet import contact_sheet, every_shape, landmark_picture, tile


def test_every_shape_is_on_the_sheet_once_with_both_sides() -> None:
    face = load_face()
    poses = every_shape(face)
    assert next(iter(poses)) == "neutral"
    named = [name for weights in poses.values() for name in weights]
    assert {"mouthSmile", "jawLeft", "jawRight", "tongueOut", "browInnerUp"} <= set(named)
    assert len(poses) == 1 + 34 + len(face.shapes) - 52
    assert poses["mouthClose + jawOpen"] == {"mouthClose": 1.0, "jawOpen": 1.0}


def test_a_sheet_has_a_picture_and_a_label_for_each_pose() -> None:
    face = load_face()
    sheet = contact_sheet(face, {"rest": {}, "smile": {"mouthSmile": 1.0}, "jaw": {"jawOpen": 1.0}}, size=64, columns=2)
    assert sheet.shape[1] == 2 * 66 + 2
    first, second = sheet[2:66, 2:66].astype(int), sheet[2:66, 68:132].astype(int)
    assert np.abs(first - second).max() > 20
    assert (sheet[66:80, 2:66] < 120).any(), "the label is missing"


def test_the_last_row_may_be_short() -> None:
    pictures = [np.full((32, 32, 3), shade, np.uint8) for shade in (0, 80, 160)]
    assert tile(pictures, ["a", "b", "c"], 2).shape == tile(pictures + pictures[:1], list("abcd"), 2).shape


def test_all_landmarks_of_a_long_chin_are_in_the_picture() -> None:
    """As on animals: mouth and chin lay below the picture. The point of the chin is green, which nothing else is."""
    face = load_face("mei")
    points = face.mesh.vertices[face.landmarks].copy()
    points[8] += (0.0, -0.15, 0.0)
    size = 128
    picture = landmark_picture(face.mesh, points, size).astype(int)
    red, green, blue = picture[:size].transpose(2, 0, 1)
    rows = np.flatnonzero(((green > red + 40) & (green > blue + 10)).any(axis=1))
    assert 0.9 * size < rows.max(initial=0) < size - 1
