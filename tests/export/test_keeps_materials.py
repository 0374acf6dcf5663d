"""Materials and textures of the user's file go through to the animated GLB and the project's own files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sedtalker.animation.animation import Animation
from sedtalker.export.own_file import write_animation_glb
from sedtalker.face.face import Face
from sedtalker.face.sedface import face_arrays, face_from_arrays
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.gltf import GltfFile
from sedtalker.mesh.mesh import Material, Mesh, kept_picture

OBJ = (
    "mtllib user.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 2 0 0\nv 2 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    "g face\nusemtl skin\nf 1/1 2/2 3/3 4/4\ng card\nusemtl lash\nf 2/1 5/2 6/3 3/4\n"
)
MTL = "newmtl skin\nKd 0.8 0.8 0.8\nmap_Kd skin.{}\n\nnewmtl lash\nKd 0.2 0.1 0.1\nd 0.5\n"


def picture(kind: str) -> bytes:
    made = io.BytesIO()
    pixels = np.uint8(np.random.default_rng(0).integers(0, 255, (4, 4, 3)))
    Image.fromarray(pixels).save(made, kind)
    return made.getvalue()


def user_mesh(folder: Path, kind: str = "png") -> Mesh:
    (folder / "user.obj").write_text(OBJ)
    (folder / "user.mtl").write_text(MTL.format(kind))
    (folder / f"skin.{kind}").write_bytes(picture({"png": "PNG", "jpg": "JPEG", "bmp": "BMP"}[kind]))
    return read_mesh(folder / "user.obj")


def moving(mesh: Mesh) -> Animation:
    basis = np.zeros((1, len(mesh.vertices), 3), np.float32)
    basis[0, 0] = 0.1
    face = Face("user", mesh, ("jawOpen",), basis)
    return Animation(np.array([[0], [1]], np.float32), 30.0, face, np.zeros((2, 3), np.float32), None, {})


def exported(mesh: Mesh, path: Path) -> Mesh:
    write_animation_glb(path, moving(mesh))
    return read_mesh(path)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp"])
def test_textures_of_an_obj_are_in_the_glb(tmp_path: Path, kind: str) -> None:
    mesh = user_mesh(tmp_path, kind)
    skin, lash = mesh.materials
    assert skin is not None
    assert lash is not None
    assert (skin.name, lash.name) == ("skin", "lash")
    expected = picture(kind.upper()) if kind == "png" else picture("JPEG") if kind == "jpg" else skin.texture
    assert skin.texture == expected
    assert (lash.alpha, lash.colour[3]) == ("BLEND", 0.5)
    again = exported(mesh, tmp_path / "out.glb")
    assert [m and (m.texture, m.alpha) for m in again.materials] == [(expected, "OPAQUE"), (None, "BLEND")]
    document = GltfFile(tmp_path / "out.glb").document
    textured, plain = document.meshes[0].primitives
    assert textured.attributes.COLOR_0 is None  # it would darken the texture
    assert textured.attributes.TEXCOORD_0 is not None
    assert plain.attributes.COLOR_0 is not None
    assert len(document.images) == 1


def test_a_glb_goes_through_twice(tmp_path: Path) -> None:
    mesh = user_mesh(tmp_path)
    strong = replace(
        mesh,
        materials=(
            Material("skin", (0.5, 0.6, 0.7, 1.0), 0.25, 0.75, "MASK", picture("PNG")),
            Material("lash", (1.0, 1.0, 1.0, 1.0), 0.5, 0.25),
        ),
    )
    once = exported(strong, tmp_path / "once.glb")
    twice = exported(once, tmp_path / "twice.glb")
    for first, second in zip(once.materials, twice.materials, strict=True):
        assert first is not None
        assert second is not None
        assert replace(second, name="") == replace(first, name="")
    assert once.materials[0] is not None
    assert once.materials[0].colour == pytest.approx((0.5, 0.6, 0.7, 1.0))
    assert (once.materials[0].metallic, once.materials[0].roughness) == (0.25, 0.75)


def test_own_files_keep_materials(tmp_path: Path) -> None:
    mesh = user_mesh(tmp_path)
    animation = moving(mesh)
    assert face_from_arrays(face_arrays(animation.face)).mesh.materials == mesh.materials
    animation.save(tmp_path / "a.npz")
    assert Animation.load(tmp_path / "a.npz").face.mesh.materials == mesh.materials
    plain = face_arrays(replace(animation.face, mesh=replace(mesh, materials=())))
    assert "materials" in json.loads(str(plain["face_json"]))
    assert face_from_arrays(plain).mesh.materials == ()


def test_usd_says_how_materials_shine(tmp_path: Path) -> None:
    pxr = pytest.importorskip("pxr", reason="usd-core is not installed")
    from pxr import Usd, UsdShade

    from sedtalker.export.usd import write_usd

    mesh = replace(user_mesh(tmp_path), materials=(Material("skin", roughness=0.3, metallic=0.6), None))
    write_usd(tmp_path / "a.usda", moving(mesh))
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    shaders = [UsdShade.Shader(p) for p in stage.Traverse() if p.GetName() == "Surface" and p.IsA(UsdShade.Shader)]
    found = [(s.GetInput("roughness").Get(), s.GetInput("metallic").Get()) for s in shaders]
    assert pxr is not None
    np.testing.assert_allclose(found[0], (0.3, 0.6), atol=1e-6)
    assert found[1][1] == 0.0


def test_pictures_that_cannot_be_read_are_left_out() -> None:
    assert kept_picture(b"\x89PNG\r\n but no picture") is None
    assert kept_picture(b"") is None
    assert kept_picture(picture("PNG")[:40]) is None
