"""Make the pictures of docs/gallery.md: portraits, lights, emotions and the sheet of all shapes of each built-in face.

python scripts/make_gallery.py [--out docs/images] [--face NAME]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sedtalker.animation.expressions import poses
from sedtalker.emotion.track import CATEGORIES
from sedtalker.face.arkit import ARKIT_52
from sedtalker.face.catalogue import FACES, load_face
from sedtalker.face.face import Face
from sedtalker.face.pose import pose
from sedtalker.render import frame_head, load_lighting, make_renderer
from sedtalker.render.contact_sheet import contact_sheet, every_shape, tile

Picture = NDArray[np.uint8]
IMAGES = Path(__file__).parents[1] / "docs" / "images"
MAX_BYTES = 400_000
AT_EASE = {"mouthSmile": 0.12, "eyeBlink": 0.05}
SOUNDS: dict[str, dict[str, float]] = {
    "m, b, p": {"mouthPress": 0.3},
    "f, v": {"mouthRollLower": 0.35, "mouthUpperUp": 0.25, "jawOpen": 0.06},
    "th": {"jawOpen": 0.16, "tongueOut": 0.3},
    "l": {"jawOpen": 0.25, "tongueUp": 0.8},
    "ah": {"jawOpen": 0.5},
    "ee": {"mouthStretch": 0.4, "mouthSmile": 0.3, "jawOpen": 0.1, "mouthLowerDown": 0.3},
    "oh": {"mouthFunnel": 0.55, "jawOpen": 0.25},
    "oo": {"mouthPucker": 0.8, "jawOpen": 0.06},
}
"""Mouth shapes of some sounds, set by hand."""


def look(face: Face, weights: Mapping[str, float], size: int, light: str = "studio", **camera: float) -> Picture:
    """One picture (size, size, 3)."""
    with make_renderer(face, frame_head(face, **camera), size, lighting=load_lighting(light)) as view:
        return view.render(face.deform(pose(face, weights)[None])[0])


def portraits(face: Face) -> Picture:
    """The face at ease from the front, half from the side and from the side."""
    views = {"front": 0.0, "three quarters": 38.0, "profile": 90.0}
    return tile([look(face, AT_EASE, 420, yaw=yaw) for yaw in views.values()], list(views), 3)


def lights(face: Face) -> Picture:
    """The light presets."""
    names = ("studio", "soft", "dramatic")
    smile = AT_EASE | {"mouthSmile": 0.4, "cheekSquint": 0.2}
    return tile([look(face, smile, 420, name, yaw=25.0) for name in names], names, 3)


def emotions(face: Face) -> Picture:
    """The six emotions at full intensity, as the decoder learns them."""
    full = dict(zip(CATEGORIES, poses(), strict=True))
    shown = {name: dict(zip(ARKIT_52, map(float, full[name]), strict=True)) for name in CATEGORIES if name != "neutral"}
    return contact_sheet(face, shown, size=210, columns=3, yaws=(0.0, 35.0))


def sounds(face: Face) -> Picture:
    """Mouth shapes of some sounds: the lower half of the face."""
    return tile([look(face, w, 340, zoom=1.7)[130:, 40:-40] for w in SOUNDS.values()], list(SOUNDS), 4)


def gallery(face: Face) -> Iterator[tuple[str, Picture]]:
    """Name and picture of everything the gallery shows of one face."""
    yield "portraits", portraits(face)
    yield "lights", lights(face)
    yield "emotions", emotions(face)
    yield "sounds", sounds(face)
    yield "shapes", contact_sheet(face, every_shape(face), size=150, columns=8)


def save_small(picture: Picture, path: Path) -> int:
    """Write a PNG, scaled down where it would be too large; returns its bytes."""
    image = Image.fromarray(picture)
    for share in np.arange(1.0, 0.3, -0.05):
        image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.LANCZOS).save(
            path, optimize=True
        )
        if path.stat().st_size <= MAX_BYTES:
            break
    return path.stat().st_size


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--face", choices=list(FACES), action="append", help="only this face; again for more")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.face or FACES:
        for kind, picture in gallery(load_face(name)):
            path = args.out / f"{name}_{kind}.png"
            print(f"{path}  {save_small(picture, path) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
