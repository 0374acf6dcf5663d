"""The small file of fitted numbers from which the built-in head is built.

The numbers were fitted to a blend of identities and to the expressions of ICT-FaceKit (MIT licence, © 2020 USC
Institute for Creative Technologies) by ``scripts/fit_builtin_face.py``; the file holds no vertex of that model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PATH = Path(__file__).with_name("parameters.npz")


@dataclass(frozen=True, eq=False)
class Parameters:
    """Centimetres throughout.

    Attributes:
        cage: (N, 3) neutral positions of the cage.
        shapes: (K,) ARKit names (all but ``tongueOut``).
        offsets: (K, N, 3) cage offsets of the shapes.
        jaws: (K, 4, 3) affine maps [x y z 1] → offset of what the lower jaw carries.
        correctives: (C,) source shapes joined by ``*``, or by ``-`` where the first exceeds the second.
        corrective_offsets: (C, N, 3).
        identity: (D,) names of the directions in which heads differ.
        identity_offsets: (D, N, 3) cage offsets at weight 1.
        eye_centre, eye_radius: left eyeball; the right one is its mirror image.
        landmarks: (68,) refined skin vertices.
    """

    cage: NDArray[np.float32]
    shapes: tuple[str, ...]
    offsets: NDArray[np.floating]
    jaws: NDArray[np.float32]
    correctives: tuple[str, ...]
    corrective_offsets: NDArray[np.floating]
    identity: tuple[str, ...]
    identity_offsets: NDArray[np.float16]
    eye_centre: NDArray[np.float32]
    eye_radius: float
    landmarks: NDArray[np.int32]


def read_parameters(path: Path = PATH) -> Parameters:
    """Read the parameter file."""
    with np.load(path, allow_pickle=False) as d:
        return Parameters(
            cage=d["cage"],
            shapes=tuple(str(n) for n in d["shapes"]),
            offsets=d["offsets"],
            jaws=d["jaws"],
            correctives=tuple(str(n) for n in d["correctives"]),
            corrective_offsets=d["corrective_offsets"],
            identity=tuple(str(n) for n in d["identity"]),
            identity_offsets=d["identity_offsets"],
            eye_centre=d["eye_centre"],
            eye_radius=float(d["eye_radius"]),
            landmarks=d["landmarks"],
        )


def write_parameters(p: Parameters, path: Path = PATH) -> None:
    """Write the parameter file (compressed, deterministic)."""
    np.savez_compressed(
        path,
        cage=p.cage.astype(np.float32),
        shapes=np.array(p.shapes),
        offsets=p.offsets.astype(np.float16),
        jaws=p.jaws.astype(np.float32),
        correctives=np.array(p.correctives),
        corrective_offsets=p.corrective_offsets.astype(np.float16),
        identity=np.array(p.identity),
        identity_offsets=p.identity_offsets.astype(np.float16),
        eye_centre=np.asarray(p.eye_centre, np.float32),
        eye_radius=np.float32(p.eye_radius),
        landmarks=p.landmarks.astype(np.int32),
    )
