from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from sedtalker.errors import InputError
from sedtalker.render import write_video


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
