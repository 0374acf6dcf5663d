"""Options that several commands share, and presets: options saved to a file and read back."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer

from sedtalker.animation.option_fields import Declared, Option, declared
from sedtalker.animation.performance import Performance, StreamSettings
from sedtalker.batch.opening import OF_A_FIT
from sedtalker.batch.opening import check_enroll as check_enroll
from sedtalker.batch.opening import open_diarizer as open_diarizer
from sedtalker.cli.console import PIPE, PROGRESS_HELP, ProgressStyle, ShownProgress, say, stdin_bytes
from sedtalker.errors import InputError, called, meant
from sedtalker.export.formats import FORMATS
from sedtalker.reading import is_file, is_folder, is_there, read_json
from sedtalker.storage import check_writable, write_text

if TYPE_CHECKING:
    from sedtalker.batch.settings import BatchSettings
    from sedtalker.phonetics.pronunciation import SpokenWord

T = TypeVar("T")
"""A class of options."""
R = TypeVar("R")
"""What a command returns."""
Device = Literal["auto", "cpu", "cuda"]
"""What ``--device`` takes."""
TO_HELP = "; ".join(f"{row.name}: {row.about}" for row in sorted(FORMATS, key=lambda row: row.name))
"""Every export format and what it holds."""
MORE_HELP = {"to": TO_HELP}
"""What is added to help texts that do not know it: the formats."""


def option(name: str, options: type = Performance, **changes: Any) -> Any:
    """The flag of a declared option, for a command that takes it alone; ``changes`` are of ``typer.Option``."""
    about = declared(options)[name].option
    said = f"{about.help} {MORE_HELP[name]}." if name in MORE_HELP else about.help
    given = {"help": said, "min": about.least, "max": about.most, "metavar": about.metavar, **changes}
    return typer.Option(*about.flags, **given)


def takes_options(
    *, without: Collection[str] = (), only: str | None = None
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command a flag for each field of its parameters that are classes of options.

    Fields of ``without`` get none; nor do those of ``Performance`` that ``only``, where it is given, does not name.
    """

    def taken(options: type) -> list[str]:
        wanted = declared(options) if only is None or options is not Performance else only.split()
        return [name for name in declared(options) if name in wanted and name not in without]

    def flags(group: inspect.Parameter) -> Iterator[inspect.Parameter]:
        options = group.annotation
        for name in taken(options):
            kind, default, callback = declared(options)[name].kind, getattr(group.default, name), None
            if name in FACES and "others" in declared(options):
                kind, callback = (tuple[Path, ...] if name == "mesh" else tuple[str, ...]), keep_order
            if get_origin(kind) in (tuple, Mapping):  # takes several values
                kind, default = (list[Path] | None if Path in get_args(kind) else list[str] | None), None
            flag: Any = Annotated[kind, option(name, options, **({} if callback is None else {"callback": callback}))]
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=flag)

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        own = inspect.signature(command, eval_str=True)
        groups = {name: p for name, p in own.parameters.items() if is_dataclass(p.annotation)}

        @functools.wraps(command)
        def wrapper(**given: Any) -> R:
            for name, group in groups.items():
                values = {option: given.pop(option) for option in taken(group.annotation) if option in given}
                typed = typed_head(values, declared(group.annotation), given.get("context"))
                given[name] = _read(group.annotation, parted(typed, given.get("context")))
            return command(**given)

        parameters = list[inspect.Parameter]()
        for name, parameter in own.parameters.items():
            parameters += flags(groups[name]) if name in groups else [parameter]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [parameters[0], *(parameter.replace(kind=keyword) for parameter in parameters[1:])]
        wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return wrapper

    return decorate


FACES = ("mesh", "face")
"""Options that are repeated where several people speak."""
ORDER = "sedtalker.faces"
"""Under which a context keeps in which order these were given."""


def keep_order(context: typer.Context, parameter: typer.CallbackParam, value: list[Any] | None) -> list[Any] | None:
    """Callback of ``--mesh`` and ``--face``, which click calls in the order of the command line."""
    context.meta.setdefault(ORDER, []).append(parameter.name)
    return value


OF_A_MESH = ("mesh_head", "landmarks", "rig")
"""Options that say what is where in the file of a head."""


def typed_head(
    values: dict[str, Any], options: Mapping[str, Declared], context: typer.Context | None
) -> dict[str, Any]:
    """The values without what a preset or a project says of another head than that which the command line names."""
    named = [] if context is None else [name for name in FACES if is_typed(context, name)]
    if not named:
        return values
    assert context is not None
    others = [*FACES, *OF_A_MESH, *(OF_A_FIT if named == ["face"] else ())]
    other = {name for name in others if name in values and _source(context, name) == "DEFAULT_MAP"}
    plain = {name: None if name in FACES else options[name].default for name in other}
    context.params.update(plain)  # presets are saved from there
    return values | plain


def parted(values: dict[str, Any], context: typer.Context | None) -> dict[str, Any]:
    """The first of ``--mesh`` and ``--face`` as the face, the others as those of further speakers.

    Raises:
        InputError: there are several, and one speaker.
    """
    if "others" not in values:
        return values
    given = {name: list(values.pop(name, None) or ()) for name in FACES}
    if values["speakers"] is None:
        if any(len(words) > 1 for words in given.values()):
            raise InputError("several faces need --speakers: auto, how many there are, channels or an .rttm file")
        return values | {name: words[0] for name, words in given.items() if words}
    order = list(dict.fromkeys([*(context.meta.get(ORDER, ()) if context is not None else ()), *FACES]))
    cast = [(name, word) for name in order for word in given[name]]
    others = [*(str(word) for _, word in cast[1:]), *(values["others"] or ())]
    return values | dict(cast[:1]) | {"others": others}


def _read(options: type[T], values: dict[str, Any]) -> T:
    """The options that flags give.

    Raises:
        InputError: a text does not say what it should.
    """
    for name, (_, about, _) in declared(options).items():
        if about.read is not None and name in values:
            values[name] = about.read(values[name])
    return options(**values)


AUDIO_HELP = "Speech: wav, flac, ogg, opus, mp3, m4a, or the sound of mp4 or webm."
"""Help of a recording."""
PipeArgument = Annotated[Path, typer.Argument(help="Speech; - reads 16-bit mono PCM at 16 kHz, or a wav, from stdin.")]
"""A recording or a pipe."""
FineOption = Annotated[
    bool, typer.Option("--fine", help="Also find thirty fine-grained emotions, such as awe or relief.")
]
"""Whether fine-grained emotions are found."""
DeviceOption = Annotated[Device, typer.Option(help="Where the networks run.")]
"""Where networks run."""


@dataclass(frozen=True)
class Run:
    """How a command runs: whether files are replaced, and what is said."""

    force: Annotated[bool, Option("Files", "Overwrite existing files.", flags=("--force",))] = False
    quiet: Annotated[
        bool, Option("Files", "Show no progress, and no messages except notes on the input.", flags=("--quiet", "-q"))
    ] = False
    progress: Annotated[ProgressStyle, Option("Files", PROGRESS_HELP)] = "bar"
    as_json: Annotated[bool, Option("Files", "Print the result as JSON.", flags=("--json",))] = False

    def shown(self, lines: bool = True) -> ShownProgress:
        """Progress as it is asked for; ``lines``: whether a step that is done leaves one."""
        return ShownProgress(self.progress, self.quiet, lines)


ForceOption = Annotated[bool, option("force", Run)]
"""Whether files are replaced."""
QuietOption = Annotated[bool, option("quiet", Run)]
"""Whether little is said."""
ProgressOption = Annotated[ProgressStyle, option("progress", Run)]
"""How progress is shown."""
JsonOption = Annotated[bool, option("as_json", Run)]
"""Whether the result is printed as JSON."""


# --- Presets.

NOT_SAVED = {
    *("preset", "save_preset", "project", "audio", "output", "force", "quiet", "progress", "as_json"),
    *("transcript", "words", "visemes"),
}
"""Options that say what is done now, not how a face looks."""


def read_preset(context: typer.Context, path: Path | None) -> Path | None:
    """Callback of ``--preset``: its options are the command's defaults; files are found beside it.

    Raises:
        typer.Exit: no such file, no preset, or an option that the command does not have; a line says which.
    """
    if path is None:
        return None
    try:
        held = read_json(path, "a preset")
        if not isinstance(held, dict):
            raise InputError(f"{path}: not a preset; --save-preset writes one")
        strange = sorted(held.keys() - {parameter.name for parameter in context.command.params})
        if strange:
            near = meant(strange[0], [parameter.name or "" for parameter in context.command.params])
            raise InputError(f"{path}: this command has no option {strange[0]}{near and f': {near}'}")
    except InputError as error:  # commands say theirs later, see ``fail_clearly``
        say(f"error: {error}")
        raise typer.Exit(2) from None
    several = {parameter.name for parameter in context.command.params if getattr(parameter, "multiple", False)}
    held = _with_files(context, held, path.absolute().parent, str)
    listed = {name: [value] for name, value in held.items() if name in several and isinstance(value, str)}
    context.default_map = {**(context.default_map or {}), **held, **listed}
    return path


PresetOption = Annotated[
    Path | None,
    typer.Option("--preset", is_eager=True, callback=read_preset, help="Read options from a file of --save-preset."),
]
"""Reads options back."""
SavePresetOption = Annotated[Path | None, typer.Option(help="Write these options to a .json file, for --preset.")]
"""Saves options."""


def check_preset(path: Path | None, force: bool) -> None:
    """Raise ``InputError`` where ``save_preset`` would replace a file and ``force`` is off, or one that is read."""
    if path is not None:
        check_writable(path, force)


def save_preset(context: typer.Context, path: Path | None) -> None:
    """Write the options of a command that are not at their defaults, files relative to it; None: nothing is written."""
    if path is None:
        return
    from sedtalker.studio.project import names_from

    kept: dict[str, Any] = {}
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        if name not in NOT_SAVED and value not in (None, parameter.default, [], ()):
            kept[name] = _plain(value[0] if name in FACES and len(value) == 1 else value)
    kept = _with_files(context, kept, Path.cwd(), names_from(path.absolute().parent))
    write_text(path, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    say(f"preset: {path}")


def _with_files(
    context: typer.Context, held: Mapping[str, Any], base: Path, name_of: Callable[[Path], str]
) -> dict[str, Any]:
    """Options with other names of the files and folders that they name; relative ones are below ``base``."""
    takes = inspect.signature(context.command.callback, eval_str=True).parameters if context.command.callback else {}
    about = {**declared(StreamSettings), **declared(Performance)}

    def changed(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [changed(name, one) for one in value]
        names = about[name].option.names if name in about else None
        is_path = name == "others" or (names is None and _holds_path(takes[name].annotation))
        if not (names or is_path) or not isinstance(value, str) or not value:
            return value
        path = base / value  # what may also be a word is a file where there is one, as in a manifest of a batch
        named = {"json": path.suffix == ".json", "file": is_file(path), "folder": is_folder(path), None: is_there(path)}
        return name_of(path) if named[names] else value

    return {name: changed(name, value) for name, value in held.items()}


def _holds_path(kind: Any) -> bool:
    """Whether a type is that of a path, or of something with paths in it."""
    return kind is Path or any(map(_holds_path, get_args(kind)))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


# --- What is said.


def given_words(options: Performance) -> list[SpokenWord] | str | None:
    """The words that options give, with their phones, or ``auto``; None where they give none.

    Raises:
        InputError: both options, a folder, a language of none, or what
            ``sedtalker.phonetics.recognition.checked_words`` raises.
    """
    given = options.said()
    if given is None:
        if options.language is not None:
            raise InputError("--language is of words: give them with --transcript or --words")
        return None
    from sedtalker.phonetics.recognition import checked_words

    return checked_words(given, options.language)


# --- Files that options name; networks and faces are opened by ``sedtalker.batch.opening``.


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, rather than in a project, the environment or its default."""
    return _source(context, name) == "COMMANDLINE"


def refuse_typed(context: typer.Context, names: Collection[str], why: str) -> None:
    """Raise ``InputError`` where one of some options stands on the command line, with its flag before ``why``."""
    for name in names:
        if is_typed(context, name):
            raise InputError(f"--{name.replace('_', '-')} {why}")


def check_targets(context: typer.Context, names: str | None) -> None:
    """Raise ``InputError`` where ``--targets`` is typed beside ``--map``, whose shapes are written."""
    if names is not None:
        refuse_typed(context, ["targets"], "does nothing with --map: its names are the blend shapes")


def _source(context: typer.Context, name: str) -> str | None:
    source = context.get_parameter_source(name)
    return None if source is None else source.name


def check_files(*paths: Path | None) -> None:
    """Raise ``InputError`` when one of them is not there."""
    for path in paths:
        if path is not None and not is_there(path):
            raise InputError(f"{path}: no such file")


def check_suffix(path: Path | None, *suffixes: str) -> None:
    """Raise ``InputError`` where a file to write ends in something else."""
    if path is not None and path.suffix.lower() not in suffixes:
        raise InputError(f"{path}: give a file that ends in {' or '.join(suffixes)}")


def check_recording(path: Path) -> None:
    """Raise ``InputError`` where there is no such file; folders are for ``batch``, and stdin is always there."""
    if is_folder(path):
        raise InputError(f"{path} is a folder: sedtalker batch takes all recordings in it")
    if path != PIPE:
        check_files(path)


PIPED, AT_ONCE = "stdin", 1 << 20
"""The name of a recording that comes by stdin, and the bytes of it that are held in memory."""


@contextmanager
def piped_recording(source: Path) -> Iterator[Path]:
    """A recording; what comes by stdin until its end is a file that is gone afterwards.

    Raises:
        InputError: stdin is closed.
    """
    if source != PIPE:
        yield source
        return
    import wave

    from sedtalker.audio.audio import SAMPLE_RATE
    from sedtalker.audio.pipe import first_bytes

    pipe = stdin_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{PIPED}.wav"
        start, compressed = first_bytes(pipe)
        with path.open("wb") as file:
            if compressed is not None or start.startswith(b"RIFF"):
                file.write(start)
                shutil.copyfileobj(pipe, file)
            else:  # raw samples: 16-bit mono at 16 kHz
                with wave.open(file, "wb") as sound:
                    sound.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
                    sound.writeframesraw(start)
                    for piece in iter(functools.partial(pipe.read, AT_ONCE), b""):
                        sound.writeframesraw(piece)
        with called(path, str(PIPE)):
            yield path


# --- Pictures and videos.

log = logging.getLogger(__name__)

FramesOption = Annotated[bool, typer.Option("--frames", help="Every frame as a PNG in a folder, instead of a video.")]
"""Pictures one by one."""


OF_PICTURES = ("size", "camera", "background", "light", "renderer", "video", "video_format", "frames", "shot")
"""Options that ask for a picture where they are given."""


def drawn_where_possible(context: typer.Context, settings: BatchSettings) -> BatchSettings:
    """The settings, without the video where the extra that draws is not installed; a line says so.

    Raises:
        InputError: it is not installed, and an option of pictures is given, or something else is wrong.
    """
    if not settings.video:
        return settings
    from sedtalker.render.renderer import can_draw, check_renderer

    if can_draw():
        return settings
    if any(is_typed(context, name) for name in OF_PICTURES):
        check_renderer(settings.renderer)
    settings = replace(settings, video=False)
    settings.check()  # what is wrong is said alone
    log.warning("no video, which needs pip install 'sedtalker[video]': see the .glb, or sedtalker render later")
    return settings
