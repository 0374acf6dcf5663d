"""Heads that are sound at rest and break when they move: registered faces whose shapes were damaged one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sedtalker.face.completion import completed
from sedtalker.face.face import Face
from sedtalker.face.quality import judge
from sedtalker.face.registration import RegistrationReport

Offsets = NDArray[np.floating]
"""Offsets (V, 3) of one shape, in metres."""
Damage = Callable[[Offsets, Face, np.random.Generator], Offsets]
"""What becomes of a shape's offsets."""

LEFT_BEHIND = 0.5
"""Share of the vertices that do not follow a torn shape."""
DEVIATION = 0.02
"""Standard deviation of a noisy shape, in distances of the outer corners of the eyes: some 2 mm."""
PULLED = 40
"""Vertices of the skin that a shape with spikes pulls out, by a third of that distance."""


def _nothing(offsets: Offsets, face: Face, rng: np.random.Generator) -> Offsets:
    return np.zeros_like(offsets)


def _torn(offsets: Offsets, face: Face, rng: np.random.Generator) -> Offsets:
    return np.where(rng.random(len(offsets))[:, None] < LEFT_BEHIND, 0.0, offsets)


def _noisy(offsets: Offsets, face: Face, rng: np.random.Generator) -> Offsets:
    moving = np.linalg.norm(offsets, axis=1) > 0.1 * np.linalg.norm(offsets, axis=1).max()
    return offsets + moving[:, None] * rng.normal(0.0, DEVIATION * _between_eyes(face), offsets.shape)


def _spiked(offsets: Offsets, face: Face, rng: np.random.Generator) -> Offsets:
    assert face.landmarks is not None
    marks = face.mesh.vertices[face.landmarks]
    front = face.regions["skin"] & (face.mesh.vertices[:, 2] > marks[3, 2])
    chosen = rng.choice(np.nonzero(front)[0], min(PULLED, int(front.sum())), replace=False)
    pulled = offsets.copy()
    pulled[chosen, 2] += _between_eyes(face) / 3
    return pulled


def _folded(offsets: Offsets, face: Face, rng: np.random.Generator) -> Offsets:
    return 6.0 * offsets


def _backwards(offsets: Offsets, face: Face, rng: np.random.Generator) -> Offsets:
    return -2.0 * offsets


def _between_eyes(face: Face) -> float:
    assert face.landmarks is not None
    marks = face.mesh.vertices[face.landmarks]
    return float(np.linalg.norm(marks[45] - marks[36]))


DAMAGES: dict[str, tuple[tuple[str, ...], Damage]] = {
    "a blink that shuts nothing": (("eyeBlinkLeft", "eyeBlinkRight"), _nothing),
    "one eye that stays open": (("eyeBlinkLeft",), _nothing),
    "a torn blink": (("eyeBlinkLeft", "eyeBlinkRight"), _torn),
    "a blink that opens the eyes": (("eyeBlinkLeft", "eyeBlinkRight"), _backwards),
    "a torn jaw": (("jawOpen",), _torn),
    "a noisy jaw": (("jawOpen",), _noisy),
    "a jaw with spikes": (("jawOpen",), _spiked),
    "a folded smile": (("mouthSmileLeft", "mouthSmileRight"), _folded),
    "a torn smile": (("mouthSmileLeft", "mouthSmileRight"), _torn),
    "a smile with spikes": (("mouthSmileLeft",), _spiked),
    "noisy brows": (("browDownLeft", "browDownRight", "browInnerUp"), _noisy),
    "brows with spikes": (("browInnerUp",), _spiked),
}
"""What is done to which shapes, by the name of the damage."""


def damaged_faces(face: Face, seed: int = 0) -> Iterator[tuple[str, Face]]:
    """The face once with each damage; only shapes that the face has are damaged."""
    for name, (shapes, damage) in DAMAGES.items():
        rng, basis = np.random.default_rng(seed), face.basis.copy()
        for shape in shapes:
            if shape in face.shape_index:
                k = face.shape_index[shape]
                basis[k] = damage(basis[k], face, rng)
        yield name, replace(face, basis=basis)


def verdicts_in_motion(heads: Iterable[tuple[Face, RegistrationReport]], source: Face) -> dict[str, str]:
    """The verdict on each registered head as it is, by its name, and with each damage, by ``head: damage``.

    Damages are done to heads that are good as they are; of others one could not tell what the verdict is for.
    """
    verdicts: dict[str, str] = {}
    for face, report in heads:
        verdicts[face.name] = judge(*completed(face, report, source)).verdict
        if verdicts[face.name] != "good":
            continue
        for name, broken in damaged_faces(face):
            verdicts[f"{face.name}: {name}"] = judge(*completed(broken, report, source)).verdict
    return verdicts


def in_motion(heads: Iterable[tuple[Face, RegistrationReport]], source: Face) -> dict[str, Any]:
    """``sound_in_motion``, ``broken_in_motion`` and ``broken_in_motion_called_good`` of registered heads."""
    found = verdicts_in_motion(heads, source)
    sound = {name: verdict for name, verdict in found.items() if ": " not in name}
    return {
        "sound_in_motion": sum(verdict == "good" for verdict in sound.values()) / max(len(sound), 1),
        "broken_in_motion": len(found) - len(sound),
        "broken_in_motion_called_good": [n for n, verdict in found.items() if n not in sound and verdict == "good"],
    }
