"""What is around the face in a picture: its size, the camera, what is behind the head; as words, files or values."""

from __future__ import annotations

import io
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from sedtalker.arrays import Floats, Mask
from sedtalker.errors import InputError, one_of
from sedtalker.face.face import Face
from sedtalker.mesh.mesh import Mesh
from sedtalker.reading import checked, is_file, read_json
from sedtalker.render.camera import Camera, frame_head
from sedtalker.render.light import PLAIN, Background, Colour, Lighting

SMALLEST, LARGEST = 16, 8192
"""Sides of a picture, pixels."""
Image = NDArray[np.uint8]
"""(H, W, 3) sRGB, or (H, W, 4) with how far each pixel is covered (straight alpha)."""
Size = int | str | tuple[int, int]
"""Side of a square picture, (width, height), or either as text: ``512``, ``1280x720``."""


def picture_size(size: Size) -> tuple[int, int]:
    """(width, height) in pixels.

    Raises:
        InputError: neither a number nor two with an x between, or too small or too large.
    """
    if isinstance(size, str):
        found = re.fullmatch(r"\s*(\d{1,6})(?:\s*[x×X*]\s*(\d{1,6}))?\s*", size)
        if found is None:
            raise InputError(f"picture size '{size}': give a number of pixels, or WIDTHxHEIGHT as in 1280x720")
        size = (int(found[1]), int(found[2] or found[1]))
    width, height = (size, size) if isinstance(size, int) else size
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise InputError(f"picture size {width} x {height} is out of range: use {SMALLEST} to {LARGEST} pixels")
    return width, height


# --- Cameras.

Number = Annotated[float, Field(ge=-1e4, le=1e4)]
Place = tuple[Number, Number, Number]


@dataclass(frozen=True)
class Portrait:
    """A camera that frames the head, whatever its size.

    Attributes:
        yaw: degrees that it walks to the subject's left.
        pitch: degrees that it rises.
        fov: vertical field of view, degrees; about 20 is a portrait lens.
        zoom: above 1 is closer.
    """

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    yaw: Annotated[float, Field(ge=-180.0, le=180.0)] = 0.0
    pitch: Annotated[float, Field(ge=-85.0, le=85.0)] = 0.0
    fov: Annotated[float, Field(ge=2.0, le=120.0)] = 20.0
    zoom: Annotated[float, Field(ge=0.05, le=20.0)] = 1.0

    def of(self, subject: Face | Mesh, aspect: float = 1.0) -> Camera:
        """The camera of a face or a mesh, for pictures of that width / height."""
        return frame_head(subject, aspect=aspect, **asdict(self))


@dataclass(frozen=True)
class Standing:
    """A camera at a place of the scene, metres, +Y up, the face looks along +Z.

    Attributes:
        position: where it stands.
        target: the point in the middle of the picture.
        up: roughly upwards.
        fov: vertical field of view, degrees.
    """

    __pydantic_config__: ClassVar[ConfigDict] = PLAIN

    position: Place
    target: Place
    up: Place = (0.0, 1.0, 0.0)
    fov: Annotated[float, Field(ge=2.0, le=120.0)] = 20.0

    def of(self, subject: Face | Mesh, aspect: float = 1.0) -> Camera:
        """The camera, which sees all of a face or a mesh; it stands there whatever the pictures' width / height is."""
        vertices = subject.mesh.vertices if isinstance(subject, Face) else subject.vertices
        back = np.array(self.position, dtype=np.float64) - self.target
        away = float(np.linalg.norm(back))
        extent = float(np.linalg.norm(vertices - np.array(self.target), axis=1).max())
        near, far = max(away - 1.1 * extent, 0.02 * away), away + 1.1 * extent
        return Camera(self.position, self.target, self.up, self.fov, near, far)


Viewpoint = Portrait | Standing
"""Where a camera is, said without knowing the face."""
VIEWPOINTS: dict[str, Portrait] = {
    "front": Portrait(),
    "three-quarter": Portrait(yaw=35.0),
    "left": Portrait(yaw=90.0),
    "right": Portrait(yaw=-90.0),
}
"""Those with names: left is the subject's left."""


def viewpoint(camera: str | Viewpoint) -> Viewpoint:
    """Where a camera is: one with a name, or that of a JSON file, see ``docs/video.md``.

    Raises:
        InputError: no such name or file, or it does not fit the layout.
    """
    if not isinstance(camera, str):
        return camera
    if camera in VIEWPOINTS:
        return VIEWPOINTS[camera]
    if not camera.endswith(".json"):
        raise InputError(f"there is no camera '{camera}': {one_of(camera, VIEWPOINTS, ', or a .json file')}")
    path = Path(camera)
    if not is_file(path):
        raise InputError(f"{camera}: no such camera file")
    given = read_json(path, "a camera")
    kind = Standing if isinstance(given, dict) and {"position", "target"} & given.keys() else Portrait
    found: Viewpoint = checked(kind, given, str(path), "the file")
    if isinstance(found, Standing):
        back = np.array(found.position) - found.target
        if np.linalg.norm(np.cross(found.up, back)) < 1e-9 * max(float(np.linalg.norm(back)), 1e-9):
            raise InputError(f"{path}: position, target and up must not lie on one line")
    return found


# --- What is behind the head.

Transparent = Literal["transparent"]
"""Nothing: pictures have a fourth channel, how far each pixel is covered."""
Behind = Background | Transparent | NDArray[np.uint8]
"""A colour, two from top to bottom, nothing, or a picture (H, W, 3)."""


class DrawnMesh(NamedTuple):
    """A mesh to draw.

    Attributes:
        mesh: looking along +Z.
        regions: vertex masks of eyes, teeth, lips …, for materials and default colours.
        rest: (V, 3) where its vertices are at rest: those of the mesh, or moved to its place among others.
    """

    mesh: Mesh
    regions: dict[str, Mask] | None
    rest: Floats


@dataclass(frozen=True, eq=False)
class Shot:
    """What a renderer draws, fixed for its life but for the places of the vertices.

    Attributes:
        subjects: the meshes, whose vertices lie one after another.
        camera: where they are seen from.
        size: (width, height) in pixels.
        background: what is behind them.
        lighting: lights, fixed to the camera.
    """

    subjects: tuple[DrawnMesh, ...]
    camera: Camera
    size: tuple[int, int]
    background: Behind
    lighting: Lighting


class Renderer(ABC):
    """Makes pictures of one mesh, frame after frame; a context manager that closes itself."""

    @abstractmethod
    def render(self, vertices: Floats, colours: Floats | None = None) -> Image:
        """(H, W, 3) uint8 sRGB of the mesh at ``vertices`` (V, 3), coloured ``colours`` (V, 3) sRGB where given."""

    def render_all(self, frames: Iterable[Floats]) -> Generator[Image, None, None]:
        """Pictures of all ``frames`` in their order; several may be drawn at once, ahead of what is taken."""
        yield from map(self.render, frames)

    @abstractmethod
    def close(self) -> None:
        """Free what the renderer holds."""

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of backgrounds that are files."""
MOST_PIXELS = 64_000_000
"""Largest background, pixels."""


def read_background(text: str | Behind | None) -> Behind | None:
    """What is behind the head: a colour, two by comma, ``transparent`` or the name of a picture; None: the light's own.

    Raises:
        InputError: none of these, or a picture that cannot be read.
    """
    if text is None or not isinstance(text, str) or text == "transparent":
        return text  # type: ignore[return-value]
    if text.lower().endswith(_PICTURES):
        return _read(Path(text))
    parts = [text] if "(" in text else [part.strip() for part in text.split(",")]
    if not 1 <= len(parts) <= 2:
        raise InputError(f"background '{text}': give one colour, or two with a comma, from top to bottom")
    colours = [_colour(part) for part in parts]
    return colours[0] if len(colours) == 1 else (colours[0], colours[1])


def _colour(text: str) -> Colour:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise InputError(
            f"background '{text}': give a colour (white, #88aacc), transparent, or a picture ({', '.join(_PICTURES)})"
        ) from None
    return red / 255, green / 255, blue / 255


def _read(path: Path) -> NDArray[np.uint8]:
    if not is_file(path):
        raise InputError(f"{path}: no such picture")
    from PIL import Image as Pictures
    from PIL import ImageOps

    try:
        # from memory, which gives no more than it has: Pillow asks a file for as many bytes as a damaged part claims
        with Pictures.open(io.BytesIO(path.read_bytes())) as opened:
            if math.prod(opened.size) > MOST_PIXELS:
                raise InputError(f"{path}: {opened.size[0]} x {opened.size[1]} pixels are too many for a background")
            upright = ImageOps.exif_transpose(opened)  # phones keep photos as the sensor saw them
            if upright.has_transparency_data:
                white = Pictures.new("RGBA", upright.size, "white")
                upright = Pictures.alpha_composite(white, upright.convert("RGBA"))
            return np.asarray(upright.convert("RGB"))
    except InputError:
        raise
    except Exception:  # Pillow raises many things on damaged files
        raise InputError(f"{path}: not a picture that can be read") from None
