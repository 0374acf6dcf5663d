"""Arrays by the type of their elements, as annotations name them; shapes stand in docstrings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""What networks, meshes and pictures are made of."""
Doubles = NDArray[np.float64]
"""What is summed or solved."""
Reals = NDArray[np.floating]
"""Floating-point numbers of any precision."""
Ints = NDArray[np.int32]
"""Numbers of vertices, triangles and frames."""
Mask = NDArray[np.bool_]
"""Which elements of another array."""
