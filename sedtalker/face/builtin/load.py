"""Building a head from the parameter file and a character: its parts and its regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from sedtalker.arrays import Floats, Ints, Mask
from sedtalker.errors import InputError
from sedtalker.face.builtin.cage import PATCHES, Cage, fixed_arrays, patch, read_cage
from sedtalker.face.builtin.characters import Character
from sedtalker.face.builtin.creases import build_creases
from sedtalker.face.builtin.hair import above_hairline, build_brows, build_hair, build_lashes, still_scalp
from sedtalker.face.builtin.identity import Fitted, Parameters, apply_identity, read_parameters
from sedtalker.face.builtin.paint import paint_eyeball, paint_skin
from sedtalker.face.builtin.parts import Eyeball, Part, Points, Skin, build_collar, build_eyeball, flat_uvs
from sedtalker.face.builtin.shapes import (
    SHAPES,
    Neighbourhoods,
    correctives,
    eye_offsets,
    neighbourhoods,
    refine_skin,
    unfold,
)
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh

METRES = 0.01
"""Metres in a centimetre, the unit of this package."""
PIVOT = (0.0, -4.0, -0.5)
"""Top of the neck, centimetres."""
MOUTH = ("teeth_upper", "teeth_lower", "gums", "tongue")
"""Parts of the mouth, the same in all heads before they are placed."""


@dataclass(frozen=True, eq=False)
class _Base:
    """The head of neutral identity, from which all are made."""

    parameters: Parameters
    cage: Cage
    skin: Skin
    around: Neighbourhoods


@lru_cache(maxsize=1)
def _base() -> _Base:
    parameters, cage = read_parameters(), read_cage()
    skin = refine_skin(cage, parameters)
    return _Base(parameters, cage, skin, neighbourhoods(cage))


def build_face(character: Character) -> Face:
    """The face of a character.

    Raises:
        InputError: the character has an unknown identity direction or resting shape.
    """
    base = _base()
    fitted = apply_identity(base.cage, base.parameters, character.identity)
    parameters = _rested(_strengthened(fitted.parameters, character.strength), character.resting)
    skin = still_scalp(refine_skin(base.cage, parameters), base.skin)
    skin = unfold(base.skin, skin, base.around, correctives(parameters))
    parts = _build_parts(base, skin, parameters, fitted, character)
    return assemble(base, skin, parts, parameters, character.name)


def _both_sides(parameters: Parameters, name: str) -> list[str]:
    found = [name] if name in parameters.shapes else [name + "Left", name + "Right"]
    if not set(found) <= set(parameters.shapes):
        raise InputError(f"unknown shape '{name}'")
    return found


def _strengthened(parameters: Parameters, strength: Mapping[str, float]) -> Parameters:
    """The head with some shapes' offsets multiplied."""
    offsets = parameters.offsets.astype(np.float32)
    for name, factor in strength.items():
        offsets[[parameters.shapes.index(shape) for shape in _both_sides(parameters, name)]] *= factor
    return replace(parameters, offsets=offsets)


def _rested(parameters: Parameters, resting: Mapping[str, float]) -> Parameters:
    """The head with expressions taken into its neutral face; each such shape keeps its full pose."""
    cage, offsets = parameters.cage.astype(float), parameters.offsets.astype(np.float32)
    for name, weight in resting.items():
        for shape in _both_sides(parameters, name):
            row = parameters.shapes.index(shape)
            change = weight * offsets[row]
            if shape in parameters.correctives:
                bump = parameters.corrective_offsets[parameters.correctives.index(shape)]
                change = change + 4 * weight * (1 - weight) * bump
            cage += change
            offsets[row] -= change
    return replace(parameters, cage=cage.astype(np.float32), offsets=offsets)


def _build_parts(base: _Base, skin: Skin, parameters: Parameters, fitted: Fitted, character: Character) -> list[Part]:
    palette = character.palette
    marks = skin.vertices[parameters.landmarks]
    colours = paint_skin(base.cage, skin.vertices, marks, above_hairline(base.skin.vertices, along=True), palette)
    neck = base.parameters.landmarks[8]
    return [
        Part("skin", skin.vertices, skin.quads, colours, skin.offsets, base.cage.uvs),
        *_eyes(base.parameters, fitted, character),
        *(fitted.mouth.move(Part(name, **fixed_arrays(name))) for name in MOUTH),
        build_brows(skin, marks, colours, character),
        build_lashes(base.cage, skin, character),
        build_creases(base.skin, skin, colours, character.creases, character.lines),
        build_hair(base.skin, skin, character.hair, palette),
        build_collar(len(skin.offsets), palette.cloth, *_neck(base.skin.vertices, skin.vertices, int(neck))),
    ]


def _neck(before: Points, after: Points, chin: int) -> tuple[float, float]:
    """Widening of the neck, and rise of its lower end."""
    low = before[:, 1] < before[chin, 1] - 2.0
    return float(np.ptp(after[low, 0]) / np.ptp(before[low, 0])), float((after[low, 1] - before[low, 1]).mean())


def _eyes(parameters: Parameters, fitted: Fitted, character: Character) -> list[Part]:
    parts = []
    for side, sign, placement in (("Left", 1.0, fitted.eyes[0]), ("Right", -1.0, fitted.eyes[1])):
        centre = parameters.eye_centre.astype(float) * (sign, 1, 1)
        vertices, quads, degrees = build_eyeball(Eyeball(centre, parameters.eye_radius), character.iris)
        offsets = eye_offsets(parameters, vertices, centre, side)
        uvs = flat_uvs(vertices, quads, (0.24 if sign > 0 else 0.40, 0.82), 0.14)
        colours = paint_eyeball(degrees, character.palette)
        parts.append(placement.move(Part(f"eye_{side.lower()}", vertices, quads, colours, offsets, uvs)))
    return parts


def assemble(base: _Base, skin: Skin, parts: list[Part], parameters: Parameters, name: str) -> Face:
    """Join the parts into one face, in metres."""
    counts = [len(p.vertices) for p in parts]
    starts = np.concatenate([[0], np.cumsum(counts)])
    quads = np.concatenate([p.quads + s for p, s in zip(parts, starts[:-1], strict=True)])
    uvs = np.concatenate([p.uvs.reshape(-1, 2) for p in parts])
    unique, corners = np.unique(np.round(uvs, 5), axis=0, return_inverse=True)
    mesh = Mesh(
        vertices=np.concatenate([p.vertices for p in parts]).astype(np.float32) * np.float32(METRES),
        polygon_sizes=np.full(len(quads), 4, np.int32),
        polygon_vertices=quads.reshape(-1).astype(np.int32),
        uvs=unique.astype(np.float32),
        polygon_uvs=corners.reshape(-1).astype(np.int32),
        colours=np.concatenate([p.colours for p in parts]).astype(np.float32),
        group_names=tuple(p.name for p in parts),
        polygon_groups=np.repeat(np.arange(len(parts)), [len(p.quads) for p in parts]).astype(np.int32),
    )
    basis: Floats = np.concatenate([p.offsets for p in parts], axis=1).astype(np.float32)
    basis *= np.float32(METRES)
    regions = part_regions(parts) | skin_regions(base.cage, skin.vertices, parameters.landmarks, int(starts[-1]))
    return Face(
        name=name,
        mesh=mesh,
        shapes=SHAPES,
        basis=np.ascontiguousarray(basis),
        correctives=correctives(parameters),
        regions=regions,
        landmarks=parameters.landmarks.astype(np.int32),
        pivot=np.array(PIVOT, np.float32) * np.float32(METRES),
    )


# --- Named vertex masks.

OF_PARTS = {
    "skin": ("skin",), "eyes": ("eye_left", "eye_right"), "teeth": ("teeth_upper", "teeth_lower"),
    "upper_teeth": ("teeth_upper",), "lower_teeth": ("teeth_lower",), "gums": ("gums",), "tongue": ("tongue",),
    "brows": ("brows",), "lashes": ("lashes",), "creases": ("creases",), "hair": ("hair",), "collar": ("collar",),
}  # fmt: skip
"""Regions that are whole parts of the mesh."""


NOSTRIL = 1.0
"""Ring from which a nostril is its inside."""


def part_regions(parts: list[Part]) -> dict[str, Mask]:
    """Masks over all vertices that are whole parts."""
    owner = np.repeat([p.name for p in parts], [len(p.vertices) for p in parts])
    masks = {region: np.isin(owner, names) for region, names in OF_PARTS.items()}
    return {region: mask for region, mask in masks.items() if mask.any()}


def skin_regions(cage: Cage, vertices: Points, landmarks: Ints, count: int) -> dict[str, Mask]:
    """Masks over all ``count`` vertices that lie on the skin (the first vertices)."""
    marks = vertices[landmarks]
    ring, height = cage.place(patch("mouth"))
    lips = (ring >= 3.9) & (ring <= 7.1)
    socket = ring > 7.1
    lids = np.zeros(len(vertices), bool)
    ears = np.zeros(len(vertices), bool)
    nostrils = np.zeros(len(vertices), bool)
    for p in PATCHES:
        at = cage.place(p)[0]
        lids |= (at >= 1.9) & p.name.startswith("eye")
        ears |= (at >= 1.0) & p.name.startswith("ear")
        nostrils |= (at >= NOSTRIL) & p.name.startswith("nostril")
    front = vertices[:, 2] > 2.0
    y = vertices[:, 1]
    jaw = np.interp(vertices[:, 2], [2.0, 6.0, 10.0], [-5.5, marks[5, 1] - 0.6, marks[8, 1] - 0.7])
    neck = (y < jaw) & ~socket
    middle = marks[29, 1]
    chosen = {
        "lips": lips,
        "upper_lip": lips & (height >= 0),
        "lower_lip": lips & (height <= 0),
        "mouth_socket": socket,
        "eyelids": lids,
        "ears": ears,
        "nostrils": nostrils,
        "neck": neck,
        "upper_face": front & (y >= middle) & ~socket & ~ears,
        "lower_face": front & (y < middle) & ~socket & ~ears & ~neck,
    }
    return {name: np.concatenate([mask, np.zeros(count - len(mask), bool)]) for name, mask in chosen.items()}
