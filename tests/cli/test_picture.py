from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sedtalker.cli.main import app
from tests.support.moving import moving_cube
from tests.support.standing import standing

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    moving_cube(4, face=standing()).save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def test_a_wide_video_from_the_side(file: Path, tmp_path: Path) -> None:
    camera = tmp_path / "camera.json"
    camera.write_text(json.dumps({"yaw": 60, "zoom": 0.8}))
    words = ("--size", "96x64", "--camera", camera, "--background", "#00ff00", "--renderer", "numba")
    done = run("render", file, "-o", tmp_path / "wide.mp4", *words)
    assert done.exit_code == 0, done.stderr
    with av.open(str(tmp_path / "wide.mp4")) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert first.shape == (64, 96, 3)
    np.testing.assert_allclose(first[3, 3], (0, 255, 0), atol=10)


def test_a_transparent_picture_a_gif_and_frames(file: Path, tmp_path: Path) -> None:
    words = ("--size", 48, "--background", "transparent", "--renderer", "numba", "-q")
    for name in ("a.png", "a.gif", "a.webm"):
        done = run("render", file, "-o", tmp_path / name, *words)
        assert done.exit_code == 0, done.stderr
        assert "silent" not in done.stderr
    with Image.open(tmp_path / "a.png") as picture:
        assert (picture.mode, picture.size, picture.getpixel((0, 0))[3]) == ("RGBA", (48, 48), 0)
    done = run("render", file, "--frames", *words, "--json")
    assert json.loads(done.stdout)["file"] == str(tmp_path / "clip.frames")
    assert len(list((tmp_path / "clip.frames").iterdir())) == 4
    again = run("render", file, "--frames", *words)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert run("render", file, "--frames", *words, "--force").exit_code == 0


def test_a_shorter_sequence_leaves_no_frames_of_the_longer_one(file: Path, tmp_path: Path) -> None:
    moving_cube(2, face=standing()).save(tmp_path / "short.npz")
    folder, words = tmp_path / "frames", ("--size", 32, "--renderer", "numba", "-q", "--frames")
    assert run("render", file, *words, "-o", folder).exit_code == 0
    for mine in ("notes.txt", "00001.png", "000002.jpg", "shot000003.png"):
        (folder / mine).touch()
    (folder / "000000.png").unlink()
    refused = run("render", tmp_path / "short.npz", *words, "-o", folder)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert (folder / "000003.png").exists()
    behind = run(
        "render", tmp_path / "short.npz", *words, "-o", folder, "--force", "--background", folder / "000003.png"
    )
    assert behind.exit_code == 2
    assert "reads this file" in behind.stderr
    assert run("render", tmp_path / "short.npz", *words, "-o", folder, "--force").exit_code == 0
    kept = {"000000.png", "000001.png", "notes.txt", "00001.png", "000002.jpg", "shot000003.png"}
    assert {path.name for path in folder.iterdir()} == kept


BAD = [
    (("--size", "12x"), "picture size"),
    (("--size", "9"), "out of range"),
    (("--camera", "top"), "front, three-quarter, left, right"),
    (("--camera", "gone.json"), "no such camera file"),
    (("--background", "blurple"), "give a colour"),
    (("--background", "gone.png"), "no such picture"),
    (("--background", "transparent"), "no transparency"),
    (("--light", "disco"), "no light"),
]


def test_a_frame_at_a_time_is_a_picture_and_never_a_video(file: Path, tmp_path: Path) -> None:
    words = ("render", file, "--size", 32, "--renderer", "numba", "-q", "--at", 0.04)
    (tmp_path / "clip.mp4").write_bytes(b"a video")
    for more in (("--frames",), ("-o", tmp_path / "z.mp4"), ("-o", tmp_path / "z")):
        done = run(*words, *more, "--force")
        assert done.exit_code == 2
        assert "--at shows one frame" in done.stderr
        assert done.stderr.count("\n") == 1
    assert run(*words, "--force").exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"clip.npz", "clip.mp4", "clip.png"}
    assert (tmp_path / "clip.mp4").read_bytes() == b"a video"


def test_a_gif_that_is_too_fast_is_refused_before_any_work(file: Path, tmp_path: Path) -> None:
    fast = tmp_path / "fast.npz"
    replace(moving_cube(4, face=standing()), fps=120.0).save(fast)
    words = ("render", fast, "-o", tmp_path / "a.gif", "--renderer", "numba", "-q")
    animate = ("animate", SAMPLE, "--fps", 120, "--video-format", "gif", "-o", tmp_path / "out", "-q")
    for given in (words, (*words, "--fps", 101), animate):
        done = run(*given)
        assert done.exit_code == 2
        assert "at most 100 frames a second" in done.stderr
        assert done.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"clip.npz", "fast.npz"}
    assert run(*words, "--fps", 100, "--size", 32).exit_code == 0


@pytest.mark.parametrize(("words", "complaint"), BAD)
def test_bad_values_are_one_line_before_any_work(file: Path, words: tuple[str, str], complaint: str) -> None:
    for command in (("render", file), ("animate", SAMPLE, "-o", file.parent / "out")):
        done = run(*command, *words, "-q")
        assert done.exit_code == 2
        assert complaint in done.stderr
        assert done.stderr.count("\n") == 1
    assert [p.name for p in file.parent.iterdir()] == ["clip.npz"]


@pytest.mark.slow
def test_animate_names_the_video_by_its_format(tmp_path: Path) -> None:
    sound = tmp_path / "hello.wav"
    import soundfile

    samples, rate = soundfile.read(SAMPLE, stop=8000)
    soundfile.write(sound, samples, rate)
    words = (
        "--emotion",
        "happy",
        "--fps",
        10,
        "--size",
        48,
        "--background",
        "transparent",
        "--renderer",
        "numba",
        "-q",
    )
    done = run("animate", sound, "-o", tmp_path / "out", *words, "--video-format", "webm", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["files"]["webm"] == str(tmp_path / "out/hello.webm")
    done = run("animate", sound, "-o", tmp_path / "out", *words, "--frames", "--force", "--json")
    assert done.exit_code == 0, done.stderr
    frames = Path(json.loads(done.stdout)["files"]["frames"])
    assert len(list(frames.iterdir())) == json.loads(done.stdout)["frames"]
    with Image.open(frames / "000000.png") as picture:
        assert picture.mode == "RGBA"


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``pip install sedtalker`` brings without extras, as far as pictures go."""
    for name in ("numba", "av", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)


def test_without_the_extra_that_draws_there_is_all_but_the_video(base: None, tmp_path: Path) -> None:
    done = run("animate", SAMPLE, "-o", tmp_path / "out", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert "pip install 'sedtalker[video]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert set(json.loads(done.stdout)["files"]) == {"emotion.json", "glb", "npz"}
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".glb", ".npz"}


@pytest.mark.parametrize("words", [("--size", 96), ("--light", "soft"), ("--video",), ("--frames",)])
def test_a_picture_that_is_asked_for_and_cannot_be_drawn_is_an_error(base: None, file: Path, words: tuple) -> None:
    commands = [("animate", SAMPLE, "-o", file.parent / "out", *words)]
    commands += [("render", file, *words)] if words != ("--video",) else []
    for command in commands:
        done = run(*command, "-q")
        assert done.exit_code == 2
        assert done.stderr == "error: pictures and videos need numba and PyAV: pip install 'sedtalker[video]'\n"
    assert [p.name for p in file.parent.iterdir()] == ["clip.npz"]


def test_so_are_sheets_and_plots(base: None, tmp_path: Path) -> None:
    head = SAMPLE.with_name("head.obj")
    for extra, *words in (
        ("video", "face", "show", "amara", "-o", tmp_path / "x.png"),
        ("video", "mesh", "inspect", head, "--picture", tmp_path / "x.png"),
        ("video", "mesh", "register", head, "-o", tmp_path / "x.sedface", "--report", tmp_path / "x.html"),
        ("plot", "diarize", SAMPLE, "--plot", tmp_path / "x.png"),
    ):
        done = run(*words)
        assert done.exit_code == 2, words
        assert f"pip install 'sedtalker[{extra}]'" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
