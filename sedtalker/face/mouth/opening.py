"""A sealed mouth made to open: cut, registered again, and given an inside."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.mouth.cut import Cut, cut_lips, find_lip_line
from sedtalker.face.mouth.inside import Inside, build_inside
from sedtalker.face.registration import RegistrationReport, register_cached
from sedtalker.face.registration.pose import GivenLandmarks
from sedtalker.mesh.mesh import Mesh

PARTED = 3e-5  # metres between the lips of a cut
OPEN_ALREADY = "the lips are apart already: --open-mouth added nothing"


def open_mouth(mesh: Mesh, sealed: Face, report: RegistrationReport, source: Face) -> tuple[Face, RegistrationReport]:
    """A registered face whose lips are one surface, with a mouth that opens.

    The skin is cut where the lips meet and registered again; a mouth socket, and the source's teeth, gums and tongue,
    come behind it. The file's vertices keep their places and numbers; what is new comes after them.

    Args:
        mesh: the mesh in the file's coordinates; sealed, report: the face it became.
        source: the face that shapes, teeth and tongue are taken from.

    Raises:
        InputError: the mouth cannot be cut open.
    """
    if report.mouth_opens:
        return sealed, replace(report, warnings=(*report.warnings, OPEN_ALREADY))
    assert sealed.landmarks is not None
    rotation, translation = np.asarray(report.rotation), np.asarray(report.translation)
    marks = sealed.mesh.vertices[sealed.landmarks].astype(np.float64)
    line = find_lip_line(sealed.mesh.vertices, sealed.mesh.triangles, marks)
    cut = parted(cut_lips(mesh, sealed.mesh.vertices, line), -rotation[1] * PARTED / report.scale)
    given = GivenLandmarks((marks - translation) @ rotation / report.scale, np.ones(68), report.score)
    face, opened = register_cached(cut.mesh, source, sealed.name, given=given)
    if not opened.mouth_opens:
        raise InputError(f"{sealed.name}: the mouth was cut, but its lips were not found apart: cut it in a 3D program")
    inside = build_inside(face, source, cut.upper, cut.lower, winds_outwards(face.mesh, cut.upper))
    whole = with_inside(face, inside)
    added = len(whole.mesh.vertices) - len(mesh.vertices)
    said = f"the mouth was cut open: {added} vertices were added after the file's own {len(mesh.vertices)}"
    return whole, replace(opened, added_vertices=added, warnings=(said, *opened.warnings))


def parted(cut: Cut, step: NDArray[np.float64]) -> Cut:
    """The cut with the new vertices of its lower side a step away: vertices at one place count as one."""
    vertices = cut.mesh.vertices.copy()
    vertices[cut.lower[1:-1]] += step.astype(np.float32)
    return replace(cut, mesh=cut.mesh.with_vertices(vertices))


def winds_outwards(mesh: Mesh, upper: NDArray[np.int64]) -> bool:
    """Whether the polygons over the mouth wind counter-clockwise: along the upper lip's rim from right to left."""
    edges = mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    there = set(map(tuple, edges[np.isin(edges, upper).all(axis=1)].tolist()))
    forward = sum((a, b) in there for a, b in pairwise(upper.tolist()))
    backward = sum((b, a) in there for a, b in pairwise(upper.tolist()))
    return forward >= backward


def with_inside(face: Face, inside: Inside) -> Face:
    """The face with the inside of its mouth as groups of their own."""
    mesh, count = face.mesh, len(inside.vertices)
    names = mesh.group_names if mesh.polygon_groups is not None else ("head",)
    groups = np.zeros(len(mesh.polygon_sizes), np.int32) if mesh.polygon_groups is None else mesh.polygon_groups
    new_names = tuple(name if name not in names else f"{name}_new" for name in inside.names)
    no_uvs = np.full(len(inside.corners), -1, np.int32)
    whole = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, inside.vertices.astype(np.float32)]),
        polygon_sizes=np.concatenate([mesh.polygon_sizes, inside.sizes]),
        polygon_vertices=np.concatenate([mesh.polygon_vertices, inside.corners]),
        polygon_uvs=None if mesh.polygon_uvs is None else np.concatenate([mesh.polygon_uvs, no_uvs]),
        colours=None if mesh.colours is None else np.concatenate([mesh.colours, inside.colours]),
        group_names=(*names, *new_names),
        polygon_groups=np.concatenate([groups, len(names) + inside.groups]).astype(np.int32),
        materials=(*mesh.materials, *[None] * len(new_names)) if mesh.materials else (),
    )
    none = np.zeros(count, bool)
    regions = {
        name: np.concatenate(
            [face.regions.get(name, np.zeros(len(mesh.vertices), bool)), inside.regions.get(name, none)]
        )
        for name in dict.fromkeys((*face.regions, *inside.regions))
    }
    basis = np.concatenate([face.basis, inside.offsets.astype(np.float32)], axis=1)
    return replace(face, mesh=whole, basis=basis, regions=regions)
