"""A head with its landmarks drawn on it."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from sedtalker.face.face import Face
from sedtalker.face.mesh import Floats, Mesh
from sedtalker.render.camera import Camera, frame_head
from sedtalker.render.contact_sheet import tile
from sedtalker.render.renderer import Image, make_renderer

# First and last landmark of each curve, and whether it closes (iBUG 68).
CURVES = (
    *((0, 16, False), (17, 21, False), (22, 26, False), (27, 30, False), (31, 35, False)),
    *((36, 41, True), (42, 47, True), (48, 59, True), (60, 67, True)),
)
RIGHT, LEFT, MIDDLE = (214, 60, 60), (40, 96, 214), (20, 140, 90)
YAWS = {"front": 0.0, "from its left": 35.0}


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
