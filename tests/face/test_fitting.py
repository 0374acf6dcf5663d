"""The three ways from a mesh to a face: exact, blend shapes, registration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.gains import Gains, apply_gains
from sedtalker.errors import InputError
from sedtalker.export.glb import write_glb
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.blend_shapes import BlendShapes, read_rig
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.face.fitting import (
    FitOptions,
    fit,
    fitted_basis,
    foresee,
    left_share,
    recognise,
    unmoved_parts,
    with_own_shapes,
)
from sedtalker.face.registration import RegistrationReport
from sedtalker.face.registration.pose import Similarity
from sedtalker.face.registration.register import measured
from sedtalker.face.shape_scaling import MOST_RAISED, region_of
from sedtalker.mesh.files import read_scene, write_obj
from sedtalker.mesh.mesh import Mesh, Scene, from_triangles
from sedtalker.training.corpora.landmark_samples import random_rotation

STILL = Similarity(1.0, np.eye(3), np.zeros(3))


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


def plain(mesh: Mesh) -> Scene:
    return Scene(mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32))


@pytest.mark.slow
def test_an_export_of_a_built_in_face_is_that_face(tmp_path: Path, source: Face) -> None:
    walter = load_face("walter")
    write_glb(tmp_path / "walter.glb", walter)
    scene = read_scene(tmp_path / "walter.glb")
    assert len(scene.mesh.vertices) > len(walter.mesh.vertices)  # texture seams are split
    assert foresee(scene, source) == ("exact", "the built-in face 'walter', vertex for vertex")
    face, report = fit(scene, source, "mine")
    assert (face.name, report.way, report.own_shapes) == ("mine", "exact", walter.shapes)
    assert report.scale == pytest.approx(1.0, abs=1e-6)
    count = len(walter.mesh.vertices)
    np.testing.assert_allclose(face.basis[:, :count], walter.basis, atol=1e-6)
    np.testing.assert_array_equal(face.landmarks, walter.landmarks)
    assert face.correctives == walter.correctives
    np.testing.assert_array_equal(face.mesh.polygon_vertices, scene.mesh.polygon_vertices)


@pytest.mark.slow
def test_an_export_in_another_unit_and_pose_is_recognised_and_measured(source: Face) -> None:
    mei, turn = load_face("mei"), random_rotation(np.random.default_rng(4))
    moved = mei.mesh.with_vertices((100.0 * mei.mesh.vertices @ turn.T + (3, 1, 2)).astype(np.float32))
    face, report = fit(plain(moved), source, "turned")
    assert report.basis == "the built-in face 'mei', vertex for vertex"
    assert (report.unit, report.mouth_opens, report.eyes_found) == (0.01, True, (True, True))
    np.testing.assert_allclose(face.mesh.vertices, mei.mesh.vertices, atol=1e-5)
    np.testing.assert_array_equal(face.basis, mei.basis)
    metres = report.scale * moved.vertices.astype(float) @ np.array(report.rotation).T + report.translation
    np.testing.assert_allclose(metres, face.mesh.vertices, atol=1e-5)
    assert {role for role, _ in report.components} >= {"skin", "left eye", "right eye"}


@pytest.mark.slow
def test_another_person_of_the_built_in_topology_gets_its_shapes(source: Face) -> None:
    person = Face.builtin(seed=5)
    face, report = fit(plain(person.mesh), source, "person")
    assert report.basis.endswith("on another person")
    assert 1.0 < report.fit_residual < 10.0
    change = face.basis[:52] - person.basis[:52]
    assert np.linalg.norm(change) < 0.08 * np.linalg.norm(person.basis[:52])


def test_another_topology_is_none_of_ours(source: Face) -> None:
    mesh = source.mesh
    turned = replace(mesh, polygon_vertices=np.roll(mesh.polygon_vertices, 7))
    assert recognise(plain(turned), source) is None
    assert recognise(plain(from_triangles(mesh.vertices[:-1], mesh.triangles[:1000])), source) is None


@pytest.mark.parametrize("number", [0, 2])
def test_a_built_in_head_is_the_only_one_of_its_file(source: Face, number: int) -> None:
    with pytest.raises(InputError, match=f"mine: there is no head {number}"):
        fit(plain(source.mesh), source, "mine", FitOptions(head=number))


def test_flame_is_known_by_its_numbers() -> None:
    corners = np.zeros((9976, 3), np.int32)
    flame = fitted_basis(plain(from_triangles(np.zeros((5023, 3), np.float32), corners)))
    assert flame == "fitted to this mesh; it has FLAME's topology, which has no shapes of these names of its own"
    other = fitted_basis(plain(from_triangles(np.zeros((5023, 3), np.float32), corners[1:])))
    assert other == "fitted to this mesh"


def report_of(face: Face) -> RegistrationReport:
    return measured(face, face.mesh, STILL, 0.0)


def test_own_shapes_replace_the_fitted_ones(source: Face) -> None:
    """The built-in face as if it were a registered one, with its own shapes under an artist's names."""
    names = ("head_jawOpen", "mouthSmile_L", "mouthSmile_R", "eyeBlink", "Angry")
    offsets = 2.0 * np.stack(
        [
            source.basis[source.shape_index["jawOpen"]],
            source.basis[source.shape_index["mouthSmileLeft"]],
            source.basis[source.shape_index["mouthSmileRight"]],
            source.basis[source.shape_index["eyeBlinkLeft"]] + source.basis[source.shape_index["eyeBlinkRight"]],
            source.basis[source.shape_index["browInnerUp"]],
        ]
    )
    scene = Scene(source.mesh, names, offsets)
    face, report = with_own_shapes(source, report_of(source), BlendShapes(names, offsets), scene, "blend shapes")
    assert report.basis == "5 of the 52 ARKit shapes are the file's own"
    assert set(report.own_shapes) == {"jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight"}
    assert any("Angry" in warning for warning in report.warnings)
    assert any("so fitted" in warning and "47" not in warning for warning in report.warnings)
    for shape, factor in (("jawOpen", 2.0), ("mouthSmileLeft", 2.0), ("browInnerUp", 1.0)):
        k = source.shape_index[shape]
        np.testing.assert_allclose(face.basis[k], factor * source.basis[k], atol=1e-6)
    for shape in ("eyeBlinkLeft", "eyeBlinkRight"):  # one target for both, parted in the middle
        k = source.shape_index[shape]
        np.testing.assert_allclose(face.basis[k], 2.0 * source.basis[k], atol=2e-4)
    assert not any("eyeBlinkLeft" in corrective.sources for corrective in face.correctives)
    held, tongue = [c.name for c in face.correctives].index("fix_tongueTipAlveolar_jawOpen"), source.regions["tongue"]
    row = len(source.shapes) + [c.name for c in source.correctives].index("fix_tongueTipAlveolar_jawOpen")
    np.testing.assert_allclose(face.basis[len(face.shapes) + held, tongue], 2.0 * source.basis[row, tongue], atol=1e-6)
    assert len(face.basis) == len(face.shapes) + len(face.correctives)


def test_parts_that_no_target_moves_keep_the_fitted_motion(source: Face) -> None:
    rows = [source.shape_index["jawOpen"], source.shape_index["mouthClose"]]
    basis = source.basis.copy()
    basis[np.ix_(rows, np.flatnonzero(source.regions["tongue"]))] = 0.0
    kept, still = unmoved_parts(source, basis, ["jawOpen", "mouthClose"])
    assert still == ["eyes", "tongue"]
    assert kept[source.regions["tongue"]].all()
    assert not kept[source.regions["lower_teeth"]].any()


def test_left_is_left(source: Face) -> None:
    share = left_share(source)
    assert source.landmarks is not None
    assert share[source.landmarks[45]] > 0.99
    assert share[source.landmarks[36]] < 0.01
    assert 0.4 < share[source.landmarks[33]] < 0.6


def write_rig(folder: Path, face: Face, names: dict[str, str]) -> None:
    write_obj(face.mesh, folder / "generic_neutral_mesh.obj")
    for name, shape in names.items():
        write_obj(
            face.mesh.with_vertices(face.mesh.vertices + face.basis[face.shape_index[shape]]), folder / f"{name}.obj"
        )


@pytest.mark.slow
def test_a_rig_in_a_folder_gives_its_shapes_in_the_meshs_unit(tmp_path: Path, source: Face) -> None:
    write_rig(tmp_path, source, {"jawOpen": "jawOpen", "eyeBlink_L": "eyeBlinkLeft", "mouthSmile_R": "mouthSmileRight"})
    write_obj(source.mesh, tmp_path / "identity000.obj")
    mesh = source.mesh.with_vertices(100.0 * source.mesh.vertices + 5.0)
    given = read_rig(tmp_path, mesh, source.shapes)
    assert given.names == ("eyeBlink_L", "jawOpen", "mouthSmile_R")
    np.testing.assert_allclose(given.offsets[1], 100.0 * source.basis[source.shape_index["jawOpen"]], atol=1e-3)
    with pytest.raises(InputError, match="not one topology"):
        read_rig(tmp_path, from_triangles(mesh.vertices[:-1], mesh.triangles[:10]), source.shapes)
    shuffled = mesh.with_vertices(mesh.vertices[np.random.default_rng(0).permutation(len(mesh.vertices))])
    with pytest.raises(InputError, match="far apart"):
        read_rig(tmp_path, shuffled, source.shapes)


@pytest.mark.parametrize("kind", ["nothing", "empty folder", "no shapes", "not arrays", "wrong arrays"])
def test_what_is_no_rig_is_refused(tmp_path: Path, source: Face, kind: str) -> None:
    path = tmp_path / "rig"
    if kind == "nothing":
        path = tmp_path / "none.npz"
    elif kind in ("empty folder", "no shapes"):
        path.mkdir()
        if kind == "no shapes":
            write_obj(source.mesh, path / "neutral.obj")
    else:
        path = tmp_path / "rig.npz"
        np.savez(path, neutral=np.zeros((5, 3)), **({"expression_names": ["jawOpen"]} if kind == "not arrays" else {}))
        if kind == "wrong arrays":
            path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError) as error:
        read_rig(path, source.mesh, source.shapes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0.0, 1e-200, 1e200])
def test_a_rig_of_no_size_is_refused(tmp_path: Path, source: Face, size: float) -> None:
    """A generated file gave a similarity of scale infinity, and a traceback."""
    neutral = source.mesh.vertices.astype(np.float64) * size
    names, offsets = ["jawOpen", "mouthFunnel", "mouthPucker"], np.full((3, *neutral.shape), 0.1 * min(size, 1.0))
    np.savez(tmp_path / "rig.npz", neutral=neutral, expression_names=names, expression_deltas=offsets)
    with pytest.raises(InputError) as error:
        read_rig(tmp_path / "rig.npz", source.mesh, source.shapes)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.data
def test_a_head_with_arkit_targets_keeps_them(data_dir: Path, source: Face) -> None:
    scene = read_scene(data_dir / "face" / "test_meshes" / "mh_head_arkit52.glb")
    assert foresee(scene, source) == ("blend shapes", "52 of the 52 ARKit shapes are the file's own")
    face, report = fit(scene, source, "own")
    assert (report.way, report.basis) == ("blend shapes", "52 of the 52 ARKit shapes are the file's own")
    assert set(report.own_shapes) == set(ARKIT_52)
    assert report.unit == 1.0
    for shape in ARKIT_52:  # as they are, or raised as a whole where they are faint
        own = scene.targets[scene.target_names.index(shape)]
        factor = report.gains.get(region_of(shape) or "", 1.0)
        assert 1.0 <= factor <= MOST_RAISED
        got = face.basis[face.shape_index[shape]]
        share = float((got * own).sum() / (own * own).sum())
        assert 1.0 - 1e-3 <= share <= factor + 1e-3
        np.testing.assert_allclose(got, share * own, atol=2e-6)
    assert all(corrective.name.startswith("fix_tongueTip") for corrective in face.correctives)


@pytest.mark.slow
@pytest.mark.data
def test_a_person_of_the_reference_rig_takes_the_rigs_own_shapes(data_dir: Path, source: Face) -> None:
    path = data_dir / "face" / "ict_lite.npz"
    with np.load(path) as rig:
        person = rig["neutral"] + 1.5 * rig["identity_deltas"][2].astype(np.float32)
        mesh = from_triangles(person, rig["triangles"])
        names, deltas = rig["expression_names"].tolist(), rig["expression_deltas"].astype(np.float64)
    face, report = fit(plain(mesh), source, "person", FitOptions(rig=path))
    assert (report.way, report.basis) == ("exact", "51 of the 52 ARKit shapes are the rig's own")
    assert any("so fitted: tongueOut" in warning for warning in report.warnings)
    skin = face.regions["skin"]
    for name, shape in (("jawOpen", "jawOpen"), ("mouthSmile_L", "mouthSmileLeft"), ("eyeBlink_R", "eyeBlinkRight")):
        got = face.basis[face.shape_index[shape]][skin]
        np.testing.assert_allclose(got, 0.01 * deltas[names.index(name)][skin], atol=1e-5)


def test_gains_tame_shapes_that_are_too_strong(source: Face) -> None:
    """A face whose own brow shapes move twice as far: at half the gain it shows what a tame one shows at a whole."""
    wild = [shape for shape in ARKIT_52 if shape.startswith("brow")]
    offsets = 2.0 * np.stack([source.basis[source.shape_index[shape]] for shape in wild])
    scene = Scene(source.mesh, tuple(wild), offsets)
    face, _ = with_own_shapes(source, report_of(source), BlendShapes(tuple(wild), offsets), scene, "blend shapes")
    rng = np.random.default_rng(2)
    neutral = rng.uniform(0.0, 0.3, (12, 52)).astype(np.float32)
    neutral[:, [shape in wild for shape in ARKIT_52]] = 0.0
    expressive = np.clip(neutral + rng.uniform(0.0, 0.5, (12, 52)), 0.0, 1.0).astype(np.float32)
    tamed = apply_gains(expressive, neutral, Gains(regions={"brows": 0.5}), face)
    brows = source.regions["brows"]
    got, wanted = (
        (coefficients @ f.flat_basis[:52]).reshape(12, -1, 3)[:, brows]
        for f, coefficients in ((face, tamed), (source, expressive))
    )
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    others = [not shape.startswith("brow") for shape in ARKIT_52]
    np.testing.assert_array_equal(tamed[:, others], expressive[:, others])


@pytest.mark.slow
def test_what_the_file_lacks_stands_in_the_report(source: Face) -> None:
    lacking = replace(source.mesh, notes=("the texture 'a.png' is not there",))
    _, report = fit(Scene(lacking, (), np.zeros((0, len(lacking.vertices), 3), np.float32)), source, "lacking")
    assert report.warnings[-1:] == lacking.notes
