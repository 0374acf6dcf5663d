"""Many poses of a face in one labelled picture, and the page that shows how a head was registered."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from sedtalker.arrays import Floats
from sedtalker.face.expressions import EMOTIONS, MOUTH_SHAPES
from sedtalker.face.face import Face, paired_names, pose
from sedtalker.face.quality import QUESTIONS, Quality
from sedtalker.mesh.mesh import Mesh
from sedtalker.render.camera import Camera, frame_head
from sedtalker.render.light import Lighting
from sedtalker.render.picture import Image
from sedtalker.render.renderer import make_renderer

_PAPER, _INK = (250, 250, 250), (34, 38, 46)
"""sRGB bytes behind the pictures and of their labels."""


def every_shape(face: Face) -> dict[str, dict[str, float]]:
    """The neutral face and every shape at weight 1, left and right as one.

    The jaw is open where otherwise nothing could be seen (the tongue) or the shape has no meaning (mouthClose).
    """
    poses: dict[str, dict[str, float]] = {"neutral": {}}
    for name in paired_names(face.shapes):
        of_tongue = name.startswith("tongue") and name != "tongueOut"
        jaw = {"jawOpen": 1.0} if name == "mouthClose" else {"jawOpen": 0.5} if of_tongue else {}
        poses[" + ".join([name, *jaw])] = {name: 1.0, **jaw}
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
        near = [project(frame_head(subject, yaw=yaw, zoom=1.2), landmarks, 2) for yaw in YAWS.values()]
        zoom = 1.2 / max(1.0, 1.05 * float(np.abs(np.stack(near) - 1.0).max()))  # all landmarks are in the picture
        cameras = {name: frame_head(subject, yaw=yaw, zoom=zoom) for name, yaw in YAWS.items()}
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


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What the page may load: nothing."""
CSS = """
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 70rem; background: #fff; color: #222;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .3rem; font-size: 1.15rem; } p { margin: .3rem 0 .8rem; }
img { width: 100%; height: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .8rem; border-bottom: 1px solid #ececec; text-align: left; } th { color: #555; }
"""
"""Style sheet of the page."""
SIZE = 200
"""Pixels a side of one picture of the sheet."""


def fit_page(face: Face, quality: Quality) -> str:
    """The page of a registered face with a report."""
    report = face.report
    assert report is not None
    picture = io.BytesIO()
    sheet = contact_sheet(face, {"neutral": {}, **EMOTIONS, **MOUTH_SHAPES}, size=SIZE, columns=6, zoom=1.3)
    Pictures.fromarray(sheet).save(picture, "JPEG", quality=88)
    measured = {name: "–" if figure is None else f"{figure:.3g}" for name, figure in quality.measured.items()}
    rows = "".join(
        f"<tr><td>{QUESTIONS[name]}</td><td>{value:.2f}</td><td>{measured[name]}</td></tr>"
        for name, value in quality.parts.items()
    )
    notes = [*report.warnings, *(f"To do: {advice}" for advice in quality.advice)]
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes) or "<li>nothing</li>"
    behind = ", ".join(report.behind_lips) or "not to be seen: the lips are sealed"
    gains = ", ".join(f"{region} × {gain:g}" for region, gain in report.gains.items()) or "as they are"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(face.name)}</title><style>{CSS}</style></head><body>"
        f"<h1>{escape(face.name)}: {quality.verdict}, {quality.score:.2f} of 1</h1>"
        f"<p>Shapes: {escape(report.way)}, {escape(report.basis)}. Behind the lips: {escape(behind)}. "
        f"Amounts: {escape(gains)}.</p>"
        f'<img alt="The face at rest, in six emotions and in five mouth shapes" '
        f'src="data:image/jpeg;base64,{b64encode(picture.getvalue()).decode()}">'
        f"<h2>Score</h2><table><tr><th>question</th><th>0 to 1</th><th>measured</th></tr>{rows}</table>"
        f"<h2>Worth knowing</h2><ul>{listed}</ul></body></html>\n"
    )
