"""The options of one recording: those of ``sedtalker animate``, as plain data that travels to other processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sedtalker.batch.opening import MeshOptions, check_enroll, check_face, shape_map_of
from sedtalker.checkpoint import read_config, weights_sha256
from sedtalker.errors import InputError
from sedtalker.export.formats import ExportFormat, export_formats, parse_formats
from sedtalker.models import decoder_choice, diarizer_choice, model_folder
from sedtalker.phonetics.words import READERS, TEXT_SUFFIXES
from sedtalker.reading import is_file, is_folder

TRACK_SUFFIX = ".emotion.json"
"""How the emotion track of every recording ends."""
TRACK_ONLY = "emotion"
"""What ``--only`` takes for the emotion track alone, which is always written."""
SEPARATOR = ";"
"""Between several values in one cell of a CSV."""
ANIMATED = ("glb", "npz")
"""What ``sedtalker animate`` always writes."""
FILE_OR_WORD = ("emotion", "coordinates", "background")
"""Options whose value is a file where there is one of that name."""
JSON_OR_WORD = ("style", "light", "camera", "rig_names")
"""Options whose value is a file where it ends in ``.json``."""
FOLDER_OR_WORD = ("model", "encoder")
"""Options whose value is a folder where there is one of that name."""
TEXTS = (*READERS, *TEXT_SUFFIXES)
"""How a transcript ends that is a file even where there is none of that name."""
BLOCK = 1 << 20
"""Bytes that are read at a time."""


def _listed(value: Any) -> Any:
    """A list from one value, or from a cell of a table; None: nothing."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(SEPARATOR) if part.strip())
    return (value,) if isinstance(value, Path) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""Values of an option that may be repeated."""
Paths = Annotated[tuple[Path, ...], BeforeValidator(_listed)]
"""Files of an option that may be repeated."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A number from 0 to 1."""
Gain = Annotated[float, Field(ge=0.0, le=2.0)]
"""A factor of the motion."""


class Settings(BaseModel):
    """Options of ``sedtalker animate`` of one recording: names, defaults and limits are those of the command (a test).

    Attributes:
        only: formats that are written instead of GLB and npz; empty: as ``sedtalker animate`` does.
        words_beside: words of a recording that has none are those of a file beside it (``inputs.words_beside``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    mesh: Path | None = None
    mesh_head: Annotated[int, Field(ge=1)] | None = None
    landmarks: Path | None = None
    rig: Path | None = None
    open_mouth: bool = False
    mouth: str = "auto"
    eyes: str = "auto"
    strength: float = 1.0
    rig_names: str | None = None
    face: str | None = None
    emotion: str | None = None
    model: str | None = None
    encoder: str | None = None
    enroll: Paths = ()
    min_confidence: Share = 0.0
    trust: Share = 1.0
    coordinates: str | None = None
    transcript: str | None = None
    words: Path | None = None
    language: str = "en"
    words_beside: bool = False
    decoder: Path | None = None
    intensity: Annotated[float, Field(ge=0.0, le=3.0)] = 1.0
    expressivity: Gain = 1.0
    articulation: Gain = 1.0
    gain: Words = ()
    style: str = "natural"
    fps: Annotated[float, Field(ge=1.0, le=120.0)] = 30.0
    size: Annotated[str, BeforeValidator(str)] = "512"
    camera: str = "front"
    background: str | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    renderer: Literal["auto", "numba", "pyrender"] = "auto"
    light: str = "studio"
    video: bool = True
    video_format: Literal["mp4", "mov", "mkv", "webm", "gif"] = "mp4"
    to: Words = ()
    targets: Literal["few", "arkit", "all"] = "arkit"
    blinks: bool = True
    gaze: bool = True
    head: bool = True
    liveliness: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    eye_contact: Annotated[float, Field(ge=0.0, le=1.0)] = 0.7
    max_seconds: Annotated[float, Field(ge=1.0)] = 3600.0
    only: Words = ()

    def formats(self) -> list[ExportFormat]:
        """The formats that are written beside the emotion track.

        Raises:
            InputError: one is unknown, or needs what is not installed.
        """
        if self.only:
            wanted = [name.strip() for word in self.only for name in word.split(",") if name.strip() != TRACK_ONLY]
            names = parse_formats(wanted) if wanted else []
        else:
            names = [*ANIMATED, *parse_formats(self.to or ["glb"])]
        return [export_formats()[name] for name in dict.fromkeys(names)]

    def suffixes(self) -> list[str]:
        """How the results end, in the order of ``sedtalker animate``."""
        return [
            *([f".{self.video_format}"] if self.video else []),
            TRACK_SUFFIX,
            *(row.suffix for row in self.formats()),
        ]

    def picture(self) -> dict[str, Any]:
        """What ``Animation.render`` takes, read from the options of the picture.

        Raises:
            InputError: one of them cannot be used.
        """
        from sedtalker.render.renderer import picture_options

        return picture_options(self.size, self.camera, self.background, self.light, self.renderer)

    def placed(self, base: Path) -> Settings:
        """The same settings with every file that they name as an absolute path; relative ones are below ``base``."""
        changed: dict[str, Any] = {"enroll": tuple((base / path).absolute() for path in self.enroll)}
        for name, path in self._files(base).items():
            changed[name] = path if isinstance(getattr(self, name), Path) else str(path)
        return self.model_copy(update=changed)

    def said(self) -> str | Path | None:
        """The words of the recording: a text, a file, or None.

        Raises:
            InputError: they are given twice.
        """
        if self.transcript is not None and self.words is not None:
            raise InputError("give one of --transcript and --words")
        return self.words if self.transcript is None else self.transcript

    def mesh_options(self) -> MeshOptions:
        """What they say of the mesh, but for the names of its shapes."""
        given = self.mesh_head, self.landmarks, self.rig, self.open_mouth
        return MeshOptions(*given, self.mouth, self.eyes, self.strength)

    def named_files(self) -> list[Path]:
        """Every file and folder that the settings name."""
        return [*self._files(Path()).values(), *self.enroll]

    def _files(self, base: Path) -> dict[str, Path]:
        """Absolute paths by option: what may also be a word is a file where the command would take it for one."""
        words = {name: getattr(self, name) for name in (*FILE_OR_WORD, *JSON_OR_WORD, *FOLDER_OR_WORD)}
        names = ("mesh", "landmarks", "rig", "decoder", "words")
        found: dict[str, Path | None] = {name: getattr(self, name) for name in names}
        if self.transcript is not None:
            text = Path(self.transcript)
            found["transcript"] = text if text.suffix.lower() in TEXTS or is_file(base / text) else None
        for name, word in words.items():
            path = None if word is None else Path(word)
            if path is None or (name in JSON_OR_WORD and path.suffix != ".json"):
                continue
            there = is_folder(base / path) if name in FOLDER_OR_WORD else is_file(base / path)
            if there or name in JSON_OR_WORD:
                found[name] = path
        return {name: (base / path).absolute() for name, path in found.items() if path is not None}

    def fingerprint(self) -> str:
        """SHA-256 of all that the options say, with the contents of files in place of their names.

        Raises:
            InputError: a file cannot be read.
        """
        plain = self.model_dump(mode="json")
        plain |= {name: path_sha256(path) for name, path in self._files(Path()).items()}
        plain["enroll"] = [path_sha256(path) for path in self.enroll]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def weights(self) -> dict[str, str]:
        """SHA-256 of the weights that are used, by what they do; a classifier of the hub by its name.

        Raises:
            InputError: there are none where the options say.
        """
        used = {"decoder": model_folder("decoder", decoder_choice(self.decoder, self.encoder)[0])}
        if self.emotion is None:
            name, _ = diarizer_choice(self.model, self.encoder)
            if name.startswith("hf:"):
                beside = {"diarizer": model_folder("diarizer", "diarizer")}
                return {**_hashes(used), **_hashes(beside), "classifier": name}
            used["diarizer"] = model_folder("diarizer", name)
        return _hashes(used)

    def check(self) -> None:
        """Look at everything that can be wrong without a recording.

        What is at its default needs no look, so a run that finds everything done imports no networks.

        Raises:
            InputError: a file is missing, or a value means nothing.
        """
        self.formats()
        check_face(self.mesh, self.face, self.mesh_options())
        shape_map_of(self.rig_names)
        for path in self.named_files():
            if not path.exists():
                raise InputError(f"{path}: no such file")
        check_enroll(list(self.enroll), self.model, self.emotion)
        if self.said() is not None:
            from sedtalker.phonetics.pronunciation import check_language

            check_language(self.language)
        plain = Settings()
        if self.emotion is not None:
            from sedtalker.emotion.formats.files import check_emotion

            check_emotion(self.emotion)
        if self.coordinates is not None:
            from sedtalker.emotion.taxonomy import read_coordinates

            read_coordinates(self.coordinates)
        if self.gain:
            from sedtalker.animation.gains import Gains, parse_gains

            Gains(self.expressivity, self.articulation, *parse_gains(self.gain))
        if self.style != plain.style:
            from sedtalker.animation.style import parse_style_or_auto

            parse_style_or_auto(self.style)
        looks = ("size", "camera", "background", "light", "renderer", "video_format")
        if self.video and any(getattr(self, name) != getattr(plain, name) for name in looks):
            from sedtalker.render.video import check_file

            check_file(Path(f"video.{self.video_format}"), self.picture()["background"])
        self.weights()


def parse_settings(values: Mapping[str, Any], where: str = "") -> Settings:
    """Settings from values by name, such as the cells of a table.

    Args:
        values: by name, with hyphens or underscores.
        where: what to call their source in messages, such as ``clips.csv:3``.

    Raises:
        InputError: no such option, or a value that it does not take.
    """
    try:
        return Settings.model_validate({name.replace("-", "_"): value for name, value in values.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "--" + str((*first["loc"], "")[0]).replace("_", "-")
        problem = "there is no such option" if first["type"] == "extra_forbidden" else f"{first['msg']}"
        given = "" if first["type"] == "extra_forbidden" else f" (given: {first['input']})"
        raise InputError(f"{where}{': ' if where else ''}{name}: {problem}{given}") from None


def _hashes(folders: Mapping[str, Path]) -> dict[str, str]:
    """Hashes of the weights of heads, and of the encoders that they were trained on (``open_trained_encoder``)."""
    found: dict[str, str] = {}
    for name, folder in folders.items():
        found[name] = _weights(folder, _stamp(folder / "model.safetensors"))
        config = read_config(folder)
        if config.encoder_sha256 is not None:
            found[f"{name}_encoder"] = config.encoder_sha256
        if beside := config.model.get("beside"):
            found[f"{name}_beside"] = beside["weights_sha256"]
    return found


@lru_cache(maxsize=64)
def _weights(folder: Path, stamp: tuple[int, int]) -> str:
    return weights_sha256(folder)


def path_sha256(path: Path) -> str:
    """Hash of a file's bytes, or of the names and bytes of all files in a folder; remembered while they are as they
    were.

    Raises:
        InputError: it cannot be read.
    """
    if not path.is_dir():
        return _file_sha256(path, _stamp(path))
    digest = hashlib.sha256()
    for inside in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{inside.relative_to(path).as_posix()} {_file_sha256(inside, _stamp(inside))}\n".encode())
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file, which change when it is written."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=256)
def _file_sha256(path: Path, stamp: tuple[int, int]) -> str:
    return file_sha256(path)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return digest.hexdigest()
