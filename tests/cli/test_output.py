from pathlib import Path

import pytest

from sedtalker.cli.output import OutputFolder
from sedtalker.errors import InputError


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
        pytest.raises(InputError, match="cannot write there"),
        OutputFolder(tmp_path / "file" / "x", ["a"], force=False),
    ):
        pass
