from pathlib import Path

import pytest

from sedtalker.errors import InputError
from sedtalker.storage import OutputFolder, check_writable, inputs_kept


def test_results_appear_together_and_leave_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with OutputFolder(folder, ["a", "b"], force=False) as results:
        (results.path / "a").write_text("1")
        (results.path / "b").write_text("2")
        assert not (folder / "a").exists()
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b"]


def test_a_failure_leaves_the_disk_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with pytest.raises(InputError), OutputFolder(folder, ["a"], force=False) as results:
        (results.path / "a").write_text("1")
        raise InputError("no")
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_place_that_the_user_knows(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused, OutputFolder(tmp_path / "new", ["a"], force=False) as results:
        raise InputError(f"{results.path / 'a'}: cannot be written")
    assert str(refused.value) == f"{tmp_path / 'new' / 'a'}: cannot be written"
    assert list(tmp_path.iterdir()) == []


def test_existing_results_are_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(InputError, match="--force"), OutputFolder(tmp_path, ["a"], force=False):
        pass
    with OutputFolder(tmp_path, ["a"], force=True) as results:
        (results.path / "a").write_text("new")
    assert (tmp_path / "a").read_text() == "new"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="cannot be written"),
        OutputFolder(tmp_path / "file" / "x", ["a"], force=False),
    ):
        pass
    with pytest.raises(InputError, match="is a file"), OutputFolder(tmp_path / "file", ["a"], force=False):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_place_of_a_result_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="is a folder"), OutputFolder(tmp_path, ["a"], force=True):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_file_that_somebody_else_put_there_stays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no"), OutputFolder(tmp_path / "new", ["a"], force=False):
        (tmp_path / "new" / "theirs").touch()
        raise InputError("no")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["theirs"]


def test_what_is_read_is_never_replaced(tmp_path: Path) -> None:
    """Not even with force, and not by another name of the same file."""
    (tmp_path / "a").write_text("mine")
    (tmp_path / "link").symlink_to("a")
    with inputs_kept([tmp_path / "a", tmp_path / "gone"]):
        for name in ("a", "link"):
            with pytest.raises(InputError, match="reads this file"), OutputFolder(tmp_path, [name], force=True):
                pass
            with pytest.raises(InputError, match="reads this file"):
                check_writable(tmp_path / name, force=True)
        check_writable(tmp_path / "b", force=False)
    check_writable(tmp_path / "a", force=True)
    assert (tmp_path / "a").read_text() == "mine"
