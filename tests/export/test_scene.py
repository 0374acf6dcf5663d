from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sedtalker.animation.animation import Animation
from sedtalker.animation.scene import Place, Scene, moved
from sedtalker.errors import InputError
from sedtalker.export.own_file import write_animation_glb
from sedtalker.export.scene import write_scene
from sedtalker.export.usd import write_usd
from sedtalker.mesh.files import read_mesh
from sedtalker.speakers.turns import Turn, Turns
from tests.support.exports import read_glb_animation
from tests.support.moving import moving_cube
from tests.support.scenes import scene_of, two_figures
from tests.support.standing import standing


def document(path: Path) -> dict[str, Any]:
    """The JSON of a GLB file."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    made: dict[str, Any] = json.loads(data[20 : 20 + length])
    return made


@pytest.fixture
def mixed() -> Scene:
    """A cube that turns as a whole between two figures whose shoulders stay."""
    faces = {"ann": standing(), "a cube": None, "bob": standing()}
    return scene_of(**{name: moving_cube(9, face=face) for name, face in faces.items()})


def test_every_head_is_a_tree_with_its_speakers_name_and_place(mixed: Scene, tmp_path: Path) -> None:
    said = write_scene(mixed, tmp_path / "a.glb", "talk.wav", "all")
    assert list(said) == list(mixed.names)
    assert all(each["residual_mm"] == 0 for each in said.values())
    made = document(tmp_path / "a.glb")
    names = [node["name"] for node in made["nodes"]]
    assert len(set(names)) == len(names)
    roots = {made["nodes"][k]["name"]: made["nodes"][k] for k in made["scenes"][0]["nodes"]}
    assert set(roots) == {"ann", "ann figure", "a cube", "bob", "bob figure"}
    for name, animation in mixed.animations.items():
        place = mixed.places[name]
        np.testing.assert_allclose(roots[name]["translation"], animation.face.pivot + place.position, atol=1e-6)
        turn = Rotation.from_quat(roots[name]["rotation"]).as_rotvec(degrees=True)
        np.testing.assert_allclose(turn, (0, place.yaw, 0), atol=1e-4)
    extras = made["asset"]["extras"]
    assert extras["audio"] == "talk.wav"
    assert extras["turns"] == [[0.0, 0.1, "ann"], [0.1, 0.2, "a cube"], [0.2, 0.3, "bob"]]
    assert list(extras["speakers"]) == list(mixed.names)


def test_one_animation_moves_all_heads_on_one_clock(mixed: Scene, tmp_path: Path) -> None:
    write_scene(mixed, tmp_path / "a.glb", targets="all")
    made = document(tmp_path / "a.glb")
    (animation,) = made["animations"]
    moves = [(made["nodes"][c["target"]["node"]]["name"], c["target"]["path"]) for c in animation["channels"]]
    assert moves == [
        ("ann figure", "weights"), ("ann head", "rotation"), ("a cube cube", "weights"), ("a cube head", "rotation"),
        ("bob figure", "weights"), ("bob head", "rotation"),
    ]  # fmt: skip
    clocks = [made["accessors"][sampler["input"]] for sampler in animation["samplers"]]
    assert {(clock["count"], round(clock["max"][0], 5)) for clock in clocks} == {(9, round(8 / 30, 5))}
    assert [skin["joints"] for skin in made["skins"]] == [[2, 0], [9, 7]]
    for skin in made["skins"]:
        assert [made["nodes"][joint]["name"].split()[1] for joint in skin["joints"]] == ["body", "head"]
    materials = [p["material"] for mesh in made["meshes"] for p in mesh["primitives"]]
    assert materials == list(range(len(made["materials"])))


def test_a_scene_of_one_head_has_the_animation_of_that_head(tmp_path: Path) -> None:
    animation = moving_cube(5, face=standing())
    write_scene(scene_of(ann=animation), tmp_path / "scene.glb", targets="all")
    write_animation_glb(tmp_path / "alone.glb", animation, targets="all")
    scene, alone = (read_glb_animation(tmp_path / f"{name}.glb") for name in ("scene", "alone"))
    np.testing.assert_array_equal(scene.times, alone.times)
    np.testing.assert_array_equal(scene.weights, alone.weights)
    one, other = (document(tmp_path / f"{name}.glb") for name in ("scene", "alone"))
    assert one["meshes"][0]["primitives"] == other["meshes"][0]["primitives"]
    assert one["accessors"] == other["accessors"]


@pytest.mark.parametrize("suffix", [".glb", ".usda"])
def test_the_same_scene_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_scene(two_figures(), tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_usd_prims_move_and_stand_as_the_scene_does(mixed: Scene, tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    from pxr import Usd, UsdGeom, UsdSkel

    write_scene(mixed, tmp_path / "a.usdc", "talk.wav", "all")
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    assert stage.GetDefaultPrim().GetPath() == "/Scene"
    assert [prim.GetName() for prim in stage.GetDefaultPrim().GetChildren()] == ["ann", "a_cube", "bob", "Audio"]
    assert (stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (8, 30)
    cache = UsdSkel.Cache()
    for label, (name, animation) in zip(("ann", "a_cube", "bob"), mixed.animations.items(), strict=True):
        root = UsdSkel.Root(stage.GetPrimAtPath(f"/Scene/{label}"))
        cache.Populate(root, Usd.PrimDefaultPredicate)
        assert root.GetPrim().GetDisplayName() == name
        UsdSkel.BakeSkinning(root)
        points = np.array(UsdGeom.Mesh(stage.GetPrimAtPath(f"/Scene/{label}/Mesh")).GetPointsAttr().Get(4))
        world = np.array(UsdGeom.Xformable(root).ComputeLocalToWorldTransform(4))
        placed = points @ world[:3, :3] + world[3, :3]
        wanted = moved(animation.vertices(4, 5)[0], animation.face.pivot, mixed.places[name])
        np.testing.assert_allclose(placed, wanted, atol=2e-5 * np.abs(wanted).max())


def test_usd_of_one_head_holds_what_that_head_does(tmp_path: Path) -> None:
    pytest.importorskip("pxr")
    animation = moving_cube(3, face=standing())
    write_scene(scene_of(Face=animation), tmp_path / "scene.usda")
    write_usd(tmp_path / "alone.usda", animation)
    scene = [line.strip() for line in (tmp_path / "scene.usda").read_text().splitlines()]
    alone = {line.strip() for line in (tmp_path / "alone.usda").read_text().splitlines()}
    own = {line for line in scene if line.replace("/Scene/Face", "/Face") not in alone}
    assert all("xformOp" in line or "Scene" in line or "assembly" in line or "displayName" in line for line in own), own


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.obj: a scene is written as \.glb, \.usdc, \.usda, \.usd"):
        write_scene(two_figures(), tmp_path / "a.obj")
    nothing = Animation(np.zeros((0, 1), np.float32), 30.0, standing(), np.zeros((0, 3), np.float32))
    empty = Scene({"ann": nothing}, {"ann": Place()}, Turns((Turn(0.0, 1.0, "ann"),), 1.0))
    with pytest.raises(InputError, match="no frames"):
        write_scene(empty, tmp_path / "a.glb")
    assert not list(tmp_path.iterdir())


def test_the_file_reads_as_a_mesh_of_all_heads(tmp_path: Path) -> None:
    scene = two_figures()
    write_scene(scene, tmp_path / "a.glb")
    mesh = read_mesh(tmp_path / "a.glb")
    assert len(mesh.vertices) >= sum(len(a.face.mesh.vertices) for a in scene.animations.values())
