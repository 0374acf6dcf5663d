from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.export.usd import identifiers, write_usd
from sedtalker.face.face import Face
from sedtalker.mesh.files import read_mesh
from tests.support.cube import cube_face
from tests.support.exports import read_usd
from tests.support.moving import moving_cube, speaking_face
from tests.support.standing import standing

pxr = pytest.importorskip("pxr", reason="usd-core is not installed")


@pytest.mark.parametrize("points", [False, True], ids=["skel", "points"])
@pytest.mark.parametrize("suffix", [".usdc", ".usda"])
@pytest.mark.parametrize("face", [cube_face(), standing()], ids=["cube", "standing"])
@pytest.mark.parametrize("frames", [1, 9])
def test_reading_back_gives_the_vertices(tmp_path: Path, face: Face, suffix: str, points: bool, frames: int) -> None:
    animation = moving_cube(frames, face=face)
    path = tmp_path / f"a{suffix}"
    write_usd(path, animation, targets="all", points=points)
    read = read_usd(path)
    np.testing.assert_allclose(read.vertices(np.arange(frames) / 30.0), animation.vertices(), atol=2e-6)
    np.testing.assert_array_equal(read.mesh.polygon_vertices, face.mesh.polygon_vertices)
    if face.mesh.uvs is not None:
        np.testing.assert_array_equal(read.mesh.uvs[read.mesh.polygon_uvs], face.mesh.uvs[face.mesh.polygon_uvs])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_pixar_skins_it_to_the_same_vertices(tmp_path: Path) -> None:
    from pxr import Usd, UsdGeom, UsdSkel

    animation = moving_cube(6, face=standing())
    write_usd(tmp_path / "a.usdc", animation, targets="all")
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    assert UsdSkel.BakeSkinning(UsdSkel.Root(stage.GetDefaultPrim()))
    baked = UsdGeom.Mesh(stage.GetPrimAtPath("/Face/Mesh")).GetPointsAttr()
    np.testing.assert_allclose([np.asarray(baked.Get(i)) for i in range(6)], animation.vertices(), atol=2e-6)


@pytest.mark.parametrize("points", [False, True], ids=["skel", "points"])
def test_every_validator_of_openusd_is_content(tmp_path: Path, points: bool) -> None:
    from pxr import Usd, UsdValidation

    (tmp_path / "speech.wav").write_bytes(b"RIFF")
    write_usd(tmp_path / "a.usdc", moving_cube(3), points=points, audio="speech.wav")
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 20
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(tmp_path / "a.usdc")))
    assert [(e.GetName(), e.GetMessage()) for e in errors] == []


def test_units_axes_time_and_materials_are_stated(tmp_path: Path) -> None:
    from pxr import Usd, UsdGeom, UsdShade

    write_usd(tmp_path / "a.usda", moving_cube(5, fps=24.0))
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert (stage.GetTimeCodesPerSecond(), stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (24.0, 0.0, 4.0)
    subsets = UsdShade.MaterialBindingAPI(stage.GetPrimAtPath("/Face/Mesh")).GetMaterialBindSubsets()
    assert {s.GetPrim().GetName(): len(s.GetIndicesAttr().Get()) for s in subsets} == {"skin": 5, "eyes": 1}


def test_the_sound_is_named_relative_to_the_file(tmp_path: Path) -> None:
    for audio in ("../speech.wav", "./speech.wav", "/other/drive/speech.wav"):
        write_usd(tmp_path / "a.usdc", moving_cube(2), audio=audio.removeprefix("./"))
        assert read_usd(tmp_path / "a.usdc").audio == audio


def test_names_of_files_need_not_be_utf8(tmp_path: Path) -> None:
    try:
        folder = tmp_path / os.fsdecode(b"caf\xe9")
        folder.mkdir()
    except (OSError, UnicodeDecodeError):
        pytest.skip("names of this system's files are UTF-8")
    path = folder / os.fsdecode(b"k\xf6pf.usdc")
    write_usd(path, moving_cube(2), audio=os.fsdecode(b"caf\xe9/ja.wav"))
    assert [made.name for made in folder.iterdir()] == [path.name]
    with pytest.raises(InputError, match="whole path is UTF-8"):
        read_mesh(path)
    assert read_usd(Path(shutil.copy(path, tmp_path / "a.usdc"))).audio == "./caf?/ja.wav"


def test_the_built_in_face_is_within_a_twentieth_of_a_millimetre(tmp_path: Path) -> None:
    animation = speaking_face(8)
    said = write_usd(tmp_path / "a.usdc", animation, targets="few")
    assert said["targets"] <= 40
    error = read_usd(tmp_path / "a.usdc").vertices(np.arange(8) / 30.0) - animation.vertices()
    assert np.sqrt((error**2).sum(axis=-1).mean()) < 5e-5


def test_what_is_no_usd_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.usda").write_text("nothing")
    with pytest.raises(InputError, match="not a USD file"):
        read_usd(tmp_path / "a.usda")
    (tmp_path / "b.usda").write_text('#usda 1.0\n( upAxis = "Y" )\n')
    with pytest.raises(InputError, match="not a face"):
        read_usd(tmp_path / "b.usda")
    with pytest.raises(InputError, match="no such file"):
        read_usd(tmp_path / "c.usda")


def opened(path: Path, animation, **options):
    from pxr import Usd

    write_usd(path, animation, **options)
    return Usd.Stage.Open(str(path))


def test_points_beyond_two_gibibytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sedtalker.export import usd

    assert usd.MOST_POINT_BYTES == 2 * 1024**3
    monkeypatch.setattr(usd, "MOST_POINT_BYTES", 3 * 8 * 12)
    write_usd(tmp_path / "a.usda", moving_cube(3), points=True)
    with pytest.raises(InputError, match="points; write mdd"):
        write_usd(tmp_path / "b.usda", moving_cube(4), points=True)
    write_usd(tmp_path / "b.usda", moving_cube(4))


def test_extents_hold_every_frame(tmp_path: Path) -> None:
    from pxr import UsdGeom

    animation = moving_cube(5)
    sampled = opened(tmp_path / "b.usda", animation, points=True)
    mesh = UsdGeom.Mesh(sampled.GetPrimAtPath("/Face/Mesh"))
    low, high = np.asarray(mesh.GetExtentAttr().Get())
    vertices = animation.vertices()
    np.testing.assert_allclose(low, vertices.min((0, 1)), atol=1e-6)
    np.testing.assert_allclose(high, vertices.max((0, 1)), atol=1e-6)
    stage = opened(tmp_path / "a.usda", animation, targets="all")
    hint = np.asarray(UsdGeom.ModelAPI(stage.GetPrimAtPath("/Face")).GetExtentsHintAttr().Get())
    np.testing.assert_allclose(hint, [[-1.12, -1.72, -1.32], [1.12, 1.72, 1.32]], atol=1e-6)
    still = animation.face.deform(animation.coefficients)
    assert (hint[0] < still.min((0, 1))).all()
    assert (hint[1] > still.max((0, 1))).all()


def test_materials_say_how_they_shine_and_where_their_colour_is(tmp_path: Path) -> None:
    from pxr import UsdGeom, UsdShade

    mesh = dataclasses.replace(cube_face().mesh, group_names=("my eye", "my-eye"))
    stage = opened(tmp_path / "a.usda", moving_cube(2, face=dataclasses.replace(cube_face(), mesh=mesh)))
    names = [child.GetName() for child in stage.GetPrimAtPath("/Face/Materials").GetChildren()]
    assert names == ["my_eye", "my_eye_1"], "names of prims are unique"
    for name in names:
        shader = UsdShade.Shader(stage.GetPrimAtPath(f"/Face/Materials/{name}/Surface"))
        assert shader.GetInput("roughness").Get() == pytest.approx(0.12)
        assert shader.GetInput("metallic").Get() == 0.0
        assert not shader.GetInput("opacity")
        source = UsdShade.Shader(shader.GetInput("diffuseColor").GetConnectedSources()[0][0].source.GetPrim())
        assert source.GetInput("varname").Get() == "displayColor"
    shown = UsdGeom.Mesh(stage.GetPrimAtPath("/Face/Mesh"))
    assert shown.GetDoubleSidedAttr().Get()
    assert shown.GetSubdivisionSchemeAttr().Get() == "none"
    encoded = np.asarray(mesh.colours)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(shown.GetDisplayColorAttr().Get(), linear, atol=1e-5)


def test_a_see_through_material_says_so(tmp_path: Path) -> None:
    from pxr import UsdShade

    from sedtalker.mesh.mesh import Material

    glass, metal = Material("a", (1, 1, 1, 0.25), 0.0, 0.1, "BLEND"), Material("b", (1, 1, 1, 0.25), 0.9, 0.2)
    mesh = dataclasses.replace(cube_face().mesh, materials=(glass, metal))
    stage = opened(tmp_path / "a.usda", moving_cube(2, face=dataclasses.replace(cube_face(), mesh=mesh)))
    first, second = (UsdShade.Shader(stage.GetPrimAtPath(f"/Face/Materials/{n}/Surface")) for n in ("skin", "eyes"))
    assert first.GetInput("opacity").Get() == 0.25
    assert not second.GetInput("opacity")
    assert (second.GetInput("metallic").Get(), second.GetInput("roughness").Get()) == pytest.approx((0.9, 0.2))


def test_blend_shapes_hold_only_what_moves(tmp_path: Path) -> None:
    from pxr import UsdSkel

    face = cube_face()
    basis = face.basis[:2].copy()
    basis[1], basis[0] = 0.0, 0.0
    basis[0, 3], basis[0, 5], basis[1, 2, 0] = (0, 0.5, 0), 0.9e-6, 1.1e-6
    flat = dataclasses.replace(face, basis=basis, correctives=())
    stage = opened(tmp_path / "a.usda", moving_cube(3, face=flat), targets="all")
    rows = [
        list(UsdSkel.BlendShape(stage.GetPrimAtPath(f"/Face/Mesh/{name}")).GetPointIndicesAttr().Get())
        for name in flat.shapes
    ]
    assert 5 not in rows[0] or len(rows[0]) > 4, "what does not move has at most its bent normal"
    assert 3 in rows[0]
    assert rows[1] == [2]


def test_shapes_whose_names_are_alike_in_usd_stay_apart(tmp_path: Path) -> None:
    face = cube_face()
    named = dataclasses.replace(face, shapes=("jaw open", "jaw_open"), basis=face.basis[:2], correctives=())
    animation = moving_cube(5, face=named)
    write_usd(tmp_path / "a.usda", animation, targets="all")
    read = read_usd(tmp_path / "a.usda")
    np.testing.assert_allclose(read.vertices(np.arange(5) / 30.0), animation.vertices(), atol=2e-6)


def test_a_shape_and_a_material_of_one_name_stay_apart(tmp_path: Path) -> None:
    from pxr import Usd, UsdGeom, UsdSkel

    face = cube_face()
    named = dataclasses.replace(face, mesh=dataclasses.replace(face.mesh, group_names=("skin", "jawOpen")))
    write_usd(tmp_path / "a.usda", moving_cube(5, face=named), targets="all")
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    assert stage.GetPrimAtPath("/Face/Mesh/jawOpen").IsA(UsdGeom.Subset)
    binding = UsdSkel.BindingAPI(stage.GetPrimAtPath("/Face/Mesh"))
    assert binding.GetBlendShapesAttr().Get()[0] == "jawOpen"
    assert stage.GetPrimAtPath(binding.GetBlendShapeTargetsRel().GetTargets()[0]).IsA(UsdSkel.BlendShape)


def test_names_that_are_made_unlike_are_unlike_each_other() -> None:
    assert identifiers(["a_2", "a?", "a_", "a_"]) == ["a_2", "a_", "a__2", "a__3"]
    assert len(set(identifiers(["a_b_2", "a b", "a_b"]))) == 3


def test_the_head_joint_turns_the_short_way_about_the_pivot(tmp_path: Path) -> None:
    from pxr import UsdSkel

    turns = np.array([[0, 3.0, 0], [0, 3.3, 0], [0, 3.6, 0]], np.float32)
    animation = dataclasses.replace(moving_cube(3), head_rotation=turns)
    stage = opened(tmp_path / "a.usda", animation)
    motion = UsdSkel.Animation(stage.GetPrimAtPath("/Face/Motion"))
    assert np.allclose(motion.GetTranslationsAttr().Get(), [[0, 0, 0], [0, -1, 0]])
    found = []
    for frame in range(3):
        body, head = motion.GetRotationsAttr().Get(frame)
        assert (body.GetReal(), *body.GetImaginary()) == (1, 0, 0, 0)
        found.append([head.GetReal(), *head.GetImaginary()])
    np.testing.assert_allclose(found, [[np.cos(a / 2), 0, np.sin(a / 2), 0] for a in (3.0, 3.3, 3.6)], atol=1e-6)
    skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath("/Face/Skeleton"))
    assert list(skeleton.GetJointsAttr().Get()) == ["body", "body/head"]


def test_corners_without_a_texture_coordinate_get_one_of_their_own(tmp_path: Path) -> None:
    from pxr import UsdGeom

    source = cube_face().mesh
    assert source.uvs is not None
    assert source.polygon_uvs is not None
    corners = source.polygon_uvs.copy()
    corners[[2, 7]] = -1
    face = dataclasses.replace(cube_face(), mesh=dataclasses.replace(source, polygon_uvs=corners))
    stage = opened(tmp_path / "a.usda", moving_cube(2, face=face))
    st = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/Face/Mesh")).GetPrimvar("st")
    np.testing.assert_array_equal(st.GetIndices(), np.where(corners < 0, len(source.uvs), corners))
    np.testing.assert_allclose(st.Get(), [*source.uvs, (0, 0)], atol=1e-6)
