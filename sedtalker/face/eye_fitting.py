"""Eyeballs for heads that have none: the source's own, behind lids that are open, after the user's own vertices.

A ball has the size that the lids ask for, lies as far behind their rims as the source's does, and stays behind the
skin. It turns as the source's does. Closed lids are pushed out of it where they were fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sedtalker.arrays import Ints, Mask
from sedtalker.face.added_parts import PlacedPart, source_rows, with_parts
from sedtalker.face.face import Face, RegistrationReport
from sedtalker.face.mouth_interior import Mouth, known_mouth, mouth_of
from sedtalker.face.registration.alignment import bind
from sedtalker.face.registration.contacts import EYES, along_rim, clear_eyeball, part_in_blink
from sedtalker.face.registration.features import Line
from sedtalker.face.registration.parts import Eyeball
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import Points, at_vertices

CHOICES = ("auto", "keep", "add")
"""Values of ``--eyes``: a ball where there is none; the file's own; a ball also in front of a flat eye."""
NAMES = ("eye_right", "eye_left")
"""Groups of the balls, in the order of ``EYES``."""
SIDES = ("right", "left")
"""The subject's, likewise."""
MIDDLE = slice(6, -6)
"""Samples of a lid line that lie on the ball: its corners stand off."""
STEPS = 30
"""Iterations of fitting a ball to the lid rims."""
UNDER_SKIN = 0.0003
"""Metres that a ball keeps behind the skin round the opening."""
FARTHEST_BACK = 0.004
"""Metres that a ball is moved back at most to come behind the skin."""
FORWARD = 0.003
"""Metres that a ball comes forward at most to hide a flat eye."""
PICTURE = 160
"""Pixels a side of the picture of an opening."""
SHOWN = 0.9
"""Share of an opening that a ball must fill, to be an eye."""
PIECE = 0.2
"""Share of an opening from which on a piece of the file's own is its eye."""
WHITE = 0.9
"""Colour (sRGB) of balls of a source that has none."""
NO_BALL = "no separate eyeballs found"
"""Beginning of the warning that no longer holds once eyeballs were added."""


@dataclass(frozen=True, eq=False)
class Socket:
    """An open eye without a ball, and the source's eye of that side.

    Attributes:
        line: its lids; reference: those of the source.
        ball: the source's ball; vertices: (N,) its vertices; triangles: (T, 3) into them.
        scale: how much larger the eye is than the source's.
    """

    line: Line
    reference: Line
    ball: Eyeball
    vertices: Ints
    triangles: Ints

    @property
    def scale(self) -> float:
        return width(self.line) / width(self.reference)

    def place(self) -> Points:
        """Centre (3,) of a ball as far behind the rims as the source's ball is behind its own."""
        rims = np.concatenate([self.line.upper[MIDDLE], self.line.lower[MIDDLE]])
        own = np.concatenate([self.reference.upper[MIDDLE], self.reference.lower[MIDDLE]])
        wanted = self.scale * np.linalg.norm(own - self.ball.centre, axis=1)
        centre = rims.mean(0) + self.scale * (self.ball.centre - own.mean(0))
        for _ in range(STEPS):
            away = centre - rims
            far = np.linalg.norm(away, axis=1)
            centre = centre + np.linalg.lstsq(away / far[:, None], wanted - far, rcond=None)[0]
        return np.asarray(centre)

    def surface(self, source: Face, centre: Points) -> Points:
        """The source's ball (N, 3) about a centre, in this eye's size."""
        own = source.mesh.vertices[self.vertices].astype(np.float64)
        return np.asarray(centre + self.scale * (own - self.ball.centre))


def with_eyes(
    face: Face, report: RegistrationReport, source: Face, wanted: str = "auto", here: Mouth | None = None
) -> tuple[Face, RegistrationReport]:
    """A registered face with eyeballs behind lids that are open, and the report that says what was added.

    Args:
        face, report: the registered face, upright and in metres, with its final shapes.
        source: the face whose eyeballs are taken.
        wanted: one of ``CHOICES``.
        here: the face as a welded head, where it is known.
    """
    empty = [k for k in range(2) if report.eyes_found[k] and not report.eyeballs[k]]
    if wanted == "keep" or not empty or face.landmarks is None:
        return face, report
    here, there = here or mouth_of(face), known_mouth(source)
    found, notes, balls = list(report.eyeballs), [], []
    for k in empty:
        socket = socket_of(here, there, source, k)
        if socket is None:
            continue
        centre, note = fitted(socket, here, source, wanted)
        if note:
            notes.append(f"the {SIDES[k]} eye {note}")
        if centre is not None:
            balls.append((k, socket, centre))
            found[k] = True
    if not balls:
        return face, replace(report, warnings=(*report.warnings, *notes))
    count = len(face.mesh.vertices)
    face = with_lids_in_front(face, here, source, balls, set(report.own_shapes))
    face = with_parts(face, placed_parts(face, source, balls))
    added = len(face.mesh.vertices) - count
    where = "lids" if len(balls) == 2 else f"{SIDES[balls[0][0]]} lids"
    notes.append(f"no eyeball behind the {where}: ours were added, {added} vertices after the file's own")
    warnings = [line for line in report.warnings if not line.startswith(NO_BALL)]
    return face, replace(
        report,
        eyeballs=(found[0], found[1]),
        added_vertices=report.added_vertices + added,
        added_parts=(*report.added_parts, "eyeballs"),
        warnings=(*warnings, *notes),
    )


def width(line: Line) -> float:
    """From corner to corner, metres."""
    middle = 0.5 * (line.upper + line.lower)
    return float(np.linalg.norm(middle[-1] - middle[0]))


def socket_of(here: Mouth, there: Mouth, source: Face, side: int) -> Socket | None:
    """The open eye of a side, 0 the subject's right, with what the source has there; None where it is not open."""
    line, reference = here.head.skin.features.lids[side], there.head.skin.features.lids[side]
    ball = there.head.eyes.get(EYES[side][0])
    if not line.found or not reference.found or ball is None or width(line) < 1e-4:
        return None
    mine = source.regions["eyes"] & ((source.mesh.vertices[:, 0] < 0) == (side == 0))
    vertices, triangles = np.unique(source.mesh.triangles[mine[source.mesh.triangles].all(axis=1)], return_inverse=True)
    return Socket(line, reference, ball, vertices.astype(np.int32), triangles.reshape(-1, 3).astype(np.int32))


# --- Where it goes, and whether it is seen there.


def fitted(socket: Socket, here: Mouth, source: Face, wanted: str) -> tuple[Points | None, str]:
    """Centre (3,) of the ball, or None, and what is to be said."""
    centre = behind_lids(socket, here, source, socket.place())
    ball, piece = seen_of(socket, here, source, centre)
    if piece > PIECE:
        if wanted == "auto":
            return None, "is a piece of its own that is no ball: it stays, and its gaze does not move; or --eyes add"
        forward = np.linspace(0.0, FORWARD, 7)[1:]
        tried = [centre, *(centre + (0.0, 0.0, step) for step in forward)]
        centre = next((c for c in tried if seen_of(socket, here, source, c)[0] > SHOWN), tried[-1])
        ball, _ = seen_of(socket, here, source, centre)
    if ball < SHOWN:
        return None, "is filled by the skin itself, which would hide a ball: cut it out for a gaze"
    return centre, ""


def seen_of(socket: Socket, here: Mouth, source: Face, centre: Points) -> tuple[float, float]:
    """Shares of the opening between the lids at rest, from straight ahead: where a ball about ``centre`` would be in
    front, and where a piece of the file's own is.
    """
    head, line = here.head, socket.line
    rims = np.concatenate([line.upper, line.lower])
    view = View(np.eye(3), rims.mean(0), 0.55 * width(line))
    ids, depth = rasterise(view.project(head.points), head.triangles, PICTURE)
    ball_ids, ball_depth = rasterise(view.project(socket.surface(source, centre)), socket.triangles, PICTURE)
    between = opening(line, view)
    total = max(int(between.sum()), 1)
    ball = between & (ball_ids >= 0) & (ball_depth > depth)
    piece = between & (ids >= 0) & ~head.is_skin[head.triangles[np.maximum(ids, 0), 0]]
    return float(ball.sum()) / total, float(piece.sum()) / total


def opening(line: Line, view: View) -> Mask:
    """Pixels (P, P) of a view from straight ahead that lie between two lids."""
    at = (np.arange(PICTURE) + 0.5) * (2.0 * view.half_width / PICTURE) - view.half_width
    x, y = at + view.centre[0], view.centre[1] - at
    top, bottom = (np.interp(x, rim[:, 0], rim[:, 1]) for rim in (line.upper, line.lower))
    inside = (x > line.upper[0, 0]) & (x < line.upper[-1, 0])
    margin = 0.04 * width(line)
    return np.asarray(inside[None] & (y[:, None] < top - margin) & (y[:, None] > bottom + margin))


def behind_lids(socket: Socket, here: Mouth, source: Face, centre: Points) -> Points:
    """The centre moved back until the ball does not come through the skin round the opening."""
    skin, line = here.head.skin, socket.line
    top, bottom = (np.interp(skin.points[:, 0], rim[:, 0], rim[:, 1]) for rim in (line.upper, line.lower))
    between = (skin.points[:, 1] < top) & (skin.points[:, 1] > bottom)
    between &= (skin.points[:, 0] > line.upper[0, 0]) & (skin.points[:, 0] < line.upper[-1, 0])
    near = np.linalg.norm(skin.points - centre, axis=1) < 1.5 * socket.scale * socket.ball.radius
    lids = skin.points[skin.bare & near & ~between & (skin.points[:, 2] > centre[2])]
    start = centre[2]
    for _ in range(STEPS):
        ball = Eyeball(centre, socket.scale * socket.ball.radius, socket.surface(source, centre))
        inside = ball.reach(lids) + UNDER_SKIN - np.linalg.norm(lids - centre, axis=1)
        if not len(inside) or inside.max() <= 1e-5 or start - centre[2] >= FARTHEST_BACK:
            break
        centre = centre - (0.0, 0.0, float(inside.max()))
    return np.asarray(centre)


# --- The balls as parts of the face, and lids that close in front of them.

Ball = tuple[int, Socket, Points]
"""Side, socket and centre."""


def placed_parts(face: Face, source: Face, balls: list[Ball]) -> list[PlacedPart]:
    """The balls as pieces of a face; they turn as the source's."""
    rows = source_rows(face, source)
    parts = []
    for side, socket, centre in balls:
        own = source.basis[np.maximum(rows, 0)][:, socket.vertices].astype(np.float64)
        offsets = socket.scale * own * (rows >= 0)[:, None, None]
        colours = np.full(3, WHITE) if source.mesh.colours is None else source.mesh.colours[socket.vertices]
        surface = socket.surface(source, centre)
        parts.append(PlacedPart(NAMES[side], surface, offsets, socket.triangles, colours, ("eyes",)))
    return parts


def with_lids_in_front(face: Face, here: Mouth, source: Face, balls: list[Ball], own: set[str]) -> Face:
    """The face whose fitted blinks pass in front of the balls; shapes of the file's ``own`` stay as they are."""
    basis, head = face.basis.copy(), here.head
    at = at_vertices(head.from_skin(np.arange(len(head.skin_points)), -1), head.vertex_point, -1)
    for side, socket, centre in balls:
        shape = EYES[side][1]
        if shape in own or shape not in face.shape_index:
            continue
        row = face.shape_index[shape]
        before = here.offsets[row]
        offset = before.copy()
        borders = bind(head.skin, socket.line, lip=False)
        share = part_in_blink(offset, head.skin, borders, along_rim(socket.line.upper, head.skin.points))
        surface = socket.surface(source, centre)
        clear_eyeball(offset, head.skin, Eyeball(centre, socket.scale * socket.ball.radius, surface), share)
        change = (offset - before).astype(np.float32)
        basis[row, at >= 0] += change[at[at >= 0]]
    return replace(face, basis=basis)
