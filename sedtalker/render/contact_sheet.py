"""Many poses of a face in one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from sedtalker.arrays import Floats
from sedtalker.face.face import Face, paired_names, pose
from sedtalker.mesh.mesh import Mesh
from sedtalker.render.camera import Camera, frame_head
from sedtalker.render.light import Lighting
from sedtalker.render.renderer import make_renderer
from sedtalker.render.shading import Image

_PAPER, _INK = (250, 250, 250), (34, 38, 46)
"""sRGB bytes behind the pictures and of their labels."""


def every_shape(face: Face) -> dict[str, dict[str, float]]:
    """The neutral face and every shape at weight 1, left and right as one.

    The jaw is open where otherwise nothing could be seen (the tongue) or the shape has no meaning (mouthClose).
    """
    poses: dict[str, dict[str, float]] = {"neutral": {}}
    for name in paired_names(face.shapes):
        of_tongue = name.startswith("tongue") and name != "tongueOut"
        jaw = 1.0 if name == "mouthClose" else 0.5 if of_tongue else None
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


# --- A head with its landmarks drawn on it.

CURVES = (
    *((0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False), (31, 35, False)),
    *((36, 41, True), (42, 47, True), (48, 59, True), (60, 67, True)),
)
"""First and last landmark of each curve, and whether it closes (iBUG 68)."""
RIGHT, LEFT, MIDDLE = (214, 60, 60), (40, 96, 214), (20, 140, 90)
"""sRGB bytes of landmarks on the subject's right, its left, and of the middle and the mouth."""
YAWS = {"front": 0.0, "from its left": 35.0}
"""Degrees of the two cameras."""


def landmark_picture(mesh: Mesh, landmarks: Floats | None, size: int = 512) -> Image:
    """(H, W, 3) the mesh from the front and from the side, in metres and upright, with landmarks (68, 3) if any.

    The subject's right is red, its left blue, the middle and the mouth green.
    """
    if landmarks is None:
        cameras = {name: frame_head(mesh, yaw=yaw) for name, yaw in YAWS.items()}
    else:
        nearest = np.array([np.argmin(((mesh.vertices - point) ** 2).sum(1)) for point in landmarks], np.int32)
        subject = Face("", mesh, (), np.zeros((0, len(mesh.vertices), 3), np.float32), landmarks=nearest)
        cameras = {name: frame_head(subject, yaw=yaw, zoom=1.2) for name, yaw in YAWS.items()}
    pictures = []
    for camera in cameras.values():
        with make_renderer(mesh, camera, size) as view:
            picture = Pictures.fromarray(view.render(mesh.vertices))
        if landmarks is not None:
            _draw(picture, project(camera, landmarks, size))
        pictures.append(np.asarray(picture))
    return tile(pictures, list(cameras), len(cameras))


def project(camera: Camera, points: Floats, size: int) -> Floats:
    """(N, 2) pixels, x right and y down, of points (N, 3) in a square picture."""
    whole = np.concatenate([np.asarray(points, np.float64), np.ones((len(points), 1))], axis=1)
    clip = whole @ (camera.projection() @ camera.view()).T
    flat = clip[:, :2] / clip[:, 3:]
    return ((flat * (1, -1) + 1) * (size / 2)).astype(np.float32)


def _draw(picture: Pictures.Image, points: Floats) -> None:
    """Curves and dots onto a picture."""
    pen = ImageDraw.Draw(picture)
    radius = max(1.5, picture.width / 220)
    for first, last, closed in CURVES:
        run = [(float(x), float(y)) for x, y in points[first : last + 1]]
        pen.line(run + run[: int(closed)], fill=(250, 250, 250), width=1)
    for k, (x, y) in enumerate(points):
        colour = RIGHT if k < 8 or 17 <= k < 22 or 36 <= k < 42 else LEFT if 8 < k < 27 or 42 <= k < 48 else MIDDLE
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
