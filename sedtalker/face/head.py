"""Which vertices follow the head when it turns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.face import Face
from sedtalker.face.mesh import Floats

_FULL, _NONE = 0.05, 0.85  # below the chin, in units of the eyes' height over it: where the neck begins and ends
_NEAR, _AWAY = 3.5, 4.5  # beside and behind the eyes, in the same units: where the widest hair ends and others begin


def head_weights(face: Face) -> Floats:
    """(V,) how far each vertex follows the head: 1 for the head, smoothly down to 0 along the neck.

    So shoulders, bodies and other people stay where they are. A face without landmarks follows as a whole.
    """
    whole = np.ones(len(face.mesh.vertices), dtype=np.float32)
    if face.landmarks is None or len(face.landmarks) != 68:
        return whole
    height = face.mesh.vertices[:, 1]
    chin = float(height[face.landmarks[8]])
    drop = float(height[face.landmarks[36:48]].mean()) - chin
    if drop <= 0.0:
        return whole
    eyes = face.mesh.vertices[face.landmarks[36:48]].mean(axis=0)
    aside = np.hypot(*(face.mesh.vertices - eyes)[:, [0, 2]].T)
    share = np.clip((height - (chin - _NONE * drop)) / ((_NONE - _FULL) * drop), 0.0, 1.0)
    share = np.minimum(share, np.clip((_AWAY * drop - aside) / ((_AWAY - _NEAR) * drop), 0.0, 1.0))
    return (share * share * (3.0 - 2.0 * share)).astype(np.float32)


def turn_head(vertices: NDArray[np.floating], turns: NDArray[np.floating], pivot: Floats, weights: Floats) -> Floats:
    """Vertices (T, V, 3) with the head turned by rotation matrices (T, 3, 3) about ``pivot``: linear blend skinning."""
    still = np.asarray(vertices, dtype=np.float32)
    centred = still - pivot
    change = np.einsum("tij,tvj->tvi", np.asarray(turns, dtype=np.float32) - np.eye(3, dtype=np.float32), centred)
    return still + weights[:, None] * change
