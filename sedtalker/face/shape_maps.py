"""Shapes under the names of other rigs, in and out: each is a pose of ARKit's 52, and the rest is linear algebra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sedtalker.arrays import Doubles, Floats, Reals
from sedtalker.errors import InputError, one_of
from sedtalker.face.arkit import ARKIT_52, INDEX, nearest_shape
from sedtalker.mesh.mesh import Scene
from sedtalker.reading import is_file, read_json

SWEEPS = 24
"""Rounds of coordinate descent; maps of one name for one shape are solved before the first."""
MISSED = 0.05
"""Share of a shape that a rig's combination may miss and still represent it."""


@dataclass(frozen=True, eq=False)
class ShapeMap:
    """Names of a rig's shapes, and what they are.

    Attributes:
        name: of the rig, for messages.
        names: (N,) of its shapes.
        poses: (N, 52) ARKit weights that show each at weight 1.
    """

    name: str
    names: tuple[str, ...]
    poses: Doubles

    def to_arkit(self, weights: Reals) -> Floats:
        """ARKit weights (T, 52) in [0, 1] of the rig's weights (T, N)."""
        return np.clip(np.asarray(weights, dtype=np.float64) @ self.poses, 0.0, 1.0).astype(np.float32)

    def from_arkit(self, weights: Reals) -> Floats:
        """The rig's weights (T, N) in [0, 1] that come nearest to ARKit weights (T, 52), by least squares.

        Where several shapes are as good, as the four parts of a pucker, each takes the same share.
        """
        wanted = np.asarray(weights, dtype=np.float64)
        found = np.clip(wanted @ self._inverse, 0.0, 1.0)
        gram, pull = self.poses @ self.poses.T, wanted @ self.poses.T
        size = np.diag(gram)
        for _ in range(SWEEPS):
            for k in np.flatnonzero(size > 0.0):
                rest = pull[:, k] - found @ gram[:, k] + size[k] * found[:, k]
                found[:, k] = np.clip(rest / size[k], 0.0, 1.0)
        return found.astype(np.float32)

    @cached_property
    def _inverse(self) -> Doubles:
        """(52, N) the rig's weights of each ARKit shape: the smallest of those that come nearest."""
        return np.asarray(np.linalg.pinv(self.poses, rcond=1e-6), dtype=np.float64)

    def renamed(self, scene: Scene) -> Scene:
        """A file whose morph targets have ARKit's names: those that the rig's shapes make up.

        Targets that are in no shape keep their names.

        Raises:
            InputError: none of the map's names is there, or what is there makes up no shape.
        """
        lower = {name.lower(): k for k, name in enumerate(self.names)}
        columns = [lower.get(name.lower(), -1) for name in scene.target_names]
        here = [i for i, k in enumerate(columns) if k >= 0]
        if not here:
            some = ", ".join(scene.target_names[:4]) or "none"
            raise InputError(
                f"--map {self.name}: none of its names is a blend shape of the mesh, which has {some}: check the map, "
                "or give the .sedface of sedtalker mesh register, which needs none"
            )
        poses = self.poses[[columns[i] for i in here]]
        shares = np.linalg.pinv(poses, rcond=1e-6)
        missed = np.linalg.norm(shares @ poses - np.eye(len(ARKIT_52)), axis=1)
        shapes = [k for k in range(len(ARKIT_52)) if missed[k] < MISSED]
        if not shapes:
            raise InputError(
                f"--map {self.name}: its shapes are mixtures, such as visemes, of which no ARKit shape can be made: "
                "leave --map out, and the shapes are fitted"
            )
        offsets = np.tensordot(shares[shapes].astype(np.float32), scene.targets[here], axes=1)
        kept = [i for i in range(len(columns)) if columns[i] < 0]
        return Scene(
            scene.mesh,
            (*(ARKIT_52[k] for k in shapes), *(scene.target_names[i] for i in kept)),
            np.concatenate([offsets, scene.targets[kept]]).astype(np.float32),
            scene.shown,
        )


# --- Names for ``--map``.

MAPS = Path(__file__).with_name("maps")
"""Folder of the maps that are known by name, with the names that stand in the files of those rigs."""
PRESETS = tuple(sorted(path.stem for path in MAPS.glob("*.json")))
"""Names of the known maps."""
MOST = 400
"""Names of a map, at most."""
STRONGEST = 3.0
"""Largest weight of an ARKit shape in a pose."""


def read_shape_map(given: str | Path) -> ShapeMap:
    """The map that ``--map`` names: a preset, or a JSON file of ``{"rig name": "jawOpen"}`` or
    ``{"rig name": {"jawOpen": 0.6, "mouthFunnel": 0.4}}``.

    Raises:
        InputError: no such preset or file, or it does not fit that.
    """
    word, path = str(given), Path(given)
    known = word.lower() in PRESETS
    if known:
        path = MAPS / f"{word.lower()}.json"
    if path.suffix.lower() != ".json":
        raise InputError(f"--map {word}: {one_of(word, PRESETS, ' or a .json file of names')}")
    if not is_file(path):
        raise InputError(f"{path}: no such map of names")
    held = read_json(path, "a map of names")
    if not isinstance(held, dict) or not held or len(held) > MOST:
        raise InputError(f'{path}: a map of names is {{"name in the rig": "jawOpen", …}}, of at most {MOST} names')
    poses = np.zeros((len(held), len(ARKIT_52)))
    for row, (name, value) in zip(poses, held.items(), strict=True):
        for shape, weight in _pose(path, name, value).items():
            row[INDEX[shape]] = weight
    return ShapeMap(path.stem if known else path.name, tuple(held), poses)


def _pose(path: Path, name: str, value: Any) -> dict[str, float]:
    """One entry of a file, checked."""
    pose = {value: 1.0} if isinstance(value, str) else value
    if not isinstance(pose, dict):
        raise InputError(f"{path}: {name}: give the name of an ARKit shape, or an object of their weights")
    for shape, weight in pose.items():
        if shape not in INDEX:
            raise InputError(f"{path}: {name}: there is no ARKit shape '{shape}': {nearest_shape(shape)}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0.0 <= weight <= STRONGEST:
            raise InputError(f"{path}: {name}: the weight of {shape} lies between 0 and {STRONGEST:g}")
    return {shape: float(weight) for shape, weight in pose.items()}
