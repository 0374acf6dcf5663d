"""``--map``: the shapes of another rig by their own names."""

from __future__ import annotations

from typing import Annotated

import typer

MapOption = Annotated[
    str | None,
    typer.Option(
        "--map",
        "--rig-names",
        help="Names of another rig's shapes: metahuman, oculus, reallusion, vrm or a .json file. Read in the mesh and "
        "in --performance, written in GLB, FBX, USD and the arkit CSV.",
    ),
]
"""Shape names of another rig."""
