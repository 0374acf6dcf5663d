"""The recording that an animation came from."""

from __future__ import annotations

from pathlib import Path

from sedtalker.animation.animation import Animation
from sedtalker.audio import load_audio
from sedtalker.errors import InputError

SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".mp4", ".webm")


def find_sound(animation: Animation, file: Path, given: Path | None = None) -> Path | None:
    """The sound of an animation: ``given``, or a file beside ``file`` of its name and of the hash that was animated.

    Raises:
        InputError: ``given`` is not there.
    """
    if given is not None:
        if not given.is_file():
            raise InputError(f"{given}: no such file")
        return given
    digest = animation.provenance.get("audio_sha256")
    stem = file.name.removesuffix(".npz")
    for folder in (file.parent, file.parent.parent):
        for suffix in SOUNDS:
            beside = folder / f"{stem}{suffix}"
            if digest and beside.is_file() and _hash(beside) == digest:
                return beside
    return None


def _hash(file: Path) -> str | None:
    """Hash of the decoded sound, as provenance has it; None where it cannot be read."""
    try:
        return load_audio(file).sha256
    except InputError:
        return None
