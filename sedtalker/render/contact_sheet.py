"""Many poses of a face in one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from sedtalker.face.face import Face
from sedtalker.face.pose import paired_names, pose
from sedtalker.render.camera import frame_head
from sedtalker.render.light import Lighting
from sedtalker.render.renderer import Image, make_renderer

_PAPER, _INK = (250, 250, 250), (34, 38, 46)


def every_shape(face: Face) -> dict[str, dict[str, float]]:
    """The neutral face and every shape at weight 1, left and right as one.

    The jaw is open where otherwise nothing could be seen (the tongue) or the shape has no meaning (mouthClose).
    """
    poses: dict[str, dict[str, float]] = {"neutral": {}}
    for name in paired_names(face.shapes):
        jaw = {"mouthClose": 1.0, "tongueUp": 0.5, "tongueWide": 0.5, "tongueRoll": 0.5}.get(name)
        if jaw is None:
            poses[name] = {name: 1.0}
        else:
            poses[f"{name} + jawOpen"] = {name: 1.0, "jawOpen": jaw}
    return poses


def contact_sheet(
    face: Face,
    poses: Mapping[str, Mapping[str, float]],
    *,
    size: int = 200,
    columns: int = 8,
    yaws: Sequence[float] = (0.0,),
    zoom: float = 1.25,
    lighting: Lighting | None = None,
) -> Image:
    """(H, W, 3) picture of labelled poses, row by row.

    Args:
        face: the face.
        poses: what ``pose`` takes, by label.
        size: side of one picture, pixels.
        columns: poses in a row.
        yaws: each pose is shown from these sides, next to each other.
        zoom: above 1 is closer.
        lighting: the studio by default.
    """
    tiles = [np.zeros((size, 0, 3), np.uint8)] * len(poses)
    for yaw in yaws:
        with make_renderer(face, frame_head(face, yaw=yaw, zoom=zoom), size, lighting=lighting) as view:
            for i, weights in enumerate(poses.values()):
                tiles[i] = np.concatenate([tiles[i], view.render(face.deform(pose(face, weights)[None])[0])], axis=1)
    return tile(tiles, list(poses), columns)


def tile(pictures: Sequence[Image], labels: Sequence[str], columns: int) -> Image:
    """Pictures of one size in rows on paper, each above its label."""
    height, width = pictures[0].shape[:2]
    columns = min(columns, len(pictures))
    gap = max(2, width // 60)
    line = max(14, min(height, width) // 9)
    rows = -(-len(pictures) // columns)
    sheet = Pictures.new("RGB", (columns * (width + gap) + gap, rows * (height + line + gap) + gap), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = gap + i % columns * (width + gap), gap + i // columns * (height + line + gap)
        sheet.paste(Pictures.fromarray(picture), (x, y))
        draw.text(
            (x + width // 2, y + height + line // 2),
            label,
            fill=_INK,
            font=_font_that_fits(label, width, line),
            anchor="mm",
        )
    return np.asarray(sheet)


def _font_that_fits(label: str, width: int, line: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font in which a label fits its picture's width."""
    for size in range(int(0.7 * line), 7, -1):
        font = ImageFont.load_default(size)
        if font.getlength(label) <= 0.98 * width:
            break
    return font
