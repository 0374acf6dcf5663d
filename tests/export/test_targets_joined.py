"""Targets that are joined, left out and named; surfaces and normals of other programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.export.targets import FEWEST, Normals, _joined_name, choose_targets, surface_of
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Material
from tests.support.cube import cube_face, cube_mesh


def many(shapes: int, size: float = 0.01) -> Face:
    """A cube with so many shapes, each of which moves one vertex along one axis."""
    basis = np.zeros((shapes, 8, 3), np.float32)
    for k in range(shapes):
        basis[k, k % 8, k // 8 % 3] = size * (1 + k // 24)
    return Face("many", cube_mesh(), tuple(f"s{k}" for k in range(shapes)), basis)


def motion(frames: int, shapes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (frames, shapes)).astype(np.float32)


def moved(face: Face, targets) -> np.ndarray:
    return face.mesh.vertices + np.tensordot(targets.weights, targets.offsets, axes=1)


def test_shapes_in_proportion_become_one_without_any_loss() -> None:
    face, weights = many(FEWEST + 2), motion(50, FEWEST + 2)
    weights[:, 5], weights[:, 9] = 0.5 * weights[:, 3], 0.25 * weights[:, 4]
    targets = choose_targets(face, weights, "few")
    assert len(targets.names) == FEWEST
    joined = {name for name in targets.names if "+" in name}
    assert {frozenset(name.split("+")) for name in joined} == {frozenset(("s3", "s5")), frozenset(("s4", "s9"))}
    np.testing.assert_allclose(moved(face, targets), face.deform(weights), atol=1e-7)
    assert targets.describe(face, weights) == {"targets": FEWEST, "residual_mm": 0.0, "residual_share": 0.0}
    row = targets.parts[next(i for i, name in enumerate(targets.names) if "s3" in name.split("+"))]
    assert row[5] / row[3] == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(np.tensordot(targets.parts, face.basis, axes=1), targets.offsets, atol=1e-7)


@pytest.mark.parametrize(("noise", "joined"), [(0.003, True), (0.03, False)])
def test_joining_may_cost_three_hundredths_of_a_millimetre(noise: float, joined: bool) -> None:
    """Of 8 vertices one errs by ``noise`` · 10 mm / √12: 3 µm or 31 µm RMS of all, against 30 µm allowed."""
    face, weights = many(FEWEST + 1), motion(400, FEWEST + 1)
    weights[:, 5] = 0.5 * weights[:, 3] + np.random.default_rng(1).uniform(-0.5, 0.5, 400) * noise
    targets = choose_targets(face, weights, "few")
    error = np.sqrt(((moved(face, targets) - face.deform(weights)) ** 2).sum(-1).mean())
    assert (len(targets.names) == FEWEST) == joined
    assert error < 3e-5
    stated = targets.describe(face, weights)
    assert stated["residual_mm"] == pytest.approx(1e3 * error, rel=0.02, abs=1e-5)


def test_shapes_are_joined_however_little_they_move() -> None:
    face, weights = many(FEWEST + 2, 1.0), 1e-3 * motion(50, FEWEST + 2)
    weights[:, 5], weights[:, 9] = 0.5 * weights[:, 3], 0.25 * weights[:, 4]
    targets = choose_targets(face, weights, "few")
    assert {name for name in targets.names if "+" in name} == {"s3+s5", "s4+s9"} or len(targets.names) == FEWEST
    np.testing.assert_allclose(moved(face, targets), face.deform(weights), atol=3e-7)


def test_so_few_targets_are_left_as_they_are() -> None:
    face, weights = many(FEWEST), motion(30, FEWEST)
    weights[:, 5] = weights[:, 3]
    targets = choose_targets(face, weights, "few")
    assert targets.names == face.shapes
    np.testing.assert_array_equal(targets.weights, weights)


@pytest.mark.parametrize(
    ("first", "second", "share", "name"),
    [
        ("mouthSmileLeft", "mouthSmileRight", 1.0, "mouthSmile"),
        ("mouthSmileRight", "mouthSmileLeft", 0.96, "mouthSmile"),
        ("mouthSmileLeft", "mouthSmileRight", 0.9, "mouthSmileLeft+mouthSmileRight"),
        ("jawOpen", "mouthFunnel", 1.0, "jawOpen+mouthFunnel"),
        ("jawOpen", "mouthFunnel", 0.09, "jawOpen"),
        ("jawOpen", "mouthFunnel", -0.5, "jawOpen+mouthFunnel"),
        ("jawOpen", "fix_a", 0.8, "jawOpen"),
        ("fix_a", "jawOpen", 0.8, "jawOpen"),
    ],
)
def test_names_of_joined_targets(first: str, second: str, share: float, name: str) -> None:
    assert _joined_name(first, second, share) == name


def test_what_does_not_move_is_left_out() -> None:
    face, weights = cube_face(), np.zeros((4, 2), np.float32)
    weights[:, 0] = 0.5
    assert choose_targets(face, weights, "few").names == ("jawOpen",)
    every = choose_targets(face, weights, "all")
    assert every.names == ("jawOpen", "mouthClose"), "the corrective needs both"
    weights[:, 1] = 0.5
    assert len(choose_targets(face, weights, "all").names) == 3
    still = choose_targets(face, np.zeros((4, 2), np.float32), "few")
    assert still.names == ()
    assert still.residual(face, np.zeros((4, 2), np.float32)) == (0.0, 0.0)


def test_shapes_that_move_nothing_are_left_out() -> None:
    face = cube_face()
    basis = face.basis.copy()
    basis[1] = 0.0
    empty, weights = replace(face, basis=basis), np.full((4, 2), 0.5, np.float32)
    assert choose_targets(empty, weights, "all").names == ("jawOpen", "jawOpen_mouthClose")
    assert choose_targets(empty, weights, "few").names == ("jawOpen", "jawOpen_mouthClose")


def test_arkit_targets_of_a_face_with_few_of_them() -> None:
    face, weights = cube_face(), np.array([[0.5, 0.25]] * 3, np.float32)
    plain = replace(face, basis=face.basis[:2], correctives=())
    targets = choose_targets(plain, weights, "arkit")
    np.testing.assert_array_equal(targets.offsets[ARKIT_52.index("jawOpen")], face.basis[0])
    assert not np.delete(targets.offsets, [ARKIT_52.index(n) for n in face.shapes], axis=0).any()
    np.testing.assert_allclose(moved(plain, targets), plain.deform(weights), atol=1e-5)
    whole = Face("whole", cube_mesh(), ARKIT_52[::-1], np.ones((52, 8, 3), np.float32))
    assert choose_targets(whole, None, "arkit").names == ARKIT_52


def test_a_surface_for_each_group_with_the_roughness_of_its_part() -> None:
    mesh = replace(cube_mesh(), group_names=("skin", "left_eye", "teeth", "hair", "nothing"),
                   polygon_groups=np.array([0, 0, 3, 2, 1, 0], np.int32))  # fmt: skip
    surface = surface_of(replace(cube_face(), mesh=mesh))
    assert surface.names == ("skin", "left_eye", "teeth", "hair")
    assert surface.roughness == (0.55, 0.12, 0.3, 0.7)
    assert surface.triangles.tolist() == [0, 0, 0, 0, 3, 3, 2, 2, 1, 1, 0, 0]
    assert surface.materials == (None,) * 4
    own = tuple(Material(name=name) for name in "abcde")
    used = surface_of(replace(cube_face(), mesh=replace(mesh, materials=own))).materials
    assert [m.name for m in used if m] == ["a", "b", "c", "d"]
    assert surface_of(replace(cube_face(), mesh=replace(mesh, materials=own[:4]))).materials == (None,) * 4


def test_normals_of_offsets_are_judged_by_the_weight_in_use() -> None:
    face = cube_face()
    normals = Normals(face)
    np.testing.assert_allclose(np.linalg.norm(normals.rest, axis=1), 1.0, atol=1e-5)
    offsets = face.basis[0]
    for weight in (0.5, 1.0):
        bent = normals.rest + weight * normals.change(offsets, weight)
        there = Normals(replace(face, mesh=replace(face.mesh, vertices=face.mesh.vertices + weight * offsets))).rest
        np.testing.assert_allclose(bent, there, atol=1e-5)
    assert not normals.change(np.zeros_like(offsets), 1.0).any()
