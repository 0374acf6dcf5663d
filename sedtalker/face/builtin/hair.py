"""Hair, brows and lashes of the built-in heads.

Hairstyles are locks that lie over the head of neutral identity (``fixed_arrays``) and are fitted to any other. Brows
and lashes are thin quads on the skin, so that every expression carries them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.face.builtin.cage import EYE_EDGE, EYE_RIM, Cage, fixed_arrays, patch
from sedtalker.face.builtin.characters import Brows, Character, HairStyle, Palette
from sedtalker.face.builtin.creases import flipped, glue_front, reflected, ride
from sedtalker.face.builtin.parts import Part, Points, Skin, flat_uvs
from sedtalker.mesh.mesh import grid_quads
from sedtalker.mesh.surface import picks

# --- The hairline, and the hair that lies above it.

HEAD = np.array([0.0, 3.5, -0.5])
"""Centre from which places are directions, centimetres."""
LINE_AZIMUTH = (0, 14, 26, 36, 46, 56, 64, 69, 74, 80, 88, 97, 106, 114, 123, 136, 152, 180)
"""Degrees from the front at which the height of the hairline is given."""
LINE_HEIGHT = (9.3, 9.5, 9.6, 9.2, 8.2, 6.7, 4.5, 2.4, 1.2, 2.2, 3.9, 4.3, 3.5, 1.4, -1.4, -3.7, -4.9, -5.2)
"""Height of the hairline by azimuth from the front, centimetres, on the head of neutral identity."""
FADE_START, FADE_END = -1.5, 0.3
"""Heights over the hairline between which the skin ceases to move, centimetres."""
CARRIERS, SOFT = 12, 0.6
"""Vertices of the skin that carry a root of hair, and how much farther than the nearest they are, centimetres."""


def hairline(azimuth: Doubles, order: int = 0) -> Doubles:
    """Height (cm) of the hairline at azimuths in degrees to either side, or its derivative of an order, cm a degree."""
    return PchipInterpolator(LINE_AZIMUTH, LINE_HEIGHT)(np.abs((azimuth + 180) % 360 - 180), order)


def above_hairline(vertices: Points, along: bool = False) -> Doubles:
    """(V,) how far points lie above the hairline, centimetres; or ``along`` the skin: less where it is steep."""
    azimuth = np.degrees(np.arctan2(vertices[:, 0], vertices[:, 2] - HEAD[2]))
    degree = np.radians(1.0) * np.maximum(np.linalg.norm((vertices - HEAD)[:, [0, 2]], axis=1), 6.0)
    return (vertices[:, 1] - hairline(azimuth)) / (np.hypot(1.0, hairline(azimuth, 1) / degree) if along else 1.0)


def still_scalp(skin: Skin, base: Skin) -> Skin:
    """The skin with shapes that fade out towards the hairline of ``base``, the head of neutral identity: hair does not
    move with the brows."""
    t = np.clip((FADE_END - above_hairline(base.vertices)) / (FADE_END - FADE_START), 0, 1)
    return replace(skin, offsets=skin.offsets * (t * t * (3 - 2 * t)).astype(np.float32)[:, None])


def scalp_of(skin: Skin) -> Mask:
    """(V,) vertices of the skin that can carry hair: the head without its ears."""
    return (skin.vertices[:, 1] > -11) & (np.linalg.norm(skin.vertices - HEAD, axis=1) > 5) & ~skin.ears


def build_hair(base: Skin, skin: Skin, style: HairStyle, palette: Palette) -> Part:
    """Hair of a style on ``skin``; ``base`` is the head of neutral identity. It moves with the skull alone."""
    laid = fixed_arrays(f"hair_{style}")
    weights = _glue(base, laid["roots"])
    moved = laid["vertices"] + weights @ (skin.vertices - base.vertices)
    hair, light = np.array(palette.hair), np.array(palette.hair_light)
    colours = (hair + laid["tones"][:, :1] * (light - hair)) * laid["tones"][:, 1:]
    uvs = flat_uvs(laid["vertices"], laid["quads"], (0.18, 0.79), 0.05)
    still = np.zeros((len(skin.offsets), *moved.shape), np.float32)
    return Part("hair", moved, laid["quads"], np.clip(colours, 0, 1), still, uvs)


def _glue(skin: Skin, roots: Points) -> sparse.csr_matrix:
    """Weights (n, V) of the vertices of the scalp that are nearest to the roots (n, 3)."""
    carrying = np.flatnonzero(scalp_of(skin))
    distance, at = cKDTree(skin.vertices[carrying]).query(roots, k=CARRIERS)
    weight = np.exp(-(((distance - distance[:, :1]) / SOFT) ** 2))
    return picks(carrying[at], weight / weight.sum(1, keepdims=True), len(skin.vertices))


# --- Brows and lashes.

BROW_DROP = 0.88
"""Centimetres that the brows lie below landmarks 17–26."""
BROW_ARCH = 0.75
"""Share of the landmarks' arch that is kept."""
BROW_HAIRS, BROW_STATIONS, LASHES = 150, 13, 24
"""Hairs of one brow, places along it at which it is carried by the skin, and lashes of one eye."""
LASH_HALF_WIDTHS = (0.035, 0.003)
"""Half widths of a lash at its root and its tip, centimetres: broad roots, so that a shut lid ends in a line."""
BROW_HALF_HEIGHT = (0.15, 0.24, 0.25, 0.20, 0.13, 0.04)
"""Half the brow's height from its inner to its outer end, centimetres."""


def brow_curve(marks: Points, t: Doubles, brows: Brows) -> Points:
    """(n, 2) middle of the left brow in front view, from its inner (t = 0) to its outer end (t = 1)."""
    spine = marks[22:27, :2] - (0, BROW_DROP - brows.height)
    spine[:, 1] = spine[1, 1] + BROW_ARCH * brows.arch * (spine[:, 1] - spine[1, 1])
    end = spine[-1] + (0.30 * brows.length) * (spine[-1] - spine[-2])
    x = np.linspace(spine[0, 0] - 0.05, end[0], 6)
    heights = np.polyfit(spine[:, 0], spine[:, 1], 2)
    x = np.interp(t, np.linspace(0, 1, 6), x) + (t - np.clip(t, 0, 1)) * 5.0
    return np.stack([x, np.polyval(heights, x)], axis=1)


def _frame(marks: Points, t: Doubles, brows: Brows) -> tuple[Points, Points, Points]:
    """(n, 2) each: middle, direction along and direction up of the left brow."""
    along = brow_curve(marks, t + 0.02, brows) - brow_curve(marks, t - 0.02, brows)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return brow_curve(marks, t, brows), along, np.stack([-along[:, 1], along[:, 0]], axis=1)


def _half_height(t: Doubles, brows: Brows) -> Doubles:
    return brows.thickness * np.interp(t, np.linspace(0, 1, len(BROW_HALF_HEIGHT)), BROW_HALF_HEIGHT)


def _brow_base(
    skin: Skin, marks: Points, tone: Points, character: Character
) -> tuple[Points, sparse.csr_matrix, NDArray[np.int64], Points]:
    """A strip under the hairs, brown in the middle and skin-coloured at its edge, so that the brow has a soft body."""
    t = np.linspace(0.06, 1.04, 17)
    across = np.array([-1, -0.62, -0.2, 0.2, 0.62, 1])
    half = 1.25 * _half_height(t, character.brows) + 0.06
    middle, _, normal = _frame(marks, t, character.brows)
    xy = middle[:, None] + (half[:, None] * across)[..., None] * normal[:, None]
    weights, outwards = glue_front(skin, xy.reshape(-1, 2))
    body = np.outer(np.interp(t, [0.06, 0.3, 0.85, 1], [0.5, 0.80, 0.80, 0.40]), [0.3, 0.85, 1.0, 1.0, 0.75, 0.2])
    inside = np.outer((t > 0.07) & (t < 1.03), np.abs(across) < 0.9)
    lift = np.where(inside, 0.04, -0.03).reshape(-1)
    under = weights @ tone
    colours = under + body.reshape(-1, 1) * (np.array(character.palette.brow) * 1.08 - under)
    return weights @ skin.vertices + outwards * lift[:, None], weights, grid_quads(len(t), len(across)), colours


def build_brows(skin: Skin, marks: Points, tone: Points, character: Character) -> Part:
    """Two brows of fine tapering hairs, upright inside, along the brow outside; ``tone`` are the skin's colours."""
    rng = np.random.default_rng(11)
    t = np.sort(0.03 + 0.97 * rng.uniform(0, 1, BROW_HAIRS))
    across = rng.uniform(-1, 1, BROW_HAIRS)
    middle, along, normal = _frame(marks, t, character.brows)
    root = middle + normal * (across * _half_height(t, character.brows))[:, None]
    lean = np.interp(t, [0, 0.15, 0.5, 1], [0.75, 0.5, 0.2, 0.0]) - across * np.interp(
        t, [0, 0.3, 1], [0.1, 0.40, 0.30]
    )
    lean += rng.normal(0, 0.09, BROW_HAIRS)
    direction = along * np.cos(lean)[:, None] + normal * np.sin(lean)[:, None]
    length = np.interp(t, [0, 0.12, 0.3, 1], [0.22, 0.34, 0.46, 0.36]) * rng.uniform(0.8, 1.15, BROW_HAIRS)
    side = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    tip = root + direction * length[:, None]
    bases, lifts = [], []
    for place, width, height in ((root, -0.026, 0.06), (root, 0.026, 0.06), (tip, 0.006, 0.11), (tip, -0.006, 0.11)):
        bases.append(place + side * width)
        lifts.append(np.full(BROW_HAIRS, height))
    weights, outwards = glue_front(skin, np.stack(bases, axis=1).reshape(-1, 2))
    lift = np.stack(lifts, axis=1).reshape(-1)
    vertices = weights @ skin.vertices + outwards * lift[:, None]
    shade = np.repeat(rng.uniform(0.96, 1.08, BROW_HAIRS) * np.interp(t, [0, 0.25, 1], [1.12, 1.04, 1.0]), 4)
    base, base_weights, base_quads, base_colours = _brow_base(skin, marks, tone, character)
    quads = np.concatenate([base_quads, np.arange(len(vertices)).reshape(-1, 4) + len(base)])
    colours = np.concatenate([base_colours, np.array(character.palette.brow) * shade[:, None]])
    vertices, weights = np.concatenate([base, vertices]), sparse.vstack([base_weights, weights]).tocsr()
    stations = np.linspace(0.0, 1.0, BROW_STATIONS)
    middle = brow_curve(marks, stations, character.brows)
    place = np.interp(vertices[:, 0], middle[:, 0], np.arange(BROW_STATIONS))
    left, right = (ride(half, vertices, weights, middle, place) for half in (skin, reflected(skin)))
    right = right * np.array([-1, 1, 1], np.float32)
    return _both_sides("brows", vertices, quads, colours, (left, right), (0.02, 0.79))


def build_lashes(cage: Cage, skin: Skin, character: Character) -> Part:
    """Upper lashes that grow from the lid's edge along the lid's thickness, and so turn with it in a blink."""
    eye = patch("eye_left")
    sub = cage.subdivision
    start = 2 * eye.lattice.index((4, 2))
    half = len(eye.lattice)
    edge, rim = (np.roll(sub.loop(cage.ring(eye, r)), -start)[: half + 1][::-1] for r in (EYE_EDGE, EYE_RIM))
    t = np.linspace(0.22, 0.985, LASHES)
    at = t * (len(edge) - 1)
    out, base = _interpolate(edge, at, len(skin.vertices)), _interpolate(rim, at, len(skin.vertices))
    thick = out @ skin.vertices - base @ skin.vertices
    thick /= np.linalg.norm(thick, axis=1, keepdims=True)
    length = character.lashes * np.interp(t, [0, 0.25, 0.75, 1], [0.28, 0.50, 0.70, 0.50])
    fan = np.stack(
        [np.interp(t, [0, 0.35, 1], [-0.25, 0.0, 0.65]), np.full(LASHES, 0.45), np.full(LASHES, 0.55)], axis=1
    )
    reach = length / np.linalg.norm(out @ skin.vertices - base @ skin.vertices, axis=1)
    stretch = sparse.diags(0.35 * reach) @ (out - base)
    root, tip = out @ skin.vertices, out @ skin.vertices + stretch @ skin.vertices + fan * 0.62 * length[:, None]
    side = np.gradient(root, axis=0)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    broad, fine = (side * half for half in LASH_HALF_WIDTHS)
    corners = [root - broad, root + broad, tip + fine, tip - fine]
    vertices = np.stack(corners, axis=1).reshape(-1, 3)
    weights = sparse.vstack([out, out, out + stretch, out + stretch]).tocsr()
    order = np.arange(4 * LASHES).reshape(4, LASHES).T.reshape(-1)
    quads = np.arange(len(vertices)).reshape(-1, 4)
    colours = np.tile(np.array(character.palette.lash), (len(vertices), 1))
    offsets = (skin.glued(weights[order]), skin.glued(flipped(skin, weights[order])))
    return _both_sides("lashes", vertices, quads, colours, offsets, (0.10, 0.79))


def _interpolate(loop: NDArray[np.int64], at: Doubles, count: int) -> sparse.csr_matrix:
    low = np.minimum(at.astype(int), len(loop) - 2)
    share = at - low
    return picks(np.stack([loop[low], loop[low + 1]], axis=1), np.stack([1 - share, share], axis=1), count)


def _both_sides(
    name: str, vertices: Points, quads: NDArray[np.int64], colours: Points,
    offsets: tuple[Floats, Floats], corner: tuple[float, float],
) -> Part:  # fmt: skip
    """A left part and its mirror image, with the offsets of both."""
    both = np.concatenate([vertices, vertices * (-1, 1, 1)])
    all_quads = np.concatenate([quads, quads[:, ::-1] + len(vertices)])
    uvs = flat_uvs(both, all_quads, corner, 0.07)
    colours = np.clip(np.concatenate([colours, colours]), 0, 1)
    return Part(name, both, all_quads, colours, np.concatenate(offsets, axis=1), uvs)
