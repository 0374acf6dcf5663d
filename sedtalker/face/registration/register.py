"""What registration found, for people and programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.face.face import Face
from sedtalker.face.registration import parts
from sedtalker.face.registration.alignment import align
from sedtalker.face.registration.carry import Source, carry_landmarks, carry_regions, fit_residual, move_points
from sedtalker.face.registration.contacts import gaps
from sedtalker.face.registration.pose import FaceFix, GivenLandmarks, Placement, Similarity, find_face, place
from sedtalker.face.registration.prepare import Head, prepare_source, prepare_target
from sedtalker.mesh.mesh import Floats, Ints, Mesh
from sedtalker.mesh.surface import Surface, weld


@dataclass(frozen=True)
class RegistrationReport:
    """How a mesh became a face.

    Attributes:
        score: probability that a face was seen, in [0, 1].
        landmark_confidence: mean over the 51 inner landmarks, in [0, 1].
        landmark_residual: RMS distance of the landmarks to the source face's, in outer-eye-corner distances.
        fit_residual: median distance of the visible face to the registered source, millimetres.
        blink_gap: largest opening that a full blink leaves, millimetres; None without open lids.
        lip_gap: the same of the lips, jaw half open and mouth closed; None where they are sealed.
        mouth_opens: the lips are separate; if False, mouth shapes only move the skin.
        eyes_found, eyeballs: open lids and eyeballs found, subject's right and left.
        components: role of each connected component with its vertex count, largest first.
        unit: the file's guessed unit in metres, or None.
        scale, rotation, translation: the similarity from file coordinates to metres: ``s R x + t``.
        warnings: one line each.
        way: how the shapes came: ``exact``, ``blend shapes`` or ``registration``; basis: one line that says whose.
        own_shapes: shapes that are the file's or its rig's own; the others are fitted.
        added_vertices: how many come after the file's own, where a sealed mouth was cut open.
    """

    score: float
    landmark_confidence: float
    landmark_residual: float
    fit_residual: float
    blink_gap: float | None
    lip_gap: float | None
    mouth_opens: bool
    eyes_found: tuple[bool, bool]
    eyeballs: tuple[bool, bool]
    components: tuple[tuple[str, int], ...]
    unit: float | None
    scale: float
    rotation: tuple[tuple[float, float, float], ...]
    translation: tuple[float, float, float]
    warnings: tuple[str, ...] = field(default=())
    way: str = "registration"
    basis: str = "fitted to this mesh"
    own_shapes: tuple[str, ...] = ()
    added_vertices: int = 0

    def to_json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(asdict(self), indent=2)


def report_from_json(text: str) -> RegistrationReport:
    """Read what ``to_json`` wrote."""
    data = json.loads(text)
    data["rotation"] = tuple(tuple(row) for row in data["rotation"])
    data["components"] = tuple((str(name), int(count)) for name, count in data["components"])
    for key in ("eyes_found", "eyeballs", "translation", "warnings", "own_shapes"):
        data[key] = tuple(data.get(key, ()))
    return RegistrationReport(**data)


# --- Registration: any head mesh becomes a face that talks, on its own vertices.

FEWEST_TRIANGLES = 100
LOOSE = "the face is in loose pieces, its triangles share no vertices: merge vertices by distance"


def register(
    mesh: Mesh, source: Face, name: str, given: GivenLandmarks | None = None
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
    from sedtalker.face.landmarks import load_detector

    if not len(mesh.polygon_sizes):
        raise InputError(f"{name}: the mesh has no polygons; give a mesh of a head")
    surface = weld(mesh)
    if len(surface.triangles) < FEWEST_TRIANGLES:
        raise InputError(f"{name}: {len(surface.triangles)} triangles are too few for a face; give a mesh of a head")
    detector = load_detector()
    known, vertex = prepare_source(source, detector)
    if given is not None:
        fix: FaceFix | None = given.on(surface, known.landmarks)
    else:
        fix = find_face(surface, known.landmarks, detector)
    if fix is None:
        raise InputError(
            f"{name}: no face found on this mesh; give a head with eyes, nose and mouth, or say with "
            "--landmarks where they are"
        )
    if skin_triangles(surface, fix) < FEWEST_TRIANGLES:
        raise InputError(f"{name}: {LOOSE}")
    head = prepare_target(surface, fix, known.landmarks)
    moving = Source(source, known, vertex, align(known.skin, head.skin))
    offsets, roles, skin = move_points(moving, head)
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


def skin_triangles(surface: Surface, fix: FaceFix) -> int:
    """How many triangles hang together with those under the landmarks."""
    skins = parts.skin_components(surface.component, surface.triangles, fix.triangles)
    return int(np.isin(surface.component[surface.triangles[:, 0]], skins).sum())


def upright(mesh: Mesh, to_metres: Similarity) -> Floats:
    """All vertices (V, 3) in metres; vertices that no polygon uses come along, those that are not numbers go to 0."""
    vertices = np.nan_to_num(mesh.vertices.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    return to_metres.apply(vertices).astype(np.float32)


def to_vertices(offsets: NDArray[np.float64], vertex_point: Ints, from_rig: Similarity) -> Floats:
    """Offsets (K, V, 3) of mesh vertices in metres from those of welded points (K, N, 3) at rig scale."""
    metric = (offsets @ (from_rig.scale * from_rig.rotation).T).astype(np.float32)
    basis = metric[:, np.maximum(vertex_point, 0)]
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
        components=tuple((parts.ROLES[roles[first[k]]], int(counts[k])) for k in order[:32]),
        unit=placement.unit,
        scale=transform.scale,
        rotation=tuple(tuple(float(x) for x in row) for row in transform.rotation),  # type: ignore[misc]
        translation=tuple(float(x) for x in transform.translation),  # type: ignore[arg-type]
        warnings=tuple(warnings(fix, head, residual)),
    )


def warnings(fix: FaceFix, head: Head, residual: float) -> list[str]:
    """What a user should know about a registration, one line each."""
    found = []
    if not head.skin.features.lips.found:
        found.append("the lips are sealed: mouth shapes move the skin but cannot open the mouth")
    if not all(line.found for line in head.skin.features.lids):
        found.append("no open eyelids found on one or both sides: no blinks and no gaze there")
    if not head.eyes:
        found.append("no separate eyeballs found: the gaze cannot move")
    if fix.residual > 0.1 or residual > 0.004:
        found.append("the head differs much from a human face: check the result")
    return found
