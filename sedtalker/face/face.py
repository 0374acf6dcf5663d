"""A face: a mesh, its regions and its deformation basis."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.mesh import Floats, Ints, Mask, Mesh


@dataclass(frozen=True)
class Corrective:
    """A shape that repairs what named shapes do together.

    ``value = gain · Π value(source)`` for several sources; with one source, the half-way bump ``4 w (1 − w)``; where
    ``beyond``, how far the first source exceeds the second, ``gain · max(0, first − second)``.
    """

    name: str
    sources: tuple[str, ...]
    gain: float = 1.0
    beyond: bool = False


@dataclass(frozen=True, eq=False)
class Face:
    """A mesh that can be animated by a few coefficients a frame.

    Attributes:
        name: what the user calls it.
        mesh: the neutral face, as the source file had it.
        shapes: (K,) names of the coefficients; for the built-in face and for registered meshes the ARKit-52 first, in
            the order of ``ARKIT_52``, then any extra shapes.
        basis: (K + C, V, 3) float32, metres: offsets at coefficient 1 of each shape, then of each corrective.
        correctives: (C,) shapes driven by the coefficients, never set by hand.
        regions: named vertex masks (V,) bool: ``lips upper_face lower_face eyes eyelids teeth upper_teeth lower_teeth
            tongue skin hair neck`` where the mesh has them.
        landmarks: (68,) int32 vertex of each Multi-PIE/iBUG landmark, or None.
        pivot: (3,) float32, metres: the point the head rotates about (top of the neck).
    """

    name: str
    mesh: Mesh
    shapes: tuple[str, ...]
    basis: Floats
    correctives: tuple[Corrective, ...] = ()
    regions: dict[str, Mask] = field(default_factory=dict)
    landmarks: Ints | None = None
    pivot: Floats = field(default_factory=lambda: np.zeros(3, np.float32))

    def __post_init__(self) -> None:
        expected = (len(self.shapes) + len(self.correctives), len(self.mesh.vertices), 3)
        if self.basis.shape != expected:
            raise ValueError(f"basis has shape {self.basis.shape}, expected {expected}")

    @cached_property
    def shape_index(self) -> dict[str, int]:
        """Position of each shape's coefficient."""
        return {name: i for i, name in enumerate(self.shapes)}

    @cached_property
    def flat_basis(self) -> Floats:
        """(K + C, 3V) view of the basis: one matrix product makes a frame."""
        return self.basis.reshape(len(self.basis), -1)

    def with_rest(self, coefficients: NDArray[np.floating]) -> Floats:
        """Coefficients (T, k) of the first k shapes, the other shapes at zero: (T, K)."""
        missing = len(self.shapes) - coefficients.shape[1]
        return np.pad(np.asarray(coefficients, np.float32), ((0, 0), (0, missing)))

    def expand(self, coefficients: NDArray[np.floating]) -> Floats:
        """Coefficients (T, K) with the correctives' values appended: (T, K + C)."""
        named = np.asarray(coefficients, dtype=np.float32)
        if named.ndim != 2 or named.shape[1] != len(self.shapes):
            raise ValueError(f"expected (T, {len(self.shapes)}) coefficients, got {named.shape}")
        extra = []
        for corrective in self.correctives:
            values = [np.clip(named[:, self.shape_index[s]], 0.0, 1.0) for s in corrective.sources]
            if corrective.beyond:
                value = np.maximum(values[0] - values[1], 0.0)
            else:
                value = 4.0 * values[0] * (1.0 - values[0]) if len(values) == 1 else np.prod(values, axis=0)
            extra.append(corrective.gain * value)
        return np.concatenate([named, *[e[:, None] for e in extra]], axis=1).astype(np.float32)

    def deform(self, coefficients: NDArray[np.floating]) -> Floats:
        """Vertices (T, V, 3) in metres, without head motion, for coefficients (T, K)."""
        offsets = self.expand(coefficients) @ self.flat_basis
        return self.mesh.vertices[None] + offsets.reshape(len(offsets), -1, 3)

    @staticmethod
    def random(seed: int) -> Face:
        """A plausible stranger with the built-in topology and shapes; the same seed gives the same face."""
        from sedtalker.face.builtin import random_face

        return random_face(seed)
