from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sedtalker.errors import InputError
from sedtalker.export.glb import split_at_seams, write_glb
from sedtalker.export.own_file import write_animation_glb
from sedtalker.face.face import Face, head_weights, turn_head
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.gltf import GltfFile
from sedtalker.mesh.mesh import Mesh, weld_map, welded_normals
from tests.support.cube import CORNERS, cube_face, cube_mesh
from tests.support.exports import read_glb_animation
from tests.support.moving import speaking_face
from tests.support.standing import standing

FPS = 30.0


def motion(face: Face, frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    coefficients = rng.uniform(0, 1, (frames, len(face.shapes))).astype(np.float32)
    return coefficients, rng.normal(scale=0.2, size=(frames, 3))


def expected(face: Face, coefficients: np.ndarray, turns: np.ndarray) -> np.ndarray:
    matrices = Rotation.from_rotvec(turns).as_matrix()
    return turn_head(face.deform(coefficients), matrices, face.pivot, head_weights(face))


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_reading_back_gives_the_vertices_of_every_frame(tmp_path: Path, frames: int) -> None:
    face = cube_face()
    coefficients, turns = motion(face, frames)
    write_glb(tmp_path / "a.glb", face, coefficients, FPS, turns)
    read = read_glb_animation(tmp_path / "a.glb")
    assert read.scene.target_names == ("jawOpen", "mouthClose", "jawOpen_mouthClose")
    vertices = read.vertices(np.arange(frames) / FPS)
    sources, _, _ = split_at_seams(face.mesh)
    np.testing.assert_allclose(vertices, expected(face, coefficients, turns)[:, sources], atol=5e-5)


def test_shoulders_stay_where_they_are(tmp_path: Path) -> None:
    face = standing()
    coefficients, turns = motion(face, 8)
    write_glb(tmp_path / "a.glb", face, coefficients, FPS, turns)
    assert "skins" in _document(tmp_path / "a.glb")
    vertices = read_glb_animation(tmp_path / "a.glb").vertices(np.arange(8) / FPS)
    np.testing.assert_allclose(vertices, expected(face, coefficients, turns), atol=5e-5)
    np.testing.assert_allclose(read_mesh(tmp_path / "a.glb").vertices, face.mesh.vertices, atol=1e-6)


def test_quaternions_say_the_same_as_rotation_vectors(tmp_path: Path) -> None:
    face = cube_face()
    coefficients, turns = motion(face, 5)
    write_glb(tmp_path / "a.glb", face, coefficients, FPS, turns)
    write_glb(tmp_path / "b.glb", face, coefficients, FPS, Rotation.from_rotvec(turns).as_quat())
    a, b = (read_glb_animation(tmp_path / name).vertices(np.linspace(0, 0.2, 7)) for name in ("a.glb", "b.glb"))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_vertices_keep_their_order_and_splits_are_recorded(tmp_path: Path) -> None:
    face = cube_face()
    write_glb(tmp_path / "a.glb", face, motion(face, 3)[0], FPS)
    mesh = read_mesh(tmp_path / "a.glb")
    np.testing.assert_allclose(mesh.vertices[:8], CORNERS, atol=1e-6)
    document = _document(tmp_path / "a.glb")
    splits = document["meshes"][0]["extras"]["splitVertices"]
    np.testing.assert_allclose(mesh.vertices[8:], CORNERS[splits], atol=1e-6)
    assert document["meshes"][0]["extras"]["targetNames"] == ["jawOpen", "mouthClose", "jawOpen_mouthClose"]
    assert [m["name"] for m in document["materials"]] == ["skin", "eyes"]
    assert mesh.colours is not None
    np.testing.assert_allclose(mesh.colours[:8], (CORNERS + 1) / 2, atol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=40)
def test_every_corner_finds_its_place_and_its_uv(seed: int, uv_count: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 6, 10).astype(np.int32)
    mesh = Mesh(
        vertices=rng.normal(size=(9, 3)).astype(np.float32),
        polygon_sizes=sizes,
        polygon_vertices=rng.integers(0, 9, sizes.sum()).astype(np.int32),
        uvs=rng.uniform(size=(uv_count, 2)).astype(np.float32),
        polygon_uvs=rng.integers(-1, uv_count, sizes.sum()).astype(np.int32),
    )
    sources, corners, uvs = split_at_seams(mesh)
    assert mesh.polygon_uvs is not None
    assert mesh.uvs is not None
    assert uvs is not None
    np.testing.assert_array_equal(sources[:9], np.arange(9))
    np.testing.assert_array_equal(sources[corners], mesh.triangles)
    index = mesh.polygon_uvs[mesh.corner_triangles]
    wanted = np.where(index[..., None] < 0, 0.0, mesh.uvs[index])
    np.testing.assert_allclose(uvs[corners] * [1, -1] + [0, 1], wanted, atol=1e-6)
    assert len(sources) <= 9 + len({*zip(mesh.polygon_vertices.tolist(), mesh.polygon_uvs.tolist(), strict=True)})


def test_without_uvs_nothing_is_split_and_unmoving_shapes_are_left_out(tmp_path: Path) -> None:
    face = cube_face()
    basis = face.basis.copy()
    basis[1] = 0
    still = dataclasses.replace(face, basis=basis, mesh=dataclasses.replace(cube_mesh(), uvs=None, polygon_uvs=None))
    write_glb(tmp_path / "a.glb", still, np.array([[1.0, 0.0], [0.5, 0.0]]), FPS)
    read = read_glb_animation(tmp_path / "a.glb")
    assert read.scene.target_names == ("jawOpen",)
    assert len(read.scene.mesh.vertices) == 8


def test_the_same_input_gives_the_same_bytes_and_no_other_file(tmp_path: Path) -> None:
    face = cube_face()
    coefficients, turns = motion(face, 12)
    for name in ("a.glb", "b.glb"):
        write_glb(tmp_path / name, face, coefficients, FPS, turns, {"seed": 3})
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.glb", "b.glb"]
    assert _document(tmp_path / "a.glb")["asset"]["extras"] == {"seed": 3}


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    face = cube_face()
    with pytest.raises(InputError, match="no frames"):
        write_glb(tmp_path / "a.glb", face, np.zeros((0, 2)), FPS)
    with pytest.raises(ValueError, match="head rotations"):
        write_glb(tmp_path / "a.glb", face, np.zeros((2, 2)), FPS, np.zeros((3, 3)))
    write_glb(tmp_path / "a.glb", face, np.zeros((2, 2)), FPS)
    assert not list(tmp_path.glob(".*"))


@pytest.fixture(scope="session")
def validator() -> Path:
    """Folder whose node_modules holds the Khronos gltf-validator; installed once where npm can reach its registry."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    default = Path(tempfile.gettempdir()) / "sedtalker-gltf-validator"
    folder = Path(os.environ.get("GLTF_VALIDATOR_DIR", default))
    if not (folder / "node_modules" / "gltf-validator").is_dir():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            "gltf-validator@2.0.0-dev.3.10",
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not answer")
        if done.returncode != 0:
            pytest.skip("gltf-validator could not be installed")
    return folder


@pytest.mark.parametrize("face", [cube_face(), standing()], ids=["cube", "standing"])
@pytest.mark.parametrize(("frames", "turning"), [(1, True), (40, True), (7, False)])
def test_the_khronos_validator_finds_nothing(
    tmp_path: Path, validator: Path, frames: int, turning: bool, face: Face
) -> None:
    coefficients, turns = motion(face, frames)
    write_glb(tmp_path / "a.glb", face, coefficients, FPS, turns if turning else None, {"seed": 1})
    issues = _issues(validator, tmp_path / "a.glb")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues


def _issues(validator: Path, path: Path) -> dict:
    script = (
        "const v=require('gltf-validator'),f=require('fs');"
        "v.validateBytes(new Uint8Array(f.readFileSync(process.argv[1])))"
        ".then(r=>console.log(JSON.stringify(r.issues)))"
    )
    done = subprocess.run(["node", "-e", script, str(path)], cwd=validator, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _document(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])


@pytest.mark.parametrize(("targets", "frames", "most"), [("few", 300, 4e6), ("arkit", 30, 6e6)])
@pytest.mark.slow
def test_the_built_in_face_is_small_valid_and_true(
    tmp_path: Path, validator: Path, targets: str, frames: int, most: float
) -> None:
    animation = speaking_face(frames)
    path = tmp_path / "a.glb"
    said = write_animation_glb(path, animation, targets=targets)
    issues = _issues(validator, path)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues
    assert path.stat().st_size <= most
    chosen = np.linspace(0, frames - 1, 8).round().astype(int)
    count = len(animation.face.mesh.vertices)
    read = read_glb_animation(path).vertices(chosen / animation.fps)[:, :count]
    error = read - np.stack([animation.vertices(i, i + 1)[0] for i in chosen])
    rms = float(np.sqrt((error**2).sum(axis=-1).mean()))
    assert rms <= (5e-5 if targets == "few" else said["residual_mm"] / 1e3 + 2e-5)


def test_normals_bend_with_the_face(tmp_path: Path) -> None:
    """Normals of the file where most shapes are at work, against those of the moved mesh."""
    animation = speaking_face(12)
    face, path = animation.face, tmp_path / "a.glb"
    write_animation_glb(path, animation, targets="few")
    file = GltfFile(path)
    primitive = file.document.meshes[0].primitives[0]
    weights = read_glb_animation(path).weights
    frame = int(weights.sum(axis=1).argmax())
    normals = file.accessor(primitive.attributes.NORMAL)
    for weight, target in zip(weights[frame], primitive.targets, strict=True):
        normals += weight * file.accessor(target["NORMAL"] if isinstance(target, dict) else target.NORMAL)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    moved = face.deform(animation.coefficients[frame : frame + 1])[0]
    expected = welded_normals(moved, face.mesh.triangles, weld_map(face.mesh))
    skin = face.regions["skin"]  # the first primitive
    normals, expected = normals[: len(expected)][skin], expected[skin]
    degrees = np.degrees(np.arccos(np.clip((normals * expected).sum(axis=1), -1, 1)))
    resting = welded_normals(face.mesh.vertices, face.mesh.triangles, weld_map(face.mesh))[skin]
    bent = np.degrees(np.arccos(np.clip((resting * expected).sum(axis=1), -1, 1)))
    assert np.median(degrees) < 1.0
    assert np.sqrt((degrees**2).mean()) < 0.6 * np.sqrt((bent**2).mean())


def test_a_primitive_has_only_its_stretch_of_the_vertices(tmp_path: Path) -> None:
    animation = speaking_face(4)
    write_animation_glb(tmp_path / "a.glb", animation)
    document = _document(tmp_path / "a.glb")
    primitives = document["meshes"][0]["primitives"]
    counts = [document["accessors"][p["attributes"]["POSITION"]]["count"] for p in primitives]
    assert counts[0] >= len(animation.face.mesh.vertices)
    assert sum(counts[1:]) < 1.2 * len(animation.face.mesh.vertices)
    read = read_mesh(tmp_path / "a.glb")
    np.testing.assert_array_equal(read.vertices[: len(animation.face.mesh.vertices)], animation.face.mesh.vertices)
    sources, corners, _ = split_at_seams(animation.face.mesh)
    np.testing.assert_array_equal(np.sort(sources[read.triangles], axis=None), np.sort(sources[corners], axis=None))


def test_targets_move_vertices_shared_by_groups_and_those_no_polygon_uses(tmp_path: Path) -> None:
    face = cube_face()
    mesh = dataclasses.replace(
        face.mesh,
        uvs=None,
        polygon_uvs=None,
        vertices=np.concatenate([face.mesh.vertices, [[9, 9, 9]]]).astype(np.float32),
        colours=np.ones((9, 3), np.float32),
    )
    basis = np.random.default_rng(0).normal(size=(3, 9, 3)).astype(np.float32)
    loose = dataclasses.replace(face, mesh=mesh, basis=basis, regions={}, landmarks=None)
    coefficients, _ = motion(loose, 4)
    write_glb(tmp_path / "a.glb", loose, coefficients, FPS)
    vertices = read_glb_animation(tmp_path / "a.glb").vertices(np.arange(4) / FPS)
    np.testing.assert_allclose(vertices, loose.deform(coefficients), atol=5e-5)
