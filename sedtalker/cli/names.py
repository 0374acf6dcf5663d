"""``--map``: the shapes of another rig by their own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sedtalker.face.shape_maps import ShapeMap

MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        help="Names of another rig's shapes: metahuman, oculus, reallusion, vrm or a .json file. Read in the mesh and "
        "in --performance, written in GLB, USD and the arkit CSV.",
    ),
]
"""Of other rigs' names."""


def open_map(word: str | None) -> ShapeMap | None:
    """The map that ``--map`` names."""
    if word is None:
        return None
    from sedtalker.face.shape_maps import read_shape_map

    return read_shape_map(word)
