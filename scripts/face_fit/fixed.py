"""What is the same in all built-in heads: topology, teeth, gums, tongue, hairstyles and wrinkles, written as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_fit.hairstyles import STYLES
from face_fit.locks import Scalp
from face_fit.mouth import build_mouth
from face_fit.topology import build_cage
from face_fit.wrinkles import draw_wrinkles
from sedtalker.face.builtin.cage import FIXED
from sedtalker.face.builtin.identity import Parameters, read_parameters
from sedtalker.face.builtin.shapes import refine_skin

UPPER_CONTACT = 62
"""Landmark in the middle of the upper lip's contact line."""
HAIR_SEED = 5
"""Seed of the locks of every style."""


def write_fixed(path: Path = FIXED) -> None:
    """Write the file (compressed, deterministic)."""
    np.savez_compressed(path, **arrays(read_parameters()))


def arrays(parameters: Parameters) -> dict[str, NDArray[Any]]:
    """All arrays, named ``part/array``.

    ``cage``: fields of ``Cage`` and ``Subdivision``, keys as ``names`` and ``rings`` (N, 3), the matrix as ``values``,
    ``columns`` and ``starts``. ``teeth_upper``, ``teeth_lower``, ``gums`` and ``tongue``: fields of ``Part``.
    ``hair_STYLE``: fields of ``Strands``. ``wrinkles``: fields of ``Wrinkles``.
    """
    cage = build_cage()
    skin = refine_skin(cage, parameters)
    matrix = cage.subdivision.matrix
    found: dict[str, NDArray[Any]] = {
        "cage/names": np.array([key[0] for key in cage.keys]),
        "cage/rings": np.array([key[1:] for key in cage.keys]),
        "cage/quads": cage.quads,
        "cage/mirror": cage.mirror,
        "cage/values": matrix.data,
        "cage/columns": matrix.indices,
        "cage/starts": matrix.indptr,
        "cage/refined_quads": cage.subdivision.quads,
        "cage/edges": cage.subdivision.edges,
        "cage/refined_mirror": cage.refined_mirror,
        "cage/uvs": np.round(cage.uvs, 5),  # as ``assemble`` rounds them
    }
    for part in build_mouth(parameters, skin.vertices[parameters.landmarks[UPPER_CONTACT]]):
        found |= {f"{part.name}/{field}": value for field, value in vars(part).items() if field != "name"}
    scalp = Scalp(skin)
    for style, lay in STYLES.items():
        strands = lay(scalp, np.random.default_rng(HAIR_SEED))
        found |= {f"hair_{style}/{field}": value for field, value in vars(strands).items()}
    return found | {f"wrinkles/{field}": value for field, value in vars(draw_wrinkles()).items()}
