"""Visibility of shapes on a face, and scaling of fitted ones until it is that of the built-in face.

Landmarks that move do not make an expression visible: what is seen is the change of light and shade. The face is
shaded in one grey, without textures, from the front, at rest and in each emotion; the mean absolute difference of the
two pictures inside the outline of the face is the visible change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from sedtalker.arrays import Doubles, Floats, Mask
from sedtalker.face.expressions import EMOTIONS, can_be_measured
from sedtalker.face.face import Face, RegistrationReport, pose
from sedtalker.face.quality import OPENINGS, PICTURE, enclosed, outline_of
from sedtalker.face.shape_scaling import bounded, scale_correctives
from sedtalker.mesh.rasteriser import View, rasterise
from sedtalker.mesh.surface import triangle_normals

Shade = Doubles
Poses = Mapping[str, Mapping[str, float]]

LIGHT = np.array([0.2, 0.75, 0.6]) / np.linalg.norm([0.2, 0.75, 0.6])
"""Direction to the light: above, in front, a little to one side, so that folds cast shade."""
AMBIENT = 0.35
"""Shade of skin that is turned away from the light."""
INNER = 0.45
"""Shade of eyes, teeth and tongue beside that of skin."""
BLUR = 1.0
"""Pixels over which the pictures are smoothed, so that single edges do not count."""
EXPRESSIVE = (
    "browDown", "browInnerUp", "browOuterUp", "eyeWide", "eyeSquint", "cheekSquint", "noseSneer", "mouthSmile",
    "mouthFrown", "mouthStretch",
)  # fmt: skip
"""Beginnings of the shapes that are raised: those of emotions that speech hardly uses."""
MOST = 2.2
"""Largest factor of a shape of emotions."""
SPOKEN = (
    "mouthFunnel", "mouthPucker", "mouthShrugUpper", "mouthShrugLower", "mouthUpperUp", "mouthLowerDown",
    "mouthRollUpper",
)  # fmt: skip
"""Beginnings of the shapes of speech that are raised, each by itself; those that close lips and the jaw must meet."""
MOST_SPOKEN = 1.6
"""Largest factor of a shape of speech."""
ROUNDS = 3
"""Iterations of measuring and correcting the factors: the visible change is not linear in a shape."""
FOLDED_PIXELS = 4
"""Pixels of folded skin that an emotion may show beyond what it showed before it was raised."""
STEPS_BACK = 4
"""Iterations of halving the factors of an emotion that folds the skin."""


class GreyPicture(NamedTuple):
    """A face from the front: its plain grey picture (P, P), and the number of pixels with folded skin."""

    shade: Shade
    folded: int


def visible_changes(face: Face, poses: Poses = EMOTIONS) -> dict[str, float]:
    """Mean absolute change of shade, in [0, 1], inside the outline of a face in each pose, beside the face at rest.

    Args:
        face: with 68 landmarks.
        poses: weights by shape, see ``pose``.
    """
    return {name: change for name, (change, _) in changes_and_folds(face, poses).items()}


def changes_and_folds(face: Face, poses: Poses) -> dict[str, tuple[float, int]]:
    """``visible_changes``, each with the number of pixels that show folded skin there and not at rest."""
    marks = face.marks
    outline, view = outline_of(marks)
    area = enclosed(outline, 1.0, view)
    plain = area.copy()  # without eyes and mouth, whose rims do turn over
    for corners, larger in OPENINGS:
        plain &= ~enclosed(marks[list(corners)], larger, view)
    rest = looked_at(face, face.mesh.vertices, view, plain)
    moved = face.deform(np.stack([pose(face, weights) for weights in poses.values()]))
    looks = {name: looked_at(face, vertices, view, plain) for name, vertices in zip(poses, moved, strict=True)}
    return {
        name: (float(np.abs(look.shade - rest.shade)[area].mean()), look.folded - rest.folded)
        for name, look in looks.items()
    }


def looked_at(face: Face, vertices: Floats, view: View, plain: Mask) -> GreyPicture:
    """A face with these vertices (V, 3) in plain grey: 0 outside it, 1 where it faces the light.

    Folds are counted among some pixels (P, P).
    """
    triangles = face.mesh.triangles
    ids, _ = rasterise(view.project(vertices), triangles, PICTURE)
    seen, of_pixel = np.unique(ids, return_inverse=True)
    normals = triangle_normals(vertices.astype(np.float64), triangles[seen])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    skin: Mask = face.regions.get("skin", np.ones(len(vertices), bool))
    of_skin = skin[triangles[seen]].all(axis=1)
    back = normals[:, 2] < 0.0
    shade = AMBIENT + (1.0 - AMBIENT) * (np.where(back[:, None], -normals, normals) @ LIGHT).clip(0.0)
    shade = np.where(of_skin, shade, INNER * shade)
    of_pixel = of_pixel.reshape(ids.shape)
    turned = back[of_pixel[plain & (ids >= 0) & np.take(of_skin, of_pixel)]]
    folded = int(min(turned.sum(), (~turned).sum()))  # files may be wound inside-out
    return GreyPicture(gaussian_filter(np.where(ids >= 0, shade[of_pixel], 0.0), BLUR), folded)


def with_visible_emotions(
    face: Face, report: RegistrationReport, source: Face, strength: float = 1.0
) -> tuple[Face, RegistrationReport]:
    """A face on which six emotions change as much as on ``source`` times ``strength``, as far as its skin allows.

    The shapes of speech in ``SPOKEN`` are raised first, each until it is as visible by itself. Only fitted shapes are
    raised, none is lowered: what an artist made stays as it is. The report says the factors (``raised``), and of the
    emotion that is seen least how much (``visible``) and which it is (``faintest``).
    """
    if report.way == "exact" or not (can_be_measured(face) and can_be_measured(source)):
        return face, report

    def fitted(shapes: Sequence[str]) -> list[str]:
        return sorted(s for s in shapes if not any(own.startswith(s) for own in report.own_shapes))

    if alone := {shape: {shape: 1.0} for shape in fitted(SPOKEN)}:
        seen, aim = visible_changes(face, alone), visible_changes(source, alone)
        raised = {s: float(np.clip(strength * aim[s] / max(seen[s], 1e-6), 1.0, MOST_SPOKEN)) for s in alone}
        face = _raised(face, raised)
        report = replace(report, raised=_above_one(raised))
    wanted = {emotion: strength * change for emotion, change in visible_changes(source).items()}
    if shapes := fitted(EXPRESSIVE):
        factors = _factors(face, shapes, wanted)
        face = _raised(face, factors)
        report = replace(report, raised={**report.raised, **_above_one(factors)})
    shown = visible_changes(face)
    share = {emotion: shown[emotion] / max(change, 1e-6) for emotion, change in wanted.items()}
    faintest = min(share, key=lambda emotion: share[emotion])
    return face, replace(report, visible=round(share[faintest], 3), faintest=faintest)


def _above_one(factors: Mapping[str, float]) -> dict[str, float]:
    """Factors for the report: those above 1."""
    return {shape: round(factor, 2) for shape, factor in factors.items() if factor > 1.0}


def _factors(face: Face, shapes: Sequence[str], wanted: Mapping[str, float]) -> dict[str, float]:
    """Factors of ``shapes`` (beginnings of names) that make each emotion as visible as ``wanted`` without folds."""
    factors = dict.fromkeys(shapes, 1.0)

    def seen() -> dict[str, tuple[float, int]]:
        raised = {e: {s: w * factors.get(s, 1.0) for s, w in weights.items()} for e, weights in EMOTIONS.items()}
        return changes_and_folds(face, raised)

    shown = seen()
    before = {emotion: folds for emotion, (_, folds) in shown.items()}
    for _ in range(ROUNDS):
        for shape, factor in factors.items():
            missing = _lacking(shape, wanted, {emotion: change for emotion, (change, _) in shown.items()})
            factors[shape] = float(np.clip(factor * missing, 1.0, MOST))
        shown = seen()
    for _ in range(STEPS_BACK):
        folded = [emotion for emotion, (_, folds) in shown.items() if folds > before[emotion] + FOLDED_PIXELS]
        if not folded:
            break
        for shape in {shape for emotion in folded for shape in EMOTIONS[emotion] if shape in factors}:
            factors[shape] = 1.0 + 0.5 * (factors[shape] - 1.0)
        shown = seen()
    return factors


def _lacking(shape: str, wanted: Mapping[str, float], shown: Mapping[str, float]) -> float:
    """Wanted over present visibility of the emotions with a shape: a geometric mean, weighted by the shape."""
    parts = {emotion: weights[shape] for emotion, weights in EMOTIONS.items() if shape in weights}
    missing = sum(part * np.log(wanted[name] / max(shown[name], 1e-6)) for name, part in parts.items())
    return float(np.exp(missing / sum(parts.values())))


def _raised(face: Face, factors: Mapping[str, float]) -> Face:
    """A face whose shapes are larger by factors for the beginnings of their names, and its correctives with them.

    A factor that would fold the skin gives way.
    """
    basis, each = face.basis.copy(), np.ones(len(face.basis))
    for shape, row in face.shape_index.items():
        factor = next((factor for name, factor in factors.items() if shape.startswith(name)), 1.0)
        each[row] = bounded(face, row, factor)
    scale_correctives(face, each)
    changed = each != 1.0
    basis[changed] *= each[changed, None, None].astype(np.float32)
    return replace(face, basis=basis)
