"""Arrays of a face that do not fit each other are refused: compiled code trusts their indices."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.sedface import STEP, face_arrays, face_from_arrays
from tests.support.cube import cube_face


def test_a_face_comes_back() -> None:
    face = cube_face()
    again = face_from_arrays(face_arrays(face))
    assert again.correctives == face.correctives
    assert set(again.regions) == set(face.regions)
    np.testing.assert_array_equal(again.mesh.polygon_vertices, face.mesh.polygon_vertices)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("face_polygon_vertices", lambda a: a + 1),
        ("face_polygon_vertices", lambda a: a - 1),
        ("face_polygon_vertices", lambda a: a.astype(float)),
        ("face_polygon_sizes", lambda a: a + 1),
        ("face_polygon_sizes", lambda a: -a),
        ("face_polygon_uvs", lambda a: a + 10_000),
        ("face_polygon_groups", lambda a: a + 100),
        ("face_landmarks", lambda a: np.full(68, 10**6)),
        ("face_regions", lambda a: a[:, :3]),
        ("face_vertices", lambda a: a[:, :2]),
        ("face_pivot", lambda a: np.zeros(2)),
        ("face_colours", lambda a: a[:3]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(key: str, change: Any) -> None:
    arrays = face_arrays(cube_face())
    arrays[key] = change(arrays.get(key, np.zeros((1, 1), np.int32)))
    with pytest.raises(ValueError):
        face_from_arrays(arrays)


FIRST = cube_face().shapes[0]


@pytest.mark.parametrize(
    "corrective",
    [
        *(["both", [FIRST], gain, False] for gain in (float("nan"), float("inf"), 1e30, None, "1")),
        [None, [FIRST], 1.0, False],
        ["both", [], 1.0, False],
        ["both", [None], 1.0, False],
        ["both", [FIRST], 1.0, "no"],
    ],
)
def test_correctives_that_are_none_are_refused(corrective: list[Any]) -> None:
    """A gain that is no number would come out of every format."""
    arrays = face_arrays(replace(cube_face(), correctives=(), basis=cube_face().basis[: len(cube_face().shapes)]))
    contents = json.loads(str(arrays["face_json"]))
    arrays["face_basis"] = np.concatenate([arrays["face_basis"], arrays["face_basis"][:1]])
    arrays["face_json"] = np.array(json.dumps({**contents, "correctives": [["both", [FIRST], 1.0, False]]}))
    face_from_arrays(arrays)
    arrays["face_json"] = np.array(json.dumps({**contents, "correctives": [corrective]}))
    with pytest.raises((ValueError, TypeError)):
        face_from_arrays(arrays)


@pytest.mark.parametrize("key", ["groups", "name", "regions"])
def test_names_that_are_no_text_are_refused(key: str) -> None:
    arrays = face_arrays(cube_face())
    contents = json.loads(str(arrays["face_json"]))
    contents[key] = ["x"] if key == "name" else [["x"] for _ in contents[key]] or [["x"]]
    arrays["face_json"] = np.array(json.dumps(contents))
    with pytest.raises((ValueError, TypeError)):
        face_from_arrays(arrays)


def test_materials_that_are_not_as_many_as_the_groups_are_refused() -> None:
    arrays = face_arrays(cube_face())
    described = json.loads(str(arrays["face_json"]))
    assert len(described["groups"]) == 2
    arrays["face_json"] = np.array(json.dumps({**described, "materials": [None]}))
    with pytest.raises(ValueError, match="materials"):
        face_from_arrays(arrays)


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_input(tmp_path: Path, seed: int) -> None:
    path, rng = tmp_path / "cube.sedface", np.random.default_rng(seed)
    cube_face().save(path)
    data = bytearray(path.read_bytes())
    if seed % 2:
        del data[int(rng.integers(len(data))) :]
    else:
        for at in rng.integers(len(data), size=8):
            data[at] = int(rng.integers(256))
    path.write_bytes(data)
    with suppress(InputError):  # damage that the format does not notice gives a face; anything else is a failure
        Face.load(path)


def test_offsets_are_written_in_small_steps(tmp_path: Path) -> None:
    """A micrometre is less than anything shows, and zeros without a sign pack."""
    face = cube_face()
    rng = np.random.default_rng(0)
    face = replace(face, basis=(face.basis + rng.normal(0, 1e-4, face.basis.shape)).astype(np.float32))
    face.save(tmp_path / "cube.sedface")
    again = Face.load(tmp_path / "cube.sedface").basis
    np.testing.assert_allclose(again, face.basis, rtol=0, atol=STEP / 2)
    assert np.array_equal(again / STEP, np.rint(again / STEP))
    assert not np.signbit(again[again == 0.0]).any()
