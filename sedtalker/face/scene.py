"""All that a mesh file holds of a face: the mesh, and the blend shapes it may come with."""

from __future__ import annotations

from dataclasses import dataclass

from sedtalker.face.mesh import Floats, Ints, Mesh


@dataclass(frozen=True, eq=False)
class Scene:
    """All meshes of a file as one, and its morph targets.

    Attributes:
        mesh: the mesh, in the file's coordinates.
        target_names: (K,) names of the morph targets; empty where the format or the file has none.
        targets: (K, V, 3) their offsets.
        shown: (V,) which vertex each one shows, where the file says that some double others at texture seams (as our
            own GLB does); None where every vertex is one of its own.
    """

    mesh: Mesh
    target_names: tuple[str, ...]
    targets: Floats
    shown: Ints | None = None
