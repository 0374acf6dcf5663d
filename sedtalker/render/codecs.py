"""Encoders of pictures and sound into files: H.264 and AAC, VP9 with transparency and Opus, GIF, PNG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Floats
from sedtalker.errors import InputError, extra
from sedtalker.storage import OutputFolder, whole_file

_AUDIO_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Samples per second that AAC knows (ISO/IEC 14496-3); others are resampled."""
_THREADS = 4
"""Threads of x264 and VP9; fixed, because the partition of their work changes the bytes."""


@dataclass(frozen=True)
class Container:
    """A kind of video file.

    Attributes:
        codec: of the pictures, FFmpeg's name.
        layout: of their pixels.
        clear: of their pixels where they are transparent; None: they cannot be.
        sound: codec of the sound; None: it is silent.
        options: of the codec of the pictures.
    """

    codec: str
    layout: str
    clear: str | None = None
    sound: str | None = None
    options: dict[str, str] = field(default_factory=dict)


_X264 = {"crf": "18", "preset": "veryfast", "x264-params": "cpu-independent=1:sliced-threads=0"}
"""18 looks lossless. Where a side is not a multiple of 64, x264's AVX-512 code is not the same twice; code that is the
same on every processor is. Threads that take whole frames, not slices of one, need less work and fewer bytes."""
_H264 = Container("libx264", "yuv420p", None, "aac", _X264)
"""MP4, MOV and MKV."""
_VP9 = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1", "auto-alt-ref": "0"}
"""Constant quality; alternative reference frames do not go with transparency."""
CONTAINERS = {
    ".mp4": _H264,
    ".mov": _H264,
    ".mkv": _H264,
    ".webm": Container("libvpx-vp9", "yuv420p", "yuva420p", "libopus", _VP9),
    ".gif": Container("gif", "pal8", "pal8"),
}
"""By suffix."""
FASTEST_GIF = 100
"""Most frames a second of a GIF, which counts hundredths of a second."""


def check_rate(path: Path, fps: float) -> None:
    """Raise ``InputError`` where a video of that suffix cannot have so many frames a second."""
    if not 1 <= fps <= 240:
        raise InputError(f"{fps} frames a second cannot be written: use 1 to 240")
    if path.suffix.lower() == ".gif" and fps > FASTEST_GIF:
        raise InputError(
            f"a GIF has at most {FASTEST_GIF} frames a second, and browsers show at most 50: "
            f"it cannot have {fps:g}; use --fps or another format"
        )


def write_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    fps: float,
    audio: tuple[Floats, int] | None = None,
) -> int:
    """Write a video frame by frame; the suffix of ``path`` chooses the container (none: MP4).

    MP4, MOV and MKV: H.264 (yuv420p, BT.709, constant frame rate) and, with ``audio``, AAC mono. WebM: VP9 and Opus.
    GIF: 256 colours a frame, silent. The file appears whole or not at all. Memory does not grow with the number of
    frames. The same frames and sound give the same bytes.

    Args:
        frames: (H, W, 3) uint8 sRGB pictures of one size; (H, W, 4) where WebM or GIF is to be transparent. Odd sides
            lose a row or column (video codecs want even ones).
        fps: frames a second.
        audio: samples (N,) float32 in [−1, 1], and their rate in Hz. The sound decides the duration: the video has
            ⌈N / rate · fps⌉ frames; what ``frames`` has beyond is not used, and if it ends early its last is held.

    Returns:
        How many frames were written.

    Raises:
        InputError: no frames, a rate or size that no video can have, or the extra ``video`` is not installed.
    """
    with extra("video"):
        import av

    path = Path(path)
    check_rate(path, fps)
    if audio is not None and (audio[0].ndim != 1 or not 4000 <= audio[1] <= 384_000):
        raise InputError(
            f"sound of shape {audio[0].shape} at {audio[1]} Hz cannot be written: give mono at 4 to 384 kHz"
        )
    if audio is not None and len(audio[0]) == 0:
        audio = None
    kind = CONTAINERS.get(path.suffix.lower(), _H264)
    # bitexact: no encoder version and no time in the file.
    options = {"fflags": "+bitexact", **({"movflags": "+faststart"} if kind is _H264 else {})}
    container_format = None if path.suffix else "mp4"
    with (
        whole_file(path) as temporary,  # "file:", or FFmpeg takes what stands before a colon for a protocol
        av.open(f"file:{temporary}", "w", format=container_format, options=options) as container,
    ):
        return _write_streams(container, kind, iter(frames), Fraction(fps).limit_denominator(1001), audio)


def _write_streams(
    container: Any,
    kind: Container,
    frames: Iterator[NDArray[np.uint8]],
    rate: Fraction,
    audio: tuple[Floats, int] | None,
) -> int:
    """Encode picture by picture, the sound alongside; returns the number of pictures."""
    first = next(frames, None)
    if first is None:
        raise InputError("there is no frame to write: the animation is empty")
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    clear = first.shape[2] == 4
    video = container.add_stream(kind.codec, rate=rate, options={**kind.options})
    video.width, video.height = width, height
    video.pix_fmt = (kind.clear or kind.layout) if clear else kind.layout
    video.codec_context.thread_count = _THREADS
    prepare = _palette(width, height, rate, clear) if kind.codec == "gif" else _yuv(video)
    sound = _Sound(container, *audio, kind.sound) if audio is not None and kind.sound is not None else None
    wanted = math.inf if audio is None else math.ceil(Fraction(len(audio[0]), audio[1]) * rate)
    picture, count = first, 0
    while count < wanted:
        frame = prepare(np.ascontiguousarray(picture[:height, :width]))
        frame.pts, frame.time_base = count, 1 / rate
        container.mux(video.encode(frame))
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


def _yuv(video: Any) -> Any:
    """A function from pixels to frames of a codec's own layout, BT.709."""
    import av
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    # Say which colours the numbers mean, or players guess by size. Codes of ITU-T H.273; range 1 is 16 to 235.
    context = video.codec_context
    context.color_primaries, context.color_trc, context.colorspace, context.color_range = 1, 1, 1, 1

    reformatter = VideoReformatter()  # one for all: making it takes longer than its work

    def prepare(pixels: NDArray[np.uint8]) -> Any:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if pixels.shape[2] == 4 else "rgb24")
        return reformatter.reformat(
            frame,
            format=video.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    return prepare


def _palette(width: int, height: int, rate: Fraction, clear: bool) -> Any:
    """A function from pixels to frames of 256 colours of their own; half-covered pixels become one or the other."""
    import av

    graph = av.filter.Graph()
    layout = "rgba" if clear else "rgb24"
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat(layout), time_base=1 / rate)
    split = graph.add("split")
    colours = graph.add("palettegen", f"stats_mode=single:reserve_transparent={int(clear)}")
    use = graph.add("paletteuse", "new=1:dither=sierra2_4a:alpha_threshold=128")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(colours, 1, 0)
    colours.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    count = 0

    def prepare(pixels: NDArray[np.uint8]) -> Any:
        nonlocal count
        frame = av.VideoFrame.from_ndarray(pixels, format=layout)
        frame.pts, frame.time_base = count, 1 / rate
        count += 1
        graph.vpush(frame)  # of the graph itself: its filters do not keep it alive
        return graph.vpull()

    return prepare


class _Sound:
    """The sound track, written block by block."""

    def __init__(self, container: Any, samples: Floats, rate: int, codec: str) -> None:
        self._container = container
        if rate not in _AUDIO_RATES or (codec == "libopus" and rate != 48000):
            import soxr

            samples, rate = soxr.resample(samples, rate, 48000), 48000
        self._samples = np.clip(np.asarray(samples, dtype=np.float32), -1.0, 1.0)
        self._rate, self._at = rate, 0
        # samples of a packet, and their layout: one channel is the same in both
        self._block, self._layout = (960, "flt") if codec == "libopus" else (1024, "fltp")
        self._stream = container.add_stream(codec, rate=rate, layout="mono")
        self._stream.bit_rate = min(128_000, 6 * rate)

    def write_until(self, seconds: Fraction) -> None:
        """Write the whole blocks that begin before ``seconds``."""
        import av

        while self._at < min(len(self._samples), math.ceil(seconds * self._rate)):
            block = np.ascontiguousarray(self._samples[None, self._at : self._at + self._block])
            frame = av.AudioFrame.from_ndarray(block, format=self._layout, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._at, Fraction(1, self._rate)
            self._at += block.shape[1]
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is left."""
        self.write_until(Fraction(len(self._samples), self._rate))
        self._container.mux(self._stream.encode(None))


# --- PNG.


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write one picture, (H, W, 3) or (H, W, 4); the file appears whole or not at all."""
    from PIL import Image

    with whole_file(Path(path)) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=4)


def frame_names(count: int) -> list[str]:
    """Names of the pictures of a sequence: ``000000.png`` and so on."""
    return [f"{i:06d}.png" for i in range(count)]


def is_frame_name(name: str) -> bool:
    """Whether ``frame_names`` gives such a name."""
    return re.fullmatch(r"[0-9]{6,}\.png", name) is not None


def check_sequence(folder: Path, force: bool) -> Path:
    """The folder, if a sequence can be written into it.

    Raises:
        InputError: there is one and ``force`` is off, or it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: the pictures need a folder")
    if not force and folder.is_dir() and any(is_frame_name(path.name) for path in folder.iterdir()):
        raise InputError(f"{folder} has pictures; use --force to overwrite them")
    return folder


def write_sequence(folder: Path, frames: Iterable[NDArray[np.uint8]], count: int, force: bool = False) -> None:
    """Write ``count`` pictures into a folder as PNG files; they appear all or not at all.

    With ``force`` those of an earlier sequence vanish that are not replaced; other files stay.

    Raises:
        InputError: there is a sequence already and ``force`` is off, or they cannot be written.
    """
    folder, names = check_sequence(Path(folder), force), frame_names(count)
    with OutputFolder(folder, names, force, is_frame_name) as results:
        for name, picture in zip(names, frames, strict=True):
            write_png(results.path / name, picture)
