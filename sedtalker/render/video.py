"""Animations as pictures and as video files: H.264 and AAC, as long as each other."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.animation.animation import Animation
from sedtalker.audio import Audio, load_audio
from sedtalker.errors import InputError
from sedtalker.progress import Hook, counted, no_progress
from sedtalker.render.camera import frame_head
from sedtalker.render.light import Lighting, load_lighting
from sedtalker.render.renderer import Backend, make_renderer
from sedtalker.render.shading import Image
from sedtalker.storage import whole_file

SUFFIXES = (".mp4", ".mov", ".mkv")
"""Of the video files that are written."""
_AUDIO_BLOCK = 1024
"""Samples of an AAC packet."""
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Samples per second that AAC knows (ISO/IEC 14496-3); others are resampled."""
_THREADS = 4
"""Of x264; fixed, because how it splits its work changes its bytes."""


def render_frames(
    animation: Animation,
    size: int = 512,
    backend: Backend = "auto",
    light: str | Lighting = "studio",
    hook: Hook = no_progress,
) -> Generator[Image, None, None]:
    """Pictures (H, W, 3) uint8 sRGB of an animation, one a frame, its head framed as a portrait.

    Args:
        animation: what is shown.
        size: width and height, pixels.
        backend: see ``make_renderer``.
        light: a preset, a ``.json`` file, or a lighting.
        hook: of progress.

    Raises:
        InputError: an unusable size, backend or light.
    """
    lighting = load_lighting(light) if isinstance(light, str) else light
    face = animation.face
    with make_renderer(face, frame_head(face), size, backend, lighting=lighting) as picture:
        for vertices in counted(animation.frames(), hook, "rendering", len(animation)):
            yield picture.render(vertices)


def render_video(
    animation: Animation,
    path: Path | str,
    audio: Audio | Path | str | None = None,
    size: int = 512,
    backend: Backend = "auto",
    light: str | Lighting = "studio",
    hook: Hook = no_progress,
) -> None:
    """Render every frame of an animation into a video; the file appears whole or not at all.

    Args:
        animation: what is shown.
        path: the file: .mp4, .mov or .mkv.
        audio: its sound, or the file that has it; None: a silent video.
        size: width and height, pixels.
        backend: see ``make_renderer``.
        light: a preset, a ``.json`` file, or a lighting.
        hook: of progress.

    Raises:
        InputError: an unusable path, size, backend, light or sound, or an animation without frames.
    """
    path = check_video_name(Path(path))
    sound = load_audio(audio) if isinstance(audio, Path | str) else audio
    with closing(render_frames(animation, size, backend, light, hook)) as frames:
        write_video(path, frames, animation.fps, None if sound is None else (sound.samples, sound.rate))


def check_video_name(path: Path) -> Path:
    """The path, if its suffix is that of a video.

    Raises:
        InputError: it is not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: give a file that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return path


# --- Files.


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    audio: tuple[NDArray[np.float32], int] | None = None,
    *,
    crf: int = 18,
    preset: str = "veryfast",
) -> int:
    """Write an MP4 file frame by frame: H.264 (yuv420p, BT.709, constant frame rate) and, with ``audio``, AAC mono.

    The file appears whole or not at all. Memory does not grow with the number of frames. The same frames and sound give
    the same bytes.

    Args:
        path: the file; the container follows its suffix (.mp4, .mov, .mkv).
        frames: (H, W, 3) uint8 sRGB pictures of one size; odd sides lose a row or column (the codec wants even).
        fps: frames a second.
        audio: samples (N,) float32 in [−1, 1], and their rate in Hz. The sound decides the duration: the video has
            ⌈N / rate · fps⌉ frames; what ``frames`` has beyond is not used, and if it ends early its last is held.
        crf: quality, lower is better; 18 looks lossless.
        preset: x264 speed.

    Returns:
        How many frames were written.

    Raises:
        InputError: no frames, or a rate or size that no video can have.
    """
    import av

    path = Path(path)
    if not 1 <= fps <= 240:
        raise InputError(f"{fps} frames a second cannot be written: use 1 to 240")
    if audio is not None and (audio[0].ndim != 1 or not 4000 <= audio[1] <= 384_000):
        raise InputError(
            f"sound of shape {audio[0].shape} at {audio[1]} Hz cannot be written: give mono at 4 to 384 kHz"
        )
    if audio is not None and len(audio[0]) == 0:
        audio = None
    # bitexact: no encoder version and no time in the file.
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    container_format = None if path.suffix else "mp4"
    with (
        whole_file(path) as temporary,  # "file:", or FFmpeg takes what stands before a colon for a protocol
        av.open(f"file:{temporary}", "w", format=container_format, options=options) as container,
    ):
        written = _write_streams(container, iter(frames), Fraction(fps).limit_denominator(1001), audio, crf, preset)
    return written


def _write_streams(
    container: Any,
    frames: Iterator[NDArray[np.uint8]],
    rate: Fraction,
    audio: tuple[NDArray[np.float32], int] | None,
    crf: int,
    preset: str,
) -> int:
    """Encode picture by picture, the sound alongside; returns the number of pictures."""
    first = next(frames, None)
    if first is None:
        raise InputError("there is no frame to write: the animation is empty")
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    video = container.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": preset})
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.codec_context.thread_count = _THREADS
    _tag_bt709(video.codec_context)
    sound = _Sound(container, *audio) if audio is not None else None
    wanted = math.inf if audio is None else math.ceil(Fraction(len(audio[0]), audio[1]) * rate)
    picture, count = first, 0
    while count < wanted:
        container.mux(video.encode(_picture(picture[:height, :width], count, rate)))
        count += 1
        if sound is not None:
            sound.write_until(count / rate)
        if count < wanted:
            following = next(frames, None)
            if following is None and audio is None:
                break
            picture = picture if following is None else following
    container.mux(video.encode(None))
    if sound is not None:
        sound.finish()
    return count


def _tag_bt709(context: Any) -> None:
    """Say which colours the numbers mean, or players guess by size. Codes of ITU-T H.273; range 1 is 16 to 235."""
    context.color_primaries, context.color_trc, context.colorspace, context.color_range = 1, 1, 1, 1


def _picture(pixels: NDArray[np.uint8], index: int, rate: Fraction) -> Any:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    frame = frame.reformat(
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
    frame.pts, frame.time_base = index, 1 / rate
    return frame


class _Sound:
    """The sound track, written block by block."""

    def __init__(self, container: Any, samples: NDArray[np.float32], rate: int) -> None:
        self._container = container
        if rate not in _AAC_RATES:
            import soxr

            samples, rate = soxr.resample(samples, rate, 48000), 48000
        self._samples = np.clip(np.asarray(samples, dtype=np.float32), -1.0, 1.0)
        self._rate, self._at = rate, 0
        self._stream = container.add_stream("aac", rate=rate, layout="mono")
        self._stream.bit_rate = min(128_000, 6 * rate)

    def write_until(self, seconds: Fraction) -> None:
        """Write the whole blocks that begin before ``seconds``."""
        import av

        while self._at < min(len(self._samples), math.ceil(seconds * self._rate)):
            block = np.ascontiguousarray(self._samples[None, self._at : self._at + _AUDIO_BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._at, Fraction(1, self._rate)
            self._at += block.shape[1]
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is left."""
        self.write_until(Fraction(len(self._samples), self._rate))
        self._container.mux(self._stream.encode(None))
