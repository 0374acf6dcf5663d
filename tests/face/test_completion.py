"""What comes behind lips and lids is fitted once: the second time it is read, the same to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sedtalker.face import completion
from sedtalker.face.builtin import load_face
from sedtalker.face.completion import completed, completed_cached
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.sedface import face_arrays
from sedtalker.mesh.mesh import Material
from tests.support.mouths import REPORT, without

Whole = tuple[Face, RegistrationReport]


@pytest.fixture(scope="module")
def source() -> Face:
    return load_face()


@pytest.fixture(scope="module")
def bare() -> Face:
    """A head with a textured skin and nothing behind the lips, and one open eye without a ball."""
    face = without(load_face("walter"), ("teeth_upper", "teeth_lower", "gums", "tongue", "eye_left"), bag=False)
    skin = Material("skin", texture=b"a picture")
    groups = len(face.mesh.group_names)
    return replace(face, name="one", mesh=replace(face.mesh, materials=(skin, *[None] * (groups - 1))))


@pytest.fixture
def no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing may be fitted."""

    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(completion, "completed", refuse)


def assert_same(a: Whole, b: Whole) -> None:
    first, second = face_arrays(a[0]), face_arrays(b[0])
    assert list(first) == list(second)
    for name, array in first.items():
        assert array.dtype == second[name].dtype, name
        np.testing.assert_array_equal(array, second[name], err_msg=name)
    assert a[1] == b[1]


@pytest.fixture(scope="module")
def kept(bare: Face, source: Face, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Whole, Path]]:
    folder = tmp_path_factory.mktemp("faces")
    half = replace(REPORT, eyeballs=(True, False))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(completion, "kept_faces", lambda: folder)
        yield completed_cached(bare, half, source), folder


def test_what_is_read_is_what_was_fitted(
    kept: tuple[Whole, Path], bare: Face, source: Face, request: pytest.FixtureRequest
) -> None:
    first, _ = kept
    half = replace(REPORT, eyeballs=(True, False))
    assert first[1].added_parts == ("bag", "teeth", "tongue", "eyeballs")
    assert_same(first, completed(bare, half, source))
    request.getfixturevalue("no_fit")
    again = completed_cached(replace(bare, name="two"), half, source)
    assert again[0].name == "two"
    assert_same((replace(first[0], name="two"), first[1]), again)


def test_an_entry_is_small_beside_the_face(kept: tuple[Whole, Path]) -> None:
    (face, _), folder = kept
    (entry,) = folder.glob("*.npz")
    assert entry.stat().st_size < 0.5 * face.basis.nbytes


@pytest.mark.slow
def test_other_wishes_and_other_shapes_are_fitted_anew(kept: tuple[Whole, Path], bare: Face, source: Face) -> None:
    half = replace(REPORT, eyeballs=(True, False))
    face, report = completed_cached(bare, half, source, "keep", "keep")
    assert len(face.mesh.vertices) == len(bare.mesh.vertices)
    assert report.added_parts == ()
    halved = replace(bare, basis=0.5 * bare.basis)
    face, _ = completed_cached(halved, half, source, "keep", "keep")
    np.testing.assert_array_equal(face.basis, halved.basis)


def test_a_damaged_entry_is_made_again(
    kept: tuple[Whole, Path], bare: Face, source: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, folder = kept
    monkeypatch.setattr(completion, "kept_faces", lambda: tmp_path)
    half = replace(REPORT, eyeballs=(True, False))
    entry = tmp_path / f"{completion.key_of(bare, half, source, 'auto', 'auto')}.npz"
    whole = (folder / entry.name).read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    assert_same(first, completed_cached(bare, half, source))
    assert entry.stat().st_size == len(whole)
