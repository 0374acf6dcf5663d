from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sedtalker.animation.animation import Animation
from sedtalker.audio import Audio
from sedtalker.errors import InputError
from sedtalker.render import Portrait, render_frames, render_sequence, render_video
from sedtalker.render.video import check_file
from tests.support.moving import moving_cube
from tests.support.standing import standing


@pytest.fixture(scope="module")
def clip() -> Animation:
    return moving_cube(6, face=standing())


def test_every_option_reaches_the_pictures(clip: Animation) -> None:
    plain = next(render_frames(clip, 64, "numba"))
    assert plain.shape == (64, 64, 3)
    wide = next(render_frames(clip, "96x64", "numba", background="#ff0000"))
    assert wide.shape == (64, 96, 3)
    assert wide[0, 0].tolist() == [255, 0, 0]
    clear = next(render_frames(clip, 64, "numba", background="transparent"))
    assert clear.shape == (64, 64, 4)
    assert set(np.unique(clear[..., 3])) <= {0, 64, 128, 191, 255}
    assert clear[0, 0, 3] == 0
    narrow = next(render_frames(clip, "24x64", "numba", background="#ff0000"))
    assert (narrow[:24, [0, -1]] == [255, 0, 0]).all(), "the head is not cut at the sides"
    turned = next(render_frames(clip, 64, "numba", camera="three-quarter"))
    np.testing.assert_array_equal(turned, next(render_frames(clip, 64, "numba", camera=Portrait(yaw=35.0))))
    assert np.abs(turned.astype(int) - plain).max() > 20


def test_transparent_over_a_colour_is_the_picture_before_that_colour(clip: Animation) -> None:
    clear = next(render_frames(clip, 64, "numba", background="transparent"))
    black = next(render_frames(clip, 64, "numba", background="black"))
    whole = clear[..., 3] == 255
    assert whole.mean() > 0.1
    np.testing.assert_array_equal(clear[whole][:, :3], black[whole])
    assert not black[clear[..., 3] == 0].any()


def test_pictures_come_in_order_however_many_are_drawn_at_once(clip: Animation) -> None:
    from sedtalker.render import frame_head, make_renderer

    frames = list(clip.frames())
    with make_renderer(clip.face, frame_head(clip.face), 48, "numba", threads=3) as renderer:
        together, one_by_one = list(renderer.render_all(frames)), [renderer.render(v) for v in frames]
    np.testing.assert_array_equal(together, one_by_one)


def test_leaving_early_ends_the_work(clip: Animation) -> None:
    frames = render_frames(clip, 48, "numba")
    next(frames)
    frames.close()
    with pytest.raises(StopIteration):
        next(frames)


def test_a_picture_of_one_moment(clip: Animation, tmp_path: Path) -> None:
    render_video(clip, tmp_path / "a.png", size=48, backend="numba", background="transparent", at=3 / clip.fps)
    fourth = list(render_frames(clip, 48, "numba", background="transparent"))[3]
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), fourth)
    with pytest.raises(InputError, match=r"no frame at 9 s: the animation lasts 0\.20 s"):
        render_video(clip, tmp_path / "b.png", size=48, backend="numba", at=9.0)
    assert not (tmp_path / "b.png").exists()


def test_frames_lie_in_a_folder(clip: Animation, tmp_path: Path) -> None:
    render_sequence(clip, tmp_path / "frames", size=48, backend="numba")
    assert len(list((tmp_path / "frames").iterdir())) == 6
    with Image.open(tmp_path / "frames" / "000005.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), list(render_frames(clip, 48, "numba"))[5])


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_animations_render_themselves(clip: Animation, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    clip.render(path, size="64x48", backend="numba", camera="left", background="white")
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == 6
    assert decoded[0].shape == (48, 64, 3)
    assert decoded[0][:4, :4].min() > 245


def test_what_cannot_be_written_is_said_before_any_work() -> None:
    with pytest.raises(InputError, match=r"ends in .*\.png"):
        check_file(Path("a.avi"))
    with pytest.raises(InputError, match=r"no transparency: use \.webm, \.gif or \.png"):
        check_file(Path("a.mp4"), "transparent")
    assert check_file(Path("a.WEBM"), "transparent") == Path("a.WEBM")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.5, []),
        (2.0, ["the sound lasts 2.00 s, the motion 0.20 s: its last picture stays"]),
    ],
)
def test_a_sound_of_another_length_is_said(
    clip: Animation, tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float, said: list[str]
) -> None:
    sound = Audio(np.zeros(round(16000 * seconds), np.float32))
    render_video(clip, tmp_path / "a.mp4", sound, size=48, backend="numba")
    assert caplog.messages == said


def test_a_sound_that_ends_before_the_motion_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = moving_cube(60, face=standing())
    render_video(long, tmp_path / "a.mp4", Audio(np.zeros(1600, np.float32)), size=48, backend="numba")
    (said,) = caplog.messages
    assert said == f"the sound lasts 0.10 s, the motion {long.duration:.2f} s: its end is not shown"
