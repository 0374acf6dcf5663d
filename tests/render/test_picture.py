from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sedtalker.errors import InputError
from sedtalker.render import Portrait, Standing, frame_head, make_renderer
from sedtalker.render.picture import VIEWPOINTS, picture_size, read_background, viewpoint
from sedtalker.render.shading import backdrop
from tests.support.ball import ball


@given(st.integers(16, 8192), st.integers(16, 8192))
def test_sizes_are_read_back(width: int, height: int) -> None:
    assert picture_size(f"{width}x{height}") == picture_size((width, height)) == (width, height)
    assert picture_size(str(width)) == picture_size(width) == (width, width)


@pytest.mark.parametrize("size", ["", "x", "512x", "big", "0", "15", "9000x512", "-5", "5.5", "1x2x3", "999999999"])
def test_sizes_that_are_none_are_one_line(size: str) -> None:
    with pytest.raises(InputError, match="picture size") as caught:
        picture_size(size)
    assert "\n" not in str(caught.value)


def test_cameras_have_names_and_files(tmp_path: Path) -> None:
    assert viewpoint("front").of(ball()) == frame_head(ball())
    assert viewpoint("left").of(ball()) == frame_head(ball(), yaw=90.0)
    assert viewpoint("right").of(ball()).position[0] == pytest.approx(-viewpoint("left").of(ball()).position[0])
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"yaw": 20, "pitch": -10, "zoom": 1.5}))
    assert viewpoint(str(path)) == Portrait(20.0, -10.0, zoom=1.5)
    path.write_text(json.dumps({"position": [0, 0.1, 1], "target": [0, 0, 0], "fov": 30}))
    standing = viewpoint(str(path))
    assert standing == Standing((0.0, 0.1, 1.0), (0.0, 0.0, 0.0), fov=30.0)
    camera = standing.of(ball())
    assert camera.near < camera.distance - 0.1 < camera.distance + 0.1 < camera.far
    with make_renderer(ball(), camera, 64, "numba", background=(0, 0, 0)) as renderer:
        assert renderer.render(ball().vertices)[32, 32].min() > 60


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}x", "JSON"),
        ('{"yaw": 400}', "yaw"),
        ('{"zoom": "near"}', "zoom"),
        ('{"turn": 3}', "turn"),
        ('{"position": [0, 0, 1]}', "target"),
        ('{"position": [0, 0, 1], "target": [0, 0, 1]}', "one line"),
        ('{"position": [0, 2, 0], "target": [0, 1, 0]}', "one line"),
        ('{"position": [0, 0, NaN], "target": [0, 1, 0]}', "position"),
    ],
)
def test_a_broken_camera_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint) as caught:
        viewpoint(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_unknown_cameras_list_those_there_are() -> None:
    with pytest.raises(InputError, match=", ".join(VIEWPOINTS)):
        viewpoint("behind")
    with pytest.raises(InputError, match="no such camera file"):
        viewpoint("nowhere.json")


def test_backgrounds_are_colours_two_colours_or_nothing() -> None:
    assert read_background("white") == (1.0, 1.0, 1.0)
    assert read_background("#336699") == pytest.approx((0.2, 0.4, 0.6))
    assert read_background("rgb(255, 0, 0)") == (1.0, 0.0, 0.0)
    assert read_background("black, white") == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert read_background("transparent") == "transparent"
    assert read_background(None) is None


def test_a_picture_fills_what_is_behind(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "wall.png")
    behind = read_background(str(tmp_path / "wall.png"))
    mesh = ball()
    with make_renderer(mesh, frame_head(mesh), (64, 64), "numba", background=behind) as renderer:
        picture = renderer.render(mesh.vertices)
    assert picture[0, 2].tolist() == [0, 0, 0]
    assert picture[0, 61].tolist() == [0, 0, 255]
    assert backdrop(behind, 30, 50).shape == (50, 30, 3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("blurple", "give a colour"),
        ("a,b,c", "two with a comma"),
        ("gone.png", "no such picture"),
        ("", "give a colour"),
    ],
)
def test_backgrounds_that_are_none_are_one_line(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_background(text)


def test_a_photo_is_upright_and_clear_parts_are_white(tmp_path: Path) -> None:
    """A phone says in EXIF how it was held; a logo keeps any colour where it is transparent."""
    photo = Image.new("RGB", (8, 4))
    turned = photo.getexif()
    turned[274] = 6  # orientation: to be turned by 90 degrees
    photo.save(tmp_path / "photo.png", exif=turned)
    Image.new("RGBA", (8, 4), (0, 0, 0, 0)).save(tmp_path / "logo.png")
    upright, logo = (read_background(str(tmp_path / name)) for name in ("photo.png", "logo.png"))
    assert np.shape(upright) == (8, 4, 3)
    assert np.min(logo) == 255


def test_a_damaged_picture_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "wall.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(InputError, match="not a picture"):
        read_background(str(tmp_path / "wall.png"))
