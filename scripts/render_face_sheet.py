"""Draw a contact sheet of the built-in head: every shape at weight 1, from the front and half from the side.

python scripts/render_face_sheet.py sheet.png [--size 220] [--columns 6]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sedtalker.face.builtin import load_builtin
from sedtalker.face.face import Face
from sedtalker.render import Renderer, frame_head, make_renderer

Picture = NDArray[np.uint8]


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=220, help="side of one picture, pixels")
    parser.add_argument("--columns", type=int, default=6, help="shapes in a row")
    args = parser.parse_args()
    face = load_builtin()
    poses = {"neutral": np.zeros((1, len(face.shapes)), np.float32)}
    for i, name in enumerate(face.shapes):
        poses[name] = np.zeros((1, len(face.shapes)), np.float32)
        poses[name][0, i] = 1.0
    Image.fromarray(contact_sheet(face, poses, args.size, args.columns)).save(args.out)
    print(args.out)


def contact_sheet(face: Face, poses: dict[str, NDArray[np.float32]], size: int, columns: int) -> Picture:
    """(H, W, 3) picture of named coefficient rows (1, K)."""
    views = [make_renderer(face, frame_head(face, yaw=yaw, zoom=1.3), size) for yaw in (0.0, 40.0)]
    tiles = [_tile(face, views, name, row) for name, row in poses.items()]
    for view in views:
        view.close()
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def _tile(face: Face, views: list[Renderer], name: str, row: NDArray[np.float32]) -> Picture:
    vertices = face.deform(row)[0]
    picture = Image.fromarray(np.concatenate([view.render(vertices) for view in views], axis=1))
    ImageDraw.Draw(picture).text((4, 3), name, fill=(20, 24, 60))
    return np.asarray(picture)


if __name__ == "__main__":
    main()
