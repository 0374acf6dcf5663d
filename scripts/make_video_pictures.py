"""The pictures of docs/video.md: cameras, and what can be behind the head.

python scripts/make_video_pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from sedtalker import Face
from sedtalker.face.face import pose
from sedtalker.render import make_renderer
from sedtalker.render.contact_sheet import tile
from sedtalker.render.picture import VIEWPOINTS, Behind, read_background, viewpoint

IMAGES = Path(__file__).parents[1] / "docs/images"
"""Where they go."""
SMILE = {"mouthSmile": 0.6, "cheekSquint": 0.4, "jawOpen": 0.15}
"""What the face does."""


def picture(face: Face, camera: str = "front", background: Behind | None = None, size: int = 240) -> np.ndarray:
    """One picture; transparent ones on a chequerboard."""
    vertices = face.deform(pose(face, SMILE)[None])[0]
    with make_renderer(face, viewpoint(camera).of(face), size, "numba", background=background) as renderer:
        drawn = renderer.render(vertices)
    if drawn.shape[2] == 3:
        return drawn
    row, column = np.mgrid[:size, :size] // 12
    board = np.where((row + column) % 2, 255, 214).astype(np.float32)[..., None]
    cover = drawn[..., 3:].astype(np.float32) / 255
    return np.round(cover * drawn[..., :3] + (1 - cover) * board).astype(np.uint8)


def wall(path: Path) -> None:
    """A picture to stand before: stripes of wallpaper."""
    column = np.arange(640)[None, :, None]
    stripes = np.where(column // 40 % 2, (196, 160, 120), (222, 196, 160))
    Image.fromarray(np.broadcast_to(stripes, (360, 640, 3)).astype(np.uint8)).save(path)


def main() -> None:
    """Draw both."""
    face = Face.builtin()
    cameras = {name: picture(face, name) for name in VIEWPOINTS}
    Image.fromarray(tile(list(cameras.values()), list(cameras), 4)).save(IMAGES / "video_cameras.png", optimize=True)
    with tempfile.TemporaryDirectory() as folder:
        wall(Path(folder) / "wall.png")
        names = {"white": "white", "#203040,#90a0b0": "#203040,#90a0b0", "wall.png": f"{folder}/wall.png"}
        behind = {label: read_background(text) for label, text in names.items()} | {"transparent": "transparent"}
        backgrounds = {label: picture(face, background=back) for label, back in behind.items()}
    sheet = tile(list(backgrounds.values()), list(backgrounds), 4)
    Image.fromarray(sheet).save(IMAGES / "video_backgrounds.png", optimize=True)


if __name__ == "__main__":
    main()
