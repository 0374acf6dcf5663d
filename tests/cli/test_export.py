from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sedtalker.animation.animation import Animation
from sedtalker.audio import load_audio
from sedtalker.cli.export import described
from sedtalker.cli.main import app
from sedtalker.emotion.formats.files import read_track
from sedtalker.export.arkit import read_arkit_csv
from sedtalker.mesh.gltf_file import chunks
from tests.support.exports import read_fbx, read_glb_animation, read_mdd, read_npy, read_pc2
from tests.support.moving import moving_cube
from tests.support.standing import standing
from tests.support.user_file import spoken, written

SAMPLE = Path(__file__).parents[2] / "data" / "samples" / "four_moods.wav"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An animation file alone in a folder."""
    moving_cube(15).save(tmp_path / "clip.npz")
    return tmp_path / "clip.npz"


def test_the_animation_goes_into_a_file_of_ones_own(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine.glb")
    spoken(mine).save(tmp_path / "clip.npz")
    done = run("export", tmp_path / "clip.npz", "--to", "glb", "--mesh", mine, "--targets", "all")
    assert done.exit_code == 0, done.output
    made = json.loads(chunks(tmp_path / "clip.glb")[0])
    assert [node["name"] for node in made["nodes"]][:2] == ["Face", "Hat"]
    assert made["asset"]["generator"] == "her tool"
    useless = run("export", tmp_path / "clip.npz", "--to", "fbx", "--mesh", mine)
    assert (useless.exit_code, "--mesh is of glb" in useless.stderr) == (2, True)
    refused = run("export", tmp_path / "clip.npz", "--to", "glb", "--mesh", tmp_path / "clip.npz", "--force")
    assert refused.exit_code == 2
    assert "clip.npz: give the .glb or .vrm that was animated" in refused.output


def test_every_format_from_the_file_alone(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    from tests.support.exports import read_usd

    done = run(
        "export",
        file,
        "--to",
        "glb,usd,mdd,pc2",
        "--to",
        "arkit,fbx,keys,npy,npz,usda",
        "--targets",
        "few",  # this face has more than ARKit's shapes
        "-o",
        tmp_path / "out",
        "--json",
    )
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    paths = {row["format"]: Path(row["file"]) for row in printed["files"]}
    assert len(paths) == 10
    assert all(row["bytes"] == Path(row["file"]).stat().st_size for row in printed["files"])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths.values())

    animation = Animation.load(file)
    vertices, seconds = animation.vertices(), np.arange(15) / 30.0
    np.testing.assert_array_equal(read_mdd(paths["mdd"]).points, vertices)
    np.testing.assert_array_equal(read_pc2(paths["pc2"], 30.0).points, vertices)
    np.testing.assert_array_equal(read_npy(paths["npy"]), vertices)
    np.testing.assert_allclose(read_usd(paths["usd"]).vertices(seconds), vertices, atol=5e-5)
    np.testing.assert_allclose(read_usd(paths["usda"]).vertices(seconds), vertices, atol=5e-5)
    np.testing.assert_allclose(read_glb_animation(paths["glb"]).vertices(seconds)[:, :8], vertices, atol=5e-5)
    np.testing.assert_allclose(read_fbx(paths["fbx"]).vertices(np.arange(15)), vertices, atol=5e-5)
    np.testing.assert_array_equal(Animation.load(paths["npz"]).coefficients, animation.coefficients)
    assert len(read_arkit_csv(paths["arkit"]).times) == 30
    assert {s.label for s in read_track(paths["keys"]).segments()} == {"happy"}


def test_what_was_written_is_said_for_people(file: Path, tmp_path: Path) -> None:
    made = {"format": "glb", "file": "a.glb", "bytes": 3_055_936, "targets": 32, "residual_mm": 0.01617}
    said = described(made | {"residual_share": 0.009104, "vertices_added_to_your_mesh": 7})
    assert said == "3.1 MB, 32 blend shapes, 0.9 % of the motion lost (0.016 mm), vertices added to your mesh 7"
    done = run("export", file, "--to", "npz,pc2", "-o", tmp_path / "out")
    assert re.search(r"^  pc2: \d+ bytes$", done.stderr, re.MULTILINE)


def test_options_reach_the_formats(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    from tests.support.exports import read_usd

    arguments = ["--to", "glb,usd,mdd", "--targets", "arkit", "--points", "--fps", 60, "--json"]
    done = run("export", file, *arguments)
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["frames"], printed["fps"]) == (30, 60.0)
    rows = {row["format"]: row for row in printed["files"]}
    assert rows["glb"]["targets"] == 52
    assert rows["glb"]["residual_share"] > 0
    assert len(read_glb_animation(file.with_suffix(".glb")).scene.target_names) == 52
    assert read_usd(file.with_suffix(".usdc")).points.shape == (30, 8, 3)
    cache = read_mdd(file.with_suffix(".mdd"))
    np.testing.assert_allclose(cache.times, np.arange(30) / 60.0, atol=1e-6)
    np.testing.assert_array_equal(cache.points[::2], Animation.load(file).vertices())


def test_sound_beside_the_animation_is_named(tmp_path: Path) -> None:
    animation = moving_cube(5)
    shutil.copy(SAMPLE, tmp_path / "clip.wav")
    known = {"audio_sha256": load_audio(SAMPLE).sha256}
    type(animation)(**{**vars(animation), "provenance": known}).save(tmp_path / "clip.npz")
    done = run("export", tmp_path / "clip.npz", "--to", "glb", "-o", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["audio"] == str(tmp_path / "clip.wav")
    data = (tmp_path / "out" / "clip.glb").read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert document["asset"]["extras"]["audio"] == "../clip.wav"
    type(animation)(**{**vars(animation), "provenance": {"audio_sha256": "0"}}).save(tmp_path / "clip.npz")
    assert json.loads(run("export", tmp_path / "clip.npz", "--to", "npy", "--json").stdout)["audio"] is None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.npz", "--to", "glb"], "no such file"),
        (["clip.npz", "--to", "dae"], "no format 'dae': use one of anim, arkit, fbx, glb"),
        (["clip.npz", "--to", "abc"], "Alembic is not written"),
        (["clip.npz", "--to", ","], "name at least one format"),
        (["clip.npz", "--to", "npz"], "would overwrite it"),
        (["clip.npz", "--to", "glb", "--audio", "none.wav"], "no such file"),
        (["clip.npz", "--to", "glb", "--points"], "--points is of usd, usda: it does nothing with --to glb"),
        (["clip.npz", "--to", "fbx,usd", "--metres"], "--metres is of mdd, pc2: it does nothing with --to fbx,usd"),
        (["clip.npz", "--to", "vrma", "--targets", "few"], "--targets is of anim, fbx, glb, tres, usd, usda"),
        (["clip.npz", "--to", "live2d", "--map", "vrm"], "--map is of anim, arkit, fbx, glb, tres, usd, usda"),
        (["clip.npz", "--to", "glb", "--map", "vrm", "--targets", "few"], "--targets does nothing with --map"),
        (["clip.wav", "--to", "glb"], "not a SEDTalker animation: that is an .npz file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    file: Path, tmp_path: Path, arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.wav").write_bytes(b"RIFF")
    done = run("export", *arguments, "-q")
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.npz", "clip.wav"]


def test_render_needs_only_the_file_and_takes_sound_if_given(file: Path, tmp_path: Path) -> None:
    import av

    moving_cube(15, face=standing()).save(file)
    arguments = ["render", file, "--size", 64, "--light", "soft", "--renderer", "numba", "--json"]
    done = run(*arguments, "--fps", 15)
    assert done.exit_code == 0, done.stderr
    assert "silent" in done.stderr
    assert json.loads(done.stdout) == {"file": str(tmp_path / "clip.mp4"), "frames": 8, "fps": 15.0, "audio": None}
    with av.open(str(tmp_path / "clip.mp4")) as video:
        assert [s.type for s in video.streams] == ["video"]
        assert (video.streams.video[0].frames, video.streams.video[0].average_rate) == (8, 15)
    assert run(*arguments).exit_code == 2
    import soundfile

    soundfile.write(tmp_path / "speech.wav", np.zeros(8000, np.float32), 16000)
    assert run(*arguments, "--force", "--audio", tmp_path / "speech.wav").exit_code == 0
    with av.open(str(tmp_path / "clip.mp4")) as video:
        assert [s.type for s in video.streams] == ["video", "audio"]


@pytest.mark.parametrize("command", ["export", "render"])
def test_help_imports_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from sedtalker.cli.main import app;"
        f"assert CliRunner().invoke(app, ['{command}', '--help']).exit_code == 0;"
        "print([m for m in ('torch', 'numpy', 'scipy', 'pxr', 'av', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_animation_is_found_where_animate_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("speech").mkdir()
    moving_cube(3).save(Path("speech/speech.npz"))
    for given in ("speech.npz", "speech", "speech/", "speech/speech.npz"):
        done = run("export", given, "--to", "npy", "--force")
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{Path('speech/speech.npy')}\n"
        assert (f"reading {Path('speech/speech.npz')}" in done.stderr) == (given != "speech/speech.npz")
    moving_cube(3).save(Path("speech/other.npz"))
    Path("speech/speech.npz").rename("speech/third.npz")
    done = run("export", "speech", "--to", "npy")
    assert done.exit_code == 2
    assert "there are 2 animations in it; name one, such as speech" in done.stderr


def test_the_names_of_another_rig(file: Path, tmp_path: Path) -> None:
    done = run("export", file, "--to", "glb,arkit", "--map", "reallusion", "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["targets"] == 62
    header = (tmp_path / "out" / "clip.arkit.csv").read_text().splitlines()[0].split(",")
    assert {"Jaw_Open", "Mouth_Smile_L", "HeadYaw"} <= set(header)
    refused = run("export", file, "--to", "glb", "--map", "maya", "-o", tmp_path / "none")
    assert refused.exit_code == 2
    assert "reallusion" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_a_take_of_a_phone_on_a_mesh(file: Path, tmp_path: Path) -> None:
    assert run("export", file, "--to", "arkit", "-o", tmp_path).exit_code == 0
    take = tmp_path / "clip.arkit.csv"
    face = Animation.load(file).face
    face.save(tmp_path / "cube.sedface")
    options = ("--performance", take, "--mesh", tmp_path / "cube.sedface", "-o", tmp_path / "out", "--no-video")
    done = run("animate", *options, "--json")
    assert done.exit_code == 0, done.stderr
    moved = Animation.load(tmp_path / "out" / "clip.npz")
    assert moved.face.name == "cube"
    assert moved.track is None
    assert np.abs(moved.coefficients[:, 0]).max() > 0.1
    assert (tmp_path / "out" / "clip.glb").is_file()
    for more, said in (
        (("--emotion", "happy"), "--emotion is an option of speech"),
        (("--gain", "brows=2"), "--gain brows"),
    ):
        refused = run("animate", *options, "--force", *more)
        assert refused.exit_code == 2
        assert said in refused.stderr
