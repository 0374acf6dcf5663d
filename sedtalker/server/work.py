"""What recordings come to: a track, or the files of an animation. One call a request, in a thread of its own.

Sound arrives in a temporary folder that is gone when the call returns; results go into files without a name, which the
system removes with their last reader. Nothing is kept on disk.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from sedtalker.animation.animator import Models
from sedtalker.audio.audio import Audio, load_audio
from sedtalker.audio.decoders import CUT_OR_RAISE
from sedtalker.emotion.formats.json import track_to_json
from sedtalker.errors import InputError
from sedtalker.export.formats import export, export_formats
from sedtalker.face.face import Face
from sedtalker.progress import Hook, one_step
from sedtalker.render.video import render_video
from sedtalker.server.options import TRACK, VIDEO, AnimateOptions, DiarizeOptions
from sedtalker.storage import temporary_folder

SOUNDS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"\x1aE\xdf\xa3", b"FORM")
"""How files of sound begin; playlists, which may name files of this machine, are not among them."""
MEDIA_TYPES = {
    ".json": "application/json",
    ".glb": "model/gltf-binary",
    ".mp4": "video/mp4",
    ".csv": "text/csv; charset=utf-8",
    ".zip": "application/zip",
}
"""Media types of results, by the last suffix; all others are plain bytes."""
CLOSING = "the server is closing"
"""Why nothing more comes of a recording or a stream when the server ends."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""When the files in a zip were made: the same input gives the same bytes."""


class Cancelled(Exception):
    """Nobody waits for the result any more, or it took too long; raised by the hook."""


@dataclass(frozen=True)
class SentRecording:
    """A file of sound as it was sent.

    Attributes:
        file: its bytes, at the beginning.
        name: as the client calls it, without folders.
        seconds: how long it may be.
    """

    file: BinaryIO
    name: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """A file for the client.

    Attributes:
        file: at its beginning; closing it removes it.
        seconds: of sound that it was made from.
    """

    file: BinaryIO
    name: str
    seconds: float

    @property
    def media_type(self) -> str:
        """For ``Content-Type``."""
        return MEDIA_TYPES.get(Path(self.name).suffix, "application/octet-stream")


def cancelling(cancelled: Callable[[], bool], seconds: float) -> Hook:
    """A hook that ends the work between two steps."""
    until = time.monotonic() + seconds

    def hook(step: str, done: int, total: int) -> None:
        if cancelled():
            raise Cancelled(CLOSING)  # a client that has gone does not read it
        if time.monotonic() > until:
            raise Cancelled(f"the work took more than {seconds:.0f} s")

    return hook


def diarized(models: Models, recording: SentRecording, options: DiarizeOptions, hook: Hook) -> Result:
    """The track, as ``sedtalker diarize --json`` prints it.

    Raises:
        InputError: the sound cannot be read.
        Cancelled: by the hook.
    """
    with temporary_folder() as folder:
        sound, _ = _loaded(recording, folder, hook)
    track = models.animator().diarizer(sound, min_confidence=options.min_confidence, hook=hook)
    return Result(BytesIO(track_to_json(track).encode()), f"{Path(recording.name).stem}.emotion.json", sound.duration)


def animated(
    models: Models, faces: Mapping[str, Face], recording: SentRecording, options: AnimateOptions, hook: Hook
) -> Result:
    """The files of an animation, the same as those of ``sedtalker animate``: one as it is, several in a zip.

    Raises:
        InputError: sound or options cannot be used.
        Cancelled: by the hook.
    """
    try:
        face = faces.get(options.face or "") or Face.builtin(options.face)
    except InputError as error:
        raise InputError(", or ".join([str(error), *map(repr, faces)])) from None
    with temporary_folder() as folder:
        sound, path = _loaded(recording, folder, hook)
        animation = models.animator()(
            sound,
            face=face,
            emotion=options.track(sound.duration),
            fill_scale=options.fill_scale,
            words=options.words(),
            language=options.language,
            motion=options,
            hook=hook,
        )
        written = folder / f"{path.name}.results"  # no name of a recording, which may have no suffix
        written.mkdir()
        names = {kind: path.stem + suffix for kind, suffix in options.suffixes().items()}
        for kind, name in names.items():
            with one_step(hook, f"writing {kind}"):
                if kind == VIDEO:
                    render_video(animation, written / name, sound, size=options.size, light=options.light, hook=hook)
                elif kind == TRACK:
                    assert animation.track is not None
                    animation.track.save(written / name)
                else:
                    takes = export_formats()[kind].options
                    chosen: dict[str, Any] = {"targets": options.targets} if "targets" in takes else {}
                    export(animation, written / name, kind, path, **chosen)
        return _packed(written, list(names.values()), path.stem, sound.duration)


def _loaded(recording: SentRecording, folder: Path, hook: Hook) -> tuple[Audio, Path]:
    """The sound, and where its file lies until the folder goes."""
    first = recording.file.read(12)
    if not (first.startswith(SOUNDS) or first[4:8] == b"ftyp" or (first[:1] == b"\xff" and first[1:2] >= b"\xe0")):
        raise InputError(f"{recording.name}: not a readable audio file; give wav, flac, ogg, opus, mp3, m4a or webm")
    path = folder / recording.name
    with path.open("wb") as file:
        file.write(first)
        while part := recording.file.read(2**20):
            file.write(part)
    try:
        with one_step(hook, "reading the audio"):
            return load_audio(path, recording.seconds), path
    except InputError as error:
        line = str(error).replace(str(path), recording.name)
        raise InputError(line.replace(CUT_OR_RAISE, "; this server takes no longer ones")) from None


def _packed(folder: Path, names: list[str], stem: str, seconds: float) -> Result:
    """One file as it is, several as a zip."""
    if len(names) == 1:
        file = (folder / names[0]).open("rb")  # stays readable when its folder goes
        return Result(file, names[0], seconds)
    packed = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name, EPOCH), (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)
    packed.seek(0)
    return Result(packed, f"{stem}.zip", seconds)
