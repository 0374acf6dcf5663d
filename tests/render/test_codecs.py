from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.render.codecs import CONTAINERS, frame_names, write_sequence, write_video


def pictures(count: int, height: int = 64, width: int = 64) -> Iterator[np.ndarray]:
    for i in range(count):
        picture = np.full((height, width, 3), (200, 80, 40), np.uint8)
        picture[:, : i % width] = (20, 180, 220)
        yield picture


def tone(seconds: float, rate: int) -> tuple[np.ndarray, int]:
    at = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * at)).astype(np.float32), rate


@pytest.mark.parametrize(
    ("seconds", "rate", "fps"),
    [(2.01, 16000, 30), (1.5, 44100, 25), (1.0, 50000, 60), (0.05, 8000, 24), (1.2, 48000, 29.97)],
)
def test_both_streams_last_as_long_as_the_sound(tmp_path: Path, seconds: float, rate: int, fps: float) -> None:
    path = tmp_path / "face.mp4"
    count = write_video(path, pictures(10_000), fps, tone(seconds, rate))
    assert count == math.ceil(round(seconds * fps, 6))
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.codec_context.pix_fmt == "yuv420p"
        assert float(video.average_rate) == pytest.approx(fps)
        assert abs(float(video.duration * video.time_base) - seconds) <= 1 / fps
        assert abs(float(audio.duration * audio.time_base) - seconds) <= 1 / fps
        assert sum(1 for _ in container.decode(video=0)) == count


def test_a_missing_last_picture_is_held(tmp_path: Path) -> None:
    assert write_video(tmp_path / "a.mp4", pictures(3), 10, tone(1.0, 16000)) == 10


def test_without_sound_all_pictures_are_written_and_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    assert write_video(path, pictures(7, 33, 65), 24) == 7
    with av.open(str(path)) as container:
        assert not container.streams.audio
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert decoded[0].shape == (32, 64, 3)
    np.testing.assert_allclose(decoded[0][5, 40], (200, 80, 40), atol=6)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    # Grain as in any picture: of perfectly flat ones x264 may read memory it has not set.
    grain = np.random.default_rng(0).integers(0, 24, (30, 64, 64, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, (p + g for p, g in zip(pictures(30), grain, strict=True)), 30, tone(1.0, 16000))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_pictures_are_taken_one_by_one(tmp_path: Path) -> None:
    taken = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken
        for picture in pictures(1000):
            taken += 1
            yield picture

    write_video(tmp_path / "a.mp4", counted(), 10, tone(0.5, 16000))
    assert taken == 5


def test_a_failure_leaves_no_file_and_the_old_one_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def broken() -> Iterator[np.ndarray]:
        yield from pictures(3)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_video(path, broken(), 30)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"old"


def test_unusable_input_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame"):
        write_video(tmp_path / "a.mp4", iter(()), 30)
    with pytest.raises(InputError, match="frames a second"):
        write_video(tmp_path / "a.mp4", pictures(1), 0)
    assert not list(tmp_path.iterdir())


# --- Transparency: a red disc that moves over nothing.


def discs(count: int, size: int = 64) -> Iterator[np.ndarray]:
    row, column = np.mgrid[:size, :size]
    for i in range(count):
        inside = (row - size / 2) ** 2 + (column - size / 2 - i) ** 2 < (size / 3) ** 2
        picture = np.zeros((size, size, 4), np.uint8)
        picture[inside] = (220, 40, 30, 255)
        yield picture


def test_webm_is_transparent_and_has_sound(tmp_path: Path) -> None:
    path = tmp_path / "face.webm"
    assert write_video(path, discs(20), 10, tone(1.0, 22050)) == 10
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("vp9", "opus")
        assert video.metadata["alpha_mode"] == "1"
        assert abs(float(container.duration) / 1e6 - 1.0) < 0.1
        # FFmpeg's own decoder leaves transparency out; that of libvpx does not
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        packets = [packet for packet in container.demux(video) if packet.size]
        frames = [frame for packet in packets for frame in decoder.decode(packet)]
    assert len(frames) == 10
    assert frames[0].format.name == "yuva420p"
    for k in (0, 9):
        seen, drawn = frames[k].to_ndarray(format="rgba"), list(discs(10))[k]
        assert np.abs(seen[..., 3].astype(int) - drawn[..., 3]).mean() < 4
        np.testing.assert_allclose(seen[32, 32 + k], (220, 40, 30, 255), atol=12)
        assert seen[2, 2, 3] == 0


def test_webm_without_transparency_is_plain(tmp_path: Path) -> None:
    write_video(tmp_path / "a.webm", pictures(5), 10)
    with av.open(str(tmp_path / "a.webm")) as container:
        decoded = [frame for frame in container.decode(video=0)]
    assert [f.format.name for f in decoded] == ["yuv420p"] * 5
    np.testing.assert_allclose(decoded[0].to_ndarray(format="rgb24")[5, 40], (200, 80, 40), atol=10)


@pytest.mark.parametrize("clear", [True, False])
def test_gif_holds_every_frame_at_its_time(tmp_path: Path, clear: bool) -> None:
    from PIL import Image

    path = tmp_path / "a.gif"
    assert write_video(path, discs(12) if clear else pictures(12), 30, tone(0.3, 16000)) == 9
    with Image.open(path) as gif:
        assert gif.n_frames == 9
        shown, milliseconds = [], 0
        for k in range(9):
            gif.seek(k)
            milliseconds += gif.info["duration"]
            shown.append(np.asarray(gif.convert("RGBA")))
    assert abs(milliseconds - 300) <= 20
    if clear:
        assert (shown[4][2, 2, 3], shown[4][32, 36, 3]) == (0, 255)
        np.testing.assert_allclose(shown[4][32, 36, :3], (220, 40, 30), atol=8)
    else:
        np.testing.assert_allclose(shown[0][5, 40, :3], (200, 80, 40), atol=8)
        np.testing.assert_allclose(shown[8][5, 2, :3], (20, 180, 220), atol=8)


@pytest.mark.parametrize("suffix", [".webm", ".gif"])
def test_the_other_formats_give_the_same_bytes_too(tmp_path: Path, suffix: str) -> None:
    grain = np.random.default_rng(0).integers(0, 24, (6, 64, 64, 3), dtype=np.uint8)
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}{suffix}", (p + g for p, g in zip(pictures(6), grain, strict=True)), 30)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_sequence_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "frames"
    write_sequence(folder, discs(3), 3)
    assert sorted(p.name for p in folder.iterdir()) == frame_names(3) == ["000000.png", "000001.png", "000002.png"]
    with Image.open(folder / "000002.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), list(discs(3))[2])
    with pytest.raises(InputError, match="has pictures"):
        write_sequence(folder, discs(3), 3)
    write_sequence(folder, discs(2), 2, force=True)
    assert sorted(p.name for p in folder.iterdir()) == frame_names(2)

    def broken() -> Iterator[np.ndarray]:
        yield from discs(2)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_sequence(tmp_path / "other", broken(), 3)
    assert not (tmp_path / "other").exists()


def test_the_command_line_knows_the_containers() -> None:
    from typing import get_args

    from sedtalker.animation.option_fields import declared
    from sedtalker.animation.performance import Performance

    assert {f".{name}" for name in get_args(declared(Performance)["video_format"].kind)} == set(CONTAINERS)
