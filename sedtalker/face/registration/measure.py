"""What a finished face on a mesh does, in the terms of a registration report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.face import Face
from sedtalker.face.registration import RegistrationReport, parts
from sedtalker.face.registration.contacts import gaps
from sedtalker.face.registration.pose import UNIT_TOLERANCE, UNITS, GivenLandmarks, Placement, Similarity
from sedtalker.face.registration.prepare import Head, prepare_target
from sedtalker.face.registration.register import describe
from sedtalker.mesh.mesh import Ints, Mesh
from sedtalker.mesh.surface import weld

_REGION_ROLES = {
    "upper_teeth": parts.UPPER_TEETH,
    "lower_teeth": parts.LOWER_TEETH,
    "tongue": parts.TONGUE,
}


def measured(face: Face, mesh: Mesh, to_metres: Similarity, fit_residual: float) -> RegistrationReport:
    """The report on a face whose shapes, regions and landmarks are known.

    Args:
        face: the face, upright and in metres.
        mesh: the same mesh in the file's coordinates.
        to_metres: the similarity between the two.
        fit_residual: metres that the mesh is off the face its shapes are from.
    """
    assert face.landmarks is not None
    marks = mesh.vertices[face.landmarks].astype(np.float64)
    reference = face.mesh.vertices[face.landmarks].astype(np.float64)
    surface = weld(mesh)
    fix = GivenLandmarks(marks, np.ones(68)).on(surface, reference)
    head = prepare_target(surface, fix, reference)
    vertex = first_vertices(head.vertex_point, len(head.points))
    unit = next((u for u in UNITS if abs(to_metres.scale / u - 1) < UNIT_TOLERANCE), None)
    unmoved = Similarity(1.0, np.eye(3), np.zeros(3))
    offsets = face.basis[: len(face.shapes)][:, vertex[head.skin_points]].astype(np.float64)
    found = gaps(offsets, face.shape_index, head.skin)
    return describe(fix, head, roles(face, head, vertex), Placement(to_metres, unmoved, unit), fit_residual, found)


def first_vertices(vertex_point: Ints, count: int) -> Ints:
    """A mesh vertex (N,) of each of ``count`` welded points."""
    vertex = np.zeros(count, np.int32)
    used = np.nonzero(vertex_point >= 0)[0]
    vertex[vertex_point[used[::-1]]] = used[::-1]
    return vertex


def roles(face: Face, head: Head, vertex: Ints) -> Ints:
    """Role (N,) of each point of a head by the face's regions."""
    role = parts.point_roles(head.component, head.roles)
    for region, value in _REGION_ROLES.items():
        if region in face.regions:
            role[face.regions[region][vertex]] = value
    if "eyes" in face.regions:
        eyes = face.regions["eyes"][vertex]
        right: NDArray[np.bool_] = head.points[:, 0] < head.landmarks[27, 0]
        role[eyes & right], role[eyes & ~right] = parts.RIGHT_EYE, parts.LEFT_EYE
    return role
