"""The registry of formats: what a table says, one file for a new one, and how a file is written."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.export.formats import FORMATS, export, export_formats, format_of, parse_formats
from tests.support.distributions import AddDistribution
from tests.support.exports import read_glb_animation
from tests.support.moving import moving_cube

TEXT_FORMAT = '''
"""Jaw angles as text."""

from sedtalker.export.formats import ExportFormat
from sedtalker.storage import whole_file


def write_text(path, animation, audio=None, decimals=3):
    with whole_file(path) as temporary:
        temporary.write_text("".join(f"{row[0]:.{decimals}f}\\n" for row in animation.coefficients))
        if decimals < 0:
            raise OSError("no room")
    return {"lines": len(animation), "audio": audio}


FORMAT = ExportFormat("jaw", ".jaw.txt", "the jaw", "jaw_text:write_text", ("decimals",))
'''


@pytest.fixture
def one_more(tmp_path: Path, add_distribution: AddDistribution) -> Path:
    """A folder with a module of another distribution, which writes another format."""
    add_distribution("jaw_text", TEXT_FORMAT, "sedtalker.export_formats", "jaw", "jaw_text:FORMAT")
    return tmp_path


def test_every_row_names_a_function() -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    assert len(FORMATS) >= 9
    assert {row.name for row in FORMATS} == set(export_formats())
    assert all(callable(row.write) for row in FORMATS)


def test_names_come_without_numpy() -> None:
    code = "import sys; from sedtalker.export.formats import export_formats as f; f(); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_another_distribution_adds_a_format(one_more: Path) -> None:
    assert parse_formats(["JAW,glb"]) == ["jaw", "glb"]
    animation, path = moving_cube(3), one_more / "a.jaw.txt"
    assert export(animation, path, audio=one_more / "a.wav", decimals=1) == {"lines": 3, "audio": "a.wav"}
    assert len(path.read_text().splitlines()) == 3


def test_a_file_that_cannot_be_written_leaves_what_was_there(one_more: Path) -> None:
    (one_more / "a.jaw.txt").write_text("before")
    with pytest.raises((OSError, InputError, ValueError)):
        export(moving_cube(3), one_more / "a.jaw.txt", decimals=-1)
    assert (one_more / "a.jaw.txt").read_text() == "before"
    assert sorted(path.name for path in one_more.iterdir()) == ["a.jaw.txt", "site-packages"]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.glb", "glb"),
        ("a.b.ARKIT.csv", "arkit"),
        ("a.keys.json", "keys"),
        ("a.usdc", "usd"),
        ("a.npy", "npy"),
        ("a.USD", "usd"),
    ],
)
def test_the_suffix_says_the_format(name: str, format: str) -> None:
    assert format_of(Path(name)).name == format


def test_what_is_not_known_is_refused_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no format has this ending: use one of .*\.glb"):
        format_of(Path("a.json"))
    with pytest.raises(InputError, match=r"there is no format 'dae': use one of anim, arkit, fbx, glb"):
        export(moving_cube(), tmp_path / "a", "dae")
    with pytest.raises(InputError, match="the format mdd has no option 'points': it takes metres"):
        export(moving_cube(), tmp_path / "a.mdd", points=True)
    with pytest.raises(InputError, match="usd --points, mdd or pc2"):
        parse_formats(["abc"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(export_formats()))
def test_an_animation_without_frames_is_refused(name: str, tmp_path: Path) -> None:
    empty = dataclasses.replace(
        moving_cube(), coefficients=np.zeros((0, 2), np.float32), head_rotation=np.zeros((0, 3), np.float32)
    )
    with pytest.raises(InputError, match="no frames"):
        export(empty, tmp_path / "a", name)
    assert list(tmp_path.iterdir()) == []


def test_the_sound_is_named_from_where_the_file_will_be(tmp_path: Path) -> None:
    export(moving_cube(2), tmp_path / "a.glb", audio=tmp_path / "speech.wav", place=tmp_path / "out" / "a.glb")
    assert b'"audio":"../speech.wav"' in (tmp_path / "a.glb").read_bytes()
    assert len(read_glb_animation(tmp_path / "a.glb").times) == 2
