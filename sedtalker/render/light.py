"""Lights that follow the camera, their presets, and materials of the parts of a head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter

from sedtalker.arrays import Floats, Ints, Mask, Reals, from_srgb
from sedtalker.errors import InputError, one_of
from sedtalker.mesh.mesh import Mesh, face_normals
from sedtalker.plugins import parts_of_others
from sedtalker.reading import checked, is_file, read_json, read_own_table

Colour = tuple[float, float, float]
Background = Colour | tuple[Colour, Colour]
"""One sRGB colour, or those of the top and of the bottom of the picture."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
PLAIN = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Files of lights and cameras hold what is documented and nothing else."""


def to_linear(colours: Reals) -> Floats:
    """SRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    clipped = np.clip(np.asarray(colours, dtype=np.float32), 0.0, 1.0)
    return from_srgb(clipped).astype(np.float32)


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

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    azimuth: Annotated[float, Field(ge=-180.0, le=180.0)]
    elevation: Annotated[float, Field(gt=-90.0, lt=90.0)]
    colour: tuple[Share, Share, Share]
    strength: Annotated[float, Field(ge=0.0, le=10.0)]
    specular: Share = 1.0

    def direction(self) -> Floats:
        """(3,) unit vector towards the light, in camera space (+X right, +Y up, +Z to the camera)."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        across = np.cos(elevation)
        towards = [np.sin(azimuth) * across, np.sin(elevation), np.cos(azimuth) * across]
        return np.array(towards, dtype=np.float32)


@dataclass(frozen=True)
class Lighting:
    """How a scene is lit.

    Attributes:
        lights: the first casts a soft shadow.
        sky: ambient linear RGB from above.
        ground: ambient linear RGB from below.
        shadow: how dark the shadow gets.
        occlusion: how dark hollows get.
        backdrop: sRGB at the top and at the bottom of the picture.
        about: one line that describes it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    lights: Annotated[tuple[Light, ...], Field(min_length=1, max_length=16)]
    sky: tuple[Share, Share, Share] = (0.2, 0.2, 0.2)
    ground: tuple[Share, Share, Share] = (0.1, 0.1, 0.1)
    shadow: Share = 0.6
    occlusion: Share = 1.0
    backdrop: tuple[tuple[Share, Share, Share], tuple[Share, Share, Share]] = ((0.80, 0.83, 0.86), (0.55, 0.59, 0.64))
    about: str = ""


def lights_folder() -> Path:
    """Folder of the light presets, in a source tree or an installed package."""
    here = Path(__file__).parent
    for folder in (here / "lights", here.parents[1] / "render" / "lights"):
        if (folder / "studio.json").is_file():
            return folder
    raise InputError("the light presets are missing from this installation; reinstall sedtalker")


def light_names() -> tuple[str, ...]:
    """Names of the light presets."""
    return tuple(sorted(path.stem for path in lights_folder().glob("*.json")))


@lru_cache(maxsize=16)
def load_lighting(name: str = "studio") -> Lighting:
    """A light preset, or the lighting in a JSON file of the same layout.

    Args:
        name: of a preset, or a path that ends in ``.json``.

    Raises:
        InputError: there is no such preset or file, or it does not fit the layout.
    """
    if name.endswith(".json"):
        path = Path(name)
        if not is_file(path):
            raise InputError(f"{name}: no such light file")
    elif name in light_names():
        path = lights_folder() / f"{name}.json"
    else:
        others = parts_of_others("sedtalker.lights")
        if name in others:
            lighting: Lighting = others[name]
            return lighting
        known = one_of(name, [*light_names(), *others], ", or a .json file")
        raise InputError(f"there is no light '{name}': {known}")
    found: Lighting = checked(Lighting, read_json(path, "a light"), str(path), "the file")
    return found


@dataclass(frozen=True)
class Reflectance:
    """How a part reflects: default sRGB colour, highlights, and how far light wraps round it per channel.

    ``shade`` is the share of shadows and hollows it takes on: teeth between lips glow with the light they scatter.
    """

    colour: Colour
    specular: float
    sharpness: int
    wrap: Colour
    shade: float = 1.0


_HELD = read_own_table(__file__, "materials.toml")
"""The materials as they are written."""
MATERIALS: dict[str, Reflectance] = {
    name: TypeAdapter(Reflectance).validate_python({key: value for key, value in row.items() if key != "words"})
    for name, row in _HELD.items()
    if name != "order"
}
"""Materials by part; the first is what everything unknown is made of. ``sharpness`` is log2 of the exponent."""


def part_of_group(name: str) -> str:
    """The part a polygon group is, judged by the words of its name; ``skin`` where they say nothing."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    for part in _HELD["order"]:
        if words & set(_HELD[part]["words"]):
            return str(part)
    return "skin"


def triangle_parts(mesh: Mesh, regions: dict[str, Mask] | None = None) -> Ints:
    """(T,) position in ``MATERIALS`` of each triangle's part, from vertex regions or else from group names."""
    order = list(MATERIALS)
    parts = np.zeros(len(mesh.triangles), dtype=np.int32)
    if mesh.polygon_groups is not None and mesh.group_names:
        of_group = np.array([order.index(part_of_group(name)) for name in mesh.group_names], dtype=np.int32)
        parts = of_group[mesh.polygon_groups[mesh.triangle_polygons]]
    for region, part in (
        ("lips", "lips"), ("mouth_socket", "mouth"), ("nostrils", "mouth"), ("teeth", "teeth"), ("tongue", "tongue"),
        ("gums", "tongue"), ("eyes", "eye"), ("hair", "hair"),
    ):  # fmt: skip
        mask = (regions or {}).get(region)
        if mask is not None and (part != "lips" or lips_are_sure(mesh, mask)):
            parts[mask[mesh.triangles].all(axis=1)] = order.index(part)
    return parts


FEWEST_LIPS = 80
"""Triangles of a lip region, at least: the edge of fewer would be a smear between far vertices."""
_LOPSIDED = 0.1
"""Share of the lip width by which the middle of the lips may be off the middle of their corners."""


def lips_are_sure(mesh: Mesh, lips: Mask) -> bool:
    """Whether vertices ``lips`` (V,) can be painted as lips: fine enough, wider than high, and even on both sides."""
    triangles = mesh.triangles[lips[mesh.triangles].all(axis=1)]
    if len(triangles) < FEWEST_LIPS:
        return False
    corners = mesh.vertices[triangles].astype(np.float64)
    points = corners.reshape(-1, 3)
    width, height, _ = np.ptp(points, axis=0)
    area = np.linalg.norm(face_normals(mesh.vertices.astype(np.float64), triangles), axis=1)
    mean = float((corners.mean(axis=1)[:, 0] * area).sum() / max(float(area.sum()), 1e-30))
    middle = float(points[:, 0].min() + points[:, 0].max()) / 2
    return bool(height < width < 8 * height and abs(mean - middle) < _LOPSIDED * width)


def default_colours(mesh: Mesh, regions: dict[str, Mask] | None = None) -> Floats:
    """(V, 3) sRGB: the mesh's own colours, or clay with plain colours for eyes, teeth, tongue and hair.

    Eyeballs of one plain colour get irises: blank eyes cannot look anywhere. Plain teeth fade towards the back.
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
    if _plain(colours, eyes):
        _paint_irises(mesh.vertices, eyes, colours)
    teeth = np.unique(mesh.triangles[parts == list(MATERIALS).index("teeth")])
    if _plain(colours, teeth):
        _darken_back_teeth(mesh.vertices, teeth, colours)
    return colours


BACK_TEETH = (0.50, 0.40, 0.34)
"""sRGB of the last teeth: as warm as the mouth around them, because a neutral dark looks like metal."""


def _darken_back_teeth(vertices: Floats, teeth: Ints, colours: Floats) -> None:
    """Teeth of one plain colour fade into the shade of the mouth towards the back (-Z), in place."""
    depth = vertices[teeth, 2].max() - vertices[teeth, 2]
    share = np.clip(depth / max(float(depth.max()), 1e-9) / 0.6, 0.0, 1.0)
    fade = (share * share * (3.0 - 2.0 * share))[:, None].astype(np.float32)
    colours[teeth] += fade * (np.array(BACK_TEETH, np.float32) - colours[teeth])


IRIS, PUPIL = 28.0, 11.0
"""Where they end: degrees from the front of the eyeball."""
LARGEST_IRIS = 0.11
"""Radius of the iris in distances of the eyes."""
IRIS_COLOUR, PUPIL_COLOUR = (0.36, 0.44, 0.50), (0.05, 0.05, 0.06)
"""sRGB."""


def blank_eyes(mesh: Mesh, regions: dict[str, Mask] | None = None) -> Floats:
    """(V, 3) unit directions from the middle of the eyeballs, where these are of one plain colour; else zeros.

    Their irises can be drawn more finely than vertex colours show them.
    """
    directions = np.zeros((len(mesh.vertices), 3), np.float32)
    is_eye = triangle_parts(mesh, regions) == list(MATERIALS).index("eye")
    eyes = np.unique(mesh.triangles[is_eye])
    apart = not np.isin(mesh.triangles[~is_eye], eyes).any()
    if apart and (mesh.colours is None or _plain(mesh.colours, eyes)):
        for ball, outward in _eyeballs(mesh.vertices, eyes):
            directions[ball] = outward
    return directions


def _plain(colours: Floats, vertices: Ints) -> bool:
    """Whether some vertices are all of one colour."""
    return len(vertices) > 0 and bool(np.ptp(colours[vertices], axis=0).max() < 0.02)


def _eyeballs(vertices: Floats, eyes: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Vertices of the right and of the left eyeball, and their unit directions (N, 3) from its middle.

    Balls that are large for the distance of the eyes have irises of a usual size: directions are drawn off the front.
    """
    sides = vertices[eyes, 0]  # one ball may have many more vertices than the other
    middle = 0.5 * float(sides.min() + sides.max()) if len(eyes) else 0.0
    balls = [eyes[vertices[eyes, 0] < middle], eyes[vertices[eyes, 0] >= middle]]
    if min(len(ball) for ball in balls) < 12:
        return
    centres = [(vertices[ball].min(axis=0) + vertices[ball].max(axis=0)) / 2 for ball in balls]
    apart = float(np.linalg.norm(centres[1] - centres[0]))
    for ball, centre in zip(balls, centres, strict=True):
        outward = vertices[ball] - centre
        far = np.linalg.norm(outward, axis=1, keepdims=True) + 1e-12
        angle = np.arccos(np.clip(outward[:, 2:] / far, -1, 1))
        usual = np.degrees(np.arcsin(min(LARGEST_IRIS * apart / float(np.median(far)), 1.0)))
        angle = np.minimum(angle * max(IRIS / usual, 1.0), np.pi)
        aside = outward * (1, 1, 0)
        aside /= np.linalg.norm(aside, axis=1, keepdims=True) + 1e-12
        yield ball, (np.sin(angle) * aside + np.cos(angle) * (0, 0, 1)).astype(np.float32)


def _paint_irises(vertices: Floats, eyes: Ints, colours: Floats) -> None:
    """Irises and pupils on the front (+Z) of the left and the right eyeball, in place."""
    for ball, outward in _eyeballs(vertices, eyes):
        angle = np.degrees(np.arccos(np.clip(outward[:, 2], -1, 1)))
        colours[ball[angle < IRIS]] = IRIS_COLOUR
        colours[ball[angle < PUPIL]] = PUPIL_COLOUR
