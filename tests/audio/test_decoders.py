"""Files read through libsndfile, where the extra ``video`` is not installed, beside the same through FFmpeg."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from sedtalker.audio import load_audio
from sedtalker.audio.decoders import FFmpegDecoder, SndfileDecoder, SoundDecoder, decoder_of
from sedtalker.cli.main import app
from sedtalker.errors import InputError
from sedtalker.progress import one_step

RATE = 48_000


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)


def written(path: Path, subtype: str, seconds: float = 0.7, rate: int = RATE) -> Path:
    time = np.arange(int(seconds * rate)) / rate
    both = [0.4 * np.sin(2 * np.pi * 220 * time), 0.3 * np.sin(2 * np.pi * 331 * time)]
    soundfile.write(path, np.stack(both, axis=1), rate, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        *((f"{kind}.wav", kind, 0.0) for kind in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")),
        ("a.aiff", "PCM_16", 0.0),
        ("a.flac", "PCM_24", 0.0),
        ("a.ogg", "VORBIS", 1e-5),
        ("a.mp3", "MPEG_LAYER_III", 1e-5),
        ("a.opus.ogg", "OPUS", 1e-3),
    ],
)
def test_both_decoders_give_the_same_samples(tmp_path: Path, name: str, subtype: str, tolerance: float) -> None:
    path = written(tmp_path / name, subtype)
    decoders = FFmpegDecoder(path, 10.0), SndfileDecoder(path, 10.0)
    assert [decoder.rate() for decoder in decoders] == [RATE, RATE]
    one, other = (np.concatenate(list(decoder.parts())) for decoder in decoders)
    count = int(0.7 * RATE)
    assert other.shape == (count, 2)
    if tolerance:  # codecs with packets end differently
        count -= RATE // 100
    np.testing.assert_allclose(one[:count], other[:count], rtol=0, atol=tolerance)


def test_ffmpeg_is_taken_where_it_is_installed(tmp_path: Path) -> None:
    assert isinstance(decoder_of(tmp_path, 1.0), FFmpegDecoder)


def test_a_long_file_is_read_in_parts_as_often_as_asked(tmp_path: Path) -> None:
    decoder = SndfileDecoder(written(tmp_path / "a.wav", "PCM_16", 2.5, 8000), 60.0)
    for _ in range(2):
        assert [len(part) for part in decoder.parts()] == [8000, 8000, 4000]
        assert not decoder.truncated


@pytest.mark.parametrize("kind", [FFmpegDecoder, SndfileDecoder])
def test_reading_says_how_far_it_is(tmp_path: Path, kind: type[SoundDecoder]) -> None:
    """The end is that of the step, in which more may follow."""
    decoder = kind(written(tmp_path / "a.wav", "PCM_16", 30.0, 8000), 60.0)
    reports = list[float]()
    with one_step(lambda step, done, total: reports.append(done / total), "reading"):
        assert sum(map(len, decoder.parts())) == 240_000
        assert max(reports) < 1.0
    assert any(0.3 < share < 0.4 for share in reports)
    assert reports == sorted(reports)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_not_called_missing(tmp_path: Path) -> None:
    """As ``diarize <(ffmpeg …)`` gives one: the command reads a pipe by ``-``."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no file: sound of a pipe comes by -"):
        load_audio(tmp_path / "pipe")


def test_without_ffmpeg_the_same_limits_hold(tmp_path: Path, without_av: None) -> None:
    path = written(tmp_path / "a.wav", "PCM_16", 1.2)
    assert load_audio(path).duration == pytest.approx(1.2, abs=1e-3)
    with pytest.raises(InputError, match="longer than 1 s"):
        load_audio(path, 1.0)
    with pytest.raises(InputError, match="900 Hz"):
        load_audio(written(tmp_path / "slow.wav", "PCM_16", rate=900))


@pytest.mark.parametrize("name", ["a.m4a", "a.wav", "a.raw"])
def test_without_ffmpeg_the_line_says_what_reads_the_rest(tmp_path: Path, without_av: None, name: str) -> None:
    (tmp_path / name).write_bytes(b"no sound at all" * 20)
    with pytest.raises(InputError, match=r"not a readable audio file; give wav.*sedtalker\[video\]"):
        load_audio(tmp_path / name)


def test_a_file_that_breaks_off_is_read_up_to_there(tmp_path: Path, without_av: None) -> None:
    path = written(tmp_path / "a.flac", "PCM_16", 4.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    audio = load_audio(path)
    assert 0.5 < audio.duration < 4.0
    assert "decoding stopped" in audio.notes[0]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are UTF-8 there")
def test_a_name_that_is_no_utf8_is_read_and_written(tmp_path: Path, without_av: None) -> None:
    """As of files from an old archive: reading, the GLB, the FBX and texts each ended as "a fault of sedtalker"."""
    path = written(tmp_path / "a.wav", "PCM_16").rename(tmp_path / os.fsdecode(b"M\xfcller.wav"))
    results = tmp_path / "out"
    arguments = ["--emotion", "happy", "--no-video", "--to", "fbx,anim", "-o", str(results), "-q"]
    done = CliRunner().invoke(app, ["animate", str(path), *arguments])
    assert done.exit_code == 0, done.output
    for kind in (".glb", ".fbx", ".anim"):
        written_to = results / path.with_suffix(kind).name
        assert b"M?ller" in written_to.read_bytes()
