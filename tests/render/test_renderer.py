from __future__ import annotations

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.mesh.mesh import Mesh, from_triangles, weld_map
from sedtalker.render import frame_head, make_renderer
from sedtalker.render.light import MATERIALS, part_of_group, to_linear, triangle_parts
from tests.support.ball import ball

GREEN = (0.0, 1.0, 0.0)


def test_a_picture_is_the_same_for_every_number_of_threads() -> None:
    mesh = ball()
    pictures = []
    for threads in (1, 2, 3, 1):
        with make_renderer(mesh, frame_head(mesh), 96, threads=threads) as renderer:
            renderer.render(mesh.vertices * np.float32(0.5))
            pictures.append(renderer.render(mesh.vertices))
    assert pictures[0].shape == (96, 96, 3)
    for other in pictures[1:]:
        np.testing.assert_array_equal(pictures[0], other)


def test_edges_are_smooth_and_the_background_keeps_its_colour() -> None:
    mesh = ball()
    with make_renderer(mesh, frame_head(mesh), 128, background=GREEN) as renderer:
        picture = renderer.render(mesh.vertices).astype(int)
    assert picture[0, 0].tolist() == [0, 255, 0]
    covered = picture[..., 0] > 0
    assert 0.4 < covered.mean() < 0.75
    middle = picture[64, 64]
    levels = {int(p[1]) for p in picture[64] if p[0] > 0 and p[1] > middle[1] + 10}
    assert levels, "no half-covered pixel at the edge"


def test_light_comes_from_the_upper_left_and_moves_with_the_camera() -> None:
    mesh = ball()
    for yaw in (0.0, 130.0):
        with make_renderer(mesh, frame_head(mesh, yaw=yaw), 128) as renderer:
            picture = renderer.render(mesh.vertices).astype(float).mean(axis=2)
        assert picture[44, 44] > picture[44, 84]
        assert picture[44, 44] > picture[84, 44]


def test_winding_does_not_matter() -> None:
    mesh = ball()
    inside_out = from_triangles(mesh.vertices, mesh.triangles[:, ::-1])
    pictures = []
    for either in (mesh, inside_out):
        with make_renderer(either, frame_head(mesh), 64) as renderer:
            pictures.append(renderer.render(mesh.vertices).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 2


def test_colours_can_change_from_frame_to_frame() -> None:
    mesh = ball()
    red = np.tile(np.float32([1, 0, 0]), (len(mesh.vertices), 1))
    with make_renderer(mesh, frame_head(mesh), 64) as renderer:
        plain, painted = renderer.render(mesh.vertices), renderer.render(mesh.vertices, red)
    assert painted[32, 32, 0] > 100 > 60 > painted[32, 32, 2]
    assert plain[32, 32, 2] > 60


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("l-eye", "eye"), ("EyeLeft", "eye"), ("head/Wolf3D_Teeth", "teeth"), ("eyelids", "skin"), ("Eyebrows", "hair"),
        ("lower-teeth", "teeth"), ("tongue", "tongue"), ("gums", "tongue"), ("mouth_socket", "mouth"), ("Grey", "skin"),
        ("eye_left", "eye"),
    ],
)  # fmt: skip
def test_parts_are_told_by_the_words_of_a_group_name(name: str, part: str) -> None:
    assert part_of_group(name) == part


def test_regions_tell_parts_where_groups_do_not() -> None:
    mesh = ball()
    teeth = mesh.vertices[:, 1] > 0.05
    parts = triangle_parts(mesh, {"teeth": teeth})
    assert (parts == list(MATERIALS).index("teeth")).sum() == teeth[mesh.triangles].all(axis=1).sum() > 0


def test_split_vertices_are_welded_unless_there_is_an_edge() -> None:
    flat = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    folded = flat.copy()
    folded[4] = (1, 0, 1)
    triangles = np.int32([[0, 1, 2], [3, 4, 5]])
    assert weld_map(from_triangles(flat, triangles)).tolist() == [0, 1, 2, 1, 4, 2]
    folded[[3, 5]] = folded[[1, 2]]
    assert weld_map(Mesh(folded, np.int32([3, 3]), np.int32([0, 1, 2, 3, 5, 4]))).tolist()[3] in (1, 3)


@pytest.mark.parametrize("size", [0, -5, 15, 9000, (512, 0)])
def test_impossible_sizes_are_refused(size: int | tuple[int, int]) -> None:
    mesh = ball()
    with pytest.raises(InputError, match="picture size"):
        make_renderer(mesh, frame_head(mesh), size)


def test_wrong_vertex_counts_are_refused() -> None:
    mesh = ball()
    with make_renderer(mesh, frame_head(mesh), 64) as renderer, pytest.raises(ValueError, match="vertices"):
        renderer.render(mesh.vertices[:-1])


def test_pictures_are_near_the_truth() -> None:
    """The renderer before (commit e1eb4a0) reached 47.42 and 39.82 dB here; see ``scripts/measure_renderer.py``."""
    mesh = ball(40)
    rng = np.random.default_rng(5)
    painted = rng.random(mesh.vertices.shape).astype(np.float32)
    for colours, least in ((None, 47.42), (painted, 42.0)):
        with make_renderer(mesh, frame_head(mesh), 96, "numba") as renderer:
            picture = renderer.render(mesh.vertices, colours).astype(float)
        with make_renderer(mesh, frame_head(mesh), 4 * 96, "numba") as renderer:
            large = renderer.render(mesh.vertices, colours)
        light = to_linear(large / 255).reshape(96, 4, 96, 4, 3).mean(axis=(1, 3))
        truth = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        assert 10 * np.log10(255**2 / np.mean((picture - truth) ** 2)) > least


def test_hidden_triangles_change_nothing() -> None:
    """What is seen from where the head never was is drawn all the same."""
    mesh = ball()
    turned = mesh.vertices * np.float32([-1, 1, -1])
    with make_renderer(mesh, frame_head(mesh), 96) as renderer:
        first = renderer.render(turned)
    again = from_triangles(turned, mesh.triangles)
    with make_renderer(again, frame_head(mesh), 96) as renderer:
        np.testing.assert_array_equal(first, renderer.render(turned))


@pytest.mark.parametrize("size", [(97, 61), (33, 203), (515, 20)])
def test_a_head_larger_than_an_odd_picture_fills_it(size: tuple[int, int]) -> None:
    mesh = ball()
    near = from_triangles(mesh.vertices * np.float32([60, 60, 1]), mesh.triangles)
    pictures = []
    for threads in (1, 3):
        with make_renderer(near, frame_head(mesh), size, background="transparent", threads=threads) as renderer:
            pictures.append(renderer.render(near.vertices))
    assert pictures[0].shape == (size[1], size[0], 4)
    assert (pictures[0][..., 3] == 255).all()
    np.testing.assert_array_equal(*pictures)


def test_what_was_drawn_before_leaves_no_trace() -> None:
    mesh = ball()
    with make_renderer(mesh, frame_head(mesh), (97, 80)) as renderer:
        first = renderer.render(mesh.vertices)
        renderer.render(mesh.vertices + np.float32([0.03, -0.02, 0]))
        np.testing.assert_array_equal(first, renderer.render(mesh.vertices))


def test_broken_vertices_are_left_out() -> None:
    mesh = ball()
    broken = mesh.vertices.copy()
    broken[::7] = np.nan
    broken[3::11] = np.inf
    flat = mesh.vertices * np.float32([1, 1e-9, 1])
    with make_renderer(mesh, frame_head(mesh), 64) as renderer:
        whole = renderer.render(mesh.vertices)
        renderer.render(broken)
        renderer.render(flat)
        np.testing.assert_array_equal(whole, renderer.render(mesh.vertices))
