"""Pictures, opacity, normal maps, edges and backs of the user's materials, in both renderers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.animation.option_fields import Backend
from sedtalker.errors import InputError
from sedtalker.mesh.mesh import Material, Mesh
from sedtalker.render import Camera, frame_head, make_renderer
from sedtalker.render.light import Light, Lighting
from sedtalker.render.textures import levels_of, textures_of
from tests.support.ball import ball
from tests.support.cube import cube_mesh
from tests.support.painted import halves, joined, png, sheet

CAMERA = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), near=0.5, far=2.0)
FLAT = Lighting(
    lights=(Light(0.0, 0.0, (1.0, 1.0, 1.0), 0.5, specular=0.0),), sky=(0.3, 0.3, 0.3), ground=(0.3, 0.3, 0.3),
    shadow=0.0, occlusion=0.0,
)  # fmt: skip
GREEN = (0.0, 1.0, 0.0)
RED, BLUE, WHITE = (220, 20, 20), (20, 20, 220), (230, 230, 230)


PYRENDER = pytest.param("pyrender", marks=[pytest.mark.gl, pytest.mark.slow])
"""It compiles its shaders anew for every material, in a second or two."""


@pytest.fixture(scope="module", params=["numba", PYRENDER])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "pyrender":
        try:
            make_renderer(ball(), CAMERA, 32, "pyrender").close()
        except InputError as error:
            pytest.skip(str(error))
    return request.param  # type: ignore[no-any-return]


def drawn(mesh: Mesh, backend: Backend = "numba", camera: Camera = CAMERA, size: int = 64) -> np.ndarray:
    with make_renderer(mesh, camera, size, backend, background=GREEN, lighting=FLAT) as renderer:
        return renderer.render(mesh.vertices).astype(int)


def test_a_picture_lies_upright_on_the_mesh(backend: Backend) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8, :8], pixels[:8, 8:], pixels[8:, :8], pixels[8:, 8:] = RED, BLUE, WHITE, (20, 20, 20)
    picture = drawn(sheet(Material("m", texture=png(pixels))), backend)
    red, blue, white, black = picture[24, 24], picture[24, 40], picture[40, 24], picture[40, 40]
    assert red[0] > 3 * red[2]
    assert blue[2] > 3 * blue[0]
    assert white.min() > 100
    assert black.max() < 60


def test_colours_for_one_frame_win_over_the_picture(backend: Backend) -> None:
    mesh = sheet(Material("m", texture=halves(RED, BLUE)))
    white = np.ones_like(mesh.vertices)
    with make_renderer(mesh, CAMERA, 64, backend, lighting=FLAT) as renderer:
        shown = renderer.render(mesh.vertices, white).astype(int)
        again = renderer.render(mesh.vertices).astype(int)
    assert np.ptp(shown[32, 32]) < 10
    assert again[32, 24, 0] > 3 * again[32, 24, 2]


def test_what_is_cut_out_shows_what_is_behind(backend: Backend) -> None:
    behind = sheet(Material("back", texture=halves(WHITE, WHITE)))
    hole = Material("front", alpha="MASK", texture=halves((*RED, 255), (*RED, 0)))
    picture = drawn(joined(behind, sheet(hole, 0.01)), backend)
    assert picture[32, 24, 0] > 3 * picture[32, 24, 2]
    assert picture[32, 40].min() > 100


def test_half_opaque_is_half_of_both(backend: Backend) -> None:
    behind = sheet(Material("back", texture=halves(WHITE, WHITE)))
    glass = Material("front", (1.0, 1.0, 1.0, 0.5), alpha="BLEND", texture=halves((20, 20, 20), (20, 20, 20)))
    whole = drawn(behind, backend)[24:40, 24:40].mean()
    through = drawn(joined(behind, sheet(glass, 0.01)), backend)[24:40, 24:40].mean()
    assert 0.45 * whole < through < 0.85 * whole


def test_only_a_hole_to_the_background_is_transparent(backend: Backend) -> None:
    """What is half transparent before the head must not let the background through."""
    behind = sheet(Material("back", texture=halves(WHITE, WHITE)))
    glass = Material("front", (1.0, 1.0, 1.0, 0.5), alpha="BLEND", texture=halves(WHITE, WHITE))
    mesh = joined(behind, sheet(glass, 0.01))
    with make_renderer(mesh, CAMERA, 64, backend, background="transparent") as renderer:
        assert renderer.render(mesh.vertices)[24:40, 24:40, 3].min() >= 254


@pytest.mark.parametrize(("tilt", "brighter"), [(0.4, "left"), (-0.4, "right")])
def test_a_normal_map_turns_the_surface_to_the_light(backend: Backend, tilt: float, brighter: str) -> None:
    bump = np.array([-tilt, 0.0, 1.0]) / np.hypot(tilt, 1.0)
    picture = np.round((bump * 0.5 + 0.5) * 255).astype(np.uint8)
    mesh = sheet(Material("m", normal=png(np.tile(picture, (8, 8, 1))), texture=halves(WHITE, WHITE)))
    from_left = replace(FLAT, lights=(Light(-50.0, 0.0, (1.0, 1.0, 1.0), 0.5, specular=0.0),))
    brightness = []
    for shown in (mesh, replace(mesh, materials=(replace(mesh.materials[0], normal=None),))):  # type: ignore[type-var]
        with make_renderer(shown, CAMERA, 64, backend, lighting=from_left) as renderer:
            brightness.append(renderer.render(shown.vertices)[24:40, 24:40].mean())
    assert (brightness[0] > brightness[1] + 3) == (brighter == "left")


def test_one_sided_cards_are_not_there_from_behind(backend: Backend) -> None:
    head = ball()
    card = sheet(Material("card", texture=halves(RED, RED), double_sided=False), 0.15, cells=2)
    whole = joined(replace(sheet(Material("skin")), **head_of(head)), card)
    mesh = replace(whole, group_names=("skin", "hair"))
    back = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), near=0.1, far=3.0)
    inside = replace(back, position=(0.0, 0.0, -1.0))
    front, behind = drawn(mesh, backend, back), drawn(mesh, backend, inside)
    assert front[32, 32, 0] > 3 * front[32, 32, 2]  # the card
    away = [drawn(mesh, backend, inside)[4, 4]]
    assert behind[12, 12].tolist() == [0, 255, 0], away  # beside the ball, where the card's back would be


def head_of(mesh: Mesh) -> dict[str, np.ndarray]:
    """The arrays of a ball, in place of a sheet's."""
    return {
        "vertices": mesh.vertices,
        "polygon_sizes": mesh.polygon_sizes,
        "polygon_vertices": mesh.polygon_vertices,
        "uvs": np.zeros((1, 2), np.float32),
        "polygon_uvs": np.zeros_like(mesh.polygon_vertices),
        "polygon_groups": np.zeros_like(mesh.polygon_sizes),
    }


@pytest.mark.parametrize("turned", [False, True])
def test_the_inside_of_a_head_is_dark(backend: Backend, turned: bool) -> None:
    whole = ball()
    front = whole.vertices[whole.triangles].mean(axis=1)[:, 2] > 0.07
    triangles = whole.triangles[~front][:, ::-1] if turned else whole.triangles[~front]
    opened = replace(
        whole,
        polygon_sizes=np.full(len(triangles), 3, np.int32),
        polygon_vertices=np.ascontiguousarray(triangles).reshape(-1),
        colours=np.full_like(whole.vertices, 0.8),
    )
    picture = drawn(opened, backend, frame_head(whole), 96)
    assert picture[48, 48].max() < 90  # through the hole
    assert picture[11, 48].max() > 110  # its rim


def test_edges_of_the_file_are_edges_in_the_picture() -> None:
    smooth = replace(cube_mesh(), colours=np.full((8, 3), 0.8, np.float32), group_names=(), polygon_groups=None)
    flat = replace(smooth, polygon_smoothing=np.repeat(np.arange(6, dtype=np.int32), 4))
    camera = Camera((3.0, 2.0, 6.0), (0.0, 0.0, 0.0), near=1.0, far=12.0)
    colours = []
    for mesh in (smooth, flat):
        with make_renderer(mesh, camera, 96) as renderer:
            picture = renderer.render(mesh.vertices)
        patch = picture[44:60, 36:52].astype(float)  # of one side
        colours.append(float(np.ptp(patch.mean(axis=2))))
    assert colours[1] < 0.4 * colours[0]


@settings(max_examples=8)
@given(st.integers(-3, 3), st.integers(-3, 3))
def test_pictures_repeat(right: int, up: int) -> None:
    mesh = sheet(Material("m", texture=halves(RED, BLUE)))
    assert mesh.uvs is not None
    moved = replace(mesh, uvs=(mesh.uvs + np.float32([right, up])).astype(np.float32))
    np.testing.assert_allclose(textures_of(moved).looks.uvs, textures_of(mesh).looks.uvs, atol=1e-5)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_halves_of_a_plain_picture_are_plain(width: int, height: int, value: int) -> None:
    levels = levels_of(png(np.full((height, width, 3), value)), srgb=True)
    assert levels[-1].shape[:2] == (1, 1)
    for level in levels:
        assert np.abs(level[..., :3].astype(int) - value).max() <= 1
        assert level[..., 3].min() == 255


@pytest.mark.parametrize("broken", [b"", b"no picture", b"\x89PNG\r\n\x1a\nbroken"])
def test_a_broken_picture_is_left_out(broken: bytes) -> None:
    mesh = sheet(Material("m", texture=broken, normal=broken))
    assert not textures_of(mesh).painted.any()
    assert drawn(mesh)[32, 32].min() > 80
