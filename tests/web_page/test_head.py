"""The head of the page, and what the JavaScript has from Python."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from scripts.build_web import WEB, tables
from scripts.web_head import LEAST_NORMAL, LEAST_OFFSET, head_glb, head_targets, read_accessor, read_glb
from sedtalker.face import Face
from sedtalker.face.arkit import ARKIT_52

STEP = 0.5 / 32767 + 1e-9
"""Half a step of positions, metres."""


@pytest.fixture(scope="module")
def face() -> Face:
    return Face.builtin()


@pytest.fixture(scope="module")
def glb(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("head") / "head.glb"
    path.write_bytes(head_glb(face))
    return path


def test_it_is_small(glb: Path) -> None:
    assert len(gzip.compress(glb.read_bytes(), 9)) < 2_000_000


def test_every_vertex_and_offset_is_nearly_the_faces_own(face: Face, glb: Path) -> None:
    document, binary = read_glb(glb)
    skin = document["meshes"][0]["primitives"][0]
    count = len(face.mesh.vertices)
    rest = read_accessor(document, binary, skin["attributes"]["POSITION"])[:count]
    assert np.abs(rest - face.mesh.vertices).max() < STEP
    targets, _ = head_targets(face)
    names = document["meshes"][0]["extras"]["targetNames"]
    assert names == list(targets.names)
    used = np.zeros(len(rest), bool)
    used[np.unique(read_accessor(document, binary, skin["indices"])[:, 0]).astype(int) % len(rest)] = True
    for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkRight", "fix_eyeBlinkLeft"):
        row = names.index(name)
        got = read_accessor(document, binary, skin["targets"][row]["POSITION"])[:count]
        wrong = np.abs(got - targets.offsets[row])[used].max()
        assert wrong < LEAST_OFFSET + STEP, name


def test_normals_stay_normals(glb: Path) -> None:
    document, binary = read_glb(glb)
    skin = document["meshes"][0]["primitives"][0]
    rest = read_accessor(document, binary, skin["attributes"]["NORMAL"])
    assert np.linalg.norm(rest, axis=1) == pytest.approx(np.ones(len(rest)), abs=1e-3)
    row = document["meshes"][0]["extras"]["targetNames"].index("jawOpen")
    change = np.linalg.norm(read_accessor(document, binary, skin["targets"][row]["NORMAL"]), axis=1)
    assert change[change > 0].min() > LEAST_NORMAL - 0.01
    assert change.max() > 0.3


def test_it_has_all_arkit_shapes_and_joints_that_sum_to_one(glb: Path) -> None:
    document, binary = read_glb(glb)
    assert set(ARKIT_52) <= set(document["meshes"][0]["extras"]["targetNames"])
    assert document["extensionsRequired"] == ["KHR_mesh_quantization"]
    for primitive in document["meshes"][0]["primitives"]:
        weights = read_accessor(document, binary, primitive["attributes"]["WEIGHTS_0"])
        assert weights.sum(1) == pytest.approx(np.ones(len(weights)), abs=1e-6)


def test_tables_are_those_of_the_package() -> None:
    assert (WEB / "src" / "tables.js").read_text(encoding="utf-8") == tables(), "run scripts/build_web.py --tables"
