"""A face: a mesh, its regions and its linear blend shapes, and how a mesh became it.

The class stands at the bottom of the package: everything that makes, reads or fits faces imports it. Its constructors
(``Face.builtin``, ``Face.from_mesh``, ``Face.load``) live higher up, in ``sedtalker.face.sources``, which
is imported when the first of them is called.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from sedtalker.arrays import Doubles, Floats, Ints, Mask, Reals
from sedtalker.errors import InputError, meant
from sedtalker.mesh.mesh import Mesh, Scene
from sedtalker.plugins import plugin
from sedtalker.progress import Hook, no_progress


@dataclass(frozen=True)
class Corrective:
    """A shape that repairs what named shapes do together.

    ``value = gain · Π value(source)`` for several sources; with one source, the half-way bump ``4 w (1 − w)``; where
    ``beyond``, how far the first source exceeds the second, ``gain · max(0, first − second)``.
    """

    name: str
    sources: tuple[str, ...]
    gain: float = 1.0
    beyond: bool = False


@dataclass(frozen=True)
class RegistrationReport:
    """Report on how a mesh was fitted.

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
        added_vertices: how many come after the file's own, where a mouth was cut open, or parts were added.
        added_parts: what was added behind lips and lids: ``bag``, ``teeth``, ``tongue``, ``eyeballs``.
        behind_lips: what is seen between open lips, most of it first; mouth_share: how much of it belongs to a mouth,
            in [0, 1]; None where the lips are sealed.
        distinct, alike: least distance of two emotions, or of one from the face at rest, over the source's, and which
            they are; motion_size: how far the shapes move beside the source's, median; asymmetry: how much the halves
            of paired shapes differ in size, median, in [0, 1].
        gains: factors that the shapes of a region of the face were given.
        raised: factors of shapes, by the beginning of their names, that make emotions visible; visible, faintest: how
            much one sees of the emotion that is seen least beside the source, and which it is.
        eyes_shut: the lids lie together at rest.
        broken: share of the face that looks broken at rest (``artefact_share``); None where it was not looked at.
        lids_open: of what the eyes show at rest, the share that shut lids leave open or show from within, of the worse
            eye; breaks: share of the face that looks broken in the worst of some poses and not at rest, and
            breaks_in: which pose that is (``worst_pose``).
        abduction: degrees that the eyes have room to turn aside (``abduction``); None without open lids before balls.
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
    added_parts: tuple[str, ...] = ()
    behind_lips: tuple[str, ...] = ()
    mouth_share: float | None = None
    distinct: float | None = None
    alike: tuple[str, ...] = ()
    motion_size: float | None = None
    asymmetry: float | None = None
    gains: dict[str, float] = field(default_factory=dict)
    eyes_shut: bool = False
    broken: float | None = None
    lids_open: float | None = None
    breaks: float | None = None
    breaks_in: str = ""
    abduction: float | None = None
    raised: dict[str, float] = field(default_factory=dict)
    visible: float | None = None
    faintest: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def report_from_json(text: str) -> RegistrationReport:
    """Read what ``to_json`` wrote.

    Raises:
        ValueError: it is not such a report.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(RegistrationReport).validate_json(text)


_PIECE = 6144
"""Columns of the basis that are turned to double precision at a time."""


@dataclass(frozen=True, eq=False)
class Face:
    """A mesh that can be animated by a few coefficients a frame.

    Attributes:
        name: what the user calls it.
        mesh: the neutral face, as the source file had it.
        shapes: (K,) names of the coefficients; for the built-in face and for registered meshes the ARKit-52 first, in
            the order of ``ARKIT_52``, then any extra shapes.
        basis: (K + C, V, 3) float32, metres: offsets at coefficient 1 of each shape, then of each corrective.
        correctives: (C,) shapes driven by the coefficients, never set by hand.
        regions: named vertex masks (V,) bool: ``lips upper_face lower_face eyes eyelids teeth upper_teeth lower_teeth
            tongue skin hair neck`` where the mesh has them, and ``others``: what belongs to other people in its file.
        landmarks: (68,) int32 vertex of each Multi-PIE/iBUG landmark, or None.
        pivot: (3,) float32, metres: the point the head rotates about (top of the neck).
        report: how a mesh became this face; None for the built-in faces.
        file: the GLB or VRM that the mesh was read from, into which an exported animation can go; None for all others.
    """

    name: str
    mesh: Mesh
    shapes: tuple[str, ...]
    basis: Floats
    correctives: tuple[Corrective, ...] = ()
    regions: dict[str, Mask] = field(default_factory=dict)
    landmarks: Ints | None = None
    pivot: Floats = field(default_factory=lambda: np.zeros(3, np.float32))
    report: RegistrationReport | None = None
    file: Path | None = None

    @classmethod
    def builtin(cls, name: str | None = None, *, seed: int | None = None) -> Face:
        """A built-in face, or a random one of the built-in topology and shapes.

        Args:
            name: one of those that ``sedtalker face list`` names, or ``random-SEED``; by default ``builtin``.
            seed: of a random face, in place of a name; the same seed gives the same face.

        Raises:
            InputError: there is no face of that name; the message lists those there are.
        """
        return cast(Face, plugin("face sources").builtin_face(name, seed))

    @classmethod
    def from_mesh(
        cls,
        mesh: Path | str | Mesh | Scene,
        *,
        head: int | None = None,
        landmarks: Path | str | ArrayLike | None = None,
        rig: Path | str | None = None,
        open_mouth: bool = False,
        mouth: str = "auto",
        eyes: str = "auto",
        strength: float = 1.0,
        hook: Hook = no_progress,
    ) -> Face:
        """A head mesh of any topology, unit and orientation as a face; its vertices, order and polygons stay.

        The shapes come from, in this order: the topology, where it is a built-in face's or the ``rig``'s; the file's
        own blend shapes with ARKit names; registration, which fits the built-in face's shapes. ``face.report`` says
        which it was and what was found. A mesh is registered once: results are cached by content.

        Args:
            mesh: an OBJ, GLB, glTF, USD, PLY, STL or OFF file, a ``.sedface`` file, or a mesh in memory.
            head: which of several heads in the file, counted from 1; by default the largest figure's.
            landmarks: where eyes, nose and mouth are, instead of looking for them: a JSON file (docs/mesh.md) or
                points (68, 3) in the mesh's coordinates, NaN where unknown.
            rig: blend shapes of this topology: a folder of OBJ files, a ``.npz``, or a GLB or USD file.
            open_mouth: cut sealed lips apart, which adds vertices.
            mouth: what comes behind lips that open: ``auto`` adds what is missing of bag, teeth and tongue, after the
                file's own vertices; ``keep`` adds nothing and warns where no mouth is there; ``none`` does not warn.
            eyes: what comes behind lids that are open: ``auto`` adds eyeballs where nothing is, after the file's own
                vertices; ``keep`` adds none; ``add`` puts them in front of flat eyes too.
            strength: factor of all expressions, 0.3 to 2; blinks, gaze and the jaw stay.
            hook: receives the progress, see ``sedtalker.progress``.

        Raises:
            InputError: the file cannot be read, or no face is found on it.
        """
        options = {"head": head, "open_mouth": open_mouth, "mouth": mouth, "eyes": eyes, "strength": strength}
        return cast(Face, plugin("face sources").face_from_mesh(mesh, landmarks, rig, options, hook))

    @classmethod
    def load(cls, path: Path | str) -> Face:
        """The face in a ``.sedface`` file.

        Raises:
            InputError: the file is missing, too large, or no such file.
        """
        return cast(Face, plugin("face sources").read_sedface(Path(path)))

    def save(self, path: Path | str) -> None:
        """Write the face as a ``.sedface`` file, with its report; the file appears whole or not at all."""
        plugin("face sources").save_face_file(Path(path), self)

    @property
    def provenance(self) -> dict[str, Any]:
        """Origin of the face for the provenance of animations: its name and its report."""
        known = {"face": self.name}
        return known if self.report is None else {**known, "registration": json.loads(self.report.to_json())}

    def __post_init__(self) -> None:
        expected = (len(self.shapes) + len(self.correctives), len(self.mesh.vertices), 3)
        if self.basis.shape != expected:
            raise ValueError(f"basis has shape {self.basis.shape}, expected {expected}")

    @cached_property
    def shape_index(self) -> dict[str, int]:
        """Position of each shape's coefficient."""
        return {name: i for i, name in enumerate(self.shapes)}

    @property
    def basis_names(self) -> tuple[str, ...]:
        """(K + C,) names of the shapes, then of the correctives."""
        return (*self.shapes, *(corrective.name for corrective in self.correctives))

    @property
    def marks(self) -> Doubles:
        """Where the landmarks are (68, 3), metres; the face has some."""
        assert self.landmarks is not None
        return self.mesh.vertices[self.landmarks].astype(np.float64)

    @cached_property
    def flat_basis(self) -> Floats:
        """(K + C, 3V) view of the basis: one matrix product makes a frame."""
        return self.basis.reshape(len(self.basis), 3 * len(self.mesh.vertices))

    @cached_property
    def gram(self) -> Doubles:
        """(K + C, K + C) inner products of the basis: the energy of any motion without its vertices, metres²."""
        products = np.zeros((len(self.basis), len(self.basis)))
        for start in range(0, self.flat_basis.shape[1], _PIECE):
            piece = self.flat_basis[:, start : start + _PIECE].astype(np.float64)
            products += piece @ piece.T
        return products

    def with_rest(self, coefficients: Reals) -> Floats:
        """Coefficients (T, k) of the first k shapes, the other shapes at zero: (T, K)."""
        missing = len(self.shapes) - coefficients.shape[1]
        return np.pad(np.asarray(coefficients, np.float32), ((0, 0), (0, missing)))

    def expand(self, coefficients: Reals) -> Floats:
        """Coefficients (T, K) with the correctives' values appended: (T, K + C)."""
        named = np.asarray(coefficients, dtype=np.float32)
        if named.ndim != 2 or named.shape[1] != len(self.shapes):
            raise ValueError(f"expected (T, {len(self.shapes)}) coefficients, got {named.shape}")
        extra = []
        for corrective in self.correctives:
            values = [np.clip(named[:, self.shape_index[s]], 0.0, 1.0) for s in corrective.sources]
            if corrective.beyond:
                value = np.maximum(values[0] - values[1], 0.0)
            else:
                value = 4.0 * values[0] * (1.0 - values[0]) if len(values) == 1 else np.prod(values, axis=0)
            extra.append(corrective.gain * value)
        return np.concatenate([named, *[e[:, None] for e in extra]], axis=1).astype(np.float32)

    def deform(self, coefficients: Reals) -> Floats:
        """Vertices (T, V, 3) in metres, without head motion, for coefficients (T, K)."""
        offsets = self.expand(coefficients) @ self.flat_basis
        return self.mesh.vertices[None] + offsets.reshape(len(offsets), *self.mesh.vertices.shape)


# --- Which vertices follow the head when it turns.

_FULL, _NONE = 0.05, 0.85
"""Top and bottom of the neck below the chin, in units of the eyes' height over the chin."""
_NEAR, _AWAY = 3.5, 4.5
"""Limits of the widest hair beside and behind the eyes, beyond which nothing belongs to the head, in the same units."""


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
    if "others" in face.regions:
        share[face.regions["others"]] = 0.0
    return (share * share * (3.0 - 2.0 * share)).astype(np.float32)


def turn_head(vertices: Reals, turns: Reals, pivot: Floats, weights: Floats) -> Floats:
    """Vertices (T, V, 3) with the head turned by rotation matrices (T, 3, 3) about ``pivot``: linear blend skinning."""
    still = np.asarray(vertices, dtype=np.float32)
    centred = still - pivot
    change = np.einsum("tij,tvj->tvi", np.asarray(turns, dtype=np.float32) - np.eye(3, dtype=np.float32), centred)
    return still + weights[:, None] * change


# --- Coefficients from shape names, as a person writes them.

SIDES = ("Left", "Right")
"""Suffixes of a shape's two halves, the subject's left first."""
LARGEST = 3.0
"""Greatest weight, of either sign, that a shape may be given by hand; 1 is the full shape."""


def outer_eyes(marks: Reals) -> float:
    """Distance of the outer corners of the eyes among landmarks (68, 3): the unit of sizes on a face."""
    return float(np.linalg.norm(marks[45] - marks[36]))


def sides(face: Face, name: str) -> tuple[str, ...]:
    """Shapes of ``face`` that a name stands for: itself, or its left and right half (``mouthSmile``).

    Raises:
        InputError: there is no such shape.
    """
    if name in face.shape_index:
        return (name,)
    if name in paired_names(face.shapes):
        return tuple(name + side for side in SIDES)
    known = [*paired_names(face.shapes), *face.shapes]
    hint = meant(name, known, likeness=0.5) or "`sedtalker face list --json` names them"
    raise InputError(f"{face.name} has no shape '{name}': {hint}")


def paired_names(shapes: Sequence[str]) -> list[str]:
    """Names of shapes, left and right halves as one; a jaw or a mouth going left or right is no half of anything."""
    names = []
    for shape in shapes:
        stem = shape.removesuffix("Left").removesuffix("Right")
        paired = stem not in ("jaw", "mouth") and all(stem + side in shapes for side in SIDES)
        names.append(stem if paired else shape)
    return list(dict.fromkeys(names))


def pose(face: Face, weights: Mapping[str, float]) -> Floats:
    """(K,) coefficients; a name without a side sets both sides.

    Raises:
        InputError: there is no such shape.
    """
    row = np.zeros(len(face.shapes), np.float32)
    for name, weight in weights.items():
        for shape in sides(face, name):
            row[face.shape_index[shape]] = weight
    return row


def parse_weights(words: Iterable[str]) -> dict[str, float]:
    """``jawOpen:0.5`` or ``jawOpen`` (1) each, as weights by name.

    Raises:
        InputError: not a number, or one beyond ±3.
    """
    weights = {}
    for word in words:
        name, colon, text = word.partition(":")
        try:
            weight = float(text) if colon else 1.0
        except ValueError:
            raise InputError(f"'{word}' is not SHAPE:WEIGHT, such as jawOpen:0.5") from None
        if not -LARGEST <= weight <= LARGEST:
            raise InputError(f"'{word}': a weight lies between {-LARGEST:g} and {LARGEST:g}; 1 is the full shape")
        weights[name] = weight
    return weights
