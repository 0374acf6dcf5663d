"""The options of one recording: those of ``sedtalker animate``, as plain data that travels to other processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sedtalker.animation.option_fields import declared
from sedtalker.batch.opening import (
    BatchOptions,
    check_conversation,
    check_enroll,
    check_face,
    coordinates_of,
    is_head_file,
    shape_map_of,
)
from sedtalker.checkpoint import read_config, weights_sha256
from sedtalker.errors import InputError, meant
from sedtalker.export.formats import ExportFormat, export_formats, parse_formats
from sedtalker.models import decoder_choice, diarizer_choice, model_folder
from sedtalker.phonetics.pronunciation import ENGLISH, check_language
from sedtalker.phonetics.words import AUTO, READERS, TEXT_SUFFIXES
from sedtalker.reading import file_sha256, is_file, is_folder, is_there, problem_of

TRACK_SUFFIX = ".emotion.json"
"""How the emotion track of every recording ends."""
TURNS_SUFFIX = ".rttm"
"""How the turns of the speakers of a conversation end."""
TEXTS = (*READERS, *TEXT_SUFFIXES)
"""How a transcript ends that is a file even where there is none of that name."""


@dataclass(frozen=True)
class BatchSettings(BatchOptions):
    """What is done with one recording among many, and what that depends on."""

    def formats(self) -> list[ExportFormat]:
        """The formats that are written beside the emotion track.

        Raises:
            InputError: one is unknown, or needs what is not installed.
        """
        if self.only:
            # the track, which is always written
            wanted = [name.strip() for word in self.only for name in word.split(",") if name.strip() != "emotion"]
            names = parse_formats(wanted) if wanted else []
        else:
            names = ["glb", "npz", *parse_formats(self.to or ["glb"])]  # always written
        return [export_formats()[name] for name in dict.fromkeys(names)]

    def suffixes(self) -> list[str]:
        """How the results end, in the order of ``sedtalker animate``; of a conversation those of the whole scene."""
        video = [f".{self.video_format}"] if self.video else []
        ends = [row.suffix for row in self.formats()]
        if self.speakers is not None:
            return [*video, *self.scene_suffixes(), TURNS_SUFFIX]
        return [*video, TRACK_SUFFIX, *ends]

    def scene_suffixes(self) -> list[str]:
        """How the files of a conversation end that hold all heads."""
        from sedtalker.export.scene import WRITERS

        return [row.suffix for row in self.formats() if row.suffix in WRITERS]

    def speaker_suffixes(self, speakers: Sequence[str]) -> dict[str, list[str]]:
        """How the results of each speaker of a conversation end, after the name of the recording."""
        from sedtalker.speakers.turns import one_word_each

        ends = [TRACK_SUFFIX, *(row.suffix for row in self.formats())]
        return {name: [f".{word}{end}" for end in ends] for name, word in one_word_each(speakers).items()}

    def picture(self) -> dict[str, Any]:
        """What ``Animation.render`` takes, read from the options of the picture."""
        from sedtalker.render.renderer import picture_options

        return picture_options(self.size, self.camera, self.background, self.light, self.renderer)

    def placed(self, base: Path) -> BatchSettings:
        """The same settings with every file that they name as an absolute path; relative ones are below ``base``."""
        changed: dict[str, Any] = {"enroll": tuple((base / path).absolute() for path in self.enroll)}
        changed["others"] = tuple(str((base / w).absolute()) if is_head_file(w) else w for w in self.others)
        for name, path in self._files(base.absolute()).items():
            changed[name] = path if isinstance(getattr(self, name), Path) else str(path)
        return replace(self, **changed)

    def named_files(self) -> list[Path]:
        """Every file and folder that the settings name."""
        return [*self._files(Path()).values(), *self.enroll, *map(Path, filter(is_head_file, self.others))]

    def _files(self, base: Path) -> dict[str, Path]:
        """Paths by option: what may also be a word is a file where the command would take it for one."""
        found: dict[str, Path | None] = {}
        if self.transcript not in (None, AUTO):
            text = Path(self.transcript)
            found["transcript"] = text if text.suffix.lower() in TEXTS or is_file(base / text) else None
        for name, about in declared(BatchSettings).items():
            value = getattr(self, name)
            if isinstance(value, Path):
                found[name] = value
            elif value is not None and about.option.names is not None:
                path = Path(value)
                named = {"json": path.suffix == ".json", "folder": is_folder(base / path), "file": is_file(base / path)}
                found[name] = path if named[about.option.names] else None
        return {name: base / path for name, path in found.items() if path is not None}

    def fingerprint(self) -> str:
        """SHA-256 of all that the options say, with the contents of files in place of their names."""
        plain = as_plain(self)
        plain |= {name: path_sha256(path) for name, path in self._files(Path()).items()}
        plain["enroll"] = [path_sha256(path) for path in self.enroll]
        plain["others"] = [path_sha256(Path(w)) if is_head_file(w) else w for w in self.others]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def weights(self) -> dict[str, str]:
        """SHA-256 of the weights that are used, by what they do; a classifier of the hub by its name.

        Raises:
            InputError: there are none where the options say.
        """
        used = {"decoder": model_folder("decoder", decoder_choice(self.decoder, self.encoder)[0])}
        if self.speakers is not None and (self.speakers == "auto" or self.speakers.isdigit()):
            used["speakers"] = model_folder("speakers", "speakers")
        found = dict[str, str]()
        if self.said() == AUTO:
            from sedtalker.phonetics.recognition import whisper_folder

            found["recogniser"] = path_sha256(whisper_folder())
        if self.emotion is None:
            name, _ = diarizer_choice(self.model, self.encoder)
            if name.startswith("hf:"):
                found["classifier"], name = name, "diarizer"
            used["diarizer"] = model_folder("diarizer", name)
        return _hashes(used) | found

    def check(self) -> None:
        """Look at everything that can be wrong without a recording.

        What is at its default needs no look, so a run that finds everything done imports no networks.

        Raises:
            InputError: a file is missing, or a value means nothing.
        """
        self.formats()
        plain = BatchSettings()
        looks = ("size", "camera", "background", "light", "renderer", "video_format")
        if any(getattr(self, name) != getattr(plain, name) for name in looks):
            from sedtalker.render.video import check_file

            behind = self.picture()["background"]
            if self.video:
                check_file(Path(f"video.{self.video_format}"), behind, self.fps)
        check_face(self)
        shape_map_of(self.rig_names)
        for path in self.named_files():
            if not is_there(path):
                raise InputError(f"{path}: no such file")
        check_conversation(self)
        check_enroll(self.enroll, self.model, self.emotion)
        if self.said() == AUTO:
            from sedtalker.phonetics.recognition import checked_words

            checked_words(AUTO, self.language)
        elif self.said() is not None:
            check_language(self.language or ENGLISH)
        if self.emotion is not None:
            from sedtalker.emotion.formats.files import parse_emotion

            parse_emotion(self.emotion)
        coordinates_of(self)
        self.check_names()
        self.weights()


PLAIN = TypeAdapter(BatchSettings)
"""Settings from plain data, and back."""


def as_plain(settings: BatchSettings) -> dict[str, Any]:
    """Settings as JSON has them."""
    plain: dict[str, Any] = PLAIN.dump_python(settings, mode="json")
    return plain


def parse_settings(values: Mapping[str, Any], where: str = "") -> BatchSettings:
    """Settings from values by name, such as the cells of a table.

    Args:
        values: by name, with hyphens or underscores.
        where: what to call their source in messages, such as ``clips.csv:3``.

    Raises:
        InputError: no such option, or a value that it does not take.
    """
    try:
        return PLAIN.validate_python({name.replace("-", "_"): value for name, value in values.items()})
    except ValidationError as error:
        name, problem = problem_of(error)
        option = name.partition(".")[0]
        known = declared(BatchSettings)
        more = f" (given: {values[option]})" if option in values and option in known else ""
        if option not in known and (question := meant(option, known)):
            more = f": {question.replace('_', '-')}"
        raise InputError(f"{where}{': ' if where else ''}--{option.replace('_', '-')}: {problem}{more}") from None


def _hashes(folders: Mapping[str, Path]) -> dict[str, str]:
    """Hashes of the weights of heads, and of the encoders that they were trained on (``open_trained_encoder``)."""
    found: dict[str, str] = {}
    for name, folder in folders.items():
        config = read_config(folder)
        found[name] = _weights(folder, _stamp(folder / "model.safetensors"))
        if config.encoder_sha256 is not None:
            found[f"{name}_encoder"] = config.encoder_sha256
        if beside := config.model.get("beside"):
            found[f"{name}_beside"] = beside["weights_sha256"]
    return found


@lru_cache(maxsize=64)
def _weights(folder: Path, stamp: tuple[int, int]) -> str:
    return weights_sha256(folder)


def path_sha256(path: Path) -> str:
    """Hash of a file's bytes, of a mesh with those of its parts beside it, or of the names and bytes of all files in a
    folder; remembered while they are as they were.
    """
    if not is_folder(path):
        first, *others = (_file_sha256(part, _stamp(part)) for part in _parts(path))
        return hashlib.sha256("".join([first, *others]).encode()).hexdigest() if others else first
    digest = hashlib.sha256()
    for inside in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{inside.relative_to(path).as_posix()} {_file_sha256(inside, _stamp(inside))}\n".encode())
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    """A file and, of a mesh, those that are read with it: material libraries, pictures, buffers and layers."""
    from sedtalker.mesh.files import USD_SUFFIXES
    from sedtalker.mesh.mesh import MAX_BYTES, file_beside

    if path.suffix.lower() in USD_SUFFIXES:  # layers may lie anywhere
        return [path, *map(Path, _named(path, _stamp(path)))]
    parts = [path]
    for part in parts:  # libraries, which name pictures, are added meanwhile
        beside = (file_beside(path, name, MAX_BYTES) for name in _named(part, _stamp(part)))
        parts += [file for file in beside if file is not None and file not in parts]
    return parts


@lru_cache(maxsize=64)
def _named(path: Path, stamp: tuple[int, int]) -> list[str]:
    from sedtalker.mesh.files import named_files

    return named_files(path)


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
