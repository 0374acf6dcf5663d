"""A mesh file becomes a face: by its known topology, by blend shapes it has, or by registration, in this order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sedtalker.arrays import Doubles, Floats, Ints, Mask
from sedtalker.errors import InputError, one_of
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.blend_shapes import BlendShapes, OwnShapes, is_basis, meanings, own_shapes, read_rig
from sedtalker.face.builtin.named import faces_of_size, load_face
from sedtalker.face.completion import MOUTHS, completed_cached
from sedtalker.face.eye_fitting import CHOICES
from sedtalker.face.face import Face, RegistrationReport, head_weights, outer_eyes
from sedtalker.face.given_landmarks import choose_head, heads_of, other_people, shape_landmarks
from sedtalker.face.mouth_cut import open_mouth
from sedtalker.face.registration import register_cached
from sedtalker.face.registration.pose import GivenLandmarks, Similarity, robust_similarity
from sedtalker.face.registration.register import measured
from sedtalker.face.shape_scaling import check_strength, with_scaled_shapes
from sedtalker.face.visible_change import with_visible_emotions
from sedtalker.mesh.mesh import Mesh, Scene
from sedtalker.mesh.surface import first_vertices
from sedtalker.progress import Hook, no_progress, one_step

EXACT, BLEND_SHAPES, REGISTRATION = "exact", "blend shapes", "registration"
"""The ways in which a mesh gets its shapes, as reports name them."""
BY_SHAPES = "no face was detected: where eyes and mouth are follows from its blend shapes"
"""The warning where landmarks came from what the file's own shapes move."""


@dataclass(frozen=True, eq=False)
class FitOptions:
    """A user's settings for a mesh.

    Attributes:
        given: where its face is.
        rig: a folder or file with blend shapes of its topology.
        head: which of several heads, counted from 1; by default the largest figure's.
        open_mouth: sealed lips are cut apart, which adds vertices.
        mouth: what is added behind open lips, one of ``MOUTHS``.
        eyes: what comes behind lids that are open, one of ``CHOICES``.
        strength: factor of all expressions.

    Raises:
        InputError: there is no such mouth or eyes, or the strength is out of range.
    """

    given: GivenLandmarks | None = None
    rig: Path | None = None
    head: int | None = None
    open_mouth: bool = False
    mouth: str = "auto"
    eyes: str = "auto"
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.mouth not in MOUTHS:
            raise InputError(f"--mouth {self.mouth}: {one_of(self.mouth, MOUTHS)}")
        if self.eyes not in CHOICES:
            raise InputError(f"--eyes {self.eyes}: {one_of(self.eyes, CHOICES)}")
        check_strength(self.strength)


def fit(
    scene: Scene, source: Face, name: str, options: FitOptions | None = None, hook: Hook = no_progress
) -> tuple[Face, RegistrationReport]:
    """Make a face of a mesh file by the first of three ways that it allows; ``report.way`` says which.

    1. ``exact``: the topology is a built-in face's, or that of a rig of the user's own, so that every shape is known
       vertex for vertex.
    2. ``blend shapes``: the file's own morph targets with ARKit names are the shapes.
    3. ``registration``: the shapes of ``source`` are fitted to the mesh. This also gives what the first two leave open.

    Args:
        scene: what the file holds; its vertices, their order and polygons stay.
        source: the face to take shapes from, such as the built-in one.
        name: what to call the result.
        options: what the user specifies about the mesh.

    Returns:
        the face, and its report, which is also ``face.report``.

    Raises:
        InputError: there is no face on it, or the rig does not belong to it.
    """
    options = options or FitOptions()
    face, report = _fit(scene, source, name, options, hook)
    report = replace(report, warnings=(*report.warnings, *scene.mesh.notes))
    with one_step(hook, "scaling the shapes"):
        face, report = with_scaled_shapes(face, report, source, options.strength)
        face, report = with_visible_emotions(face, report, source, options.strength)
    with one_step(hook, "examining mouth and eyes"):
        face, report = completed_cached(face, report, source, options.mouth, options.eyes)
    return replace(face, report=report), report


def _fit(scene: Scene, source: Face, name: str, options: FitOptions, hook: Hook) -> tuple[Face, RegistrationReport]:
    # 1. A built-in topology, or a rig's.
    known = recognise(scene, source) if options.rig is None else None
    if known is not None:
        choose_head([], options.head, name)
        return exact_face(scene, known, name)
    shapes, way = BlendShapes(scene.target_names, scene.targets), BLEND_SHAPES
    if options.rig is not None:
        shapes, way = read_rig(options.rig, scene.mesh, source.shapes), EXACT
    has_shapes = is_basis(shapes.names, source.shapes)
    if has_shapes and options.open_mouth:
        raise InputError(f"{name}: it has shapes of its own, which do not open a cut mouth: leave --open-mouth out")

    # Register: both other ways need the pose, the regions and the landmarks.
    heads = heads_of(scene.mesh, source, hook)
    chosen = choose_head([options.given] if options.given else heads, options.head, name)
    others = other_people(scene.mesh, heads, chosen) if chosen and heads else None
    try:
        face, report = register_cached(scene.mesh, source, name, given=chosen, hook=hook)
    except InputError:  # no face was detected: what the file's shapes move may show where it is
        by_shapes = None if chosen else landmarks_by_shapes(scene, shapes, source)
        if by_shapes is None:
            raise
        face, report = register_cached(scene.mesh, source, name, given=by_shapes, hook=hook)
        report = replace(report, warnings=(BY_SHAPES, *report.warnings))
    face = apart_from(face, others)
    if len(heads) > 1 and options.head is None and options.given is None:
        note = (
            f"there are {len(heads)} heads: the largest figure's is taken; --head (animate: --mesh-head) takes another"
        )
        report = replace(report, warnings=(note, *report.warnings))

    # 2. The file's or the rig's shapes in place of the fitted ones.
    if has_shapes:
        return with_own_shapes(face, report, shapes, scene, way)

    # 3. The fitted ones.
    if options.open_mouth:
        face, report = open_mouth(scene.mesh, face, report, source, hook)
        face = apart_from(face, others)
    return face, replace(report, basis=fitted_basis(scene))


def landmarks_by_shapes(scene: Scene, shapes: BlendShapes, source: Face) -> GivenLandmarks | None:
    """Landmarks by what a file's blend shapes move; None where they show none."""
    size = float(np.ptp(scene.mesh.vertices, axis=0).max())
    half = np.full(len(scene.mesh.vertices), 0.5)
    own = own_shapes(shapes, source.shapes, size, lambda: half)
    return shape_landmarks(scene.mesh.vertices, own.offsets, source)


def apart_from(face: Face, others: Mask | None) -> Face:
    """A face that neither moves other people nor takes their hair for its own: what is worn high up elsewhere.

    Args:
        face: as it was registered.
        others: the first of its vertices, which of them are other people; None where there are none.
    """
    if others is not None and others.any():
        others = np.pad(others, (0, len(face.mesh.vertices) - len(others)))
        face = replace(face, basis=np.where(others[:, None], np.float32(0), face.basis))
        face = replace(face, regions={**face.regions, "others": others})
    follows = head_weights(face) > 0.0
    hair = {name: mask & follows for name, mask in face.regions.items() if name == "hair"}
    return replace(face, regions={**face.regions, **hair})


# --- The report's line on each way; ``mesh inspect`` foresees it without fitting.


def foresee(scene: Scene, source: Face) -> tuple[str, str]:
    """Way and basis that ``fit`` would report for a mesh with a face on it, without a rig and without fitting."""
    known = recognise(scene, source)
    if known is not None:
        return EXACT, exact_basis(known)
    if is_basis(scene.target_names, source.shapes):
        meant = {shape for meaning in meanings(scene.target_names, source.shapes).values() for shape in meaning.shapes}
        return BLEND_SHAPES, own_basis(meant)
    return REGISTRATION, fitted_basis(scene)


def exact_basis(known: Known) -> str:
    """Description of an exact face's shapes."""
    return f"the built-in face '{known.face.name}', vertex for vertex{', on another person' * known.reshaped}"


def own_basis(shapes: Iterable[str], whose: str = "the file's") -> str:
    """Number of shapes that are the user's own."""
    return f"{len(set(shapes) & set(ARKIT_52))} of the 52 ARKit shapes are {whose} own"


def fitted_basis(scene: Scene) -> str:
    """Description of a registered face's shapes; a known topology is named."""
    known = TOPOLOGIES.get((len(scene.mesh.vertices), len(scene.mesh.triangles)))
    return "fitted to this mesh" + (f"; it has {known}" if known else "")


# --- The first way: a topology known by how its vertices are connected.

TOPOLOGIES = {
    (5023, 9976): "FLAME's topology, which has no shapes of these names of its own",
    (26719, 52220): "ICT-FaceKit's topology, whose own shapes come with --rig FaceXModel, the folder of your copy",
}
"""Notes on topologies of others by their numbers of vertices and triangles; their meshes are not ours to compare."""
_ALIKE = 0.999
"""Share of a topology's edges that a mesh must have: exporters triangulate, and drop a degenerate polygon."""
SAME = 1e-4
"""RMS distance, in the mesh's size, below which two faces of one topology are the same person."""


@dataclass(frozen=True, eq=False)
class Known:
    """A mesh of a built-in topology.

    Attributes:
        face: the built-in face nearest to it; shown: (V,) its vertex at each of the mesh.
        to_face: similarity from the file's coordinates to the face's.
        distance: RMS distance of the two after that, metres; reshaped: they are not the same person.
    """

    face: Face
    shown: Ints
    to_face: Similarity
    distance: float
    reshaped: bool


def recognise(scene: Scene, source: Face) -> Known | None:
    """The built-in face whose topology a file has, ``source`` before others; None if there is none."""
    mesh = scene.mesh
    shown = np.arange(len(mesh.vertices), dtype=np.int32) if scene.shown is None else scene.shown
    count = int(shown.max(initial=-1)) + 1
    candidates = [source] if len(source.mesh.vertices) == count else []
    candidates += [load_face(name) for name in faces_of_size(count) if name != source.name]
    if not candidates:
        return None
    found: list[Known] = []
    edges = edge_keys(mesh, shown)
    for face in candidates:
        if not same_edges(edge_keys(face.mesh), edges):
            continue
        there = face.mesh.vertices.astype(np.float64)[shown]
        fit, _ = robust_similarity(mesh.vertices.astype(np.float64), there)
        distance = float(np.sqrt(((fit.apply(mesh.vertices) - there) ** 2).sum(1).mean()))
        found.append(Known(face, shown, fit, distance, distance > SAME * float(np.ptp(there, axis=0).max())))
    return min(found, key=lambda known: known.distance, default=None)


def edge_keys(mesh: Mesh, shown: Ints | None = None) -> NDArray[np.int64]:
    """The edges of a mesh's polygons, each as one number; ``shown`` (V,) renames its vertices."""
    ends = mesh.sides if shown is None else shown[mesh.sides].astype(np.int64)
    return np.unique(ends.min(axis=1) * 2**31 + ends.max(axis=1))


def same_edges(wanted: NDArray[np.int64], given: NDArray[np.int64]) -> bool:
    """Whether a mesh has a topology's edges, besides those that cut its polygons into triangles."""
    return len(wanted) > 0 and len(given) <= 2 * len(wanted) and float(np.isin(wanted, given).mean()) > _ALIKE


def exact_face(scene: Scene, known: Known, name: str) -> tuple[Face, RegistrationReport]:
    """A mesh of a built-in face's topology with that face's own shapes."""
    there, shown = known.face, known.shown
    vertices = known.to_face.apply(scene.mesh.vertices.astype(np.float64)).astype(np.float32)
    first = first_vertices(shown, len(there.mesh.vertices))
    face = replace(
        there,
        name=name,
        mesh=scene.mesh.with_vertices(vertices),
        basis=np.ascontiguousarray(there.basis[:, shown]),
        regions={region: mask[shown] for region, mask in there.regions.items()},
        landmarks=None if there.landmarks is None else first[there.landmarks],
    )
    report = measured(face, scene.mesh, known.to_face, fit_residual=known.distance if known.reshaped else 0.0)
    return face, replace(report, way=EXACT, basis=exact_basis(known), own_shapes=there.shapes)


# --- The second way: blend shapes of the file's or the rig's own on a registered face.

SIDE_BLEND = 0.12
"""Width of the transition at the midline where a target is split into sides, in outer-eye-corner distances."""
INNER = ("eyes", "upper_teeth", "lower_teeth", "tongue")
"""Regions that keep the fitted motion where none of the file's shapes moves them."""
STILL = 1e-5
"""Metres: a shape that moves a region less does not move it."""


def with_own_shapes(
    face: Face, report: RegistrationReport, given: BlendShapes, scene: Scene, way: str
) -> tuple[Face, RegistrationReport]:
    """A registered face with the blend shapes of its file in place of the fitted ones, as far as there are any.

    Correctives of replaced shapes go: they would repair what is not broken. That of a tongue which stays where it is
    while the jaw opens takes back the file's own opening. Eyeballs, teeth and tongue that none of the file's targets
    move keep the fitted motion.
    """
    size = float(np.ptp(scene.mesh.vertices, axis=0).max())
    own = own_shapes(given, face.shapes, size, lambda: left_share(face))
    if not own.offsets:
        raise InputError(f"{face.name}: its blend shapes move nothing: export them again, with their offsets")
    to_metres = report.scale * np.asarray(report.rotation)
    basis = face.basis.copy()
    for shape, offsets in own.offsets.items():
        basis[face.shape_index[shape]] = offsets @ to_metres.T
    kept, still = unmoved_parts(face, basis, list(own.offsets))
    basis[:, kept] = face.basis[:, kept]
    held = hold_the_tongue(face, basis) if "jawOpen" in own.offsets else []
    correctives = tuple(c for c in face.correctives if c.name in held or not set(c.sources) & set(own.offsets))
    rows = [*range(len(face.shapes))]
    rows += [len(face.shapes) + i for i, c in enumerate(face.correctives) if c in correctives]
    changed = replace(face, basis=np.ascontiguousarray(basis[rows]), correctives=correctives)
    similarity = Similarity(report.scale, np.asarray(report.rotation), np.asarray(report.translation))
    again = measured(changed, scene.mesh, similarity, fit_residual=report.fit_residual / 1000.0)
    return changed, replace(
        report,
        blink_gap=again.blink_gap,
        lip_gap=again.lip_gap,
        warnings=(*notes(own, face, still), *report.warnings),
        way=way,
        basis=own_basis(own.offsets, "the file's" if way == BLEND_SHAPES else "the rig's"),
        own_shapes=tuple(shape for shape in face.shapes if shape in own.offsets),
    )


def hold_the_tongue(face: Face, basis: Floats) -> list[str]:
    """Let what a face's tongue takes back of ``jawOpen`` take back that of a new basis; the correctives' names.

    Args:
        face: as it was fitted.
        basis: (K + C, V, 3) with the new ``jawOpen``; rows of these correctives change.
    """
    tongue = np.flatnonzero(face.regions.get("tongue", np.zeros(len(face.mesh.vertices), bool)))
    jaw = face.shape_index["jawOpen"]
    fitted = face.basis[jaw, tongue].astype(np.float64)
    size = np.maximum((fitted**2).sum(axis=1), 1e-12)
    names = []
    for row, corrective in enumerate(face.correctives, len(face.shapes)):
        if "jawOpen" in corrective.sources and any(name.startswith("tongueTip") for name in corrective.sources):
            share = np.clip(-(face.basis[row, tongue] * fitted).sum(axis=1) / size, 0.0, 1.0)
            basis[row, tongue] = -share[:, None] * basis[jaw, tongue]
            names.append(corrective.name)
    return names


def left_share(face: Face) -> Doubles:
    """Share (V,) of the subject's left side in each vertex of an upright face: 0 to 1, one half in the middle."""
    marks = face.marks
    outer = outer_eyes(marks)
    middle = float(marks[[27, 30, 33, 51, 57, 8], 0].mean())
    away = (face.mesh.vertices[:, 0].astype(np.float64) - middle) / (SIDE_BLEND * outer)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(4.0 * away, -50.0, 50.0))))


def unmoved_parts(face: Face, basis: Floats, own: list[str]) -> tuple[Mask, list[str]]:
    """Vertices (V,) of inner parts that none of the own shapes moves, and the names of these parts."""
    rows = [face.shape_index[shape] for shape in own]
    kept, still = np.zeros(len(face.mesh.vertices), bool), []
    for part in INNER:
        mask = face.regions.get(part)
        if mask is None or not mask.any() or float(np.abs(basis[rows][:, mask]).max(initial=0.0)) > STILL:
            continue
        kept |= mask
        if part != "upper_teeth":  # which rest anyway
            still.append(part.replace("_", " "))
    return kept, still


def notes(own: OwnShapes, face: Face, still: list[str]) -> list[str]:
    """Messages on the blend shapes of a file, one line each."""
    said: dict[str, Sequence[str]] = {
        "not among the blend shapes, so fitted": [s for s in ARKIT_52 if s in {*face.shapes} - {*own.offsets}],
        "blend shapes that move nothing": own.empty,
        "a second blend shape of one meaning is not used": own.doubled,
        "blend shapes without an ARKit name are not used": own.ignored,
    }
    found = [f"{what}: {listed(names)}" for what, names in said.items() if names]
    if still:
        found.append(f"no blend shape moves the {' or the '.join(still)}: they move as fitted")
    return found


def listed(names: Sequence[str], most: int = 8) -> str:
    """``a, b, c and 4 more``."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
