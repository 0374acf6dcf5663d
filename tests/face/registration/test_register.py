"""Any head becomes a face on its own vertices; what is no face is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face, report_from_json
from sedtalker.face.registration import RegistrationReport, parts, register, register_cached
from sedtalker.face.registration.attribute_transfer import affine_offsets, eye_offsets
from sedtalker.face.registration.parts import Eyeball
from sedtalker.face.registration.pose import similarity
from sedtalker.face.registration.shape_transfer import agreement
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.mesh import Mesh, from_triangles, grid_triangles
from sedtalker.mesh.surface import face_outwards, weld
from sedtalker.training.corpora.landmark_samples import random_rotation, sphere, torus
from tests.support.bodies import parts_of, scan

Registered = tuple[Mesh, Face, RegistrationReport]


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def turned_builtin(source: Face) -> tuple[Mesh, np.ndarray, float]:
    """Skin and eyes of the built-in face itself, turned, scaled to a strange unit, shifted and shuffled."""
    rng = np.random.default_rng(3)
    rotation, scale = random_rotation(rng), 37.0
    bare = parts_of(source, ("skin", "eye_left", "eye_right"))
    origin = {tuple(v): k for k, v in enumerate(source.mesh.vertices.tolist())}
    shuffled = rng.permutation(len(bare.vertices))
    order = np.array([origin[tuple(v)] for v in bare.vertices[shuffled].tolist()])
    moved = (scale * source.mesh.vertices[order] @ rotation.T + (5, -3, 9)).astype(np.float32)
    faces = np.argsort(shuffled).astype(np.int32)[bare.triangles]
    return from_triangles(moved, faces), order, scale


@pytest.fixture(scope="module")
def own(source: Face, turned_builtin: tuple[Mesh, np.ndarray, float]) -> tuple[Face, RegistrationReport, np.ndarray]:
    mesh, order, _ = turned_builtin
    face, report = register(mesh, source, "own")
    return face, report, order


@pytest.fixture(scope="module")
def foreign(data_dir: Path, source: Face) -> Registered:
    mesh = read_mesh(data_dir / "face" / "test_meshes" / "mh_head.obj")
    return mesh, *register(mesh, source, "mh_head")


def poses(face: Face, *weights: dict[str, float]) -> np.ndarray:
    return face.deform(np.array([[w.get(name, 0.0) for name in face.shapes] for w in weights], np.float32))


def test_own_face_comes_back(source: Face, own: tuple[Face, RegistrationReport, np.ndarray]) -> None:
    face, report, order = own
    found = similarity(face.mesh.vertices.astype(float), source.mesh.vertices[order].astype(float), np.ones(len(order)))
    assert found.scale == pytest.approx(1.0, abs=0.06)
    assert np.degrees(np.arccos(np.clip((np.trace(found.rotation) - 1) / 2, -1, 1))) < 4
    skin = source.regions["skin"][order]
    truth = source.basis[:, order][:52]
    for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkRight", "mouthPucker", "browInnerUp"):
        k = source.shape_index[name]
        a, b = face.basis[k][skin].ravel(), truth[k][skin].ravel()
        assert a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) > 0.95, name
    assert report.mouth_opens
    assert report.eyes_found == (True, True)
    assert report.eyeballs == (True, True)


def test_transform_leads_from_the_file_to_the_face(
    turned_builtin: tuple[Mesh, np.ndarray, float], own: tuple[Face, RegistrationReport, np.ndarray]
) -> None:
    mesh, _, _ = turned_builtin
    face, report, _ = own
    metres = report.scale * mesh.vertices.astype(float) @ np.array(report.rotation).T + report.translation
    assert np.allclose(metres, face.mesh.vertices, atol=1e-5)


@pytest.mark.slow
@pytest.mark.data
def test_foreign_head_keeps_its_mesh(foreign: Registered, source: Face) -> None:
    mesh, face, report = foreign
    assert len(face.mesh.vertices) == len(mesh.vertices)
    assert np.array_equal(face.mesh.polygon_sizes, mesh.polygon_sizes)
    assert np.array_equal(face.mesh.polygon_vertices, mesh.polygon_vertices)
    assert face.mesh.group_names == mesh.group_names
    assert report.unit == 1.0
    assert report.scale == 1.0
    assert np.allclose(report.rotation, np.eye(3))
    assert face.shapes == source.shapes
    assert np.isfinite(face.basis).all()
    assert {role for role, _ in report.components} >= {
        "skin",
        "left eye",
        "right eye",
        "upper teeth",
        "lower teeth",
        "tongue",
    }


@pytest.mark.slow
@pytest.mark.data
def test_foreign_head_moves_as_it_should(foreign: Registered) -> None:
    _, face, report = foreign
    assert face.landmarks is not None
    assert report.blink_gap is not None
    assert report.blink_gap < 0.5
    assert report.lip_gap is not None
    assert report.lip_gap < 0.5
    rest, jaw, blink, closed, smile = poses(
        face,
        {},
        {"jawOpen": 0.5},
        {"eyeBlinkLeft": 1, "eyeBlinkRight": 1},
        {"jawOpen": 0.5, "mouthClose": 0.5},
        {"mouthSmileLeft": 1, "mouthSmileRight": 1},
    )[:, face.landmarks]
    assert jaw[62, 1] - jaw[66, 1] > 0.008
    for top, bottom in ((37, 41), (38, 40), (43, 47), (44, 46)):
        assert rest[top, 1] - rest[bottom, 1] > 0.004
        assert blink[top, 1] - blink[bottom, 1] < 0.0025
    assert abs(closed[62, 1] - closed[66, 1]) < 0.0015
    assert smile[54, 0] - smile[48, 0] > rest[54, 0] - rest[48, 0]
    assert smile[48, 1] > rest[48, 1]


@pytest.mark.slow
@pytest.mark.data
def test_teeth_and_eyes_move_as_solids(foreign: Registered) -> None:
    _, face, _ = foreign
    moved = poses(face, {"jawOpen": 1.0}, {"eyeLookOutLeft": 1.0})
    upper, lower = face.regions["upper_teeth"], face.regions["lower_teeth"]
    assert np.abs(moved[0, upper] - face.mesh.vertices[upper]).max() < 0.001
    assert (face.mesh.vertices[lower, 1] - moved[0, lower, 1]).mean() > 0.01
    left = face.regions["eyes"] & (face.mesh.vertices[:, 0] > 0)
    before = np.linalg.norm(face.mesh.vertices[left] - face.mesh.vertices[left].mean(0), axis=1)
    after = np.linalg.norm(moved[1, left] - moved[1, left].mean(0), axis=1)
    assert np.allclose(before, after, atol=0.002)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["suzanne.obj", "robot_expressive.glb"])
def test_what_is_no_human_face_is_refused(data_dir: Path, source: Face, name: str) -> None:
    mesh = read_mesh(data_dir / "face" / "test_meshes" / name)
    with pytest.raises(InputError, match="no face found") as error:
        register(mesh, source, name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("solid", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("ball", "ring")), "speck"])
def test_solids_are_refused(source: Face, solid: str) -> None:
    points, triangles = {"ball": sphere(20), "ring": torus(1.0, 0.4), "speck": sphere(3)}[solid]
    with pytest.raises(InputError):
        register(from_triangles(points.astype(np.float32), triangles), source, solid)


@pytest.mark.slow
def test_sealed_scan_keeps_its_mouth_shut(source: Face) -> None:
    """A height field of the head, in millimetres: no mouth hole, no eye hole."""
    mesh = scan(source)
    face, report = register(replace(mesh, vertices=1000 * mesh.vertices), source, "scan")
    assert report.unit == 0.001
    assert not report.mouth_opens
    assert any("--open-mouth" in warning for warning in report.warnings)
    assert face.landmarks is not None
    rest, jaw = poses(face, {}, {"jawOpen": 0.5})[:, face.landmarks]
    assert abs((jaw - rest)[62, 1] - (jaw - rest)[66, 1]) < 0.004
    assert (rest - jaw)[8, 1] > 0.005


def test_nostrils_of_other_heads_are_shaded_like_their_skin(
    source: Face, own: tuple[Face, RegistrationReport, np.ndarray]
) -> None:
    assert "nostrils" in source.regions
    assert "nostrils" not in own[0].regions


def test_cache_gives_the_same_face_and_heals(
    tmp_path: Path,
    source: Face,
    turned_builtin: tuple[Mesh, np.ndarray, float],
    own: tuple[Face, RegistrationReport, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mesh, _, _ = turned_builtin
    face, report, _ = own
    fits: list[str] = []

    def fit(mesh: Mesh, source: Face, name: str, *_: object) -> tuple[Face, RegistrationReport]:
        fits.append(name)
        return replace(face, name=name), report

    register_module = import_module("sedtalker.face.registration.register")
    monkeypatch.setattr(register_module, "register", fit)
    monkeypatch.setattr(register_module, "kept_faces", lambda: tmp_path)
    first, report = register_cached(mesh, source, "one")
    (entry,) = tmp_path.iterdir()
    again, report_again = register_cached(mesh, source, "two")
    assert fits == ["one"]
    assert again.name == "two"
    assert np.array_equal(first.basis, again.basis)
    assert np.array_equal(first.mesh.vertices, again.mesh.vertices)
    assert report == report_again
    assert all(np.array_equal(first.regions[k], again.regions[k]) for k in first.regions)
    entry.write_bytes(entry.read_bytes()[:1000])
    healed, _ = register_cached(mesh, source, "three")
    assert fits == ["one", "three"]
    assert np.array_equal(first.basis, healed.basis)
    assert entry.stat().st_size > 1000


def test_report_survives_json(own: tuple[Face, RegistrationReport, np.ndarray]) -> None:
    _, report, _ = own
    assert report_from_json(report.to_json()) == report
    assert json.loads(report.to_json())["mouth_opens"] is True


def test_weld_joins_seams_and_skips_unused_vertices() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0], [9, 9, 9]], np.float32)
    surface = weld(from_triangles(vertices, np.array([[0, 1, 2], [3, 4, 5]], np.int32)))
    assert len(surface.points) == 4
    assert surface.vertex_point[6] == -1
    assert surface.vertex_point[0] == surface.vertex_point[3]
    assert surface.component.max() == 0


def test_weld_keeps_apart_what_touches_inside_a_surface() -> None:
    """A flap grows out of the middle of a plate, on a vertex of its own."""
    points, triangles = plate(5)
    flap = np.array([points[12], points[12] + (0, 0, 1), points[12] + (0.1, 0, 1)])
    vertices = np.concatenate([points, flap]).astype(np.float32)
    surface = weld(from_triangles(vertices, np.concatenate([triangles, [[25, 26, 27]]]).astype(np.int32)))
    assert len(surface.points) == 28
    assert surface.component.max() == 1


def plate(side: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1), grid_triangles(side, side)


def test_what_lies_behind_a_plate_is_not_seen() -> None:
    near, triangles = plate(9)
    behind = 0.5 * near - (0, 0, 0.5)
    both = np.concatenate([near, behind])
    bare, seen, outwards = face_outwards(
        both, np.concatenate([triangles, triangles + len(near)]).astype(np.int32), np.zeros(3), 1.5
    )
    assert bare[: len(near)].all()
    centre = len(near) + len(near) // 2
    assert not bare[centre] or seen[len(triangles) :].any()
    facing = np.cross(both[outwards[0, 1]] - both[outwards[0, 0]], both[outwards[0, 2]] - both[outwards[0, 0]])
    assert facing[2] > 0 or not seen[0]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_way_a_files_triangles_go_round_they_are_wound_alike(seed: int) -> None:
    near, triangles = plate(6)
    turned = np.random.default_rng(seed).random(len(triangles)) < 0.5
    mixed = np.where(turned[:, None], triangles[:, ::-1], triangles).astype(np.int32)
    bare, seen, outwards = face_outwards(near, mixed, np.zeros(3), 1.5)
    a, b, c = (near[outwards[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    assert seen.all()
    assert bare.all()


def test_what_shows_its_back_through_an_opening_is_not_seen_from_outside() -> None:
    # A head that is open behind; in front it goes on through narrow lips into a bag.
    radius = np.array([0.6, 0.9, 1.0, 0.9, 0.5, 0.002, 0.3, 0.4, 0.3, 0.002])
    depth = np.array([-0.8, -0.5, 0.0, 0.5, 0.85, 0.95, 0.85, 0.6, 0.3, 0.2])
    angle = np.linspace(0.0, 2.0 * np.pi, 33)
    round_z = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    points = np.concatenate([round_z, np.broadcast_to(depth[:, None, None], (10, 33, 1))], axis=-1).reshape(-1, 3)
    triangles = grid_triangles(10, 33)
    bag = (triangles // 33 >= 5).all(axis=1)
    _, seen, outwards = face_outwards(points, triangles[:, ::-1], np.zeros(3), 1.2)
    assert seen[~bag].mean() > 0.9
    assert seen[bag].mean() < 0.03
    a, b, c = (points[outwards[:, k]] for k in range(3))
    away = np.cross(b - a, c - a) * (a + b + c) * (1, 1, 0)
    assert (away.sum(axis=1)[~bag] > 0).all()
    assert (away.sum(axis=1)[bag & (outwards // 33 >= 6).all(axis=1)] < 0).all()


def test_outliers_are_those_that_resemble_no_neighbour() -> None:
    points, triangles = plate(7)
    offsets = np.zeros((2, len(points), 3))
    offsets[:, points[:, 0] > 0.1] = 0.004  # a lid: half of the plate moves, its rim beside what lies still
    offsets[:, 8] = 0.03
    agree = agreement(offsets, points, triangles, np.ones(len(points)))
    assert agree[8] < 0.1
    assert np.delete(agree, 8).min() > 0.9


def test_gums_and_tongue_in_one_piece_are_shared_out() -> None:
    rng = np.random.default_rng(0)
    row = np.stack([np.linspace(-0.03, 0.03, 40), np.zeros(40), 0.1 - 20 * np.linspace(-0.03, 0.03, 40) ** 2], axis=1)
    upper, lower = row + (0, -0.02, 0), row + (0, -0.035, 0)
    tongue = rng.uniform((-0.015, -0.04, 0.05), (0.015, -0.033, 0.08), (30, 3))
    piece = np.concatenate([1.1 * upper + (0, 0.006, -0.005), 1.1 * lower - (0, 0.006, 0.005), tongue])
    chain = np.stack([np.arange(len(piece) - 2), np.arange(1, len(piece) - 1), np.arange(2, len(piece))], axis=1)
    expected = {parts.UPPER_TEETH: upper, parts.LOWER_TEETH: lower, parts.TONGUE: tongue}
    found = parts.split_mouths(piece, chain.astype(np.int32), np.zeros(len(piece), int), {0: parts.WORN}, expected)
    assert (found[0][5:35] == parts.UPPER_TEETH).all()
    assert (found[0][45:75] == parts.LOWER_TEETH).mean() > 0.9
    assert parts.split_mouths(upper, chain[:38].astype(np.int32), np.zeros(40, int), {0: parts.WORN}, expected) == {}


def test_what_lies_along_a_cheek_is_no_tooth() -> None:
    """Strips that shade the creases beside the nose: as teeth they stayed, and came out of the cheek in a smile."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-0.04, 0.04, 4000), rng.uniform(-0.06, 0.02, 4000)
    skin = np.stack([x, y, 0.11 - 20 * x**2], axis=1)
    row = np.stack([np.linspace(-0.03, 0.03, 40), np.zeros(40), 0.1 - 20 * np.linspace(-0.03, 0.03, 40) ** 2], axis=1)
    upper, lower = row + (0, -0.02, 0), row + (0, -0.035, 0)
    crease, tooth = skin[(x > 0.02) & (x < 0.025) & (np.abs(y + 0.02) < 0.01)] - (0, 0, 0.001), upper[28:31]
    points = np.concatenate([skin, crease, tooth])
    component = np.repeat([0, 1, 2], [len(skin), len(crease), len(tooth)])
    expected = {parts.UPPER_TEETH: upper, parts.LOWER_TEETH: lower}
    found = parts.name_inner_parts(points, component, {0: parts.SKIN}, expected, 0.09)
    assert found == {0: parts.SKIN, 1: parts.WORN, 2: parts.UPPER_TEETH}


def test_an_eye_reaches_further_at_the_cornea() -> None:
    ball = sphere(16)[0]
    ball = ball * (1 + 0.2 * np.exp(-8 * (1 - ball[:, 2:])))
    eye = Eyeball(np.zeros(3), 1.0, ball)
    front, side = eye.reach(np.array([[0, 0, 5.0], [3.0, 0, 0]]))
    assert front > 1.12
    assert side == pytest.approx(1.0, abs=0.02)
    assert Eyeball(np.zeros(3), 2.0).reach(np.ones((1, 3)))[0] == 2.0


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
def test_similarity_is_recovered(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    points, rotation, shift = rng.normal(size=(20, 3)), random_rotation(rng), rng.normal(size=3)
    found = similarity(points, scale * points @ rotation.T + shift, np.ones(20))
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert np.allclose(found.rotation, rotation, atol=1e-6)
    back = found.inverse().apply(found.apply(points))
    assert np.allclose(back, points, atol=1e-6)


def test_eye_turns_about_its_own_centre() -> None:
    ball = sphere(8)[0]
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    offsets = (ball @ turn.T - ball)[None].astype(np.float32)
    there = 2 * ball + (5, 0, 0)
    moved = there + eye_offsets(ball, offsets, there, Eyeball(np.array([5.0, 0, 0]), 2.0))[0]
    assert np.allclose(moved, 2 * ball @ turn.T + (5, 0, 0), atol=1e-5)


def test_teeth_follow_an_affine_motion() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 3))
    offsets = (points @ (0.1 * rng.normal(size=(3, 3))) + 0.3)[None].astype(np.float32)
    assert np.allclose(affine_offsets(points, offsets, points), offsets, atol=0.02)
