"""Meshes and blend shapes from USD, vertex for vertex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.export.usd import write_usd
from sedtalker.face.builtin import load_face
from sedtalker.face.fitting import fit, recognise
from sedtalker.mesh.files import read_scene
from sedtalker.mesh.mesh import Mesh
from sedtalker.mesh.usd import check_openable
from tests.support.cube import CORNERS, QUADS, assert_refused, cube_face
from tests.support.moving import moving_cube

pxr = pytest.importorskip("pxr", reason="usd-core is not installed")


def corner_uvs(mesh: Mesh) -> np.ndarray:
    assert mesh.uvs is not None
    assert mesh.polygon_uvs is not None
    return mesh.uvs[mesh.polygon_uvs]


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usd"])
def test_what_we_write_is_read_as_it_was(tmp_path: Path, suffix: str) -> None:
    face = cube_face()
    write_usd(tmp_path / f"cube{suffix}", moving_cube(4), targets="all")
    scene = read_scene(tmp_path / f"cube{suffix}")
    mesh = scene.mesh
    np.testing.assert_allclose(mesh.vertices, face.mesh.vertices)
    np.testing.assert_array_equal(mesh.polygon_sizes, face.mesh.polygon_sizes)
    np.testing.assert_array_equal(mesh.polygon_vertices, face.mesh.polygon_vertices)
    np.testing.assert_allclose(corner_uvs(mesh), corner_uvs(face.mesh))
    assert mesh.group_names == face.mesh.group_names
    np.testing.assert_array_equal(mesh.polygon_groups, face.mesh.polygon_groups)
    np.testing.assert_allclose(mesh.colours, face.mesh.colours, atol=1e-5)
    assert scene.target_names == ("jawOpen", "mouthClose", "jawOpen_mouthClose")
    np.testing.assert_allclose(scene.targets, face.basis, atol=1e-6)


def stage_with_two(path: Path) -> None:
    """A cube moved and mirrored under a parent, another one left-handed and grown, and a guide."""
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

    stage = Usd.Stage.CreateNew(str(path))
    parent = UsdGeom.Xform.Define(stage, "/Root")
    parent.AddTranslateOp().Set(Gf.Vec3d(10, 0, 0))

    def cube(name: str, corners: np.ndarray) -> Any:
        mesh = UsdGeom.Mesh.Define(stage, f"/Root/{name}")
        mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(CORNERS))
        mesh.CreateFaceVertexCountsAttr(Vt.IntArray([4] * 6))
        mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(corners.reshape(-1))))
        return mesh

    mirrored = cube("Mirrored", QUADS)
    mirrored.AddScaleOp().Set(Gf.Vec3f(-1, 1, 1))
    st = UsdGeom.PrimvarsAPI(mirrored).CreatePrimvar("map1", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
    st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(CORNERS[:, :2])))
    shape = UsdSkel.BlendShape.Define(stage, "/Root/Mirrored/Open")
    shape.CreateOffsetsAttr(Vt.Vec3fArray([(1, 0, 0)]))
    shape.CreatePointIndicesAttr(Vt.IntArray([3]))
    binding = UsdSkel.BindingAPI.Apply(mirrored.GetPrim())
    binding.CreateBlendShapesAttr(["jawOpen"])
    binding.CreateBlendShapeTargetsRel().SetTargets([shape.GetPath()])
    left = cube("LeftHanded", QUADS[:, [0, 3, 2, 1]])
    left.CreateOrientationAttr(UsdGeom.Tokens.leftHanded)
    left.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    left.CreateDisplayColorPrimvar(UsdGeom.Tokens.constant).Set(Vt.Vec3fArray([(1, 0, 0)]))
    guide = cube("Guide", QUADS)
    guide.CreatePurposeAttr(UsdGeom.Tokens.guide)
    stage.Save()


def outward(mesh: Mesh, centre: np.ndarray, polygons: slice) -> bool:
    corners = mesh.vertices[mesh.polygon_vertices.reshape(-1, 4)[polygons]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return bool(((corners.mean(axis=1) - centre) * normal).sum(axis=1).min() > 0)


@pytest.mark.parametrize("packed", [False, True], ids=["usdc", "usdz"])
def test_meshes_of_a_stage_are_joined_in_its_coordinates(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "two.usdc"
    stage_with_two(path)
    if packed:
        from pxr import UsdUtils

        assert UsdUtils.CreateNewUsdzPackage(str(path), str(tmp_path / "two.usdz"))
        path = tmp_path / "two.usdz"
    scene = read_scene(path)
    mesh = scene.mesh
    assert (len(mesh.vertices), mesh.polygon_sizes.tolist()) == (16, [4] * 12)
    np.testing.assert_allclose(mesh.vertices[:8], CORNERS * (-1, 1, 1) + (10, 0, 0))
    np.testing.assert_allclose(mesh.vertices[8:], 2 * CORNERS + (10, 0, 0))
    assert outward(mesh, np.array([10, 0, 0]), slice(0, 6))
    assert outward(mesh, np.array([10, 0, 0]), slice(6, 12))
    assert mesh.group_names == ("Mirrored", "LeftHanded")
    assert mesh.polygon_groups is not None
    assert mesh.polygon_groups.tolist() == [0] * 6 + [1] * 6
    np.testing.assert_allclose(corner_uvs(mesh)[:24], CORNERS[mesh.polygon_vertices[:24], :2])
    assert (mesh.polygon_uvs[24:] == -1).all()
    np.testing.assert_allclose(mesh.colours[8:], np.tile([1.0, 0.0, 0.0], (8, 1)))
    assert scene.target_names == ("jawOpen",)
    assert scene.targets[0, 3].tolist() == [-1, 0, 0]
    assert np.count_nonzero(scene.targets) == 1


@pytest.mark.parametrize("suffix", [".usd", ".usda", ".usdc", ".usdz"])
@pytest.mark.parametrize("content", [b"just text", b"PXR-USDC" + bytes(range(200)), b"#usda 1.0\n", b"PK\x03\x04 cut"])
def test_what_is_no_mesh_is_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    assert_refused(tmp_path / f"bad{suffix}", content)


@pytest.mark.slow
def test_an_exported_built_in_face_is_recognised(tmp_path: Path) -> None:
    source = load_face()
    write_usd(tmp_path / "face.usdc", moving_cube(2, face=source))
    scene = read_scene(tmp_path / "face.usdc")
    assert recognise(scene, source) is not None
    face, report = fit(scene, source, "face")
    assert report.way == "exact"
    np.testing.assert_allclose(face.basis, source.basis, atol=1e-6)


def test_no_code_of_the_working_directory_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cube.usda"
    write_usd(path, moving_cube(2), targets="all")
    downloaded = tmp_path / "downloaded"
    (downloaded / "pxr").mkdir(parents=True)
    (downloaded / "pxr" / "__init__.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(downloaded)
    monkeypatch.setenv("PYTHONPATH", str(downloaded))
    check_openable(path)
    assert not (downloaded / "ran").exists()
