"""Animations of VRM, and its preset expressions; three-vrm plays the files in ``tests/dcc/test_three_vrm.py``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sedtalker.emotion.formats.files import parse_emotion
from sedtalker.errors import InputError
from sedtalker.export.formats import export
from sedtalker.export.vrm import EMOTIONS, preset_expressions
from sedtalker.face.arkit import ARKIT_52, INDEX
from sedtalker.mesh.gltf_file import GltfFile
from tests.support.moving import moving_cube, speaking_face


def extension(path: Path) -> dict[str, Any]:
    """``VRMC_vrm_animation`` of a file."""
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    held: dict[str, Any] = json.loads(data[20 : 20 + length])["extensions"]["VRMC_vrm_animation"]
    return held


def moved(path: Path, node: int) -> np.ndarray:
    """(T, 3) or (T, 4) what an animation does with a node."""
    file = GltfFile(path)
    animation = file.document.animations[0]
    sampler = next(channel.sampler for channel in animation.channels if channel.target.node == node)
    return file.accessor(animation.samplers[sampler].output)


@given(
    arrays(np.float32, (3, 52), elements=st.floats(0.0, 1.0, width=32)),
    st.dictionaries(st.sampled_from([*EMOTIONS, "neutral", "disgust"]), st.floats(0.0, 1.0)),
)
def test_presets_are_shares(weights: np.ndarray, emotions: dict[str, float]) -> None:
    found = preset_expressions(weights, {name: np.full(3, value) for name, value in emotions.items()})
    assert all(((values >= 0.0) & (values <= 1.0)).all() for values in found.values())
    assert (sum(found[name] for name in ("aa", "ih", "ou", "ee", "oh")) <= 1.0 + 1e-6).all()
    closed = preset_expressions(weights * (np.array(ARKIT_52) != "jawOpen"), {})
    assert not any(closed[name].any() for name in ("aa", "ee", "oh"))


def test_emotions_come_from_the_track(tmp_path: Path) -> None:
    animation = replace(speaking_face(20), track=parse_emotion("fear:0.6", 1.0))
    export(animation, tmp_path / "a.vrma")
    preset = extension(tmp_path / "a.vrma")["expressions"]["preset"]
    assert moved(tmp_path / "a.vrma", preset["surprised"]["node"])[10, 0] == pytest.approx(0.6, abs=0.02)
    assert not moved(tmp_path / "a.vrma", preset["happy"]["node"]).any()


def test_perfect_sync_has_all_shapes_but_the_gaze_in_two_spellings(tmp_path: Path) -> None:
    animation = speaking_face(20)
    export(animation, tmp_path / "a.arkit.vrma")
    custom = extension(tmp_path / "a.arkit.vrma")["expressions"]["custom"]
    assert len(custom) == 88
    lower, upper = (moved(tmp_path / "a.arkit.vrma", custom[name]["node"]) for name in ("jawOpen", "JawOpen"))
    np.testing.assert_array_equal(lower, upper)
    jaw = animation.coefficients[:, animation.face.shape_index["jawOpen"]]
    assert np.corrcoef(lower[:, 0], jaw)[0, 1] > 0.9
    assert INDEX["jawOpen"] == 17


def test_a_face_of_few_shapes_and_one_frame_is_written(tmp_path: Path) -> None:
    said = export(moving_cube(1), tmp_path / "a.vrma")
    assert said["expressions"] == 11
    bones = extension(tmp_path / "a.vrma")["humanoid"]["humanBones"]
    assert moved(tmp_path / "a.vrma", bones["head"]["node"]).shape == (1, 4)


def test_without_frames_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames"):
        export(replace(moving_cube(2), coefficients=np.zeros((0, 52), np.float32)), tmp_path / "a.vrma")
    assert not list(tmp_path.iterdir())
