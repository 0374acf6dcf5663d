"""The add-on in a real Blender: installed from its zip, used, and taken off."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
import tomllib
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.build_blender_addon import SOURCES, build_addon
from sedtalker.animation.animation import Animation
from sedtalker.animation.scene import Place, Scene
from sedtalker.emotion.formats import densify
from sedtalker.emotion.formats.files import read_track, write_track
from sedtalker.emotion.plot import COLOURS
from sedtalker.emotion.track import EmotionTrack, Segment
from sedtalker.export.formats import export
from sedtalker.export.scene import write_scene
from sedtalker.mesh.files import read_mesh
from sedtalker.speakers.turns import Turns
from sedtalker.version import __version__
from tests.dcc.conftest import SAMPLES, Blender, Example, some_frames, vertices_at
from tests.dcc.test_blender_imports import METRES_RMS, RELATIVE, rms, size

PROGRAM = Path(sys.executable).parent / "sedtalker"


def test_the_zip_is_what_blender_asks_for(addon: Path, blender_python: Path, tmp_path: Path) -> None:
    assert tomllib.loads((SOURCES / "blender_manifest.toml").read_text())["version"] == __version__
    assert build_addon(tmp_path).read_bytes() == addon.read_bytes()
    tool = next(blender_python.parents[1].glob("lib/python3*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli"))
    command = [str(blender_python), str(tool / "blender_ext.py"), "validate", str(addon)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def on_mesh(example: Example, frames: list[int]) -> np.ndarray:
    """Our vertices in the coordinates of the mesh file: the add-on must find its way back to them."""
    animation, mesh = example.animation, read_mesh(example.mesh).vertices
    moved = vertices_at(animation, frames)
    rest = animation.face.mesh.vertices.astype(np.float64)
    centre, goal = rest.mean(axis=0), mesh.mean(axis=0)
    scale = np.sqrt(((mesh - goal) ** 2).sum() / ((rest - centre) ** 2).sum())
    left, _, right = np.linalg.svd((mesh - goal).T @ (rest - centre))
    return scale * (moved - centre) @ (left @ right).T + goal


@pytest.mark.parametrize("kind", ["npz", "glb"])
@pytest.mark.parametrize("name", ["cube", "standing"])
def test_shape_keys_land_on_the_selected_mesh(
    blender: Blender, addon: Path, small: dict[str, Example], tmp_path: Path, kind: str, name: str
) -> None:
    example, path = small[name], tmp_path / f"a.{kind}"
    export(example.animation, path, kind, **({"targets": "all"} if kind == "glb" else {}))
    frames = some_frames(example.animation)
    request = {"addon": addon, "mesh": example.mesh, "file": path, "form": "SHAPE_KEYS", "frames": frames}
    seen = blender("with_addon.py", **request, start=11, times=2)
    assert rms(seen["vertices"] - on_mesh(example, frames)) < METRES_RMS
    assert list(seen["keys"][:2]) == ["Basis", "jawOpen"]  # the user's own, beside those of the animation
    assert len(set(seen["keys"])) == len(seen["keys"]) <= 2 + len(example.animation.face.basis)
    assert list(seen["modifiers"]) == ["HOOK", "EDGE_SPLIT"]
    assert len(seen["objects"]) == 2
    np.testing.assert_allclose(seen["clock"], [11, 10 + len(example.animation), example.animation.fps])


@pytest.mark.parametrize("kind", ["npz", "mdd", "pc2"])
def test_mesh_caches_land_on_the_selected_mesh(
    blender: Blender, addon: Path, small: dict[str, Example], tmp_path: Path, kind: str
) -> None:
    example, path = small["standing"], tmp_path / f"a.{kind}"
    export(example.animation, path, kind)
    frames = some_frames(example.animation)
    request = {"addon": addon, "mesh": example.mesh, "file": path, "form": "MESH_CACHE", "frames": frames}
    seen = blender("with_addon.py", **request)
    assert np.abs(seen["vertices"] - on_mesh(example, frames)).max() < RELATIVE * size(example.animation)
    assert list(seen["modifiers"]) == ["MESH_CACHE", "EDGE_SPLIT"]


def test_what_cannot_be_used_is_refused_in_a_line_and_changes_nothing(
    blender: Blender, addon: Path, small: dict[str, Example], tmp_path: Path
) -> None:
    """Caches that are cut short, a track beside an animation that is none, a scene of two heads, no file at all."""
    example = small["standing"]
    for kind in ("mdd", "pc2", "glb"):
        export(example.animation, tmp_path / f"whole.{kind}", kind)
        data = (tmp_path / f"whole.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(data[: 2 * len(data) // 3])
    (tmp_path / "whole.emotion.json").write_text('{"segments": [{"start": "soon", "end": 1, "label": "happy"}]}')
    both, places = {"ann": example.animation, "bob": example.animation}, {"ann": Place(), "bob": Place()}
    write_scene(Scene(both, places, Turns((), example.animation.duration)), tmp_path / "two.glb")
    words = {
        "none.npz": "no such file",
        "cut.mdd": "is no point cache, or it is cut short",
        "cut.pc2": "is no point cache, or it is cut short",
        "cut.glb": "is no GLB, or it is damaged",
        "whole.glb": "whole.emotion.json: cannot be read as a JSON track",
        "whole.pc2": "whole.emotion.json: cannot be read as a JSON track",
        "two.glb": "is a scene of several heads",
    }
    files = [str(tmp_path / name) for name in words]
    seen = blender("refused.py", addon=addon, mesh=example.mesh, files=files)
    for said, word in zip(seen["said"], words.values(), strict=True):
        assert word in said
        assert "Traceback" not in said
    assert [len(seen[name]) for name in ("objects", "keys", "modifiers")] == [1, 0, 0]


def test_a_new_head_with_audio_and_markers_that_go_back_to_a_track(
    blender: Blender, addon: Path, builtin: Example, clip: Path, tmp_path: Path
) -> None:
    """Also: what is installed is gone when the add-on is taken off."""
    path = tmp_path / "clip.npz"
    path.write_bytes(builtin.path.read_bytes())
    (tmp_path / "clip.wav").write_bytes(clip.read_bytes())
    frames = some_frames(builtin.animation)
    request = {"addon": addon, "file": path, "form": "SHAPE_KEYS", "frames": frames, "move": [0, 5]}
    seen = blender("with_addon.py", **request, track=tmp_path / "edited.json")
    assert rms(seen["vertices"] - vertices_at(builtin.animation, frames)) < METRES_RMS
    assert "jawOpen" in seen["keys"]
    assert [s.split()[0] for s in seen["strips"]] == ["SOUND", "COLOR"]
    assert seen["strips"][0].startswith("SOUND 1 False")
    assert "import_anim" in " ".join(seen["registered"]).lower()
    assert any("sedtalker" in name.lower() for name in seen["registered"])
    assert list(seen["left"]) == []


def changes(track: EmotionTrack) -> tuple[list[str], np.ndarray]:
    """The strongest emotions of a track in order, and the times where one takes over from another."""
    strongest = track.posterior.argmax(axis=1)
    at = np.flatnonzero(np.diff(strongest))
    return [track.labels[k] for k in strongest[[0, *(at + 1)]]], (track.times[at] + track.times[at + 1]) / 2


def test_markers_moved_in_blender_come_back_less_than_a_frame_off(
    blender: Blender, addon: Path, small: dict[str, Example], tmp_path: Path
) -> None:
    """A GLB: it has no track of its own, so the one beside it is taken."""
    face, fps, duration = small["cube"].animation.face, 30.0, 8.0
    words = ["neutral", "happy", "angry", "sad", "surprise"]
    starts = [0.0, 1.51, 3.02, 4.7, 6.3, duration]
    given = [
        Segment(start, stop, word, 0.8, 1.0) for word, start, stop in zip(words, starts[:-1], starts[1:], strict=True)
    ]
    track = densify(given, duration)
    wild = np.random.default_rng(3).uniform(0, 1, (int(fps * duration), 2)).astype(np.float32)
    animation = Animation(wild, fps, face, np.zeros((len(wild), 3), np.float32), track)
    export(animation, tmp_path / "wild.glb", "glb")
    write_track(tmp_path / "wild.emotion.json", track)
    before = track.segments()
    assert [s.label for s in before] == words
    request = {"addon": addon, "file": tmp_path / "wild.glb", "form": "SHAPE_KEYS", "frames": [0], "start": 1}
    seen = blender("with_addon.py", **request, move=[1, 4], track=tmp_path / "edited.json")
    wanted = [s.start for s in before]
    wanted[1] += 4 / fps
    np.testing.assert_allclose((seen["moved"] - 1) / fps, wanted, atol=0.5 / fps + 1e-9)
    moved = zip(wanted, [*wanted[1:], duration], before, strict=True)
    exact = densify([replace(s, start=start, end=end, confidence=1.0) for start, end, s in moved], duration)
    labels, times = changes(read_track(tmp_path / "edited.json", duration))
    assert labels == [s.label for s in before] == changes(exact)[0]
    assert np.abs(times - changes(exact)[1]).max() < 1 / fps
    spans = seen["moved_strips"]
    assert (spans[1:, 0] == spans[:-1, 1]).all()
    assert list(spans[:, 0]) == list(seen["moved"])
    shown = ["#{:02X}{:02X}{:02X}".format(*np.round(255 * c).astype(int)) for c in seen["colours"]]
    assert shown == [COLOURS[s.label] for s in before]


def test_the_selected_mesh_is_animated_from_audio(
    blender: Blender, addon: Path, sample_head: Example, clip: Path
) -> None:
    """By the installed program, on the mesh that Blender exports; the same motion as from the mesh's own file."""
    frames = some_frames(sample_head.animation)
    request = {"addon": addon, "mesh": sample_head.mesh, "audio": clip, "program": PROGRAM, "frames": frames}
    seen = blender("animate.py", **request)
    rest = read_mesh(sample_head.mesh).vertices
    wanted = on_mesh(sample_head, frames)
    assert seen["vertices"].shape == wanted.shape
    assert "jawOpen" in seen["keys"]
    assert len(seen["markers"]) >= 1
    assert seen["strips"][0].startswith("SOUND")
    np.testing.assert_allclose(seen["clock"], [1, len(sample_head.animation), 30.0])
    assert rms(seen["vertices"] - wanted) < 0.1 * rms(wanted - rest)
    assert "no such file" in str(seen["refusal"])


@pytest.mark.slow
def test_a_cancelled_run_ends_soon_and_leaves_nothing(
    clip: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spec = importlib.util.spec_from_file_location("animate_job", SOURCES / "animate_job.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    long = tmp_path_factory.mktemp("recordings") / "long.wav"  # it is not done before it is cancelled
    with wave.open(str(clip)) as short, wave.open(str(long), "wb") as written:
        written.setparams(short.getparams())
        written.writeframes(40 * short.readframes(short.getnframes()))
    job = module.AnimateJob(PROGRAM, long, SAMPLES / "head.obj", tmp_path / "result")
    while job.poll() is None and job.done == 0:
        time.sleep(0.05)
    assert 0.0 < job.share < 1.0
    job.cancel()
    assert job.poll() not in (None, 0)
    assert list(tmp_path.iterdir()) == []
    refused = module.AnimateJob(PROGRAM, tmp_path / "none.wav", SAMPLES / "head.obj", tmp_path / "result")
    assert refused.wait() == 2
    assert "none.wav" in refused.complaint
