"""Fitting every expression with the neutral's own matrix, and repairing lips and lids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import SuperLU, splu

from face_fit.mouth import ARCH_DEPTH, ARCH_WIDTH, TEETH_BEHIND
from face_fit.solve import Fitter, Index
from face_fit.target import Points, Target
from sedtalker.face.builtin.cage import CAP, EYE_EDGE, EYE_RIM, EYE_SOCKET, MOUTH_CONTACT, patch
from sedtalker.face.builtin.identity import seal_lips
from sedtalker.face.builtin.parts import GAZE_ANGLES, Eyeball, cornea_profile, gaze_axis

LID_CLEARANCE = 0.03
"""Centimetres between the eyeball and the inside of a lid."""
SMOOTH = 0.004
RESTING = {
    "mouthSmileLeft": 0.26, "mouthSmileRight": 0.26, "eyeBlinkLeft": 0.04, "eyeBlinkRight": 0.04,
    "eyeSquintLeft": 0.07, "eyeSquintRight": 0.07, "eyeLookUpLeft": 0.16, "eyeLookUpRight": 0.16,
}  # fmt: skip
"""Expressions that the neutral face keeps: a friendly look, not a stare."""
OUTLIER = 0.15
"""Centimetres off the smooth solution beyond which a sampled target is pulled back."""


LidClearer = Callable[["Expressions", dict[str, Points], dict[tuple[str, ...], Points]], dict[tuple[str, ...], Points]]


@dataclass(frozen=True, eq=False)
class Jaw:
    """Where an expression carries the lower teeth: offset = [x 1] @ matrix."""

    matrix: NDArray[np.float64]

    def offset(self, points: Points) -> Points:
        return np.concatenate([points, np.ones((len(points), 1))], axis=1) @ self.matrix


def fit_jaw(target: Target, delta: Points) -> Jaw:
    """Affine least squares of the lower teeth's motion."""
    points = target.vertices[target.lower_teeth]
    rows = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    return Jaw(np.linalg.lstsq(rows, delta[target.lower_teeth], rcond=None)[0])


@dataclass
class Expressions:
    """Solver of cage offsets for the fitted neutral cage.

    Attributes:
        fitter: cage and target.
        neutral: (N, 3) fitted cage.
        ball: left eyeball.
    """

    fitter: Fitter
    neutral: Points
    ball: Eyeball
    factor: dict[bytes, SuperLU] = field(default_factory=dict)

    def __post_init__(self) -> None:
        f = self.fitter
        self.refined = f.matrix @ self.neutral
        self.rows, self.triangles, self.weights, _ = f.match(self.refined)
        cage = f.cage
        p = patch("mouth")
        self.sock = np.array([_is_inside(k) for k in cage.keys])
        self.contact = cage.ring(p, MOUTH_CONTACT)
        self.lower_share = np.full(len(cage.keys), 0.5)
        for ring in range(MOUTH_CONTACT, p.rings + 1):
            tall = p.disc[:, 1]
            self.lower_share[cage.ring(p, ring)] = np.clip(0.5 - 1.4 * tall, 0, 1)
        for (name, ring, _, j), v in cage.index.items():
            if name == "mouth" and ring == CAP:
                self.lower_share[v] = np.clip(1 - j / p.height, 0, 1)
        self.opposite = np.array([p.lattice.index((i, p.height - j)) for i, j in p.lattice])
        self.upper_half = p.disc[:, 1] > 1e-6
        self.rest_contact = self.contact_points(np.zeros_like(self.neutral))

    def relax(self, resting: dict[str, float], offsets: dict[str, Points]) -> None:
        """Take a mixture of expressions into the neutral cage; the mouth stays closed."""
        added = sum((weight * offsets[name] for name, weight in resting.items()), start=np.zeros_like(self.neutral))
        self.neutral = self.neutral + self.close_lips(added, Jaw(np.zeros((4, 3))), reach=1.0)

    def solve(self, delta: Points, jaw: Jaw, pins: tuple[Index, Points, float] | None = None) -> Points:
        """Cage offsets (N, 3) for the target's offsets (V, 3); ``pins`` are refined rows, offsets and their weight."""
        f, n = self.fitter, len(self.neutral)
        want = np.einsum("nk,nkd->nd", self.weights, delta[self.triangles])
        pin_rows = pins[0] if pins else np.zeros(0, np.int64)
        picked, pinned = f.matrix[self.rows], f.matrix[pin_rows]
        sock = sparse.identity(n).tocsr()[self.sock]
        lap = f.laplacian.T @ f.laplacian * SMOOTH
        key = pin_rows.tobytes()
        if key not in self.factor:
            normal = picked.T @ picked + 30 * sock.T @ sock + lap + 1e-6 * sparse.identity(n)
            if pins:
                normal = normal + pins[2] * pinned.T @ pinned
            self.factor[key] = splu(sparse.csc_matrix(normal))
        solution = np.zeros_like(self.neutral)
        for _ in range(5):
            right = picked.T @ want + 30 * sock.T @ self.sock_offsets(solution, jaw)[self.sock]
            if pins:
                right = right + pins[2] * pinned.T @ pins[1]
            solution = self.factor[key].solve(right)
            rest = want - picked @ solution
            size = np.linalg.norm(rest, axis=1, keepdims=True)
            want = want - rest * np.clip(1 - OUTLIER / np.maximum(size, 1e-9), 0, 1)
        return np.where(self.sock[:, None], self.sock_offsets(solution, jaw), solution)

    def sock_offsets(self, offsets: Points, jaw: Jaw) -> Points:
        """Offsets of the mouth's inside (the lips' near the lips, skull and jaw in the depth); eye sockets rest."""
        cage, p = self.fitter.cage, patch("mouth")
        mouth = np.array([k[0] == "mouth" for k in cage.keys])
        bone = jaw.offset(self.neutral) * (self.lower_share * mouth)[:, None]
        out = bone.copy()
        lips = offsets[self.contact]
        for ring, share in ((7, 0.9), (8, 0.6), (9, 0.12)):
            at = cage.ring(p, ring)
            out[at] = share * lips + (1 - share) * bone[at]
        return out

    def contact_points(self, offsets: Points) -> Points:
        """(32, 3) refined points of the contact ring."""
        return (self.fitter.matrix[self.contact]) @ (self.neutral + offsets)

    def lip_gap(self, offsets: Points) -> NDArray[np.float64]:
        """(32,) height of the upper over the lower contact point of each spoke, centimetres; negative is overlap."""
        y = self.contact_points(offsets)[:, 1]
        return np.where(self.upper_half, y - y[self.opposite], y[self.opposite] - y)

    def close_lips(self, offsets: Points, jaw: Jaw, reach: float, axes: tuple[float, ...] = (1.0, 1.0, 1.0),
                   upper_share: float = 0.5) -> Points:  # fmt: skip
        """Bring both lips to one contact curve where they overlap or are less than about ``reach`` cm apart."""
        cage, p = self.fitter.cage, patch("mouth")
        out = offsets.copy()
        rest = self.rest_contact - self.rest_contact[self.opposite]
        part = np.where(self.upper_half, upper_share, 1 - upper_share)[:, None] * axes
        near = 1 - np.clip((self.lip_gap(out) - 0.6 * reach) / max(0.8 * reach, 1e-9), 0, 1)
        near[self.opposite == np.arange(len(near))] = 0
        for _ in range(5):
            now = self.contact_points(out)
            move = near[:, None] * part * (now[self.opposite] - now + rest)
            for ring, share in ((6, 1.0), (5, 0.92), (4, 0.7), (3, 0.48), (2, 0.25), (1, 0.08)):
                out[cage.ring(p, ring)] += share * move
            out = np.where(self.sock[:, None], self.sock_offsets(out, jaw), out)
        return out

    def seal(self) -> None:
        """Let the lips of the neutral cage overlap by a hair everywhere, so that no light shows between them."""
        self.neutral = seal_lips(self.fitter.cage, self.neutral)
        self.rest_contact = self.contact_points(np.zeros_like(self.neutral))

    def clear_teeth(self, offsets: Points) -> Points:
        """Keep the lips before the upper teeth."""
        cage, p = self.fitter.cage, patch("mouth")
        front = self.rest_contact[:, 2].max() - TEETH_BEHIND
        out = offsets.copy()
        for ring, room in ((4, 0.16), (5, 0.14), (6, 0.08), (7, 0.04)):
            at = cage.ring(p, ring)
            x, _, z = (self.neutral[at] + out[at]).T
            arch = front - ARCH_DEPTH * (1 - np.sqrt(np.clip(1 - (x / ARCH_WIDTH) ** 2, 0, 1)))
            out[at, 2] += np.maximum(0.0, arch + room - z)
        return out

    def lid_rows(self) -> tuple[Index, Index, Index]:
        """Refined rows of the left eye's inner rings, of the upper edge and of the opposite lower edge."""
        cage, sub, eye = self.fitter.cage, self.fitter.cage.subdivision, patch("eye_left")
        edge = sub.loop(cage.ring(eye, EYE_EDGE))
        start = 2 * eye.lattice.index((4, 2))
        loop = np.roll(edge, -start)
        half = len(loop) // 2
        upper, lower = loop[1:half], loop[half + 1 :][::-1]
        inside = np.unique(np.concatenate([sub.loop(cage.ring(eye, r)) for r in (2, 3, 4, EYE_EDGE, EYE_RIM)]))
        rings = [cage.ring(eye, r) for r in range(2, EYE_RIM + 1)]
        spokes = [sub.edge_point(int(a), int(b)) for s, t in pairwise(rings)
                  for a, b in zip(s, t, strict=True)]  # fmt: skip
        return np.union1d(inside, spokes), upper, lower

    def settle_lids(
        self, offsets: Points, closed: bool, gaze: Points | None = None, hug: bool = False, passes: int = 8
    ) -> Points:
        """Push the left lids out of the eyeball; ``closed`` lays the upper edge on the lower one, ``hug`` keeps the
        lids' inner rim on the eyeball where the fit lifts it off."""
        f = self.fitter
        inside, upper, lower = self.lid_rows()
        axis = gaze_axis() if gaze is None else gaze
        near = np.array([k[0] == "eye_left" and k[1] != EYE_SOCKET for k in f.cage.keys])
        free = np.flatnonzero(near)
        rows = np.unique(np.concatenate([inside, upper, lower]))
        farthest = np.full((len(rows), 1), np.inf)
        if hug:
            eye, sub = patch("eye_left"), f.cage.subdivision
            for ring, room in ((EYE_EDGE, 0.12), (EYE_RIM, 0.0)):
                farthest[np.isin(rows, sub.loop(f.cage.ring(eye, ring)))] = room
        a = f.matrix[rows][:, free]
        lap = f.laplacian[:, free]
        heavy = np.where(np.isin(rows, upper) | np.isin(rows, lower), 25.0, 4.0)
        normal = a.T @ sparse.diags(heavy) @ a + 0.05 * lap.T @ lap + 0.02 * sparse.identity(len(free))
        solver = splu(sparse.csc_matrix(normal))
        out = offsets.copy()
        lap = np.outer(np.sin(np.linspace(0, np.pi, len(upper) + 2)[1:-1]), (0, -0.02, 0.03))
        for _ in range(passes):
            points = f.matrix @ (self.neutral + out)
            want = points.copy()
            if closed:
                want[upper] = want[lower] + lap
            ray = want[rows] - self.ball.centre
            distance = np.linalg.norm(ray, axis=1, keepdims=True)
            least = self.ball.radius + cornea_profile(ray / distance @ axis)[:, None] + LID_CLEARANCE
            want[rows] = self.ball.centre + ray * np.clip(1.0, least / distance, (least + farthest) / distance)
            out[free] += solver.solve(a.T @ (heavy[:, None] * (want[rows] - points[rows])))
        return out


def _is_inside(key: tuple[str, int, int, int]) -> bool:
    name, ring, _, _ = key
    return (name == "mouth" and ring > MOUTH_CONTACT) or (name.startswith("eye") and ring == EYE_SOCKET)


OVERLAPPING = (
    "mouthPucker", "mouthPress", "mouthDimple", "mouthRoll", "mouthShrug", "mouthLeft", "mouthRight", "mouthSmile",
    "mouthFrown", "mouthStretch", "cheekPuff", "cheekSquint", "jawForward", "jawLeft", "jawRight", "mouthFunnel",
    "mouthLowerDown", "mouthUpperUp", "noseSneer",
)  # fmt: skip
"""Shapes whose lips may cross or gape in the reference."""
PARTING = ("mouthFunnel", "mouthLowerDown", "mouthUpperUp", "mouthShrugUpper")
"""Those that open the lips."""


def fit_expressions(e: Expressions, target: Target) -> tuple[dict[str, Points], dict[str, Jaw]]:
    """Offsets of every ARKit shape but ``tongueOut`` and the jaw's motion in it; left and right exact mirrors."""
    jaws = {name: fit_jaw(target, delta) for name, delta in target.deltas.items()}
    raw = {name: e.solve(delta, jaws[name]) for name, delta in target.deltas.items() if name != "tongueOut"}
    mirror = e.fitter.cage.mirror
    offsets = {name: 0.5 * (raw[name] + raw[other_side(name)][mirror] * (-1, 1, 1)) for name in raw}
    for name, shares in MIXED.items():
        half = 1 / (1 + np.exp(-e.neutral[:, :1] / 0.5))
        offsets[name] = offsets[name] + half * sum(share * offsets[other] for other, share in shares.items())
        offsets[other_side(name)] = offsets[name][mirror] * (-1, 1, 1)
    for name in SCULPTED:
        added = sculpt(e, name)
        if other_side(name) == name:
            offsets[name] = offsets[name] + added + added[mirror] * (-1, 1, 1)
        else:
            offsets[name] = offsets[name] + added
            offsets[other_side(name)] = offsets[name][mirror] * (-1, 1, 1)
    for name in [n for n in offsets if n.startswith("eye") and n.endswith("Left")]:
        gaze = gaze_axis(name) if name in GAZE_ANGLES else None
        offsets[name] = e.settle_lids(
            offsets[name], closed=name.startswith("eyeBlink"), gaze=gaze, hug=name == "eyeWideLeft"
        )
        offsets[other_side(name)] = offsets[name][mirror] * (-1, 1, 1)
    for name in offsets:
        if name.startswith(OVERLAPPING):
            reach = 0.0 if name.startswith(PARTING) else 1.2 if name.startswith("noseSneer") else 0.2
            axes = (0.0, 1.0, 0.0) if name.startswith(("jaw", *PARTING)) else (0.3, 1.0, 0.8)
            offsets[name] = e.clear_teeth(e.close_lips(offsets[name], jaws[name], reach, axes, upper_share=0.35))
    both = e.close_lips(offsets["jawOpen"] + offsets["mouthClose"], jaws["jawOpen"], reach=9.0)
    offsets["mouthClose"] = both - offsets["jawOpen"]
    return offsets, jaws


MIXED = {"mouthPressLeft": {"mouthRollLower": 0.32, "mouthRollUpper": 0.28}}
"""Left shapes that take over their half of others: pressed lips are thin."""
PRESSED_UP = 0.12
"""Share of ``mouthClose`` that is left without an open jaw: its full way would carry the lower lip over the nose."""
SCULPTED = {
    "browInnerUp": (
        ((1.25, 4.9, 10.3), (1.2, 1.1, 2.0), (0.0, 0.22, 0.05)),
        ((5.0, 4.9, 8.4), (1.3, 1.0, 2.0), (0.0, -0.10, 0.0)),
    ),
    "browDownLeft": (
        ((1.35, 5.0, 10.3), (1.1, 0.9, 2.0), (-0.16, -0.26, 0.10)),
        ((4.6, 5.2, 8.6), (1.3, 1.0, 2.0), (0.0, 0.12, 0.0)),
    ),
}
"""Own additions to left and middle shapes: (centre, size, offset) of soft pushes, centimetres."""


def sculpt(e: Expressions, name: str) -> Points:
    """Cage offsets (N, 3) of our own pushes, those on the left."""
    out = np.zeros_like(e.neutral)
    for centre, size, push in SCULPTED.get(name, ()):
        near = np.exp(-((((e.neutral - centre) / np.array(size)) ** 2).sum(1)))
        out += near[:, None] * np.array(push)
    return out


def other_side(name: str) -> str:
    """ARKit name of the mirrored shape."""
    if name.endswith("Left"):
        return name[:-4] + "Right"
    return name[:-5] + "Left" if name.endswith("Right") else name


def fit_correctives(e: Expressions, offsets: dict[str, Points], clear: LidClearer) -> dict[tuple[str, ...], Points]:
    """Offsets to add: where both sides press, where lips close further than the jaw is open, at half a blink, and
    where lid shapes meet each other or a look (``clear`` pushes these correctives out of the eyeball)."""
    out: dict[tuple[str, ...], Points] = {}
    mirror = e.fitter.cage.mirror
    blink = offsets["eyeBlinkLeft"]
    half = e.settle_lids(0.5 * blink, closed=False) - 0.5 * blink
    pairs = {("eyeBlinkLeft",): half}
    for other, share in (
        ("eyeLookDownLeft", 0.3),
        ("eyeSquintLeft", 0.45),
        ("eyeWideLeft", 0.2),
        ("eyeLookUpLeft", 0.2),
    ):
        gaze = gaze_axis(other) if other in GAZE_ANGLES else None
        wanted = e.settle_lids(blink + share * offsets[other], closed=True, gaze=gaze)
        pairs["eyeBlinkLeft", other] = wanted - blink - offsets[other]
    press = ("mouthPressLeft", "mouthPressRight")
    together = offsets[press[0]] + offsets[press[1]]
    closing = e.clear_teeth(e.close_lips(together, Jaw(np.zeros((4, 3))), reach=9.0)) - together
    out[press] = 0.5 * (closing + closing[mirror] * (-1, 1, 1))
    alone = e.close_lips(PRESSED_UP * offsets["mouthClose"], Jaw(np.zeros((4, 3))), reach=9.0)
    out["mouthClose-jawOpen",] = e.clear_teeth(alone) - offsets["mouthClose"]
    for names, value in clear(e, offsets, pairs).items():
        out[names] = value
        out[tuple(other_side(n) for n in names)] = value[mirror] * (-1, 1, 1)
    return out
