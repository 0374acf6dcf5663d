from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.export.usd import write_usd
from sedtalker.face.face import Face
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
    for audio in ("../speech.wav", "./speech.wav"):
        write_usd(tmp_path / "a.usdc", moving_cube(2), audio=audio.removeprefix("./"))
        assert read_usd(tmp_path / "a.usdc").audio == audio


def test_the_built_in_face_is_within_a_twentieth_of_a_millimetre(tmp_path: Path) -> None:
    animation = speaking_face(8)
    said = write_usd(tmp_path / "a.usdc", animation)
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
    empty = dataclasses.replace(moving_cube(), coefficients=np.zeros((0, 2), np.float32))
    with pytest.raises(InputError, match="no frames"):
        write_usd(tmp_path / "d.usda", empty)
