from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.builtin import DEFAULT, FACES, load_face
from sedtalker.face.builtin.characters import KNOWN
from sedtalker.face.builtin.load import build_face
from sedtalker.face.builtin.named import VERTICES, faces_of_size
from sedtalker.face.face import paired_names, parse_weights, pose


@pytest.mark.parametrize("name", list(FACES))
def test_every_face_has_the_52_shapes_first(name: str) -> None:
    face = load_face(name)
    assert face.shapes[:52] == ARKIT_52
    assert face.landmarks is not None
    assert FACES[name]


@pytest.mark.slow
def test_a_random_face_is_drawn_from_a_seed() -> None:
    first, other = (load_face(name) for name in ("random-3", "random-4"))
    assert first.shapes == load_face().shapes
    skin = first.landmarks
    assert skin is not None
    assert np.abs(first.mesh.vertices[skin] - other.mesh.vertices[skin]).max() > 1e-3


@pytest.mark.parametrize("name", ["nobody", "random-", "random-x", "random--1", "random-99999999999"])
def test_an_unknown_face_lists_the_known(name: str) -> None:
    with pytest.raises(InputError, match=DEFAULT):
        load_face(name)


def test_the_shapes_without_tongue_are_33_with_sides_as_one() -> None:
    names = paired_names([name for name in ARKIT_52 if name != "tongueOut"])
    assert len(names) == 33
    assert {"mouthLeft", "mouthRight", "jawLeft", "jawRight", "eyeBlink", "cheekPuff"} <= set(names)


def test_a_name_without_side_sets_both_sides() -> None:
    face = load_face()
    row = pose(face, {"mouthSmile": 0.5, "jawOpen": 1.0, "eyeBlinkLeft": 0.25})
    set_ones = {face.shapes[i]: float(row[i]) for i in np.flatnonzero(row)}
    assert set_ones == {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "jawOpen": 1.0, "eyeBlinkLeft": 0.25}


@pytest.mark.parametrize(("wrong", "near"), [("mouthSmil", "mouthSmile"), ("jawopen", "jawOpen")])
def test_a_misspelt_shape_is_guessed(wrong: str, near: str) -> None:
    with pytest.raises(InputError, match=f"did you mean .*{near}"):
        pose(load_face(), {wrong: 1.0})


def test_weights_are_read_from_words() -> None:
    assert parse_weights(["jawOpen:0.5", "mouthSmile", "browDown:-0.2"]) == {
        "jawOpen": 0.5, "mouthSmile": 1.0, "browDown": -0.2,
    }  # fmt: skip


@pytest.mark.parametrize("word", ["jawOpen:wide", "jawOpen:", "jawOpen:nan", "jawOpen:99"])
def test_words_that_are_no_weights_are_refused(word: str) -> None:
    with pytest.raises(InputError, match="jawOpen"):
        parse_weights([word])


def test_the_table_of_vertex_counts_is_that_of_the_faces() -> None:
    for name in FACES:
        assert name in faces_of_size(len(load_face(name).mesh.vertices))
    bun = build_face(replace(KNOWN[DEFAULT], hair="bun"))
    assert len(bun.mesh.vertices) == VERTICES["bun"]
