from __future__ import annotations

import errno
import io
import os
import tempfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.storage import (
    ArraySpec,
    OutputFolder,
    check_folder,
    check_writable,
    keep,
    read_arrays,
    temporary_folder,
    user_cache,
    whole_file,
    whole_files,
    write_text,
)
from tests.support.memory import memory_watched


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_there_was(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(InputError, match=r"a\.txt: cannot be written \(No space left on device\)"), whole_file(path):
        raise OSError(28, "No space left on device")
    for name in ("a" * 300, f"{'a' * 300}/a.txt"):
        with (
            pytest.raises(InputError, match=r"cannot be written .File name too long"),
            whole_file(tmp_path / name) as temporary,
        ):
            temporary.write_text("new")
    with pytest.raises(FileNotFoundError), whole_file(path):
        (tmp_path / "other.txt").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


@pytest.mark.parametrize("named", [True, False])
def test_a_full_disk_in_a_folder_of_results_is_one_line(tmp_path: Path, named: bool) -> None:
    with (
        pytest.raises(InputError, match=r"out[/\\]?a?: cannot be written \(No space left on device\)"),
        OutputFolder(tmp_path / "out", ["a"], force=False) as results,
    ):
        raise OSError(28, "No space left on device", *([str(results.path / "a")] if named else []))
    with pytest.raises(FileNotFoundError), OutputFolder(tmp_path / "out", ["a"], force=False):
        (tmp_path / "other.txt").read_text()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file"):
        check_writable(tmp_path, force=True)


def test_a_folder_of_results_is_empty_or_may_be_written_over(tmp_path: Path) -> None:
    check_folder(tmp_path / "missing", force=False)
    check_folder(tmp_path, force=False)
    (tmp_path / "a").write_text("something")
    check_folder(tmp_path, force=True)
    with pytest.raises(InputError, match="--force"):
        check_folder(tmp_path, force=False)
    with pytest.raises(InputError, match="is a file; name a folder"):
        check_folder(tmp_path / "a", force=True)


def test_an_archive_cannot_claim_more_than_its_bytes(tmp_path: Path) -> None:
    """Nor hold a part that is packed as no archive of arrays is."""
    whole = io.BytesIO()
    np.savez(whole, neutral=np.zeros((5000, 3)))
    data = bytearray(whole.getvalue())
    at = data.rfind(b"PK\x01\x02") + 20
    for packed, unpacked, method in ((100, 120_000, 0), (100, 120_000, 8), (2**30, 2**30, 0), (120_128, 120_128, 12)):
        data[at - 10 : at - 8] = method.to_bytes(2, "little")
        data[at : at + 8] = packed.to_bytes(4, "little") + unpacked.to_bytes(4, "little")
        (tmp_path / "a.npz").write_bytes(data)
        with memory_watched(2**20), pytest.raises(InputError, match=r"not what it claims|claims more than its bytes"):
            read_arrays(tmp_path / "a.npz", {}, "a rig")


def test_a_file_with_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    with whole_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_several_files_of_a_command_appear_together(tmp_path: Path) -> None:
    paths = [tmp_path / "new" / "a.txt", tmp_path / "new" / "b.txt", tmp_path / "c.txt"]
    with whole_files(paths) as temporary:
        for path in temporary:
            path.write_text("new")
        assert not any(path.exists() for path in paths)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(paths)
    with pytest.raises(ValueError, match="half"), whole_files(paths) as temporary:
        temporary[0].write_text("half")
        raise ValueError("half")
    assert {path.read_text() for path in paths} == {"new"}
    with pytest.raises(InputError, match=r"c\.txt exists"), whole_files([paths[2]], force=False):
        pass


@pytest.mark.parametrize("there", [False, True])
def test_folders_in_a_new_folder_of_results_appear_too(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match="half"), OutputFolder(tmp_path / "set", None, True):
        raise ValueError("half")
    with OutputFolder(tmp_path / "set", None, True) as results:
        (results.path / "a").mkdir()
        (results.path / "a" / "b.txt").write_text("b")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b.txt", "set"]


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "cache" / "a", lambda path: path.write_text("kept"))
    assert (tmp_path / "cache" / "a").read_text() == "kept"
    keep(tmp_path / "cache" / "a" / "b", lambda path: path.write_text("kept"))

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    keep(tmp_path / "cache" / "a", fail)
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "a"]
    assert (tmp_path / "cache" / "a").read_text() == "kept"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "sedtalker"


def test_a_cold_cache_that_several_fill_at_once_holds_one_whole_file(tmp_path: Path) -> None:
    place, seen = tmp_path / "cache" / "a", set[bytes]()
    texts = [str(k).encode() * 200_000 for k in range(4)]
    threads = [threading.Thread(target=keep, args=(place, lambda p, t=text: p.write_bytes(t))) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen |= {place.read_bytes()} if place.is_file() else set()
    assert seen | {place.read_bytes()} <= set(texts)
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "a"]


def test_a_temporary_folder_is_ours_and_goes_and_so_do_those_of_killed_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".sedtalker-abcdefgh" / "new").mkdir(parents=True)
    with temporary_folder() as first, temporary_folder() as second:
        (first / "a").write_text("mine")
        assert first != second
        assert os.name == "nt" or first.parent.stat().st_mode & 0o777 == 0o700
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(InputError, match="set TMPDIR"), temporary_folder():
        pass


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no entry of this user either
    keep(user_cache() / "a", lambda path: path.write_text("kept"))
    assert not user_cache().exists()


# --- Archives of arrays.

SCHEMA = {
    "motion": ArraySpec("f", ("T", 3)),
    "times": ArraySpec("f", ("T",), least=0.0, most=10.0, optional=True),
    "names": ArraySpec("U", ("K",)),
}
GOOD = {"motion": np.ones((4, 3), np.float32), "names": np.array(["a", "b"]), "more": np.arange(3)}


def archive(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **{**GOOD, **arrays})
    return path


def test_an_archive_is_read(tmp_path: Path) -> None:
    read = read_arrays(archive(tmp_path / "a.npz", times=np.arange(4.0)), SCHEMA, "a motion")
    assert list(read) == ["motion", "names", "more", "times"]
    np.testing.assert_array_equal(read["motion"], GOOD["motion"])
    assert read["names"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"motion": np.ones((4, 2), np.float32)}, r"'motion' has the shape \(4, 2\), not \(T, 3\)"),
        ({"motion": np.ones(4, np.float32)}, r"not \(T, 3\)"),
        ({"motion": np.ones((4, 3), int)}, "'motion' holds int64"),
        ({"motion": np.full((4, 3), np.nan, np.float32)}, "not numbers"),
        ({"times": np.arange(5.0)}, r"'times' has the shape \(5,\), not \(T\)"),
        ({"times": np.arange(4.0) - 1}, "below 0"),
        ({"times": np.arange(4.0) + 8}, "above 10"),
        ({"names": np.array([{}], object)}, "not what it claims"),
    ],
)
def test_wrong_contents_are_named(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=f"^.*a.npz: not a motion.*{said}"):
        read_arrays(archive(tmp_path / "a.npz", **arrays), SCHEMA, "a motion")


def test_what_is_missing_or_too_much_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", motion=GOOD["motion"])
    with pytest.raises(InputError, match="there is no array 'names'"):
        read_arrays(tmp_path / "a.npz", SCHEMA, "a motion")
    with pytest.raises(InputError, match="no such file"):
        read_arrays(tmp_path / "b.npz", SCHEMA, "a motion")
    with pytest.raises(InputError, match="are too much"):
        read_arrays(archive(tmp_path / "c.npz"), SCHEMA, "a motion", most_bytes=100)


def test_an_array_that_claims_more_than_there_is_takes_no_memory(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 3)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
        packed.writestr("motion.npy", head.getvalue())
    with pytest.raises(InputError, match="not what it claims"):
        read_arrays(tmp_path / "a.npz", SCHEMA, "a motion")


def test_damaged_archives_are_one_line(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.npz").read_bytes()
    rng = np.random.default_rng(0)
    for number in range(150):
        data = bytearray(whole[: rng.integers(len(whole))] if number % 3 == 0 else whole)
        for _ in range(int(rng.integers(1, 9))):
            if data:
                data[rng.integers(len(data))] = rng.integers(256)
        (tmp_path / "b.npz").write_bytes(data)
        try:
            read_arrays(tmp_path / "b.npz", SCHEMA, "a motion")
        except InputError as error:
            assert str(error).count("\n") == 0  # noqa: PT017


def test_a_file_below_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: int = 0) -> None:
        if Path(path) == tmp_path / "a":
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    path = tmp_path / "a" / "b" / "c.txt"
    with pytest.raises(InputError, match=r"c\.txt: cannot be written \(Read-only file system\)"), whole_file(path):
        pass
