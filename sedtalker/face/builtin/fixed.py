"""What is the same in all built-in heads, as arrays: topology, teeth, gums, tongue, hairstyles and wrinkles.

``scripts/fit_builtin_face.py`` makes the file, from the parameter file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIXED = Path(__file__).with_name("fixed.npz")
"""The file of these arrays, each named ``part/array``."""


@cache
def fixed_arrays(part: str) -> dict[str, NDArray[Any]]:
    """The arrays of a part by name, as ``arrays`` of ``scripts/face_fit/fixed.py`` describes them."""
    with np.load(FIXED, allow_pickle=False) as kept:
        return {name.split("/")[1]: kept[name] for name in kept.files if name.startswith(f"{part}/")}
