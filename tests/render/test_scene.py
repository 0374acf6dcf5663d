from __future__ import annotations

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sedtalker.animation.animation import Animation
from sedtalker.animation.option_fields import ShotKind
from sedtalker.animation.scene import Place, Scene, moved, places_beside
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.face.builtin import load_face
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Material
from sedtalker.render import Camera, Light, Lighting, Portrait, Standing, make_renderer, render_frames
from sedtalker.render.camera import frame_heads
from sedtalker.render.picture import DrawnMesh
from sedtalker.render.scene import check_shot, render_scene, render_scene_frames
from sedtalker.speakers.turns import Turn, Turns
from tests.support.ball import ball
from tests.support.moving import moving_cube
from tests.support.painted import halves, joined, sheet
from tests.support.scenes import scene_of, two_figures
from tests.support.standing import standing

RED, BLUE, WHITE = (220, 20, 20), (20, 20, 220), (230, 230, 230)
SHOTS: tuple[ShotKind, ...] = ("two-shot", "cut", "split")


def reddish(picture: np.ndarray) -> np.ndarray:
    """(H, W) how much redder than blue."""
    return picture[..., 0].astype(int) - picture[..., 2]


@pytest.fixture(scope="module")
def two() -> Scene:
    return two_figures()


@pytest.mark.parametrize("shot", SHOTS)
def test_a_scene_of_one_head_is_shown_as_its_animation_is(shot: ShotKind) -> None:
    animation = moving_cube(3, face=standing())
    shown = list(render_scene_frames(scene_of(ann=animation), shot, "96x64", "numba"))
    np.testing.assert_array_equal(shown, list(render_frames(animation, "96x64", "numba")))


def test_both_heads_are_in_the_picture_side_by_side(two: Scene) -> None:
    pictures = list(render_scene_frames(two, size="128x72", backend="numba", background="white"))
    assert len(pictures) == len(two)
    for picture in pictures:
        assert picture.shape == (72, 128, 3)
        red = reddish(picture)
        assert (red[:, :64] > 60).mean() > 0.15
        assert (red[:, 64:] < -60).mean() > 0.15
        assert (red[:, 70:] > 60).mean() < 0.01
    assert np.abs(pictures[0].astype(int) - pictures[3]).max() > 60


def drawn(subjects: list[DrawnMesh], camera: Camera, lighting: Lighting | None = None) -> np.ndarray:
    rest = np.concatenate([subject.rest for subject in subjects])
    with make_renderer(subjects, camera, 96, "numba", background=(0.0, 1.0, 0.0), lighting=lighting) as renderer:
        return renderer.render(rest).astype(int)


def test_several_subjects_are_drawn_as_one_mesh_of_all_of_them() -> None:
    """Each keeps its own picture, and one hides a part of the other."""
    first, second = (sheet(Material("m", texture=halves(*colours))) for colours in ((RED, BLUE), (BLUE, WHITE)))
    aside = [moved(mesh.vertices, np.zeros(3), Place((x, 0.0, x / 2))) for mesh, x in ((first, -0.08), (second, 0.08))]
    subjects = [DrawnMesh(mesh, None, rest) for mesh, rest in zip((first, second), aside, strict=True)]
    meshes = [dataclasses.replace(mesh, vertices=rest) for mesh, rest in zip((first, second), aside, strict=True)]
    camera = Camera((0.0, 0.0, 1.2), (0.0, 0.0, 0.0), near=0.5, far=2.0)
    together, one = drawn(subjects, camera), joined(*meshes)
    np.testing.assert_array_equal(together, drawn([DrawnMesh(one, None, one.vertices)], camera))
    colours = reddish(together)[48]
    assert (colours > 60).sum() > 10
    assert (colours < -60).sum() > 20
    assert (together[48].min(axis=1) > 100).sum() > 10


def test_one_head_casts_its_shadow_on_the_other() -> None:
    side = Lighting((Light(60.0, 0.0, (1.0, 1.0, 1.0), 0.8),), shadow=1.0)
    camera, towards = Camera((0.0, 0.0, 3.0), (0.0, 0.0, 0.0), near=1.0, far=5.0), side.lights[0].direction()

    def brightness(of_other: Place) -> float:
        subjects = [DrawnMesh(ball(), None, moved(ball().vertices, np.zeros(3), at)) for at in (Place(), of_other)]
        return float(drawn(subjects, camera, side)[44:52, 48:56].mean())

    x, y, z = (float(0.3 * v) for v in towards)
    assert brightness(Place((x, y, z))) < 0.7 * brightness(Place((-x, y, -z)))


@pytest.mark.parametrize("size", ["64x48", "97x40"])
def test_a_split_screen_has_a_portrait_of_each_and_a_line(two: Scene, size: str) -> None:
    (picture,) = render_scene_frames(two, "split", size, "numba", background="black", frames=(2, 3))
    width, height = map(int, size.split("x"))
    assert picture.shape == (height, width, 3)
    edge = round(width / 2)
    line = picture[:, edge - 1 : edge + 2].min(axis=(0, 2))
    assert (line == 255).sum() == 1
    left, right = reddish(picture[:, : edge - 1]), reddish(picture[:, edge + 2 :])
    assert (left > 60).mean() > 0.2
    assert (right < -60).mean() > 0.2
    assert left.min() > -60
    assert right.max() < 60


@pytest.mark.parametrize("shot", ["two-shot", "split"])
@pytest.mark.parametrize("size", ["60x120", "61x97"])
def test_heads_stand_in_rows_where_one_row_of_them_would_be_small(two: Scene, shot: ShotKind, size: str) -> None:
    """Heads were small below much air in upright pictures, and where there are many."""
    (picture,) = render_scene_frames(two, shot, size, "numba", background="black", frames=(0, 1))
    width, height = map(int, size.split("x"))
    assert picture.shape == (height, width, 3)
    red, line = reddish(picture), picture.min(axis=(1, 2)) == 255
    edge = int(np.flatnonzero(line)[0])
    assert line.sum() == 1
    assert abs(edge - height / 2) <= 1
    assert (red[:edge] > 60).mean() > 0.2
    assert (red[edge + 1 :] < -60).mean() > 0.2
    assert red[:edge].min() > -60
    assert red[edge + 1 :].max() < 60


def test_the_camera_cuts_to_whoever_speaks(two: Scene) -> None:
    slow = {name: dataclasses.replace(a, fps=2.0) for name, a in two.animations.items()}  # 3 s
    turns = Turns((Turn(0.0, 1.4, "blue"), Turn(1.6, 3.0, "red")), 3.0, ("red", "blue"))
    scene = Scene(slow, two.places, turns)
    pictures = list(render_scene_frames(scene, "cut", 64, "numba", background="black"))
    shown = ["red" if reddish(p).sum() > 0 else "blue" for p in pictures]
    assert shown == ["blue"] * 3 + ["red"] * 3  # frame 3 is at 1.5 s, a little before the turn at 1.6 s
    (one,) = render_scene_frames(scene, "cut", 64, "numba", background="black", frames=(4, 5))
    np.testing.assert_array_equal(one, pictures[4])


def test_portraits_are_seen_a_little_from_the_side_to_which_nobody_turns(two: Scene) -> None:
    left, right = two.animations.values()
    turned = Scene(
        {"a": left, "b": left}, places_beside({"a": left.face, "b": right.face}), Turns((), left.duration, ("a", "b"))
    )
    (shown,) = render_scene_frames(turned, "cut", 64, "numba", frames=(0, 1))
    usual = next(render_frames(left, 64, "numba", camera=Portrait(yaw=-0.5 * turned.places["a"].yaw)))
    np.testing.assert_array_equal(shown, usual)


@pytest.mark.parametrize("aspect", [0.5, 1.0, 16 / 9, 4.0])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_heads_are_inside_the_picture_and_edges_of_shoulders_outside(count: int, aspect: float) -> None:
    faces = [load_face()] * count
    places = places_beside({str(k): face for k, face in enumerate(faces)})
    heads = [(face, places[str(k)]) for k, face in enumerate(faces)]
    camera = frame_heads(heads, aspect)
    project = camera.projection(aspect) @ camera.view()
    for face, place in heads:
        points = moved(face.mesh.vertices, face.pivot, place)
        seen = np.c_[points, np.ones(len(points))] @ project.T
        seen = seen[:, :2] / seen[:, 3:]
        head = seen[points[:, 1] > face.pivot[1] + place.position[1]]
        assert np.abs(head).max() < 1.0
        assert seen[points[:, 1] < points[:, 1].min() + 1e-3, 1].max() < -1.0


def _still(face: Face) -> Animation:
    return Animation(np.zeros((1, len(face.shapes)), np.float32), 30.0, face, np.zeros((1, 3), np.float32))


def test_cameras_backgrounds_and_sizes(two: Scene) -> None:
    clear = next(render_scene_frames(two, size="64x36", backend="numba", background="transparent"))
    assert clear.shape == (36, 64, 4)
    assert 0.1 < (clear[..., 3] == 255).mean() < 0.9
    near = next(render_scene_frames(two, size="64x36", backend="numba", camera=Portrait(zoom=2.0)))
    assert np.abs(near.astype(int) - clear[..., :3]).mean() > 5
    place = two.places["blue"].position
    standing_camera = Standing((place[0], place[1], 3.0), place, fov=10.0)
    blue = next(render_scene_frames(two, size=64, backend="numba", camera=standing_camera, background="black"))
    assert reddish(blue)[20:30, 28:36].max() < -30
    assert check_shot("two-shot", 2) == check_shot("cut", 3) == (960, 540)
    assert check_shot("split", 3) == (1560, 540)
    assert check_shot("two-shot", 16) == (3840, 540)
    assert check_shot("cut", 2, "64x32") == (64, 32)
    with pytest.raises(InputError, match="no shot 'pan': use one of two-shot, cut, split"):
        check_shot("pan", 2)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
@pytest.mark.parametrize("shot", SHOTS)
def test_a_scene_is_a_video_with_its_sound(two: Scene, tmp_path: Path, shot: ShotKind, suffix: str) -> None:
    path, steps = tmp_path / f"a{suffix}", []
    sound = Audio(np.zeros(3200, np.float32))
    render_scene(two, path, sound, shot=shot, size="64x48", backend="numba", hook=lambda *step: steps.append(step))
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == (suffix == ".mp4")
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 6
    assert decoded[0].shape == (48, 64, 3)
    assert {step[2] for step in steps} == {6}
    again = tmp_path / f"b{suffix}"
    render_scene(two, again, sound, shot=shot, size="64x48", backend="numba")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("shot", SHOTS)
def test_a_picture_of_one_moment(two: Scene, tmp_path: Path, shot: ShotKind) -> None:
    render_scene(two, tmp_path / "a.png", shot=shot, size=48, backend="numba", at=5 / two.fps)
    last = list(render_scene_frames(two, shot, 48, "numba"))[5]
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), last)
    with pytest.raises(InputError, match="no frame at 9 s"):
        render_scene(two, tmp_path / "b.png", shot=shot, size=48, backend="numba", at=9.0)
    assert not (tmp_path / "b.png").exists()


def test_leaving_early_ends_the_work(two: Scene) -> None:
    for shot in SHOTS:
        frames = render_scene_frames(two, shot, 48, "numba")
        next(frames)
        frames.close()
        with pytest.raises(StopIteration):
            next(frames)
