"""Built-in faces without parts of their mouths, as registration would hand them on, for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sedtalker.face.face import Face, RegistrationReport
from sedtalker.mesh.mesh import from_triangles

REPORT = RegistrationReport(
    score=1.0,
    landmark_confidence=0.9,
    landmark_residual=0.02,
    fit_residual=0.3,
    blink_gap=0.1,
    lip_gap=0.1,
    mouth_opens=True,
    eyes_found=(True, True),
    eyeballs=(True, True),
    components=(("skin", 8),),
    unit=1.0,
    scale=1.0,
    rotation=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    translation=(0, 0, 0),
)
"""What is reported of a face that was found well."""


def without(face: Face, groups: tuple[str, ...], bag: bool = True, jaw: float = 0.0) -> Face:
    """A built-in face of its skin, eyes, teeth, gums and tongue, without some of these groups.

    Args:
        face: the face; groups: what is left out, besides hair and clothes.
        bag: keep the bag behind the lips.
        jaw: how far the jaw is open at rest.
    """
    mesh = face.mesh
    assert mesh.polygon_groups is not None
    wanted = {"skin", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "gums", "tongue"} - set(groups)
    kept = np.isin(mesh.polygon_groups, [mesh.group_names.index(name) for name in wanted])
    triangles = mesh.triangles[kept[mesh.triangle_polygons]]
    if not bag:
        triangles = triangles[~face.regions["mouth_socket"][triangles].any(axis=1)]
    used, corners = np.unique(triangles, return_inverse=True)
    place = np.zeros(len(mesh.vertices), np.int32)
    place[used] = np.arange(len(used))
    rest = mesh.vertices + jaw * face.basis[face.shape_index["jawOpen"]]
    assert face.landmarks is not None
    return replace(
        face,
        mesh=from_triangles(rest[used].astype(np.float32), corners.reshape(-1, 3).astype(np.int32)),
        basis=np.ascontiguousarray(face.basis[:, used]),
        regions={name: mask[used] for name, mask in face.regions.items() if name != "mouth_socket"},
        landmarks=place[face.landmarks],
    )
