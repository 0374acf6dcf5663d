"""A first placing of the cage on the target, from rays, feature curves and a few tables of our own (centimetres)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from face_fit.eyeball import fit_eyeball
from face_fit.target import Points, Target, along
from face_fit.topology import crown_rim
from sedtalker.face.builtin import cage as layout
from sedtalker.face.builtin.cage import CAP, COLUMNS, CROWN, ROWS, Cage, Patch, patch

HALF_AZIMUTHS = (0.0, 3.5, 7.0, 10.0, 13.0, 20.0, 27.5, 35.0, 44.0, 54.0, 65.0, 79.0, 94.0, 109.0, 128.0, 153.0, 180.0)
"""Degrees of the columns of one half, front to back."""
FRONT_Y = (-14.0, -12.6, -11.2, -9.9, -8.5, -7.7, -6.7, -5.6, -4.6, -3.5, -2.4, -1.5, -1.0, -0.5, 0.0, 0.6, 1.4, 2.4,
           3.4, 4.4, 5.4, 6.1, 6.85, 7.6, 8.4, 9.35, 10.7, 12.2)  # fmt: skip
FRONT_Z = (2.0, 3.0, 4.0, 5.2, 7.0, 9.6, 10.2, 10.3, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0,
           11.0, 11.0, 10.8, 10.5, 10.2, 9.9, 9.3, 8.2, 6.4)  # fmt: skip
SIDE_Y = (-13.4, -11.6, -9.7, -7.9, -6.6, -5.9, -5.3, -4.7, -4.2, -3.75, -3.35, -2.95, -2.5, -1.0, 0.3, 1.5, 2.8, 4.3,
          4.9, 5.4, 5.95, 6.5, 7.1, 7.8, 8.6, 9.6, 10.8, 12.1)  # fmt: skip
"""Heights and depth of the rows on the midline, and heights at the side."""

NOSE = {  # (row, column) → x, y, z
    (12, 0): (0, -1.2, 11.57), (12, 1): (0.40, -1.17, 11.5), (12, 2): (0.85, -1.2, 11.3), (12, 3): (1.3, -1.05, 10.95),
    (12, 4): (1.78, -0.95, 10.7), (13, 0): (0, -0.97, 11.85), (13, 1): (0.3, -0.87, 11.9), (13, 3): (1.55, -0.38, 11.5),
    (13, 4): (1.95, -0.3, 10.75), (14, 0): (0, -0.78, 12.35), (14, 1): (0.4, -0.68, 12.3),
    (14, 2): (0.78, -0.35, 12.45),
    (14, 3): (1.35, 0.0, 12.05), (14, 4): (1.88, 0.3, 10.95), (15, 0): (0, 0.1, 13.08), (15, 1): (0.42, 0.1, 12.95),
    (15, 2): (0.8, 0.2, 12.6), (15, 3): (1.22, 0.5, 12.0), (15, 4): (1.66, 0.9, 11.05), (16, 0): (0, 1.4, 12.45),
    (16, 1): (0.33, 1.4, 12.3), (16, 2): (0.7, 1.42, 11.9), (16, 3): (1.05, 1.46, 11.4), (16, 4): (1.5, 1.5, 10.7),
    (17, 0): (0, 2.3, 11.8), (18, 0): (0, 3.25, 11.1), (19, 0): (0, 4.25, 10.8), (20, 0): (0, 5.4, 10.8),
}  # fmt: skip
"""Own table of the nose, on the reference's mean head; moved with the nose landmarks of the target."""

NOSTRIL_RIM = {  # lattice (i, j) → x, y, z: i from columella to wing, j from lip to tip
    (0, 0): (0.54, -1.02, 11.58), (1, 0): (0.82, -1.06, 11.42), (2, 0): (1.16, -0.82, 11.32),
    (2, 1): (1.34, -0.45, 11.6),
    (2, 2): (1.14, -0.36, 12.0), (1, 2): (0.74, -0.42, 12.24), (0, 2): (0.5, -0.55, 12.12),
    (0, 1): (0.42, -0.77, 11.85),
}  # fmt: skip
MOUTH_BORDER = (3.75, 2.0, 2.35)
"""Half width and height above and below the contact line of the mouth's rectangle."""
MEAN_NOSE = np.array(
    [[0, 0.41, 13.07], [-1.25, -1.14, 10.87], [0, -1.2, 11.57], [1.25, -1.14, 10.87], [0, 3.74, 10.73]]
)


def place(cage: Cage, target: Target) -> Points:
    """Positions (N, 3) of the cage's vertices."""
    cast = _Caster(target.vertices, target.everything)
    points = np.full((len(cage.keys), 3), np.nan)
    for i, (name, row, column, _) in enumerate(cage.keys):
        if name == "grid":
            points[i] = _ray(cast, target, row, column)
    _front(cage, target, cast, points)
    for p in layout.PATCHES:
        if p.name.endswith("_right"):
            continue
        {"mouth": _mouth, "eye_left": _eye, "ear_left": _ear, "nostril_left": _nostril}[p.name](cage, target, points, p)
    _fill_cap(cage, points, CROWN)
    for key, i in cage.index.items():
        if key[0] == "crown":
            points[i] = cast.hit(np.array([0, 2.0, 0.5]), points[i] - (0, 2.0, 0.5), points[i])
    left = np.array([k[0].endswith("_left") for k in cage.keys])
    points[cage.mirror[left]] = points[left] * (-1, 1, 1)
    return 0.5 * (points + points[cage.mirror] * (-1, 1, 1))


class _Caster:
    """First hit of a ray with a triangle soup."""

    def __init__(self, vertices: Points, triangles: np.ndarray) -> None:
        self.a = vertices[triangles[:, 0]]
        self.e1, self.e2 = vertices[triangles[:, 1]] - self.a, vertices[triangles[:, 2]] - self.a

    def hit(self, origin: Points, direction: Points, fallback: Points, last: bool = True) -> Points:
        p = np.cross(direction, self.e2)
        det = (self.e1 * p).sum(1)
        det = np.where(np.abs(det) < 1e-12, 1e-12, det)
        s = origin - self.a
        u = (s * p).sum(1) / det
        q = np.cross(s, self.e1)
        v, t = (direction * q).sum(1) / det, (self.e2 * q).sum(1) / det
        ok = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 0)
        if not ok.any():
            return fallback
        return origin + (t[ok].max() if last else t[ok].min()) * direction


def _ray(cast: _Caster, target: Target, row: int, column: int) -> Points:
    """A grid point by a ray from inside the head."""
    signed = column if column <= COLUMNS // 2 else column - COLUMNS
    azimuth = np.radians(HALF_AZIMUTHS[abs(signed)] * np.sign(signed))
    side = np.clip((abs(np.degrees(azimuth)) - 25) / 55, 0, 1)
    side = side * side * (3 - 2 * side)
    y = FRONT_Y[row] * (1 - side) + SIDE_Y[row] * side
    radius = (FRONT_Z[row] - 1) * (1 - side) + 7.5 * side
    if row >= ROWS - 3:
        radius = np.interp(row, (ROWS - 4, ROWS - 3, ROWS - 2, ROWS - 1), (9.2, 8.3, 6.7, 4.9))
    guess = np.array([radius * np.sin(azimuth), y, 1 + radius * np.cos(azimuth)])
    if row <= 3:
        origin = np.array([0, y, -1.5 - 0.4 * max(0, -9 - y)])
        guess = np.array([origin[0] + 6 * np.sin(azimuth), y, origin[2] + 6 * np.cos(azimuth)])
    else:
        origin = np.array([0, 0.3 * y, 1.0])
    return cast.hit(origin, guess - origin, guess, last=False)


def _front(cage: Cage, target: Target, cast: _Caster, points: Points) -> None:
    """The front of the grid: feature borders and the nose fixed, the rest harmonic in (x, y), then projected."""
    marks = target.vertices[target.landmarks]
    scale, shift = _nose_motion(marks)
    fixed: dict[int, Points] = {}
    for (row, column), value in NOSE.items():
        fixed[cage.index["grid", row, column, 0]] = np.array(value) * scale + shift
    half, up, down = MOUTH_BORDER
    middle = along(target.curves["contact"], np.zeros(1))[0]
    mouth, eye = patch("mouth"), patch("eye_left")
    corners = (0, 0.45, 0.95, 1.5, 2.1, 2.9, half)
    for vertex, (i, j) in zip(cage.ring(mouth, 0), mouth.lattice, strict=True):
        if i >= 6:
            top = fixed[cage.index["grid", 12, 0, 0]][1] - 0.25
            y = np.interp(j, (0, 2, 4), (middle[1] - down, middle[1] - 0.25, min(top, middle[1] + up)))
            fixed[int(vertex)] = np.array([corners[i - 6], y, np.nan])
    curve = target.curves["lid_up"]
    inner, outer = curve[0], curve[-1]
    centre, width = 0.5 * (inner + outer), (outer - inner)[0] / 2
    for vertex, (i, j) in zip(cage.ring(eye, 0), eye.lattice, strict=True):
        a, b = i / 2 - 1, j / 2 - 1
        x = centre[0] + a * (width + (0.45 if a < 0 else 1.15))
        y = centre[1] + (2.15 * b if b > 0 else 1.95 * b)
        fixed.setdefault(int(vertex), np.array([x, y, np.nan]))
    _harmonic(cage, points, fixed)
    for vertex, value in fixed.items():
        points[vertex, :2] = value[:2]
    for (name, row, column, _), vertex in cage.index.items():
        if name == "grid" and 6 <= row <= 21 and column <= 8:
            known = fixed.get(vertex)
            if known is not None and np.isfinite(known[2]):
                points[vertex] = known
            else:
                start = np.array([*points[vertex, :2], 3.0])
                points[vertex] = cast.hit(start, np.array([0, 0, 1.0]), points[vertex])
        elif name == "grid" and column > COLUMNS // 2:
            continue
    for (name, row, column, _), vertex in cage.index.items():
        if name == "grid" and column > COLUMNS // 2:
            points[vertex] = points[cage.index["grid", row, COLUMNS - column, 0]] * (-1, 1, 1)


def _nose_motion(marks: Points) -> tuple[Points, Points]:
    """Per-axis scale and shift that carry the mean head's nose onto the target's."""
    seen = marks[[30, 31, 33, 35, 27]]
    seen = 0.5 * (seen + seen[[0, 3, 2, 1, 4]] * (-1, 1, 1))
    scale = np.ptp(seen, axis=0) / np.ptp(MEAN_NOSE, axis=0)
    shift = seen.mean(0) - MEAN_NOSE.mean(0) * scale
    return scale, shift * (0, 1, 1)


def _harmonic(cage: Cage, points: Points, fixed: dict[int, Points]) -> None:
    """Fill (x, y) of the front half grid (columns 0–8, rows 6–21) harmonically."""
    cells = {
        cage.index["grid", r, c, 0]: (r, c) for r in range(6, 22) for c in range(9) if ("grid", r, c, 0) in cage.index
    }
    free = [v for v, (r, c) in cells.items() if v not in fixed and 6 < r < 21 and c < 8]
    at = {v: i for i, v in enumerate(free)}
    rows, columns, values = [], [], []
    right = np.zeros((len(free), 2))
    for v, i in at.items():
        r, c = cells[v]
        near = [(r - 1, c), (r + 1, c), (r, c + 1), (r, c - 1)]
        for n in near:
            mirrored = n[1] < 0
            key = ("grid", n[0], abs(n[1]), 0)
            if key not in cage.index:
                continue
            w = cage.index[key]
            rows.append(i), columns.append(i), values.append(1.0)
            sign = np.array([-1.0, 1.0]) if mirrored else np.ones(2)
            if w in at and not mirrored:
                rows.append(i), columns.append(at[w]), values.append(-1.0)
            elif w in at:
                right[i] += (0, points[v, 1])
            else:
                right[i] += (fixed[w][:2] if w in fixed else points[w, :2]) * sign
    matrix = sparse.coo_matrix((values, (rows, columns)), shape=(len(free),) * 2).tocsc()
    for axis in range(2):
        points[free, axis] = spsolve(matrix, right[:, axis])
    for v in free:
        if cells[v][1] == 0:
            points[v, 0] = 0.0


def _mouth(cage: Cage, target: Target, points: Points, p: Patch) -> None:
    c, disc = target.curves, p.disc
    t, upper = disc[:, 0], disc[:, 1] >= 0
    border = points[cage.ring(p, 0)]
    vermilion = np.where(upper[:, None], along(c["outer_up"], t), along(c["outer_low"], t))
    contact = along(c["contact"], t)
    for ring, share in ((1, 0.36), (2, 0.68), (3, 0.9)):
        points[cage.ring(p, ring)] = border * (1 - share) + vermilion * share
    points[cage.ring(p, 4)] = vermilion
    body = 0.5 * (vermilion + contact) + 0.12 * np.sqrt(np.clip(1 - t**2, 0, 1))[:, None] * (0, 0, 1)
    points[cage.ring(p, 5)] = body
    points[cage.ring(p, 6)] = contact
    middle = contact[np.argmin(np.abs(t) + (disc[:, 1] < 0))]
    tall = disc[:, 1]
    outward = np.stack([t * 0.12, tall * 0.02, np.full_like(t, -0.32)], axis=1)
    points[cage.ring(p, 7)] = contact + outward
    high = np.sqrt(np.clip(np.abs(tall), 0, 1)) * np.sign(tall)
    for ring, (width, rise, drop, front, bend) in (
        (8, (2.75, 0.95, 1.05, middle[2] - 0.5, 2.4)),
        (9, (3.15, 2.35, 2.5, middle[2] - 2.6, 2.0)),
        (10, (2.9, 1.9, 2.2, 4.0, 0.5)),
    ):
        y = middle[1] + np.where(tall > 0, rise, drop) * high
        points[cage.ring(p, ring)] = np.stack([width * t, y, front - bend * t * t], axis=1)
    _fill_cap(cage, points, p)
    cap = np.array([k[0] == "mouth" and k[1] == CAP for k in cage.keys])
    points[cap, 2] -= 0.8


def _eye(cage: Cage, target: Target, points: Points, p: Patch) -> None:
    c, disc = target.curves, p.disc
    t, upper = disc[:, 0], (disc[:, 1] >= 0)[:, None]
    border = points[cage.ring(p, 0)]
    edge = np.where(upper, along(c["lid_up"], t), along(c["lid_low"], t))
    rim = np.where(upper, along(c["rim_up"], t), along(c["rim_low"], t))
    for ring, share in ((1, 0.34), (2, 0.6), (3, 0.8), (4, 0.93)):
        points[cage.ring(p, ring)] = border * (1 - share) + edge * share
    points[cage.ring(p, 5)] = edge
    points[cage.ring(p, 6)] = rim
    ball = fit_eyeball(target)
    ray = rim - ball.centre - (0, 0, 0.22)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    points[cage.ring(p, 7)] = ball.centre + ray * (ball.radius - 0.06)


EAR_OUTLINE = np.array([
    (-0.42, -2.25), (0.05, -2.75), (0.70, -2.30), (1.10, -1.40), (1.52, -0.25), (1.80, 0.85), (1.72, 1.85),
    (1.18, 2.52),
    (0.25, 2.78), (-0.55, 2.35), (-0.82, 1.50), (-0.78, 0.60), (-0.70, -0.30), (-0.60, -1.30),
])  # fmt: skip
"""Edge of the helix on the ear's fourteen spokes from the front of the lobe backwards: (backwards, up)."""
EAR_HEIGHT = np.array([0.40, 0.60, 0.85, 1.12, 1.32, 1.40, 1.30, 1.08, 0.80, 0.48, 0.28, 0.22, 0.34, 0.34])
"""Distance of the edge from the head."""
EAR_BACK = np.array([0.1, 0.5, 1, 1, 1, 1, 1, 0.9, 0.6, 0.25, 0, 0, 0, 0])
"""1 where a spoke runs behind the ear, 0 where it lies on the cheek."""
EAR_LOBE = np.array([0.8, 1.0, 0.9, 0.4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.35])
EAR_TRAGUS = np.array([0.15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0.55, 1.0, 0.65])
EAR_FOLD = np.array([0, 0, 0.25, 0.8, 1.0, 1.0, 1.0, 0.85, 0.6, 0.3, 0, 0, 0, 0])
"""Where the lobe hangs, the tragus stands in front of the hole, and the antihelix folds up."""
EAR_PROFILE = (  # ring: (size, share of the height, added height) behind, then the same on the cheek
    ((0.62, 0.0, 0.02), (1.12, 0.0, 0.02)), ((0.86, 0.5, -0.05), (1.02, 0.0, 0.05)), ((1.0, 1.0, -0.14),
    (0.94, 0.6, 0.02)),
    ((0.93, 1.0, 0.08), (0.86, 1.0, 0.02)), ((0.80, 0.85, -0.30), (0.76, 1.0, 0.04)), ((0.60, 0.85, -0.06),
    (0.56, 1.0, 0.0)),
    ((0.36, 0.25, -0.16), (0.36, 0.1, -0.12)),
)  # fmt: skip


def _ear(cage: Cage, target: Target, points: Points, p: Patch) -> None:
    """Helix, scapha, antihelix, concha, tragus and lobe, modelled without the reference."""
    x, y, z = points[cage.ring(p, 0)].T
    form = np.stack([np.ones_like(y), y, z, y * z, z * z], axis=1)
    head = np.linalg.lstsq(form, x, rcond=None)[0]
    middle = np.array([-0.05, 0.1])
    for number, (behind, cheek) in enumerate(EAR_PROFILE, start=1):
        size, share, extra = (np.outer(1 - EAR_BACK, cheek) + np.outer(EAR_BACK, behind)).T
        back, up = (middle + (EAR_OUTLINE - middle) * size[:, None] * (1.14, 1.0)).T
        if number == 5:
            extra = extra + 0.22 * EAR_LOBE
        if number == 6:
            extra = extra + 0.26 * EAR_FOLD - 0.10 * EAR_LOBE + 0.34 * EAR_TRAGUS
            back, up = back + 0.20 * EAR_TRAGUS, up + 0.25 * EAR_LOBE
        if number == 7:
            up = up - 0.45 * np.clip(up, 0, None) + 0.45 * EAR_LOBE
            back = back - 0.10
        yy = 0.95 + up + 0.10 * back
        zz = 0.05 - back - 0.16 * up
        surface = np.stack([np.ones_like(yy), yy, zz, yy * zz, zz * zz], axis=1) @ head
        points[cage.ring(p, number)] = np.stack([surface + share * EAR_HEIGHT + extra, yy, zz], axis=1)
    _fill_cap(cage, points, p)
    cap = np.array([k[0] == p.name and k[1] == CAP for k in cage.keys])
    points[cap, 0] -= 0.16


def _nostril(cage: Cage, target: Target, points: Points, p: Patch) -> None:
    scale, shift = _nose_motion(target.vertices[target.landmarks])
    rim = np.array([NOSTRIL_RIM[ij] for ij in p.lattice]) * scale + shift
    middle = rim.mean(0)
    points[cage.ring(p, 1)] = rim
    points[cage.ring(p, 2)] = middle + (rim - middle) * 0.86 + (0.02, 0.25, 0.0)
    points[cage.ring(p, 3)] = middle + (rim - middle) * 0.5 + (0.0, 0.55, -0.1)
    _fill_cap(cage, points, p)
    centre = cage.index[p.name, CAP, 1, 1]
    points[centre, 1] += 0.05


def _fill_cap(cage: Cage, points: Points, p: Patch) -> None:
    """Inside of a feature's last ring: a Coons patch."""
    w, h = p.width, p.height

    def at(i: int, j: int) -> Points:
        if p.name == "crown":
            return points[cage.index[crown_rim(i, j)]]
        return points[cage.index[p.name, p.rings, i, j]]

    for i in range(1, w):
        for j in range(1, h):
            u, v = i / w, j / h
            ruled = (1 - v) * at(i, 0) + v * at(i, h) + (1 - u) * at(0, j) + u * at(w, j)
            corner = (1 - u) * (1 - v) * at(0, 0) + u * (1 - v) * at(w, 0) + (1 - u) * v * at(0, h) + u * v * at(w, h)
            points[cage.index[p.name, CAP, i, j]] = ruled - corner
