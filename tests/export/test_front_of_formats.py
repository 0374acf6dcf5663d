"""What the table of formats does before and around a writer: names, options, notes, our own formats."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sedtalker.animation.animation import Animation
from sedtalker.emotion.formats.files import read_track
from sedtalker.errors import InputError
from sedtalker.export import formats
from sedtalker.export.fbx import write_fbx
from sedtalker.export.formats import ExportFormat, export, export_formats, format_of, parse_formats
from sedtalker.export.glb import write_glb
from sedtalker.export.own_file import write_animation_glb
from sedtalker.export.targets import choose_targets
from sedtalker.export.usd import write_usd
from tests.support.cube import cube_face
from tests.support.exports import read_glb_animation
from tests.support.moving import moving_cube


def test_the_animation_itself_and_its_keys(tmp_path: Path) -> None:
    animation = moving_cube(12)
    assert export(animation, tmp_path / "a.npz") == export(animation, tmp_path / "a.keys.json") == {}
    np.testing.assert_array_equal(Animation.load(tmp_path / "a.npz").coefficients, animation.coefficients)
    keys = read_track(tmp_path / "a.keys.json", 0.4)
    assert keys.segments()[0].label == "happy"
    assert keys.intensity == pytest.approx(0.8, abs=1e-3)
    with pytest.raises(InputError, match="no emotion track: keys cannot be written"):
        export(dataclasses.replace(animation, track=None), tmp_path / "b.keys.json")


def test_blend_shapes_are_arkits_by_whatever_door() -> None:
    """The same animation in the same format has the same blend shapes: of commands, batch, server, studio, Python."""
    import inspect

    from sedtalker.batch.settings import BatchSettings
    from sedtalker.cli.animate import animate
    from sedtalker.cli.export import export as export_command
    from sedtalker.server.options import AnimateOptions
    from sedtalker.studio.exports import ExportRequest

    made = {"batch": BatchSettings().targets, "server": AnimateOptions().targets, "studio": ExportRequest().targets}
    for function in (animate, export_command, choose_targets, write_animation_glb, write_fbx, write_usd):
        parameters = inspect.signature(function).parameters
        made[function.__module__] = parameters["kind" if function is choose_targets else "targets"].default
    assert set(made.values()) == {"arkit"}, made


def test_names_once_in_order_whatever_their_case() -> None:
    assert parse_formats([" GLB ,npz", "glb", "", "mdd,"]) == ["glb", "npz", "mdd"]
    for words in ([], ["", " , "]):
        with pytest.raises(InputError, match="name at least one format: anim, arkit, fbx, glb"):
            parse_formats(words)
    with pytest.raises(InputError, match="Alembic is not written"):
        parse_formats(["glb,alembic"])


def test_a_format_whose_library_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dataclasses.replace(export_formats()["glb"], needs=("no_such_module", "glue"))
    table = {**export_formats(), "glb": row}
    monkeypatch.setattr(formats, "export_formats", lambda: table)
    with pytest.raises(InputError, match=r"glb needs no_such_module.* pip install 'sedtalker\[glue\]'"):
        parse_formats(["glb"])
    table["glb"] = dataclasses.replace(row, needs=("numpy", "glue"))
    assert parse_formats(["glb"]) == ["glb"]


def test_the_longest_suffix_wins_and_formats_are_in_order() -> None:
    assert list(export_formats()) == sorted(export_formats())
    longer = ExportFormat("long", ".x.glb", "", "sedtalker.export.glb:write_glb")
    assert format_of(Path("a.glb")).name == "glb"
    table = {"aaa": export_formats()["glb"], "long": longer, "zzz": export_formats()["glb"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "export_formats", lambda: table)
        assert format_of(Path("A.X.GLB")).name == "long"


def test_an_option_that_a_format_does_not_take_is_named() -> None:
    with pytest.raises(InputError, match="the format npy has no option 'metres': it takes none"):
        export(moving_cube(2), Path("a.npy"), metres=True)


@pytest.mark.parametrize(
    ("registration", "added"), [({"added_vertices": 7}, 7), ({"added_vertices": 0}, 0), ({}, 0), (None, 0), ([], 0)]
)
def test_vertices_added_by_registration_are_said(tmp_path: Path, registration: object, added: int) -> None:
    animation = dataclasses.replace(moving_cube(2), provenance={"registration": registration})
    said = export(animation, tmp_path / "a.npy")
    assert said == ({"vertices_added_to_your_mesh": added} if added else {})


def test_the_sound_is_named_relative_to_the_file_with_slashes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    export(moving_cube(2), tmp_path / "a" / "b.glb", audio=tmp_path / "c" / "d.wav")
    assert b'"audio":"../c/d.wav"' in (tmp_path / "a" / "b.glb").read_bytes()


def test_a_still_face_has_thirty_frames_a_second_unless_said(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", cube_face(), np.eye(4, 2, dtype=np.float32))
    np.testing.assert_allclose(read_glb_animation(tmp_path / "a.glb").times, np.arange(4) / 30, atol=1e-6)
    with pytest.raises(InputError, match="the animation has no frames"):
        write_glb(tmp_path / "b.glb", cube_face(), np.zeros((0, 2), np.float32))
