"""Studio lighting that follows the camera, and materials of the parts of a head."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sedtalker.face.mesh import Floats, Ints, Mask, Mesh

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """A distant light.

    Attributes:
        azimuth: degrees to the right of the camera; beyond ±90 the light stands behind the subject.
        elevation: degrees above the camera's axis.
        colour: linear RGB of the light at full strength.
        strength: factor on ``colour``.
        specular: share of its light that makes highlights.
    """

    azimuth: float
    elevation: float
    colour: Colour
    strength: float
    specular: float = 1.0

    def direction(self) -> Floats:
        """(3,) unit vector towards the light, in camera space (+X right, +Y up, +Z to the camera)."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        across = np.cos(elevation)
        towards = [np.sin(azimuth) * across, np.sin(elevation), np.cos(azimuth) * across]
        return np.array(towards, dtype=np.float32)


@dataclass(frozen=True)
class Lighting:
    """Lights (the first casts a soft shadow), ambient light from above and below, and how dark hollows get."""

    lights: tuple[Light, ...]
    sky: Colour = (0.2, 0.2, 0.2)
    ground: Colour = (0.1, 0.1, 0.1)
    shadow: float = 0.6
    occlusion: float = 1.0


STUDIO = Lighting(
    lights=(
        Light(-38, 38, (1.0, 0.94, 0.87), 0.88),
        Light(48, 8, (0.84, 0.91, 1.0), 0.32, specular=0.4),
        Light(-128, 22, (1.0, 0.92, 0.85), 0.45, specular=0.5),
        Light(132, 28, (0.80, 0.90, 1.0), 0.60, specular=0.5),
    ),
    sky=(0.24, 0.25, 0.27),
    ground=(0.16, 0.13, 0.12),
)
"""Warm key from the upper left, cool fill, two rims behind the head, ambient light."""


@dataclass(frozen=True)
class Material:
    """How a part reflects: default sRGB colour, highlights, and how far light wraps round it per channel.

    ``shade`` is the share of shadows and hollows it takes on: teeth between lips glow with the light they scatter.
    """

    colour: Colour
    specular: float
    sharpness: int
    wrap: Colour
    shade: float = 1.0


_CLAY = Material((0.86, 0.74, 0.66), 0.10, 4, (0.42, 0.30, 0.26))
MATERIALS: dict[str, Material] = {
    "skin": _CLAY,
    "eye": Material((0.93, 0.92, 0.90), 0.9, 8, (0.35, 0.33, 0.33), 0.8),
    "teeth": Material((0.93, 0.91, 0.85), 0.35, 6, (0.45, 0.43, 0.40), 0.35),
    "tongue": Material((0.72, 0.38, 0.37), 0.20, 4, (0.5, 0.35, 0.33), 0.7),
    "lips": Material((0.72, 0.48, 0.44), 0.22, 4, (0.42, 0.30, 0.26)),
    "mouth": Material((0.36, 0.14, 0.14), 0.05, 3, (0.3, 0.2, 0.2)),
    "hair": Material((0.27, 0.20, 0.16), 0.12, 4, (0.25, 0.25, 0.25)),
    "cloth": Material((0.33, 0.38, 0.46), 0.03, 3, (0.3, 0.3, 0.3)),
}
"""Materials by part; the first is what everything unknown is made of. ``sharpness`` is log2 of the exponent."""

_WORDS: dict[str, tuple[str, ...]] = {
    "hair": ("hair", "brow", "brows", "eyebrow", "eyebrows", "lash", "lashes", "eyelash", "eyelashes", "beard"),
    "skin": ("lid", "lids", "eyelid", "eyelids"),
    "mouth": ("socket", "sock", "mouthbag"),
    "eye": ("eye", "eyes", "eyeball", "eyeballs", "cornea", "sclera"),
    "teeth": ("teeth", "tooth"),
    "tongue": ("tongue", "gum", "gums"),
    "cloth": ("cloth", "clothes", "collar", "shirt", "outfit"),
}


def part_of_group(name: str) -> str:
    """The part a polygon group is, judged by the words of its name; ``skin`` where they say nothing."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    for part, known in _WORDS.items():
        if words & set(known):
            return part
    return "skin"


def triangle_parts(mesh: Mesh, regions: dict[str, Mask] | None = None) -> Ints:
    """(T,) position in ``MATERIALS`` of each triangle's part, from vertex regions or else from group names."""
    order = list(MATERIALS)
    parts = np.zeros(len(mesh.triangles), dtype=np.int32)
    if mesh.polygon_groups is not None and mesh.group_names:
        of_group = np.array([order.index(part_of_group(name)) for name in mesh.group_names], dtype=np.int32)
        parts = of_group[mesh.polygon_groups[mesh.triangle_polygons]]
    for region, part in (("lips", "lips"), ("teeth", "teeth"), ("tongue", "tongue"), ("eyes", "eye"), ("hair", "hair")):
        mask = (regions or {}).get(region)
        if mask is not None:
            parts[mask[mesh.triangles].all(axis=1)] = order.index(part)
    return parts


def default_colours(mesh: Mesh, regions: dict[str, Mask] | None = None) -> Floats:
    """(V, 3) sRGB: the mesh's own colours, or clay with plain colours for eyes, teeth, tongue and hair.

    Eyeballs of one plain colour get irises: blank eyes cannot look anywhere.
    """
    parts = triangle_parts(mesh, regions)
    if mesh.colours is not None:
        colours = np.array(mesh.colours, dtype=np.float32)
    else:
        palette = np.array([material.colour for material in MATERIALS.values()], dtype=np.float32)
        colours = np.tile(palette[0], (len(mesh.vertices), 1))
        for part in np.unique(parts):
            colours[mesh.triangles[parts == part]] = palette[part]
    eyes = np.unique(mesh.triangles[parts == list(MATERIALS).index("eye")])
    if len(eyes) and np.ptp(colours[eyes], axis=0).max() < 0.02:
        _paint_irises(mesh.vertices, eyes, colours)
    return colours


def _paint_irises(vertices: Floats, eyes: Ints, colours: Floats) -> None:
    """Irises and pupils on the front (+Z) of the left and the right eyeball, in place."""
    middle = float(np.median(vertices[eyes, 0]))
    for ball in (eyes[vertices[eyes, 0] < middle], eyes[vertices[eyes, 0] >= middle]):
        if len(ball) < 12:
            continue
        low, high = vertices[ball].min(axis=0), vertices[ball].max(axis=0)
        outward = vertices[ball] - (low + high) / 2
        angle = np.degrees(np.arccos(np.clip(outward[:, 2] / (np.linalg.norm(outward, axis=1) + 1e-12), -1, 1)))
        colours[ball[angle < 28]] = (0.36, 0.44, 0.50)
        colours[ball[angle < 13]] = (0.05, 0.05, 0.06)
