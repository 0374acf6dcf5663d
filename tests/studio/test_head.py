"""The GLB of the head and the rows of weights belong to each other, and to the face."""

from __future__ import annotations

import json
import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sedtalker.errors import InputError
from sedtalker.face import Face
from sedtalker.metrics.motion import lip_aperture
from sedtalker.studio.head import face_picture, head_glb, list_faces, weight_rows


def document_of(glb: bytes) -> dict:
    length = struct.unpack("<I", glb[12:16])[0]
    return json.loads(glb[20 : 20 + length])


def test_the_head_has_every_target_and_a_node_that_turns(subject):
    glb = head_glb(subject.face)
    assert glb == head_glb(subject.face)
    document = document_of(glb)
    assert document["meshes"][0]["extras"]["targetNames"] == list(subject.face.basis_names)
    assert all(len(p["targets"]) == len(subject.face.basis) for p in document["meshes"][0]["primitives"])
    assert document["nodes"][0]["name"] == "head"
    assert document["nodes"][0]["translation"] == pytest.approx(document["asset"]["extras"]["pivot"])
    assert "animations" not in document


def test_rows_of_weights_are_the_animation(session, subject):
    animation = session.animation()
    rows = weight_rows(animation, 30, 60)
    assert rows.shape == (30, len(subject.face.shapes) + len(subject.face.correctives) + 4)
    count = len(subject.face.basis_names)
    vertices = subject.face.mesh.vertices + np.tensordot(rows[5, :count], subject.face.basis, axes=1)
    assert np.abs(vertices - subject.face.deform(animation.coefficients[35:36])[0]).max() < 1e-6
    assert (rows[:, count : count + 3] == animation.head_rotation[30:60]).all()
    assert rows[:, -1] == pytest.approx(lip_aperture(subject.face, animation.coefficients[30:60]))


def test_pictures_of_the_built_in_faces(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = list_faces()[0]["name"]
    assert Face.builtin().name == name
    data = face_picture(name)
    picture = Image.open(BytesIO(data))
    assert picture.size == (160, 160)
    assert np.ptp(np.asarray(picture)) > 100
    assert [path.read_bytes() for path in tmp_path.rglob("*.png")] == [data]
    assert face_picture(name) == data
    with pytest.raises(InputError, match="no built-in face"):
        face_picture("../../secret")
