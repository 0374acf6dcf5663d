"""The main job, from files to files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from sedtalker.animation.animation import Animation
from sedtalker.mesh.files import read_mesh
from sedtalker.mesh.obj import write_obj
from tests.e2e.conftest import SAMPLE_HEAD, Result
from tests.support.bodies import side_by_side

Run = Callable[..., Result]


def test_everything_is_written_and_the_video_is_as_long_as_the_audio(
    sedtalker: Run, clip: Path, tmp_path: Path
) -> None:
    done = sedtalker("animate", clip, "-o", tmp_path / "out", "--size", 128, "--to", "arkit,glb,pc2", "--json")
    assert done.code == 0, done.err
    assert [line.split()[:3] for line in done.err.splitlines() if "neutral" in line] == [["0.00", "1.48", "neutral"]]
    assert "more likely wrong than right" not in done.err, "a calm face is no claim"
    assert "of the motion lost" not in done.err, "the tongue has shapes of its own beside ARKit's"
    written = json.loads(done.out)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "clip.arkit.csv", "clip.emotion.json", "clip.glb", "clip.mp4", "clip.npz", "clip.pc2",
    ]  # fmt: skip
    assert written["frames"] == 60
    with av.open(str(tmp_path / "out" / "clip.mp4")) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert picture.codec_context.name == "h264"
        assert sound.codec_context.name == "aac"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(picture)]
    assert len(frames) == 60
    assert abs(float(picture.duration * picture.time_base) - 2.0) < 1 / 30
    assert abs(float(sound.duration * sound.time_base) - 2.0) < 1 / 30
    assert np.ptp(np.stack(frames)[:, 20:-20, 30:-30].astype(int), axis=0).max() > 40  # it moves
    animation = Animation.load(tmp_path / "out" / "clip.npz")
    assert len(animation) == 60
    assert animation.track is not None
    assert animation.provenance["emotion"] == "diarized"


def test_the_same_command_twice_gives_the_same_bytes(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert sedtalker("animate", clip, "-o", tmp_path / name, "--no-video", "--seed", 7).code == 0
    for suffix in (".npz", ".glb", ".emotion.json"):
        first, second = (tmp_path / name / f"clip{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes(), suffix


@pytest.mark.slow
def test_a_given_emotion_is_obeyed_and_intensity_scales_it(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    smiles = []
    for name, options in {
        "none": ["--emotion", "neutral"],
        "half": ["--emotion", "happy:0.5"],
        "full": ["--emotion", "happy:0.5", "--intensity", 2.0],
    }.items():
        done = sedtalker("animate", clip, "-o", tmp_path / name, "--no-video", *options)
        assert done.code == 0, done.err
        animation = Animation.load(tmp_path / name / "clip.npz")
        smiles.append(animation.coefficients[:, animation.face.shape_index["mouthSmileLeft"]].mean())
    assert smiles[0] + 0.1 < smiles[1]
    assert smiles[1] + 0.1 < smiles[2]


def test_idle_motion_can_be_switched_off(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    off = ["--no-blinks", "--no-gaze", "--no-head"]
    assert sedtalker("animate", clip, "-o", tmp_path, "--no-video", *off).code == 0
    animation = Animation.load(tmp_path / "clip.npz")
    assert not animation.head_rotation.any()
    assert not animation.coefficients[:, animation.face.shape_index["eyeLookUpLeft"]].any()


@pytest.mark.slow
def test_the_users_mesh_keeps_its_vertices_order_and_polygons(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    done = sedtalker("animate", clip, "--mesh", SAMPLE_HEAD, "-o", tmp_path, "--no-video")
    assert done.code == 0, done.err
    given, got = read_mesh(SAMPLE_HEAD), Animation.load(tmp_path / "clip.npz").face.mesh
    np.testing.assert_array_equal(got.polygon_sizes, given.polygon_sizes)
    np.testing.assert_array_equal(got.polygon_vertices, given.polygon_vertices)
    assert len(got.vertices) == len(given.vertices)
    a, b = given.vertices - given.vertices.mean(0), got.vertices - got.vertices.mean(0)
    scale = np.linalg.norm(b) / np.linalg.norm(a)
    u, _, vt = np.linalg.svd(b.T @ a)
    np.testing.assert_allclose(b, scale * a @ (u @ vt).T, atol=1e-4)


@pytest.mark.parametrize("kind", ["silence", "clipped", "not_numbers"])
def test_poor_audio_still_works(sedtalker: Run, clip: Path, tmp_path: Path, kind: str) -> None:
    samples, rate = soundfile.read(clip, dtype="float32")
    spoiled = {
        "silence": samples * 0,
        "clipped": np.sign(samples),
        "not_numbers": np.where(samples > 0.1, np.nan, samples),
    }
    soundfile.write(tmp_path / "in.wav", spoiled[kind].astype(np.float32), rate, subtype="FLOAT")
    done = sedtalker("animate", tmp_path / "in.wav", "-o", tmp_path / "out", "--no-video")
    assert done.code == 0, done.err
    assert "note:" in done.err
    coefficients = Animation.load(tmp_path / "out" / "in.npz").coefficients
    assert np.isfinite(coefficients).all()
    if kind == "silence":
        face = Animation.load(tmp_path / "out" / "in.npz").face
        assert coefficients[:, face.shape_index["jawOpen"]].max() < 0.15


@pytest.mark.slow
def test_three_minutes(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(clip, dtype="float32")
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 90), rate)
    assert sedtalker("animate", tmp_path / "long.wav", "-o", tmp_path / "out", "--no-video", "--fps", 25).code == 0
    assert len(Animation.load(tmp_path / "out" / "long.npz")) == 180 * 25


def test_bad_audio_is_one_line_and_leaves_nothing(sedtalker: Run, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not audio at all\n" * 50)
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16_000)
    soundfile.write(tmp_path / "short.wav", np.zeros(800, np.float32), 16_000)
    (tmp_path / "cut.mp3").write_bytes(b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90")
    for name in ("text.wav", "none.wav", "short.wav", "cut.mp3", "missing.wav"):
        _refused(sedtalker("animate", tmp_path / name, "-o", tmp_path / "out"), tmp_path)


@pytest.mark.slow
def test_one_of_two_heads_in_a_file_can_be_chosen(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    head = read_mesh(SAMPLE_HEAD)
    write_obj(side_by_side(head, head, apart=2.0 * float(np.ptp(head.vertices, axis=0).max())), tmp_path / "two.obj")
    chosen = ["--mesh", tmp_path / "two.obj", "--mesh-head", 2]
    done = sedtalker("animate", clip, *chosen, "--no-video", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    moved = np.abs(Animation.load(tmp_path / "out" / "clip.npz").face.basis).max(axis=(0, 2)) > 1e-3
    first, second = np.split(moved, [len(head.vertices)])
    assert not first.any()
    assert second.mean() > 0.2
    _refused(sedtalker("animate", clip, "--mesh-head", 2, "-o", tmp_path / "none"), tmp_path / "none")


HEADER = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


@pytest.mark.parametrize(
    "text", ["", "v 0 0 0\nv 1 0 0\n", HEADER + "f 1 2 9\n", "v nan 0 0\n" + HEADER + "f 2 3 4\n", HEADER + "f 1 2 3\n"]
)
def test_a_bad_mesh_is_one_line_and_leaves_nothing(sedtalker: Run, clip: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.obj").write_text(text)
    _refused(sedtalker("animate", clip, "--mesh", tmp_path / "bad.obj", "-o", tmp_path / "out"), tmp_path)


def test_other_bad_input_is_refused_too(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    for option in ("cheerful:0.5", "happy:7", "happy:x", tmp_path / "bad.json", tmp_path / "missing.json"):
        _refused(sedtalker("animate", clip, "--emotion", option, "-o", tmp_path / "out"), tmp_path)


def test_results_are_kept_without_force(sedtalker: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.npz").write_text("mine")
    done = sedtalker("animate", clip, "-o", tmp_path, "--no-video")
    assert done.code == 2
    assert "--force" in done.err
    assert (tmp_path / "clip.npz").read_text() == "mine"


def _refused(done: Result, folder: Path) -> None:
    assert done.code == 2, done
    errors = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "Traceback" not in done.err
    assert not (folder / "out").exists()
