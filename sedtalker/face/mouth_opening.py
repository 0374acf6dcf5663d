"""A sealed mouth made to open: cut where the lips meet, and registered again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.mouth_cut import Cut, cut_lips, find_lip_line
from sedtalker.face.registration import register_cached
from sedtalker.face.registration.pose import GivenLandmarks
from sedtalker.mesh.mesh import Mesh
from sedtalker.progress import Hook, no_progress

PARTED = 3e-5
"""Metres between the lips of a cut: vertices at one place would be welded."""
OPEN_ALREADY = "--open-mouth is for sealed lips: these are apart already, nothing was cut"
"""The warning where a mouth needs no cut."""


def open_mouth(
    mesh: Mesh, sealed: Face, report: RegistrationReport, source: Face, hook: Hook = no_progress
) -> tuple[Face, RegistrationReport]:
    """A registered face whose lips are one surface, with a mouth that opens.

    The skin is cut where the lips meet and registered again. The file's vertices keep their places and numbers; what is
    new comes after them. What comes behind the lips is for ``with_mouth``.

    Args:
        mesh: the mesh in the file's coordinates; sealed, report: the face it became.
        source: the face that shapes are taken from.
        hook: receives the progress.

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
    face, opened = register_cached(cut.mesh, source, sealed.name, given=given, hook=hook)
    if not opened.mouth_opens:
        raise InputError(f"{sealed.name}: the mouth was cut, but its lips were not found apart: cut it in a 3D program")
    added = len(face.mesh.vertices) - len(mesh.vertices)
    note = f"the mouth was cut open: {added} vertices were added after the file's own {len(mesh.vertices)}"
    return face, replace(opened, added_vertices=added, warnings=(note, *opened.warnings))


def parted(cut: Cut, step: NDArray[np.float64]) -> Cut:
    """The cut with the new vertices of its lower side a step away: vertices at one place count as one."""
    vertices = cut.mesh.vertices.copy()
    vertices[cut.lower[1:-1]] += step.astype(np.float32)
    return replace(cut, mesh=cut.mesh.with_vertices(vertices))
