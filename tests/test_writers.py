"""No room, no permission, no descriptors: every writer says one line and leaves what there was."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sedtalker.animation.style import STYLES, write_style
from sedtalker.audio import Audio
from sedtalker.batch.log import Log
from sedtalker.checkpoint import CheckpointConfig, convert_weights, export_run, write_checkpoint
from sedtalker.emotion.formats import constant_track
from sedtalker.emotion.formats.files import track_formats
from sedtalker.emotion.plot import plot_track
from sedtalker.errors import InputError
from sedtalker.export.formats import export, export_formats
from sedtalker.face.sedface import write_sedface
from sedtalker.mesh.files import write_mesh
from sedtalker.render.codecs import write_png, write_sequence, write_video
from sedtalker.storage import keep
from sedtalker.training.loop import RunLog, save_whole, write_config
from tests.support.cube import cube_face
from tests.support.moving import moving_cube

Write = Callable[[Path], object]
"""Writes something into a folder."""

ANIMATION, TRACK = moving_cube(40), constant_track("sad:0.5", 3.0)
PICTURES = [np.full((16, 16, 3), k * 40, np.uint8) for k in range(6)]
SOUND = Audio(np.sin(np.arange(16_000) / 20.0).astype(np.float32), 16_000)
WEIGHTS = {"weight": torch.rand(64, 64)}
CONFIG = CheckpointConfig(kind="frame_network", licence="MIT", trained_on=["made"], model={})


def checkpoint(folder: Path) -> None:
    write_checkpoint(folder / "new", CONFIG, WEIGHTS, "# card\n")


def converted(folder: Path) -> None:
    source = Path(os.environ["SEDTALKER_TEST_WEIGHTS"])
    convert_weights(source / "w.pt", folder / "w.safetensors")


def converted_like(folder: Path) -> None:
    source = Path(os.environ["SEDTALKER_TEST_WEIGHTS"])
    convert_weights(source / "w.pt", folder / "new", like=source / "like")


def exported_run(folder: Path) -> None:
    export_run(Path(os.environ["SEDTALKER_TEST_WEIGHTS"]) / "run", folder / "new")


def log_line(folder: Path) -> None:
    with contextlib.closing(Log(folder / "batch.jsonl")) as log:
        log.write({"state": "done", "name": "a" * 10_000})


WRITERS: dict[str, Write] = {
    **{f"export {row.name}": lambda folder, row=row: export(ANIMATION, folder / f"x{row.suffix}", row.name)
       for row in export_formats().values()},
    **{f"track {suffix}": lambda folder, suffix=suffix: TRACK.save(folder / f"x{suffix}")
       for suffix in track_formats()},
    **{f"video {suffix}": lambda folder, suffix=suffix: write_video(folder / f"x{suffix}", PICTURES, 30.0)
       for suffix in (".mp4", ".webm", ".gif", ".mkv")},
    **{f"mesh {suffix}": lambda folder, suffix=suffix: write_mesh(folder / f"x{suffix}", cube_face().mesh)
       for suffix in (".obj", ".ply", ".stl")},
    "video with sound": lambda folder: write_video(folder / "x.mp4", PICTURES, 30.0, (SOUND.samples, SOUND.rate)),
    "animation": lambda folder: ANIMATION.save(folder / "x.npz"),
    "plot": lambda folder: plot_track(SOUND, TRACK, folder / "x.png"),
    "picture": lambda folder: write_png(folder / "x.png", PICTURES[0]),
    "sequence": lambda folder: write_sequence(folder / "new", PICTURES, len(PICTURES)),
    "style": lambda folder: write_style(folder / "x.style.json", STYLES["natural"]),
    "sedface": lambda folder: write_sedface(folder / "x.sedface", cube_face()),
    "checkpoint": checkpoint,
    "converted weights": converted,
    "converted checkpoint": converted_like,
    "exported run": exported_run,
    "state of a training": lambda folder: save_whole({"a": torch.zeros(10_000)}, folder / "last.ckpt"),
    "settings of a training": lambda folder: write_config(folder, {"a": "b" * 10_000}),
    "log of a training": lambda folder: RunLog(folder, 0).add("loss", 1, {"total": 1.0}),
    "log of a batch": log_line,
}  # fmt: skip
"""Everything of the package that writes files for people."""


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights of another program, a checkpoint like them, a finished run; where the writers find them."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(WEIGHTS, folder / "w.pt")
    write_checkpoint(folder / "like", CONFIG, WEIGHTS, "# card\n")
    write_checkpoint(folder / "run" / "export", CONFIG, WEIGHTS, "# card\n")
    (folder / "run" / "config.json").write_text('{"task": {}, "trainer": {}}')
    (folder / "run" / "log.jsonl").write_text('{"kind": "valid", "step": 1, "score": 0.5}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEDTALKER_TEST_WEIGHTS", str(folder))
        yield


@contextlib.contextmanager
def small_disk(place: Path, options: str) -> Iterator[None]:
    """A file system of a few kilobytes at ``place``; skips where this user cannot have one."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here: run as root, on Linux")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk without room for one byte more."""
    place = tmp_path_factory.mktemp("full")
    with small_disk(place, "size=64k"):
        with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        yield place


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk that is not written to."""
    place = tmp_path_factory.mktemp("read-only")
    with small_disk(place, "size=64k,ro"):
        yield place


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(write: Write, folder: Path, reason: str) -> None:
    """Check that it fails in one line, which names the place and the reason, and leaves what there was."""
    before = names(folder)
    with pytest.raises(InputError, match=reason) as error:
        write(folder)
    line = str(error.value)
    assert "\n" not in line
    assert str(folder) in line
    assert ".sedtalker-" not in line
    assert names(folder) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of TensorBoard's own thread
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk(name: str, full: Path) -> None:
    if name.startswith("log of"):  # appended to: what was there before stays
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            WRITERS[name](full)
        for path in full.iterdir():
            if path.name != "ballast":
                path.unlink()
        return
    refused(WRITERS[name], full, "No space left on device|is the disk full")


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk(name: str, read_only: Path) -> None:
    refused(WRITERS[name], read_only, "Read-only file system")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"log of a batch", "log of a training"}))
def test_files_may_not_be_that_large(name: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        refused(WRITERS[name], tmp_path, "File too large|is the disk full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["export mdd", "track .json", "video .mp4", "sequence", "checkpoint", "style"])
def test_no_more_files_may_be_open(name: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    WRITERS[name](tmp_path)  # what is imported on the way needs descriptors too
    for path in sorted(tmp_path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        with pytest.raises(InputError, match="Too many open files") as error:
            WRITERS[name](tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".sedtalker-")] == []


def test_a_cache_on_such_a_disk_only_costs_time(full: Path, read_only: Path) -> None:
    for place in (full, read_only):
        before = names(place)
        keep(place / "cache" / "a", lambda path: path.write_bytes(bytes(5000)))
        assert [name for name in names(place) if name != "cache"] == before
        with contextlib.suppress(OSError):
            (place / "cache").rmdir()


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for name in ("export mdd", "track .json", "video .mp4", "sequence", "checkpoint", "style", "picture"):
        with pytest.raises(InputError) as error:
            WRITERS[name](tmp_path / "file")
        assert "\n" not in str(error.value)
    assert names(tmp_path) == ["file"]


def test_the_reasons_are_those_of_the_system() -> None:
    said = SimpleNamespace(full=os.strerror(errno.ENOSPC), read_only=os.strerror(errno.EROFS))
    assert (said.full, said.read_only) == ("No space left on device", "Read-only file system")
