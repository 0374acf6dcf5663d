"""A face: a mesh, its regions and its deformation basis."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.errors import InputError
from sedtalker.mesh.mesh import Floats, Ints, Mask, Material, Mesh


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
            tongue skin hair neck`` where the mesh has them.
        landmarks: (68,) int32 vertex of each Multi-PIE/iBUG landmark, or None.
        pivot: (3,) float32, metres: the point the head rotates about (top of the neck).
    """

    name: str
    mesh: Mesh
    shapes: tuple[str, ...]
    basis: Floats
    correctives: tuple[Corrective, ...] = ()
    regions: dict[str, Mask] = field(default_factory=dict)
    landmarks: Ints | None = None
    pivot: Floats = field(default_factory=lambda: np.zeros(3, np.float32))

    def __post_init__(self) -> None:
        expected = (len(self.shapes) + len(self.correctives), len(self.mesh.vertices), 3)
        if self.basis.shape != expected:
            raise ValueError(f"basis has shape {self.basis.shape}, expected {expected}")

    @cached_property
    def shape_index(self) -> dict[str, int]:
        """Position of each shape's coefficient."""
        return {name: i for i, name in enumerate(self.shapes)}

    @cached_property
    def flat_basis(self) -> Floats:
        """(K + C, 3V) view of the basis: one matrix product makes a frame."""
        return self.basis.reshape(len(self.basis), -1)

    def with_rest(self, coefficients: NDArray[np.floating]) -> Floats:
        """Coefficients (T, k) of the first k shapes, the other shapes at zero: (T, K)."""
        missing = len(self.shapes) - coefficients.shape[1]
        return np.pad(np.asarray(coefficients, np.float32), ((0, 0), (0, missing)))

    def expand(self, coefficients: NDArray[np.floating]) -> Floats:
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

    def deform(self, coefficients: NDArray[np.floating]) -> Floats:
        """Vertices (T, V, 3) in metres, without head motion, for coefficients (T, K)."""
        offsets = self.expand(coefficients) @ self.flat_basis
        return self.mesh.vertices[None] + offsets.reshape(len(offsets), -1, 3)

    @staticmethod
    def random(seed: int) -> Face:
        """A plausible stranger with the built-in topology and shapes; the same seed gives the same face."""
        from sedtalker.face.builtin import random_face

        return random_face(seed)


# --- Which vertices follow the head when it turns.

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


# --- Coefficients from shape names, as a person writes them.

SIDES = ("Left", "Right")
LARGEST = 3.0


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
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`sedtalker face list --json` names them"
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


# --- A face as plain arrays, for animation files and the registration cache.

Arrays = dict[str, NDArray[Any]]


def face_arrays(face: Face) -> Arrays:
    """Everything of a face as arrays without objects: nothing needs pickling."""
    mesh = face.mesh
    arrays: Arrays = {
        "face_vertices": mesh.vertices,
        "face_polygon_sizes": mesh.polygon_sizes,
        "face_polygon_vertices": mesh.polygon_vertices,
        "face_basis": face.basis,
        "face_pivot": face.pivot,
        "face_shapes": np.array(face.shapes, dtype=np.str_),
    }
    optional = {
        "face_uvs": mesh.uvs,
        "face_polygon_uvs": mesh.polygon_uvs,
        "face_colours": mesh.colours,
        "face_polygon_groups": mesh.polygon_groups,
        "face_landmarks": face.landmarks,
    }
    arrays |= {name: array for name, array in optional.items() if array is not None}
    if face.regions:
        arrays["face_regions"] = np.stack(list(face.regions.values()))
    for k, material in enumerate(mesh.materials):
        if material is not None and material.texture is not None:
            arrays[f"face_texture_{k}"] = np.frombuffer(material.texture, np.uint8)
    described = {
        "name": face.name,
        "materials": [None if m is None else {**asdict(m), "texture": None} for m in mesh.materials],
        "groups": list(mesh.group_names),
        "regions": list(face.regions),
        "correctives": [[c.name, list(c.sources), c.gain, c.beyond] for c in face.correctives],
    }
    arrays["face_json"] = np.array(json.dumps(described, ensure_ascii=False), dtype=np.str_)
    return arrays


def face_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Face:
    """The face that ``face_arrays`` took apart.

    Raises:
        KeyError, ValueError: the arrays are not those of a face.
    """
    described = json.loads(str(arrays["face_json"]))
    optional = {key: arrays.get(f"face_{key}") for key in ("uvs", "polygon_uvs", "colours", "polygon_groups")}
    mesh = Mesh(
        vertices=arrays["face_vertices"],
        polygon_sizes=arrays["face_polygon_sizes"],
        polygon_vertices=arrays["face_polygon_vertices"],
        group_names=tuple(described["groups"]),
        materials=tuple(_material(arrays, k, told) for k, told in enumerate(described.get("materials", ()))),
        **optional,
    )
    return Face(
        name=described["name"],
        mesh=mesh,
        shapes=tuple(str(name) for name in arrays["face_shapes"]),
        basis=arrays["face_basis"],
        correctives=tuple(Corrective(name, tuple(sources), *how) for name, sources, *how in described["correctives"]),
        regions=dict(zip(described["regions"], arrays.get("face_regions", ()), strict=True)),
        landmarks=arrays.get("face_landmarks"),
        pivot=arrays["face_pivot"],
    )


def _material(arrays: Mapping[str, NDArray[Any]], k: int, told: dict[str, Any] | None) -> Material | None:
    if told is None:
        return None
    texture = arrays.get(f"face_texture_{k}")
    data = None if texture is None else texture.astype(np.uint8).tobytes()
    return Material(**{**told, "colour": tuple(told["colour"]), "texture": data})
