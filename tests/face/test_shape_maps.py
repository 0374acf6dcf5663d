"""Names of other rigs: presets and files, in and out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedtalker.errors import InputError
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.face.shape_maps import PRESETS, read_shape_map
from sedtalker.mesh.mesh import Scene
from tests.support.cube import cube_mesh

EVERY = ("reallusion", "metahuman")


@pytest.mark.parametrize("name", EVERY)
def test_a_full_rig_says_the_same_as_arkit(name: str) -> None:
    names = read_shape_map(name)
    weights = np.random.default_rng(0).random((20, 52)).astype(np.float32)
    np.testing.assert_allclose(names.to_arkit(names.from_arkit(weights)), weights, atol=1e-4)


@settings(max_examples=25)
@given(st.sampled_from(sorted(PRESETS)), st.integers(0, 2**16))
def test_weights_stay_within_bounds_and_rest_stays_rest(name: str, seed: int) -> None:
    names = read_shape_map(name)
    weights = np.random.default_rng(seed).random((3, 52)).astype(np.float32)
    weights[0] = 0.0
    found = names.from_arkit(weights)
    assert found.shape == (3, len(names.names))
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert not found[0].any()


@pytest.mark.parametrize("name", ["oculus", "vrm"])
def test_the_pose_of_each_mixture_is_found_again(name: str) -> None:
    names = read_shape_map(name)
    shown = [k for k in range(len(names.names)) if names.poses[k].any()]
    found = names.from_arkit(names.poses[shown])
    error = np.abs(found @ names.poses - names.poses[shown]).max()
    assert error < 0.06
    assert (found[:, shown].argmax(axis=1) == np.arange(len(shown))).all()


def test_parts_of_a_shape_take_the_same_share() -> None:
    names = read_shape_map("reallusion")
    weights = np.zeros((1, 52), np.float32)
    weights[0, INDEX["mouthPucker"]] = 0.6
    found = dict(zip(names.names, names.from_arkit(weights)[0], strict=True))
    parts = [value for name, value in found.items() if "Pucker" in name]
    assert parts == pytest.approx([0.6] * 4, abs=1e-4)


def test_targets_of_a_rig_get_the_names_of_arkit() -> None:
    mesh = cube_mesh()
    offsets = np.random.default_rng(1).normal(size=(4, 8, 3)).astype(np.float32)
    scene = Scene(mesh, ("Jaw_Open", "Brow_Raise_Inner_L", "Brow_Raise_Inner_R", "Ear_Up"), offsets)
    renamed = read_shape_map("reallusion").renamed(scene)
    found = dict(zip(renamed.target_names, renamed.targets, strict=True))
    assert set(found) == {"jawOpen", "browInnerUp", "Ear_Up"}
    np.testing.assert_allclose(found["jawOpen"], offsets[0], atol=1e-5)
    np.testing.assert_allclose(found["browInnerUp"], offsets[1] + offsets[2], atol=1e-5)


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"open": "jawOpen", "oh": {"jawOpen": 0.4, "mouthFunnel": 0.6}}))
    names = read_shape_map(path)
    assert names.names == ("open", "oh")
    assert names.poses[1, INDEX["mouthFunnel"]] == 0.6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "a map of names is"),
        ("{", "not"),
        ('{"a": "jawOpened"}', "no ARKit shape 'jawOpened'"),
        ('{"a": 3}', "give the name of an ARKit shape"),
        ('{"a": {"jawOpen": -1}}', "between 0 and 3"),
        ('{"a": {"jawOpen": true}}', "between 0 and 3"),
    ],
)
def test_bad_maps_give_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "names.json"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as raised:
        read_shape_map(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("given", "said"), [("maya", "metahuman, oculus"), ("none.json", "no such map")])
def test_what_is_no_map_is_refused(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_shape_map(given)


def test_names_that_are_not_there_are_refused() -> None:
    scene = Scene(cube_mesh(), ("a", "b"), np.ones((2, 8, 3), np.float32))
    with pytest.raises(InputError, match=r"none of its names .* or give the \.sedface"):
        read_shape_map("vrm").renamed(scene)
    mixed = Scene(cube_mesh(), ("viseme_aa",), np.ones((1, 8, 3), np.float32))
    with pytest.raises(InputError, match="mixtures"):
        read_shape_map("oculus").renamed(mixed)


def test_every_pose_is_made_of_arkit_shapes() -> None:
    for name in PRESETS:
        shapes = read_shape_map(name)  # which refuses others
        assert shapes.poses.shape == (len(shapes.names), len(ARKIT_52))
        assert shapes.name == name
