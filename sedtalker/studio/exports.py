"""Files of what is edited: the same bytes as ``sedtalker animate AUDIO --emotion SAVED.emotion.json`` writes.

But for the track: here it is the one that is edited, so that it can be given and edited again. There it is the one that
is shown, after all options, in frames of the video.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from sedtalker.animation.animator import Models
from sedtalker.animation.option_fields import Targets
from sedtalker.emotion.formats.files import track_formats
from sedtalker.errors import InputError, one_of
from sedtalker.export.formats import export, export_formats, parse_formats
from sedtalker.progress import Hook, one_step
from sedtalker.reading import checked
from sedtalker.render.light import load_lighting
from sedtalker.render.video import render_video
from sedtalker.speakers.turns import one_word_each
from sedtalker.storage import OutputFolder
from sedtalker.studio.session import Snapshot

VIDEO = "mp4"
"""Name of the format that is rendered."""
TRACK = "track"
"""How names of track formats begin; their suffix follows: ``track.json``, ``track.rttm``."""
KEPT = 5
"""Results of exports that are kept for download."""


@dataclass(frozen=True)
class ExportRequest:
    """What the page asks for.

    Attributes:
        formats: names of ``export_formats()``, ``mp4``, or ``track`` with a suffix of the track formats.
        targets: of GLB, FBX and USD, see ``choose_targets``.
        size: of the video, pixels.
        points, metres: as for ``sedtalker export``.
        everybody: of all speakers, ``NAME.SPEAKER.…``, and the turns, ``NAME.rttm``.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    formats: tuple[str, ...] = ()
    targets: Targets = "arkit"
    size: Annotated[int, Field(ge=64, le=2160)] = 512
    points: bool = False
    metres: bool = False
    everybody: bool = False

    @property
    def names(self) -> list[str]:
        """The formats, each once."""
        return list(dict.fromkeys(self.formats))


def parse_request(values: Mapping[str, Any]) -> ExportRequest:
    """The request of the page.

    Raises:
        InputError: it asks for nothing, or for what there is not.
    """
    request: ExportRequest = checked(ExportRequest, dict(values))
    if not request.names:
        raise InputError("choose at least one format")
    for name in request.names:
        file_suffix(name)
    return request


def file_suffix(name: str) -> str:
    """How files of a format end.

    Raises:
        InputError: there is no such format, or what it needs is not installed.
    """
    if name == VIDEO:
        return ".mp4"
    if name.startswith(TRACK):
        suffix = name.removeprefix(TRACK) or ".json"
        if suffix not in track_formats():
            known = [f"{TRACK}{suffix}" for suffix in track_formats()]
            raise InputError(f"there is no format '{name}': {one_of(name, known)}")
        return ".emotion.json" if suffix == ".json" else suffix
    return export_formats()[parse_formats([name])[0]].suffix


def export_files(
    request: ExportRequest, models: Models, snapshot: Snapshot, folder: Path, hook: Hook
) -> list[dict[str, Any]]:
    """Write the files of a request; all of them appear, or none.

    Args:
        snapshot: what the session was when it was asked.
        hook: of progress; where it raises, nothing is left.

    Returns:
        Format, name and bytes of each, and what there is to say about it.
    """
    everybody = [snapshot, *snapshot.others] if request.everybody else [snapshot]
    files = [
        (one, {name: stem + file_suffix(name) for name in request.names})
        for one, stem in zip(everybody, _stems(everybody), strict=True)
    ]
    turns = f"{snapshot.clip.path.stem}.rttm" if request.everybody and snapshot.project.turns is not None else None
    rows = [(name, file) for _, names in files for name, file in names.items()] + ([("turns", turns)] if turns else [])
    said: dict[str, dict[str, Any]] = {}
    try:
        with OutputFolder(folder, [file for _, file in rows], force=False) as results:
            for one, names in files:
                said |= _export_one(request, models, one, names, results.path, hook)
            if turns and snapshot.project.turns is not None:
                snapshot.project.turns.save(results.path / turns, snapshot.clip.path.stem)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [
        {"format": name, "name": file, "bytes": (folder / file).stat().st_size, "said": said.get(file, {})}
        for name, file in rows
    ]


def _stems(everybody: Sequence[Snapshot]) -> list[str]:
    """What the names of each speaker's files begin with; of a recording as a whole, its own name."""
    held = [one.project for one in everybody]
    words = one_word_each(one.name for one in held)
    return [one.audio.stem + ("" if one.turns is None else f".{words[one.name]}") for one in held]


def _export_one(
    request: ExportRequest, models: Models, snapshot: Snapshot, names: Mapping[str, str], folder: Path, hook: Hook
) -> dict[str, dict[str, Any]]:
    """The files of one speaker, or of a recording as a whole; what there is to say, by file."""
    clip, settings, said = snapshot.clip, snapshot.project.document.settings, dict[str, dict[str, Any]]()
    tracks = [name for name in names if name.startswith(TRACK)]
    for name in tracks:
        snapshot.track.save(folder / names[name])
    if len(tracks) < len(names):
        animation = models.animator()(
            snapshot.voice.sound,
            face=snapshot.face,
            emotion=snapshot.track,
            words=snapshot.voice.decoding.phones.get(snapshot.track.words),
            language=snapshot.track.language,
            motion=settings,
            hook=hook,
        )
    for name, file in names.items():
        if name == VIDEO:
            light = load_lighting(settings.light)
            render_video(animation, folder / file, clip.sound, size=request.size, light=light, hook=hook)
        elif name not in tracks:
            options = {key: getattr(request, key) for key in ("targets", "points", "metres")}
            chosen = {key: value for key, value in options.items() if key in export_formats()[name].options}
            # The sound is named as from a folder beside it, where the command line writes.
            place = clip.path.parent / clip.path.stem / file
            with one_step(hook, f"writing {name}"):
                said[file] = export(animation, folder / file, name, clip.path, place=place, **chosen)
    return said
