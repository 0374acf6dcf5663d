"""The built-in faces are built once and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sedtalker.face import Face
from sedtalker.face.builtin import named
from sedtalker.face.builtin.characters import KNOWN
from sedtalker.face.builtin.load import build_face
from sedtalker.face.sedface import face_arrays


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def face() -> Face:
    return build_face(KNOWN["builtin"])


def same(one: Face, other: Face) -> bool:
    a, b = face_arrays(one), face_arrays(other)
    return list(a) == list(b) and all(a[k].dtype == b[k].dtype and a[k].tobytes() == b[k].tobytes() for k in a)


def test_a_kept_face_is_the_built_one_to_the_last_bit(face: Face) -> None:
    assert named.kept_face("builtin") is None
    named.keep_face("builtin", face)
    kept = named.kept_face("builtin")
    assert kept is not None
    assert same(face, kept)
    assert kept.provenance == face.provenance
    assert kept.report is None


def test_one_entry_a_face_is_kept(face: Face, tmp_path: Path) -> None:
    folder = tmp_path / "sedtalker" / "builtin"
    folder.mkdir(parents=True)
    (folder / "builtin-0123456789abcdef.npz").write_bytes(b"of an older version")
    (folder / "amara-0123456789abcdef.npz").write_bytes(b"of another face")
    named.keep_face("builtin", face)
    assert len(list(folder.glob("builtin-*.npz"))) == 1
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["fixed.npz", "parameters.npz", "characters.toml"])
def test_other_numbers_are_another_entry(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = named._entry("builtin"), Path.read_bytes
    named.code_hash.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", lambda path: b"others" if path.name == name else read(path))
        assert named._entry("builtin") != before
    named.code_hash.cache_clear()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not an archive"])
def test_a_damaged_entry_is_as_none(content: bytes, tmp_path: Path) -> None:
    entry = named._entry("builtin")
    entry.parent.mkdir(parents=True)
    entry.write_bytes(content)
    assert named.kept_face("builtin") is None


def test_a_folder_that_cannot_be_written_costs_only_time(face: Face, tmp_path: Path) -> None:
    (tmp_path / "sedtalker").write_text("a file in the way")
    named.keep_face("builtin", face)
    assert named.kept_face("builtin") is None
