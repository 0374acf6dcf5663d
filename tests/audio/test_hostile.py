"""Recordings that unpack to gigabytes, name other files or never end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sedtalker.audio import decoders, load_audio
from sedtalker.audio.decoders import PART_VALUES, FFmpegDecoder, SndfileDecoder, part_length
from sedtalker.errors import InputError
from tests.support.memory import memory_watched
from tests.support.packed import packed_matroska

SEGMENT = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{}\n"


@pytest.mark.slow
def test_a_small_file_that_unpacks_to_a_gigabyte_is_read_in_small_parts(tmp_path: Path) -> None:
    packed = tmp_path / "packed.mka"
    packed.write_bytes(packed_matroska(2.0))
    assert packed.stat().st_size < 300_000  # 393 MB as float32
    parts = FFmpegDecoder(packed, 3600.0).parts()
    sizes = [part.size for part in parts]
    assert sum(sizes) == 2 * 64 * 768_000
    assert max(sizes) < 2 * PART_VALUES
    with memory_watched(200 * 2**20):
        assert load_audio(packed).duration == pytest.approx(2.0, abs=0.01)


def test_parts_are_ten_seconds_of_any_usual_recording() -> None:
    assert part_length(48_000, 2) == 480_000
    assert part_length(768_000, 64) * 64 <= PART_VALUES
    assert part_length(16_000, 0) == 160_000


@pytest.mark.parametrize("decoder", [FFmpegDecoder, SndfileDecoder])
def test_more_sound_than_eight_channels_of_an_hour_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: type[FFmpegDecoder]
) -> None:
    monkeypatch.setattr(decoders, "MOST_VALUES", 8 * 1000)
    soundfile.write(tmp_path / "a.wav", np.zeros((1500, 6)), 1000)
    assert sum(map(len, decoder(tmp_path / "a.wav", 2.0).parts())) == 1500
    soundfile.write(tmp_path / "a.wav", np.zeros((1500, 12)), 1000)
    with pytest.raises(InputError, match="12 channels of 1000 Hz are too much sound"):
        list(decoder(tmp_path / "a.wav", 2.0).parts())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("endless.m3u8", SEGMENT.format("voice.ts")),
        ("a.m3u8", SEGMENT.format("voice.ts") + "#EXT-X-ENDLIST\n"),
        ("b.m3u8", SEGMENT.format("../voice.ts") + "#EXT-X-ENDLIST\n"),
        ("c.m3u", SEGMENT.format("file://{folder}/voice.ts") + "#EXT-X-ENDLIST\n"),
        ("d.m3u8", SEGMENT.format("{folder}/voice.ts") + "#EXT-X-ENDLIST\n"),
        ("e.wav", SEGMENT.format("voice.ts") + "#EXT-X-ENDLIST\n"),
        ("f.ffconcat", "ffconcat version 1.0\nfile voice.ts\n"),
    ],
)
def test_a_list_of_other_files_is_no_recording(tmp_path: Path, name: str, text: str) -> None:
    """They name a recording that can be read, so that only what they are keeps them from being read."""
    import av

    (tmp_path / "lists").mkdir()
    for folder in (tmp_path, tmp_path / "lists"):
        with av.open(str(folder / "voice.ts"), "w", format="mpegts") as container:
            stream = container.add_stream("aac", rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
            frame.rate = 16_000
            container.mux([*stream.encode(frame), *stream.encode(None)])
    assert load_audio(tmp_path / "voice.ts").duration > 0.9
    path = tmp_path / "lists" / name
    path.write_text(text.replace("{folder}", str(tmp_path)))
    with pytest.raises(InputError, match="not a readable audio file"):
        load_audio(path)
