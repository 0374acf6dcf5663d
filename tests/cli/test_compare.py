"""Two animations of one face: the measures by hand, the video, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sedtalker.animation.animation import Animation
from sedtalker.cli.main import app
from sedtalker.render.comparison import RAMP, _caption, _frames, differences
from tests.support.cube import cube_face
from tests.support.standing import standing


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def moving(weights: list[float], face=None, fps: float = 30.0) -> Animation:
    """A face whose first shape follows ``weights``, its head turning."""
    face = face or cube_face()
    coefficients = np.zeros((len(weights), len(face.shapes)), np.float32)
    coefficients[:, 0] = weights
    turning = np.linspace(0, 0.3, len(weights), dtype=np.float32)[:, None] * np.array([[0, 1, 0]], np.float32)
    return Animation(coefficients, fps, face, turning)


def test_figures_by_hand():
    a, b = moving([0.0, 0.5, 0.0]), moving([0.0, 0.0, 0.0])
    still = replace(b, head_rotation=np.zeros_like(b.head_rotation))
    expected = differences(a, b)
    assert expected == differences(a, still)  # head motion does not count
    assert expected["max_mm"] == pytest.approx(250.0)  # half of the 0.5 m that jawOpen moves four of eight vertices
    assert expected["max_at"] == pytest.approx(1 / 30)
    assert expected["mean_mm"] == pytest.approx(250.0 * 4 / 8 / 3)
    assert expected["lve_mm2"] == pytest.approx(250.0**2 / 3)
    assert expected["fdd_mm"] is None  # the cube has no upper face


def test_dynamics_count_only_the_upper_face_and_know_their_sign():
    face = cube_face()
    upper = np.zeros(8, bool)
    upper[0] = True
    face = replace(face, regions={"upper_face": upper})
    a, b = moving([0.0, 0.0] * 50, face), moving([0.0, 1.0] * 50, face)
    assert differences(a, b)["fdd_mm"] == pytest.approx(250.0, rel=1e-4)  # σ of 0 and 500 mm; more than one chunk
    assert differences(b, a)["fdd_mm"] == pytest.approx(-250.0, rel=1e-4)
    assert differences(a, b)["lve_mm2"] is None


def test_video_and_figures(tmp_path: Path) -> None:
    import av
    import soundfile

    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    moving([0.0] * 12, standing()).save(a)
    moving([0.0, 1.0] * 5, standing(), fps=25.0).save(b)
    soundfile.write(tmp_path / "speech.wav", np.zeros(16000, np.float32), 16000)
    arguments = ["compare", a, b, "--size", 64, "--renderer", "numba", "--json"]
    done = run(*arguments, "--audio", tmp_path / "speech.wav")
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["file"], printed["frames"], printed["fps"]) == (str(tmp_path / "a-b.mp4"), 12, 30.0)
    with av.open(printed["file"]) as video:
        assert [s.type for s in video.streams] == ["video", "audio"]
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (192, 64, 12)  # the sound is cut to what is shown
    again = run(*arguments)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    measures = run("compare", a, b, "--no-video", "-q")
    assert measures.exit_code == 0
    assert f"largest {printed['max_mm']:.2f} mm" in measures.stdout
    assert run(*arguments[:-1], "--force", "-q").stdout.splitlines()[0] == printed["file"]


def test_the_difference_is_coloured_by_the_scale() -> None:
    """Where nothing differs the third picture is grey; the top of the ramp shows where it does."""
    from sedtalker.render import frame_head, make_renderer

    face = standing()
    a, b = moving([0.0], face), moving([1.0], face)
    with make_renderer(face, frame_head(face), 64, "numba") as picture:
        same = next(_frames(a, a, picture, ("a", "a"), 1.0)).astype(int)
        apart = next(_frames(a, b, picture, ("a", "b"), 1.0)).astype(int)
    assert same.shape == (64, 192, 3)
    centre = np.s_[17:32, 128:]  # between the captions
    saturation = [np.ptp(frame[centre], axis=2).max() for frame in (same, apart)]
    assert saturation[1] > saturation[0] + 20


def test_the_scale_is_printed() -> None:
    ink, cover = _caption(384, ("a", "b"), 5.0)
    assert ink.shape == (384, 1152, 3)
    row = ink[384 - 48 + 8, 768 + 48 : 1152 - 48]
    np.testing.assert_allclose(row[2] / 255, RAMP[0], atol=0.02)
    np.testing.assert_allclose(row[-2] / 255, RAMP[-1], atol=0.02)
    assert cover[:30, :100].max() == 1
    assert cover[150:250].max() == 0


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ("missing.npz", "no such file"),
        ("wider.npz", "different faces"),
        ("standing.npz", "different meshes"),
        ("text.npz", "not a SEDTalker animation"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(tmp_path: Path, other: str, complaint: str) -> None:
    cube = cube_face()
    moving([0.0, 1.0]).save(tmp_path / "a.npz")
    wider = replace(cube, name="wide", mesh=replace(cube.mesh, vertices=cube.mesh.vertices * np.float32(1.5)))
    moving([0.0, 1.0], wider).save(tmp_path / "wider.npz")
    moving([0.0, 1.0], standing()).save(tmp_path / "standing.npz")
    (tmp_path / "text.npz").write_text("no")
    done = run("compare", tmp_path / "a.npz", tmp_path / other, "-q")
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.mp4"))


# --- Vertices of other methods.


def test_vertices_of_another_method_are_compared_with_an_animation(tmp_path: Path) -> None:
    """The very same motion as an array is no distance away; and half of it is, at whatever frame rate."""
    animation = replace(moving([0.0, 0.5, 1.0, 0.5], standing()), head_rotation=np.zeros((4, 3), np.float32))
    animation.save(tmp_path / "a.npz")
    np.save(tmp_path / "same.npy", animation.vertices())
    np.save(tmp_path / "flat.npy", animation.vertices().reshape(4, -1).astype(np.float64))
    np.save(tmp_path / "rest.npy", np.repeat(animation.vertices()[:1], 8, axis=0))
    words = ["--fps", 30, "--no-video", "--json", "-q"]
    for name in ("same", "flat"):
        done = run("compare", tmp_path / f"{name}.npy", tmp_path / "a.npz", *words)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["max_mm"] == pytest.approx(0.0, abs=1e-3)
    found = json.loads(run("compare", tmp_path / "a.npz", tmp_path / "rest.npy", "--fps", 60, *words[2:]).stdout)
    expected = differences(animation, moving([0.0] * 4, standing()))
    assert found["frames"] == 4
    assert [found["max_mm"], found["mean_mm"]] == pytest.approx([expected["max_mm"], expected["mean_mm"]], rel=1e-4)


def test_head_motion_counts_on_neither_side(tmp_path: Path) -> None:
    """It is in the vertices of an array and apart in an animation; a neck that bends follows."""
    turned, weights = moving([0.0, 0.5, 1.0, 0.5], standing()), [0.0, 0.2, 0.4, 0.2]
    turned.save(tmp_path / "a.npz")
    np.save(tmp_path / "same.npy", turned.vertices())
    np.save(tmp_path / "moved.npy", turned.vertices() + np.float32([0.01, 0.02, -0.03]))
    np.save(tmp_path / "other.npy", moving(weights, standing()).vertices())
    found = {
        name: json.loads(
            run("compare", tmp_path / f"{name}.npy", tmp_path / "a.npz", "--fps", 30, "--no-video", "--json").stdout
        )
        for name in ("same", "moved", "other")
    }
    assert found["same"]["max_mm"] == pytest.approx(0.0, abs=1e-3)
    assert found["moved"]["max_mm"] == pytest.approx(0.0, abs=1e-3)
    expected = differences(moving(weights, standing()), turned)
    assert expected["mean_mm"] > 1.0
    assert found["other"]["mean_mm"] == pytest.approx(expected["mean_mm"], rel=0.02)


def test_two_arrays_are_compared_on_their_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    face = standing()
    face.mesh.save(tmp_path / "head.obj")
    monkeypatch.setattr("sedtalker.face.Face.from_mesh", lambda *_, **__: face)
    moved = replace(moving([0.0, 1.0, 0.0], face), head_rotation=np.zeros((3, 3), np.float32)).vertices()
    np.save(tmp_path / "a.npy", moved)
    np.save(tmp_path / "b.npy", np.repeat(moved[:1], 3, axis=0))
    words = ["--fps", 30, "--size", 64, "--renderer", "numba", "--json", "-q"]
    done = run("compare", tmp_path / "a.npy", tmp_path / "b.npy", "--mesh", tmp_path / "head.obj", *words)
    assert done.exit_code == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["frames"], printed["max_at"]) == (3, pytest.approx(1 / 30))
    assert Path(printed["file"]).stat().st_size > 1000


def test_arrays_in_metres_fit_a_mesh_in_centimetres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    face = standing()
    replace(face.mesh, vertices=100 * face.mesh.vertices).save(tmp_path / "head.obj")
    monkeypatch.setattr("sedtalker.face.Face.from_mesh", lambda *_, **__: face)
    moved = replace(moving([0.0, 1.0], face), head_rotation=np.zeros((2, 3), np.float32)).vertices()
    for name, factor in (("ours", 1), ("theirs", 100)):  # as --to npy writes them; and as the file has the mesh
        np.save(tmp_path / f"{name}.npy", factor * moved)
        np.save(tmp_path / f"{name}_rest.npy", factor * np.repeat(moved[:1], 2, axis=0))
    words = ["--mesh", tmp_path / "head.obj", "--fps", 30, "--no-video", "--json", "-q"]
    done = run("compare", tmp_path / "ours.npy", tmp_path / "ours_rest.npy", *words)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["max_mm"] == pytest.approx(
        1000 * np.linalg.norm(moved[1] - moved[0], axis=-1).max(), rel=1e-3
    )
    done = run("compare", tmp_path / "theirs.npy", tmp_path / "theirs_rest.npy", *words)
    assert done.exit_code == 2
    assert "not in metres: multiply both by 0.01" in done.stderr


@pytest.mark.parametrize(
    "header",
    [
        "(" * 118,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (8L, 3",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 40 + ", 3)}",
        None,
    ],
)
def test_arrays_with_broken_headers_are_one_line(tmp_path: Path, header: str | None) -> None:
    moving([0.0, 1.0], standing()).save(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.zeros((2, 600, 3), np.float32))
    data = (tmp_path / "b.npy").read_bytes()
    whole = (tmp_path / "a.npz").read_bytes() if header is None else data[:10] + header.ljust(118).encode() + data[128:]
    (tmp_path / "b.npy").write_bytes(whole)
    done = run("compare", tmp_path / "b.npy", tmp_path / "a.npz", "--fps", 30, "--no-video", "-q")
    assert (done.exit_code, done.stderr) == (2, f"error: {tmp_path / 'b.npy'}: not a .npy of numbers\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a.npy", "a.npz"], "give its frames a second with --fps"),
        (["a.npy", "a.npy", "--fps", 30], "give the mesh that they move with --mesh"),
        (["a.npz", "a.npz", "--fps", 30], "an .npz has its own"),
        (["gone.npy", "a.npz", "--fps", 30], "gone.npy: no such file"),
        (["few.npy", "a.npz", "--fps", 30], "2 vertices a frame, but the mesh has 600"),
        (["far.npy", "a.npz", "--fps", 30], "m from the mesh: is it in metres"),
        (["broken.npy", "a.npz", "--fps", 30], "some of its coordinates are not finite numbers"),
        (["text.npy", "a.npz", "--fps", 30], "not a .npy of numbers"),
        (["whole.npy", "a.npz", "--fps", 30], "give floats (frames, vertices, 3)"),
    ],
)
def test_arrays_that_cannot_be_compared_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    animation = moving([0.0, 1.0], standing())
    animation.save(tmp_path / "a.npz")
    np.save("a.npy", animation.vertices())
    np.save("few.npy", np.zeros((2, 2, 3), np.float32))
    np.save("far.npy", 100.0 * animation.vertices() + 1.0)
    np.save("whole.npy", np.zeros((2, 600, 3), int))
    np.save("broken.npy", np.stack([animation.vertices()[0], np.full_like(animation.vertices()[0], np.nan)]))
    Path("text.npy").write_text("nothing")
    done = run("compare", *words, "--no-video", "-q")
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
