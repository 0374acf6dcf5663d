from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sedtalker.errors import InputError
from sedtalker.export import fbx_records
from sedtalker.export.fbx import TICKS, write_fbx
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Material
from tests.support.cube import cube_face
from tests.support.exports import read_fbx
from tests.support.moving import moving_cube, speaking_face
from tests.support.standing import standing


@pytest.mark.parametrize("face", [cube_face(), standing()], ids=["cube", "standing"])
@pytest.mark.parametrize("frames", [1, 9])
def test_reading_back_gives_the_vertices(tmp_path: Path, face: Face, frames: int) -> None:
    face = dataclasses.replace(face, mesh=dataclasses.replace(face.mesh, colours=None))
    animation = moving_cube(frames, face=face)
    write_fbx(tmp_path / "a.fbx", animation, targets="all")
    read = read_fbx(tmp_path / "a.fbx")
    np.testing.assert_allclose(read.vertices(np.arange(frames)), animation.vertices(), atol=2e-5)
    geometry = read.objects[read.only("Geometry", "Mesh")]
    indices = geometry.value("PolygonVertexIndex")
    np.testing.assert_array_equal(np.where(indices < 0, ~indices, indices), face.mesh.polygon_vertices)
    np.testing.assert_array_equal(np.flatnonzero(indices < 0) + 1, np.cumsum(face.mesh.polygon_sizes))
    if face.mesh.uvs is not None:
        (layer,) = geometry.all("LayerElementUV")
        uvs = layer.value("UV").reshape(-1, 2)[layer.value("UVIndex")]
        np.testing.assert_allclose(uvs, face.mesh.uvs[face.mesh.polygon_uvs], atol=1e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["a.fbx"]


def test_the_built_in_face_is_within_a_twentieth_of_a_millimetre(tmp_path: Path) -> None:
    animation = speaking_face(8)
    write_fbx(tmp_path / "a.fbx", animation, targets="all")
    error = read_fbx(tmp_path / "a.fbx").vertices(np.arange(8)) - animation.vertices()
    assert np.sqrt((error**2).sum(axis=-1).mean()) < 5e-5
    said = write_fbx(tmp_path / "b.fbx", animation)
    read = read_fbx(tmp_path / "b.fbx")
    shapes = [o for o in read.objects.values() if o.values[2] == "BlendShapeChannel"]
    assert (said["targets"], len(shapes)) == (57, 57), "ARKit's, three of the tongue, two that correct it"
    assert shapes[17].values[1] == "jawOpen\0\1SubDeformer"


def test_units_axes_time_and_provenance_are_stated(tmp_path: Path) -> None:
    write_fbx(tmp_path / "a.fbx", moving_cube(5, fps=24.0), audio="speech.wav")
    read = read_fbx(tmp_path / "a.fbx")
    (settings,) = read.root.all("GlobalSettings")
    assert settings.named("UnitScaleFactor") == [1.0], "centimetres"
    assert [settings.named(name) for name in ("UpAxis", "FrontAxis", "TimeMode")] == [[1], [2], [11]]
    assert settings.named("TimeSpanStop") == [round(4 * TICKS / 24)]
    curve = next(o for o in read.objects.values() if o.name == "AnimationCurve")
    np.testing.assert_array_equal(curve.value("KeyTime"), [round(k * TICKS / 24) for k in range(5)])
    kept = json.loads(read.objects[read.only("Model", "Mesh")].named("sedtalker")[0])
    assert kept == {"seed": 1, "audio": "speech.wav"}
    write_fbx(tmp_path / "b.fbx", moving_cube(5, fps=29.5))
    (settings,) = read_fbx(tmp_path / "b.fbx").root.all("GlobalSettings")
    assert settings.named("TimeMode") + settings.named("CustomFrameRate") == [14, 29.5]


def test_materials_and_their_pictures_are_kept(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (2, 2), (200, 10, 10)).save(picture, "PNG")
    face = cube_face()
    skin = Material("paint", colour=(0.5, 0.5, 0.5, 1.0), texture=picture.getvalue())
    mesh = dataclasses.replace(face.mesh, materials=(skin, *[None] * (len(face.mesh.group_names) - 1)))
    write_fbx(tmp_path / "a.fbx", moving_cube(2, face=dataclasses.replace(face, mesh=mesh)))
    read = read_fbx(tmp_path / "a.fbx")
    model = read.only("Model", "Mesh")
    materials = [read.objects[n] for n in read.of(model, "Material")]
    assert [m.values[1].split("\0")[0] for m in materials] == ["paint", "eyes"]
    assert materials[0].named("DiffuseColor") == [0.5, 0.5, 0.5]
    (texture,) = read.of(materials[0].values[0], "Texture")
    (video,) = read.of(texture, "Video")
    assert read.objects[video].value("Content") == picture.getvalue()
    (layer,) = read.objects[read.only("Geometry", "Mesh")].all("LayerElementMaterial")
    assert np.bincount(layer.value("Materials")).tolist() == [5, 1]


def test_a_mesh_of_vertex_colours_gets_a_picture_of_them(tmp_path: Path) -> None:
    face = standing()
    assert face.mesh.uvs is None
    colours = np.random.default_rng(0).uniform(size=(len(face.mesh.vertices), 3)).astype(np.float32)
    face = dataclasses.replace(face, mesh=dataclasses.replace(face.mesh, colours=colours))
    write_fbx(tmp_path / "a.fbx", moving_cube(2, face=face))
    read = read_fbx(tmp_path / "a.fbx")
    (video,) = [o for o in read.objects.values() if o.name == "Video"]
    picture = np.asarray(Image.open(io.BytesIO(video.value("Content")))) / 255.0
    (layer,) = read.objects[read.only("Geometry", "Mesh")].all("LayerElementUV")
    at = layer.value("UV").reshape(-1, 2)[layer.value("UVIndex")] * [1, -1] + [0, 1]
    column, row = (at * len(picture)).astype(int).T
    corners = np.split(colours[face.mesh.polygon_vertices], np.cumsum(face.mesh.polygon_sizes)[:-1])
    wanted = np.concatenate([np.tile(part.mean(axis=0), (len(part), 1)) for part in corners])
    np.testing.assert_allclose(picture[row, column], wanted, atol=3 / 255)
    materials = [o for o in read.objects.values() if o.name == "Material"]
    assert all(len(read.of(m.values[0], "Texture")) == 1 for m in materials)


def test_the_same_animation_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.fbx", "b.fbx"):
        write_fbx(tmp_path / name, moving_cube(4))
    assert (tmp_path / "a.fbx").read_bytes() == (tmp_path / "b.fbx").read_bytes()


def test_what_the_format_cannot_count_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fbx_records, "MOST_FBX_BYTES", 1000)
    with pytest.raises(InputError, match=r"a\.fbx: more than 4 GiB"):
        write_fbx(tmp_path / "a.fbx", moving_cube(4))
    assert list(tmp_path.iterdir()) == []


def test_a_record_inside_another_is_counted_too() -> None:
    inside = fbx_records.Record("Inner", ("x",))
    with pytest.raises(InputError, match="more than 4 GiB"):
        fbx_records._encoded(fbx_records.Record("Objects", (), [inside]), 2**32 - 20)
