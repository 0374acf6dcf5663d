"""Registration: any head mesh becomes a face that talks, on its own vertices; results are kept by content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.checkpoint import builtin_checkpoint, weights_sha256
from sedtalker.errors import InputError, said_of
from sedtalker.face.face import Face, RegistrationReport, report_from_json
from sedtalker.face.registration import parts
from sedtalker.face.registration.alignment import align
from sedtalker.face.registration.attribute_transfer import (
    MOUTH_PARTS,
    Source,
    carry_landmarks,
    carry_regions,
    fit_residual,
    move_points,
)
from sedtalker.face.registration.contacts import gaps
from sedtalker.face.registration.parts import Head, prepare_source, prepare_target
from sedtalker.face.registration.pose import (
    UNIT_TOLERANCE,
    UNITS,
    FaceFix,
    GivenLandmarks,
    Placement,
    Similarity,
    find_face,
    place,
)
from sedtalker.face.sedface import FACE_ARRAYS, UNREADABLE, bare, content_hash, face_arrays, face_from_arrays
from sedtalker.mesh.mesh import MAX_BYTES, Mesh
from sedtalker.mesh.surface import Points, Surface, weld
from sedtalker.nn.engine import open_model
from sedtalker.progress import Hook, no_progress, one_step
from sedtalker.storage import keep, read_arrays, user_cache

FEWEST_TRIANGLES = 100
"""A mesh, or a face on it, of fewer triangles is refused."""


def register(
    mesh: Mesh, source: Face, name: str, given: GivenLandmarks | None = None, hook: Hook = no_progress
) -> tuple[Face, RegistrationReport]:
    """Give a head mesh the shapes of ``source``.

    Args:
        mesh: any head in any unit, orientation and position; its vertex count, order, polygons, groups and UVs stay.
        source: a face with landmarks, such as the built-in one.
        name: what to call the result.
        given: where its face is, instead of looking for it.

    Returns:
        The face, upright and in metres, and a report that holds the similarity from the file's coordinates.

    Raises:
        InputError: no face is found on the mesh.
    """
    with one_step(hook, "looking for the face"), said_of(name):
        surface, known = weld(mesh), prepare_source(source)
        fix = face_on(surface, known.landmarks, given)
        head = prepare_target(surface, fix, known.landmarks)
    # Bend the source's skin onto it, and carry over what the source's points do.
    moving = Source(source, known, align(known.skin, head.skin, hook))
    offsets, roles, skin = move_points(moving, head, hook)
    # From the source's scale to the mesh's own vertices, upright and in metres.
    placement = place(fix, known.landmarks)
    face = Face(
        name=name,
        mesh=mesh.with_vertices(upright(mesh, placement.to_metres)),
        shapes=source.shapes,
        basis=to_vertices(offsets, head.vertex_point, placement.from_rig),
        correctives=source.correctives,
        regions=carry_regions(moving, head, roles, skin),
        landmarks=carry_landmarks(moving, head),
        pivot=placement.from_rig.apply(source.pivot[None].astype(np.float64))[0].astype(np.float32),
    )
    return face, describe(
        fix, head, roles, placement, fit_residual(moving, head), gaps(skin.offsets, source.shape_index, head.skin)
    )


def face_on(surface: Surface, reference: Points, given: GivenLandmarks | None = None) -> FaceFix:
    """The face on a welded mesh.

    Args:
        reference: (68, 3) landmarks of a known upright face.
        given: where it is, instead of looking for it.

    Raises:
        InputError: there is none, or none that can be fitted.
    """
    if len(surface.triangles) < FEWEST_TRIANGLES:
        raise InputError(f"{len(surface.triangles)} triangles are too few for a face; give a mesh of a head")
    fix = given.on(surface, reference) if given else find_face(surface, reference, open_model("landmarks"))
    if fix is None:
        raise InputError(
            "no face found on this mesh; give a head with eyes, nose and mouth, or landmarks that say where they are "
            "(sedtalker mesh register --landmarks)"
        )
    skins = parts.skin_components(surface.component, surface.triangles, fix.triangles)
    if np.isin(surface.component[surface.triangles[:, 0]], skins).sum() < FEWEST_TRIANGLES:
        raise InputError("the face is in loose pieces, its triangles share no vertices: merge vertices by distance")
    return fix


def upright(mesh: Mesh, to_metres: Similarity) -> Floats:
    """All vertices (V, 3) in metres; vertices that no polygon uses come along, those that are not numbers go to 0."""
    vertices = np.nan_to_num(mesh.vertices.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return to_metres.apply(vertices).astype(np.float32)


def to_vertices(offsets: Floats, vertex_point: Ints, from_rig: Similarity) -> Floats:
    """Offsets (K, V, 3) of mesh vertices in metres from those of welded points (K, N, 3) at rig scale."""
    to_metres = (from_rig.scale * from_rig.rotation).T
    basis = np.empty((len(offsets), len(vertex_point), 3), np.float32)
    for offset, out in zip(offsets, basis, strict=True):  # one by one: all of a large mesh would double its memory
        out[:] = (offset @ to_metres)[np.maximum(vertex_point, 0)]
    basis[:, vertex_point < 0] = 0.0
    return basis


def describe(
    fix: FaceFix,
    head: Head,
    roles: Ints,
    placement: Placement,
    residual: float,
    gaps: tuple[float | None, float | None],
) -> RegistrationReport:
    """The report on a finished registration; ``residual`` and ``gaps`` (blink, lips) in metres at rig scale."""
    lids = head.skin.features.lids
    eyeballs = (parts.RIGHT_EYE in head.eyes, parts.LEFT_EYE in head.eyes)
    _, first, counts = np.unique(head.component, return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    transform = placement.to_metres
    millimetres = 1000.0 * placement.from_rig.scale
    blink_gap, lip_gap = (None if gap is None else millimetres * gap for gap in gaps)
    return RegistrationReport(
        score=fix.score,
        landmark_confidence=float(fix.confidence[17:].mean()),
        landmark_residual=fix.residual,
        fit_residual=millimetres * residual,
        blink_gap=blink_gap,
        lip_gap=lip_gap,
        mouth_opens=head.skin.features.lips.found,
        eyes_found=(lids[0].found, lids[1].found),
        eyeballs=eyeballs,
        abduction=parts.abduction(head),
        components=tuple((parts.ROLES[roles[first[k]]], int(counts[k])) for k in order[:32]),
        unit=placement.unit,
        scale=transform.scale,
        rotation=tuple(tuple(float(x) for x in row) for row in transform.rotation),  # type: ignore[misc]
        translation=tuple(float(x) for x in transform.translation),  # type: ignore[arg-type]
        warnings=tuple(warnings(fix, head, residual)),
    )


def warnings(fix: FaceFix, head: Head, residual: float) -> list[str]:
    """Messages on a registration, one line each."""
    found = []
    if not head.skin.features.lips.found:
        found.append("the lips are sealed and cannot open: mesh register --open-mouth cuts them apart")
    if not all(line.found for line in head.skin.features.lids):
        found.append("no open eyelids found on one or both sides: no blinks and no gaze there")
    if not head.eyes:
        found.append("no separate eyeballs found: the gaze cannot move")
    if fix.residual > 0.1 or residual > 0.004:
        found.append("the head differs much from a human face: check the result")
    return found


# --- The same report on a face whose shapes, regions and landmarks are known, not fitted.


def measured(face: Face, mesh: Mesh, to_metres: Similarity, fit_residual: float) -> RegistrationReport:
    """The report on a face whose shapes, regions and landmarks are known.

    Args:
        face: the face, upright and in metres.
        mesh: the same mesh in the file's coordinates.
        to_metres: the similarity between the two.
        fit_residual: metres that the mesh is off the face its shapes are from.
    """
    marks, reference = mesh.vertices[face.landmarks].astype(np.float64), face.marks
    surface = weld(mesh)
    fix = GivenLandmarks(marks, np.ones(68)).on(surface, reference)
    head = prepare_target(surface, fix, reference)
    unit = next((u for u in UNITS if abs(to_metres.scale / u - 1) < UNIT_TOLERANCE), None)
    unmoved = Similarity(1.0, np.eye(3), np.zeros(3))
    offsets = face.basis[: len(face.shapes)][:, head.vertex[head.skin_points]].astype(np.float64)
    found = gaps(offsets, face.shape_index, head.skin)
    return describe(fix, head, roles(face, head), Placement(to_metres, unmoved, unit), fit_residual, found)


def roles(face: Face, head: Head) -> Ints:
    """Role (N,) of each point of a head by the face's regions."""
    role = parts.point_roles(head.component, head.roles)
    for value, region in MOUTH_PARTS.items():
        if region in face.regions:
            role[face.regions[region][head.vertex]] = value
    if "eyes" in face.regions:
        eyes = face.regions["eyes"][head.vertex]
        right: Mask = head.points[:, 0] < head.landmarks[27, 0]
        role[eyes & right], role[eyes & ~right] = parts.RIGHT_EYE, parts.LEFT_EYE
    return role


# --- Registered faces kept by content, so that a mesh is registered once.


def register_cached(
    mesh: Mesh, source: Face, name: str, given: GivenLandmarks | None = None, hook: Hook = no_progress
) -> tuple[Face, RegistrationReport]:
    """``register``, or what it gave for the same mesh and source before, of which ``hook`` gets nothing."""
    own = {name: getattr(mesh, name) for name in ("vertices", "polygon_sizes", "polygon_vertices")}
    marks = {} if given is None else {"points": given.points, "confidence": given.confidence}
    detector = weights_sha256(builtin_checkpoint("landmarks"))
    entry = kept_faces() / f"{content_hash(f'registration {detector}', own, face_arrays(bare(source)), marks)}.npz"
    kept = load_entry(entry, mesh, name)
    if kept is not None:
        return kept
    face, report = register(mesh, source, name, given, hook)
    store_entry(entry, face, report)
    return face, report


def kept_faces() -> Path:
    """The user's cache folder for fitted faces; one that cannot be written only costs time."""
    return user_cache() / "faces"


def store_entry(entry: Path, face: Face, report: RegistrationReport) -> None:
    """Keep a result to the last bit; the entry appears whole or not at all."""
    arrays = {**face_arrays(face), "report": np.array(report.to_json())}
    keep(entry, lambda path: np.savez(path, **arrays))  # type: ignore[arg-type]


def load_entry(entry: Path, mesh: Mesh, name: str) -> tuple[Face, RegistrationReport] | None:
    """A kept result on the user's own mesh, or None if there is none or it is damaged."""
    try:
        arrays = read_arrays(entry, FACE_ARRAYS, "a kept registration", 4 * MAX_BYTES)
        face = face_from_arrays(arrays)
        return replace(face, name=name, mesh=mesh.with_vertices(face.mesh.vertices)), report_from_json(
            str(arrays["report"])
        )
    except UNREADABLE:
        return None
