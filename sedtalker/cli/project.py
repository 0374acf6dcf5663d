"""``--project`` of ``sedtalker animate``: a project of the studio as recording, face, track and defaults of options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sedtalker.animation.performance import Performance, declared
from sedtalker.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sedtalker.studio.document import Settings
    from sedtalker.studio.project import Project

KEY = "sedtalker.project"
"""Under which a context keeps the project that was read."""


def read_project_option(context: typer.Context, path: Path | None) -> Path | None:
    """Callback of ``--project``: what the project holds are the command's defaults; options that are given win.

    What is wrong with it is raised by ``opened_project``, when the command runs.
    """
    if path is None:
        return None
    from sedtalker.studio.project import read_project

    try:
        project = read_project(path)
    except InputError as error:
        context.meta[KEY] = error
        return path
    context.meta[KEY] = project
    face = {"face": project.face} if project.mesh is None else {"mesh": str(project.mesh)}
    defaults = {"audio": str(project.audio), **face, **settings_as_options(project.document.settings)}
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        is_eager=True,
        callback=read_project_option,
        help="A project of sedtalker studio (.sedproject): its recording, face, track and settings.",
    ),
]
"""A studio project."""


def settings_as_options(settings: Settings) -> dict[str, Any]:
    """The options of ``sedtalker animate`` that say the same as the settings of a document.

    Below which confidence the face stays neutral is in the track already.
    """
    held = {name: getattr(settings, name) for name in declared(type(settings)) if name != "min_confidence"}
    return held | {"gain": [f"{name}={value!r}" for name, value in settings.gain.items()]}


def opened_project(context: typer.Context) -> Project | None:
    """The project that ``--project`` read.

    Raises:
        InputError: it could not be read.
    """
    held: Project | InputError | None = context.meta.get(KEY)
    if isinstance(held, InputError):
        raise held
    return held


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, rather than in a project, the environment or its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def head_of(context: typer.Context, options: Performance) -> tuple[Performance, Path | NDArray[np.float64] | None]:
    """Options and landmarks, where a project may have given some: a head that an option names wins over it."""
    project = opened_project(context)
    if project is None:
        return options, options.landmarks
    named = [name for name in ("mesh", "face") if is_typed(context, name)]
    if named == ["face"]:
        return replace(options, mesh=None), options.landmarks
    if named == ["mesh"]:
        return replace(options, face=None), options.landmarks
    return options, project.landmarks if options.landmarks is None else options.landmarks
