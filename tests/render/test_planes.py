from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sedtalker.arrays import Floats, Ints
from sedtalker.render.coverage import SAMPLES
from sedtalker.render.kernels import inner_kernel
from sedtalker.render.planes import FIRST, INSIDE, WIDTH, add_plane, add_planes, make_plane


@inner_kernel
def shown(corners: Floats, inner: int, x: np.float32, y: np.float32, planes: Floats, seen: Floats) -> None:
    """What the triangle 0, 1, 2 shows at (x, y)."""
    make_plane(planes, 0, corners, 0, 1, 2, inner)
    add_plane(planes, 0, x, y, seen, 0, True)  # type: ignore[call-arg]


@inner_kernel
def together(corners: Floats, triangles: Ints, slots: Ints, planes: Floats, seen: Floats) -> None:
    """What four triangles show at the samples of pixel (5, 3): one after another, and at once."""
    for t in range(len(triangles)):
        make_plane(planes, t, corners, triangles[t, 0], triangles[t, 1], triangles[t, 2], 0)
        slots[t] = t
    for s in range(len(SAMPLES)):
        x, y = np.float32(5.0) + SAMPLES[s, 0], np.float32(3.0) + SAMPLES[s, 1]
        add_plane(planes, slots[s], x, y, seen, 0, s == 0)  # type: ignore[call-arg]
    add_planes(planes, slots, slots, np.float32(5.0), np.float32(3.0), seen, 1)  # type: ignore[call-arg]


def room() -> tuple[Floats, Floats]:
    return np.full((4, 3, WIDTH), np.nan, np.float32), np.full((2, WIDTH), np.nan, np.float32)


def triangle(rng: np.random.Generator, area: float) -> tuple[Floats, Floats]:
    """Packed corners and the (3, 6) normals and colours that they stand for; ``area`` is twice the triangle's."""
    while True:
        places = rng.uniform(0, 60, (3, 2))
        (bx, by), (cx, cy) = places[1] - places[0], places[2] - places[0]
        found = bx * cy - cx * by
        if abs(found) > 20:
            break
    if found * area < 0:
        places[[1, 2]] = places[[2, 1]]
    near = rng.uniform(0.5, 2.0, 3)
    known = np.concatenate([rng.normal(size=(3, 3)), rng.random((3, 3))], axis=1)
    corners = np.zeros((3, FIRST + WIDTH), np.float32)
    corners[:, :2], corners[:, 2], corners[:, FIRST + 6] = places, near, near
    corners[:, FIRST : FIRST + 6] = known * near[:, None]
    return corners, known.astype(np.float32)


@given(
    st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1), st.sampled_from([-1.0, 1.0]), st.sampled_from([-1, 0, 1])
)  # fmt: skip
def test_a_place_shows_what_lies_between_the_corners_with_perspective(
    seed: int, first: float, second: float, way: float, inner: int
) -> None:
    corners, known = triangle(np.random.default_rng(seed), way)
    weights = np.array([first, (1 - first) * second, (1 - first) * (1 - second)])
    x, y = weights @ corners[:, :2]
    planes, seen = room()
    shown(corners, inner, np.float32(x), np.float32(y), planes, seen)
    bent = weights * corners[:, 2]
    expected = bent @ known / bent.sum()
    side = -1.0 if way > 0 else 1.0  # rows grow downwards
    expected[:3] *= side
    expected[3:] *= INSIDE if inner * side < 0 else 1.0
    np.testing.assert_allclose(seen[0, :6] / seen[0, 6], expected, atol=2e-3)


def test_a_triangle_without_area_shows_the_mean_of_its_corners() -> None:
    corners, known = triangle(np.random.default_rng(1), -1.0)
    corners[:, :2] = corners[0, :2] + np.float32([[0, 0], [9, 9], [4, 4]])
    corners[:, 2] = corners[:, FIRST + 6] = 1.0
    corners[:, FIRST : FIRST + 6] = known
    planes, seen = room()
    shown(corners, 0, np.float32(50.0), np.float32(-20.0), planes, seen)
    mean = seen[0, :6] / seen[0, 6]
    np.testing.assert_allclose(np.abs(mean), np.abs(known.mean(axis=0)), atol=1e-5)  # its normal has either side


def test_four_at_once_are_the_sum_of_the_four() -> None:
    rng = np.random.default_rng(2)
    corners = np.concatenate([triangle(rng, -1.0)[0] for _ in range(4)])
    planes, seen = room()
    together(corners, np.arange(12, dtype=np.int32).reshape(4, 3), np.zeros(4, np.int32), planes, seen)
    np.testing.assert_allclose(seen[1, :7], seen[0, :7], rtol=1e-5, atol=1e-5)
