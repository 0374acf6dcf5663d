"""Building the head from its parameter file."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sedtalker.face.builtin.brows import build_brows, build_lashes
from sedtalker.face.builtin.cage import Cage, build_cage
from sedtalker.face.builtin.eyes import Eyeball, build_eyeball
from sedtalker.face.builtin.hair import build_collar, build_hair
from sedtalker.face.builtin.mouth import LOWER_SCALE, Arch, build_gum, build_teeth, build_tongue
from sedtalker.face.builtin.paint import GUM, TONGUE, paint_eyeball, paint_skin, paint_soft, paint_teeth
from sedtalker.face.builtin.parameters import Parameters, read_parameters
from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs
from sedtalker.face.builtin.regions import part_regions, skin_regions
from sedtalker.face.builtin.shapes import SHAPES, correctives, eye_offsets, jaw_offsets, refine_skin, tongue_offsets
from sedtalker.face.builtin.uv import skin_uvs
from sedtalker.face.face import Face
from sedtalker.face.mesh import Mesh

METRES = 0.01
PIVOT = (0.0, -4.0, -0.5)
"""Top of the neck, centimetres."""
MOUTH_UPPER_CONTACT = 62


@lru_cache(maxsize=1)
def load_builtin() -> Face:
    """The built-in head: skin first, then its other parts, always in the same order.

    Shapes are the 52 of ARKit followed by ``tongueUp``, ``tongueWide`` and ``tongueRoll``. Landmarks 62 and 66 are
    the middles of the upper and lower lip's contact line: their distance is the inner lip height.
    """
    parameters, cage = read_parameters(), build_cage()
    skin = refine_skin(cage, parameters)
    parts = _build_parts(cage, skin, parameters)
    return assemble(cage, skin, parts, parameters)


def _build_parts(cage: Cage, skin: Skin, parameters: Parameters) -> list[Part]:
    marks = skin.vertices[parameters.landmarks]
    parts = [
        Part("skin", skin.vertices, skin.quads, paint_skin(cage, skin.vertices, marks), skin.offsets, skin_uvs(cage))
    ]
    parts += _eyes(parameters)
    parts += _mouth(parameters, marks[MOUTH_UPPER_CONTACT])
    parts += [
        build_brows(skin, marks, parts[0].colours),
        build_lashes(cage, skin),
        build_hair(skin),
        build_collar(skin),
    ]
    return parts


def _eyes(parameters: Parameters) -> list[Part]:
    parts = []
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        centre = parameters.eye_centre.astype(float) * (sign, 1, 1)
        vertices, quads, degrees = build_eyeball(Eyeball(centre, parameters.eye_radius))
        offsets = eye_offsets(parameters, vertices, centre, side)
        uvs = flat_uvs(vertices, quads, (0.24 if sign > 0 else 0.40, 0.82), 0.14)
        parts.append(Part(f"eye_{side.lower()}", vertices, quads, paint_eyeball(degrees), offsets, uvs))
    return parts


def _mouth(parameters: Parameters, contact: Points) -> list[Part]:
    front = float(contact[2]) - 0.92
    upper = Arch(front, float(contact[1]) - 0.26, 1.0, 1.0)
    lower = Arch(front - 0.22, float(contact[1]) - 0.22, LOWER_SCALE, -1.0)
    still = np.zeros((len(SHAPES) + len(parameters.correctives), 1, 3), np.float32)
    parts = []
    for name, arch, corner in (("teeth_upper", upper, 0.56), ("teeth_lower", lower, 0.70)):
        vertices, quads = build_teeth(arch)
        offsets = jaw_offsets(parameters, vertices) if arch is lower else np.repeat(still, len(vertices), axis=1)
        colours = paint_teeth(vertices, arch.edge, arch.direction, front)
        parts.append(Part(name, vertices, quads, colours, offsets, flat_uvs(vertices, quads, (corner, 0.82), 0.12)))
    gums = [build_gum(upper), build_gum(lower)]
    vertices = np.concatenate([g[0] for g in gums])
    quads = np.concatenate([gums[0][1], gums[1][1] + len(gums[0][0])])
    offsets = np.repeat(still, len(gums[0][0]), axis=1)
    offsets = np.concatenate([offsets, jaw_offsets(parameters, gums[1][0])], axis=1)
    colours = paint_soft(vertices, GUM, front)
    parts.append(Part("gums", vertices, quads, colours, offsets, flat_uvs(vertices, quads, (0.84, 0.82), 0.07)))
    vertices, quads, place = build_tongue(lower)
    offsets = tongue_offsets(parameters, vertices, place, front)
    colours = paint_soft(vertices, TONGUE, front)
    parts.append(Part("tongue", vertices, quads, colours, offsets, flat_uvs(vertices, quads, (0.92, 0.82), 0.07)))
    return parts


def assemble(cage: Cage, skin: Skin, parts: list[Part], parameters: Parameters) -> Face:
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
    basis = np.concatenate([p.offsets for p in parts], axis=1).astype(np.float32)
    basis *= np.float32(METRES)
    regions = part_regions(parts) | skin_regions(cage, skin.vertices, parameters.landmarks, int(starts[-1]))
    return Face(
        name="builtin",
        mesh=mesh,
        shapes=SHAPES,
        basis=np.ascontiguousarray(basis),
        correctives=correctives(parameters),
        regions=regions,
        landmarks=parameters.landmarks.astype(np.int32),
        pivot=np.array(PIVOT, np.float32) * np.float32(METRES),
    )
